"""Free slopes, row weights and phase multipliers: all are sound, and ascent improves."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from cases import (
    FLOAT32,
    MIXED,
    NETWORKS,
    SEMANTICS,
    batch,
    check_hidden,
    float32_trace,
    output_rows,
    row_value,
    targets_of,
    traces,
)
from conftest import network, random_network
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.bounds.crown import Boxes
from engine.bounds.interval import hidden_intervals
from engine.bounds.propagation import tighten
from engine.bounds.slopes import Multipliers, Targets, ascend, bound_targets, gradient
from engine.bounds.stack import Stack
from engine.network import Network

NAMED = [(name, s) for name in [*NETWORKS, *MIXED] for s in SEMANTICS if s == "real" or name in FLOAT32]


def multipliers(targets: Targets, n_hidden: int, seed: int, *, beta: float = 1.0) -> Multipliers:
    """Random ones: some slopes at the ends of [0, 1], some weights 0, multipliers of all sizes up to beta."""
    random = np.random.default_rng(seed)
    n, rows = targets.absent.shape
    slopes = np.clip(random.uniform(-0.5, 1.5, (n, n_hidden)), 0, 1)
    weights = np.round(random.random((n, rows)) * random.integers(0, 2, (n, rows)) * 1024) / 1024
    phases = beta * random.random((n, n_hidden)) ** 4
    return Multipliers(*(torch.tensor(a) for a in (weights, slopes, np.float64(np.float32(phases)))))


def check_targets(lower, targets: Targets, weights, evidence) -> None:
    """lower[i] <= the weighted rows at every trace of box i that has the target's phases."""
    for i, here in enumerate(evidence):
        signs = targets.phases[i].tolist()
        for trace in here:
            if all(s * z >= 0 for s, z in zip(signs, trace.z, strict=True)):
                rows = targets.rows[i].tolist()
                value = sum(Fraction(w) * row_value(r, trace) for w, r in zip(weights[i].tolist(), rows))
                assert Fraction(float(lower[i])) <= value, f"box {i}: {float(lower[i])} > {float(value)}"


def prepared(name: str, semantics: str, seed: int):
    """A batch with lines, its evidence, and phases on a third of the neurons, as one trace of each box has
    them; the assumed signs are put into the hidden bounds, as branching.split_sign does."""
    stack, boxes = batch(name, semantics=semantics)
    evidence = traces(stack, boxes, count=3, seed=seed)
    random = np.random.default_rng(seed)
    phases = np.zeros((len(boxes), stack.n_hidden))
    for i, here in enumerate(evidence):
        chosen = here[random.integers(len(here))]
        signs = np.array([1.0 if z > 0 else -1.0 if z < 0 else random.choice([-1.0, 1.0]) for z in chosen.z])
        phases[i] = signs * (random.random(stack.n_hidden) < 1 / 3)
    phases = torch.tensor(phases)
    boxes.l[:] = torch.where(phases > 0, boxes.l.clamp(min=0), boxes.l)
    boxes.u[:] = torch.where(phases < 0, boxes.u.clamp(max=0), boxes.u)
    lines = tighten(stack, boxes)
    targets = targets_of(stack, boxes, output_rows(stack.n_outputs, seed=seed), phases=phases)
    return stack, boxes, lines, targets, evidence


@pytest.mark.parametrize("name, semantics", NAMED)
def test_any_multipliers_are_sound(name, semantics):
    stack, boxes, lines, targets, evidence = prepared(name, semantics, 0)
    for seed, beta in enumerate([1.0, 1e6, 2.0**60]):
        free = multipliers(targets, stack.n_hidden, seed, beta=beta)
        bound, _ = bound_targets(stack, boxes, lines, targets, free)
        check_targets(bound.lower, targets, free.weights, evidence)


@pytest.mark.parametrize("name, semantics", NAMED)
def test_what_ascent_finds_is_sound(name, semantics):
    stack, boxes, lines, targets, evidence = prepared(name, semantics, 1)
    start = multipliers(targets, stack.n_hidden, 1)
    best = ascend(stack, boxes, lines, targets, start, steps=6)
    check_targets(best.lower, targets, best.multipliers.weights, evidence)


def test_bounds_inside_phases_hold_where_the_phases_do():
    """Hidden bounds on a part of a box where signs are assumed hold at that part's points."""
    _, boxes, _, targets, evidence = prepared("deep", "real", 2)
    signs = targets.phases.tolist()
    agree = lambda sign, trace: all(s * z >= 0 for s, z in zip(sign, trace.z))
    kept = [[t for t in here if agree(sign, t)] for sign, here in zip(signs, evidence)]
    assert sum(map(len, kept)) > len(kept) // 2
    check_hidden(boxes, kept)


def constant_output(weight, bias) -> tuple[Network, float]:
    """One hidden layer whose output is -2^-20 whatever it does: no bound of it may be above that."""
    value = -(2.0**-20)
    return network([weight, np.zeros((1, len(weight)))], [bias, [value]]), value


