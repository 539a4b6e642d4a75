"""Certificates of all 186 instances: size, time to check, and exact arithmetic.

    python benchmarks/certificates.py [--semantics real|float32] [--exact samples|whole|none] [--jobs 2]

Searches once (`acasxu bench --certificates`), checks every certificate with the independent checker in
float64, and again in exact arithmetic: `samples` takes whole proofs of at most 100 nodes, 100 random leaves
of the twenty largest and 10 of each other; `whole` takes all of every proof (an hour). Writes
results/certificates-SEMANTICS.csv and .json. Needs the networks (ACASXU_DATA).
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

from machine import machine

os.environ |= {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}

from engine.certificate.batch import Outcome, check_all  # noqa: E402  (after the environment)

SMALL, LARGEST, MANY, FEW = 100, 20, 100, 10
COLUMNS = ("certificate", "bytes", "nodes", "leaves", "exclusions", "least_margin", "search_seconds", "check_seconds",
           "exact_nodes", "exact_leaves", "exact_least_margin", "exact_seconds")


def search(folder: Path, semantics: str) -> float:
    """Wall seconds of the search; certificates go to folder/certificates."""
    command = [sys.executable, "-m", "engine", "bench", "--benchmark", "--out", str(folder), "--force",
               "--certificates", str(folder / "certificates"), "--semantics", semantics]
    start = time.perf_counter()
    if subprocess.run(command, stdout=subprocess.DEVNULL).returncode:
        sys.exit("not all instances were decided")
    return time.perf_counter() - start


def exactly(outcomes: list[Outcome], how: str, **files) -> dict[Path, Outcome]:
    """Each proof again in exact arithmetic."""
    by_size = sorted((outcome.result.nodes, outcome.file) for outcome in outcomes)
    groups: dict[int | None, list[Path]] = {}
    for place, (nodes, file) in enumerate(reversed(by_size)):
        sample = None if how == "whole" or nodes <= SMALL else MANY if place < LARGEST else FEW
        groups.setdefault(sample, []).append(file)
    found = {}
    for sample, chosen in groups.items():
        report = lambda outcome: print(f"exact: {outcome.word}: {outcome.file.name}: "
                                       f"{outcome.result.checked} nodes, {outcome.result.seconds:.1f} s", flush=True)
        again = check_all(chosen, arithmetic="exact", sample=sample, on_outcome=report, **files)
        found |= {outcome.file: outcome for outcome in again}
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--semantics", choices=("real", "float32"), default="real")
    parser.add_argument("--exact", choices=("samples", "whole", "none"), default="samples")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    arguments = parser.parse_args()
    data = Path(os.environ["ACASXU_DATA"])
    files = {"network": data / "onnx", "property": data / "vnnlib", "jobs": arguments.jobs}
    folder = Path("build/benchmarks/certificates") / arguments.semantics
    search_wall = search(folder, arguments.semantics)
    proofs = sorted((folder / "certificates").glob("*.proof.zip"))
    witnesses = sorted((folder / "certificates").glob("*.witness.zip"))
    start = time.perf_counter()
    checked = check_all(proofs, **files)
    check_wall = time.perf_counter() - start
    memory = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_CHILDREN,)) / 1024
    seen = check_all(witnesses, **files)
    start = time.perf_counter()
    exact = exactly(checked, arguments.exact, **files) if arguments.exact != "none" else {}
    exact_wall = time.perf_counter() - start
    with (folder / "results.csv").open() as file:
        seconds = {f"{Path(row['network']).stem}_{Path(row['property']).stem}": row["seconds"]
                   for row in csv.DictReader(file)}
    sizes = [path.stat().st_size for path in proofs]
    summary = {
        "machine": machine(), "command": " ".join(["python", *sys.argv]), "semantics": arguments.semantics,
        "proofs": len(proofs), "accepted": sum(o.word == "accepted" for o in checked),
        "witnesses": len(witnesses), "witnesses_accepted": sum(o.word == "accepted" for o in seen),
        "total_bytes": sum(sizes), "largest_bytes": max(sizes), "nodes": sum(o.result.nodes for o in checked),
        "search_wall_seconds": round(search_wall, 1), "check_wall_seconds": round(check_wall, 1),
        "jobs": arguments.jobs, "check_peak_mib_of_largest_process": round(memory),
        "exact": arguments.exact, "exact_wall_seconds": round(exact_wall, 1),
        "exact_accepted": sum(o.word == "accepted" for o in exact.values()),
        "exact_whole_proofs": sum(o.result.checked == o.result.nodes for o in exact.values()),
        "exact_nodes": sum(o.result.checked for o in exact.values()),
        "exact_leaves": sum(o.result.leaves for o in exact.values()),
    }
    arguments.out.mkdir(parents=True, exist_ok=True)
    stem = arguments.out / f"certificates-{arguments.semantics}"
    stem.with_suffix(".json").write_text(json.dumps(summary, indent=2) + "\n")
    with stem.with_suffix(".csv").open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(COLUMNS)
        for outcome in checked:
            table.writerow(row(outcome, exact.get(outcome.file), seconds))
    print(json.dumps(summary, indent=2))
    whole = len(exact) in (0, summary["exact_accepted"])
    return 0 if summary["accepted"] == len(proofs) and summary["witnesses_accepted"] == len(witnesses) and whole else 1


def row(outcome: Outcome, exact: Outcome | None, seconds: dict[str, str]) -> list:
    result, stem = outcome.result, outcome.file.name.removesuffix(".proof.zip")
    cells = [stem, outcome.file.stat().st_size, result.nodes, result.leaves, result.exclusions,
             f"{result.margin:.3e}", seconds[stem], f"{result.seconds:.3f}"]
    if exact:
        again = exact.result
        cells += [again.checked, again.leaves, f"{again.margin:.3e}", f"{again.seconds:.1f}"]
    return cells


if __name__ == "__main__":
    sys.exit(main())
