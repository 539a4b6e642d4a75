"""The proofs that benchmarks/certificates.py left, checked again in exact arithmetic.

    python benchmarks/certificates_exact.py [--whole N] [--jobs 2] [--semantics real|float32]

Whole are checked the proofs of at most N nodes (100; 1000000 takes all: about an hour); of the twenty largest
others 100 random leaves each, of all others 10. Writes results/certificates-exact-SEMANTICS.csv, a row as soon as each
is known, and .json. Needs the networks.
"""

import argparse
import csv
import json
import os
import sys
import time
from pathlib import Path

os.environ |= {"OPENBLAS_NUM_THREADS": "1"}  # before numpy: processes divide the work

from machine import command, machine  # noqa: E402

from engine.acasxu.files import find_networks, property_path  # noqa: E402
from engine.certificate.batch import Outcome, check_all  # noqa: E402

LARGEST, MANY, FEW = 20, 100, 10
COLUMNS = ("certificate", "result", "nodes", "checked", "leaves", "exclusions", "least_margin", "seconds")


def samples(files: list[Path], nodes: dict[Path, int], whole: int) -> dict[int | None, list[Path]]:
    """Which proofs are checked by how many leaves; None: all."""
    groups: dict[int | None, list[Path]] = {None: [], MANY: [], FEW: []}
    large = sorted((file for file in files if nodes[file] > whole), key=nodes.get, reverse=True)
    groups[None] = [file for file in files if nodes[file] <= whole]
    groups[MANY], groups[FEW] = large[:LARGEST], large[LARGEST:]
    return groups


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--whole", type=int, default=100, metavar="N")
    parser.add_argument("--semantics", choices=("real", "float32"), default="real")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    arguments = parser.parse_args()
    folder = Path("build/benchmarks/certificates") / arguments.semantics
    files = sorted((folder / "certificates").glob("*.proof.zip"))
    where = {"network": find_networks(), "property": property_path(1).parent, "jobs": arguments.jobs}
    nodes = {outcome.file: outcome.result.nodes for outcome in check_all(files, **where)}
    stem = arguments.out / f"certificates-exact-{arguments.semantics}"
    start, outcomes = time.perf_counter(), []
    with stem.with_suffix(".csv").open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(COLUMNS)

        def keep(outcome: Outcome) -> None:
            r = outcome.result
            outcomes.append(outcome)
            table.writerow(
                [
                    outcome.file.name.split(".")[0],
                    outcome.word,
                    r.nodes,
                    r.checked,
                    r.leaves,
                    r.exclusions,
                    f"{r.margin:.3e}",
                    f"{r.seconds:.1f}",
                ]
            )
            file.flush()

        for sample, chosen in samples(files, nodes, arguments.whole).items():
            check_all(chosen, arithmetic="exact", sample=sample, on_outcome=keep, **where)
    results = [outcome.result for outcome in outcomes]
    summary = {
        "machine": machine(),
        "command": command(),
        "semantics": arguments.semantics,
        "proofs": len(results),
        "accepted": sum(result.accepted for result in results),
        "checked_whole": sum(result.checked == result.nodes for result in results),
        "nodes_checked": sum(result.checked for result in results),
        "nodes": sum(result.nodes for result in results),
        "leaves_checked": sum(result.leaves for result in results),
        "least_margin": min(result.margin for result in results),
        "wall_seconds": round(time.perf_counter() - start),
    }
    stem.with_suffix(".json").write_text(json.dumps(summary, indent=2) + "\n")
    print(json.dumps(summary, indent=2))
    return 0 if summary["accepted"] == len(files) else 1


if __name__ == "__main__":
    sys.exit(main())
