"""A repair from a question to a certified network: repaired, proved, certified, measured.

The command line prints its record, a batch worker keeps it; both call `repair_network`.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import inf
from pathlib import Path

import numpy as np

from engine import __version__
from engine.comparison.decision import Decision
from engine.comparison.fidelity import compare, demand_fit
from engine.comparison.figures import definitions
from engine.comparison.largest_change import ProvedChange, largest_change
from engine.comparison.measured import FidelityRecord, FiguresRecord
from engine.comparison.structure import structure
from engine.comparison.structure_words import structure_json
from engine.comparison.vere import MAX_POINTS, measure
from engine.domain import Domain, hull
from engine.errors import InputError
from engine.network import Network
from engine.property import Property, Vector
from engine.repair.localize import localize
from engine.repair.loop import Failed, Held, Repaired, repair
from engine.repair.methods import as_lowest
from engine.repair.publish import PropertyFiles, RepairOutput, certified
from engine.repair.record import HELD, NOT_REPAIRED, REPAIRED, AttemptRecord, NeuronRecord, RepairRecord, ScoresRecord
from engine.repair.state import State
from engine.repair.task import Evidence, RepairOptions, Say, Task, silent

CHANGE_SECONDS = 3.0  # for a bound of how much scores change, where no limit is asked for
GOAL, LEAST_GOAL = 1.1, 1e-9  # of that bound, as a multiple of the largest change that is seen; at least


@dataclass(frozen=True, slots=True, eq=False)
class _Question:
    """The question: a network to be repaired, and how. domain: None where it is not known."""

    network: Network
    properties: tuple[Property, ...]
    preserve: tuple[Property, ...]
    domain: Domain | None
    decision: Decision
    options: RepairOptions

    @property
    def where(self) -> Domain:
        """The domain, or the hull of the properties' boxes: methods need somewhere to look."""
        return self.domain or hull(self.properties)


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Properties in whose boxes it is measured how a repair of `points` generalizes to other counterexamples."""

    properties: tuple[Property, ...]
    points: tuple[Vector, ...]


def repair_network(
    network: Network,
    properties: Sequence[Property],
    *,
    preserve: Sequence[Property] = (),
    domain: Domain | None = None,
    decision: Decision = Decision.UNKNOWN,
    options: RepairOptions = RepairOptions(),
    output: RepairOutput | None = None,
    files: PropertyFiles | None = None,
    held_out: HeldOut | None = None,
    neurons: int = 0,
    word: str = "decision",
    names: Sequence[str] = (),
    state: Path | None = None,
    say: Say = silent,
) -> RepairRecord:
    """Finds a network of the same shape for which all of `properties` are proved, and those of `preserve` that held.

    The record holds the network with a certificate of each property, and what the repair changed. Where `output` is
    given they are written there, all of them once the independent checker has accepted, or nothing. This needs
    `files`: each property's own by SHA-256, or its text. Without an output nobody has checked the certificates yet.
    Where nothing had to be repaired the network is the original; where no repair is found the record says why.

    domain: where decisions should stay; where it is not known, candidates are compared on the hull of the properties'
    boxes, and the result on these boxes alone. decision: which output it is; where it is not known, candidates are
    compared by the lowest. neurons: so many of those that decide the violation are named. word: what the record calls
    the network's decision; names: of its outputs, none where they have none. state: a folder for what is learned, from
    which an interrupted repair goes on. `say` is told in a few words what is done.

    InputError where properties contradict each other or do not fit the network, where a property comes from no file
    that a certificate could name, and where the network's file could not hold any repair.
    """
    if options.keep_outputs and decision.is_known:
        what = "the decision is what is to stay where one is known"
        raise InputError(what, where="keep_outputs", advice="leave it out, or say that there is no decision")
    question = _Question(network, tuple(properties), tuple(preserve), domain, decision, options)
    demand_fit(network, list(held_out.properties) if held_out else [])
    outcome = repair(
        network,
        properties,
        preserve=preserve,
        lower=question.where.lower,
        upper=question.where.upper,
        decision=decision,
        options=options,
        state=State(state, _about(question)),
        say=say,
    )
    ranked = _ranked(question, neurons) if neurons else ()
    if isinstance(outcome, Failed):
        return _failure(outcome, decision, ranked)
    say("writing and checking the certificates" if output else "writing the certificates")
    record = _certified(question, outcome, output, files or {})
    say("measuring what changed")
    if isinstance(outcome, Held):
        return record
    found = structure(network, outcome.network)
    said = structure_json(found, decision, names=names, word=word)
    record = _measured(record, question, outcome, held_out, word)
    change = outcome.change or _bounded_change(question, outcome.network, record)
    scores = ScoresRecord.of(change, options.max_score_change)
    return replace(record, neurons=ranked, structure=said, scores=scores)


def _bounded_change(question: _Question, network: Network, record: RepairRecord) -> ProvedChange:
    """The bound of how much scores change in the domain that a few seconds prove, down to a little above what is
    seen."""
    assert record.fidelity is not None
    seen = max((region.largest or 0.0 for region in record.fidelity.known.values()), default=0.0)
    goal = Fraction(f"{max(GOAL * seen, LEAST_GOAL):.3g}") if seen < inf else Fraction(1)
    where = question.where
    return largest_change(
        question.network, network, lower=where.lower, upper=where.upper, goal=goal, seconds=CHANGE_SECONDS
    )


def _about(question: _Question) -> dict[str, object]:
    """Returns the facts that tell the state of this repair from that of another."""
    options, where = question.options, question.where
    properties = "".join(prop.sha256 for prop in (*question.properties, *question.preserve))
    ends = " ".join(map(str, (*where.lower, *where.upper)))
    by_method = {name: value for more in options.by_method.values() for name, value in more.items()}
    return {
        "engine": __version__,
        "network": question.network.sha256,
        "properties": hashlib.sha256(properties.encode()).hexdigest(),
        "domain": hashlib.sha256(ends.encode()).hexdigest(),
        "decision": question.decision.value,
        "method": options.method,
        "seed": options.seed,
        "semantics": options.semantics,
        "proof_timeout": options.proof_timeout,
        "localization": options.localization,
        **({"keep_outputs": str(options.keep_outputs)} if options.keep_outputs else {}),
        **({"guarantee": options.guarantee} if options.guarantee else {}),
        **({"max_score_change": str(options.max_score_change)} if options.max_score_change else {}),
        **by_method,
    }


def _ranked(question: _Question, count: int) -> tuple[NeuronRecord, ...]:
    """The neurons that decide the violation, the most significant first."""
    task = Task(
        question.network,
        question.properties,
        (),
        *question.where.ends,
        seed=question.options.seed,
        decision=question.decision,
    )
    places = localize(as_lowest(task), Evidence()).table(count, kind=question.options.localization)
    return tuple(NeuronRecord(*place) for place in places)


def _failure(outcome: Failed, decision: Decision, ranked: tuple[NeuronRecord, ...]) -> RepairRecord:
    return RepairRecord(
        NOT_REPAIRED,
        decision=decision,
        seconds=outcome.seconds,
        attempts=tuple(AttemptRecord.of(attempt, decision) for attempt in outcome.attempts),
        skipped=outcome.skipped,
        neurons=ranked,
        target=outcome.target.name,
        reason=outcome.reason,
        timed_out=outcome.timed_out,
        open_boxes=tuple((box.lower.tolist(), box.upper.tolist()) for box in outcome.boxes),
    )


def _certified(
    question: _Question, outcome: Held | Repaired, output: RepairOutput | None, files: PropertyFiles
) -> RepairRecord:
    """Returns the record of what is proved, with certificates, which are written where there is an output."""
    network = outcome.network if isinstance(outcome, Repaired) else question.network
    search = question.options.search()
    if output:
        result = output.write(network, outcome.proved, files, search)
    else:
        result = certified(network, outcome.proved, search)
    return RepairRecord(
        REPAIRED if isinstance(outcome, Repaired) else HELD,
        decision=question.decision,
        domain=question.domain.name if question.domain else None,
        proved=tuple(prop.name for prop, _ in outcome.proved),
        violated=tuple(prop.name for prop in outcome.violated),
        undecided=tuple(prop.name for prop in outcome.undecided),
        out=str(output.out) if output else None,
        folder=str(output.certificates) if output else None,
        network=result.network,
        certificates=result.certificates,
    )


def _measured(
    record: RepairRecord, question: _Question, outcome: Repaired, held_out: HeldOut | None, word: str
) -> RepairRecord:
    """The record with how it was found and what changed, inside the boxes of what was repaired and elsewhere.

    VERE's figures are of each property that was repaired, and of the points in those held out.
    """
    domain, decision, options = question.domain, question.decision, question.options
    found = compare(
        question.network,
        outcome.network,
        list(outcome.targets),
        lower=domain.lower if domain else None,
        upper=domain.upper if domain else None,
        decision=decision,
        points=options.points,
        grid=options.grid,
        seed=options.seed,
        tolerance=float(options.keep_outputs) if options.keep_outputs else inf,
    )
    pairs: list[tuple[Property, np.ndarray | None]] = [(prop, None) for prop in outcome.targets]
    if held_out:
        pairs += [(prop, np.asarray(held_out.points, dtype=np.float32)) for prop in held_out.properties]
    figures = [
        measure(
            question.network,
            outcome.network,
            prop,
            points,
            decision=decision,
            points=min(options.points, MAX_POINTS),
            seed=options.seed,
        )
        for prop, points in pairs
    ]
    return replace(
        record,
        fidelity=FidelityRecord.of(found),
        figures=tuple(map(FiguresRecord.of, figures)),
        definitions=definitions(decision, word),
        seconds=outcome.seconds,
        attempts=tuple(AttemptRecord.of(attempt, decision) for attempt in outcome.attempts),
        chosen=tuple(AttemptRecord.of(attempt, decision) for attempt in outcome.chosen),
        skipped=outcome.skipped,
    )
