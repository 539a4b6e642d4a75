"""A question's text means what its statement says: both at points, by direct evaluation."""

from fractions import Fraction
from itertools import product
from random import Random

import pytest
from fuzzing import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.comparison.decision import Decision
from engine.comparison.questions import Equivalent, Monotone, SameDecision, Shapes, elements, question_text
from engine.errors import InputError
from engine.vnnlib import parse_query

F = Fraction
GRID = [F(-1), F(-1, 2), F(0), F(1, 4), F(1)]  # few values, so that ties and ends are met
SHAPES = Shapes((1, 2), (3,)), Shapes((2,), (1, 3))
BOXES = [((F(-1), F(-1, 2)), (F(1, 4), F(1)))], [((F(-1), F(-1)), (F(0), F(0))), ((F(0), F(-1)), (F(1), F(1)))]

sizes = st.sampled_from([F(1, 4), F(1, 2), F(5, 4)])
statements = st.one_of(
    st.builds(Equivalent, sizes),
    st.builds(SameDecision, st.sampled_from([Decision.LOWEST, Decision.HIGHEST]), st.just(F(0)) | sizes),
    st.builds(Monotone, st.integers(0, 1), st.booleans(), st.sampled_from([(0, 1, 2), (1,)]), st.just(F(0)) | sizes),
)


def inside(box, x) -> bool:
    return all(a <= v <= b for a, v, b in zip(box[0], x, box[1]))


def refuted(statement, boxes, x, u, y, v) -> bool:
    """Whether networks with f(x) = y and g(u) = v refute the statement: its definition in words."""
    together = [box for box in boxes if inside(box, x) and inside(box, u)]
    if not together:
        return False
    if isinstance(statement, Monotone):
        i, sign = statement.input, 1 if statement.rising else -1
        ordered = u[i] >= x[i] and u[1 - i] == x[1 - i]
        return ordered and any(sign * (v[j] - y[j]) < -statement.tolerance for j in statement.outputs)
    if x != u:
        return False
    if isinstance(statement, Equivalent):
        return any(abs(b - a) > statement.eps for a, b in zip(y, v))
    lowest = statement.decision is Decision.LOWEST
    order = sorted(y) if lowest else sorted(y, reverse=True)
    best = min if lowest else max
    clear = abs(order[1] - order[0]) > statement.gap
    return clear and y.index(best(y)) != v.index(best(v))


@settings(max_examples=examples(80), deadline=None)
@given(statements, st.sampled_from(BOXES), st.integers(0, 2**32))
def test_the_text_asks_for_what_refutes_the_statement(statement, boxes, seed):
    shapes = (SHAPES[0], SHAPES[0]) if isinstance(statement, Monotone) else SHAPES
    query, random = parse_query(question_text(statement, boxes, shapes)), Random(seed)
    for k in range(60):
        x, u, y, v = (tuple(random.choices(GRID, k=n)) for n in (2, 2, 3, 3))
        u = u if k % 2 else tuple(u[i] if getattr(statement, "input", None) == i else x[i] for i in range(2))
        free = tuple((x + u)[i] for i in query.free)
        tied = all(tie.value(free) == value for tie, value in zip(query.ties, x + u, strict=True))
        found = tied and any(case.violated_at(free, y + v) for case in query.property.cases)
        assert found == refuted(statement, boxes, x, u, y, v), (statement, x, u, y, v)


def test_points_that_refute_are_met():
    """The definition above is no empty one."""
    box = BOXES[0]
    x, z = (F(0), F(0)), (F(0), F(1), F(1))
    assert refuted(Equivalent(F(1, 2)), box, x, x, z, (F(0), F(1), F(0)))
    assert not refuted(Equivalent(F(1)), box, x, x, z, (F(0), F(1), F(0)))
    assert refuted(SameDecision(Decision.LOWEST, F(1, 2)), box, x, x, z, (F(1), F(1), F(1, 2)))
    assert not refuted(SameDecision(Decision.LOWEST, F(1)), box, x, x, z, (F(1), F(1), F(1, 2)))
    assert refuted(Monotone(0, True, (1,)), box, x, (F(1, 4), F(0)), z, (F(0), F(0), F(1)))


def test_float32_is_declared():
    text = question_text(Equivalent(F(1)), BOXES[0], SHAPES, element="float32")
    assert parse_query(text).elements == {"float32"}


def test_numbers_are_exact_decimals():
    text = question_text(Equivalent(F(1, 10**7)), [((F("-0.328422877"),) * 2, (F(2),) * 2)], SHAPES)
    (case,) = parse_query(text).property.cases
    assert case.lower[0] == F("-0.328422877") and "0.0000001)" in text
    with pytest.raises(InputError, match="is 1/3, which is no finite decimal"):
        question_text(Equivalent(F(1)), [((F(1, 3),) * 2, (F(2),) * 2)], SHAPES)


def test_elements_are_in_row_major_order():
    assert elements("X", ()) == ["X"]
    assert elements("X", (2, 3)) == [f"X[{i},{j}]" for i, j in product(range(2), range(3))]
