"""Checks a certificate by the independent checker, in a worker. No torch is loaded here."""

import time
from collections.abc import Callable
from pathlib import Path

from engine.audit.check import check
from engine.audit.data import Certificate
from engine.audit.failures import Malformed
from engine.bench.chunk import Checked, Claim
from engine.bench.instances import Instance

KINDS = {"unsat": "proof", "sat": "witness"}  # of certificates, by the verdict


def check_one(claim: Claim, send: Callable[[object], None]) -> None:
    """Sends what `check_claim` returns."""
    send(check_claim(claim))


def check_claim(claim: Claim) -> Checked:
    """Checks the claim's certificate.

    Accepted is a certificate of the row's verdict, in its semantics, about the files that the run was begun with.
    """
    start, row = time.perf_counter(), claim.row
    assert claim.certificate is not None  # rows without one are not checked
    try:
        result = check(
            claim.certificate,
            _networks(claim.instance),
            claim.instance.property,
            semantics=row.semantics if row.verdict == "unsat" else None,
        )
        reason = result.reason
        if result.accepted:
            assert isinstance(result.certificate, Certificate)  # it was read, and is of a property
            reason = _other(result.certificate, claim)
        word, reason = ("accepted", "") if result.accepted and not reason else ("rejected", f"rejected: {reason}")
    except Malformed as error:  # its readers know fewer forms than the engine's
        word, reason = "", f"not checked: the checker cannot read it ({error})"
    except MemoryError:
        word, reason = "", "not checked: out of memory"
    return Checked(word, time.perf_counter() - start, reason)


def _networks(instance: Instance) -> Path | dict[str, Path]:
    """The networks as the checker takes them: one as it is, several by their names in the question."""
    if len(instance.networks) == 1:
        return instance.network
    return {each.declared: each.path for each in instance.networks}


def _other(certificate: Certificate, claim: Claim) -> str:
    """Says in what an accepted certificate is about something else; empty where it is about the row."""
    row, instance = claim.row, claim.instance
    if certificate.kind != KINDS.get(row.verdict):
        return f"it is a {certificate.kind}, and the verdict is {row.verdict}"
    networks = {each.declared: claim.hashes[each.name] for each in instance.networks}
    if len(networks) == 1:
        same = [certificate.network_sha256] == list(networks.values())
    else:
        stated = {entry["declared"]: entry["sha256"] for entry in certificate.manifest["networks"]}
        same = networks.items() <= stated.items()
    same = same and certificate.property_sha256 == claim.hashes[instance.names[1]]
    return "" if same else "it is about other files than the run"
