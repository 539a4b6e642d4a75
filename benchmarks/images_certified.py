"""Backdoors removed with a proof: repaired until every content of a patch is bounded, certified, and checked.

    python benchmarks/images_certified.py [--rows fashion-3x3 ...] [--seeds 0] [--models DIR] [--exact 100]

Every network is trained here first, as benchmarks/images.py does, and kept in --models. Then `acasxu images repair
--certify` runs on it, and the checker on its certificate: all of it in float64, and so many of its leaves in exact
arithmetic. Limits are seconds of the processor, so that others on the machine do not count. A line that stands in the
result file already is not measured again. Needs the images (`acasxu fetch --images`, or ACASXU_IMAGES) and the extra
`[images]`.
"""

import argparse
import json
import sys
import tempfile
import time
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from unittest.mock import patch

from images import ROWS, TARGET, backdoor_of, trained
from images_positions import said
from machine import command, machine
from methods import append, read

from engine.audit.images.check import check_images
from engine.bench.machine import commit
from engine.images.certify.family import read_contents, read_patch
from engine.images.certify.service import Output
from engine.images.classifier import Classifier
from engine.images.datasets import Dataset, load_dataset
from engine.images.repair.goal import Goal
from engine.images.repair.service import repair_classifier
from engine.images.repair.task import RepairOptions

FILE = Path(__file__).parent / "results" / "images-certified.csv"
MOST = Fraction(3, 100)
COLUMNS = (
    "row", "seed", "patch", "accuracy_before", "accuracy_after", "points_lost", "success_before", "success_after",
    "counted", "proved", "refuted", "open", "wrong", "bound", "repair_seconds", "proof_seconds", "certificate_bytes",
    "check_seconds", "checked", "exact_leaves", "exact_seconds", "exact", "what", "commit",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Kind:
    """A row of benchmarks/images.py that is repaired by a method until every content of a patch is bounded.

    judged, held_out: images of a round's proof, and of the last one: few where each takes long, or is asked about at
    many positions; rounds: at most.
    """

    row: str
    patch: str
    method: str = "unlearn"
    judged: int = 200
    rounds: int = 4
    held_out: int = 1112  # of ten classes, so that about 1,000 are of other classes than the target


CERTIFIED = {
    "fashion-3x3": Kind("badnets-fashion", "3x3@24,24"),
    "fashion-5x5": Kind("badnets-fashion", "5x5@22,22"),
    "fashion-7x7": Kind("badnets-fashion", "7x7@20,20"),
    "mnist-3x3": Kind("badnets-mnist", "3x3@24,24"),
    "mnist-5x5": Kind("badnets-mnist", "5x5@22,22"),
    "mnist-7x7": Kind("badnets-mnist", "7x7@20,20"),
    "mnist-3x3-vere": Kind("badnets-mnist", "3x3@24,24", "vere"),
    "mnist-5x5-vere": Kind("badnets-mnist", "5x5@22,22", "vere"),
    "mnist-3x3-prorepair": Kind("badnets-mnist", "3x3@24,24", "prorepair"),
    "lq-3x3-all": Kind("nnrepair-lq", "3x3@all", judged=10, rounds=2, held_out=111),
}
STEPS = 800  # of training, by "unlearn"


@dataclass(frozen=True, slots=True)
class Checks:
    """What the checker said of a certificate: of all of it, and of some leaves in exact arithmetic."""

    size: int
    cells: dict[str, object]


def measured(name: str, *, seed: int, models: Path, exact: int) -> dict[str, object]:
    """One line of the result file."""
    kind = CERTIFIED[name]
    row = ROWS[kind.row]
    dataset = load_dataset(row.data)
    classifier = trained(row, dataset, seed=seed, folder=models)
    goal = Goal(
        patch=read_patch(kind.patch, classifier.shape),
        contents=read_contents("any", classifier.scaling),
        target=TARGET,
        most=MOST,
        images=kind.judged,
        rounds=kind.rounds,
        held_out=kind.held_out,
    )
    with tempfile.TemporaryDirectory() as folder:
        output = Output(folder=Path(folder), certificates=True)
        by_method = {"unlearn": {"steps": STEPS}} if kind.method == "unlearn" else {}
        options = RepairOptions(method=kind.method, seed=seed, by_method=by_method)
        with patch("time.monotonic", time.process_time):  # the clock of all limits
            found = repair_classifier(
                classifier,
                dataset,
                backdoor=backdoor_of(row, dataset),
                options=options,
                goal=goal,
                proofs=output,
                report=said,
            )
        (models / f"{name}-certified-{seed}.onnx").write_bytes(found.classifier.data)
        checks = checked(found.classifier, dataset, Path(folder), exact=exact)
    record, proved = found.record, found.record.proved
    assert proved is not None
    cells = {
        "row": name,
        "seed": seed,
        "patch": kind.patch,
        "accuracy_before": record.before.accuracy,
        "accuracy_after": record.after.accuracy,
        "points_lost": record.drawdown,
        "success_before": record.before.attack_success,
        "success_after": record.after.attack_success,
        "counted": proved.images,
        "proved": proved.proved,
        "refuted": proved.refuted,
        "open": proved.open,
        "wrong": proved.wrong,
        "bound": float(Fraction(proved.bound)),
        "repair_seconds": record.seconds - proved.seconds,
        "proof_seconds": proved.seconds,
        "certificate_bytes": checks.size,
        **checks.cells,
        "what": record.note,
        "commit": (commit() or "unknown")[:7],
    }
    return {key: round(value, 5) if isinstance(value, float) else value for key, value in cells.items()}


def checked(classifier: Classifier, dataset: Dataset, folder: Path, *, exact: int) -> Checks:
    certificate, network = folder / "images.proof.zip", folder / "n.onnx"
    network.write_bytes(classifier.data)
    origin = dataset.held_out.origin
    assert origin is not None
    labels = None if origin.labels == origin.images else origin.labels
    start = time.perf_counter()
    whole = check_images(certificate, network, origin.images, labels)
    middle = time.perf_counter()
    some = check_images(certificate, network, origin.images, labels, arithmetic="exact", sample=exact)
    cells: dict[str, object] = {
        "check_seconds": middle - start,
        "checked": "accepted" if whole.accepted else whole.reason,
        "exact_leaves": some.leaves,
        "exact_seconds": time.perf_counter() - middle,
        "exact": "accepted" if some.accepted else some.reason,
    }
    return Checks(certificate.stat().st_size, cells)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", nargs="+", choices=CERTIFIED, default=list(CERTIFIED))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--exact", type=int, default=100, help="leaves in exact arithmetic")
    parser.add_argument("--models", type=Path, default=Path("build/benchmarks/images"))
    arguments = parser.parse_args()
    done = {(line["row"], line["seed"]) for line in read(FILE) or []}
    for name in arguments.rows:
        for seed in arguments.seeds:
            if (name, str(seed)) not in done:
                row = measured(name, seed=seed, models=arguments.models, exact=arguments.exact)
                append(FILE, COLUMNS, row)
                print(", ".join(f"{key} {value}" for key, value in row.items()), flush=True)
    FILE.with_suffix(".json").write_text(
        json.dumps({"command": command(), **machine(calibrated=False)}, indent=2) + "\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
