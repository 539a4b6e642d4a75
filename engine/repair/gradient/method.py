"""Repair by gradient descent on certified bounds and on fidelity.

What is tuned are the incoming weights of few neurons (choices.py). Each choice descends a little on samples; the
best of them goes on. Three hinges are descended: points of the properties' boxes nearer to unsafe than a margin, open
boxes whose certified lower bound (certified.py) is not above zero, and reference points whose advisory is about to
change. Of points only the hardest count, and proximal steps (soft thresholds) leave most weights as they were.

Descending certified bounds beside a fidelity loss: ART (Lin et al., FMCAD 2020), PatchPRO. Tuning the incoming
weights of few significant neurons: VERE.
"""

from collections.abc import Callable, Iterable, Iterator

import torch

from engine.attack import violation
from engine.errors import InputError
from engine.repair.gradient.certified import CertifiedBounds, Regions, Weights, undecided
from engine.repair.gradient.choices import Chosen, choices, in_words
from engine.repair.gradient.guides import BOXES, SCALE, Danger, Facts, Reference
from engine.repair.gradient.proxy import ProxyBoxes
from engine.repair.gradient.tuned import Tuned
from engine.repair.task import Candidate, Evidence, Say, Task

HARDEST, WORST, REFRESH = 20_000, 3_000, 25  # reference and other points that count, chosen anew after some steps
FRESH = 200_000  # uniform points of each check
DEPTHS, DEEP = (6, 8, 10), 12  # halvings of boxes to simplify for, of those to judge by
CERTIFIED, PRICE = 2.0, 0.05  # weights in the loss: of boxes, of a changed weight
OBJECTIVES = ("bound", "proxy")
LOOSE = 0.7  # scores; bounds farther below zero need other rows rather than a small shift

Aim = Callable[[Weights], torch.Tensor]


