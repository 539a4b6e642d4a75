"""counterexamples/NAME.txt -> Point, or the Assignment of several networks' variables."""

import math
import re
from dataclasses import dataclass
from itertools import islice
from math import prod
from pathlib import Path

from engine.bench.durable import read_plain
from engine.errors import InputError

MAX_BYTES = 4 * 2**20
_HEAD = re.compile(r"(\S{1,1000}) (\S{1,40}) \[((?:[0-9]{1,9}(?:,[0-9]{1,9}){0,99})?)\]")
_PAIR = re.compile(r"\(\s*([XY])_(\d{1,7})\s+([^\s()]+)\s*\)")


@dataclass(frozen=True, slots=True)
class Point:
    """An input of a network and its output there as onnxruntime computed it, both in the network's own units."""

    inputs: tuple[float, ...]
    outputs: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Tensor:
    """A variable of a question in VNN-LIB 2.0, with the type and shape it is declared with, and its values."""

    name: str
    element: str
    shape: tuple[int, ...]
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Assignment:
    """A counterexample to a question in VNN-LIB 2.0: all of its variables, in order of declaration."""

    tensors: tuple[Tensor, ...]


def read_counterexample(path: Path) -> Point | Assignment:
    """The counterexample in a file of either form; InputError where it holds none."""
    head, _, _ = _text(path).partition("\n")
    return read_assignment(path) if _HEAD.fullmatch(head) else read_point(path)


def read_assignment(path: Path) -> Assignment:
    """The assignment in a file of VNN-LIB 2.0's form; InputError where it holds none."""
    lines, tensors = iter(_text(path).splitlines()), []
    for line in lines:
        head = _HEAD.fullmatch(line)
        if not head:
            raise _damaged(path, f"{line[:40]!r} is no variable")
        shape = tuple(map(int, filter(None, head[3].split(","))))
        texts = list(islice(lines, min(prod(shape), MAX_BYTES)))
        values = [_number(text) for text in texts]
        if len(values) < prod(shape) or any(value is None or math.isnan(value) for value in values):
            raise _damaged(path, f"variable {head[1][:40]!r} has not {prod(shape)} values")
        tensors.append(Tensor(head[1], head[2], shape, tuple(value for value in values if value is not None)))
    if not tensors:
        raise _damaged(path, "this is no counterexample")
    return Assignment(tuple(tensors))


def read_point(path: Path) -> Point:
    """The point in a file of VNN-COMP's form; InputError where it holds none."""
    text = _text(path)
    found: dict[str, list[float]] = {"X": [], "Y": []}
    for letter, index, number in _PAIR.findall(text):
        value = _number(number)
        if value is None:
            raise _damaged(path, f"{letter}_{index} is {number[:40]!r}, which is no number")
        if int(index) != len(found[letter]) or math.isnan(value):
            raise _damaged(path, f"{letter}_{index} is not where it should be, or no number")
        found[letter].append(value)
    if not (found["X"] and found["Y"]):
        raise _damaged(path, "this is no counterexample")
    return Point(tuple(found["X"]), tuple(found["Y"]))


def _text(path: Path) -> str:
    try:
        return read_plain(path, limit=MAX_BYTES).decode("utf-8", "replace")
    except (OSError, ValueError) as error:
        raise _damaged(path, f"cannot be read ({getattr(error, 'strerror', None) or error})") from None


def _damaged(path: Path, what: str) -> InputError:
    return InputError(what, where=str(path), advice="run the instance again")


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
