"""The version of VNN-LIB that a text is written in."""

from itertools import islice

from engine.vnnlib.language import VERSION_2
from engine.vnnlib.source import Source


def is_query(text: str) -> bool:
    """True iff the text begins with the version line of VNN-LIB 2.0 or later: it is a question about networks."""
    match [token for token, _ in islice(Source(text, "").tokens(VERSION_2.token), 3)]:
        case ["(", "vnnlib-version", version]:
            return not version.startswith(("<1", "1"))
        case _:
            return False
