"""The VNN-LIB reader: what the texts mean, worked out by hand and compared with direct evaluation."""

import gzip
import hashlib
import random
from fractions import Fraction
from itertools import product
from pathlib import Path

import pytest
from fuzzing import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from tree_values import evaluate

from engine.property import Case, Polytope, Property, Row
from engine.vnnlib import load_property, parse_property

F = Fraction
X = "(declare-const X_0 Real)\n"
XX = X + "(declare-const X_1 Real)\n"
Y = "(declare-const Y_0 Real)\n"
YY = Y + "(declare-const Y_1 Real)\n"
UNIT = "(assert (>= X_0 0)) (assert (<= X_0 1))\n"


def rows_of(text: str) -> list[tuple]:
    """The rows of the only polytope of the only case."""
    (case,) = parse_property(text).cases
    (polytope,) = case.unsafe
    return [(r.inputs, r.outputs, r.constant, r.strict) for r in polytope.rows]


def row_of(atom: str, *, declared: str = XX + YY) -> tuple:
    """What one atom over two inputs in [-9, 9] and two outputs becomes."""
    box = "".join(f"(assert (>= X_{i} -9)) (assert (<= X_{i} 9))" for i in (0, 1))
    (row,) = rows_of(f"{declared}{box}(assert {atom})")
    return row


def box_of(text: str) -> tuple:
    (case,) = parse_property(text).cases
    return case.lower, case.upper