def point_boxes(stack: Stack, point, count: int) -> Boxes:
    ends = torch.tensor(np.tile(np.float64(point), (count, 1)))
    which = torch.zeros(count, dtype=torch.long)
    return Boxes(which, ends, ends, *hidden_intervals(stack, which, ends, ends))


@pytest.mark.parametrize("seed", range(4))
def test_large_multipliers_cost_their_own_rounding(seed):
    """Where every z is exactly 0 no multiplier may help, however much of their large sum is rounded."""
    random = np.random.default_rng(seed)
    weight = np.round(random.normal(size=(6, 2)) * 2**45) / 2**45  # so that the biases are exact
    net, value = constant_output(weight, -weight.sum(1))
    stack = Stack([net])
    boxes = point_boxes(stack, [1, 1], 200)
    # multipliers of both signs under which the coefficients of x nearly cancel
    signed = random.normal(size=(200, 6)) * 2.0**45
    signed -= np.linalg.lstsq(weight.T, (signed @ weight).T, rcond=None)[0].T
    signed = torch.tensor(signed).float().double()
    targets = targets_of(stack, boxes, [[1.0, 0.0]], phases=signed.sign())
    free = Multipliers(torch.ones(200, 1).double(), torch.zeros(200, 6).double(), signed.abs())
    bound, _ = bound_targets(stack, boxes, tighten(stack, boxes), targets, free)
    assert float(bound.lower.max()) <= value


def test_multipliers_cost_float32_errors():
    """z1 >= 0 and z2 >= 0 with z2 = -z1 - 2^-24: impossible exactly, met where both are executed."""
    random = np.random.default_rng(0)
    while True:
        weight, point = (np.float32(random.normal(size=6)) for _ in range(2))
        bias = -np.float32(np.float64(weight) @ np.float64(point))
        net, value = constant_output([weight, -weight], [bias, np.nextafter(-bias, np.float32(-9e9))])
        runs = [float32_trace(net, point, random) for _ in range(50)]
        if any(min(run.z) >= 0 for run in runs):
            break
    stack = Stack([net], semantics="float32")
    boxes = point_boxes(stack, point, 1)
    targets = targets_of(stack, boxes, [[1.0, 0.0]], phases=torch.ones(1, 2).double())
    ones = torch.ones(1, 2).double()
    free = Multipliers(ones[:, :1], ones * 0, ones * 2.0**40)
    bound, _ = bound_targets(stack, boxes, tighten(stack, boxes), targets, free)
    assert float(bound.lower) <= value


# --- gradients ----------------------------------------------------------------------------------


def one_target(seed: int):
    net = random_network((3, 6, 5, 2), seed=seed)
    stack = Stack([net])
    random = np.random.default_rng(seed)
    centre = random.normal(size=(1, 3))
    lower, upper = torch.tensor(centre - 0.6), torch.tensor(centre + 0.6)
    which = torch.tensor([0])
    boxes = Boxes(which, lower, upper, *hidden_intervals(stack, which, lower, upper))
    lines = tighten(stack, boxes)
    phases = torch.tensor(random.choice([-1.0, 0.0, 1.0], (1, 11)))
    targets = targets_of(stack, boxes, random.normal(size=(3, 3)).tolist(), phases=phases)
    slopes = torch.tensor(random.integers(100, 900, (1, 11)) / 1024)
    weights, multiplier = torch.tensor(random.random((1, 3))), torch.tensor(random.random((1, 11)) * 0.1)
    return stack, boxes, lines, targets, Multipliers(weights, slopes, multiplier)


@pytest.mark.parametrize("seed", range(8))
def test_gradient_is_that_of_the_bound(seed):
    """Each derivative against a difference; a kink may spoil one side of it, never both."""
    stack, boxes, lines, targets, free = one_target(seed)
    bound, met = bound_targets(stack, boxes, lines, targets, free)
    found = gradient(stack, boxes, targets, bound, met)
    steps = {"weights": 2.0**-20, "slopes": 2.0**-10, "phases": 2.0**-20}
    checked = 0
    for name, step in steps.items():
        for j in range(getattr(free, name).shape[1]):
            sides = []
            for sign in (1, -1):
                moved = {n: getattr(free, n).clone() for n in steps}
                moved[name][0, j] += sign * step
                other, _ = bound_targets(stack, boxes, lines, targets, Multipliers(**moved))
                sides.append(float(other.lower - bound.lower) / (sign * step))
            want, least = float(getattr(found, name)[0, j]), min(abs(s) for s in sides)
            if name == "slopes" and not (boxes.l[0, j] < 0 < boxes.u[0, j]):
                continue  # stable: its slope is not free, the derivative of no use
            assert any(abs(s - want) <= 1e-5 * (1 + abs(want)) for s in sides), (name, j, want, sides)
            checked += least > 1e-6
    assert checked >= 5


