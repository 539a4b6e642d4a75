"""Fine-Pruning: which channels fall, and that they stay off."""

import numpy as np
import pytest
from image_models import corner_backdoor, dormant_backdoor, halves, halves_dataset, linear_backdoor

from engine.errors import InputError
from engine.images.architectures import Builder
from engine.images.classifier import classifier_of
from engine.images.imageset import Scaling
from engine.images.layers import layers_of
from engine.images.measure import attack_success
from engine.images.neighbours import Box, patch_of
from engine.images.patches import misleading_patches
from engine.images.repair.fine_pruning import repair
from engine.images.repair.pruning import activity, prune
from engine.images.repair.service import repair_classifier
from engine.images.repair.task import RepairOptions, silent, task_of


def options(**own):
    return RepairOptions(method="fine-pruning", by_method={"fine-pruning": {"steps": 60} | own})


def test_the_dormant_channel_is_the_backdoor():
    """It alone is pruned where no accuracy may be lost, and with it the backdoor goes, before any tuning."""
    task = task_of(dormant_backdoor(), halves(), backdoor=corner_backdoor())
    graph = task.classifier.graph()
    layer = layers_of(graph)[0]
    assert attack_success(task.classifier, task.validation, corner_backdoor()) == 1
    assert prune(task, graph, layer, 1.0, silent) == [2]
    assert attack_success(task.classifier, task.validation, corner_backdoor(), graph=graph) == 0


def test_what_costs_too_much_comes_back():
    task = task_of(dormant_backdoor(), halves(), backdoor=corner_backdoor())
    graph = task.classifier.graph()
    prune(task, graph, layers_of(graph)[0], 1.0, silent)
    before = task.classifier.graph().weights["conv1.weight"]
    assert (graph.weights["conv1.weight"][:2] == before[:2]).all() and not graph.weights["conv1.weight"][2].any()


@pytest.mark.parametrize("exact", [True, False])
def test_pruned_channels_stay_off(exact):
    record = repair_classifier(
        dormant_backdoor(), halves_dataset(), backdoor=corner_backdoor(), options=options(exact=exact, threshold=0)
    )
    weight = record.classifier.graph().weights["conv1.weight"]
    assert not weight[2].any() and weight[:2].any()
    assert record.record.after.attack_success == 0 and record.record.after.accuracy == 1


def test_activity_against_the_definition():
    classifier, images = dormant_backdoor(), halves()
    task = task_of(classifier, images, backdoor=corner_backdoor())
    graph = classifier.graph()
    kernel = graph.weights["conv1.weight"].detach().numpy().reshape(3, -1)
    by_hand = np.maximum(images.images.reshape(len(images), -1) @ kernel.T, 0).mean(0)
    assert activity(task, graph, layers_of(graph)[0], images) == pytest.approx(by_hand, rel=1e-5)


def test_a_sigmoid_channel_is_switched_off_too():
    """Zero weights alone would leave it at one half."""
    b = Builder((1, 8, 8), activation="sigmoid", seed=0)
    scores = b.dense(b.flatten(b.act(b.conv("image", 4, 3))), 2)
    classifier = classifier_of(b.model(scores, "sigmoid"), name="sigmoid", scaling=Scaling.UNIT)
    task = task_of(classifier, halves(), backdoor=corner_backdoor())
    graph = classifier.graph()
    layer = layers_of(graph)[0]
    pruned = prune(task, graph, layer, 0.0, silent)
    assert len(pruned) == 3  # one is always left
    assert activity(task, graph, layer, halves())[pruned] == pytest.approx(0, abs=1e-12)


def test_no_fault_is_used():
    """The same network comes out whatever the faults are."""
    found = [
        repair(task_of(dormant_backdoor(), halves(), faults=faults), options(), silent).classifier.sha256
        for faults in (halves(20, seed=3), halves(30, seed=4))
    ]
    assert found[0] == found[1]


@pytest.mark.parametrize("own, said", [({"threshold": "x"}, "points of accuracy"), ({"rate": 1}, "no option 'rate'")])
def test_bad_options_are_refused(own, said):
    with pytest.raises(InputError, match=said):
        repair(task_of(dormant_backdoor(), halves(), backdoor=corner_backdoor()), options(**own), silent)


def test_a_linear_network_has_nothing_to_prune():
    with pytest.raises(InputError, match="no hidden layer"):
        repair(task_of(linear_backdoor(), halves(), backdoor=corner_backdoor()), options(), silent)


def test_the_patch_of_a_backdoor_is_found():
    """Wherever it is: a square of two pixels that makes class 1, and nothing else does."""
    classifier = dormant_backdoor()
    kernel = classifier.graph().weights["conv1.weight"].detach().clone()
    kernel[2] = 0
    kernel[2, 0, 1:3, 4:6] = 10
    bias = np.array([0, 0, -35], np.float32)  # all four pixels are needed
    classifier = classifier.with_weights({"conv1.weight": kernel, "conv1.bias": bias})
    found = misleading_patches(classifier, halves(), 3, np.random.default_rng(0))
    assert found[0].backdoor.target == 1 and found[0].share > 0.3
    assert patch_of(found[0].backdoor.trigger) == Box(1, 4, 2, 2)


def test_no_patch_misleads_a_clean_network():
    classifier = dormant_backdoor()
    kernel = classifier.graph().weights["conv1.weight"].detach().clone()
    kernel[2] = 0
    found = misleading_patches(classifier.with_weights({"conv1.weight": kernel}), halves(), 3, np.random.default_rng(0))
    assert max(patch.share for patch in found) == 0
