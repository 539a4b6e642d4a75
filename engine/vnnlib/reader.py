"""VNN-LIB 1.0 files and texts to properties."""

import hashlib
from dataclasses import replace
from os import PathLike
from pathlib import Path

from engine.property import Case, Property
from engine.vnnlib.cases import cases
from engine.vnnlib.contradiction import Contradiction
from engine.vnnlib.script import Script
from engine.vnnlib.source import Source, decoded, file_stem, read_bytes


def load_property(path: str | PathLike[str]) -> Property:
    """Returns the exact property of a `.vnnlib` or `.vnnlib.gz` file. InputError where the file is not one.

    `name` is the file's name without these endings, `sha256` that of the decompressed bytes.
    """
    path = Path(path)
    return property_of(read_bytes(path), path)


def property_of(data: bytes, path: Path) -> Property:
    """Returns the property that the decompressed content `data` of the file at `path` states."""
    found = parse_property(decoded(data, where=str(path)), name=file_stem(path), where=str(path))
    return replace(found, sha256=hashlib.sha256(data).hexdigest())


def parse_property(text: str, *, name: str = "", where: str = "<text>") -> Property:
    """Returns the exact property of a VNN-LIB 1.0 text: a point is unsafe iff all asserts hold there.

    Numbers are the rationals that the decimals denote, strict comparisons stay strict. Where nothing
    satisfies the asserts, the property has no cases. InputErrors name the text `where` and give the line.
    """
    script = Script(Source(text, where))
    script.read()
    formula, variables = script.formula(), script.variables()
    found: tuple[Case, ...] = ()
    emptiness = script.falsehood
    try:
        found = () if emptiness else cases(formula, variables, script.source)
    except Contradiction as contradiction:
        emptiness = contradiction.description(script.source)
    return Property(found, len(variables.inputs), len(variables.outputs), name, emptiness=emptiness)
