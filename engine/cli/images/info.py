"""`acasxu images info`."""

from argparse import ArgumentParser, Namespace

HELP = "say what a classifier reads, and how well each scaling fits the images"
USAGE = "acasxu images info NETWORK.onnx [--data NAME_OR_PATH] [options]"


def add(parser: ArgumentParser) -> None:
    """Adds the options."""


def run(arguments: Namespace) -> int:
    """Runs the command."""
    raise NotImplementedError
