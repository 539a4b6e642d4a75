"""Section 13 of the certificate format in the checker: certificates about a classifier and images."""

import copy
import re
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest
from cases import exact_trace
from image_certificates import Photos, classifier, cone_by_definition, csv, idx, nearest_single, safe_images, value
from test_audit_check import ARITHMETIC, Exclusion, Node

from engine.audit.failures import Malformed
from engine.audit.images.cases import cases_of, shown, values_of
from engine.audit.images.certificate import SCALINGS, Claim, Patch
from engine.audit.images.check import check_images
from engine.audit.images.pixels import Images, read_images

NET = classifier(2)
CORNERS = [[0, 0], [2, 1]]


@pytest.fixture(scope="module")
def proved(tmp_path_factory):
    """Class 0 is not given to images 0, 2 and 3, nor to 1, which is labelled 0, and has one case only; its trees.

    Images 4 to 9 are of any kind, and no cases are about them.
    """
    pixels = safe_images(NET, 0, 4, positions=CORNERS, gap=0.02, most=0.25)
    pixels = np.concatenate([pixels, np.random.default_rng(1).integers(0, 256, (6, 4, 4))])
    cases = [[i, j] for i in range(4) for j in range(2) if (i, j) != (1, 1)]
    folder, labels = tmp_path_factory.mktemp("proved"), [1, 0, 2, 1, 1, 2, 0, 1, 2, 2]
    photos = Photos(folder, NET, pixels, labels, positions=CORNERS, images=[0, 1, 2, 3, 4], cases=cases)
    return photos, [deeper(photos, root, *pair) for root, pair in zip(photos.roots(), cases, strict=True)]


def deeper(photos, root, i, j):
    """A tree of one node as one that splits an input of the patch, and a neuron that it reaches."""
    one, (exclusion,) = photos.case(i, j), root.exclusions.values()
    cone = cone_by_definition(photos.net, one["lower"], one["upper"])
    signed = Exclusion(exclusion.rows, exclusion.slopes, {cone.hidden[-1]: 2.0**-20})
    below = Node(16 + cone.hidden[-1], 0.0, {}, (Node(exclusions={0: signed}),) * 2)
    return Node(cone.free[j], 0.5, {}, (below, root))


# --- accepted -------------------------------------------------------------------------------------


@pytest.mark.parametrize("arithmetic", ARITHMETIC)
def test_a_class_that_is_not_given(proved, arithmetic):
    photos, roots = proved
    result = photos.write(roots).run(arithmetic=arithmetic)
    assert result.accepted and result.reason == "" and result.margin > 0
    assert (result.kind, result.semantics, result.arithmetic) == ("images", "real", arithmetic)
    assert result.checked == result.nodes == 7 * 5 and result.shown == (4, 3)
    assert str(result) == (
        "class 0 is given to at most 1 of 4 images, "
        "whatever numbers from 0 to 1 stand in the 2 x 2 pixels at any of these 2 positions"
    )


@pytest.mark.parametrize("arithmetic", ARITHMETIC)
@pytest.mark.parametrize("scaling, low", [("0..1", "0"), ("0..255", "-1/3"), ("-1..1", "-1")])
def test_images_keep_their_label(tmp_path, arithmetic, scaling, low):
    """Within 1/20 of each pixel; two of three images, at one position."""
    pixels = np.random.default_rng(4).integers(0, 256, (3, 4, 4))
    flat = [[float(value(b, scaling)) for b in image.ravel().tolist()] for image in pixels]
    labels = [int(np.argmax([float(y) for y in exact_trace(NET, x).y])) for x in flat]
    contents = {"low": low, "high": "255.5", "around": "1/20"}
    photos = Photos(tmp_path, NET, pixels, labels, "label", contents=contents, scaling=scaling, cases=[[0, 0], [2, 0]])
    result = photos.write(photos.roots()).run(arithmetic=arithmetic)
    assert result.accepted and result.shown == (3, 2), result.reason
    assert str(result) == (
        f"at least 2 of 3 images keep their label as class, whatever numbers from {low} to 511/2 that differ "
        "from the image's own by at most 1/20 stand in the 2 x 2 pixels at this position"
    )


