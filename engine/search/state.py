"""One problem while it is searched."""

import heapq
from dataclasses import dataclass, field
from math import inf
from typing import NamedTuple

from engine.search.problem import Problem
from engine.verdict import Counterexample, Verdict

LONG = 32_768  # boxes of a problem; longer searches try what would not pay before


class Known(NamedTuple):
    """Of an open box: the distance of its worst corner from unsafe, and a lower bound of that of all its points."""

    value: float
    bound: float


@dataclass(slots=True, eq=False)
class ProblemState:
    """A problem while it is searched.

    index: its place among all problems
    limit: seconds after which it is given up
    open: slots of its open boxes, newest last
    begun: its first so many cases were opened
    trees: the ids of their roots, for the recorder
    roots: the slots of those that have an open box
    apart: by the slot of a root, how many trees it has, where each open polytope has one of its own
    proved: the share of its volume where it holds
    ties: boxes so far whose margin is zero, or less than rounding can change
    tie, stuck: True once such a box, or one that can be split no further, was left for good
    bound: the least bound of those
    nearest: the distance of the worst point from unsafe
    confirmations: points that were looked at exactly
    unchecked: True once a suspicious point could not be looked at in time
    near_miss: the best point that is unsafe in exact arithmetic or as executed, but decides nothing
    attack_at: the number of its boxes from which conjunctions are attacked the next time
    restart_at: the number of its boxes from which it is attacked from many new starts the next time (restarts.py)
    by_sign: True where signs are split if its inputs are many (ways.py)
    turn: the work after which its rival may have its turn
    rival: the state of the same problem split the other way, if it has one
    given_up_at: the boxes and confirmations done when it was known that there will be no proof
    """

    index: int
    problem: Problem
    limit: float = inf
    open: dict[int, Known] = field(default_factory=dict)
    begun: int = 0
    trees: list[int] = field(default_factory=list)
    roots: set[int] = field(default_factory=set)
    apart: dict[int, int] = field(default_factory=dict)
    boxes: int = 0
    seconds: float = 0.0
    proved: float = 0.0
    ties: int = 0
    tie: bool = False
    stuck: bool = False
    bound: float = inf
    nearest: float = inf
    confirmations: int = 0
    attack_at: int = 0
    restart_at: int = 0
    by_sign: bool = True
    turn: int = 0
    rival: "ProblemState | None" = field(default=None, repr=False)
    given_up_at: tuple[int, int] | None = None
    unchecked: bool = False
    counterexample: Counterexample | None = None
    near_miss: Counterexample | None = None
    verdict: Verdict | None = None

    @property
    def refuted(self) -> bool:
        """True once some point is unsafe in exact arithmetic."""
        return self.near_miss is not None and self.near_miss.exact

    @property
    def long(self) -> bool:
        """True once it has taken very many boxes."""
        return self.boxes >= LONG

    def give_up_proof(self) -> None:
        """From now on only a counterexample is sought."""
        self.given_up_at = self.given_up_at or (self.boxes, self.confirmations)

    @property
    def since(self) -> tuple[int, int]:
        """Boxes and confirmations since the proof was given up."""
        boxes, confirmations = self.given_up_at or (self.boxes, self.confirmations)
        return self.boxes - boxes, self.confirmations - confirmations

    def begin(self, root: int, tree: int) -> None:
        """Notes the next case's root and the id of its tree."""
        self.begun += 1
        self.roots.add(root)
        self.trees.append(tree)

    @property
    def waiting(self) -> int:
        """The number of its cases that were not opened yet."""
        return len(self.problem.property.cases) - self.begun

    @property
    def spent(self) -> float:
        """The seconds of the problem, both ways."""
        return self.seconds + (self.rival.seconds if self.rival else 0.0)

    @property
    def all_boxes(self) -> int:
        """The boxes of the problem, both ways."""
        return self.boxes + (self.rival.boxes if self.rival else 0)

    @property
    def late(self) -> bool:
        return self.spent >= self.limit

    def take(self, n: int, *, newest: bool) -> dict[int, Known]:
        """Removes n open boxes: half the most suspicious, which finds counterexamples, half the newest,
        which keeps few boxes open; all of them where few must be open."""
        mixed = n < len(self.open) and not newest
        best = heapq.nsmallest(n // 2, self.open, key=self.open.__getitem__) if mixed else []
        taken = {slot: self.open.pop(slot) for slot in best}
        taken.update(self.open.popitem() for _ in range(n - len(best)))
        return taken
