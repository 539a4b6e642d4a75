"""Layers with a ReLU on some of their neurons: exact ranges, hand-worked numbers, verdicts and proofs."""

from dataclasses import replace
from fractions import Fraction
from functools import cache
from itertools import pairwise

import numpy as np
import plain_proof
import pytest
import torch
from cases import case, check_verdict, crown_rows, output_rows, prop, row, targets_of
from conftest import network, random_network
from onnx_graphs import model, node
from test_search import random_case

from engine.bounds.crown import Boxes, tighten
from engine.bounds.interval import hidden_intervals
from engine.bounds.propagation import tighten as tighten_blocks
from engine.bounds.slopes import Multipliers, bound_targets, gradient, lower_slopes
from engine.bounds.stack import Stack
from engine.comparison.preservation import preservation
from engine.errors import InputError
from engine.evaluation import scores
from engine.exact import derivatives, evaluate
from engine.joint import make_joint
from engine.network import Affine, Network
from engine.onnx_file import parse_network
from engine.query import Tie
from engine.repair.loop import repair
from engine.search.deepest import deepest
from engine.search.problem import Options
from engine.search.verify import verify
from engine.solvers.milp import solve_box
from engine.solvers.smt import solve

SOME = np.array([True, False])


def affine(relu) -> Affine:
    return Affine(np.eye(2), np.zeros(2), relu)


def test_a_pattern_is_part_of_the_shape():
    shapes = [Network((affine(relu),)).shape for relu in (True, False, SOME, ~SOME)]
    assert len(set(shapes)) == 4 and len(set(map(hash, shapes))) == 4
    assert shapes[0] == Network((affine(np.array([True, True])),)).shape
    assert affine(np.array([True, True])).relu is True and affine(np.array([False, False])).relu is False
    assert affine(SOME).relus.tolist() == [0] and affine(~SOME).relus.tolist() == [1]
    assert affine(True).relus.tolist() == [0, 1] and affine(False).relus.tolist() == []
    with pytest.raises(InputError, match="ReLUs are told of 3 neurons"):
        affine(np.array([True, False, True]))


def boxed(net: Network, lower, upper) -> tuple[Stack, Boxes]:
    stack, zero = Stack([net]), torch.zeros(len(lower), dtype=torch.long)
    ends = [torch.tensor(np.array(side, float)) for side in (lower, upper)]
    return stack, Boxes(zero, *ends, *hidden_intervals(stack, zero, *ends))


def everything(net: Network):
    """All that bounds compute of boxes of this network: with and without multipliers."""
    random = np.random.default_rng(1)
    lower = random.uniform(-1, 0.5, (5, net.n_inputs))
    stack, boxes = boxed(net, lower, lower + random.random(lower.shape))
    phases = torch.tensor(random.integers(-1, 2, (5, stack.n_hidden))).double()
    lines = tighten_blocks(stack, boxes)
    targets = targets_of(stack, boxes, output_rows(net.n_outputs), phases=phases)
    drawn = (torch.tensor(random.random((5, n))) for n in (targets.rows.shape[1], *[stack.n_hidden] * 2))
    bound, chains = bound_targets(stack, boxes, lines, targets, Multipliers(*drawn))
    slope = gradient(stack, boxes, targets, bound, chains)
    outputs = stack.evaluate(boxes.lower, boxes.network)
    return [boxes.l, boxes.u, lower_slopes(stack, boxes, lines), bound.lower, bound.plane, outputs, *slope.columns()]


def test_the_code_for_some_neurons_gives_the_bits_of_that_for_all():
    """A pattern that is all True, which Affine would make True, forced through it."""
    plain = random_network((3, 6, 5, 2), seed=0)
    forced = random_network((3, 6, 5, 2), seed=0)
    for layer in forced.layers[:-1]:
        object.__setattr__(layer, "relu", np.ones(len(layer.bias), bool))
    assert all(torch.equal(a, b) for a, b in zip(everything(plain), everything(forced), strict=True))


# Exact ranges.


def pieces(net: Network, low: Fraction, high: Fraction):
    """At points between whose neighbours a network of one input is affine: all hidden values and outputs, exactly."""
    points = [low, high]
    for k in range(len(net.layers)):
        part = Network(net.layers[: k + 1])
        crossings = []
        for a, b in pairwise(points):
            za, zb = (plain_hidden(part, x) for x in (a, b))
            crossings += [a + (b - a) * s / (s - t) for s, t in zip(za, zb) if s * t < 0]
        points = sorted({*points, *crossings})
    return [(plain_hidden(net, x), evaluate(net, [x])) for x in points]