def test_a_csv_file(proved, tmp_path):
    photos, roots = proved
    data = csv(photos.pixels, photos.labels)
    photos = copy.copy(photos)
    photos.folder, photos.data = tmp_path, [data, data]
    photos.paths = [tmp_path / "proof.zip", photos.paths[1], tmp_path / "images.csv"]
    photos.paths[2].write_bytes(data)
    result = photos.write(roots).run()
    assert result.accepted and result.shown == (4, 3), result.reason


def test_parts_of_it(proved):
    photos, roots = proved
    photos.write(roots)
    whole, parts = photos.run(), [photos.run(share=(i, 2)) for i in range(2)]
    assert sum(part.checked for part in parts) == whole.checked
    some = photos.run(sample=3)
    assert some.accepted and some.leaves == 3 and str(some).startswith("only ")


@pytest.mark.parametrize("words", [[], ["exact"], ["--labels"], ["float64", "exact"]])
def test_the_checker_by_itself(proved, words):
    photos, roots = proved
    photos.write(roots)
    certificate, network, images, labels = map(str, photos.paths)
    given = [certificate, network, "--images", images, "--labels", labels, *words]
    ran = subprocess.run([sys.executable, "-m", "engine.audit", *given], capture_output=True, text=True)
    if words in ([], ["exact"]):
        assert (ran.returncode, ran.stderr) == (0, "")
        assert ran.stdout.startswith("accepted: semantics real: class 0 is given to at most 1 of 4 images, whatever")
    else:
        assert (ran.returncode, ran.stdout) == (2, "") and ran.stderr.startswith("The checker by itself")


# --- cases ----------------------------------------------------------------------------------------


def claim_of(photos) -> Claim:
    low, high, around = (None if v is None else Fraction(v) for v in photos.contents.values())
    patch = Patch(*photos.size, [tuple(place) for place in photos.positions], low, high, around)
    target = None if photos.claim == "label" else photos.claim["not"]
    cases = [tuple(pair) for pair in photos.cases]
    return Claim("", "", "", target, photos.scaling, patch, photos.images, cases, {}, "")


def images_of(photos) -> Images:
    _, height, width = photos.pixels.shape
    pixels = photos.pixels.reshape(-1, height * width).astype(np.uint8)
    return Images(pixels, np.array(photos.labels, np.uint8), height, width, "", "")


@pytest.mark.parametrize("scaling", SCALINGS)
def test_pixels_as_inputs(scaling):
    assert [Fraction(v) for v in values_of(scaling).tolist()] == [value(byte, scaling) for byte in range(256)]
    assert nearest_single(1 + Fraction(1, 2**24)) == 1 and nearest_single(1 + Fraction(3, 2**24)) == 1 + Fraction(
        2, 2**23
    )


@pytest.mark.parametrize("seed", range(8))
def test_cases_are_those_of_the_text(tmp_path, seed):
    random = np.random.default_rng(seed)
    contents = {"low": "0.1", "high": "6/7", "around": [None, "1/3", "0.9"][seed % 3]}
    photos = Photos(
        tmp_path,
        NET,
        random.integers(40, 200, (3, 4, 4)),
        random.integers(0, 3, 3).tolist(),
        claim="label" if seed % 2 else {"not": int(random.integers(3))},
        size=(1 + seed % 3, 1 + seed % 4),
        positions=[[1, 0], [0, 0]],
        contents=contents,
        scaling=["0..1", "0..1", "-1..1", "0..255"][seed % 4] if seed % 3 == 0 else "0..1",
        images=[0, 2],
    )
    found = cases_of(claim_of(photos), images_of(photos), 3)
    assert len(found) == len(photos.cases) == 4
    for case, (i, j) in zip(found, photos.cases, strict=True):
        expected = photos.case(i, j)
        assert (case.lower, case.upper) == (expected["lower"], expected["upper"])
        ends = list(zip(expected["lower"], expected["upper"]))
        assert case.free().tolist() == [i for i, (low, high) in enumerate(ends) if low < high]
        for low, high, (a, b) in zip(*(side.tolist() for side in case.box()), ends, strict=True):
            assert Fraction(low) <= a <= b <= Fraction(high)
            assert Fraction(float(np.nextafter(low, 9e9))) > a and Fraction(float(np.nextafter(high, -9e9))) < b
        rows = [[row.outputs for row in polytope] for polytope in case.unsafe]
        assert rows == [[row["outputs"] for row in polytope] for polytope in expected["unsafe"]]
        assert all(not r.inputs and not r.constant and not r.strict for rows in case.unsafe for r in rows)


