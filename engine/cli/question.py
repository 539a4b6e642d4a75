"""`acasxu compare` with a statement: proved or refuted, as a VNN-LIB 2.0 question that an auditor can check."""

from argparse import Namespace
from fractions import Fraction
from pathlib import Path

from engine.acasxu.files import property_path
from engine.acasxu.raw_units import demand_raw
from engine.cli.asked import load_asking
from engine.cli.meaning import Meaning, meaning
from engine.cli.question_files import prepared
from engine.cli.question_words import Words
from engine.cli.units import demand_certifiable
from engine.comparison.questions import Box, Equivalent, Monotone, SameDecision, Statement
from engine.errors import InputError
from engine.foreign import plain
from engine.network import Network


def run(arguments: Namespace) -> int:
    """Proves or refutes the statement; the exit code is that of `verify`. With --largest it is 0 if one was proved."""
    from engine.cli.question_answer import decide
    from engine.cli.question_largest import narrowed
    from engine.comparison.asking import Asked
    from engine.network_file import load_networks

    demand_certifiable(arguments.certificate, arguments.units)
    files = _files(arguments)
    networks = load_networks(files, units=arguments.units)
    one, other = networks[0], networks[-1]
    meant = meaning(one, arguments)
    boxes, region = _region(arguments, meant)
    region += " (raw units of .nnet files)" if arguments.units == "raw" else ""
    asked = Asked(_statement(arguments, one, meant), (one, other), boxes, arguments.semantics)
    words = Words(meant.identity, _names(files), region)
    places = prepared(arguments, files)
    return (narrowed if arguments.largest else decide)(asked, words, places, arguments)


def _files(arguments: Namespace) -> list[Path]:
    """The networks' files: one for --monotone, else two."""
    files = list(arguments.files)
    wanted = 1 if arguments.monotone else 2
    if len(files) != wanted:
        advice = "name --property FILE for its boxes" if len(files) > wanted else "name the other network too"
        what = f"{'one network is' if wanted == 1 else 'two networks are'} asked about, files given: {len(files)}"
        raise InputError(what, advice=advice)
    return files


def _names(files: list[Path]) -> tuple[str, str]:
    """Short names of two networks that differ, or of one twice."""
    one, other = files[0], files[-1]
    short = one.name != other.name or one == other
    return (plain(one.name), plain(other.name)) if short else (plain(str(one)), plain(str(other)))


def _region(arguments: Namespace, meant: Meaning) -> tuple[tuple[Box, ...], str]:
    """The boxes, each once, and what they are in words."""
    path = arguments.box
    if arguments.property is not None:
        number = arguments.property
        path = property_path(int(number)) if number.isascii() and number.isdigit() else Path(number)
    if path:
        prop = load_asking(path)
        demand_raw(prop, arguments.units)
        boxes = tuple(dict.fromkeys((case.lower, case.upper) for case in prop.cases))
        kind = "the box in" if len(boxes) == 1 else f"the {len(boxes)} boxes in"
        return boxes, f"{kind} {plain(path.name)}"
    if meant.domain is None:
        raise InputError(
            "the network's domain is not known",
            where=str(arguments.files[0]),
            advice="say where: --property P, --box FILE, or --domain FILE for all that it is for",
        )
    return ((meant.domain.lower, meant.domain.upper),), f"the domain ({meant.domain.name})"


def _statement(arguments: Namespace, network: Network, meant: Meaning) -> Statement:
    if arguments.equivalent:
        return Equivalent(arguments.equivalent)
    if arguments.same_advisory:
        if not meant.decision.is_known:
            raise InputError(
                "which output is the network's decision is not known",
                where="--same-advisory",
                advice="say --decision lowest or --decision highest",
            )
        return SameDecision(meant.decision, arguments.gap or Fraction(0))
    i, rising = arguments.monotone
    outputs = tuple(range(network.n_outputs)) if arguments.output is None else (arguments.output,)
    return Monotone(i, rising, outputs, arguments.tolerance or Fraction(0))
