"""The version of VNN-LIB that a text is written in."""

from itertools import islice
from pathlib import Path

from engine.errors import InputError
from engine.vnnlib.language import VERSION_2
from engine.vnnlib.source import Source, decoded, read_bytes


def is_query(text: str) -> bool:
    """True iff the text begins with the version line of VNN-LIB 2.0 or later: it is a question about networks."""
    match [token for token, _ in islice(Source(text, "").tokens(VERSION_2.token), 3)]:
        case ["(", "vnnlib-version", version]:
            return not version.startswith(("<1", "1"))
        case _:
            return False


def states_query(path: Path, *, strict: bool = False) -> bool:
    """True iff the file at `path` holds such a text; False where it cannot be read, InputError if `strict`."""
    try:
        return is_query(decoded(read_bytes(path), where=str(path)))
    except InputError:
        if strict:
            raise
        return False