class _Repair:
    """One choice of neurons, the points that guide their descent, and where it stands."""

    def __init__(self, facts: Facts, chosen: Chosen, margin: float, objective: str = "bound"):
        self.facts, self.chosen, self.margin, self._objective = facts, chosen, margin, objective
        self.tuned = Tuned(facts.task.network, chosen, facts.units)
        self.reference, self.danger = facts.reference, facts.danger
        self.loss = torch.inf

    def learn(self, evidence: Evidence) -> None:
        """Adds the counterexamples, points found by an attack on the network as it is now, and points with advisories
        that a proved candidate changed."""
        if evidence.counterexamples:
            self.danger = self.danger.join(self.facts.counterexamples(evidence))
        self.danger = self.danger.join(self.facts.nearly_unsafe(self.tuned.edited()))
        if evidence.changed:
            self.reference = self.reference.join(self.facts.changed(evidence))

    @torch.no_grad()
    def agreement(self) -> float:
        """The share of new uniform points with the same advisory; those about to change become references."""
        fresh = self.facts.fresh(FRESH)
        self.reference = self.reference.join(fresh.select(self._slack(fresh).amin(1) < SCALE))
        return float((self.tuned.scores(fresh.h).argmin(1) == fresh.advisory).double().mean())

    @torch.no_grad()
    def safe(self) -> bool:
        """Whether all points of the properties' boxes are safe."""
        return bool((self._value(self.danger) > 0).all())

    def polish(self, evidence: Evidence) -> None:
        """From a first trial to a repair of all points whose proof is not out of reach."""
        self.learn(evidence)
        if self.loose():
            _assign(list(self.tuned.change.values()), map(torch.zeros_like, self.tuned.change.values()))
            self._simplify()
            return
        self.descend(steps=200, rate=0.002, sparsity=0.5)
        self.agreement()
        self.learn(evidence)
        self.descend(steps=100, rate=0.0005)

    def certify(self, evidence: Evidence) -> None:
        """Descends the bounds on open boxes, and those of simpler rows where they are far from proved."""
        self.learn(evidence)
        regions = self.facts.open(evidence) if evidence.boxes else None
        if regions and self._loose(regions):
            self._simplify()
        else:
            self.descend(steps=150, rate=0.002, sparsity=0.3, regions=regions)

    def _simplify(self) -> None:
        """Descends the bounds with all weights of the chosen neurons, in plain units.

        Bounds this loose are lost in the hidden layers; rows that differ less from each other are easier to bound.
        """
        self.tuned.measure({k: torch.ones_like(unit) for k, unit in self.facts.units.items()})
        for depth in DEPTHS:
            regions = self._undecided(depth)
            if len(regions):
                self.descend(steps=100, rate=0.001, sparsity=0.02, regions=regions)
        self.tuned.measure(self.facts.units)

    def loose(self) -> bool:
        """Whether the proof of the targets is out of reach, by a sample of their split trees."""
        return self._loose(self._undecided(DEEP))

    def _undecided(self, depth: int) -> Regions:
        return undecided(
            *self.facts.bounded(self.tuned.edited()),
            self.facts.targets,
            depth=depth,
            limit=BOXES // 2,
            generator=self.facts.generator,
        )

    def _loose(self, regions: Regions) -> bool:
        """Whether the bounds on most of these boxes are far below zero."""
        return len(regions) > 0 and float(self._bounds(regions)(self._doubles()).detach().median()) < -LOOSE

    def descend(self, *, steps: int, rate: float, sparsity: float = 0.0, regions: Regions | None = None) -> None:
        """Adam with proximal steps, back to the best weights met; without sparsity only changed weights move."""
        changes = list(self.tuned.change.values())
        free = [torch.ones_like(change) if sparsity else (change != 0).float() for change in changes]
        bounds = self._aim(regions) if regions and len(regions) else None
        optimizer = torch.optim.Adam(changes, lr=rate, betas=(0.9, 0.99))
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps, 0.01 * rate)
        self.loss, best = torch.inf, [change.detach().clone() for change in changes]
        for step in range(steps + 1):
            if step % REFRESH == 0 or step == steps:
                hardest = self._hardest()
                with torch.no_grad():
                    loss = float(self._loss(self.reference, self.danger, bounds)) + PRICE * self.tuned.count()
                if loss < self.loss:
                    self.loss, best = loss, [change.detach().clone() for change in changes]
            if step < steps:
                optimizer.zero_grad()
                self._loss(*hardest, bounds).backward()
                for change, mask in zip(changes, free):
                    change.grad *= mask
                threshold = sparsity * schedule.get_last_lr()[0]
                optimizer.step()
                schedule.step()
                _assign(changes, [torch.nn.functional.softshrink(change, threshold) for change in changes])
        _assign(changes, best)

    @torch.no_grad()
    def _hardest(self) -> tuple[Reference, Danger]:
        """The points that count most: those with the least slack, and the nearest to unsafe."""
        slack = self._slack(self.reference).amin(1)
        margin = self._value(self.danger) - self.danger.most.clamp(max=self.margin)
        near = slack.topk(min(HARDEST, len(slack)), largest=False)
        worst = margin.topk(min(WORST, len(margin)), largest=False).indices
        return self.reference.select(near.indices[near.values < 0.03]), self.danger.select(worst)

    def _loss(self, reference: Reference, danger: Danger, bounds: Aim | None) -> torch.Tensor:
        """Hinges; a reference point's is steeper where its gap is small, a box's is a logarithm."""
        lost = (-self._slack(reference)).clamp(min=0)
        loss = 0.1 * (lost / (reference.gap.clamp(min=0) + 0.1 * SCALE)).sum()
        short = (danger.most.clamp(max=self.margin) - self._value(danger)).clamp(min=0) / SCALE
        loss = loss + 0.1 * short.sum() + 0.5 * short.amax()
        if bounds:
            short = (0.5 * SCALE - bounds(self._doubles())).clamp(min=0) / SCALE
            loss = loss + CERTIFIED * torch.log1p(short).sum()
        return loss

    def _slack(self, points: Reference) -> torch.Tensor:
        """By how much each score is farther from the lowest than it is to stay: [n, outputs]."""
        y = self.tuned.scores(points.h)
        return y - y.gather(1, points.advisory.unsqueeze(1)) - points.gap

    def _value(self, points: Danger) -> torch.Tensor:
        """How far each point is from unsafe."""
        return violation(self.facts.roots, points.root, points.x, self.tuned.scores(points.h).double())[0]

    def _doubles(self) -> Weights:
        return {k: (weight.double(), bias.double()) for k, (weight, bias) in self.tuned.weights().items()}

    def _aim(self, regions: Regions) -> Aim:
        """What is to be above zero on each box."""
        if self._objective == "bound":
            return self._bounds(regions)
        return ProxyBoxes(
            *self.facts.bounded(self.tuned.edited()),
            regions,
            first=self.facts.first,
            margin=SCALE,
            generator=self.facts.generator,
        )

    def _bounds(self, regions: Regions) -> CertifiedBounds:
        """Around the network as it is now."""
        return CertifiedBounds(*self.facts.bounded(self.tuned.edited()), regions, tuned=self.tuned.neurons)


