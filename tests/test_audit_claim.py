"""What a certificate claims must cover the property's file: the engine's own cases do, and nothing less does."""

import random
from dataclasses import replace
from fractions import Fraction as F
from itertools import product

import pytest
from fuzzing import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from test_vnnlib import GRID, VARIABLES, formula_trees, gap, render
from tree_values import evaluate

from engine.acasxu.files import property_path
from engine.audit.claim import check_claim
from engine.audit.data import Case, Row, Specification
from engine.audit.failures import Rejected
from engine.audit.vnnlib_reader import read_property
from engine.vnnlib import load_property

DECLARED = "".join(f"(declare-const {name} Real)" for name in ("X_0", "X_1", "Y_0", "Y_1"))
UNIT = "".join(f"(assert (>= X_{i} 0)) (assert (<= X_{i} 1))" for i in (0, 1))


def audit_cases(prop) -> tuple[Case, ...]:
    """The engine's cases as the checker's."""

    def row(r) -> Row:
        inputs, outputs = ({i: c for i, c in enumerate(of) if c} for of in (r.inputs, r.outputs))
        return Row(inputs, outputs, r.constant, r.strict)

    return tuple(Case(c.lower, c.upper, tuple(tuple(map(row, p.rows)) for p in c.unsafe)) for c in prop.cases)


def files(tmp_path, text: str) -> tuple[tuple[Case, ...], Specification]:
    """The engine's claim and the checker's reading of one text."""
    path = tmp_path / "p.vnnlib"
    path.write_text(text)
    return audit_cases(load_property(path)), read_property(path)


def specification(*disjuncts, n_inputs=1, n_outputs=2) -> Specification:
    return Specification(n_inputs, n_outputs, (), tuple(map(tuple, disjuncts)), "")


def x(factor, constant, *, strict=False, i=0) -> Row:
    return Row({i: F(factor)}, {}, F(constant), strict)


def y(factor, constant, *, strict=False, j=0) -> Row:
    return Row({}, {j: F(factor)}, F(constant), strict)


def const(constant, *, strict=False) -> Row:
    return Row({}, {}, F(constant), strict)


BOX = (x(-1, 0), x(1, -1))  # 0 <= x <= 1


def case(*unsafe, lower=0, upper=1) -> Case:
    return Case((F(lower),), (F(upper),), unsafe)


def covers(cases, spec) -> bool:
    try:
        check_claim(cases, spec)
    except Rejected as error:
        assert len(str(error).splitlines()) == 1
        return False
    return True


@pytest.mark.parametrize("number", range(1, 11))
def test_the_engines_claims_cover_the_shipped_properties(number):
    path = property_path(number)
    spec = read_property(path)
    cases = audit_cases(load_property(path))
    check_claim(cases, spec)
    refuse_less(cases, spec)


@pytest.mark.parametrize("number", range(1, 11))
def test_the_engines_claims_cover_the_official_properties(acasxu_data, number):
    path = acasxu_data / "vnnlib" / f"prop_{number}.vnnlib"
    spec = read_property(path)
    cases = audit_cases(load_property(path))
    check_claim(cases, spec)
    refuse_less(cases, spec)
    other = read_property(acasxu_data / "vnnlib" / f"prop_{number % 10 + 1}.vnnlib")
    assert not covers(cases, other)


