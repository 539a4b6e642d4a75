"""Contents in a few numbers: what `acasxu images certify` decides and writes, and what the checker says of it."""

import hashlib
import json
import zipfile
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from image_models import SHAPE, dormant_backdoor, halves, linear_backdoor
from test_images_aggregate import files as small_files  # noqa: F401 (a fixture)
from test_images_certify_cli import files  # noqa: F401 (a fixture)

from engine.audit.failures import Malformed, Rejected
from engine.audit.images.certificate import read_claim
from engine.audit.images.check import check_images
from engine.audit.images.mixture_cases import mixture_cases
from engine.audit.images.pixels import read_images as read_pixels
from engine.cli import main
from engine.exact import evaluate
from engine.images.certify.mixture import MOST, is_mixture, read_mixture
from engine.images.certify.mixture_questions import MixtureQuestions, mixture_questions
from engine.images.certify.service import Output, certify
from engine.images.classifier import load_classifier
from engine.images.imageset import Scaling
from engine.images.readers import read_images
from engine.images.trigger import Trigger, blend, read_trigger, trigger_bytes
from engine.network_file import load_network
from engine.onnx_file import parse_network
from engine.replay import replay_of
from engine.search.problem import Options

OPTIONS = Options(timeout=10, threads=1, device="cpu")
IMAGES = "a-images-idx3-ubyte", "a-labels-idx1-ubyte"


def asked(contents: str, *, target=1, images=None, classifier=None) -> MixtureQuestions:
    classifier = classifier or linear_backdoor()
    network = parse_network(classifier.data, name="made")
    images = halves(24) if images is None else images
    return mixture_questions(classifier, network, images, read_mixture(contents, SHAPE, classifier.scaling), target)


def gap(image: np.ndarray) -> float:
    """Of the linear backdoor: how far class 0 is ahead of class 1."""
    image = image.astype(float).reshape(8, 8)
    return image[:4, :7].sum() - image[4:, :7].sum() - 30 * image[7, 7]


# --- what is decided ------------------------------------------------------------------------------


@pytest.mark.parametrize("most", [0.02, 0.2, 0.6])
def test_blends_against_arithmetic(most):
    """The gap changes evenly from the image's to the picture's."""
    made = asked(f"blend:{most}")
    pattern = gap(blend(SHAPE).pattern)
    record = certify(made, OPTIONS, data="halves")
    for image, label, state in zip(made.images.images, made.images.labels, record.states, strict=True):
        last = (1 - most) * gap(image) + most * pattern
        assert abs(last) > 1e-4
        assert state == ("target" if label == 1 else "refuted" if last < 0 else "proved")


def test_brightness_and_contrast_against_arithmetic():
    """Brightness adds 30 b to class 1. Contrast about black multiplies the gap, and never changes its sign."""
    for contents, most in (("brightness:1/10", 3.0), ("brightness:.5", 15.0), ("contrast:0.9", 0.0)):
        made = asked(contents)
        record = certify(made, OPTIONS, data="halves")
        for image, label, state in zip(made.images.images, made.images.labels, record.states, strict=True):
            expected = "refuted" if gap(image) < most else "proved"
            assert state == ("target" if label == 1 else expected), contents


def test_both_together_are_two_numbers():
    """The gap (1 + c) g - 30 b is below 0 at the corner of the box alone."""
    made = asked("brightness:1/3,contrast:1/2")
    record = certify(made, OPTIONS, data="halves")
    outcomes = {state for state in record.states if state != "target"}
    for image, label, state in zip(made.images.images, made.images.labels, record.states, strict=True):
        if label == 0:
            assert state == ("refuted" if gap(image) / 2 < 10 else "proved")
    assert made.n_inputs == 2 and outcomes == {"refuted", "proved"}


