"""Optimized lower slopes, row combinations and phase multipliers (alpha-beta-CROWN), batched.

The bound of a combination of rows is concave in the rows' weights and, for fixed signs, in the slopes.
Its gradient needs no automatic differentiation: the bound is the value of one chain of lines at the
worst corner of the box, so a forward pass of that corner through the chosen lines gives every partial
derivative. All values that are tried are dyadic, and are evaluated by the same sound substitution as everywhere
else: each step is a bound, and the best is kept. Slopes: Xu et al., ICLR 2021; multipliers of ReLU
phases: Wang et al., NeurIPS 2021.
"""

from dataclasses import dataclass

import torch

from engine.bounds.blocks import AnyStack, BlockLines, StackBlock, blocks, side_by_side
from engine.bounds.columns import Columns
from engine.bounds.crown import Boxes, concretize
from engine.bounds.relaxation import Lines, dyadic, with_lower
from engine.bounds.stack import hidden, matmul

#: for each block and each of its layers the rows of coefficients over its outputs, and the lines that relax them
Chain = list[tuple[torch.Tensor, Lines]]
Chains = list[Chain]


@dataclass(frozen=True, slots=True)
class Targets(Columns):
    """Polytopes to be excluded, each on one box of the batch: some convex combination of its rows > 0.

    box: [targets] ascending; rows: [targets, rows, outputs + 1]; inputs: [targets, rows, inputs], the
    rows' own coefficients of the network's inputs; absent: [targets, rows], True for padding;
    phases: [targets, hidden], +1 or -1 where z >= 0 or z <= 0 is assumed on the box, else 0.
    """

    box: torch.Tensor
    rows: torch.Tensor
    inputs: torch.Tensor
    absent: torch.Tensor
    phases: torch.Tensor

    def __len__(self) -> int:
        return len(self.box)


@dataclass(frozen=True, slots=True)
class Multipliers(Columns):
    """The free parameters of a bound: row weights [targets, rows], lower slopes and phase multipliers [.., hidden].

    Any weights >= 0, slopes in [0, 1] and multipliers >= 0 give a sound bound.
    """

    weights: torch.Tensor
    slopes: torch.Tensor
    phases: torch.Tensor


@dataclass(frozen=True, slots=True)
class Bound:
    """`lower` [targets] <= the weighted rows on the box; `plane` [targets, inputs + 1] whose minimum it is."""

    lower: torch.Tensor
    plane: torch.Tensor
    multipliers: Multipliers


def bound_targets(
    stack: AnyStack, boxes: Boxes, lines: BlockLines, targets: Targets, free: Multipliers
) -> tuple[Bound, Chains]:
    """The bound that these multipliers give, and the chains that it comes from."""
    rows = (free.weights.unsqueeze(1) @ targets.rows)[:, 0]
    planes: torch.Tensor | None = None
    chains = []
    for block, own in zip(blocks(stack), lines):
        part, chain = _descend(block, block.boxes(boxes), own, block.rows(rows), targets, free)
        planes = block.add(part, planes, stack.n_inputs)
        chains.append(chain)
    assert planes is not None
    planes[:, :-1] += (free.weights.unsqueeze(1) @ targets.inputs)[:, 0]
    return Bound(concretize(stack, boxes, planes, targets.box), planes, free), chains


def _descend(
    block: StackBlock, boxes: Boxes, lines: list[Lines], rows: torch.Tensor, targets: Targets, free: Multipliers
) -> tuple[torch.Tensor, Chain]:
    """Planes of rows over a block's outputs, and the chain that they come from."""
    stack = block.stack
    runs = stack.segments(boxes.network[targets.box])
    slopes, phases, multipliers = (part[:, block.hidden] for part in (free.slopes, targets.phases, free.phases))
    pinned = bool(phases.any())
    chain = []
    for k in range(len(stack.layers) - 1, -1, -1):
        boxes.deadline.check()
        part, layer = stack.slices[k], stack.layers[k]
        chosen = lines[k].at(targets.box)
        if layer.relu:
            l, u = (bound[:, part].index_select(0, targets.box) for bound in (boxes.l, boxes.u))
            chosen = with_lower(chosen, slopes[:, part], l, u)
        chain.append((rows, chosen))
        rows = chosen.relax(rows)
        if layer.relu and pinned:
            # z >= 0 (or <= 0) is known: f >= f - multiplier * (+-z)
            rows[:, :-1] -= phases[:, part] * multipliers[:, part]
            weight = phases[:, part].abs() * multipliers[:, part]
            rows[:, -1] -= 2 * (weight * lines[k].rounding[targets.box]).sum(1)
        rows = matmul(rows, layer.backward, runs)
    return rows, chain[::-1]


def gradient(stack: AnyStack, boxes: Boxes, targets: Targets, bound: Bound, chains: Chains) -> Multipliers:
    """The derivative of each bound with respect to its multipliers."""
    x = worst_corner(boxes, targets.box, bound.plane)
    parts = [_ascend_block(block, boxes, targets, x, chain) for block, chain in zip(blocks(stack), chains)]
    h, slopes, phases = map(side_by_side, zip(*parts))
    y = torch.nn.functional.pad(h, (0, 1), value=1.0)
    weights = (targets.rows @ y.unsqueeze(2) + targets.inputs @ x.unsqueeze(2)).squeeze(2)
    return Multipliers(weights, slopes, phases)


