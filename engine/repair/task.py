"""What a repair is asked for, what is known while it runs, and what a method is.

A method is a generator: it yields networks that may be the repair, and is resumed after the loop has tried to
prove each of them and has put what it met into the evidence. It ends when it has no more to offer.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from engine.comparison.decision import Decision
from engine.network import Network
from engine.property import Property


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """Make `targets` hold, and keep those that hold already (`keep`), with little other change.

    lower, upper: float64 [inputs], the domain on which decisions are to stay as they are. Methods know of the lowest
    output alone: for another decision they see the task's mirror image (mirror.py), and the rest of this package calls
    the lowest output the advisory.
    """

    network: Network
    targets: tuple[Property, ...]
    keep: tuple[Property, ...]
    lower: np.ndarray
    upper: np.ndarray
    seed: int = 0
    decision: Decision = Decision.LOWEST

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
    """What was learned so far. The loop replaces `boxes` at each round, and adds to `counterexamples` and `changed`.

    changed: samples whose advisory a candidate changed, and should not have; lowest: the lowest share of a
    property's volume proved for the last candidate; 1.0 where all hold.
    """

    counterexamples: list[Counterexample] = field(default_factory=list)
    boxes: list[Box] = field(default_factory=list)
    changed: list[np.ndarray] = field(default_factory=list)
    lowest: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A network that may be the repair; its numbers are such as its file can hold.

    note: what was done, in a few words; provisional: better ones may follow once the method knows the samples at which
    this one changes advisories, so that its proof can wait.
    """

    network: Network
    note: str
    provisional: bool = False


Say = Callable[[str], None]
#: A method: (task, evidence, say) -> candidates. `say` is told in a few words what it is at.
Method = Callable[[Task, Evidence, Say], Iterator[Candidate]]