def test_a_pixel_with_one_value_is_fixed(tmp_path):
    """x - e is low: then low is all there is. Beyond that, there is nothing."""
    photos = Photos(tmp_path, NET, np.full((1, 4, 4), 255), [1])
    photos.contents = {"low": "-1", "high": "3/4", "around": "1/4"}
    (only,) = cases_of(claim_of(photos), images_of(photos), 3)
    assert only.free().tolist() == [] and only.lower[0] == only.upper[0] == Fraction(3, 4)
    photos.contents["around"] = "1/5"
    result = photos.write([Node()]).run()
    assert not result.accepted and "image 0: a pixel has no value within its contents" in result.reason


def test_which_images_are_safe(tmp_path):
    photos = Photos(tmp_path, NET, np.zeros((5, 4, 4), int), [0, 1, 2, 1, 1], positions=CORNERS, images=[0, 1, 2, 4])
    photos.cases = [[0, 0], [0, 1], [1, 0], [2, 0], [2, 1], [3, 1]]
    assert shown(claim_of(photos), images_of(photos)) == (3, 1)  # 0 does not count, 1 and 4 lack a position
    photos.claim = "label"
    assert shown(claim_of(photos), images_of(photos)) == (4, 2)


# --- every rule of the manifest, broken once ------------------------------------------------------


def put(*path):
    """Puts the last of these where the others lead in the manifest."""
    *path, last, found = path

    def change(manifest):
        for key in path:
            manifest = manifest[key]
        manifest[last] = found

    return change


def without(key):
    return lambda manifest: manifest.pop(key)


