"""The meaning of a network's points, where it is known to be ACAS Xu's."""

import math
import textwrap

from engine.acasxu.encounter import Encounter, describe_point
from engine.acasxu.identity import Identity
from engine.acasxu.quantities import ADVISORIES, INPUTS
from engine.verdict import Counterexample


def encounter(identity: Identity | None, found: Counterexample) -> Encounter | None:
    """The point in feet, degrees and ft/s, where these are known to be its units."""
    if identity is None or (len(found.inputs), len(found.outputs)) != (len(INPUTS), len(ADVISORIES)):
        return None
    if not all(map(math.isfinite, found.outputs)):
        return None
    return describe_point(found.inputs, found.outputs)


def explain(identity: Identity | None, found: Counterexample) -> str:
    """The point in words, indented; empty where its units are not known."""
    point = encounter(identity, found)
    return textwrap.indent(str(point), "  ") if point else ""
