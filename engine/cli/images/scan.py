"""`acasxu images scan`."""

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from engine.cli.images.options import (
    add_device,
    add_images,
    add_network,
    add_trigger,
    classifier_of,
    dataset_of,
    demand_free,
    warn_of_chance,
)
from engine.cli.live import live_line
from engine.cli.output import answer, show
from engine.errors import InputError

if TYPE_CHECKING:
    from engine.images.classifier import Classifier
    from engine.images.imageset import Floats
    from engine.images.poison import Backdoor
    from engine.images.scan.options import CleanseOptions
    from engine.images.scan.record import ScanRecord

HELP = "say whether a classifier has a backdoor, and what its trigger looks like"
USAGE = "acasxu images scan NETWORK.onnx --data NAME_OR_PATH [options]"
NONE_FOUND, FLAGGED = 0, 1  # exit codes
SHOWN = 8  # neurons that a line names at most


def add(parser: ArgumentParser) -> None:
    """Adds the options."""
    parser.add_argument("network", type=Path, metavar="NETWORK.onnx", help="the classifier")
    add_images(parser)
    add_network(parser)
    add_trigger(parser)
    parser.add_argument(
        "--suspicious",
        type=Path,
        metavar="FILE",
        help="images that may carry a trigger, for the look at dormant neurons",
    )
    parser.add_argument("--starts", type=int, metavar="N", help="searches from other random masks (default: 2)")
    parser.add_argument("--steps", type=int, metavar="N", help="steps of a search, at most (default: 300)")
    parser.add_argument("--images", type=int, metavar="N", help="images drawn for each step (default: 16)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of all that is random (default: 0)")
    add_device(parser)
    parser.add_argument(
        "--out", type=Path, metavar="FOLDER", help="writes scan.json and a trigger for each class (.npz and .png) there"
    )
    parser.add_argument("--force", action="store_true", help="writes into a folder that exists")
    parser.epilog = "Exit codes: 0 no class is flagged, 1 a class is flagged, 2 bad input, 130 interrupted."


def run(arguments: Namespace) -> int:
    """Scans; shows the norms and indices of all classes, and says by the exit code whether one is flagged."""
    if arguments.out:
        demand_free(arguments.out, arguments=arguments)
        if arguments.out.exists() and not arguments.out.is_dir():
            raise InputError("this is no folder", where=f"--out {arguments.out}", advice="name a folder")
    if (arguments.trigger is None) != (arguments.target is None):
        raise InputError("--trigger and --target go together", advice="give both or none")
    options = _options(arguments)
    from engine.images.device import chosen_device
    from engine.images.scan.record import write_scan
    from engine.images.scan.service import scan_classifier

    device = chosen_device(arguments.device)
    classifier, images = classifier_of(arguments, arguments.network), dataset_of(arguments).train
    warn_of_chance(classifier, images)
    true, suspicious = _true(arguments, classifier), _suspicious(arguments, classifier)
    with live_line("scanning") as live:
        record = scan_classifier(
            classifier,
            images,
            options,
            lambda share, text: live(f"{text}: {share:.0%}") if live else None,
            true=true,
            suspicious=suspicious,
            device=device,
        )
    _say(record)
    if arguments.out:
        write_scan(record, arguments.out)
        answer(f"written: {arguments.out / 'scan.json'} and a trigger for each class")
    return FLAGGED if record.flagged else NONE_FOUND


def _options(arguments: Namespace) -> "CleanseOptions":
    from engine.images.scan.options import CleanseOptions

    given = {name: getattr(arguments, name) for name in ("starts", "steps", "images", "seed")}
    return CleanseOptions(**{name: value for name, value in given.items() if value is not None})


def _true(arguments: Namespace, classifier: "Classifier") -> "Backdoor | None":
    if arguments.trigger is None:
        return None
    from engine.images.poison import Backdoor
    from engine.images.trigger import read_trigger

    backdoor = Backdoor(read_trigger(arguments.trigger, classifier.shape), arguments.target)
    backdoor.demand_class(classifier.classes)
    return backdoor


def _suspicious(arguments: Namespace, classifier: "Classifier") -> "Floats | None":
    if arguments.suspicious is None:
        return None
    from engine.images.readers import read_images

    found = read_images(arguments.suspicious, classes=classifier.classes, white=arguments.white)
    classifier.demand_fit(found)
    return found.images


def _say(record: "ScanRecord") -> None:
    import numpy as np
    from rich.table import Table

    found = record.cleansed
    least = found.l1.min(0)
    table = Table("class", "mask L1", "of median", "spread", "success", "anomaly", "published", "", box=None)
    for column in table.columns[:-1]:
        column.justify = "right"
    for label, norm in enumerate(least):
        table.add_row(
            str(label),
            f"{norm:.1f}" if np.isfinite(norm) else "none found",
            f"{norm / np.median(least):.2f}" if np.isfinite(least).all() else "-",
            f"{found.spread[label]:.0%}" if np.isfinite(found.spread[label]) else "-",
            f"{found.success[label]:.1%}",
            f"{found.anomaly[label]:.1f}",
            f"{found.published[label]:.1f}",
            "flagged" if label in found.flagged else "",
        )
    show(table)
    answer(_first_look_words(record))
    if record.overlap is not None:
        o = record.overlap
        answer(
            f"found trigger of class {o.target}: overlap with the true one {o.iou:.2f} (intersection over union), "
            f"{o.covered:.0%} of the true mask covered; success {o.success:.1%}, of the true one {o.true_success:.1%}"
        )
    answer(_verdict(record))


def _first_look_words(record: "ScanRecord") -> str:
    look = record.first_look
    most = max(range(len(look.universal)), key=lambda label: look.universal[label])
    lines = [f"first look: one shared step turns {look.universal[most]:.0%} of other images into class {most}"]
    if look.layer is not None:
        lines.append(f"first look: {len(look.dormant)} of {len(look.activations)} neurons of {look.layer} are dormant")
    if look.woken:
        names = ", ".join(map(str, look.woken[:SHOWN])) + (", ..." if len(look.woken) > SHOWN else "")
        lines.append(f"first look: suspicious images raise {len(look.woken)} of them most: {names}")
    return "\n".join(lines)


def _verdict(record: "ScanRecord") -> str:
    found, seconds = record.cleansed, f"{record.seconds:.0f} s"
    published = ", ".join(map(str, found.published_flagged)) or "none"
    if found.flagged:
        classes = ", ".join(map(str, found.flagged))
        text = f"A backdoor is likely: class {classes} has a trigger far smaller than the others'."
        if not any(found.anomaly[label] > 2 for label in found.flagged):
            text = f"A backdoor is likely: one shared step of all images leads to class {classes}, and to no other."
    else:
        text = "No backdoor was found: no class has a trigger far smaller than the others'."
    return f"{text} The published index flags: {published}. ({seconds}; a heuristic, no proof)"