BIG = 2**31
FORM = "should have, and has not"
MALFORMED = {
    "version": (put("version", 1), "another format, version"),
    "version_6": (put("version", 6), FORM),
    "version_9": (put("version", 9), "another format, version"),
    "version_5_without_cones": (put("version", 5), FORM),
    "format": (put("format", "other"), "another format, version"),
    "kind": (put("kind", "proof"), "another format, version, kind"),
    "float32": (put("semantics", "float32"), "kind or semantics"),
    "no_data": (without("data"), FORM),
    "no_arrays": (without("arrays"), FORM),
    "property": (put("property", {"name": "", "sha256": "0" * 64}), FORM),
    "version_is_true": (put("version", True), FORM),
    "network_hash": (put("network", "sha256", "0" * 63), "SHA-256"),
    "images_hash": (put("data", "images", "G" * 64), "SHA-256"),
    "labels_hash": (put("data", "labels", "A" * 64), "SHA-256"),
    "data_form": (put("data", "sha256", "0" * 64), FORM),
    "claim_word": (put("claim", "labels"), "its claim is neither"),
    "claim_list": (put("claim", [7]), FORM),
    "claim_two": (put("claim", {"not": 0, "other": 1}), FORM),
    "target_text": (put("claim", {"not": "0"}), FORM),
    "target_negative": (put("claim", {"not": -1}), "no number of an output"),
    "target_large": (put("claim", {"not": BIG}), "no number of an output"),
    "target_true": (put("claim", {"not": True}), FORM),
    "layout": (put("input", "layout", "NCWH"), "no layout and scaling"),
    "scaling": (put("input", "scaling", "0..2"), "no layout and scaling"),
    "input_form": (put("input", "mean", "0"), FORM),
    "height": (put("patch", "height", 0), "its patch has no size"),
    "width": (put("patch", "width", -2), "its patch has no size"),
    "width_fraction": (put("patch", "width", 2.0), FORM),
    "height_large": (put("patch", "height", BIG), "its patch has no size"),
    "no_positions": (put("patch", "positions", []), "its positions are not 1"),
    "positions_twice": (put("patch", "positions", [[0, 0], [0, 0]]), "a position is there twice"),
    "position_three": (put("patch", "positions", [[0, 0, 0], [2, 1]]), "a position is not two integers"),
    "position_text": (put("patch", "positions", [[0, "0"], [2, 1]]), "a position is not two integers"),
    "position_negative": (put("patch", "positions", [[0, -1], [2, 1]]), "a position is not two integers"),
    "positions_object": (put("patch", "positions", {"0": 0}), FORM),
    "low_is_high": (put("contents", "low", "1"), "no low < high"),
    "low_above": (put("contents", "low", "3/2"), "no low < high"),
    "low_number": (put("contents", "low", 0), FORM),
    "low_form": (put("contents", "low", "1e-3"), "not written as the format wants it"),
    "around_0": (put("contents", "around", "0"), "not around an image by more than 0"),
    "around_below": (put("contents", "around", "-1/2"), "not around an image by more than 0"),
    "around_number": (put("contents", "around", 1), FORM),
    "around_missing": (lambda m: m["contents"].pop("around"), FORM),
    "images_twice": (put("images", [0, 1, 1, 3, 4]), "its images are no numbers that ascend"),
    "images_descend": (put("images", [0, 2, 1, 3, 4]), "its images are no numbers that ascend"),
    "no_images": (put("images", []), "its images are no numbers that ascend"),
    "image_negative": (put("images", [-1, 1, 2, 3, 4]), "its images are no numbers that ascend"),
    "image_text": (put("images", ["0", 1, 2, 3, 4]), "its images are no numbers that ascend"),
    "image_large": (put("images", [0, 1, 2, 3, BIG]), "its images are no numbers that ascend"),
    "no_cases": (put("cases", []), "its cases do not ascend"),
    "cases_twice": (put("cases", [[0, 0], [0, 0]]), "its cases do not ascend"),
    "cases_descend": (put("cases", [[1, 0], [0, 0]]), "its cases do not ascend"),
    "case_three": (put("cases", 0, [0, 0, 0]), "a case is not two integers"),
    "case_text": (put("cases", 0, ["0", 0]), "a case is not two integers"),
    "case_image": (put("cases", -1, [5, 0]), "an image or a position that is not there"),
    "case_position": (put("cases", -1, [3, 2]), "an image or a position that is not there"),
    "options_deep": (put("engine", "options", {"": eval("[" * 101 + "]" * 101)}), "nested more than"),
    "arrays_hash": (put("arrays", "split", "sha256", "0" * 64), "split is not what the manifest says"),
    "arrays_count": (put("arrays", "node", "count", 1), "node is not what the manifest says"),
}


@pytest.mark.parametrize("change, why", MALFORMED.values(), ids=MALFORMED)
def test_malformed_manifests(proved, change, why):
    photos, roots = proved
    photos.write(roots, more=change)
    with pytest.raises(Malformed, match=re.escape(why)) as raised:
        photos.run()
    assert str(photos.paths[0]) in str(raised.value) and "\n" not in str(raised.value)


OTHER = "0" * 64
REJECTED = {
    "network": (put("network", "sha256", OTHER), "it is about a network with SHA-256 000000000000"),
    "images_file": (put("data", "images", OTHER), "it is about images with SHA-256"),
    "labels_file": (put("data", "labels", OTHER), "it is about labels with SHA-256"),
    "image_beyond": (put("images", [0, 1, 2, 3, 10]), "image 10: the file has 10"),
    "patch_outside": (put("patch", "positions", [[0, 0], [3, 1]]), "does not lie within 4 x 4 pixels"),
    "patch_beside": (put("patch", "positions", [[0, 3], [2, 1]]), "does not lie within 4 x 4 pixels"),
    "no_such_class": (put("claim", {"not": 3}), "the network has no output 3"),
    "another_class": (put("claim", {"not": 1}), "an exclusion is not shown"),
    "more_contents": (put("contents", "high", "100"), ""),
    "another_image": (put("images", [0, 1, 2, 4, 5]), ""),
    "one_case_more": (lambda m: m["cases"].append([4, 1]), "not as many nodes as roots"),
    "one_case_less": (lambda m: m["cases"].pop(), "not as many nodes as roots"),
}


