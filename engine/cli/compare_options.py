"""The options of `acasxu compare`. Nothing heavy is imported here."""

from argparse import ArgumentParser
from pathlib import Path

from engine.cli.options import add_meaning, count, seconds

USAGE = "acasxu compare ORIGINAL.onnx CHANGED.onnx [PROPERTY.vnnlib ...] [options]"


def add_compare(parser: ArgumentParser) -> None:
    """Adds them."""
    parser.add_argument("networks", nargs=2, type=Path, metavar="NETWORK.onnx")
    parser.add_argument(
        "properties", nargs="*", type=Path, metavar="PROPERTY.vnnlib", help="in whose boxes to compare too"
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
    parser.add_argument("--seed", type=int, default=0, help="of the random points (default: 0)")
    parser.add_argument(
        "--prove", action="store_true", help="prove on how much of the domain the decision may differ at most"
    )
    parser.add_argument(
        "--timeout", type=seconds, default=60.0, metavar="S", help="seconds for that proof (default: 60)"
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