TEXTS = {
    "or of and": "(assert (or (and (<= Y_0 Y_1) (>= Y_0 3)) (and (<= Y_1 0) (<= Y_0 0.5))))",
    "strict outputs": "(assert (or (< Y_0 1) (> (* 2 Y_1) Y_0)))",
    "strict inputs": "(assert (> X_0 0.25)) (assert (< X_1 0.75)) (assert (<= Y_0 0))",
    "equality": "(assert (= Y_0 Y_1)) (assert (= X_0 0.5))",
    "input rows": "(assert (<= (+ X_0 (* 2 X_1)) 1.5)) (assert (or (<= (+ Y_0 X_0) 0) (>= Y_1 (- X_0 X_1))))",
    "input disjunctions": "(assert (or (<= X_0 0.5) (and (>= X_0 0.75) (<= X_1 0.5)))) "
    "(assert (or (<= Y_0 0) (<= Y_1 0)))",
    "a contradictory branch": "(assert (or (<= Y_0 0) (and (<= Y_0 1) (> Y_0 1)) (and (>= X_0 2) (<= Y_1 0)) (< 1 0)))",
    "constants": "(assert (<= 0 1)) (assert (or (<= Y_0 0) (and (<= Y_1 0) (< 0 0)) false)) (assert true)",
    "inputs alone": "",
}


@pytest.mark.parametrize("name", TEXTS)
def test_the_engines_claims_cover_small_properties(tmp_path, name):
    cases, spec = files(tmp_path, DECLARED + UNIT + TEXTS[name])
    check_claim(cases, spec)
    refuse_less(cases, spec)


def refuse_less(cases: tuple[Case, ...], spec: Specification) -> None:
    """Nothing can be taken from a claim of the engine's: each part of it is needed."""
    assert not covers((), spec)
    for k, one in enumerate(cases):
        for less in weaker(one):
            assert not covers((*cases[:k], less, *cases[k + 1 :]), spec), less
        assert not covers(cases[:k] + cases[k + 1 :], spec)


def weaker(one: Case):
    """Cases that claim a little less."""
    tiny = F(1, 10**30)
    for i in range(len(one.lower)):
        shift = tuple(tiny if j == i else F(0) for j in range(len(one.lower)))
        yield one._replace(lower=tuple(map(sum, zip(one.lower, shift))))
        yield one._replace(upper=tuple(a - b for a, b in zip(one.upper, shift)))
    for k, polytope in enumerate(one.unsafe):
        yield one._replace(unsafe=one.unsafe[:k] + one.unsafe[k + 1 :])
        yield with_polytope(one, k, (*polytope, Row({}, {0: F(1)}, F(10**9), False)))
        yield with_polytope(one, k, (*polytope, Row({}, {}, F(0), True)))
        for r, row in enumerate(polytope):
            others = polytope[:r] + polytope[r + 1 :]
            yield with_polytope(one, k, (*others, replace(row, constant=row.constant + tiny)))
            if not row.strict:
                yield with_polytope(one, k, (*others, replace(row, strict=True)))


def with_polytope(one: Case, k: int, polytope) -> Case:
    return one._replace(unsafe=(*one.unsafe[:k], tuple(polytope), *one.unsafe[k + 1 :]))


