"""Deadlines of computations."""

import time
from dataclasses import dataclass
from math import inf


class OutOfTime(Exception):
    """The deadline has passed. The result is lost; the data that it was computed from is as it was."""


@dataclass(frozen=True, slots=True)
class Deadline:
    """A moment of time.monotonic(); infinity is never. It is checked between steps of well under a second."""

    end: float = inf

    @property
    def left(self) -> float:
        """Seconds until then, at least 0."""
        return max(0.0, self.end - time.monotonic())

    def check(self) -> None:
        """Raises OutOfTime if it has passed."""
        if time.monotonic() > self.end:
            raise OutOfTime


NEVER = Deadline()
