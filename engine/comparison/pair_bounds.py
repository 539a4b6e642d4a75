"""Bounds of two networks as a pair: on each box, whether the outputs or the advisory may differ (preservation.py)."""

from dataclasses import dataclass, replace

import torch

from engine.bounds.crown import Boxes, substitute, tighten
from engine.bounds.roots import make_roots
from engine.bounds.stack import Stack
from engine.comparison.pair import Differences, paired
from engine.deadline import Deadline
from engine.network import Network
from engine.property import Case
from engine.search.batch import bounded
from engine.search.exclude import exclude
from engine.search.exclusions import Exclusions
from engine.search.pool import Nodes

STEPS = 5  # of slope optimization for a box
FRONT_GAP = 0.1  # the gap of boxes of which only the front was bounded
OPEN, SAME, EQUAL = 0, 1, 2


@dataclass(frozen=True, slots=True)
class BoundedPairs:
    """Some boxes of a batch, bounded.

    state: [n], OPEN, SAME (the advisory is the same on the box) or EQUAL (all outputs are); plane: [n, inputs + 1],
    which tells by which input to split; gap: [n], the distance of its bound from closing the box; different: [n], True
    where the advisory differs, or may, on all of the box; exclusions: of polytopes, on all boxes that were bounded
    together.
    """

    nodes: Nodes
    state: torch.Tensor
    plane: torch.Tensor
    gap: torch.Tensor
    different: torch.Tensor
    exclusions: Exclusions | None

    def select(self, keep: torch.Tensor) -> "BoundedPairs":
        """Some of the boxes, with the exclusions on all."""
        return replace(
            self,
            nodes=self.nodes.select(keep),
            state=self.state[keep],
            plane=self.plane[keep],
            gap=self.gap[keep],
            different=self.different[keep],
        )


class PairBounds:
    """Bounds of the pair on boxes of one case, whose polytopes are those of pair.lowest.

    Where nothing is excluded on a box or an ancestor, only the front is bounded first: the neurons before the last
    layer with changes.
    """

    def __init__(self, original: Network, changed: Network, case: Case, deadline: Deadline):
        self.stack = Stack([paired(original, changed)])
        self.roots = make_roots(self.stack, [0], [case])
        self._differences = Differences(original, changed, self.stack)
        layers, last = self.stack.networks[0].layers, self._differences.last
        self._always_full = last == len(layers) - 1 and not layers[last].relu  # the front has all hidden neurons
        self._front = Stack([Network(layers[:last])]) if last else None
        self._n_outputs = original.n_outputs
        self._deadline = deadline

    def bound(self, nodes: Nodes) -> list[BoundedPairs]:
        """Bounds one part of a batch, in a thread of its own. Raises OutOfTime after the deadline."""
        torch.set_grad_enabled(False)  # a setting of each thread
        if self._always_full:
            return [self._bound_all(nodes)]
        full = nodes.excluded.any(1)
        front = nodes.select(~full)
        before = front.copy(split=front.split, depth=front.depth)
        pairs, final = self._bound_front(front)
        tried = (pairs.state == OPEN) & final
        found = self._bound_all(before.select(tried))
        pairs.plane[tried], pairs.gap[tried] = found.plane, found.gap
        some = found.nodes.excluded.any(1)  # elsewhere the front's result is kept, and only that
        tried[tried.clone()] = some
        return [pairs.select(~tried), found.select(some), self._bound_all(nodes.select(full))]

    def _bound_front(self, nodes: Nodes) -> tuple[BoundedPairs, torch.Tensor]:
        """Bounds the neurons of the front only; and True where that is final: [n].

        It is final where no split can show that outputs are equal, because a neuron that must be inactive for that is
        active on all of the box, or there is none.
        """
        differ = self._differences
        plane = nodes.lower.new_zeros(len(nodes), self.stack.n_inputs + 1)
        if self._front:
            l, u = (part[:, : self._front.n_hidden] for part in (nodes.l, nodes.u))
            boxes = Boxes(torch.zeros_like(nodes.root), nodes.lower, nodes.upper, l, u, self._deadline)
            lines = tighten(self._front, boxes)
        layer, neuron, final = differ.culprits(nodes.l, nodes.u)
        if self._front:
            for k in range(differ.last):
                at = (layer == k).nonzero()[:, 0]
                row = -self._front.layers[k].products.rows(torch.zeros_like(at), neuron[at])
                plane[at] = substitute(self._front, boxes, lines, row, at, k)
        gap, never = torch.full_like(plane[:, 0], FRONT_GAP), torch.zeros_like(final)
        state = _state(nodes.excluded, differ.outputs(nodes.u))
        return BoundedPairs(nodes, state, plane, gap, never, None), final

    def _bound_all(self, nodes: Nodes) -> BoundedPairs:
        """Bounds all neurons, and tries to exclude the outputs that matter."""
        batch = bounded(self.stack, self.roots, nodes, self._deadline)
        differ = self._differences.outputs(batch.boxes.u)
        known, wanted = nodes.excluded.clone(), self._wanted(nodes, differ)
        nodes.excluded[:] |= ~wanted
        targets, exclusions = exclude(batch, steps=STEPS)
        nodes.excluded[:] = known | (nodes.excluded & wanted)
        plane, gap = nodes.lower.new_zeros(len(nodes), self.stack.n_inputs + 1), nodes.lower.new_zeros(len(nodes))
        plane[targets.box], gap[targets.box] = targets.plane, -targets.bound.clamp(max=0)
        different = torch.ones(len(nodes), dtype=torch.bool)
        different[targets.box] = False
        return BoundedPairs(nodes, _state(nodes.excluded, differ), plane, gap, different, exclusions)

    def _wanted(self, nodes: Nodes, differ: torch.Tensor) -> torch.Tensor:
        """True for polytopes that are to be excluded: [n, polytopes].

        They are of the outputs that may differ, where none of them is lowest at the box's middle; else, of all that are
        not lowest there. Where the advisory changes at the middle, a box without these changes everywhere.
        """
        middle = (nodes.lower + nodes.upper) / 2
        scores = torch.unflatten(self.stack.evaluate(middle, torch.zeros_like(nodes.root)), 1, (2, -1))
        advisory = torch.nn.functional.one_hot(scores.argmin(2), self._n_outputs).bool()
        conflict = (advisory & differ.unsqueeze(1)).any(2).any(1)
        wanted = torch.where(conflict[:, None, None], ~advisory, differ.unsqueeze(1))
        return (wanted & differ.any(1)[:, None, None]).flatten(1)


def _state(excluded: torch.Tensor, differ: torch.Tensor) -> torch.Tensor:
    """The states of boxes [n], from excluded polytopes [n, 2 outputs] and outputs that may differ [n, outputs]."""
    never = torch.unflatten(excluded, 1, (2, -1)).all(1)
    same = ~(differ & ~never).any(1) | ((~never).sum(1) <= 1)
    return torch.where(~differ.any(1), EQUAL, torch.where(same, SAME, OPEN))
