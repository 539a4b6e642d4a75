"""Descent from very many points of a problem's open boxes, once its search is long.

The attacks on the way descend from the points that seem worst. Where a network is nearly flat on most of a case these
lie in shallow valleys, and the way into a narrow deep one begins at points that are no better than others. So these
starts are not chosen by their values: boxes are drawn, and a point in each. Splits crowd where the network bends, and
there the valleys are. Then descent by sign stalls on their edges, where rows and signs change: the best points go on by
small random moves, each with a short descent of its own.
"""

import torch

from engine.attack import descend
from engine.bounds.blocks import AnyStack
from engine.bounds.roots import Roots
from engine.deadline import Deadline
from engine.search.frontier import Frontier
from engine.search.state import ProblemState
from engine.search.suspects import Suspects, by_network

EVERY = 16_384  # boxes of a problem between two restarts
# With N(3,9) and property 7, whose unsafe points are a millionth of the domain, one restart of seven reaches them; it
# takes a fifth of the time of as many boxes. Where more is proved, restarts are smaller.
STARTS, STEPS = 8_192, 20  # of a restart where nothing is proved
STEP = 0.05  # the first step's length, as a share of the root's box
LEVELS = 4.0  # a box so many splits deeper is drawn half as often
BEST, MOVES = 32, 64  # points that go on, and moves of each, the first of which is none
ROUNDS, SHORT = 6, 10  # of moves, and the steps after each
REACH, SHRINK = 0.05, 0.6  # the size of the first moves, as a share of the root's box, and of the next to it
MIN_SHARE = 1 / 32


def due(state: ProblemState) -> bool:
    """True where it is the problem's turn to be attacked so."""
    return bool(state.open) and not state.counterexample and state.long and state.boxes >= state.restart_at


def restart(stack: AnyStack, frontier: Frontier, state: ProblemState, deadline: Deadline) -> Suspects:
    """The best points that descent from new starts reaches; sets the problem's next turn. Raises OutOfTime."""
    state.restart_at = state.boxes + EVERY
    generator = torch.Generator().manual_seed(state.boxes)  # its own: the search's other samples stay the same
    share = max(MIN_SHARE, 1 - state.proved)
    roots, (root, x) = frontier.roots, _starts(frontier, state, int(STARTS * share), generator)
    scale = STEP * (roots.upper - roots.lower)[root]
    x, value = descend(stack, roots, root, x, scale, steps=STEPS, deadline=deadline)
    best = value.topk(min(len(value), int(BEST * share)), largest=False).indices
    best = best[by_network(roots, root[best])]
    found = Suspects(root[best], x[best], value[best])
    for i in range(ROUNDS):
        if bool((found.value <= 0).any()):
            break
        found = _moved(stack, roots, found, REACH * SHRINK**i, generator, deadline)
    return found


def _starts(
    frontier: Frontier, state: ProblemState, count: int, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Random points [count, inputs] of the problem's open boxes, and their roots, in order."""
    slots = list(state.open)
    (depth,) = frontier.read_columns(slots, "depth")
    odds = torch.exp2((depth.min() - depth) / LEVELS).cpu()
    chosen = torch.searchsorted(odds.cumsum(0), odds.sum() * torch.rand(count, generator=generator)).tolist()
    some = [slots[min(i, len(slots) - 1)] for i in chosen]
    root, lower, upper = frontier.read_columns(some, "root", "lower", "upper")
    fraction = torch.rand(lower.shape, dtype=lower.dtype, generator=generator).to(lower.device)
    order = by_network(frontier.roots, root)
    return root[order], (lower + (upper - lower) * fraction)[order]


def _moved(
    stack: AnyStack, roots: Roots, found: Suspects, reach: float, generator: torch.Generator, deadline: Deadline
) -> Suspects:
    """Each point, or the best that descent finds from MOVES points about it."""
    root = found.root.repeat_interleave(MOVES)
    width = (roots.upper - roots.lower)[root]
    moves = torch.randn(width.shape, dtype=width.dtype, generator=generator).to(width.device)
    moves[::MOVES] = 0.0
    x = found.point.repeat_interleave(MOVES, 0) + reach * width * moves
    x = torch.minimum(torch.maximum(x, roots.lower[root]), roots.upper[root])
    x, value = descend(stack, roots, root, x, reach / 2 * width, steps=SHORT, deadline=deadline)
    best = value.view(-1, MOVES).min(1)
    points = x.view(len(found.root), MOVES, -1)[torch.arange(len(found.root)), best.indices]
    return Suspects(found.root, points, best.values)
