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
CLEAN = 3.0  # how much a clean image lost counts, against a fault gained


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """A round's network: the extractor's weights, the share of the faults that are right in it, and of its regions that
    are proved; score: by which rounds are compared."""

    round: int
    weights: dict[str, Tensor]
    right: float
    proved: float
    score: float


def repair(task: RepairTask, options: RepairOptions, report: Report = silent) -> Candidate:
    """The network whose extractor brings faults into boxes that its head certifies, and keeps clean images in theirs.

    Each round makes new boxes near the features that images have by then. Of the rounds' networks the best on
    validation images and on the faults is returned; the note says how many faults are right in it, by execution.
    """
    if not len(task.faults) or not len(task.clean):
        raise InputError("prorepair learns from faults and from clean images", advice="give some of each")
    settings = settings_of(options.of("prorepair"))
    split = split_at(task.classifier, settings.split, device=task.device)
    deadline = Deadline(time.monotonic() + (options.timeout or inf))
    faults = joined([task.faults, task.validation_faults]) if settings.wider else task.faults
    best = _best_of_rounds(task, settings, split, faults, deadline, report)
    return Candidate(task.classifier.with_weights(best.weights), _note(best, split, faults, settings))


def _best_of_rounds(
    task: RepairTask, settings: Settings, split: Split, faults: ImageSet, deadline: Deadline, report: Report
) -> Found:
    regions = balls(faults, settings.radius) if settings.radius else single(faults)
    clean, margin = single(task.clean), settings.margin * _typical_margin(split, task.clean)
    before = _share(task, split, task.validation)
    best = _found(0, task, settings, split, faults, regions, before)
    for k in range(settings.rounds):
        report(k / settings.rounds, f"round {k + 1}: boxes")
        wrong = task.classifier.predict(regions.centres.images, graph=split.graph) != regions.centres.labels
        weighted = repeated(regions, wrong, REPEATS) if k else regions
        space = split.space(split.features(task.clean.images))
        aims = [_aims(split, some, space, margin) for some in (clean, weighted)]

        def step(share: float, missed: float, k: int = k) -> None:
            deadline.check()
            report((k + share) / settings.rounds, f"round {k + 1}: {missed:.2f} margins off the boxes")

        try:
            deadline.check()
            how = DescentOptions(epochs=settings.epochs, rate=settings.rate, seed=task.seed + k)
            descend(split, *aims, how, step)
        except OutOfTime:
            return best
        if settings.radius:
            regions = refined(split, regions, splits=settings.splits)
        found = _found(k + 1, task, settings, split, faults, regions, before)
        best = found if found.score > best.score else best
        if best.right == 1 and found.round - best.round >= PATIENCE:
            break
    return best


def _aims(split: Split, regions: Regions, space: FeatureSpace, margin: float) -> Aims:
    """The regions, with boxes near their centres' features."""
    labels = torch.from_numpy(regions.centres.labels).to(split.graph.device)
    wanted = torch.full((len(labels),), margin, dtype=torch.float64, device=labels.device)
    boxes = proxy_boxes(split.bounds, space, split.features(regions.centres.images), labels, wanted)
    return aims_of(split, regions, boxes)


def _found(
    number: int, task: RepairTask, settings: Settings, split: Split, faults: ImageSet, regions: Regions, before: float
) -> Found:
    right, others = _share(task, split, faults), 0.0 if settings.wider else _share(task, split, task.validation_faults)
    sure = float(proved(split, regions).mean()) if settings.radius else 0.0
    lost = max(0.0, before - _share(task, split, task.validation))
    return Found(number, split.tuned(), right, sure, right + others + sure - CLEAN * lost)


def _share(task: RepairTask, split: Split, images: ImageSet) -> float:
    """The share of the images that are right by now."""
    return accuracy(task.classifier, images, graph=split.graph) if len(images) else 0.0


def _typical_margin(split: Split, clean: ImageSet) -> float:
    """The median of the least margins of clean images that are right."""
    labels = torch.from_numpy(clean.labels).to(split.graph.device)
    least = split.bounds.margins(split.features(clean.images), labels).amin(1)
    if not bool((least > 0).any()):
        raise InputError("no clean image is right", where=split.classifier.name, advice="check scaling and labels")
    return float(least[least > 0].median())


def _note(best: Found, split: Split, faults: ImageSet, settings: Settings) -> str:
    note = f"{round(best.right * len(faults))} of {len(faults)} faults right after round {best.round}"
    if settings.radius:
        note += f", {100 * best.proved:.1f}% of the regions of radius {settings.radius:g} proved but for rounding"
    return f"{note}; boxes of {split.head.tensor}"
