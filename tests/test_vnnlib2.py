"""The VNN-LIB 2.0 reader: what the texts mean, worked out by hand."""

import gzip
import hashlib
import os
from fractions import Fraction
from pathlib import Path

import pytest

import engine
from engine.property import Case, Polytope, Property, Row
from engine.query import Declaration, Query, Tie, Variable
from engine.vnnlib import is_query, load_property, load_query, parse_property, parse_query

F = Fraction
VERSION = "(vnnlib-version <2.0>)\n"
ONE = VERSION + "(declare-network f (declare-input X real [2]) (declare-output Y real [2]))\n"
UNIT = "(assert (and (>= X[0] 0.0) (<= X[0] 1.0) (>= X[1] 0.0) (<= X[1] 1.0)))\n"
PAIR = """(vnnlib-version <2.0>)
(declare-network f (declare-input X real [1,2]) (declare-output Y real [1]))
(declare-network g (isomorphic-to f) (declare-input U real [1,2]) (declare-output V real [1]))
(assert (and (>= X[0,0] -1.0) (<= X[0,0] 1.0) (>= X[0,1] 0.0) (<= X[0,1] 4.0)))
"""
SPECS = Path(engine.__file__).parents[1] / "specs"
TWO_NETWORKS = os.environ.get("ACASXU_TWO_NETWORKS", "")


def free_input(i: int) -> Tie:
    return Tie(((i, F(1)),))


def case_of(text: str) -> Case:
    (case,) = parse_query(text).property.cases
    return case


def rows_of(text: str) -> list[tuple]:
    (polytope,) = case_of(text).unsafe
    return [(r.inputs, r.outputs, r.constant, r.strict) for r in polytope.rows]


