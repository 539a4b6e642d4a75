"""Repairs of image classifiers: known answers, the service, the record, the command."""

import json
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from image_models import (
    corner_backdoor,
    digits_backdoor,
    halves,
    halves_dataset,
    linear_backdoor,
    poisoned_digits,
    untrained,
)

from engine.cli import main
from engine.deadline import OutOfTime
from engine.errors import InputError
from engine.images.datasets import Dataset
from engine.images.imageset import ImageSet
from engine.images.measure import accuracy, attack_success
from engine.images.neighbours import neighbours, patch_of
from engine.images.poison import Backdoor, triggered
from engine.images.repair import auto, service
from engine.images.repair.changes import changes_between
from engine.images.repair.record import Figures
from engine.images.repair.service import repair_classifier
from engine.images.repair.task import Candidate, RepairOptions, task_of
from engine.images.trigger import Trigger, blend, square

UNLEARN = RepairOptions(method="unlearn", seed=1, by_method={"unlearn": {"steps": 80}})


@cache
def unlearned():
    """The hand-made backdoor's repair, made once."""
    return repair_classifier(linear_backdoor(), halves_dataset(), backdoor=corner_backdoor(), options=UNLEARN)


# The neighbours of a trigger


def test_neighbours_of_a_square():
    found = {trigger.name: trigger for trigger in neighbours(square((1, 8, 8), 2, (4, 4)))}
    moved = found["moved 1 up, 1 left"]
    assert np.array_equal(moved.mask, square((1, 8, 8), 2, (3, 3)).mask)
    assert np.array_equal(found["size 3 x 3"].mask, square((1, 8, 8), 3, (3, 3)).mask)
    assert np.array_equal(found["size 1 x 1"].mask, square((1, 8, 8), 1, (5, 5)).mask)
    assert found["grey x 0.5"].pattern.max() == 0.5
    assert "moved 4 down" not in found  # it would leave the image


def test_no_neighbour_is_the_trigger_itself():
    trigger = square((1, 28, 28), 4)
    seen = {(t.mask.tobytes(), t.pattern.tobytes()) for t in (trigger, *neighbours(trigger))}
    assert len(seen) == 1 + len(neighbours(trigger))


def test_an_overlay_has_strengths():
    found = neighbours(blend((1, 8, 8), strength=0.2))
    assert [round(float(t.mask.max()), 3) for t in found] == [0.1, 0.15, 0.25, 0.3]
    assert patch_of(blend((1, 8, 8), strength=0.2)) is None


def test_faint_pixels_are_no_part_of_a_patch():
    """The masks that a scan finds are not 0 elsewhere."""
    mask = square((1, 8, 8), 2, (5, 5)).mask + 0.05 * (1 - square((1, 8, 8), 2, (5, 5)).mask)
    box = patch_of(Trigger(mask.astype(np.float32), np.ones((1, 8, 8), np.float32)))
    assert box is not None and (box.row, box.column, box.height, box.width) == (5, 5, 2, 2)


# The task


def test_a_task_keeps_its_sets_apart():
    images, backdoor = halves(), corner_backdoor()
    task = task_of(linear_backdoor(), images, backdoor=backdoor)
    rows = [{image.tobytes() for image in part.images} for part in (task.clean, task.validation)]
    assert not rows[0] & rows[1] and len(rows[0] | rows[1]) == len(images)
    assert (task.faults.labels != backdoor.target).all()


def test_one_fault_serves_for_learning_and_choosing():
    task = task_of(linear_backdoor(), halves(), faults=halves().select(slice(1)))
    assert len(task.faults) == len(task.validation_faults) == 1


@pytest.mark.parametrize("faults", [None, halves().select(slice(0))])
def test_a_task_needs_faults(faults):
    with pytest.raises(InputError):
        task_of(linear_backdoor(), halves(), faults=faults)


# Known answers


def test_the_hand_made_backdoor_is_unlearned():
    """One weight of 30 is the whole backdoor: it falls, and nothing is lost."""
    record = unlearned().record
    assert record.before.attack_success == 1 and record.before.accuracy == 1
    assert record.after.attack_success == 0 and record.after.accuracy == 1
    assert record.is_repaired and record.generalization == 1 and record.drawdown == 0 and record.broken == 0


def test_changes_are_counted_by_hand():
    original = linear_backdoor()
    weight = original.graph().weights["dense1.weight"].detach().clone()
    weight[1, 63] -= 30
    found = changes_between(original, original.with_weights({"dense1.weight": weight}))
    assert found is not None
    assert (found.weights, found.neurons, found.layers, found.total, found.largest) == (1, 1, ("dense1",), 130, 30)


# The service


def test_figures_are_those_of_held_out_images():
    classifier, dataset, found = linear_backdoor(), halves_dataset(), unlearned()
    record, held_out = found.record, dataset.held_out
    assert record.after.accuracy == accuracy(found.classifier, held_out)
    assert record.after.attack_success == attack_success(found.classifier, held_out, corner_backdoor())
    assert record.after.faults_right == accuracy(found.classifier, triggered(held_out, corner_backdoor()))
    assert np.sum(record.confusion_after) == len(held_out)
    assert record.before.natural_success == (classifier.predict(held_out.images)[held_out.labels == 0] == 1).mean()
    assert np.trace(record.confusion_after) == record.after.accuracy * len(held_out)


