"""Networks with maximum pools, without any repair: of how many images is a patch with any content decided?

    python benchmarks/images_pools.py [--patches 3x3@24,24 3x3@12,12] [--images 200] [--timeout 2] [--models DIR]

The networks are NNrepair's of eight layers (`lq`: two convolutions, a pool, two dense layers), clean and poisoned; they
are trained here on MNIST-5k and kept in --models. The claim is that no content gives class 7. --timeout is in seconds
for each image; seconds in the result are those of the processor. Needs the images (`acasxu fetch --images`, or
ACASXU_IMAGES) and the extra `[images]`.
"""

import argparse
import json
import sys
from pathlib import Path

from images import Row, backdoor_of, trained
from images_positions import COLUMNS, measured
from machine import command, machine
from methods import append, read

from engine.images.datasets import load_dataset
from engine.images.measure import accuracy, attack_success

FILE = Path(__file__).parent / "results" / "images-pools.csv"
DATA = "mnist-5k"
NETWORKS = (("clean", 0), ("badnets", 0), ("badnets", 1))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--patches", nargs="+", default=["3x3@24,24", "3x3@12,12"], help="a corner, and the middle")
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--timeout", type=float, default=2.0, help="seconds for each image")
    parser.add_argument("--models", type=Path, default=Path("build/benchmarks/images"))
    arguments = parser.parse_args()
    dataset, shares = load_dataset(DATA), {}
    done = {(line["network"], line["patch"]) for line in read(FILE) or []}
    for fault, seed in NETWORKS:
        kind = Row(DATA, "lq", fault, ())
        classifier, backdoor = trained(kind, dataset, seed=seed, folder=arguments.models), backdoor_of(kind, dataset)
        path = arguments.models / f"{DATA}-lq-relu-{fault}-{seed}.onnx"
        shares[path.stem] = {
            "accuracy": round(float(accuracy(classifier, dataset.held_out)), 4),
            "success": backdoor and round(attack_success(classifier, dataset.held_out, backdoor), 4),
        }
        for patch in arguments.patches:
            if (path.stem, patch) not in done:
                row = measured(path, data=DATA, patch=patch, images=arguments.images, timeout=arguments.timeout)
                append(FILE, COLUMNS, row)
                print(", ".join(f"{key} {value}" for key, value in row.items()), flush=True)
    said = {"command": command(), "networks": shares, **machine(calibrated=False)}
    FILE.with_suffix(".json").write_text(json.dumps(said, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
