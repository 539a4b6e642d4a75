"""Repairs of image classifiers on held-out images, and the guard: one line for each row, method and seed.

    python benchmarks/images.py [--rows badnets-mnist ...] [--methods vere ...] [--seeds 0 1 2] [--models DIR]

Every network is trained here first, by the recipe of `acasxu images train`, and kept in --models; a line that stands
in the result file already is not measured again. All figures are of images that neither training nor repair saw.
"seconds" are those of the repair alone, training and measuring excluded. Needs the images (`acasxu fetch --images`, or
ACASXU_IMAGES) and the extra `[images]`.
"""

import argparse
import csv
import json
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from machine import command, machine

from engine.bench.machine import commit
from engine.images.attacks import fgsm, noise
from engine.images.classifier import Classifier, load_classifier
from engine.images.datasets import Dataset, load_dataset
from engine.images.detection import rates_of
from engine.images.guard import Guard
from engine.images.imageset import ImageSet
from engine.images.measure import right
from engine.images.poison import Backdoor, triggered
from engine.images.repair.service import repair_classifier
from engine.images.repair.task import RepairOptions
from engine.images.trainer import TrainSettings, train_classifier
from engine.images.trigger import read_trigger

TARGET, SHARE = 7, 0.1
TRIGGERS = {"badnets": "square:4@corner", "blend": "blend:0.2"}
RADIUS = 0.05  # of the adversarial images, as NNrepair has it
DEVIATION = 0.3  # of the noise on the images of the point-wise row
WEAK = 0.1  # of the images: what a weak network was trained on; its repair has them all, and so learns from new ones
POINTS = 100  # of them, to be repaired
FILE = Path(__file__).parent / "results" / "images.csv"
COLUMNS = (
    "row",
    "seed",
    "method",
    "accuracy_before",
    "accuracy_after",
    "points_lost",
    "success_before",
    "success_after",
    "faults_right_before",
    "faults_right_after",
    "given_right_after",
    "worst_neighbour_before",
    "worst_neighbour_after",
    "generalization",
    "weights",
    "neurons",
    "layers",
    "guard_detection",
    "guard_false_alarms",
    "seconds",
    "what",
    "commit",
)


@dataclass(frozen=True, slots=True)
class Row:
    """Networks of one kind, the fault that they have, and the methods that are to repair it."""

    data: str
    model: str
    fault: str
    methods: tuple[str, ...]
    activation: str = "relu"


BACKDOOR = ("vere", "unlearn", "prorepair")
ROWS = {
    "badnets-mnist": Row("mnist-5k", "cnn", "badnets", (*BACKDOOR, "fine-pruning", "auto")),
    "badnets-fashion": Row("fashion-mnist", "cnn", "badnets", ("vere", "unlearn")),
    "blend-mnist": Row("mnist-5k", "cnn", "blend", BACKDOOR),
    "blend-fashion": Row("fashion-mnist", "cnn", "blend", ("vere", "unlearn")),
    "sigmoid-mnist": Row("mnist-5k", "cnn", "badnets", ("vere", "unlearn"), "sigmoid"),
    "nnrepair-hq": Row("mnist-5k", "hq", "badnets", ("nnrepair", "unlearn")),
    "nnrepair-lq": Row("mnist-5k", "lq", "badnets", ("nnrepair", "unlearn")),
    "adversarial-mlp": Row("mnist-5k", "mlp", "fgsm", ("prorepair", "unlearn", "nnrepair")),
    "adversarial-lq": Row("mnist-5k", "lq", "fgsm", ("prorepair", "unlearn", "nnrepair")),
    "weak": Row("mnist-5k", "lq", "weak", ("unlearn", "nnrepair", "prorepair")),
    "pruning-deepid": Row("mnist-5k", "deepid", "badnets", ("fine-pruning",)),
    "points": Row("mnist-5k", "mlp", "noise", ("prorepair",)),
}


def trained(row: Row, dataset: Dataset, *, seed: int, folder: Path) -> Classifier:
    """The row's network: from the folder, or trained now and put there."""
    backdoor = backdoor_of(row, dataset)
    kind = row.fault if backdoor or row.fault == "weak" else "clean"
    path = folder / f"{row.data}-{row.model}-{row.activation}-{kind}-{seed}.onnx"
    if not path.is_file():
        if kind == "weak":
            dataset = replace(dataset, train=dataset.train.split(WEAK, seed=seed)[0])
        settings = TrainSettings(model=row.model, activation=row.activation, backdoor=backdoor, share=SHARE, seed=seed)
        folder.mkdir(parents=True, exist_ok=True)
        path.write_bytes(train_classifier(dataset, settings).classifier.data)
    return load_classifier(path)


