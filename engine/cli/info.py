"""`acasxu info`: the content of a network's file."""

import json
from argparse import Namespace
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from engine.acasxu.identity import Identity, identify
from engine.cli.output import DONE, answer
from engine.foreign import plain

if TYPE_CHECKING:  # torch takes long
    from engine.onnx_file.describe import Description


def run(arguments: Namespace) -> int:
    """Prints shape, operators, parameters and hash, and what the network is known to be."""
    from engine.nnet import is_nnet
    from engine.onnx_file import describe, load_network, made_from

    if is_nnet(arguments.network):
        from engine.cli.nnet_info import nnet_info

        facts, text = nnet_info(arguments.network)
        answer(json.dumps(facts, indent=2, allow_nan=False) if arguments.json else text)
        return DONE
    network = load_network(arguments.network)
    found, identity, original = describe(arguments.network), identify(network), made_from(network.onnx_bytes)
    published = _published(found.sha256)
    if arguments.json:
        content = asdict(found) | {
            "operators": dict(found.operators),
            "curves": dict(found.curves),
            "file": str(arguments.network),
            "label": identity and identity.label,
            "published": published,
            "made_from": original,
        }
        answer(json.dumps(content, indent=2))
        return DONE
    answer(_text(arguments.network, found, identity, published, original))
    return DONE


def _text(
    path: Path, found: "Description", identity: Identity | None, published: str | None, original: str | None
) -> str:
    rows = [
        ("file", str(path)),
        ("data", ", ".join(found.data_files)),
        ("label", identity and identity.label),
        ("published", published and f"yes, {published}"),
        ("SHA-256", found.sha256),
        ("made from", original and f"SHA-256 {original}, by its own metadata"),
        ("input", f"{found.input_name} {found.input_shape}"),
        ("output", f"{found.output_name} {found.output_shape}"),
        ("scores", found.ending and f"what the {found.ending} at the end reads: questions are about these"),
        ("widths", " - ".join(map(str, found.widths))),
        ("ReLUs", f"{found.relus:,}"),
        ("curves", ", ".join(f"{count:,} {name}" for name, count in found.curves)),
        ("parameters", f"{found.parameters:,}"),
        ("operators", ", ".join(f"{count} {name}" for name, count in found.operators)),
    ]
    return "\n".join(f"{name:11}{plain(value)}" for name, value in rows if value)


def _published(sha256: str) -> str | None:
    """The name under which a file with this content was published."""
    from engine.acasxu.manifest import manifest

    return next((entry.name for entry in manifest() if entry.sha256 == sha256), None)