@pytest.mark.parametrize("given", ["trigger", "images"])
def test_no_method_sees_what_is_measured(monkeypatch, given):
    dataset, seen = halves_dataset(), []

    def spy(task, options, report):
        for part in (task.clean, task.validation, task.faults, task.validation_faults):
            seen.extend(image.tobytes() for image in part.images)
        return Candidate(task.classifier, "nothing")

    measured = []
    monkeypatch.setattr(service, "method_of", lambda name: spy)
    monkeypatch.setattr(
        service,
        "right",
        lambda classifier, images, graph: measured.append(images) or np.ones(len(images), bool),
    )
    cause = (
        {"backdoor": corner_backdoor()}
        if given == "trigger"
        else {"faults": triggered(halves(60, seed=5), corner_backdoor())}
    )
    repair_classifier(linear_backdoor(), dataset, options=UNLEARN, **cause)
    clean, faults = measured[0], measured[2]
    assert len(faults) and not {image.tobytes() for part in (clean, faults) for image in part.images} & set(seen)


def test_faults_alone_are_enough():
    faults = triggered(halves(60, seed=5), corner_backdoor())
    record = repair_classifier(linear_backdoor(), halves_dataset(), faults=faults, options=UNLEARN).record
    assert record.before.faults_right == 0 and record.after.faults_right == 1 and record.generalization == 1
    assert record.backdoor is None and record.after.attack_success is None and record.variants == ()
    assert record.is_repaired


def test_the_same_seed_gives_the_same_network():
    run = lambda seed: (
        repair_classifier(
            linear_backdoor(), halves_dataset(), backdoor=corner_backdoor(), options=replace(UNLEARN, seed=seed)
        ).classifier.sha256
    )
    assert unlearned().classifier.sha256 == run(1) != run(2)


def test_a_timeout_ends_the_method():
    with pytest.raises(OutOfTime):
        repair_classifier(
            linear_backdoor(), halves_dataset(), backdoor=corner_backdoor(), options=replace(UNLEARN, timeout=1e-6)
        )


def test_what_does_not_fit_is_refused():
    with pytest.raises(InputError, match="no class 5"):
        repair_classifier(
            linear_backdoor(), halves_dataset(), backdoor=Backdoor(square((1, 8, 8), 1), 5), options=UNLEARN
        )
    wide = ImageSet(np.zeros((4, 1, 9, 9), np.float32), np.arange(4) % 2, 2)
    with pytest.raises(InputError, match="the network reads"):
        repair_classifier(linear_backdoor(), Dataset("wide", wide, wide), faults=wide, options=UNLEARN)


# What is a repair


@pytest.mark.parametrize(
    "before, after, repaired",
    [
        ((0.98, 0.9, 0.1, 0.1), (0.98, 0.45, 0.5, 0.5), True),
        ((0.98, 0.9, 0.1, 0.1), (0.98, 0.46, 0.9, 0.9), False),
        ((0.98, 0.9, 0.1, 0.1), (0.959, 0.0, 1.0, 1.0), False),
        ((0.98, None, 0.1, 0.2), (0.97, None, 0.1, 0.6), True),
        ((0.98, None, None, 0.2), (0.97, None, None, 0.59), False),
    ],
)
def test_half_of_the_harm_and_two_points(before, after, repaired):
    record = unlearned().record
    assert replace(record, before=Figures(*before), after=Figures(*after)).is_repaired == repaired


# auto


def test_auto_takes_the_best_on_validation_images(monkeypatch):
    good, nothing = linear_backdoor(), linear_backdoor()
    weight = good.graph().weights["dense1.weight"].detach().clone()
    weight[1, 63] = 0
    few = good.with_weights({"dense1.weight": weight})
    many = good.with_weights({"dense1.weight": 2 * weight})

    def failing(task, options, report):
        raise InputError("it does not apply")

    offers = {
        "unlearn": lambda task, options, report: Candidate(many, "all weights"),
        "fine-pruning": lambda task, options, report: Candidate(few, "one weight"),
        "vere": lambda task, options, report: Candidate(nothing, "nothing"),
    }
    monkeypatch.setattr(auto, "method_of", lambda name: offers.get(name, failing))
    record = repair_classifier(good, halves_dataset(), backdoor=corner_backdoor()).record
    assert record.method == "fine-pruning" and record.changes is not None and record.changes.weights == 1
    assert record.explanation.startswith("fine-pruning was chosen")
    assert [trial.failure for trial in record.trials if trial.failure] == ["it does not apply"] * 2