@pytest.mark.parametrize("change, why", REJECTED.values(), ids=REJECTED)
def test_rejected_certificates(proved, change, why):
    photos, roots = proved
    photos.write(roots, more=change)
    for arithmetic in ARITHMETIC:
        result = photos.run(arithmetic=arithmetic)
        assert not result.accepted and result.shown is None and why in result.reason, result.reason


def test_labels_must_be_outputs(tmp_path):
    photos = Photos(tmp_path, NET, np.zeros((2, 4, 4), int), [3, 1], "label")
    result = photos.write([Node(), Node()]).run()
    assert not result.accepted and "labelled 3: the network has no such output" in result.reason


def test_one_output_is_no_class(tmp_path):
    photos = Photos(tmp_path, classifier(0, outputs=1), np.zeros((1, 4, 4), int), [0])
    result = photos.write([Node()]).run()
    assert not result.accepted and "fewer than two outputs" in result.reason


def test_images_must_have_as_many_pixels_as_the_network_inputs(tmp_path):
    photos = Photos(tmp_path, NET, np.zeros((1, 4, 5), int), [0])
    result = photos.write([Node()]).run()
    assert not result.accepted and "images have 20 pixels, the network 16 inputs" in result.reason


def test_arrays_that_do_not_fit(proved):
    photos, roots = proved
    photos.write(roots, changed=lambda arrays: arrays.update(cut=[*arrays["cut"], 0.5]))
    with pytest.raises(Malformed, match="lengths do not belong together") as raised:
        photos.run()
    assert str(photos.paths[0]) in str(raised.value)


def test_a_leaf_without_its_exclusion(proved):
    photos, roots = proved
    result = photos.write([Node(), *roots[1:]]).run()
    assert not result.accepted and "a leaf with a polytope that is not excluded" in result.reason


# --- data files -----------------------------------------------------------------------------------

PIXELS, CLASSES = np.arange(32).reshape(2, 4, 4), np.array([3, 9])
GOOD = idx(PIXELS), idx(CLASSES)

IDX = {
    "magic": (b"\0\0\x08\x02" + GOOD[0][4:], GOOD[1], "images: it does not begin"),
    "labels_for_images": (GOOD[1], GOOD[1], "images: it does not begin"),
    "images_for_labels": (GOOD[0], GOOD[0], "labels: it does not begin"),
    "empty": (b"", GOOD[1], "images: it does not begin"),
    "sizes_end": (GOOD[0][:13], GOOD[1], "images: it ends before its sizes do"),
    "short": (GOOD[0][:-1], GOOD[1], "images: 31 bytes follow its sizes, which say 32"),
    "long": (GOOD[0] + b"\0", GOOD[1], "images: 33 bytes follow"),
    "labels_short": (GOOD[0], GOOD[1][:-1], "labels: 1 bytes follow its sizes, which say 2"),
    "labels_long": (GOOD[0], GOOD[1] + b"\1", "labels: 3 bytes follow"),
    "counts": (GOOD[0], idx(np.array([1, 2, 3])), "labels: 3 labels do not fit 2 images"),
    "huge": (b"\0\0\x08\x03" + b"\xff" * 12, GOOD[1], "images: 0 bytes follow"),
    "none": (idx(np.zeros((0, 4, 4))), idx(np.zeros(0)), "images: there are no images, or empty ones"),
    "no_width": (idx(np.zeros((2, 4, 0))), GOOD[1], "images: there are no images, or empty ones"),
}


@pytest.mark.parametrize("images, labels, why", IDX.values(), ids=IDX)
def test_malformed_idx_files(tmp_path, images, labels, why):
    for name, data in (("images", images), ("labels", labels)):
        (tmp_path / name).write_bytes(data)
    one_line(why, tmp_path / "images", tmp_path / "labels")