class TestGolden:
    def test_two_networks_with_all_that_the_language_has(self):
        """f has two inputs, one a scalar, and a hidden tensor; g reads what f reads, shifted."""
        query = parse_query(
            """; two networks
            (vnnlib-version <2.0>)
            (declare-network f
                (declare-input A real [1, 2]) (declare-input s real [])
                (declare-hidden H real [2] "relu;(1")
                (declare-output Y real [1,2]))
            (declare-network g (declare-input B real [2,1]) (declare-output Z real []))
            (assert (and (<= -1.5 A[0,0]) (<= A[0,0] 2.0) (>= A[0,1] 0.0) (<= A[0,1] 1.0)))
            (assert (== s 0.1)) ; a pin
            (assert (== B[0,0] A[0,1])) (assert (== (* 2.0 B [ 1 , 0 ]) (- A[0,0] s 1.0)))
            (assert (<= B[1,0] 0.25))
            (assert (or (> Z (+ Y[0,1] 0.05)) (and (!= H[1] 0.0) (< (- Y[0,0]) B[0,0]))))"""
        )
        real = "real"
        f = (
            Variable("A", "input", real, (1, 2)),
            Variable("s", "input", real, ()),
            Variable("H", "hidden", real, (2,), "relu;(1"),
            Variable("Y", "output", real, (1, 2)),
        )
        g = (Variable("B", "input", real, (2, 1)), Variable("Z", "output", real, ()))
        assert query.networks == (Declaration("f", f), Declaration("g", g))
        assert query.free == (0, 1, 2)
        half = F(1, 2)
        assert query.ties == (*map(free_input, range(3)), free_input(1), Tie(((0, half), (2, -half)), -half))
        # (A00 - s - 1) / 2 <= 0.25 is a row; outputs are H0 H1 Y0 Y1 Z
        none, no_output = (F(0),) * 3, (F(0),) * 5
        bound = Row((half, F(0), -half), no_output, F(-3, 4))
        greater = Row(none, (F(0), F(0), F(0), F(1), F(-1)), F(1, 20), True)
        negative = Row((F(0), F(-1), F(0)), (F(0), F(0), F(-1), F(0), F(0)), F(0), True)
        below, above = (Row(none, (F(0), F(sign), F(0), F(0), F(0)), F(0), True) for sign in (1, -1))
        unsafe = tuple(map(Polytope, ((bound, greater), (bound, negative, below), (bound, negative, above))))
        case = Case((F(-3, 2), F(0), F(1, 10)), (F(2), F(1), F(1, 10)), unsafe)
        assert query.property == Property((case,), 3, 5)
        assert query.elements == {"real"}

    def test_elements_are_in_row_major_order(self):
        names = [f"X[{i},{j},{k}]" for i in range(2) for j in range(3) for k in range(2)]
        bounds = "".join(f"(>= {name} {i}.0) (<= {name} {i}.5)" for i, name in enumerate(names))
        case = case_of(
            f"{VERSION}(declare-network f (declare-input X real [2,3,2]) (declare-output Y real [2,2]))"
            f"(assert (and {bounds}))(assert (<= Y[1,0] 0.0))"
        )
        assert case.lower == tuple(map(F, range(12)))
        assert case.unsafe[0].rows[0].outputs == (0, 0, 1, 0)

    def test_numbers_are_exact_decimals(self):
        digits = "0.1000000000000000055511151231257827"
        (row,) = rows_of(f"{ONE}{UNIT}(assert (<= Y[0] {digits}))")
        assert row[2] == -F(digits)

    @pytest.mark.parametrize(
        ("term", "inputs", "outputs", "constant"),
        [
            ("(- Y[0] 1.0 Y[1] 2.0)", (0, 0), (1, -1), -3),
            ("(+ Y[0] (* 2.0 X[1] 0.5) 3)", (0, 1), (1, 0), 3),
            ("(* -1.5 (- X[0] Y[1]))", (F(-3, 2), 0), (0, F(3, 2)), 0),
            ("(+ Y[1])", (0, 0), (0, 1), 0),
        ],
    )
    def test_arithmetic(self, term, inputs, outputs, constant):
        assert rows_of(f"{ONE}{UNIT}(assert (< {term} 0.0))") == [(inputs, outputs, constant, True)]

    def test_minor_versions_do_not_break(self):
        assert parse_query(f"{ONE}{UNIT}(assert (<= Y[0] 0.0))".replace("2.0>", "2.1>")).free == (0, 1)

    def test_operators_need_no_space(self):
        text = f"{ONE}{UNIT}(assert(or(<=Y[0]1.0)(>Y[1](-X[0]))))"
        assert len(case_of(text).unsafe) == 2

    def test_equal_boxes_share_a_case(self):
        part = "(and (<= X[0] 0.5) (<= Y[{}] 0.0))"
        whole = "(<= Y[0] Y[1])"
        half, full = parse_query(f"{ONE}{UNIT}(assert (or {part.format(0)} {part.format(1)} {whole}))").property.cases
        assert (half.upper, len(half.unsafe)) == ((F(1, 2), 1), 2) and full.upper == (1, 1)

    def test_an_unused_network_is_legal_where_its_inputs_are_bounded(self):
        bounds = "(assert (and (== U[0,0] 0.5) (== U[0,1] 0.5)))(assert (<= Y[0] 0.0))"
        assert parse_query(PAIR + bounds).property.n_outputs == 2


