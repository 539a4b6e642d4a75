"""Has workers repair networks, until each has its row."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from engine.bench.repair_folder import RepairsFolder
from engine.bench.repair_jobs import Job, RepairSettings
from engine.bench.repair_parcel import REPAIR_PARCEL, Returned, packed, unpacked
from engine.bench.workers import Event, Pool, WorkerTask, wait_for
from engine.results.words import DECIDED, TAKEN_OVER

REPAIR_ONE = "engine.bench.repair_one:repair_one"
MAX_DEATHS = 2  # of workers, until the network at which they died has an error
TICK = 0.5


def repair_all(
    todo: list[Job],
    settings: RepairSettings,
    folder: RepairsFolder,
    workers: Pool,
    *,
    carry: bool = False,
    on_progress: Callable[[], None],
) -> None:
    """Has workers repair until every job has its row. With `carry` they do not see this disk."""
    done = {row["network"] for row in folder.rows}
    waiting: deque[Job] = deque()
    for job in todo:
        if job.network not in done and not job.targets:
            folder.add({"network": job.network, "outcome": "held", "origin": TAKEN_OVER if job.taken_over else DECIDED})
        elif job.network not in done:
            waiting.append(job)
    while waiting or workers.tasks():
        while waiting and workers.room() > 0:
            job = waiting.popleft()
            function, arguments = (REPAIR_PARCEL, (packed(job, settings),)) if carry else (REPAIR_ONE, (job, settings))
            workers.submit(WorkerTask(function, arguments, about=_Turn(job)))
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
    if isinstance(event.value, Returned):
        unpacked(event.value, job)
        folder.add({"network": job.network, "properties": job.properties, **event.value.row})
    elif event.kind == "message":
        assert isinstance(event.value, dict)
        folder.add({"network": job.network, "properties": job.properties, **event.value})
    elif event.kind == "failed" and turn.deaths < MAX_DEATHS:
        workers.submit(WorkerTask(event.task.function, event.task.arguments, about=_Turn(job, turn.deaths + 1)))
    elif event.kind == "failed":
        folder.add({"network": job.network, "properties": job.properties, "outcome": "error", "error": event.value})
