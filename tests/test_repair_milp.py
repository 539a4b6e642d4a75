"""Repair by linear programs: smallest changes against other solvers, limits and samples exhaustively, repairs."""

import ctypes
import itertools
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from fractions import Fraction
from itertools import combinations, product
from types import SimpleNamespace

import numpy as np
import pytest
from cases import case, exact_trace, executable, prop, row
from conftest import network, random_network
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from engine import Options, Problem, verify_all
from engine.acasxu.files import property_path
from engine.comparison.fidelity import changes, compare
from engine.comparison.region import Region, Rows, Unsafe, in_box
from engine.errors import InputError
from engine.evaluation import scores
from engine.repair.milp import settings as milp_settings
from engine.repair.milp import solver as module_of_solver
from engine.repair.milp import steep
from engine.repair.milp.limits import directions, held, needed
from engine.repair.milp.method import milp
from engine.repair.milp.plan import Narrow, Plan, Size, in_order, ranked
from engine.repair.milp.programs import cuts, models
from engine.repair.milp.programs.program import MISS_PRICE, Program
from engine.repair.milp.solver import PlanSolver
from engine.repair.milp.worst import changed_points, depth, steepest_points, worst_points
from engine.repair.samples import Samples, draw, look_at, points, regions
from engine.repair.task import Box, Counterexample, Evidence, Task
from engine.vnnlib import load_property

QUIET = lambda words: None
SEEDS = st.integers(0, 10**6)


def solve(program, **options):
    """The weights alone."""
    found = cuts.solve(program, **options)
    return found and found.w


def gurobi_missing() -> bool:
    try:
        import gurobipy  # noqa: F401
    except ImportError:
        return True
    return False


BACKENDS = ["highs", pytest.param("gurobi", marks=pytest.mark.skipif(gurobi_missing(), reason="no gurobi"))]


# program: the smallest change


def program_of(seed: int, norm: str, *, feasible: bool = True, points: int = 12, width: int = 2) -> Program:
    """need <= features @ w + b <= cap around some hidden solution, or around none."""
    random = np.random.default_rng(seed)
    features = np.round(random.normal(size=(points, width)), 2).astype(np.float32)
    target = np.round(random.normal(size=width + 1), 1)
    value = features @ target[:-1] + target[-1]
    if not feasible:
        value = random.normal(size=points) * 5
    room = np.where(random.random((2, points)) < 0.3, np.inf, random.uniform(0.05, 0.5, (2, points)))
    base = np.round(random.normal(size=width + 1), 1)
    lower, upper = np.minimum(base, target) - 1, np.maximum(base, target) + 1
    return Program(features, base, value - room[0], value + room[1], lower, upper, norm)


def rows_of(program: Program) -> tuple[np.ndarray, np.ndarray]:
    """matrix w <= limits, all constraints at once."""
    full = np.column_stack([program.features, np.ones(len(program.features))]).astype(float)
    matrix, limits = np.vstack([full, -full]), np.concatenate([program.cap, -program.need])
    return matrix[np.isfinite(limits)], limits[np.isfinite(limits)]


def smallest(program: Program) -> float | None:
    """The norm of the smallest change, by other formulations; None where there is no solution."""
    matrix, limits = rows_of(program)
    n = len(program.base)
    if program.norm == "count":
        for size in range(n + 1):
            for some in combinations(range(n), size):
                ends = [
                    (low, high) if i in some else (base, base)
                    for i, (low, base, high) in enumerate(zip(program.lower, program.base, program.upper))
                ]
                if linprog(np.zeros(n), A_ub=matrix, b_ub=limits, bounds=ends).status == 0:
                    return size
        return None
    spread = -np.eye(n) if program.norm == "l1" else -np.ones((n, 1))  # |w - base| <= t
    both = np.vstack([np.hstack([np.eye(n), spread]), np.hstack([-np.eye(n), spread])])
    whole = np.vstack([np.hstack([matrix, np.zeros((len(matrix), spread.shape[1]))]), both])
    cost = np.concatenate([np.zeros(n), np.ones(spread.shape[1])])
    bounds = [*zip(program.lower, program.upper), *[(0, None)] * spread.shape[1]]
    found = linprog(cost, A_ub=whole, b_ub=np.concatenate([limits, program.base, -program.base]), bounds=bounds)
    return found.fun if found.status == 0 else None


def size_of(change: np.ndarray, norm: str) -> float:
    return {"l1": np.abs(change).sum(), "count": np.count_nonzero(change), "max": np.abs(change).max()}[norm]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("norm", ["l1", "count", "max"])
@given(seed=SEEDS, feasible=st.booleans())
@settings(max_examples=25, deadline=None)
def test_the_smallest_change(backend, norm, seed, feasible):
    program = program_of(seed, norm, feasible=feasible)
    found, best = solve(program, backend=backend), smallest(program)
    assert (found is None) == (best is None)
    if best is not None:
        matrix, limits = rows_of(program)
        assert (matrix @ found <= limits).all()  # strictly
        assert (program.lower - 1e-6 <= found).all() and (found <= program.upper + 1e-6).all()
        assert size_of(found - program.base, norm) <= best * 1.01 + 1e-4


@pytest.mark.parametrize("backend", BACKENDS)
def test_only_some_constraints_are_handed_over(backend, monkeypatch):
    """Cutting planes end where all constraints hold, although a round adds two at most."""
    monkeypatch.setattr("engine.repair.milp.programs.cuts.BATCH", 2)
    program = program_of(5, "l1", points=300, width=4)
    found = solve(program, backend=backend)
    matrix, limits = rows_of(program)
    assert (matrix @ found <= limits).all()  # strictly
    assert size_of(found - program.base, "l1") <= smallest(program) + 1e-4


@pytest.mark.parametrize("backend", BACKENDS)
def test_slack_constraints_are_dropped(backend, monkeypatch):
    """The solver holds few constraints at a time, and the change is still the smallest that meets all."""
    for name, number in {"BATCH": 4, "HELD": 12, "TIGHT": 8}.items():
        monkeypatch.setattr(f"engine.repair.milp.programs.cuts.{name}", number)
    sizes, before = [], models.Model.__init__
    monkeypatch.setattr(
        models.Model,
        "__init__",
        lambda model, rows, *rest: (sizes.append(len(rows)), before(model, rows, *rest))[1],
    )
    program = program_of(11, "l1", points=400, width=5)
    found = solve(program, backend=backend, rounds=200)
    matrix, limits = rows_of(program)
    assert (matrix @ found <= limits).all()  # strictly
    assert size_of(found - program.base, "l1") <= smallest(program) + 1e-4
    assert any(after < size for size, after in zip(sizes, sizes[1:])) and max(sizes) <= 12 + 2 * 4


