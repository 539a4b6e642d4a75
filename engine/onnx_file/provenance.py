"""The original that an ONNX file names in its metadata.

That is a claim of the file's author, not a fact, and must be shown as one. The networks that this program writes
carry the SHA-256 of the original; after several changes, that of the first one.
"""

import hashlib
import re

from google.protobuf.message import DecodeError
from onnx import ModelProto

from engine import __version__

MADE_FROM, TOOL = "acasxu.made_from", "acasxu.tool"


def made_from(data: bytes) -> str | None:
    """Returns the SHA-256 of the original that an ONNX file's bytes name, or None if they name none, or several."""
    try:
        return _claim(ModelProto.FromString(data))
    except (DecodeError, UnicodeDecodeError):
        return None


def mark(model: ModelProto, source: bytes) -> None:
    """Writes its origin, the file `source`, and the name of this program into a model."""
    entries = {MADE_FROM: _claim(model) or hashlib.sha256(source).hexdigest(), TOOL: f"acasxu-engine {__version__}"}
    others = [entry for entry in model.metadata_props if entry.key not in entries]
    del model.metadata_props[:]
    model.metadata_props.extend(others)
    for key, value in entries.items():
        model.metadata_props.add(key=key, value=value)


def _claim(model: ModelProto) -> str | None:
    found = {entry.value for entry in model.metadata_props if entry.key == MADE_FROM}
    return next((value for value in found if len(found) == 1 and re.fullmatch("[0-9a-f]{64}", value)), None)
