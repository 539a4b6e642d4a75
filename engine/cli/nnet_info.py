"""`acasxu info` of a `.nnet` file."""

from hashlib import sha256
from pathlib import Path
from typing import Any

from engine.acasxu.identity import identify
from engine.foreign import plain
from engine.nnet import Content, content_of, parse
from engine.onnx_file import read_bytes
from engine.property import Vector

_UNITS = (
    "normalized: inputs (x - mean) / range, outputs (y - mean) / range, as in ONNX files of ACAS Xu; "
    "verify and convert take raw ones with --units raw"
)


def nnet_info(path: Path) -> tuple[dict[str, Any], str]:
    """Returns what the file holds, as a JSON object and as text."""
    data = read_bytes(path)
    content, network = content_of(data, where=str(path)), parse(data, where=str(path))
    identity = identify(network)
    parts = [part for layer in content.layers for part in (layer.weight, layer.bias)]
    parameters = sum(part.values.size for part in parts)
    rounded = sum(int((part.sides != 0).sum()) for part in parts)
    facts: dict[str, Any] = {
        "file": str(path),
        "label": identity and identity.label,
        "published": bool(identity and identity.is_published),
        "sha256": sha256(data).hexdigest(),
        "widths": content.widths,
        "relus": sum(content.widths[1:-1]),
        "parameters": parameters,
        "no_float64": rounded,
        "units": "normalized",
        "normalization": _normalization(content),
    }
    rows: list[tuple[str, str | None]] = [
        ("file", str(path)),
        ("label", facts["label"]),
        ("published", "yes, in this format" if facts["published"] else None),
        ("SHA-256", facts["sha256"]),
        ("widths", " - ".join(map(str, content.widths))),
        ("ReLUs", f"{facts['relus']:,}"),
        ("parameters", f"{parameters:,}, of which {rounded:,} are decimals that no float64 number is"),
        ("units", _UNITS),
        *((name, ", ".join(map(str, numbers))) for name, numbers in facts["normalization"].items()),
    ]
    return facts, "\n".join(f"{name:11}{plain(value)}" for name, value in rows if value)


def _normalization(content: Content) -> dict[str, list[float]]:
    """The numbers for people: the nearest float64 ones. The outputs' mean and range stand last."""
    found = content.normalization

    def floats(values: Vector) -> list[float]:
        return [float(value) for value in values]

    return {
        "minima": floats(found.minima),
        "maxima": floats(found.maxima),
        "means": floats((*found.means, found.output_mean)),
        "ranges": floats((*found.ranges, found.output_range)),
    }
