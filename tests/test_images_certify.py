"""Certified images: the questions, and what is decided of them, against answers known otherwise."""

import json
import tracemalloc
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from image_models import CORNER, SHAPE, halves, linear_backdoor

from engine.errors import InputError
from engine.images.certify import deciding, service
from engine.images.certify import questions as questions_module
from engine.images.certify.family import Contents, Patch, read_contents, read_patch
from engine.images.certify.order import suspicious_first
from engine.images.certify.questions import Questions
from engine.images.certify.service import Output, certify
from engine.images.classifier import classifier_of
from engine.images.imageset import ImageSet, Scaling
from engine.images.trigger import read_trigger
from engine.onnx_file import parse_network
from engine.search.problem import Options

OPTIONS = Options(timeout=10, threads=1, device="cpu")
ANY = Contents(Fraction(0), Fraction(1), None)
AT_CORNER = Patch(1, 1, (CORNER,))


def box(share) -> Contents:
    return Contents(Fraction(0), Fraction(1), Fraction(share))


def questions(patch=AT_CORNER, contents=ANY, target=1, images=None, classifier=None) -> Questions:
    classifier = classifier or linear_backdoor()
    network = parse_network(classifier.data, name="linear")
    return Questions(classifier, network, halves(24) if images is None else images, patch, contents, target)


def truth(images: ImageSet, most: float, target: int | None) -> list[str]:
    """Of the linear backdoor, whose corner may be anything from 0 to `most`: by arithmetic, in float64."""
    found = []
    for image, label in zip(images.images[:, 0].astype(float), images.labels.tolist()):
        gap = image[:4, :7].sum() - image[4:, :7].sum()  # class 1 is given where this is at most 30 x corner
        assert abs(gap) > 1e-3 and abs(gap - 30 * most) > 1e-3
        as_it_is, painted = int(gap < 0), int(gap < 30 * most)
        if target is None:
            found.append("wrong" if as_it_is != label else "proved" if label == 1 or painted == 0 else "refuted")
        elif label == target:
            found.append("target")
        else:
            found.append("wrong" if as_it_is == target else "refuted" if painted == target else "proved")
    return found


# --- inputs ---------------------------------------------------------------------------------------


def nearest32(value: Fraction) -> np.float32:
    """The nearest float32 number, ties to even, by comparing neighbours exactly."""
    near = np.float32(float(value))
    around = [np.nextafter(near, np.float32(-np.inf)), near, np.nextafter(near, np.float32(np.inf))]
    return min(around, key=lambda v: (abs(Fraction(float(v)) - value), int(v.view(np.uint32)) & 1))


@pytest.mark.parametrize("scaling", list(Scaling))
@pytest.mark.parametrize("layout", ["NCHW", "NHWC", "NHW", "flat"])
def test_inputs_are_those_of_the_format(tmp_path, scaling, layout):
    """Section 13: v is the nearest float32 of p / 255; then v, 255 v or 2 v - 1, rounded once more. All 256 bytes."""

    from test_images_data import idx

    from engine.images.readers import read_images

    pixels = np.random.default_rng(0).permutation(256).astype(np.uint8).reshape(4, 8, 8)
    (tmp_path / "a-images-idx3-ubyte").write_bytes(idx(pixels))
    (tmp_path / "a-labels-idx1-ubyte").write_bytes(idx(np.zeros(4, np.uint8)))
    images = read_images(tmp_path / "a-images-idx3-ubyte", classes=2)
    made = questions(images=images, classifier=replace(linear_backdoor(), layout=layout, scaling=scaling))
    rule = {
        Scaling.UNIT: lambda v: v,
        Scaling.BYTE: lambda v: 255 * v,
        Scaling.SIGNED: lambda v: 2 * v - 1,
    }[scaling]
    exact = [nearest32(rule(Fraction(float(nearest32(Fraction(p, 255)))))) for p in pixels.ravel().tolist()]
    assert made.values.tobytes() == np.array(exact, np.float32).tobytes()
    assert made.places.tolist() == list(range(64))


