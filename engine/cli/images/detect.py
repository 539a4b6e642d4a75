"""`acasxu images detect`: which images an original and a repaired classifier disagree on, and how well that tells."""

import time
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from engine.cli.images.options import add_device, add_network, add_trigger, classifier_of, demand_free
from engine.cli.output import DONE, answer, show
from engine.errors import InputError

if TYPE_CHECKING:
    from rich.table import Table

    from engine.images.classifier import Classifier
    from engine.images.datasets import Dataset
    from engine.images.detection import Curve, Rates
    from engine.images.guard import Examined, Guard
    from engine.images.imageset import Floats, Integers
    from engine.images.poison import Backdoor

HELP = "flag images on which an original and a repaired classifier disagree"
USAGE = "acasxu images detect ORIGINAL.onnx REPAIRED.onnx IMAGES [options]"
SHARES = (0.005, 0.01, 0.02, 0.05)  # of false alarms, of which the table of the curve speaks


def add(parser: ArgumentParser) -> None:
    """Adds the options."""
    parser.add_argument("original", type=Path, metavar="ORIGINAL.onnx")
    parser.add_argument("repaired", type=Path, metavar="REPAIRED.onnx")
    parser.add_argument(
        "images",
        metavar="IMAGES",
        help="a file or folder of images, with labels or without, or the name of a set: its held-out\n"
        "images. An image gets a class: k + 1 for label k, or N + 1, of N classes, where it is flagged",
    )
    parser.add_argument(
        "--labels", action="store_true", help="the labels in IMAGES are right: count the answers that are"
    )
    parser.add_argument(
        "--threshold",
        type=float,
        metavar="T",
        help="flag where the Jensen-Shannon divergence of both networks' probabilities is above T, 0 to 1\n"
        "(default: where the two classes differ)",
    )
    parser.add_argument(
        "--false-alarms",
        type=float,
        metavar="SHARE",
        help="choose T so that this share of the training images of --data is above it, as in 0.01; new images\n"
        "are above it somewhat more often: networks agree on what they learned from",
    )
    parser.add_argument("--out", type=Path, metavar="FILE.csv", help="write a line for each image")
    parser.add_argument("--json", type=Path, metavar="FILE.json", help="write the figures, for `images report`")
    parser.add_argument("--force", action="store_true", help="replace these files where they exist")
    parser.add_argument(
        "--data", metavar="NAME_OR_PATH", help="clean images: false alarms are counted on the held-out ones"
    )
    parser.add_argument(
        "--poisoned",
        type=Path,
        metavar="FILE",
        help="images with the trigger: detection is counted on them\n"
        "(or give --trigger, which is put into the held-out images)",
    )
    add_trigger(parser)
    parser.add_argument(
        "--white", type=float, metavar="V", help="the value of a white pixel, where a file's format does not say it"
    )
    add_network(parser)
    add_device(parser)


def run(arguments: Namespace) -> int:
    """Examines the images, and measures the guard where images are known to be clean or not."""
    _demand_sense(arguments)
    from engine.cli.images.detect_files import guard_record, write_csv, write_record
    from engine.files import prepare

    networks = [classifier_of(arguments, path) for path in (arguments.original, arguments.repaired)]
    images, labels = _images(arguments)
    data = _data(arguments)
    guard = _guard(arguments, networks, data)
    backdoor = _backdoor(arguments, guard)
    targets = [path and prepare(path, option=option) for option, path in _files(arguments)]
    start = time.perf_counter()
    found = guard.examine(images)
    clean, triggered = _known(arguments, guard, data, backdoor)
    seconds = time.perf_counter() - start
    rates, curve = _measured(clean, triggered, backdoor)
    if targets[0]:
        write_csv(targets[0], found, labels if arguments.labels else None)
    if targets[1]:
        name = data.name if data else None
        record = guard_record(guard, networks, arguments.images, found, data=name, seconds=seconds)
        write_record(targets[1], record, rates, curve, backdoor)
    show(_classes(guard, found), *([_table(curve)] if curve else []))
    answer("\n".join(_lines(arguments, found, labels, rates)))
    return DONE


def _demand_sense(arguments: Namespace) -> None:
    """InputError where options do not go together, or a file exists that is to be written."""
    for option, path in _files(arguments):
        if path:
            demand_free(path, arguments=arguments, option=option)
    if arguments.false_alarms is not None and (arguments.threshold is not None or arguments.data is None):
        raise InputError("--false-alarms chooses a threshold by --data", advice="give --data, and no --threshold")
    if arguments.poisoned and arguments.trigger:
        raise InputError("--poisoned and --trigger are two ways to say the same", advice="give one of them")
    if arguments.trigger and (arguments.data is None or arguments.target is None):
        raise InputError("--trigger needs --data and --target", advice="give the images to put it in, and the class")