def test_nothing_to_change():
    program = program_of(0, "count")
    calm = Program(
        program.features, program.base, np.full(12, -np.inf), np.full(12, np.inf), program.lower, program.upper
    )
    assert (solve(calm) == program.base).all()


def test_need_above_cap_is_infeasible():
    program = program_of(0, "l1")
    need, cap = program.cap, program.need
    assert solve(Program(program.features, program.base, need, cap, program.lower, program.upper)) is None


@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_what_no_number_meets_is_infeasible(value):
    program = program_of(0, "l1")
    need, cap = np.full(12, min(value, 0.0)), np.full(12, max(value, 0.0))
    (need if value > 0 else cap)[3] = value
    assert solve(Program(program.features, program.base, need, cap, program.lower, program.upper)) is None


def test_highs_prints_nothing(capfd):
    """It has a line of its own that it prints from C where its presolve was of no use, as it is here."""
    random = np.random.default_rng(1)
    features, w = np.maximum(random.normal(size=(5000, 50)), 0).astype(np.float32), np.zeros(51)
    w[:3] = random.random(3)
    z = features @ w[:-1]
    need = np.where(z > np.quantile(z, 0.9), 0.8 * z, -np.inf)
    cap = np.where(z < np.quantile(z, 0.7), 1.1 * z + 0.01, np.inf)
    program = Program(features, np.zeros(51), need, cap, np.zeros(51), np.full(51, np.inf), "count")
    found = solve(program, backend="highs")
    ctypes.CDLL(None).fflush(None)
    assert np.count_nonzero(found) == 3 and capfd.readouterr().out == ""


def test_programs_of_some_points_and_of_two():
    one, two = program_of(0, "l1"), program_of(1, "l1")
    both = one.join(two)
    assert len(both.need) == len(one.need) + len(two.need) and both.norm == "l1"
    which = np.arange(len(both.need)) < len(one.need)
    same = both.select(which)
    assert all(np.array_equal(getattr(same, name), getattr(one, name)) for name in ("features", "need", "cap"))


def test_points_of_which_nothing_is_asked_cost_nothing():
    """The answer is that of the program without them."""
    program = program_of(0, "l1")
    free = np.full_like(program.need, np.inf)
    more = program.join(replace(program, need=-free, cap=free))
    assert np.array_equal(solve(more, backend="highs"), solve(program, backend="highs"))


def test_rounds_are_limited():
    assert solve(program_of(1, "l1"), rounds=0) is None


def test_unknown_names_are_refused():
    with pytest.raises(InputError, match="unknown norm 'l2'; use scores, l1, count, max"):
        program_of(0, "l2")
    with pytest.raises(InputError, match="unknown backend 'cplex'; use auto, gurobi or highs"):
        solve(program_of(0, "l1"), backend="cplex")


class GurobiStub:
    """As much of gurobipy as `program` uses. Notes if two are used at once; every solution is interrupted."""

    GurobiError, GRB = type("GurobiError", (Exception,), {}), SimpleNamespace(INTERRUPTED=11)
    inside, most = 0, 0

    def __init__(self, **ignored):
        self.Params, self.Status, self.SolCount = SimpleNamespace(), 11, 1

    def __enter__(self):
        GurobiStub.inside += 1
        GurobiStub.most = max(GurobiStub.most, GurobiStub.inside)
        return self

    def __exit__(self, *ignored):
        GurobiStub.inside -= 1

    def addMVar(self, n, **ignored):
        return np.zeros(n)

    def optimize(self):
        time.sleep(0.02)

    addConstr = setObjective = lambda self, expression: None


def test_ctrl_c_that_gurobi_took_ends_all(monkeypatch):
    """It hides the signal while it solves; two at once would give it back to each other, and never to Python."""
    stub = SimpleNamespace(Env=GurobiStub, Model=GurobiStub, GRB=GurobiStub.GRB, GurobiError=GurobiStub.GurobiError)
    monkeypatch.setitem(sys.modules, "gurobipy", stub)
    program = Program(
        np.ones((1, 1), np.float32), np.zeros(2), np.ones(1), np.full(1, 2.0), np.full(2, -9.0), np.full(2, 9.0)
    )

    def interrupted(_) -> bool:
        with pytest.raises(KeyboardInterrupt):
            solve(program, backend="gurobi")
        return True

    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(interrupted, range(4)))
    assert (GurobiStub.most, GurobiStub.inside) == (2, 0)  # an environment and a model, one program at a time


@given(seed=SEEDS)
@settings(max_examples=20, deadline=None)
def test_the_least_change_of_scores(seed):
    """Against one program with a variable for each point."""
    program = replace(program_of(seed, "scores", points=30), prices=(1.0, 5.0), domain=np.arange(30) % 3 > 0)
    found = solve(program, backend="highs")
    matrix, limits = rows_of(program)
    assert found is not None and (matrix @ found <= limits).all()
    assert price(program, found) <= 1.05 * least_price(program) + 1e-3


@given(seed=SEEDS)
@settings(max_examples=20, deadline=None)
def test_the_least_change_of_scores_where_no_value_is_negative(seed):
    """The mean is linear there: monotone shifts."""
    random = np.random.default_rng(seed)
    features = np.abs(np.round(random.normal(size=(30, 2)), 2)).astype(np.float32)
    need = np.where(random.random(30) < 0.3, random.uniform(0.1, 1, 30), -np.inf)
    zero, one = np.zeros(3), np.ones(30)
    upper = np.full(3, 100.0)
    program = Program(features, zero, need, np.inf * one, zero, upper, "scores", domain=one > 0, prices=(1.0, 5.0))
    assert program.is_never_negative
    found = solve(program, backend="highs")
    matrix, limits = rows_of(program)
    assert found is not None and (matrix @ found <= limits).all()
    assert price(program, found) <= 1.05 * least_price(program) + 1e-3