def test_layouts_of_colours():
    """Of three channels the patch lies at the same pixels however the axes are ordered."""

    from engine.images.architectures import Builder

    b = Builder((3, 4, 5), activation="relu", seed=0)
    classifier = classifier_of(b.model(b.dense(b.flatten("image"), 2), "c"), name="c", scaling=Scaling.UNIT)
    images = np.random.default_rng(0).random((2, 3, 4, 5)).astype(np.float32)
    images = ImageSet(images, np.zeros(2, np.int64), 2)
    patch = Patch(2, 3, ((1, 2),))
    for layout, axes in (("NCHW", (0, 1, 2, 3)), ("NHWC", (0, 2, 3, 1))):
        made = questions(patch, images=images, classifier=replace(classifier, layout=layout))
        assert np.array_equal(made.values, images.images.transpose(axes).reshape(2, -1))
        mask = np.zeros((1, 3, 4, 5), bool)
        mask[:, :, 1:3, 2:5] = True
        assert np.array_equal(made.inside(0), mask.transpose(axes).ravel())


# --- properties -----------------------------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 23), st.sampled_from([None, "1/7", "0.1"]), st.sampled_from([0, 1, None]))
def test_a_property_says_what_the_format_says(image, around, target):
    images = halves(24)
    made = questions(Patch(2, 3, ((1, 2), (6, 5))), box(around) if around else ANY, target, images)
    (case,) = made.property(image, 1).cases
    pixels = images.images[image, 0]
    for i, (lower, upper) in enumerate(zip(case.lower, case.upper, strict=True)):
        row, column = divmod(i, 8)
        x = Fraction(float(pixels[row, column]))
        if not (row >= 6 and column >= 5):
            assert lower == upper == x
        elif around is None:
            assert (lower, upper) == (0, 1)
        else:
            assert (lower, upper) == (max(Fraction(0), x - Fraction(around)), min(Fraction(1), x + Fraction(around)))
    known = int(images.labels[image]) if target is None else target
    sign = -1 if target is None else 1  # of two classes both claims have one row: y_other - y_T, or y_label - y_other
    (polytope,) = case.unsafe
    (only,) = polytope.rows
    assert only.outputs[1 - known] == sign and only.outputs[known] == -sign
    assert not any(only.inputs) and only.constant == 0 and not only.strict


def test_three_classes_make_one_polytope_of_two_rows_or_two_of_one():
    from engine.images.architectures import Builder

    b = Builder(SHAPE, activation="relu", seed=0)
    classifier = classifier_of(b.model(b.dense(b.flatten("image"), 3), "c"), name="c", scaling=Scaling.UNIT)
    rows = lambda case: [[tuple(map(int, row.outputs)) for row in polytope.rows] for polytope in case.unsafe]
    (case,) = questions(target=1, classifier=classifier).property(0, 0).cases
    assert rows(case) == [[(1, -1, 0), (0, -1, 1)]]
    (case,) = questions(target=None, classifier=classifier).property(1, 0).cases  # labelled 1
    assert rows(case) == [[(-1, 1, 0)], [(0, 1, -1)]]


def test_many_properties_are_small():
    images = np.random.default_rng(0).integers(0, 256, (100, 1, 8, 8)).astype(np.float32) / np.float32(255)
    made = questions(box_all(), box("0.1"), None, ImageSet(images, np.zeros(100, np.int64), 2))
    made.property(0, 0), made.values
    tracemalloc.start()
    held = [made.property(image, 0) for image in range(100)]
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(held) == 100 and size < 100 * (2 * 64 * 8 + 1000) + 3 * 256 * 300  # places in two tuples; numbers once


def box_all() -> Patch:
    return read_patch("all", SHAPE)


# --- the family -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "patch"),
    [
        ("3x2@4,6", Patch(3, 2, ((4, 6),))),
        ("3x3@corner", Patch(3, 3, ((4, 4),))),
        ("8x7@all", Patch(8, 7, ((0, 0), (0, 1)))),
        ("all", Patch(8, 8, ((0, 0),))),
    ],
)
def test_patches(text, patch):
    assert read_patch(text, SHAPE) == patch


def test_the_corner_is_that_of_a_square():
    (row, column), *_ = read_patch("3x3@corner", SHAPE).positions
    rows, columns = read_trigger("square:3@corner", SHAPE).mask[0].nonzero()
    assert (row, column) == (rows.min(), columns.min())


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("3x3@6,0", "rows are 0 to 5"),
        ("3x3@0,9", "columns 0 to 5"),
        ("9x1@0,0", "does not lie within"),
        ("0x1@0,0", "does not lie within"),
        ("8x8@corner", "does not lie within"),
        ("3x3", "no patch"),
        ("3x3@-1,0", "no patch"),
        ("square:3@corner", "no patch"),
        ("", "no patch"),
    ],
)
def test_other_patches_are_refused(text, what):
    with pytest.raises(InputError, match=what):
        read_patch(text, SHAPE)


