"""`acasxu images detect`."""

from argparse import ArgumentParser, Namespace

HELP = "flag images on which an original and a repaired classifier disagree"
USAGE = "acasxu images detect ORIGINAL.onnx REPAIRED.onnx IMAGES [options]"


def add(parser: ArgumentParser) -> None:
    """Adds the options."""


def run(arguments: Namespace) -> int:
    """Runs the command."""
    raise NotImplementedError
