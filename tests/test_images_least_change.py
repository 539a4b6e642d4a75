"""The least of a change: a hand-made backdoor whose least share is known exactly."""

import pytest
import torch
from image_models import corner_backdoor, halves, linear_backdoor

from engine.images.measure import attack_success
from engine.images.repair.least_change import HALVINGS, MARGIN, put, shorten, weights_of


def of_linear_backdoor():
    """The graph, its weights, and weights without the backdoor's edge."""
    graph = linear_backdoor().graph()
    original = weights_of(graph)
    repaired = {name: weight.clone() for name, weight in original.items()}
    repaired["dense1.weight"][1, -1] = 0
    return graph, original, repaired


@pytest.mark.parametrize("least", [0.02, 0.4, 0.61])
def test_the_share_is_just_above_the_least(least):
    graph, original, repaired = of_linear_backdoor()
    share = shorten(graph, original, repaired, lambda: graph.weights["dense1.weight"][1, -1].item() <= 30 * (1 - least))
    assert least + MARGIN <= share <= least + MARGIN + 2**-HALVINGS
    assert graph.weights["dense1.weight"][1, -1].item() == pytest.approx(30 * (1 - share), abs=1e-4)


@pytest.mark.parametrize("most", [-1, 0.6])
def test_the_whole_change_stays_where_no_less_does(most):
    graph, original, repaired = of_linear_backdoor()
    assert shorten(graph, original, repaired, lambda: graph.weights["dense1.weight"][1, -1].item() <= most) == 1
    assert all(torch.equal(graph.weights[name], value) for name, value in repaired.items())


def test_less_of_a_change_removes_the_backdoor_too():
    """The corner adds 30 (1 - t) to class 1, and images of class 0 lead by about 17 at least."""
    graph, original, repaired = of_linear_backdoor()
    network, images, backdoor = linear_backdoor(), halves(), corner_backdoor()
    success = lambda: attack_success(network, images, backdoor, graph=graph)
    assert success() > 0.5
    share = shorten(graph, original, repaired, lambda: success() == 0)
    assert success() == 0 and 0.3 < share < 0.7
    put(graph, original)
    assert success() > 0.5
