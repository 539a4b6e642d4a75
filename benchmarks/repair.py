"""Every violated property of the benchmark repaired from the command line: success, time, proofs, what changed.

    python benchmarks/repair.py [--method auto] [--tasks classic|other|joint|all] [--prove SECONDS] [--jobs N]

classic: the 36 (network, property) pairs that the literature repairs (P2 on 34 networks, P7 on N(1,9), P8 on
N(2,9)); other: the 11 others that are violated; joint: the 42 networks, each for all that it violates. Each task is a
process of its own, `acasxu repair --network A,T`: its seconds are wall time from start to end, imports, proofs,
certificates, the checker and measuring fidelity included; "repair" are those until all proofs are done. --prove adds
`acasxu compare --prove` with this time limit. --jobs runs so many tasks at once, on an equal share of the processor's
cores each: times are no measure of speed then. Scores are in the units of the networks' outputs: one is 373.9 of the
tables'. order_kept: the share of samples outside the boxes on which the order of all scores stays; score_bound: no
score changes by more in the domain, proved in score_bound_seconds. Rows written before these columns have none; they
can be read, but not resumed. Needs the networks; reads no expected verdicts.
"""

import argparse
import csv
import json
import os
import resource
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from statistics import median

import torch
from machine import command, machine
from repair_figures import accepted, call, measured, preserved

from engine.acasxu.files import network_path
from engine.errors import InputError

CLASSIC = [(a, t, (2,)) for a in range(2, 6) for t in range(1, 10) if (a, t) not in ((3, 3), (4, 2))]
CLASSIC += [(1, 9, (7,)), (2, 9, (8,))]
OTHER = [(1, t, (2,)) for t in range(2, 7)] + [(1, t, (p,)) for t in (7, 8, 9) for p in (3, 4)]
JOINT = [(a, t, ()) for a, t in sorted({(a, t) for a, t, _ in CLASSIC + OTHER})]
TASKS = {"classic": CLASSIC, "other": OTHER, "joint": JOINT, "all": CLASSIC + OTHER + JOINT}
COLUMNS = (
    "network",
    "properties",
    "method",
    "exit",
    "seconds",
    "repair_seconds",
    "chosen",
    "what",
    "proved",
    "certificates_accepted",
    "weights",
    "neurons",
    "layers",
    "outside_changed",
    "outside_agreement",
    "grid_changed",
    "safe_points",
    "safe_changed",
    "mean_score_change",
    "largest_score_change",
    "order_kept",
    "score_bound",
    "score_bound_seconds",
    "theorem",
    "raised",
    "lowered",
    "vere_success",
    "vere_generalization",
    "vere_drawdown",
    "vere_held_out",
    "prove_seconds",
    "may_differ",
    "not_equal",
    "reason",
)
SHOWN = (
    "network",
    "properties",
    "exit",
    "seconds",
    "repair_seconds",
    "what",
    "weights",
    "outside_changed",
    "safe_changed",
    "vere_drawdown",
    "may_differ",
    "reason",
)
NUMBERS = ("exit", "seconds", "repair_seconds", "weights", "outside_changed", "safe_changed", "may_differ")


def repaired_file(task, method: str) -> Path:
    """Where a task's repaired network is put; method: or the guarantee that is demanded."""
    a, t, numbers = task
    return Path("build/benchmarks/repair") / method / (f"{a}-{t}" + "".join(f"-p{n}" for n in numbers) + ".onnx")


def run_task(task, arguments) -> dict:
    a, t, numbers = task
    out = repaired_file(task, kind(arguments))
    out.parent.mkdir(parents=True, exist_ok=True)
    command = [
        "repair",
        "--network",
        f"{a},{t}",
        "--out",
        str(out),
        "--force",
        "--json",
        "--method",
        arguments.method,
        "--grid",
        str(arguments.grid),
        "--samples",
        str(arguments.samples),
        "--proof-timeout",
        str(arguments.proof_timeout),
    ]
    if arguments.guarantee:
        command += ["--guarantee", arguments.guarantee]
    if arguments.max_score_change:
        command += ["--max-score-change", arguments.max_score_change]
    for number in numbers:
        command += ["--property", str(number)]
    if arguments.timeout:
        command += ["--timeout", str(arguments.timeout)]
    start = time.perf_counter()
    code, text, error = call(command)
    row = {
        "network": f"{a},{t}",
        "properties": words(numbers),
        "method": arguments.method,
        "exit": code,
        "seconds": round(time.perf_counter() - start, 2),
    }
    try:
        found = json.loads(text)
    except ValueError:
        return row | {"reason": " ".join(error.split())[-300:]}
    if code:
        return row | {"reason": found.get("reason", ""), "repair_seconds": round(found.get("seconds", 0), 2)}
    row |= measured(found)
    row["certificates_accepted"] = accepted(out)
    if arguments.prove:
        row |= preserved(task, out, arguments.prove)
    return row


def kind(arguments) -> str:
    """The method, or the guarantee that is demanded, and the limit of scores."""
    most = f"-within-{arguments.max_score_change}" if arguments.max_score_change else ""
    return f"{arguments.guarantee or arguments.method}{most}"


