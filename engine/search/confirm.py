"""Suspicious points confirmed as counterexamples: in exact arithmetic and by onnxruntime."""

from collections.abc import Callable
from fractions import Fraction
from functools import cache, cached_property, partial

import numpy as np

from engine.cone import Cone
from engine.deadline import NEVER, Deadline
from engine.exact import evaluate, nearest_floats, radii
from engine.joint import Model, given_at
from engine.property import Case, Polytope, Vector
from engine.replay import AnyReplay, replay_of
from engine.search.equations import equations
from engine.search.inputs import Gap, InputSet
from engine.verdict import Counterexample

MAX_SETS = 2  # of inputs of a case that are searched for points near one point, each of some milliseconds


class Confirmer:
    """Finds counterexamples of one case near points.

    cone: that of the network and the case, if they are about a part: then points are given in its inputs, and
    counterexamples are those of the whole. replay: gives the (whole) network's onnxruntime session, at first use; cases
    of one network may share it.
    """

    def __init__(
        self, network: Model, case: Case, replay: Callable[[], AnyReplay] | None = None, *, cone: Cone | None = None
    ):
        self.case, self._cone = case, cone
        self._network, self._whole = (cone.reach.network, cone.whole) if cone else (network, case)
        self._replay = replay or cache(partial(replay_of, self._network))

    @cached_property
    def has_equations(self) -> bool:
        """True where a polytope holds equations, which points of sampling and descent do not satisfy exactly."""
        return any(map(equations, self._whole.unsafe))

    def counterexample(self, point: np.ndarray, deadline: Deadline = NEVER) -> Counterexample | None:
        """The best counterexample at a point [inputs] or near it; None where none is found.

        Best is one that violates the case exactly and as executed, then one that does so exactly where the network can
        be given no number, then one that does so in one of the two alone. OutOfTime if it is not known by the deadline.
        """
        found = None
        point = self._cone.point(point) if self._cone else point
        for inputs in [self._box, *self._nearest(point)]:
            found = better(found, self._best_in(inputs, point, deadline))
            if found and found.stands:
                break
        return found

    def gap(self, found: Counterexample) -> Gap | None:
        """The reason why the network can be given no input of the violated polytopes; None where it can, or where that
        is not known."""
        x, y = found.point, found.exact_outputs
        polytopes = (p for p in self._whole.unsafe if p.contains(x, y))
        gaps = [InputSet(self._whole, polytope, self._network.number).gap for polytope in polytopes]
        return gaps[0] if all(gaps) else None

    @cached_property
    def _box(self) -> InputSet:
        return InputSet(self._whole, None, self._network.number)

    @cached_property
    def _special(self) -> list[tuple[Polytope, InputSet]]:
        """The polytopes that limit inputs more than the box does, or hold equations of outputs, and their inputs."""
        pairs = [(polytope, InputSet(self._whole, polytope, self._network.number)) for polytope in self._whole.unsafe]
        return [(polytope, inputs) for polytope, inputs in pairs if not inputs.plain]

    def _nearest(self, point: np.ndarray) -> list[InputSet]:
        """Those of the special sets whose polytopes' rows the point violates least, about."""
        special = self._special
        if len(special) > MAX_SETS:
            x = tuple(Fraction(float(v)) for v in point)
            y = tuple(Fraction(float(v)) for v in self._network.evaluate(point))
            special = sorted(special, key=lambda pair: max(row.value(x, y) for row in pair[0].rows))[:MAX_SETS]
        return [inputs for _, inputs in special]

    def _best_in(self, inputs: InputSet, point: np.ndarray, deadline: Deadline) -> Counterexample | None:
        """The best of the nearest floating-point numbers in a set; where they are not unsafe exactly, also of the
        nearest exact point, and of floating-point numbers near that."""
        rounded = None if inputs.equations else inputs.rounded(point)
        found = self._confirmed(rounded, deadline) if rounded else None
        if found and found.exact:
            return found
        real = inputs.real(point, self._network)
        violated = self._confirmed(real, deadline) if real and real != rounded else None
        if real and violated and not violated.executable:
            for x in inputs.executable_near(real, self._network):
                violated = better(violated, self._confirmed(x, deadline))
                if violated and violated.stands:
                    break
        return better(found, violated)

    def _confirmed(self, x: Vector, deadline: Deadline) -> Counterexample | None:
        """The point, if it is unsafe exactly or, where the network can be given it, when executed."""
        y = evaluate(self._network, x, deadline)
        exact = self._whole.violated_at(x, y, radii(self._network, x, deadline))
        given = given_at(self._network, x)
        held = nearest_floats(given, self._network.number)
        executable = tuple(Fraction(float(v)) for v in held) == given
        if not (exact or executable):
            return None
        nearest = nearest_floats(x, self._network.number)
        outputs = self._replay()(held[None])[0]
        executed = executable and bool(np.isfinite(outputs).all())
        replayed = executed and self._whole.violated_at(x, tuple(Fraction(float(v)) for v in outputs))
        if not (exact or replayed):
            return None
        inputs, executed_outputs = tuple(map(float, nearest)), tuple(map(float, outputs))
        return Counterexample(inputs, executed_outputs, y, exact, replayed, None if executable else x)


def better(one: Counterexample | None, other: Counterexample | None) -> Counterexample | None:
    """The one that violates more; the first where that is the same."""
    return other if _rank(other) > _rank(one) else one


def _rank(found: Counterexample | None) -> int:
    return -1 if found is None else 2 * found.exact + (found.replayed or not found.executable)
