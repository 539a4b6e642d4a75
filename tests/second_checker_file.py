"""The second checker's files: section 1 of docs/certificate-format.md; uses no engine."""

import gzip
import hashlib
import json
import math
import re
import struct
import zipfile
import zlib
from collections import namedtuple
from decimal import Decimal
from fractions import Fraction

from second_checker_layers import must

ARRAYS = {
    "split.i32",
    "cut.f64",
    "node.i32",
    "polytope.i32",
    "rows.i32",
    "slopes.i32",
    "multipliers.i32",
    "row.i32",
    "row_weight.i32",
    "slope.i32",
    "slope_value.i32",
    "multiplier.i32",
    "multiplier_value.f64",
}
BROKEN_ZIP = zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError

Row = namedtuple("Row", "form constant strict")  # form: {"X_0" or "Y_0" and so on: coefficient}
Case = namedtuple("Case", "lower upper unsafe")

HASH, INDEX = "[0-9a-f]{64}", "0|[1-9][0-9]{0,8}"
RATIONAL = r"(?=.{1,1000}$)-?[0-9]+(/0*[1-9][0-9]*|\.[0-9]+)?"
LONG = RATIONAL.replace("1000", "10000")
FORM = (INDEX, RATIONAL)
CASE = {
    "lower": [RATIONAL],
    "upper": [RATIONAL],
    "unsafe": [[{"inputs": FORM, "outputs": FORM, "constant": RATIONAL, "strict": bool}]],
}
COMMON = {
    "format": "acasxu-certificate",
    "version": int,
    "engine": {"name": str, "version": str, "options": dict},
}
FILE = {"name": str, "sha256": HASH}
NETWORKS = {
    1: {"network": FILE, "property": FILE},
    2: {
        "property": FILE,
        "networks": [{"declared": str, "name": str, "sha256": HASH}],
        "ties": [[{"inputs": FORM, "constant": RATIONAL}]],
    },
}
NETWORKS |= {3: {**NETWORKS[2], "pairs": [[int]]}, 4: NETWORKS[1], 5: {**NETWORKS[1], "cones": bool}, 8: NETWORKS[1]}
DESCRIBED = {name[:-4]: {"count": int, "sha256": HASH} for name in ARRAYS}
PROOF = {"kind": "proof", "semantics": "real|float32", "cases": [CASE], "arrays": DESCRIBED}
WITNESS = {"kind": "witness", "semantics": "real", "case": CASE, "point": [LONG], "outputs": [LONG], "margins": [LONG]}


def unpacked(path):
    """Its bytes, decompressed."""
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


def read_certificate(path, versions=(1, 8)):
    """The manifest (of one of these versions), its cases, and a proof's arrays or a witness's three lists."""
    manifest, data = read_archive(path)
    must(isinstance(manifest, dict) and manifest.get("version") in versions, ValueError)
    witness = manifest.get("kind") == "witness"
    must(fits(manifest, COMMON | NETWORKS[manifest["version"]] | (WITNESS if witness else PROOF)), ValueError)
    must(manifest["version"] not in (4, 5) or manifest["semantics"] == "real", ValueError)
    must(not (has_cones(manifest) or manifest["version"] == 8) or not witness, ValueError)
    must(depth(manifest["engine"]["options"]) <= 100, ValueError)
    must(set(data) == (set() if witness else ARRAYS), ValueError)
    cases = [read_case(case) for case in ([manifest["case"]] if witness else manifest["cases"])]
    must(len({len(case.lower) for case in cases}) == 1, ValueError)
    if witness:
        return manifest, cases, read_lists(manifest, cases)
    arrays = read_arrays(manifest, data)
    must_have_cuts(arrays, len(cases[0].lower))
    return manifest, cases, arrays


def has_cones(manifest):
    return manifest["version"] == 4 or manifest["version"] == 5 and manifest["cones"]


