"""repair_classifier: a repaired network of the same shape, and figures before and after on images that it never saw."""

import time
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from engine.deadline import Deadline
from engine.images.certify.service import Output
from engine.images.classifier import Classifier
from engine.images.datasets import Dataset
from engine.images.device import chosen_device
from engine.images.imageset import ImageSet
from engine.images.measure import Counts, attack_success, confusion, right
from engine.images.neighbours import neighbours
from engine.images.poison import Backdoor, triggered
from engine.images.repair.auto import Choice, choose
from engine.images.repair.certified import Round, proved_bound, repair_until_proved
from engine.images.repair.changes import changes_between
from engine.images.repair.goal import Goal
from engine.images.repair.methods import method_of
from engine.images.repair.record import Figures, FileName, ImageRepairRecord, KnownBackdoor, VariantFigures
from engine.images.repair.task import (
    AUTO,
    DEFAULTS,
    RepairOptions,
    RepairTask,
    Report,
    part_of,
    parted,
    silent,
    task_of,
)

FAULTS_HELD_OUT = 0.3  # of fault images that come in one set
VARIANT_IMAGES = 1000  # at most, for each neighbour of the trigger


@dataclass(frozen=True, slots=True, eq=False)
class ImageRepair:
    """A repaired classifier, and the record of its repair."""

    classifier: Classifier
    record: ImageRepairRecord


def repair_classifier(
    classifier: Classifier,
    dataset: Dataset,
    *,
    backdoor: Backdoor | None = None,
    faults: ImageSet | None = None,
    held_out_faults: ImageSet | None = None,
    options: RepairOptions = DEFAULTS,
    goal: Goal | None = None,
    proofs: Output | None = None,
    name: str | None = None,
    report: Report = silent,
) -> ImageRepair:
    """The network after the method of `options`, measured on dataset.held_out, whether it is repaired or not.

    backdoor: a trigger and its target; faults: images with right labels on which the network fails, or is assumed to.
    One of both is needed. held_out_faults: others, to measure on; by default those with the trigger in
    dataset.held_out, or else 3 of 10 faults, which no method sees then. goal: what is to be proved of the result, on
    held-out images; proofs: where the certificate goes; name: of the repaired network (None: the original's).
    InputError where things do not fit each other; OutOfTime after options.timeout seconds.
    """
    _demand_fit(classifier, dataset, backdoor, faults)
    if held_out_faults is None:
        faults, held_out_faults = _hold_out(dataset, backdoor, faults, seed=options.seed)
    device = str(chosen_device(options.device))
    task = task_of(classifier, dataset.train, backdoor=backdoor, faults=faults, device=device, seed=options.seed)
    start = time.monotonic()
    timed = _timed(report, start, options.timeout)
    rounds: tuple[Round, ...] = ()
    if goal is None:
        choice = _repaired(task, timed, options=options)
    else:
        choice, rounds = repair_until_proved(task, goal, partial(_repaired, options=options), part_of(timed, 0, 0.8))
    repaired, proved = replace(choice.candidate.classifier, name=name or classifier.name), None
    if goal is not None:
        proved = proved_bound(repaired, dataset, goal, rounds, proofs, part_of(timed, 0.8, 1))
    seconds = time.monotonic() - start
    report(1.0, "measuring")
    measured = _Measured(task, dataset.held_out, held_out_faults, repaired)
    record = measured.record(dataset.name, choice, options, seconds)
    return ImageRepair(repaired, replace(record, proved=proved))


def _demand_fit(classifier: Classifier, dataset: Dataset, backdoor: Backdoor | None, faults: ImageSet | None) -> None:
    for images in (dataset.train, dataset.held_out, faults):
        if images is not None:
            classifier.demand_fit(images)
    if backdoor is not None:
        backdoor.demand_class(classifier.classes)


def _hold_out(
    dataset: Dataset, backdoor: Backdoor | None, faults: ImageSet | None, *, seed: int
) -> tuple[ImageSet | None, ImageSet | None]:
    """The faults to learn from, and those to measure on."""
    if backdoor is not None:
        return faults, triggered(dataset.held_out, backdoor)
    if faults is None:
        return None, None
    held_out, learning = parted(faults, FAULTS_HELD_OUT, seed=seed)
    return learning, held_out if len(held_out) else None


