"""Shifts of scores, each in one direction: raised or lowered by what the last layer reads.

Score s becomes y_s + d_s z_s, where d_s is 1 or -1, or 0 for a score that stays, and z_s is a combination, with
coefficients >= 0, of what the last layer reads, and of a constant >= 0. So no score is anywhere smaller, or anywhere
larger, at any input at all (engine/comparison/structure.py). All z_s are the solution of one linear program, which
makes the largest z_s at samples and their mean small (scores/change.py). It has to mend what is unsafe; advisories that
change have a price, so that there nearly always is a solution.
"""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array, hstack

from engine.comparison.region import Region
from engine.network import Network
from engine.repair.edit import edited
from engine.repair.milp.demands import BATCH, advisory_demands, size_demands, unsafe_demands
from engine.repair.samples import Samples
from engine.repair.scores.change import size

HELD = 2000  # constraints up to which a round keeps all; else those that bind
ROUNDS = 40
MOST_MISSED = 0.002  # of the samples: where more advisories are not kept, a direction is given up
SECONDS = 20.0  # limit of one call of the solver
TOLERANCE = 1e-6  # of the largest score, which float32 resolves
WEIGHT_PRICE = 0.05  # of a change of a weight by 1: few weights change, and proofs are short
CLOSE = 0.02  # up to this share beyond the solver's own value the largest shift counts as found
ADVISORY_PRICE = 100.0  # of each unit of score by which an advisory is not kept: all are where that is possible


@dataclass(frozen=True, slots=True, eq=False)
class Shifts:
    """Shifts of scores. directions [outputs]: 1, -1, or 0; weights [shifted, width + 1]: of each shifted score,
    ascending, its bias last.

    missed: by how much advisories are not kept at samples, in scores, summed; size: of the change of scores there.
    """

    directions: np.ndarray
    weights: np.ndarray
    missed: float
    size: float

    def __str__(self) -> str:
        return " ".join(f"{'+' if d > 0 else '-'}y{i}" for i, d in enumerate(self.directions) if d)

    def network(self, network: Network) -> Network:
        """The network with these shifts."""
        last, rows = network.layers[-1], np.flatnonzero(self.directions)
        change = np.zeros((len(last.bias), last.shape[1] + 1))
        change[rows] = self.directions[rows, None] * self.weights
        return edited(network, {len(network.layers) - 1: (last.weight + change[:, :-1], last.bias + change[:, -1])})


def solve_shifts(
    samples: Samples,
    where: list[Region],
    directions: np.ndarray,
    margin: float,
    *,
    bias: bool,
    most: float = np.inf,
) -> Shifts | None:
    """The cheapest shifts in these directions that mend all samples with this margin; None where none is found.

    bias: True iff biases may change; most: by how much a score may be shifted at a sample.
    """
    search = _Search(samples, where, directions, margin, bias=bias, most=most)
    return search.found() if search.is_hopeful else None