class TestGolden:
    def test_whole_property(self):
        text = """; a comment with ( and " and ;
            (set-logic QF_LRA) (set-info :source |a (quoted| ) (set-info :status "sat;")
            (declare-fun X_0 () Real)
            (declare-const Y_0 Real)(declare-const Y_1 Real)
            (assert (<= X_0 0.6)) (assert (>= X_0 -1e-1))
            (assert (or (and (<= Y_0 Y_1)) (and (> Y_0 3.25) (< 0 Y_1))))
            (check-sat) (get-model)"""
        zero = (F(0),)
        first = Polytope((Row(zero, (F(1), F(-1)), F(0)),))
        second = Polytope((Row(zero, (F(-1), F(0)), F(13, 4), True), Row(zero, (F(0), F(-1)), F(0), True)))
        case = Case((F(-1, 10),), (F(3, 5),), (first, second))
        assert parse_property(text, name="p") == Property((case,), 1, 2, "p")

    def test_input_disjunction_times_output_disjunction(self):
        """Property 6 in small: two boxes, each with both polytopes."""
        prop = parse_property(
            XX
            + YY
            + """
            (assert (or (and (<= X_0 1) (>= X_0 0) (<= X_1 9) (>= X_1 8))
                        (and (<= X_0 1) (>= X_0 0) (<= X_1 -8) (>= X_1 -9))))
            (assert (or (and (<= Y_1 Y_0)) (and (<= Y_1 0))))"""
        )
        assert [(c.lower, c.upper) for c in prop.cases] == [((0, 8), (1, 9)), ((0, -9), (1, -8))]
        assert prop.cases[0].unsafe == prop.cases[1].unsafe
        assert [p.rows[0].outputs for p in prop.cases[0].unsafe] == [(-1, 1), (0, 1)]

    def test_input_and_output_in_one_disjunction(self):
        """A branch without input atoms keeps the whole box; equal boxes share a case, in order."""
        whole, half = parse_property(
            X
            + Y
            + UNIT
            + """(assert (or
            (<= Y_0 0) (and (<= X_0 0.5) (<= Y_0 1)) (<= Y_0 -3)))"""
        ).cases
        assert (whole.lower, whole.upper, half.lower, half.upper) == ((0,), (1,), (0,), (F(1, 2),))
        assert [p.rows[0].constant for p in whole.unsafe] == [0, 3]
        assert [p.rows[0].constant for p in half.unsafe] == [-1]

    def test_strict_input_bounds_close_the_box_and_stay_rows(self):
        text = X + Y + "(assert (> X_0 0)) (assert (< X_0 1)) (assert (<= Y_0 0))"
        assert box_of(text) == ((0,), (1,))
        assert rows_of(text) == [((-1,), (0,), 0, True), ((1,), (0,), -1, True), ((0,), (1,), 0, False)]
        (case,) = parse_property(text).cases
        assert case.violated_at((F(1, 2),), (F(0),))
        assert not case.violated_at((F(0),), (F(0),)) and not case.violated_at((F(1),), (F(0),))

    def test_strict_input_bound_inside_a_tighter_one_is_no_row(self):
        assert rows_of(X + Y + UNIT + "(assert (< X_0 2)) (assert (<= Y_0 0))") == [((0,), (1,), 0, False)]

    def test_tightest_bounds_of_the_inputs(self):
        text = X + Y + UNIT + "(assert (<= (* 2 X_0) 1)) (assert (<= (* -4 X_0) -1)) (assert (<= Y_0 0))"
        assert box_of(text) == ((F(1, 4),), (F(1, 2),))

    def test_point(self):
        assert box_of(X + Y + "(assert (= X_0 0.1)) (assert (<= Y_0 0))") == ((F(1, 10),), (F(1, 10),))
        assert box_of(X + Y + "(assert (<= X_0 3)) (assert (>= X_0 3))") == ((3,), (3,))

    def test_linear_input_row(self):
        assert row_of("(<= (+ X_0 X_1) 0.3)") == ((1, 1), (0, 0), F(-3, 10), False)

    def test_input_box_alone_makes_everything_unsafe(self):
        (case,) = parse_property(X + Y + UNIT).cases
        assert case.unsafe == (Polytope(()),)

    @pytest.mark.parametrize(
        "atom, row",
        [
            ("(<= Y_0 Y_1)", ((0, 0), (1, -1), 0, False)),
            ("(>= Y_0 Y_1)", ((0, 0), (-1, 1), 0, False)),
            ("(< Y_0 1)", ((0, 0), (1, 0), -1, True)),
            ("(> 1 Y_0)", ((0, 0), (1, 0), -1, True)),
            ("(<= 1 Y_0)", ((0, 0), (-1, 0), 1, False)),
            ("(<= (- Y_0) (- 0.5))", ((0, 0), (-1, 0), F(1, 2), False)),
            ("(<= (- Y_0 Y_1 1 X_0) 0)", ((-1, 0), (1, -1), -1, False)),
            ("(<= (+ Y_0) (+ X_0 X_1 Y_1 1))", ((-1, -1), (1, -1), -1, False)),
            ("(<= (* 2 Y_0 3) (* Y_1 0.5))", ((0, 0), (6, F(-1, 2)), 0, False)),
            ("(<= (* (+ 1 1) (- X_0 Y_0)) (/ Y_1 3))", ((2, 0), (-2, F(-1, 3)), 0, False)),
            ("(<= (* (- Y_0 Y_0 -2) Y_1) (/ 1 2 2))", ((0, 0), (0, 2), F(-1, 4), False)),
            ("(<= (+ Y_0 Y_1 (- Y_0)) 1)", ((0, 0), (0, 1), -1, False)),
        ],
    )
    def test_rows(self, atom, row):
        assert row_of(atom) == row

    def test_equality_is_two_rows(self):
        assert rows_of(X + Y + UNIT + "(assert (= Y_0 X_0))") == [((-1,), (1,), 0, False), ((1,), (-1,), 0, False)]

    @pytest.mark.parametrize(
        "text, value",
        [
            ("0", F(0)),
            ("-0", F(0)),
            ("007", F(7)),
            ("-0.5", F(-1, 2)),
            ("+0.5", F(1, 2)),
            (".5", F(1, 2)),
            ("1.", F(1)),
            ("1e-3", F(1, 1000)),
            ("-2.5E+2", F(-250)),
            ("(- 0.5)", F(-1, 2)),
            ("(/ 1 3)", F(1, 3)),
            ("0.1", F(1, 10)),
            ("0.10000000000000000555", F(10000000000000000555, 10**20)),
            ("1e-999", F(1, 10**999)),
        ],
    )
    def test_numbers_are_exact(self, text, value):
        (row,) = rows_of(X + Y + UNIT + f"(assert (<= Y_0 {text}))")
        assert row[2] == -value and type(row[2]) is Fraction

    @pytest.mark.parametrize(
        "formula, n",
        [
            ("(and)", 1),
            ("true", 1),
            ("(<= 0 1)", 1),
            ("(= 2 2.0)", 1),
            ("(or (and))", 1),
            ("(and (<= Y_0 0))", 1),
            ("(or (<= Y_0 0))", 1),
            ("(or false (<= Y_0 0) (< 1 1) (or))", 1),
            ("(or (<= Y_0 0) (or (<= Y_0 1) (or (<= Y_0 2) (<= Y_0 3))))", 4),
            ("(and (or (<= Y_0 0) (<= Y_0 1)) (or (>= Y_0 -1) (>= Y_0 -2)))", 4),
            ("(or (and (<= Y_0 0) (or (>= Y_0 -1) (>= Y_0 -2))) (>= Y_0 5))", 3),
        ],
    )
    def test_nesting(self, formula, n):
        (case,) = parse_property(X + Y + UNIT + f"(assert {formula})").cases
        assert len(case.unsafe) == n

    def test_contradicting_branches_are_dropped(self):
        (case,) = parse_property(
            X
            + Y
            + UNIT
            + """(assert (or (and (<= Y_0 1) (>= Y_0 2)) (>= X_0 2)
            (and (< Y_0 1) (>= (* 2 Y_0) 2)) (<= Y_0 7)))"""
        ).cases
        assert [p.rows[0].constant for p in case.unsafe] == [-7]

    def test_repetitions_are_dropped(self):
        """The same row, the same polytope (whatever its scale and order), and rows that another implies."""
        (case,) = parse_property(
            X
            + Y
            + UNIT
            + """(assert (or (and (<= Y_0 1) (<= Y_0 1) (<= Y_0 2))
            (<= (* 2 Y_0) 2) (and (<= Y_0 3) (>= Y_0 0)) (and (>= Y_0 0) (<= Y_0 3))))"""
        ).cases
        assert [len(p.rows) for p in case.unsafe] == [1, 2]

    def test_declarations_in_any_order_and_between_asserts(self):
        prop = parse_property(
            "(declare-const X_1 Real)(declare-const Y_0 Real)(assert (= X_1 1))"
            + X
            + "(assert (= X_0 0))(assert (<= Y_0 X_1))"
        )
        assert prop.cases[0].lower == (0, 1) and prop.n_inputs == 2

    def test_line_ends(self):
        text = "; c\r\n" + (X + Y + UNIT).replace("\n", "\r\n") + "; (\r(assert (<= Y_0 0))"
        assert len(rows_of(text)) == 1


