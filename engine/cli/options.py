"""Options that several commands have, their values, and what they mean. Nothing heavy is imported here."""

from argparse import ArgumentParser, ArgumentTypeError, Namespace, _ActionsContainer
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.comparison.decision import Decision

if TYPE_CHECKING:
    from engine.search.problem import Options


def search_options(arguments: Namespace) -> "Options":
    """`Options` as given; what is not given keeps its default."""
    from engine.search.problem import Options

    return Options(**search_settings(arguments))


def search_settings(arguments: Namespace) -> dict[str, Any]:
    """The search's options that are given, by name."""
    given = {name: getattr(arguments, name, None) for name in ("threads", "batch", "window", "memory")}
    proofs = bool(getattr(arguments, "certificate", None) or getattr(arguments, "certificates", None))
    return {
        "timeout": arguments.timeout,
        "semantics": arguments.semantics or "real",
        "device": arguments.device,
        "proofs": proofs,
        **{name: value for name, value in given.items() if value},
    }


# Adding them


def add_meaning(parser: ArgumentParser) -> None:
    """Adds the options by which a user says what a network means."""
    parser.add_argument(
        "--domain",
        metavar="FILE.vnnlib|acasxu",
        help="the inputs that the network is for: the box in a VNN-LIB file, in the network's own\n"
        "units, or ACAS Xu's (default: ACAS Xu's for its networks, of others it is not known)",
    )
    parser.add_argument(
        "--decision",
        "--advisory",
        choices=[each.value for each in Decision],
        help="which output is the network's decision (default: the lowest for ACAS Xu's networks;\n"
        "of others it is not known, and none is compared)",
    )


def add_data(parser: ArgumentParser) -> None:
    """Adds --data."""
    parser.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        help="folder of the ACAS Xu networks (default: $ACASXU_DATA, else as fetched)",
    )


def add_units(parser: ArgumentParser) -> None:
    """Adds --units."""
    parser.add_argument(
        "--units",
        choices=("normalized", "raw"),
        help="of a .nnet network's inputs and outputs\n"
        "normalized: as in ONNX files and properties of ACAS Xu (default)\n"
        "raw: as in the file's own minima and maxima, to which inputs are clipped",
    )


def add_device(parser: _ActionsContainer) -> None:
    """Adds --device."""
    parser.add_argument(
        "--device", choices=("auto", "cpu", "cuda"), default="auto", help="auto (default) takes CUDA where there is one"
    )


def add_search(parser: _ActionsContainer, *, timeout: str, semantics: str = "") -> None:
    """Adds the options of a search. `timeout`: the help of --timeout; `semantics`: a line more on --semantics."""
    parser.add_argument("--timeout", type=seconds, metavar="S", help=timeout)
    parser.add_argument(
        "--semantics",
        choices=("real", "float32"),
        default="real",
        help=f"real: exact arithmetic (default)\nfloat32: as executed, in any order of summation{semantics}",
    )
    add_device(parser)
    parser.add_argument("--threads", type=count, metavar="N", help="of the search (default: as many as torch)")
    parser.add_argument("--batch", type=count, metavar="N", help="boxes bounded at once at most (default: 4096)")
    parser.add_argument(
        "--memory",
        type=memory_size,
        metavar="SIZE",
        help="for a search, such as 512M or 16G; what needs more stays unknown (default: 2G)",
    )


# Their values


def count(text: str) -> int:
    """A whole number of at least 1."""
    number = int(text) if text.isascii() and text.isdigit() else 0
    if not number:
        raise ArgumentTypeError(f"{text!r} is no whole number of at least 1")
    return number


def memory_size(text: str) -> int:
    """A number of bytes, of at least 1M."""
    number, unit = (text[:-1], text[-1:].upper()) if text[-1:].isalpha() else (text, "")
    factors = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
    size = int(number) * factors.get(unit, 0) if number.isascii() and number.isdigit() else 0
    if size < 1 << 20:
        raise ArgumentTypeError(f"{text!r} is no size of at least 1M, such as 512M or 4G")
    return size


def seconds(text: str) -> float:
    """A finite number of seconds above 0."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < inf:
        raise ArgumentTypeError(f"{text!r} is no number of seconds above 0")
    return number
