"""`acasxu properties`: the ten, in words."""

import textwrap
from argparse import Namespace

from engine.acasxu.properties import PROPERTIES, RawBox, Specification
from engine.acasxu.quantities import INPUTS
from engine.cli.output import DONE, WIDTH, answer

_HARD_SPACE = "\N{NO-BREAK SPACE}"  # no line breaks within an interval


def run(arguments: Namespace) -> int:
    """Prints each property: what it says, on which box, what would be unsafe, where it applies."""
    answer("\n\n".join([_inputs(), *map(_property, PROPERTIES)]))
    return DONE


def _inputs() -> str:
    return "\n".join(["Inputs:"] + [f"  {q.symbol:5} {q.words} ({q.unit})" for q in INPUTS])


def _property(spec: Specification) -> str:
    where = spec.meant_for_words
    if spec.benchmark != spec.meant_for:
        where += " (VNN-COMP's benchmark runs it on all 45)"
    boxes = " or ".join(map(_box, spec.boxes))
    lines = [
        _wrapped(f"P{spec.number}", spec.words),
        _wrapped("", f"inputs: {boxes}"),
        _wrapped("", f"unsafe: {spec.unsafe_words}"),
        _wrapped("", f"applies to: {where}"),
    ]
    return "\n".join(lines)


def _box(box: RawBox) -> str:
    parts = []
    for quantity, (low, high) in zip(INPUTS, box):
        values = f"= {low}" if low == high else f"in [{low}, {high}]"
        parts.append(f"{quantity.symbol} {values}".replace(" ", _HARD_SPACE))
    return ", ".join(parts)


def _wrapped(head: str, text: str) -> str:
    filled = textwrap.fill(text, WIDTH, initial_indent=f"{head:5}", subsequent_indent=" " * 7, break_on_hyphens=False)
    return filled.replace(_HARD_SPACE, " ")
