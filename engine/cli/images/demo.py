"""`acasxu images demo`."""

from argparse import ArgumentParser, Namespace

HELP = "train, scan, repair and guard a small classifier with a backdoor, and explain it"
USAGE = "acasxu images demo"


def add(parser: ArgumentParser) -> None:
    """Adds the options."""


def run(arguments: Namespace) -> int:
    """Runs the command."""
    raise NotImplementedError
