"""The two curves, both made of e^-x."""

from enum import IntEnum


class Curve(IntEnum):
    """f(x) = k S(k x) - (k - 1), where S is the Sigmoid, and k the curve's number.

    So with e = e^(-k x), f(x) = k / (1 + e) - (k - 1), and f'(x) = k^2 e / (1 + e)^2, the same at
    -x. f rises, f(-x) = 2 f(0) - f(x), f is convex where x <= 0 and concave where x >= 0.
    """

    SIGMOID = 1
    TANH = 2

    @property
    def ends(self) -> int:
        """2 f(0): what f(x) and f(-x) add up to."""
        return 2 - self

    @property
    def steepest(self) -> float:
        """f'(0), exactly, the largest slope."""
        return self**2 / 4

    def below(self, e: int, one: int, bits: int) -> int:
        """The largest integer that is at most 2^bits f(x), where e^(-k x) is e / one."""
        return (self * one << bits) // (one + e) - (self - 1 << bits)

    def above(self, e: int, one: int, bits: int) -> int:
        """The least integer that is at least that."""
        return -((-self * one << bits) // (one + e)) - (self - 1 << bits)
