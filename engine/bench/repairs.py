"""After the verdicts: which networks are to be repaired for what, and what came of it."""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from glob import escape
from pathlib import Path

from engine.acasxu import benchmark_instances
from engine.bench.durable import Table, sync_folder
from engine.bench.instances import Instance, network_stem
from engine.bench.row import Row, one_line
from engine.bench.workers import Event, Task, wait_for
from engine.data import property_path
from engine.files import unwritable
from engine.identity import identify_file

COLUMNS = ("network", "properties", "outcome", "method", "seconds", "proof_seconds", "agreement_outside",
           "changed_outside", "agreement_safe", "max_output_change", "weights", "neurons", "layers", "certificates",
           "error")
OUTCOMES = ("repaired", "held", "failed", "error")
DEATHS = 2  # of workers, until the network at which they died has an error
TICK = 0.5


@dataclass(frozen=True, slots=True)
class Job:
    """A network, the properties that it violates, by name, and those to be kept where they hold; where files go."""

    network: str
    path: Path
    targets: tuple[tuple[str, Path], ...]
    keep: tuple[Path, ...]
    folder: Path

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
    """One for each network of the list, in its order.

    Kept are the listed properties that are not known to be violated, and, for a network that is known to be one of ACAS
    Xu's or made from one, all of the benchmark's: repairing decides which of them hold.
    """
    verdicts = {row.names: row.verdict for row in rows}
    networks: dict[str, list[Instance]] = {}
    for instance in instances:
        networks.setdefault(instance.names[0], []).append(instance)
    found = []
    for name, of in networks.items():
        violated = [i for i in of if verdicts.get(i.names) == "sat"]
        rest = [i.property for i in of if verdicts.get(i.names) in ("unsat", "unknown", "timeout")]
        targets = tuple((i.names[1], i.property) for i in violated)
        found.append(Job(name, of[0].network, targets, (*rest, *_benchmark(of[0].network)), folder))
    return found


def _benchmark(network: Path) -> list[Path]:
    identity = identify_file(network)
    return [property_path(spec.number) for spec, other in benchmark_instances() if identity and other == identity.index]


class RepairsFolder:
    """`repairs.csv` and `repairs/`; a context manager. A row is added after its files are durable."""

    def __init__(self, folder: Path, *, resume: bool):
        """InputError where it cannot be written. What is there already is replaced unless `resume`."""
        self.files, path = folder / "repairs", folder / "repairs.csv"
        try:
            if not resume and self.files.exists():
                shutil.rmtree(self.files)
            self.files.mkdir(parents=True, exist_ok=True)
            for left in self.files.glob(".repair-*"):  # by a repair that was killed
                shutil.rmtree(left)
        except OSError as error:
            raise unwritable(error, self.files) from None
        self._table = Table(path, COLUMNS, fresh=not resume)
        self.rows: list[dict[str, str]] = []

    def recover(self, todo: list[Job]) -> None:
        """Takes the rows of an earlier run that are of these jobs and have their files; drops others."""
        known = {(job.network, job.properties): job for job in todo}
        for line in self._table.lines:
            row = dict(zip(COLUMNS, line))
            job = known.get((row.get("network"), row.get("properties")))
            if len(line) == len(COLUMNS) and job and row["outcome"] in OUTCOMES:
                if row["outcome"] != "repaired" or job.file(".onnx").is_file():
                    del known[job.network, job.properties]
                    self.rows.append(row)
        if len(self.rows) < len(self._table.lines):
            self._table.replace([list(row.values()) for row in self.rows])

    def add(self, row: dict[str, object]) -> None:
        """Adds a row after its network's files."""
        cells = {name: _cell(row.get(name)) for name in COLUMNS}
        self._sync(network_stem(cells["network"]))
        self._table.append([list(cells.values())])
        self.rows.append(cells)

    def sort(self, todo: list[Job]) -> None:
        """Puts the rows in the order of the list."""
        place = {job.network: i for i, job in enumerate(todo)}
        self.rows.sort(key=lambda row: place[row["network"]])
        self._table.replace([list(row.values()) for row in self.rows])

    def __enter__(self) -> "RepairsFolder":
        return self

    def __exit__(self, *exception) -> None:
        self._table.close()

    def _sync(self, stem: str) -> None:
        try:
            inside = self.files / stem
            for path in [*self.files.glob(f"{escape(stem)}.*"), *(inside.iterdir() if inside.is_dir() else ())]:
                if path.is_file():
                    with path.open("rb") as file:
                        os.fsync(file.fileno())
            for folder in filter(Path.is_dir, (inside, self.files)):
                sync_folder(folder)
        except OSError as error:
            raise unwritable(error, self.files) from None


def repair_all(todo: list[Job], function: str, arguments: tuple, folder: RepairsFolder, workers, *,
               on_progress: Callable[[], None]) -> None:
    """Until every job has its row. function(job, *arguments, send) sends it, in a worker."""
    done = {row["network"] for row in folder.rows}
    for job in todo:
        if job.network not in done and not job.targets:
            folder.add({"network": job.network, "outcome": "held"})
        elif job.network not in done:
            workers.submit(Task(function, (job, *arguments), about=(job, 1)))
    while workers.tasks():
        wait_for([workers], TICK)
        for event in workers.events():
            _take(event, folder, workers)
        on_progress()
    folder.sort(todo)


def _take(event: Event, folder: RepairsFolder, workers) -> None:
    job, deaths = event.task.about
    if event.kind == "message":
        folder.add({"network": job.network, "properties": job.properties, **event.value})
    elif event.kind == "failed" and deaths < DEATHS:
        workers.submit(Task(event.task.function, event.task.arguments, about=(job, deaths + 1)))
    elif event.kind == "failed":
        folder.add({"network": job.network, "properties": job.properties, "outcome": "error", "error": event.value})


def _cell(value: object) -> str:
    text = "" if value is None else f"{value:.9g}" if isinstance(value, float) else str(value)
    return one_line(text) if text else ""
