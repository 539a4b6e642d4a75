"""The options of all commands. Nothing heavy is imported here."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from engine import __version__
from engine.cli import (
    bench_options,
    check_options,
    compare_options,
    convert_options,
    repair_options,
    supports_options,
    verify_options,
)
from engine.cli.images import parser as images_parser
from engine.cli.options import add_data
from engine.errors import InputError

NAME = "acasxu-engine"
EXIT_CODES = """\
exit codes:
  0    verify: the property holds; bench: all decided, and as expected;
       check: accepted, or no error in a sample; repair: repaired and proved, or it held; else: done
       (compare with a statement: as verify)
  1    verify: the property is violated; bench: a verdict is not as expected, or a certificate is rejected;
       check: rejected; repair: not repaired
  2    bad input or usage: nothing was decided; bench: or at least one instance, or repair, is a row with
       an error, and the others are done
  3    unknown or timeout; bench: of at least one instance, or a network is not repaired; repair: out of time
  70   internal error: no verdict
  130  Ctrl-C: what was decided until then is kept
  141  whoever read the output has gone
"""


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        raise InputError(message, advice=f"see `{self.prog} --help`")


def make_parser() -> argparse.ArgumentParser:
    """The parser of `acasxu`; `command` names the module that runs the command."""
    parser = _Parser(
        prog="acasxu",
        allow_abbrev=False,
        epilog=EXIT_CODES,
        formatter_class=argparse.RawTextHelpFormatter,
        description="Prove, or refute, the safety properties of the ACAS Xu networks.",
    )
    parser.add_argument("--name", action="version", version=NAME, help="print the program's name")
    parser.add_argument("--version", action="version", version=__version__, help="print its version")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, (help, usage, add) in COMMANDS.items():
        add(
            commands.add_parser(
                name,
                help=help,
                description=help,
                usage=usage,
                epilog=EXIT_CODES,
                allow_abbrev=False,
                formatter_class=argparse.RawTextHelpFormatter,
            )
        )
    return parser


def _add_properties(parser: argparse.ArgumentParser) -> None:
    """`acasxu properties` has no options."""


def _add_info(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("network", type=Path, metavar="NETWORK", help="NETWORK.onnx or .nnet, also as .gz")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead")


def _add_report(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="DIR", help="what `acasxu bench --out` wrote to")


def _add_fetch(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--images", action="store_true", help="fetch Fashion-MNIST and MNIST-5k (62 MB) instead of networks"
    )
    parser.add_argument(
        "--from",
        dest="source",
        metavar="DIR_OR_URL",
        help="a mirror, or a folder that holds them\n(default: where they are published)",
    )
    parser.add_argument(
        "--to",
        dest="target",
        type=Path,
        metavar="DIR",
        help="where to put them (default: where the other commands look)",
    )


#: By command: what it does, how it is called, and the function that adds its options.
COMMANDS: dict[str, tuple[str, str, Callable[[argparse.ArgumentParser], None]]] = {
    "verify": ("decide whether a network satisfies a property", verify_options.USAGE, verify_options.add_verify),
    "supports": (
        "print what queries may hold, as VNN-LIB's standard asks",
        supports_options.USAGE,
        supports_options.add_supports,
    ),
    "bench": ("decide a list of instances, resumably", bench_options.USAGE, bench_options.add_bench),
    "repair": ("repair a network until properties are proved for it", repair_options.USAGE, repair_options.add_repair),
    "check": (
        "check certificates, independently of the engine that wrote them",
        check_options.USAGE,
        check_options.add_check,
    ),
    "properties": ("print the ten properties in raw units and words", "acasxu properties", _add_properties),
    "info": ("print what a network's file holds", "acasxu info NETWORK.onnx|.nnet [--json]", _add_info),
    "convert": (
        "convert networks from .nnet to ONNX, and back without loss",
        convert_options.USAGE,
        convert_options.add_convert,
    ),
    "compare": (
        "measure how two networks of one shape differ, or prove or refute that any two are alike",
        compare_options.USAGE,
        compare_options.add_compare,
    ),
    "report": ("write report.html, report.md and results.json from a bench folder", "acasxu report DIR", _add_report),
    "fetch": (
        "download the 45 ACAS Xu networks, or sets of images, and check them",
        "acasxu fetch [--images] [--from DIR_OR_URL] [--to DIR]",
        _add_fetch,
    ),
    "images": (
        "find, repair and guard against faults of image classifiers",
        images_parser.USAGE,
        images_parser.add_commands,
    ),
    "demo": ("decide a few instances and explain them", "acasxu demo [--data DIR]", add_data),
}
