"""Networks in exact rational arithmetic, and the floating-point numbers inside exact intervals."""

from collections.abc import Iterator, Sequence
from decimal import Context, Decimal
from fractions import Fraction
from math import lcm

import numpy as np

from engine.curves.enclosure import nearest
from engine.deadline import NEVER, Deadline
from engine.errors import InputError
from engine.joint import Model, blocks_of
from engine.network import Affine, Matrix, Network
from engine.property import Vector

MAX_DIGITS = 40  # of a number that is printed exactly
OUTWARD, TINY = 1 + 2.0**-30, 2.0**-1000  # more than a sum of up to 2^20 numbers >= 0 loses by rounding
PLACES = 60  # of the binary fractions that stand for values of curves
MAX_WEIGHTS = 1 << 16  # that are integers at a time: a network of millions takes minutes, and much memory


def evaluate(model: Model, point: Sequence[Fraction | float], deadline: Deadline = NEVER) -> Vector:
    """The model's outputs at a point, exactly: real arithmetic on the weights as they are.

    With a curve f the multiple of 2^-60 nearest to f(z) stands for it. The outputs of a rounded network, and of one
    with curves, are within `radii` of these. Numbers are integers over one denominator for the whole vector; weights
    are integers over a power of two for some neurons, so that no fraction is ever reduced on the way. OutOfTime soon
    after the deadline.
    """
    x = [_fraction(value) for value in point]
    if len(x) != model.n_inputs:
        what = f"the point has {len(x)} numbers for {model.n_inputs} inputs"
        raise InputError(what, advice="give one number for each input")
    outputs: Vector = ()
    for block in blocks_of(model):
        outputs += _evaluate(block.network, [x[i] for i in block.inputs], deadline)
    return outputs


def _evaluate(network: Network, x: list[Fraction], deadline: Deadline) -> Vector:
    *_, (numbers, denominator) = _layer_outputs(network, x, deadline)
    return _fractions(numbers, denominator)


def _fractions(numbers: np.ndarray, denominator: int) -> Vector:
    return tuple(Fraction(number, denominator) for number in numbers)


