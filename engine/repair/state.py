"""What a repair has learned, on disk: an interrupted run replays its candidates without proving them again.

Methods are deterministic, so that a run that starts again offers the same candidates; their verdicts are
looked up by the network's SHA-256 and how many properties were asked for: each step of a joint repair adds one.
"""

import json
import os
from pathlib import Path

import numpy as np

from engine.errors import InputError
from engine.files import regular, write_text
from engine.network import Network
from engine.repair.attempt import Attempt
from engine.repair.task import Box, Counterexample, Task

FILE = "attempts.jsonl"


class State:
    """Attempts that were not proved, one JSON line each after a first line that says of which repair they are."""

    def __init__(self, folder: Path | None, about: dict | None = None):
        """InputError where the folder holds the state of another repair, or cannot be read or written."""
        self._path = None if folder is None else Path(folder) / FILE
        self._known: dict[tuple[str, int], Attempt] = {}
        if self._path is None:
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            text = _text(self._path) if self._path.exists() else ""
            lines = text[: text.rfind("\n") + 1].splitlines()  # the last line may have been cut off
            if len(text.splitlines()) > len(lines):
                write_text(self._path, "".join(line + "\n" for line in lines))
            if not lines:
                self._append(about or {})
        except (OSError, UnicodeDecodeError) as error:
            raise self._lost(error) from None
        for number, line in enumerate(lines):
            self._read(number, line, about or {})

    def known(self, network: Network, task: Task) -> Attempt | None:
        """The attempt with this network, if it was made before and failed."""
        return self._known.get((network.sha256, len(task.properties)))

    def keep(self, network: Network, task: Task, attempt: Attempt) -> None:
        """Keeps an attempt that failed; one that was proved is to be proved again. InputError if it cannot."""
        if self._path is None or attempt.verdicts:
            return
        content = {
            "sha256": network.sha256,
            "properties": len(task.properties),
            "words": attempt.words,
            "proved": attempt.proved,
            "seconds": attempt.seconds,
            "counterexamples": [[c.property, c.case, c.point.tolist()] for c in attempt.counterexamples],
            "boxes": [[b.property, b.case, b.lower.tolist(), b.upper.tolist()] for b in attempt.boxes],
        }
        try:
            self._append(content)
        except OSError as error:
            raise self._lost(error) from None

    def _append(self, content: dict) -> None:
        with self._path.open("a") as file:
            file.write(json.dumps(content) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def _lost(self, error: Exception) -> InputError:
        reason = getattr(error, "strerror", None) or error
        return InputError(
            f"the state cannot be kept there ({reason})", where=str(self._path.parent), advice="choose another folder"
        )

    def _read(self, number: int, line: str, about: dict) -> None:
        try:
            content = json.loads(line)
            if number == 0:
                self._compare(content, about)
                return
            found = tuple(Counterexample(p, c, np.array(x, np.float32)) for p, c, x in content["counterexamples"])
            boxes = tuple(Box(p, c, np.array(a), np.array(b)) for p, c, a, b in content["boxes"])
            key = content["sha256"], content["properties"]
            self._known[key] = Attempt(content["words"], content["proved"], content["seconds"], found, boxes)
        except (ValueError, KeyError, TypeError):
            raise InputError(
                f"line {number + 1} cannot be read", where=str(self._path), advice="remove the folder"
            ) from None

    def _compare(self, content: dict, about: dict) -> None:
        differs = [name for name in {**content, **about} if content.get(name) != about.get(name)]
        if differs:
            raise InputError(
                f"it holds the state of another repair: {', '.join(sorted(differs))} differ",
                where=str(self._path.parent),
                advice="choose another folder, or remove it",
            )


def _text(path: Path) -> str:
    with open(path, encoding="ascii", opener=regular) as file:
        return file.read()
