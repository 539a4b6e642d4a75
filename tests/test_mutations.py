"""Wrong engines: each is noticed by at least one of the checks that the other tests are made of."""

from dataclasses import replace
from fractions import Fraction

import cases
import pytest
import torch
from cases import batch, case, executable, prop, proved_whole, row
from test_attack import check_violation
from test_crown import check_crown
from test_rounding import MISLEADING
from test_search import check_batch_keeps_rows, check_end_to_end, check_split_input, check_split_sign
from test_slopes import check_targets, multipliers, prepared

from engine.bounds import crown, interval, products, relaxation, roots, slopes, stack
from engine.search import branch_and_bound, branching, exclude, frontier


def hidden_and_rows() -> None:
    for name in ("deep", "shallow", "affine_inside", "absolute_value", "cancelling_1e8", "cancelling_1e15"):
        check_crown(*batch(name))


def hidden_and_rows_in_float32() -> None:
    for name in ("deep", "wide", "cancelling_1e8"):
        check_crown(*batch(name, semantics="float32"))


def free_multipliers() -> None:
    for name in ("deep", "shallow", "affine_inside", "absolute_value"):
        s, boxes, lines, targets, evidence = prepared(name, "real", 0)
        for seed in range(3):
            free = multipliers(targets, s.n_hidden, seed)
            bound, _ = slopes.bound_targets(s, boxes, lines, targets, free)
            check_targets(bound.lower, targets, free.weights, evidence)


def plain_errors() -> None:
    for _, net, lower, upper, constant in MISLEADING.values():
        net = executable(net)
        assert not proved_whole(net, prop(case(lower, upper, [row([1], constant, n_inputs=1)])))


def decimal_ends() -> None:
    """Boxes hold their exact decimal ends."""
    for text in ("0.1", "0.3", "-0.7", "0.7", "1e-320", "-1e-320", "1e300", "0.5"):
        end = Fraction(text)
        low, high = roots.outward(end, -1), roots.outward(end, +1)
        assert Fraction(low) <= end <= Fraction(high)
        assert high - low <= 2.0**-52 * abs(high) + 5e-324


def _lines(change):
    original = relaxation.relu_lines

    def wrong(l, u, noise, *, ratio=1.0):
        return change(original(l, u, noise, ratio=ratio), l, u)

    return wrong


def _with(lines, **parts):
    return replace(lines, **parts)


def _no_intercept(lines, l, u):
    return _with(lines, lift=2 * lines.noise)


def _swapped(lines, l, u):
    return _with(lines, lower=lines.lower + lines.change, change=-lines.change)


def _half_lift(lines, l, u):
    return _with(lines, lift=lines.lift * 0.999)


def _stable_too_early(lines, l, u):
    """Neurons that are nearly always on are taken for on."""
    on = torch.nn.functional.pad((u > -100 * l), (0, 1), value=False)
    return _with(
        lines,
        lower=torch.where(on, 1.0, lines.lower),
        change=torch.where(on, 0.0, lines.change),
        lift=torch.where(on, 0.0, lines.lift),
    )


def _silent(self, magnitude, radii=None):
    return torch.zeros_like(magnitude)


def _to_nearest(x):
    return x.float()


def _unclamped(lines, free, l, u, mixed=None):
    lower = torch.nn.functional.pad(free * 1.5 - 0.25, (0, 1), value=1.0)
    return _with(lines, lower=lower, change=lines.lower + lines.change - lower)


def _mixed_before(self, rows, network, runs):
    return rows @ self.backward[runs[0][0]]


def _mixed_forward(self, h, runs):
    return h @ self.weight.mT[runs[0][0]]


def _best_corner(s, boxes, planes, box):
    middle = (boxes.lower[box] + boxes.upper[box]) / 2
    return (planes[..., :-1] * middle).sum(-1) + planes[..., -1]


def _gap(nodes, plane, reach):
    low, high = branching.split_input(nodes, plane, reach)
    cut = (high.lower != nodes.lower).double()
    high.lower.add_(cut * (high.upper - high.lower) * 2.0**-30)
    return low, high


def _one_dimension(nodes, plane, reach):
    """Every box halved at the first's dimension only in its low child."""
    low, high = branching.split_input(nodes, plane, reach)
    other = branching.split_input(nodes, plane.flip(0), reach)[1]
    return low, other


