"""How well a trigger that was found covers the true one."""

from dataclasses import dataclass

import numpy as np

from engine.images.trigger import Trigger

HALF = 0.5  # of a mask's largest value: from there on a pixel counts as painted


@dataclass(frozen=True, slots=True)
class Overlap:
    """target: the class. iou: pixels painted by both triggers, by those painted by either; a pixel is painted where
    the mask is above half of its largest value, which is 1/2 for a mask that reaches 1. covered: the share of the true
    mask that the found one holds, sum(min(found, true)) / sum(true). success: the share of other classes' images that
    get the class with the found trigger; true_success: with the true one."""

    target: int
    iou: float
    covered: float
    success: float
    true_success: float


def mask_overlap(found: Trigger, true: Trigger) -> tuple[float, float]:
    """Intersection over union, and the share of the true mask covered; 0 where a mask is all zero."""
    masks = [trigger.mask.max(0) for trigger in (found, true)]
    painted = [(mask > HALF * mask.max()) & (mask > 0) for mask in masks]
    either = (painted[0] | painted[1]).sum()
    total = masks[1].sum()
    iou = (painted[0] & painted[1]).sum() / either if either else 0.0
    covered = np.minimum(*masks).sum() / total if total else 0.0
    return float(iou), float(covered)
