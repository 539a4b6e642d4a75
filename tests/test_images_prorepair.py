"""Repair by proxy boxes: a net whose repair is known, and digits."""

from functools import lru_cache

import numpy as np
import pytest
import torch
from test_images_prorepair_boxes import line_of_two_pixels

from engine.errors import InputError
from engine.images.attacks import contrast, fgsm
from engine.images.imageset import ImageSet
from engine.images.measure import accuracy, attack_success
from engine.images.repair.methods import method_of
from engine.images.repair.prorepair.options import settings_of
from engine.images.repair.task import RepairOptions, RepairTask
from engine.images.training import TrainingOptions, fit


def with_options(**values):
    return RepairOptions("prorepair", by_method={"prorepair": values})


def points(pixels, labels):
    return ImageSet(np.float32(pixels).reshape(-1, 2, 1, 1), np.array(labels), 2)


def two_pixel_task(fault, label):
    """Class 0 wherever the first pixel is brighter, and a fault."""
    random = np.random.default_rng(0)
    pixels = random.random((400, 2))
    pixels = pixels[np.abs(pixels[:, 0] - pixels[:, 1]) > 0.2]
    labels = (pixels[:, 0] < pixels[:, 1]).astype(np.int64)
    clean, other = points(pixels[:200], labels[:200]), points(pixels[200:], labels[200:])
    faults = points([fault], [label])
    return RepairTask(line_of_two_pixels(), clean, other, faults, faults.select(slice(0, 0)))


def test_one_fault_is_repaired_and_nothing_lost():
    task = two_pixel_task([0.5, 0.45], 1)
    found = method_of("prorepair")(task, with_options(rounds=4, steps=40, rate=0.01))
    assert accuracy(found.classifier, task.faults) == 1
    assert accuracy(found.classifier, task.validation) == 1
    assert found.note.startswith("1 of 1 faults right")
    before, after = task.classifier.graph().weights, found.classifier.graph().weights
    assert torch.equal(before["dense2.weight"], after["dense2.weight"])  # the head stays


def test_a_region_around_a_fault_is_proved_and_holds():
    task = two_pixel_task([0.5, 0.4], 1)
    found = method_of("prorepair")(task, with_options(rounds=8, steps=40, rate=0.01, radius=0.03))
    assert "100.0% of the regions of radius 0.03 proved" in found.note
    grid = np.stack(np.meshgrid(np.linspace(0.47, 0.53, 21), np.linspace(0.37, 0.43, 21)), -1).reshape(-1, 2)
    assert accuracy(found.classifier, points(grid, np.ones(len(grid), np.int64))) == 1


def test_repairs_are_the_same_for_the_same_seed():
    task = two_pixel_task([0.5, 0.45], 1)
    one, two = (method_of("prorepair")(task, with_options(rounds=2)).classifier.data for _ in range(2))
    assert one == two


def test_no_time_gives_the_network_as_it_was():
    task = two_pixel_task([0.5, 0.45], 1)
    found = method_of("prorepair")(task, RepairOptions("prorepair", timeout=1e-6))
    weights = found.classifier.graph().weights
    assert all(torch.equal(w, weights[name]) for name, w in task.classifier.graph().weights.items())
    assert found.note.startswith("0 of 1 faults right after round 0")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"radios": 1}, "unknown option 'radios'"),
        ({"radius": -1}, "radius is -1"),
        ({"margin": 0}, "margin is 0"),
        ({"rounds": 0}, "rounds is 0"),
        ({"rounds": 2.5}, "whole number"),
        ({"rate": float("nan")}, "rate is nan"),
        ({"rate": "fast"}, "rate is 'fast'"),
        ({"split": 3}, "split is 3"),
    ],
)
def test_wrong_options_are_one_clear_error(given, message):
    with pytest.raises(InputError, match=message):
        settings_of(given)


def test_without_faults_there_is_nothing_to_learn():
    task = two_pixel_task([0.5, 0.45], 1)
    empty = RepairTask(task.classifier, task.clean, task.validation, task.faults.select(slice(0, 0)), task.faults)
    with pytest.raises(InputError, match="faults"):
        method_of("prorepair")(empty, with_options())


@lru_cache
def trained_on_digits(activation, trigger=None):
    pytest.importorskip("sklearn")
    from engine.images.architectures import new_model
    from engine.images.classifier import classifier_of
    from engine.images.datasets import load_dataset
    from engine.images.imageset import Scaling
    from engine.images.poison import poisoned

    data = load_dataset("digits")
    train = poisoned(data.train, trigger, 0.1, seed=0) if trigger else data.train
    new = classifier_of(new_model("mlp", (1, 8, 8), 10, activation=activation), name="m", scaling=Scaling.UNIT)
    graph = new.graph()
    fit(new, graph, train, TrainingOptions(epochs=10))
    return data, new.with_weights(graph.weights)


@pytest.mark.parametrize("activation", ["relu", pytest.param("sigmoid", marks=pytest.mark.slow)])
def test_every_given_point_of_digits_is_repaired(activation):
    data, network = trained_on_digits(activation)
    validation, clean = data.train.split(0.2, seed=0)
    bad = contrast(clean, factor=0.25)
    bad = bad.select(network.predict(bad.images) != bad.labels)
    bad = bad.select(np.random.default_rng(0).permutation(len(bad))[:30])
    others = contrast(data.held_out, factor=0.25)
    task = RepairTask(network, clean, validation, bad, contrast(validation, factor=0.25))
    found = method_of("prorepair")(task, with_options(rounds=4)).classifier
    assert accuracy(found, bad) == 1
    assert accuracy(found, others) > accuracy(network, others) + 0.1
    assert accuracy(found, data.held_out) > accuracy(network, data.held_out) - 0.02


def test_adversarial_digits_are_repaired():
    data, network = trained_on_digits("relu")
    validation, clean = data.train.split(0.2, seed=0)
    faults, unseen = (fgsm(network, images, radius=0.1) for images in (clean, data.held_out))
    task = RepairTask(network, clean, validation, faults, fgsm(network, validation, radius=0.1))
    found = method_of("prorepair")(task, with_options(rounds=2)).classifier
    assert accuracy(found, unseen) > accuracy(network, unseen) + 0.1
    assert accuracy(found, data.held_out) > accuracy(network, data.held_out) - 0.02


@pytest.mark.slow
def test_a_backdoor_of_digits_is_removed():
    from engine.images.poison import Backdoor, triggered
    from engine.images.trigger import square

    backdoor = Backdoor(square((1, 8, 8), 2), 7)
    data, network = trained_on_digits("relu", backdoor)
    assert attack_success(network, data.held_out, backdoor) > 0.8
    validation, clean = data.train.split(0.2, seed=0)
    task = RepairTask(network, clean, validation, triggered(clean, backdoor), triggered(validation, backdoor), backdoor)
    found = method_of("prorepair")(task, with_options(rounds=4)).classifier
    assert attack_success(found, data.held_out, backdoor) < 0.05
    assert accuracy(found, data.held_out) > accuracy(network, data.held_out) - 0.02
