"""The second checker, of certificates about images: sections 13 and 14 of docs/certificate-format.md; it uses no
engine."""

import hashlib
import math
import re
import struct
from collections import namedtuple
from fractions import Fraction

import second_checker as first
from second_checker_cones import cone
from second_checker_file import (
    ARRAYS,
    DESCRIBED,
    FILE,
    HASH,
    RATIONAL,
    Case,
    Row,
    depth,
    fits,
    must_have_cuts,
    rational,
    read_archive,
    read_arrays,
    unpacked,
)
from second_checker_layers import ONE, ZERO, Rejected, float32, must
from second_checker_network import UNREADABLE, read_network

Pictures = namedtuple("Pictures", "height width pixels labels")  # pixels: bytes of each image; labels: numbers
Shown = namedtuple("Shown", "count safe margins")  # how many images count, and are safe; bounds of exclusions

ENTRIES, NUMBERS = 2**20, 2**31
SCHEMA = {
    "format": "acasxu-certificate",
    "version": int,
    "kind": "images",
    "semantics": "real",
    "network": FILE,
    "engine": {"name": str, "version": str, "options": dict},
    "arrays": DESCRIBED,
    "data": {"name": str, "images": HASH, "labels": HASH},
    "input": {"layout": "NCHW|NHWC|NHW|flat", "scaling": r"0\.\.1|0\.\.255|-1\.\.1"},
    "patch": {"height": int, "width": int, "positions": [[int]]},
    "images": [int],
    "cases": [[int]],
}
CONTENTS = {"low": RATIONAL, "high": RATIONAL, "around": RATIONAL}
SCALED = {"0..1": lambda v: v, "0..255": lambda v: 255 * v, "-1..1": lambda v: 2 * v - 1}


def accepts_images(certificate, network, images, labels):
    """How many images count and how many are safe, or None where it is rejected; ValueError as in accepts."""
    try:
        return shown(certificate, network, images, labels)[:2]
    except Rejected:
        return None


def shown(certificate, network, images, labels):
    """What the certificate shows; or Rejected is raised."""
    manifest, data = read_archive(certificate)
    check_form(manifest, data)
    arrays = read_arrays(manifest, data)
    pictures, net = read_inputs(manifest, network, images, labels)
    must_have_cuts(arrays, pictures.height * pictures.width)
    cases = [make_case(manifest, pictures, net.outputs, *numbers) for numbers in manifest["cases"]]
    margins = first.check_proof(net, cases, arrays, cone)
    return Shown(*count(manifest, pictures), margins)


def read_inputs(manifest, network, images, labels):
    """The pictures and the network, which are those that the manifest names and fit each other."""
    files = [unpacked(path) for path in (images, labels)]
    must([hashlib.sha256(f).hexdigest() for f in files] == [manifest["data"][key] for key in ("images", "labels")])
    try:
        pictures = read_pictures(*files)
        net = read_network(network, manifest)
    except (*UNREADABLE, struct.error) as error:
        raise ValueError("malformed or unsupported") from error
    must(pictures.height * pictures.width == net.inputs and net.outputs >= 2)
    return pictures, net


def check_form(manifest, data):
    """JSON of the kinds and limits that section 13 has."""
    must(isinstance(manifest, dict), ValueError)
    rest = {key: value for key, value in manifest.items() if key not in ("claim", "contents")}
    schema = SCHEMA | {"cones": bool} if rest.get("version") == 5 else SCHEMA
    must(fits(rest, schema) and len(manifest) == len(schema) + 2 and rest["version"] in (4, 5), ValueError)
    must(rest.get("cones", True), ValueError)
    check_claim(manifest, data)
    contents, patch = manifest.get("contents"), manifest["patch"]
    around = {"around": "1"} if type(contents) is dict and contents.get("around", 0) is None else {}
    must(type(contents) is dict and fits(contents | around, CONTENTS), ValueError)
    low, high, around = (rational((contents | around)[key]) for key in CONTENTS)
    must(low < high and around > 0, ValueError)
    positions, cases = patch["positions"], manifest["cases"]
    must(1 <= len(positions) <= ENTRIES and cases, ValueError)
    must(all(len(pair) == 2 for pair in positions + cases), ValueError)
    numbers = [patch["height"], patch["width"], *sum(positions + cases, [])]
    must(all(0 <= number < NUMBERS for number in numbers) and min(numbers[:2]) >= 1, ValueError)
    must(len(set(map(tuple, positions))) == len(positions), ValueError)
    must(cases == sorted(cases) and len(set(map(tuple, cases))) == len(cases), ValueError)
    must(all(i < len(manifest["images"]) and j < len(positions) for i, j in cases), ValueError)