class TestSize:
    def test_shared_structure_is_not_copied(self):
        """200 boxes x 200 polytopes."""
        boxes = "".join(f"(and (>= X_0 {i}) (<= X_0 {i + 1}))" for i in range(200))
        rows = "".join(f"(<= Y_0 {i})" for i in range(200))
        prop = parse_property(X + Y + f"(assert (or {boxes})) (assert (or {rows}))")
        assert len(prop.cases) == 200 and {len(c.unsafe) for c in prop.cases} == {200}

    def test_many_conjuncts(self):
        atoms = "".join(f"(assert (<= (+ Y_0 (* {i}.5 Y_1)) {i}))\n" for i in range(5_000))
        assert len(rows_of(X + YY + UNIT + atoms)) == 5_000

    def test_deep_nesting(self):
        text = X + Y + UNIT + "(assert " + "(and (or " * 490 + "(<= Y_0 0)" + "))" * 490 + ")"
        assert len(rows_of(text)) == 1


class TestFiles:
    TEXT = X + Y + UNIT + "(assert (<= Y_0 0))"

    @pytest.mark.parametrize("kind", [str, Path])
    def test_plain_and_compressed(self, tmp_path, kind):
        plain, packed = tmp_path / "p.q.vnnlib", tmp_path / "p.q.vnnlib.gz"
        plain.write_bytes(self.TEXT.encode())
        packed.write_bytes(gzip.compress(self.TEXT.encode()))
        first, second = load_property(kind(plain)), load_property(kind(packed))
        assert first == second
        assert (first.name, first.sha256) == ("p.q", hashlib.sha256(self.TEXT.encode()).hexdigest())

    def test_byte_order_mark(self, tmp_path):
        path = tmp_path / "p.vnnlib"
        path.write_bytes(b"\xef\xbb\xbf" + self.TEXT.encode())
        assert load_property(path).cases == parse_property(self.TEXT).cases


