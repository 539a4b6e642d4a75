"""The figures of one repair (repair.py): from its record, the checker, and `acasxu compare`, commands of their own."""

import json
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

from engine.acasxu.files import network_path, property_path


def call(command: list[str]) -> tuple[int, str, str]:
    done = subprocess.run([sys.executable, "-m", "engine", *command], capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


def measured(found: dict) -> dict:
    fidelity = found["fidelity"]
    outside, grid = fidelity["regions"]["domain outside the boxes"], fidelity["regions"]["grid of the domain"]
    safe = [
        region
        for where, region in fidelity["regions"].items()
        if where.endswith("safe before") and not where.endswith("unsafe before")
    ]
    return {
        "repair_seconds": round(found["seconds"], 2),
        "proved": " ".join(found["proved"]),
        "chosen": " ".join(attempt["method"] for attempt in found["chosen"]),
        "what": "; ".join(attempt["what"] for attempt in found["chosen"]),
        "weights": fidelity["weights"],
        "neurons": fidelity["neurons"],
        "layers": fidelity["layers"],
        "outside_changed": outside["changed"],
        "outside_agreement": outside["agreement"],
        "grid_changed": grid["changed"],
        "safe_points": sum(region["points"] for region in safe),
        "safe_changed": sum(region["changed"] for region in safe),
        "mean_score_change": outside["mean_output_change"],
        "largest_score_change": outside["largest_output_change"],
        "order_kept": outside["order_kept"],
        "score_bound": found["output_change"]["bound"],
        "score_bound_seconds": round(found["output_change"]["seconds"], 2),
        "theorem": found["structure"]["theorem"],
        **{
            claim: " ".join(f"y{j}" for j, each in enumerate(found["structure"]["outputs"] or ()) if each == claim)
            for claim in ("raised", "lowered")
        },
        **vere(found["vere"]["properties"]),
    }


def vere(properties: list[dict]) -> dict:
    """VERE's figures, the worst of all properties; held_out: the counterexamples that generalization is a share of."""
    known = {
        name: [figures[name] for figures in properties if figures[name] is not None]
        for name in ("success", "generalization", "drawdown")
    }
    return {
        "vere_success": min(known["success"], default=None),
        "vere_drawdown": max(known["drawdown"], default=None),
        "vere_generalization": min(known["generalization"], default=None),
        "vere_held_out": sum(figures["generalization_points"] for figures in properties),
    }


def accepted(out: Path) -> str:
    """By the independent checker as a command of its own, once more."""
    folder = out.with_name(f"{out.stem}.certificates")
    code, text, _ = call(["check", str(folder), "--network", str(out), "--property", str(property_path(1).parent)])
    return f"{text.count('accepted:')} of {len(list(folder.glob('*.proof.zip')))}" if code == 0 else "rejected"


def preserved(task, out: Path, seconds: float) -> dict:
    start = time.perf_counter()
    found, _ = compared(task, out, seconds)
    proved = found.get("proved", {})
    return {
        "prove_seconds": round(time.perf_counter() - start, 1),
        "may_differ": share(proved, "decision"),
        "not_equal": share(proved, "outputs"),
    }


def compared(task, out: Path, seconds: float) -> tuple[dict, str]:
    """What `acasxu compare --prove` finds of a task's repaired network in this time; or nothing, and why."""
    a, t, numbers = task
    boxes = [str(property_path(number)) for number in numbers]
    code, text, error = call(
        [
            "compare",
            str(network_path(a, t)),
            str(out),
            *boxes,
            "--prove",
            "--timeout",
            str(seconds),
            "--points",
            "1000",
            "--grid",
            "2",
            "--json",
        ]
    )
    return ({}, error) if code else (json.loads(text), "")


def share(found: dict, what: str) -> float | None:
    text = found.get(f"{what}_may_differ_at_most")
    return float(Fraction(text)) if text else None