CSV = {
    "empty": (b"", "it has no lines"),
    "empty_line": (b"1,2\n\n", "line 2: it is not of digits"),
    "no_label": (b"1,2,3,4\n", "line 1: 4 numbers are no square image and its label"),
    "label_alone": (b"1\n", "line 1: 1 numbers are no square image"),
    "other_size": (b"1,2\n1,2,3,4,5\n", "line 2: 5 numbers, line 1 has 2"),
    "above": (b"256,1\n", "line 1: a number is above 255"),
    "long_number": (b"1,2\n1," + b"9" * 5000 + b"\n", "line 2: a number is above 255"),
    "negative": (b"-1,1\n", "line 1: it is not of digits"),
    "space": (b"1, 1\n", "line 1: it is not of digits"),
    "decimal": (b"1.0,1\n", "line 1: it is not of digits"),
    "comma_at_end": (b"1,2,\n", "line 1: it is not of digits"),
    "carriage_return_within": (b"1\r,2\n", "line 1: it is not of digits"),
    "header": (b"pixel,label\n1,2\n", "line 1: it is not of digits"),
    "other_digits": ("\u0661,1\n".encode(), "line 1: it is not of digits"),
    "binary": (GOOD[0], "it is not of digits"),
}


@pytest.mark.parametrize("data, why", CSV.values(), ids=CSV)
def test_malformed_csv_files(tmp_path, data, why):
    (tmp_path / "images").write_bytes(data)
    one_line(why, tmp_path / "images", None)


def one_line(why, *paths):
    with pytest.raises(Malformed, match=re.escape(why)) as raised:
        read_images(*paths)
    assert "\n" not in str(raised.value) and str(paths[0].parent) in str(raised.value)


def test_files_that_cannot_be_read(tmp_path):
    (tmp_path / "damaged.gz").write_bytes(b"\x1f\x8b\x08 no more")
    for path in (tmp_path, tmp_path / "missing", tmp_path / "damaged.gz"):
        one_line("cannot be read", path, None)


def test_good_data_files(tmp_path):
    (tmp_path / "images").write_bytes(GOOD[0])
    (tmp_path / "labels").write_bytes(GOOD[1])
    two = read_images(tmp_path / "images", tmp_path / "labels")
    assert np.array_equal(two.pixels, PIXELS.reshape(2, 16)) and two.labels.tolist() == [3, 9]
    assert (two.height, two.width) == (4, 4) and two.images_sha256 != two.labels_sha256
    for data in (csv(PIXELS, CLASSES), csv(PIXELS, CLASSES).replace(b"\n", b"\r\n"), csv(PIXELS, CLASSES)[:-1]):
        (tmp_path / "csv").write_bytes(data.replace(b"0,1,", b"000,01,", 1))
        one = read_images(tmp_path / "csv", None)
        assert np.array_equal(one.pixels, two.pixels) and one.labels.tolist() == [3, 9]
        assert (one.height, one.width) == (4, 4) and one.images_sha256 == one.labels_sha256


# --- mutants --------------------------------------------------------------------------------------


def mutated(photos, roots, random):
    """The certificate, written with a few numbers of its manifest or arrays changed; what it now claims."""
    kept = {}

    def change_arrays(found):
        if random.random() < 0.5:
            name = random.choice([name for name, values in found.items() if len(values)])
            values = found[name] = np.array(found[name])
            values[random.integers(len(values))] += random.choice([-1, 1, 7, 0.25])

    def change_manifest(manifest):
        for _ in range(random.integers(1, 3)):
            random.choice(CHANGES)(manifest, random)
        kept.update(manifest)

    photos.write(roots, change_arrays, change_manifest)
    return kept


def _target(manifest, random):
    manifest["claim"] = "label" if random.random() < 0.2 else {"not": int(random.integers(4))}


def _contents(manifest, random):
    manifest["contents"][str(random.choice(["low", "high"]))] = str(Fraction(int(random.integers(-8, 17)), 8))