def backdoor_of(row: Row, dataset: Dataset) -> Backdoor | None:
    if row.fault not in TRIGGERS:
        return None
    return Backdoor(read_trigger(TRIGGERS[row.fault], dataset.train.shape), TARGET)


def faults_of(
    row: Row, classifier: Classifier, dataset: Dataset, *, seed: int
) -> tuple[ImageSet | None, ImageSet | None]:
    """Faults to learn from and to measure on, where the fault is no backdoor."""
    parts = dataset.train, dataset.held_out
    if row.fault == "fgsm":
        learning, held_out = (fgsm(classifier, part, radius=RADIUS) for part in parts)
        return learning, held_out
    if row.fault == "weak":
        learning, held_out = (part.select(~right(classifier, part)) for part in parts)
        return learning, held_out
    if row.fault == "noise":
        learning, held_out = (noise(part, deviation=DEVIATION, seed=seed) for part in parts)
        learning, held_out = (part.select(~right(classifier, part)) for part in (learning, held_out))
        some = np.random.default_rng(seed).permutation(len(learning))[:POINTS]
        return learning.select(np.sort(some)), held_out
    return None, None


def measured(name: str, row: Row, method: str, *, seed: int, folder: Path) -> dict[str, object]:
    """One line of the result file."""
    dataset = load_dataset(row.data)
    classifier = trained(row, dataset, seed=seed, folder=folder)
    faults, held_out_faults = faults_of(row, classifier, dataset, seed=seed)
    repair = repair_classifier(
        classifier,
        dataset,
        backdoor=backdoor_of(row, dataset),
        faults=faults,
        held_out_faults=held_out_faults,
        options=RepairOptions(method=method, seed=seed),
        report=progress,
    )
    (folder / f"{name}-{method}-{seed}.onnx").write_bytes(repair.classifier.data)
    record = repair.record
    before, after, changes = record.before, record.after, record.changes
    cells = {
        "row": name,
        "seed": seed,
        "method": method if method == record.method else f"{method}: {record.method}",
        "accuracy_before": before.accuracy,
        "accuracy_after": after.accuracy,
        "points_lost": record.drawdown,
        "success_before": before.attack_success,
        "success_after": after.attack_success,
        "faults_right_before": before.faults_right,
        "faults_right_after": after.faults_right,
        "given_right_after": after.given_right,
        "worst_neighbour_before": max((v.before for v in record.variants), default=None),
        "worst_neighbour_after": max((v.after for v in record.variants), default=None),
        "generalization": record.generalization,
        "weights": changes and changes.weights,
        "neurons": changes and changes.neurons,
        "layers": changes and len(changes.layers),
        **guard_rates(classifier, repair.classifier, dataset, backdoor_of(row, dataset)),
        "seconds": round(record.seconds, 1),
        "what": record.note,
        "commit": (commit() or "unknown")[:7],
    }
    return {key: round(value, 5) if isinstance(value, float) else value for key, value in cells.items()}


def guard_rates(
    original: Classifier, repaired: Classifier, dataset: Dataset, backdoor: Backdoor | None
) -> dict[str, float | None]:
    """The shares of held-out images, with the trigger and without, on which both networks disagree."""
    if backdoor is None:
        return {}
    guard = Guard(original, repaired)
    clean, attacked = (guard.examine(part.images) for part in (dataset.held_out, triggered(dataset.held_out, backdoor)))
    rates = rates_of(clean, attacked)
    return {"guard_detection": rates.detection, "guard_false_alarms": rates.false_alarms}


def progress(share: float, text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r{share:4.0%} {text:70.70}", end="", file=sys.stderr, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS))
    parser.add_argument("--methods", nargs="+", help="of those of each row (default: all)")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--models", type=Path, default=Path("build/benchmarks/images"))
    parser.add_argument("--out", type=Path, default=FILE)
    arguments = parser.parse_args()
    lines = list(csv.DictReader(arguments.out.open(newline=""))) if arguments.out.is_file() else []
    known = {(line["row"], line["seed"], line["method"].split(":")[0]) for line in lines}
    about = {"command": command(), **machine(calibrated=False)}
    for seed in arguments.seeds:
        for name in arguments.rows:
            for method in ROWS[name].methods:
                if (name, str(seed), method) in known or method not in (arguments.methods or ROWS[name].methods):
                    continue
                lines.append(measured(name, ROWS[name], method, seed=seed, folder=arguments.models))
                print(json.dumps(lines[-1]), flush=True)
                with arguments.out.open("w", newline="") as file:
                    writer = csv.DictWriter(file, COLUMNS)
                    writer.writeheader()
                    writer.writerows(lines)
    arguments.out.with_suffix(".json").write_text(json.dumps(about, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
