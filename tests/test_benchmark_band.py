"""Estimates of the boxes that a proof outside a tie band takes."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from engine.acasxu.quantities import SCORE_SCALE


@pytest.fixture
def benchmark(monkeypatch):
    """Returns import_module for the scripts of benchmarks/."""
    from importlib import import_module

    monkeypatch.syspath_prepend(str(Path(__file__).parent.parent / "benchmarks"))
    return import_module


def test_boxes_until_a_share_is_open(benchmark):
    """Half of the points at depth 1, half at 3: 1 + 2 boxes, then half of 4 and half of 8."""
    boxes_until = benchmark("band_depths").boxes_until
    found = np.array([1, 3])
    assert (boxes_until(found, 0.5), boxes_until(found, 0.0)) == (3, 9)
    assert boxes_until(np.array([1, 45]), 0.5) == 3


def test_a_gap_in_network_units(benchmark):
    gap = Fraction(benchmark("preserve_band").in_network_units("1"))
    assert abs(gap * SCORE_SCALE - 1) < Fraction(1, 10**8)
