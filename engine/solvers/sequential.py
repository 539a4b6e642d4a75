"""Points where all rows of an unsafe polytope hold at once: where descent by the worst row alone goes back and forth.

Two methods look at all rows, linearized by the network's slopes: damped Gauss-Newton steps, of many points at once,
which bring the violated rows to zero; and sequential linear programs, which maximize the least depth of all rows in a
trust region about a point (Fletcher and Sainz de la Maza, Mathematical Programming 43, 1989). Solvers work to
tolerances, and nothing here proves anything: points are still to be confirmed (search/confirm.py).
"""

from dataclasses import dataclass

import numpy as np
import torch

from engine.attack import rows_at
from engine.bounds.blocks import AnyStack
from engine.bounds.roots import Roots
from engine.deadline import NEVER, Deadline

STEPS, DAMPING = 10, 1e-6  # of Gauss-Newton; as a share of the mean square slope
MAX_PROGRAMS = 10  # of a sequence, milliseconds each
FIRST_RADIUS, LEAST_RADIUS = 0.25, 1e-7  # of trust, as a share of the box
MAX_TABLE = 1 << 16  # numbers of a program: larger ones take too long
LEAST_GAIN = 1e-10  # of depth in one program, as a share of the change of a row along the box


@dataclass(frozen=True, slots=True)
class Polytopes:
    """One unsafe polytope of one root for each point: root [n], sorted by network, and polytope [n]."""

    stack: AnyStack
    roots: Roots
    root: torch.Tensor
    polytope: torch.Tensor

    @property
    def widths(self) -> torch.Tensor:
        """The widths [n, inputs] of the roots' boxes."""
        return self.roots.upper[self.root] - self.roots.lower[self.root]

    def rows_at(self, x: torch.Tensor, deadline: Deadline) -> tuple[torch.Tensor, torch.Tensor]:
        """Values [n, rows] at points [n, inputs] and slopes [n, rows, inputs] along the whole boxes; absent rows are
        held by far."""
        values, slopes = rows_at(self.stack, self.roots, self.root, self.polytope, x, deadline)
        absent = self.roots.absent[self.root, self.polytope]
        return values.masked_fill(absent, -torch.inf), slopes * self.widths.unsqueeze(1)

    def select(self, index: torch.Tensor) -> "Polytopes":
        """Those of the given points."""
        return Polytopes(self.stack, self.roots, self.root[index], self.polytope[index])

    def clamp(self, x: torch.Tensor) -> torch.Tensor:
        """The points [n, inputs], moved into the roots' boxes."""
        return torch.minimum(torch.maximum(x, self.roots.lower[self.root]), self.roots.upper[self.root])


