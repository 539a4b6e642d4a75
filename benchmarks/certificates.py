"""Certificates of all 186 instances: their sizes, and the time to check them.

    python benchmarks/certificates.py [--semantics real|float32] [--jobs 2]

Searches once (`acasxu bench --certificates`, into build/benchmarks/certificates/SEMANTICS), then checks every
certificate with the independent checker. Writes results/certificates-SEMANTICS.csv and .json. Needs the networks.
"""

import argparse
import csv
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

os.environ |= {"OPENBLAS_NUM_THREADS": "1"}  # before numpy: processes divide the work

from machine import command, machine  # noqa: E402

from engine.acasxu.files import find_networks, property_path  # noqa: E402
from engine.certificate.batch import Outcome, certificates_in, check_all  # noqa: E402

COLUMNS = (
    "certificate",
    "kind",
    "result",
    "bytes",
    "nodes",
    "leaves",
    "exclusions",
    "least_margin",
    "search_seconds",
    "check_seconds",
)


def search(folder: Path, semantics: str) -> float:
    """Wall seconds of the search; certificates go to folder/certificates."""
    command = [
        sys.executable,
        "-m",
        "engine",
        "bench",
        "--benchmark",
        "--out",
        str(folder),
        "--force",
        "--certificates",
        str(folder / "certificates"),
        "--semantics",
        semantics,
    ]
    start = time.perf_counter()
    if subprocess.run(command, stdout=subprocess.DEVNULL).returncode:
        sys.exit("not all instances were decided")
    return time.perf_counter() - start


def row(outcome: Outcome, seconds: dict[str, str]) -> list:
    result, stem = outcome.result, outcome.file.name.split(".")[0]
    return [
        stem,
        result.kind,
        outcome.word,
        outcome.file.stat().st_size,
        result.nodes,
        result.leaves,
        result.exclusions,
        f"{result.margin:.3e}",
        seconds[stem],
        f"{result.seconds:.3f}",
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--semantics", choices=("real", "float32"), default="real")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    arguments = parser.parse_args()
    folder = Path("build/benchmarks/certificates") / arguments.semantics
    search_wall = search(folder, arguments.semantics)
    memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    start = time.perf_counter()
    outcomes = check_all(
        certificates_in([folder / "certificates"]),
        network=find_networks(),
        property=property_path(1).parent,
        jobs=arguments.jobs,
    )
    check_wall = time.perf_counter() - start
    with (folder / "results.csv").open() as file:
        seconds = {f"{Path(r['network']).stem}_{Path(r['property']).stem}": r["seconds"] for r in csv.DictReader(file)}
    proofs = [outcome for outcome in outcomes if outcome.result.kind == "proof"]
    sizes = [outcome.file.stat().st_size for outcome in proofs]
    summary = {
        "machine": machine(),
        "command": command(),
        "semantics": arguments.semantics,
        "proofs": len(proofs),
        "witnesses": len(outcomes) - len(proofs),
        "accepted": sum(outcome.word == "accepted" for outcome in outcomes),
        "proofs_total_bytes": sum(sizes),
        "largest_bytes": max(sizes),
        "nodes": sum(outcome.result.nodes for outcome in proofs),
        "least_margin": min(outcome.result.margin for outcome in proofs),
        "search_wall_seconds": round(search_wall, 1),
        "search_peak_mib": memory // 1024,
        "check_wall_seconds": round(check_wall, 1),
        "check_jobs": arguments.jobs,
    }
    arguments.out.mkdir(parents=True, exist_ok=True)
    stem = arguments.out / f"certificates-{arguments.semantics}"
    stem.with_suffix(".json").write_text(json.dumps(summary, indent=2) + "\n")
    with stem.with_suffix(".csv").open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(COLUMNS)
        table.writerows(row(outcome, seconds) for outcome in outcomes)
    print(json.dumps(summary, indent=2))
    return 0 if summary["accepted"] == len(outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
