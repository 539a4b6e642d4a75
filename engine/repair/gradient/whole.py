"""Repair of small networks by least squares in the last layers: what is unsafe is mended, and nearly all else stays.

Residuals are what changes at reference points (stays.py), and how far points of the properties' boxes are from safe,
by a margin. Changes far beyond what is tolerable count less than in proportion (Cauchy's loss, its scale reduced round
by round: Black and Rangarajan, IJCV 1996), so that a few points are given up, and all others stay. Each round takes a
damped Gauss-Newton step (least_squares.py).
"""

from dataclasses import dataclass
from math import inf

import torch

from engine.attack import violation
from engine.network import Network
from engine.repair.edit import edited
from engine.repair.gradient.guides import Danger, Facts
from engine.repair.gradient.least_squares import (
    TRIES,
    Damping,
    Layers,
    NormalEquations,
    jacobian,
    layers_of,
    moved,
    read,
)
from engine.repair.gradient.stays import Stays, unit_of

DOMAIN = 150_000  # reference points of the domain
ROWS = 3_000, 12_000  # references of a round at least and at most; half are drawn, half are those that change most
WORK = 2e9  # rows times the square of weights, up to which there are more
HELD_OUT = 20_000  # others that a step must not harm; each counts HELD_OUT_WEIGHT
HELD_OUT_WEIGHT = 1.0
UNSAFE = 1_500  # points of the boxes of a round, the nearest to unsafe
MARGIN = 0.25  # units: by how much they are to be safe
REFUTED = 1.2  # times the margin, after a counterexample
BEYOND = 8.0  # scales: references that change by more are given up
Scales = tuple[float, float, float]
GENTLE: Scales = (3.0, 0.95, 0.7)  # of Cauchy's loss: the first, what it is multiplied with each round, the least
BOLD: Scales = (10.0, 0.9, 0.7)  # ... of a search that may lose much on its way
REACH = 1.5  # units: what a bold step is to mend of a point that is short of more
URGENCIES = 0.3, 1.15, 0.95, 100.0  # of what is unsafe: the first, its factors where some is and is not, the most
ATTACK = 6  # rounds after which nearly unsafe points are looked for anew
GROWTH = 1.3, 0.001  # times what is changed, and more: what a step may change
LOST, LEAST_LOST = 2.0, 0.002  # times the best share of changes, and more: then the search goes back


@dataclass(frozen=True, slots=True)
class Found:
    """Weights that are safe at all points, and the share of the domain's reference points that they change."""

    layers: Layers
    changed: float


