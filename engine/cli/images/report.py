"""`acasxu images report`."""

from argparse import ArgumentParser, Namespace

HELP = "write a page from a folder of scans and repairs"
USAGE = "acasxu images report DIR"


def add(parser: ArgumentParser) -> None:
    """Adds the options."""


def run(arguments: Namespace) -> int:
    """Runs the command."""
    raise NotImplementedError
