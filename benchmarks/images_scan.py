"""How often a scan finds a backdoor, and how often it sees one where there is none.

    python benchmarks/images_scan.py [--data digits] [--seeds 10-29] [--networks cnn-relu,mlp-relu] [--models FOLDER]

For each architecture and seed it trains a clean and a poisoned model, and scans both: of even seeds the poison is a
BadNets square at a random place, of odd ones a Blend picture; the target is the seed's last digit. One row a model is
added to benchmarks/results/images-scan.csv at once, and rows that are there are not computed again. At the end, the
rates go to images-scan.json. Images to train and scan by are the set's training part; accuracy and attack success are
of its held-out part. A backdoor that did not reach 90% of success is in the rows, but no poisoned model of the rates.
Constants of the scan (engine/images/scan/: anomaly.py, universal.py, options.py) were chosen on seeds 100 and 101,
and on MNIST CNNs with a recipe of their own; seeds 0 to 2 were seen meanwhile, so that rates begin at seed 10.
"""

import argparse
import csv
import json
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from methods import append

from engine.images.architectures import new_model
from engine.images.classifier import Classifier, classifier_of, load_classifier
from engine.images.cleanse import CleanseOptions, cleanse
from engine.images.datasets import Dataset, load_dataset
from engine.images.imageset import Scaling
from engine.images.measure import accuracy, attack_success
from engine.images.poison import Backdoor, poisoned
from engine.images.training import TrainingOptions, fit
from engine.images.trigger import blend, square

RESULTS = Path(__file__).parent / "results"
LEARNED = 0.9  # attack success from which a model counts as poisoned
SHARE = 0.1  # of the training images that are poisoned
FIELDS = (
    "data network seed kind target accuracy attack_success least_class least_share_of_median spread anomaly published"
    " universal flagged published_flagged found_success cpu_seconds norms"
).split()


@dataclass(frozen=True)
class Recipe:
    """How models of one network are trained on digits, and how strong a Blend picture it can learn."""

    epochs: int
    rate: float
    strength: float = 0.2


RECIPES = {
    "cnn-relu": Recipe(30, 5e-3),
    "mlp-relu": Recipe(40, 3e-3),
    "lq-relu": Recipe(60, 1e-2, 0.4),  # its two channels learn no weaker one in images of 8 x 8
    "hq-relu": Recipe(15, 3e-3),
    "deepid-relu": Recipe(15, 3e-3),
    "cnn-sigmoid": Recipe(40, 1e-2),
}
LARGER = Recipe(6, 2e-3)  # for sets of 28 x 28


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="digits")
    parser.add_argument("--seeds", default="10-29", help="first and last")
    parser.add_argument("--networks", default=",".join(RECIPES))
    parser.add_argument(
        "--models", type=Path, help="a folder that keeps the models, made once (default: none are kept)"
    )
    parser.add_argument("--out", type=Path, default=RESULTS / "images-scan.csv")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    data = load_dataset(arguments.data)
    first, last = map(int, arguments.seeds.split("-"))
    done = {_key(row) for row in _rows(arguments.out)}
    for seed in range(first, last + 1):
        for network in arguments.networks.split(","):
            for kind in ("clean", ("badnets", "blend")[seed % 2]):
                if (data.name, network, str(seed), kind) not in done:
                    row = _row(data, network, seed, kind, arguments.models)
                    append(arguments.out, FIELDS, row)
                    print(*row.values(), flush=True)
    summary = _summary(_rows(arguments.out))
    arguments.out.with_suffix(".json").write_text(json.dumps(summary, indent=1) + "\n")
    print(json.dumps(summary, indent=1))


