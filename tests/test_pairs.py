"""The engine's bounds of two blocks with their differences: lines, neurons, rows, gradients, verdicts."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch
from cases import executable, points_of
from conftest import network, random_network
from hypothesis import example, given
from hypothesis import strategies as st
from test_joint import SAME, decided, deeper, own, text

from engine.bounds import pairs
from engine.bounds.blocks import groups, make_stack
from engine.bounds.crown import Boxes, concretize
from engine.bounds.propagation import hidden_intervals, substitute, tighten
from engine.bounds.relaxation import difference_lines
from engine.bounds.slopes import Multipliers, Targets, bound_targets, gradient
from engine.joint import Joint, make_joint
from engine.network import Affine, Network

FLOATS32 = st.floats(-(2.0**80), 2.0**80, width=32)


def relu(z: Fraction) -> Fraction:
    return max(z, Fraction(0))


# --- lines ----------------------------------------------------------------------------------------


@given(ends=st.tuples(FLOATS32, FLOATS32).map(sorted), z=FLOATS32, at=st.floats(0, 1))
@example(ends=[-1.0, 1.0], z=0.0, at=0.0)
@example(ends=[-1.0, 1.0], z=-0.5, at=1.0)
@example(ends=[-1e-3, 2.0**40], z=0.25, at=0.0)
def test_the_difference_of_two_relus_lies_between_the_lines(ends, z, at):
    l, u = (torch.tensor([[end]], dtype=torch.float32) for end in ends)
    lines = difference_lines(l, u, torch.zeros_like)
    d = Fraction(ends[0]) + (Fraction(ends[1]) - Fraction(ends[0])) * Fraction(at)
    delta = relu(Fraction(z) + d) - relu(Fraction(z))
    for sign in (1.0, -1.0):
        slope, constant = (Fraction(v) for v in lines.relax(torch.tensor([[sign, 0.0]]).double())[0].tolist())
        assert slope * d + constant <= Fraction(sign) * delta


def test_lines_of_differences_by_hand():
    l, u = torch.tensor([[-1.0, 2.0, -3.0]]), torch.tensor([[3.0, 4.0, -1.0]])
    lines = difference_lines(l, u, torch.zeros_like)
    upper = (lines.lower + lines.change)[0, :3].tolist()
    assert upper == [0.75, 1.0, 0.0] and lines.lower[0, :3].tolist() == [0.25, 0.0, 1.0]
    assert lines.noise[0, :3].tolist() == [0.75, 0.0, 0.0]  # of -1 <= d <= 3: 3/4 d + 3/4 at most


# --- pairs of networks, and what is met in them ---------------------------------------------------


def joint_of(seed: int, kind: str) -> Joint:
    """Two networks whose weights differ by about 1%; in the other kinds also by a layer, or at other inputs."""
    random = np.random.default_rng(seed)
    f = random_network([2, 5, 4, 2], seed=seed)
    near = [
        Affine(layer.weight * (1 + 0.02 * random.normal(size=layer.weight.shape)), layer.bias, layer.relu)
        for layer in f.layers
    ]
    first = [Affine(np.eye(2), np.array([0.01, -0.02]), False)] if kind == "deeper" else []
    f, g = executable(f), executable(Network((*first, *near), name="g"))
    given = [(f, own(0, 1)), (g, own(0, 2) if kind == "other inputs" else own(0, 1))]
    return make_joint(given, n_inputs=3 if kind == "other inputs" else 2)


KINDS = "alike", "deeper", "other inputs"


def bounded(joint: Joint, seed: int, *, semantics: str = "real"):
    """A stack, three boxes of it, tightened, and their lines."""
    random = np.random.default_rng(seed)
    stack = make_stack([joint], device="cpu", semantics=semantics)
    centre = random.normal(size=(3, joint.n_inputs))
    radius = np.array([[0.01], [0.2], [1.0]])
    lower, upper = torch.tensor(centre - radius), torch.tensor(centre + radius)
    which = torch.zeros(3, dtype=torch.long)
    boxes = Boxes(which, lower, upper, *hidden_intervals(stack, which, lower, upper))
    return stack, boxes, tighten(stack, boxes)


def trace(joint: Joint, point) -> tuple[list[Fraction], list[Fraction]]:
    """All neurons' z, block after block, then those of g less those of f; and all outputs: exactly."""
    z, outputs = [], []
    for block in joint.blocks:
        h, own = [Fraction(float(point[i])) for i in block.inputs], []
        for layer in block.network.layers:
            rows = zip(layer.weight.tolist(), layer.bias.tolist())
            h = [sum((Fraction(w) * v for w, v in zip(row, h)), Fraction(b)) for row, b in rows]
            own += h if layer.relu else []
            h = [relu(v) for v in h] if layer.relu else h
        z.append(own)
        outputs += h
    return z[0] + z[1] + [b - a for a, b in zip(*z)], outputs


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(6))
def test_neurons_and_differences_are_within_their_bounds(seed, kind):
    joint = joint_of(seed, kind)
    _, boxes, _ = bounded(joint, seed)
    for i in range(len(boxes)):
        low, high = ([Fraction(v) for v in side[i].double().tolist()] for side in (boxes.l, boxes.u))
        points = points_of(boxes.lower[i].numpy(), boxes.upper[i].numpy(), 6, np.random.default_rng(seed))
        for point in points:
            z, _ = trace(joint, point)
            assert all(a <= v <= b for a, v, b in zip(low, z, high, strict=True))


