"""The options of `acasxu check`. Nothing heavy is imported here."""

from argparse import ArgumentParser
from pathlib import Path

from engine.cli.options import count

USAGE = (
    "acasxu check FILE_OR_DIR [...] --network NETWORK.onnx --property PROPERTY.vnnlib [options]\n"
    "       acasxu check FILE_OR_DIR [...] --network f=A.onnx --network g=B.onnx --property QUERY.vnnlib [options]\n"
    "       acasxu check FILE_OR_DIR [...] --network ORIGINAL.onnx --changed CHANGED.onnx [options]\n"
    "       acasxu check FILE_OR_DIR [...] --network NETWORK.onnx --data NAME_OR_PATH [options]"
)


def add_check(parser: ArgumentParser) -> None:
    """Adds them."""
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE_OR_DIR", help="certificates, or folders of them")
    parser.add_argument(
        "--network",
        action="append",
        required=True,
        metavar="[NAME=]NETWORK.onnx",
        help="or a folder, from which the file with the right SHA-256 is taken; of a query in\n"
        "VNN-LIB 2.0 once for each network, NAME=FILE, or a folder with all of them",
    )
    about = parser.add_mutually_exclusive_group(required=True)
    about.add_argument("--property", type=Path, metavar="PROPERTY.vnnlib", help="or a folder, likewise")
    about.add_argument(
        "--changed",
        type=Path,
        metavar="CHANGED.onnx",
        help="or a folder, likewise: check what `acasxu compare --certificate` wrote",
    )
    about.add_argument(
        "--data",
        metavar="NAME_OR_PATH",
        help="fashion-mnist, mnist-5k, or a file of IDX or CSV: check what `acasxu images certify` wrote",
    )
    parser.add_argument(
        "--arithmetic",
        choices=("float64", "exact"),
        default="float64",
        help="float64: outward rounding (default)\nexact: integers and powers of two; slow",
    )
    parser.add_argument(
        "--sample", type=count, metavar="N", help="check N random leaves and what leads to them, not the whole proof"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the sample (default: 0)")
    parser.add_argument(
        "--semantics", choices=("real", "float32"), help="to be proved (default: what the certificate claims)"
    )
    parser.add_argument("--jobs", type=count, default=1, metavar="N", help="processes (default: 1)")
    parser.add_argument("--report", type=Path, metavar="FILE", help="write an audit report, FILE.html or FILE.md")
    parser.add_argument("--json", action="store_true", help="print one JSON list instead")