@pytest.mark.parametrize(
    "cases, disjunct, covered",
    [
        # polytopes
        ([case((y(1, -2),))], [*BOX, y(1, -2)], True),
        ([case((y(1, -2),))], [*BOX, y(3, -6)], True),
        ([case((y(5, -10),))], [*BOX, y(3, -6)], True),
        ([case((y(1, -2),))], [*BOX, y(1, -1)], True),  # y <= 1 implies y <= 2
        ([case((y(1, -1),))], [*BOX, y(1, -2)], False),
        ([case((y(-1, -2),))], [*BOX, y(1, -2)], False),
        ([case((y(1, -2, strict=True),))], [*BOX, y(1, -2)], False),
        ([case((y(1, -2),))], [*BOX, y(1, -2, strict=True)], True),
        ([case((y(1, -2, strict=True),))], [*BOX, y(1, F(-19999, 10000))], True),
        ([case((y(1, -2, strict=True),))], [*BOX, y(1, -2), y(2, -4, strict=True)], True),
        ([case(())], [*BOX], True),
        ([case(())], [*BOX, y(1, 0)], True),
        ([case()], [*BOX, y(1, 0)], False),
        ([case((y(1, 0), y(1, 0, j=1)))], [*BOX, y(1, 0)], False),
        ([case((y(1, 0), const(-1)))], [*BOX, y(1, 0)], True),
        ([case((const(0),))], [*BOX], True),
        ([case((const(-1, strict=True),))], [*BOX], True),
        ([case((const(0, strict=True),))], [*BOX], False),
        ([case((const(1),))], [*BOX], False),
        ([case((x(1, -1),))], [*BOX], True),
        ([case((x(1, -1, strict=True),))], [*BOX], False),
        ([case((Row({0: F(1)}, {0: F(-1)}, F(0), False),))], [*BOX, Row({0: F(2)}, {0: F(-2)}, F(0), False)], True),
        ([case((Row({0: F(1)}, {0: F(-1)}, F(0), False),))], [*BOX, Row({0: F(2)}, {0: F(-1)}, F(0), False)], False),
        ([case((y(1, 0), y(1, 0)))], [*BOX, y(1, 0)], True),
        # boxes
        ([case((), lower=-1, upper=2)], [*BOX], True),
        ([case((), upper=F(1, 2)), case((), lower=F(1, 2))], [*BOX], False),  # no case alone contains it
        ([case((), upper=F(1, 2)), case(())], [*BOX], True),
        ([case((y(1, 0),)), case((y(1, 0, j=1),))], [*BOX, y(1, 0, j=1)], True),
        ([case(())], [x(-2, 0), x(3, -3, strict=True)], True),
        ([case(())], [x(-1, 0, strict=True), x(1, -1)], True),
        ([case(())], [x(-1, F(-1, 10**40)), x(1, -1)], False),
        ([case(())], [x(-1, 0)], False),
        ([case(())], [x(1, -1)], False),
        ([case(())], [], False),
        ([case((), lower=1, upper=0)], [*BOX], False),
        # contradictions
        ([], [*BOX, const(1)], True),
        ([], [*BOX, const(0, strict=True)], True),
        ([], [*BOX, const(0)], False),
        ([], [*BOX, const(-1, strict=True)], False),
        ([], [y(1, 0), y(-1, 1)], True),
        ([], [y(1, 0), y(-1, 0)], False),
        ([], [y(2, 0, strict=True), y(-1, 0)], True),
        ([], [y(1, 0), y(-5, 0, strict=True)], True),
        ([], [y(1, -1), y(-5, 0, strict=True)], False),
        ([], [x(1, -1), x(-1, 2)], True),
        ([], [Row({0: F(1)}, {1: F(2)}, F(1), False), Row({0: F(-2)}, {1: F(-4)}, F(0), False)], True),
        ([], [y(1, 0), y(-1, 1, j=1)], False),
        # rows of inputs that are false on the box
        ([], [*BOX, x(1, 0, i=1), x(-1, -1, i=1), Row({0: F(1), 1: F(1)}, {}, F(2), False)], True),
        ([], [*BOX, x(1, 0, i=1), x(-1, -1, i=1), Row({0: F(1), 1: F(1)}, {}, F(1), False)], False),
        ([], [*BOX, x(1, 0, i=1), x(-1, -1, i=1), Row({0: F(1), 1: F(1)}, {}, F(1), True)], True),
        ([], [*BOX, x(1, 0, i=1), x(-1, -1, i=1, strict=True), Row({0: F(1), 1: F(1)}, {}, F(1), False)], True),
        ([], [*BOX, x(1, 0, i=1, strict=True), x(-1, -1, i=1), Row({0: F(1), 1: F(1)}, {}, F(1), False)], False),
        ([], [*BOX, x(1, 0, i=1), x(-1, -1, i=1), Row({0: F(-1), 1: F(2)}, {}, F(2), False)], False),
        ([], [*BOX, x(1, 0, i=1), x(-1, -1, i=1), Row({0: F(-1), 1: F(2)}, {}, F(4), False)], True),
        ([], [*BOX, x(1, 0, i=1), Row({0: F(1), 1: F(1)}, {}, F(2), False)], False),  # x_1 has no lower end
        ([], [*BOX, x(1, 0, i=1), x(-1, -1, i=1), Row({0: F(1), 1: F(1)}, {0: F(1)}, F(9), False)], False),
    ],
)
def test_the_rules(cases, disjunct, covered):
    """However its rows are divided into those that the file asserts throughout and the rest."""
    n_inputs = 2 if any(1 in row.inputs for row in disjunct) else 1
    for k in range(len(disjunct) + 1):
        spec = Specification(n_inputs, 2, tuple(disjunct[:k]), (tuple(disjunct[k:]),), "")
        assert covers(cases, spec) == covered


