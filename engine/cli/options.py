"""From the command line's options to those of the search."""

from argparse import Namespace


def search_options(arguments: Namespace):
    """`Options` as given; what is not given keeps its default."""
    from engine.search.problem import Options

    return Options(**search_settings(arguments))


def search_settings(arguments: Namespace) -> dict:
    """Those of `Options` that are given, by name."""
    given = {name: getattr(arguments, name, None) for name in ("threads", "batch", "window", "memory")}
    proofs = bool(getattr(arguments, "certificate", None) or getattr(arguments, "certificates", None))
    return {"timeout": arguments.timeout, "semantics": arguments.semantics, "device": arguments.device,
            "proofs": proofs, **{name: value for name, value in given.items() if value}}
