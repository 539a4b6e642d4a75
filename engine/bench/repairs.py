"""After the verdicts: which networks are to be repaired for what, and what came of it."""

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from glob import escape
from hashlib import sha256
from pathlib import Path

from engine.acasxu.files import property_path
from engine.acasxu.identity import identify_file
from engine.acasxu.properties import benchmark_instances
from engine.bench.durable import DurableTable, demand_plain, read_plain, sync_folder
from engine.bench.instances import Instance, network_stem
from engine.bench.workers import Event, Pool, WorkerTask, wait_for
from engine.files import unwritable
from engine.results.row import Row, amount
from engine.results.words import CONFIRMED, DECIDED, ORIGINS, TAKEN_OVER, one_line

COLUMNS = (
    "network",
    "properties",
    "outcome",
    "method",
    "seconds",
    "proof_seconds",
    "agreement_outside",
    "changed_outside",
    "agreement_safe",
    "max_output_change",
    "weights",
    "neurons",
    "layers",
    "certificates",
    "files_sha256",
    "origin",
    "error",
)
#: What no repair can exceed.
MOST = {
    "seconds": 1e9,
    "proof_seconds": 1e9,
    "agreement_outside": 1.0,
    "changed_outside": 10**12,
    "agreement_safe": 1.0,
    "max_output_change": 1e300,
    "weights": 10**12,
    "neurons": 10**12,
    "layers": 10**6,
    "certificates": 10**6,
}
OUTCOMES = ("repaired", "held", "failed", "error")
REPAIR_ONE = "engine.bench.repair_one:repair_one"
MAX_DEATHS = 2  # of workers, until the network at which they died has an error
TICK = 0.5


@dataclass(frozen=True, slots=True)
class RepairSettings:
    """How networks are repaired. domain, decision: what the user says of all of them, as on the command line."""

    method: str = "auto"
    timeout: float | None = 600.0
    samples: int = 1_000_000
    grid: int = 30
    semantics: str = "real"
    device: str = "auto"
    domain: str | None = None
    decision: str | None = None

    def by_name(self) -> dict[str, object]:
        """The settings for the manifest; domain and decision only where they are given."""
        return {name: value for name, value in asdict(self).items() if value is not None or name == "timeout"}


@dataclass(frozen=True, slots=True)
class Job:
    """A network, the properties that it violates, by name, and those to be kept where they hold; where files go.

    held: those of `keep` that are known to hold; taken_over: whether that rests on what an earlier session said.
    """

    network: str
    path: Path
    targets: tuple[tuple[str, Path], ...]
    keep: tuple[Path, ...]
    folder: Path
    held: tuple[Path, ...] = ()
    taken_over: bool = False

    @property
    def properties(self) -> str:
        """As the table names them."""
        return ";".join(name for name, _ in self.targets)

    @property
    def stem(self) -> Path:
        """What its files are called, without an ending."""
        return self.folder / network_stem(self.network)

    def file(self, ending: str) -> Path:
        return self.stem.with_name(self.stem.name + ending)


def jobs(instances: list[Instance], rows: list[Row], folder: Path) -> list[Job]:
    """One for each network of the list that violates something or is known to hold all, in its order.

    Kept are the listed properties that are not known to be violated, and, for a network that is known to be one of ACAS
    Xu's or made from one, all of the benchmark's: repairing decides which of them hold.
    """
    verdicts = {row.names: row.verdict for row in rows}
    taken_over = {row.network for row in rows if row.origin == TAKEN_OVER}
    networks: dict[str, list[Instance]] = {}
    for instance in instances:
        networks.setdefault(instance.names[0], []).append(instance)
    found = []
    for name, of in networks.items():
        violated = [i for i in of if verdicts.get(i.names) == "sat"]
        rest = [i.property for i in of if verdicts.get(i.names) in ("unsat", "unknown", "timeout")]
        held = tuple(i.property for i in of if verdicts.get(i.names) == "unsat")
        targets = tuple((i.names[1], i.property) for i in violated)
        if targets or len(held) == len(of):
            keep = (*rest, *_benchmark(of[0].network))
            found.append(Job(name, of[0].network, targets, keep, folder, held, name in taken_over))
    return found


def _benchmark(network: Path) -> list[Path]:
    identity = identify_file(network)
    return [property_path(spec.number) for spec, other in benchmark_instances() if identity and other == identity.index]


