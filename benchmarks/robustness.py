"""Robustness of MNIST classifiers: is any image within eps of a given one, pixel by pixel, classified otherwise?

    python benchmarks/robustness.py [--networks fc-2 ...] [--images 10] [--timeout 60] [--models DIR] [--out FILE]

The networks are those on which verifiers are compared most: fully connected ones of 256 neurons a layer, and
convolutional ones of the size of ERAN's small and medium ones. They are trained here, on MNIST-5k, and kept in
--models. Of each so many held-out images that it classifies right are asked about, drawn at random with seed 0 over all
classes. Seconds, and their limit, are those of one processor, so that others on the machine do not count. A question
that stands in the result file already is not asked again. Needs the images (`acasxu fetch --images`, or ACASXU_IMAGES)
and the extra `[images]`.
"""

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch
from machine import command, machine
from methods import append, read

from engine.bench.machine import commit
from engine.bounds.blocks import make_stack
from engine.bounds.roots import make_roots
from engine.images.architectures import Builder
from engine.images.attacks import pgd
from engine.images.classifier import Classifier, classifier_of, load_classifier
from engine.images.datasets import Dataset, load_dataset
from engine.images.imageset import ImageSet, Scaling
from engine.images.measure import accuracy
from engine.images.training import TrainingOptions, fit
from engine.network import Network
from engine.onnx_file import parse_network
from engine.property import Case, Polytope, Property, Row
from engine.search.batch import bounded
from engine.search.exclude import FINISH_STEPS, exclude
from engine.search.frontier import root_nodes
from engine.search.problem import Options
from engine.search.verify import verify

FILE = Path(__file__).parent / "results" / "robustness.csv"
COLUMNS = (
    "network", "eps", "image", "label", "margin", "bound", "verdict", "seconds", "boxes", "timeout", "commit",
)  # fmt: skip
CLASSES, SEED = 10, 0


@dataclass(frozen=True, slots=True)
class Kind:
    """layers(builder) are those of a network, of which questions are asked at each eps.

    radius: it learns images that were attacked within so much; the plain ones where that is 0.
    """

    layers: Callable[[Builder], str]
    eps: tuple[str, ...]
    epochs: int = 20
    radius: float = 0.0


def connected(depth: int) -> Callable[[Builder], str]:
    def layers(b: Builder) -> str:
        x = b.flatten("image")
        for _ in range(depth):
            x = b.act(b.dense(x, 256))
        return b.dense(x, CLASSES)

    return layers


def convolutional(*, pad: int, width: int) -> Callable[[Builder], str]:
    def layers(b: Builder) -> str:
        x = b.act(b.conv("image", 16, 4, pad=pad, stride=2))
        x = b.flatten(b.act(b.conv(x, 32, 4, pad=pad, stride=2)))
        return b.dense(b.act(b.dense(x, width)), CLASSES)

    return layers


SMALL, MEDIUM = convolutional(pad=0, width=100), convolutional(pad=1, width=1000)
KINDS = {
    "fc-2": Kind(connected(2), ("0.03", "0.05")),
    "fc-4": Kind(connected(4), ("0.03", "0.05")),
    "fc-6": Kind(connected(6), ("0.03", "0.05")),
    "conv-small": Kind(SMALL, ("0.1",)),
    "conv-small-pgd": Kind(SMALL, ("0.1",), epochs=8, radius=0.1),
    "conv-med": Kind(MEDIUM, ("0.1",), epochs=10),
}


def trained(name: str, dataset: Dataset, folder: Path) -> Classifier:
    """The network of this name, from the folder if it is there."""
    path, kind = folder / f"robustness-{name}.onnx", KINDS[name]
    if not path.is_file():
        builder = Builder(dataset.train.shape, activation="relu", seed=SEED)
        model = builder.model(kind.layers(builder), name)
        classifier = classifier_of(model, name=name, scaling=Scaling.UNIT)
        folder.mkdir(parents=True, exist_ok=True)
        path.write_bytes(fitted(classifier, dataset.train, kind).data)
    return load_classifier(path)


def fitted(classifier: Classifier, images: ImageSet, kind: Kind) -> Classifier:
    """Plain training; or one epoch after the other, each on images that are attacked anew (Madry et al., ICLR 2018)."""
    if not kind.radius:
        graph = classifier.graph()
        fit(classifier, graph, images, TrainingOptions(epochs=kind.epochs, rate=1e-3, seed=SEED))
        return classifier.with_weights(graph.weights)
    for epoch in range(kind.epochs):
        graph, rate = classifier.graph(), 1e-3 * (1 - epoch / kind.epochs)
        attacked = pgd(classifier, images, radius=kind.radius, seed=epoch) if epoch else images
        fit(classifier, graph, attacked, TrainingOptions(epochs=1, rate=rate, seed=SEED + epoch))
        classifier = classifier.with_weights(graph.weights)
    return classifier


