"""Is a witness to be accepted? Sections 7 and 14 of the format."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import lcm

import numpy as np

from engine.audit.curves.values import nearest
from engine.audit.data import Block, Blocks, Certificate, Layer, Row, Specification
from engine.audit.dyadic import Dyadic
from engine.audit.failures import demand
from engine.audit.lines import rectified

Vector = Sequence[Fraction]

NEAREST = Dyadic(1, 53)  # how far a number may be from the nearest one, relatively
BITS = 60  # of a curve's value, and how far it may be from that:
UNDECIDED = Dyadic(1, BITS + 1)


def check_witness(certificate: Certificate, network: Blocks, specification: Specification) -> None:
    """Rejected unless outputs and margins are exact, and the point is in the unsafe set.

    Of a rounded network, or block, and of one with curves, it must be there with all outputs within
    `radii` of those.
    """
    witness = certificate.witness
    assert witness is not None
    (polytope,) = certificate.cases[0].unsafe
    point, ends = witness.point, [_ends(block, witness.point) for block in network.blocks]
    outputs, reach = ([value for part in side for value in part] for side in zip(*ends))
    same = tuple(outputs) == witness.outputs
    demand(same, "the outputs are not the network's at the point")
    margins = tuple(_value(row, point, outputs) for row in polytope)
    demand(margins == witness.margins, "the margins are not those of the polytope's rows")
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
    """The outputs at a point, in real arithmetic on the numbers of the layers (section 3).

    In place of a curve's value there is the multiple of 2^-60 nearest to it (section 14).
    """
    return [value for block in network.blocks for value in _ends(block, point)[0]]


def radii(network: Blocks, point: Vector) -> list[Fraction]:
    """r_L of sections 7 and 14: how far the outputs may be from what `evaluate` gives."""
    return [radius for block in network.blocks for radius in _ends(block, point)[1]]


def _ends(block: Block, point: Vector) -> tuple[list[Fraction], list[Fraction]]:
    """The outputs of one block, and r_L. Within, all numbers are held times `scale`."""
    scale, h = _scaled(block, point)
    r = h * 0
    for layer in block.layers:
        weight, bias = Dyadic.of(layer.weight), scale * Dyadic.of(layer.bias)
        r = _passed(weight, bias, h, r, rounded=block.rounded)
        h = _bent(layer, weight @ h + bias, scale)
        if layer.curve:
            r = r + scale * UNDECIDED * layer.has_relu
    return _fractions(h, scale), _fractions(r, scale)


def _passed(weight: Dyadic, bias: Dyadic, h: Dyadic, r: Dyadic, *, rounded: bool) -> Dyadic:
    """r of z = weight @ h + bias, where the true h is within r of this one."""
    if not rounded and not r.numbers.any():
        return Dyadic(bias.numbers * 0, 0)
    sizes = np.abs(weight)
    passed: Dyadic = sizes @ r
    if rounded:
        passed = passed + (sizes @ (np.abs(h) + r) + np.abs(bias)) * NEAREST
    return passed


def _bent(layer: Layer, z: Dyadic, scale: int) -> Dyadic:
    """h of a layer, whose z times scale this is, times scale."""
    if layer.curve is None:
        h: Dyadic = rectified(z, layer.relu)
        return h
    there, values = layer.has_relu, z.numbers * 0
    for j in np.flatnonzero(there):
        values[j] = scale * nearest(layer.curve, Fraction(z.numbers[j], scale << z.bits), BITS)
    h = z * ~there + Dyadic(values, BITS)
    return h


def _fractions(values: Dyadic, scale: int) -> list[Fraction]:
    """The numbers that are held times scale."""
    return [Fraction(number, scale << values.bits) for number in values.numbers]


def _scaled(block: Block, point: Vector) -> tuple[int, Dyadic]:
    """A number, and the block's inputs at the point times that number."""
    scale = lcm(*(value.denominator for value in point))
    numbers = np.array([int(value * scale) for value in point], dtype=object)
    return scale, Dyadic(numbers[block.inputs], 0)
