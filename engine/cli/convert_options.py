"""The options of `acasxu convert`. Nothing heavy is imported here."""

from argparse import ArgumentParser
from pathlib import Path

from engine.cli.options import add_units

USAGE = "acasxu convert NETWORK.nnet NEW.onnx [options]\n       acasxu convert NETWORK.onnx NEW.nnet [options]"
NORMALIZATION = ("minima", "maxima", "means", "ranges")


def add_convert(parser: ArgumentParser) -> None:
    """Adds them."""
    parser.add_argument("source", type=Path, metavar="NETWORK", help="NETWORK.nnet or .onnx, also as .gz")
    parser.add_argument("target", type=Path, metavar="NEW", help="NEW.onnx or .nnet, also as .gz")
    parser.add_argument("--force", action="store_true", help="replace a file that exists")
    add_units(parser)
    parser.add_argument(
        "--like",
        type=Path,
        metavar="FILE.nnet",
        help="to .nnet: take its minima, maxima, means and ranges\n(default: those that change no float number)",
    )
    for name in NORMALIZATION:
        per = "one each input" + (", then the outputs'" if name in ("means", "ranges") else "")
        parser.add_argument(f"--{name}", metavar="N,N,...", help=f"to .nnet: the {name}, decimals, {per}")