def test_where_many_values_count_a_part_of_the_points_stands_for_all(monkeypatch):
    """Constraints are met at all points as before, and the price of the values is near the least."""
    monkeypatch.setattr("engine.repair.milp.programs.cuts.MOST_SOFT", 200)
    random = np.random.default_rng(1)
    features = random.normal(size=(2000, 3)).astype(np.float32)
    need = np.where(features[:, 0] > 1, 1.0, -np.inf)
    ends = np.full(4, 10.0)
    program = Program(features, np.zeros(4), need, np.full(2000, np.inf), -ends, ends, "scores", prices=(0.1, 5.0))
    program = replace(program, domain=np.ones(2000, bool))
    found = solve(program, backend="highs")
    matrix, limits = rows_of(program)
    assert found is not None and (matrix @ found <= limits).all()
    least = least_price(program)
    assert least < price(program, found) <= 1.2 * least


@given(seed=SEEDS)
@settings(max_examples=20, deadline=None)
def test_limits_that_may_be_missed_are_missed_at_the_least_price(seed):
    """Against one program with a variable for each limit. Around a hidden solution, half of the limits are wrong."""
    program, random = program_of(seed, "l1", points=30), np.random.default_rng(seed)
    wrong = random.random(30) < 0.5
    shift = wrong * random.normal(size=30)
    program = replace(program, need=program.need + shift, cap=program.cap + shift, optional=wrong)
    found = solve(program, backend="highs")
    full = np.column_stack([program.features, np.ones(30)]).astype(float)
    n, k = full.shape
    signed = np.vstack([full, -full])
    limits = np.concatenate([program.cap, -program.need])
    there = np.isfinite(limits)
    miss = -np.diag(np.tile(program.optional, 2).astype(float))
    least = linprog(
        np.concatenate([np.zeros(k), np.ones(k), np.full(2 * n, MISS_PRICE)]),
        A_ub=np.vstack(
            [
                np.hstack([signed, np.zeros((2 * n, k)), miss])[there],
                np.hstack([np.eye(k), -np.eye(k), np.zeros((k, 2 * n))]),
                np.hstack([-np.eye(k), -np.eye(k), np.zeros((k, 2 * n))]),
            ]
        ),
        b_ub=np.concatenate([limits[there], program.base, -program.base]),
        bounds=[*zip(program.lower, program.upper), *[(0, None)] * (k + 2 * n)],
    )
    assert found is not None and not program.missed(found)[~wrong].any()
    cost = np.abs(found - program.base).sum() + MISS_PRICE * program.missed(found).sum()
    assert least.fun - 1e-2 <= cost <= least.fun + 1e-2
    assert program.missed(found).any() or solve(replace(program, optional=None), backend="highs") is not None
    most = np.count_nonzero(program.missed(found) > 1e-6)
    assert solve(program, backend="highs", most_missed=most) is not None
    assert not most or solve(program, backend="highs", most_missed=most - 1) is None


def price(program: Program, w: np.ndarray) -> float:
    value = (program.features @ w[:-1] + w[-1]).clip(min=0)
    weights = models.WEIGHT_PRICE * np.abs(w - program.base).sum()
    return program.prices[0] * value.max() + program.prices[1] * value[program.domain].mean() + weights


def least_price(program: Program) -> float:
    """Variables: w, |w - base|, the largest value, and the positive part of each point's value."""
    full = np.column_stack([program.features, np.ones(len(program.features))]).astype(float)
    (n, k), (matrix, limits) = full.shape, rows_of(program)
    none, one = np.zeros((n, 1)), np.ones((n, 1))
    rows = [
        (np.hstack([matrix, np.zeros((len(matrix), k + 1 + n))]), limits),
        (np.hstack([np.eye(k), -np.eye(k), np.zeros((k, 1 + n))]), program.base),
        (np.hstack([-np.eye(k), -np.eye(k), np.zeros((k, 1 + n))]), -program.base),
        (np.hstack([full, np.zeros((n, k)), -one, np.zeros((n, n))]), none[:, 0]),
        (np.hstack([full, np.zeros((n, k)), none, -np.eye(n)]), none[:, 0]),
    ]
    mean = program.prices[1] * program.domain / program.domain.sum()
    found = linprog(
        np.concatenate([np.zeros(k), np.full(k, models.WEIGHT_PRICE), [program.prices[0]], mean]),
        A_ub=np.vstack([a for a, _ in rows]),
        b_ub=np.concatenate([b for _, b in rows]),
        bounds=[*zip(program.lower, program.upper), *[(0, None)] * (k + 1 + n)],
    )
    return found.fun


class Known:
    """The size of each plan's solution, by the feature and the second score's direction; None without one."""

    def __init__(self, sizes):
        self.sizes = sizes

    def size(self, plan):
        amount = self.sizes[plan.strategy, plan.place][int(plan.v[1])]
        return amount and Size(amount * (1 + plan.margin), amount == 0.3)


WAYS = [
    Plan(*feature, np.array(v), 0.03)
    for feature in [("shift", 0), ("rewritten", 0), ("rewritten", 1)]
    for v in ([1, 0], [0, 1])
]


def test_each_feature_comes_with_its_best_direction_first():
    """Of about equal changes, here 0.3 and 0.26, the one with a theorem comes first."""
    sizes = {("shift", 0): (0.3, 0.9), ("rewritten", 0): (0.26, 0.2), ("rewritten", 1): (0.5, None)}
    found = ranked(Known(sizes), WAYS)
    amounts = [sizes[each.plan.feature][int(each.plan.v[1])] for each in found]
    assert amounts == [0.2, 0.3, 0.5, 0.26, 0.9]


def test_of_equal_changes_with_a_theorem_that_which_keeps_orders_comes_first():
    few, many = Size(0.3, True, 0.001), Size(0.26, True, 0.01)
    assert few.rank < many.rank < Size(0.26, False, 0.0).rank < Size(0.6, True, 0.0).rank


def test_plans_that_change_much_come_after_those_of_all_margins_that_change_little():
    sizes = {("shift", 0): (0.1, None), ("rewritten", 0): (0.9, None), ("rewritten", 1): (None, None)}
    found = list(in_order(Known(sizes), WAYS, (0.03, 0.01), enough=0.5, say=QUIET, narrow=Narrow()))
    assert [(plan.strategy, plan.margin) for plan in found] == [
        ("shift", 0.03),
        ("shift", 0.01),
        ("rewritten", 0.01),
        ("rewritten", 0.03),
    ]


