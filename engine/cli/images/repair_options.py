"""The options of `acasxu images repair`. Nothing heavy is imported here."""

from argparse import ArgumentParser, BooleanOptionalAction, Namespace
from pathlib import Path

from engine.cli.images.options import add_device, add_images, add_network, add_trigger
from engine.cli.options import count, seconds
from engine.errors import InputError

METHODS = ("auto", "unlearn", "fine-pruning", "vere", "prorepair", "nnrepair")
#: Options by the methods that have them: (name on the command line, key).
OWN: dict[str, tuple[str, ...]] = {
    "unlearn": ("exact", "steps"),
    "fine-pruning": ("exact", "threshold", "steps"),
    "vere": ("interval", "n", "n_clean", "layer_round", "localize", "edit"),
    "prorepair": ("radius", "wider"),
    "nnrepair": ("exact", "layer", "combine", "f1_filter"),
}


def add_repair(parser: ArgumentParser) -> None:
    """Adds them."""
    parser.add_argument("network", type=Path, metavar="NETWORK.onnx", help="the classifier")
    add_images(parser)
    add_network(parser)
    _add_cause(parser)
    parser.add_argument(
        "--method",
        choices=METHODS,
        default="auto",
        help="auto (default): all that apply, compared on validation images\n"
        "unlearn: train on with the trigger and right labels (Neural Cleanse)\n"
        "fine-pruning: prune channels that clean images leave dormant, then tune\n"
        "vere: tune the neurons whose change can end the fault, by linear bounds\n"
        "prorepair: a proxy box that the head certifies, then the features moved into it\n"
        "nnrepair: few weights by solvers, an expert for each class",
    )
    _add_own(parser)
    _add_goal(parser)
    parser.add_argument("--timeout", type=seconds, metavar="SECONDS", help="give up after so long")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="the same seed gives the same network")
    add_device(parser)
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="REPAIRED.onnx",
        help="the repaired network; REPAIRED.json beside it says what it gained and lost",
    )
    parser.add_argument("--force", action="store_true", help="replace what is there")


def _add_goal(parser: ArgumentParser) -> None:
    """What is to be proved of the result."""
    goal = parser.add_argument_group("proof (nothing is written that is not proved, where one is asked for)")
    goal.add_argument(
        "--certify",
        metavar="PATCH",
        help="prove that whatever stands in this patch hardly ever works: HEIGHTxWIDTH@ROW,COLUMN,\n"
        "HEIGHTxWIDTH@corner, HEIGHTxWIDTH@all, or all for the whole image (see `acasxu images certify`)",
    )
    goal.add_argument("--contents", metavar="any|box:EPS", help="what may stand in it (default: any)")
    goal.add_argument(
        "--at-most",
        type=float,
        metavar="PERCENT",
        help="the share of images on which some content may work (default: 3)",
    )
    goal.add_argument("--certify-images", type=count, metavar="N", help="prove it of N held-out images (default: 1000)")
    goal.add_argument(
        "--certify-timeout", type=seconds, metavar="S", help="seconds for each image and position (default: 5)"
    )
    goal.add_argument(
        "--certificates", type=Path, metavar="DIR", help="keep the proofs there, which `acasxu check` checks"
    )


def _add_cause(parser: ArgumentParser) -> None:
    """What it is to be repaired for."""
    add_trigger(parser)
    parser.add_argument(
        "--scan",
        action="store_true",
        help="search for a trigger first (acasxu images scan), remove its backdoor, and keep it as\n"
        "REPAIRED.trigger.npz",
    )
    parser.add_argument(
        "--poisoned", type=Path, metavar="FILE", help="images that show the trigger, with their right labels"
    )
    parser.add_argument(
        "--failing", type=Path, metavar="FILE", help="images on which it fails, for whatever cause, with right labels"
    )


def _add_own(parser: ArgumentParser) -> None:
    """Options of single methods."""
    own = parser.add_argument_group("options of one method (default: its own)")
    own.add_argument(
        "--exact",
        action="store_true",
        default=None,
        help="unlearn, fine-pruning, nnrepair: as published, without additions",
    )
    own.add_argument("--steps", type=count, metavar="N", help="unlearn, fine-pruning: of training (default: 400)")
    own.add_argument(
        "--threshold",
        type=float,
        metavar="POINTS",
        help="fine-pruning: prune until so many points of accuracy are lost",
    )
    own.add_argument("--interval", type=float, metavar="LENGTH", help="vere: of the sub-intervals of a neuron's range")
    own.add_argument("--N", type=count, dest="n", metavar="N", help="vere: fault images to localize with")
    own.add_argument("--N-clean", type=count, dest="n_clean", metavar="N", help="vere: clean images to localize with")
    own.add_argument("--layer-round", type=count, metavar="N", help="vere: neurons tuned in a round")
    own.add_argument("--localize", choices=("vere", "nnrepair", "none"), help="vere: which neurons come first")
    own.add_argument("--edit", choices=("optimize", "finetune", "published"), help="vere: how they are changed")
    own.add_argument("--radius", type=float, metavar="R", help="prorepair: of the region around each input")
    own.add_argument(
        "--every-fault",
        action="store_true",
        default=None,
        dest="wider",
        help="prorepair: repair those put aside for validation, too, so all that are given",
    )
    own.add_argument("--layer", choices=("last", "intermediate"), help="nnrepair: which layer is changed")
    own.add_argument(
        "--combine", choices=("naive", "confidence", "votes", "merged"), help="nnrepair: of the experts' answers"
    )
    own.add_argument("--f1-filter", action=BooleanOptionalAction, help="nnrepair: leave out experts that do not help")


def own_options(arguments: Namespace) -> dict[str, dict[str, object]]:
    """The options of single methods that were given, by method; InputError for those of a method that does not run."""
    given = {
        key: getattr(arguments, key) for keys in OWN.values() for key in keys if getattr(arguments, key) is not None
    }
    runs = [method for method in OWN if arguments.method in ("auto", method)]
    for key in given:
        if not any(key in OWN[method] for method in runs):
            owners = " or ".join(method for method, keys in OWN.items() if key in keys)
            raise InputError(
                f"it is an option of {owners}, not of {arguments.method}",
                where=_flag(key),
                advice="leave it out, or choose that method",
            )
    found = {method: {key: given[key] for key in OWN[method] if key in given} for method in runs}
    return {method: options for method, options in found.items() if options}


def _flag(key: str) -> str:
    return {"n": "--N", "n_clean": "--N-clean", "wider": "--every-fault"}.get(key, f"--{key.replace('_', '-')}")
