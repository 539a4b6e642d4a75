"""Branch and bound over the boxes of a domain on which two networks are compared (preservation.py)."""

import heapq
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import Protocol

import numpy as np
import torch

from engine.bounds.roots import Roots
from engine.bounds.stack import Stack
from engine.comparison.pair_bounds import OPEN, SAME, BoundedPairs
from engine.deadline import OutOfTime
from engine.proof import Proof
from engine.search.branching import cut, input_to_split, middles, splits
from engine.search.frontier import root_nodes
from engine.search.pool import Nodes, Pool
from engine.search.recorder import Recorder

MAX_OPEN_BYTES = 360 << 20  # of boxes still to be split
MIN_GAP = 1e-2  # any box counts as at least so far from closed

Ends = tuple[np.ndarray, np.ndarray]  # lower and upper, [inputs]


class SearchBounds(Protocol):
    """What bounds boxes: PairBounds, or BandBounds."""

    @property
    def stack(self) -> Stack: ...
    @property
    def roots(self) -> Roots: ...

    def bound(self, nodes: Nodes) -> list[BoundedPairs]:
        """Bounds one part of a batch, in a thread of its own."""


class PairSearch:
    """Branch and bound, large boxes that are nearly closed first.

    open: the share of the volume that is not closed; same: that where only the advisory is proved to be the same;
    boxes: the number that were bounded.
    """

    def __init__(
        self, bounds: SearchBounds, first: Sequence[Ends], workers: ThreadPoolExecutor, *, parts: int, batch: int
    ):
        self._bounds = bounds
        self._recorder = Recorder(bounds.stack.n_inputs)
        self._recorder.new_roots(1)
        self._first = [tuple(torch.as_tensor(np.asarray(end, float)) for end in box) for box in first]
        self._workers, self._parts, self._batch = workers, parts, batch
        root = root_nodes(bounds.roots, torch.zeros(1, dtype=torch.long))
        self._width = (root.upper - root.lower)[0]
        self._max_open = MAX_OPEN_BYTES // sum(column[0].nbytes for column in root.columns())
        self._pool: Pool[Nodes] = Pool(max_slots=self._max_open)
        self._heap = [(-1.0, slot) for slot in self._pool.put(root)]
        self._kept: list[torch.Tensor] = []  # ends [n, 2, inputs] of boxes that stay open
        self.open, self.same, self.boxes = 1.0, 0.0, 0

    @property
    def open_boxes(self) -> int:
        """The number of boxes still to be split."""
        return len(self._heap)

    def step(self) -> bool:
        """Bounds the most promising open boxes, and splits those that are not closed; False where there are none, or
        no time for them."""
        if not self._heap:
            return False
        nodes = self._pool.take([heapq.heappop(self._heap)[1] for _ in range(min(self._batch, len(self._heap)))])
        self.open -= float(self._volume(nodes.lower, nodes.upper).sum())
        self.boxes += len(nodes)
        parts = torch.arange(len(nodes)).chunk(self._parts)
        try:
            groups = list(self._workers.map(self._bounds.bound, [nodes.select(part) for part in parts]))
        except OutOfTime:
            self._keep(nodes)
            return False
        for pairs in chain(*groups):
            self._take(pairs)
        self._shrink()
        return True

    def _take(self, pairs: BoundedPairs) -> None:
        """Records bounded boxes, and splits those that are open."""
        if pairs.exclusions:
            self._recorder.exclude(pairs.exclusions)
        nodes, is_open = pairs.nodes, pairs.state == OPEN
        self.same += float(self._volume(nodes.lower, nodes.upper)[pairs.state == SAME].sum())
        stuck = is_open & (pairs.different | ~splits(nodes).any(1))
        self._keep(nodes.select(stuck))
        self._split(pairs.select(is_open & ~stuck))

    def _volume(self, lower: torch.Tensor, upper: torch.Tensor) -> torch.Tensor:
        """The boxes' shares of the domain's volume."""
        return ((upper - lower) / self._width).prod(1)

    def _split(self, pairs: BoundedPairs) -> None:
        """Opens two children of each box: one input halved, as in search/branching.py, or cut at a face."""
        nodes = pairs.nodes
        dimension = input_to_split(nodes, pairs.plane, self._bounds.roots.reach[nodes.root])
        value = middles(nodes)[torch.arange(len(nodes)), dimension]
        self._cut_at_faces(nodes, dimension, value)
        low, high = cut(nodes, dimension, value)
        self._recorder.split(nodes, low, high)
        for children in (low, high):
            volume = self._volume(children.lower, children.upper)
            self.open += float(volume.sum())
            promise = volume / (pairs.gap + MIN_GAP)
            for entry in zip((-promise).tolist(), self._pool.put(children)):
                heapq.heappush(self._heap, entry)

    def _cut_at_faces(self, nodes: Nodes, dimension: torch.Tensor, value: torch.Tensor) -> None:
        """Changes the cuts of boxes that overlap one of the first boxes and are cut by its faces."""
        for ends in self._first:
            overlap = ((nodes.lower < ends[1]) & (nodes.upper > ends[0])).all(1)
            for face in ends:
                cuts = (nodes.lower < face) & (face < nodes.upper) & overlap[:, None]
                which, axis = cuts.any(1), cuts.int().argmax(1)
                dimension[which], value[which] = axis[which], face[axis[which]]

    def _keep(self, nodes: Nodes) -> None:
        """Leaves these boxes open to the end."""
        self._kept.append(torch.stack([nodes.lower, nodes.upper], 1))
        self.open += float(self._volume(nodes.lower, nodes.upper).sum())

    def _give_up(self, first: int) -> None:
        """Leaves the boxes from this place of the heap on open to the end."""
        nodes = self._pool.take([slot for _, slot in self._heap[first:]])
        del self._heap[first:]
        self.open -= float(self._volume(nodes.lower, nodes.upper).sum())  # which is added again
        self._keep(nodes)

    def _shrink(self) -> None:
        """Leaves the less promising half of the open boxes as they are where there is no memory for all."""
        if len(self._heap) > self._max_open:
            self._heap.sort()
            self._give_up(len(self._heap) // 2)

    def finish(self) -> tuple[torch.Tensor, float]:
        """Ends the search: the ends [n, 2, inputs] of the boxes that stay open, and their share of the volume."""
        self._give_up(0)
        left = torch.cat(self._kept)
        return left, float(self._volume(left[:, 0], left[:, 1]).sum())

    def proof(self) -> Proof:
        return self._recorder.proof([0])
