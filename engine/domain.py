"""The inputs that a network is for, where they are known: what "everywhere" means."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engine.errors import InputError
from engine.network import Network
from engine.property import Case, Property, Vector
from engine.vnnlib import load_property


@dataclass(frozen=True, slots=True)
class Domain:
    """The box [lower, upper], exactly, and what it is, in words."""

    lower: Vector
    upper: Vector
    name: str

    @property
    def ends(self) -> tuple[np.ndarray, np.ndarray]:
        """The float64 numbers nearest to `lower` and `upper`: two arrays [inputs]."""
        return np.array([float(v) for v in self.lower]), np.array([float(v) for v in self.upper])


def hull(properties: Sequence[Property], name: str = "the hull of the properties' boxes") -> Domain:
    """The least box that holds all boxes of some properties, of which there must be at least one."""
    cases = [case for prop in properties for case in prop.cases]
    lower = tuple(map(min, zip(*(case.lower for case in cases))))
    upper = tuple(map(max, zip(*(case.upper for case in cases))))
    return Domain(lower, upper, name)


def read_domain(path: Path, network: Network) -> Domain:
    """The hull of the boxes in a VNN-LIB file. What it asserts of outputs alone does not count.

    InputError where it is for other networks, or cuts off a part of a box: that would be no box.
    """
    prop = load_property(path)
    if (prop.n_inputs, prop.n_outputs) != (network.n_inputs, network.n_outputs):
        raise InputError(
            f"it declares {prop.n_inputs} inputs and {prop.n_outputs} outputs, the network has "
            f"{network.n_inputs} and {network.n_outputs}",
            where=f"--domain {path}",
            advice="declare as many",
        )
    if not prop.cases:
        raise InputError("it holds no input", where=f"--domain {path}", advice="give each input two ends")
    if any(map(_is_cut, prop.cases)):
        raise InputError(
            "it asserts something of several inputs together, and a domain is a box",
            where=f"--domain {path}",
            advice="give each input two ends, and nothing else",
        )
    name = f"the box in {path.name}" if len(prop.cases) == 1 else f"the hull of the boxes in {path.name}"
    return hull([prop], name)


def _is_cut(case: Case) -> bool:
    """True iff a row relates several inputs, and no output."""
    rows = [row for polytope in case.unsafe for row in polytope.rows if not any(row.outputs)]
    return any(sum(map(bool, row.inputs)) > 1 for row in rows)
