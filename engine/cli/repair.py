"""`acasxu repair`: a network of the same shape for which the properties are proved."""

from argparse import Namespace
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

from engine.acasxu.files import network_path, property_path
from engine.acasxu.networks import NetworkIndex, network_index
from engine.acasxu.properties import benchmark_instances
from engine.cli.live import live_line
from engine.cli.meaning import Meaning, demand_maps, meaning
from engine.cli.repair_words import say_failed, say_repaired
from engine.errors import InputError

REPAIRED, NOT_REPAIRED, OUT_OF_TIME = 0, 1, 3
NEURONS = 12  # that --explain shows


@dataclass(frozen=True, slots=True)
class _Question:
    """Files: a network, the properties that are to hold, and those to be preserved where they hold.

    told: which of the 45 the user says that it is.
    """

    network: Path
    properties: tuple[Path, ...]
    preserve: tuple[Path, ...]
    told: NetworkIndex | None = None


def run(arguments: Namespace) -> int:
    """Repairs, proves, certifies, measures; says what was done on stdout and by the exit code."""
    question = _question(arguments)
    from engine.cli.picture import advisory_maps, prepare_picture, write_picture
    from engine.cli.repaired import Place
    from engine.comparison.fidelity import demand_fit
    from engine.domain import hull
    from engine.onnx_file import load_network
    from engine.repair.loop import Failed, repair

    place = Place(arguments.out, arguments.certificates, force=arguments.force)
    picture = prepare_picture(arguments.picture) if arguments.picture else None
    network = load_network(question.network)
    meant = meaning(network, arguments, told=question.told)
    if picture:
        demand_maps(meant.identity)
    properties, preserve, files = _properties(question, network, meant, arguments.points)
    regions = _regions(arguments)
    demand_fit(network, regions)
    where = meant.domain or hull(properties)  # methods need somewhere to look
    with live_line("loading") as update:
        say = update or (lambda text: None)
        lower, upper = where.ends
        settings = _settings(arguments)
        state = _state(arguments, network, [*properties, *preserve], meant, where)
        outcome = repair(
            network,
            properties,
            preserve=preserve,
            lower=lower,
            upper=upper,
            decision=meant.decision,
            settings=settings,
            state=state,
            say=say,
        )
        explained = _localized(network, properties, where, meant, arguments) if arguments.explain else []
        if not isinstance(outcome, Failed):
            say("writing and checking the certificates")
            certificates = place.write(getattr(outcome, "network", network), outcome.proved, files, settings.search())
            say("measuring what changed")
            found, figures = _fidelity(network, outcome, regions, meant, arguments)
        if picture and not isinstance(outcome, Failed):
            maps = advisory_maps(network, getattr(outcome, "network", network), properties)
            write_picture(picture, maps, names=(question.network.name, arguments.out.name))
    if isinstance(outcome, Failed):
        say_failed(outcome, arguments, explained, meant)
        return OUT_OF_TIME if outcome.timed_out else NOT_REPAIRED
    say_repaired(outcome, found, figures, certificates, explained, arguments, meant)
    return REPAIRED


def _question(arguments: Namespace) -> _Question:
    files = list(arguments.files)
    if arguments.network is None:
        if arguments.property:
            raise InputError("--property goes with --network", advice="name the property's file instead")
        if not files or len(files) + (arguments.points is not None) < 2:
            raise InputError(
                "a network and at least one property are needed",
                advice="give NETWORK.onnx PROPERTY.vnnlib, or --network A,T",
            )
        return _Question(files[0], tuple(files[1:]), tuple(arguments.keep))
    index = network_index(arguments.network)
    own = [property_path(spec.number) for spec, network in benchmark_instances() if network == index]
    wanted = [property_path(number) for number in arguments.property or ()]
    rest = [path for path in own if path not in wanted]
    if not wanted and not files:
        wanted, rest = own, []
    return _Question(network_path(*index, data=arguments.data), (*wanted, *files), (*rest, *arguments.keep), index)


def _properties(question: _Question, network, meant: Meaning, points: Path | None):
    """The properties that are to hold, those to be preserved; by SHA-256 each one's file, or its text."""
    from engine.cli.asked import load_asking
    from engine.vnnlib import load_property

    loaded = [list(map(load_asking, question.properties)), list(map(load_property, question.preserve))]
    files = {
        prop.sha256: path
        for props, paths in zip(loaded, (question.properties, question.preserve))
        for prop, path in zip(props, paths)
    }
    if points:
        from engine.vnnlib.writer import property_text

        prop = _points(points, network, meant)
        text = property_text(prop).encode("ascii")
        loaded[0].append(replace(prop, sha256=sha256(text).hexdigest()))
        files[loaded[0][-1].sha256] = text
    wanted, preserved = ({prop.sha256: prop for prop in props} for props in loaded)  # each once
    return list(wanted.values()), [prop for key, prop in preserved.items() if key not in wanted], files


