"""Whatever the bytes, the VNN-LIB 2.0 reader gives a question or one line of `InputError`."""

import time

import pytest
from fuzzing import examples, mutations
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import InputError
from engine.query import Query
from engine.vnnlib import is_query, load_query, parse_query

VALID = """; a question
(vnnlib-version <2.0>)
(declare-network f (declare-input X real [1, 2]) (declare-hidden H real [2] "relu_1") (declare-output Y real []))
(declare-network g (isomorphic-to f) (declare-input U real [1,2]) (declare-output V real []))
(assert (and (>= X[0,0] -0.5) (<= X[0,0] 1) (== X[0,1] 0.25) (== U[0,1] (- 1.0 X[0,1]))))
(assert (== U[0,0] (* 2.0 X[0,0])))
(assert (or (> V (+ Y 0.05)) (and (!= H[1] 0.0) (< (- Y) U[0,0]))))
"""
WORDS = """( ) () (assert (or (and (<= (>= (< (> (== (!= (= (+ (- (* (/ X[0,0] X[0,2] X[0] X U[0,1] H[1] Y V[] Z 0 -1.5
    1e5 1e99999 nan true " ; [ ] , [1] [0] [] < > ! - <2.0> (vnnlib-version (declare-network f g (declare-input
    (declare-hidden (declare-output (equal-to (isomorphic-to real float32 "a" (declare-const X[999999999]
    [99999,99999] \ufeff \u0663 \x00 (assert(<=X[0,0]1.0))""".split() + ["\n", " "]  # fmt: skip
FUZZ = settings(max_examples=examples(120), deadline=None)


def parses_or_refuses(read) -> None:
    try:
        assert isinstance(read(), Query)
    except InputError as error:
        assert error.where and error.what and error.advice
        assert len(str(error).splitlines()) == 1


@FUZZ
@given(st.text(), st.booleans())
def test_any_text(text, versioned):
    parses_or_refuses(lambda: parse_query("(vnnlib-version <2.0>)" * versioned + text))


@FUZZ
@given(st.lists(st.sampled_from(WORDS), max_size=40), st.integers(0, len(VALID)))
def test_any_words(words, kept):
    is_query(" ".join(words))
    parses_or_refuses(lambda: parse_query(VALID[:kept] + " ".join(words)))


@FUZZ
@given(mutations(VALID, WORDS))
def test_mutated_text(text):
    parses_or_refuses(lambda: parse_query(text))


@FUZZ
@given(data=st.binary() | mutations(VALID, WORDS).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_bytes(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "any.vnnlib"
    path.write_bytes(data)
    parses_or_refuses(lambda: load_query(path))


def test_the_valid_text_is_valid():
    query = parse_query(VALID)
    assert query.free == (0, 1) and len(query.property.cases[0].unsafe) == 3


@pytest.mark.parametrize(
    "text",
    [
        "[" * 200_000,
        "X[" * 100_000,
        "X[" + "0," * 100_000,
        ";" * 200_000,
        "X " * 100_000,
        "<2." * 100_000,
        '"' * 100_001,
        "(assert" + "(and" * 900 + "(<= Y 0.0)" + ")" * 901,
        "(assert (<= (+ " + "Y " * 100_000 + ") 0.0))",
        "(assert (or " + "(== Y 0.5)" * 2_000 + "))",
    ],
    ids=lambda text: text[:10],
)
def test_effort_is_linear(text):
    """Quadratic effort would take minutes on these."""
    start = time.perf_counter()
    parses_or_refuses(lambda: parse_query(VALID + text))
    assert time.perf_counter() - start < 5
