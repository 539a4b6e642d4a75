"""Repairs of classifiers against a proof: the worst contents, the rounds, what is proved, the command."""

import json
from fractions import Fraction

import numpy as np
import pytest
import torch
from image_models import CORNER, SHAPE, corner_backdoor, halves, halves_dataset, linear_backdoor, untrained
from onnx import helper

from engine.cli import main
from engine.errors import InputError
from engine.images.architectures import Builder
from engine.images.certify.family import Contents, Patch
from engine.images.certify.service import certify
from engine.images.certify.worst import worst_contents
from engine.images.classifier import classifier_of
from engine.images.imageset import Scaling
from engine.images.intervals import gaps_between, scores_between
from engine.images.repair import certified
from engine.images.repair.auto import Choice
from engine.images.repair.certified import questions_of, repair_until_proved
from engine.images.repair.goal import Goal
from engine.images.repair.provable import provable_loss
from engine.images.repair.service import repair_classifier
from engine.images.repair.task import Candidate, RepairOptions, task_of
from engine.search.problem import Options

ANY = Contents(Fraction(0), Fraction(1), None)
AT_CORNER = Patch(1, 1, (CORNER,))
UNLEARN = RepairOptions(method="unlearn", seed=1, by_method={"unlearn": {"steps": 120}})


def goal(**given) -> Goal:
    values = {"patch": AT_CORNER, "contents": ANY, "target": 1, "most": Fraction(3, 100), "images": 4}
    return Goal(**values | given)


def task(**given):
    return task_of(linear_backdoor(), halves_dataset().train, backdoor=corner_backdoor(), seed=0, **given)


# The worst contents


@pytest.mark.parametrize(("contents", "most"), [(ANY, 1.0), (Contents(Fraction(0), Fraction(1), Fraction(1, 4)), 0.25)])
def test_the_worst_contents_of_a_linear_network_are_at_an_end(contents, most):
    """The corner adds 30 times its value to class 1: white, or as much of it as is allowed, is the worst."""
    images = halves(20)
    random = np.random.default_rng(0)
    found, margins = worst_contents(linear_backdoor(), images, AT_CORNER, contents, 1, random)
    assert np.allclose(found[:, 0, CORNER[0], CORNER[1]], most)
    scores = linear_backdoor().scores(found)
    assert np.allclose(margins, scores[:, 1] - scores[:, 0], atol=1e-4)
    elsewhere = np.ones(SHAPE, bool)
    elsewhere[0, CORNER[0], CORNER[1]] = False
    assert np.array_equal(found[:, elsewhere], images.images[:, elsewhere])


def test_without_a_target_the_label_is_attacked():
    """Class 1 is left where the corner is dark, class 0 where it is white."""
    images = halves(20)
    found, margins = worst_contents(linear_backdoor(), images, AT_CORNER, ANY, None, np.random.default_rng(0))
    corner = found[:, 0, CORNER[0], CORNER[1]]
    assert np.allclose(corner, np.where(images.labels == 1, 0, 1))
    assert ((margins >= 0) == (linear_backdoor().predict(found) != images.labels)).all()


def test_each_image_has_its_own_position():
    patch = Patch(2, 2, tuple((i, j) for i in range(7) for j in range(7)))
    images = halves(40)
    found, _ = worst_contents(linear_backdoor(), images, patch, ANY, 1, np.random.default_rng(0))
    places = [tuple(np.argwhere(a != b).min(0)) for a, b in zip(found, images.images) if (a != b).any()]
    assert len(set(places)) > 10


# Rounds


def same(current, report=None) -> Choice:
    """A repair that changes nothing."""
    return Choice("none", Candidate(current.classifier, "nothing"), "", ())


def test_triggers_that_a_proof_found_are_learned_from():
    seen = []

    def repair(current, report):
        seen.append(current)
        return same(current)

    choice, rounds = repair_until_proved(task(), goal(rounds=2), repair)
    assert [r.bound for r in rounds] == [1, 1] and len(seen) == 2  # the backdoor is there still
    assert seen[0].refuted is None and choice.method == "none"
    images, scores = seen[1].refuted
    assert len(images) == rounds[0].refuted == len(scores) and (images.labels == 0).all()
    assert (linear_backdoor().predict(images.images) == 1).all()  # with what the proof found
    assert (scores[:, 0] > scores[:, 1]).all()  # before it was painted
    some = {image.tobytes() for image in images.images}
    assert some <= {image.tobytes() for image in seen[1].faults.images}