def test_no_margin_is_tried_up_to_which_a_proof_stayed_open():
    """Neither other plans with it, nor narrower ones: wider ones come at once."""
    sizes = {("shift", 0): (0.1, None), ("rewritten", 0): (0.2, 0.3), ("rewritten", 1): (0.9, None)}
    narrow, found = Narrow(), []
    for plan in in_order(Known(sizes), WAYS, (0.03, 0.01), enough=0.5, say=QUIET, narrow=narrow):
        found.append((*plan.feature, plan.margin))
        if found[-1] == ("rewritten", 0, 0.03):
            narrow.add(plan)
    assert found[:2] == [("shift", 0, 0.03), ("rewritten", 0, 0.03)]
    assert [margin for *_, margin in found[2:]] == [m for m in milp_settings.WIDE_MARGINS for _ in range(4)]


def test_of_wide_margins_the_plans_with_a_solution_are_asked():
    sizes = Known({("shift", 0): (0.1, None), ("rewritten", 0): (None, 0.3), ("rewritten", 1): (None, None)})
    asked, size = [], sizes.size
    sizes.size = lambda plan: asked.append((plan.strategy, plan.margin)) or size(plan)
    narrow = Narrow()
    for plan in in_order(sizes, WAYS, (0.03,), enough=0.5, say=QUIET, narrow=narrow):
        narrow.add(plan)
    assert asked.count(("shift", 0.03)) == 2 and asked.count(("rewritten", 0.03)) == 4
    assert sorted(asked[6:]) == [(each, margin) for each in ("rewritten", "shift") for margin in (0.1, 1.0)]


def test_nothing_is_in_order_where_no_margin_has_a_plan():
    none = dict.fromkeys([("shift", 0), ("rewritten", 0), ("rewritten", 1)], (None, None))
    assert list(in_order(Known(none), WAYS, (0.03, 0.01), enough=0.5, say=QUIET, narrow=Narrow())) == []


@pytest.mark.parametrize("free", [1, 10**6])
def test_auto_works_without_gurobi(free, monkeypatch):
    """Where the program is too large for the free licence, or gurobi cannot be used."""

    def missing(model):
        assert free > 1, "gurobi was asked for too large a program"
        raise InputError("gurobi cannot be used")

    monkeypatch.setattr("engine.repair.milp.programs.models._gurobi", missing)
    monkeypatch.setattr("engine.repair.milp.programs.models.FREE_LICENCE", free)
    program = program_of(3, "l1")
    assert solve(program) == pytest.approx(solve(program, backend="highs"))


# limits: how much of a direction samples need and bear


def boxed(number: int, lower, upper, *polytopes) -> Region:
    """The first is the target; polytopes: (inputs, outputs, constants) of rows that are not strict."""
    rows = tuple(Rows(*parts, np.zeros(len(parts[2]), bool)) for parts in polytopes)
    return Region(number, number == 0, lower, upper, lower.astype(np.float32), upper.astype(np.float32), Unsafe(rows))


def situation(seed: int):
    """Random scores with regions of random polytopes: samples, regions, a random direction."""
    random = np.random.default_rng(seed)
    n, m, d = 40, 4, 2
    where = []
    for number in range(random.integers(1, 4)):
        polytopes = [
            (
                np.round(random.normal(size=(r, d)) * (random.random() < 0.3), 1),
                random.integers(-1, 2, (r, m)).astype(float),
                np.round(random.normal(size=r), 1),
            )
            for r in random.integers(1, 4, random.integers(1, 3))
        ]
        low = random.uniform(-1, 0, d)
        where.append(boxed(number, low, low + random.uniform(0.2, 2, d), *polytopes))
    x = random.uniform(-1, 1, (n, d)).astype(np.float32)
    y = random.normal(size=(n, m))
    inside = np.array([region.holds(x) for region in where])
    free = np.zeros(n, bool)
    for region, member in zip(where, inside):
        if region.target:
            free[member] = region.unsafe.contains(x[member], y[member])
    samples = Samples(x, x, x, y, y.argmin(1), np.full(n, -1), inside, free)
    some = [v for group in directions(where) for v in group]
    v = some[random.integers(len(some))] if len(some) and random.random() < 0.7 else random.normal(size=m)
    return samples, where, v


def unsafe(region: Region, x, y, margin: float = 0.0) -> bool:
    """Whether all rows of a polytope are at most the margin, one row at a time."""
    for p in region.unsafe.polytopes:
        rows = [float(np.dot(a, x) + np.dot(b, y) + c) for a, b, c in zip(p.inputs, p.outputs, p.constants)]
        if all(r <= margin if margin == 0 else r < margin - 1e-6 for r in rows):
            return True
    return False


@given(seed=SEEDS)
@settings(max_examples=60, deadline=None)
def test_held_keeps_advisories_and_safety(seed):
    samples, where, v = situation(seed)
    y = samples.y.copy()
    y[::3] += 0.3 * np.random.default_rng(seed).normal(size=y[::3].shape)  # scores without a feature
    floor, cap = held(samples, where, y, v)
    for i in np.flatnonzero(~samples.free):
        low, high = max(floor[i], 0.0), min(cap[i], 50.0)
        assert cap[i] >= 0 or floor[i] > cap[i], "no z is as good as none"
        for z in np.linspace(low, high, 7) if low <= high else ():
            score = y[i] + v * z
            assert score.argmin() == samples.lowest[i] or np.ptp(np.sort(score)[:2]) < 1e-9
            for region, member in zip(where, samples.inside):
                assert not (member[i] and unsafe(region, samples.x[i], score))


