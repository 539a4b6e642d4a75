"""The methods of repair by name. Each is imported when it is asked for."""

from importlib import import_module

from engine.images.repair.task import METHOD_NAMES, Method

MODULES = {
    "unlearn": "engine.images.repair.unlearn",
    "fine-pruning": "engine.images.repair.fine_pruning",
    "vere": "engine.images.repair.vere",
    "prorepair": "engine.images.repair.prorepair",
    "nnrepair": "engine.images.repair.nnrepair",
}
assert tuple(MODULES) == METHOD_NAMES


def method_of(name: str) -> Method:
    """The method of this name."""
    method: Method = import_module(MODULES[name]).repair
    return method