def test_no_disjunct_needs_no_case():
    check_claim((), specification())


def test_it_names_the_first_disjunct_that_is_not_covered():
    huge = x(1, -(F(10) ** 5000))
    with pytest.raises(Rejected, match="disjunct 2 of the property$"):
        check_claim([case((y(1, 0),))], specification([*BOX, y(1, 0)], [x(-3, 1), huge], [*BOX]))


def test_many_disjuncts():
    """40,000 disjuncts in 200 boxes; and 2,000 of which none is found at once."""
    boxes = [(x(-1, k), x(1, -k - 1)) for k in range(200)]
    rows = [y(1, -k) for k in range(200)]
    cases = [case(*((row,) for row in rows), lower=k, upper=k + 1) for k in range(200)]
    check_claim(cases, specification(*((*box, row) for box in boxes for row in rows)))
    check_claim([case((rows[-1],), upper=200)], specification(*((*box, row) for box in boxes for row in rows[:10])))


@settings(max_examples=examples(200), deadline=None)
@given(st.lists(formula_trees, min_size=1, max_size=3), st.integers(0, 2**32))
def test_random_formulas(tmp_path_factory, asserts, seed):
    """The checker reads what the text says; the engine's claim covers it; what covers it has all of its points."""
    rng = random.Random(seed)
    box = [
        (op, ("variable", name), ("number", F(end)))
        for name in VARIABLES[:2]
        for op, end in ((rng.choice([">=", ">"]), -1), ("<=", 1))
    ]
    asserts = [*box, *asserts]
    path = tmp_path_factory.getbasetemp() / "random.vnnlib"
    path.write_text(DECLARED + "".join(f"{gap(rng)}(assert {render(tree, rng)})" for tree in asserts))
    spec, points = read_property(path), rng.sample([*product(GRID, repeat=4)], 40)
    unsafe = [p for p in points if all(evaluate(tree, dict(zip(VARIABLES, p))) for tree in asserts)]
    assert unsafe == [
        p for p in points if any(all(holds(row, p) for row in (*spec.base, *rows)) for rows in spec.disjuncts)
    ]
    prop = load_property(path)
    cases = audit_cases(prop)
    assert check_claim(cases, spec) == bool(cases) != bool(prop.warning)
    for _ in range(5):
        changed = [one if rng.random() < 0.5 else rng.choice([*weaker(one), *stronger(one)]) for one in cases]
        if covers(changed, spec):
            assert all(any(claimed(one, p) for one in changed) for p in unsafe)


def stronger(one: Case):
    yield one._replace(lower=tuple(end - 1 for end in one.lower))
    for k, polytope in enumerate(one.unsafe):
        yield with_polytope(one, k, polytope[1:])
        yield with_polytope(one, k, [replace(row, constant=row.constant - F(1, 2)) for row in polytope])
        yield with_polytope(one, k, [replace(row, strict=False) for row in polytope])


def claimed(one: Case, point) -> bool:
    inside = all(low <= value <= up for low, value, up in zip(one.lower, point, one.upper))
    return inside and any(all(holds(row, point) for row in polytope) for polytope in one.unsafe)


def holds(row: Row, point) -> bool:
    value = row.constant + sum(c * point[i] for i, c in row.inputs.items())
    value += sum(c * point[2 + j] for j, c in row.outputs.items())
    return value < 0 if row.strict else value <= 0
