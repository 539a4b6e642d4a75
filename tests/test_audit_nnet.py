"""The checker reads `.nnet` files by itself, and means the same by them as the engine."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nnet_files import MALFORMED, SMALL, exact_small, published

from engine import InputError, Options, Problem, verify_all
from engine.audit.check import check
from engine.audit.failures import Malformed
from engine.audit.network_reader import read_network
from engine.certificate import certificate_bytes
from engine.nnet import load
from engine.vnnlib import load_property

OPTIONS = Options(proofs=True, device="cpu", threads=1, timeout=5)
QUESTION = """\
(declare-const X_0 Real)
(declare-const X_1 Real)
(declare-const Y_0 Real)
(assert (and (>= X_0 0) (<= X_0 1) (>= X_1 0) (<= X_1 1)))
(assert (<= Y_0 {}))
"""


def same(ours, theirs) -> bool:
    layers = zip(ours.layers, theirs.layers, strict=True)
    alike = all(
        np.array_equal(a.weight, b.weight) and np.array_equal(a.bias, b.bias) and a.relu == b.relu for a, b in layers
    )
    return alike and (ours.sha256, ours.rounded) == (theirs.sha256, theirs.rounded)


@pytest.mark.parametrize("text", [SMALL, exact_small(), SMALL.replace("\n", "\r\n")])
def test_it_reads_what_the_engine_reads(text, tmp_path):
    (tmp_path / "n.nnet").write_bytes(text.encode())
    network = read_network(tmp_path / "n.nnet")
    assert same(network, load(tmp_path / "n.nnet")) and ".nnet file does not say" in network.obstacle


@pytest.mark.parametrize("name", MALFORMED)
def test_it_refuses_what_the_engine_refuses(name, tmp_path):
    path = tmp_path / "m.nnet"
    path.write_bytes(MALFORMED[name][0])
    with pytest.raises(Malformed) as caught:
        read_network(path)
    assert str(caught.value).startswith(f"{path}: ") and len(str(caught.value).splitlines()) == 1


@given(data=st.data())
def test_of_any_bytes_both_make_the_same(data, tmp_path_factory):
    text = bytearray(SMALL.encode())
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(20, len(text) - 1))
        text[place : place + data.draw(st.integers(0, 3))] = data.draw(
            st.one_of(st.binary(max_size=2), st.sampled_from([b"e", b"-", b".", b",", b"\n", b"\x0b", b"99", b"//"]))
        )
    path = tmp_path_factory.getbasetemp() / "f.nnet"
    path.write_bytes(bytes(text))
    try:
        ours = load(path)
    except InputError as error:
        ours = None
        if "beyond the range of float32" in str(error):  # which only a replay needs
            return
    try:
        theirs = read_network(path)
    except Malformed:
        theirs = None
    assert (ours is None) == (theirs is None) and (ours is None or same(ours, theirs))


@pytest.mark.parametrize("text", [SMALL, exact_small()])
@pytest.mark.parametrize("threshold, word", [("-9", "unsat"), ("0", "sat")])
def test_certificates(text, threshold, word, tmp_path):
    """Accepted of the file they were written for, by both arithmetics; not of one with another decimal."""
    (tmp_path / "n.nnet").write_text(text)
    (tmp_path / "p.vnnlib").write_text(QUESTION.format(threshold))
    network, prop = load(tmp_path / "n.nnet"), load_property(tmp_path / "p.vnnlib")
    (verdict,) = verify_all([Problem(network, prop)], OPTIONS)
    assert verdict.word == word
    (tmp_path / "c.zip").write_bytes(certificate_bytes(network, prop, verdict, OPTIONS))
    for arithmetic in ("float64", "exact"):
        result = check(tmp_path / "c.zip", tmp_path / "n.nnet", tmp_path / "p.vnnlib", arithmetic=arithmetic)
        assert result.accepted, result.reason
    (tmp_path / "n.nnet").write_text(text.replace("0.125\n", "0.1250\n"))
    result = check(tmp_path / "c.zip", tmp_path / "n.nnet", tmp_path / "p.vnnlib")
    assert not result.accepted and "SHA-256" in result.reason


def test_what_only_rounded_numbers_prove_is_not_accepted(tmp_path):
    """0.1 as float64 is above the decimal 0.1: x * 0.1 <= 0.1 at x = 1 holds of the decimal, with nothing to spare."""
    (tmp_path / "n.nnet").write_text("1,1,1,1\n1,1\n0\n0\n1\n0,0\n1,1\n0.1\n0\n")
    network = read_network(tmp_path / "n.nnet")
    assert network.rounded and Fraction(float(network.layers[0].weight[0, 0])) > Fraction(1, 10)
    question = "(declare-const X_0 Real)\n(declare-const Y_0 Real)\n(assert (= X_0 1))\n(assert (<= Y_0 0.1))\n"
    (tmp_path / "p.vnnlib").write_text(question.replace("(= X_0 1)", "(and (>= X_0 1) (<= X_0 1))"))
    ours, prop = load(tmp_path / "n.nnet"), load_property(tmp_path / "p.vnnlib")
    (verdict,) = verify_all([Problem(ours, prop)], Options(device="cpu", threads=1, timeout=1, max_open=20))
    assert verdict.word in ("unknown", "timeout")


@pytest.mark.slow
def test_published_files():
    assert all(same(read_network(path), load(path)) for path in published())
