"""Wide layers and many inputs: thin margins are decided as by a MILP solver, with proofs that the checker takes."""

import numpy as np
import pytest
import torch
from cases import case, check_counterexample, executable, prop, row, targets_of
from conftest import network, random_network
from scipy.optimize import linprog

from engine.audit.check import check
from engine.bounds.blocks import make_stack
from engine.bounds.crown import Boxes
from engine.bounds.descent import Descent
from engine.bounds.interval import hidden_intervals
from engine.bounds.propagation import tighten
from engine.bounds.roots import make_roots
from engine.bounds.slopes import Multipliers, bound_targets
from engine.bounds.stack import Stack
from engine.certificate import write_certificate
from engine.network_file import load_network
from engine.search import exclude as leaf_procedure
from engine.search.batch import bounded
from engine.search.branching import split_sign
from engine.search.costs import LOWER, line_costs
from engine.search.exclude import exclude
from engine.search.frontier import root_nodes
from engine.search.problem import Options
from engine.search.verify import verify
from engine.solvers.milp import solve_box
from engine.vnnlib import load_property
from engine.vnnlib.writer import property_text

OPTIONS = Options(device="cpu", threads=1, timeout=100, proofs=True)
MARGIN = 1e-2  # of minima of about 1


def above(level: float, inputs: int, outputs: int = 2):
    """That output 0 stays above the level where all inputs are within 1 of 0."""
    rows = [row([1] + [0] * (outputs - 1), -level, n_inputs=inputs)]
    return prop(case([-1] * inputs, [1] * inputs, rows), n_outputs=outputs)


def minimum(net) -> float:
    """The least value of output 0, by HiGHS, to its tolerances."""
    (of,) = above(0, net.n_inputs).cases
    stack = make_stack([net], device="cpu", semantics="real")
    roots = make_roots(stack, [0], [of])
    nodes = root_nodes(roots, torch.tensor([0]))
    bounded(stack, roots, nodes)
    l, u = nodes.l[0].double(), nodes.u[0].double()
    found = solve_box(net, of, lower=nodes.lower[0], upper=nodes.upper[0], l=l, u=u, backend="highs")
    return -found.margin


@pytest.mark.parametrize(("hidden", "seed"), [((12,), 0), ((12,), 1), ((6, 6), 0)])
def test_thin_margins_are_decided_as_by_milp(hidden, seed, tmp_path):
    net = executable(random_network((10, *hidden, 2), seed=seed))
    least = minimum(net)
    above_it, below_it = (above(round(least + side * MARGIN, 4), 10) for side in (1, -1))
    found = verify(net, above_it, OPTIONS)
    assert found.word == "sat"
    check_counterexample(found.counterexample, net, above_it)
    net_file, spec, file = tmp_path / "net.onnx", tmp_path / "p.vnnlib", tmp_path / "c.zip"
    net_file.write_bytes(net.onnx_bytes)
    spec.write_text(property_text(below_it))
    net, below_it = load_network(net_file), load_property(spec)
    found = verify(net, below_it, OPTIONS)
    assert found.word == "unsat" and (found.proof.split >= 10).any()
    write_certificate(file, net, below_it, found, OPTIONS)
    result = check(file, net_file, spec)
    assert result.accepted, result.reason


# --- boxes on which all that a bound lacks is lost by its optimization -------------------------------------


def convex(inputs: int, width: int = 40) -> tuple:
    """A network that is a sum of ReLUs, and its least value where neuron 0 is positive, by a linear program."""
    random = np.random.default_rng(0)
    weight = (random.normal(size=(width, inputs)) / np.sqrt(inputs)).astype(np.float32)
    bias = (random.normal(size=width) / 4).astype(np.float32)
    net = network([weight, np.ones((1, width), np.float32)], [bias, np.zeros(1, np.float32)])
    wide = np.hstack([weight, -np.eye(width)])  # z - h <= 0
    first = np.hstack([-weight[:1], np.zeros((1, width))])
    found = linprog(
        np.hstack([np.zeros(inputs), np.ones(width)]),
        np.vstack([wide, first]),
        np.append(-bias, bias[0]),
        bounds=[(-1, 1)] * inputs + [(0, None)] * width,
    )
    return net, found.fun


def one_box(inputs: int):
    """The box on which that neuron is positive, and a level 0.03 below the least value there.

    200 steps reach 0.014 below it, 20 steps 1.2."""
    net, least = convex(inputs)
    stack = make_stack([net], device="cpu", semantics="real")
    roots = make_roots(stack, [0], list(above(least - 0.03, inputs, outputs=1).cases))
    nodes = root_nodes(roots, torch.tensor([0]))
    nodes.phases[0, 0] = 1
    nodes.l[0, 0] = 0
    return bounded(stack, roots, nodes)