@pytest.mark.parametrize(
    "number, boxes, polytopes, rows",
    [
        (1, 1, 1, 1),
        (2, 1, 1, 4),
        (3, 1, 1, 4),
        (4, 1, 1, 4),
        (5, 1, 4, 1),
        (6, 2, 4, 1),
        (7, 1, 2, 3),
        (8, 1, 3, 2),
        (9, 1, 4, 1),
        (10, 1, 4, 1),
    ],
)
def test_official_files(acasxu_data, number, boxes, polytopes, rows):
    prop = load_property(acasxu_data / "vnnlib" / f"prop_{number}.vnnlib")
    assert (prop.n_inputs, prop.n_outputs, len(prop.cases)) == (5, 5, boxes)
    assert {len(c.unsafe) for c in prop.cases} == {polytopes}
    assert {len(p.rows) for c in prop.cases for p in c.unsafe} == {rows}


# Random formulas, evaluated directly and through the reader: nested tuples, the head first.

VARIABLES = ("X_0", "X_1", "Y_0", "Y_1")
GRID = [F(k, 2) for k in range(-2, 3)]  # few values, so that points lie on the boundaries
OPERATORS = "<=", ">=", "<", ">", "="

numbers = st.sampled_from(GRID).map(lambda value: ("number", value))
variables = st.sampled_from(VARIABLES).map(lambda name: ("variable", name))
term_trees = st.recursive(
    numbers | variables | variables,
    lambda inner: st.one_of(
        st.tuples(st.sampled_from(["+", "-"]), inner),
        st.tuples(st.sampled_from(["+", "-"]), inner, inner),
        st.tuples(st.just("*"), numbers, inner),
        st.tuples(st.just("*"), inner, numbers, numbers),
        st.tuples(st.just("/"), inner, numbers.filter(lambda n: n[1] != 0)),
    ),
    max_leaves=4,
)
atom_trees = st.one_of(
    st.tuples(st.sampled_from(OPERATORS), variables, numbers),
    st.tuples(st.sampled_from(OPERATORS), term_trees, term_trees),
)
formula_trees = st.recursive(
    atom_trees,
    lambda inner: st.lists(inner, max_size=3).flatmap(
        lambda parts: st.sampled_from(["and", "or"]).map(lambda head: (head, *parts))
    ),
    max_leaves=8,
)


def render(tree: tuple, rng: random.Random) -> str:
    """The tree as VNN-LIB, with numbers, white space and comments in many forms."""
    head, *parts = tree
    if head == "number":
        return render_number(parts[0], rng)
    if head == "variable":
        return parts[0]
    words = ["(" + gap(rng, least=""), head]
    for part in parts:
        words += [gap(rng), render(part, rng)]
    return "".join(words) + gap(rng, least="") + ")"


def render_number(value: Fraction, rng: random.Random) -> str:
    n, decimal = value.numerator, str(float(value))
    forms = [
        decimal,
        f"{decimal}00",
        f"{float(value) * 100}e-2",
        f"{float(value) / 100:.6f}E+2",
        f"(/ {n} {value.denominator})",
        f"(- {-float(value)})",
    ]
    forms += [str(n), f"{n}."] if value.denominator == 1 else []
    return rng.choice(forms)


def gap(rng: random.Random, *, least: str = " ") -> str:
    return rng.choice([least, least, " ", "\n\t", ' ; (or ) "\n', "\r\n"])


@settings(max_examples=examples(400), deadline=None)
@given(st.lists(formula_trees, min_size=1, max_size=3), st.integers(0, 2**32), st.booleans())
def test_meaning_is_that_of_the_text(asserts, seed, ends):
    rng = random.Random(seed)
    box = [
        (op, ("variable", x), ("number", F(end)))
        for x in VARIABLES[:2]
        for op, end in ((">=" if ends else ">", -1), ("<=", 1))
    ]
    asserts = [*box, *asserts]
    rng.shuffle(asserts)
    text = "".join(f"(declare-const {name} Real)" for name in VARIABLES)
    text += "".join(f"{gap(rng)}(assert {render(tree, rng)})" for tree in asserts)
    points = [*product(GRID, repeat=4)]
    points = rng.sample(points, 60) + [tuple(F(rng.randint(-9, 9), 7) for _ in range(4)) for _ in range(20)]
    expected = [all(evaluate(tree, dict(zip(VARIABLES, p))) for tree in asserts) for p in points]
    prop = parse_property(text)
    assert bool(prop.cases) or prop.warning
    assert expected == [any(case.violated_at(p[:2], p[2:]) for case in prop.cases) for p in points]
