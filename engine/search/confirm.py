"""From a suspicious point to a counterexample that stands: exact arithmetic and onnxruntime."""

from collections.abc import Callable
from fractions import Fraction
from functools import cache, cached_property

import numpy as np

from engine.deadline import NEVER, Deadline
from engine.exact import evaluate, nearest_floats, radii
from engine.network import Network
from engine.property import Case, Vector
from engine.replay import Replay
from engine.search.equations import equations
from engine.search.inputs import Gap, InputSet
from engine.verdict import Counterexample

NEAREST = 2  # sets of inputs of a case that are looked for points near one point, each of some milliseconds


class Judge:
    """Decides whether points of one case are counterexamples.

    replay: gives the network's onnxruntime session, at first use; cases of one network may share it.
    """

    def __init__(self, network: Network, case: Case, replay: Callable[[], Replay] | None = None):
        self.case = case
        self._network = network
        self._replay = replay or cache(lambda: Replay(network))

    @cached_property
    def has_equations(self) -> bool:
        """Whether a polytope holds equations, which points found by sampling and descent do not meet exactly."""
        return any(map(equations, self.case.unsafe))

    def counterexample(self, point: np.ndarray, deadline: Deadline = NEVER) -> Counterexample | None:
        """What the point shows, or a point near it: at best that the case is violated exactly and as executed, else
        exactly where the network can be given no number, else in one of the two alone.

        OutOfTime if that is not known by the deadline.
        """
        found = None
        for inputs in [self._box, *self._nearest(point)]:
            found = better(found, self._among(inputs, point, deadline))
            if found and found.stands:
                break
        return found

    def gap(self, found: Counterexample) -> Gap | None:
        """Why the network can be given no input that the violated polytopes speak of; None where it can, or where that
        is not known."""
        x, y = found.point, found.exact_outputs
        polytopes = (p for p in self.case.unsafe if p.contains(x, y))
        gaps = [InputSet(self.case, polytope, self._network.number).gap for polytope in polytopes]
        return gaps[0] if all(gaps) else None

    @cached_property
    def _box(self) -> InputSet:
        return InputSet(self.case, None, self._network.number)

    @cached_property
    def _special(self) -> list[InputSet]:
        """The inputs of each polytope that says more of them than the box does, or equations of outputs."""
        sets = (InputSet(self.case, polytope, self._network.number) for polytope in self.case.unsafe)
        return [inputs for inputs in sets if not inputs.plain]

    def _nearest(self, point: np.ndarray) -> list[InputSet]:
        """Those of the special sets whose polytopes' rows the point violates least, about."""
        if len(self._special) <= NEAREST:
            return self._special
        x = tuple(Fraction(float(v)) for v in point)
        y = tuple(Fraction(float(v)) for v in self._network.evaluate(point))
        return sorted(self._special, key=lambda inputs: max(row.value(x, y) for row in inputs.polytope.rows))[:NEAREST]

    def _among(self, inputs: InputSet, point: np.ndarray, deadline: Deadline) -> Counterexample | None:
        """What is shown by the nearest numbers of floating point in a set; else by the nearest exact point, or by
        numbers of floating point near that."""
        rounded = None if inputs.equations else inputs.rounded(point)
        found = self._judged(rounded, deadline) if rounded else None
        if found and found.exact:
            return found
        real = inputs.real(point, self._network)
        violated = self._judged(real, deadline) if real and real != rounded else None
        if violated and not violated.executable:
            for x in inputs.executable_near(real, self._network):
                violated = better(violated, self._judged(x, deadline))
                if violated.stands:
                    break
        return better(found, violated)

    def _judged(self, x: Vector, deadline: Deadline) -> Counterexample | None:
        """The point, if it is unsafe exactly or, where the network can be given it, when executed."""
        y = evaluate(self._network, x, deadline)
        exact = self.case.violated_at(x, y, radii(self._network, x))
        nearest = nearest_floats(x, self._network.number)
        executable = tuple(Fraction(float(v)) for v in nearest) == x
        if not (exact or executable):
            return None
        outputs = self._replay()(nearest[None])[0]
        executed = executable and bool(np.isfinite(outputs).all())
        replayed = executed and self.case.violated_at(x, tuple(Fraction(float(v)) for v in outputs))
        if not (exact or replayed):
            return None
        numbers = tuple(map(float, nearest)), tuple(map(float, outputs))
        return Counterexample(*numbers, y, exact, replayed, None if executable else x)


def better(one: Counterexample | None, other: Counterexample | None) -> Counterexample | None:
    """The one that shows more; the first where they show the same."""
    shows = lambda found: -1 if found is None else 2 * found.exact + (found.replayed or not found.executable)
    return other if shows(other) > shows(one) else one
