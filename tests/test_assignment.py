"""Counterexamples in VNN-LIB 2.0's form: what each number is, in which order."""

from fractions import Fraction
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.verdict import Counterexample, Statistics, Unknown, Verified, Violated
from engine.vnncomp import result_text
from engine.vnnlib import parse_query
from engine.vnnlib.assignment import MOST_DIGITS, assignment_text, decimal_text

COST = Statistics(1, 0.0, "cpu")
STANDARD = """(vnnlib-version <2.0>)
(declare-network f
  (declare-input A {kind} [2,2])
  (declare-hidden H {kind} [1,2] "hidden")
  (declare-output Y {kind} [1])
)
(declare-network g
  (declare-input C {kind} [2,2])
  (declare-output Z {kind} [])
)
(assert (and (== A[0,0] 0.5) (<= A[0,1] 0.3) (>= A[0,1] 0.3) (<= A[1,0] 1) (>= A[1,0] 0) (<= A[1,1] 1) (>= A[1,1] 0)))
(assert (and (== C[0,0] (+ A[0,0] 0.25)) (== C[0,1] A[1,0]) (== C[1,0] A[1,1]) (== C[1,1] 1)))
(assert (>= Y[0] 0))
"""


def asked(kind: str) -> SimpleNamespace:
    """The query of the standard's example, nearly; the networks are not looked at."""
    return SimpleNamespace(query=parse_query(STANDARD.format(kind=kind)))


def found(question, values: dict[int, str], *, executable: bool) -> Counterexample:
    """A point whose free inputs are these, by their places among all inputs."""
    exact = tuple(Fraction(values[place]) for place in question.query.free)
    outputs = tuple(Fraction(text) for text in ("0.5", "1/3", "0.1", "-2"))
    return Counterexample(
        tuple(map(float, exact)),
        (0.5, 0.25, 0.125, -2.0),
        outputs,
        exact=True,
        replayed=executable,
        exact_inputs=None if executable else exact,
    )


PLACES = {0: "0.5", 1: "0.3", 2: "0.4", 3: "0.2", 4: "0.75", 5: "0.4", 6: "0.2", 7: "1"}


def test_a_point_that_no_float_holds_is_said_exactly():
    question = asked("real")
    text = assignment_text(question, found(question, PLACES, executable=False))
    assert text.split("\n") == [
        *("A real [2,2]", "0.5", "0.3", "0.4", "0.2"),
        *("H real [1,2]", "0.5", "0.3333333333333333"),
        *("Y real [1]", "0.1"),
        *("C real [2,2]", "0.75", "0.4", "0.2", "1.0"),
        *("Z real []", "-2.0"),
        "",
    ]


def test_a_point_that_was_executed_has_the_outputs_of_that():
    question, values = asked("float32"), PLACES | {1: "0.25", 2: "0.125", 3: "1", 5: "0.125", 6: "1"}
    lines = assignment_text(question, found(question, values, executable=True)).split("\n")
    assert lines[:5] == ["A float32 [2,2]", "0.5", "0.25", "0.125", "1.0"]
    assert lines[5:10] == ["H float32 [1,2]", "0.5", "0.25", "Y float32 [1]", "0.125"]


def test_result_files_hold_the_assignment():
    question = asked("real")
    point = found(question, PLACES, executable=False)
    assert result_text(Violated(point, "real", COST), question) == f"sat\n{assignment_text(question, point)}"
    assert result_text(Violated(point, "real", COST)).startswith("sat\n((X_0 ")
    assert result_text(Verified("real", COST), question) == "unsat\n"
    assert result_text(Unknown("", True, 0.0, "real", COST), question) == "timeout\n"


@given(
    st.fractions()
    | st.decimals(allow_nan=False, allow_infinity=False, places=9).map(Fraction)
    | st.floats(allow_nan=False, allow_infinity=False).map(Fraction)
)
def test_decimals_are_exact_or_there_are_none(value):
    text, rest = decimal_text(value), value.denominator
    for prime in (2, 5):
        while rest % prime == 0:
            rest //= prime
    assert bool(text) == (rest == 1)
    assert not text or (Fraction(text) == value and "e" not in text and "." in text)


@pytest.mark.parametrize("value", [5e-324, 1.7976931348623157e308, -0.1])
def test_every_float_has_a_decimal(value):
    assert Fraction(decimal_text(Fraction(value))) == Fraction(value)
    assert decimal_text(Fraction(1, 10 ** (MOST_DIGITS + 1))) == ""