class WholeSearch:
    """The search from one start. best: the safe weights that change least, of those met."""

    def __init__(self, facts: Facts, start: Network, *, around: int, bold: bool = False):
        """around: the number of reference points around each target's box; bold: True for a search that may change
        many references until something safe is found, in steps that mend a little of what is short."""
        self._facts, self._original = facts, facts.task.network
        self._domain = facts.fresh(DOMAIN)
        references, tolerance = self._domain.join(facts.around(around)), facts.task.tolerance
        self._x, self._stays, self._unit = references.h, Stays.of(references, tolerance), unit_of(references, tolerance)
        self._danger = facts.danger.join(facts.nearly_unsafe(start))
        self._layers, self._damping = layers_of(start)[facts.first :], Damping()
        self._units = _units(self._layers, [facts.units[k] for k in sorted(facts.units)])
        self._rows = min(max(ROWS[0], int(WORK / len(self._units) ** 2)), ROWS[1])
        self._bold, self._scales = bold, BOLD if bold else GENTLE
        self._scale, self._urgency, self._round, self._lost = self._scales[0], URGENCIES[0], 0, 0.0
        self._margin, self._unsafe = MARGIN, 1.0
        self.best: Found | None = None

    def __str__(self) -> str:
        return f"margin {self._margin * self._unit:.3g}, {self.changed:.3%} of samples changed"

    @property
    def is_hopeless(self) -> bool:
        """True iff nothing is to stay, or no row leads out of some unsafe polytope."""
        return not len(self._domain.h) or bool(self._distance(self._layers, self._danger).isinf().any())

    @property
    def rank(self) -> tuple[float, float]:
        """The order of searches: by what the best weights change, without any by what is wrong with the last ones."""
        return self.changed, self._lost + self._unsafe

    @property
    def changed(self) -> float:
        """The share of the domain's reference points that the best weights change; 1 without any."""
        return self.best.changed if self.best else 1.0

    def network(self) -> Network:
        """The network with the best weights, rounded to what its file can hold."""
        assert self.best
        return self._edited(self.best.layers)

    def learn(self, danger: Danger) -> None:
        """Adds points that must be safe, and others that an attack finds; the best has to be found again, safer."""
        self._danger = self._danger.join(danger).join(self._facts.nearly_unsafe(self._edited(self._layers)))
        self._margin, self.best = REFUTED * self._margin, None

    def ask_for_more(self) -> None:
        """Doubles the margin, as no proof was found."""
        self._margin, self.best = 2 * self._margin, None

    def reheat(self) -> None:
        """Goes back to the best weights, and lets what was given up count again."""
        self._layers = self.best.layers if self.best else self._layers
        self._scale, self._damping = GENTLE[0], Damping()

    @torch.no_grad()
    def rounds(self, count: int, *, until: float = 0.0) -> None:
        """Takes so many steps, or up to safe weights that change a share of at most `until`."""
        for _ in range(count):
            if self.changed <= until:
                return
            self._step()
            self._round += 1
            if self._round % ATTACK == 0:
                self._attack()
                if self.best and self._lost > LOST * self.best.changed + LEAST_LOST:
                    self.reheat()
        self._look()

    def _attack(self) -> None:
        """Adds points that are nearly unsafe for the last weights; the best ones are such no more if unsafe there."""
        found = self._facts.nearly_unsafe(self._edited(self._layers))
        self._danger = self._danger.join(found)
        if self.best and float(self._distance(self.best.layers, found).min()) <= 0:
            self.best = None

    def _edited(self, layers: Layers) -> Network:
        arrays = {
            k: (weight.double().numpy(), bias.double().numpy())
            for k, (weight, bias) in enumerate(layers, self._facts.first)
        }
        return edited(self._original, arrays)

    def _look(self) -> tuple[torch.Tensor, torch.Tensor]:
        """The changes [k, n] of all references, and how far the boxes' points are from safe [n]; keeps the best."""
        y = read(self._layers, self._x)[-1]
        changes, distance = self._stays.changes(y), self._distance(self._layers, self._danger)
        n = len(self._domain.h)
        self._lost = self._is_changed(y[:n]).double().mean().item()
        self._unsafe = (distance <= 0).double().mean().item()
        if float(distance.min()) > 0 and self._lost < self.changed:
            self.best = Found(self._layers, self._lost)
        return changes, distance

    def _is_changed(self, y: torch.Tensor, some: torch.Tensor | slice = slice(None)) -> torch.Tensor:
        tolerance = self._facts.task.tolerance
        if tolerance < inf:
            return (y - self._domain.y[some]).abs().amax(1) > tolerance
        return y.argmin(1) != self._domain.advisory[some]

    def _distance(self, layers: Layers, points: Danger) -> torch.Tensor:
        y = read(layers, points.h)[-1]
        return violation(self._facts.roots, points.root, points.x, y.double())[0].float()

    def _short(self, layers: Layers, points: Danger) -> torch.Tensor:
        """By how many units points of the boxes fall short of the margin, or of what can be asked: [n]."""
        wanted = points.attainable.clamp(max=self._margin * self._unit).float()
        return (wanted - self._distance(layers, points)) / self._unit

    def _step(self) -> None:
        """One round: chooses rows, and takes the first step that helps on them."""
        changes, distance = self._look()
        largest = changes.abs().amax(0)
        near = largest.where(largest < BEYOND * self._scale, 0.0).topk(min(self._rows // 2, len(largest))).indices
        drawn = torch.randint(len(self._domain.h), (self._rows // 2,), generator=self._facts.generator)
        rows, held_out = torch.cat([drawn, near]), torch.arange(0, len(self._x), max(1, len(self._x) // HELD_OUT))
        wanted = self._danger.attainable.clamp(max=self._margin * self._unit).float()
        hardest = self._danger.select((wanted - distance).topk(min(UNSAFE, len(distance))).indices)
        equations = self._equations(rows, hardest)
        before = self._loss(self._layers, rows, held_out)
        for _ in range(TRIES):
            layers = moved(self._layers, equations.step(self._damping.value))
            if self._loss(layers, rows, held_out) < before and self._loses_little(layers, held_out):
                self._layers = layers
                self._damping.better()
                break
            self._damping.worse()
        self._scale = max(self._scales[2], self._scales[1] * self._scale)
        is_unsafe = float(distance.min()) <= 0
        self._urgency = min(max(self._urgency * URGENCIES[1 if is_unsafe else 2], 1.0), URGENCIES[3])

    def _equations(self, rows: torch.Tensor, hardest: Danger) -> NormalEquations:
        """What these references and points of the boxes ask of a step."""
        layers, stays = self._layers, self._stays.select(rows)
        equations = NormalEquations.of(self._units)
        h = read(layers, self._x[rows])
        residuals, weights = stays.residuals(stays.changes(h[-1]), self._scale)
        for slopes, residual, weight in zip(stays.slopes, residuals, weights):
            equations.add(jacobian(layers, h, slopes), residual, weight)
        h = read(layers, hardest.h)
        _, row, _ = violation(self._facts.roots, hardest.root, hardest.x, h[-1].double())
        short = self._short(layers, hardest)
        some = short > 0
        derivatives = jacobian(layers, [each[some] for each in h], -row[some, :-1].float() / self._unit)
        wanted = short[some].clamp(max=REACH) if self._bold else short[some]
        equations.add(derivatives, wanted, torch.full_like(wanted, self._weight))
        return equations

    def _loses_little(self, layers: Layers, held_out: torch.Tensor) -> bool:
        """True iff the share of changed references, held out, grows little: near ties, small steps can change many."""
        if self._bold and not self.best:
            return True
        some = held_out[held_out < len(self._domain.h)]
        lost = self._is_changed(read(layers, self._x[some])[-1], some).double().mean().item()
        return lost <= GROWTH[0] * self._lost + GROWTH[1]

    @property
    def _weight(self) -> float:
        """Of a point of the boxes, beside a reference's of 1."""
        return self._urgency * self._rows / UNSAFE

    def _loss(self, layers: Layers, rows: torch.Tensor, held_out: torch.Tensor) -> float:
        both = torch.cat([rows, held_out])
        stays = self._stays.select(both)
        loss = stays.loss(stays.changes(read(layers, self._x[both])[-1]), self._scale)
        short = self._short(layers, self._danger).clamp(min=0)
        short = short.topk(min(UNSAFE, len(short))).values
        found = loss[: len(rows)].sum() + HELD_OUT_WEIGHT * loss[len(rows) :].sum() + self._weight * (short**2).sum()
        return float(found)


def _units(layers: Layers, steps: list[torch.Tensor]) -> torch.Tensor:
    """The steps of each weight and bias [weights], in the order of the jacobian, from those of what layers read."""
    parts = [
        (step[:-1].expand_as(weight).flatten(), step[-1:].expand_as(bias))
        for (weight, bias), step in zip(layers, steps)
    ]
    return torch.cat([part for both in parts for part in both])
