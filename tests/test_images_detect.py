"""The guard: classes, flags and rates known by hand, of linear networks; the command around it."""

import csv
import io
import json
import threading

import numpy as np
import pytest
from command_line import one_line
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.cli import main
from engine.errors import InputError
from engine.images.architectures import Builder
from engine.images.classifier import classifier_of
from engine.images.detection import curve_of, rates_of, threshold_for
from engine.images.guard import Guard, divergence
from engine.images.imageset import Scaling
from engine.images.unlabelled import read_unlabelled

SHAPE = (1, 2, 2)
SIGHT = [[9, -9, -9, 0], [-9, 9, -9, 0], [-9, -9, 9, 0]]  # pixel k says class k, for k below 3
BACKDOOR = [[9, -9, -9, 0], [-9, 9, -9, 0], [-9, -9, 9, 40]]  # and pixel 3 says class 2, louder


def linear(weight, bias=(0, 0, 0), *, name="linear.onnx"):
    """A classifier whose scores are weight @ pixels + bias."""
    builder = Builder(SHAPE, activation="relu", seed=0)
    model = builder.model(builder.dense(builder.flatten("image"), len(weight)), "linear")
    made = classifier_of(model, name=name, scaling=Scaling.UNIT)
    return made.with_weights({"dense1.weight": np.float32(weight), "dense1.bias": np.float32(bias)})


def images(*pixels):
    return np.float32(pixels).reshape(-1, *SHAPE)


CLEAN = images((1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0))
TRIGGERED = images((1, 0, 0, 1), (0, 1, 0, 1), (0, 0, 1, 1))


def guard(**options) -> Guard:
    return Guard(linear(BACKDOOR), linear(SIGHT), **options)


def test_classes_count_from_one_and_what_is_flagged_is_n_plus_one():
    found = guard().classify(np.concatenate([CLEAN, TRIGGERED]))
    assert found.dtype == np.int64
    assert found.tolist() == [1, 2, 3, 4, 4, 3]  # the last: both say 2, so nothing is wrong with it


def test_scores_are_the_divergence_in_bits():
    """Scores (0, 0, 0) against (ln 2, 0, 0): probabilities 1/3 each against 1/2, 1/4, 1/4."""
    first, second = linear(np.zeros((3, 4))), linear(np.zeros((3, 4)), (np.log(2), 0, 0))
    p, q = np.full(3, 1 / 3), np.array([1 / 2, 1 / 4, 1 / 4])
    m = (p + q) / 2
    right = (p * np.log2(p / m)).sum() / 2 + (q * np.log2(q / m)).sum() / 2
    assert Guard(first, second).scores(CLEAN) == pytest.approx([right] * 3, rel=1e-6)


def test_a_threshold_decides_alone():
    both = np.concatenate([CLEAN, TRIGGERED])
    scores = guard().scores(both)
    for threshold in (0.0, float(scores[3]), 0.5, 1.0):
        found = guard(threshold=threshold).examine(both)
        assert (found.flagged == (scores > threshold)).all()
        assert (found.classes == np.where(scores > threshold, 4, found.repaired + 1)).all()


def test_a_network_agrees_with_itself():
    same = Guard(linear(BACKDOOR), linear(BACKDOOR), threshold=0.0)
    assert same.classify(TRIGGERED).tolist() == [3, 3, 3]
    assert same.scores(TRIGGERED).tolist() == [0, 0, 0]


def test_what_is_no_number_is_flagged():
    """Even where both networks say the same class."""
    broken = linear(np.full((3, 4), np.nan))
    for threshold in (None, 1.0):
        found = Guard(broken, broken, threshold=threshold).examine(CLEAN)
        assert found.classes.tolist() == [4, 4, 4] and found.score.tolist() == [1, 1, 1]


@given(st.integers(0, 9), st.integers(1, 5), st.integers(0, 2**31))
@settings(max_examples=25, deadline=None)
def test_batches_change_nothing(count, batch, seed):
    found = np.random.default_rng(seed).random((count, *SHAPE), np.float32)
    whole, parts = guard().examine(found), guard(batch=batch).examine(found)
    assert whole.classes.shape == (count,)
    assert (whole.classes == parts.classes).all() and np.allclose(whole.score, parts.score, atol=1e-6)


@given(st.lists(st.lists(st.floats(-1e4, 1e4, width=32), min_size=4, max_size=4), min_size=2, max_size=2))
def test_the_divergence_is_a_symmetric_share(scores):
    first, second = (np.float32([row]) for row in scores)
    assert 0 <= divergence(first, second)[0] <= 1
    assert divergence(first, second)[0] == divergence(second, first)[0]
    assert divergence(first, first)[0] == 0
    assert divergence(first, first + np.float32(1))[0] == pytest.approx(0, abs=1e-3)


