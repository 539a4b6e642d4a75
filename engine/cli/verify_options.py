"""The options of `acasxu verify`. Nothing heavy is imported here."""

from argparse import ArgumentParser
from pathlib import Path

from engine.cli.options import add_data, add_search, add_units

USAGE = (
    "acasxu verify NETWORK.onnx PROPERTY.vnnlib [options]\n"
    "       acasxu verify --network 3,3 --property 9 [options]\n"
    "       acasxu verify QUERY.vnnlib --network f=F.onnx --network g=G.onnx [options]"
)


def add_verify(parser: ArgumentParser) -> None:
    """Adds them."""
    parser.add_argument(
        "files",
        nargs="*",
        type=Path,
        metavar="FILE",
        help="NETWORK.onnx or .nnet, and PROPERTY.vnnlib, each also as .gz;\nor QUERY.vnnlib alone, in VNN-LIB 2.0",
    )
    parser.add_argument(
        "--network",
        action="append",
        default=[],
        metavar="A,T|NAME=FILE",
        help="A,T: instead of a file, the ACAS Xu network N(A,T)\n"
        "NAME=FILE: the network that a query in VNN-LIB 2.0 calls so; once for each",
    )
    parser.add_argument("--property", type=int, metavar="N", help="instead of a file: ACAS Xu property 1..10")
    add_data(parser)
    add_units(parser)
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
    parser.add_argument(
        "--serialise-assignments",
        type=Path,
        metavar="DIR",
        help="VNN-LIB 2.0: write the values of each variable to DIR/NAME.pb, an ONNX TensorProto,\nand not to stdout",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object on stdout instead")
    add_search(parser, timeout="seconds after which to give up (default: never)")
    parser.set_defaults(semantics=None)  # of a query in VNN-LIB 2.0 its types decide
