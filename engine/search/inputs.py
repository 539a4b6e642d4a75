"""The inputs of a polytope, also those of them that a network can be given.

A network is given numbers of floating point; a box, an open interval or an equation may hold none, and still hold real
points.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import numpy as np

from engine.exact import derivatives, evaluate, floats_inside, nearest_floats, number_text
from engine.joint import Model, blocks_of
from engine.network import Network
from engine.property import Case, Polytope, Row, Vector
from engine.search.equations import Lattice, dyadic_solutions, equations, moved_onto, pivots, solved

NEWTON_STEPS = 3  # to a point that solves equations of outputs, each exact where no sign changes
TOWARDS_MIDDLE = tuple(Fraction(1, 2**k) for k in (60, 20, 10, 4, 1, 0))  # ways from a point to the set's middle
MAX_TERMS = 6  # of an equation in a message
BITS_FEWER = range(1, 13)  # than the numbers have, in the steps of solutions


@dataclass(frozen=True, slots=True)
class Gap:
    """The reason why a network can be given no input of a set, and advice what to write instead."""

    what: str
    advice: str


class InputSet:
    """The inputs of a case's box that satisfy the rows of a polytope that are over inputs alone.

    `lower`, `upper`: the box tightened by rows over one input, whose ends may be excluded (`open_lower`, `open_upper`).
    """

    def __init__(self, case: Case, polytope: Polytope | None, number: type[np.floating]):
        self.number = number
        self.equations = equations(polytope) if polytope else ()
        self.lower, self.upper = list(case.lower), list(case.upper)
        self.open_lower: set[int] = set()
        self.open_upper: set[int] = set()
        for row in polytope.rows if polytope else ():
            self._tighten(row)

    def _tighten(self, row: Row) -> None:
        places = [i for i, c in enumerate(row.inputs) if c]
        if len(places) != 1 or any(row.outputs):
            return
        (i,) = places
        bound = -row.constant / row.inputs[i]
        ends, excluded, sign = (
            (self.upper, self.open_upper, 1) if row.inputs[i] > 0 else (self.lower, self.open_lower, -1)
        )
        if sign * (bound - ends[i]) < 0:
            ends[i] = bound
            excluded.discard(i)
        if row.strict and bound == ends[i]:
            excluded.add(i)

    @property
    def plain(self) -> bool:
        """True where it is no more than a closed box."""
        return not (self.equations or self.open_lower or self.open_upper)

    @cached_property
    def floats(self) -> tuple[np.ndarray, np.ndarray]:
        """The least and the greatest numbers of floating point in each input's interval; where low > high, none."""
        low, high = floats_inside(self.lower, self.upper, self.number)
        end = self.number(np.inf)
        for i in self.open_lower:
            low[i] = np.nextafter(low[i], end) if Fraction(float(low[i])) == self.lower[i] else low[i]
        for i in self.open_upper:
            high[i] = np.nextafter(high[i], -end) if Fraction(float(high[i])) == self.upper[i] else high[i]
        return low, high

    @cached_property
    def lattice(self) -> Lattice | Row | None:
        """The equations' solutions in dyadic numbers, inputs of one value put in (see dyadic_solutions).

        None where there are no equations.
        """
        rows = [self._with_pins(row) for row in self.equations if not any(row.outputs)]
        places = -int(np.log2(float(np.finfo(self.number).smallest_subnormal)))
        return dyadic_solutions(rows, places=places) if rows else None

    def _with_pins(self, row: Row) -> Row:
        pins = [i for i, c in enumerate(row.inputs) if c and self.lower[i] == self.upper[i]]
        constant = row.constant + sum(row.inputs[i] * self.lower[i] for i in pins)
        inputs = tuple(Fraction(0) if i in pins else c for i, c in enumerate(row.inputs))
        return Row(inputs, row.outputs, constant, row.strict)

    @cached_property
    def gap(self) -> Gap | None:
        """The reason why no floating-point number lies in it; None where that is not known."""
        name = self.number.__name__
        low, high = self.floats
        for i in np.flatnonzero(low > high).tolist():
            near = nearest_floats([(self.lower[i] + self.upper[i]) / 2], self.number)[0]
            return _interval_gap(i, self.lower[i], self.upper[i], near, i in self.open_lower | self.open_upper)
        if isinstance(self.lattice, Row):
            rows = [row for row in self.equations if not any(row.outputs)]
            row = next(row for row in rows if self._with_pins(row) == self.lattice)
            alone = len(rows) == 1 and row == self.lattice
            others = "" if alone else ", with the other equations and inputs of one value,"
            return Gap(
                f"{_equation_text(row)}{others} has no solution in {name} numbers",
                "write two inequalities with some room between them",
            )
        return None

    # Points

    def rounded(self, point: np.ndarray) -> Vector | None:
        """The floating-point numbers in the intervals that are nearest to a point; None where there are none."""
        low, high = self.floats
        if (low > high).any():
            return None
        with np.errstate(over="ignore"):
            return tuple(Fraction(float(v)) for v in np.clip(point.astype(self.number), low, high))

    def real(self, point: np.ndarray, network: Model) -> Vector | None:
        """An exact point near a point that satisfies equations and intervals, if it is found."""
        x = tuple(self._inside(i, Fraction(float(v))) for i, v in enumerate(point))
        if len(self.equations) == 1 and not any(self.equations[0].outputs):
            return moved_onto(self.equations[0], x, self.lower, self.upper)
        return self._solved(x, network) if self.equations else x

    def executable_near(self, point: Vector, network: Model) -> Iterator[Vector]:
        """Points of the set in floating-point numbers, as far as they are found, the nearest to an exact point of it
        first."""
        middle = self.real(np.array([float(a + b) / 2 for a, b in zip(self.lower, self.upper)]), network)
        if middle is None:
            return
        tried: set[Vector] = set()
        for way in TOWARDS_MIDDLE:
            found = self._executable(tuple(a + way * (b - a) for a, b in zip(point, middle)))
            if found and found not in tried:
                tried.add(found)
                yield found

    def _inside(self, i: int, value: Fraction) -> Fraction:
        low, high = self.lower[i], self.upper[i]
        inset = (high - low) / 1024
        low += inset * (i in self.open_lower)
        high -= inset * (i in self.open_upper)
        return min(max(value, low), high)

    def _solved(self, x: Vector, network: Model) -> Vector | None:
        """A point that solves the equations, by Newton's method in inputs with room on both sides; None where it leaves
        the intervals, or a step has no solution."""
        of_outputs = any(any(row.outputs) for row in self.equations)
        if of_outputs and any(block.network.has_curves for block in blocks_of(network)):
            return None  # their values are irrational
        for _ in range(NEWTON_STEPS if of_outputs else 1):
            y = evaluate(network, x) if of_outputs else ()
            numbers, columns = pivots(self._slopes(x, network) * self._room(x))
            slopes = derivatives(network, x, columns) if of_outputs else [() for _ in columns]
            rows = [self.equations[i] for i in numbers]
            grow = [
                [row.inputs[j] + sum(c * s for c, s in zip(row.outputs, slope)) for j, slope in zip(columns, slopes)]
                for row in rows
            ]
            step = solved(grow, [-row.value(x, y) for row in rows])
            if step is None:
                return None
            moved = dict(zip(columns, step))
            x = tuple(v + moved.get(i, 0) for i, v in enumerate(x))
            if not all(low <= v <= high for low, v, high in zip(self.lower, x, self.upper)):
                return None
        return x

    def _slopes(self, x: Vector, network: Model) -> np.ndarray:
        """The slopes of each equation's left-hand side in each input, about: [equations, inputs]."""
        point = np.array([float(v) for v in x])
        outputs = np.array([[float(c) for c in row.outputs] for row in self.equations])
        total = np.array([[float(c) for c in row.inputs] for row in self.equations])
        for block in blocks_of(network):
            own, outputs = np.split(outputs, [block.network.n_outputs], axis=1)
            inputs = np.array(block.inputs)
            np.add.at(total.T, inputs, _slopes(block.network, own, point[inputs]).T)
        return total

    def _room(self, x: Vector) -> np.ndarray:
        return np.array([float(min(v - low, high - v)) for low, v, high in zip(self.lower, x, self.upper)])

    def _executable(self, x: Vector) -> Vector | None:
        """Floating-point numbers near a point that satisfy intervals and equations."""
        found = self.rounded(np.array([float(v) for v in x]))
        if found is None or not isinstance(self.lattice, Lattice):
            return found if self.lattice is None else None
        rest = tuple(a if i in self.lattice.used else b for i, (a, b) in enumerate(zip(x, found)))
        size = max(abs(rest[i]) for i in self.lattice.used) if self.lattice.used else Fraction(0)
        bits = np.finfo(self.number).nmant - int(np.ceil(np.log2(max(float(size), 2.0**-100))))
        low, high = self.floats
        for fewer in BITS_FEWER:
            near = self.lattice.near(rest, Fraction(2) ** (fewer - bits))
            if near is None:
                return None
            held = nearest_floats(near, self.number)
            if all(Fraction(float(v)) == w for v, w in zip(held, near)) and ((low <= held) & (held <= high)).all():
                return near
        return None