def _around(manifest, random):
    manifest["contents"]["around"] = str(Fraction(int(random.integers(1, 9)), 8))


def _positions(manifest, random):
    manifest["patch"]["positions"][random.integers(2)] = random.integers(0, 4, 2).tolist()


def _size(manifest, random):
    manifest["patch"][str(random.choice(["height", "width"]))] = int(random.integers(1, 5))


def _images(manifest, random):
    manifest["images"] = sorted(random.permutation(10)[:5].tolist())


def _cases(manifest, random):
    pairs = [[i, j] for i in range(5) for j in range(2)]
    manifest["cases"] = [pairs[i] for i in sorted(random.permutation(10)[: len(manifest["cases"])])]


def _scaling(manifest, random):
    manifest["input"]["scaling"] = str(random.choice(SCALINGS))


CHANGES = [_target, _contents, _around, _positions, _size, _images, _cases, _scaling]


def refuted(photos, manifest, random) -> bool:
    """True iff what a manifest claims is seen to be false, at corners and random contents of some case."""
    told = copy.copy(photos)
    told.claim, told.contents, told.scaling = manifest["claim"], manifest["contents"], manifest["input"]["scaling"]
    told.size = manifest["patch"]["height"], manifest["patch"]["width"]
    told.positions, told.images = manifest["patch"]["positions"], manifest["images"]
    for i, j in manifest["cases"]:
        one = told.case(i, j)
        low, high = (np.array([float(v) for v in one[end]]) for end in ("lower", "upper"))
        h = low + (high - low) * np.clip(random.uniform(-0.5, 1.5, (200, len(low))), 0, 1)
        for layer in NET.layers:
            h = h @ layer.weight.T + layer.bias
            h = np.maximum(h, 0) if layer.relu else h
        for polytope in one["unsafe"]:
            rows = np.array([[float(r["outputs"].get(c, 0)) for c in range(3)] for r in polytope])
            if (h @ rows.T <= -1e-9).all(1).any():
                return True
    return False


@pytest.mark.parametrize("count", [100, pytest.param(210, marks=pytest.mark.slow)])
def test_no_mutant_is_accepted_with_a_false_claim(proved, count):
    photos, roots = proved
    said, false_ones = {"accepted": 0, "rejected": 0, "malformed": 0}, 0
    for seed in range(count):
        random = np.random.default_rng(seed)
        manifest = mutated(photos, roots, random)
        try:
            result = photos.run()
        except Malformed as error:
            said["malformed"] += 1
            assert "\n" not in str(error)
            continue
        said["accepted" if result.accepted else "rejected"] += 1
        if result.accepted:
            assert not refuted(photos, manifest, random), manifest
            counted, safe = counted_and_safe(photos, manifest)
            assert result.shown == (counted, safe)
        elif "not shown" in result.reason and false_ones < 20:
            false_ones += refuted(photos, manifest, random)
    assert min(said.values()) > count / 20 and false_ones > count / 20, (said, false_ones)


def counted_and_safe(photos, manifest):
    """As the text says it, image by image."""
    counted = safe = 0
    for i, number in enumerate(manifest["images"]):
        if manifest["claim"] == "label" or photos.labels[number] != manifest["claim"]["not"]:
            counted += 1
            safe += all([i, j] in manifest["cases"] for j in range(len(manifest["patch"]["positions"])))
    return counted, safe


@pytest.mark.parametrize("which", [1, 2, 3])
def test_another_file_is_rejected(proved, tmp_path, which):
    """A bit of the network, of an image or of a label is another one."""
    photos, roots = proved
    photos.write(roots)
    paths = list(photos.paths)
    data = bytearray({1: photos.onnx, 2: photos.data[0], 3: photos.data[1]}[which])
    data[data.index(NET.layers[0].weight.T.astype(np.float32).tobytes()[:16]) if which == 1 else -1] ^= 1
    paths[which] = tmp_path / paths[which].name.removesuffix(".gz")
    paths[which].write_bytes(bytes(data))
    result = check_images(*paths)
    assert not result.accepted and "with SHA-256" in result.reason