def chosen(classifier: Classifier, images: ImageSet, count: int) -> ImageSet:
    """So many images that it classifies right, at random; with a larger count the same ones, and more."""
    right = np.flatnonzero(classifier.predict(images.images) == images.labels)
    return images.select(np.random.default_rng(SEED).permutation(right)[:count])


def question(values: Sequence[float], label: int, eps: Fraction) -> Property:
    """Unsafe is each class whose score is at least the label's, on the box of pixels within eps and 0 to 1."""
    exact = [Fraction(value) for value in values]
    lower, upper = (tuple(min(max(v + move, Fraction(0)), Fraction(1)) for v in exact) for move in (-eps, eps))
    zeros = (Fraction(0),) * len(exact)
    rows = (
        Row(zeros, tuple(Fraction((u == label) - (u == other)) for u in range(CLASSES)), Fraction(0))
        for other in range(CLASSES)
        if other != label
    )
    case = Case(lower, upper, tuple(Polytope((row,)) for row in rows))
    return Property((case,), len(exact), CLASSES, f"within {float(eps)} of class {label}")


@torch.no_grad()
def first_bound(network: Network, prop: Property) -> float:
    """The least bound of all gaps between scores before anything is split; 0 where all are above 0."""
    stack = make_stack([network], device="cpu", semantics="real")
    roots = make_roots(stack, [0], list(prop.cases))
    targets, _ = exclude(bounded(stack, roots, root_nodes(roots, torch.tensor([0]))), steps=FINISH_STEPS)
    return float(targets.bound.min()) if len(targets) else 0.0


def rows_of(
    name: str, network: Network, images: ImageSet, asked: set[tuple[str, ...]], timeout: float
) -> Iterator[dict[str, object]]:
    """The lines of a network that are not in the result file: a verdict on each image and eps."""
    assert images.origin is not None
    for eps in KINDS[name].eps:
        for number, pixels, label in zip(images.origin.numbers.tolist(), images.images, images.labels.tolist()):
            if (name, eps, str(number)) in asked:
                continue
            prop = question(pixels.ravel().tolist(), label, Fraction(eps))
            scores = network.evaluate(pixels.ravel().astype(np.float64))
            with patch("time.monotonic", time.process_time):  # the clock of all limits
                verdict = verify(network, prop, Options(timeout=timeout, threads=1, device="cpu"))
            yield {
                "network": name,
                "eps": eps,
                "image": number,
                "label": label,
                "margin": round(float(scores[label] - np.delete(scores, label).max()), 2),
                "bound": round(first_bound(network, prop), 2),
                "verdict": verdict.word,
                "seconds": round(verdict.statistics.seconds, 2),
                "boxes": verdict.statistics.boxes,
                "timeout": timeout,
                "commit": (commit() or "unknown")[:7],
            }


def summary(lines: Sequence[dict]) -> str:
    """A line for each network and eps: how many are proved, refuted and left, and the mean seconds."""
    found = []
    for name, eps in dict.fromkeys((line["network"], line["eps"]) for line in lines):
        own = [line for line in lines if (line["network"], line["eps"]) == (name, eps)]
        words = Counter(line["verdict"] for line in own)
        seconds = np.mean([float(line["seconds"]) for line in own])
        texts = ", ".join(f"{words[word]} {word}" for word in ("unsat", "sat", "timeout", "unknown") if words[word])
        found.append(f"{name:15} eps {eps:5} {texts} of {len(own)}, {seconds:.1f} s each")
    return "\n".join(found)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--images", type=int, default=10)
    parser.add_argument("--timeout", type=float, default=60.0, help="processor seconds for each question")
    parser.add_argument("--models", type=Path, default=Path("build/benchmarks/images"))
    parser.add_argument("--out", type=Path, default=FILE)
    arguments = parser.parse_args()
    dataset, head = load_dataset("mnist-5k"), arguments.out.with_suffix(".json")
    shares = json.loads(head.read_text())["accuracy"] if head.is_file() else {}
    for name in arguments.networks:
        classifier = trained(name, dataset, arguments.models)
        shares[name] = round(float(accuracy(classifier, dataset.held_out)), 4)
        said = {"command": command(), "accuracy": shares, **machine(calibrated=False)}
        head.write_text(json.dumps(said, indent=2) + "\n")  # before the questions, which may be broken off
        images = chosen(classifier, dataset.held_out, arguments.images)
        network = parse_network(classifier.data, name=name)
        asked = {(line["network"], line["eps"], line["image"]) for line in read(arguments.out) or []}
        for row in rows_of(name, network, images, asked, arguments.timeout):
            append(arguments.out, COLUMNS, row)
            print(", ".join(f"{key} {value}" for key, value in row.items()), flush=True)
    print(summary(read(arguments.out) or []))
    return 0


if __name__ == "__main__":
    sys.exit(main())
