"""Thirty violated questions about fifteen trained networks unlike ACAS Xu, repaired from the command line.

    python benchmarks/repair_generated.py [--only vertical ...] [--timeout 60] [--processor-clock] [--resume]

The networks compute tables of advisories, controllers and formulas of 2 to 20 inputs (trained.py); the questions are in
trained_questions.py. Each is a process of its own, `acasxu repair NETWORK PROPERTY --domain FILE --decision ...`, with
all proofs, certificates and the checker. Where a decision is known, agreement is the share of samples of the domain
outside the question's boxes with the same decision. Where none is, it is that of samples at which no output changes by
more than the tolerance, a hundredth of the range of outputs, and repairs are asked for with --keep-outputs. A task is
good where it is repaired, its certificates are accepted, agreement is at least 99.9%, and it takes at most 60 s of the
processor's time, start-up and measuring included. No verdicts are read from any file.
"""

import argparse
import csv
import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

import numpy as np
from machine import command, machine
from trained_files import Files, names, written

from engine.comparison.region import region_of
from engine.domain import read_domain
from engine.errors import InputError
from engine.evaluation import scores
from engine.onnx_file import load_network
from engine.vnnlib import load_property

SAMPLES = 500_000
LEAST_AGREEMENT, MOST_SECONDS = 0.999, 60.0
#: The command line with deadlines that count the processor's seconds.
BY_PROCESSOR = "import runpy, time; time.monotonic = time.process_time; runpy.run_module('engine', run_name='__main__')"
TOLERANCE = 0.01  # of the range of the original's outputs
COLUMNS = (
    *("question", "words", "network", "inputs", "boxes", "polytopes", "decision", "tolerance", "exit", "good"),
    *("processor_seconds", "wall_seconds", "repair_seconds", "method", "what", "weights", "agreement_outside"),
    *(
        "agreement_safe",
        "mean_change_outside",
        "largest_change_outside",
        "output_range",
        "certificates",
        "commit",
        "reason",
    ),
)


def measured(files: Files, out: Path, arguments: argparse.Namespace) -> dict[str, object]:
    """The row of one question."""
    network, prop = load_network(files.network), load_property(files.property)
    domain, decision = read_domain(files.domain, network), files.question.subject.decision
    random = np.random.default_rng(arguments.seed)
    y = scores(network, random.uniform(*domain.ends, (100_000, network.n_inputs)).astype(np.float32))
    size = float(y.max() - y.min())
    row: dict[str, object] = {
        "question": files.question.name,
        "words": files.question.words,
        "network": "-".join(map(str, (network.n_inputs, *(len(layer.bias) for layer in network.layers)))),
        "inputs": network.n_inputs,
        "boxes": len(prop.cases),
        "polytopes": " ".join(str(len(case.unsafe)) for case in prop.cases),
        "decision": decision.value,
        "output_range": f"{size:.4g}",
        "commit": machine()["commit"],  # rows that are kept by --resume may be of another
    }
    tolerance = None if decision.is_known else f"{TOLERANCE * size:.3g}"
    row |= {"tolerance": tolerance} | _repaired(files, out, tolerance, arguments)
    if row["exit"] == 0:
        row |= _agreement(files, out, float(tolerance) if tolerance else None, random)
        quick = float(str(row["processor_seconds"])) <= MOST_SECONDS
        row["good"] = quick and float(str(row["agreement_outside"])) >= LEAST_AGREEMENT
    return row


