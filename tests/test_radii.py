"""Bounds of networks whose biases are known up to radii: they hold for all networks within these."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch
from cases import check_hidden, check_rows, crown_rows, exact_trace, output_rows, targets_of
from cone_questions import INPUTS, OUTPUTS, windowed_network

from engine.bounds.crown import Boxes, tighten
from engine.bounds.interval import hidden_intervals
from engine.bounds.slopes import Multipliers, bound_targets
from engine.bounds.stack import Stack
from engine.network import Network

RELUS = [(True, False, True, False), (True, True, True, False), (False, True, False, True)]


def with_radii(net: Network, seed: int) -> Network:
    random = np.random.default_rng(seed)
    return replace(net, layers=tuple(replace(a, radius=random.random(len(a.bias)) / 4) for a in net.layers))


def within(net: Network, random: np.random.Generator) -> Network:
    """A network with biases within the radii, at their ends mostly, in exact numbers."""
    layers = []
    for layer in net.layers:
        share = random.choice([-1.0, -1.0, 0.5, 1.0, 1.0], len(layer.bias))
        bias = [Fraction(b) + Fraction(r) * Fraction(s) for b, r, s in zip(layer.bias, layer.radius, share)]
        layers.append(replace(layer, bias=np.array(bias, dtype=object)))
    return replace(net, layers=tuple(layers))


class Trial:
    """Boxes of two networks in one stack, and what networks within the radii do at points of them."""

    def __init__(self, relu: tuple[bool, ...], *, ignored: bool):
        random = np.random.default_rng(5)
        networks = [with_radii(windowed_network(seed, relu=relu), seed) for seed in range(2)]
        plain = [replace(n, layers=tuple(replace(a, radius=None) for a in n.layers)) for n in networks]
        self.stack = Stack(plain if ignored else networks)
        middle = random.normal(size=(4, INPUTS))
        lower, upper = (torch.from_numpy(middle + side * 0.05) for side in (-1, 1))
        network = torch.tensor([0, 0, 1, 1])
        self.boxes = Boxes(network, lower, upper, *hidden_intervals(self.stack, network, lower, upper))
        self.traces = [
            [exact_trace(within(networks[n], random), low + random.random(INPUTS) * (high - low)) for _ in range(15)]
            for n, low, high in zip(network.tolist(), lower.numpy(), upper.numpy())
        ]

    def check_intervals(self) -> None:
        check_hidden(self.boxes, self.traces)

    def check_crown(self) -> None:
        tighten(self.stack, self.boxes)
        check_hidden(self.boxes, self.traces)

    def check_outputs(self) -> None:
        lines = tighten(self.stack, self.boxes)
        rows = output_rows(OUTPUTS)
        check_rows(crown_rows(self.stack, self.boxes, lines, rows), rows, self.traces)

    def check_signs(self) -> None:
        """Rows where signs of neurons are assumed, at the traces where they hold."""
        lines = tighten(self.stack, self.boxes)
        for sign in (-1, 1):
            phases = torch.zeros(len(self.boxes), self.stack.n_hidden, dtype=torch.float64)
            phases[:, ::5] = sign
            kept = [[t for t in here if all(sign * z >= 0 for z in t.z[::5])] for here in self.traces]
            for row in output_rows(OUTPUTS):
                targets = targets_of(self.stack, self.boxes, [row], phases=phases)
                slopes = torch.ones_like(phases) / 2
                free = Multipliers(torch.ones(len(self.boxes), 1, dtype=torch.float64), slopes, phases.abs() / 8)
                bound, _ = bound_targets(self.stack, self.boxes, [lines], targets, free)
                check_rows(bound.lower[:, None], [row], kept)


CHECKS = (Trial.check_intervals, Trial.check_crown, Trial.check_outputs, Trial.check_signs)


@pytest.mark.parametrize("relu", RELUS)
@pytest.mark.parametrize("check", CHECKS)
def test_bounds_hold_for_all_biases_within_the_radii(check, relu):
    check(Trial(relu, ignored=False))


@pytest.mark.parametrize("check", CHECKS)
def test_the_checks_notice_radii_that_are_ignored(check):
    with pytest.raises(AssertionError):
        check(Trial(RELUS[0], ignored=True))


def test_without_radii_and_with_radii_of_zero_bounds_are_the_same_bits():
    net = windowed_network(0)
    zero = replace(net, layers=tuple(replace(a, radius=np.zeros(len(a.bias))) for a in net.layers))
    found = []
    for each in (net, zero):
        stack, box = Stack([each]), torch.full((1, INPUTS), 0.25, dtype=torch.float64)
        network = torch.zeros(1, dtype=torch.long)
        boxes = Boxes(network, -box, box, *hidden_intervals(stack, network, -box, box))
        tighten(stack, boxes)
        found.append(boxes)
    assert Stack([net]).layers[0].radius is None
    assert torch.equal(found[0].l, found[1].l)
    assert torch.equal(found[0].u, found[1].u)
