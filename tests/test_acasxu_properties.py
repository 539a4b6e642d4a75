"""The committed files in specs/ say what the table says, and mean what the official files mean."""

import random
from fractions import Fraction

import pytest

from engine import vnnlib
from engine.acasxu.files import property_path
from engine.acasxu.properties import PROPERTIES
from engine.acasxu.specs import render, write

NUMBERS = range(1, 11)

# Each property once more, by hand: which outputs are unsafe.
UNSAFE = {
    1: lambda y: y[0] >= Fraction("3.991125645861615"),
    2: lambda y: y[0] == max(y),
    3: lambda y: y[0] == min(y),
    4: lambda y: y[0] == min(y),
    5: lambda y: min(y[:4]) <= y[4],
    6: lambda y: min(y[1:]) <= y[0],
    7: lambda y: min(y[3:]) <= min(y[:3]),
    8: lambda y: min(y[2:]) <= min(y[:2]),
    9: lambda y: min(y[:3] + y[4:]) <= y[3],
    10: lambda y: min(y[1:]) <= y[0],
}


@pytest.mark.parametrize("number", NUMBERS)
def test_committed_file_is_the_rendered_table(number):
    assert property_path(number).read_bytes().decode("ascii") == render(number)


def test_write_writes_all_ten(tmp_path):
    paths = write(tmp_path / "new")
    assert [path.name for path in paths] == [f"prop_{n}.vnnlib" for n in NUMBERS]
    assert all(path.read_text() == render(n) for path, n in zip(paths, NUMBERS))


def test_lines_are_short():
    assert all(len(line) <= 110 for n in NUMBERS for line in render(n).splitlines())


@pytest.mark.parametrize("number", NUMBERS)
def test_boxes_are_the_table_s(number):
    read = vnnlib.load_property(property_path(number))
    boxes = {(case.lower, case.upper) for case in read.cases}
    assert boxes == {tuple(zip(*box)) for box in PROPERTIES[number - 1].normalized_boxes}


@pytest.mark.parametrize("number", NUMBERS)
def test_unsafe_outputs_are_as_by_hand(number):
    case = vnnlib.load_property(property_path(number)).cases[0]
    draw = random.Random(number)
    for _ in range(300):
        y = tuple(Fraction(draw.choice([-1, 0, 1, 2, 4])) for _ in range(5))  # few values: ties are frequent
        assert case.violated_at(case.lower, y) == UNSAFE[number](y)


@pytest.mark.parametrize("number", NUMBERS)
def test_means_the_same_as_the_official_file(number, acasxu_data):
    ours = vnnlib.load_property(property_path(number))
    official = vnnlib.load_property(acasxu_data / "vnnlib" / f"prop_{number}.vnnlib")
    assert normal_form(ours) == normal_form(official)
    assert ours.sha256 != official.sha256


def normal_form(prop):
    """The property without the order of its cases, polytopes and rows."""
    return (
        prop.n_inputs,
        prop.n_outputs,
        {
            (case.lower, case.upper, frozenset(frozenset(polytope.rows) for polytope in case.unsafe))
            for case in prop.cases
        },
    )