def _files(arguments: Namespace) -> tuple[tuple[str, Path | None], tuple[str, Path | None]]:
    """The options that name a file to write, and what they name."""
    return ("--out", arguments.out), ("--json", arguments.json)


def _guard(arguments: Namespace, networks: "list[Classifier]", data: "Dataset | None") -> "Guard":
    """The guard with the threshold that the options say, or choose by training images."""
    from engine.images.detection import threshold_for
    from engine.images.guard import Guard

    original, repaired = networks
    threshold: float | None = arguments.threshold
    if arguments.false_alarms is not None and data:
        free = Guard(original, repaired, device=arguments.device)
        threshold = threshold_for(free.scores(data.train.images), arguments.false_alarms)
        answer(f"Threshold: {threshold:.6f}, of {len(data.train):,} training images.")
    return Guard(original, repaired, threshold=threshold, device=arguments.device)


def _images(arguments: Namespace) -> "tuple[Floats, Integers | None]":
    """The images that are asked about, and their labels where they have some."""
    from engine.images.datasets import NAMES, load_dataset
    from engine.images.unlabelled import read_unlabelled

    if arguments.images in NAMES:
        held_out = load_dataset(arguments.images).held_out
        return held_out.images, held_out.labels
    images, labels = read_unlabelled(Path(arguments.images), white=arguments.white)
    if arguments.labels and labels is None:
        raise InputError("these images have no labels", where=arguments.images, advice="leave --labels out")
    return images, labels


def _data(arguments: Namespace) -> "Dataset | None":
    from engine.images.datasets import load_dataset

    return load_dataset(arguments.data, white=arguments.white) if arguments.data else None


def _backdoor(arguments: Namespace, guard: "Guard") -> "Backdoor | None":
    from engine.images.poison import Backdoor
    from engine.images.trigger import read_trigger

    if not arguments.trigger:
        return None
    backdoor = Backdoor(read_trigger(arguments.trigger, guard.shape), arguments.target)
    backdoor.demand_class(guard.classes)
    return backdoor


def _known(
    arguments: Namespace, guard: "Guard", data: "Dataset | None", backdoor: "Backdoor | None"
) -> "tuple[Examined | None, Examined | None]":
    """What the guard says of images known to be clean, and of images known to have a trigger."""
    from engine.images.poison import triggered
    from engine.images.unlabelled import read_unlabelled

    clean = guard.examine(data.held_out.images) if data else None
    if arguments.poisoned:
        return clean, guard.examine(read_unlabelled(arguments.poisoned, white=arguments.white)[0])
    if data and backdoor:
        return clean, guard.examine(triggered(data.held_out, backdoor).images)
    return clean, None


def _measured(
    clean: "Examined | None", triggered: "Examined | None", backdoor: "Backdoor | None"
) -> "tuple[Rates, Curve | None]":
    from engine.images.detection import curve_of, rates_of

    rates = rates_of(clean, triggered, target=backdoor.target if backdoor else None)
    if clean is None or triggered is None:
        return rates, None
    return rates, curve_of(clean.score, triggered.score)


# In words


def _classes(guard: "Guard", found: "Examined") -> "Table":
    """How many images get each class."""
    from rich import box
    from rich.table import Table

    table = Table("class", "meaning", box=box.SIMPLE)
    table.add_column("images", justify="right")
    for number in range(1, guard.classes + 2):
        meaning = f"label {number - 1}" if number <= guard.classes else "flagged"
        table.add_row(f"{number}", meaning, f"{int((found.classes == number).sum()):,}")
    return table


def _table(curve: "Curve") -> "Table":
    """What thresholds would give, on the same images."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE)
    for head in ("false alarms at most", "--threshold", "detection"):
        table.add_column(head, justify="right")
    for share in SHARES:
        threshold, detection = curve.at(share)
        table.add_row(f"{share:.1%}", f"{threshold:.6f}", f"{detection:.2%}")
    return table


def _lines(arguments: Namespace, found: "Examined", labels: "Integers | None", rates: "Rates") -> list[str]:
    count, flagged = len(found.score), int(found.flagged.sum())
    lines = [f"{flagged:,} of {count:,} images flagged."]
    passed = ~found.flagged
    if arguments.labels and labels is not None and passed.any():
        right = int((found.repaired == labels)[passed].sum())
        lines.append(f"Of the {int(passed.sum()):,} that passed, {right:,} got the right class.")
    if rates.false_alarms is not None:
        lines.append(f"False alarms: {rates.false_alarms:.2%} of {rates.clean:,} clean held-out images.")
    if rates.detection is not None:
        missed = f"; {rates.missed:.2%} passed as the target" if rates.missed is not None else ""
        lines.append(f"Detection: {rates.detection:.2%} of {rates.triggered:,} images with the trigger{missed}.")
    return lines
