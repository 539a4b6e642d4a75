"""Safety properties as exact data: boxes of a network's inputs, and the outputs that are unsafe there."""

from dataclasses import dataclass
from fractions import Fraction

Vector = tuple[Fraction, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """inputs . x + outputs . y + constant <= 0, or < 0 where `strict`: one row of an unsafe polytope."""

    inputs: Vector
    outputs: Vector
    constant: Fraction
    strict: bool = False

    def value(self, x: Vector, y: Vector) -> Fraction:
        """The left-hand side, exactly."""
        terms = (c * v for cs, vs in ((self.inputs, x), (self.outputs, y)) for c, v in zip(cs, vs) if c)
        return sum(terms, self.constant)

    def holds(self, x: Vector, y: Vector, radii: Vector = ()) -> bool:
        """True iff (x, y) lies on the unsafe side, exactly, and so does all within `radii` of y, if given."""
        value = self.value(x, y) + sum((abs(c) * r for c, r in zip(self.outputs, radii)), Fraction(0))
        return value < 0 if self.strict else value <= 0


@dataclass(frozen=True, slots=True)
class Polytope:
    """The intersection of its rows; with no rows, everything."""

    rows: tuple[Row, ...]

    def contains(self, x: Vector, y: Vector, radii: Vector = ()) -> bool:
        """True iff it contains (x, y), and all within `radii` of y, if given."""
        return all(row.holds(x, y, radii) for row in self.rows)


@dataclass(frozen=True, slots=True)
class Case:
    """An input box, ends included and exact, and the union of polytopes that is unsafe on it."""

    lower: Vector
    upper: Vector
    unsafe: tuple[Polytope, ...]

    def violated_at(self, x: Vector, y: Vector, radii: Vector = ()) -> bool:
        """True iff x is in the box and (x, y) in an unsafe polytope, exactly, and so is all within `radii` of y."""
        inside = all(lo <= v <= hi for lo, v, hi in zip(self.lower, x, self.upper))
        return inside and any(polytope.contains(x, y, radii) for polytope in self.unsafe)


@dataclass(frozen=True, slots=True)
class Property:
    """A property that holds for a network f iff no case contains an x with (x, f(x)) unsafe.

    A counterexample is a point of one case. Without cases it holds for every network; `emptiness` says why
    there are none. sha256: of the (decompressed) file that was read.
    """

    cases: tuple[Case, ...]
    n_inputs: int
    n_outputs: int
    name: str = ""
    sha256: str = ""
    emptiness: str = ""

    @property
    def warning(self) -> str:
        """A warning for users of the verdict, where the property says nothing about any network; else empty."""
        if self.cases:
            return ""
        why = f" ({self.emptiness})" if self.emptiness else ""
        return f"nothing satisfies the asserts{why}: unsat says nothing about the network"
