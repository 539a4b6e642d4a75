"""The options of `acasxu repair`. Nothing heavy is imported here."""

from argparse import ArgumentParser
from pathlib import Path

from engine.cli.options import add_data, add_device, add_meaning, add_units, count, seconds
from engine.cli.question_options import positive_decimal

METHODS = ("auto", "milp", "gradient", "idle", "smt")
USAGE = (
    "acasxu repair NETWORK.onnx PROPERTY.vnnlib [MORE.vnnlib ...] --out REPAIRED.onnx [options]\n"
    "       acasxu repair --network 2,9 [--property N ...] --out REPAIRED.onnx [options]"
)


def add_repair(parser: ArgumentParser) -> None:
    """Adds them."""
    _add_task(parser)
    _add_kept(parser)
    _add_output(parser)
    _add_method(parser)
    _add_choice(parser)
    _add_limits(parser)
    _add_comparison(parser)
    _add_report(parser)


def _add_task(parser: ArgumentParser) -> None:
    """The network, and what is to hold afterwards."""
    parser.add_argument(
        "files",
        nargs="*",
        type=Path,
        metavar="FILE",
        help="NETWORK.onnx and the properties that are to hold, each also as .gz",
    )
    parser.add_argument(
        "--network",
        metavar="A,T",
        help="instead of a file: the ACAS Xu network N(A,T), to be repaired for all benchmark\n"
        "properties that it violates; those that it satisfies are proved again",
    )
    parser.add_argument(
        "--property",
        type=int,
        action="append",
        metavar="N",
        help="with --network: repair it for ACAS Xu property N alone (may be repeated)",
    )
    parser.add_argument(
        "--points",
        type=Path,
        metavar="FILE.csv",
        help="inputs as the network sees them, and the output wanted or forbidden there as its\n"
        "decision: x0,...,wanted,forbidden",
    )


def _add_kept(parser: ArgumentParser) -> None:
    """Properties to keep, and the meaning of the network."""
    parser.add_argument(
        "--keep",
        type=Path,
        nargs="+",
        default=[],
        metavar="PROPERTY.vnnlib",
        help="properties to be proved again if they hold now",
    )
    add_meaning(parser)
    add_units(parser)
    parser.add_argument(
        "--held-out",
        type=Path,
        nargs="+",
        default=[],
        metavar="PROPERTY.vnnlib",
        help="with --points: properties in whose boxes to measure how the repair generalizes to\n"
        "counterexamples other than these points; not asked for, nor proved",
    )


def _add_output(parser: ArgumentParser) -> None:
    """The files to write."""
    parser.add_argument("--out", type=Path, required=True, metavar="REPAIRED.onnx", help="the repaired network")
    parser.add_argument(
        "--certificates",
        type=Path,
        metavar="DIR",
        help="folder for the certificates (default: REPAIRED.certificates beside it)",
    )
    parser.add_argument("--force", action="store_true", help="replace what is there")


def _add_method(parser: ArgumentParser) -> None:
    """The method, and its own options."""
    parser.add_argument(
        "--method",
        choices=METHODS,
        default="auto",
        help="auto (default): all of them, until one changes no sampled decision\n"
        "milp: linear programs for shifts of outputs and new features of neurons that never fire\n"
        "gradient: descend the certified bound over the boxes left open\n"
        "idle: neurons that never fire become a switch that is on in the box alone\n"
        "smt: few weights by z3, in exact rationals",
    )
    parser.add_argument(
        "--guarantee",
        choices=("structural",),
        help="structural: only a repair with a theorem for every input, from the shape of the edit:\n"
        "each score is nowhere smaller, nowhere larger, or unchanged (auto: by milp alone)",
    )
    parser.add_argument(
        "--max-score-change",
        type=positive_decimal,
        metavar="X",
        help="only a repair with a proof that no score changes by more than X anywhere in the\n"
        "domain, in the units of the network's outputs",
    )
    add_keep_outputs(parser)
    parser.add_argument(
        "--norm",
        choices=("scores", "l1", "count", "max"),
        default="scores",
        help="milp: what is made small: how much scores change (default), or of the\n"
        "weights' changes their sum, how many, or the largest",
    )
    parser.add_argument(
        "--solver",
        choices=("auto", "gurobi", "highs"),
        default="auto",
        help="milp: auto (default) takes gurobi where its licence suffices",
    )


def add_keep_outputs(parser: ArgumentParser) -> None:
    """Adds --keep-outputs."""
    parser.add_argument(
        "--keep-outputs",
        type=positive_decimal,
        metavar="X",
        help="where no output is a decision: outputs are to change by at most X outside the\n"
        "properties' boxes; sampled points at which one changes by more are counted",
    )


def _add_choice(parser: ArgumentParser) -> None:
    """The weights that gradient and smt change."""
    parser.add_argument(
        "--localization",
        choices=("own", "vere", "nnrepair"),
        default="own",
        help="gradient, smt: which neurons and edges come first: the methods' own order (default),\n"
        "by VERE's repair significance, or by NNrepair's difference of activations",
    )
    parser.add_argument(
        "--neurons",
        type=count,
        metavar="N",
        help="gradient: tune the outputs and the N first neurons of the last hidden layer\n"
        "(default: outputs alone, then more and more neurons)",
    )
    parser.add_argument(
        "--objective",
        choices=("bound", "proxy"),
        default="bound",
        help="gradient: what to descend on open boxes: the certified bound (default), or the distance\n"
        "to ProRepair's proxy box, in the last hidden layer alone",
    )


def _add_limits(parser: ArgumentParser) -> None:
    """The limits of time, and the state kept for the next time."""
    parser.add_argument("--timeout", type=seconds, metavar="S", help="seconds for the repair (default: no limit)")
    parser.add_argument(
        "--proof-timeout",
        type=seconds,
        default=20.0,
        metavar="S",
        help="seconds for each proof of a candidate (default: 20): at first a quarter of them,\n"
        "and all for the one proved most of where a method has no other",
    )
    parser.add_argument(
        "--patience",
        type=seconds,
        default=10.0,
        metavar="S",
        help="seconds, proofs apart, for which to look for a repair that changes less (default: 10);\n"
        "four times as long where it changes more than one in 1,000 of the samples",
    )
    parser.add_argument("--state", type=Path, metavar="DIR", help="keep what is learned, and resume from it")


def _add_comparison(parser: ArgumentParser) -> None:
    """The points on which the repaired network is compared with the original."""
    parser.add_argument(
        "--samples",
        type=count,
        default=1_000_000,
        metavar="N",
        help="random points of each region to compare on (default: 1000000)",
    )
    parser.add_argument(
        "--grid",
        type=count,
        default=30,
        metavar="N",
        help="points along each input of a regular grid to compare on, fewer where that makes more\n"
        "than 30^5 (default: 30)",
    )
    parser.add_argument("--seed", type=int, default=0, help="of everything random (default: 0)")


def _add_report(parser: ArgumentParser) -> None:
    """Pictures, proofs and what is printed."""
    parser.add_argument(
        "--picture",
        type=Path,
        metavar="FILE",
        help="of ACAS Xu's networks: draw the advisories before and after, as .png, .svg or .pdf",
    )
    parser.add_argument(
        "--semantics",
        choices=("real", "float32"),
        default="real",
        help="of the proofs: real (default) or float32, as executed",
    )
    add_device(parser)
    parser.add_argument(
        "--explain", action="store_true", help="say which neurons decide the violation, and all that was tried"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object on stdout instead")
    add_data(parser)