def _repaired(task: RepairTask, report: Report, *, options: RepairOptions) -> Choice:
    if options.method == AUTO:
        return choose(task, options, report)
    candidate = method_of(options.method)(task, options, report)
    return Choice(options.method, candidate, "", ())


def _timed(report: Report, start: float, timeout: float | None) -> Report:
    """The same report, which raises OutOfTime after `timeout` seconds."""
    if timeout is None:
        return report
    deadline = Deadline(start + timeout)

    def checked(share: float, text: str) -> None:
        deadline.check()
        report(share, text)

    return checked


class _Measured:
    """Both networks on the same images."""

    def __init__(self, task: RepairTask, held_out: ImageSet, faults: ImageSet | None, repaired: Classifier):
        self._task, self._held_out, self._faults = task, held_out, faults
        self._pair = [(one, one.graph(device=task.device)) for one in (task.classifier, repaired)]

    def record(self, data: str, choice: Choice, options: RepairOptions, seconds: float) -> ImageRepairRecord:
        original, repaired = (one for one, _ in self._pair)
        clean = self._rights(self._held_out)
        faults = self._rights(self._faults) if self._faults is not None else None
        tables = [confusion(c, self._held_out, graph=g) for c, g in self._pair]
        before, after = self._figures(clean, faults, tables)
        backdoor = self._task.backdoor
        return ImageRepairRecord(
            original=FileName(original.name, original.sha256),
            repaired=FileName(repaired.name, repaired.sha256),
            data=data,
            method=choice.method,
            note=choice.candidate.note,
            explanation=choice.explanation,
            seconds=seconds,
            seed=options.seed,
            options={name: dict(values) for name, values in options.by_method.items()},
            backdoor=KnownBackdoor(backdoor.trigger.name, backdoor.target) if backdoor else None,
            before=before,
            after=after,
            variants=self._variants(),
            generalization=None if faults is None else _share(faults[1][~faults[0]]),
            drawdown=100 * (before.accuracy - after.accuracy),
            broken=float((~clean[1][clean[0]]).mean()) if clean[0].any() else 0.0,
            changes=changes_between(original, repaired),
            confusion_before=tables[0].tolist(),
            confusion_after=tables[1].tolist(),
            trials=choice.trials,
        )

    def _rights(self, images: ImageSet) -> list[np.ndarray]:
        return [right(classifier, images, graph=graph) for classifier, graph in self._pair]

    def _figures(self, clean: list[np.ndarray], faults: list[np.ndarray] | None, tables: list[Counts]) -> list[Figures]:
        given = self._rights(self._task.faults)
        return [
            Figures(
                float(clean[i].mean()),
                self._success(self._held_out, self._task.backdoor, i),
                None if faults is None else float(faults[i].mean()),
                float(given[i].mean()),
                self._natural(tables[i]),
            )
            for i in range(2)
        ]

    def _natural(self, table: Counts) -> float | None:
        if self._task.backdoor is None:
            return None
        others = np.delete(table, self._task.backdoor.target, 0)
        return float(others[:, self._task.backdoor.target].sum() / others.sum())

    def _success(self, images: ImageSet, backdoor: Backdoor | None, which: int) -> float | None:
        if backdoor is None:
            return None
        classifier, graph = self._pair[which]
        return attack_success(classifier, images, backdoor, graph=graph)

    def _variants(self) -> tuple[VariantFigures, ...]:
        backdoor, images = self._task.backdoor, _some(self._held_out, VARIANT_IMAGES, seed=self._task.seed)
        if backdoor is None:
            return ()
        found = []
        for trigger in neighbours(backdoor.trigger):
            both = [
                attack_success(classifier, images, Backdoor(trigger, backdoor.target), graph=graph)
                for classifier, graph in self._pair
            ]
            found.append(VariantFigures(trigger.name, *both))
        return tuple(found)


def _some(images: ImageSet, count: int, *, seed: int) -> ImageSet:
    """At most so many of the images, drawn by class."""
    return images if len(images) <= count else images.split(count / len(images), seed=seed)[0]


def _share(found: np.ndarray) -> float | None:
    return float(found.mean()) if len(found) else None