def _ascend_block(
    block: StackBlock, boxes: Boxes, targets: Targets, x: torch.Tensor, chain: Chain
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The values of a block's outputs that its chain assumes at points x [targets, inputs], and the derivatives of the
    bounds with respect to its slopes and multipliers."""
    stack = block.stack
    runs = stack.segments(boxes.network[targets.box])
    signs = targets.phases[:, block.hidden]
    slopes: list[torch.Tensor] = []
    phases: list[torch.Tensor] = []
    h = block.read(x)
    for k, (rows, lines) in enumerate(chain):
        boxes.deadline.check()
        layer = stack.layers[k]
        z = matmul(h, layer.weight.mT, runs) + layer.bias[boxes.network[targets.box]]
        rows = rows[:, :-1]
        if layer.relu:
            slopes.append(rows.clamp(min=0) * z)
            phases.append(-signs[:, stack.slices[k]] * z)
        h = lines.image(rows, z)
    return h, hidden(slopes, x), hidden(phases, x)


def lower_slopes(stack: AnyStack, boxes: Boxes, lines: BlockLines) -> torch.Tensor:
    """The lower slopes of all lines of ReLUs: [boxes, hidden]."""
    parts = [
        chosen.lower[:, :-1]
        for block, own in zip(blocks(stack), lines)
        for chosen, layer in zip(own, block.stack.layers)
        if layer.relu
    ]
    return hidden(parts, boxes.lower)


def worst_corner(boxes: Boxes, box: torch.Tensor, plane: torch.Tensor) -> torch.Tensor:
    """The corner [n, inputs] of its box where each plane [n, inputs + 1] is least."""
    low = (plane[:, :-1] > 0).double()
    return boxes.upper[box] + low * (boxes.lower[box] - boxes.upper[box])


def ascend(
    stack: AnyStack, boxes: Boxes, lines: BlockLines, targets: Targets, start: Multipliers, *, steps: int
) -> Bound:
    """The best bound of those in `steps` >= 1 steps of gradient ascent (Adam) from `start`."""
    logits = (start.weights.clamp(min=0.02).log()).masked_fill(targets.absent, -torch.inf)
    point = [logits, start.slopes.double(), start.phases.double()]
    moments = [(torch.zeros_like(p), torch.zeros_like(p)) for p in point]
    weights, bound, chains = _at(stack, boxes, lines, targets, point)
    best = bound
    # of weights (as logarithms), of slopes, and of multipliers, which are worth as much as coefficients of their layer
    rates = (0.4, 0.15, 0.1 * _sizes(stack, boxes, targets, chains) if steps > 1 else 0.1)
    for step in range(steps - 1):
        slope = gradient(stack, boxes, targets, bound, chains)
        mean = (weights * slope.weights).sum(1, keepdim=True)
        slopes = [weights * (slope.weights - mean), slope.slopes, slope.phases]
        for p, g, (m, v), rate in zip(point, slopes, moments, rates):
            _adam(p, g, m, v, rate * 0.95**step, step)
        point[1].clamp_(0, 1)
        point[2].clamp_(min=0)
        weights, bound, chains = _at(stack, boxes, lines, targets, point)
        best = _better(bound, best)
    return best


def _at(
    stack: AnyStack, boxes: Boxes, lines: BlockLines, targets: Targets, point: list[torch.Tensor]
) -> tuple[torch.Tensor, Bound, Chains]:
    """Row weights, the bound and its chains at a point: logarithms of weights, slopes and multipliers."""
    weights = torch.softmax(point[0], 1)
    free = Multipliers(dyadic(weights), dyadic(point[1]), point[2].float().double())
    return weights, *bound_targets(stack, boxes, lines, targets, free)


def _sizes(stack: AnyStack, boxes: Boxes, targets: Targets, chains: Chains) -> torch.Tensor:
    """The largest coefficient of each hidden neuron's layer: [targets, hidden]."""
    sizes = [
        rows[:, :-1].abs().amax(1, keepdim=True).expand(-1, rows.shape[1] - 1)
        for block, chain in zip(blocks(stack), chains)
        for (rows, _), layer in zip(chain, block.stack.layers)
        if layer.relu
    ]
    return hidden(sizes, boxes.lower[targets.box])


def _adam(
    p: torch.Tensor, g: torch.Tensor, m: torch.Tensor, v: torch.Tensor, rate: float | torch.Tensor, step: int
) -> None:
    """One ascent step of Adam (Kingma and Ba, ICLR 2015), in place."""
    m.mul_(0.9).add_(g, alpha=0.1)
    v.mul_(0.99).addcmul_(g, g, value=0.01)
    scale = (v / (1 - 0.99 ** (step + 1))).sqrt_().add_(1e-12)
    p.add_(rate / (1 - 0.9 ** (step + 1)) * m / scale)


def _better(a: Bound, b: Bound) -> Bound:
    """The larger of two bounds of each target."""
    first = a.lower > b.lower

    def pick(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return torch.where(first.view(-1, *[1] * (x.dim() - 1)), x, y)

    free = a.multipliers.with_columns(list(map(pick, a.multipliers.columns(), b.multipliers.columns())))
    return Bound(pick(a.lower, b.lower), pick(a.plane, b.plane), free)