@given(seed=SEEDS)
@settings(max_examples=60, deadline=None)
def test_what_is_needed_gives_the_margin(seed):
    samples, where, v = situation(seed)
    need = needed(samples, where, samples.y, v, margin=0.1)
    region, member = where[0], samples.inside[0]
    assert (need[~member] == -np.inf).all()
    for i in np.flatnonzero(member):
        if need[i] == -np.inf:
            assert not unsafe(region, samples.x[i], samples.y[i], 0.1)
        elif need[i] < np.inf:
            for z in need[i] + np.array([0, 0.01, 0.3, 3, 100]):
                assert not unsafe(region, samples.x[i], samples.y[i] + v * z, 0.1)
            below = need[i] - 1e-3 * max(1, need[i])
            assert below < 0 or unsafe(region, samples.x[i], samples.y[i] + v * below, 0.1 + 2e-6)


def test_a_sample_beyond_help():
    """Raising y0 cannot help where y0 <= 0 must not hold with y1 <= 0 ... but for its own row."""
    where = [boxed(0, np.zeros(1), np.ones(1), (np.zeros((1, 1)), np.array([[0.0, 1.0]]), np.zeros(1)))]
    samples = look_at(executable(network([[[1.0], [-1.0]]], [[0.5, 0.25]])), where, np.array([[0.5]]))
    assert needed(samples, where, samples.y, np.array([1.0, 0.0]), margin=0.1).tolist() == [np.inf]
    assert needed(samples, where, samples.y, np.array([0.0, 1.0]), margin=0.1) == pytest.approx([0.35])
    assert [[v.tolist() for v in group] for group in directions(where)] == [[[0, 1]], []]


def test_directions_of_several_scores_help_against_every_polytope():
    """Neither of y1 and y2 may be lowest: each helps against its own, together against both."""
    lowest = lambda j: [row([int(u == j) - int(u == k) for u in range(3)]) for k in range(3) if k != j]
    target = prop(case([0, 0], [1, 1], lowest(1), lowest(2)), n_outputs=3)
    one, several = directions(regions(Task(None, (target,), (), None, None)))
    assert [v.tolist() for v in one] == [[0, 1, 0], [0, 0, 1], [-1, 0, 0], [0, -1, 0], [0, 0, -1]]
    assert [v.tolist() for v in several] == [[0, 1, 1]]


def test_no_targets_no_directions():
    assert directions([]) == ([], [])


# samples: points of boxes


def region_of(lower, upper) -> Region:
    box = case(lower, upper, [row([1], n_inputs=len(lower))])
    return regions(Task(None, (prop(box),), (), None, None))[0]


@given(seed=SEEDS, width=st.sampled_from([1.0, 1e-3, 1e-5]))
@settings(max_examples=60, deadline=None)
def test_points_lie_in_boxes_exactly(seed, width):
    random = np.random.default_rng(seed)
    lower = [Fraction(int(random.integers(-3 * 10**9, 3 * 10**9)), 3 * 10**9 + 7) for _ in range(3)]
    upper = [v + Fraction(width).limit_denominator(10**7) for v in lower]
    x = in_box(region_of(lower, upper), random, 50)
    assert x.dtype == np.float32 and x.shape == (50, 3)
    assert all(lo <= Fraction(float(v)) <= hi for point in x for lo, v, hi in zip(lower, point, upper))


def test_many_points_lie_at_faces():
    x = in_box(region_of([0, 0], [1, 1]), np.random.default_rng(0), 4000)
    assert 0.3 < np.isin(x, (0, 1)).mean() < 0.5


def test_points_of_the_benchmark_properties_lie_in_their_boxes():
    for number in range(1, 11):
        specification = load_property(property_path(number))
        task = Task(None, (specification,), (), None, None)
        for region, box in zip(regions(task), specification.cases):
            x = in_box(region, np.random.default_rng(number), 20)
            assert all(lo <= Fraction(float(v)) <= hi for p in x for lo, v, hi in zip(box.lower, p, box.upper))


def test_a_point_box_has_one_sample():
    point = case([Fraction(1, 2)], [Fraction(1, 2)], [row([1, 0], n_inputs=1)])
    wide = case([0], [1], [row([1, 0], n_inputs=1)])
    net = executable(random_network((1, 3, 2), seed=0))
    task = Task(net, (prop(point, wide, n_outputs=2),), (), np.array([-1.0]), np.array([1.0]))
    where = regions(task)
    assert [region.wide for region in where] == [False, True]
    x, owner = draw(task, where, np.random.default_rng(0), domain=7, target=6, keep=5)
    assert np.bincount(owner + 1).tolist() == [7, 1, 3] and x[owner == 0].tolist() == [[0.5]]
    samples = look_at(net, where, x, owner)
    counted = {id(region): len(at) for region, at in samples.of(where)}
    assert counted[id(where[0])] == 1 and counted[id(where[1])] >= 3
    joined = samples.join(look_at(net, where, np.array([[0.25]])))
    assert len(joined) == 12 and joined.inside.shape == (1, 12) and joined.inside[0, -1]


def test_samples_say_what_the_network_says():
    net = executable(random_network((2, 5, 4, 3), seed=1))
    target = prop(case([-1, -1], [1, 1], [row([1, -1, 0])], [row([0, 1, 1], Fraction(1, 4))]), n_outputs=3)
    x = np.random.default_rng(0).uniform(-1.5, 1.5, (200, 2)).astype(np.float32)
    samples = look_at(net, regions(Task(net, (target,), (), None, None)), x)
    for i, point in enumerate(x):
        y = exact_trace(net, point).y
        assert samples.y[i] == pytest.approx([float(v) for v in y], abs=1e-5)
        assert samples.free[i] == any(c.violated_at(tuple(Fraction(float(v)) for v in point), y) for c in target.cases)
        assert samples.inside[0, i] == (np.abs(point) <= 1).all()
    assert samples.inner.shape == (200, 5) and samples.last.shape == (200, 4)


def test_points_of_nothing():
    assert points([], 3).shape == (0, 3)
    assert points([Counterexample(0, 0, np.array([1, 2], np.float32))], 2).tolist() == [[1, 2]]


# worst points


def test_a_planted_violation_is_found():
    """y0 = |x0 - 0.3| + |x1 + 0.2| is below 0.02 in a corner of a thousandth of the box alone."""
    net = executable(network([[[1, 0], [-1, 0], [0, 1], [0, -1]], [[1, 1, 1, 1]]], [[-0.3, 0.3, 0.2, -0.2], [0.0]]))
    region = region_of([-1, -1], [1, 1])
    random = np.random.default_rng(0)
    start = random.uniform(-1, 1, (300, 2)).astype(np.float32)
    assert depth(net, region, start).min() > 0.02
    found = worst_points(net, region, start, random, below=0.02)
    assert len(found) and (np.abs(found - [0.3, -0.2]).sum(1) < 0.021).all()
    assert (np.abs(found) <= 1).all() and (np.diff(depth(net, region, found)) >= 0).all()
    assert not len(worst_points(net, region, start, random, below=-1.0))


