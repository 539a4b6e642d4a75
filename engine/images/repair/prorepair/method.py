"""Rounds of boxes and descent, and the choice among the networks that they give."""

import time
from dataclasses import dataclass
from math import inf

import torch
from torch import Tensor

from engine.deadline import Deadline, OutOfTime
from engine.errors import InputError
from engine.images.imageset import ImageSet, joined
from engine.images.measure import accuracy
from engine.images.repair.prorepair.boxes import FeatureSpace, proxy_boxes
from engine.images.repair.prorepair.descent import Aims, DescentOptions, aims_of, descend
from engine.images.repair.prorepair.options import Settings, settings_of
from engine.images.repair.prorepair.regions import Regions, balls, proved, refined, repeated, single
from engine.images.repair.prorepair.split import Split, split_at
from engine.images.repair.task import Candidate, RepairOptions, RepairTask, Report, silent

PATIENCE = 2  # rounds without a better network, once all faults are right
REPEATS = 4  # of a fault that is still wrong after the first round
SHARES = (0.9, 0.8, 0.7, 0.6)  # of the whole change, which are tried
CLEAN = 3.0  # how much a clean image lost counts, against a fault gained


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """A network that a round gave: the extractor's weights, the share of the faults that are right in it, and of its
    regions that are proved; score: by which networks are compared, those first in which all faults are right."""

    round: int
    weights: dict[str, Tensor]
    right: float
    proved: float
    score: tuple[bool, float]


def repair(task: RepairTask, options: RepairOptions, report: Report = silent) -> Candidate:
    """The network whose extractor brings faults into boxes that its head certifies, and keeps clean images in theirs.

    Each round makes new boxes near the features that images have by then. Of the rounds' networks the best on
    validation images and on the faults is returned; the note says how many faults are right in it, by execution.
    """
    if not len(task.faults) or not len(task.clean):
        raise InputError("prorepair learns from faults and from clean images", advice="give some of each")
    settings = settings_of(options.of("prorepair"))
    search = _Search(task, settings, Deadline(time.monotonic() + (options.timeout or inf)))
    best = search.shortened(search.best_of_rounds(report))
    return Candidate(task.classifier.with_weights(best.weights), search.note(best))


class _Search:
    """The rounds; `split` holds the weights of the last one."""

    def __init__(self, task: RepairTask, settings: Settings, deadline: Deadline):
        self._task, self._settings, self._deadline = task, settings, deadline
        self._split = split_at(task.classifier, settings.split, device=task.device)
        self._faults = joined([task.faults, task.validation_faults]) if settings.wider else task.faults
        self._regions = balls(self._faults, settings.radius) if settings.radius else single(self._faults)
        self._clean = single(task.clean)
        self._margin = settings.margin * _typical_margin(self._split, task.clean)
        self._clean_before = self._right(task.validation)
        self._start = self._judged(0)

    def best_of_rounds(self, report: Report) -> Found:
        """The best of the network given and of those after each round; what is known by then where time runs out."""
        best, rounds = self._start, self._settings.rounds
        for k in range(rounds):
            report(k / rounds, f"round {k + 1}: boxes")
            try:
                self._descend(k, report)
            except OutOfTime:
                break
            if self._settings.radius:
                self._regions = refined(self._split, self._regions, splits=self._settings.splits)
            found = self._judged(k + 1)
            best = max(best, found, key=lambda one: one.score)
            if best.right == 1 and found.round - best.round >= PATIENCE:
                break
        return best

    def shortened(self, best: Found) -> Found:
        """The best network on the way from the one given to this one: less of the change may do."""
        found = [best]
        for share in SHARES if best.round else ():
            self._split.set(
                {name: torch.lerp(self._start.weights[name], best.weights[name], share) for name in best.weights}
            )
            found.append(self._judged(best.round))
        return max(found, key=lambda one: one.score)

    def note(self, best: Found) -> str:
        """What was reached."""
        right = round(best.right * len(self._faults))
        note = f"{right} of {len(self._faults)} faults right after round {best.round}"
        if self._settings.radius:
            note += (
                f", {100 * best.proved:.1f}% of the regions of radius {self._settings.radius:g} proved but for rounding"
            )
        return f"{note}; boxes of {self._split.head.tensor}"

    def _descend(self, k: int, report: Report) -> None:
        regions, rounds = self._regions, self._settings.rounds
        if k:
            found = self._task.classifier.predict(regions.centres.images, graph=self._split.graph)
            regions = repeated(regions, found != regions.centres.labels, REPEATS)
        how = DescentOptions(steps=self._settings.steps, rate=self._settings.rate, seed=self._task.seed + k)
        space = self._split.space(self._split.features(self._task.clean.images))
        most = how.steps * how.batch
        clean, faults = (self._aims(some.sample(most, seed=how.seed), space) for some in (self._clean, regions))

        def step(share: float, missed: float) -> None:
            self._deadline.check()
            report((k + share) / rounds, f"round {k + 1}: {missed:.2f} margins off the boxes")

        self._deadline.check()
        descend(self._split, clean, faults, how, step)

    def _aims(self, regions: Regions, space: FeatureSpace) -> Aims:
        """The regions, with boxes near their centres' features."""
        labels = torch.from_numpy(regions.centres.labels).to(self._split.graph.device)
        wanted = torch.full((len(labels),), self._margin, dtype=torch.float64, device=labels.device)
        features = self._split.features(regions.centres.images)
        return aims_of(self._split, regions, proxy_boxes(self._split.bounds, space, features, labels, wanted))

    def _judged(self, number: int) -> Found:
        """The network of round `number`, as the weights are now."""
        right, sure = self._right(self._faults), 0.0
        others = 0.0 if self._settings.wider else self._right(self._task.validation_faults)
        if self._settings.radius:
            sure = float(proved(self._split, self._regions).mean())
        lost = max(0.0, self._clean_before - self._right(self._task.validation))
        return Found(number, self._split.tuned(), right, sure, (right == 1, right + others + sure - CLEAN * lost))

    def _right(self, images: ImageSet) -> float:
        """The share of the images that are right by now."""
        return accuracy(self._task.classifier, images, graph=self._split.graph) if len(images) else 0.0


def _typical_margin(split: Split, clean: ImageSet) -> float:
    """The median of the least margins of clean images that are right."""
    labels = torch.from_numpy(clean.labels).to(split.graph.device)
    least = split.bounds.margins(split.features(clean.images), labels).amin(1)
    if not bool((least > 0).any()):
        raise InputError("no clean image is right", where=split.classifier.name, advice="check scaling and labels")
    return float(least[least > 0].median())