def test_the_note_tells_of_all_rounds_that_led_to_the_result():
    """Round 2 mends the network, and round 3 does not run: what round 1 did is in the result, too."""
    mended = linear_backdoor(corner=0)
    results = iter([Candidate(linear_backdoor(), "a first step"), Candidate(mended, "nothing left to mend")])

    def repair(current, report=None) -> Choice:
        return Choice("some", next(results), "", ())

    choice, rounds = repair_until_proved(task(), goal(rounds=3), repair)
    assert [r.bound for r in rounds] == [1, 0]
    assert choice.candidate.classifier is mended
    assert choice.candidate.note == "2 rounds: a first step; nothing left to mend"


def test_a_goal_without_an_image_that_counts_is_refused():
    images = halves_dataset().train
    alone = task_of(
        linear_backdoor(), images.select(images.labels == 1), backdoor=corner_backdoor(), faults=images, seed=0
    )
    with pytest.raises(InputError, match="no image to choose by has another label than 1"):
        repair_until_proved(alone, goal(), same)


def test_no_round_is_judged_by_images_of_another():
    judged = []

    def watched(questions, options, **given):
        judged.append({image.tobytes() for image in questions.images.images})
        return certify(questions, options, **given)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(certified, "certify", watched)
        repair_until_proved(task(), goal(rounds=3, images=2), same)
    assert len(judged) == 3 and all(judged) and not (judged[0] & judged[1] or judged[1] & judged[2])


# What is proved


def test_a_repair_ends_with_its_proof():
    found = repair_classifier(
        linear_backdoor(), halves_dataset(), backdoor=corner_backdoor(), options=UNLEARN, goal=goal(), name="r.onnx"
    )
    record = found.record
    assert record.is_repaired and record.proved.is_reached and found.classifier.name == "r.onnx"
    assert (record.proved.images, record.proved.proved) == (20, 20)  # of 40 held out, half are labelled 1
    again = certify(
        questions_of(found.classifier, halves_dataset().held_out, goal()), Options(timeout=10), data="halves"
    )
    assert str(again.bound) == record.proved.bound == "0"


def test_what_is_not_proved_is_not_repaired():
    """All other figures are good, and a bound above what was asked for is still no repair."""
    record = repair_classifier(
        linear_backdoor(), halves_dataset(), backdoor=corner_backdoor(), options=UNLEARN, goal=goal()
    ).record
    assert record.is_repaired
    proved = record.proved.__class__(**{**_fields(record.proved), "bound": "4/100"})
    assert not record.__class__(**{**_fields(record), "proved": proved}).is_repaired


def _fields(record) -> dict:
    return {name: getattr(record, name) for name in record.__slots__}


# The command


@pytest.fixture
def files(tmp_path):
    """A network with the hand-made backdoor, and a CSV file of images with whole numbers as pixels."""
    images = halves(200)
    pixels = np.rint(images.images.reshape(len(images), -1) * 255).astype(int)
    rows = np.column_stack([pixels, images.labels])
    (tmp_path / "d.csv").write_text("".join(",".join(map(str, row)) + "\n" for row in rows))
    (tmp_path / "n.onnx").write_bytes(linear_backdoor().data)
    return tmp_path


def command(folder, *more) -> int:
    n, d, out = (str(folder / name) for name in ("n.onnx", "d.csv", "r.onnx"))
    trigger = ["--trigger", "square:1@7,7", "--target", "1", "--method", "unlearn", "--steps", "120"]
    return main(["images", "repair", n, "--data", d, "--out", out, *trigger, *map(str, more)])


