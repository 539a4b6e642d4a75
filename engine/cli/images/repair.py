"""`acasxu images repair`."""

from argparse import ArgumentParser, Namespace

HELP = "repair a classifier, and say what it gained and lost"
USAGE = "acasxu images repair NETWORK.onnx --data NAME_OR_PATH --out REPAIRED.onnx [options]"


def add(parser: ArgumentParser) -> None:
    """Adds the options."""


def run(arguments: Namespace) -> int:
    """Runs the command."""
    raise NotImplementedError
