"""The task of a repair, and what is known while it runs.

A method is a generator: it yields networks that may be the repair, and is resumed after the loop has tried to
prove each of them and has added what it found to the evidence. It ends when it has no more to offer.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from math import inf

import numpy as np

from engine.comparison.decision import Decision
from engine.errors import InputError
from engine.network import Network
from engine.property import Property
from engine.search.problem import Options

AUTO = "auto"
#: In the order in which `auto` tries them: what changes few weights and is fast comes first.
METHOD_NAMES = ("milp", "gradient", "idle", "smt")
STRUCTURAL = "structural"
#: Guarantees that can be demanded of a repair, beside what is proved of it.
GUARANTEES = (STRUCTURAL,)
#: The methods whose programs can be told to give it; others give it by chance, if at all.
_GUARANTEED_BY = {STRUCTURAL: ("milp",)}

Say = Callable[[str], None]


def silent(text: str) -> None:
    """Says nothing."""


@dataclass(frozen=True, slots=True)
class RepairOptions:
    """Options of a repair. InputError for an unknown method and for times that are not above 0.

    method: auto, or one of METHOD_NAMES. timeout: seconds for all, after which no method is asked and no proof goes on.
    proof_timeout: seconds of the search's work for each property of a candidate. At first it gets a share of them; the
    candidate proved most of gets all, where a method has no other. patience: seconds, proofs apart, for which a
    candidate that changes less is looked for, once there is one. points: samples of each region on which candidates,
    and in the end the original and the repaired network, are compared. grid: points along each input of a regular
    grid, on which these two are compared too. semantics, device: of the proofs. localization: which neurons and edges
    `gradient` and `smt` try first, vere or nnrepair; None: their own order. guarantee: None, or structural: candidates
    without a theorem for every input (engine/comparison/structure.py) are passed over. max_score_change: candidates
    without a proof that no score changes by more anywhere in the domain, in exact arithmetic, are passed over.
    keep_outputs: where no decision is known, samples outside the boxes are changed where an output changes by more.
    by_method: further options of methods, by the method's name.
    """

    method: str = AUTO
    timeout: float | None = None
    proof_timeout: float = 20.0
    patience: float = 10.0
    points: int = 1_000_000
    grid: int = 30
    seed: int = 0
    semantics: str = "real"
    device: str = "auto"
    localization: str | None = None
    guarantee: str | None = None
    max_score_change: Fraction | None = None
    keep_outputs: Fraction | None = None
    by_method: Mapping[str, Mapping[str, object]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.method not in (AUTO, *METHOD_NAMES):
            advice = f"use {AUTO}, {', '.join(METHOD_NAMES)}"
            raise InputError(f"unknown method {self.method!r}", advice=advice)
        if self.guarantee not in (None, *GUARANTEES):
            raise InputError(f"unknown guarantee {self.guarantee!r}", advice=f"use {', '.join(GUARANTEES)}")
        for name, seconds in (("timeout", self.timeout), ("proof_timeout", self.proof_timeout)):
            if seconds is not None and not seconds > 0:
                raise InputError(f"{name} is {seconds}", advice="use a number of seconds above 0")
        for name, most in (("max_score_change", self.max_score_change), ("keep_outputs", self.keep_outputs)):
            if most is not None and not most > 0:
                raise InputError(f"{name} is {most}, and a repair changes some output", advice="use a number above 0")

    @property
    def methods(self) -> tuple[str, ...]:
        """The names of the methods that are tried, in this order."""
        if self.method != AUTO:
            return (self.method,)
        return _GUARANTEED_BY[self.guarantee] if self.guarantee else METHOD_NAMES

    def search(self, share: float = 1.0) -> Options:
        """Options of the search by which candidates are proved, in this share of the time."""
        return Options(
            timeout=share * self.proof_timeout,
            semantics=self.semantics,
            device=self.device,
            seed=self.seed,
            proofs=True,
            open_boxes=64,
        )


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """Make `targets` hold, and keep those that hold already (`keep`), with little other change.

    lower, upper: float64 [inputs], the domain on which decisions are to stay as they are. Methods know of the lowest
    output alone: for another decision they see the task's mirror image (methods.py), and the rest of this package calls
    the lowest output the advisory. max_change: of a score, a guide for what is offered. tolerance: where it is finite,
    no decision counts: no output is to change by more outside the targets' boxes.
    """

    network: Network
    targets: tuple[Property, ...]
    keep: tuple[Property, ...]
    lower: np.ndarray
    upper: np.ndarray
    seed: int = 0
    decision: Decision = Decision.LOWEST
    max_change: float = inf
    tolerance: float = inf

    @property
    def properties(self) -> tuple[Property, ...]:
        """All that are to be proved of the result."""
        return self.targets + self.keep


@dataclass(frozen=True, slots=True, eq=False)
class Box:
    """An open box [lower, upper] of a case of properties[property]."""

    property: int
    case: int
    lower: np.ndarray
    upper: np.ndarray


@dataclass(frozen=True, slots=True, eq=False)
class Counterexample:
    """A float32 point of a case of properties[property], unsafe for the original or for a candidate."""

    property: int
    case: int
    point: np.ndarray


@dataclass(slots=True, eq=False)
class Evidence:
    """Evidence learned so far. The loop replaces `boxes` at each round, and adds to `counterexamples` and `changed`.

    changed: samples whose advisory a candidate changed, and should not have; lowest: the lowest share of a
    property's volume proved for the last candidate; 1.0 where all hold.
    """

    counterexamples: list[Counterexample] = field(default_factory=list)
    boxes: list[Box] = field(default_factory=list)
    changed: list[np.ndarray] = field(default_factory=list)
    lowest: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A network that a method offers as the repair. Its numbers are such as its file can hold.

    note: what was done, in a few words; provisional: better ones may follow once the method knows the samples at which
    this one changes advisories, so that its proof can wait.
    """

    network: Network
    note: str
    provisional: bool = False
