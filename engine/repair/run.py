"""One repair while it runs: its clock, and what was tried."""

import time
from math import inf

from engine.comparison.decision import Decision
from engine.network import Network
from engine.repair.attempt import Attempt
from engine.repair.scores.limit import ScoreLimit
from engine.repair.state import State
from engine.repair.task import RepairOptions, Say


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
