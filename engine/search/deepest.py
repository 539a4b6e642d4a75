"""Candidate points on boxes where every sign is fixed: there the network is affine, and a linear program gives the
deepest unsafe point.

Samples and gradients hardly reach the rest of a box of many inputs once signs are assumed, or the inputs that satisfy
an equation. A solver works to tolerances, so its point is still to be confirmed (confirm.py), and that it finds none
proves nothing.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch

from engine.deadline import NEVER, Deadline
from engine.joint import Model, blocks_of
from engine.property import Polytope
from engine.search.batch import Batch
from engine.search.exclude import OpenTargets

MAX_PROGRAMS = 4  # of a part of a batch, milliseconds each


def deepest_points(
    batch: Batch, targets: OpenTargets, polytopes: Callable[[int], Sequence[Polytope]]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Points [n, inputs] on a few open boxes, and the numbers [n] of these among the open ones, before them.

    The network is affine there, and either signs are assumed or rows speak of inputs: elsewhere samples do as well.
    `polytopes(root)`: the unsafe ones of a root's case, in order.
    """
    nodes, boxes = batch.nodes, batch.boxes
    of_inputs = (batch.roots.inputs[nodes.root[targets.box], targets.polytope] != 0).flatten(1).any(1)
    fixed = (batch.is_affine[targets.box] & ((nodes.phases != 0).any(1)[targets.box] | of_inputs)).nonzero()[:, 0]
    numbers, points = [], []
    for number in fixed[targets.bound[fixed].argsort(stable=True)[:MAX_PROGRAMS]].tolist():
        box = int(targets.box[number])
        lower, upper = (side[box].cpu().numpy() for side in (nodes.lower, nodes.upper))
        point = deepest(
            batch.stack.networks[int(boxes.network[box])],
            polytopes(int(nodes.root[box]))[int(targets.polytope[number])],
            lower,
            upper,
            on=(boxes.u[box] > 0).cpu().numpy(),
            signs=nodes.phases[box].cpu().numpy(),
            deadline=batch.deadline,
        )
        if point is not None:
            numbers.append(number)
            points.append(point)
    found = np.array(points).reshape(-1, nodes.lower.shape[1])
    device = nodes.lower.device
    return torch.tensor(numbers, dtype=torch.long, device=device), torch.from_numpy(found).to(device)


def deepest(
    model: Model,
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

    Variables are fractions of the box, which are of one size whatever the inputs' sizes, and the depth.
    """
    from scipy.optimize import linprog

    def of_inputs(weight: np.ndarray) -> np.ndarray:
        """weight . x in the fractions, the constant last."""
        return np.column_stack([weight * (upper - lower), weight @ lower])

    rows, start, outputs = [], 0, []
    for block in blocks_of(model):
        h = of_inputs(np.eye(len(lower))[list(block.inputs)])
        for layer in block.network.layers:
            h = layer.matrix @ h
            h[:, -1] += layer.bias
            relus = layer.relus
            part = slice(start, start + len(relus))
            rows += [(-sign * h[j], 0.0) for j, sign in zip(relus, signs[part]) if sign]
            h[relus] *= on[part, None]
            start += len(relus)
        outputs.append(h)
    for row in polytope.rows:
        value = np.array(row.outputs, float) @ np.concatenate(outputs) + of_inputs(np.array([row.inputs], float))[0]
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