def targets_of(stack, boxes, seed: int, *, phases: torch.Tensor) -> tuple[Targets, Multipliers]:
    """A random row on each box, mostly of differences, and random multipliers."""
    random, n = np.random.default_rng(seed), len(boxes)
    half = random.normal(size=(n, 1, stack.n_outputs // 2))
    rows = np.concatenate([-half, half + 0.1 * random.normal(size=half.shape), np.ones((n, 1, 1))], 2)
    free = Multipliers(
        torch.ones(n, 1).double(),
        torch.tensor(np.clip(random.uniform(-0.5, 1.5, (n, stack.n_hidden)), 0, 1)),
        torch.tensor(random.random((n, stack.n_hidden)) ** 4),
    )
    inputs, absent = torch.zeros(n, 1, stack.n_inputs).double(), torch.zeros(n, 1, dtype=torch.bool)
    return Targets(torch.arange(n), torch.tensor(rows), inputs, absent, phases), free


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(6))
def test_rows_are_above_their_bounds_with_any_slopes_and_multipliers(seed, kind):
    joint = joint_of(seed, kind)
    stack, boxes, lines = bounded(joint, seed)
    random = np.random.default_rng(seed)
    some = points_of(boxes.lower[1].numpy(), boxes.upper[1].numpy(), 1, random)[0]
    signs = np.sign([float(v) for v in trace(joint, some)[0][: stack.n_hidden]])
    phases = torch.tensor(signs * random.integers(0, 2, signs.shape)).repeat(3, 1)
    targets, free = targets_of(stack, boxes, seed, phases=phases)
    bound, _ = bound_targets(stack, boxes, lines, targets, free)
    plain = concretize(stack, boxes, substitute(stack, boxes, lines, targets.rows[:, 0], targets.box), targets.box)
    met = 0
    for i in range(len(boxes)):
        for point in points_of(boxes.lower[i].numpy(), boxes.upper[i].numpy(), 6, random):
            z, y = trace(joint, point)
            value = sum((Fraction(c) * v for c, v in zip(targets.rows[i, 0].tolist(), [*y, Fraction(1)])), Fraction(0))
            assert Fraction(float(plain[i])) <= value
            if all(s * v >= 0 for s, v in zip(phases[i].tolist(), z)):
                met += 1
                assert Fraction(float(bound.lower[i])) <= value
    is_coupled = any(bool(line.coupled.any()) for line in lines[1] if line.coupled is not None)
    assert met and (is_coupled or kind == "other inputs")


def test_the_gradient_is_that_of_the_bound():
    assert sum(checked_slopes(seed) for seed in range(4)) > 5


def checked_slopes(seed: int) -> int:
    """The number of slopes whose derivative was seen to be that of the bound: it is linear in one slope where no sign
    of a coefficient, and no corner, changes on the way."""
    stack, boxes, lines = bounded(joint_of(seed, "deeper"), seed)
    targets, free = targets_of(stack, boxes, seed, phases=torch.zeros(3, stack.n_hidden).double())
    free = replace(free, slopes=(free.slopes * 1024).round() / 1024)
    bound, chains = bound_targets(stack, boxes, lines, targets, free)
    slopes = gradient(stack, boxes, targets, bound, chains).slopes
    step, checked = 2.0**-10, 0
    for j in range(stack.n_hidden):
        inside = (boxes.l[:, j] < 0) & (boxes.u[:, j] > 0)
        inside &= (free.slopes[:, j] > step) & (free.slopes[:, j] < 1 - step)
        ends = []
        for side in (-step, step):
            moved = free.slopes.clone()
            moved[:, j] += side
            ends.append(bound_targets(stack, boxes, lines, targets, replace(free, slopes=moved.clamp(0, 1)))[0].lower)
        change = (ends[1] - ends[0]) / (2 * step)
        linear = inside & ((ends[1] + ends[0] - 2 * bound.lower).abs() < 1e-9)
        assert torch.allclose(change[linear], slopes[linear, j], atol=1e-6)
        checked += int((linear & (change.abs() > 1e-9)).sum())
    return checked


# --- which blocks are pairs ------------------------------------------------------------------------


def test_pairs_are_neighbours_with_the_same_stages():
    f, wider = (executable(random_network([2, n, 1], seed=0)) for n in (3, 4))
    given = [(each, own(0, 1)) for each in (f, f, f, wider, wider)]
    assert make_joint(given, n_inputs=2).pairs == ((0, 1), (3, 4))
    joint = make_joint(given[2:4], n_inputs=2)
    assert joint.pairs == () and make_stack([joint], device="cpu", semantics="real").n_differences == 0
    stack = make_stack(
        [make_joint([(f, own(0, 1)), (deeper(f), own(0, 1))], n_inputs=2)], device="cpu", semantics="real"
    )
    assert [len(group.places) for group in groups(stack)] == [1, 1]


# --- verdicts ---------------------------------------------------------------------------------------


def test_a_network_is_equal_to_itself_without_a_split(tmp_path):
    f = executable(random_network([2, 6, 6, 1], seed=1))
    apart = "(assert (or (> V[0] (+ Y[0] 0.000001)) (< V[0] (- Y[0] 0.000001))))"
    _, verdict = decided(tmp_path, text(*SAME, apart), f=f, g=f, exact=True)
    assert verdict.word == "unsat" and verdict.statistics.boxes <= 3


def test_a_sum_of_two_outputs_is_still_decided(tmp_path):
    """Rows that add f and g gain nothing by differences."""
    f = executable(network(([[1, 0], [0, 1]], [[1, 1]]), ([0, 0], [0])))
    for bound, word in (("4.25", "unsat"), ("3.75", "sat")):
        _, verdict = decided(tmp_path, text(*SAME, f"(assert (> (+ Y[0] V[0]) {bound}))"), f=f, g=f)
        assert verdict.word == word


# --- wrong rules are noticed --------------------------------------------------------------------------


pairs_lines = pairs.difference_lines


def _tight_lines(l, u, noise):
    lines = pairs_lines(l, u, noise)
    return replace(lines, lift=torch.zeros_like(lines.lift), noise=torch.zeros_like(lines.noise))


def _opposite(l, u, noise):
    return pairs_lines(-u, -l, noise)


@pytest.mark.parametrize("wrong", [_tight_lines, _opposite])
def test_wrong_lines_are_noticed(monkeypatch, wrong):
    monkeypatch.setattr(pairs, "difference_lines", wrong)
    with pytest.raises(AssertionError):
        for seed in range(6):
            test_rows_are_above_their_bounds_with_any_slopes_and_multipliers(seed, "alike")


def test_any_choice_of_coupled_neurons_is_sound(monkeypatch):
    monkeypatch.setattr(pairs, "_coupled", lambda lf, *others: torch.ones_like(lf, dtype=torch.bool))
    for seed in range(3):
        test_rows_are_above_their_bounds_with_any_slopes_and_multipliers(seed, "alike")
        test_neurons_and_differences_are_within_their_bounds(seed, "deeper")
