"""In a worker: a certificate just written, judged by the independent checker. No torch is loaded here."""

import time
from collections.abc import Callable
from pathlib import Path

from engine.audit.check import check
from engine.audit.data import Malformed


def check_one(certificate: Path, network: Path, prop: Path, send: Callable[[object], None]) -> None:
    """Sends (accepted, rejected or nothing; seconds; the reason where it is not accepted)."""
    start = time.perf_counter()
    try:
        result = check(certificate, network, prop)
        word, reason = ("accepted", "") if result.accepted else ("rejected", f"rejected: {result.reason}")
    except Malformed as error:  # its readers know fewer forms than the engine's
        word, reason = "", f"not checked: the checker cannot read it ({error})"
    except MemoryError:
        word, reason = "", "not checked: out of memory"
    send((word, time.perf_counter() - start, reason))