class TestTies:
    def test_bounds_of_tied_inputs_become_bounds_of_the_free(self):
        query = parse_query(
            f"{PAIR}(assert (and (== X[0,0] U[0,0]) (== X[0,1] U[0,1])))"
            "(assert (and (<= U[0,0] 0.5) (> U[0,1] 1.0)))(assert (> V[0] Y[0]))"
        )
        assert query.ties == (free_input(0), free_input(1)) * 2
        (case,) = query.property.cases
        assert (case.lower, case.upper) == ((-1, 1), (F(1, 2), 4))
        assert [row.inputs for row in case.unsafe[0].rows] == [(0, -1), (0, 0)]  # the strict bound is a row too

    def test_two_bounds_are_an_equality(self):
        text = f"{PAIR}(assert (<= U[0,0] X[0,0]))(assert (== U[0,1] 0.0))(assert (<= 0.0 (- U[0,0] X[0,0])))"
        assert parse_query(f"{text}(assert (> V[0] Y[0]))").free == (0, 1, 3)

    def test_a_band_is_no_equality(self):
        """Robustness: g reads what is near f's input."""
        band = "(<= (- U[0,0] X[0,0]) 0.25) (>= (- U[0,0] X[0,0]) -0.25)"
        text = f"{PAIR}(assert (and {band} (>= U[0,0] -1.0) (<= U[0,0] 1.0) (== U[0,1] X[0,1])))"
        query = parse_query(f"{text}(assert (> V[0] Y[0]))")
        assert query.free == (0, 1, 2)
        rows = query.property.cases[0].unsafe[0].rows
        assert [(row.inputs, row.constant) for row in rows[:2]] == [((-1, 0, 1), -F(1, 4)), ((1, 0, -1), -F(1, 4))]

    def test_some_inputs_stay_free(self):
        """Monotonicity: one network at two inputs, which differ in the first element alone."""
        text = PAIR.replace("isomorphic-to", "equal-to")
        text += "(assert (and (<= U[0,0] 1.0) (>= U[0,0] X[0,0]) (>= U[0,0] -1.0) (== U[0,1] X[0,1])))"
        query = parse_query(f"{text}(assert (< V[0] Y[0]))")
        assert query.networks[1].equal_to == "f"
        assert (query.free, query.ties[3]) == ((0, 1, 2), free_input(1))
        assert [row.inputs for row in query.property.cases[0].unsafe[0].rows] == [(1, 0, -1), (0, 0, 0)]

    def test_the_later_input_is_tied_and_free_ones_are_renumbered(self):
        query = parse_query(
            f"{PAIR}(assert (and (== (+ X[0,0] X[0,1]) 1.0) (>= U[0,0] 5.0) (<= U[0,0] 6.0) (== U[0,1] U[0,0])))"
            "(assert (< V[0] Y[0]))"
        )
        assert query.free == (0, 2)
        assert query.ties == (free_input(0), Tie(((0, F(-1)),), F(1)), free_input(1), free_input(1))
        (case,) = query.property.cases
        assert (case.lower, case.upper) == ((-1, 5), (1, 6))

    def test_equalities_together_can_leave_one_value(self):
        """X01 + X00 = 1 and X01 - X00 = 0: then both are one half; U01 = U00 + X01 - X00 is U00."""
        query = parse_query(
            f"{PAIR}(assert (== U[0,1] (+ U[0,0] (- X[0,1] X[0,0]))))(assert (== (+ X[0,1] X[0,0]) 1.0))"
            "(assert (== X[0,1] X[0,0]))(assert (and (>= U[0,0] 5.0) (<= U[0,0] 6.0)))(assert (< V[0] Y[0]))"
        )
        half = Tie((), F(1, 2))
        assert query.free == (2,)
        assert query.ties == (half, half, free_input(0), free_input(0))
        (case,) = query.property.cases
        assert (case.lower, case.upper) == ((5,), (6,))

    @pytest.mark.parametrize("pin", ["X[0,0]", "U[0,0]"])
    def test_a_pinned_pair_stays_tied(self, pin):
        """Whichever of the two is given its value, and before or after the tie."""
        parts = [f"(assert (== {pin} 0.25))", "(assert (== U[0,0] X[0,0]))(assert (== U[0,1] X[0,1]))"]
        for text in ("".join(parts), "".join(reversed(parts))):
            query = parse_query(f"{PAIR}{text}(assert (> V[0] Y[0]))")
            assert query.ties[2:] == query.ties[:2] == (free_input(0), free_input(1))
            assert query.property.cases[0].lower == (F(1, 4), 0) and query.property.cases[0].upper == (F(1, 4), 4)

    def test_equalities_of_some_alternatives_stay_rows(self):
        query = parse_query(
            f"{PAIR}(assert (and (>= U[0,0] 0.0) (<= U[0,0] 1.0) (== U[0,1] 2.0)))"
            "(assert (or (and (== U[0,0] X[0,0]) (< V[0] Y[0])) (> V[0] Y[0])))"
        )
        assert query.free == (0, 1, 2, 3)
        first, second = query.property.cases[0].unsafe
        assert [row.inputs for row in first.rows] == [(-1, 0, 1, 0), (1, 0, -1, 0), (0, 0, 0, 0)]
        assert len(second.rows) == 1

    def test_equalities_with_outputs_stay_rows(self):
        """One network feeds the next."""
        text = f"{PAIR}(assert (and (== U[0,0] Y[0]) (>= U[0,0] 0.0) (<= U[0,0] 1.0) (== U[0,1] 2.0)))"
        query = parse_query(f"{text}(assert (> V[0] 0.0))")
        assert query.free == (0, 1, 2, 3)
        assert [(row.inputs[2], row.outputs) for row in query.property.cases[0].unsafe[0].rows][:2] == [
            (1, (-1, 0)),
            (-1, (1, 0)),
        ]

    @pytest.mark.parametrize(
        ("asserts", "why"),
        [
            ("(== U[0,0] X[0,0]) (== U[0,0] (+ X[0,0] 1.0))", "exclude each other"),
            (
                "(== U[0,0] X[0,0])\n(== U[0,1] X[0,0])\n(== U[0,0] (+ U[0,1] 0.5))",
                "(== U[0,0] (+ U[0,1] 0.5)) (line 7) is false wherever the other equalities of the inputs hold",
            ),
            ("(== U[0,0] X[0,0]) (> U[0,0] X[0,0])", "exclude each other"),
            (
                "(== U[0,0] X[0,0]) (== U[0,1] X[0,0]) (!= U[0,0] U[0,1])",
                "in each of 2 alternatives, as in the first: (!= U[0,0] U[0,1]) (line 7) is false wherever",
            ),
            ("(== U[0,0] X[0,0]) (== U[0,1] X[0,1]) (>= U[0,0] 3.0)", "exclude each other"),
            ("(!= X[0,0] X[0,0])", "the assert of line 5 is false at every point"),
        ],
    )
    def test_contradictions_leave_no_case(self, asserts, why):
        parts = "\n".join(f"(assert {part})" for part in split_parts(asserts))
        found = parse_query(f"{PAIR}{parts}(assert (> V[0] Y[0]))").property
        assert found.cases == () and why in found.emptiness and found.warning
        assert found.n_outputs == 2


