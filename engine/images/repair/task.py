"""The task of a repair of a classifier, its options, and what a method returns.

A method is a function `repair(task, options, report) -> Candidate`. It learns from `clean` and `faults`, chooses by
`validation` and `validation_faults`, and never sees the images on which it will be measured.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np

from engine.errors import InputError
from engine.images.classifier import Classifier
from engine.images.imageset import Floats, ImageSet
from engine.images.poison import Backdoor, triggered
from engine.images.repair.goal import Goal

AUTO = "auto"
METHOD_NAMES = ("unlearn", "fine-pruning", "vere", "prorepair", "nnrepair")

Report = Callable[[float, str], None]  # (share of the work done, what is done now)


def silent(share: float, text: str) -> None:
    """Reports nothing."""


def part_of(report: Report, start: float, end: float, prefix: str = "") -> Report:
    """A report of a part of the work, from `start` to `end` of it."""
    return lambda share, text: report(start + (end - start) * share, prefix + text)


@dataclass(frozen=True, eq=False)
class RepairTask:
    """Make `classifier` right on the faults, and keep it right on clean images.

    clean: images with right labels, to learn from; validation: others, to choose by. faults: images with right labels
    on which it fails, or should be assumed to (with a trigger, adversarial, corrupted); validation_faults: others of
    the same kind. backdoor: the trigger and its target, where they are known or were found by a scan. goal: what is to
    be proved of the result, if anything; refuted: images in which a proof found contents that work, with right labels,
    among the faults, too, and the scores [n, classes] that they should get. device: where to compute.
    """

    classifier: Classifier
    clean: ImageSet
    validation: ImageSet
    faults: ImageSet
    validation_faults: ImageSet
    backdoor: Backdoor | None = None
    goal: Goal | None = None
    refuted: tuple[ImageSet, Floats] | None = None
    device: str = "cpu"
    seed: int = 0

    def with_classifier(self, classifier: Classifier) -> "RepairTask":
        """The same task for another network: where a method goes on from another's result."""
        return replace(self, classifier=classifier)


@dataclass(frozen=True, slots=True)
class RepairOptions:
    """Options of a repair. timeout: seconds; by_method: further options of methods, by the method's name."""

    method: str = AUTO
    timeout: float | None = None
    seed: int = 0
    device: str = "auto"
    by_method: Mapping[str, Mapping[str, object]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.method not in (AUTO, *METHOD_NAMES):
            raise InputError(f"unknown method {self.method!r}", advice=f"use {AUTO}, {', '.join(METHOD_NAMES)}")
        if self.timeout is not None and not self.timeout > 0:
            raise InputError(f"timeout is {self.timeout}", advice="use a number of seconds above 0")

    def of(self, method: str) -> Mapping[str, object]:
        """The further options of this method."""
        return self.by_method.get(method, {})


DEFAULTS = RepairOptions()


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A repaired network; note: what was done, in a few words."""

    classifier: Classifier
    note: str


class Method(Protocol):
    """What a module of a method offers as `repair`. InputError where the task lacks what the method needs."""

    def __call__(self, task: RepairTask, options: RepairOptions, report: Report = silent) -> Candidate: ...


def task_of(
    classifier: Classifier,
    images: ImageSet,
    *,
    backdoor: Backdoor | None = None,
    faults: ImageSet | None = None,
    device: str = "cpu",
    seed: int = 0,
    validation_share: float = 0.2,
) -> RepairTask:
    """The task from images to learn from, and either a backdoor, or faults (images with right labels), or both.

    A share of the images, and of the faults, is put aside for validation; where the faults are too few for that, all
    serve both. InputError where neither is given.
    """
    validation, clean = images.split(validation_share, seed=seed)
    if not len(validation):
        raise InputError(f"{len(images)} images are too few", where=images.name, advice="give 5 or more of each class")
    if faults is not None:
        if not len(faults):
            raise InputError("there are no images", where=faults.name)
        validation_faults, learning_faults = parted(faults, validation_share, seed=seed)
        validation_faults = validation_faults if len(validation_faults) else learning_faults
    elif backdoor is not None:
        learning_faults, validation_faults = triggered(clean, backdoor), triggered(validation, backdoor)
    else:
        raise InputError(
            "there is nothing to repair it for",
            advice="give --trigger and --target, --poisoned, --failing, or let --scan find a trigger",
        )
    return RepairTask(
        classifier, clean, validation, learning_faults, validation_faults, backdoor, device=device, seed=seed
    )


def parted(faults: ImageSet, share: float, *, seed: int) -> tuple[ImageSet, ImageSet]:
    """Two parts of the set, the first with this share of it, drawn at random whatever the classes."""
    order = np.random.default_rng(seed).permutation(len(faults))
    count = round(share * len(faults))
    return faults.select(np.sort(order[:count])), faults.select(np.sort(order[count:]))
