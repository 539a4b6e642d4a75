"""A repair on a machine that has no such files: they travel with the job, and what it writes comes back."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from engine.bench.durable import write_durably
from engine.bench.instances import network_stem
from engine.bench.repair_folder import files_of
from engine.bench.repair_jobs import Job, RepairSettings
from engine.errors import InputError
from engine.onnx_file import read_whole

REPAIR_PARCEL = "engine.bench.repair_parcel:repair_parcel"
ACASXU = "acasxu"  # a domain that is no file


@dataclass(frozen=True, slots=True)
class Parcel:
    """A job and its settings, with what their files hold: by path, those that stand beside each other by their names.

    A file that cannot be read is left out, so that the worker finds out and says it.
    """

    job: Job
    settings: RepairSettings
    files: Mapping[Path, Mapping[str, bytes]]


@dataclass(frozen=True, slots=True)
class Returned:
    """The row of a repair, and the files that it wrote, by their paths below the folder of repairs."""

    row: dict[str, object]
    files: dict[str, bytes]


def packed(job: Job, settings: RepairSettings) -> Parcel:
    """The job with its files. A network's weights may be in files beside it."""
    paths = {job.path, *(path for _, path in job.targets), *job.keep, *job.held}
    if settings.domain and settings.domain != ACASXU:
        paths.add(Path(settings.domain))
    files: dict[Path, dict[str, bytes]] = {}
    for path in paths:
        with suppress(OSError, InputError):
            beside = read_whole(path).files if path == job.path else ()
            files[path] = {name: (path.parent / name).read_bytes() for name in (path.name, *beside)}
    return Parcel(job, settings, files)


def unpacked(returned: Returned, job: Job) -> None:
    """Writes what came back. InputError where a file is none of this network's: nothing is written elsewhere."""
    stem = network_stem(job.network)
    for name in returned.files:
        place = PurePosixPath(name)
        own = place.parts[:1] == (stem,) or (len(place.parts) == 1 and name.startswith(f"{stem}."))
        if not own or len(place.parts) > 2 or ".." in place.parts or "\\" in name:
            what = "a worker sent a file that is none of the network's"
            raise InputError(what, where=name[:100], advice="ask whose workers they are")
    for name, data in returned.files.items():
        path = job.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_durably(path, data)


def repair_parcel(parcel: Parcel, send: Callable[[object], None]) -> None:
    """In a worker elsewhere: repairs in a folder of its own, and sends a Returned."""
    from engine.bench.repair_one import repair_one

    with TemporaryDirectory() as folder:
        place = {path: Path(folder) / str(i) / path.name for i, path in enumerate(parcel.files)}
        for path, files in parcel.files.items():
            for name, data in files.items():
                there = place[path].parent / name
                there.parent.mkdir(parents=True, exist_ok=True)
                there.write_bytes(data)
        job, settings = _here(parcel, place, Path(folder) / "repairs")
        job.folder.mkdir()
        rows: list[dict[str, object]] = []
        repair_one(job, settings, lambda row: rows.append(row) if isinstance(row, dict) else None)
        written = {
            path.relative_to(job.folder).as_posix(): path.read_bytes()
            for path in files_of(job.folder, network_stem(job.network))
        }
        send(Returned(rows[-1], written))


def _here(parcel: Parcel, place: Mapping[Path, Path], folder: Path) -> tuple[Job, RepairSettings]:
    """The job and its settings about the files as they are here."""
    job, settings = parcel.job, parcel.settings

    def of(paths: tuple[Path, ...]) -> tuple[Path, ...]:
        return tuple(place.get(path, path) for path in paths)

    targets = tuple((name, place.get(path, path)) for name, path in job.targets)
    here = replace(job, path=place.get(job.path, job.path), targets=targets, folder=folder)
    here = replace(here, keep=of(job.keep), held=of(job.held))
    domain = settings.domain
    return here, replace(settings, domain=str(place.get(Path(domain), domain)) if domain else None)