def test_a_case_where_nothing_is_unsafe_has_no_worst_points():
    net = executable(random_network((2, 3, 1), seed=0))
    region = boxed(0, np.zeros(2), np.ones(2))
    x = np.random.default_rng(0).random((9, 2)).astype(np.float32)
    assert (depth(net, region, x) == np.inf).all()
    assert not len(worst_points(net, region, x, np.random.default_rng(0), below=1.0))


def test_a_rarely_changed_advisory_is_found():
    """y0 is lowest but within 1e-3 of (0.3, -0.2), where the change raises it by 1e-3; samples see nothing."""
    hidden, bias = [[1, 0], [-1, 0], [0, 1], [0, -1]], [-0.3, 0.3, 0.2, -0.2]
    net, changed = (executable(network([hidden, [[0, 0, 0, 0], [1, 1, 1, 1]]], [bias, [y0, 0.0]])) for y0 in (0, 1e-3))
    random = np.random.default_rng(0)
    start = random.uniform(-1, 1, (20_000, 2)).astype(np.float32)
    differ = lambda x: np.flatnonzero(scores(net, x).argmin(1) != scores(changed, x).argmin(1))
    assert not len(differ(start))
    ends = {"lower": np.full(2, -1.0), "upper": np.full(2, 1.0)}
    found = changed_points(net, changed, start, random, **ends)
    assert len(found) and len(differ(found)) == len(found) and (np.abs(found - [0.3, -0.2]).sum(1) <= 1e-3).all()
    assert not len(changed_points(net, net, start, random, **ends))


def test_the_largest_change_of_a_score_is_found():
    """The change adds relu(1 - 50 (|x0 - 0.3| + |x1 + 0.2|)) to y1: 1 in a corner of a thousandth of the box alone."""
    first = [[1, 0], [-1, 0], [0, 1], [0, -1]], [-0.3, 0.3, 0.2, -0.2]
    net, changed = (
        executable(network([first[0], [[-50] * 4], [[0], [w]]], [first[1], [1], [0.0, 0.0]])) for w in (0.0, 1.0)
    )
    random, ends = np.random.default_rng(0), {"lower": np.full(2, -1.0), "upper": np.full(2, 1.0)}
    start = random.uniform(-1, 1, (20_000, 2)).astype(np.float32)
    found = steepest_points(net, changed, start, random, **ends, above=0.5)
    change = np.abs(scores(changed, found) - scores(net, found)).max(1)
    assert change[0] > 0.97 and (np.abs(found[:20] - [0.3, -0.2]).sum(1) < 3e-3).all() and (np.diff(change) <= 0).all()
    assert not len(steepest_points(net, changed, start, random, **ends, above=1.0))


def test_programs_know_where_scores_change_most(few_samples, monkeypatch):
    """Points are added for a feature that is local, a few times, and none where weights alone count."""
    monkeypatch.setattr(steep, "MORE", -0.5)  # so that half of what is known is worse
    v = np.array([0.0, 1.0, 0.0])
    added = {}
    for norm, strategy in product(["scores", "l1"], ["rewritten", "shift"]):
        solver = PlanSolver(small_task(), norm=norm, backend="highs")
        before = len(solver.samples)
        steep.add_steepest(solver, Plan(strategy, 0, v, 0.003))
        added[norm, strategy] = len(solver.samples) - before
    local = added.pop(("scores", "rewritten"))
    assert 0 < local <= steep.ROUNDS * steep.MOST and set(added.values()) == {0}


def test_one_score_is_always_lowest():
    net, changed = (executable(network([[[1.0]], [[w]]], [[0.0], [0.0]])) for w in (1.0, 2.0))
    start = np.linspace(-1, 1, 50, dtype=np.float32)[:, None]
    assert not len(
        changed_points(net, changed, start, np.random.default_rng(0), lower=np.array([-1.0]), upper=np.array([1.0]))
    )


def test_a_changed_advisory_that_no_sample_has_is_found():
    """y0 is lowest within 0.001 of (0.6, 0.2) alone; the change raises it where x0 > 0.5."""
    hidden, bias = [[1, 0], [-1, 0], [0, 1], [0, -1], [1, 0]], [-0.6, 0.6, -0.2, 0.2, -0.5]
    net, changed = (
        executable(network([hidden, [[1, 1, 1, 1, z], [0, 0, 0, 0, 0]]], [bias, [-0.001, 0.0]])) for z in (0.0, 0.1)
    )
    random = np.random.default_rng(0)
    start = random.uniform(-1, 1, (20_000, 2)).astype(np.float32)
    assert scores(net, start).argmin(1).all()
    found = changed_points(net, changed, start, random, lower=np.full(2, -1.0), upper=np.full(2, 1.0))
    assert len(found) and not scores(net, found).argmin(1).any() and scores(changed, found).argmin(1).all()


# the method


@pytest.fixture
def few_samples(monkeypatch):
    for name, number in {"DOMAIN": 3000, "TARGET": 2000, "KEEP": 500, "FRESH": 3000, "MARGINS": (0.03, 0.003)}.items():
        monkeypatch.setattr(milp_settings, name, number)


#: y2 is lowest nowhere; y1 is in [-1, -1/2], where relu(-x) alone fires
SMALL = executable(
    network([[[1.0], [-1.0]], [[0.0, 0.5], [0.0, 0.4], [0.0, 0.0]]], [[0.0, 0.0], [0.25, 0.25, 2.0]], name="small")
)
TARGET = prop(case([-1], [Fraction(-3, 4)], [row([0, 1, 0], Fraction(-3, 5), n_inputs=1)]), n_outputs=3, name="target")
KEEP = prop(case([0], [1], [row([1, 0, 0], n_inputs=1)]), n_outputs=3, name="keep")  # y0 > 0


def small_task(seed: int = 0, target=TARGET) -> Task:
    return Task(SMALL, (target,), (KEEP,), np.array([-1.0]), np.array([1.0]), seed)