def words(numbers) -> str:
    return " ".join(f"P{n}" for n in numbers) or "all violated"


def read(path: str, needed: Sequence[str] = COLUMNS) -> list[dict]:
    """Rows of an earlier run, numbers as numbers; ValueError where it did not measure what is needed."""
    with open(path, newline="") as file:
        reader = csv.DictReader(file)
        missing = [name for name in needed if name not in (reader.fieldnames or ())]
        if missing:
            raise ValueError(
                f"{path} is of an earlier version, without {', '.join(missing)}; run without --resume, or remove it"
            )
        return [
            {key: _number(text) if key in NUMBERS and text else text for key, text in row.items()} for row in reader
        ]


def _number(text: str) -> int | float:
    """The number, written again as it was."""
    return int(text) if text.isdigit() else float(text)


def share_cores(jobs: int) -> None:
    """Each of so many processes, started from now on, uses its share of the cores, in torch and what it calls."""
    if jobs > 1:
        os.environ["OMP_NUM_THREADS"] = str(max(1, torch.get_num_threads() // jobs))


def save(name, rows: list[dict], tasks, columns=COLUMNS) -> None:
    """The rows so far as NAME.csv, in the order of the tasks."""
    place = {(f"{a},{t}", words(numbers)): i for i, (a, t, numbers) in enumerate(tasks)}
    rows.sort(key=lambda row: place.get((row["network"], row["properties"]), -1))
    with open(f"{name}.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--method", default="auto")
    parser.add_argument("--tasks", default="classic", choices=list(TASKS))
    parser.add_argument("--only", nargs="*", metavar="A,T", help="only these networks")
    parser.add_argument("--timeout", type=float, help="seconds for each repair")
    parser.add_argument("--grid", type=int, default=30)
    parser.add_argument("--samples", type=int, default=1_000_000)
    parser.add_argument("--proof-timeout", type=float, default=20.0)
    parser.add_argument("--guarantee", help="structural: only repairs with a theorem for every input")
    parser.add_argument(
        "--max-score-change", metavar="X", help="only repairs with a proof that scores change by no more"
    )
    parser.add_argument("--resume", action="store_true", help="keep the rows of the results that are there")
    parser.add_argument("--prove", type=float, metavar="SECONDS")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="tasks at once")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    arguments = parser.parse_args()
    if arguments.jobs < 1:
        parser.error(f"--jobs is {arguments.jobs}; at least one task is to run")
    share_cores(arguments.jobs)
    arguments.out.mkdir(parents=True, exist_ok=True)
    tasks = [task for task in TASKS[arguments.tasks] if not arguments.only or f"{task[0]},{task[1]}" in arguments.only]
    try:  # before earlier results are written over
        for a, t, _ in tasks:
            network_path(a, t)
    except InputError as error:
        parser.error(str(error))
    start = time.perf_counter()
    name = arguments.out / f"repair-{arguments.tasks}-{kind(arguments)}"
    try:
        rows = read(f"{name}.csv") if arguments.resume else []
    except (OSError, ValueError) as error:
        parser.error(f"--resume: {error}")
    done = {(row["network"], row["properties"]) for row in rows}
    left = [task for task in tasks if (f"{task[0]},{task[1]}", words(task[2])) not in done]
    pool = ThreadPoolExecutor(arguments.jobs)
    try:
        for future in as_completed([pool.submit(run_task, task, arguments) for task in left]):
            row = future.result()
            print({key: row.get(key) for key in SHOWN}, flush=True)
            rows.append(row)
            save(name, rows, tasks)
    except KeyboardInterrupt:
        print(f"interrupted; {len(rows)} tasks are done, go on with --resume", file=sys.stderr)
        return 130
    finally:
        pool.shutdown(cancel_futures=True)
    good = [row for row in rows if row["exit"] == 0]
    summary = {
        "command": command(),
        "machine": machine(),
        "load_before": os.getloadavg()[1],
        "jobs": arguments.jobs,
        "tasks": len(rows),
        "repaired": len(good),
        "wall_seconds": round(time.perf_counter() - start, 1),
        "median_seconds": median(row["seconds"] for row in rows),
        "median_repair_seconds": median(row["repair_seconds"] for row in good) if good else None,
        "sum_repair_seconds": round(sum(row["repair_seconds"] for row in good), 1),
        "largest_repair_seconds": max((row["repair_seconds"] for row in good), default=None),
        "no_advisory_changed": sum(row["outside_changed"] == 0 and row["safe_changed"] == 0 for row in good),
        "with_theorem": sum(str(row["theorem"]) == "True" for row in good),
        "at_most_20_weights": sum(row["weights"] <= 20 for row in good),
        "peak_mib": round(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024),
    }
    Path(f"{name}.json").write_text(json.dumps(summary, indent=2) + "\n")
    print(summary)
    return 0 if len(good) == len(rows) else 1


if __name__ == "__main__":
    sys.exit(main())
