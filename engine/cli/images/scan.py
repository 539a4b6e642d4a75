"""`acasxu images scan`."""

from argparse import ArgumentParser, Namespace

HELP = "say whether a classifier has a backdoor, and what its trigger looks like"
USAGE = "acasxu images scan NETWORK.onnx --data NAME_OR_PATH [options]"


def add(parser: ArgumentParser) -> None:
    """Adds the options."""


def run(arguments: Namespace) -> int:
    """Runs the command."""
    raise NotImplementedError
