"""Bench folders for the tests of the report, written without a run: any size, no networks needed."""

import csv
import json
import shutil
import struct
import zlib
from functools import cache
from pathlib import Path

from engine.acasxu.identity import known_networks, known_properties
from engine.acasxu.networks import NETWORKS, NetworkIndex
from engine.acasxu.properties import PROPERTIES, Specification
from engine.audit.certificate import read_certificate
from engine.bench.instances import instance_stem, network_stem
from engine.bench.manifest import FORMAT
from engine.bench.repair_folder import COLUMNS as REPAIR_COLUMNS
from engine.results.row import COLUMNS

WITNESS = Path(__file__).parent / "certificates" / "valid" / "standin_witness.zip"
VIOLATED = {
    2: lambda n: n.a >= 2 and n not in ((3, 3), (4, 2)) or n.a == 1 and 2 <= n.t <= 6,
    3: lambda n: n.a == 1 and n.t >= 7,
    4: lambda n: n.a == 1 and n.t >= 7,
    7: lambda n: True,
    8: lambda n: True,
}  # as the benchmark has it; the others hold
SCORES = (0.021, -0.0201, 0.0181, -0.02, 0.019)


def benchmark(*, every: bool = False) -> list[dict[str, str]]:
    """Rows of the 186 instances, or of all 450 pairs."""
    pairs = [(network, spec) for spec in PROPERTIES for network in (NETWORKS if every else spec.benchmark)]
    return [row(network, spec, number) for number, (network, spec) in enumerate(pairs)]


def row(network: NetworkIndex, spec: Specification, number: int = 1) -> dict[str, str]:
    violated = VIOLATED.get(spec.number, lambda n: False)(network)
    cells = (
        network.file_name,
        f"{spec.name}.vnnlib",
        "sat" if violated else "unsat",
        "real",
        f"{0.003 * number:.4f}",
        str(1 + number**2),
        "cpu",
        str(2000 + 7 * number),
        "",
        "",
        "accepted",
        f"{0.001 * number:.3f}",
        "decided",
        "",
        "",
    )
    return dict(zip(COLUMNS, cells))


def write(folder: Path, rows: list[dict[str, str]], *, manifest: dict | None = None, repairs: int = 0) -> Path:
    """A folder as `acasxu bench` leaves it: results, counterexamples, manifest and repairs."""
    (folder / "counterexamples").mkdir(parents=True)
    table(folder / "results.csv", list(rows[0]) if rows else list(COLUMNS), rows)
    for each in rows:
        if each["verdict"] == "sat":
            path = folder / "counterexamples" / f"{stem(each)}.txt"
            path.write_text(point(each["property"]), encoding="ascii")
    (folder / "manifest.json").write_text(json.dumps(manifest or whole_manifest(rows)), encoding="utf-8")
    if repairs:
        write_repairs(folder, [each for each in rows if each["verdict"] == "sat"][:repairs])
    return folder


def certify(folder: Path, each: dict[str, str]) -> None:
    """A witness, and its point as the counterexample."""
    (folder / "certificates").mkdir(exist_ok=True)
    shutil.copy(WITNESS, folder / "certificates" / f"{stem(each)}.witness.zip")
    found = read_certificate(WITNESS).witness
    pairs = [
        f"({letter}_{i} {float(value)!r})"
        for letter, values in (("X", found.point), ("Y", found.outputs))
        for i, value in enumerate(values)
    ]
    (folder / "counterexamples" / f"{stem(each)}.txt").write_text("(" + "\n ".join(pairs) + ")\n")


def stem(each: dict[str, str]) -> str:
    return instance_stem((each["network"], each["property"]))


def point(prop: str) -> str:
    """The middle of an ACAS Xu property's box, and some scores; of other properties, two inputs and an output."""
    spec = next((s for s in PROPERTIES if f"{s.name}.vnnlib" == prop), None)
    values = [float((low + high) / 2) for low, high in spec.normalized_boxes[0]] if spec else [0.25, -0.5]
    pairs = [f"(X_{i} {v!r})" for i, v in enumerate(values)]
    pairs += [f"(Y_{i} {v!r})" for i, v in enumerate(SCORES[: len(values)])]
    return "(" + "\n ".join(pairs) + ")\n"


def whole_manifest(rows: list[dict[str, str]]) -> dict:
    names = sorted({each[kind] for each in rows for kind in ("network", "property")})
    known = hashes()
    return {
        "format": FORMAT,
        "engine": "9.9",
        "commit": "0123456789abcdef",
        "started": "2026-01-02T03:04:05Z",
        "versions": {"python": "3.11.7", "torch": "2.13.0", "gurobipy": None},
        "machine": {"cpu": "a processor", "cores": 2, "memory_bytes": 24 * 2**30, "gpu": None, "system": "Linux"},
        "options": {"semantics": "real", "timeout": None, "certificates": True},
        "inputs": {name: known.get(name, f"{number:064x}") for number, name in enumerate(names)},
        "instances": [[each["network"], each["property"], 116] for each in rows],
        "files": {},
        "sessions": [
            {"started": "2026-01-02T03:04:05Z", "ended": None, "decided": 3, "wall_seconds": 1.5},
            {"started": "2026-01-02T04:04:05Z", "ended": "2026-01-02T04:04:25Z", "decided": 5, "wall_seconds": 20.25},
        ],
    }


@cache
def hashes() -> dict[str, str]:
    """The SHA-256 of the published networks, the stand-ins and the ten properties, by the names of their files."""
    named = {
        each.index.file_name if each.index else f"{each.name}.onnx": sha256 for sha256, each in known_networks().items()
    }
    return named | {f"{spec.name}.vnnlib": sha256 for sha256, spec in known_properties().items()}


def write_repairs(folder: Path, rows: list[dict[str, str]]) -> None:
    (folder / "repairs").mkdir()
    cells = ("repaired", "milp", 10.5, 3.25, 0.9999995, 12, 1.0, 0.106, 12, 6, 2, 4, "", "decided", "")
    table(
        folder / "repairs.csv",
        list(REPAIR_COLUMNS),
        [dict(zip(REPAIR_COLUMNS, (each["network"], each["property"], *cells))) for each in rows],
    )
    region = {
        "points": 24_300_000,
        "changed": 12,
        "agreement": 0.9999995,
        "mean_output_change": 0.002,
        "largest_output_change": 0.106,
    }
    none = {"points": 0, "changed": 0, "agreement": None, "mean_output_change": 0.0, "largest_output_change": 0.0}
    report = {
        "result": "repaired",
        "chosen": [{"method": "milp", "what": "neuron 38 of layer 6 rewritten"}],
        "fidelity": {"regions": {"grid of the domain": region, "prop_2, unsafe before": none}},
    }
    for each in rows:
        name = folder / "repairs" / network_stem(each["network"])
        name.with_suffix(".json").write_text(json.dumps(report))
        name.with_suffix(".png").write_bytes(picture())


@cache
def picture() -> bytes:
    return png(300, 200)


def table(path: Path, header: list[str], rows: list[dict]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, header, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def png(width: int, height: int, *, colour=lambda x, y: (217, 72, 1) if x > y else (239, 239, 239)) -> bytes:
    """A picture, without any library."""
    lines = b"".join(b"\0" + bytes(part for x in range(width) for part in colour(x, y)) for y in range(height))
    parts = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(lines)),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in parts
    )
