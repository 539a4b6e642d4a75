"""One session of a run, from the list of instances to the last row: it begins the run, or goes on with it."""

import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from engine.bench.evidence import sifted
from engine.bench.folder import ResultsFolder
from engine.bench.inputs import input_hashes, listed_files
from engine.bench.instances import Instance
from engine.bench.machine import cores
from engine.bench.manifest import Content, ManifestFile, differences, make_manifest, read_manifest
from engine.bench.repair_evidence import Claim, refuted_repairs
from engine.bench.repair_folder import RepairsFolder
from engine.bench.repair_jobs import Job, jobs
from engine.bench.repairs import repair_all
from engine.bench.runner import Plan, Runner
from engine.bench.settings import RunSettings
from engine.bench.workers import Pool, Workers, WorkerTask, wait_for
from engine.errors import EngineError, InputError
from engine.results.row import Row
from engine.results.words import TAKEN_OVER

if TYPE_CHECKING:
    from engine.bench.cluster import Cluster

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
PROGRESS_EVERY = 0.25  # seconds


Hashes = dict[str, str | None]  # of files, by name


class Tell(Protocol):
    """Notes how many boxes are open, and tells of progress."""

    def __call__(self, boxes: int = 0) -> None: ...


class Differs(InputError):
    """The run to be resumed is another one; `lines` say in what."""

    def __init__(self, lines: list[str], folder: Path):
        super().__init__(
            f"this run differs from the one to be resumed, in {len(lines)} points",
            where=str(folder),
            advice="run it as it was begun, or name another folder",
        )
        self.lines = lines