class _Search:
    """Cutting planes: constraints that a solution violates are added, and it is solved again."""

    def __init__(
        self,
        samples: Samples,
        where: list[Region],
        directions: np.ndarray,
        margin: float,
        *,
        bias: bool,
        most: float,
    ):
        self._samples, self._directions = samples, directions
        self._hard = [*unsafe_demands(samples, where, directions, margin), *size_demands(samples, directions, most)]
        self._soft = list(advisory_demands(samples, directions))
        shifted, domain = int(np.count_nonzero(directions)), samples.last[samples.owner == -1]
        self._mean = np.tile(np.append(domain.mean(0, dtype=np.float64), 1.0), shifted)
        self._high = np.tile(np.append(np.full(domain.shape[1], np.inf), np.inf if bias else 0.0), shifted)
        self._weights = np.zeros(len(self._mean))
        self._largest = 0.0  # shift at any sample, as the solver has it
        self._rows, self._least = np.empty((0, len(self._mean) + 1)), np.empty(0)  # @ (weights, largest) >= least
        self._is_soft = np.empty(0, bool)
        self._tolerance = TOLERANCE * (1.0 + float(np.abs(samples.y).max()))

    @property
    def is_hopeful(self) -> bool:
        """False where these directions cannot mend some sample."""
        return not any(demand.is_hopeless for demand in self._hard)

    def found(self) -> Shifts | None:
        """The solution of the last round; None where it does not mend all samples."""
        for _ in range(ROUNDS):
            if not self._add_violated():
                break
            if not self._solve():
                return None
        z = self._amounts()
        if any((demand.short(z) > 10 * self._tolerance).any() for demand in self._hard):
            return None
        table = self._weights.reshape(int(np.count_nonzero(self._directions)), -1)
        missed = sum(float(demand.short(z).clip(min=0).sum()) for demand in self._soft)
        mean = float(self._mean @ self._weights) / len(self._directions)
        return Shifts(self._directions, table, missed, size(float(z.max()), mean))

    def _amounts(self) -> np.ndarray:
        """z of each shifted score at the samples [n, shifted]."""
        last = self._samples.last
        table = self._weights.reshape(-1, last.shape[1] + 1).astype(np.float32)
        z: np.ndarray = last @ table[:, :-1].T + table[:, -1]
        return z

    def _add_violated(self) -> bool:
        """Adds the worst constraints that are violated; False where there are none."""
        z = self._amounts()
        self._drop_slack()
        held = len(self._rows)
        for demand, is_soft in [*((each, False) for each in self._hard), *((each, True) for each in self._soft)]:
            at, slopes, need = demand.violated(z, self._tolerance)
            self._extend(at, slopes, need, is_soft=is_soft)
        for number, shift in enumerate(z.T):
            above = shift > (1 + CLOSE) * self._largest + self._tolerance
            at = np.flatnonzero(above)[np.argsort(-shift[above])[:BATCH]]
            slopes = np.zeros((len(at), z.shape[1]))
            slopes[:, number] = -1.0
            self._extend(at, slopes, np.zeros(len(at)), largest=1.0)
        return len(self._rows) > held

    def _extend(
        self, at: np.ndarray, slopes: np.ndarray, need: np.ndarray, *, largest: float = 0.0, is_soft: bool = False
    ) -> None:
        """Adds slopes [k, shifted] . z + largest * the largest shift >= need at the samples `at` [k]."""
        features = np.column_stack([self._samples.last[at], np.ones(len(at))])
        rows = (slopes[:, :, None] * features[:, None, :]).reshape(len(at), len(self._weights))
        self._rows = np.concatenate([self._rows, np.column_stack([rows, np.full(len(at), largest)])])
        self._least = np.concatenate([self._least, need])
        self._is_soft = np.concatenate([self._is_soft, np.full(len(at), is_soft)])

    def _drop_slack(self) -> None:
        if len(self._rows) > HELD:
            value = self._rows @ np.append(self._weights, self._largest)
            binds = self._is_soft | (value <= self._least + self._tolerance)
            self._rows, self._least, self._is_soft = self._rows[binds], self._least[binds], self._is_soft[binds]

    def _solve(self) -> bool:
        """Solves the program of all constraints that it has; False where it has no solution."""
        from scipy.optimize import linprog  # slow to import

        soft = np.flatnonzero(self._is_soft)
        slack = csr_array((np.ones(len(soft)), (soft, np.arange(len(soft)))), shape=(len(self._rows), len(soft)))
        mean = WEIGHT_PRICE + size(0.0, 1.0 / len(self._directions)) * self._mean
        found = linprog(
            np.concatenate([mean, [size(1.0, 0.0)], np.full(len(soft), ADVISORY_PRICE)]),
            A_ub=-hstack([csr_array(self._rows), slack]),
            b_ub=-self._least,
            bounds=np.column_stack(
                [np.zeros(len(self._high) + 1 + len(soft)), np.append(self._high, np.full(1 + len(soft), np.inf))]
            ),
            method="highs",
            options={"time_limit": SECONDS},
        )
        if found.x is None:
            return False
        weights, largest, missed = np.split(found.x, [len(self._weights), len(self._weights) + 1])
        if np.count_nonzero(missed > self._tolerance) > MOST_MISSED * len(self._samples):
            return False
        self._weights, self._largest = np.where(weights > 1e-9, weights, 0.0), float(largest[0])
        return True
