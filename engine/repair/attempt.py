"""One candidate, tried: proved, refuted or left open, and what it changed."""

import time
from dataclasses import dataclass, field

import numpy as np

from engine.comparison.fidelity import changes, compare
from engine.network import Network
from engine.repair.task import Box, Counterexample, Task
from engine.search.problem import OnProgress, Options, Problem
from engine.search.verify import verify_all
from engine.verdict import Unknown, Verdict, Verified, Violated

MORE = 2  # times as many samples of the domain for a choice among candidates as in the final report


@dataclass(frozen=True, slots=True, order=True)
class Cost:
    """What a repair changed, the worst first: sampled decisions inside safe parts of boxes and outside; weights."""

    changed: int
    weights: int

    def __str__(self) -> str:
        return f"{self.changed:,} sampled decisions and {self.weights:,} weights changed"

    @property
    def perfect(self) -> bool:
        """Whether no sampled decision changed."""
        return self.changed == 0


@dataclass(frozen=True, slots=True, eq=False)
class Attempt:
    """A candidate and what the search said of it.

    verdicts: of task.properties, all Verified, or empty; words: what was said of each property that was decided or
    given up, of none where no proof was tried; proved: the least share of a property's volume that was proved;
    changed: some of the samples whose decision is another.
    """

    words: dict[str, str] = field(default_factory=dict)
    proved: float = 0.0
    seconds: float = 0.0
    counterexamples: tuple[Counterexample, ...] = ()
    boxes: tuple[Box, ...] = ()
    verdicts: tuple[Verified, ...] = ()
    cost: Cost | None = None
    changed: tuple[np.ndarray, ...] = ()
    method: str = ""
    note: str = ""
    network: Network | None = field(default=None, repr=False)

    @property
    def outcome(self) -> str:
        """proved, or what was not."""
        if not self.words:
            return "not tried to prove: another changes less"
        failed = [f"{name} {word}" for name, word in self.words.items() if word != Verified.word]
        return f"not proved: {', '.join(failed)}" if failed else "proved"


class _Enough(Exception):
    """A property was refuted or given up: the others need not be decided."""


def judge(task: Task, network: Network, options: Options, *, on_progress: OnProgress | None = None) -> Attempt:
    """Has the search decide all properties for the network, up to the first that is not proved.

    on_progress may raise what ends all.
    """
    start, verdicts = time.monotonic(), {}

    def on_verdict(index: int, verdict: Verdict) -> None:
        verdicts[index] = verdict
        if not isinstance(verdict, Verified):
            raise _Enough

    try:
        verify_all(
            [Problem(network, prop) for prop in task.properties],
            options,
            on_verdict=on_verdict,
            on_progress=on_progress,
        )
    except _Enough:
        pass
    seconds = time.monotonic() - start
    words = {task.properties[i].name: verdict.word for i, verdict in sorted(verdicts.items())}
    failed = [(i, verdict) for i, verdict in verdicts.items() if not isinstance(verdict, Verified)]
    if not failed:
        return Attempt(words, 1.0, seconds, verdicts=tuple(verdicts[i] for i in range(len(task.properties))))
    index, verdict = failed[0]
    found, boxes, proved = (), (), 0.0
    if isinstance(verdict, Violated):
        point = np.array(verdict.counterexample.inputs, np.float32)
        found = (Counterexample(index, _case(task, index, point), point),)
    elif isinstance(verdict, Unknown):
        proved = verdict.proved
        boxes = tuple(Box(index, _case(task, index, ends.mean(0)), *ends) for ends in verdict.boxes)
    return Attempt(words, proved, seconds, found, boxes)


def cost_of(task: Task, network: Network, *, points: int, seed: int) -> tuple[Cost, tuple[np.ndarray, ...]]:
    """On MORE times so many samples of the domain, a quarter as many of each box; and some where decisions change."""
    found = compare(
        task.network,
        network,
        list(task.targets),
        lower=task.lower,
        upper=task.upper,
        decision=task.decision.guide,
        points=MORE * points,
        inside=points // 4,
        grid=0,
        seed=seed,
    )
    parts = [found.outside, *(inside.safe for inside in found.inside)]
    cost = Cost(sum(part.changed for part in parts), changes(task.network, network)[0])
    return cost, tuple(x for part in parts for x in part.examples)


def _case(task: Task, index: int, point: np.ndarray) -> int:
    """Which case of the property the point lies in."""
    for number, case in enumerate(task.properties[index].cases):
        if all(float(a) <= x <= float(b) for a, x, b in zip(case.lower, point.tolist(), case.upper)):
            return number
    return 0
