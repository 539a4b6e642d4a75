"""Decides a list of instances with workers that may die, and keeps each answer as soon as it is there.

Instances are handed out in chunks, which are read and searched by one worker together. No more of them are in
memory, or lost if the program is killed, than one chunk a worker and those whose certificates are being checked.
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from engine.bench.chunk import Answer, Checked, Chunk, OpenBoxCount, mixed, pieces
from engine.bench.folder import ResultsFolder
from engine.bench.instances import Instance
from engine.bench.workers import Event, Pool, WorkerTask, wait_for
from engine.errors import InputError
from engine.onnx_file import Whole, read_whole
from engine.results.row import Row, error_row
from engine.results.words import one_line

DECIDE, CHECK = "engine.bench.decide:decide", "engine.bench.checks:check_one"
PIECES = 8  # into which the instances of a worker that died are divided
MAX_DEATHS = 2  # of workers that an instance was alone with, until it has an error
TICK = 0.5  # seconds between reports of progress


@dataclass(frozen=True, slots=True)
class Plan:
    """The way in which a Runner goes on.

    `options` are the search's. `chunk`: the number of instances in a chunk. With `check`, certificates are checked.
    With `carry`, chunks carry their files, for workers that do not see this disk.
    """

    options: Mapping[str, Any]
    chunk: int
    check: bool = False
    carry: bool = False


@dataclass(frozen=True, slots=True)
class _Check:
    """The subject of a checker's task: an instance, and how many workers have died of its certificate."""

    names: tuple[str, str]
    deaths: int


@dataclass(frozen=True, slots=True)
class _Part:
    """Instances that are handed out together, and how many workers have died of the only one of them."""

    instances: list[Instance]
    deaths: int = 0


class Runner:
    """One session of a run: what is waiting, with the workers, and with the checkers."""

    def __init__(
        self,
        instances: list[Instance],
        hashes: dict[str, str | None],
        plan: Plan,
        folder: ResultsFolder,
        *,
        searchers: Pool,
        checkers: Pool | None,
    ):
        done = {row.names for row in folder.rows}
        self._instances = {instance.names: instance for instance in instances}
        self._hashes, self._plan, self._folder = hashes, plan, folder
        self._searchers, self._checkers = searchers, checkers
        self._waiting: deque[_Part] = deque()
        rest = [instance for instance in instances if instance.names not in done]
        self._waiting.extend(map(_Part, mixed(rest, searchers.count, most=plan.chunk)))
        self._unanswered: dict[int, dict[tuple[str, str], Instance]] = {}  # by the id of the task
        self._open: dict[int, int] = {}  # boxes, likewise
        self._unchecked: dict[tuple[str, str], Row] = {}

    def run(self, on_progress: Callable[[int], None]) -> None:
        """Goes on until every instance has its row. Calls on_progress(boxes open) now and then."""
        pools: Sequence[Pool] = [pool for pool in (self._searchers, self._checkers) if pool]
        while self._waiting or any(pool.tasks() for pool in pools):
            self._hand_out()
            wait_for(pools, TICK)
            self._take([event for pool in pools for event in pool.events()])
            on_progress(sum(self._open.values()))

    def _hand_out(self) -> None:
        """Gives idle workers a chunk each, unless checking is behind."""
        while self._waiting and self._searchers.room() > 0 and len(self._unchecked) < self._plan.chunk:
            part = self._waiting.popleft()
            instances = part.instances
            names = {name for instance in instances for name in instance.paths}
            chunk = Chunk(tuple(instances), {name: self._hashes[name] for name in names}, self._files(instances))
            task = WorkerTask(DECIDE, (chunk, self._plan.options), about=part)
            self._unanswered[id(task)] = {instance.names: instance for instance in instances}
            self._searchers.submit(task)

    def _files(self, instances: list[Instance]) -> dict[Path, Whole]:
        paths = {path for instance in instances for path in instance.paths.values()}
        found = {path: _content(path) for path in paths} if self._plan.carry else {}
        return {path: content for path, content in found.items() if content is not None}

    def _take(self, events: list[Event]) -> None:
        """Keeps all that has come: files first, and then the rows that are complete with them."""
        answers: list[Answer] = []
        rows: list[Row] = []
        for event in events:
            if isinstance(event.task.about, _Check):
                rows += self._checked(event, event.task.about)
            elif isinstance(event.value, Answer):
                answers.append(event.value)
                self._unanswered[id(event.task)].pop(event.value.row.names, None)
            elif isinstance(event.value, OpenBoxCount):
                self._open[id(event.task)] = event.value.open
            else:
                rows += self._ended(event)
        rows += [row for row in self._folder.keep(answers) if not self._to_be_checked(row)]
        self._folder.add(rows)

    def _ended(self, event: Event) -> list[Row]:
        """Hands out again, in smaller parts down to one alone, those instances of a failed task that have no answer."""
        self._open.pop(id(event.task), None)
        part, rest = event.task.about, list(self._unanswered.pop(id(event.task)).values())
        assert isinstance(part, _Part)
        reason = event.value or "the worker said nothing of it"
        if len(rest) > 1:
            self._waiting.extendleft(_Part(piece) for piece in reversed(pieces(rest, PIECES)))
        elif rest and part.deaths + 1 < MAX_DEATHS:
            self._waiting.appendleft(_Part(rest, part.deaths + 1))
        elif rest:
            return [error_row(rest[0].names, f"{reason}, {MAX_DEATHS} times", self._plan.options["semantics"])]
        return []

    def _to_be_checked(self, row: Row) -> bool:
        if not (self._plan.check and row.certificate_sha256):
            return False
        self._unchecked[row.names] = row
        self._check(row.names, 0)
        return True

    def _check(self, names: tuple[str, str], deaths: int) -> None:
        assert self._checkers is not None  # the plan is to check
        claim = self._folder.claim(self._unchecked[names], self._instances[names], self._hashes)
        self._checkers.submit(WorkerTask(CHECK, (claim,), about=_Check(names, deaths)))

    def _checked(self, event: Event, about: _Check) -> list[Row]:
        """The row that is complete with a check, if this event ends it."""
        if event.kind == "failed" and about.deaths + 1 < MAX_DEATHS:
            self._check(about.names, about.deaths + 1)
        elif event.kind != "done":
            found, row = _what_was_found(event), self._unchecked.pop(about.names)
            return [replace(row, check=found.word, check_seconds=found.seconds, error=one_line(found.reason))]
        return []


def _what_was_found(event: Event) -> Checked:
    if isinstance(event.value, tuple):
        return Checked(*event.value)
    return Checked("", None, f"not checked: {event.value}")


def _content(path: Path) -> Whole | None:
    """The file's content; None where it cannot be read, which the worker will find out and say."""
    try:
        return read_whole(path)
    except InputError:
        return None
