"""Backward substitution (CROWN / DeepPoly), batched over boxes of many networks.

A row is a linear function of one layer's outputs that is to be bounded from below on one box. The rows
of all boxes lie in one ragged batch [sides, rows, width + 1], so that only what can still change is
computed: neurons whose sign the parent box left open, and a property's open rows. Coefficients carry
their constant as last column.
"""

from dataclasses import dataclass

import torch

from engine.bounds.interval import magnitudes
from engine.bounds.relaxation import Lines, identity_lines, relu_lines, round_down, round_up
from engine.bounds.stack import Stack, matmul
from engine.deadline import NEVER, Deadline

ROWS_AT_ONCE = 1024  # keeps a chunk's coefficients in the processor's cache
ROWS_ON_CUDA = 1 << 16  # fills a GPU; 50 MiB for each copy of a chunk's coefficients
NUMBERS, NUMBERS_ON_CUDA = 1 << 19, 1 << 25  # of a chunk of wide networks, in each copy of its coefficients
PRODUCTS, PRODUCTS_ON_CUDA = 1 << 31, 1 << 36  # of a chunk with one layer: tenths of a second


@dataclass(frozen=True, slots=True)
class Boxes:
    """A batch of input boxes, sorted by network, with what is known of the hidden neurons on them.

    network: [boxes]; lower, upper: [boxes, inputs] float64; l, u: [boxes, hidden] float32, bounds of
    the ReLUs' inputs, which `tighten` improves in place; deadline: of all that is computed about the batch,
    which ends with OutOfTime.
    """

    network: torch.Tensor
    lower: torch.Tensor
    upper: torch.Tensor
    l: torch.Tensor
    u: torch.Tensor
    deadline: Deadline = NEVER

    def __len__(self) -> int:
        return len(self.network)


def rows_at_once(stack: Stack) -> int:
    """How many rows to substitute together: what fits the cache, and is done soon after a deadline."""
    on_cuda = stack.device.type == "cuda"
    numbers, products = (NUMBERS_ON_CUDA, PRODUCTS_ON_CUDA) if on_cuda else (NUMBERS, PRODUCTS)
    soon = products // (2 * max(layer.weight[0].numel() for layer in stack.layers))
    return max(1, min(ROWS_ON_CUDA if on_cuda else ROWS_AT_ONCE, numbers // (stack.width + 1), soon))


def tighten(stack: Stack, boxes: Boxes) -> list[Lines]:
    """Bounds every neuron of open sign by full CROWN, in place, and returns each layer's lines."""
    lines: list[Lines] = []
    runs = stack.segments(boxes.network)
    at_once = rows_at_once(stack)
    h = torch.maximum(boxes.lower.abs(), boxes.upper.abs())
    for k, layer in enumerate(stack.layers):
        size = magnitudes(stack, k, h, boxes.network, runs, boxes.deadline)
        if layer.relu:
            l, u = boxes.l[:, stack.slices[k]], boxes.u[:, stack.slices[k]]
            box, neuron = ((l < 0) & (u > 0)).nonzero(as_tuple=True)
            for i in range(0, len(box), at_once):
                chunk = slice(i, i + at_once)
                _tighten_neurons(stack, boxes, lines, k, box[chunk], neuron[chunk], stack.noise(size))
            lines.append(relu_lines(l, u, lambda intercept: stack.noise(size + intercept)))
            h = u.double().clamp(min=0)
        else:
            lines.append(identity_lines(stack.noise(size)))
            h = size + stack.noise(size)
    return lines


def _tighten_neurons(stack, boxes, lines, k, box, neuron, noise):
    """Bounds the given neurons of layer k from both sides: the rows z and -z."""
    row = stack.layers[k].backward[boxes.network[box], neuron]
    planes = substitute(stack, boxes, lines, torch.stack([row, -row]), box, k)
    bound = concretize(stack, boxes, planes, box) - noise[box, neuron]
    l, u = boxes.l[:, stack.slices[k]], boxes.u[:, stack.slices[k]]
    l[box, neuron] = torch.maximum(l[box, neuron], round_down(bound[0]))
    u[box, neuron] = torch.minimum(u[box, neuron], round_up(-bound[1]))


def substitute(stack: Stack, boxes: Boxes, lines: list[Lines], rows: torch.Tensor, box: torch.Tensor, k: int):
    """Rows [n, width + 1] or [sides, n, width + 1] over the outputs of layer k - 1, on boxes [n] ascending -> planes.

    plane . (x, 1) <= row on the box, [..., n, inputs + 1], but for the rounding that
    `concretize` gives up.
    """
    runs = stack.segments(boxes.network[box])
    for i in range(k - 1, -1, -1):
        boxes.deadline.check()
        rows = matmul(lines[i].at(box).relax(rows), stack.layers[i].backward, runs)
    return rows


def concretize(stack: Stack, boxes: Boxes, planes: torch.Tensor, box: torch.Tensor) -> torch.Tensor:
    """A lower bound of planes [..., n, inputs + 1] on boxes [n], rounding included -> [..., n]."""
    lower, upper = boxes.lower[box], boxes.upper[box]
    slope, constant = planes[..., :-1], planes[..., -1]
    minimum = (slope * lower + slope.clamp(max=0) * (upper - lower)).sum(-1)
    size = (slope.abs() * torch.maximum(lower.abs(), upper.abs())).sum(-1)
    return constant + minimum - stack.lost(size)