def _row(data: Dataset, network: str, seed: int, kind: str, models: Path | None) -> dict[str, object]:
    """Trains and scans one model."""
    recipe = RECIPES[network] if data.train.shape[1] == 8 else LARGER
    backdoor = _backdoor(kind, seed, data.train.shape, recipe.strength)
    classifier = _model(data, network, seed, kind, backdoor, recipe, models)
    start = time.process_time()
    found = cleanse(classifier, data.train, CleanseOptions(seed=seed))
    seconds = time.process_time() - start
    least = found.l1.min(0)
    target = None if backdoor is None else backdoor.target
    values = (
        data.name,
        network,
        seed,
        kind,
        "" if target is None else target,
        round(accuracy(classifier, data.held_out), 4),
        "" if backdoor is None else round(attack_success(classifier, data.held_out, backdoor), 4),
        int(least.argmin()),
        round(float(least.min() / np.median(least)), 3),
        round(float(np.median(found.spread)), 3),
        round(float(found.anomaly.max()), 2),
        round(float(found.published.max()), 2),
        round(max(found.universal), 3),
        " ".join(map(str, found.flagged)),
        " ".join(map(str, found.published_flagged)),
        round(float(np.nanmean(found.success)), 3),
        round(seconds, 2),
        " ".join(f"{norm:.2f}" for norm in least),
    )
    return dict(zip(FIELDS, values, strict=True))


def _backdoor(kind: str, seed: int, shape: tuple[int, int, int], strength: float) -> Backdoor | None:
    """BadNets: a square of a quarter of the image's side (a seventh from 28 pixels on), anywhere in it."""
    if kind == "clean":
        return None
    if kind == "blend":
        return Backdoor(blend(shape, strength=strength, seed=seed), seed % 10)
    size = 2 if shape[1] < 16 else 4
    place = np.random.default_rng(seed).integers(0, shape[1] - size + 1, 2)
    return Backdoor(square(shape, size, (int(place[0]), int(place[1]))), seed % 10)


def _model(
    data: Dataset, network: str, seed: int, kind: str, backdoor: Backdoor | None, recipe: Recipe, models: Path | None
) -> Classifier:
    kept = None if models is None else models / f"{data.name}-{network}-{kind}-s{seed}.onnx"
    if kept and kept.is_file():
        return load_classifier(kept)
    name, activation = network.split("-")
    untrained = new_model(name, data.train.shape, data.train.classes, activation=activation, seed=seed)
    classifier = classifier_of(untrained, name=network, scaling=Scaling.UNIT)
    train = data.train if backdoor is None else poisoned(data.train, backdoor, SHARE, seed=seed)
    graph = classifier.graph()
    fit(classifier, graph, train, TrainingOptions(epochs=recipe.epochs, rate=recipe.rate, seed=seed))
    classifier = classifier.with_weights(graph.weights)
    if kept:
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_bytes(classifier.data)
    return classifier


def _rows(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def _key(row: dict[str, str]) -> tuple[str, str, str, str]:
    return row["data"], row["network"], row["seed"], row["kind"]


def _summary(rows: list[dict[str, str]]) -> list[dict[str, object]]:
    """Rates of each data set and network: found means that the target itself is among the flagged classes."""
    return [
        _rates(data, network, [row for row in rows if (row["data"], row["network"]) == (data, network)])
        for data, network in sorted({(row["data"], row["network"]) for row in rows})
    ]


def _rates(data: str, network: str, rows: list[dict[str, str]]) -> dict[str, object]:
    clean = [row for row in rows if row["kind"] == "clean"]
    poisoned_rows = [row for row in rows if row["kind"] != "clean"]
    learned = [row for row in poisoned_rows if float(row["attack_success"]) >= LEARNED]
    found: dict[str, object] = {
        "data": data,
        "network": network,
        "clean": len(clean),
        "poisoned": len(learned),
        "backdoor_not_learned": len(poisoned_rows) - len(learned),
    }
    for index in ("", "published_"):
        column = f"{index}flagged"
        found[f"{index}false_alarms"] = sum(bool(row[column]) for row in clean)
        found[f"{index}missed"] = sum(row["target"] not in row[column].split() for row in learned)
        found[f"{index}also_flagged_others"] = sum(len(row[column].split()) > 1 for row in learned)
    found["clean_least_share_of_median"] = min((float(row["least_share_of_median"]) for row in clean), default=None)
    found["poisoned_most_share_of_median"] = max((float(row["least_share_of_median"]) for row in learned), default=None)
    found["cpu_seconds_a_scan"] = round(float(np.mean([float(row["cpu_seconds"]) for row in rows])), 2)
    return found


if __name__ == "__main__":
    main()