def proved(task: Task, net) -> bool:
    verdicts = verify_all([Problem(net, each) for each in task.properties], Options(timeout=5, device="cpu"))
    return all(verdict.word == "unsat" for verdict in verdicts)


@pytest.mark.parametrize(
    "strategy, norm",
    [
        *product(["rewritten", "shift"], ["scores", "l1", "count", "max"]),
        *product(["extended"], ["scores", "l1"]),
        *(pytest.param("extended", norm, marks=pytest.mark.slow) for norm in ("count", "max")),
    ],
)
def test_each_strategy_and_norm(strategy, norm, few_samples):
    """What is offered is proved and changes hardly an advisory; a strategy may have nothing to offer."""
    task = small_task()
    found = next(milp(task, Evidence(), QUIET, backend="highs", norm=norm, strategies=(strategy,)), None)
    assert found is not None or strategy != "shift"
    if found:
        assert proved(task, found.network)
        result = compare(SMALL, found.network, [TARGET], lower=task.lower, upper=task.upper, points=5000, grid=500)
        assert result.outside.changed + result.grid.changed <= 5
        assert changes(SMALL, found.network)[0] <= 8


def test_soft_constraints_count_where_they_can_be_met(few_samples, monkeypatch):
    """A plan that cannot have them right is solved without, and is not asked for them again."""
    solver = PlanSolver(small_task(), norm="l1", backend="highs")
    plan, rows = Plan("shift", 0, np.array([0.0, 1.0, 0.0]), 0.003), []

    def none_with_soft(program, **rest):
        rows.append(len(program.need))
        return None if rows[-1] > len(solver.samples) else cuts.solve(program, **rest)

    before = solver.solve(plan)
    solver.add_soft(np.array([[-0.9]], np.float32))
    assert solver.solve(plan) is not None and solver.soft_is_met(plan)
    monkeypatch.setattr(module_of_solver, "solve", none_with_soft)
    solver.add_soft(np.array([[0.9]], np.float32))
    assert np.array_equal(solver.solve(plan)[1], before[1]) and not solver.soft_is_met(plan)
    assert max(rows) == len(solver.samples) + 2
    rows.clear()
    solver.add_soft(np.array([[0.5]], np.float32))
    assert np.array_equal(solver.solve(plan)[1], before[1]) and max(rows) == len(solver.samples)


def test_soft_constraints_that_no_feature_can_meet_are_not_met(few_samples, monkeypatch):
    """Without the rewritten neuron the advisory at the soft point is another, whatever the new feature is."""
    solver = PlanSolver(small_task(), norm="scores", backend="highs")
    plan = Plan("shift", 0, np.array([0.0, 1.0, 0.0]), 0.003)
    solver.add_soft(np.array([[0.9]], np.float32))
    assert solver.solve(plan) is not None and solver.soft_is_met(plan)
    limits = PlanSolver._limits

    def lost(self, feature, plan, samples):
        need, cap, _ = limits(self, feature, plan, samples)
        return need, cap, np.full(len(samples), samples is self._soft)

    monkeypatch.setattr(PlanSolver, "_limits", lost)
    solver.add_soft(np.array([[0.8]], np.float32))
    assert solver.solve(plan) is not None and not solver.soft_is_met(plan)


def test_slow_programs_make_room_for_other_methods(few_samples, monkeypatch):
    """Only where others follow, and only until there is a choice."""
    monkeypatch.setattr(milp_settings, "CHOICE_SECONDS", -1.0)
    ways = {"backend": "highs", "strategies": ("shift",)}
    assert next(milp(small_task(), Evidence(), QUIET, **ways), None)
    with pytest.raises(InputError, match="programs take long"):
        next(milp(small_task(), Evidence(), QUIET, **ways, patient=False))


@pytest.mark.parametrize("strategies", [("priced",), ("relayed", "priced")])
def test_what_comes_after_the_choice_takes_its_time(few_samples, monkeypatch, strategies):
    monkeypatch.setattr(milp_settings, "CHOICE_SECONDS", -1.0)
    next(milp(small_task(), Evidence(), QUIET, backend="highs", strategies=strategies, patient=False), None)


def test_all_samples_say_which_neurons_can_be_extended(few_samples, monkeypatch):
    """Few samples see no advisory that depends on the neuron: it is extended nevertheless, where all do."""
    solver = PlanSolver(small_task(), norm="l1", backend="highs")
    monkeypatch.setattr("engine.repair.milp.feature._needed", lambda samples, y, tolerance: samples is not solver.few)
    for samples in (solver.few, solver.samples):
        assert solver._feature(samples, "extended", 0).name.endswith("extended")
        assert solver._feature(samples, "rewritten", 0) is None


def test_plans_with_the_same_programs_are_solved_once(few_samples, monkeypatch):
    """Neurons 0, 2 and 3 add nothing to any score: whichever is rewritten, the program is the same."""
    hidden = [[1.0], [-1.0], [0.5], [-0.5]], [0.0, 0.0, -1.0, -2.0]
    last = [[0.0, 0.5, 1.0, 0.0], [0.0, 0.4, 0.0, 1.0], [0.0, 0.0, 0.0, 0.0]], [0.25, 0.25, 2.0]
    solved, net = [], executable(network([hidden[0], last[0]], [hidden[1], last[1]], name="idle"))
    solver = PlanSolver(replace(small_task(), network=net), norm="scores", backend="highs")
    one_more = lambda program, **rest: solved.append(program) or cuts.Solved(program.base + 1, cuts.NONE)
    monkeypatch.setattr(module_of_solver, "solve", one_more)
    v = np.array([0.0, 1.0, 0.0])
    (one, weights), (other, same) = (solver.solve_few(Plan("rewritten", place, v, 0.01)) for place in range(2))
    assert {one.chain, other.chain} == {((0, 0),), ((0, 2),)} and np.array_equal(weights, same) and len(solved) == 1
    assert solver.solve_few(Plan("rewritten", 0, v, 0.02)) is not None and len(solved) == 2


