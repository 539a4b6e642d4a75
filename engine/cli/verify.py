"""`acasxu verify`: one network, one property."""

import json
from argparse import Namespace
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path

from engine.acasxu.files import network_path, property_path
from engine.acasxu.identity import Identity, as_told, identify
from engine.acasxu.networks import NetworkIndex, network_index
from engine.cli.confirm import confirm_written
from engine.cli.helpful import helpful
from engine.cli.labels import encounter, explain
from engine.cli.live import live_line, search_text
from engine.cli.options import search_options
from engine.cli.output import HOLDS, UNDECIDED, VIOLATED, answer, note
from engine.cli.region_picture import check_two_inputs, write_regions
from engine.picture import prepare_picture
from engine.errors import InputError
from engine.exact import unheld_text
from engine.files import prepare, write_bytes
from engine.foreign import plain
from engine.network import Network
from engine.property import Property
from engine.verdict import Counterexample, Unknown, Verdict, Verified, Violated
from engine.vnncomp import result_text

SHOWN = 5  # outputs of a point in a line


def run(arguments: Namespace) -> int:
    """Decides the property, and says so on stdout, in the results file and by the exit code."""
    told = None if arguments.network is None else network_index(arguments.network)
    network_file, property_file = _files(arguments, told)
    results = prepare(arguments.results, option="--results") if arguments.results else None
    certificate = prepare(arguments.certificate, option="--certificate") if arguments.certificate else None
    picture = prepare_picture(arguments.picture) if arguments.picture else None
    with live_line("loading") as update:
        network, identity, prop, verdict = _decide(network_file, property_file, told, arguments, update)
    if certificate:
        _certify(certificate, network, prop, verdict, arguments)
        from engine.audit.check import check

        confirm_written(
            certificate,
            lambda: check(certificate, network_file, property_file),
            lost="this is no verdict; please report it",
        )
    if picture:
        write_regions(picture, network, prop, verdict)
    if results:
        _write(results, result_text(verdict).encode("ascii"), verdict)
    if arguments.json:
        content = {"network": _source(network_file, network), "property": _source(property_file, prop)}
        answer(json.dumps(content | _content(identity, verdict), indent=2, allow_nan=False))
    else:
        answer(result_text(verdict))
    note(_explanation(identity, network, verdict, arguments))
    return {Verified: HOLDS, Violated: VIOLATED, Unknown: UNDECIDED}[type(verdict)]


def _files(arguments: Namespace, told: NetworkIndex | None) -> tuple[Path, Path]:
    """The network's and the property's file: given as such, or named by an option."""
    files = list(arguments.files)
    wanted = (told is None) + (arguments.property is None)
    if len(files) != wanted:
        raise InputError(
            f"files given: {len(files)}, needed: {wanted}",
            advice="give NETWORK.onnx or --network A,T, and PROPERTY.vnnlib or --property N",
        )
    network = network_path(*told, data=arguments.data) if told else files.pop(0)
    return network, files.pop() if files else property_path(arguments.property)


def _decide(network_file: Path, property_file: Path, told: NetworkIndex | None, arguments: Namespace, update):
    from engine.cli.asked import load_asking
    from engine.onnx_file import load_network
    from engine.vnnlib import load_property

    network, prop = load_network(network_file), (load_asking if arguments.picture else load_property)(property_file)
    identity = as_told(network, told) if told else identify(network)
    if arguments.picture:
        check_two_inputs(network)
    if arguments.certificate:
        _warn_of_limits(arguments.certificate, prop)
    from engine.search.verify import Problem, verify_all

    on_progress = update and (lambda progress: update(search_text(progress)))
    (verdict,) = verify_all([Problem(network, prop)], search_options(arguments), on_progress=on_progress)
    return network, identity, prop, verdict


def _warn_of_limits(path: Path, prop: Property) -> None:
    """Says before the search what would only be met after it."""
    from engine.certificate.writer import unprovable

    if reason := unprovable(prop):
        note(f"acasxu: {plain(path)} will not be written if the property holds: {reason}")


def _certify(path: Path, network: Network, prop: Property, verdict: Verdict, arguments: Namespace) -> None:
    """Writes the certificate, if there is a verdict to be certified."""
    from engine.certificate import certificate_bytes

    try:
        data = certificate_bytes(network, prop, verdict, search_options(arguments))
    except InputError as error:
        raise InputError(
            f"the verdict is {verdict.word}, but {error.what}", where=str(path), advice=error.advice
        ) from None
    if data:
        _write(path, data, verdict)
    else:
        note(f"acasxu: {plain(path)} is not written: nothing was decided")


def _write(path: Path, data: bytes, verdict: Verdict) -> None:
    try:
        write_bytes(path, data)
    except OSError as error:
        raise InputError(
            f"the verdict is {verdict.word}, but cannot be written there ({error.strerror})",
            where=str(path),
            advice="check the disk, and run again",
        ) from None


