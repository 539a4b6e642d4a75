"""The differences d = z_g - z_f of a pair of blocks, as far as no rows are needed (section 11).

All numbers are of float32, and what is computed with them is rounded to the nearest float64.
"""

from typing import NamedTuple

import numpy as np

from engine.audit.data import Floats, Singles, Truths
from engine.audit.lines import down


class Ends(NamedTuple):
    """l <= z <= u of a layer's neurons, or dl <= d <= du of a stage: [.., neurons], views."""

    l: Singles  # noqa: E741 (the format's letter)
    u: Singles

    def is_open(self) -> Truths:
        """True where l < 0 < u."""
        return (self.l < 0) & (self.u > 0)


def widest(f: Ends, g: Ends) -> Ends:
    """dl and du of neurons that are known by their own bounds alone."""
    return Ends(_below(g.l, f.u), -_below(f.l, g.u))


def meet(f: Ends, g: Ends, d: Ends) -> None:
    """Section 11, "Bounds", step 4: improves all three in place, each by the two others."""
    _narrow(d, widest(f, g))
    _narrow(g, Ends(_below(f.l, -d.l), -_below(-f.u, d.u)))  # z_g = z_f + d
    _narrow(f, Ends(_below(g.l, d.u), -_below(d.l, g.u)))  # z_f = z_g - d


def _narrow(ends: Ends, other: Ends) -> None:
    """Improves ends in place."""
    np.maximum(ends.l, other.l, out=ends.l)
    np.minimum(ends.u, other.u, out=ends.u)


def coupled(f: Ends, g: Ends, d: Ends) -> Truths:
    """Section 11, "Bounds", step 5: True where the lines of differences lose less."""
    largest = np.maximum(-d.l, d.u, dtype=np.float64)
    limit = largest + 2.0**-20 * (_width(f) + _width(g))
    found: Truths = (f.is_open() | g.is_open()) & (limit < _gap(f) + _gap(g))
    return found


def _below(v: Singles, less: Singles) -> Singles:
    """down(v - less)."""
    return down(np.subtract(v, less, dtype=np.float64))


def _gap(ends: Ends) -> Floats:
    """What the lines of a ReLU lose: at most so much lies between them."""
    l, u = ends.l.astype(np.float64), ends.u.astype(np.float64)
    width = np.where(ends.is_open(), _width(ends), 1)
    return np.where(ends.is_open(), -l * u / width, 0)


def _width(ends: Ends) -> Floats:
    return np.subtract(ends.u, ends.l, dtype=np.float64)
