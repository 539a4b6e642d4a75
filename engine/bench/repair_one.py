"""In a worker of `acasxu bench --repair`: one network, repaired as `acasxu repair` does it."""

import shutil
import time
from collections.abc import Callable, Iterable
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path

from engine.bench.durable import write_durably
from engine.bench.reading import reason_of
from engine.bench.repair_jobs import Job, RepairSettings
from engine.comparison.measured import OUTSIDE, FidelityRecord
from engine.errors import InputError
from engine.meaning import network_meaning
from engine.onnx_file import load_network
from engine.picture import advisory_maps, prepare_picture, write_picture
from engine.property import Property
from engine.repair.publish import RepairOutput
from engine.repair.record import HELD, RepairRecord
from engine.repair.service import repair_network
from engine.repair.task import RepairOptions
from engine.vnnlib import load_property

_BAD_INPUT = (InputError, OSError, MemoryError)  # after which another session can use what was learned
_Row = dict[str, object]


def repair_one(job: Job, settings: RepairSettings, send: Callable[[object], None]) -> None:
    """Sends the row of repairs.csv; what a killed run has learned of this network is used."""
    start = time.perf_counter()
    state = job.file(".state")
    row: _Row = {}
    try:
        record = _repaired(job, settings, state)
    except Exception as error:
        row |= {"outcome": "error", "error": " ".join(reason_of(error).split())}
        keep_state = isinstance(error, _BAD_INPUT)
    else:
        write_durably(job.file(".json"), (record.text() + "\n").encode())
        row |= _row(record)
        keep_state = False
    if not keep_state:
        shutil.rmtree(state, ignore_errors=True)
    send({"seconds": round(time.perf_counter() - start, 3), **row})


def _repaired(job: Job, settings: RepairSettings, state: Path) -> RepairRecord:
    """Writes the network, its certificates, and for ACAS Xu's networks a picture; returns the record."""
    out = job.file(".onnx")
    output = RepairOutput(out, job.stem, force=True)
    network = load_network(job.path)
    meant = network_meaning(network, domain=settings.domain, decision=settings.decision)
    drawn = meant.identity is not None and find_spec("matplotlib") is not None  # others have no advisories
    picture = prepare_picture(job.file(".png")) if drawn else None
    targets = _loaded(path for _, path in job.targets)
    kept = _once(job.keep, targets.values())
    files: dict[str, Path | bytes] = {prop.sha256: path for path, prop in (targets | kept).items()}
    properties = list({prop.sha256: prop for prop in targets.values()}.values())
    record = repair_network(
        network,
        properties,
        preserve=list(kept.values()),
        domain=meant.domain,
        decision=meant.decision,
        options=_options(settings),
        output=output,
        files=files,
        word=meant.word,
        names=meant.names,
        state=state,
    )
    if picture and record.network:
        write_picture(picture, advisory_maps(network, record.network, properties), names=(job.path.name, out.name))
    return record


def _options(settings: RepairSettings) -> RepairOptions:
    return RepairOptions(
        method=settings.method,
        timeout=settings.timeout,
        points=settings.samples,
        grid=settings.grid,
        semantics=settings.semantics,
        device=settings.device,
        keep_outputs=Fraction(settings.keep_outputs) if settings.keep_outputs else None,
    )


def _loaded(paths: Iterable[Path]) -> dict[Path, Property]:
    return {path: load_property(path) for path in paths}


def _once(keep: Iterable[Path], targets: Iterable[Property]) -> dict[Path, Property]:
    """Those to keep that say something else than targets and each other: lists bring copies of ACAS Xu's properties."""
    known, found = [prop.cases for prop in targets], {}
    for path, prop in _loaded(keep).items():
        if prop.cases not in known:
            known.append(prop.cases)
            found[path] = prop
    return found


def _row(record: RepairRecord) -> _Row:
    """Returns the record's row of the table."""
    fidelity = record.fidelity
    if fidelity is None:
        held = record.result == HELD
        return {"outcome": "held" if held else "failed", "error": "" if held else _why_not(record)}
    outside = fidelity.known.get(OUTSIDE)
    return {
        "outcome": "repaired",
        "method": ";".join(dict.fromkeys(attempt.method for attempt in record.chosen)),
        "proof_seconds": round(record.proof_seconds, 3),
        "agreement_outside": outside and outside.agreement,
        "changed_outside": outside and outside.changed,
        "agreement_safe": _safe_agreement(fidelity),
        "max_output_change": max(region.largest or 0.0 for region in fidelity.known.values()),
        "weights": fidelity.weights,
        "neurons": fidelity.neurons,
        "layers": fidelity.layers,
        "certificates": len(record.certificates),
    }


def _safe_agreement(fidelity: FidelityRecord) -> float | None:
    """The share of all safe points inside the boxes with the same decision; None where it is not known."""
    points = sum(region.points or 0 for region in fidelity.safe if region.agreement is not None)
    changed = sum(region.changed or 0 for region in fidelity.safe)
    return 1 - changed / points if points else None


def _why_not(record: RepairRecord) -> str:
    late = "out of time: " if record.timed_out else ""
    return f"{late}{record.target}: {record.reason}"
