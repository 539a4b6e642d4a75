"""Bounds of a layer's neurons, substituted back to the inputs through those neurons alone that are not 0 on all boxes.

Boxes that lie close together have many neurons in common that are never positive on them: half of ACAS Xu's, deep in a
tree. Lines and weights of these are zeros, in every sum that a bound is made of (rounding.py), and are left out.

Boxes that only signs tell apart have the same inputs, and their lines of the first layer differ at a few neurons. What
the other neurons add to coefficients over the inputs is the same on all these boxes, and is multiplied out once. (Sums
may be taken in any order.)
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import torch

from engine.bounds.products import Dense, Products, Segments
from engine.bounds.relaxation import Lines, relaxed
from engine.bounds.stack import Stack
from engine.deadline import Deadline

MAX_BOXES = 256  # of a part: more have less in common, of fewer the products are small
MAX_COPIED = 1 << 22  # weights of all parts together
MIN_INPUTS = 128  # from so many on it pays to look for what boxes have in common


@dataclass(slots=True)
class Part:
    """Boxes first <= box < last of a batch, and the layers that rows over them pass.

    network: the one whose boxes they are, if idle neurons are left out; then `kept` are the places, ascending, of the
    other outputs of the last layer and of the constant, and `weights` [its outputs + 1, outputs + 1 of the one before]
    of each layer what is left. lines: of each layer [4 * boxes, outputs + 1], as `relaxed` takes them; ends: likewise
    [4 * boxes, inputs]. alike: True where all boxes have the same many inputs. common: of each neuron of the second
    layer what the first layer's neurons add to rows z and -z whose lines are the same on all boxes, [2, neurons, inputs
    + 1], and the places of the others and of the constant.
    """

    first: int
    last: int
    network: int | None
    ends: torch.Tensor
    alike: bool
    kept: torch.Tensor | None = None
    lines: list[torch.Tensor] = field(default_factory=list)
    weights: list[torch.Tensor] = field(default_factory=list)
    common: tuple[torch.Tensor, torch.Tensor] | None = None

    def follow(self, products: Products, lines: torch.Tensor, used: torch.Tensor) -> None:
        """Goes on to the next layer. lines: [4, boxes, outputs + 1] of the batch; used: True where any is not 0."""
        own = lines[:, self.first : self.last]
        if self.network is not None:
            kept = used[self.first : self.last].any(0).nonzero()[:, 0]
            own = own.index_select(2, kept)
            # laid out by columns, as Dense.backward
            self.weights.append(self._reached(products).index_select(0, kept).mT.contiguous().mT)
            self.kept = kept
        self.lines.append(own.flatten(0, 1))

    def rows(self, products: Products, network: torch.Tensor, neuron: torch.Tensor) -> torch.Tensor:
        """The rows of these neurons [n] of the next layer over the outputs that are kept: [n, kept]."""
        if self.network is None:
            return products.rows(network, neuron)
        return self._reached(products).index_select(0, neuron)

    def find_common(self, products: Products) -> None:
        """Multiplies out what is common; only the first layer has been passed."""
        lines = self.lines[0].view(4, self.last - self.first, -1)
        slopes = lines[::2]  # what else lines have goes to the constant
        same = (slopes == slopes[:, :1]).all(1).all(0)
        same[-1] = False
        row = self._reached(products)[:-1]
        found = relaxed(torch.stack([row, -row]), lines[:, 0].view(2, 2, 1, 1, -1))
        self.common = found[..., same] @ self.weights[0][same], (~same).nonzero()[:, 0]

    def before(self, rows: torch.Tensor, k: int, neuron: torch.Tensor) -> torch.Tensor:
        """Rows [2, n, kept] over layer k's outputs, which come from these neurons [n], over those of the one before."""
        if self.common is None:
            return rows @ self.weights[k]
        found, others = self.common
        return found[:, neuron] + rows[..., others] @ self.weights[0][others]

    def least(self, slopes: torch.Tensor, place: torch.Tensor) -> torch.Tensor:
        """The least values of planes with these slopes [2, n, inputs] on their boxes, without constants, and the sizes
        of all terms, negated: [2, 2, n]."""
        if self.alike:
            ends = self.ends.view(4, self.last - self.first, -1)[:, 0]
            return (slopes @ ends[:2].mT + slopes.clamp(max=0) @ ends[2:].mT).movedim(-1, 0)
        own = _of_rows(self.ends, place)
        return (slopes * own[0]).addcmul_(slopes.clamp(max=0), own[1]).sum(-1)

    def _reached(self, products: Products) -> torch.Tensor:
        """The next layer's weights [outputs + 1, kept]."""
        assert isinstance(products, Dense) and self.network is not None
        weights = products.backward[self.network]
        return weights if self.kept is None else weights.index_select(1, self.kept)


