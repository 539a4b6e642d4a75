"""The verdicts of a verification."""

from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

from engine.proof import Proof
from engine.property import Vector


@dataclass(frozen=True, slots=True)
class Counterexample:
    """A point inside the exact input box whose output is unsafe.

    `exact_outputs` are the network's outputs at the point in exact rational arithmetic. `exact` and `replayed` are True
    where it is unsafe in that, and in onnxruntime on the CPU. Where the network can be given the point, it is
    `inputs`, and `outputs` are onnxruntime's there. Else it is `exact_inputs`; `inputs` are the nearest floating-point
    numbers, `outputs` onnxruntime's at these, and `replayed` is False. Of a rounded network
    `exact_outputs` are those of its stored numbers; `exact` means that the numbers they stand for are unsafe, too.
    """

    inputs: tuple[float, ...]
    outputs: tuple[float, ...]
    exact_outputs: Vector
    exact: bool
    replayed: bool
    exact_inputs: Vector | None = None

    @property
    def executable(self) -> bool:
        """True where the network can be given the point."""
        return self.exact_inputs is None

    @property
    def point(self) -> Vector:
        """The point, exactly."""
        return tuple(map(Fraction, self.inputs)) if self.exact_inputs is None else self.exact_inputs

    @property
    def stands(self) -> bool:
        """True where it is unsafe in both arithmetics."""
        return self.exact and self.replayed


@dataclass(frozen=True, slots=True)
class Statistics:
    """The cost of a verdict: boxes bounded, the instance's own share of the run's seconds, and the device."""

    boxes: int
    seconds: float
    device: str


@dataclass(frozen=True, slots=True)
class Verified:
    """The property holds under `semantics`: on boxes that cover all cases every unsafe polytope is excluded.

    `near_miss`, if any, is a point found unsafe as executed although the property holds exactly; `proof`
    is there if it was asked for; `warning` says so if the property holds for every network.
    """

    semantics: str
    statistics: Statistics
    near_miss: Counterexample | None = None
    proof: Proof | None = None
    warning: str = ""
    word = "unsat"


@dataclass(frozen=True, slots=True)
class Violated:
    """The property is violated in exact arithmetic, and as executed by onnxruntime where the network can be given the
    point. It cannot only in real semantics, and only where no point is known that it can be given."""

    counterexample: Counterexample
    semantics: str
    statistics: Statistics
    word = "sat"


@dataclass(frozen=True, slots=True)
class Standing:
    """The state of a search that was given up.

    open: the number of open boxes; deepest: the most splits of one; width: their median width as a share of the case's
    box, in the input where that is largest; bound, nearest: a row of each unsafe polytope is above `bound` where it is
    not proved to be above zero, and all rows of one are at most `nearest` at a point that was tried (None where nothing
    was bounded or tried); ties: the number of boxes where nothing but rounding was between the two, and zero.
    """

    open: int
    deepest: int
    width: float
    bound: float | None
    nearest: float | None
    ties: int = 0


@dataclass(frozen=True, slots=True)
class Unknown:
    """The property is not decided, for this `reason`. `proved` is the share of the cases' volume where it holds.

    `boxes` [n, 2, inputs]: lower and upper ends of open boxes, the most suspicious, if they were asked for.
    """

    reason: str
    timed_out: bool
    proved: float
    semantics: str
    statistics: Statistics
    near_miss: Counterexample | None = None
    boxes: np.ndarray | None = field(default=None, compare=False, repr=False)
    standing: Standing | None = None

    @property
    def word(self) -> str:
        return "timeout" if self.timed_out else "unknown"


Verdict = Verified | Violated | Unknown
