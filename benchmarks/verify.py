"""All 186 instances from the command line, under several settings: time, memory and equal verdicts.

    python benchmarks/verify.py [--device cpu|cuda] [--expected FILE] [--out benchmarks/results]

Each setting is a process of its own (`acasxu bench --benchmark`). The verdicts of all settings
are compared with each other and, after the last of them, with FILE. Needs the networks.
"""

import argparse
import csv
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

from machine import machine

SETTINGS = {
    "default": [],
    "threads 1": ["--threads", "1"],
    "batch 64": ["--batch", "64"],
    "batch 8192": ["--batch", "8192"],
    "float32 semantics": ["--semantics", "float32", "--timeout", "60"],
}


def run(name: str, options: list[str], out: Path) -> dict:
    """Wall seconds and peak memory of one process, and where its results lie."""
    folder = out / name.replace(" ", "-")
    start = time.perf_counter()
    command = [sys.executable, "-m", "engine", "bench", "--benchmark", "--out", str(folder), "--force", *options]
    code = subprocess.run(command, stdout=subprocess.DEVNULL).returncode
    wall = time.perf_counter() - start
    memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    rows = verdicts(folder / "results.csv")
    words = list(rows.values())
    return {
        "setting": name,
        "exit": code,
        "wall_seconds": round(wall, 2),
        "peak_mib_so_far": round(memory),
        "unsat": words.count("unsat"),
        "sat": words.count("sat"),
        "undecided": len(words) - words.count("unsat") - words.count("sat"),
    }


def verdicts(path: Path) -> dict[tuple[str, str], str]:
    with path.open() as file:
        return {(row["network"], row["property"]): row["verdict"] for row in csv.DictReader(file)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--expected", type=Path)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    parser.add_argument("--only", nargs="*", choices=list(SETTINGS), default=list(SETTINGS))
    arguments = parser.parse_args()
    build = Path("build/benchmarks") / arguments.device
    runs = []
    for name in arguments.only:
        runs.append(run(name, [*SETTINGS[name], "--device", arguments.device], build))
        print(runs[-1], flush=True)
    report = {"machine": machine(), "device": arguments.device, "runs": runs}
    real = [
        verdicts(build / name.replace(" ", "-") / "results.csv")
        for name in arguments.only
        if name != "float32 semantics"
    ]
    report["same_verdicts"] = all(one == real[0] for one in real)
    if arguments.expected and real:
        report["as_expected"] = real[0] == verdicts(arguments.expected)
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / f"verify-{arguments.device}.json").write_text(json.dumps(report, indent=2) + "\n")
    for name in ("default", "float32 semantics"):
        if name in arguments.only:
            source = build / name.replace(" ", "-") / "results.csv"
            target = arguments.out / f"verify-{arguments.device}-{name.split()[0]}.csv"
            target.write_text(source.read_text())
    print({key: report[key] for key in report if key not in ("runs", "machine")})
    return 0 if report["same_verdicts"] and report.get("as_expected", True) else 1


if __name__ == "__main__":
    sys.exit(main())
