"""What a network is called, and what its points mean."""

import math
import textwrap
from pathlib import Path

from engine.acasxu import ADVISORIES, INPUTS, Encounter, describe_point, recognize
from engine.verdict import Counterexample

STANDIN = "stand-in network made by this project, NOT an ACAS Xu network"


def is_standin(path: str | Path) -> bool:
    """By its name; such networks share the real ones' shape and normalization."""
    return Path(path).name.startswith("standin_")


def label(path: str | Path) -> str | None:
    """What a file's name says of the network in it; None where it is none of ours."""
    if is_standin(path):
        return f"{Path(path).name}: {STANDIN}"
    index = recognize(path)
    return index and f"{index}: previous advisory {index.previous_advisory}, tau {index.tau} s"


def encounter(path: str | Path, found: Counterexample) -> Encounter | None:
    """The point in feet, degrees and ft/s, where the file's name says that these are its units."""
    if not (is_standin(path) or recognize(path)):
        return None
    if (len(found.inputs), len(found.outputs)) != (len(INPUTS), len(ADVISORIES)):
        return None
    if not all(map(math.isfinite, found.outputs)):
        return None
    return describe_point(found.inputs, found.outputs)


def explain(path: str | Path, found: Counterexample) -> str:
    """The point in words, indented; empty where its units are not known."""
    point = encounter(path, found)
    return textwrap.indent(str(point), "  ") if point else ""
