"""`acasxu images attack`."""

from argparse import ArgumentParser, Namespace

HELP = "make poisoned, adversarial or corrupted images"
USAGE = "acasxu images attack NETWORK.onnx --data NAME_OR_PATH --kind KIND --out FILE.npz [options]"


def add(parser: ArgumentParser) -> None:
    """Adds the options."""


def run(arguments: Namespace) -> int:
    """Runs the command."""
    raise NotImplementedError
