"""Attacks on conjunctions: they find thin unsafe sets that descent by the worst row misses, and claim nothing else."""

import numpy as np
import pytest
import torch
from cases import case, check_counterexample, executable, prop, row
from conftest import network, random_network

from engine.attack import nearest_polytopes, rows_at, sample
from engine.bounds.roots import make_roots
from engine.bounds.stack import Stack
from engine.network import Network
from engine.search.conjunctions import opposed
from engine.search.problem import Options
from engine.search.verify import verify
from engine.solvers import sequential
from engine.solvers.sequential import Polytopes, gauss_newton, sequences


def thin(net: Network, width: float, *, seed: int = 0, shift: float = 0.0):
    """Outputs 0 and 1 are to be in narrow bands about what they are at some point, and output 2 no less than there."""
    points = np.random.default_rng(seed).uniform(-1, 1, (2000, net.n_inputs))
    outputs = net.evaluate(points)
    slack, at = width * np.ptp(outputs, axis=0), outputs[0] + shift * np.ptp(outputs, axis=0)
    unit = np.eye(net.n_outputs)
    bands = [row(s * unit[i], -s * at[i] - slack[i], n_inputs=net.n_inputs) for i in (0, 1) for s in (1, -1)]
    last = row(-unit[2], at[2] - slack[2], n_inputs=net.n_inputs)
    return case([-1] * net.n_inputs, [1] * net.n_inputs, [*bands, last])


def polytopes(net: Network, one, points: int = 20) -> tuple[Polytopes, torch.Tensor]:
    stack = Stack([net])
    roots = make_roots(stack, [0], [one])
    root = torch.zeros(points, dtype=torch.long)
    return Polytopes(stack, roots, root, root), sample(roots, root, torch.Generator().manual_seed(0))


@pytest.mark.parametrize("seed", range(4))
def test_a_thin_set_is_found_at_once(seed):
    net = executable(random_network((5, 30, 30, 5), seed=seed))
    one = thin(net, 1e-4, seed=seed)
    found = verify(net, prop(one, n_outputs=5), Options(device="cpu", threads=1, timeout=60))
    assert found.word == "sat" and found.statistics.boxes <= 1000  # before: 5,969 to 20,769
    check_counterexample(found.counterexample, net, prop(one, n_outputs=5))


def test_a_set_out_of_reach_is_still_proved_empty():
    net = executable(random_network((3, 12, 12, 5), seed=1))
    one = thin(net, 1e-3, shift=2.0)
    assert verify(net, prop(one, n_outputs=5), Options(device="cpu", threads=1, timeout=60)).word == "unsat"


def test_the_rows_and_their_slopes_are_those_of_the_network():
    net = random_network((3, 8, 8, 2), seed=0)
    rows = [row([1, -2], 0.5, inputs=[1, 0, 2]), row([0, 3], -1, inputs=[0, 0, 0])]
    stack = Stack([net])
    roots = make_roots(stack, [0, 0], [case([-1] * 3, [1] * 3, rows), case([-1] * 3, [1] * 3, rows[:1])])
    root = torch.tensor([0, 0, 1, 1])
    x = sample(roots, root, torch.Generator().manual_seed(0))
    values, slopes = rows_at(stack, roots, root, torch.zeros_like(root), x)
    value = lambda r, x: float(np.dot([*map(float, r.outputs)], net.evaluate(x))) + float(r.constant)
    for i, point in enumerate(x.numpy()):
        for r, one in enumerate(rows[: 2 if i < 2 else 1]):
            at = lambda x, one=one: value(one, x) + float(np.dot([*map(float, one.inputs)], x))
            assert float(values[i, r]) == pytest.approx(at(point))
            steps = 1e-7 * np.eye(3)
            slope = [(at(point + step) - at(point - step)) / 2e-7 for step in steps]
            assert slopes[i, r].numpy() == pytest.approx(slope, abs=1e-5)
    assert not values[2:, 1].any() and not slopes[2:, 1].any()  # absent


def test_the_nearest_polytope_is_the_one_whose_largest_row_is_least():
    net = random_network((2, 6, 2), seed=0)
    unsafe = [[row([1, 0], 1, n_inputs=2), row([0, 1], 0, n_inputs=2)], [row([-1, -1], 0.5, n_inputs=2)]]
    stack = Stack([net])
    roots = make_roots(stack, [0], [case([-9, -9], [9, 9], *unsafe)])
    root = torch.zeros(50, dtype=torch.long)
    x = sample(roots, root, torch.Generator().manual_seed(0))
    y = net.evaluate(x.numpy())
    largest = np.stack([np.maximum(y[:, 0] + 1, y[:, 1]), 0.5 - y.sum(1)], 1)
    found = nearest_polytopes(stack, roots, root, x).tolist()
    assert found == largest.argmin(1).tolist() and set(found) == {0, 1}


def test_bands_oppose_and_a_least_output_does_not():
    band = [row([1, 0, 0], -1, n_inputs=2), row([-1, 0, 0], 0.5, n_inputs=2)]
    least = [row([1, -1, 0], 0, n_inputs=2), row([1, 0, -1], 0, n_inputs=2)]
    roots = make_roots(Stack([random_network((2, 4, 3), seed=0)]), [0], [case([0, 0], [1, 1], band, least)])
    zero = torch.zeros(2, dtype=torch.long)
    assert opposed(roots, zero, torch.tensor([0, 1])).tolist() == [True, False]


def test_steps_solve_an_affine_network():
    """Of two equations in two unknowns the first step is the solution."""
    net = network([[[2.0, 1.0], [1.0, -1.0]]], [[0.0, 0.0]])
    bands = [row(s * np.eye(2)[i], -s * at - 1e-6, n_inputs=2) for i, at in ((0, 1.0), (1, -0.1)) for s in (1, -1)]
    of, x = polytopes(net, case([-1, -1], [1, 1], bands))
    found, largest, scale = gauss_newton(of, x)
    best = int(largest.argmin())
    assert found[best].numpy() == pytest.approx([0.3, 0.4], abs=1e-5)
    assert (scale > 0).all()


def test_programs_reach_the_deepest_point_of_an_affine_network():
    """The middle of a band, and not only its edge."""
    net = network([[[1.0, 1.0]]], [[0.0]])
    of, x = polytopes(net, case([-1, -1], [1, 1], [row([1], -0.5, n_inputs=2), row([-1], 0.25, n_inputs=2)]), 3)
    values, slopes = of.rows_at(x, sequential.NEVER)
    found, largest = sequences(of, x, slopes.norm(dim=2))
    deepest = int(largest.argmin())
    assert found[deepest].sum().item() == pytest.approx(0.375) and largest[deepest].item() == pytest.approx(-0.125)
    assert ((found >= -1) & (found <= 1)).all()
    assert (largest <= values.amax(1) + 1e-12).all()


def test_points_of_fixed_inputs_stay_where_they_are():
    net = random_network((3, 8, 3), seed=0)
    one = case([-1, 0.25, -1], [1, 0.25, 1], thin(net, 1e-3).unsafe[0].rows)
    of, x = polytopes(net, one)
    found, largest, scale = gauss_newton(of, x)
    points, _ = sequences(of.select(torch.arange(3)), found[:3], scale[:3])
    assert (found[:, 1] == 0.25).all() and (points[:, 1] == 0.25).all()
    assert torch.isfinite(largest).all()
