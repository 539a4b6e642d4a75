"""Options that several commands have, and what they mean. Nothing heavy is imported here."""

from argparse import ArgumentParser, Namespace

from engine.comparison.decision import Decision


def search_options(arguments: Namespace):
    """`Options` as given; what is not given keeps its default."""
    from engine.search.problem import Options

    return Options(**search_settings(arguments))


def search_settings(arguments: Namespace) -> dict:
    """Those of `Options` that are given, by name."""
    given = {name: getattr(arguments, name, None) for name in ("threads", "batch", "window", "memory")}
    proofs = bool(getattr(arguments, "certificate", None) or getattr(arguments, "certificates", None))
    return {
        "timeout": arguments.timeout,
        "semantics": arguments.semantics,
        "device": arguments.device,
        "proofs": proofs,
        **{name: value for name, value in given.items() if value},
    }


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