def test_auto_says_why_nothing_applies(monkeypatch):
    def failing(task, options, report):
        raise InputError("it does not apply")

    monkeypatch.setattr(auto, "method_of", lambda name: failing)
    with pytest.raises(InputError, match="vere: it does not apply"):
        repair_classifier(linear_backdoor(), halves_dataset(), backdoor=corner_backdoor())


# Digits


@pytest.fixture(scope="module")
def digits():
    pytest.importorskip("sklearn")
    return poisoned_digits()


def test_variations_reach_what_the_trigger_alone_leaves(digits):
    classifier, dataset = digits
    found = {
        exact: repair_classifier(
            classifier,
            dataset,
            backdoor=digits_backdoor(),
            options=RepairOptions(method="unlearn", by_method={"unlearn": {"exact": exact, "steps": 150}}),
        ).record
        for exact in (False, True)
    }
    worst = {exact: max(variant.after for variant in record.variants) for exact, record in found.items()}
    record = found[False]
    assert record.before.attack_success > 0.8 and record.after.attack_success < 0.02 and record.drawdown <= 1
    assert worst[False] < 0.1 < worst[True]


# The command


@pytest.fixture
def network(digits, tmp_path):
    path = tmp_path / "network.onnx"
    path.write_bytes(digits[0].data)
    return path


def repair(network, *more):
    return main(["images", "repair", str(network), "--out", str(network.with_name("out.onnx")), *more])


KNOWN = ("--trigger", "square:2@corner", "--target", "7")


def test_the_command_writes_network_and_record(network, capsys):
    assert repair(network, *KNOWN, "--method", "unlearn", "--steps", "80") == 0
    said = capsys.readouterr().out
    record = json.loads(network.with_name("out.json").read_text())
    assert record["kind"] == "image repair" and record["backdoor"] == {"trigger": "square:2@5,5", "target": 7}
    assert record["repaired"]["name"] == "out.onnx" and record["original"]["name"] == "network.onnx"
    assert set(record) >= {
        "original", "repaired", "data", "method", "note", "explanation", "seconds", "seed", "options", "before",
        "after", "variants", "generalization", "drawdown", "broken", "changes", "confusion",
    }  # fmt: skip
    assert f"{record['after']['attack_success']:.2%}" in said and "repaired: " in said and "weights changed" in said
    assert repair(network, *KNOWN) == 2 and "exists already" in capsys.readouterr().err


@pytest.mark.parametrize(
    "options, said",
    [
        ((), "nothing to repair it for"),
        (("--trigger", "square:2@corner"), "belong together"),
        ((*KNOWN, "--method", "vere", "--radius", "0.1"), "an option of prorepair, not of vere"),
        ((*KNOWN, "--scan"), "known already"),
        (("--failing", "nowhere.npz"), "nowhere.npz"),
        ((*KNOWN, "--method", "fine-pruning", "--threshold", "-1"), "say points of accuracy"),
        (("--trigger", "square:9@corner", "--target", "7"), "does not lie in an image"),
        (("--trigger", "square:2@corner", "--target", "10"), "no class 10"),
    ],
)
def test_bad_input_is_one_line(network, capsys, options, said):
    assert repair(network, *options) == 2
    error = capsys.readouterr().err
    assert said in error and len(error.splitlines()) == 1
    assert not network.with_name("out.onnx").exists()


@pytest.mark.parametrize("error, code", [(KeyboardInterrupt, 130), (OutOfTime, 3)])
def test_an_end_before_the_end_leaves_nothing(network, monkeypatch, error, code):
    def ended(task, options, report):
        raise error

    monkeypatch.setattr(service, "method_of", lambda name: ended)
    assert repair(network, *KNOWN, "--method", "unlearn", "--timeout", "9") == code
    assert sorted(path.name for path in network.parent.iterdir()) == ["network.onnx"]


def test_what_is_not_repaired_is_not_written(network, monkeypatch, capsys):
    monkeypatch.setattr(service, "method_of", lambda name: lambda task, options, report: Candidate(task.classifier, ""))
    assert repair(network, *KNOWN, "--method", "unlearn") == 1
    assert "not repaired, nothing written" in capsys.readouterr().out
    assert not network.with_name("out.onnx").exists() and not network.with_name("out.json").exists()


def test_images_that_fail_are_read(network, digits, capsys):
    faults = triggered(digits[1].train, digits_backdoor())
    path = network.with_name("faults.npz")
    np.savez(path, images=np.round(255 * faults.images).astype(np.uint8), labels=faults.labels)
    assert repair(network, "--poisoned", str(path), "--method", "unlearn", "--steps", "250") == 0
    record = json.loads(network.with_name("out.json").read_text())
    assert record["backdoor"] is None and record["after"]["attack_success"] is None
    assert record["after"]["faults_right"] > 0.7


def test_an_untrained_network_has_nothing_to_keep():
    """Accuracy at chance: the figures say so, and nothing fails."""
    pytest.importorskip("sklearn")
    dataset = poisoned_digits()[1]
    record = repair_classifier(untrained(), dataset, backdoor=digits_backdoor(), options=UNLEARN).record
    assert record.before.accuracy < 0.3
