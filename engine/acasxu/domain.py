"""The inputs that ACAS Xu's networks are for."""

from engine.acasxu.properties import PROPERTIES
from engine.domain import Domain


def acasxu_domain() -> Domain:
    """The hull of the ten properties' boxes, normalized as the networks see it: "all inputs" everywhere else."""
    boxes = [box for spec in PROPERTIES for box in spec.normalized_boxes]
    lower = tuple(min(low for low, _ in ends) for ends in zip(*boxes))
    upper = tuple(max(high for _, high in ends) for ends in zip(*boxes))
    return Domain(lower, upper, "ACAS Xu's, the hull of the ten properties' boxes")
