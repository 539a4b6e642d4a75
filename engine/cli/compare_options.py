"""The options of `acasxu compare`. Nothing heavy is imported here."""

from argparse import ArgumentParser
from pathlib import Path

from engine.cli.options import add_meaning, add_units, count
from engine.cli.question_options import add_questions

USAGE = (
    "acasxu compare ORIGINAL.onnx CHANGED.onnx [PROPERTY.vnnlib ...] [options]\n"
    "       acasxu compare ORIGINAL.onnx CHANGED.onnx --equivalent EPS|--same-advisory [options]\n"
    "       acasxu compare NETWORK.onnx --monotone INPUT+|- [options]"
)


def add_compare(parser: ArgumentParser) -> None:
    """Adds them."""
    parser.add_argument(
        "files",
        nargs="+",
        type=Path,
        metavar="FILE",
        help="two networks, .onnx or .nnet (one for --monotone), then PROPERTY.vnnlib files\n"
        "in whose boxes to compare too",
    )
    parser.add_argument(
        "--points", type=count, default=1_000_000, metavar="N", help="random points of each region (default: 1000000)"
    )
    parser.add_argument(
        "--grid",
        type=count,
        default=30,
        metavar="N",
        help="points along each input of a regular grid, fewer where that makes more than 30^5\n(default: 30)",
    )
    add_meaning(parser)
    add_units(parser)
    parser.add_argument("--seed", type=int, default=0, help="of the random points (default: 0)")
    parser.add_argument(
        "--prove", action="store_true", help="prove on how much of the domain the decision may differ at most"
    )
    parser.add_argument(
        "--certificate",
        type=Path,
        metavar="FILE",
        help="write the proof, for `acasxu check`;\nwithout --prove: of what the weights alone say of every input",
    )
    parser.add_argument(
        "--picture",
        type=Path,
        metavar="FILE",
        help="of ACAS Xu's networks: draw the advisory seen from above, before and after, for a\n"
        "few encounters: FILE.png, .svg or .pdf; needs matplotlib",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead")
    add_questions(parser)