@dataclass(slots=True)
class Session:
    """One session of a run, and where it stands.

    `rows`: all there are, of earlier sessions too. `begun` counts those of earlier sessions that stand, `dropped` their
    lines that were cut off or lacked their files; `refuted` says by name why others were not borne out by their
    evidence. `sifting`: (claims gone through, all claims of earlier sessions), while that goes on. `repairs`: rows of
    repairs.csv, of `repairing` networks; `refuted_repairs` is by network, likewise. `jobs`: worker processes. `boxes`:
    those open now; `seconds`: those of this session.
    """

    instances: list[Instance]
    settings: RunSettings
    rows: list[Row] = field(default_factory=list)
    begun: int = 0
    dropped: int = 0
    refuted: dict[tuple[str, str], str] = field(default_factory=dict)
    sifting: tuple[int, int] | None = None
    repairs: list[dict[str, str]] | None = None
    refuted_repairs: dict[str, str] = field(default_factory=dict)
    repairing: int = 0
    jobs: int = 1
    boxes: int = 0
    seconds: float = 0.0
    _start: float = 0.0
    _told: float = 0.0

    def run(self, on_progress: Callable[[], None] = lambda: None) -> None:
        """Goes on until all is done. Where it ends otherwise, what is done is kept, and can be resumed.

        Calls on_progress() now and then. InputError where it cannot be begun: nothing is touched then.
        """
        self._start = time.monotonic()
        files = listed_files(self.instances)
        hashes = input_hashes(self.instances, files)
        with ExitStack() as stack:
            searchers, gpu = self._searchers(stack)
            content = make_manifest(
                self.instances, files=files, hashes=hashes, gpu=gpu, options=self.settings.options()
            )
            folder, sessions = self._folder(content)
            stack.enter_context(folder)
            manifest = ManifestFile(self.settings.out / "manifest.json", content, sessions)

            def tell(boxes: int = 0) -> None:
                self.boxes, self.seconds = boxes, time.monotonic() - self._start
                manifest.update(len(self.rows) - self.begun)
                if time.monotonic() - self._told > PROGRESS_EVERY:
                    self._told = time.monotonic()
                    on_progress()

            try:
                self._sift(hashes, folder, tell)
                self._decide(hashes, folder, searchers, stack, tell)
                self._repair(tell)
            except BaseException:
                with suppress(Exception):  # the disk may be what failed, and what ended the run is what is to be said
                    folder.reread()
                    manifest.update(len(self.rows) - self.begun, ended=True)
                raise
            manifest.update(len(self.rows) - self.begun, ended=True)
            self.seconds = time.monotonic() - self._start

    def _searchers(self, stack: ExitStack) -> tuple[Pool, str | None]:
        """The workers that decide instances, and their graphics processor; InputError where `device` is not there."""
        settings = self.settings
        if settings.dask:
            from engine.bench.cluster import Cluster

            self.jobs = settings.jobs or 1
            return stack.enter_context(Cluster(settings.dask)), None
        self.jobs = settings.likely_jobs(len(self.instances))
        workers = stack.enter_context(Workers(self.jobs))
        found = _asked(workers, "engine.bench.decide:survey", settings.search["device"])
        if found is not None and settings.jobs is None:
            self.jobs = 1
            workers.shrink(1)
        return workers, None if found is None else str(found)

    def _folder(self, content: Content) -> tuple[ResultsFolder, list[Content]]:
        """The folder with the rows that are in it already, and the sessions that made them."""
        settings, out = self.settings, self.settings.out
        old = read_manifest(out / "manifest.json") if settings.resume else None
        lines = differences(old, content) if old else []
        if lines:
            raise Differs(lines, out)
        folder = ResultsFolder(out, certificates=settings.certificates, resume=settings.resume, force=settings.force)
        try:
            folder.recover(
                {instance.names for instance in self.instances},
                check=settings.check,
                semantics=settings.search["semantics"],
            )
            if folder.rows and not old:
                raise InputError(
                    "there are results, but no manifest.json that says of what",
                    where=str(out),
                    advice="name another folder, or replace them with --force",
                )
        except BaseException:
            folder.__exit__()
            raise
        self.rows, self.begun, self.dropped = folder.rows, len(folder.rows), folder.dropped
        if not old:
            return folder, []
        content["started"] = old["started"]
        *before, last = old["sessions"]
        if last["ended"] is None:  # it was killed, and could not say
            last["decided"] = max(0, self.begun - sum(session["decided"] for session in before))
        return folder, old["sessions"]

    def _sift(self, hashes: Hashes, folder: ResultsFolder, tell: Tell) -> None:
        """Keeps those rows of earlier sessions that their evidence bears out, or that are taken over as such."""
        settings, instances = self.settings, {instance.names: instance for instance in self.instances}
        if not folder.rows:
            return
        claims = [folder.claim(row, instances[row.names], hashes) for row in folder.rows]

        def told(done: int, total: int) -> None:
            self.sifting = done, total
            tell()

        with Workers(self.jobs, ONE_THREAD) as workers:
            semantics = settings.search["semantics"]
            rows, self.refuted = sifted(claims, workers, check=settings.check, semantics=semantics, on_progress=told)
        if settings.verify_resumed:
            rows = [row for row in rows if row.origin != TAKEN_OVER]
        folder.replace(rows)
        self.begun, self.sifting = len(rows), None

    def _decide(self, hashes: Hashes, folder: ResultsFolder, searchers: Pool, stack: ExitStack, tell: Tell) -> None:
        settings = self.settings
        checkers = stack.enter_context(Workers(self.jobs, ONE_THREAD)) if settings.check else None
        plan = Plan(settings.search_in_workers(self.jobs), settings.window, settings.check, carry=bool(settings.dask))
        Runner(self.instances, hashes, plan, folder, searchers=searchers, checkers=checkers).run(tell)
        folder.sort([instance.names for instance in self.instances])
        searchers.close()  # their memory is needed no longer
        if checkers:
            checkers.close()

    def _repair(self, tell: Tell) -> None:
        settings = self.settings
        if settings.repair is None:
            return
        todo = jobs(self.instances, self.rows, settings.out / "repairs")
        threads = {name: str(max(1, cores() // self.jobs)) for name in ONE_THREAD} if self.jobs > 1 else {}
        with RepairsFolder(settings.out, resume=settings.resume) as folder, self._repairers(threads) as workers:
            folder.recover(todo)
            self._sift_repairs(todo, folder, tell)
            self.repairs, self.repairing = folder.rows, len(todo)
            repair_all(todo, settings.repair, folder, workers, carry=bool(settings.dask), on_progress=tell)

    def _repairers(self, threads: dict[str, str]) -> "Workers | Cluster":
        if self.settings.dask:
            from engine.bench.cluster import Cluster

            return Cluster(self.settings.dask)
        return Workers(self.jobs, threads)

    def _sift_repairs(self, todo: list[Job], folder: RepairsFolder, tell: Tell) -> None:
        """Keeps those repairs of earlier sessions that their certificates bear out, or that are taken over as such."""
        settings, jobs_by_name = self.settings, {job.network: job for job in todo}
        if settings.repair and settings.check and folder.rows:
            claims = [
                Claim(jobs_by_name[row["network"]], settings.repair.semantics)
                for row in folder.rows
                if row["outcome"] == "repaired"
            ]
            with Workers(self.jobs, ONE_THREAD) as workers:
                self.refuted_repairs = refuted_repairs(claims, workers, tell)
            folder.confirm(self.refuted_repairs)
        if settings.verify_resumed:
            folder.drop_taken_over()


def _asked(workers: Workers, function: str, *arguments: object) -> object:
    """The workers' answer, raised if it is an EngineError. InputError where one dies: no instance is at fault.

    All are asked at once, so that each has loaded what it needs when the first instances come.
    """
    for _ in range(workers.count):
        workers.submit(WorkerTask(function, arguments))
    found = None
    while workers.tasks():
        wait_for([workers], 1.0)
        for event in workers.events():
            if event.kind == "failed":
                raise InputError(f"worker processes cannot be used: {event.value}", advice="see that memory suffices")
            found = event.value if event.kind == "message" else found
    if isinstance(found, EngineError):
        raise found
    return found
