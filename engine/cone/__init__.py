"""Questions of which most inputs are fixed, as questions about the part of a network that the others reach.

docs/certificate-format.md, section 12. reach.py: that part; constants.py: all else, folded into biases and radii.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from engine.cone.constants import Products, folded
from engine.cone.reach import Reach
from engine.network import Network
from engine.property import Case, Polytope, Row, Vector


@dataclass(frozen=True, slots=True, eq=False)
class Cone:
    """A case of a network, and the same question about the part that its free inputs reach.

    whole: the case, in which all inputs but the free ones of `reach` have one value. network: the reached part, as a
    network of the free inputs whose biases have radii: with the true biases it is the whole one on the case's box.
    case: over the free inputs; the fixed ones are part of its rows' constants.
    """

    reach: Reach
    whole: Case
    network: Network
    case: Case

    def point(self, free: np.ndarray) -> np.ndarray:
        """The point [inputs] of the whole network, to float64, for free inputs [free]."""
        point = np.array([float(value) for value in self.whole.lower])
        point[self.reach.free] = free
        return point


def free_inputs(case: Case) -> tuple[int, ...]:
    """The inputs that have more than one value in the case, ascending."""
    return tuple(i for i, (low, high) in enumerate(zip(case.lower, case.upper)) if low is not high and low != high)


def cones(reach: Reach, products: Products, cases: Sequence[Case]) -> list[Cone]:
    """The cones of cases of which the free inputs are those of `reach`. All share one copy of the reached weights.

    products: of the same network. InputError where numbers are beyond the rounding analysis.
    """
    fixed = reach.fixed.tolist()
    values = [tuple(case.lower[i] for i in fixed) for case in cases]
    layers, biases = reach.cut(), list(folded(reach, products, values))
    made = []
    for i, case in enumerate(cases):
        own = tuple(replace(layer, bias=b[i], radius=r[i]) for layer, (b, r) in zip(layers, biases))
        network = replace(reach.network, layers=own, sha256="", onnx_bytes=b"")
        made.append(Cone(reach, case, network, _over_free(case, reach.free.tolist())))
    return made


def _over_free(case: Case, free: Sequence[int]) -> Case:
    """The case with its fixed inputs' values in its rows' constants."""
    polytopes = (Polytope(tuple(_row(row, free, case.lower) for row in each.rows)) for each in case.unsafe)
    return Case(_at(case.lower, free), _at(case.upper, free), tuple(polytopes))


def _row(row: Row, free: Sequence[int], values: Vector) -> Row:
    terms = {i: c for i, c in enumerate(row.inputs) if c}
    constant = sum((c * values[i] for i, c in terms.items() if i not in free), row.constant)
    return Row(_at(row.inputs, free), row.outputs, constant, row.strict)


def _at(vector: Vector, places: Sequence[int]) -> tuple[Fraction, ...]:
    return tuple(vector[i] for i in places)
