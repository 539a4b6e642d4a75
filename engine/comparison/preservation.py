"""Proved preservation: on how much of the domain a changed network may give another advisory.

The advisory is the lowest output, the first of equals, in real arithmetic; of the highest, the same is proved with both
networks' mirror images (mirror.py). Both networks are bounded as a pair (pair.py) by branch and bound. With E the
outputs that are nowhere lowest on a box in either network, shown there or on an ancestor, a box is closed

- as equal, where no output differs;
- as the same advisory, where all outputs that may differ are in E (the others are equal, and one of them is lowest),
  or all outputs but one are in E.

What is not closed at any time is an upper bound of where the advisory may differ.

Equality is found by what comes before the last layer with changes, the front. Where nothing is excluded on a box or
an ancestor, only the front's neurons are bounded: with a change that only acts in a small region, that is cheap
and closes nearly everything. Certificate and checker follow the same rule (docs/certificate-format.md, section 9).
"""

import heapq
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from math import ceil, inf

import numpy as np
import torch

from engine.bounds.crown import Boxes, substitute, tighten
from engine.bounds.roots import make_roots
from engine.bounds.stack import Stack
from engine.comparison.pair import Differences, lowest, paired
from engine.deadline import Deadline, OutOfTime
from engine.errors import InputError
from engine.memory import keep_freed_memory
from engine.network import Network
from engine.proof import Proof
from engine.property import Case, Vector
from engine.search.branching import input_to_split, splits
from engine.search.exclude import Shown, exclude
from engine.search.frontier import root_nodes
from engine.search.pool import Nodes, Pool
from engine.search.recorder import Recorder

OPEN_BYTES = 360 << 20  # of boxes still to be split
STEPS = 5  # of slope optimization for a box
FRONT_GAP, LEAST_GAP = 0.1, 1e-2  # how far from closed boxes of the front count as, and any box at least
OPEN, SAME, EQUAL = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Progress:
    """Shares of the domain's volume where the advisory may differ, and where outputs may; boxes bounded, and open."""

    open: float
    unequal: float
    boxes: int
    left: int
    seconds: float


@dataclass(frozen=True, slots=True, eq=False)
class Preservation:
    """On all but the share `open` of the domain the advisory is the same, on all but `unequal` all outputs are.

    boxes: bounded; left: [n, 2, inputs], the ends of those that stayed open; proof: of both shares, over one case.
    """

    open: Fraction
    unequal: Fraction
    boxes: int
    seconds: float
    left: np.ndarray
    proof: Proof
    case: Case


def preservation(
    original: Network,
    changed: Network,
    *,
    lower: Vector,
    upper: Vector,
    timeout: float | None = None,
    enough: float = 0.0,
    first: list[tuple[np.ndarray, np.ndarray]] = (),
    batch: int = 512,
    threads: int = 0,
    on_progress: Callable[[Progress], None] | None = None,
) -> Preservation:
    """Proves where in the box [lower, upper] the advisory stays the same, large boxes that are nearly closed first.

    It ends after `timeout` seconds, or when at most the share `enough` is open. Boxes are first cut at the faces of
    the boxes `first` (lower, upper), which may be where outputs change.
    """
    for network in (original, changed):
        network.demand_own_numbers("a proof of what stays the same")
    case = Case(tuple(lower), tuple(upper), lowest(original.n_inputs, original.n_outputs))
    if not all(a < b for a, b in zip(lower, upper)):
        raise InputError("the domain has no volume", advice="choose a domain that is wide in every input")
    keep_freed_memory()
    before, start = torch.get_num_threads(), time.monotonic()
    deadline = Deadline(start + (inf if timeout is None else timeout))
    threads = threads or before
    torch.set_num_threads(1)  # dividing batches is faster than dividing operations
    try:
        with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as workers, torch.no_grad():
            search = _Search(original, changed, case, first, workers, threads, batch, deadline)
            while search.step():
                seconds = time.monotonic() - start
                if on_progress:
                    on_progress(search.progress(seconds))
                if search.open <= enough or timeout is not None and seconds >= timeout:
                    break
    finally:
        torch.set_num_threads(before)
    return search.result(case, time.monotonic() - start)


@dataclass(frozen=True, slots=True)
class _Judged:
    """Some boxes of a batch, bounded: what is known of each, and how polytopes were excluded.

    plane: [n, inputs + 1], what to split by; gap: how far its bound is from closing the box; hopeless: the advisory
    differs, or may, on all of the box.
    """

    nodes: Nodes
    state: torch.Tensor
    plane: torch.Tensor
    gap: torch.Tensor
    hopeless: torch.Tensor
    shown: Shown | None

    def select(self, keep: torch.Tensor) -> "_Judged":
        return _Judged(
            *(
                part.select(keep) if part is self.nodes else part[keep]
                for part in (self.nodes, self.state, self.plane, self.gap, self.hopeless)
            ),
            self.shown,
        )