def _overlap(nodes, plane, reach):
    low, high = branching.split_input(nodes, plane, reach)
    return low, nodes.copy(split=high.split, depth=high.depth)


def _sign_lost(nodes, neuron):
    off, on = branching.split_sign(nodes, neuron)
    return off, off


def _sign_of_all(nodes, neuron):
    off, on = branching.split_sign(nodes, neuron)
    on.l.clamp_(min=0)
    return off, on


def _forgets_polytopes(some, *, steps):
    some.nodes.excluded[:, 1:] = True
    return exclude.exclude(some, steps=steps)


def _forgets_roots(all_roots, root):
    nodes = frontier.root_nodes(all_roots, root)
    nodes.excluded[root > 0] = True
    return nodes


def _shares(some, *, steps):
    """What is shown on one box is taken for all of the batch."""
    found = exclude.exclude(some, steps=steps)
    some.nodes.excluded.logical_or_(some.nodes.excluded.any(0))
    return found


#: name -> (what is replaced, by what, the checks of which one must fail)
MUTANTS = {
    "no_intercept": ((crown, "relu_lines"), _lines(_no_intercept), [hidden_and_rows]),
    "lines_swapped": ((crown, "relu_lines"), _lines(_swapped), [hidden_and_rows]),
    "intercept_a_little_low": ((crown, "relu_lines"), _lines(_half_lift), [hidden_and_rows]),
    "on_too_early": ((crown, "relu_lines"), _lines(_stable_too_early), [hidden_and_rows]),
    "no_noise": ((stack.Stack, "noise"), _silent, [hidden_and_rows, plain_errors]),
    "no_float32_noise": ((stack, "unit"), lambda *_: 2.0**-40, [hidden_and_rows_in_float32]),
    "wrong_network": ((products.Dense, "before"), _mixed_before, [hidden_and_rows]),
    "wrong_network_in_intervals": ((products.Dense, "forward"), _mixed_forward, [hidden_and_rows]),
    "middle_for_minimum": ((crown, "concretize"), _best_corner, [hidden_and_rows]),
    "rounded_to_nearest": ((interval, "round_down"), _to_nearest, [hidden_and_rows]),
    "slopes_out_of_range": ((slopes, "with_lower"), _unclamped, [free_multipliers]),
    "box_ends_to_nearest": ((roots, "outward"), lambda value, side: float(value), [decimal_ends]),
    "children_with_a_gap": (None, _gap, [check_split_input]),
    "children_of_others": (None, _one_dimension, [check_split_input]),
    "children_that_overlap": (None, _overlap, [check_split_input]),
    "a_sign_is_lost": (None, _sign_lost, [check_split_sign]),
    "signs_of_others": (None, _sign_of_all, [check_split_sign]),
    "a_polytope_is_forgotten": ((cases, "exclude"), _forgets_polytopes, [check_batch_keeps_rows]),
    "a_case_is_forgotten": ((cases, "root_nodes"), _forgets_roots, [check_batch_keeps_rows]),
    "one_box_proves_all": ((cases, "exclude"), _shares, [check_batch_keeps_rows]),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_noticed(name, monkeypatch):
    place, mutant, checks = MUTANTS[name]
    if place is None:
        found = [fails(check, mutant) for check in checks]
    else:
        monkeypatch.setattr(*place, mutant)
        found = [fails(check) for check in checks]
    assert any(found)


def fails(check, *arguments) -> bool:
    try:
        check(*arguments)
    except AssertionError:
        return True
    return False


@pytest.mark.parametrize(
    "check",
    [
        hidden_and_rows,
        hidden_and_rows_in_float32,
        free_multipliers,
        plain_errors,
        decimal_ends,
        check_split_input,
        check_split_sign,
        check_batch_keeps_rows,
        check_violation,
    ],
    ids=lambda check: check.__name__,
)
def test_the_engine_as_it_is_passes(check):
    check()


def test_children_with_a_gap_are_noticed_end_to_end(monkeypatch):
    monkeypatch.setattr(branch_and_bound, "split_input", _gap)
    with pytest.raises(AssertionError):
        check_end_to_end(monkeypatch)
