"""A patch at every position: how many images are certified, and what that costs.

    python benchmarks/images_positions.py REPAIRED.onnx [...] [--data mnist-5k] [--patch 3x3@all] [--images 100]
        [--timeout 1]

The networks are repaired ones, as benchmarks/images_certified.py leaves them in its --models. Each image is asked
about at every position, or up to the first that refutes it; an image counts as proved where all positions are. Seconds
are processor time. Needs the images (`acasxu fetch --images`, or ACASXU_IMAGES) and the extra `[images]`.
"""

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from images import TARGET
from methods import append

from engine.audit.images.check import check_images
from engine.bench.machine import commit
from engine.images.certify.family import read_contents, read_patch
from engine.images.certify.questions import Questions
from engine.images.certify.service import Output, certify
from engine.images.classifier import load_classifier
from engine.images.datasets import load_dataset
from engine.onnx_file import parse_network
from engine.search.problem import Options

FILE = Path(__file__).parent / "results" / "images-positions.csv"
COLUMNS = (
    "network", "data", "patch", "positions", "images", "timeout", "proved", "refuted", "open", "wrong", "bound",
    "questions", "questions_proved", "questions_refuted", "questions_open", "cpu_seconds", "certificate_bytes",
    "check_seconds", "checked", "commit",
)  # fmt: skip


def measured(path: Path, *, data: str, patch: str, images: int, timeout: float) -> dict[str, object]:
    """One line of the result file: so many held-out images, drawn at random by class; timeout: of each question."""
    classifier, dataset = load_classifier(path), load_dataset(data)
    held_out = dataset.held_out
    chosen = held_out.split(images / len(held_out), seed=0)[0]
    questions = Questions(
        classifier,
        parse_network(classifier.data, name=path.name),
        chosen,
        read_patch(patch, classifier.shape),
        read_contents("any", classifier.scaling),
        TARGET,
    )
    options = Options(timeout=timeout, device="cpu", threads=1)
    with tempfile.TemporaryDirectory() as folder:
        start = time.process_time()
        output = Output(folder=Path(folder), certificates=True)
        record = certify(questions, options, data=data, output=output, report=said)
        middle = time.process_time()
        certificate, origin = Path(folder) / "images.proof.zip", chosen.origin
        assert origin is not None
        labels = None if origin.labels == origin.images else origin.labels
        found = check_images(certificate, path, origin.images, labels)
        words = Counter(finding.word for finding in record.ledger.findings.values())
        return {
            "network": path.stem,
            "data": data,
            "patch": patch,
            "positions": len(questions.patch.positions),
            "images": record.counted,
            "timeout": timeout,
            **{word: record.counts[word] for word in ("proved", "refuted", "open", "wrong")},
            "bound": round(float(record.bound), 5),
            "questions": words.total(),
            **{f"questions_{word}": words[word] for word in ("proved", "refuted", "open")},
            "cpu_seconds": round(middle - start, 1),
            "certificate_bytes": certificate.stat().st_size,
            "check_seconds": round(time.process_time() - middle, 1),
            "checked": "accepted" if found.accepted else found.reason,
            "commit": (commit() or "unknown")[:7],
        }


def said(share: float, text: str) -> None:
    print(f"\r{share:6.1%} {text}", end="", file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="+", type=Path)
    parser.add_argument("--data", default="fashion-mnist")
    parser.add_argument("--patch", default="3x3@all")
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--timeout", type=float, default=1.0, help="seconds for each image and position")
    arguments = parser.parse_args()
    for path in arguments.networks:
        row = measured(
            path,
            data=arguments.data,
            patch=arguments.patch,
            images=arguments.images,
            timeout=arguments.timeout,
        )
        append(FILE, COLUMNS, row)
        print(", ".join(f"{key} {value}" for key, value in row.items()))


if __name__ == "__main__":
    main()
