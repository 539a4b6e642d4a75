"""`acasxu repair`: a network of the same shape for which the properties are proved."""

from argparse import Namespace
from collections.abc import Callable
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from engine.acasxu.files import network_path, property_path
from engine.acasxu.networks import NetworkIndex, network_index
from engine.acasxu.properties import benchmark_instances
from engine.cli.live import live_line
from engine.cli.meaning import Meaning, demand_maps, meaning
from engine.cli.repair_words import say_failed, say_repaired
from engine.cli.units import demand_repairable
from engine.errors import InputError
from engine.network import Network
from engine.property import Property

if TYPE_CHECKING:  # what needs torch is imported when it is used
    from engine.repair.publish import RepairOutput
    from engine.repair.record import RepairRecord
    from engine.repair.service import HeldOut
    from engine.repair.task import RepairOptions

REPAIRED, NOT_REPAIRED, OUT_OF_TIME = 0, 1, 3  # exit codes
MAX_NEURONS = 12  # that --explain shows


@dataclass(frozen=True, slots=True)
class _Files:
    """A network, the properties that are to hold, and those to be preserved where they hold.

    told: which of the 45 the user says that it is.
    """

    network: Path
    properties: tuple[Path, ...]
    preserve: tuple[Path, ...]
    told: NetworkIndex | None = None


@dataclass(frozen=True, slots=True)
class _Question:
    """The content of the files. sources: by a property's SHA-256 its file, or its text."""

    network: Network
    meant: Meaning
    properties: list[Property]
    preserve: list[Property]
    sources: dict[str, Path | bytes]
    held_out: "HeldOut | None"


def run(arguments: Namespace) -> int:
    """Repairs, proves, certifies, measures; says what was done on stdout and by the exit code."""
    demand_repairable(arguments.units)
    files = _files(arguments)
    from engine.picture import prepare_picture
    from engine.repair.publish import RepairOutput

    given = [files.network, *files.properties, *files.preserve, *([arguments.points] if arguments.points else [])]
    output = RepairOutput(arguments.out, arguments.certificates, force=arguments.force, given=given)
    picture = prepare_picture(arguments.picture) if arguments.picture else None
    question = _question(files, arguments)
    with live_line("loading") as update:
        record = _repair(question, output, arguments, update or (lambda text: None))
        if picture and record.network:
            _draw(picture, question, record, names=(files.network.name, arguments.out.name))
    if record.network is None:
        say_failed(record, question.meant, json=arguments.json, explain=arguments.explain)
        return OUT_OF_TIME if record.timed_out else NOT_REPAIRED
    say_repaired(record, question.meant, json=arguments.json, explain=arguments.explain)
    return REPAIRED


def _files(arguments: Namespace) -> _Files:
    files = list(arguments.files)
    if arguments.network is None:
        if arguments.property:
            raise InputError("--property goes with --network", advice="name the property's file instead")
        if not files or len(files) + (arguments.points is not None) < 2:
            raise InputError(
                "a network and at least one property are needed",
                advice="give NETWORK.onnx PROPERTY.vnnlib, or --network A,T",
            )
        return _Files(files[0], tuple(files[1:]), tuple(arguments.keep))
    index = network_index(arguments.network)
    own = [property_path(spec.number) for spec, network in benchmark_instances() if network == index]
    wanted = [property_path(number) for number in arguments.property or ()]
    rest = [path for path in own if path not in wanted]
    if not wanted and not files:
        wanted, rest = own, []
    return _Files(network_path(*index, data=arguments.data), (*wanted, *files), (*rest, *arguments.keep), index)


