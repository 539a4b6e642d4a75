"""Is a witness to be accepted? Section 7 of the format."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import lcm

import numpy as np

from engine.audit.data import Block, Blocks, Certificate, Row, Specification, demand
from engine.audit.dyadic import Dyadic
from engine.audit.lines import rectified

Vector = Sequence[Fraction]

NEAREST = Dyadic(1, 53)  # how far a number may be from the nearest one, relatively


def check_witness(certificate: Certificate, network: Blocks, specification: Specification) -> None:
    """Rejected unless outputs and margins are exact, and the point is in the unsafe set.

    Of a rounded network, or block, it must be there with all outputs within `radii` of those.
    """
    witness = certificate.witness
    assert witness is not None
    (polytope,) = certificate.cases[0].unsafe
    point, outputs = witness.point, evaluate(network, witness.point)
    same = tuple(outputs) == witness.outputs
    demand(same, "the outputs are not the network's at the point")
    margins = tuple(_value(row, point, outputs) for row in polytope)
    demand(margins == witness.margins, "the margins are not those of the polytope's rows")
    reach = radii(network, point)
    unsafe = all(_holds(row, point, outputs, reach) for row in specification.base) and any(
        all(_holds(row, point, outputs, reach) for row in disjunct)
        for disjunct in specification.disjuncts
    )
    demand(unsafe, "the point is not in the property's unsafe set")


def _holds(row: Row, point: Vector, outputs: Vector, reach: Vector) -> bool:
    """True iff the row holds of the point and all outputs within `reach` of these."""
    most = _value(row, point, outputs)
    most += sum(abs(c) * reach[j] for j, c in row.outputs.items())
    return most < 0 or (most == 0 and not row.strict)


def _value(row: Row, point: Vector, outputs: Vector) -> Fraction:
    """The row's left-hand side."""
    return _product(row.inputs, point) + _product(row.outputs, outputs) + row.constant


def _product(coefficients: Mapping[int, Fraction], values: Vector) -> Fraction:
    return sum((c * values[i] for i, c in coefficients.items()), Fraction(0))


def evaluate(network: Blocks, point: Vector) -> list[Fraction]:
    """The outputs at a point, in real arithmetic on the numbers of the layers (section 3)."""
    outputs: list[Fraction] = []
    for block in network.blocks:
        scale, h = _scaled(block, point)
        for layer in block.layers:
            h = rectified(layer.weight @ h + scale * Dyadic.of(layer.bias), layer.relu)
        outputs += [Fraction(number, scale << h.bits) for number in h.numbers]
    return outputs


def radii(network: Blocks, point: Vector) -> list[Fraction]:
    """r_L of section 7: how far the outputs at a point may be from what `evaluate` gives."""
    return [radius for block in network.blocks for radius in _radii(block, point)]


def _radii(block: Block, point: Vector) -> list[Fraction]:
    """Of one block."""
    if not block.rounded:
        return [Fraction(0)] * len(block.layers[-1].bias)
    scale, h = _scaled(block, point)
    r = h * 0
    for layer in block.layers:
        weight, bias = Dyadic.of(layer.weight), scale * Dyadic.of(layer.bias)
        size = np.abs(weight) @ (np.abs(h) + r) + np.abs(bias)
        r = np.abs(weight) @ r + size * NEAREST
        h = rectified(weight @ h + bias, layer.relu)
    return [Fraction(number, scale << r.bits) for number in r.numbers]


def _scaled(block: Block, point: Vector) -> tuple[int, Dyadic]:
    """A number, and the block's inputs at the point times that number."""
    scale = lcm(*(value.denominator for value in point))
    numbers = np.array([int(value * scale) for value in point], dtype=object)
    return scale, Dyadic(numbers[block.inputs], 0)
