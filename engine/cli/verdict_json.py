"""A verdict as JSON."""

from dataclasses import asdict
from fractions import Fraction

from engine.acasxu.encounter import Encounter
from engine.acasxu.identity import Identity
from engine.cli.labels import encounter
from engine.verdict import Counterexample, Unknown, Verdict

Json = dict[str, object]
MAX_BITS = 10_000  # of a number in decimal: Python refuses to write more digits than about 4,300


def verdict_content(identity: Identity | None, verdict: Verdict) -> Json:
    """The fields of a verdict."""
    statistics = verdict.statistics
    unknown = verdict if isinstance(verdict, Unknown) else None
    return {
        "verdict": verdict.word,
        "semantics": verdict.semantics,
        "counterexample": _point(identity, getattr(verdict, "counterexample", None)),
        "near_miss": _point(identity, getattr(verdict, "near_miss", None)),
        "warning": getattr(verdict, "warning", "") or None,
        "reason": unknown.reason if unknown else None,
        "proved": unknown.proved if unknown else None,
        "standing": asdict(unknown.standing) if unknown and unknown.standing else None,
        "label": identity and identity.label,
        "statistics": {"boxes": statistics.boxes, "seconds": statistics.seconds, "device": statistics.device},
    }


def _point(identity: Identity | None, found: Counterexample | None) -> Json | None:
    """The fields of a point; `exact_inputs` and `exact_outputs` are rationals, n/d.

    The encounter is among them only where its units are known.
    """
    if found is None:
        return None
    return {
        "executable": found.executable,
        "exact_inputs": [rational_json(value) for value in found.point],
        "inputs": list(found.inputs),
        "outputs": [value if abs(value) < float("inf") else str(value) for value in found.outputs],
        "exact_outputs": [rational_json(value) for value in found.exact_outputs],
        "unsafe_in": [
            name
            for name, is_unsafe in (("exact arithmetic", found.exact), ("onnxruntime", found.replayed))
            if is_unsafe
        ],
        **_encounter(identity, found),
    }


def rational_json(value: Fraction) -> str:
    """The number as n/d, in hexadecimal where Python refuses to write so many decimal digits."""
    if max(value.numerator.bit_length(), value.denominator.bit_length()) > MAX_BITS:
        return f"{value.numerator:#x}/{value.denominator:#x}"
    return str(value)


def _encounter(identity: Identity | None, found: Counterexample) -> Json:
    point = encounter(identity, found)
    return {"encounter": encounter_json(point)} if point else {}


def encounter_json(point: Encounter) -> Json:
    """The fields of an encounter."""
    return {
        "distance_ft": point.distance,
        "bearing_degrees_left": point.bearing,
        "heading_degrees_left": point.heading,
        "own_speed_ft_s": point.own_speed,
        "intruder_speed_ft_s": point.intruder_speed,
        "scores": list(point.scores),
        "advisory": point.advisory,
    }
