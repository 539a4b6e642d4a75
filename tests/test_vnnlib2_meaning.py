"""A VNN-LIB 2.0 text means what its formulas say: direct evaluation at points against ties, boxes and polytopes."""

import random
from fractions import Fraction

from fuzzing import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from tree_values import evaluate

from engine.property import Vector
from engine.query import Query
from engine.vnnlib import parse_query

F = Fraction
HEAD = """(vnnlib-version <2.0>)
(declare-network f (declare-input A real [1,2]) (declare-hidden H real [1] "h") (declare-output Y real []))
(declare-network g (declare-input B real []) (declare-input C real [1]) (declare-output Z real [2]))
"""
INPUTS = ("A[0,0]", "A[0,1]", "B", "C[0]")
OUTPUTS = ("H[0]", "Y", "Z[0]", "Z[1]")
GRID = [F(-1), F(0), F(1, 2), F(1)]  # few values, so that equalities hold and points lie on the boundaries
OPERATORS = "<=", ">=", "<", ">", "==", "!="

numbers = st.sampled_from([*GRID, F(2)]).map(lambda value: ("number", value))
inputs = st.sampled_from(INPUTS).map(lambda name: ("variable", name))
variables = st.sampled_from(INPUTS + OUTPUTS).map(lambda name: ("variable", name))


def term_trees(leaves):
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.tuples(st.just("-"), inner),
            st.tuples(st.sampled_from(["+", "-"]), inner, inner),
            st.tuples(st.sampled_from(["+", "-"]), inner, inner, inner),
            st.tuples(st.just("*"), numbers, inner),
            st.tuples(st.just("*"), inner, numbers, numbers),
        ),
        max_leaves=4,
    )


ties = st.tuples(st.just("=="), inputs, inputs | term_trees(inputs | numbers))
comparisons = st.tuples(st.sampled_from(OPERATORS), variables, term_trees(variables | numbers))
formulas = st.recursive(
    comparisons | ties,
    lambda inner: st.tuples(st.sampled_from(["and", "or"]), inner, inner) | st.tuples(st.just("or"), inner),
    max_leaves=5,
)


def render(tree: tuple, rng: random.Random) -> str:
    """The tree as VNN-LIB 2.0, with numbers, white space and comments in many forms."""
    head, *parts = tree
    if head == "number":
        return rng.choice([str(float(parts[0])), f"{float(parts[0])}00"])
    if head == "variable":
        return rng.choice([parts[0], parts[0].replace("[", " [ ").replace(",", " ,\n")])
    gap = ["", " ", "\n\t", ' ; (or ) "\n', "\r\n"]
    words = [f"({rng.choice(gap)}{head}"]
    words += [f"{rng.choice(gap[1:])}{render(part, rng)}" for part in parts]
    return f"{''.join(words)}{rng.choice(gap)})"


def contains(query: Query, x: Vector, y: Vector) -> bool:
    """Whether a point of all networks satisfies ties and property."""
    free = tuple(x[i] for i in query.free)
    tied = all(tie.value(free) == value for tie, value in zip(query.ties, x, strict=True))
    return tied and any(case.violated_at(free, y) for case in query.property.cases)


def points(query: Query, rng: random.Random) -> list[tuple[Vector, Vector]]:
    """Points of the grid, of which half satisfy the ties."""
    found = []
    for k in range(60):
        x, y = (tuple(rng.choices(GRID, k=4)) for _ in range(2))
        found.append((tuple(tie.value(tuple(x[i] for i in query.free)) for tie in query.ties) if k % 2 else x, y))
    return found


@settings(max_examples=examples(100), deadline=None)
@given(st.lists(ties, max_size=3), st.lists(formulas, min_size=1, max_size=3), st.integers(0, 2**32), st.booleans())
def test_meaning_is_that_of_the_text(equalities, asserts, seed, ends):
    rng = random.Random(seed)
    signs = ((">=" if ends else ">", F(-1)), ("<=", F(1)))
    box = [(sign, ("variable", x), ("number", end)) for x in INPUTS for sign, end in signs]
    everything = [*box, *equalities, *asserts]
    rng.shuffle(everything)
    query = parse_query(HEAD + "\n".join(f"(assert {render(tree, rng)})" for tree in everything))
    assert query.property.cases or query.property.emptiness
    for x, y in points(query, rng):
        point = dict(zip(INPUTS + OUTPUTS, x + y, strict=True))
        assert contains(query, x, y) == all(evaluate(tree, point) for tree in everything)


@settings(max_examples=examples(60), deadline=None)
@given(st.lists(ties, min_size=1, max_size=4))
def test_ties_are_a_reduced_echelon_form(equalities):
    """Each tied input is a term of free ones that are declared above it."""
    box = "".join(f"(>= {x} -1.0) (<= {x} 1.0)" for x in INPUTS)
    rng = random.Random(0)
    asserts = "".join(f"(assert {render(tree, rng)})" for tree in equalities)
    query = parse_query(f"{HEAD}(assert (and {box})){asserts}(assert (or (<= Y 0.0) (<= Z[0] 0.0)))")
    places = {place: number for number, place in enumerate(query.free)}
    for place, tie in enumerate(query.ties):
        if place in places:
            assert tie.coefficients == ((places[place], 1),) and tie.constant == 0
        else:
            assert all(query.free[number] < place for number, _ in tie.coefficients)
