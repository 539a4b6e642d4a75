"""Prove, or refute, the safety properties of ACAS Xu networks.

from engine import load_network, load_property, verify
"""

from importlib import import_module

__version__ = "0.1.0"

_PLACES = {
    "load_network": "engine.onnx_file",
    "save_network": "engine.onnx_file",
    "load_property": "engine.vnnlib",
    "verify": "engine.search.verify",
    "verify_all": "engine.search.verify",
    "Options": "engine.search.problem",
    "Problem": "engine.search.problem",
    "Network": "engine.network",
    "Property": "engine.property",
    "Verified": "engine.verdict",
    "Violated": "engine.verdict",
    "Unknown": "engine.verdict",
    "EngineError": "engine.errors",
    "InputError": "engine.errors",
}
__all__ = sorted(_PLACES)


def __getattr__(name: str):
    """Imports on first use, so that `import engine` does not load torch."""
    if name not in _PLACES:
        raise AttributeError(f"module 'engine' has no attribute {name!r}")
    return getattr(import_module(_PLACES[name]), name)