def _slopes(network: Network, rows: np.ndarray, x: np.ndarray) -> np.ndarray:
    """The slopes [rows, inputs] at x of rows [rows, outputs] over the network's outputs."""
    h, signs = x, []
    for layer in network.layers:
        z = layer.matrix @ h + layer.bias
        signs.append(layer.passes(z))
        h = layer.outputs(z)
    for layer, sign in zip(reversed(network.layers), reversed(signs)):
        rows = (rows * sign) @ layer.matrix
    return rows


def _interval_gap(i: int, lower: Fraction, upper: Fraction, near: np.floating, is_open: bool) -> Gap:
    name, exact = type(near).__name__, number_text(Fraction(float(near)))
    if lower == upper and not is_open:
        held = f"write {exact}, or an interval around it" if "about" not in exact else "write an interval around it"
        return Gap(f"X_{i} is {number_text(lower)} exactly, which {name} cannot hold", held)
    if lower > upper:
        ends = f"at least {number_text(lower)} and at most {number_text(upper)}"
        return Gap(f"X_{i} is to be {ends}", "correct its bounds")
    ends = f"{'strictly ' * is_open}between {number_text(lower)} and {number_text(upper)}"
    return Gap(f"X_{i} lies {ends}, where {name} has no number", f"widen the interval to hold {exact}")


def _equation_text(row: Row) -> str:
    """The equation, divided by its first coefficient, in a property's names."""
    lead = next(c for c in row.inputs if c)
    terms = [(c / lead, f"X_{i}") for i, c in enumerate(row.inputs) if c]
    text = " ".join(f"{'-' if c < 0 else '+'} {_factor(c)}{x}" for c, x in terms[:MAX_TERMS])
    more = f" + ... ({len(terms)} terms)" if len(terms) > MAX_TERMS else ""
    return f"{text.removeprefix('+ ')}{more} = {number_text(-row.constant / lead)}"


def _factor(c: Fraction) -> str:
    return "" if abs(c) == 1 else f"{number_text(abs(c))} "


def gap_of(case: Case, number: type[np.floating]) -> Gap | None:
    """The reason why a network can be given no input of an unsafe polytope of the case.

    None where it can, where that is not known, or where nothing is unsafe.
    """
    gap = InputSet(case, None, number).gap if case.unsafe else None
    for polytope in case.unsafe if gap is None else ():
        gap = InputSet(case, polytope, number).gap if any(any(row.inputs) for row in polytope.rows) else None
        if gap is None:
            return None
    return gap
