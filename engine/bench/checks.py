"""In a worker: a certificate, judged by the independent checker. No torch is loaded here."""

import time
from collections.abc import Callable

from engine.audit.check import check
from engine.audit.data import Malformed
from engine.bench.chunk import Claim
from engine.results.row import Row

KINDS = {"unsat": "proof", "sat": "witness"}  # of certificates, by the verdict


def check_one(claim: Claim, send: Callable[[object], None]) -> None:
    """Sends what `judged` says."""
    send(judged(claim))


def judged(claim: Claim) -> tuple[str, float, str]:
    """(accepted, rejected or nothing; seconds; the reason where it is not accepted).

    Accepted is a certificate of this verdict, in these semantics, about the files that the run was begun with.
    """
    start, row = time.perf_counter(), claim.row
    try:
        result = check(
            claim.certificate,
            claim.network,
            claim.property,
            semantics=row.semantics if row.verdict == "unsat" else None,
        )
        reason = _other(result.certificate, row, claim.hashes) if result.accepted else result.reason
        word, reason = ("rejected", f"rejected: {reason}") if reason else ("accepted", "")
    except Malformed as error:  # its readers know fewer forms than the engine's
        word, reason = "", f"not checked: the checker cannot read it ({error})"
    except MemoryError:
        word, reason = "", "not checked: out of memory"
    return word, time.perf_counter() - start, reason


def _other(certificate, row: Row, hashes: tuple[str | None, str | None]) -> str:
    """In what an accepted certificate is about something else, or nothing."""
    if certificate.kind != KINDS.get(row.verdict):
        return f"it is a {certificate.kind}, and the verdict is {row.verdict}"
    same = (certificate.network_sha256, certificate.property_sha256) == hashes
    return "" if same else "it is about other files than the run"