def test_what_optimization_loses_is_won_back(monkeypatch):
    """The linear bounds are exact there, with the right multipliers: more signs would add nothing."""
    targets, exclusions = exclude(one_box(12), steps=5)
    assert len(targets) == 0 and len(exclusions.node) == 1
    monkeypatch.setattr(leaf_procedure, "optimized_longer", lambda batch, targets, found: found)
    targets, _ = exclude(one_box(12), steps=5)
    assert len(targets) == 1


def test_few_inputs_are_bounded_as_ever(monkeypatch):
    """Boxes with few inputs are split by these: to optimize their bounds longer costs more than it gains."""
    kept = []
    longer = leaf_procedure.optimized_longer

    def watched(batch, targets, found):
        after = longer(batch, targets, found)
        kept.append(after is found and bool((found.lower <= 0).any()))
        return after

    monkeypatch.setattr(leaf_procedure, "optimized_longer", watched)
    exclude(one_box(8), steps=5)
    assert kept == [True]


def one_input(slopes: list[float]):
    """relu(x) - relu(x) - relu(x - 5) on [-1, 3], its bound with these lower slopes, and the costs of its lines."""
    net = network([[[1.0], [1.0], [1.0]], [[1.0, -1.0, -1.0]]], [[0, 0, -5], [0]])
    stack, zero = Stack([net]), torch.tensor([0])
    ends = torch.tensor([[-1.0]]).double(), torch.tensor([[3.0]]).double()
    boxes = Boxes(zero, *ends, *hidden_intervals(stack, zero, *ends))
    lines = tighten(stack, boxes)
    targets = targets_of(stack, boxes, [[1.0, 0.0]])
    zeros = torch.zeros(1, 3, dtype=torch.float64)
    free = Multipliers(torch.ones(1, 1).double(), torch.tensor([slopes]).double(), zeros)
    bound, chains = bound_targets(stack, boxes, lines, targets, free)
    return bound, line_costs(stack, chains, free, boxes.l, boxes.u)[0].tolist()


@pytest.mark.parametrize(("slope", "lower"), [(0.0, 0.0), (0.5, 0.5), (0.875, 0.375), (1.0, 0.0)])
def test_costs_of_lines(slope, lower):
    """The chord lies 1 * 3 / 4 above the kink; the lower line at most so far below relu, in the better part."""
    _, costs = one_input([slope, 0.5, 0.5])
    assert costs[0] == pytest.approx(LOWER * lower, abs=1e-5 * LOWER)
    assert costs[1] == pytest.approx(0.75, rel=1e-2) and costs[2] == -1


def test_the_better_of_two_bounds_is_kept():
    one, _ = one_input([0.0, 0.5, 0.5])
    other, _ = one_input([1.0, 0.5, 0.5])
    low, high = sorted((one, other), key=lambda bound: float(bound.lower))
    assert low.lower < high.lower
    some = torch.tensor([0])
    for found in (low.improved(some, high), high.improved(some, low)):
        assert found.lower == high.lower and torch.equal(found.plane, high.plane)
        assert torch.equal(found.multipliers.slopes, high.multipliers.slopes)


def rows_bounded(monkeypatch, nodes, stack, roots) -> list[int]:
    """The number of neurons that are bounded on these boxes, for each layer with any."""
    counts = []
    bounds = Descent.bounds

    def counted(self, box, neuron, **limits):
        counts.append(len(box))
        return bounds(self, box, neuron, **limits)

    with monkeypatch.context() as patch:
        patch.setattr(Descent, "bounds", counted)
        bounded(stack, roots, nodes)
    return counts


@pytest.mark.parametrize("layer", [0, 1, 2])
def test_a_sign_changes_bounds_of_later_layers_alone(layer, monkeypatch):
    """Bounds of the others are not computed again, and are what they would be."""
    net = random_network((10, 16, 16, 16, 2), seed=0)
    stack = make_stack([net], device="cpu", semantics="real")
    roots = make_roots(stack, [0], list(above(0, 10).cases))
    parent = root_nodes(roots, torch.tensor([0]))
    bounded(stack, roots, parent)
    part = stack.slices[layer]
    neuron = part.start + ((parent.l < 0) & (parent.u > 0))[0, part].nonzero()[:1, 0]
    for child in split_sign(parent, neuron):
        again = child.copy(split=torch.tensor([-1]), depth=child.depth)
        assert len(rows_bounded(monkeypatch, child, stack, roots)) == 2 - layer
        assert len(rows_bounded(monkeypatch, again, stack, roots)) == 3
        assert torch.equal(child.l, again.l) and torch.equal(child.u, again.u)
        later = slice(part.stop, None)
        assert layer == 2 or not torch.equal(child.u[:, later], parent.u[:, later])