def test_contents():
    assert read_contents("any", Scaling.BYTE) == Contents(Fraction(0), Fraction(255), None)
    assert read_contents("box:0.1", Scaling.SIGNED) == Contents(Fraction(-1), Fraction(1), Fraction(1, 5))
    assert read_contents("box:8/255", Scaling.BYTE).around == 8
    assert read_contents("box:8/255", Scaling.BYTE).share == Fraction(8, 255)


@pytest.mark.parametrize("text", ["box:0", "box:-1", "box:1.01", "box:", "box:nan", "box:1/0", "all", "box:1e-3"])
def test_other_contents_are_refused(text):
    with pytest.raises(InputError, match="contents"):
        read_contents(text, Scaling.UNIT)


@pytest.mark.parametrize(
    ("made", "what"),
    [
        (lambda: questions(target=2), "no class 2"),
        (lambda: questions(target=-1), "no class -1"),
        (lambda: questions(target=1, images=halves(24).select(slice(1, None, 2))), "the target"),
        (lambda: questions(images=halves(24).select(slice(0))), "no images"),
    ],
)
def test_questions_that_make_no_sense(made, what):
    with pytest.raises(InputError, match=what):
        made()


# --- what is decided ------------------------------------------------------------------------------


@pytest.mark.parametrize("target", [0, 1, None])
@pytest.mark.parametrize("most", ["1/4", "3/4", None])
def test_states_are_the_known_ones(most, target):
    images = mixed()
    contents = ANY if most is None else box(most)
    record = certify(questions(contents=contents, target=target, images=images), OPTIONS, data="halves")
    known = truth(images, 1.0 if most is None else float(Fraction(most)), target)
    assert record.states == known
    assert record.counted == len(images) - known.count("target")
    assert record.bound == Fraction(record.counted - known.count("proved"), record.counted)
    assert record.floor == Fraction(known.count("refuted") + known.count("wrong"), record.counted)


def mixed() -> ImageSet:
    """Images of both classes at all distances from the border, two of them with the other label."""
    images = halves(24)
    pixels = images.images.copy()
    pixels[::2] *= np.linspace(0.2, 1, 12, dtype=np.float32)[:, None, None, None]
    labels = images.labels.copy()
    labels[[3, 6]] = 1 - labels[[3, 6]]
    return ImageSet(pixels, labels, 2, "mixed")


def test_at_all_positions_the_corner_alone_refutes():
    images = mixed()
    made = questions(read_patch("1x1@all", SHAPE), ANY, 1, images)
    record = certify(made, OPTIONS, data="halves")
    assert record.states == truth(images, 1.0, 1)
    corner = made.patch.positions.index(CORNER)
    assert all(order[0] == corner for order in suspicious_first(made, [0, 2, 4]).values())
    by = record.by_position()
    refuted = record.counts["refuted"]
    assert refuted > 3 and by[corner]["refuted"] == refuted == sum(each["refuted"] for each in by)
    # those that are refuted there were asked about nowhere else
    assert {image for image, position in record.ledger.findings if position == 0} == {
        image for image, state in enumerate(record.states) if state in ("proved", "open")
    }


def test_a_trigger_is_written_as_it_was_replayed(tmp_path):
    import onnxruntime

    images = mixed()
    made = questions(images=images)
    record = certify(made, OPTIONS, data="halves", output=Output(folder=tmp_path / "out"))
    refuted = [i for i, state in enumerate(record.states) if state == "refuted"]
    session = onnxruntime.InferenceSession(made.classifier.data, providers=["CPUExecutionProvider"])
    for image in refuted:
        path = tmp_path / "out" / f"image-{image}-at-7-7.npz"
        held = np.load(path)
        (scores,) = session.run(None, {"image": held["input"].reshape(1, *SHAPE)})
        assert scores.ravel().tolist() == held["outputs"].tolist() and scores.argmax() == 1
        trigger = read_trigger(str(path), SHAPE)
        assert trigger.mask.sum() == 1 and trigger.mask[0, 7, 7] == 1
        painted = trigger.paint(images.images[image : image + 1])
        assert np.array_equal(painted.ravel(), held["input"])
        assert path.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    assert len(list((tmp_path / "out").iterdir())) == 2 * len(refuted) + 1


# --- broken off, and gone on with -----------------------------------------------------------------


