"""Properties whose boxes are to be drawn, measured or repaired: each must have a box."""

from pathlib import Path

from engine.errors import InputError
from engine.property import Property
from engine.vnnlib import load_property


def load_asking(path: Path) -> Property:
    """The property in a file; InputError where nothing satisfies its asserts."""
    prop = load_property(path)
    if prop.warning:
        what = f"nothing satisfies the asserts ({prop.emptiness}): no input can be looked at"
        raise InputError(
            what, where=str(path), advice="correct one of them, or leave the property out; verify says that it holds"
        )
    return prop
