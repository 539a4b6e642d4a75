"""From a suspicious point to a counterexample that stands: exact arithmetic and onnxruntime."""

from fractions import Fraction

import numpy as np

from ..exact import evaluate, float32_inside, radii
from ..network import Network
from ..property import Case
from ..replay import Replay
from ..verdict import Counterexample


class Judge:
    """Decides whether points of one case are counterexamples; its onnxruntime session opens at first use."""

    def __init__(self, network: Network, case: Case):
        self.case = case
        self._network = network
        self._low, self._high = float32_inside(case.lower, case.upper)
        self._replay: Replay | None = None

    @property
    def holds_floats(self) -> bool:
        """Whether the exact box holds any float32 point: if not, no input of the network lies in it."""
        return bool((self._low <= self._high).all())

    def counterexample(self, point: np.ndarray) -> Counterexample | None:
        """The nearest float32 point of the exact box, if it is unsafe exactly or when executed."""
        if not self.holds_floats:
            return None
        x = np.clip(point.astype(np.float32), self._low, self._high)
        exact_x = tuple(Fraction(float(v)) for v in x)
        exact_y = evaluate(self._network, exact_x)
        self._replay = self._replay or Replay(self._network)
        y = self._replay(x[None])[0]
        exact = self.case.violated_at(exact_x, exact_y, radii(self._network, exact_x))
        replayed = bool(np.isfinite(y).all()) and self.case.violated_at(exact_x, tuple(Fraction(float(v)) for v in y))
        if not exact and not replayed:
            return None
        return Counterexample(tuple(map(float, x)), tuple(map(float, y)), exact_y, exact, replayed)
