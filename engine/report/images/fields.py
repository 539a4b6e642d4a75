"""A JSON object of a file: its values by name, each of the type that is asked for."""

import json
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import NoReturn, TypeVar

from engine.bench.durable import read_plain
from engine.errors import InputError

MAX_BYTES = 16 * 2**20  # of a file
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Fields:
    """An object in a file; where: the file, and the object's place in it.

    What is missing or null is None, or empty. What has another type is an InputError with its place.
    """

    values: dict[str, object]
    where: str

    def text(self, name: str) -> str:
        """A string; "" where it is missing."""
        value = self.values.get(name)
        return "" if value is None else self._typed(name, value, str, "no text")

    def number(self, name: str) -> float | None:
        value = self.values.get(name)
        return None if value is None else self._number(name, value)

    def count(self, name: str) -> int | None:
        value = self.number(name)
        if value is not None and not (value >= 0 and value.is_integer()):
            self.fail(name, "no count")
        return None if value is None else int(value)

    def part(self, name: str) -> "Fields | None":
        value = self.values.get(name)
        if value is None:
            return None
        return Fields(self._typed(name, value, dict, "no object"), f"{self.where}, {name}")

    def parts(self, name: str) -> tuple["Fields", ...]:
        entries = self._list(name)
        return tuple(
            Fields(self._typed(f"{name}[{i}]", entry, dict, "no object"), f"{self.where}, {name}[{i}]")
            for i, entry in enumerate(entries)
        )

    def numbers(self, name: str) -> tuple[float | None, ...]:
        """A list of numbers; null stays None."""
        return self._row(name, self._list(name))

    def counts(self, name: str) -> tuple[int, ...]:
        """A list of whole numbers from 0 on."""
        found = self.numbers(name)
        if not all(value is not None and value >= 0 and value.is_integer() for value in found):
            self.fail(name, "no list of counts")
        return tuple(int(value) for value in found if value is not None)

    def table(self, name: str) -> tuple[tuple[float | None, ...], ...]:
        """A list of lists of numbers, all of one length; null stays None."""
        rows = tuple(
            self._row(f"{name}[{i}]", self._typed(f"{name}[{i}]", row, list, "no list"))
            for i, row in enumerate(self._list(name))
        )
        if len({len(row) for row in rows}) > 1:
            self.fail(name, "rows of different lengths")
        return rows

    def plain(self) -> tuple[tuple[str, str], ...]:
        """All values as text, for people; objects inside and long lists are cut short."""
        return tuple((name, _shown(value)) for name, value in self.values.items() if value is not None)

    def fail(self, name: str, what: str) -> NoReturn:
        """InputError about the value of this name."""
        raise InputError(f"{name} is {what}", where=self.where, advice="write the file again, or remove it")

    def _list(self, name: str) -> list[object]:
        value = self.values.get(name)
        return [] if value is None else self._typed(name, value, list, "no list")

    def _row(self, name: str, row: list[object]) -> tuple[float | None, ...]:
        return tuple(None if entry is None else self._number(name, entry) for entry in row)

    def _number(self, name: str, value: object) -> float:
        if not isinstance(value, (int, float)) or isinstance(value, bool):
            self.fail(name, "no number")
        try:
            found = float(value)
        except OverflowError:
            self.fail(name, "too large")
        return found if isfinite(found) else self.fail(name, "no finite number")

    def _typed(self, name: str, value: object, kind: type[T], otherwise: str) -> T:
        if not isinstance(value, kind):
            self.fail(name, otherwise)
        return value


def read_fields(path: Path) -> Fields | None:
    """The object in a JSON file; None where the file holds something else. InputError where it is no JSON."""
    try:
        value = json.loads(read_plain(path, limit=MAX_BYTES))
    except (ValueError, RecursionError) as error:
        what = str(error).splitlines()[0] if isinstance(error, ValueError) else "it is nested too deep"
        raise InputError(f"this is no JSON ({what})", where=str(path), advice="write it again, or remove it") from None
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror or error})", where=str(path), advice="remove it") from None
    return Fields(value, str(path)) if isinstance(value, dict) else None


def _shown(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list):
        return ", ".join(map(_shown, value[:20])) + (" ..." if len(value) > 20 else "")
    if isinstance(value, dict):
        return ", ".join(f"{name} {_shown(entry)}" for name, entry in list(value.items())[:20])
    return str(value)[:200]