@pytest.mark.parametrize("contents", ["blend:0.3", "contrast:0.4", "blend:0.1,brightness:.1,contrast:.2"])
@pytest.mark.parametrize("scaling", list(Scaling))
def test_points_of_the_family_in_onnxruntime(small_files, contents, scaling):  # noqa: F811
    """No point of a proved image errs as executed; and the family's points are those of the definition."""
    classifier = load_classifier(small_files / f"{scaling.name}.onnx")
    network = load_network(small_files / f"{scaling.name}.onnx")
    images = read_images(small_files / IMAGES[0]).select(slice(0, 12))
    mixture = read_mixture(contents, classifier.shape, scaling)
    made = mixture_questions(classifier, network, images, mixture, None)
    record = certify(made, OPTIONS, data="made")
    assert "proved" in record.states and record.counts["open"] == 0
    random, (low, high) = np.random.default_rng(0), scaling.ends
    ends = np.array([[float(a), float(b)] for a, b in mixture.box])
    for i in (i for i, state in enumerate(record.states) if state == "proved"):
        u = ends[:, 0] + random.random((40, len(ends))) * (ends[:, 1] - ends[:, 0])
        u[:2] = ends.T
        terms, x = list(u.T), np.repeat(made.values[i].astype(float)[None], 40, 0)
        own = x.copy()
        if mixture.blend is not None:
            x += terms.pop(0)[:, None] * (mixture.blend.pattern.ravel() * (high - low) + low - own)
        if mixture.brightness is not None:
            x += terms.pop(0)[:, None]
        if mixture.contrast is not None:
            x += terms.pop(0)[:, None] * (own - low)
        given = np.array([[float(v) for v in made.tied(i).given(tuple(map(Fraction, row.tolist())))] for row in u])
        assert np.allclose(given, x, rtol=0, atol=1e-6 * (high - low))
        outputs = replay_of(network)(given.astype(np.float32))
        assert (outputs.argmax(1) == images.labels[i]).all()


def test_the_tied_network_is_the_one_behind_the_equations():
    """Exactly, in floating point, and as executed."""
    made = asked("blend:0.5,brightness:0.1", classifier=dormant_backdoor())
    tied = made.tied(3)
    u = np.array([[0.125, 0.0625], [0.3, -0.1]])
    given = [tied.given(tuple(map(Fraction, row.tolist()))) for row in u]
    assert [evaluate(tied, row) for row in u.tolist()] == [evaluate(made.network, x) for x in given]
    nearest = np.array([[float(v) for v in x] for x in given]).astype(np.float32)
    assert (replay_of(tied)(u) == replay_of(made.network)(nearest)).all()
    assert np.allclose(tied.evaluate(u), replay_of(tied)(u), atol=1e-4)
    assert not tied.rounded and asked("blend:.1", images=made.images.select(slice(0, 2))).tied(0).number is np.float64


def test_numbers_that_float64_does_not_hold_make_it_rounded():
    made = asked("blend:0.5")
    pattern = made.mixture.blend.pattern.copy()
    pattern.flat[9] = 2.0**-60
    blended = replace(made.mixture, blend=replace(made.mixture.blend, pattern=pattern))
    changed = replace(made, mixture=blended)
    assert changed.tied(0).rounded and not made.tied(0).rounded
    record = certify(changed, OPTIONS, data="halves")
    assert record.counts["open"] == 0


def test_a_tie_stays_open():
    """Both classes have one score at the end of the range: no trigger, and no proof."""
    classifier = linear_backdoor()
    weight = np.zeros((2, 64), np.float32)
    weight[0, 0], weight[1, 1] = 1, 1
    classifier = classifier.with_weights({"dense1.weight": weight, "dense1.bias": np.array([0, 0], np.float32)})
    images = halves(2)
    pixels = np.zeros_like(images.images)
    pixels[0, 0, 0, 0] = 0.5  # class 0 leads by 1/2, and by nothing with contrast 0
    images = replace(images, images=pixels)
    record = certify(asked("contrast:1", images=images, classifier=classifier), OPTIONS, data="made")
    assert record.states[0] in ("open", "refuted")  # the score of class 1 is the first of equals for the label alone
    late = certify(asked("blend:0.9"), replace(OPTIONS, timeout=1e-9), data="halves")
    reasons = {found.reason.split(" after")[0] for found in late.ledger.findings.values() if found.reason}
    assert reasons <= {"out of time"}


# --- what the option says -------------------------------------------------------------------------


