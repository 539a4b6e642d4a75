"""Points of a CSV file as a property, every error of the file, and VERE's three figures."""

from fractions import Fraction

import numpy as np
import pytest
from cases import case, executable, prop, row
from conftest import network, random_network

from engine import Options, Problem, verify_all
from engine.acasxu.vocabulary import acasxu_vocabulary
from engine.comparison.decision import Decision
from engine.comparison.figures import Figures
from engine.comparison.vere import drawn, measure
from engine.errors import InputError
from engine.repair import points
from engine.repair.points import read_points
from engine.vocabulary import PLAIN

NET = random_network((2, 4, 3), seed=0)
ACASXU = random_network((5, 4, 5), seed=0)
HEAD = "x0,x1,wanted,forbidden\n"


def read(tmp_path, text, net=NET, *, decision=Decision.LOWEST):
    path = tmp_path / "points.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    vocabulary = acasxu_vocabulary() if net is ACASXU else PLAIN
    return read_points(path, net, decision=decision, vocabulary=vocabulary)


def holds(property, x, y) -> bool:
    """Whether scores y at the point x are as the property wants."""
    x, y = (tuple(map(Fraction, values)) for values in (x, y))
    return not any(c.violated_at(x, y) for c in property.cases)


def test_wanted_is_lowest_alone(tmp_path):
    found = read(tmp_path, "x0,x1,wanted\n0.5,-0.25,1\n")
    x = (Fraction(1, 2), Fraction(-1, 4))
    assert found.cases[0].lower == found.cases[0].upper == x and len(found.cases) == 1
    assert (found.n_inputs, found.n_outputs, found.name) == (2, 3, "points")
    assert holds(found, x, (2, 1, 3))
    for y in ((1, 1, 3), (2, 1, 1), (0, 1, 2), (2, 1, 0)):
        assert not holds(found, x, y)


def test_forbidden_is_not_lowest(tmp_path):
    found = read(tmp_path, "x0,x1,forbidden\n0.5,-0.25,1\n")
    x = (Fraction(1, 2), Fraction(-1, 4))
    assert holds(found, x, (0, 1, 2)) and holds(found, x, (2, 1, 0))
    assert not holds(found, x, (2, 1, 3)) and not holds(found, x, (1, 1, 1))


def test_of_the_highest_it_is_the_other_way_around(tmp_path):
    wanted = read(tmp_path, "x0,x1,wanted\n0.5,-0.25,1\n", decision=Decision.HIGHEST)
    forbidden = read(tmp_path, "x0,x1,forbidden\n0.5,-0.25,1\n", decision=Decision.HIGHEST)
    x = (Fraction(1, 2), Fraction(-1, 4))
    for y, is_wanted, is_allowed in (((2, 3, 1), True, False), ((2, 1, 3), False, True), ((3, 3, 1), False, False)):
        assert (holds(wanted, x, y), holds(forbidden, x, y)) == (is_wanted, is_allowed)


def test_where_the_decision_is_not_known_nothing_can_be_wanted(tmp_path):
    with pytest.raises(InputError, match="not known; say so with --decision"):
        read(tmp_path, "x0,x1,wanted\n0.5,-0.25,1\n", decision=Decision.UNKNOWN)


def test_points_are_float32_exactly_and_merge(tmp_path):
    text = "\ufeff" + HEAD + "\n0.1, 0 ,,0\r\n0.10000000001,-0.0,,2\n.5,1e-3,2,\n.5,1e-3,2,\n"
    found = read(tmp_path, text)
    assert [len(c.unsafe) for c in found.cases] == [2, 2]
    assert found.cases[0].lower == (Fraction(float(np.float32(0.1))), 0)
    assert len(found.sha256) == 64


def test_columns_in_any_order(tmp_path):
    assert read(tmp_path, "wanted,x1,x0\n2,0.5,0\n").cases[0].lower == (0, Fraction(1, 2))


def test_advisories_by_name(tmp_path):
    names = read(tmp_path, "x0,x1,x2,x3,x4,wanted\n0,0,0,0,0,Weak Left\n", ACASXU)
    index = read(tmp_path, "x0,x1,x2,x3,x4,wanted\n0,0,0,0,0,1\n", ACASXU)
    assert names.cases == index.cases


def test_verified_as_any_property(tmp_path):
    net = executable(NET)
    x = np.array([0.25, -0.5])
    best = int(net.evaluate(x).argmin())
    texts = [
        f"x0,x1,{column}\n0.25,-0.5,{advisory}\n"
        for column, advisory in (
            ("wanted", best),
            ("wanted", (best + 1) % 3),
            ("forbidden", best),
            ("forbidden", (best + 1) % 3),
        )
    ]
    problems = [Problem(net, read(tmp_path, text)) for text in texts]
    assert [v.word for v in verify_all(problems, Options(device="cpu"))] == ["unsat", "sat", "sat", "unsat"]