def plain_hidden(net: Network, x: Fraction) -> list[Fraction]:
    h, found = [x], []
    for layer in plain_proof.layers_of(net):
        z = [sum((w * v for w, v in zip(n.weights, h)), n.bias) for n in layer]
        found += [v for v, n in zip(z, layer) if n.hidden is not None]
        h = [v if n.hidden is None else max(v, 0) for v, n in zip(z, layer)]
    return found


@pytest.mark.parametrize("seed", range(6))
def test_bounds_hold_the_exact_ranges(seed):
    """Of networks with one input, which are affine between few points."""
    random = np.random.default_rng(seed)
    masks = [random.random(n) < 0.6 for n in (4, 3, 4)]
    drawn = random_network((1, 4, 3, 4, 2), seed=seed)
    net = Network(tuple(replace(a, relu=relu) for a, relu in zip(drawn.layers, [*masks, False])))
    stack, boxes = boxed(net, [[-1]], [[2]])
    rows = output_rows(2)
    found = crown_rows(stack, boxes, tighten(stack, boxes), rows)[0].tolist()
    met = pieces(net, Fraction(-1), Fraction(2))
    hidden, outputs = zip(*met)
    for j, values in enumerate(zip(*hidden, strict=True)):
        assert float(boxes.l[0, j]) <= min(values) and max(values) <= float(boxes.u[0, j])
    for bound, (a, b, c) in zip(found, rows):
        assert bound <= min(Fraction(a) * y0 + Fraction(b) * y1 + Fraction(c) for y0, y1 in outputs)


# By hand.


def maximum_of_two() -> Network:
    return Network((Affine(np.array([[1.0, -1], [0, 1]]), np.zeros(2), SOME), *network([[[1.0, 1.0]]], [[0.0]]).layers))


def test_a_maximum_by_hand():
    """y = max(x0 - x1, 0) + x1 on [0, 1]^2: -1 <= z <= 1 rounded outward, chord z / 2 + t."""
    stack, boxes = boxed(maximum_of_two(), [[0, 0]], [[1, 1]])
    lines = tighten(stack, boxes)
    end = 1 + 2.0**-23
    assert (boxes.l.tolist(), boxes.u.tolist()) == ([[-end]], [[end]])
    assert lines[0].lower.tolist() == [[0, 1, 1]] and lines[0].change.tolist() == [[0.5, 0, 0]]
    assert float(lines[0].lift[0, 0]) == pytest.approx(end / 2, abs=1e-12)
    # y >= x1 >= 0, and y <= (x0 - x1) / 2 + t + x1 <= 1 + t
    found = crown_rows(stack, boxes, lines, [[1.0, 0.0], [-1.0, 0.0]])
    assert found[0].tolist() == pytest.approx([0, -1 - end / 2], abs=1e-12)


def test_an_assumed_sign_by_hand():
    """y - x0 where z = x0 - x1 <= 0: with multiplier m, lower slope a, it is at least min((a - m) z) + x1 - x0."""
    net = maximum_of_two()
    stack, boxes = boxed(net, [[0, 0]], [[1, 1]])
    boxes.u[:] = 0.0
    targets = targets_of(stack, boxes, [[1.0, 0.0]], phases=-torch.ones(1, 1).double())
    targets.inputs[0, 0] = torch.tensor([-1.0, 0.0])
    free = Multipliers(*(torch.tensor([[v]]).double() for v in (1.0, 0.0, 1.0)))
    bound, _ = bound_targets(stack, boxes, tighten_blocks(stack, boxes), targets, free)
    # 0 z + x1 - x0, and the multiplier adds 1 (x0 - x1)
    assert float(bound.lower[0]) == pytest.approx(0, abs=1e-12)


def test_derivatives_pass_neurons_without_a_relu():
    net = maximum_of_two()
    assert derivatives(net, [1, 3], [0, 1]) == [(0,), (1,)]
    assert derivatives(net, [3, 1], [0, 1]) == [(1,), (0,)]
    points = np.array([[1, 3], [3, 1], [-5, -7]])
    assert net.evaluate(points)[:, 0].tolist() == scores(net, points)[:, 0].tolist() == [3, 3, -5]


def test_the_deepest_point_of_a_maximum():
    """max(x0, x1) least with x0 >= x1 assumed: y = x0, at (0, 0)."""
    found = deepest(
        maximum_of_two(),
        case([0, 0], [1, 1], [row([1], Fraction(-1, 2))]).unsafe[0],
        np.zeros(2),
        np.ones(2),
        on=np.array([True]),
        signs=np.array([1]),
    )
    assert found.tolist() == pytest.approx([0, 0])