def test_pictures_are_read(tmp_path):
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (8, 8)).astype(np.uint8)
    image = pytest.importorskip("PIL.Image").fromarray(pixels)
    image.save(tmp_path / "p.png")
    found = read_mixture(f"blend:{tmp_path / 'p.png'}", SHAPE, Scaling.UNIT).blend
    assert found.most == MOST == Fraction(1, 5) and found.name == "p.png"
    assert (found.pattern == (pixels / np.float32(255))[None]).all() and found.pattern.dtype == np.float32
    (tmp_path / "t.npz").write_bytes(trigger_bytes(Trigger(np.ones(SHAPE, np.float32), found.pattern)))
    again = read_mixture(f"blend:{tmp_path / 't.npz'}:3/10", SHAPE, Scaling.UNIT).blend
    assert again.most == Fraction(3, 10) and (again.pattern == found.pattern).all()
    random_one = read_mixture("blend:0.25", SHAPE, Scaling.UNIT).blend
    assert (random_one.pattern == read_trigger("blend:0.25", SHAPE).pattern).all() and random_one.most == Fraction(1, 4)


def test_brightness_is_a_share_of_the_range():
    for scaling, expected in ((Scaling.UNIT, "1/10"), (Scaling.BYTE, "51/2"), (Scaling.SIGNED, "1/5")):
        found = read_mixture("contrast:1/2,brightness:0.1", SHAPE, scaling)
        assert found.brightness == Fraction(expected) and found.contrast == Fraction(1, 2) and found.blend is None
        assert found.box == ((-found.brightness, found.brightness), (Fraction(-1, 2), Fraction(1, 2)))
        assert found.text == "brightness changed by at most 0.1, contrast about black changed by at most 0.5 of itself"
    assert not is_mixture("any") and not is_mixture("box:0.1") and is_mixture("blend:") and is_mixture("contrast:x")


def certified(folder, *options, data="a-images-idx3-ubyte") -> int:
    given = ["images", "certify", str(folder / "n.onnx"), "--data", str(folder / data), "--threads", "1"]
    return main([*given, "--device", "cpu", *map(str, options)])


@pytest.mark.parametrize(
    "options, what",
    [
        (("--contents", "blend:0"), "0 is not above 0 and at most 1"),
        (("--contents", "blend:1.5"), "1.5 is not above 0 and at most 1"),
        (("--contents", "blend:3/0"), "these are no contents"),
        (("--contents", "blend:rubbish"), "there is no such picture"),
        (("--contents", "blend:a.npz"), "it holds no trigger"),
        (("--contents", "blend:wide.png"), "it is 1 x 8 x 9, the network reads 1 x 8 x 8"),
        (("--contents", "blend:wide.png:2"), "2 is not above 0 and at most 1"),
        (("--contents", "blend:bright.npz"), "in 0 to 1"),
        (("--contents", "blend:torn.png"), "no PNG image"),
        (("--contents", "brightness:"), "these are no contents"),
        (("--contents", "brightness:-0.1"), "these are no contents"),
        (("--contents", "contrast:2"), "2 is not above 0 and at most 1"),
        (("--contents", "contrast:1/9999999,contrast:0.1"), "contrast is said twice"),
        (("--contents", "hue:0.1"), "these are no contents"),
        (("--contents", "brightness:0.1", "--patch", "all"), "are of the whole image, and not of a patch"),
        (("--contents", "box:0.1"), "there is no --patch"),
        (("--contents", "brightness:0.1", "--target", "2"), "no class 2"),
    ],
)
def test_bad_input_is_one_line(files, capsys, monkeypatch, options, what):  # noqa: F811
    monkeypatch.chdir(files)
    image = pytest.importorskip("PIL.Image")
    image.fromarray(np.zeros((8, 9), np.uint8)).save("wide.png")
    Path("torn.png").write_bytes(Path("wide.png").read_bytes()[:40])
    np.savez("bright.npz", mask=np.ones(SHAPE), pattern=np.full(SHAPE, 1.5))
    assert certified(files, *options) == 2
    error = capsys.readouterr().err
    assert what in error and error.count("\n") == 1


def test_help_and_output_say_what_is_not_clipped(files, capsys):  # noqa: F811
    assert main(["images", "certify", "--help"]) == 0
    assert "are not clipped: the family is the affine one" in " ".join(capsys.readouterr().out.split())
    assert certified(files, "--contents", "contrast:0.1", "--target", 1) == 0
    out = capsys.readouterr().out
    assert "are not clipped: the family is the affine one." in out and "contrast about black" in out


