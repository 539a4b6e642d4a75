"""Comparing two networks of one shape: measured on points, and proved if that is asked for."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from engine.comparison.band import outside_band
from engine.comparison.band_measured import measure_outside
from engine.comparison.decision import Decision
from engine.comparison.fidelity import compare
from engine.comparison.mirror import mirrored
from engine.comparison.pair_search import Ends
from engine.comparison.preservation import Preservation, preservation
from engine.comparison.proving import Limits, Progress
from engine.comparison.record import Band, ComparisonRecord
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
    prove: True for a proof, which takes at most `timeout` seconds; None for as long as it needs; gap: where it is not
    None the proof is about the points alone at which the original's two best outputs differ by more than that.
    """

    points: int = 1_000_000
    grid: int = 30
    seed: int = 0
    prove: bool = False
    timeout: float | None = 60.0
    gap: Fraction | None = None


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
    proved, band = None, None
    if options.prove and domain and options.gap is not None:
        band = _outside_band(original, changed, properties, domain, decision, options, on_progress)
    elif options.prove and domain:
        proved = prove_preservation(
            original, changed, properties, domain, decision, timeout=options.timeout, on_progress=on_progress
        )
    return ComparisonRecord(fidelity, figures, proved, domain, decision, word, band)


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
        first=_boxes(properties),
        on_progress=on_progress,
    )


def _outside_band(
    original: Network,
    changed: Network,
    properties: Sequence[Property],
    domain: Domain,
    decision: Decision,
    options: ComparisonOptions,
    on_progress: OnProgress | None,
) -> Band:
    """Proves and measures what a known decision does where the original's two best outputs differ by more than the gap.

    The mirror images are taken as for `prove_preservation`.
    """
    assert options.gap is not None
    is_highest = decision is Decision.HIGHEST
    proved = outside_band(
        mirrored(original) if is_highest else original,
        mirrored(changed) if is_highest else changed,
        gap=options.gap,
        lower=domain.lower,
        upper=domain.upper,
        first=_boxes(properties),
        limits=Limits(timeout=options.timeout),
        on_progress=on_progress,
    )
    measured = measure_outside(
        original,
        changed,
        domain,
        decision,
        gap=options.gap,
        leaving=proved.leaving,
        points=options.points,
        seed=options.seed,
    )
    return Band(proved, measured)


def _boxes(properties: Sequence[Property]) -> list[Ends]:
    """The boxes of all properties' cases."""
    return [(floats(case.lower), floats(case.upper)) for prop in properties for case in prop.cases]