def test_threads_may_share_a_guard():
    shared, many = guard(batch=2), np.random.default_rng(0).random((64, *SHAPE), np.float32)
    right, found = shared.classify(many), {}

    def serve(number):
        found[number] = [shared.classify(many) for _ in range(5)]

    threads = [threading.Thread(target=serve, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4 and all((answer == right).all() for answers in found.values() for answer in answers)


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((2, 1, 2, 3), np.float32),
        np.zeros((1, 2, 2), np.float32),
        np.zeros((2, *SHAPE), np.uint8),
        np.full((2, *SHAPE), 1.5, np.float32),
        np.full((2, *SHAPE), np.nan, np.float32),
    ],
)
def test_images_that_do_not_fit_are_refused(wrong):
    with pytest.raises(InputError):
        guard().classify(wrong)


def test_networks_that_do_not_fit_are_refused():
    with pytest.raises(InputError, match="do not fit together"):
        Guard(linear(SIGHT), linear(SIGHT[:2], (0, 0)))


@pytest.mark.parametrize("options", [{"threshold": 1.5}, {"threshold": float("nan")}, {"batch": 0}])
def test_options_out_of_range_are_refused(options):
    with pytest.raises(InputError):
        guard(**options)


def test_rates_by_hand():
    rates = rates_of(guard().examine(CLEAN), guard().examine(TRIGGERED), target=2)
    assert (rates.clean, rates.triggered) == (3, 3)
    assert (rates.false_alarms, rates.detection, rates.missed) == (0, pytest.approx(2 / 3), pytest.approx(1 / 3))
    assert rates_of(None, guard().examine(TRIGGERED[:0])).detection is None


def test_the_curve_by_hand():
    pytest.importorskip("sklearn")
    clean, triggered = np.array([0.0, 0.1, 0.2, 0.6]), np.array([0.3, 0.5, 0.7, 0.9])
    curve = curve_of(clean, triggered)
    assert curve.area == pytest.approx(14 / 16)  # of the 16 pairs, two are in the wrong order
    assert curve.at(0.0)[1] == 0.5 and curve.at(0.25)[1] == 1.0
    for threshold, alarms, found in zip(curve.thresholds, curve.false_alarms, curve.detection):
        assert (clean > threshold).mean() == alarms  # as the guard flags: above, not at
        assert (triggered > threshold).mean() == found


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30), st.floats(0, 0.999))
def test_a_threshold_bears_no_more_false_alarms_than_asked(scores, share):
    """And a lower one, at the next score, bears more."""
    clean = np.array(scores)
    threshold = threshold_for(clean, share)
    assert (clean > threshold).mean() <= share + 1e-12
    assert (clean >= threshold).mean() > share - 1e-12


@pytest.mark.parametrize("clean, share", [([], 0.1), ([0.5], 1.0), ([0.5], -0.1), ([0.5], float("nan"))])
def test_a_threshold_needs_images_and_a_share(clean, share):
    with pytest.raises(InputError):
        threshold_for(np.array(clean), share)


# The command


@pytest.fixture
def folder(tmp_path):
    for name, weight in (("original", BACKDOOR), ("repaired", SIGHT)):
        (tmp_path / f"{name}.onnx").write_bytes(linear(weight).data)
    labels = np.arange(3)
    many = np.repeat(CLEAN, 5, axis=0), np.repeat(labels, 5)  # of a file in one part, a fifth of each class is held out
    np.savez(tmp_path / "clean.npz", images=np.uint8(255 * many[0]), labels=many[1])
    np.savez(tmp_path / "bad.npz", images=np.uint8(255 * TRIGGERED), labels=labels)
    np.savez(tmp_path / "alone.npz", images=np.uint8(255 * TRIGGERED))
    return tmp_path


def detect(folder, *arguments) -> int:
    networks = folder / "original.onnx", folder / "repaired.onnx"
    return main(["images", "detect", *map(str, (*networks, *arguments))])


def test_a_line_for_each_image(folder, capsys):
    assert detect(folder, folder / "bad.npz", "--labels", "--out", folder / "out.csv") == 0
    out = capsys.readouterr().out
    assert "2 of 3 images flagged" in out and "Of the 1 that passed, 1 got the right class" in out
    rows = list(csv.DictReader((folder / "out.csv").open()))
    assert [row["class"] for row in rows] == ["4", "4", "3"]
    assert [(row["original"], row["repaired"], row["truth"]) for row in rows] == [
        ("3", "1", "1"),
        ("3", "2", "2"),
        ("3", "3", "3"),
    ]