class RepairsFolder:
    """`repairs.csv` and `repairs/`; a context manager. A row is added after its files are durable, and has a digest of
    them.
    """

    def __init__(self, folder: Path, *, resume: bool):
        """InputError where it cannot be written. What is there already is replaced unless `resume`."""
        self.files, path = folder / "repairs", folder / "repairs.csv"
        try:
            demand_plain(self.files, folder=True)
            if not resume and self.files.exists():
                shutil.rmtree(self.files)
            self.files.mkdir(parents=True, exist_ok=True)
            for found in self.files.rglob("*"):  # what a repair writes would follow links
                demand_plain(found, folder=found.is_dir() and not found.is_symlink())
            for left in self.files.glob(".repair-*"):  # by a repair that was killed
                shutil.rmtree(left)
        except OSError as error:
            raise unwritable(error, self.files) from None
        self._table = DurableTable(path, COLUMNS, fresh=not resume)
        self.rows: list[dict[str, str]] = []

    def recover(self, todo: list[Job]) -> None:
        """Takes the rows of an earlier run that are of these jobs and have their files, as taken over; drops others.

        Impossible where a row holds a number that no repair can have.
        """
        known = {(job.network, job.properties): job for job in todo if job.targets}
        for number, line in enumerate(self._table.lines, 2):
            row = read_repair(line, where=f"{self._table.path}:{number}")
            job = known.get((row["network"], row["properties"])) if row else None
            if (
                row and job and row["outcome"] != "held" and self._complete(row, job)
            ):  # what violates a target does not hold it
                del known[job.network, job.properties]
                self.rows.append(row | {"origin": TAKEN_OVER})
        self._save()

    def confirm(self, refuted: Mapping[str, str]) -> None:
        """Has the repaired networks be confirmed, but for those refuted, which are to be repaired again."""
        self.rows[:] = [
            row | {"origin": CONFIRMED} if row["outcome"] == "repaired" else row
            for row in self.rows
            if row["network"] not in refuted
        ]
        self._save()

    def drop_taken_over(self) -> None:
        """Has the networks whose repair nobody has confirmed be repaired again."""
        self.rows[:] = [row for row in self.rows if row["origin"] != TAKEN_OVER]
        self._save()

    def add(self, row: dict[str, object]) -> None:
        """Adds a row after its network's files."""
        stem = network_stem(str(row["network"]))
        self._sync(stem)
        digest = files_digest(self.files, stem) if row["outcome"] == "repaired" else ""
        row = {"origin": DECIDED} | row | {"files_sha256": digest}
        cells = {name: _cell(row.get(name)) for name in COLUMNS}
        self._table.append([list(cells.values())])
        self.rows.append(cells)

    def sort(self, todo: list[Job]) -> None:
        """Puts the rows in the order of the list."""
        place = {job.network: i for i, job in enumerate(todo)}
        self.rows.sort(key=lambda row: place[row["network"]])
        self._save()

    def __enter__(self) -> "RepairsFolder":
        return self

    def __exit__(self, *exception: object) -> None:
        self._table.close()

    def _complete(self, row: dict[str, str], job: Job) -> bool:
        if row["outcome"] != "repaired":
            return not row["files_sha256"]
        held = job.file(".onnx") in files_of(self.files, job.stem.name)
        return held and row["files_sha256"] == files_digest(self.files, job.stem.name)

    def _save(self) -> None:
        self._table.replace([list(row.values()) for row in self.rows])

    def _sync(self, stem: str) -> None:
        try:
            for path in files_of(self.files, stem):
                with path.open("rb") as file:
                    os.fsync(file.fileno())
            for folder in filter(Path.is_dir, (self.files / stem, self.files)):
                sync_folder(folder)
        except OSError as error:
            raise unwritable(error, self.files) from None


def read_repair(line: list[str], *, where: str) -> dict[str, str] | None:
    """The row that was written as this line; None where it is none. Impossible where it holds an impossible number."""
    if len(line) != len(COLUMNS) or not all(map(str.isprintable, line)):
        return None
    row = dict(zip(COLUMNS, line))
    try:
        for name, most in MOST.items():
            amount(row[name], name, most=most, where=where)
    except ValueError:
        return None
    return row if row["outcome"] in OUTCOMES and row["origin"] in ORIGINS else None


def files_of(folder: Path, stem: str) -> Iterator[Path]:
    """A network's files in the folder of repairs, by name: links are none."""
    inside = folder / stem
    for path in sorted([*folder.glob(f"{escape(stem)}.*"), *(inside.iterdir() if inside.is_dir() else ())]):
        if path.is_file() and not path.is_symlink() and not inside.is_symlink():
            yield path


def files_digest(folder: Path, stem: str) -> str:
    """One SHA-256 of a network's files and their names; nothing where one of them cannot be read."""
    try:
        lines = [
            f"{sha256(read_plain(path)).hexdigest()} {path.relative_to(folder)}\n" for path in files_of(folder, stem)
        ]
    except (OSError, ValueError):
        return ""
    return sha256("".join(lines).encode("utf-8", "surrogatepass")).hexdigest()


def repair_all(
    todo: list[Job],
    settings: RepairSettings,
    folder: RepairsFolder,
    workers: Pool,
    *,
    on_progress: Callable[[], None],
) -> None:
    """Has workers repair until every job has its row."""
    done = {row["network"] for row in folder.rows}
    for job in todo:
        if job.network not in done and not job.targets:
            folder.add({"network": job.network, "outcome": "held", "origin": TAKEN_OVER if job.taken_over else DECIDED})
        elif job.network not in done:
            workers.submit(WorkerTask(REPAIR_ONE, (job, settings), about=_Turn(job)))
    while workers.tasks():
        wait_for([workers], TICK)
        for event in workers.events():
            _take(event, folder, workers)
        on_progress()
    folder.sort(todo)


@dataclass(frozen=True, slots=True)
class _Turn:
    """A job in a worker; deaths: of workers, if this one dies too."""

    job: Job
    deaths: int = 1


def _take(event: Event, folder: RepairsFolder, workers: Pool) -> None:
    turn = event.task.about
    assert isinstance(turn, _Turn)
    job = turn.job
    if event.kind == "message":
        assert isinstance(event.value, dict)
        folder.add({"network": job.network, "properties": job.properties, **event.value})
    elif event.kind == "failed" and turn.deaths < MAX_DEATHS:
        workers.submit(WorkerTask(event.task.function, event.task.arguments, about=_Turn(job, turn.deaths + 1)))
    elif event.kind == "failed":
        folder.add({"network": job.network, "properties": job.properties, "outcome": "error", "error": event.value})


def _cell(value: object) -> str:
    text = "" if value is None else f"{value:.9g}" if isinstance(value, float) else str(value)
    return one_line(text) if text else ""
