"""In a worker of `acasxu bench --repair`: one network, as `acasxu repair` does it."""

import json
import shutil
import time
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from importlib.util import find_spec
from io import StringIO
from pathlib import Path

from engine.acasxu.identity import identify_file
from engine.bench.durable import write_durably
from engine.bench.repairs import Job
from engine.cli.output import BAD_INPUT

_REPAIRED, _FAILED, _LATE = 0, 1, 3


def repair_one(job: Job, options: dict[str, object], send: Callable[[object], None]) -> None:
    """Sends the row of repairs.csv; what a killed run has learned of this network is used."""
    from engine.cli import main

    start = time.perf_counter()
    state = job.file(".state")
    out, err = StringIO(), StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = main(_command(job, options, state))
    row = {"seconds": round(time.perf_counter() - start, 3)}
    if code in (_REPAIRED, _FAILED, _LATE):
        write_durably(job.file(".json"), out.getvalue().encode())
        row |= _row(json.loads(out.getvalue()), job.stem)
    else:
        row |= {"outcome": "error", "error": _last_line(err.getvalue()) or f"exit code {code}"}
    if code != BAD_INPUT:
        shutil.rmtree(state, ignore_errors=True)
    send(row)


def _command(job: Job, options: dict[str, object], state: Path) -> list[str]:
    words = [
        "repair",
        str(job.path),
        *(str(path) for _, path in job.targets),
        "--out",
        str(job.file(".onnx")),
        "--certificates",
        str(job.stem),
        "--state",
        str(state),
        "--force",
        "--json",
    ]
    keep = _once(job.keep, [path for _, path in job.targets])
    words += ["--keep", *map(str, keep)] if keep else []
    if identify_file(job.path) and find_spec("matplotlib"):  # others have no advisories
        words += ["--picture", str(job.file(".png"))]
    for name, value in options.items():
        words += [f"--{name}", str(value)] if value is not None else []
    return words


def _once(keep: tuple[Path, ...], targets: list[Path]) -> list[Path]:
    """Those to keep that say something else than targets and each other: lists bring copies of ACAS Xu's properties."""
    from engine.vnnlib import load_property

    known, found = [load_property(path).cases for path in targets], []
    for path in keep:
        cases = load_property(path).cases
        if cases not in known:
            known.append(cases)
            found.append(path)
    return found


def _row(found: dict, folder: Path) -> dict[str, object]:
    """What the table says, from what `acasxu repair --json` says."""
    if "fidelity" not in found:
        held = found["result"] == "held already"
        return {"outcome": "held" if held else "failed", "error": "" if held else _why_not(found)}
    fidelity, attempts = found["fidelity"], found["attempts"]
    regions = {where: region for where, region in fidelity["regions"].items() if region}
    outside = regions.get("domain outside the boxes", {})
    safe = [region for where, region in regions.items() if where.endswith(", safe before")]
    points = sum(region["points"] for region in safe if region["agreement"] is not None)
    return {
        "outcome": "repaired",
        "method": ";".join(dict.fromkeys(attempt["method"] for attempt in found["chosen"])),
        "proof_seconds": round(float(sum(attempt["seconds"] for attempt in attempts)), 3),
        "agreement_outside": outside.get("agreement"),
        "changed_outside": outside.get("changed"),
        "agreement_safe": 1 - sum(region["changed"] for region in safe) / points if points else None,
        "max_output_change": max(region["largest_output_change"] for region in regions.values()),
        **{name: fidelity[name] for name in ("weights", "neurons", "layers")},
        "certificates": len(list(folder.glob("*.zip"))),
    }


def _why_not(found: dict) -> str:
    late = "out of time: " if found["timed_out"] else ""
    return f"{late}{found['property']}: {found['reason']}"


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1].removeprefix("acasxu: ") if lines else ""