# --- files ----------------------------------------------------------------------------------------


def test_triggers_that_work(files, tmp_path, capsys):  # noqa: F811
    """Of a blend its share and picture, which `attack` takes; of others the image; a second run tries them again."""
    out = tmp_path / "out"
    assert certified(files, "--contents", "blend:0.9", "--target", 1, "--out", out) == 1
    assert "6, each by a trigger that onnxruntime confirms" in capsys.readouterr().out
    record = json.loads((out / "images.json").read_text())
    assert record["counts"]["refuted"] == len(list(out.glob("*.png"))) == 6
    for path in out.glob("*.npz"):
        trigger, arrays = read_trigger(str(path), SHAPE), np.load(path)
        assert (trigger.pattern == blend(SHAPE).pattern).all() and np.ptp(trigger.mask) == 0
        assert np.isclose(trigger.mask.flat[0], arrays["numbers"][0]) and 0 < arrays["numbers"][0] <= 0.9
        assert arrays["input"].dtype == np.float32 and arrays["outputs"].argmax() == 1 != arrays["label"]
    assert certified(files, "--contents", "blend:0.9", "--target", 1, "--out", out) == 1  # goes on
    assert certified(files, "--contents", "blend:0.8", "--target", 1, "--out", out) == 2  # another question
    damaged = next(out.glob("*.npz"))
    arrays = dict(np.load(damaged))
    np.savez(damaged, **arrays | {"numbers": np.zeros(1)})
    assert certified(files, "--contents", "blend:0.9", "--target", 1, "--out", out) == 1  # is found again
    assert np.load(damaged)["numbers"][0] > 0
    assert certified(files, "--contents", "brightness:0.9", "--target", 1, "--out", out, "--force") == 1
    arrays = np.load(next(out.glob("*.npz")))
    assert (arrays["mask"] == 1).all()
    assert np.allclose(arrays["pattern"].ravel(), np.clip(arrays["input"], 0, 1).ravel())


CLAIMS = [("blend:1", 0), ("brightness:0.3,contrast:0.5", None), ("blend:0.1,brightness:0.3,contrast:0.4", 1)]


@pytest.fixture(scope="module", params=CLAIMS, ids=[claim[0] for claim in CLAIMS])
def proved(request, small_files, tmp_path_factory):  # noqa: F811
    """A certificate about a network of two hidden layers; the scaling is another one for each."""
    contents, target = request.param
    scaling = list(Scaling)[CLAIMS.index(request.param)]
    network = small_files / f"{scaling.name}.onnx"
    classifier = load_classifier(network)
    mixture = read_mixture(contents, classifier.shape, scaling)
    count = 40 if mixture.blend is None or mixture.brightness is None else 12  # of three numbers there are many boxes
    images = read_images(small_files / IMAGES[0]).select(slice(5, 5 + count))
    made = mixture_questions(classifier, load_network(network), images, mixture, target)
    out = tmp_path_factory.mktemp("proved")
    record = certify(made, OPTIONS, data="made", output=Output(folder=out, certificates=True))
    assert record.counts["proved"] > 4 and record.files == ("images.proof.zip",)
    return made, record, out / "images.proof.zip", [network, *(small_files / name for name in IMAGES)]


@pytest.mark.parametrize("arithmetic", ["float64", "exact"])
def test_what_is_written_is_accepted(proved, arithmetic):
    _, record, certificate, paths = proved
    result = check_images(certificate, *paths, arithmetic=arithmetic)
    assert result.accepted and result.margin > 0, result.reason
    assert result.shown == (record.counted, record.counts["proved"]) and "whatever the change" in str(result)
    parts = [check_images(certificate, *paths, arithmetic=arithmetic, share=(i, 2)) for i in range(2)]
    assert all(part.accepted for part in parts) and sum(part.checked for part in parts) == result.nodes


def test_a_later_run_goes_on_with_the_certificate(proved):
    made, record, certificate, _ = proved
    again = certify(made, OPTIONS, data="made", output=Output(folder=certificate.parent, certificates=True))
    assert again.states == record.states and again.seconds < 5


