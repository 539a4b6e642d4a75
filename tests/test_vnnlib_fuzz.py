"""Whatever the bytes, the VNN-LIB reader gives a property or one line of `InputError`."""

import gzip

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import InputError
from engine.property import Property
from engine.vnnlib import load_property, parse_property

VALID = """; a property
(declare-const X_0 Real)
(declare-fun X_1 () Real)
(declare-const Y_0 Real)
(declare-const Y_1 Real)
(assert (or (and (<= X_0 1) (>= X_0 -0.5) (<= X_1 2e-1) (> X_1 (- 1)))
            (and (= X_0 0.25) (= X_1 0))))
(assert (or (and (<= Y_0 Y_1)) (< (+ (* 2 Y_0) X_0 (/ Y_1 3)) 1.5)))
(check-sat)
"""
WORDS = [
    "(", ")", "()", "(assert", "(or", "(and", "(<=", "(>=", "(<", "(=", "(+", "(-", "(*", "(/",
    "X_0", "X_1", "Y_0", "Y_7", "0", "-1.5", "1e10000", "1e-9999", "1e300", "nan", "true", "false",
    '"', "|", ";", "\n", "\ufeff", "\u0663", "(set-info", "(check-sat)", "(declare-const", "Real)",
    "(declare-const X_0 Real)", "(declare-const Y_0 Real)", "(assert (<= X_0 1))", "(assert (>= X_0 0))",
    "(assert (or (<= Y_0 0) (<= X_0 0)))",
]
FUZZ = settings(max_examples=300, deadline=None)


def parses_or_refuses(read) -> None:
    try:
        assert isinstance(read(), Property)
    except InputError as error:
        assert error.where and error.what and error.advice
        assert len(str(error).splitlines()) == 1


@FUZZ
@given(st.text())
def test_any_text(text):
    parses_or_refuses(lambda: parse_property(text))


@FUZZ
@given(st.lists(st.sampled_from(WORDS), max_size=40))
def test_any_words(words):
    parses_or_refuses(lambda: parse_property(" ".join(words)))


@st.composite
def mutations(draw) -> str:
    """The valid text with a few pieces cut, moved or replaced."""
    text = VALID
    for _ in range(draw(st.integers(1, 4))):
        start, end = sorted(draw(st.tuples(*[st.integers(0, len(text))] * 2)))
        end = min(end, start + 30)
        middle = draw(st.sampled_from(["", text[start:end] * 2, *WORDS]) | st.text(max_size=3))
        text = text[:start] + middle + text[end:]
    return text


@FUZZ
@given(mutations())
def test_mutated_text(text):
    parses_or_refuses(lambda: parse_property(text))


@FUZZ
@given(data=st.binary() | mutations().map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_bytes(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "any.vnnlib"
    path.write_bytes(data)
    parses_or_refuses(lambda: load_property(path))


@FUZZ
@given(at=st.integers(0, 10**6), new=st.binary(max_size=3), cut=st.integers(0, 3))
def test_damaged_gzip(tmp_path_factory, at, new, cut):
    path = tmp_path_factory.getbasetemp() / "any.vnnlib.gz"
    data = gzip.compress(VALID.encode(), mtime=0)
    at %= len(data)
    path.write_bytes(data[:at] + new + data[at + cut:])
    parses_or_refuses(lambda: load_property(path))


def test_the_valid_text_is_valid():
    assert len(parse_property(VALID).cases) == 2