def gauss_newton(
    of: Polytopes, x: torch.Tensor, deadline: Deadline = NEVER
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The best points [n, inputs] that steps from x meet, their largest rows [n], and the scales of rows [n, rows].

    The steps end once each root has a point that seems inside. A row's scale is the largest slope met along the box.
    """
    best_x, scale = x, torch.zeros(0)
    best = x.new_full((len(x),), torch.inf)
    for step in range(STEPS + 1):
        values, slopes = of.rows_at(x, deadline)
        norms = slopes.norm(dim=2)
        scale = norms if step == 0 else torch.maximum(scale, norms)
        value = values.amax(1)
        better = value < best
        best_x, best = torch.where(better.unsqueeze(1), x, best_x), torch.minimum(value, best)
        if step == STEPS or bool(torch.isin(of.root, of.root[best < 0]).all()):
            break
        x = of.clamp(x + of.widths * _least_squares(values, slopes))
    return best_x, best, scale


def _least_squares(values: torch.Tensor, slopes: torch.Tensor) -> torch.Tensor:
    """The steps [n, inputs], as shares of the boxes, that bring the violated rows nearest to zero."""
    norms = slopes.norm(dim=2, keepdim=True).clamp(min=1e-300)
    violated = (values > 0).double().unsqueeze(2)
    slopes = violated * slopes / norms
    wanted = violated * values.clamp(min=0).unsqueeze(2) / norms
    unit = torch.eye(slopes.shape[1], dtype=slopes.dtype, device=slopes.device)
    solved: torch.Tensor = torch.linalg.solve(slopes @ slopes.mT + DAMPING * unit, wanted)
    return -(slopes.mT @ solved)[..., 0].clamp(-1, 1)


def sequences(
    of: Polytopes, x: torch.Tensor, scale: torch.Tensor, deadline: Deadline = NEVER
) -> tuple[torch.Tensor, torch.Tensor]:
    """The best points [n, inputs] that sequences of programs from x meet, and their largest rows [n].

    All of a root end once one of them has found a point that seems inside. scale: [n, rows], by which rows are divided
    before they are compared.
    """
    scale = scale.clamp(min=1e-300)
    values, slopes = of.rows_at(x, deadline)
    depth = (values / scale).amax(1)
    radius = x.new_full((len(x),), FIRST_RADIUS if slopes[0].numel() <= MAX_TABLE else 0.0)
    for _ in range(MAX_PROGRAMS):
        radius[torch.isin(of.root, of.root[depth < 0])] = 0.0
        steps, gains = _programs(of, x, values / scale, slopes / scale.unsqueeze(2), radius, deadline)
        if not bool((gains > LEAST_GAIN).any()):
            break
        tried = of.clamp(x + of.widths * steps)
        new_values, new_slopes = of.rows_at(tried, deadline)
        gained = depth - (new_values / scale).amax(1)
        better = (gained > 0).unsqueeze(1)
        x, values = torch.where(better, tried, x), torch.where(better, new_values, values)
        slopes = torch.where(better.unsqueeze(2), new_slopes, slopes)
        depth = depth - gained.clamp(min=0)
        radius = torch.where(gained > 0.5 * gains, (2 * radius).clamp(max=1.0), radius / 4)
    return x, values.amax(1)


def _programs(
    of: Polytopes,
    x: torch.Tensor,
    values: torch.Tensor,
    slopes: torch.Tensor,
    radius: torch.Tensor,
    deadline: Deadline,
) -> tuple[torch.Tensor, torch.Tensor]:
    """One program for each point [n, inputs]: the steps, as shares of the boxes, and the gains [n] that they promise.

    Zero where the radius is below the least, or the solver has none.
    """
    shares = torch.where(of.widths > 0, (x - of.roots.lower[of.root]) / of.widths, 0.0)
    low, high = (torch.maximum(-radius.unsqueeze(1), -shares), torch.minimum(radius.unsqueeze(1), 1 - shares))
    steps, gains = torch.zeros_like(x), torch.zeros_like(radius)
    for i in (radius >= LEAST_RADIUS).nonzero()[:, 0].tolist():
        deadline.check()
        value, slope, least, most = (part[i].cpu().numpy() for part in (values, slopes, low, high))
        found = _program(value, slope, least, most, deadline)
        if found is not None:
            steps[i] = torch.from_numpy(found[:-1])
            gains[i] = values[i].amax() - float(found[-1])
    return steps, gains


def _program(
    value: np.ndarray, slope: np.ndarray, low: np.ndarray, high: np.ndarray, deadline: Deadline
) -> np.ndarray | None:
    """The step between low and high [inputs] after which the largest row is least, and behind it that row's value.

    None where the solver has none.
    """
    from scipy.optimize import linprog

    present = np.isfinite(value)
    table = np.column_stack([slope[present], -np.ones(present.sum())])
    objective = np.zeros(len(low) + 1)
    objective[-1] = 1.0
    bounds = [*zip(np.minimum(low, 0), np.maximum(high, 0)), (None, None)]
    left = {"time_limit": deadline.left} if deadline.left < np.inf else {}
    found = linprog(objective, table, -value[present], bounds=bounds, options=left)
    return None if found.x is None else np.append(np.clip(found.x[:-1], low, high), found.x[-1])
