"""`acasxu verify`: one network and one property; verify_query.py has queries in VNN-LIB 2.0."""

import json
from argparse import Namespace
from collections.abc import Callable, Mapping
from pathlib import Path

from engine.acasxu.files import network_path, property_path
from engine.acasxu.identity import Identity, as_told, identify
from engine.acasxu.networks import NetworkIndex
from engine.acasxu.raw_units import demand_raw
from engine.cli.confirm import confirm_written
from engine.cli.live import live_line, search_text
from engine.cli.options import search_options
from engine.cli.output import answer, note
from engine.cli.region_picture import check_two_inputs, write_regions
from engine.cli.told import OPTION, told_networks
from engine.cli.units import demand_certifiable
from engine.cli.verdict_files import EXIT_CODES, warn_of_limits, write_verdict
from engine.cli.verdict_json import Json, verdict_content
from engine.cli.verdict_words import explanation
from engine.errors import InputError
from engine.files import prepare
from engine.foreign import plain
from engine.network import Network
from engine.picture import prepare_picture
from engine.property import Property
from engine.verdict import Verdict
from engine.vnncomp import result_text


def run(arguments: Namespace) -> int:
    """Decides the property, or the query; the verdict goes to stdout, the results file and the exit code."""
    told, named = told_networks(arguments.network)
    demand_certifiable(arguments.certificate, arguments.units)
    if (query := _query_file(arguments, named)) is None:
        return _decide_property(told, arguments)
    from engine.cli.verify_query import decide_query

    single = [network_path(*told, data=arguments.data)] if told else arguments.files[:-1]
    if len(single) > 1 or (single and named):
        raise InputError(f"files given: {len(arguments.files)}, needed: 1", advice=f"name networks by {OPTION}")
    return decide_query(query, arguments, single=next(iter(single), None), named=named)


def _query_file(arguments: Namespace, named: Mapping[str, Path]) -> Path | None:
    """The file that states a query in VNN-LIB 2.0, if one is given. InputError where networks are named for none."""
    from engine.vnnlib import states_query

    path = arguments.files[-1] if arguments.files and arguments.property is None else None
    if path and (named or len(arguments.files) <= 2) and states_query(path, strict=bool(named)):
        return Path(path)
    if named:
        where = str(path) if path else f"{OPTION} {next(iter(named))}=.."
        what = "a property in VNN-LIB 1.0 names no networks"
        raise InputError(what, where=where, advice="give NETWORK PROPERTY, or a query in VNN-LIB 2.0")
    return None


def _decide_property(told: NetworkIndex | None, arguments: Namespace) -> int:
    network_file, property_file = _files(arguments, told)
    if arguments.serialise_assignments:
        raise InputError(
            "a property in VNN-LIB 1.0 has no assignments", where="--serialise-assignments", advice="leave it out"
        )
    given = (network_file, property_file)
    results = prepare(arguments.results, option="--results", given=given) if arguments.results else None
    certificate = None
    if arguments.certificate:
        certificate = prepare(arguments.certificate, option="--certificate", given=given)
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
        write_verdict(results, result_text(verdict).encode("ascii"), verdict)
    if arguments.json:
        content: Json = {"network": _source(network_file, network), "property": _source(property_file, prop)}
        answer(json.dumps(content | verdict_content(identity, verdict), indent=2, allow_nan=False))
    else:
        answer(result_text(verdict))
    note(explanation(identity, network, verdict, arguments))
    return EXIT_CODES[type(verdict)]


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
    demand_raw(prop, arguments.units)
    identity = as_told(network, told) if told else identify(network)
    if arguments.picture:
        check_two_inputs(network)
    if arguments.certificate:
        warn_of_limits(arguments.certificate, prop)
    from engine.search.problem import Problem, Progress
    from engine.search.verify import verify_all

    def on_progress(progress: Progress) -> None:
        if update:
            update(search_text(progress))

    (verdict,) = verify_all([Problem(network, prop)], search_options(arguments), on_progress=on_progress)
    return network, identity, prop, verdict


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
        write_verdict(path, data, verdict)
    else:
        note(f"acasxu: {plain(path)} is not written: nothing was decided")


def _source(path: Path, source: Network | Property) -> dict[str, str]:
    return {"file": str(path), "name": source.name, "sha256": source.sha256}
