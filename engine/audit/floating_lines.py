"""Lines in float64, at each node of a batch, and rows through them (sections 5, 6 and 11)."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from engine.audit.data import Floats, Integers, Singles, Truths


class Lines(NamedTuple):
    """Section 5's lines of one layer, at each node of a batch: a middle and what is to its sides.

    slope z + offset - (slope_spread z + offset_spread) <= h
                         h <= slope z + offset + (slope_spread z + offset_spread)

    where slope = (a + c) / 2, slope_spread = (c - a) / 2, offset = t / 2 and offset_spread =
    t / 2 + s: [n, neurons + 1], the last for a row's constant. With r of a curve (section 14),
    offset = (t + r) / 2 and offset_spread = (t - r) / 2 + s. noise is N(M + t) and size H:
    [n, neurons].

    difference: in the second block of a pair, the lines of differences (section 11), which are used
    where coupled is 1 [n, neurons + 1], not 0.
    """

    slope: Floats
    slope_spread: Floats
    offset: Floats
    offset_spread: Floats
    noise: Floats
    size: Floats
    difference: "Lines | None" = None
    coupled: Floats | None = None

    def at(self, node: Integers) -> "Lines":
        """The lines of one node for each row. noise and size remain those of the batch."""
        return Lines(
            slope=self.slope.take(node, axis=0),
            slope_spread=self.slope_spread.take(node, axis=0),
            offset=self.offset.take(node, axis=0),
            offset_spread=self.offset_spread.take(node, axis=0),
            noise=self.noise,
            size=self.size,
            difference=None if self.difference is None else self.difference.at(node),
            coupled=None if self.coupled is None else self.coupled.take(node, axis=0),
        )

    def relax(self, rows: Floats) -> Floats:
        """Section 6, step 1: rows [.., m, neurons + 1] over h -> rows over z, nowhere larger."""
        size = np.abs(rows)
        constant = np.vecdot(rows, self.offset) - np.vecdot(size, self.offset_spread)
        rows = rows * self.slope - size * self.slope_spread
        rows[..., -1] += constant
        return rows

    def with_slopes(self, given: Floats, l: Singles, u: Singles) -> "Lines":
        """Section 6, "An exclusion": with lower slopes of its own, where they are given.

        Where u <= 0 the lower slope is 0; else where l >= 0 it is 1.
        """
        a, c = self.slope - self.slope_spread, self.slope + self.slope_spread
        slopes = np.clip(given, l >= 0, u > 0)
        a[:, :-1] = np.where(np.isnan(slopes), a[:, :-1], slopes)
        return self._replace(slope=(a + c) / 2, slope_spread=(c - a) / 2)

    def with_differences(self, is_coupled: Truths, c: Floats, give: Floats) -> "Lines":
        """Section 11, "Bounds", step 6: with (1 - c) d - give <= delta <= c d + give."""
        zero = np.zeros_like(c)
        difference = lines_of(1 - c, c, zero, give, zero, zero)
        return self._replace(difference=difference, coupled=_pad(is_coupled.astype(float), 0))


def lines_of(
    a: Floats,
    c: Floats,
    t: Floats,
    s: Floats,
    noise: Floats,
    size: Floats,
    r: Floats | float = 0.0,
) -> Lines:
    """Lines of a, c, t, s of section 5's table, and r of section 14, where there is a curve.

    A row's constant is passed on as it is.
    """
    return Lines(
        slope=_pad((a + c) / 2, 1),
        slope_spread=_pad((c - a) / 2, 0),
        offset=_pad((t + r) / 2, 0),
        offset_spread=_pad((t - r) / 2 + s, 0),
        noise=noise,
        size=size,
    )


def _pad(part: Floats, end: int) -> Floats:
    """With one more column."""
    padded = np.full((part.shape[0], part.shape[1] + 1), end, np.float64)
    padded[:, :-1] = part
    return padded


def relax(rows: list[Floats], lines: Sequence[Lines]) -> list[Floats]:
    """Section 6, step 1, of one layer; or of both of a stage, as section 11 has it.

    rows over h -> rows over z, nowhere larger; of each layer [.., m, neurons + 1].
    """
    if len(rows) == 1:
        return [lines[0].relax(rows[0])]
    first, second = rows
    f, g = lines
    assert g.difference is not None and g.coupled is not None
    shared = second * g.coupled  # B
    change = g.difference.relax(shared)  # B'
    first = f.relax(first + shared)
    first[..., :-1] -= change[..., :-1]
    return [first, g.relax(second - shared) + change]
