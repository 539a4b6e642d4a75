"""How much of the domain repairs leave alone outside a band around ties, proved: `acasxu compare --prove --gap`.

    python benchmarks/preserve_band.py [--tasks classic] [--method auto] [--gap 0.1 1 5] [--seconds 60] [--only A,T ...]

Of each repaired network that repair.py left under build/ (method: or the guarantee that was demanded), and each gap, in
the units of the tables' scores: on at most which share of the domain's volume the advisory may differ where the
original's two lowest scores differ by more, after so many seconds. A row is only written if the checker accepts the
certificate. Measured beside it, on 20,000 random points: the share where they differ by more (clear), where besides the
weights alone leave a change possible (possible), and where the advisory is another (changed). Rows that are there are
kept.
"""

import argparse
import csv
import json
import os
import sys
from fractions import Fraction
from hashlib import sha256
from pathlib import Path

from machine import command, machine
from repair import TASKS, repaired_file, words
from repair_figures import call

from engine.acasxu.files import network_path, property_path
from engine.acasxu.quantities import SCORE_SCALE

COLUMNS = (
    "network",
    "properties",
    "sha256",
    "weights",
    "gap",
    "seconds",
    "boxes",
    "may_differ",
    "clear",
    "possible",
    "changed",
)
GOAL = 0.01  # of the volume
POINTS = 20_000


def in_network_units(gap: str) -> str:
    """A gap of the tables' scores in the unit of the networks' outputs, to 12 digits."""
    return f"{float(Fraction(gap) / SCORE_SCALE):.12f}"


def proved(task, changed: Path, gap: str, seconds: float) -> dict:
    """What is proved of this task's repaired network outside the band of this gap; its certificate was checked."""
    a, t, numbers = task
    original, certificate = str(network_path(a, t)), str(changed.with_suffix(".band.zip"))
    boxes = [str(property_path(number)) for number in numbers]
    options = ["--prove", "--gap", in_network_units(gap), "--timeout", str(seconds), "--points", str(POINTS)]
    options += ["--grid", "2", "--certificate", certificate, "--json"]
    code, text, error = call(["compare", original, str(changed), *boxes, *options])
    if code:
        raise SystemExit(f"{changed}: {error}")
    found = json.loads(text)
    band, measured = found["outside_band"], found["outside_band"]["measured"]
    return {
        "weights": found["weights"],
        "seconds": round(band["seconds"], 1),
        "boxes": band["boxes"],
        "may_differ": float(Fraction(band["decision_may_differ_at_most"])),
        "clear": measured["outside_the_band"] / POINTS,
        "possible": measured["of_these_with_a_decision_that_may_change"] / POINTS,
        "changed": measured["of_these_with_another_decision"] / POINTS,
    }


def summary(rows: list[dict], load: float) -> dict:
    gaps = sorted({row["gap"] for row in rows}, key=float)
    shares = {gap: sorted(float(row["may_differ"]) for row in rows if row["gap"] == gap) for gap in gaps}
    return {
        "command": command(),
        "machine": machine(),
        "load_before": load,
        "gaps": {
            gap: {
                "networks": len(found),
                "at_most_a_hundredth": sum(value <= GOAL for value in found),
                "least": found[0],
                "median": found[len(found) // 2],
                "most": found[-1],
            }
            for gap, found in shares.items()
        },
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--tasks", default="classic", choices=list(TASKS))
    parser.add_argument("--method", default="auto")
    parser.add_argument("--gap", nargs="+", default=["0.1", "1", "5"])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--only", nargs="*", metavar="A,T", help="only these networks")
    parser.add_argument("--results", type=Path, default=Path("benchmarks/results"))
    arguments = parser.parse_args()
    load = os.getloadavg()[1]
    name = arguments.results / f"preserve-band-{arguments.tasks}-{arguments.method}"
    file = Path(f"{name}.csv")
    rows = list(csv.DictReader(file.open(newline=""))) if file.exists() else []
    done = {(row["sha256"], row["gap"]) for row in rows}
    for task in TASKS[arguments.tasks]:
        key, changed = (f"{task[0]},{task[1]}", words(task[2])), repaired_file(task, arguments.method)
        if not changed.exists() or arguments.only and key[0] not in arguments.only:
            continue
        digest = sha256(changed.read_bytes()).hexdigest()
        for gap in arguments.gap:
            if (digest, gap) not in done:
                row = dict(zip(COLUMNS, (*key, digest))) | {"gap": gap}
                rows.append(row | proved(task, changed, gap, arguments.seconds))
                print(rows[-1], flush=True)
                save(file, rows)
                Path(f"{name}.json").write_text(json.dumps(summary(rows, load), indent=2) + "\n")
    if not rows:
        parser.error("of these tasks none is repaired under build/; run benchmarks/repair.py")
    print(summary(rows, load))
    return 0


def save(file: Path, rows: list[dict]) -> None:
    rows.sort(key=lambda row: (row["network"], row["properties"], float(row["gap"])))
    with file.open("w", newline="") as out:
        writer = csv.DictWriter(out, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    sys.exit(main())
