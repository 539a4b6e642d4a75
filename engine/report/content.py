"""results.json: everything that the page says, for scripts."""

import json
import math
from dataclasses import asdict

from engine.acasxu.encounter import Encounter
from engine.bench.points import Assignment
from engine.report.cards import margin_of
from engine.report.encounters import seen
from engine.report.repairs import Repair
from engine.report.rows import NumberedRow
from engine.report.run_folder import RunFolder
from engine.results.summary import summarize
from engine.results.words import WORDS


def results_json(run: RunFolder) -> str:
    """One JSON object in ASCII, instances by property and network."""
    found = summarize(run.rows)
    manifest = asdict(run.manifest)
    del manifest["several"]  # the instances have it
    for name in ("versions", "machine", "options", "inputs", "made_from"):
        manifest[name] = dict(manifest[name])
    content = {
        "format": 1,
        "name": run.name,
        "notes": list(run.notes),
        "summary": {
            "instances": run.expected,
            "results": found.instances,
            **{word: found.verdicts.get(word, 0) for word in WORDS},
            "seconds": sum(found.seconds),
            "wall_seconds": run.manifest.wall_seconds,
            "boxes": found.boxes,
        },
        "instances": [_instance(run, row) for row in run.rows],
        "repairs": [_repair(repair) for repair in run.repairs],
        "manifest": manifest,
    }
    return json.dumps(_finite(content), indent=1, allow_nan=False) + "\n"


def _instance(run: RunFolder, row: NumberedRow) -> dict[str, object]:
    content: dict[str, object] = {**row.by_column(), "number": row.number}
    if row.network in run.names.parts:
        content["networks"] = dict(run.names.parts[row.network])
    point = run.points.get(row.number)
    if point:
        content["counterexample"] = asdict(point) | {"exact_margin": margin_of(run, row)}
        found = seen(run, row, point)
        if isinstance(point, Assignment) and found:
            content["encounters"] = [
                {"inputs": one.inputs, "outputs": one.outputs, "executed": one.executed} | _encounter(one.encounter)
                for one in found
            ]
        elif found:
            content["encounter"] = _encounter(found[0].encounter)
    return content


def _encounter(found: Encounter) -> dict[str, object]:
    return {
        "distance_ft": found.distance,
        "bearing_deg_left": found.bearing,
        "heading_deg_left": found.heading,
        "own_speed_ft_s": found.own_speed,
        "intruder_speed_ft_s": found.intruder_speed,
        "scores": found.scores,
        "advisory": found.advisory,
    }


def _repair(repair: Repair) -> dict[str, object]:
    return {
        "network": repair.network,
        "properties": repair.properties,
        "outcome": repair.outcome,
        "method": repair.method,
        "what": repair.what,
        "theorem": repair.theorem,
        "output_change": repair.change,
        "error": repair.error,
        **repair.values,
        "regions": [asdict(region) for region in repair.regions],
    }


def _finite(value: object) -> object:
    """The value with null for numbers that JSON does not have."""
    if isinstance(value, dict):
        return {name: _finite(entry) for name, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
