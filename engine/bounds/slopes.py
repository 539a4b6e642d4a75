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

from engine.bounds.blocks import AnyStack, Group, StackBlock, blocks, groups, side_by_side
from engine.bounds.columns import Columns
from engine.bounds.crown import Boxes, concretize
from engine.bounds.pairs import image, relax
from engine.bounds.propagation import BlockLines
from engine.bounds.relaxation import Lines, dyadic, with_lower
from engine.bounds.stack import hidden

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

    def improved(self, some: torch.Tensor, other: "Bound") -> "Bound":
        """The same, but of the targets `some` [n] the larger of their bounds and the other ones."""
        best = _better(other, Bound(self.lower[some], self.plane[some], self.multipliers.select(some)))

        def put(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            return x.index_copy(0, some, y)

        columns = map(put, self.multipliers.columns(), best.multipliers.columns())
        free = self.multipliers.with_columns(list(columns))
        return Bound(put(self.lower, best.lower), put(self.plane, best.plane), free)


def bound_targets(
    stack: AnyStack, boxes: Boxes, lines: BlockLines, targets: Targets, free: Multipliers
) -> tuple[Bound, Chains]:
    """The bound that these multipliers give, and the chains that it comes from."""
    rows = (free.weights.unsqueeze(1) @ targets.rows)[:, 0]
    planes: torch.Tensor | None = None
    chains: Chains = [[]] * len(lines)
    for group in groups(stack):
        parts, own = _descend(group, boxes, lines, rows, targets, free)
        planes = group.add(parts, planes, stack.n_inputs)
        for place, chain in zip(group.places, own):
            chains[place] = chain
    assert planes is not None
    planes[:, :-1] += (free.weights.unsqueeze(1) @ targets.inputs)[:, 0]
    return Bound(concretize(stack, boxes, planes, targets.box), planes, free), chains


def _descend(
    group: Group, boxes: Boxes, lines: BlockLines, rows: torch.Tensor, targets: Targets, free: Multipliers
) -> tuple[list[torch.Tensor], Chains]:
    """Planes of rows over a group's outputs, the part of each block, and the chains that they come from."""
    network = boxes.network[targets.box]
    runs = group.blocks[0].stack.segments(network)
    pinned = bool(targets.phases.any())
    parts = [block.rows(rows) for block in group.blocks]
    chains: Chains = [[] for _ in group.blocks]
    for step in reversed(group.steps):
        boxes.deadline.check()
        chosen = [_lines_of(group, i, k, boxes, lines, targets, free) for i, k in step]
        met, relaxed = relax(chosen, [parts[i] for i, _ in step])
        for (i, k), line, before, after in zip(step, chosen, met, relaxed):
            chains[i].append((before, line))
            stack = group.blocks[i].stack
            if pinned and stack.layers[k].relu:
                _pin(after, group.blocks[i], k, lines[group.places[i]][k], targets, free)
            parts[i] = stack.layers[k].products.before(after, network, runs)
    return parts, [chain[::-1] for chain in chains]


def _lines_of(
    group: Group, i: int, k: int, boxes: Boxes, lines: BlockLines, targets: Targets, free: Multipliers
) -> Lines:
    """The lines of layer k of the group's i-th block, with the targets' own slopes."""
    block = group.blocks[i]
    chosen = lines[group.places[i]][k].at(targets.box)
    if not block.stack.layers[k].relu or block.stack.layers[k].curve is not None:  # curves have lines of their own
        return chosen
    part = block.stack.slices[k]
    l, u = (bound[:, block.hidden][:, part].index_select(0, targets.box) for bound in (boxes.l, boxes.u))
    return with_lower(chosen, free.slopes[:, block.hidden][:, part], l, u, block.stack.layers[k].mixed)


def _pin(rows: torch.Tensor, block: StackBlock, k: int, lines: Lines, targets: Targets, free: Multipliers) -> None:
    """Subtracts multiplier * (+-z) from rows [targets, neurons + 1] over z of layer k, in place, where z >= 0 (or
    <= 0) is assumed."""
    part, layer = block.stack.slices[k], block.stack.layers[k]
    phases, multipliers = (given[:, block.hidden][:, part] for given in (targets.phases, free.phases))
    if layer.mixed is None:
        rows[:, :-1] -= phases * multipliers
    else:
        rows.index_add_(1, layer.mixed, phases * multipliers, alpha=-1)
    rounding = layer.of_relus(lines.rounding[targets.box])
    rows[:, -1] -= 2 * (phases.abs() * multipliers * rounding).sum(1)


def gradient(stack: AnyStack, boxes: Boxes, targets: Targets, bound: Bound, chains: Chains) -> Multipliers:
    """The derivative of each bound with respect to its multipliers."""
    x = worst_corner(boxes, targets.box, bound.plane)
    parts: list[tuple[torch.Tensor, ...]] = [()] * len(chains)
    for group in groups(stack):
        found = _ascend_group(group, boxes, targets, x, [chains[place] for place in group.places])
        for place, part in zip(group.places, found):
            parts[place] = part
    h, slopes, phases = map(side_by_side, zip(*parts))
    y = torch.nn.functional.pad(h, (0, 1), value=1.0)
    weights = (targets.rows @ y.unsqueeze(2) + targets.inputs @ x.unsqueeze(2)).squeeze(2)
    return Multipliers(weights, slopes, phases)


def _ascend_group(
    group: Group, boxes: Boxes, targets: Targets, x: torch.Tensor, chains: Chains
) -> list[tuple[torch.Tensor, ...]]:
    """For each block the values of its outputs that the chains assume at points x [targets, inputs], and the
    derivatives of the bounds with respect to its slopes and multipliers."""
    network = boxes.network[targets.box]
    runs = group.blocks[0].stack.segments(network)
    signs = [targets.phases[:, block.hidden] for block in group.blocks]
    slopes: list[list[torch.Tensor]] = [[] for _ in group.blocks]
    phases: list[list[torch.Tensor]] = [[] for _ in group.blocks]
    h = [block.read(x) for block in group.blocks]
    for step in group.steps:
        boxes.deadline.check()
        rows, lines = zip(*((chains[i][k][0][:, :-1], chains[i][k][1]) for i, k in step))
        z = []
        for (i, k), row, line in zip(step, rows, lines):
            stack = group.blocks[i].stack
            layer = stack.layers[k]
            z.append(layer.products.evaluate(h[i], network, runs))
            if layer.relu:
                free = float(layer.curve is None) if line.coupled is None else 1 - line.coupled[:, :-1]
                own = layer.of_relus(z[-1])
                slopes[i].append(layer.of_relus(row).clamp(min=0) * own * free)
                phases[i].append(-signs[i][:, stack.slices[k]] * own)
        for (i, _), value in zip(step, image(lines, rows, z)):
            h[i] = value
    return [(h[i], hidden(slopes[i], x), hidden(phases[i], x)) for i in range(len(h))]


def lower_slopes(stack: AnyStack, boxes: Boxes, lines: BlockLines) -> torch.Tensor:
    """The lower slopes of all lines of ReLUs: [boxes, hidden]."""
    parts = [
        layer.of_relus(chosen.lower[:, :-1])
        for block, own in zip(blocks(stack), lines)
        for chosen, layer in zip(own, block.stack.layers)
        if layer.relu
    ]
    return hidden(parts, boxes.lower)


def coupled(stack: AnyStack, boxes: Boxes, lines: BlockLines) -> torch.Tensor:
    """True for hidden neurons whose lines are those of a difference: [boxes, hidden]."""
    parts = [
        chosen.rounding.new_zeros(len(boxes), layer.n_hidden, dtype=torch.bool)
        if chosen.coupled is None
        else chosen.coupled[:, :-1] > 0
        for block, own in zip(blocks(stack), lines)
        for chosen, layer in zip(own, block.stack.layers)
        if layer.relu
    ]
    return hidden(parts, boxes.lower.bool())


def worst_corner(boxes: Boxes, box: torch.Tensor, plane: torch.Tensor) -> torch.Tensor:
    """The corner [n, inputs] of its box where each plane [n, inputs + 1] is least."""
    low = (plane[:, :-1] > 0).double()
    return boxes.upper[box] + low * (boxes.lower[box] - boxes.upper[box])


def ascend(
    stack: AnyStack,
    boxes: Boxes,
    lines: BlockLines,
    targets: Targets,
    start: Multipliers,
    *,
    steps: int,
    decay: float = 0.95,
) -> Bound:
    """The best bound of those in `steps` >= 1 steps of gradient ascent (Adam) from `start`, each `decay` times the one
    before."""
    logits = (start.weights.clamp(min=0.02).log()).masked_fill(targets.absent, -torch.inf)
    point = [logits, start.slopes.double(), start.phases.double()]
    moments = [(torch.zeros_like(p), torch.zeros_like(p)) for p in point]
    weights, bound, chains = _at(stack, boxes, lines, targets, point)
    best = bound
    # of weights (as logarithms), of slopes, and of multipliers, which are worth as much as coefficients of their layer
    rates = (0.4, 0.15, 0.1 * coefficient_sizes(stack, boxes, targets, chains) if steps > 1 else 0.1)
    for step in range(steps - 1):
        slope = gradient(stack, boxes, targets, bound, chains)
        mean = (weights * slope.weights).sum(1, keepdim=True)
        slopes = [weights * (slope.weights - mean), slope.slopes, slope.phases]
        for p, g, (m, v), rate in zip(point, slopes, moments, rates):
            _adam(p, g, m, v, rate * decay**step, step)
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


def coefficient_sizes(stack: AnyStack, boxes: Boxes, targets: Targets, chains: Chains) -> torch.Tensor:
    """The largest coefficient of each hidden neuron's layer: [targets, hidden]."""
    sizes = [
        rows[:, :-1].abs().amax(1, keepdim=True).expand(-1, layer.n_hidden)
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
