"""Shares of a box's volume, added up exactly (section 9, "The certificate is accepted")."""

from fractions import Fraction
from math import prod
from typing import NamedTuple

from engine.audit.data import Case, Objects
from engine.audit.dyadic import Dyadic
from engine.audit.nodes import Nodes


class Share(NamedTuple):
    """part / 2^bits of the volume over / under.

    Whole numbers of maybe millions of digits, which are never reduced.
    """

    part: int
    bits: int
    over: int
    under: int

    @classmethod
    def nothing(cls, case: Case) -> "Share":
        """None of the volume of the case's box."""
        sides = [high - low for low, high in zip(case.lower, case.upper, strict=True)]
        over = prod(side.numerator for side in sides)
        return cls(0, 0, over, prod(side.denominator for side in sides))

    def more(self, part: int, bits: int) -> "Share":
        """With another part / 2^bits."""
        most = max(bits, self.bits)
        total = (self.part << most - self.bits) + (part << most - bits)
        return self._replace(part=total, bits=most)

    def at_most(self, claimed: Fraction) -> bool:
        """Exactly. A share above 1 is 1."""
        numerator, denominator = claimed.as_integer_ratio()
        part, whole = self._ratio()
        return claimed >= 1 or part * denominator <= numerator * whole

    @property
    def percent(self) -> str:
        """For a message: nearly."""
        part, whole = self._ratio()
        return f"{min(1, (part << 60) // whole / 2**60):.9%}"

    def _ratio(self) -> tuple[int, int]:
        return self.part * self.under, self.over << self.bits


def volumes(nodes: Nodes) -> tuple[Objects, int]:
    """The volumes of the nodes' boxes, exactly: numbers / 2^bits."""
    widths = Dyadic.of(nodes.upper) - Dyadic.of(nodes.lower)
    n_inputs = nodes.lower.shape[1]
    found: Objects = prod(widths.numbers[:, d] for d in range(n_inputs))  # of integers: exact
    return found, widths.bits * n_inputs