def _points(path: Path, network, meant: Meaning):
    from engine.acasxu.vocabulary import acasxu_vocabulary
    from engine.repair.points import read_points
    from engine.vocabulary import PLAIN

    vocabulary = acasxu_vocabulary() if meant.identity else PLAIN
    return read_points(path, network, decision=meant.decision, vocabulary=vocabulary)


def _settings(arguments: Namespace):
    from engine.repair.loop import Settings

    localization = None if arguments.localization == "own" else arguments.localization
    if localization and arguments.method in ("milp", "idle"):
        raise InputError(
            f"{arguments.method} takes no localization, as only some neurons can serve it",
            where="--localization",
            advice="leave it out, or use --method gradient, smt or auto",
        )
    options = {
        "milp": {"norm": arguments.norm, "backend": arguments.solver},
        "smt": {"localization": localization},
        "gradient": {"localization": localization, "neurons": arguments.neurons, "objective": arguments.objective},
    }
    return Settings(
        method=arguments.method,
        timeout=arguments.timeout,
        proof_timeout=arguments.proof_timeout,
        patience=arguments.patience,
        points=arguments.samples,
        seed=arguments.seed,
        semantics=arguments.semantics,
        device=arguments.device,
        options=options,
    )


def _state(arguments: Namespace, network, properties: list, meant: Meaning, where):
    from engine import __version__
    from engine.repair.state import State

    hashes = sha256("".join(prop.sha256 for prop in properties).encode()).hexdigest()
    ends = sha256(" ".join(map(str, (*where.lower, *where.upper))).encode()).hexdigest()
    about = {
        "engine": __version__,
        "network": network.sha256,
        "properties": hashes,
        "domain": ends,
        "decision": meant.decision.value,
    }
    about |= {
        name: getattr(arguments, name)
        for name in (
            "method",
            "seed",
            "semantics",
            "norm",
            "solver",
            "proof_timeout",
            "localization",
            "neurons",
            "objective",
        )
    }
    return State(arguments.state, about)


def _regions(arguments: Namespace) -> list:
    """The properties in whose boxes points are held out."""
    from engine.cli.asked import load_asking

    if arguments.held_out and not arguments.points:
        raise InputError(
            "without points of your own all counterexamples are held out",
            where="--held-out",
            advice="add --points, or leave it out",
        )
    return list(map(load_asking, arguments.held_out))


def _fidelity(network, outcome, regions: list, meant: Meaning, arguments: Namespace):
    """What changed, inside the boxes of what was repaired and elsewhere, and VERE's figures of each property that
    was, and of the points in `regions`; None where nothing had to be."""
    from engine.comparison.fidelity import compare
    from engine.comparison.vere import MAX_POINTS, measure
    from engine.repair.loop import Held

    if isinstance(outcome, Held):
        return None, []
    lower, upper = (meant.domain.lower, meant.domain.upper) if meant.domain else (None, None)
    found = compare(
        network,
        outcome.network,
        list(outcome.targets),
        lower=lower,
        upper=upper,
        decision=meant.decision,
        points=arguments.samples,
        grid=arguments.grid,
        seed=arguments.seed,
    )
    given = [case.lower for case in _points(arguments.points, network, meant).cases] if regions else None
    pairs = [(prop, None) for prop in outcome.targets] + [(prop, given) for prop in regions]
    return found, [
        measure(
            network,
            outcome.network,
            prop,
            points,
            decision=meant.decision,
            points=min(arguments.samples, MAX_POINTS),
            seed=arguments.seed,
        )
        for prop, points in pairs
    ]


def _localized(network, properties: list, where, meant: Meaning, arguments: Namespace) -> list:
    """The neurons that decide the violation, the most significant first."""
    from engine.repair.localize import localize
    from engine.repair.mirror import as_lowest
    from engine.repair.task import Evidence, Task

    task = Task(network, tuple(properties), (), *where.ends, arguments.seed, meant.decision)
    kind = None if arguments.localization == "own" else arguments.localization
    return localize(as_lowest(task), Evidence()).table(NEURONS, kind=kind)
