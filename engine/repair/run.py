"""One repair while it runs: its clock, what was tried, and what stands in the way."""

import time
from collections.abc import Sequence
from math import inf

from engine.comparison.decision import Decision
from engine.network import Network
from engine.repair.attempt import OVERSAMPLING, Attempt, Tried, Weighed
from engine.repair.scores.limit import ScoreLimit
from engine.repair.state import State
from engine.repair.task import RepairOptions, Say

AS_IT_IS = "none"  # the method of what a step before has made


class Late(Exception):
    """The time for all is over, or the patience with which a better repair is looked for."""


class RepairRun:
    """The common state of all steps of one repair. `attempts` are those of all steps, in order."""

    def __init__(
        self,
        original: Network,
        options: RepairOptions,
        state: State,
        say: Say,
        decision: Decision,
        limit: ScoreLimit | None = None,
    ):
        self.original, self.options, self.state, self.decision = original, options, state, decision
        self.limit = limit
        self.attempts: list[Attempt] = []
        self.skipped: list[str] = []  # methods that could not be used, and why
        self.weighed = 0  # candidates
        self.passed_over = 0  # candidates without the guarantee that is demanded
        self.say = say
        self._start = time.monotonic()

    @property
    def seconds(self) -> float:
        """The time since the repair began."""
        return time.monotonic() - self._start

    @property
    def left(self) -> float:
        """The seconds left for all."""
        return inf if self.options.timeout is None else max(0.0, self.options.timeout - self.seconds)

    @property
    def late(self) -> bool:
        """True iff the time for all is over."""
        return self.options.timeout is not None and self.seconds > self.options.timeout

    def check(self) -> None:
        """Raises Late where the time for all is over."""
        if self.late:
            raise Late


def nearest(attempts: Sequence[Attempt]) -> Tried | None:
    """The attempt of a method proved most of; None where nothing was tried."""
    offered = (each for each in attempts if isinstance(each, Tried) and each.method != AS_IT_IS)
    return max(offered, key=lambda attempt: attempt.proved, default=None)


def obstacle(run: RepairRun, attempts: Sequence[Attempt]) -> str:
    """Says why none of a step's attempts is a repair."""
    best, spoiling = nearest(attempts), [each for each in attempts if isinstance(each, Weighed) and each.spoils]
    if run.limit and run.limit.obstacle:
        return run.limit.obstacle
    if best:
        tried = sum(isinstance(each, Tried) for each in attempts)
        what = f"{best.note}: {best.outcome}"
        return f"of {tried} candidates none could be proved; the nearest, by {best.method}: {what}"
    if run.passed_over:
        return f"{run.passed_over} candidates were passed over, as they give no theorem for every input"
    if run.options.guarantee and not run.late:
        return "no edit with a theorem for every input mends it without changing the decision at too many samples"
    if spoiling:
        return _spoiled(run, min(spoiling, key=lambda each: each.cost.changed))
    return "the time was over before anything was tried" if run.late else "no method had anything to offer"


def _spoiled(run: RepairRun, least: Weighed) -> str:
    share = least.cost.changed / (OVERSAMPLING * run.options.points)
    return f"no candidate keeps the outputs; the nearest, by {least.method}, changes them at {share:.0%} of samples"