ERRORS = {
    "empty": ("", "points.csv: is empty; start it with the header"),
    "blank": ("\n \n", "is empty"),
    "no points": (HEAD, "holds no points"),
    "other inputs": ("x0,wanted\n0,1\n", "points.csv:1: the header is not this network's; use x0,x1,wanted"),
    "no advisory column": ("x0,x1\n0,1\n", ":1: the header"),
    "unknown column": ("x0,x1,wanted,why\n0,1,1,a\n", ":1: the header"),
    "column twice": ("x0,x1,wanted,wanted\n0,1,1,1\n", ":1: the header"),
    "input twice": ("x0,x1,x1,wanted\n0,1,1,1\n", ":1: the header"),
    "no header": ("0.5,0.5,1,\n", ":1: the header"),
    "too few cells": (HEAD + "0,1,1\n", ":2: 3 cells under a header of 4"),
    "too many cells": (HEAD + "\n0,1,1,,\n", ":3: 5 cells"),
    "word": (HEAD + "0,half,1,\n", ":2: x1 is 'half', no finite float32 number"),
    "nan": (HEAD + "0,nan,1,\n", ":2: x1 is 'nan'"),
    "infinite": (HEAD + "0,inf,1,\n", ":2: x1 is 'inf'"),
    "beyond float32": (HEAD + "0,1e39,1,\n", ":2: x1 is '1e39'"),
    "beyond float64": (HEAD + "0,1e999,1,\n", ":2: x1 is '1e999'"),
    "missing": (HEAD + ",0,1,\n", ":2: x0 is ''"),
    "underscore": (HEAD + "1_0,0,1,\n", ":2: x0 is '1_0'"),
    "other digits": (HEAD + "\u0661,0,1,\n", ":2: x0 is '\\u0661'"),
    "neither": (HEAD + "0,0,,\n", ":2: no output given"),
    "both": (HEAD + "0,0,1,2\n", ":2: both wanted and forbidden given"),
    "no such output": (HEAD + "0,0,3,\n", ":2: wanted is '3', no output; use 0..2"),
    "name elsewhere": (HEAD + "0,0,COC,\n", ":2: wanted is 'COC', no output"),
    "negative": (HEAD + "0,0,,-1\n", ":2: forbidden is '-1'"),
    "two wanted": (HEAD + "0,0,1,\n1,1,1,\n0,-0,2,\n", ":4: contradicts what line 2"),
    "wanted and forbidden": (HEAD + "0,0,1,\n0,0,,1\n", ":3: contradicts"),
    "all forbidden": (HEAD + "0,0,,0\n0,0,,1\n0,0,,2\n", ":4: contradicts"),
    "no text": (b"x0,x1,wanted\n\xff\xfe\n", ":2: is not UTF-8 text"),
    "quote": (HEAD + '"0"1,0,1,\n', ":2: is no CSV"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors(tmp_path, name):
    text, message = ERRORS[name]
    with pytest.raises(InputError) as error:
        read(tmp_path, text)
    line = str(error.value)
    assert message in line and "\n" not in line and "; " in line and len(line) < 400


def test_raw_units_are_noticed(tmp_path):
    with pytest.raises(InputError, match="x0 is '1500', outside the domain -0.328423 .. 0.700435; give .* normalized"):
        read(tmp_path, "x0,x1,x2,x3,x4,wanted\n1500,0,0,0,0,1\n", ACASXU)
    read(tmp_path, "x0,x1,x2,x3,x4,wanted\n-0.328422877,0.5,-0.5,0.5,0.5,1\n", ACASXU)


def test_of_other_networks_any_units_are_right(tmp_path):
    """Of the same shape, too: what is not known to be ACAS Xu's has no domain, and no names for its outputs."""
    other = random_network((5, 4, 5), seed=1)
    assert read(tmp_path, "x0,x1,x2,x3,x4,wanted\n1500,0,0,0,-9e9,1\n", other).cases[0].lower[0] == 1500
    with pytest.raises(InputError, match="wanted is 'COC', no output; use 0..4$"):
        read(tmp_path, "x0,x1,x2,x3,x4,wanted\n0,0,0,0,0,COC\n", other)


def test_files_that_cannot_be_read(tmp_path, monkeypatch):
    for path in (tmp_path / "none.csv", tmp_path, tmp_path / "a\0b"):
        with pytest.raises(InputError, match="cannot be read"):
            read_points(path, NET, decision=Decision.LOWEST)
    monkeypatch.setattr(points, "MAX_POINTS", 2)
    with pytest.raises(InputError, match="more than 2 points"):
        read(tmp_path, HEAD + "0,0,1,\n1,0,1,\n2,0,1,\n")


# --- figures --------------------------------------------------------------------------------------


def step(threshold: float):
    """y0 = relu(x0), y1 = threshold: y0 is lowest below it."""
    return executable(network([[[1.0, 0.0]], [[1.0], [0.0]]], [[0.0], [0.0, threshold]]))


REGION = prop(case([0, 0], [1, 1], [row([-1, 1])]), n_outputs=2)  # unsafe: y1 <= y0, which is x0 >= threshold


def test_figures_by_hand():
    """The repair moves the threshold from 1/2 to 3/4: about half of the counterexamples are safe."""
    given = np.array([[0.55, 0.5], [0.6, 0.5], [0.7, 0.1], [0.8, 0.5], [0.25, 0.5]])
    found = measure(step(0.5), step(0.75), REGION, given, points=2000)
    assert (found.given, found.success) == (4, 0.75)  # the last is no counterexample
    assert (found.held_out, found.safe, found.drawdown) == (2000, 2000, 0.0)
    assert 0.3 < found.generalization < 0.6  # every other batch is thick at the ends
    worse = measure(step(0.5), step(0.25), REGION, given, points=2000)
    assert worse.success == worse.generalization == 0.0 and 0.2 < worse.drawdown < 0.6


def test_drawdown_is_of_decisions():
    """Of the highest output it is as of the lowest: there are two; where none is known there is none."""
    lowest, highest, unknown = (measure(step(0.5), step(0.25), REGION, decision=each, points=500) for each in Decision)
    assert lowest == highest and 0.2 < lowest.drawdown and unknown.drawdown is None and unknown.success == 0


def test_figures_without_points():
    always = measure(step(-1.0), step(-1.0), REGION, np.empty((0, 2)), points=50)
    assert always == Figures("", 0, None, 50, 0.0, 0, None)
    never = measure(step(2.0), step(2.0), REGION, np.empty((0, 2)), points=50)
    assert (never.held_out, never.generalization, never.safe, never.drawdown) == (0, None, 50, 0.0)


def test_counterexamples_are_drawn_and_divided():
    found = measure(step(0.5), step(0.75), REGION, points=1000)
    assert (found.given, found.held_out, found.safe) == (1000, 1000, 1000)
    assert abs(found.success - found.generalization) < 0.1 and 0.3 < found.success < 0.7
    assert found == measure(step(0.5), step(0.75), REGION, points=1000)


def test_few_counterexamples_are_divided_too():
    few = prop(case([0, 0], [1, 0], [row([-1, 1])]), n_outputs=2)  # x0 at or above the last but three values
    found = measure(step(1 - 3 * 2.0**-24), step(2.0), few)
    assert (found.given, found.held_out, found.success, found.generalization) == (2, 2, 1.0, 1.0)


def test_points_are_their_own_counterexamples():
    """Of the points one is safe already, one is mended, one is not; none is held out."""
    boxes = [case([Fraction(x)] * 2, [Fraction(x)] * 2, [row([-1, 1])]) for x in ("1/4", "5/8", "7/8")]
    found = measure(step(0.5), step(0.75), prop(*boxes, n_outputs=2))
    assert found == Figures("", 2, 0.5, 0, None, 0, None)


def test_a_tie_at_a_strict_row_is_safe():
    """y1 < y0 is unsafe: where x0 is the threshold itself it is not."""
    at = case([Fraction(1, 2), 0], [Fraction(1, 2), 1], [row([-1, 1], strict=True)])
    found = measure(step(0.5), step(0.5), prop(at, n_outputs=2), points=100)
    assert (found.given, found.held_out, found.safe) == (0, 0, 100)


def test_rare_counterexamples_are_found_and_all_differ():
    given = np.array([[1.0, 0.5]], np.float32)
    unsafe, safe = drawn(step(1 - 2.0**-16), REGION, 300, 300, avoid=given)
    assert 100 < len(unsafe) <= 300 and len(np.unique(unsafe, axis=0)) == len(unsafe)
    assert (unsafe[:, 0] >= 1 - 2.0**-16).all() and (safe[:, 0] < 1 - 2.0**-16).all()
    assert not (unsafe == given).all(1).any()
