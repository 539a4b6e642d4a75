"""The commands of `acasxu images`. Nothing heavy is imported here."""

from argparse import ArgumentParser, RawTextHelpFormatter
from importlib import import_module

#: In the order in which a user needs them.
NAMES = ("info", "train", "attack", "scan", "repair", "certify", "detect", "report", "demo")
USAGE = "acasxu images COMMAND [options]"


def add_commands(parser: ArgumentParser) -> None:
    """Adds a parser for each command; `images_command` names the module that runs it."""
    commands = parser.add_subparsers(dest="images_command", metavar="COMMAND", required=True)
    for name in NAMES:
        module = import_module(f"engine.cli.images.{name}")
        add = module.add
        add(
            commands.add_parser(
                name,
                help=module.HELP,
                description=module.HELP,
                usage=module.USAGE,
                epilog=parser.epilog,
                allow_abbrev=False,
                formatter_class=RawTextHelpFormatter,
            )
        )
