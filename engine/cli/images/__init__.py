"""`acasxu images`: one module for each of its commands, with HELP, USAGE, `add(parser)` and `run(arguments)`.

These modules import nothing heavy before `run`.
"""

from argparse import Namespace
from importlib import import_module


def run(arguments: Namespace) -> int:
    """Runs one command of `acasxu images`."""
    found: int = import_module(f"engine.cli.images.{arguments.images_command}").run(arguments)
    return found