@pytest.fixture
def small_waves(monkeypatch):
    """Chunks of four images, in which two cases are searched together."""
    monkeypatch.setattr(service, "CASES", 4)
    monkeypatch.setattr(deciding, "WAVE", 2)
    monkeypatch.setattr(service, "PAUSE", -1.0)


def broken_off(output, after, **changes):
    """Runs until so many findings are reported, and is interrupted then."""
    told = 0

    def report(share, text):
        nonlocal told
        told += 1
        if told > after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        certify(questions(images=mixed(), **changes), OPTIONS, data="halves", output=output, report=report)


def test_a_run_goes_on_where_it_was_broken_off(tmp_path, small_waves, monkeypatch):
    output = Output(folder=tmp_path / "out")
    whole = certify(questions(images=mixed()), OPTIONS, data="halves")
    broken_off(output, 9)
    held = json.loads((tmp_path / "out" / "images.json").read_text())
    known = {i for i, entry in enumerate(held["images"]) if entry["findings"]}
    assert 2 < len(known) < len(whole.ledger.findings)
    asked = []
    real = questions_module.verify_all
    monkeypatch.setattr(questions_module, "verify_all", lambda p, *a, **k: asked.extend(p) or real(p, *a, **k))
    record = certify(questions(images=mixed()), OPTIONS, data="halves", output=output)
    assert record.states == whole.states and len(asked) == len(whole.ledger.findings) - len(known)
    assert sum(found.taken_over for found in record.ledger.findings.values()) == sum(
        held["images"][i]["findings"][0]["result"] == "proved" for i in known
    )


def test_a_trigger_that_no_longer_works_is_searched_again(tmp_path):
    output = Output(folder=tmp_path / "out")
    first = certify(questions(images=mixed()), OPTIONS, data="halves", output=output)
    one, other = [i for i, state in enumerate(first.states) if state == "refuted"][:2]
    path = tmp_path / "out" / f"image-{one}-at-7-7.npz"
    held = dict(np.load(path))
    held["input"][:] = mixed().images[one].ravel()  # without the trigger
    np.savez(path, **held)
    (tmp_path / "out" / f"image-{other}-at-7-7.npz").unlink()
    assert certify(questions(images=mixed()), OPTIONS, data="halves", output=output).states == first.states
    for image in (one, other):
        again = np.load(tmp_path / "out" / f"image-{image}-at-7-7.npz")
        assert again["input"][-1] > 0


@pytest.mark.parametrize(
    "changes", [{"target": 0}, {"target": None}, {"contents": box("1/2")}, {"patch": Patch(1, 2, ((7, 6),))}]
)
def test_a_folder_of_another_question_is_refused_unless_forced(tmp_path, changes):
    output = Output(folder=tmp_path / "out")
    certify(questions(images=mixed()), OPTIONS, data="halves", output=output)
    before = sorted(path.name for path in output.folder.iterdir())
    with pytest.raises(InputError, match="belongs to another"):
        certify(questions(images=mixed(), **changes), OPTIONS, data="halves", output=output)
    assert sorted(path.name for path in output.folder.iterdir()) == before
    forced = Output(folder=tmp_path / "out", force=True)
    record = certify(questions(images=mixed(), **changes), OPTIONS, data="halves", output=forced)
    refuted = record.counts["refuted"]
    assert len(list(output.folder.glob("image-*.npz"))) == refuted


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("images.json", "{}"),
        ("images.json", "["),
        ("images.json", '{"kind": "image scan"}'),
        ("images.json", "[" * 100_000),
        ("other.txt", "mine"),
    ],
)
def test_folders_of_others_are_left_alone(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError):
        certify(questions(), OPTIONS, data="halves", output=Output(folder=tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == [name] and (tmp_path / name).read_text() == text


def test_open_images_are_tried_again_with_more_time_only(tmp_path, monkeypatch):

    from engine.verdict import Statistics, Unknown

    output, limits = Output(folder=tmp_path / "out"), []

    def gives_up(problems, options, *, on_verdict, always_cones):
        limits.append(options.timeout)
        for i in range(len(problems)):
            on_verdict(i, Unknown("out of time after 1 s", True, 0.0, "real", Statistics(1, 1.0, "cpu")))

    monkeypatch.setattr(questions_module, "verify_all", gives_up)
    for seconds in (10, 5, 20):
        record = certify(questions(images=mixed()), replace(OPTIONS, timeout=seconds), data="halves", output=output)
        assert record.counts["open"] == 11 and record.bound == 1
    assert limits == [10, 20]
