"""From a suspicious point to a counterexample that stands: exact arithmetic and onnxruntime."""

from collections.abc import Callable
from fractions import Fraction
from functools import cache

import numpy as np

from ..deadline import NEVER, Deadline
from ..exact import evaluate, float32_inside
from ..network import Network
from ..property import Case
from ..replay import Replay
from ..verdict import Counterexample


class Judge:
    """Decides whether points of one case are counterexamples.

    replay: gives the network's onnxruntime session, at first use; cases of one network may share it.
    """

    def __init__(self, network: Network, case: Case, replay: Callable[[], Replay] | None = None,
                 deadline: Deadline = NEVER):
        self.case = case
        self._network = network
        self._low, self._high = float32_inside(case.lower, case.upper, deadline)
        self._replay = replay or cache(lambda: Replay(network))

    @property
    def holds_floats(self) -> bool:
        """Whether the exact box holds any float32 point: if not, no input of the network lies in it."""
        return bool((self._low <= self._high).all())

    def counterexample(self, point: np.ndarray, deadline: Deadline = NEVER) -> Counterexample | None:
        """The nearest float32 point of the exact box, if it is unsafe exactly or when executed.

        OutOfTime if that is not known by the deadline.
        """
        if not self.holds_floats:
            return None
        x = np.clip(point.astype(np.float32), self._low, self._high)
        exact_x = tuple(Fraction(float(v)) for v in x)
        exact_y = evaluate(self._network, exact_x, deadline)
        y = self._replay()(x[None])[0]
        exact = self.case.violated_at(exact_x, exact_y)
        replayed = bool(np.isfinite(y).all()) and self.case.violated_at(exact_x, tuple(Fraction(float(v)) for v in y))
        if not exact and not replayed:
            return None
        return Counterexample(tuple(map(float, x)), tuple(map(float, y)), exact_y, exact, replayed)
