"""`acasxu verify`: one network, one property."""

import json
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

from engine.acasxu.files import network_path, property_path
from engine.acasxu.identity import Identity, as_told, identify
from engine.acasxu.networks import NetworkIndex, network_index
from engine.cli.confirm import confirm_written
from engine.cli.live import live_line, search_text
from engine.cli.options import search_options
from engine.cli.output import HOLDS, UNDECIDED, VIOLATED, answer, note
from engine.cli.region_picture import check_two_inputs, write_regions
from engine.cli.verdict_json import Json, verdict_content
from engine.cli.verdict_words import explanation
from engine.errors import InputError
from engine.files import prepare, write_bytes
from engine.foreign import plain
from engine.network import Network
from engine.picture import prepare_picture
from engine.property import Property
from engine.verdict import Unknown, Verdict, Verified, Violated
from engine.vnncomp import result_text


def run(arguments: Namespace) -> int:
    """Decides the property; the verdict goes to stdout, the results file and the exit code."""
    told = None if arguments.network is None else network_index(arguments.network)
    network_file, property_file = _files(arguments, told)
    _demand_certifiable(arguments)
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
        content: Json = {"network": _source(network_file, network), "property": _source(property_file, prop)}
        answer(json.dumps(content | verdict_content(identity, verdict), indent=2, allow_nan=False))
    else:
        answer(result_text(verdict))
    note(explanation(identity, network, verdict, arguments))
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


def _demand_certifiable(arguments: Namespace) -> None:
    if arguments.certificate and arguments.units == "raw":
        raise InputError(
            "certificates are about networks in normalized units",
            where="--certificate",
            advice="make an ONNX file by `acasxu convert --units raw`, and verify that",
        )


def _decide(
    network_file: Path,
    property_file: Path,
    told: NetworkIndex | None,
    arguments: Namespace,
    update: Callable[[str], None] | None,
) -> tuple[Network, Identity | None, Property, Verdict]:
    """Loads both files and decides the property; `update` takes the progress in words."""
    from engine.cli.asked import load_asking
    from engine.network_file import load_network
    from engine.vnnlib import load_property

    network = load_network(network_file, units=arguments.units)
    prop = (load_asking if arguments.picture else load_property)(property_file)
    identity = as_told(network, told) if told else identify(network)
    if arguments.picture:
        check_two_inputs(network)
    if arguments.certificate:
        _warn_of_limits(arguments.certificate, prop)
    from engine.search.problem import Problem, Progress
    from engine.search.verify import verify_all

    def on_progress(progress: Progress) -> None:
        if update:
            update(search_text(progress))

    (verdict,) = verify_all([Problem(network, prop)], search_options(arguments), on_progress=on_progress)
    return network, identity, prop, verdict


def _warn_of_limits(path: Path, prop: Property) -> None:
    """Says before the search that no proof can be written, where that is so."""
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


def _source(path: Path, source: Network | Property) -> dict[str, str]:
    return {"file": str(path), "name": source.name, "sha256": source.sha256}