def _layer_outputs(network: Network, x: list[Fraction], deadline: Deadline) -> Iterator[tuple[np.ndarray, int]]:
    """The exact outputs of each layer in turn: integers over one denominator."""
    denominator = lcm(*(value.denominator for value in x))
    h = np.array([value.numerator * (denominator // value.denominator) for value in x], dtype=object)
    for layer in network.layers:
        parts = []
        for some in _some_neurons(layer):
            deadline.check()
            parts.append(_exact_sums(layer.matrix[some], layer.bias[some], h, denominator))
        most = max(bits for _, bits in parts)
        h = np.concatenate([part << (most - bits) for part, bits in parts])
        denominator <<= most
        if layer.curve:
            h, denominator = _bent(layer, h, denominator, deadline)
        else:
            h = layer.outputs(h)
        yield h, denominator


def _bent(layer: Affine, z: np.ndarray, denominator: int, deadline: Deadline) -> tuple[np.ndarray, int]:
    """The outputs of a layer with a curve: the nearest multiples of 2^-PLACES, and what is not bent as it is."""
    assert layer.curve
    found = z << PLACES
    for j in layer.relus:
        deadline.check()
        found[j] = denominator * nearest(layer.curve, Fraction(z[j], denominator), PLACES)
    if not layer.is_mixed:
        return found // denominator, 1 << PLACES
    return found, denominator << PLACES


def _exact_sums(weight: Matrix, bias: np.ndarray, h: np.ndarray, denominator: int) -> tuple[np.ndarray, int]:
    """(numbers, bits) with weight @ h + bias * denominator == numbers / 2**bits, exactly, for integers h.

    Terms that are 0 are left out: rows of convolutions hold a few numbers among thousands of zeros.
    """
    row, column, values = _places(weight)
    some = (h != 0)[column]
    row, column = row[some], column[some]
    numbers, bits = scaled_integers(np.concatenate([values[some], bias]))
    terms = numbers[: len(row)] * h[column]
    sums = numbers[len(row) :] * denominator
    np.add.at(sums, row, terms)
    return sums, bits


def _places(matrix: Matrix) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(row, column, value) of all numbers of a matrix that are not 0."""
    if isinstance(matrix, np.ndarray):
        row, column = matrix.nonzero()
        return row, column, matrix[row, column]
    rows = matrix.tocoo()
    return *rows.coords, rows.data


def radii(model: Model, point: Sequence[Fraction | float], deadline: Deadline = NEVER) -> Vector:
    """Numbers that the model's outputs at a point are no farther from those of `evaluate` than: 0 unless it is rounded
    or has a curve.

    With |W' - W| <= 2^-53 |W|, |b' - b| <= 2^-53 |b| and h' within r of h, W' h' + b' is within
    |W| r + 2^-53 (|W| (|h| + r) + |b|) of W h + b; the maximum with 0 brings no two numbers further apart, nor
    does a curve, whose value is off by 2^-61. The rule is applied to all layers of such a network; without the terms of
    2^-53 where it is not rounded. InputError where numbers are beyond float64.
    """
    x = [_fraction(value) for value in point]
    found: Vector = ()
    for block in blocks_of(model):
        found += _radii(block.network, [x[i] for i in block.inputs], deadline)
    return found


def _radii(network: Network, x: list[Fraction], deadline: Deadline) -> Vector:
    """The same for one block: sums of numbers >= 0 in float64, of which each is made larger than rounding makes it
    smaller."""
    if not (network.rounded or network.has_curves):
        return (Fraction(0),) * network.n_outputs
    h, r = _sizes(x), np.zeros(1)
    for layer, outputs in zip(network.layers, _layer_outputs(network, x, deadline)):
        weight = abs(layer.matrix)
        spread = weight @ (r + np.zeros_like(h))
        off = (weight @ h + spread + np.abs(layer.bias)) * 2.0**-53 if network.rounded else 0.0
        r = (spread + off + 2.0 ** -(PLACES + 1) * bool(layer.curve)) * OUTWARD + TINY
        h = _sizes(_fractions(*outputs))
    if not np.isfinite(r).all():
        raise InputError("its outputs are beyond float64", where=network.name, advice="use smaller weights or inputs")
    return tuple(map(Fraction, r.tolist()))


def _sizes(values: Sequence[Fraction]) -> np.ndarray:
    """Float64 numbers not below the values' sizes."""
    return np.array([float(abs(value)) if abs(value) < 2**1000 else np.inf for value in values]) * OUTWARD


def _some_neurons(layer: Affine) -> list[slice]:
    size = max(1, MAX_WEIGHTS * len(layer.bias) // (layer.count + len(layer.bias)))
    return [slice(i, i + size) for i in range(0, len(layer.bias), size)]


def scaled_integers(values: np.ndarray) -> tuple[np.ndarray, int]:
    """(numbers, bits) with values == numbers / 2**bits exactly: Python integers, bits >= 0 and least."""
    mantissas, exponents = np.frexp(np.asarray(values, dtype=np.float64))
    if not np.isfinite(mantissas).all():
        raise InputError("NaN and infinity are no exact numbers", advice="use finite weights")
    odd = np.ldexp(mantissas, 53).astype(np.int64)
    zeros = np.frexp(odd & -odd)[1] - 1  # trailing zero bits; meaningless where the value is 0
    odd >>= np.maximum(zeros, 0)
    places = np.where(odd == 0, 0, exponents - 53 + zeros)
    bits = max(0, -int(places.min(initial=0)))
    return odd.astype(object) << (places + bits).astype(object), bits


def floats_inside(
    lower: Sequence[Fraction], upper: Sequence[Fraction], number: type[np.floating] = np.float32
) -> tuple[np.ndarray, np.ndarray]:
    """(low, high): for each coordinate the least `number` (numpy's float32 or float64) >= lower and the greatest
    <= upper, exactly.

    low > high in coordinates whose interval holds no finite such number: np.flatnonzero(low > high) names them.
    """
    low = [_least(_fraction(value), number) for value in lower]
    high = [-_least(-_fraction(value), number) for value in upper]
    return np.array(low, dtype=number) + 0, np.array(high, dtype=number) + 0  # + 0: no -0.0


def _least(value: Fraction, number: type[np.floating]) -> np.floating:
    """The least finite `number` >= value, or infinity."""
    largest = np.finfo(number).max
    numerator, denominator = value.numerator, value.denominator  # integers are compared soonest
    if numerator > int(largest) * denominator:
        return number(np.inf)
    if numerator < -int(largest) * denominator:
        return -largest
    # Rounding twice is monotone, so the result is one of value's two neighbours.
    nearest = number(numerator / denominator)
    above, scale = float(nearest).as_integer_ratio()
    return nearest if above * denominator >= numerator * scale else np.nextafter(nearest, number(np.inf))


def nearest_floats(point: Sequence[Fraction], number: type[np.floating] = np.float32) -> np.ndarray:
    """The finite `number` nearest to each coordinate, but for the rounding to float64 before."""
    largest = np.finfo(number).max
    held = [min(max(value, -Fraction(float(largest))), Fraction(float(largest))) for value in point]
    return np.array([float(value) for value in held]).astype(number) + 0


def derivatives(model: Model, point: Sequence[Fraction | float], inputs: Sequence[int]) -> list[Vector]:
    """The exact derivatives of the outputs in each of the given inputs, on the affine piece of the point: of networks
    without curves.

    A neuron at 0 counts as negative.
    """
    x = [_fraction(value) for value in point]
    columns: list[Vector] = [()] * len(inputs)
    for block in blocks_of(model):
        found = _derivatives(block.network, [x[i] for i in block.inputs], block.inputs, inputs)
        columns = [column + more for column, more in zip(columns, found)]
    return columns


def _derivatives(network: Network, x: list[Fraction], own: Sequence[int], inputs: Sequence[int]) -> list[Vector]:
    """own: the number of each of the network's inputs."""
    denominator, scale = lcm(*(value.denominator for value in x)), 1
    h = np.array([value.numerator * (denominator // value.denominator) for value in x], dtype=object)
    slopes = np.array([[int(i == j) for j in inputs] for i in own], dtype=object)
    for layer in network.layers:
        row, column, values = _places(layer.matrix)
        numbers, bits = scaled_integers(np.concatenate([values, layer.bias]))
        weights, before = numbers[: len(row)], slopes
        sums, slopes = numbers[len(row) :] * denominator, np.zeros((len(layer.bias), len(inputs)), dtype=object)
        np.add.at(sums, row, weights * h[column])
        np.add.at(slopes, row, weights[:, None] * before[column])
        h = sums
        active = layer.passes(h)
        h, slopes = np.where(active, h, 0), np.where(active[:, None], slopes, 0)
        denominator, scale = denominator << bits, scale << bits
    return [tuple(Fraction(value, scale) for value in column) for column in slopes.T]


def unheld_text(point: Sequence[Fraction | float], other: Sequence[Fraction | float], *, most: int = 3) -> str:
    """The inputs of a point that are not those of the other one, exactly, by a property's names."""
    pairs = [(_fraction(v), _fraction(w)) for v, w in zip(point, other)]
    texts = [f"X_{i} = {number_text(v)}" for i, (v, w) in enumerate(pairs) if v != w]
    return ", ".join(texts[:most]) + (f", and {len(texts) - most} more" if len(texts) > most else "")


def number_text(value: Fraction) -> str:
    """The number as a decimal where that is short, else as a fraction, else roughly, which the text says."""
    decimal = Context(prec=MAX_DIGITS).divide(Decimal(value.numerator), Decimal(value.denominator)).normalize()
    if Fraction(decimal) == value:
        plain = f"{decimal:f}"
        return plain if len(plain) <= MAX_DIGITS else str(decimal)
    fraction = str(value) if max(value.numerator.bit_length(), value.denominator.bit_length()) < MAX_DIGITS else ""
    return fraction or f"about {float(value)!r}"


def _fraction(value: Fraction | float) -> Fraction:
    """An integer, float, numpy float, Fraction or Decimal, exactly."""
    if isinstance(value, Fraction):
        return value
    try:
        return Fraction(*value.as_integer_ratio())
    except (ValueError, OverflowError):
        raise InputError(f"{value} is no exact number", advice="use finite numbers") from None
