"""The walk through a proof with cones: each case's subtree in its own cone (section 12)."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

import numpy as np

from engine.audit.cone import Cone, Folded, cone_of
from engine.audit.cone_exact import ExactCones
from engine.audit.cone_floating import FloatingCones
from engine.audit.data import Integers, Network, Tree, Truths
from engine.audit.nodes import Nodes
from engine.audit.tree import AnyCase
from engine.audit.walk import Proof

CONES: dict[str, type[FloatingCones] | type[ExactCones]] = {
    "float64": FloatingCones,
    "exact": ExactCones,
}

IN_SIGHT = 2**14  # cases among which those with the same free inputs are found
TOGETHER = 2**7  # cases of one cone that are folded at once


class ConeBounds(Protocol):
    """Bounds of a cone, of the case that they have entered."""

    def enter(self, folded: Sequence[Folded]) -> None:
        """From here on, bounds are those of the case with these b_k."""


class ConeProof(Proof):
    """A proof's tree, of which each case is checked in its cone. As Proof, one root at a time."""

    def __init__(
        self,
        tree: Tree,
        cases: Sequence[AnyCase],
        network: Network,
        arithmetic: str,
        wanted: Truths,
    ) -> None:
        self._network, self._cones = network, CONES[arithmetic](network)
        cone = cone_of(network, self.free(cases[0]))
        super().__init__(tree, cases, network, self._cones.bounds(cone), wanted)

    def free(self, case: AnyCase) -> Integers:
        """The free inputs of a case."""
        ends = zip(case.lower, case.upper, strict=True)
        return np.array([i for i, (low, high) in enumerate(ends) if low != high], dtype=int)

    def roots(self) -> Iterator[Nodes]:
        """The wanted roots, one at a time. With each, `bounds` are those of its case."""
        numbers = np.flatnonzero(self.wanted[: len(self.cases)])
        for i in range(0, len(numbers), IN_SIGHT):
            for members in self._by_cone(numbers[i : i + IN_SIGHT].tolist()):
                cone = cone_of(self._network, self.free(self.cases[members[0]]))
                yield from self._roots_in(cone, members)

    def _by_cone(self, numbers: Iterable[int]) -> Iterable[list[int]]:
        """The cases with the same free inputs, together."""
        found: dict[bytes, list[int]] = {}
        for number in numbers:
            is_free = np.zeros(self.inputs, bool)
            is_free[self.free(self.cases[number])] = True
            found.setdefault(np.packbits(is_free).tobytes(), []).append(number)
        return found.values()

    def _roots_in(self, cone: Cone, members: list[int]) -> Iterator[Nodes]:
        """The roots of these cases, of which this is the cone."""
        bounds = self._cones.bounds(cone)
        self.bounds, self.claimed.columns = bounds, cone.columns
        self.fit(cone)
        together = max(1, min(TOGETHER, self._cones.at_once // self._network.width))
        for i in range(0, len(members), together):
            some = members[i : i + together]
            lower, upper = self._boxes([self.cases[number] for number in some])
            each = enumerate(self._cones.fold(cone, lower, upper))
            for at, folded in each:
                bounds.enter(folded)
                here = slice(at, at + 1)
                yield self._roots_of(np.array([some[at]]), lower[here], upper[here])