@pytest.mark.parametrize("seed", range(8))
def test_ascent_never_ends_below_its_start(seed):
    stack, boxes, lines, targets, free = one_target(seed)
    steps = [float(ascend(stack, boxes, lines, targets, free, steps=n).lower) for n in (1, 2, 5, 20, 60)]
    assert all(a <= b for a, b in zip(steps, steps[1:]))
    assert steps[-1] > steps[0]


def test_ascent_starts_where_it_is_told():
    """One step is the bound of the start itself, where its row weights are those of one row."""
    stack, boxes, lines, targets, free = one_target(0)
    one = targets_of(stack, boxes, targets.rows[0, :1].tolist(), phases=targets.phases)
    single = free.phases.float().double()
    start = Multipliers(torch.ones(1, 1).double(), free.slopes, single)
    found = ascend(stack, boxes, lines, one, start, steps=1)
    want, _ = bound_targets(stack, boxes, lines, one, start)
    assert found.lower.tolist() == want.lower.tolist()


def test_a_combination_proves_what_no_row_does():
    """y1 <= -1/4 and y2 <= -1/4 with y1 + y2 = 1: each alone is met, both together never."""
    net = network([[[1.0], [-1.0]], [[1.0, -1.0], [-1.0, 1.0]]], [[0, 0], [0, 1]])
    stack = Stack([net])
    which, lower, upper = torch.tensor([0]), torch.tensor([[-3.0]]).double(), torch.tensor([[3.0]]).double()
    boxes = Boxes(which, lower, upper, *hidden_intervals(stack, which, lower, upper))
    lines = tighten(stack, boxes)
    targets = targets_of(stack, boxes, [[1.0, 0.0, 0.25], [0.0, 1.0, 0.25]])
    start = Multipliers(
        torch.tensor([[1.0, 0.0]]).double(), torch.full((1, 2), 0.5).double(), torch.zeros(1, 2).double()
    )
    assert float(bound_targets(stack, boxes, lines, targets, start)[0].lower) < 0
    assert float(ascend(stack, boxes, lines, targets, start, steps=40).lower) > 0


def test_a_phase_multiplier_proves_what_slopes_cannot():
    """|x| - x on x >= 0, known only as the phase of a neuron: 0 there, but -2x elsewhere."""
    net = network([[[1.0], [-1.0]], [[-1.0, -1.0]]], [[0, 0], [0]])
    stack = Stack([net])
    which, lower, upper = torch.tensor([0]), torch.tensor([[-1.0]]).double(), torch.tensor([[1.0]]).double()
    boxes = Boxes(which, lower, upper, *hidden_intervals(stack, which, lower, upper))
    boxes.l[0, 0] = 0.0  # x >= 0
    lines = tighten(stack, boxes)
    # unsafe: -|x| + 1/2 + input term; on x >= 0, -h1 - h2 >= -x - (1 - x)/2 ...
    phases = torch.tensor([[1.0, 0.0]]).double()
    targets = targets_of(stack, boxes, [[1.0, 1.25]], phases=phases)
    start = Multipliers(torch.ones(1, 1).double(), torch.zeros(1, 2).double(), torch.zeros(1, 2).double())
    without = float(bound_targets(stack, boxes, lines, targets, start)[0].lower)
    best = ascend(stack, boxes, lines, targets, start, steps=40)
    assert float(best.lower) >= without
    check_targets(best.lower, targets, best.multipliers.weights, traces(stack, boxes, count=20))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(SEMANTICS), st.sampled_from([0.0, 0.1, 10.0, 1e5]))
def test_any_multipliers_are_sound_on_any_network(seed, semantics, beta):
    random = np.random.default_rng(seed)
    widths = random.integers(1, 6, random.integers(3, 6)).tolist()
    stack = Stack([random_network(widths, seed=seed)], semantics=semantics)
    centre, radius = random.normal(size=(3, widths[0])), np.array([[0.0], [0.1], [2.0]])
    lower, upper = torch.tensor(centre - radius), torch.tensor(centre + radius)
    which = torch.zeros(3, dtype=torch.long)
    boxes = Boxes(which, lower, upper, *hidden_intervals(stack, which, lower, upper))
    evidence = traces(stack, boxes, count=3, seed=seed)
    phases = torch.tensor([[float(np.sign(float(z))) for z in here[0].z] for here in evidence])
    phases = phases.double() * torch.tensor(random.integers(0, 2, phases.shape))
    lines = tighten(stack, boxes)
    targets = targets_of(stack, boxes, output_rows(stack.n_outputs, seed=seed), phases=phases)
    free = multipliers(targets, stack.n_hidden, seed, beta=beta)
    bound, _ = bound_targets(stack, boxes, lines, targets, free)
    check_targets(bound.lower, targets, free.weights, evidence)
