"""Verdicts about networks with Sigmoid and Tanh: against samples, and with proofs that plain fractions accept."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import plain_proof
import pytest
from cases import case, prop, row
from curve_models import chain, curve_network
from onnx import helper

from engine.cone import cones
from engine.cone.constants import Products
from engine.cone.reach import reach_of
from engine.exact import evaluate, radii
from engine.network import Network
from engine.onnx_file import parse_network
from engine.property import Property
from engine.search import finish
from engine.search.problem import Options, Problem
from engine.search.verify import verify, verify_all

OPTIONS = Options(proofs=True, device="cpu", threads=1, timeout=60)
SHAPES = [
    ([2, 8, 8, 2], ["Sigmoid"]),
    ([3, 6, 2], ["Tanh"]),
    ([2, 6, 6, 2], ["Tanh", "Relu"]),
    ([2, 5, 5, 5, 2], ["Sigmoid", "Relu", "Tanh"]),
    ([5, 6, 6, 2], ["Sigmoid"]),
]


def least_difference(net: Network, lower, upper, *, count: int = 40_000) -> float:
    """The least y_0 - y_1 among samples."""
    random = np.random.default_rng(0)
    x = lower + (upper - lower) * np.clip(random.uniform(-0.1, 1.1, (count, net.n_inputs)), 0, 1)
    y = net.evaluate(x)
    return float((y[:, 0] - y[:, 1]).min())


def asked(net: Network, threshold: float, *, radius: float = 1.0) -> Property:
    """y_0 - y_1 > threshold on the box around 0."""
    ends = ([side * radius] * net.n_inputs for side in (-1, 1))
    return prop(case(*ends, [row([1, -1], n_inputs=net.n_inputs, constant=-Fraction(threshold))]), n_outputs=2)


@pytest.mark.parametrize("sizes, operators", SHAPES)
@pytest.mark.parametrize("stalled", [64, 1])
def test_verdicts_are_those_of_samples_and_proofs_hold(sizes, operators, stalled):
    net = curve_network(sizes, operators, seed=3, gain=2.0)
    least = least_difference(net, -np.ones(sizes[0]), np.ones(sizes[0]))
    size = 1 + abs(least)
    for threshold, expected in ((least - 0.2 * size, "unsat"), (least + 0.01 * size, "sat")):
        question = asked(net, threshold)
        verdict = verify(net, question, replace(OPTIONS, stalled=stalled))
        assert verdict.word == expected
        if expected == "unsat":
            plain_proof.check(net, question.cases, verdict.proof)
        else:
            found = verdict.counterexample
            (margin,) = (r.value(found.point, found.exact_outputs) for r in question.cases[0].unsafe[0].rows)
            assert found.exact and found.replayed and margin + 2 * max(radii(net, found.point)) <= 0


@pytest.mark.parametrize("share, of_signs", [(0.25, True), (1e9, False)])
def test_of_many_inputs_signs_of_curves_are_split_where_they_are_worth_it(monkeypatch, share, of_signs):
    monkeypatch.setattr(finish, "CURVE_SHARE", share)
    net = curve_network([10, 3, 3, 2], ["Tanh"], seed=2, gain=1.5)
    least = least_difference(net, -np.ones(10), np.ones(10))
    question = asked(net, least - 0.25 * abs(least))
    verdict = verify(net, question, OPTIONS)
    assert verdict.word == "unsat" and len(verdict.proof.split) > 1
    assert (verdict.proof.split >= 10).any() == of_signs


def test_late_signs_of_curves_are_split_and_then_inputs_again():
    """Curves bend still where all signs are fixed."""
    net = curve_network([3, 4, 2], ["Tanh"], seed=1)
    least = least_difference(net, -np.ones(3), np.ones(3))
    question = asked(net, least - 0.1)
    verdict = verify(net, question, replace(OPTIONS, stalled=1))
    assert verdict.word == "unsat"
    split = verdict.proof.split
    assert (split >= 3).any() and ((split >= 0) & (split < 3)).any()
    assert plain_proof.check(net, question.cases, verdict.proof) > 8


def test_a_question_that_signs_alone_do_not_decide():
    """No sign is open on the box, of one neuron: bounds are narrowed by inputs, to the end."""
    model = chain(
        [helper.make_node("Tanh", ["x"], ["h"]), helper.make_node("Gemm", ["h", "W", "b"], ["y"])],
        {"W": np.eye(2), "b": np.zeros(2)},
        2,
        2,
    )
    net = parse_network(model.SerializeToString(), name="tanh")
    # tanh(x0) - tanh(x1) on [1, 2] x [0.5, 0.99]: at least tanh(1) - tanh(0.99) = 0.00423
    for threshold, word in (("4/1000", "unsat"), ("43/10000", "sat")):
        box = case([1, "1/2"], [2, "99/100"], [row([1, -1], n_inputs=2, constant=-Fraction(threshold))])
        question = prop(box, n_outputs=2)
        verdict = verify(net, question, OPTIONS)
        assert verdict.word == word
        if word == "unsat":
            assert len(verdict.proof.split) > 1 and set(verdict.proof.split.tolist()) <= {-1, 0, 1}


def test_a_tie_is_no_proof():
    """y_0 - y_1 is 0 exactly where x_0 = x_1: neither bounds nor values in float64 decide it."""
    net = curve_network([2, 4, 2], ["Sigmoid"], seed=0)
    last = net.layers[-1]
    twin = replace(last, matrix=np.repeat(last.matrix[:1], 2, 0), bias=np.repeat(last.bias[:1], 2))
    model = chain(
        [
            helper.make_node("Gemm", ["x", "A", "a"], ["z"], transB=1),
            helper.make_node("Sigmoid", ["z"], ["h"]),
            helper.make_node("Gemm", ["h", "B", "b"], ["y"], transB=1),
        ],
        {"A": net.layers[0].matrix, "a": net.layers[0].bias, "B": twin.matrix, "b": twin.bias},
        2,
        2,
    )
    net = parse_network(model.SerializeToString(), name="twins")
    strict = prop(case([-1, -1], [1, 1], [row([1, -1], n_inputs=2, strict=True)]), n_outputs=2)
    assert verify(net, strict, OPTIONS).word == "unknown"
    assert verify(net, asked(net, 0.0), OPTIONS).word == "unknown"  # it is 0, which no enclosure says


def test_several_rows_and_polytopes():
    net = curve_network([2, 8, 8, 3], ["Sigmoid"], seed=5, gain=2.0)
    y = net.evaluate(np.random.default_rng(0).uniform(-1, 1, (40_000, 2)))
    for lead in range(3):
        others = [c for c in range(3) if c != lead]
        gap = (y[:, lead, None] - y[:, others]).min(1)
        rows = [row([(i == c) - (i == lead) for i in range(3)], n_inputs=2) for c in others]
        # lead is largest everywhere but for 0.3
        for shift, word in ((gap.max() + 0.3, "unsat"), (gap.max() - 0.1, "sat")):
            shifted = [replace(r, constant=Fraction(float(shift))) for r in rows]
            question = prop(case([-1, -1], [1, 1], shifted), n_outputs=3)
            verdict = verify(net, question, OPTIONS)
            assert verdict.word == word
            if word == "unsat":
                plain_proof.check(net, question.cases, verdict.proof)


@pytest.mark.parametrize("operator", ["Sigmoid", "Tanh"])
def test_cones_hold_the_whole_network(operator):
    """A case's cone contains, with its radii, the exact values of the whole network."""
    net = curve_network([6, 8, 8, 2], [operator], seed=2)
    sparse = [replace(layer, matrix=layer.matrix.copy()) for layer in net.layers]
    sparse[0].matrix[:5, :2] = 0  # inputs 0 and 1 reach three neurons of the first layer
    net = Network(tuple(sparse), name="cone")
    fixed = [Fraction(k, 7) - Fraction(1, 3) for k in range(4)]
    given = case([-1, -1, *fixed], [1, 1, *fixed], [row([1, -1], n_inputs=6)])
    reach = reach_of(net, (0, 1))
    assert [len(rows) for rows in reach.rows] == [3, 8, 2]
    (cone,) = cones(reach, Products(net), [given])
    assert [layer.curve for layer in cone.network.layers] == [operator.lower(), operator.lower(), ""]
    for x in ([-1, 1], [Fraction(1, 3), Fraction(-1, 7)]):
        whole, inside = evaluate(net, [*x, *fixed]), evaluate(cone.network, x)
        room = np.zeros(2)  # both curves pass on at most what they are given
        for layer in cone.network.layers:
            room = np.abs(layer.matrix) @ room[: layer.shape[1]] + layer.radius + 2.0**-60
        assert all(abs(a - b) <= Fraction(float(r)) for a, b, r in zip(whole, inside, room, strict=True))
        assert (room < 1e-8).all()


def test_searches_in_cones_prove_and_refute():
    net = curve_network([10, 8, 8, 2], ["Sigmoid"], seed=4, gain=2.0)
    fixed = [Fraction(k, 11) for k in range(8)]
    random = np.random.default_rng(0)
    x = np.concatenate([random.uniform(-1, 1, (20_000, 2)), np.tile([float(v) for v in fixed], (20_000, 1))], 1)
    y = net.evaluate(x)
    least = float((y[:, 0] - y[:, 1]).min())
    for threshold, word in ((least - 0.1, "unsat"), (least + 0.05, "sat")):
        given = case([-1, -1, *fixed], [1, 1, *fixed], [row([1, -1], n_inputs=10, constant=-Fraction(threshold))])
        (verdict,) = verify_all([Problem(net, prop(given, n_outputs=2))], OPTIONS, always_cones=True)
        assert verdict.word == word and (word == "sat" or verdict.proof.of_cone)
