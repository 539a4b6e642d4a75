"""What networks and properties are called on the page, and which are ACAS Xu's by their names.

A name proves nothing about the content of a file: the page gives the SHA-256 of what was read beside it.
"""

import re

from engine.acasxu import PROPERTIES, NetworkIndex, Specification, recognize


def network_of(name: str) -> NetworkIndex | None:
    """Which of the 45 results mean by a network's name. None for a path: names were not unique then."""
    return None if "/" in name or "\\" in name else recognize(name)


def property_of(name: str) -> Specification | None:
    """Likewise which of the ten properties."""
    match = re.fullmatch(r"prop_([1-9]|10)\.vnnlib(\.gz)?", name)
    return PROPERTIES[int(match[1]) - 1] if match else None


def network_label(name: str) -> str:
    return str(network_of(name) or name.removesuffix(".gz").removesuffix(".onnx"))


def property_label(name: str, *, network: str) -> str:
    """P1 to P10 where the network has ACAS Xu's inputs: another's prop_1 is something else."""
    spec = specification_of(network, name)
    return f"P{spec.number}" if spec else plain_property(name)


def plain_property(name: str) -> str:
    return name.removesuffix(".gz").removesuffix(".vnnlib")


def specification_of(network: str, name: str) -> Specification | None:
    return property_of(name) if has_units(network) else None


def has_units(network: str) -> bool:
    """Whether inputs and outputs are ACAS Xu's: the published networks, and this project's stand-ins for them."""
    name = re.split(r"[/\\]", network)[-1]
    return name.startswith("standin_") or recognize(name) is not None


def is_standin(network: str) -> bool:
    return re.split(r"[/\\]", network)[-1].startswith("standin_")