# In words


def _explanation(identity: Identity | None, network: Network, verdict: Verdict, arguments: Namespace) -> str:
    statistics = verdict.statistics
    lines = [identity.label] if identity else []
    boxes = f"{statistics.boxes:,} box{'es' if statistics.boxes != 1 else ''}"
    lines.append(
        f"{_meaning(verdict, network)}; semantics {verdict.semantics}, {boxes}, {statistics.seconds:.2f} s, "
        f"{statistics.device}"
    )
    if isinstance(verdict, Violated):
        lines.append(explain(identity, verdict.counterexample))
    elif verdict.near_miss:
        lines.append(_near_miss(verdict.near_miss, network))
    if isinstance(verdict, Unknown):
        lines.append(helpful(verdict, arguments))
    return "\n".join(filter(None, lines))


def _meaning(verdict: Verdict, network: Network) -> str:
    match verdict:
        case Verified():
            return f"warning: {verdict.warning}" if verdict.warning else "the property holds"
        case Violated(counterexample) if counterexample.executable:
            return "the property is violated, in exact arithmetic and in onnxruntime"
        case Violated(counterexample):
            return f"the property is violated in exact arithmetic, {_beyond(counterexample, network)}"
        case Unknown():
            return f"not decided: {verdict.reason}; proved on {verdict.proved:.4%} of the volume"


def _beyond(found: Counterexample, network: Network) -> str:
    """Where a point is that the network cannot be given, and what it gives nearby."""
    name, outputs = network.number.__name__, found.outputs
    values = ", ".join(f"Y_{i} = {value!r}" for i, value in enumerate(outputs[:SHOWN]))
    more = f" and {len(outputs) - SHOWN} more outputs" if len(outputs) > SHOWN else ""
    point, nearest = unheld_text(found.point, found.inputs), unheld_text(found.inputs, found.point)
    return (
        f"at a point that {name} cannot hold ({point}); at the nearest {name} point ({nearest}) onnxruntime gives "
        f"{values}{more}"
    )


def _near_miss(found: Counterexample, network: Network) -> str:
    if not found.executable:
        return f"near miss: a point is unsafe in exact arithmetic, {_beyond(found, network)}"
    where, other = ("exact arithmetic", "onnxruntime") if found.exact else ("onnxruntime", "exact arithmetic")
    return f"near miss: a point is unsafe in {where} only, not in {other}: {list(found.inputs)}"


# As JSON


def _source(path: Path, source) -> dict:
    return {"file": str(path), "name": source.name, "sha256": source.sha256}


def _content(identity: Identity | None, verdict: Verdict) -> dict:
    statistics = verdict.statistics
    undecided = isinstance(verdict, Unknown)
    return {
        "verdict": verdict.word,
        "semantics": verdict.semantics,
        "counterexample": _point(identity, getattr(verdict, "counterexample", None)),
        "near_miss": _point(identity, getattr(verdict, "near_miss", None)),
        "warning": getattr(verdict, "warning", "") or None,
        "reason": verdict.reason if undecided else None,
        "proved": verdict.proved if undecided else None,
        "standing": asdict(verdict.standing) if undecided and verdict.standing else None,
        "label": identity and identity.label,
        "statistics": {"boxes": statistics.boxes, "seconds": statistics.seconds, "device": statistics.device},
    }


def _point(identity: Identity | None, found: Counterexample | None) -> dict | None:
    """A point as JSON; `exact_inputs` and `exact_outputs` are rationals, n/d. The encounter only where its units are
    known."""
    if found is None:
        return None
    return {
        "executable": found.executable,
        "exact_inputs": [_rational(value) for value in found.point],
        "inputs": list(found.inputs),
        "outputs": [value if abs(value) < float("inf") else str(value) for value in found.outputs],
        "exact_outputs": [_rational(value) for value in found.exact_outputs],
        "unsafe_in": [
            name
            for name, is_unsafe in (("exact arithmetic", found.exact), ("onnxruntime", found.replayed))
            if is_unsafe
        ],
        **_encounter(identity, found),
    }


def _rational(value: Fraction) -> str:
    """In hexadecimal where Python refuses to write so many decimal digits."""
    if max(value.numerator.bit_length(), value.denominator.bit_length()) > 10_000:
        return f"{value.numerator:#x}/{value.denominator:#x}"
    return str(value)


def _encounter(identity: Identity | None, found: Counterexample) -> dict:
    point = encounter(identity, found)
    return (
        {
            "encounter": {
                "distance_ft": point.distance,
                "bearing_degrees_left": point.bearing,
                "heading_degrees_left": point.heading,
                "own_speed_ft_s": point.own_speed,
                "intruder_speed_ft_s": point.intruder_speed,
                "scores": list(point.scores),
                "advisory": point.advisory,
            }
        }
        if point
        else {}
    )
