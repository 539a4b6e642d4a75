"""A guarantee that no repair can have is refused at once, and no other is."""

from fractions import Fraction

import pytest
from cases import case, prop, row
from test_repair_loop import LEFT, QUICK, SMALL, above

from engine.cli import main
from engine.errors import InputError
from engine.repair.possible.theorem import demand_theorem
from engine.vnnlib.writer import property_text

#: y1 falls from 0.65 at -1 to 0.55 at -3/4
LOW, HIGH = Fraction(-1), Fraction(-3, 4)
OPTIONS = QUICK.search()


def y1_between(least: Fraction, most: Fraction):
    unsafe = [row([0, 1, 0, 0], -least, n_inputs=1)], [row([0, -1, 0, 0], most, n_inputs=1)]
    return prop(case([LOW], [HIGH], *unsafe), n_outputs=4, name="between")


def test_an_output_would_have_to_be_raised_and_lowered():
    with pytest.raises(InputError, match="can mend between: at counterexamples y1 would have to be raised at one and"):
        demand_theorem(SMALL, [y1_between(Fraction(58, 100), Fraction(6, 10))], OPTIONS)


@pytest.mark.parametrize("least, most", [("0.5", "0.6"), ("0.58", "0.7")])
def test_a_bound_that_holds_asks_for_nothing(least, most):
    demand_theorem(SMALL, [y1_between(Fraction(least), Fraction(most))], OPTIONS)


def test_another_output_may_move_instead():
    """y1 - y0 is to be at least 0.04 and at most -0.01 + y2 / 20: y1 can be raised, and y2 raised beside it."""
    unsafe = [row([-1, 1, 0, 0], Fraction(-4, 100), n_inputs=1)], [row([0, -1, 1, 0], 0, n_inputs=1)]
    demand_theorem(SMALL, [prop(case([LOW], [HIGH], *unsafe), n_outputs=4, name="either")], OPTIONS)


def test_several_targets_are_asked_together():
    high = above(1, Fraction(62, 100), LOW, HIGH, "high")  # 0.65 at -1
    demand_theorem(SMALL, [LEFT], OPTIONS)
    demand_theorem(SMALL, [high], OPTIONS)
    with pytest.raises(InputError, match="left and high"):
        demand_theorem(SMALL, [LEFT, high], OPTIONS)


def test_the_command_refuses_it_before_any_work(tmp_path, capsys):
    (tmp_path / "small.onnx").write_bytes(SMALL.onnx_bytes)
    asked = tmp_path / "between.vnnlib"
    asked.write_text(property_text(y1_between(Fraction(58, 100), Fraction(6, 10))))
    given = str(tmp_path / "small.onnx"), str(asked), "--out", str(tmp_path / "out.onnx"), "--decision", "lowest"
    assert main(["repair", *given, "--guarantee", "structural", "--device", "cpu"]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and "no theorem for every input can mend between" in err
    assert not (tmp_path / "out.onnx").exists()
