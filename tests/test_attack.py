"""The attack: what it says of points is so, and it stays in its boxes."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from cases import case, executable, row
from conftest import network, random_network

from engine.attack import descend, sample, violation
from engine.bounds.roots import make_roots
from engine.bounds.stack import Stack
from engine.search.confirm import Confirmer


def setting(seed: int = 0):
    """Three networks, two cases each of several polytopes, and points of every root."""
    networks = [random_network((3, 8, 8, 2), seed=seed + i) for i in range(3)]
    random = np.random.default_rng(seed)
    some_row = lambda: row(random.normal(size=2), random.normal(), inputs=random.normal(size=3))
    cases = [
        case([-1, 0, -2], [1, 0, 3], [some_row()], [some_row(), some_row()]),
        case([0, 1, 2], [1, 2, 2.5], [some_row(), some_row(), some_row()]),
    ] * 3
    stack = Stack(networks)
    roots = make_roots(stack, [0, 0, 1, 1, 2, 2], cases)
    root = torch.arange(6).repeat_interleave(20)
    return stack, roots, root, cases


def by_hand(one, x, y) -> float:
    """The least over polytopes of the largest row."""
    dot = lambda coefficients, values: sum(float(c) * v for c, v in zip(coefficients, values))
    value = lambda r: dot(r.inputs, x) + dot(r.outputs, y) + float(r.constant)
    return min(max(value(r) for r in p.rows) for p in one.unsafe)


def check_violation() -> None:
    stack, roots, root, cases = setting()
    x = sample(roots, root, torch.Generator().manual_seed(0))
    y = stack.evaluate(x, roots.network[root])
    value, rows, inputs = violation(roots, root, x, y)
    for i in range(len(x)):
        net = stack.networks[roots.network[root[i]]]
        assert y[i].numpy() == pytest.approx(net.evaluate(x[i].numpy()), abs=1e-12)
        assert float(value[i]) == pytest.approx(by_hand(cases[root[i]], x[i].numpy(), y[i].numpy()), abs=1e-9)
        # the row returned is the one that decides
        found = rows[i, :-1] @ y[i] + rows[i, -1] + inputs[i] @ x[i]
        assert float(found) == pytest.approx(float(value[i]), abs=1e-9)


def test_violation_of_points_of_many_networks():
    check_violation()


def test_padding_never_decides():
    """A case with fewer polytopes or rows than the largest is judged by its own only."""
    stack = Stack([random_network((1, 2, 1), seed=0)])
    far = [row([0], 100, inputs=[1])]
    roots = make_roots(stack, [0, 0], [case([0], [1], far), case([0], [1], far * 3, far)])
    x = torch.zeros(2, 1).double()
    value, *_ = violation(roots, torch.arange(2), x, stack.evaluate(x, roots.network))
    assert value.tolist() == [100, 100]


def test_samples_lie_in_their_boxes_and_often_on_their_faces():
    _, roots, root, _ = setting()
    root = root.repeat(20)
    x = sample(roots, root, torch.Generator().manual_seed(1))
    lower, upper = roots.lower[root], roots.upper[root]
    assert ((lower <= x) & (x <= upper)).all()
    ends = ((x == lower) | (x == upper)).double()[:, 0].mean()
    assert 0.2 < ends < 0.6
    inside = x[(root == 0), 0]
    assert inside.min() < -0.9 and inside.max() > 0.9 and (inside.abs() < 0.2).any()


@pytest.mark.parametrize("steps", [0, 1, 12])
def test_descent_stays_inside_and_never_gets_worse(steps):
    stack, roots, root, cases = setting()
    x = sample(roots, root, torch.Generator().manual_seed(2))
    _, start = descend(stack, roots, root, x, torch.zeros_like(x), steps=0)
    width = roots.upper[root] - roots.lower[root]
    found, value = descend(stack, roots, root, x, width * 0.2, steps=steps)
    assert ((roots.lower[root] <= found) & (found <= roots.upper[root])).all()
    assert (value <= start).all()
    # the value is that of the point
    y = stack.evaluate(found, roots.network[root])
    assert torch.allclose(violation(roots, root, found, y)[0], value, atol=1e-9)
    if steps > 1:
        assert (value < start).double().mean() > 0.5


def test_samples_repeat_with_the_seed():
    _, roots, root, _ = setting()
    one, two, other = (sample(roots, root, torch.Generator().manual_seed(s)) for s in (3, 3, 4))
    assert torch.equal(one, two) and not torch.equal(one, other)


# --- from points to counterexamples -------------------------------------------------------------


def test_only_what_violates_is_a_counterexample():
    """y = |x| <= 1/2 on [-1, 1], strictly or not, at its edge and one float32 beside it."""
    net = executable(network([[[1.0], [-1.0]], [[1.0, 1.0]]], [[0, 0], [0]]))
    beside = float(np.nextafter(np.float32(0.5), np.float32(1)))
    for strict, edge in ((False, True), (True, False)):
        confirmer = Confirmer(net, case([-1], [1], [row([1], -0.5, strict=strict, n_inputs=1)]))
        points = {0.25: True, -0.25: True, 0.5: edge, -0.5: edge, beside: False, 1.0: False}
        for x, wanted in points.items():
            assert (confirmer.counterexample(np.array([x])) is not None) == wanted


def test_points_outside_are_moved_into_the_exact_box():
    net = executable(network([[[1.0]], [[1.0]]], [[0], [0]]))
    confirmer = Confirmer(net, case(["0.1"], ["0.3"], [row([-1], n_inputs=1)]))
    for x in (-5.0, 0.1, 0.1000000001, 0.2, 0.3, 7.0):
        found = confirmer.counterexample(np.array([x]))
        (v,) = found.inputs
        assert confirmer.case.lower[0] <= Fraction(v) <= confirmer.case.upper[0]
        assert float(np.float32(v)) == v and found.exact and found.replayed


def test_exact_and_executed_are_told_apart():
    """1e8 + 1 - 1e8 is 1 exactly and 0 in float32."""
    net = executable(network([[[1.0]], [[1.0]], [[1.0]]], [[1e8], [1.0], [-1e8]]))
    below = Confirmer(net, case([0], [0], [row([1], -0.5, n_inputs=1)])).counterexample(np.array([0.0]))
    assert below is not None and below.replayed and not below.exact
    above = Confirmer(net, case([0], [0], [row([-1], 0.5, n_inputs=1)])).counterexample(np.array([0.0]))
    assert above is not None and above.exact and not above.replayed


def test_an_exact_point_where_no_float32_value_is():
    confirmer = Confirmer(executable(network([[[1.0]]], [[0]])), case(["0.1"], ["0.1"], []))
    found = confirmer.counterexample(np.array([0.1]))
    assert (found.exact, found.replayed, found.executable, found.point) == (True, False, False, (Fraction(1, 10),))
    assert confirmer.gap(found).what == "X_0 is 0.1 exactly, which float32 cannot hold"
