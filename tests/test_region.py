"""Regions: what is unsafe in floating point against exact rows, ties, and points that lie in the exact box."""

from fractions import Fraction

import numpy as np
import pytest
from cases import case, row
from conftest import random_network

from engine.comparison.region import in_box, region_of, unsafe_set

BOX = ([0], [1])


@pytest.mark.parametrize("strict", [False, True])
def test_ties_are_the_property_s(strict):
    """At y0 = 1/2 a row y0 - 1/2 <= 0 holds, a strict one does not; just beside both say the same."""
    unsafe = unsafe_set(case(*BOX, [row([1], "-1/2", strict=strict, n_inputs=1)]), 1)
    x, y = np.zeros((3, 1), np.float32), np.nextafter(np.float32(0.5), np.array([[0], [0.5], [1]], np.float32))
    assert unsafe.contains(x, y).tolist() == [True, not strict, False]
    assert (np.sign(unsafe.distance(x, y)) == [-1, 0, 1]).all()


def test_one_strict_row_at_a_tie_is_enough():
    """y0 <= 1/2 and y1 < 1/2, or y0 < 0: a tie in the row that is not strict does not matter."""
    unsafe = unsafe_set(
        case(
            *BOX,
            [row([1, 0], "-1/2", n_inputs=1), row([0, 1], "-1/2", strict=True, n_inputs=1)],
            [row([1, 0], strict=True, n_inputs=1)],
        ),
        2,
    )
    y = np.array([[0.5, 0.25], [0.5, 0.5], [0.25, 0.5], [0.0, 0.5], [-0.25, 0.5]])
    assert unsafe.contains(np.zeros((5, 1)), y).tolist() == [True, False, False, False, True]


def test_distance_and_membership_against_exact_rows():
    given = case([-1, -1], [1, 0], [row([1, -1, 0]), row([0, 1, 1], 1, strict=True)], [row([0, 0, 1], inputs=[1, 0])])
    region, random = region_of(given, 3), np.random.default_rng(0)
    x = in_box(region, random, 60)
    y = random_network((2, 5, 3), seed=1).evaluate(x.astype(float))
    y[:20], x[:20] = np.round(4 * y[:20]) / 4, np.round(4 * x[:20]) / 4  # ties
    distance, unsafe = region.unsafe.distance(x, y), region.unsafe.contains(x, y)
    assert 0 < unsafe.sum() < 60 and (distance == 0).any()
    for i in range(len(x)):
        point, scores = (tuple(map(Fraction, map(float, v[i]))) for v in (x, y))
        exact = min(max(r.value(point, scores) for r in p.rows) for p in given.unsafe)
        assert distance[i] == pytest.approx(float(exact), abs=1e-9)
        assert unsafe[i] == given.violated_at(point, scores)


def test_nothing_and_everything():
    x, y = np.zeros((3, 1)), np.zeros((3, 2), np.float32)
    nothing, everything = (unsafe_set(case(*BOX, *some), 2) for some in ((), ([],)))
    assert not nothing.contains(x, y).any() and (nothing.distance(x, y) == np.inf).all()
    assert everything.contains(x, y).all() and (everything.distance(x, y) == -np.inf).all()


def test_points_stay_in_the_exact_box():
    """1/10 and 3/10 are no float32 values, and the nearest to the first lies outside."""
    region = region_of(case([Fraction(1, 10)], [Fraction(3, 10)], []), 1)
    x = region.nearest(np.array([[0.0], [0.2], [1.0]]))
    assert x.dtype == np.float32 and len(set(x[:, 0].tolist())) == 3
    assert all(Fraction(1, 10) <= Fraction(float(v)) <= Fraction(3, 10) for v in x[:, 0])


def test_an_end_that_only_exact_arithmetic_tells_from_a_float32_value():
    region = region_of(case([Fraction(1, 2) + Fraction(1, 10**30)], [1], []), 1)
    assert region.lower == 0.5 < region.nearest(np.array([[0.0]]))[0, 0]


def test_a_box_without_float32_values_has_no_points():
    region = region_of(case([Fraction(1, 3)], [Fraction(1, 3)], []), 1)
    assert len(region.nearest(np.zeros((5, 1)))) == len(in_box(region, np.random.default_rng(0), 5)) == 0


@pytest.mark.parametrize("faces", [0.0, 0.4])
def test_share_of_points_at_ends(faces):
    x = in_box(region_of(case([0, 0], [1, 1], []), 1), np.random.default_rng(0), 4000, faces=faces)
    assert abs(np.isin(x, (0, 1)).mean() - faces) < 0.05
