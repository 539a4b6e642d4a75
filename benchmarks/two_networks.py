"""Fifty questions whether two ACAS Xu networks give nearly the same outputs, one after the other, each alone.

    python benchmarks/two_networks.py [--rows 0 13] [--limit 100] [--eps 0.1] [--box 3] [--scale 2]

Every verdict is certified and its certificate checked. A line is added to FILE as soon as it is known; lines that are
there already are not measured again, so that a run can be interrupted. `--eps`, `--box` and `--scale` ask other
questions about the same networks: the box of another property or the whole domain, and a perturbation
of another size, f + SCALE (g - f) rounded to float32, written to build/.
"""

import argparse
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Context, Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import onnx
from machine import machine
from methods import append, read
from onnx import numpy_helper

from engine import certificate
from engine.acasxu.files import property_path
from engine.acasxu.properties import PROPERTIES
from engine.audit.check import check
from engine.bench.instances import Instance, read_instances
from engine.domain import Domain, hull
from engine.joining import load_question
from engine.search.problem import Options
from engine.search.verify import verify
from engine.verdict import Unknown
from engine.vnnlib import load_property, load_query

DATA = os.environ.get("ACASXU_TWO_NETWORKS")  # the folder of the questions
BOXES = "2", "1", "3", "4", "5", "domain"
VIOLATED = 14, 21, 33, 48  # of the questions as they are, as the folder's README has it; for the table alone
COLUMNS = (
    *("row", "networks", "eps", "box", "scale", "limit", "verdict", "expected", "boxes", "processor_seconds"),
    *("wall_seconds", "certificate_bytes", "check", "check_seconds", "commit", "machine"),
)
HEAD = """(vnnlib-version <2.0>)
(declare-network f (declare-input X_f real [1,1,1,5]) (declare-output Y_f real [1,5]))
(declare-network g (isomorphic-to f) (declare-input X_g real [1,1,1,5]) (declare-output Y_g real [1,5]))
"""


@dataclass(frozen=True, slots=True)
class Setting:
    """How the fifty are asked; the defaults are the questions as they are."""

    eps: str = "0.05"
    box: str = "2"
    scale: str = "1"


AS_IT_IS = Setting()


@dataclass(frozen=True, slots=True)
class Files:
    """The files of one question."""

    networks: dict[str, Path]
    query: Path


def files_of(instance: Instance, setting: Setting, scratch: Path) -> Files:
    """The instance's files, or those that ask it in another way, which are written to `scratch`."""
    networks, query = {each.declared: each.path for each in instance.networks}, instance.property
    scratch.mkdir(parents=True, exist_ok=True)
    if setting.scale != AS_IT_IS.scale:
        path = scratch / f"{networks['g'].stem}_times_{setting.scale}.onnx"
        path.write_bytes(scaled(networks["f"], networks["g"], float(setting.scale)))
        networks = networks | {"g": path}
    if (setting.eps, setting.box) != (AS_IT_IS.eps, AS_IT_IS.box):
        query = scratch / f"equivalent_{setting.eps}_on_{setting.box}.vnnlib"
        query.write_text(query_text(box_of(setting.box), setting.eps))
    return Files(networks, query)


def scaled(f: Path, g: Path, scale: float) -> bytes:
    """The network f + scale (g - f), every number rounded to float32, as an ONNX file with g's graph."""
    original, model = onnx.load(f), onnx.load(g)
    numbers = {tensor.name: numpy_helper.to_array(tensor).astype(np.float64) for tensor in original.graph.initializer}
    for tensor in model.graph.initializer:
        before, after = numbers[tensor.name], numpy_helper.to_array(tensor).astype(np.float64)
        moved = (before + scale * (after - before)).astype(np.float32)
        tensor.CopyFrom(numpy_helper.from_array(moved, tensor.name))
    return bytes(model.SerializeToString())


def box_of(name: str) -> Domain:
    """The box of a property, or of all ten together, in the decimals of their files."""
    numbers = [spec.number for spec in PROPERTIES] if name == "domain" else [int(name)]
    return hull([load_property(property_path(number)) for number in numbers])


