"""`acasxu info`: what an ONNX file holds."""

import json
from argparse import Namespace
from dataclasses import asdict
from pathlib import Path

from engine.cli.labels import label
from engine.cli.output import DONE, answer
from engine.foreign import plain


def run(arguments: Namespace) -> int:
    """Prints shape, operators, parameters and hash, and whether it is one of the published files."""
    from engine.onnx_file import describe

    found = describe(arguments.network)
    published = _published(found.sha256)
    if arguments.json:
        content = asdict(found) | {"operators": dict(found.operators), "file": str(arguments.network),
                                   "label": label(arguments.network), "published": published}
        answer(json.dumps(content, indent=2))
        return DONE
    answer(_text(arguments.network, found, published))
    return DONE


def _text(path: Path, found, published: str | None) -> str:
    rows = [
        ("file", str(path)),
        ("data", ", ".join(found.data_files)),
        ("label", label(path)),
        ("published", published and f"yes, {published}"),
        ("SHA-256", found.sha256),
        ("input", f"{found.input_name} {found.input_shape}"),
        ("output", f"{found.output_name} {found.output_shape}"),
        ("widths", " - ".join(map(str, found.widths))),
        ("ReLUs", f"{found.relus:,}"),
        ("parameters", f"{found.parameters:,}"),
        ("operators", ", ".join(f"{count} {name}" for name, count in found.operators)),
    ]
    return "\n".join(f"{name:11}{plain(value)}" for name, value in rows if value)


def _published(sha256: str) -> str | None:
    """The name under which a file with this content was published."""
    from engine.fetch import manifest

    return next((entry.name for entry in manifest() if entry.sha256 == sha256), None)
