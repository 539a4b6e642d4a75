"""Goes through the evidence that an earlier session left for its verdicts.

A row of an earlier session is a claim of whoever could write to the folder. A claim that a property is violated comes
with a point, which is tried again. A claim that it holds comes with a certificate, if at all, which the independent
checker can check again. All other claims can only be taken over.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from engine.bench.checks import check_claim
from engine.bench.chunk import Claim
from engine.bench.durable import read_plain
from engine.bench.points import read_assignment, read_point
from engine.bench.workers import Pool, Send, WorkerTask, wait_for
from engine.errors import EngineError, InputError
from engine.network import Network
from engine.network_file import load_network, sha256_in
from engine.property import Property
from engine.query import Query
from engine.results.row import Row
from engine.results.words import CONFIRMED, TAKEN_OVER
from engine.verdict import Counterexample

if TYPE_CHECKING:  # it loads torch
    from engine.bench.questions import Asked

BEAR_OUT = "engine.bench.evidence:bear_out"
TICK = 0.5  # seconds between reports of progress
CHANGED = "a file has changed since the run began"


def sifted(
    claims: list[Claim], workers: Pool, *, check: bool, semantics: str, on_progress: Callable[[int, int], None]
) -> tuple[list[Row], dict[tuple[str, str], str]]:
    """(rows as they stand now, confirmed or taken over; by name, why others are not borne out by their evidence).

    With `check`, certificates count and must be accepted again. `semantics`: the run's; rows in others are borne out
    where their question demands these. Calls on_progress(claims gone through, all claims).
    """
    rows = {claim.row.names: replace(claim.row, origin=TAKEN_OVER) for claim in claims}
    speaking = [
        claim for claim in claims if claim.point or (check and claim.certificate) or claim.row.semantics != semantics
    ]
    for claim in speaking:
        workers.submit(WorkerTask(BEAR_OUT, (claim, check, semantics), about=claim))
    refuted: dict[tuple[str, str], str] = {}
    while workers.tasks():
        wait_for([workers], TICK)
        for event in workers.events():
            about = event.task.about
            assert isinstance(about, Claim)
            if isinstance(event.value, Row):
                rows[about.row.names] = event.value
            elif event.kind != "done":
                refuted[about.row.names] = str(event.value)
        on_progress(len(speaking) - workers.tasks(), len(speaking))
    return [row for names, row in rows.items() if names not in refuted], refuted


# In a worker


def bear_out(claim: Claim, check: bool, semantics: str, send: Send) -> None:
    """Sends the row, confirmed or with no evidence taken over, or why it is not borne out. semantics: the run's."""
    has_evidence = claim.point or (check and claim.certificate)
    row = replace(claim.row, origin=CONFIRMED if has_evidence else TAKEN_OVER)
    try:
        reason = _semantics_refuted(claim, semantics) or (_point_refuted(claim, claim.point) if claim.point else "")
    except EngineError as error:
        reason = str(error)
    except MemoryError:
        reason = "out of memory"
    if not reason and check and claim.certificate:
        word, seconds, reason = check_claim(claim)
        row = replace(row, check=word, check_seconds=seconds, error="")
    send(reason or row)


def _semantics_refuted(claim: Claim, semantics: str) -> str:
    """Says why the row's semantics are none of this run's, and not demanded by its question; empty where they are."""
    if claim.row.semantics == semantics:
        return ""
    asked = _asked(claim)
    if asked is None:
        return CHANGED
    return "" if asked.semantics(semantics) == claim.row.semantics else "its semantics are not those of the run"


def _point_refuted(claim: Claim, file: Path) -> str:
    """Says why the point in the file is no counterexample; empty where it is. All that the file says is recomputed."""
    from engine.search.confirm import Confirmer

    asked = _asked(claim)
    if asked is None:
        return CHANGED
    text, point = read_plain(file), _inputs(file, asked)
    if len(point) != asked.model.n_inputs or asked.property.n_inputs != asked.model.n_inputs:
        return "the counterexample is not one of this network"
    for case in asked.property.cases:
        found = Confirmer(asked.model, case).counterexample(point)
        if found and _decides(found) and asked.text_of(found).encode() == text:
            return ""
    return "the counterexample does not violate the property, or its outputs are others"


def _decides(found: Counterexample) -> bool:
    """True iff the point violates exactly, and as executed where the network can be given it."""
    return found.exact and (found.replayed or not found.executable)


def _asked(claim: Claim) -> "Asked | None":
    """The question; None where one of its files has changed since the run began."""
    from engine.bench.questions import ask, sha256_of

    instance, hashes = claim.instance, claim.hashes
    networks = [_network(each.path, each.units) for each in instance.networks]
    specification = _specification(instance.property)
    pairs = zip(instance.networks, networks)
    same = all(_is_of(network, hashes[each.name], each.units) for each, network in pairs)
    same = same and hashes[instance.names[1]] == sha256_of(specification)
    return ask(instance, networks, specification) if same else None


def _is_of(network: Network, digest: str | None, units: str | None) -> bool:
    """True iff the network was read from a file with this SHA-256."""
    return digest is not None and network.sha256 == sha256_in(digest, units)


def _inputs(file: Path, asked: "Asked") -> np.ndarray:
    """The point in the file, as inputs [n] of the question's model. InputError where it holds no such point."""
    if asked.question is None:
        return np.array(read_point(file).inputs, dtype=np.float64)
    query, tensors = asked.question.query, read_assignment(file).tensors
    declared = [variable for network in query.networks for variable in network.variables]
    if [(v.name, v.size) for v in declared] != [(t.name, len(t.values)) for t in tensors]:
        raise InputError("its variables are not those of the question", where=str(file), advice="run it again")
    values = [x for v, tensor in zip(declared, tensors) if v.kind == "input" for x in tensor.values]
    return np.array([values[place] for place in query.free], dtype=np.float64)


@lru_cache(maxsize=8)
def _network(path: Path, units: str | None) -> Network:
    return load_network(path, units=units)


@lru_cache(maxsize=4)
def _specification(path: Path) -> Property | Query:
    from engine.bench.questions import load_specification

    return load_specification(path)
