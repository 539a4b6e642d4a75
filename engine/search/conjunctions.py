"""The turns of attacks on conjunctions (solvers/sequential.py): few, as their programs take milliseconds each."""

from collections import defaultdict

import torch

from engine.attack import nearest_polytopes, sample
from engine.bounds.blocks import AnyStack
from engine.bounds.columns import joined
from engine.bounds.roots import Roots
from engine.deadline import Deadline
from engine.search.frontier import Frontier
from engine.search.suspects import Suspects, by_network
from engine.solvers.sequential import Polytopes, gauss_newton, sequences

STARTS, SAMPLES = 16, 32  # suspects of a problem that take steps, and new samples for each of them
SEQUENCES = 3  # points of a root that programs start from
FIRST_OTHERS = 4096  # boxes of a problem after which polytopes are attacked whose rows do not oppose each other
FIRST_WAIT, WAIT = 64, 4  # the next attack comes after that many boxes, or so many times those of this one
MAX_NUMBERS = 1 << 22  # of the slopes of all points together


def conjunction_attack(stack: AnyStack, frontier: Frontier, suspects: Suspects, deadline: Deadline) -> Suspects | None:
    """Attacks polytopes of several rows, of the problems whose turn it is, from their best suspects and new samples on.

    None where it is no problem's turn. Polytopes with a band, or with other rows that ask for opposite changes, are
    attacked at once and then rarely; others only in long searches, for descent finds most of their points.
    """
    roots = frontier.roots
    most = MAX_NUMBERS // (roots.rows.shape[2] * stack.n_inputs)
    chosen = _chosen(frontier, suspects)[:most] if roots.rows.shape[2] > 1 else []
    if not chosen:
        return None
    root, x = suspects.root[chosen], suspects.point[chosen]
    order = by_network(roots, root)
    root, x = root[order], x[order]
    polytope = nearest_polytopes(stack, roots, root, x)
    late = torch.tensor([frontier.owner(r).boxes >= FIRST_OTHERS for r in root.tolist()], device=root.device)
    several = (~roots.absent[root, polytope]).sum(1) > 1
    due = several & (late | opposed(roots, root, polytope))
    if not bool(due.any()):
        return None
    of = Polytopes(stack, roots, root[due], polytope[due])
    # its own: the search's other samples stay the same
    generator = torch.Generator().manual_seed(sum(frontier.owner(r).boxes for r in root.tolist()))
    return _attack(*_with_samples(of, x[due], min(SAMPLES, most // len(root) - 1), generator), deadline)


def _with_samples(
    of: Polytopes, x: torch.Tensor, samples: int, generator: torch.Generator
) -> tuple[Polytopes, torch.Tensor]:
    """The points [n, inputs], and behind each so many new samples of its root, to be drawn to the same polytope."""
    index = torch.arange(len(x), device=x.device).repeat_interleave(samples + 1)
    points = sample(of.roots, of.root[index], generator)
    points[:: samples + 1] = x
    return of.select(index), points


def _attack(of: Polytopes, x: torch.Tensor, deadline: Deadline) -> Suspects:
    """Steps from all points, and programs from the best of each root; what both have found."""
    x, value, scale = gauss_newton(of, x, deadline)
    order = value.argsort(stable=True)
    order = order[of.root[order].argsort(stable=True)]
    best = order[_number_in_run(of.root[order]) < SEQUENCES]
    best = best[by_network(of.roots, of.root[best])]
    some = of.select(best)
    return joined([Suspects(of.root, x, value), Suspects(some.root, *sequences(some, x[best], scale[best], deadline))])


def _number_in_run(values: torch.Tensor) -> torch.Tensor:
    """The number of each entry among those equal to it, in a sorted vector: [n]."""
    return torch.arange(len(values), device=values.device) - torch.searchsorted(values, values)


def opposed(roots: Roots, root: torch.Tensor, polytope: torch.Tensor) -> torch.Tensor:
    """True for polytopes of which two rows ask for opposite changes, as the ends of a band do: [n]."""
    rows = torch.cat([roots.rows[root, polytope][..., :-1], roots.inputs[root, polytope]], 2)
    return (rows @ rows.mT < 0).flatten(1).any(1)


def _chosen(frontier: Frontier, suspects: Suspects) -> list[int]:
    """The best suspects of each problem whose turn it is; the next turn of these is set."""
    values = suspects.value.tolist()
    owners = [frontier.owner(root) for root in suspects.root.tolist()]
    due: dict[int, list[int]] = defaultdict(list)
    for i in sorted(range(len(values)), key=values.__getitem__):
        if not owners[i].counterexample and owners[i].boxes >= owners[i].attack_at:
            due[owners[i].index].append(i)
    for found in due.values():
        state = owners[found[0]]
        state.attack_at = max(FIRST_WAIT, WAIT * state.boxes)
    return [i for found in due.values() for i in found[:STARTS]]
