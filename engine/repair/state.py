"""The state of a repair on disk: an interrupted run replays its candidates without proving them again.

Methods are deterministic, so that a run that starts again offers the same candidates; their verdicts are
looked up by the network's SHA-256 and how many properties were asked for: each step of a joint repair adds one.
"""

import json
import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import NoReturn

import numpy as np

from engine.errors import InputError
from engine.files import regular, write_text
from engine.repair.attempt import Tried, Weighed
from engine.repair.task import Box, Counterexample, Task

FILE = "attempts.jsonl"


class State:
    """Attempts that were not proved, one JSON line each after a first line that says of which repair they are."""

    def __init__(self, folder: Path | None, about: Mapping[str, object] | None = None):
        """Keeps nothing where folder is None.

        InputError where the folder holds the state of another repair, or cannot be read or written.
        """
        self._path = None if folder is None else Path(folder) / FILE
        self._known: dict[tuple[str, int], Callable[[Weighed], Tried]] = {}
        if self._path is not None:
            for number, line in enumerate(self._lines(self._path, about or {})):
                self._read(self._path, number, line, about or {})

    def known(self, weighed: Weighed, task: Task) -> Tried | None:
        """The attempt at this task with this network, if it was made before and failed; else None."""
        attempt_of = self._known.get((weighed.network.sha256, len(task.properties)))
        return attempt_of(weighed) if attempt_of else None

    def keep(self, tried: Tried, task: Task) -> None:
        """Keeps an attempt that failed; one that was proved is to be proved again. InputError if it cannot."""
        if self._path is None or tried.verdicts:
            return
        content = {
            "sha256": tried.network.sha256,
            "properties": len(task.properties),
            "words": tried.words,
            "proved": tried.proved,
            "seconds": tried.seconds,
            "counterexamples": [[c.property, c.case, c.point.tolist()] for c in tried.counterexamples],
            "boxes": [[b.property, b.case, b.lower.tolist(), b.upper.tolist()] for b in tried.boxes],
        }
        try:
            _append(self._path, content)
        except OSError as error:
            _lost(self._path, error)

    def _lines(self, path: Path, about: Mapping[str, object]) -> list[str]:
        """The file's whole lines; a last one that was cut off is removed, and a file without any begun."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            text = _text(path) if path.exists() else ""
            lines = text[: text.rfind("\n") + 1].splitlines()
            if len(text.splitlines()) > len(lines):
                write_text(path, "".join(line + "\n" for line in lines))
            if not lines:
                _append(path, about)
        except (OSError, UnicodeDecodeError) as error:
            _lost(path, error)
        return lines

    def _read(self, path: Path, number: int, line: str, about: Mapping[str, object]) -> None:
        try:
            content = json.loads(line)
            if number == 0:
                _compare(path, content, about)
                return
            found = tuple(Counterexample(p, c, np.array(x, np.float32)) for p, c, x in content["counterexamples"])
            boxes = tuple(Box(p, c, np.array(a), np.array(b)) for p, c, a, b in content["boxes"])
            self._known[content["sha256"], content["properties"]] = partial(
                Tried,
                words=content["words"],
                proved=content["proved"],
                seconds=content["seconds"],
                counterexamples=found,
                boxes=boxes,
            )
        except (ValueError, KeyError, TypeError):
            raise InputError(f"line {number + 1} cannot be read", where=str(path), advice="remove the folder") from None


def _append(path: Path, content: Mapping[str, object]) -> None:
    with path.open("a") as file:
        file.write(json.dumps(content) + "\n")
        file.flush()
        os.fsync(file.fileno())


def _lost(path: Path, error: Exception) -> NoReturn:
    reason = getattr(error, "strerror", None) or error
    raise InputError(
        f"the state cannot be kept there ({reason})", where=str(path.parent), advice="choose another folder"
    ) from None


def _compare(path: Path, content: Mapping[str, object], about: Mapping[str, object]) -> None:
    """InputError where the file is about another repair."""
    differs = [name for name in {**content, **about} if content.get(name) != about.get(name)]
    if differs:
        raise InputError(
            f"it holds the state of another repair: {', '.join(sorted(differs))} differ",
            where=str(path.parent),
            advice="choose another folder, or remove it",
        )


def _text(path: Path) -> str:
    with open(path, encoding="ascii", opener=regular) as file:
        return file.read()