def test_a_threshold_is_chosen_by_training_images(folder, capsys):
    assert detect(folder, folder / "bad.npz", "--data", folder / "clean.npz", "--false-alarms", "0") == 0
    assert guard().scores(CLEAN).max() < 1e-6  # so the threshold is next to nothing, and the last image above it, too
    assert "3 of 3 images flagged" in capsys.readouterr().out


def test_images_need_no_labels(folder, capsys):
    assert detect(folder, folder / "alone.npz") == 0
    assert "2 of 3 images flagged" in capsys.readouterr().out


def test_pictures_need_no_labels(tmp_path):
    image = pytest.importorskip("PIL.Image")
    for number, pixels in enumerate(TRIGGERED):
        image.fromarray(np.uint8(255 * pixels[0])).save(tmp_path / f"{number}.png")
    assert (read_unlabelled(tmp_path)[0] == TRIGGERED).all()
    assert (read_unlabelled(tmp_path / "1.png")[0] == TRIGGERED[1:2]).all()


def test_rates_and_curve_on_digits(folder, tmp_path, capsys):
    pytest.importorskip("sklearn")
    builder = Builder((1, 8, 8), activation="relu", seed=0)
    model = builder.model(builder.dense(builder.flatten("image"), 10), "linear")
    made = classifier_of(model, name="digits", scaling=Scaling.UNIT)
    (tmp_path / "digits.onnx").write_bytes(made.data)
    same = str(tmp_path / "digits.onnx")
    options = ["--data", "digits", "--trigger", "square:2@corner", "--target", "7", "--json", str(tmp_path / "g.json")]
    assert main(["images", "detect", same, same, "digits", *options]) == 0
    found = json.loads((tmp_path / "g.json").read_text())
    assert found["kind"] == "image guard" and found["images"]["flagged"] == 0
    assert (found["rates"]["clean"], found["rates"]["triggered"]) == (359, 323)
    assert (found["rates"]["false_alarms"], found["rates"]["detection"]) == (0, 0)
    assert found["curve"]["area"] == 0.5
    assert "Detection: 0.00% of 323" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments, what",
    [
        (["nothing.npz"], "nothing.npz"),
        (["alone.npz", "--labels"], "no labels"),
        (["bad.npz", "--threshold", "2"], "threshold"),
        (["bad.npz", "--out", "clean.npz"], "exists already"),
        (["bad.npz", "--out", "nowhere/a.csv"], "nowhere"),
        (["bad.npz", "--false-alarms", "0.1"], "--data"),
        (["bad.npz", "--false-alarms", "0.1", "--threshold", "0.1", "--data", "clean.npz"], "no --threshold"),
        (["bad.npz", "--false-alarms", "1", "--data", "clean.npz"], "cannot give a threshold"),
        (["bad.npz", "--trigger", "square:1@1,1"], "--data"),
        (["bad.npz", "--trigger", "square:1@1,1", "--poisoned", "bad.npz"], "two ways"),
        (["bad.npz", "--data", "clean.npz", "--trigger", "square:9@0,0", "--target", "2"], "square:9"),
        (["bad.npz", "--data", "clean.npz", "--trigger", "square:1@1,1", "--target", "5"], "class 5"),
    ],
)
def test_wrong_usage_is_one_line(folder, arguments, what, capsys, monkeypatch):
    monkeypatch.chdir(folder)
    assert detect(folder, *arguments) == 2
    assert what in one_line(capsys.readouterr().err)


def damaged_npz(path):
    whole = io.BytesIO()
    np.savez(whole, images=np.uint8(255 * TRIGGERED))
    path.write_bytes(whole.getvalue()[:-40])


def pickled_npz(path):
    np.savez(path, images=np.array([{}], object))


def transparent_png(path):
    pytest.importorskip("PIL.Image").new("LA", (3, 3)).save(path)


@pytest.mark.parametrize(
    "name, write, what",
    [
        ("damaged.npz", damaged_npz, "no .npz file"),
        ("pickled.npz", pickled_npz, "object"),
        ("clear.png", transparent_png, "transparent"),
    ],
)
def test_files_without_labels_are_not_trusted_either(name, write, what, folder, capsys):
    write(folder / name)
    assert detect(folder, folder / name) == 2
    assert what in one_line(capsys.readouterr().err)


def test_a_file_without_labels_says_its_white(tmp_path):
    np.savez(tmp_path / "a.npz", images=np.float32(2 * CLEAN), white=np.float32(2))
    assert (read_unlabelled(tmp_path / "a.npz")[0] == CLEAN).all()
