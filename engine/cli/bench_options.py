"""The options of `acasxu bench`. Nothing heavy is imported here."""

from argparse import ArgumentParser
from pathlib import Path

from engine.cli.options import add_data, add_meaning, add_search, add_units, count, seconds
from engine.cli.repair_options import METHODS, add_keep_outputs

USAGE = (
    "acasxu bench INSTANCES.csv --out DIR [options]\n"
    "       acasxu bench --benchmark --out DIR [options]\n"
    "       acasxu bench --all-pairs --out DIR [options]"
)
FOLDER = Path("certificates")  # in DIR, where none is named


def add_bench(parser: ArgumentParser) -> None:
    """Adds them."""
    _add_folder(parser)
    _add_evidence(parser)
    add_data(parser)
    add_units(parser)
    _add_work(parser)
    _add_repairs(parser)


def _add_folder(parser: ArgumentParser) -> None:
    """The list of instances, and the folder of results."""
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument(
        "instances",
        nargs="?",
        type=Path,
        metavar="INSTANCES.csv",
        help="VNN-COMP's list: network,property[,seconds], paths relative to the file;\n"
        "of several networks: \"[('f', 'A.onnx'), ('g', 'B.onnx')]\",query,seconds",
    )
    which.add_argument("--benchmark", action="store_true", help="the 186 of VNN-COMP's acasxu benchmark")
    which.add_argument("--all-pairs", action="store_true", help="all 45 networks x 10 properties")
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder for results.csv, manifest.json and counterexamples/",
    )
    parser.add_argument(
        "--resume",
        action="store_true",
        help="go on with what DIR holds, if it is the same run: versions, options, files, list;\n"
        "counterexamples are tried again, and certificates checked again with --check",
    )
    parser.add_argument(
        "--verify-resumed",
        action="store_true",
        help="with --resume: decide again what it left without evidence, instead of taking it over",
    )
    parser.add_argument("--force", action="store_true", help="replace the results that the folders hold already")


def _add_evidence(parser: ArgumentParser) -> None:
    """Certificates, and what is done after the last verdict."""
    parser.add_argument(
        "--certificates",
        type=Path,
        nargs="?",
        const=FOLDER,
        metavar="FOLDER",
        help="write a certificate of each instance that is decided\n(default folder: DIR/certificates)",
    )
    parser.add_argument(
        "--check", action="store_true", help="have each certificate checked independently, beside the search"
    )
    parser.add_argument(
        "--expected",
        type=Path,
        metavar="FILE",
        help="csv network,property,verdict to compare with after the last verdict",
    )
    parser.add_argument("--report", action="store_true", help="write DIR/report.html and report.md at the end")


def _add_work(parser: ArgumentParser) -> None:
    """The search, and how it is divided."""
    add_search(
        parser,
        timeout="seconds of an instance's own share of the work after which to give it up\n"
        "(default: the limit in the list, if any)",
        semantics="\nquestions of VNN-LIB 2.0 about float32 tensors are answered as executed in any case",
    )
    parser.add_argument(
        "--window",
        type=count,
        metavar="N",
        help="instances searched at once, which is also what a killed run loses at most,\n"
        "for each worker (default: 256)",
    )
    parser.add_argument(
        "--jobs",
        type=count,
        metavar="N",
        help="worker processes, which share the processor's cores (default: as many as there are\n"
        "cores and the list and memory make use of; 1 with --threads or CUDA)",
    )
    parser.add_argument("--dask", metavar="ADDRESS", help="send instances to this Dask cluster: tcp://host:8786")


def _add_repairs(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--repair",
        action="store_true",
        help="then repair each network for all listed properties that it violates,\n"
        "keeping those that hold, in DIR/repairs",
    )
    add_meaning(parser)
    add_keep_outputs(parser)
    parser.add_argument(
        "--repair-method", choices=METHODS, default="auto", help="--method of `acasxu repair` (default: auto)"
    )
    parser.add_argument(
        "--repair-timeout", type=seconds, default=600.0, metavar="S", help="seconds for each repair (default: 600)"
    )
    parser.add_argument(
        "--repair-samples",
        type=count,
        default=1_000_000,
        metavar="N",
        help="random points of each region on which repairs are compared (default: 1000000)",
    )
    parser.add_argument(
        "--repair-grid",
        type=count,
        default=30,
        metavar="N",
        help="points along each input of a regular grid, likewise (default: 30)",
    )
