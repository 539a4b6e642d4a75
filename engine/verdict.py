"""What a verification can say."""

from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

from engine.proof import Proof


@dataclass(frozen=True, slots=True)
class Counterexample:
    """A float32 point inside the exact input box whose output is unsafe.

    `exact_outputs` are the network's outputs at `inputs` in exact rational arithmetic, `outputs`
    those of onnxruntime on the CPU. `exact` and `replayed` say in which of the two it is unsafe.
    """

    inputs: tuple[float, ...]
    outputs: tuple[float, ...]
    exact_outputs: tuple[Fraction, ...]
    exact: bool
    replayed: bool


@dataclass(frozen=True, slots=True)
class Statistics:
    """What a verdict cost: boxes bounded, the instance's own share of the run's seconds, where."""

    boxes: int
    seconds: float
    device: str


@dataclass(frozen=True, slots=True)
class Verified:
    """The property holds under `semantics`: on boxes that cover all cases every unsafe polytope is excluded.

    `near_miss`, if any, is a point found unsafe as executed although the property holds exactly; `proof`
    is there if it was asked for; `warning` is there if the property holds for every network.
    """

    semantics: str
    statistics: Statistics
    near_miss: Counterexample | None = None
    proof: Proof | None = None
    warning: str = ""
    word = "unsat"


@dataclass(frozen=True, slots=True)
class Violated:
    """The property is violated, in exact arithmetic and as executed by onnxruntime."""

    counterexample: Counterexample
    semantics: str
    statistics: Statistics
    word = "sat"


@dataclass(frozen=True, slots=True)
class Unknown:
    """Not decided; `reason` says why. `proved` is the share of the cases' volume where it holds.

    `boxes` [n, 2, inputs]: lower and upper ends of open boxes, the most suspicious, if they were asked for.
    """

    reason: str
    timed_out: bool
    proved: float
    semantics: str
    statistics: Statistics
    near_miss: Counterexample | None = None
    boxes: np.ndarray | None = field(default=None, compare=False, repr=False)

    @property
    def word(self) -> str:
        return "timeout" if self.timed_out else "unknown"


Verdict = Verified | Violated | Unknown