def read_archive(path):
    """The manifest, and the other members' bytes."""
    end = path.read_bytes()[-42:]
    must(end[20:24] == b"PK\5\6" and end[40:] == b"\0\0" and end[:4] != b"PK\6\7", ValueError)
    disk, directory_disk, here, count, directory = struct.unpack("<4HL", end[24:36])
    must((disk, directory_disk, here) == (0, 0, count) and count <= 14 and directory <= 2**16, ValueError)
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            must(len(members) == count and sum(member.file_size for member in members) <= 2**27, ValueError)
            must(all(m.compress_type in (0, 8) and not m.flag_bits & 1 for m in members), ValueError)
            data = {member.orig_filename: archive.read(member) for member in members}
            must(sorted(len(part) for part in data.values()) == sorted(m.file_size for m in members), ValueError)
            must("manifest.json" in data, ValueError)
            return read_json(data.pop("manifest.json")), data
    except BROKEN_ZIP as error:
        raise ValueError(str(error)) from error


def read_json(text):
    must(len(text) <= 2**24 and sum(text.count(mark) for mark in (b"{", b"[", b",", b":")) <= 2**20, ValueError)
    return json.loads(
        text.decode(),
        object_pairs_hook=unique,
        parse_constant=unique,
        parse_int=lambda number: int(short(number)),
        parse_float=lambda number: float(short(number)),
    )


def unique(pairs):
    must(len(dict(pairs)) == len(pairs), ValueError)
    return dict(pairs)


def short(number):
    must(len(number) <= 1000, ValueError)
    return number


def depth(value):
    """How many lists and objects are in each other."""
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if parts is None else 1 + max(map(depth, parts), default=0)


def fits(value, schema):
    if isinstance(schema, dict):
        return type(value) is dict and set(value) == set(schema) and all(fits(value[k], schema[k]) for k in schema)
    if isinstance(schema, tuple):
        return type(value) is dict and all(fits(k, schema[0]) and fits(v, schema[1]) for k, v in value.items())
    if isinstance(schema, list):
        return type(value) is list and all(fits(item, schema[0]) for item in value)
    return type(value) is schema if isinstance(schema, type) else type(value) is str and re.fullmatch(schema, value)


def rational(text):
    return Fraction(Decimal(text.partition("/")[0])) / Fraction(Decimal(text.partition("/")[2] or 1))


def names(letter, count):
    return [f"{letter}_{i}" for i in range(count)]


def read_case(case):
    lower, upper = (list(map(rational, case[end])) for end in ("lower", "upper"))
    must(len(lower) == len(upper) > 0 and all(map(Fraction.__le__, lower, upper)), ValueError)
    unsafe = [
        [
            Row(
                {
                    f"{letter}_{i}": rational(a)
                    for letter, part in (("X", "inputs"), ("Y", "outputs"))
                    for i, a in row[part].items()
                },
                rational(row["constant"]),
                row["strict"],
            )
            for row in polytope
        ]
        for polytope in case["unsafe"]
    ]
    used = {name for polytope in unsafe for row in polytope for name in row.form if name[0] == "X"}
    must(used <= set(names("X", len(lower))), ValueError)
    for polytope in unsafe:
        numbers = [a for row in polytope for a in (*row.form.values(), row.constant)]
        must(math.lcm(*(a.denominator for a in numbers)) < 2**32768, ValueError)
    return Case(lower, upper, unsafe)


def read_lists(manifest, cases):
    lists = [list(map(rational, manifest[key])) for key in ("point", "outputs", "margins")]
    must(len(lists[0]) == len(cases[0].lower) and list(map(len, cases[0].unsafe)) == [len(lists[2])], ValueError)
    must(math.lcm(*(a.denominator for a in lists[0])) < 2**32768, ValueError)
    return lists


def read_arrays(manifest, data):
    arrays = {}
    must(len(data["split.i32"]) <= 4 * 2**22, ValueError)
    for member, entries in data.items():
        name, code = member[:-4], "<i" if member.endswith(".i32") else "<d"
        described = {"count": len(entries) / struct.calcsize(code), "sha256": hashlib.sha256(entries).hexdigest()}
        must(manifest["arrays"][name] == described, ValueError)
        arrays[name] = [number for (number,) in struct.iter_unpack(code, entries)]
    must(len({len(arrays[name]) for name in ("node", "polytope", "rows", "slopes", "multipliers")}) == 1, ValueError)
    for key, value in (("row", "row_weight"), ("slope", "slope_value"), ("multiplier", "multiplier_value")):
        must(sum(arrays[key + "s"]) == len(arrays[key]) == len(arrays[value]), ValueError)
    return arrays


def must_have_cuts(arrays, inputs):
    must(len(arrays["cut"]) == sum(0 <= split < inputs for split in arrays["split"]), ValueError)
