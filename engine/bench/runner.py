"""Decides a list of instances with workers that may die, and keeps each answer as soon as it is there.

Instances are handed out in chunks, which are read and searched by one worker together. No more of them are in
memory, or lost if the program is killed, than one chunk a worker and those whose certificates are being checked.
"""

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from engine.bench.chunk import Answer, Chunk, Standing, pieces
from engine.bench.folder import ResultsFolder
from engine.bench.instances import Instance
from engine.bench.workers import Event, Task, wait_for
from engine.errors import InputError
from engine.onnx_file import Whole, read_whole
from engine.results.row import Row, error_row, one_line

DECIDE, CHECK = "engine.bench.decide:decide", "engine.bench.checks:check_one"
PIECES = 8  # into which the instances of a worker that died are divided
ALONE = 2  # how often an instance may end the worker that it is alone with
TICK = 0.5  # seconds between reports of progress


@dataclass(frozen=True, slots=True)
class Plan:
    """How to run: the search's options; instances of a chunk; whether certificates are checked; whether chunks carry
    their files, for workers that do not see this disk.
    """

    options: dict
    chunk: int
    check: bool = False
    carry: bool = False


class Runner:
    """One session of a run: what is waiting, with the workers, and with the checkers."""

    def __init__(
        self,
        instances: list[Instance],
        hashes: dict[str, str | None],
        plan: Plan,
        folder: ResultsFolder,
        *,
        searchers,
        checkers,
    ):
        done = {row.names for row in folder.rows}
        self._instances = {instance.names: instance for instance in instances}
        self._hashes, self._plan, self._folder = hashes, plan, folder
        self._searchers, self._checkers = searchers, checkers
        #: parts of the list that wait, and how often each was alone with a worker that died
        self._waiting: deque[tuple[list[Instance], int]] = deque()
        rest = [instance for instance in instances if instance.names not in done]
        size = min(plan.chunk, max(1, -(-len(rest) // searchers.count)))
        self._waiting.extend((piece, 0) for piece in pieces(rest, -(-len(rest) // size) if rest else 1))
        self._unanswered: dict[int, dict[tuple[str, str], Instance]] = {}  # by the id of the task
        self._open: dict[int, int] = {}  # boxes, likewise
        self._unchecked: dict[tuple[str, str], Row] = {}

    def run(self, on_progress: Callable[[int], None]) -> None:
        """Until every instance has its row; on_progress(boxes open) is called now and then."""
        pools = [pool for pool in (self._searchers, self._checkers) if pool]
        while self._waiting or any(pool.tasks() for pool in pools):
            self._hand_out()
            wait_for(pools, TICK)
            self._take([event for pool in pools for event in pool.events()])
            on_progress(sum(self._open.values()))

    def _hand_out(self) -> None:
        """Gives idle workers a chunk each, unless checking is behind."""
        while self._waiting and self._searchers.room() > 0 and len(self._unchecked) < self._plan.chunk:
            part, deaths = self._waiting.popleft()
            names = {name for instance in part for name in instance.names}
            chunk = Chunk(tuple(part), {name: self._hashes[name] for name in names}, self._files(part))
            task = Task(DECIDE, (chunk, self._plan.options), about=deaths)
            self._unanswered[id(task)] = {instance.names: instance for instance in part}
            self._searchers.submit(task)

    def _files(self, part: list[Instance]) -> dict[Path, Whole]:
        paths = {path for instance in part for path in (instance.network, instance.property)}
        found = {path: _content(path) for path in paths} if self._plan.carry else {}
        return {path: content for path, content in found.items() if content is not None}

    def _take(self, events: list[Event]) -> None:
        """Keeps all that has come: files first, and then the rows that are complete with them."""
        answers, rows = [], []
        for event in events:
            if event.task.function == CHECK:
                rows += self._checked(event)
            elif isinstance(event.value, Answer):
                answers.append(event.value)
                self._unanswered[id(event.task)].pop(event.value.row.names, None)
            elif isinstance(event.value, Standing):
                self._open[id(event.task)] = event.value.open
            else:
                rows += self._ended(event)
        rows += [row for row in self._folder.keep(answers) if not self._to_be_checked(row)]
        self._folder.add(rows)

    def _ended(self, event: Event) -> list[Row]:
        """Where a task failed, its instances without answer are tried again in smaller parts, down to one alone."""
        self._open.pop(id(event.task), None)
        rest, deaths = list(self._unanswered.pop(id(event.task)).values()), event.task.about
        reason = event.value or "the worker said nothing of it"
        if len(rest) > 1:
            self._waiting.extendleft((part, 0) for part in reversed(pieces(rest, PIECES)))
        elif rest and deaths + 1 < ALONE:
            self._waiting.appendleft((rest, deaths + 1))
        elif rest:
            return [error_row(rest[0].names, f"{reason}, {ALONE} times", self._plan.options["semantics"])]
        return []

    def _to_be_checked(self, row: Row) -> bool:
        if not (self._plan.check and row.certificate_sha256):
            return False
        self._unchecked[row.names] = row
        self._check(row.names, 0)
        return True

    def _check(self, names: tuple[str, str], deaths: int) -> None:
        hashes = tuple(self._hashes[name] for name in names)
        claim = self._folder.claim(self._unchecked[names], self._instances[names], hashes)
        self._checkers.submit(Task(CHECK, (claim,), about=(names, deaths)))

    def _checked(self, event: Event) -> list[Row]:
        names, deaths = event.task.about
        if event.kind == "failed" and deaths + 1 < ALONE:
            self._check(names, deaths + 1)
        elif event.kind != "done":
            found = event.value if event.kind == "message" else ("", None, f"not checked: {event.value}")
            (word, seconds, reason), row = found, self._unchecked.pop(names)
            return [replace(row, check=word, check_seconds=seconds, error=one_line(reason))]
        return []


def counts(rows: list[Row]) -> Counter:
    """How many rows there are of each verdict."""
    return Counter(row.verdict for row in rows)


def _content(path: Path) -> Whole | None:
    """None where it cannot be read, which the worker will find out and say."""
    try:
        return read_whole(path)
    except InputError:
        return None