def check_claim(manifest, data):
    """What stands in all certificates about images."""
    must(depth(manifest["engine"]["options"]) <= 100 and set(data) == ARRAYS, ValueError)
    claim, images = manifest.get("claim"), manifest["images"]
    must(claim == "label" or fits(claim, {"not": int}) and 0 <= claim["not"] < NUMBERS, ValueError)
    must(1 <= len(images) <= ENTRIES and images == sorted(set(images)), ValueError)
    must(0 <= images[0] and images[-1] < NUMBERS, ValueError)


# Data


def read_pictures(images, labels):
    return read_idx(images, labels) if images[:1] == b"\0" else read_csv(images, labels)


def read_idx(images, labels):
    kind, count, height, width = struct.unpack(">4sIII", images[:16])
    must(kind == b"\0\0\x08\x03" and labels[:4] == b"\0\0\x08\x01" and min(count, height, width) >= 1, ValueError)
    must(struct.unpack(">I", labels[4:8]) == (count,) and len(labels) == 8 + count, ValueError)
    size = height * width
    must(len(images) == 16 + count * size, ValueError)
    return Pictures(height, width, [images[16 + i * size :][:size] for i in range(count)], list(labels[8:]))


def read_csv(images, labels):
    must(images == labels, ValueError)
    lines = images.removesuffix(b"\n").split(b"\n")
    must(all(re.fullmatch(rb"[0-9]+(,[0-9]+)*\r*", line) for line in lines), ValueError)
    rows = [[int(number.lstrip(b"0") or 0) for number in line.rstrip(b"\r").split(b",")] for line in lines]
    side = math.isqrt(len(rows[0]) - 1)
    must(side >= 1 and all(len(row) == side * side + 1 and max(row) <= 255 for row in rows), ValueError)
    return Pictures(side, side, [row[:-1] for row in rows], [row[-1] for row in rows])


def value(byte, scaling):
    return float32(SCALED[scaling](float32(Fraction(byte, 255))))


# Cases


def make_case(manifest, pictures, outputs, i, j):
    """Of an image and a position."""
    number, (row, column), patch = manifest["images"][i], manifest["patch"]["positions"][j], manifest["patch"]
    lower = inputs_of(manifest, pictures, number)
    upper = list(lower)
    for y in range(row, row + patch["height"]):
        for x in range(column, column + patch["width"]):
            must(y < pictures.height and x < pictures.width)
            place = y * pictures.width + x
            lower[place], upper[place] = ends(manifest["contents"], lower[place])
    return Case(lower, upper, polytopes(manifest["claim"], pictures.labels[number], outputs))


def inputs_of(manifest, pictures, number):
    """Of the image of this number."""
    must(number < len(pictures.pixels))
    return [value(byte, manifest["input"]["scaling"]) for byte in pictures.pixels[number]]


def polytopes(claim, label, outputs):
    """What is unsafe of an image of this label."""
    if claim == "label":
        must(label < outputs)
        return [[difference(label, c)] for c in range(outputs) if c != label]
    must(claim["not"] < outputs)
    return [[difference(c, claim["not"]) for c in range(outputs) if c != claim["not"]]]


def ends(contents, x):
    low, high = rational(contents["low"]), rational(contents["high"])
    if contents["around"] is not None:
        around = rational(contents["around"])
        low, high = max(low, x - around), min(high, x + around)
        must(low <= high)
    return low, high


def difference(more, less):
    """The row that output `more` is at most output `less`."""
    return Row({f"Y_{more}": ONE, f"Y_{less}": -ONE}, ZERO, False)


def count(manifest, pictures):
    """How many images count, and are safe."""
    done, patch = {}, manifest["patch"]
    for row, column in patch["positions"]:
        must(row + patch["height"] <= pictures.height and column + patch["width"] <= pictures.width)
    for i, _ in manifest["cases"]:
        done[i] = done.get(i, 0) + 1
    return count_safe(manifest, pictures, {i for i in done if done[i] == len(patch["positions"])})


def count_safe(manifest, pictures, safe):
    """How many images count, and how many of these are among the safe ones."""
    claim = manifest["claim"]
    must(all(number < len(pictures.pixels) for number in manifest["images"]))
    counting = [
        i for i, number in enumerate(manifest["images"]) if claim == "label" or pictures.labels[number] != claim["not"]
    ]
    return len(counting), sum(i in safe for i in counting)