def query_text(box: Domain, eps: str) -> str:
    """The question whether some output of f and g differs by more than eps at some point of a box."""
    lines = []
    for i, (low, high) in enumerate(zip(box.lower, box.upper)):
        place = f"[0,0,0,{i}]"
        lines.append(f"(assert (and (<= X_f{place} {_decimal(high)}) (>= X_f{place} {_decimal(low)})))")
        lines.append(f"(assert (== X_f{place} X_g{place}))")
    pairs = ((f"Y_g[0,{j}]", f"Y_f[0,{j}]") for j in range(5))
    apart = (f"(> {g} (+ {f} {eps})) (< {g} (- {f} {eps}))" for g, f in pairs)
    return HEAD + "\n".join([*lines, f"(assert (or {' '.join(apart)}))", ""])


def _decimal(value: Fraction) -> str:
    text = f"{Context(prec=50).divide(Decimal(value.numerator), Decimal(value.denominator)):f}"
    assert Fraction(text) == value, "the properties' files have decimals"
    return text


def measured(files: Files, limit: float, proof: Path) -> dict[str, object]:
    """Searches, certifies and checks; seconds of the processor are those of the search, on all its threads."""
    question = load_question(load_query(files.query), files.networks)
    options = Options(timeout=limit, proofs=True, device="cpu")
    wall, start = time.perf_counter(), time.process_time()
    verdict = verify(question.joint, question.query.property, options)
    found: dict[str, object] = {
        "verdict": verdict.word,
        "boxes": verdict.statistics.boxes,
        "processor_seconds": f"{time.process_time() - start:.2f}",
        "wall_seconds": f"{time.perf_counter() - wall:.2f}",
    }
    if isinstance(verdict, Unknown):
        return found
    data = certificate.question_certificate_bytes(question, verdict, options)
    proof.write_bytes(data)
    start = time.process_time()
    result = check(proof, files.networks, files.query)
    seconds = f"{time.process_time() - start:.2f}"
    word = "accepted" if result.accepted and not result.reason else "rejected"
    return found | {"certificate_bytes": len(data), "check": word, "check_seconds": seconds}


def wanted(chosen: list[int], setting: Setting, limit: float, out: Path) -> Iterator[tuple[int, dict[str, object]]]:
    """The rows that are not in the table yet, with the cells that are known of them."""
    keys = "row", "eps", "box", "scale", "limit"
    known = {tuple(line[key] for key in keys) for line in read(out) or []}
    for row in chosen:
        cells = {"row": row, "eps": setting.eps, "box": setting.box, "scale": setting.scale, "limit": f"{limit:g}"}
        if tuple(str(cells[key]) for key in keys) not in known:
            expected = ("sat" if row in VIOLATED else "unsat") if setting == AS_IT_IS else ""
            yield row, cells | {"expected": expected}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="*", metavar="N", help="of the list, from 0 (default: all)")
    parser.add_argument("--limit", type=float, default=100.0, metavar="S", help="seconds for each (default: 100)")
    parser.add_argument("--eps", default=AS_IT_IS.eps, help="of the outputs (default: 0.05)")
    parser.add_argument("--box", choices=BOXES, default=AS_IT_IS.box, help="of which property (default: 2)")
    parser.add_argument("--scale", default=AS_IT_IS.scale, help="of the perturbation (default: 1)")
    where = "the folder of the questions (or ACASXU_TWO_NETWORKS)"
    parser.add_argument("--data", type=Path, default=DATA, required=not DATA, metavar="DIR", help=where)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/two_networks.csv"), metavar="FILE")
    arguments = parser.parse_args()
    instances, about = read_instances(arguments.data / "instances.csv"), machine(calibrated=False)
    setting, scratch = Setting(arguments.eps, arguments.box, arguments.scale), Path("build/benchmarks/two_networks")
    chosen = list(range(len(instances))) if arguments.rows is None else arguments.rows
    for row, cells in wanted(chosen, setting, arguments.limit, arguments.out):
        files = files_of(instances[row], setting, scratch)
        cells |= measured(files, arguments.limit, scratch / f"{row}.zip")
        cells |= {"networks": instances[row].names[0], "commit": about["commit"], "machine": about["processor"]}
        append(arguments.out, COLUMNS, cells)
        print(*(cells.get(name, "") for name in COLUMNS[:-2]), sep="\t", flush=True)


if __name__ == "__main__":
    main()
