"""How much of the domain repairs leave alone, proved: `acasxu compare --prove` for networks repaired by repair.py.

    python benchmarks/preserve.py [--tasks classic] [--method auto] [--seconds 60] [--only A,T ...] [--resume]

Of each repaired task of results/repair-TASKS-METHOD.csv: on at most which share of the domain's volume the advisory may
differ, and outputs may, after so many seconds. The networks are those that repair.py left under build/; one that does
not change as many weights as the row says is of another run, and refused.
"""

import argparse
import csv
import json
import os
import sys
from pathlib import Path
from statistics import median

from machine import command, machine
from repair import TASKS, read, repaired_file, save, words
from repair_figures import compared, share

COLUMNS = ("network", "properties", "weights", "seconds", "boxes", "may_differ", "not_equal")
NEEDED = ("network", "properties", "exit", "weights")  # of repair.py's results, of any version
GOAL = 0.001  # of the volume


def proved(task, changed: Path, seconds: float) -> dict:
    """What is proved of this task's repaired network, and how many weights it changes."""
    found, error = compared(task, changed, seconds)
    if not found:
        raise SystemExit(f"{changed}: {error}")
    return {
        "weights": found["weights"],
        "seconds": round(found["proved"]["seconds"], 1),
        "boxes": found["proved"]["boxes"],
        "may_differ": share(found["proved"], "decision"),
        "not_equal": share(found["proved"], "outputs"),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--tasks", default="classic", choices=list(TASKS))
    parser.add_argument("--method", default="auto")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--only", nargs="*", metavar="A,T", help="only these networks")
    parser.add_argument("--resume", action="store_true", help="keep the rows of the results that are there")
    parser.add_argument("--results", type=Path, default=Path("benchmarks/results"))
    arguments = parser.parse_args()
    name = arguments.results / f"preserve-{arguments.tasks}-{arguments.method}"
    try:
        repairs = read(str(arguments.results / f"repair-{arguments.tasks}-{arguments.method}.csv"), NEEDED)
        rows = list(csv.DictReader(Path(f"{name}.csv").open(newline=""))) if arguments.resume else []
    except (OSError, ValueError) as error:
        parser.error(str(error))
    weights = {(row["network"], row["properties"]): row["weights"] for row in repairs if row["exit"] == 0}
    done = {(row["network"], row["properties"]) for row in rows}
    for task in TASKS[arguments.tasks]:
        key = f"{task[0]},{task[1]}", words(task[2])
        if key not in weights or key in done or arguments.only and key[0] not in arguments.only:
            continue
        row = dict(zip(COLUMNS, key)) | proved(task, repaired_file(task, arguments.method), arguments.seconds)
        if row["weights"] != weights[key]:
            parser.error(f"{repaired_file(task, arguments.method)} is of another run; run benchmarks/repair.py again")
        print(row, flush=True)
        rows.append(row)
        save(name, rows, TASKS[arguments.tasks], COLUMNS)
    shares = [float(row["may_differ"]) for row in rows]
    if not shares:
        parser.error("of these tasks none was repaired")
    summary = {
        "command": command(),
        "machine": machine(),
        "load_before": os.getloadavg()[1],
        "tasks": len(rows),
        "at_most_a_thousandth": sum(value <= GOAL for value in shares),
        "median": median(shares),
        "least": min(shares),
        "most": max(shares),
    }
    Path(f"{name}.json").write_text(json.dumps(summary, indent=2) + "\n")
    print(summary)
    return 0


if __name__ == "__main__":
    sys.exit(main())