class _Search:
    """Branch and bound. open: the share of the volume that is not closed; boxes: how many were bounded."""

    def __init__(
        self,
        original: Network,
        changed: Network,
        case: Case,
        first,
        workers,
        parts: int,
        batch: int,
        deadline: Deadline,
    ):
        self._stack = Stack([paired(original, changed)])
        self._roots = make_roots(self._stack, [0], [case])
        self._differences = Differences(original, changed, self._stack)
        layers, last = self._stack.networks[0].layers, self._differences.last
        self._always_full = last == len(layers) - 1 and not layers[last].relu  # the front has all hidden neurons
        self._front = Stack([Network(layers[:last])]) if last else None
        self._recorder = Recorder(self._stack.n_inputs)
        self._recorder.plant(1)
        self._first = [tuple(torch.as_tensor(np.asarray(end, float)) for end in box) for box in first]
        self._workers, self._parts, self._batch, self._outputs = workers, parts, batch, original.n_outputs
        self._deadline = deadline
        root = root_nodes(self._roots, torch.zeros(1, dtype=torch.long))
        self._width = (root.upper - root.lower)[0]
        self._most = OPEN_BYTES // sum(column[0].nbytes for column in root.columns())
        self._pool = Pool(most=self._most)
        self._heap = [(-1.0, slot) for slot in self._pool.put(root)]
        self._kept: list[torch.Tensor] = []  # ends [n, 2, inputs] of boxes that stay open
        self._same = 0.0
        self.open, self.boxes = 1.0, 0

    def progress(self, seconds: float) -> Progress:
        return Progress(self.open, min(1.0, self.open + self._same), self.boxes, len(self._heap), seconds)

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
            groups = list(self._workers.map(self._judge, [nodes.select(part) for part in parts]))
        except OutOfTime:
            self._keep(nodes)
            return False
        for judged in chain(*groups):
            if judged.shown:
                self._recorder.show(judged.shown)
            nodes, is_open = judged.nodes, judged.state == OPEN
            self._same += float(self._volume(nodes.lower, nodes.upper)[judged.state == SAME].sum())
            stuck = is_open & (judged.hopeless | ~splits(nodes).any(1))
            self._keep(nodes.select(stuck))
            self._split(judged.select(is_open & ~stuck))
        self._shrink()
        return True

    def _volume(self, lower: torch.Tensor, upper: torch.Tensor) -> torch.Tensor:
        """The boxes' shares of the domain's volume."""
        return ((upper - lower) / self._width).prod(1)

    def _judge(self, nodes: Nodes) -> list[_Judged]:
        """Bounds one part of a batch, in a thread of its own."""
        torch.set_grad_enabled(False)  # a setting of each thread
        if self._always_full:
            return [self._bound(nodes)]
        full = nodes.excluded.any(1)
        front = nodes.select(~full)
        before = front.copy(depth=front.depth)
        judged, final = self._bound_front(front)
        tried = (judged.state == OPEN) & final
        found = self._bound(before.select(tried))
        judged.plane[tried], judged.gap[tried] = found.plane, found.gap
        some = found.nodes.excluded.any(1)  # elsewhere what the front gave is kept, and only that
        tried[tried.clone()] = some
        return [judged.select(~tried), found.select(some), self._bound(nodes.select(full))]

    def _bound_front(self, nodes: Nodes) -> tuple[_Judged, torch.Tensor]:
        """Bounds the neurons of the front only. And where that is final: no split can show that outputs are equal,
        because a neuron that must be inactive for that is active everywhere, or there is none."""
        differ = self._differences
        plane = nodes.lower.new_zeros(len(nodes), self._stack.n_inputs + 1)
        if self._front:
            l, u = (part[:, : self._front.n_hidden] for part in (nodes.l, nodes.u))
            boxes = Boxes(torch.zeros_like(nodes.root), nodes.lower, nodes.upper, l, u, self._deadline)
            lines = tighten(self._front, boxes)
        layer, neuron, final = differ.culprits(nodes.l, nodes.u)
        for k in range(differ.last):
            at = (layer == k).nonzero()[:, 0]
            row = -self._front.layers[k].backward[0, neuron[at]]
            plane[at] = substitute(self._front, boxes, lines, row, at, k)
        gap, never = torch.full_like(plane[:, 0], FRONT_GAP), torch.zeros_like(final)
        state = _state(nodes.excluded, differ.outputs(nodes.u))
        return _Judged(nodes, state, plane, gap, never, None), final

    def _bound(self, nodes: Nodes) -> _Judged:
        """Bounds all neurons, and tries to exclude the outputs that matter."""
        boxes = Boxes(torch.zeros_like(nodes.root), nodes.lower, nodes.upper, nodes.l, nodes.u, self._deadline)
        lines = tighten(self._stack, boxes)
        differ = self._differences.outputs(boxes.u)
        known, wanted = nodes.excluded.clone(), self._wanted(nodes, differ)
        nodes.excluded[:] |= ~wanted
        left, shown = exclude(self._stack, self._roots, nodes, boxes, lines, steps=STEPS)
        nodes.excluded[:] = known | (nodes.excluded & wanted)
        plane, gap = nodes.lower.new_zeros(len(nodes), self._stack.n_inputs + 1), nodes.lower.new_zeros(len(nodes))
        plane[left.open], gap[left.open] = left.plane, -left.bound.clamp(max=0)
        hopeless = torch.ones(len(nodes), dtype=torch.bool)
        hopeless[left.open] = False
        return _Judged(nodes, _state(nodes.excluded, differ), plane, gap, hopeless, shown)

    def _wanted(self, nodes: Nodes, differ: torch.Tensor) -> torch.Tensor:
        """Which polytopes to try to exclude: [n, polytopes].

        The outputs that may differ, where none of them is lowest at the box's middle; else, all that are not
        lowest there. Where the advisory changes at the middle, a box without these changes everywhere.
        """
        middle = (nodes.lower + nodes.upper) / 2
        scores = self._stack.evaluate(middle, torch.zeros_like(nodes.root)).unflatten(1, (2, -1))
        advisory = torch.nn.functional.one_hot(scores.argmin(2), self._outputs).bool()
        conflict = (advisory & differ.unsqueeze(1)).any(2).any(1)
        wanted = torch.where(conflict[:, None, None], ~advisory, differ.unsqueeze(1))
        return (wanted & differ.any(1)[:, None, None]).flatten(1)

    def _split(self, judged: _Judged) -> None:
        """Opens two children of each box: one input halved, as in search/branching.py, or cut at a face."""
        nodes = judged.nodes
        dimension = input_to_split(nodes, judged.plane, self._roots.reach[nodes.root])
        n = torch.arange(len(nodes))
        value = (nodes.lower + (nodes.upper - nodes.lower) / 2)[n, dimension]
        self._cut_at_faces(nodes, dimension, value)
        low, high = nodes.copy(depth=nodes.depth + 1), nodes.copy(depth=nodes.depth + 1)
        low.upper[n, dimension] = value
        high.lower[n, dimension] = value
        self._recorder.split(nodes, low, high)
        for children in (low, high):
            volume = self._volume(children.lower, children.upper)
            self.open += float(volume.sum())
            promise = volume / (judged.gap + LEAST_GAP)
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
        """These stay open to the end."""
        self._kept.append(torch.stack([nodes.lower, nodes.upper], 1))
        self.open += float(self._volume(nodes.lower, nodes.upper).sum())

    def _give_up(self, first: int) -> None:
        """The boxes from this place of the heap on are split no further."""
        nodes = self._pool.take([slot for _, slot in self._heap[first:]])
        del self._heap[first:]
        self.open -= float(self._volume(nodes.lower, nodes.upper).sum())  # which is added again
        self._keep(nodes)

    def _shrink(self) -> None:
        """Where there is no memory for all open boxes, the less promising half is split no further."""
        if len(self._heap) > self._most:
            self._heap.sort()
            self._give_up(len(self._heap) // 2)

    def result(self, case: Case, seconds: float) -> Preservation:
        """What is known now; the search is over."""
        self._give_up(0)
        left = torch.cat(self._kept)
        volume = float(self._volume(left[:, 0], left[:, 1]).sum())
        return Preservation(
            _rounded_up(volume),
            _rounded_up(volume + self._same),
            self.boxes,
            seconds,
            left.numpy(),
            self._recorder.proof([0]),
            case,
        )


def _state(excluded: torch.Tensor, differ: torch.Tensor) -> torch.Tensor:
    """What is known of boxes, from excluded polytopes [n, 2 outputs] and outputs that may differ [n, outputs]."""
    never = excluded.unflatten(1, (2, -1)).all(1)
    same = ~(differ & ~never).any(1) | ((~never).sum(1) <= 1)
    return torch.where(~differ.any(1), EQUAL, torch.where(same, SAME, OPEN))


def _rounded_up(share: float) -> Fraction:
    """Above the sum of fewer than 2^22 positive terms of float64, of which each errs by less than 2^-49."""
    return min(Fraction(1), Fraction(ceil(share * (1 + 2.0**-30) * 10**12), 10**12))
