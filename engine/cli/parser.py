"""The options of all commands. Nothing heavy is imported here."""

import argparse
from math import inf
from pathlib import Path
from typing import NoReturn

from engine.cli.bench_options import USAGE as BENCH_USAGE
from engine.cli.bench_options import add_bench
from engine.cli.options import add_meaning
from engine.cli.repair_options import USAGE, add_repair
from engine.errors import InputError

EXIT_CODES = """\
exit codes:
  0    verify: the property holds; bench: all decided, and as expected;
       check: accepted, or no error in a sample; repair: repaired and proved, or it held; else: done
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
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    _add_verify(commands)
    add_bench(
        _command(commands, "bench", "decide a list of instances, resumably", BENCH_USAGE),
        count=_count,
        seconds=_seconds,
        add_data=_add_data,
        add_search=_add_search,
    )
    add_repair(
        _command(commands, "repair", "repair a network until properties are proved for it", USAGE),
        count=_count,
        seconds=_seconds,
        add_data=_add_data,
    )
    _add_check(commands)
    _add_small_commands(commands)
    return parser


def _command(commands, name: str, help: str, usage: str) -> argparse.ArgumentParser:
    return commands.add_parser(
        name,
        help=help,
        description=help,
        usage=usage,
        epilog=EXIT_CODES,
        allow_abbrev=False,
        formatter_class=argparse.RawTextHelpFormatter,
    )


def _add_verify(commands) -> None:
    parser = _command(
        commands,
        "verify",
        "decide whether a network satisfies a property",
        "acasxu verify NETWORK.onnx PROPERTY.vnnlib [options]\n"
        "       acasxu verify --network 3,3 --property 9 [options]",
    )
    parser.add_argument(
        "files", nargs="*", type=Path, metavar="FILE", help="NETWORK.onnx and PROPERTY.vnnlib, each also as .gz"
    )
    parser.add_argument("--network", metavar="A,T", help="instead of a file: the ACAS Xu network N(A,T)")
    parser.add_argument("--property", type=int, metavar="N", help="instead of a file: ACAS Xu property 1..10")
    _add_data(parser)
    parser.add_argument("--results", type=Path, metavar="FILE", help="write VNN-COMP's result file")
    parser.add_argument(
        "--certificate",
        type=Path,
        metavar="FILE",
        help="write the proof, or the counterexample with its exact margins,\nas a file for `acasxu check`",
    )
    parser.add_argument(
        "--picture",
        type=Path,
        metavar="FILE",
        help="networks of two inputs: draw where it is proved and where violated,\n"
        "FILE.png, .svg or .pdf; needs matplotlib",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object on stdout instead")
    _add_search(parser, timeout="seconds after which to give up (default: never)")


def _add_check(commands) -> None:
    parser = _command(
        commands,
        "check",
        "check certificates, independently of the engine that wrote them",
        "acasxu check FILE_OR_DIR [...] --network NETWORK.onnx --property PROPERTY.vnnlib [options]\n"
        "       acasxu check FILE_OR_DIR [...] --network ORIGINAL.onnx --changed CHANGED.onnx [options]",
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE_OR_DIR", help="certificates, or folders of them")
    parser.add_argument(
        "--network",
        type=Path,
        required=True,
        metavar="NETWORK.onnx",
        help="or a folder, from which the file with the right SHA-256 is taken",
    )
    about = parser.add_mutually_exclusive_group(required=True)
    about.add_argument("--property", type=Path, metavar="PROPERTY.vnnlib", help="or a folder, likewise")
    about.add_argument(
        "--changed",
        type=Path,
        metavar="CHANGED.onnx",
        help="or a folder, likewise: check what `acasxu compare --prove` wrote",
    )
    parser.add_argument(
        "--arithmetic",
        choices=("float64", "exact"),
        default="float64",
        help="float64: outward rounding (default)\nexact: integers and powers of two; slow",
    )
    parser.add_argument(
        "--sample", type=_count, metavar="N", help="check N random leaves and what leads to them, not the whole proof"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the sample (default: 0)")
    parser.add_argument(
        "--semantics", choices=("real", "float32"), help="to be proved (default: what the certificate claims)"
    )
    parser.add_argument("--jobs", type=_count, default=1, metavar="N", help="processes (default: 1)")
    parser.add_argument("--report", type=Path, metavar="FILE", help="write an audit report, FILE.html or FILE.md")
    parser.add_argument("--json", action="store_true", help="print one JSON list instead")


def _add_small_commands(commands) -> None:
    _command(commands, "properties", "print the ten properties in raw units and words", "acasxu properties")
    parser = _command(commands, "info", "print what an ONNX file holds", "acasxu info NETWORK.onnx [--json]")
    parser.add_argument("network", type=Path, metavar="NETWORK.onnx", help="also as .gz")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead")
    parser = _command(
        commands,
        "compare",
        "measure, or bound by proof, how two networks of one shape differ",
        "acasxu compare ORIGINAL.onnx CHANGED.onnx [PROPERTY.vnnlib ...] [options]",
    )
    parser.add_argument("networks", nargs=2, type=Path, metavar="NETWORK.onnx")
    parser.add_argument(
        "properties", nargs="*", type=Path, metavar="PROPERTY.vnnlib", help="in whose boxes to compare too"
    )
    parser.add_argument(
        "--points", type=_count, default=1_000_000, metavar="N", help="random points of each region (default: 1000000)"
    )
    parser.add_argument(
        "--grid",
        type=_count,
        default=30,
        metavar="N",
        help="points along each input of a regular grid, fewer where that makes more than 30^5\n(default: 30)",
    )
    add_meaning(parser)
    parser.add_argument("--seed", type=int, default=0, help="of the random points (default: 0)")
    parser.add_argument(
        "--prove", action="store_true", help="prove on how much of the domain the decision may differ at most"
    )
    parser.add_argument(
        "--timeout", type=_seconds, default=60.0, metavar="S", help="seconds for that proof (default: 60)"
    )
    parser.add_argument("--certificate", type=Path, metavar="FILE", help="write the proof, for `acasxu check`")
    parser.add_argument(
        "--picture",
        type=Path,
        metavar="FILE",
        help="of ACAS Xu's networks: draw the advisory seen from above, before and after, for a\n"
        "few encounters: FILE.png, .svg or .pdf; needs matplotlib",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead")
    parser = _command(
        commands, "report", "write report.html, report.md and results.json from a bench folder", "acasxu report DIR"
    )
    parser.add_argument("folder", type=Path, metavar="DIR", help="what `acasxu bench --out` wrote to")
    parser = _command(
        commands,
        "fetch",
        "download the 45 ACAS Xu networks and check them",
        "acasxu fetch [--from DIR_OR_URL] [--to DIR]",
    )
    parser.add_argument(
        "--from",
        dest="source",
        metavar="DIR_OR_URL",
        help="a mirror, or a folder that holds them\n(default: the public benchmark repository)",
    )
    parser.add_argument(
        "--to",
        dest="target",
        type=Path,
        metavar="DIR",
        help="where to put them (default: where the other commands look)",
    )
    parser = _command(commands, "demo", "decide a few instances and explain them", "acasxu demo [--data DIR]")
    _add_data(parser)


def _add_data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        help="folder of the ACAS Xu networks (default: $ACASXU_DATA, else as fetched)",
    )


def _add_search(parser: argparse.ArgumentParser, *, timeout: str) -> None:
    parser.add_argument("--timeout", type=_seconds, metavar="S", help=timeout)
    parser.add_argument(
        "--semantics",
        choices=("real", "float32"),
        default="real",
        help="real: exact arithmetic (default)\nfloat32: as executed, in any order of summation",
    )
    parser.add_argument(
        "--device", choices=("auto", "cpu", "cuda"), default="auto", help="auto (default) takes CUDA where there is one"
    )
    parser.add_argument("--threads", type=_count, metavar="N", help="of the search (default: as many as torch)")
    parser.add_argument("--batch", type=_count, metavar="N", help="boxes bounded at once at most (default: 4096)")
    parser.add_argument(
        "--memory",
        type=_bytes,
        metavar="SIZE",
        help="for a search, such as 512M or 16G; what needs more stays unknown (default: 4G)",
    )


def _count(text: str) -> int:
    number = int(text) if text.isascii() and text.isdigit() else 0
    if not number:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number of at least 1")
    return number


def _bytes(text: str) -> int:
    number, unit = (text[:-1], text[-1:].upper()) if text[-1:].isalpha() else (text, "")
    factors = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
    size = int(number) * factors.get(unit, 0) if number.isascii() and number.isdigit() else 0
    if size < 1 << 20:
        raise argparse.ArgumentTypeError(f"{text!r} is no size of at least 1M, such as 512M or 4G")
    return size


def _seconds(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds above 0")
    return number