def _repaired(files: Files, out: Path, tolerance: str | None, arguments: argparse.Namespace) -> dict[str, object]:
    """Repairs by a command of its own."""
    kept = ["--keep-outputs", tolerance] if tolerance else ["--decision", files.question.subject.decision.value]
    program = ["-c", BY_PROCESSOR] if arguments.processor_clock else ["-m", "engine"]
    words = [sys.executable, *program, "repair", str(files.network), str(files.property), "--out", str(out)]
    words += ["--domain", str(files.domain), *kept, "--json", "--force", "--timeout", str(arguments.timeout)]
    words += ["--samples", str(arguments.samples), "--method", arguments.method, "--grid", "10"]
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(words, capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    row: dict[str, object] = {
        "exit": done.returncode,
        "good": False,
        "processor_seconds": f"{after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime:.1f}",
        "wall_seconds": f"{time.perf_counter() - start:.1f}",
    }
    try:
        found = json.loads(done.stdout)
    except ValueError:
        return row | {"reason": " ".join(done.stderr.split())[-300:]}
    if done.returncode:
        return row | {"reason": found.get("reason", "")}
    return row | {
        "repair_seconds": f"{found['seconds']:.1f}",
        "method": " ".join(attempt["method"] for attempt in found["chosen"]),
        "what": "; ".join(attempt["what"] for attempt in found["chosen"]),
        "weights": found["fidelity"]["weights"],
        "certificates": len(found["proved"]),
    }


def _agreement(files: Files, out: Path, tolerance: float | None, random: np.random.Generator) -> dict[str, object]:
    """Original and repaired network at samples of the domain and of the boxes' safe parts, independently of both."""
    original, repaired, prop = load_network(files.network), load_network(out), load_property(files.property)
    domain, regions = read_domain(files.domain, original), [region_of(case, prop.n_outputs) for case in prop.cases]
    x = random.uniform(*domain.ends, (SAMPLES, original.n_inputs)).astype(np.float32)
    x = x[~np.any([region.holds(x) for region in regions], axis=0)]
    decision = files.question.subject.decision

    def same(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        before, after = scores(original, x), scores(repaired, x)
        change = np.abs(before - after).max(1)
        return change, (change <= tolerance if tolerance else decision.of(before) == decision.of(after))

    change, kept = same(x)
    safe = []
    for region in regions:
        inside = random.uniform(region.lower, region.upper, (SAMPLES // 10, len(region.lower))).astype(np.float32)
        safe.append(same(inside[~region.unsafe.contains(inside, scores(original, inside))])[1].mean())
    return {
        "agreement_outside": f"{kept.mean():.7g}",
        "agreement_safe": f"{np.mean(safe):.5g}",
        "mean_change_outside": f"{change.mean():.3g}",
        "largest_change_outside": f"{change.max():.3g}",
    }


def save(path: Path, rows: list[dict[str, object]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)


def read(path: Path) -> list[dict[str, object]]:
    """Rows of an earlier run; InputError where it measured something else."""
    try:
        with path.open(newline="") as file:
            reader = csv.DictReader(file)
            if tuple(reader.fieldnames or ()) != COLUMNS:
                raise InputError("has other columns", where=str(path), advice="run without --resume, or remove it")
            return list(reader)
    except FileNotFoundError:
        return []


def summary(rows: list[dict[str, object]]) -> dict[str, object]:
    """What the rows come to."""
    repaired = [row for row in rows if str(row["exit"]) == "0"]
    seconds = [float(str(row["processor_seconds"])) for row in rows]
    agreement = [float(str(row["agreement_outside"])) for row in repaired]
    return {
        "command": command(),
        "machine": machine(),
        "questions": len(rows),
        "repaired_and_proved": len(repaired),
        "agreement_at_least_999": sum(each >= LEAST_AGREEMENT for each in agreement),
        "good": sum(str(row["good"]) == "True" for row in rows),
        "median_processor_seconds": round(median(seconds), 1),
        "largest_processor_seconds": max(seconds),
        "least_agreement": min(agreement, default=None),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=names(), default=(), metavar="NAME", help="subjects")
    parser.add_argument("--timeout", type=float, default=60.0, metavar="S", help="for each repair (default: 60)")
    parser.add_argument("--samples", type=int, default=200_000, metavar="N", help="of a repair's own comparisons")
    parser.add_argument("--method", default="auto")
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    parser.add_argument(
        "--processor-clock",
        action="store_true",
        help="a repair's times count the processor's seconds, as on a machine that does nothing else",
    )
    parser.add_argument("--resume", action="store_true", help="keep the rows of the results that are there")
    parser.add_argument("--files", type=Path, default=Path("build/benchmarks/generated"), metavar="DIR")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/repair-generated.csv"), metavar="FILE")
    arguments = parser.parse_args()
    try:
        rows = read(arguments.out) if arguments.resume else []
    except InputError as error:
        parser.error(f"--resume: {error}")
    done = {row["question"] for row in rows}
    chosen = written(arguments.files, only=arguments.only, seed=arguments.seed)
    for files in sorted(chosen, key=lambda files: files.question.subject.decision.is_known):
        if files.question.name not in done:
            rows.append(measured(files, arguments.files / f"{files.question.name}-repaired.onnx", arguments))
            print({name: rows[-1].get(name) for name in COLUMNS if rows[-1].get(name) not in (None, "")}, flush=True)
            save(arguments.out, rows)
    found = summary(rows)
    arguments.out.with_suffix(".json").write_text(json.dumps(found, indent=2) + "\n")
    print(found)
    return 0 if found["good"] == len(rows) else 1


if __name__ == "__main__":
    sys.exit(main())
