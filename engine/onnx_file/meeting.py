"""Branches of the signal that meet again, as one chain: their layers side by side.

What all of them have in common stays as it is. Behind it their first layers become one layer, which has the neurons of
each, then their second ones; a branch that has ended is carried on by neurons that pass its elements on.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import takewhile

import numpy as np

from engine.curves import MaybeCurve
from engine.errors import InputError
from engine.network import Relus
from engine.onnx_file.constant import Constant, names_of
from engine.onnx_file.shapes import mismatch
from engine.onnx_file.signal import Piece, Signal
from engine.onnx_file.sparse import SHARE, Sparse, demand_rows, selection


def side_by_side(signals: Sequence[Signal]) -> tuple[Signal, list[np.ndarray]]:
    """Returns a signal that has the elements of all of them, and the places of each one's elements in it.

    Those that are the same value, with nothing behind it in any, are there once.
    """
    chains = [signal.closed(relu=False).pieces for signal in signals]
    common = len(list(takewhile(_alike, zip(*chains))))
    branches = [chain[common:] for chain in chains]
    depth = max(map(len, branches))
    trunk = chains[0][:common]
    if not depth:
        return signals[0].closed(relu=False), [np.arange(signal.size) for signal in signals]
    joined = Signal((_width(trunk, branches),), signals[0].kind, trunk)
    for k in range(depth):
        step = [
            branch[k] if k < len(branch) else _passing(signal.size, signal.kind)
            for branch, signal in zip(branches, signals)
        ]
        joined = _with(joined, step, is_first=k == 0)
    ends = np.cumsum([0, *(signal.size for signal in signals)]).tolist()
    return joined, [np.arange(start, end) for start, end in zip(ends, ends[1:])]


def total(signals: Sequence[Signal], signs: Sequence[float]) -> Signal:
    """Returns the sum of signals with these signs, spread over each other's elements: a product behind them."""
    try:
        shape = np.broadcast_shapes(*(signal.shape for signal in signals))
    except ValueError:
        raise mismatch(signals[0].shape, signals[1].shape) from None
    joined, places = side_by_side(signals)
    size = int(np.prod(shape))
    demand_rows(size)
    one, other = (np.broadcast_to(place.reshape(signal.shape), shape).ravel() for signal, place in zip(signals, places))
    first, second = np.full(size, signs[0]), np.full(size, signs[1])
    twice = one == other
    first[twice] += second[twice]
    rows, numbers = np.append(np.arange(size), np.flatnonzero(~twice)), np.append(first, second[~twice])
    columns = np.append(one, other[~twice])
    return joined.times(Sparse(rows, columns, Constant(numbers, joined.kind), (size, joined.size)), shape)


def _alike(pieces: tuple[Piece, ...]) -> bool:
    """Says whether the same nodes made them all."""
    first, *others = pieces
    return all(
        p.weight is first.weight and p.bias is first.bias and p.relu is first.relu and p.curve == first.curve
        for p in others
    )


def _width(trunk: Sequence[Piece], branches: Sequence[Sequence[Piece]]) -> int:
    if trunk:
        return trunk[-1].weight.shape[0]
    return next(branch[0].weight.shape[1] for branch in branches if branch)


def _passing(size: int, kind: int) -> Piece:
    return Piece(selection(np.arange(size), size, kind), None, relu=False)


def _with(joined: Signal, pieces: Sequence[Piece], *, is_first: bool) -> Signal:
    """Returns the signal after a layer that has the neurons of all: the first ones read the same, others their own."""
    rows = [piece.weight.shape[0] for piece in pieces]
    demand_rows(sum(rows))
    weight = _beside([piece.weight for piece in pieces], joined, is_first=is_first)
    biases = [piece.bias for piece in pieces]
    bias = None
    if any(b is not None for b in biases):
        numbers = [np.zeros(count) if b is None else b.values for b, count in zip(biases, rows)]
        bias = _laid(np.concatenate(numbers), [b for b in biases if b is not None], joined.kind)
    relu = np.concatenate([np.broadcast_to(piece.relu, count) for piece, count in zip(pieces, rows)])
    same: Relus = bool(relu[0]) if (relu == relu[0]).all() else relu
    rounded = any(piece.rounded for piece in pieces)
    return replace(joined.times(weight, (sum(rows),), rounded=rounded), bias=bias).closed(
        relu=same, curve=_curve(pieces)
    )


def _curve(pieces: Sequence[Piece]) -> MaybeCurve:
    """Returns the curve of a layer that has the neurons of all. InputError unless they have one, or ReLUs, alone."""
    found = {piece.curve for piece in pieces if np.any(piece.relu)}
    if len(found) > 1:
        kinds = " and ".join(sorted(curve.capitalize() or "Relu" for curve in found))
        raise InputError(
            f"branches meet that have {kinds} at the same depth", advice="export it with one activation in all branches"
        )
    return found.pop() if found else ""


def _beside(weights: Sequence[Constant | Sparse], joined: Signal, *, is_first: bool) -> Constant | Sparse:
    """Returns the matrix that has these below each other, or along its diagonal, and zeros."""
    rows = np.cumsum([0, *(weight.shape[0] for weight in weights)])
    columns = np.cumsum([0, *(0 if is_first else weight.shape[1] for weight in weights)])
    shape = int(rows[-1]), joined.size
    parts = [weight.numbers if isinstance(weight, Sparse) else weight for weight in weights]
    if sum(part.values.size for part in parts) >= SHARE * shape[0] * shape[1]:
        joined.demand_dense(shape[0] * shape[1])
        matrix = np.zeros(shape)
        for weight, i, j in zip(weights, rows, columns):
            whole = weight.written_out() if isinstance(weight, Sparse) else weight
            matrix[i : i + weight.shape[0], j : j + weight.shape[1]] = whole.values
        return _laid(matrix, parts, joined.kind)
    held = [_held(weight) for weight in weights]
    row, column = (
        np.concatenate([part[axis] + begin for part, begin in zip(held, begins)])
        for axis, begins in ((0, rows), (1, columns))
    )
    return Sparse(row, column, _laid(np.concatenate([part[2] for part in held]), parts, joined.kind), shape)


def _held(weight: Constant | Sparse) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns row, column and number of what is in it."""
    if isinstance(weight, Sparse):
        return weight.row, weight.column, weight.numbers.values
    row, column = np.nonzero(weight.values)
    return row, column, weight.values[row, column]


def _laid(values: np.ndarray, constants: Sequence[Constant], kind: int) -> Constant:
    """Returns these numbers, which are those of constants side by side, and literals."""
    parts = tuple(part for constant in constants for part in constant.parts or (constant,) if part.names)
    return Constant(values, kind, names_of(parts), parts=parts)


def demand_branches(operator: str, count: int) -> None:
    """Raises InputError unless so many signals may meet in an operator."""
    if count > 1 and operator not in MEETINGS:
        raise InputError(
            "two branches meet in it", advice=f"branches may meet in {', '.join(MEETINGS)}; export it as such"
        )


#: Operators in which branches may meet
MEETINGS = ("Add", "Concat", "Sub")
