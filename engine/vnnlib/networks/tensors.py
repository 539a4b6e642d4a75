"""Declared tensors: their elements as columns X_0, X_1, ... of inputs and Y_0, Y_1, ... of hidden and output elements.

Those are the names that VNN-LIB 1.0 gives to inputs and outputs, so that all later stages serve both versions.
"""

import re
from dataclasses import dataclass
from math import prod

from engine.errors import InputError
from engine.query import Variable
from engine.vnnlib.source import quoted

MAX_ELEMENTS = 500_000  # of all tensors: each becomes a column
MAX_DIGITS = 9  # of an index or a dimension
MAX_DIMENSIONS = 64

_NAMED = re.compile(r"([A-Za-z][A-Za-z0-9_]*)\s*(?:\[([^\[\]]*)\])?", re.ASCII)
_INTEGERS = re.compile(r"\s*-?[0-9]+\s*(?:,\s*-?[0-9]+\s*)*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Tensor:
    """A declared tensor, declared at an offset of the text: element k in row-major order is column `first` + k."""

    variable: Variable
    first: int
    at: int

    @property
    def letter(self) -> str:
        return "X" if self.variable.kind == "input" else "Y"

    def column(self, inside: str | None) -> str:
        """Returns the column of the element with these indices, as written. InputError where it has none."""
        name, shape = self.variable.name, self.variable.shape
        if not shape and inside is not None:
            raise InputError(f"{name} is a scalar, shape [], and has indices", advice=f"write {name}")
        indices = integers(inside) if inside is not None else ()
        if indices is None:
            raise InputError(f"{quoted(f'{name}[{inside}]')} has no indices", advice="give whole numbers")
        if len(indices) != len(shape):
            raise InputError(
                f"{name} has shape {shown(shape)} and {len(shape)} indices, not {len(indices)}",
                advice=f"write {name}{shown((0,) * len(shape))} for its first element",
            )
        place = 0
        for index, size in zip(indices, shape):
            if not 0 <= index < size:
                raise InputError(
                    f"index {index} of {name} is out of range, shape {shown(shape)}",
                    advice=f"give one from 0 to {size - 1}",
                )
            place = place * size + index
        return f"{self.letter}_{self.first + place}"

    def label(self, number: int) -> str:
        """Returns column `number` as the text writes it, with the indices."""
        place, indices = number - self.first, []
        for size in reversed(self.variable.shape):
            place, index = divmod(place, size)
            indices.append(index)
        return f"{self.variable.name}{shown(tuple(reversed(indices)))}" if indices else self.variable.name


def split(text: str) -> tuple[str, str | None] | None:
    """Returns a name and what its brackets contain, None where it has none; None where it is no name."""
    match = _NAMED.fullmatch(text)
    return (match[1], match[2]) if match else None


def integers(text: str) -> tuple[int, ...] | None:
    """Returns integers separated by commas, or None if `text` is not that. Long ones are errors."""
    if not _INTEGERS.fullmatch(text):
        return None
    words = [word.strip() for word in text.split(",")]
    if long := next((word for word in words if len(word) > MAX_DIGITS), None):
        raise InputError(f"{quoted(long)} has more than {MAX_DIGITS} digits", advice="write a smaller number")
    return tuple(map(int, words))


def shape_of(text: str) -> tuple[int, ...]:
    """Returns the shape that brackets contain: nothing for a scalar. InputError where it is none."""
    if not text.strip():
        return ()
    shape = integers(text)
    if shape is None:
        raise InputError(f"{quoted(f'[{text}]')} is not a shape", advice="give sizes between commas, as in [1, 5]")
    if len(shape) > MAX_DIMENSIONS:
        raise InputError(f"a shape has more than {MAX_DIMENSIONS} dimensions", advice="flatten the tensor")
    if min(shape) < 1:
        raise InputError(f"{shown(shape)} is not a shape", advice="sizes are 1 at least")
    if prod(shape) > MAX_ELEMENTS:
        raise InputError(f"shape {shown(shape)} has more than {MAX_ELEMENTS:,} elements", advice="give a smaller one")
    return shape


def shown(numbers: tuple[int, ...]) -> str:
    """Returns indices or a shape as a text writes them."""
    return f"[{','.join(map(str, numbers))}]"