def rewritten(certificate, path, change) -> None:
    """The certificate with another manifest, and all sums right."""
    with zipfile.ZipFile(certificate) as archive:
        held = {name: archive.read(name) for name in archive.namelist()}
    manifest = json.loads(held.pop("manifest.json"))
    change(manifest)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("manifest.json", json.dumps(manifest))
        for name, data in held.items():
            archive.writestr(name, data)


def _wider(manifest):
    for key in ("brightness", "contrast"):
        if manifest["contents"][key]:
            manifest["contents"][key] = "20"
    if manifest["contents"]["blend"]:
        manifest["contents"]["blend"]["most"] = "20"


def _pattern(numbers):
    def change(manifest):
        found = manifest["contents"]["blend"]
        manifest["contents"]["blend"] = {"pattern": numbers, "most": found["most"] if found else "1/5"}

    return change


def _moved(manifest):
    manifest["images"] = [number + 100 for number in manifest["images"]]


def _other_claim(manifest):
    manifest["claim"] = {"not": 1 if manifest["claim"] == {"not": 0} else 0}


CHANGES = {
    "range": _wider,
    "pattern": _pattern(["9999"] * 18 + ["-9999"] * 18),
    "short_pattern": _pattern(["0"] * 35),
    "huge_pattern": _pattern([str(2**101)] + ["0"] * 35),
    "images": _moved,
    "class": _other_claim,
    "no_such_class": lambda manifest: manifest.update(claim={"not": 3}),
    "beyond": lambda manifest: manifest["images"].__setitem__(-1, 400),
    "fewer_cases": lambda manifest: manifest["cases"].pop(),
    "network": lambda manifest: manifest["network"].update(sha256="0" * 64),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_changed_certificates_are_rejected(proved, tmp_path, change):
    _, _, certificate, paths = proved
    rewritten(certificate, tmp_path / "c.zip", change)
    for arithmetic in ("float64", "exact"):
        result = check_images(tmp_path / "c.zip", *paths, arithmetic=arithmetic)
        assert not result.accepted and result.reason


def test_the_checker_has_the_same_equations(proved):
    """It makes them of the manifest and the data files, and the engine of what it read."""
    made, _, certificate, (_, *data) = proved
    claim, _ = read_claim(certificate)
    cases = mixture_cases(claim, read_pixels(*data), 3)
    places = {made.number(i): i for i in range(len(made.images))}
    for case in cases:
        first, found = made.tied(places[case.image]).layers[0], case.equations()
        assert (first.weight == found.weight).all() and (first.bias == found.bias).all() and found.exact
        assert list(zip(case.lower, case.upper)) == list(made.mixture.box)
    own = cases[0].inputs[cases[0].images.pixels[cases[0].image, 0]]
    tiny = claim.family._replace(pattern=[own + Fraction(1, 10**400)] * 36)
    with pytest.raises(Rejected, match="too small or large"):
        replace(cases[0], mixture=tiny).equations()
    third = claim.family._replace(pattern=[Fraction(1, 3)] * 36)
    assert not replace(cases[0], mixture=third).equations().exact


def test_the_same_trees_do_not_hold_for_other_labels(proved, tmp_path):
    made, _, certificate, (network, images, labels) = proved
    data = bytearray(labels.read_bytes())
    data[8:] = bytes((label + 1) % 3 for label in data[8:])
    (tmp_path / "labels").write_bytes(data)
    assert "labels with SHA-256" in check_images(certificate, network, images, tmp_path / "labels").reason


def resigned(certificate, path, **changed) -> None:
    """The certificate with other arrays, by name, and all sums right."""

    def change(manifest):
        for name, array in changed.items():
            manifest["arrays"][name] = {"count": len(array), "sha256": hashlib.sha256(array.tobytes()).hexdigest()}

    rewritten(certificate, path, change)
    with zipfile.ZipFile(path) as archive:
        held = {name: archive.read(name) for name in archive.namelist()}
    for name, array in changed.items():
        held[f"{name}.{'f64' if array.dtype == np.float64 else 'i32'}"] = array.tobytes()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in held.items():
            archive.writestr(name, data)


def test_changed_trees_are_rejected(proved, tmp_path):
    made, _, certificate, paths = proved
    _, tree = read_claim(certificate)
    split, cut = tree.split.copy(), tree.cut.copy()
    assert (split >= 0).any()
    cut[0] += 100
    split[(split >= 0).nonzero()[0][-1]] = made.n_inputs  # the sign of the first neuron
    one = np.zeros(len(tree.node), np.int32)
    one[0] = 1
    changes = {
        "its cut is not inside its box": {"cut": cut},
        "it is split by what is not there": {"split": split, "cut": tree.cut[:-1].copy()},
        "slope: there is no such neuron": {
            "slopes": one, "slope": np.zeros(1, np.int32), "slope_value": np.ones(1, np.int32)
        },
        "multiplier: there is no such neuron": {
            "multipliers": one, "multiplier": np.zeros(1, np.int32), "multiplier_value": np.ones(1)
        },
        "a polytope that is not excluded": {
            name: getattr(tree, name)[:-1].copy()
            for name in ("node", "polytope", "rows", "slopes", "multipliers", "row", "row_weight")
        },
    }  # fmt: skip
    for why, arrays in changes.items():
        resigned(certificate, tmp_path / "c.zip", **arrays)
        result = check_images(tmp_path / "c.zip", *paths)
        assert not result.accepted and why in result.reason


def test_a_leaf_must_show_its_exclusion(proved, tmp_path):
    """Without its splits, a case that has some is not proved."""
    _, _, certificate, paths = proved
    claim, tree = read_claim(certificate)
    roots = len(claim.cases)
    number = int((tree.split[:roots] >= 0).nonzero()[0][0])
    rewritten(certificate, tmp_path / "c.zip", lambda manifest: manifest.update(cases=[claim.cases[number][0]]))
    exclusions = tree.polytope[tree.node == tree.node[0]]
    zeros, ones = np.zeros(len(exclusions), np.int32), np.ones(len(exclusions), np.int32)
    arrays = {
        "split": np.full(1, -1, np.int32), "cut": np.zeros(0), "node": zeros, "polytope": exclusions, "rows": ones,
        "slopes": zeros, "multipliers": zeros, "row": zeros, "row_weight": ones,
    }  # fmt: skip
    resigned(tmp_path / "c.zip", tmp_path / "d.zip", **arrays)
    for arithmetic in ("float64", "exact"):
        result = check_images(tmp_path / "d.zip", *paths, arithmetic=arithmetic)
        assert not result.accepted and "an exclusion is not shown" in result.reason


BLEND = {"pattern": ["0"] * 36, "most": "1/5"}
MALFORMED = {
    "its contents are none": {"blend": None, "brightness": None, "contrast": None},
    "should have, and has not": {"blend": None, "brightness": "1/5"},
    "an end that is not above 0": {"blend": None, "brightness": "0", "contrast": None},
    "not written as the format wants": {"blend": BLEND | {"most": "0,5"}, "brightness": None, "contrast": None},
    "has not, an object of just pattern, most": {"blend": {"pattern": []}, "brightness": None, "contrast": None},
}


@pytest.mark.parametrize("why, contents", MALFORMED.items(), ids=MALFORMED)
def test_malformed_contents(proved, tmp_path, why, contents):
    _, _, certificate, paths = proved
    rewritten(certificate, tmp_path / "c.zip", lambda manifest: manifest.update(contents=contents))
    with pytest.raises(Malformed, match=why):
        check_images(tmp_path / "c.zip", *paths)


OTHER_CASES = [[[0, 0]], [1, 0], [0, 0], [True], [10**6], []]
VERSIONS = [(4, None, "should have"), (5, None, "another format|should have")]
VERSIONS += [(6, cases, "no integers|not there") for cases in OTHER_CASES]


@pytest.mark.parametrize("version, cases, why", VERSIONS)
def test_other_versions_and_cases_are_malformed(proved, tmp_path, version, cases, why):
    _, _, certificate, paths = proved

    def change(manifest):
        manifest["version"] = version
        manifest["cases"] = manifest["cases"] if cases is None else cases

    rewritten(certificate, tmp_path / "c.zip", change)
    with pytest.raises(Malformed, match=why):
        check_images(tmp_path / "c.zip", *paths)
