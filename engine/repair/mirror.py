"""Repair tasks with all outputs negated: methods keep the lowest output, and so the highest of the original."""

from dataclasses import replace

from engine.comparison.decision import Decision
from engine.comparison.mirror import mirrored, mirrored_property
from engine.repair.task import Task


def mirrored_task(task: Task) -> Task:
    """The same question about the negated outputs: their lowest is to stay where the highest was to."""
    targets, keep = (tuple(map(mirrored_property, props)) for props in (task.targets, task.keep))
    return replace(task, network=mirrored(task.network), targets=targets, keep=keep, decision=Decision.LOWEST)


def as_lowest(task: Task) -> Task:
    """The task as methods see it, for whom the lowest output is the decision."""
    return mirrored_task(task) if task.decision is Decision.HIGHEST else task