@torch.no_grad()
def _assign(changes: list[torch.Tensor], new: Iterable[torch.Tensor]) -> None:
    for change, value in zip(changes, new):
        change.copy_(value)


def gradient(
    task: Task,
    evidence: Evidence,
    say: Say,
    *,
    margin: float = 0.03,
    agreement: float = 0.9999,
    least: float = 0.999,
    rounds: int = 6,
    tried: int = 4,
    neurons: int | None = None,
    localization: str | None = None,
    objective: str = "bound",
) -> Iterator[Candidate]:
    """Candidates of which samples say that all properties hold and that advisories agree on a share of `agreement`.

    margin: how far from unsafe samples are to be, in scores, more after each round that was not proved; least: the
    share that is offered when nothing better was proved; rounds: of proof and certified descent for each choice
    of neurons; tried: how many choices go beyond their first trial; neurons, localization: see choices.py; objective:
    on open boxes, bound or proxy (proxy.py), for which only hidden neurons are tuned.
    """
    if objective not in OBJECTIVES:
        raise InputError(f"unknown objective {objective!r}", advice=f"use {', '.join(OBJECTIVES)}")
    if objective == "proxy" and len(task.network.layers) < 2:
        raise InputError("there is no hidden layer for a proxy box", where="gradient", advice="use the bound")
    groups = choices(task, evidence, localization=localization, neurons=neurons, outputs=objective == "bound")
    for facts, group in groups:
        repairs = _trials(facts, group, margin, objective, say)
        repairs.sort(key=lambda repair: not repair.safe() if localization else repair.loss)
        outputs = len(task.network.layers) - 1
        if facts.first == outputs and repairs[0].loose():
            repairs.sort(key=lambda repair: repair.chosen != {outputs: facts.raised()})
        for share in (agreement, least):
            for repair in repairs[:tried]:
                yield from _rounds(repair, evidence, say, share, rounds)


def _trials(facts: Facts, group: list[Chosen], margin: float, objective: str, say: Say) -> list[_Repair]:
    """Short descents of all choices; with more weights where few weights never suffice."""
    for sparsity in (0.5, 0.1):
        repairs = [_Repair(facts, chosen, margin, objective) for chosen in group]
        for repair in repairs:
            say(f"trying {in_words(repair.chosen)}")
            repair.descend(steps=100, rate=0.003, sparsity=sparsity)
        if any(repair.safe() for repair in repairs):
            break
    return repairs


def _rounds(repair: _Repair, evidence: Evidence, say: Say, share: float, rounds: int) -> Iterator[Candidate]:
    """Candidates from one choice, until it agrees on less than this share of points."""
    for i in range(rounds):
        say(f"tuning {in_words(repair.chosen)}" + (f", {len(evidence.boxes)} open boxes" if i else ""))
        repair.certify(evidence) if i else repair.polish(evidence)
        if repair.agreement() < share or not repair.safe():
            return
        yield Candidate(
            repair.tuned.edited(),
            f"{in_words(repair.chosen)}: {repair.tuned.count()} weights changed, margin {repair.margin:.3g}",
        )
        repair.margin *= 2