# Verdicts.


def pooled(seed: int) -> Network:
    """A convolution, a ReLU, a MaxPool and two products: as files have them."""
    random = np.random.default_rng(seed)
    draw = lambda *shape: (np.round(random.normal(size=shape) * 8) / 8).astype(np.float32)
    nodes = [
        node("Conv", "x k b", "c", strides=[1, 1]),
        *([node("Relu", "c", "r")] if seed % 2 else []),
        node("MaxPool", "r" if seed % 2 else "c", "m", kernel_shape=[2, 2 + seed % 3 // 2], strides=[1, 1]),
        node("Flatten", "m", "f"),
        node("Gemm", "f w v", "y"),
    ]
    size = 2 * 1 * (2 - seed % 3 // 2)
    constants = {"k": draw(2, 1, 1, 1), "b": draw(2), "w": draw(size, 2), "v": draw(2)}
    proto = model(nodes, constants, shape=(1, 1, 2, 3))
    return parse_network(proto.SerializeToString(), name=f"pooled{seed}")


def question_of(seed: int):
    random = np.random.default_rng(seed)
    net = pooled(seed)
    kind = ("single", "or", "and", "both", "inputs")[seed % 5]
    return net, prop(random_case(random, net, kind), n_outputs=2)


@cache
def z3_says(seed: int) -> str:
    return solve(*question_of(seed), timeout=20).status


@pytest.mark.parametrize("stalled", [None, 1])
def test_verdicts_are_those_of_z3_and_proofs_hold(stalled):
    """Of networks with max pooling; the proofs by plain fractions, from the text."""
    decided, answers, exclusions, multipliers = 0, set(), 0, 0
    options = Options(timeout=5, device="cpu", proofs=True, **({} if stalled is None else {"stalled": 1, "steps": 2}))
    for seed in range(20):
        net, question = question_of(seed)
        truth = z3_says(seed)
        verdict = verify(net, question, options)
        check_verdict(verdict, net, question, truth=truth if truth != "unknown" else None)
        decided += verdict.word in ("sat", "unsat")
        answers.add(verdict.word)
        if verdict.word == "unsat" and len(verdict.proof.split) < 40:
            exclusions += plain_proof.check(net, question.cases, verdict.proof)
            multipliers += len(verdict.proof.multiplier)
    assert decided >= 17 and answers >= {"sat", "unsat"} and exclusions >= 8
    assert stalled is None or multipliers


@pytest.mark.parametrize("seed", range(6))
def test_a_milp_agrees(seed):
    net, question = question_of(seed)
    truth = solve(net, question, timeout=20).status
    for part in question.cases:
        lower, upper = ([float(v) for v in side] for side in (part.lower, part.upper))
        stack, boxes = boxed(net, [lower], [upper])
        tighten(stack, boxes)
        found = solve_box(net, part, lower=lower, upper=upper, l=boxes.l[0], u=boxes.u[0], backend="highs")
        assert found.status in ({"sat": "feasible", "unsat": "infeasible"}[truth], "unknown")


# Several networks.


def test_blocks_with_such_layers_are_no_pairs():
    """Differences are not bounded there; verdicts are right all the same."""
    net, plain = pooled(1), random_network((6, 4, 2), seed=0)
    ties = tuple(Tie(((i, Fraction(1)),), Fraction(0)) for i in range(6))
    assert make_joint([(plain, ties), (plain, ties)], n_inputs=6).pairs == ((0, 1),)
    joint = make_joint([(net, ties), (net, ties)], n_inputs=6)
    assert joint.pairs == ()
    question = prop(case([-1] * 6, [1] * 6, [row([1, 0, -1, 0], Fraction(1, 4), n_inputs=6)]), n_outputs=4)
    part = replace(question.cases[0], lower=(Fraction(1, 2),) * 6, upper=(Fraction(9, 16),) * 6)
    asked = replace(question, cases=(part,))
    assert solve(joint, asked, timeout=20).status == verify(joint, asked, Options(timeout=10, device="cpu")).word


# Refusals.


def test_what_is_not_about_such_layers_says_so():
    net, question = question_of(1)
    ends = [Fraction(0)] * 6, [Fraction(1)] * 6
    with pytest.raises(InputError, match="a proof of what stays the same is not possible: it has a MaxPool"):
        preservation(net, net, lower=ends[0], upper=ends[1])
    with pytest.raises(InputError, match="repair is not possible: it has a MaxPool, or another layer with its ReLU on"):
        repair(net, [question], lower=np.zeros(6), upper=np.ones(6))