class Descent:
    """The parts of a batch of boxes, sorted by network, while their lines are found from layer to layer."""

    def __init__(
        self,
        stack: Stack,
        network: torch.Tensor,
        lower: torch.Tensor,
        upper: torch.Tensor,
        runs: Segments,
        deadline: Deadline,
    ):
        """network: [boxes]; lower, upper: [boxes, inputs]; runs: of `network`."""
        self._stack, self._network, self._deadline = stack, network, deadline
        self._passed = 0
        largest = torch.maximum(lower.abs(), upper.abs())
        ends = torch.stack([lower, -largest, upper - lower, 2 * largest])
        self._parts = [
            Part(first, last, alone, own.flatten(0, 1), alone is not None and _alike(own))
            for alone, first, last in _parts(stack, len(network), runs)
            for own in [ends[:, first:last]]
        ]

    def follow(self, lines: Sequence[Lines]) -> None:
        """Goes on to the end of these lines, of the first layers."""
        for line in lines[self._passed :]:
            packed = torch.stack([line.lower, -line.noise, line.change, line.lift])
            used = (packed != 0).any(0)
            for part in self._parts:
                part.follow(self._stack.layers[self._passed].products, packed, used)
            self._passed += 1

    def bounds(self, box: torch.Tensor, neuron: torch.Tensor, *, at_once: int) -> torch.Tensor:
        """Lower bounds [2, n] of z and -z of neurons [n], on boxes [n], ascending, of the layer after those followed.

        They lack the neurons' own noise. at_once: rows z that are substituted together.
        """
        found = [self._bounds(*chosen) for chosen in self._chosen(box, neuron, at_once)]
        none = torch.zeros(2, 0, dtype=torch.float64, device=box.device)
        return torch.cat([none, *found], 1)

    def _chosen(
        self, box: torch.Tensor, neuron: torch.Tensor, at_once: int
    ) -> Iterator[tuple[Part, torch.Tensor, torch.Tensor]]:
        ends = torch.tensor([part.last for part in self._parts], dtype=torch.long, device=box.device)
        stops = torch.searchsorted(box, ends).tolist()
        for part, start, stop in zip(self._parts, [0, *stops], stops):
            self._find_common(part, stop - start)
            for i in range(start, stop, at_once):
                j = min(i + at_once, stop)
                yield part, box[i:j], neuron[i:j]

    def _find_common(self, part: Part, rows: int) -> None:
        """So that so many rows need not be multiplied out one by one, if they are many more than neurons."""
        products = self._stack.layers[self._passed].products
        part.common = None
        if part.alike and self._passed == 1 and rows >= 4 * products.shape[0]:
            part.find_common(products)

    def _bounds(self, part: Part, box: torch.Tensor, neuron: torch.Tensor) -> torch.Tensor:
        network = self._network[box]
        row = part.rows(self._stack.layers[self._passed].products, network, neuron)
        rows = torch.stack([row, -row])
        runs = self._stack.segments(network) if part.network is None else Segments()
        four = torch.arange(4, device=box.device).unsqueeze(1) * (part.last - part.first)
        place = (four + (box - part.first)).flatten()
        for k in reversed(range(self._passed)):
            self._deadline.check()
            rows = relaxed(rows, _of_rows(part.lines[k], place))
            if part.network is None:
                rows = self._stack.layers[k].products.before(rows, network, runs)
            else:
                rows = part.before(rows, k, neuron)
        sums = part.least(rows[..., :-1].contiguous(), place)
        return rows[..., -1] + sums[0] - self._stack.lost(-sums[1])


def _of_rows(table: torch.Tensor, place: torch.Tensor) -> torch.Tensor:
    """The entries [4 n, columns] of a table as two pairs: [2, 2, 1, n, columns]."""
    return table.index_select(0, place).view(2, 2, 1, len(place) // 4, table.shape[1])


def _alike(ends: torch.Tensor) -> bool:
    """True for several boxes of the same many inputs; ends: [4, boxes, inputs]."""
    return ends.shape[1] > 1 and ends.shape[2] > MIN_INPUTS and bool((ends == ends[:, :1]).all())


def _parts(stack: Stack, boxes: int, runs: Segments) -> list[tuple[int | None, int, int]]:
    """Networks, first and last boxes of parts: a few boxes of one network each, where dense weights are not too many to
    be copied; on a GPU, whose batches are to be large, all boxes as one."""
    parts = [(net, i, min(i + MAX_BOXES, stop)) for net, start, stop in runs for i in range(start, stop, MAX_BOXES)]
    dense = all(isinstance(layer.products, Dense) for layer in stack.layers)
    few = len(parts) * sum(layer.products.count for layer in stack.layers) <= MAX_COPIED
    return list(parts) if stack.device.type == "cpu" and dense and few else [(None, 0, boxes)]
