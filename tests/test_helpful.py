"""What `verify` says would help, where nothing was decided: known facts, and advice that follows from them."""

from argparse import Namespace
from fractions import Fraction

import pytest
from cases import case, executable, prop, row
from conftest import network

from engine.cli import main
from engine.cli.helpful import helpful
from engine.verdict import Counterexample, Standing, Statistics, Unknown
from engine.vnnlib.writer import property_text

COST = Statistics(1234, 1.5, "cpu")
HALF = (Fraction(1, 2),)
SOMEWHERE = Standing(1234, 17, 0.0625, -0.25, 0.125, 0)
EXACT = Counterexample((0.5,), (1.0,), HALF, True, False)
BEYOND = Counterexample((0.1,), (1.0,), HALF, True, False, (Fraction(1, 10),))
EXECUTED = Counterexample((0.5,), (1.0,), HALF, False, True)


def said(*, timed_out=True, semantics="real", near=None, standing=SOMEWHERE, timeout=10.0) -> str:
    verdict = Unknown("a reason", timed_out, 0.5, semantics, COST, near, None, standing)
    return helpful(verdict, Namespace(timeout=timeout))


def test_where_it_stood():
    assert said() == (
        "what may help: a longer --timeout than 10 s (1,234 boxes open, up to 17 splits deep, the median "
        "one 0.062 of its case's box wide; the least margin of its rows lies between -0.25 and 0.125)"
    )


@pytest.mark.parametrize(
    "how, wanted",
    [
        ({"standing": None}, "a longer --timeout than 10 s"),
        ({"standing": Standing(0, 0, 0.0, None, None)}, "a longer --timeout than 10 s"),
        (
            {"semantics": "float32", "standing": None},
            "a longer --timeout than 10 s, or --semantics real, which asks for less",
        ),
        (
            {"near": EXECUTED, "standing": None, "timed_out": False, "semantics": "float32"},
            "--semantics real, which asks for less",
        ),
        ({"near": EXECUTED, "standing": None}, "a longer --timeout than 10 s"),
        (
            {"near": BEYOND, "semantics": "float32", "standing": None},
            "--semantics real, in which that point is a counterexample",
        ),
        (
            {"near": EXACT, "standing": None},
            "another threshold: in exact arithmetic the property does not hold, so that it cannot be proved",
        ),
        (
            {"timed_out": False, "standing": Standing(0, 0, 0.0, None, 0.5, 1)},
            "another threshold: on 1 box the margin is zero, or less than rounding can change (the worst point tried "
            "is 0.5 from unsafe)",
        ),
        ({"timed_out": False, "standing": None}, "another threshold, or smaller input boxes"),
    ],
)
def test_advice_follows_from_what_is_known(how, wanted):
    assert said(**how) == f"what may help: {wanted}"


def test_more_time_is_not_advised_where_no_proof_can_exist():
    assert "timeout" not in said(near=EXACT) and "timeout" not in said(near=BEYOND, semantics="float32")


def test_verify_says_it_of_a_timeout(tmp_path, capsys):
    """A margin of zero along a face, and no time: what was seen until then is said."""
    net = executable(network([[[1.0, 0.5], [-1.0, 0.25]], [[1.0, 1.0]]], [[0, 0], [0.125]]))
    (tmp_path / "n.onnx").write_bytes(net.onnx_bytes)
    asked = prop(case([-1, 0], [1, 1], [row([1], Fraction(-1, 8), strict=True)]))
    (tmp_path / "p.vnnlib").write_text(property_text(asked))
    files = [str(tmp_path / "n.onnx"), str(tmp_path / "p.vnnlib")]
    assert main(["verify", *files, "--timeout", "0.2", "--device", "cpu"]) == 3
    err = capsys.readouterr().err
    assert "not decided: out of time" in err and "what may help: " in err and "boxes open, up to" in err
    assert "of its rows lies between -" in err and " and 0)" in err