def split_parts(text: str) -> list[str]:
    """The parentheses that stand side by side in a text."""
    parts, depth = [""], 0
    for character in text:
        depth += (character == "(") - (character == ")")
        parts[-1] += character
        if depth == 0 and character == ")":
            parts.append("")
    return [part.strip() for part in parts if part.strip()]


class TestFiles:
    def test_name_and_hash(self, tmp_path):
        data = f"{ONE}{UNIT}(assert (<= Y[0] 0.0))".encode()
        (tmp_path / "q.vnnlib").write_bytes(data)
        (tmp_path / "q.vnnlib.gz").write_bytes(gzip.compress(data))
        plain, packed = (load_query(tmp_path / f"q.vnnlib{ending}") for ending in ("", ".gz"))
        assert plain == packed and isinstance(plain, Query)
        assert (plain.property.name, plain.property.sha256) == ("q", hashlib.sha256(data).hexdigest())
        assert engine.load_query(tmp_path / "q.vnnlib") == plain

    @pytest.mark.parametrize(
        ("text", "answer"),
        [
            ("(vnnlib-version <2.0>)", True),
            ("; a comment with (\n\n ( vnnlib-version ; more\n <2.7> )", True),
            ("(vnnlib-version <1.0>)", False),
            ("(vnnlib-version 1.0)", False),
            ("(declare-const X_0 Real)(vnnlib-version <2.0>)", False),
            ("(declare-network f)", False),
            ("", False),
            (";" * 100_000 + "(", False),
        ],
    )
    def test_the_version_line_tells_which_language_it_is(self, text, answer):
        assert is_query(text) is answer

    @pytest.mark.skipif(not TWO_NETWORKS, reason="set ACASXU_TWO_NETWORKS to the folder of pairs")
    def test_equivalence_of_two_acasxu_networks(self):
        paths = sorted((Path(TWO_NETWORKS) / "vnnlib").glob("*.vnnlib"))
        assert paths
        for path in paths:
            query = load_query(path)
            (case,) = query.property.cases
            assert (query.free, len(query.ties)) == ((0, 1, 2, 3, 4), 10)
            assert (query.property.n_inputs, query.property.n_outputs, len(case.unsafe)) == (5, 10, 10)
            assert query.ties[:5] == query.ties[5:]


@pytest.mark.parametrize("number", range(1, 11))
def test_the_ten_properties_in_both_languages(number):
    """A word-by-word translation of each into VNN-LIB 2.0 has the same cases."""
    path = SPECS / f"prop_{number}.vnnlib"
    body = "".join(line for line in path.read_text().splitlines(True) if "declare-const" not in line)
    for i in range(5):
        body = body.replace(f"X_{i}", f"X[0,0,0,{i}]").replace(f"Y_{i}", f"Y[0,{i}]")
    heading = "(declare-network f (declare-input X real [1,1,1,5]) (declare-output Y real [1,5]))\n"
    query = parse_query(VERSION + heading + body)
    expected = load_property(path)
    assert query.property.cases == expected.cases
    assert query.ties == tuple(map(free_input, range(5)))
    assert expected.cases == parse_property(path.read_text()).cases
