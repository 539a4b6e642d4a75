"""Candidate points where every sign is fixed: there the network is affine, and the deepest unsafe point is that of
a linear program.

Samples and gradients hardly meet what is left of a box of many inputs once signs are assumed, nor what an equation
between inputs leaves of any box. A solver works to tolerances, so its point is only to be judged (confirm.py), and
that it finds none proves nothing.
"""

import numpy as np
import torch

from engine.bounds.crown import Boxes
from engine.bounds.roots import Roots
from engine.deadline import NEVER, Deadline
from engine.network import Network
from engine.property import Polytope
from engine.search.exclude import Remaining
from engine.search.pool import Nodes

PROGRAMS = 4  # of a part of a batch, milliseconds each


def deepest_points(networks: list[Network], roots: Roots, polytopes, nodes: Nodes, boxes: Boxes, left: Remaining):
    """(places in `left`, points [n, inputs]) for a few boxes where no sign is open, and either signs are assumed or
    rows speak of inputs: elsewhere samples do as well.

    `polytopes(root)`: the unsafe ones of a root's case, in order.
    """
    is_open = ((boxes.l < 0) & (boxes.u > 0)).any(1)[left.open]
    of_inputs = (roots.inputs[nodes.root[left.open], left.polytope] != 0).flatten(1).any(1)
    fixed = (~is_open & ((nodes.phases != 0).any(1)[left.open] | of_inputs)).nonzero()[:, 0]
    fixed = fixed[left.bound[fixed].argsort(stable=True)[:PROGRAMS]].tolist()
    places, points = [], []
    for place in fixed:
        box = int(left.open[place])
        polytope = polytopes(int(nodes.root[box]))[int(left.polytope[place])]
        ends = (side[box].cpu().numpy() for side in (nodes.lower, nodes.upper))
        point = deepest(
            networks[int(boxes.network[box])],
            polytope,
            *ends,
            on=(boxes.u[box] > 0).cpu().numpy(),
            signs=nodes.phases[box].cpu().numpy(),
            deadline=boxes.deadline,
        )
        if point is not None:
            places.append(place)
            points.append(point)
    points = np.array(points).reshape(-1, nodes.lower.shape[1])
    device = nodes.lower.device
    return torch.tensor(places, dtype=torch.long, device=device), torch.from_numpy(points).to(device)


def deepest(
    network: Network,
    polytope: Polytope,
    lower: np.ndarray,
    upper: np.ndarray,
    *,
    on: np.ndarray,
    signs: np.ndarray,
    deadline: Deadline = NEVER,
) -> np.ndarray | None:
    """The point of the box deepest in the polytope with hidden neuron j passed on where on[j] (else 0), and
    signs[j] z_j >= 0; None where the solver has none, or is not done by the deadline.

    Variables are the box's fractions, which are of one size whatever the inputs', and the depth.
    """
    from scipy.optimize import linprog

    of_inputs = lambda weight: np.column_stack([weight * (upper - lower), weight @ lower])  # the constant last
    h, rows, start = None, [], 0
    for layer in network.layers:
        h = of_inputs(layer.weight) if h is None else layer.weight @ h
        h[:, -1] += layer.bias
        if layer.relu:
            part = slice(start, start + len(h))
            assumed = np.flatnonzero(signs[part])
            rows += [(-signs[part][j] * h[j], 0.0) for j in assumed]
            h = h * on[part, None]
            start += len(h)
    for row in polytope.rows:
        value = np.array(row.outputs, float) @ h + of_inputs(np.array([row.inputs], float))[0]
        value[-1] += float(row.constant)
        rows.append((value, 1.0))
    deadline.check()
    table = np.array([[*value[:-1], depth] for value, depth in rows])
    limits = np.array([-value[-1] for value, _ in rows])
    objective = np.zeros(len(lower) + 1)
    objective[-1] = -1.0
    found = linprog(
        objective, table, limits, bounds=[(0, 1)] * len(lower) + [(None, None)], options={"time_limit": deadline.left}
    )
    return None if found.x is None else lower + (upper - lower) * np.clip(found.x[:-1], 0, 1)