def test_the_command_writes_what_anyone_can_check(files, capsys):
    assert command(files, "--certify", "1x1@7,7", "--certificates", files / "proofs") == 0
    out = capsys.readouterr().out
    assert "nothing in it succeeds on more than 0.00% of" in out and "repaired:" in out
    record = json.loads((files / "r.json").read_text())
    assert record["proved"]["bound"] == "0" and record["is_repaired"]
    check = ["check", files / "proofs" / "images.proof.zip", "--network", files / "r.onnx", "--data", files / "d.csv"]
    assert main([*map(str, check)]) == 0
    assert "accepted" in capsys.readouterr().out


def test_nothing_is_written_that_is_not_proved(files, capsys):
    """A patch as large as the image holds images of the other class: no network withstands it."""
    assert command(files, "--certify", "8x8@0,0", "--certify-images", 2) == 1
    assert "what was to be proved is not" in capsys.readouterr().out
    assert not (files / "r.onnx").exists() and not (files / "r.json").exists()


def test_proofs_of_what_is_not_written_are_said_to_be(files, capsys):
    options = ("--certify", "8x8@0,0", "--certify-images", 5, "--certificates", files / "proofs", "--steps", 1)
    assert command(files, *options) == 1
    assert "proofs tells of the network that is not written" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "what"),
    [
        (["--contents", "any"], "--contents: nothing is to be proved"),
        (["--certificates", "x"], "--certificates: nothing is to be proved"),
        (["--certify", "9x9@0,0"], "--certify 9x9@0,0: a patch of 9 x 9"),
        (["--certify", "1x1@8,0"], "--certify 1x1@8,0: it does not lie"),
        (["--certify", "1x1@7,7", "--contents", "some"], "these are no contents"),
        (["--certify", "1x1@7,7", "--at-most", "100"], "--at-most: it is 100"),
        (["--certify", "1x1@7,7", "--at-most", "nan"], "--at-most: it is nan"),
    ],
)
def test_bad_input_is_one_line(files, capsys, options, what):
    assert command(files, *options) == 2
    err = capsys.readouterr().err
    assert what in err and len(err.strip().splitlines()) == 1


def test_a_folder_that_holds_something_is_left_alone(files, capsys):
    (files / "proofs").mkdir()
    (files / "proofs" / "mine").write_text("x")
    assert command(files, "--certify", "1x1@7,7", "--certificates", files / "proofs") == 2
    assert "no empty folder" in capsys.readouterr().err and (files / "proofs" / "mine").read_text() == "x"


# Bounds for training


@pytest.mark.parametrize("model", ["mlp", "cnn"])
def test_intervals_hold(model):
    """Scores, and differences of scores, at random contents of a patch lie within the bounds."""
    graph = untrained(model).graph()
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(5, *SHAPE, generator=generator)
    low, high, labels = x.clone(), x.clone(), torch.arange(5)
    low[..., 5:8, 5:8], high[..., 5:8, 5:8] = 0, 1
    classifier = untrained(model)
    ends = classifier.inputs(low), classifier.inputs(high)
    found, gaps = scores_between(graph, *ends), gaps_between(graph, *ends, labels)
    assert (gaps <= found.high - found.low.gather(1, labels[:, None]) + 1e-5).all()
    for _ in range(100):
        point = low + torch.rand(x.shape, generator=generator) * (high - low)
        scores = graph(classifier.inputs(point))
        assert (scores >= found.low - 1e-5).all() and (scores <= found.high + 1e-5).all()
        assert (scores - scores.gather(1, labels[:, None]) <= gaps + 1e-5).all()


def test_an_operator_without_bounds_leaves_the_loss_out():
    """Exp is executed, and not bounded."""
    b = Builder(SHAPE, activation="relu", seed=0)
    model = b.model(b.dense(b.flatten("image"), 2), "odd")
    model.graph.node[0].op_type = "Exp"
    del model.graph.node[0].attribute[:]
    model.graph.node.insert(1, helper.make_node("Flatten", [model.graph.node[0].output[0]], ["flat"]))
    model.graph.node[2].input[0] = "flat"
    odd = classifier_of(model, name="odd", scaling=Scaling.UNIT)
    current = task_of(odd, halves_dataset().train, backdoor=corner_backdoor(), seed=0)
    assert provable_loss(current, goal(), odd.graph()) is None
    assert provable_loss(task(), goal(), linear_backdoor().graph()) is not None
