"""Backward substitution (CROWN / DeepPoly), batched over boxes of many networks.

A row is a linear function of one layer's outputs that is to be bounded from below on one box. The rows
of all boxes lie in one ragged batch [sides, rows, width + 1], so that only what can still change is
computed: neurons whose sign the parent box left open, and a property's open rows. Coefficients carry
their constant as last column.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import torch

from engine.bounds.curves import curve_lines
from engine.bounds.descent import Descent
from engine.bounds.interval import magnitudes
from engine.bounds.relaxation import Lines, identity_lines, mixed_lines, relu_lines, round_down, round_up
from engine.bounds.stack import Layered, Stack, StackedLayer
from engine.deadline import NEVER, Deadline

# Limits of a chunk of rows, on a CPU and on a GPU. Rows: on a CPU a chunk's coefficients stay in the processor's cache;
# on a GPU they fill it, with 50 MiB for each copy of them.
MAX_ROWS, MAX_ROWS_ON_CUDA = 1024, 1 << 16
MAX_NUMBERS, MAX_NUMBERS_ON_CUDA = 1 << 18, 1 << 25  # in each copy of the coefficients: of wide networks
MAX_PRODUCTS, MAX_PRODUCTS_ON_CUDA = 1 << 31, 1 << 36  # with one layer: tenths of a second


@dataclass(frozen=True, slots=True)
class Boxes:
    """A batch of input boxes, sorted by network, with bounds of the hidden neurons on them.

    network: [boxes]; lower, upper: [boxes, inputs] float64; l, u: [boxes, hidden] float32, bounds of
    the ReLUs' inputs, which `tighten` improves in place; deadline: whatever is computed about the batch raises
    OutOfTime after it. split: [boxes], the hidden neuron that tells a box from one on which `tighten` found these
    bounds, by its sign; -1 for others; None where there is no such box.
    """

    network: torch.Tensor
    lower: torch.Tensor
    upper: torch.Tensor
    l: torch.Tensor
    u: torch.Tensor
    deadline: Deadline = NEVER
    split: torch.Tensor | None = None

    def __len__(self) -> int:
        return len(self.network)


def rows_at_once(stack: Layered) -> int:
    """The number of rows to substitute together: they fit the cache, and are done soon after a deadline."""
    on_cuda = stack.device.type == "cuda"
    rows, numbers, products = (
        (MAX_ROWS_ON_CUDA, MAX_NUMBERS_ON_CUDA, MAX_PRODUCTS_ON_CUDA)
        if on_cuda
        else (MAX_ROWS, MAX_NUMBERS, MAX_PRODUCTS)
    )
    soon = products // (2 * max(layer.products.count for layer in stack.layers))
    return max(1, min(rows, numbers // (stack.width + 1), soon))


def tighten(stack: Stack, boxes: Boxes) -> list[Lines]:
    """Bounds every neuron of open sign, or with a curve, by full CROWN, in place, and returns each layer's lines.

    CROWN: Zhang et al., NeurIPS 2018. The bounds are sound with their rounding included.
    """
    lines: list[Lines] = []
    runs = stack.segments(boxes.network)
    descent = Descent(stack, boxes.network, boxes.lower, boxes.upper, runs, boxes.deadline)
    h = torch.maximum(boxes.lower.abs(), boxes.upper.abs())
    for k, layer in enumerate(stack.layers):
        size = magnitudes(stack, k, h, boxes.network, runs, boxes.deadline)
        radii = layer.radii(boxes.network)
        if layer.relu:
            l, u = boxes.l[:, stack.slices[k]], boxes.u[:, stack.slices[k]]
            own, noise = layer.of_relus(size), stack.noise(size, radii)
            chosen = is_open(l, u) if layer.curve is None else l < u
            if boxes.split is not None:  # a sign changes lines of its own layer, and what later layers make of them
                chosen &= (boxes.split < stack.slices[k].start).unsqueeze(1)
            tighten_layer(stack, boxes, descent, lines, chosen, layer.of_relus(noise))
            own_radii = None if radii is None else layer.of_relus(radii)
            found, h = bent(layer, l, u, partial(noise_of, stack, own, own_radii), ratio=stack.ratio)
            lines.append(found)
            if layer.mixed is not None:
                lines[-1] = mixed_lines(lines[-1], noise, layer.mixed)
                h = (size + noise).index_copy_(1, layer.mixed, h)
        else:
            lines.append(identity_lines(stack.noise(size, radii)))
            h = size + stack.noise(size, radii)
    return lines


def bent(
    layer: StackedLayer,
    l: torch.Tensor,
    u: torch.Tensor,
    noise: Callable[[torch.Tensor], torch.Tensor],
    *,
    ratio: float = 1.0,
) -> tuple[Lines, torch.Tensor]:
    """The lines of the layer's ReLUs, or curves, on l <= z <= u [boxes, hidden], and the largest sizes of their
    outputs. ratio: as for `relu_lines`."""
    if layer.curve is not None:
        return curve_lines(layer.curve, l, u, noise), layer.curve.sizes(l, u)
    return relu_lines(l, u, noise, ratio=ratio), u.double().clamp(min=0)


def is_open(l: torch.Tensor, u: torch.Tensor) -> torch.Tensor:
    """True for neurons of open sign."""
    return (l < 0) & (u > 0)


def noise_of(stack: Stack, size: torch.Tensor, radii: torch.Tensor | None, intercept: torch.Tensor) -> torch.Tensor:
    """The noise of a ReLU whose upper line has this intercept, and whose input is made of terms of this size, with
    biases of these radii."""
    return stack.noise(size + intercept, radii)


def tighten_layer(
    stack: Stack, boxes: Boxes, descent: Descent, lines: list[Lines], chosen: torch.Tensor, noise: torch.Tensor
) -> None:
    """Bounds the chosen ReLUs [boxes, hidden of the layer] of the layer after these lines, in place, from both sides.
    noise: that of each."""
    if not bool(chosen.any()):
        return
    descent.follow(lines)
    k = len(lines)
    mixed = stack.layers[k].mixed
    l, u = boxes.l[:, stack.slices[k]], boxes.u[:, stack.slices[k]]
    box, neuron = chosen.nonzero(as_tuple=True)
    found = descent.bounds(box, neuron if mixed is None else mixed[neuron], at_once=rows_at_once(stack))
    bound = found - noise[box, neuron]
    l[box, neuron] = torch.maximum(l[box, neuron], round_down(bound[0]))
    u[box, neuron] = torch.minimum(u[box, neuron], round_up(-bound[1]))


def chunks(chosen: torch.Tensor, at_once: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """The places (box, neuron) of the chosen ones, so many at once."""
    box, neuron = chosen.nonzero(as_tuple=True)
    for i in range(0, len(box), at_once):
        yield box[i : i + at_once], neuron[i : i + at_once]


def substitute(
    stack: Stack, boxes: Boxes, lines: list[Lines], rows: torch.Tensor, box: torch.Tensor, k: int
) -> torch.Tensor:
    """Planes [..., n, inputs + 1] with plane . (x, 1) <= row on the box, but for the rounding that `concretize` gives
    up.

    rows: [n, width + 1] or [sides, n, width + 1], over the outputs of layer k - 1; box: [n], ascending.
    """
    network = boxes.network[box]
    runs = stack.segments(network)
    for i in range(k - 1, -1, -1):
        boxes.deadline.check()
        rows = stack.layers[i].products.before(lines[i].at(box).relax(rows), network, runs)
    return rows


def concretize(stack: Layered, boxes: Boxes, planes: torch.Tensor, box: torch.Tensor) -> torch.Tensor:
    """Lower bounds [..., n] of planes [..., n, inputs + 1] on boxes [n], rounding included."""
    lower, upper = boxes.lower[box], boxes.upper[box]
    slope, constant = planes[..., :-1], planes[..., -1]
    minimum = (slope * lower + slope.clamp(max=0) * (upper - lower)).sum(-1)
    size = (slope.abs() * torch.maximum(lower.abs(), upper.abs())).sum(-1)
    return constant + minimum - stack.lost(size)
