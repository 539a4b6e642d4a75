"""Repaired networks that their certificates do not bear out. What a repair changed is not measured again."""

from collections.abc import Callable
from dataclasses import dataclass

from engine.audit.certificate import read_certificate
from engine.audit.check import check
from engine.audit.failures import Malformed, Rejected
from engine.bench.repair_folder import files_of
from engine.bench.repair_jobs import Job
from engine.bench.workers import Pool, WorkerTask, wait_for
from engine.errors import EngineError

BEAR_OUT = "engine.bench.repair_evidence:bear_out"
TICK = 0.5


@dataclass(frozen=True, slots=True)
class Claim:
    """A job that is said to be done, and the semantics in which its properties are to be proved."""

    job: Job
    semantics: str


def refuted_repairs(claims: list[Claim], workers: Pool, on_progress: Callable[[], None]) -> dict[str, str]:
    """By network, why the certificates of a repaired network do not bear out that it is repaired."""
    for claim in claims:
        workers.submit(WorkerTask(BEAR_OUT, (claim,), about=claim.job.network))
    found: dict[str, str] = {claim.job.network: "its worker said nothing" for claim in claims}
    while workers.tasks():
        wait_for([workers], TICK)
        for event in workers.events():
            if event.kind != "done":
                found[str(event.task.about)] = str(event.value)
        on_progress()
    return {network: reason for network, reason in found.items() if reason}


# In a worker


def bear_out(claim: Claim, send: Callable[[object], None]) -> None:
    """Sends nothing but "" where every certificate is accepted, and each property that is to hold has one."""
    try:
        send(_reason(claim))
    except (EngineError, Malformed, Rejected) as error:
        send(str(error))
    except MemoryError:
        send("out of memory")


def _reason(claim: Claim) -> str:
    """Why the network is not borne out, or nothing. Copies of a property are certified once: cases are compared."""
    from engine.onnx_file import load_network
    from engine.vnnlib import load_property

    job = claim.job
    repaired = job.file(".onnx")
    if load_network(repaired).shape != load_network(job.path).shape:
        return "the repaired network has another shape"
    wanted = [load_property(path) for path in (*(path for _, path in job.targets), *job.held)]
    known = {load_property(path).sha256: path for path in (*(path for _, path in job.targets), *job.keep)}
    proved = []
    for certificate in (path for path in files_of(job.folder, job.stem.name) if path.suffix == ".zip"):
        path = known.get(read_certificate(certificate).property_sha256)
        if path is None:
            return f"{certificate.name} is about none of the properties"
        result = check(certificate, repaired, path, semantics=claim.semantics)
        if not (result.accepted and result.kind == "proof"):
            return f"{certificate.name} is rejected: {result.reason or 'it is no proof'}"
        proved.append(load_property(path).cases)
    missing = [prop.name for prop in wanted if prop.cases not in proved]
    return f"there is no certificate of {missing[0]}" if missing else ""
