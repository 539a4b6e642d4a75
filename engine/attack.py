"""Looking for counterexamples: samples, and signed gradient descent from the best of them."""

import torch

from engine.bounds.blocks import AnyStack, StackBlock, blocks, side_by_side
from engine.bounds.products import Segments
from engine.bounds.roots import Roots
from engine.deadline import NEVER, Deadline

FACES = 0.4  # share of samples' coordinates that lie at an end of their input
# Limits of the points that descend together: the numbers kept of them on the way, and products with one layer, tenths
# of a second.
MAX_NUMBERS = 1 << 24
MAX_PRODUCTS = 1 << 31


def violation(
    roots: Roots, root: torch.Tensor, x: torch.Tensor, y: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The distances of points from unsafe, and the rows that decide them: (value [n], row [n, outputs + 1], inputs).

    value = min over polytopes of the largest row, in float64: negative (or 0 where no row is
    strict) inside an unsafe polytope. x: [n, inputs]; y: [n, outputs].
    """
    value, polytope, row = _deciding(roots, root, x, y)
    return value, roots.rows[root, polytope, row], roots.inputs[root, polytope, row]


def _deciding(
    roots: Roots, root: torch.Tensor, x: torch.Tensor, y: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The same values, and the numbers of the polytopes and of the rows that decide them."""
    y = torch.nn.functional.pad(y, (0, 1), value=1.0)
    values = (roots.rows[root] @ y[:, None, :, None])[..., 0] + (roots.inputs[root] @ x[:, None, :, None])[..., 0]
    values.masked_fill_(roots.absent[root], -torch.inf)
    worst, row = values.max(2)
    value, polytope = worst.masked_fill(roots.missing[root], torch.inf).min(1)
    return value, polytope, row.take_along_dim(polytope.unsqueeze(1), 1)[:, 0]


def nearest_polytopes(stack: AnyStack, roots: Roots, root: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """The unsafe polytope that each point is nearest to: [n]. root: [n], sorted by network."""
    return _deciding(roots, root, x, stack.evaluate(x, roots.network[root]))[1]


def descend(
    stack: AnyStack,
    roots: Roots,
    root: torch.Tensor,
    x: torch.Tensor,
    scale: torch.Tensor,
    *,
    steps: int,
    decay: float = 0.85,
    deadline: Deadline = NEVER,
) -> tuple[torch.Tensor, torch.Tensor]:
    """The best points [n, inputs] that signed gradient descent on `violation` meets, and their values [n].

    x: [n, inputs], its start; root: [n], sorted by network; scale: [n, inputs], the first step's length.
    """
    of_rows = roots.rows[0].numel() + roots.inputs[0].numel() if len(roots.rows) else 0
    most = MAX_NUMBERS // (stack.n_inputs + stack.n_hidden + of_rows)
    soon = MAX_PRODUCTS // max(layer.products.count for layer in stack.layers)
    parts = zip(*(torch.split(part, max(1, min(most, soon))) for part in (root, x, scale)))
    found = [_descend(stack, roots, *part, steps=steps, decay=decay, deadline=deadline) for part in parts]
    points, values = map(torch.cat, zip(*found))
    return points, values


def _descend(
    stack: AnyStack,
    roots: Roots,
    root: torch.Tensor,
    x: torch.Tensor,
    scale: torch.Tensor,
    *,
    steps: int,
    decay: float,
    deadline: Deadline,
) -> tuple[torch.Tensor, torch.Tensor]:
    network = roots.network[root]
    runs = stack.segments(network)
    lower, upper = roots.lower[root], roots.upper[root]
    best_x, best = x, torch.full((len(x),), torch.inf, dtype=x.dtype, device=x.device)
    for step in range(steps + 1):
        y, signs = _outputs(stack, network, runs, x, deadline)
        value, row, inputs = violation(roots, root, x, y)
        better = value < best
        best_x = best_x.lerp(x, better.double().unsqueeze(1))
        best = torch.minimum(value, best)
        if step < steps:
            gradient = _gradient(stack, runs, row, signs, deadline) + inputs
            x = torch.minimum(torch.maximum(x - scale * decay**step * gradient.sign(), lower), upper)
    return best_x, best


def rows_at(
    stack: AnyStack,
    roots: Roots,
    root: torch.Tensor,
    polytope: torch.Tensor,
    x: torch.Tensor,
    deadline: Deadline = NEVER,
) -> tuple[torch.Tensor, torch.Tensor]:
    """The values [n, rows] of all rows of one polytope at each point [n, inputs], and their slopes there
    [n, rows, inputs]; absent rows are 0.

    root: [n], sorted by network; polytope: [n].
    """
    network = roots.network[root]
    rows, inputs = roots.rows[root, polytope], roots.inputs[root, polytope]
    of, count = rows.shape[1], len(root)
    y, signs = _outputs(stack, network, stack.segments(network), x, deadline)
    values = (rows @ torch.nn.functional.pad(y, (0, 1), value=1.0)[..., None] + inputs @ x[..., None])[..., 0]
    repeated = [[sign if sign is None else sign.repeat_interleave(of, 0) for sign in own] for own in signs]
    runs = stack.segments(network.repeat_interleave(of))
    slopes = _gradient(stack, runs, rows.flatten(0, 1), repeated, deadline).view(count, of, -1)
    return values, slopes + inputs


Signs = list[torch.Tensor | None]  # for each layer with a ReLU 1 where its input is passed on, else 0


def _outputs(
    stack: AnyStack, network: torch.Tensor, runs: Segments, x: torch.Tensor, deadline: Deadline
) -> tuple[torch.Tensor, list[Signs]]:
    """Outputs at points [n, inputs], and the signs on the way in each block."""
    found = [_forward(block, network, runs, x, deadline) for block in blocks(stack)]
    return side_by_side([h for h, _ in found]), [signs for _, signs in found]


def _gradient(
    stack: AnyStack, runs: Segments, row: torch.Tensor, signs: list[Signs], deadline: Deadline
) -> torch.Tensor:
    """The gradient in the inputs [n, inputs] of rows [n, outputs + 1]."""
    planes: torch.Tensor | None = None
    for block, own in zip(blocks(stack), signs):
        part = _backward(block, runs, block.rows(row)[:, :-1], own, deadline)
        planes = block.add(torch.nn.functional.pad(part, (0, 1)), planes, stack.n_inputs)
    assert planes is not None
    return planes[:, :-1]


def _forward(
    block: StackBlock, network: torch.Tensor, runs: Segments, x: torch.Tensor, deadline: Deadline
) -> tuple[torch.Tensor, Signs]:
    """A block's outputs at points [n, inputs], and the signs on the way."""
    h = block.read(x)
    signs: Signs = []
    for layer in block.stack.layers:
        deadline.check()
        h = layer.products.evaluate(h, network, runs)
        signs.append(layer.passes(h))
        h = layer.rectify(h)
    return h, signs


def _backward(
    block: StackBlock, runs: Segments, gradient: torch.Tensor, signs: Signs, deadline: Deadline
) -> torch.Tensor:
    """The gradient in a block's inputs of functions with this gradient in its outputs."""
    for layer, sign in zip(reversed(block.stack.layers), reversed(signs)):
        deadline.check()
        gradient = layer.products.gradients(gradient if sign is None else gradient * sign, runs)
    return gradient


def sample(roots: Roots, root: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """A random point of each root's box [n] -> [n, inputs], each input at an end with probability FACES.

    Networks are worst at the ends of their inputs far more often than inside: of N(1,9)'s points
    that violate property 7, uniform samples find one in a million, these one in a thousand.
    """
    lower, upper = roots.lower[root], roots.upper[root]
    fraction = torch.rand(lower.shape, dtype=torch.float64, generator=generator).to(lower.device)
    fraction = ((fraction - 0.5) / (1 - FACES) + 0.5).clamp(0, 1)
    return lower + (upper - lower) * fraction
