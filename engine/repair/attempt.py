"""The stages of an attempt at a repair: a candidate is offered, then weighed, then tried to prove."""

import time
from dataclasses import dataclass, field
from math import inf

import numpy as np

from engine.comparison.decision import Decision
from engine.comparison.fidelity import changes, compare
from engine.comparison.structure import structure
from engine.network import Network
from engine.repair.scores.change import ScoreChange, score_change
from engine.repair.task import Box, Candidate, Counterexample, Task
from engine.search.problem import OnProgress, Options, Problem
from engine.search.verify import verify_all
from engine.verdict import Unknown, Verdict, Verified, Violated

OVERSAMPLING = 2  # times as many samples of the domain for a choice among candidates as in the final report


@dataclass(frozen=True, slots=True, order=True)
class Cost:
    """The cost of a repair, the worst first: sampled decisions inside safe parts of boxes and outside; weights.

    magnitude: of how much scores change, in doublings (ScoreChange); unbound: True iff there is no theorem that says at
    every input how the decision can change; scores: the change itself, of which only the magnitude counts.
    """

    changed: int
    magnitude: int
    unbound: bool
    weights: int
    scores: ScoreChange = field(default=ScoreChange(0.0, 0.0, 1.0, 0.0), compare=False)

    def __str__(self) -> str:
        theorem = "" if self.unbound else ", with a theorem for every input"
        return f"{self.changed:,} sampled decisions and {self.weights:,} weights changed, {self.scores}{theorem}"

    @property
    def perfect(self) -> bool:
        """True iff no sampled decision changed."""
        return self.changed == 0

    @property
    def leaves_scores(self) -> bool:
        """True iff no sampled decision changed, and scores by little of their range."""
        return self.perfect and self.scores.is_enough


@dataclass(frozen=True, slots=True, eq=False)
class Weighed:
    """A candidate, the method that offered it, and what it changes. Nothing is proved of it.

    spoils: True iff it changes too many samples to be taken for a repair.
    """

    method: str
    candidate: Candidate
    cost: Cost
    spoils: bool = False

    @property
    def network(self) -> Network:
        """The candidate's network."""
        return self.candidate.network

    @property
    def note(self) -> str:
        """The method's change in a few words."""
        return self.candidate.note

    @property
    def seconds(self) -> float:
        """The time spent on its proof: none."""
        return 0.0

    @property
    def outcome(self) -> str:
        """Why no proof was tried."""
        return f"not tried to prove: {'it changes too many samples' if self.spoils else 'another changes less'}"


@dataclass(frozen=True, slots=True, eq=False)
class Tried:
    """A weighed candidate, and what the search found when it tried to prove it.

    words: by name, the verdict on each property that was decided or given up. proved: the least share of a property's
    volume that was proved. seconds: of the search. verdicts: of all of the task's properties where all hold, else
    empty. counterexamples, boxes: of the property that was refuted, or left open.
    """

    weighed: Weighed
    words: dict[str, str]
    proved: float
    seconds: float
    counterexamples: tuple[Counterexample, ...] = ()
    boxes: tuple[Box, ...] = ()
    verdicts: tuple[Verified, ...] = ()

    @property
    def method(self) -> str:
        """The name of the method that offered the candidate."""
        return self.weighed.method

    @property
    def network(self) -> Network:
        """The candidate's network."""
        return self.weighed.network

    @property
    def note(self) -> str:
        """The method's change in a few words."""
        return self.weighed.note

    @property
    def cost(self) -> Cost:
        """The cost of the candidate."""
        return self.weighed.cost

    @property
    def outcome(self) -> str:
        """`proved`, or what was not."""
        failed = [f"{name} {word}" for name, word in self.words.items() if word != Verified.word]
        return f"not proved: {', '.join(failed)}" if failed else "proved"


Attempt = Weighed | Tried


class _Enough(Exception):
    """A property was refuted or given up: the others need not be decided."""


def prove(task: Task, weighed: Weighed, options: Options, *, on_progress: OnProgress | None = None) -> Tried:
    """Has the search decide the task's properties for the candidate, up to the first that is not proved.

    on_progress may raise what ends all.
    """
    start = time.monotonic()
    verdicts: dict[int, Verdict] = {}

    def on_verdict(index: int, verdict: Verdict) -> None:
        verdicts[index] = verdict
        if not isinstance(verdict, Verified):
            raise _Enough

    problems = [Problem(weighed.network, prop) for prop in task.properties]
    try:
        verify_all(problems, options, on_verdict=on_verdict, on_progress=on_progress)
    except _Enough:
        pass
    return _tried(task, weighed, verdicts, time.monotonic() - start)


def _tried(task: Task, weighed: Weighed, verdicts: dict[int, Verdict], seconds: float) -> Tried:
    """The attempt that these verdicts, by the property's number, make of a candidate."""
    words = {task.properties[i].name: verdict.word for i, verdict in sorted(verdicts.items())}
    for index, verdict in verdicts.items():
        if isinstance(verdict, Violated):
            point = np.array(verdict.counterexample.inputs, np.float32)
            found = Counterexample(index, _case(task, index, point), point)
            return Tried(weighed, words, 0.0, seconds, counterexamples=(found,))
        if isinstance(verdict, Unknown):
            ends = () if verdict.boxes is None else verdict.boxes
            boxes = tuple(Box(index, _case(task, index, each.mean(0)), *each) for each in ends)
            return Tried(weighed, words, verdict.proved, seconds, boxes=boxes)
    proved = tuple(verdict for _, verdict in sorted(verdicts.items()) if isinstance(verdict, Verified))
    return Tried(weighed, words, 1.0, seconds, verdicts=proved)


def cost_of(task: Task, network: Network, *, points: int, seed: int) -> tuple[Cost, tuple[np.ndarray, ...]]:
    """Returns the cost of the network, and some samples at which its decision is another.

    Where the task has a tolerance, samples at which outputs change by more count instead, outside the boxes alone.
    It is measured on OVERSAMPLING times `points` samples of the domain, and on a quarter of `points` of each box.
    """
    found = compare(
        task.network,
        network,
        list(task.targets),
        lower=task.lower,
        upper=task.upper,
        decision=task.decision.guide if task.tolerance == inf else task.decision,
        tolerance=task.tolerance,
        points=OVERSAMPLING * points,
        inside=points // 4,
        grid=0,
        seed=seed,
    )
    assert found.outside is not None  # there is a domain
    parts = [found.outside, *(inside.safe for inside in found.inside if task.tolerance == inf)]
    unbound = not has_theorem(task.network, network, task.decision)
    moved = score_change(task, found, seed=seed)
    cost = Cost(sum(part.changed for part in parts), moved.magnitude, unbound, changes(task.network, network)[0], moved)
    return cost, tuple(x for part in parts for x in part.examples)


def has_theorem(original: Network, changed: Network, decision: Decision) -> bool:
    """True iff the weights alone say at every input how the decision can change; the lowest, where none is known."""
    found = structure(original, changed)
    return found is not None and found.is_theorem(decision.guide)


def _case(task: Task, index: int, point: np.ndarray) -> int:
    """The number of the property's case in which the point lies."""
    for number, case in enumerate(task.properties[index].cases):
        if all(float(a) <= x <= float(b) for a, x, b in zip(case.lower, point.tolist(), case.upper)):
            return number
    return 0
