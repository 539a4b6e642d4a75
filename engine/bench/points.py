"""counterexamples/NAME.txt -> Point."""

import math
import re
from dataclasses import dataclass
from pathlib import Path

from engine.bench.durable import read_plain
from engine.errors import InputError

MAX_BYTES = 4 * 2**20
_PAIR = re.compile(r"\(\s*([XY])_(\d{1,7})\s+([^\s()]+)\s*\)")


@dataclass(frozen=True, slots=True)
class Point:
    """An input of a network and its output there as onnxruntime computed it, both in the network's own units."""

    inputs: tuple[float, ...]
    outputs: tuple[float, ...]


def read_point(path: Path) -> Point:
    """The point in a file of VNN-COMP's form; InputError where it holds none."""
    try:
        text = read_plain(path, limit=MAX_BYTES).decode("utf-8", "replace")
    except (OSError, ValueError) as error:
        raise InputError(
            f"cannot be read ({getattr(error, 'strerror', None) or error})",
            where=str(path),
            advice="run the instance again",
        ) from None
    found: dict[str, list[float]] = {"X": [], "Y": []}
    for letter, index, number in _PAIR.findall(text):
        value = _number(number)
        if value is None:
            raise InputError(
                f"{letter}_{index} is {number[:40]!r}, which is no number",
                where=str(path),
                advice="run the instance again",
            )
        if int(index) != len(found[letter]) or math.isnan(value):
            raise InputError(
                f"{letter}_{index} is not where it should be, or no number",
                where=str(path),
                advice="run the instance again",
            )
        found[letter].append(value)
    if not (found["X"] and found["Y"]):
        raise InputError("this is no counterexample", where=str(path), advice="run the instance again")
    return Point(tuple(found["X"]), tuple(found["Y"]))


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