def _question(files: _Files, arguments: Namespace) -> _Question:
    """Loads the files; InputError where they do not fit each other."""
    from engine.cli.asked import load_asking
    from engine.comparison.fidelity import demand_fit
    from engine.network_file import load_network
    from engine.vnnlib import load_property

    network = load_network(files.network, units=arguments.units)
    meant = meaning(network, arguments, told=files.told)
    if arguments.picture:
        demand_maps(meant.identity)
    wanted = list(map(load_asking, files.properties))
    preserved = list(map(load_property, files.preserve))
    paths = (*files.properties, *files.preserve)
    sources: dict[str, Path | bytes] = {prop.sha256: path for prop, path in zip([*wanted, *preserved], paths)}
    points = _points(arguments.points, network, meant) if arguments.points else None
    if points:
        prop, text = points
        wanted.append(prop)
        sources[prop.sha256] = text
    properties = {prop.sha256: prop for prop in wanted}  # each once
    preserve = {prop.sha256: prop for prop in preserved if prop.sha256 not in properties}
    held_out = _held_out(arguments, points[0] if points else None)
    demand_fit(network, list(held_out.properties) if held_out else [])
    return _Question(network, meant, list(properties.values()), list(preserve.values()), sources, held_out)


def _points(path: Path, network: Network, meant: Meaning) -> tuple[Property, bytes]:
    """The property that the points make, and its text."""
    from engine.acasxu.vocabulary import acasxu_vocabulary
    from engine.repair.points import read_points
    from engine.vnnlib.writer import property_text
    from engine.vocabulary import PLAIN

    vocabulary = acasxu_vocabulary() if meant.identity else PLAIN
    prop = read_points(path, network, decision=meant.decision, vocabulary=vocabulary)
    text = property_text(prop).encode("ascii")
    return replace(prop, sha256=sha256(text).hexdigest()), text


def _held_out(arguments: Namespace, points: Property | None) -> "HeldOut | None":
    """The properties in whose boxes points are held out."""
    from engine.cli.asked import load_asking
    from engine.repair.service import HeldOut

    if arguments.held_out and points is None:
        raise InputError(
            "without points of your own all counterexamples are held out",
            where="--held-out",
            advice="add --points, or leave it out",
        )
    if not arguments.held_out or points is None:
        return None
    return HeldOut(tuple(map(load_asking, arguments.held_out)), tuple(case.lower for case in points.cases))


def _repair(
    question: _Question, output: "RepairOutput", arguments: Namespace, say: Callable[[str], None]
) -> "RepairRecord":
    from engine.repair.service import repair_network

    return repair_network(
        question.network,
        question.properties,
        preserve=question.preserve,
        domain=question.meant.domain,
        decision=question.meant.decision,
        options=_options(arguments),
        output=output,
        files=question.sources,
        held_out=question.held_out,
        neurons=MAX_NEURONS if arguments.explain else 0,
        word=question.meant.word,
        names=question.meant.names,
        state=arguments.state,
        say=say,
    )


def _options(arguments: Namespace) -> "RepairOptions":
    from engine.repair.task import RepairOptions

    localization = None if arguments.localization == "own" else arguments.localization
    if localization and arguments.method in ("milp", "idle"):
        raise InputError(
            f"{arguments.method} takes no localization, as only some neurons can serve it",
            where="--localization",
            advice="leave it out, or use --method gradient, smt or auto",
        )
    return RepairOptions(
        method=arguments.method,
        timeout=arguments.timeout,
        proof_timeout=arguments.proof_timeout,
        patience=arguments.patience,
        points=arguments.samples,
        grid=arguments.grid,
        seed=arguments.seed,
        semantics=arguments.semantics,
        device=arguments.device,
        localization=localization,
        guarantee=arguments.guarantee,
        max_score_change=arguments.max_score_change,
        keep_outputs=arguments.keep_outputs,
        by_method={
            "milp": {"norm": arguments.norm, "backend": arguments.solver},
            "gradient": {"neurons": arguments.neurons, "objective": arguments.objective},
        },
    )


def _draw(picture: Path, question: _Question, record: "RepairRecord", *, names: tuple[str, str]) -> None:
    """Maps of advisories before and after."""
    from engine.picture import advisory_maps, write_picture

    assert record.network is not None
    write_picture(picture, advisory_maps(question.network, record.network, question.properties), names=names)
