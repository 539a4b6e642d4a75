"""`acasxu images train`."""

from argparse import ArgumentParser, Namespace

HELP = "train a small classifier, with a backdoor where asked"
USAGE = "acasxu images train --data NAME_OR_PATH --model MODEL --out NETWORK.onnx [options]"


def add(parser: ArgumentParser) -> None:
    """Adds the options."""


def run(arguments: Namespace) -> int:
    """Runs the command."""
    raise NotImplementedError