@pytest.mark.parametrize("norm", ["scores", "l1", "max", "count"])
@pytest.mark.parametrize("seed", range(3))
def test_a_program_with_more_points_goes_on_where_the_first_ended(monkeypatch, norm, seed):
    """The constraints of a solution lead to one that costs as much as from nothing, in fewer rounds."""
    monkeypatch.setattr("engine.repair.milp.programs.cuts.BATCH", 2)
    more = replace(program_of(seed, norm, points=400, width=4), prices=(1.0, 5.0), domain=np.arange(400) % 3 > 0)
    first, rounds = cuts.solve(more.select(np.arange(400) % 2 == 0), backend="highs"), []
    known = cuts.Constraints(first.held.kind, 2 * first.held.at)
    assert len(known)

    def costs(**options):
        rounds.append(0)

        def count():
            rounds[-1] += 1

        w = cuts.solve(more, backend="highs", check=count, **options).w
        matrix, limits = rows_of(more)
        assert (matrix @ w <= limits).all()
        return price(more, w) if norm == "scores" else size_of(w - more.base, norm)

    assert costs(known=known) == pytest.approx(costs(), rel=0.05, abs=1e-4)
    assert rounds[0] < rounds[1]


def test_what_meets_the_limits_will_do_after_the_last_round(monkeypatch):
    """No solution is lost because it never costs as little as it might."""
    program = replace(program_of(2, "scores", points=200, width=4), prices=(1.0, 5.0), domain=np.arange(200) % 3 > 0)
    monkeypatch.setattr(cuts, "CLOSE", -1.0)  # nothing is ever close enough
    matrix, limits = rows_of(program)
    assert (matrix @ solve(program, backend="highs", rounds=30) <= limits).all()
    monkeypatch.setattr(cuts, "BATCH", 1)
    assert solve(program, backend="highs", rounds=1) is None


def test_constraints_that_a_program_lacks_are_left_out():
    program = program_of(1, "l1")
    free = replace(program, need=np.full(len(program.need), -np.inf), cap=np.full(len(program.need), np.inf))
    held = cuts.Constraints(np.array([0, 1, 2, 3]), np.array([0, 1, 2, 3]))
    assert np.array_equal(cuts.solve(free, backend="highs", known=held).w, free.base)


def test_what_stayed_open_is_not_offered_again(few_samples):
    """After a proof that stays open another plan follows."""
    evidence = Evidence(boxes=[Box(0, 0, np.array([-1.0]), np.array([-0.75]))])
    offers = milp(small_task(), evidence, QUIET, backend="highs", strategies=("shift",))
    found = [candidate.network.sha256 for candidate in offers]
    assert len(found) > 1 and all(one != two for one, two in zip(found, found[1:]))


def test_what_is_refuted_often_gives_way(few_samples, monkeypatch):
    """The next plan follows after MAX_REFUTATIONS counterexamples, although the first has a new candidate each time."""
    evidence, random, notes, solved = Evidence(), np.random.default_rng(0), [], PlanSolver.solve

    def another(solver, plan):
        found = solved(solver, plan)
        return found and (found[0], found[1] + 1e-4 * random.random())

    monkeypatch.setattr(PlanSolver, "solve", another)
    monkeypatch.setattr(milp_settings, "MAX_REFUTATIONS", 3)
    for candidate in milp(small_task(), evidence, QUIET, backend="highs", strategies=("shift",)):
        notes.append(candidate.note)
        evidence.counterexamples.append(Counterexample(0, 0, np.array([-1.0], np.float32)))
    assert notes.count(notes[0]) == 3 < len(notes)


def test_a_neuron_that_few_samples_need_is_rewritten_at_a_price(few_samples):
    """Its old contribution is needed where y0 would not be the lowest without it: no plan has it, a price has."""
    solver = PlanSolver(small_task(), norm="scores", backend="highs")
    plan = Plan("rewritten", 0, np.array([0.0, 1.0, 0.0]), 0.01)
    assert solver._feature(solver.samples, "rewritten", 0) and solver.elastic(plan, most_missed=1)
    solver.samples.lowest[-1] = 2  # an advisory that is never given
    solver.samples.free[-1] = False
    solver.add(np.array([[0.5]], np.float32))
    assert solver._feature(solver.samples, "rewritten", 0) is None and solver.elastic(plan, most_missed=1)


def test_the_same_seed_gives_the_same(few_samples):
    one, two = (next(milp(small_task(7), Evidence(), QUIET, backend="highs", strategies=("shift",))) for _ in range(2))
    assert one.network.sha256 == two.network.sha256 and one.note == two.note


def test_the_original_is_left_as_it_is(few_samples):
    before = [(a.weight.copy(), a.bias.copy()) for a in SMALL.layers]
    next(milp(small_task(), Evidence(), QUIET, backend="highs", strategies=("shift",)))
    assert all((a.weight == w).all() and (a.bias == b).all() for a, (w, b) in zip(SMALL.layers, before))


def test_nothing_to_offer_where_no_direction_helps(few_samples):
    """y0 + y1 - 2 y2 is to be positive, and its negative too: no score helps against both."""
    rows = [row([s, s, -2 * s], 1, n_inputs=1) for s in (1, -1)]
    target = prop(case([-1], [1], *[[r] for r in rows]), n_outputs=3)
    assert list(milp(small_task(target=target), Evidence(), QUIET, backend="highs")) == []


def test_a_network_of_one_layer(few_samples):
    """y0 < y1 is to hold on [0, 1], where y1 = 1 and y0 = 2 x: offered or not, nothing fails."""
    net = executable(network([[[2.0], [0.0]]], [[0.0, 1.0]]))
    target = prop(case([0], [1], [row([-1, 1], n_inputs=1)]), n_outputs=2)
    task = Task(net, (target,), (), np.array([0.0]), np.array([1.0]))
    found = next(milp(task, Evidence(), QUIET, backend="highs"), None)
    assert found is None or found.network.shape == net.shape


def test_a_last_hidden_layer_of_one_neuron(few_samples):
    """There is no second neuron to try: the method goes on without one."""
    net = executable(random_network((2, 1, 3), seed=0))
    target = prop(case([-1, -1], [1, 1], [row([1, -1, 0])]), n_outputs=3, name="target")
    task = Task(net, (target,), (), -np.ones(2), np.ones(2))
    for candidate in itertools.islice(milp(task, Evidence(), QUIET, backend="highs"), 2):
        assert candidate.network.shape == net.shape
