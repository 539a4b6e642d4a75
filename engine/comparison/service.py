"""Comparing two networks of one shape: measured on points, and proved if that is asked for."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from engine.comparison.decision import Decision
from engine.comparison.fidelity import compare
from engine.comparison.mirror import mirrored
from engine.comparison.preservation import Preservation, preservation
from engine.comparison.proving import Progress
from engine.comparison.record import ComparisonRecord
from engine.comparison.region import floats
from engine.comparison.vere import MAX_POINTS, measure
from engine.domain import Domain
from engine.ending import demand_no_ending
from engine.errors import InputError
from engine.network import Network
from engine.property import Property

OnProgress = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class ComparisonOptions:
    """The extent of a comparison: how much is measured, and whether a proof of what stays the same is sought.

    points: random points of each region; grid: points along each input of a regular grid; seed: of the random points;
    prove: True for a proof, which takes at most `timeout` seconds; None for as long as it needs.
    """

    points: int = 1_000_000
    grid: int = 30
    seed: int = 0
    prove: bool = False
    timeout: float | None = 60.0


def compare_networks(
    original: Network,
    changed: Network,
    properties: Sequence[Property] = (),
    *,
    domain: Domain | None = None,
    decision: Decision = Decision.UNKNOWN,
    options: ComparisonOptions = ComparisonOptions(),
    word: str = "decision",
    on_progress: OnProgress | None = None,
) -> ComparisonRecord:
    """Compares the networks on the domain and in the properties' boxes, and gives VERE's figures of each property.

    What needs a domain or a decision is left out where that is not known. word: what the record calls the decision;
    on_progress: is told how far the proof is. InputError where shapes differ or do not fit the properties, where a
    network ends in a Softmax, where there is neither a domain nor a property, and where a proof is asked for without a
    domain and a decision.
    """
    _demand_known(properties, domain, decision, options)
    for network in (original, changed):
        demand_no_ending(network, "a comparison")
    lower, upper = (domain.lower, domain.upper) if domain else (None, None)
    fidelity = compare(
        original,
        changed,
        properties,
        lower=lower,
        upper=upper,
        decision=decision,
        points=options.points,
        grid=options.grid,
        seed=options.seed,
    )
    points = min(options.points, MAX_POINTS)
    figures = tuple(
        measure(original, changed, prop, decision=decision, points=points, seed=options.seed) for prop in properties
    )
    proved = None
    if options.prove and domain:
        proved = prove_preservation(
            original, changed, properties, domain, decision, timeout=options.timeout, on_progress=on_progress
        )
    return ComparisonRecord(fidelity, figures, proved, domain, decision, word)


def _demand_known(
    properties: Sequence[Property], domain: Domain | None, decision: Decision, options: ComparisonOptions
) -> None:
    if domain is None and not properties:
        raise InputError("the inputs to compare on are not known", advice="give a property, or the network's domain")
    if options.prove and domain is None:
        raise InputError("a proof is about the network's domain, which is not known", advice="give the domain")
    if options.prove and not decision.is_known:
        raise InputError("a proof is about the network's decision, which is not known", advice="give the decision")


def prove_preservation(
    original: Network,
    changed: Network,
    properties: Sequence[Property],
    domain: Domain,
    decision: Decision,
    *,
    timeout: float | None = None,
    on_progress: OnProgress | None = None,
) -> Preservation:
    """Proves on how much of the domain a known decision stays the same, with the properties' boxes looked at first.

    Of the highest output it is proved with both networks' mirror images, which the proof then is about.
    """
    if decision is Decision.HIGHEST:
        original, changed = mirrored(original), mirrored(changed)
    return preservation(
        original,
        changed,
        lower=domain.lower,
        upper=domain.upper,
        timeout=timeout,
        first=[(floats(case.lower), floats(case.upper)) for prop in properties for case in prop.cases],
        on_progress=on_progress,
    )
