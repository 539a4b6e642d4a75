"""Columns of text, the same for the page and for Markdown."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cell:
    """Text; `target` is the place on the page that it leads to, `word` a verdict or result that colours it."""

    text: str
    target: str = ""
    word: str = ""


@dataclass(frozen=True, slots=True)
class Listing:
    """A table. `numeric`: the columns set to the right; `caption` says what the columns mean, where they do not."""

    heads: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    numeric: frozenset[int] = frozenset()
    caption: str = ""


def listing(heads: str, rows: Iterable[Iterable[Cell | str]], *, numeric: str = "", caption: str = "") -> Listing:
    """The Listing with heads "head|head|..." and rows of text or Cells; `numeric` names heads likewise."""
    names = tuple(heads.split("|"))
    right = frozenset(names.index(name) for name in numeric.split("|") if name)
    cells = (tuple(cell if isinstance(cell, Cell) else Cell(cell) for cell in row) for row in rows)
    return Listing(names, tuple(cells), right, caption)
