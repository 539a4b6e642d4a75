"""Branches of the signal that meet again, as one chain: their layers side by side.

What all of them have in common stays as it is. Behind it their first layers become one layer, which has the neurons of
each, then their second ones; a branch that has ended is carried on by neurons that pass its elements on.
"""

from collections.abc import Sequence
from itertools import takewhile

import numpy as np

from engine.errors import InputError
from engine.network import Relus
from engine.onnx_file.constant import Constant, names_of
from engine.onnx_file.shapes import mismatch
from engine.onnx_file.signal import Piece, Signal


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
        joined.demand_room(_room(signals, branches, k))
        step = [
            branch[k] if k < len(branch) else _passing(signal.size, signal.kind)
            for branch, signal in zip(branches, signals)
        ]
        piece = _one(step, is_first=k == 0)
        joined = Signal((len(piece.weight.values),), joined.kind, (*joined.pieces, piece))
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
    joined.demand_room(size * joined.size)
    weight = np.zeros((size, joined.size))
    for signal, place, sign in zip(signals, places, signs):
        weight[np.arange(size), np.broadcast_to(place.reshape(signal.shape), shape).ravel()] += sign
    return joined.times(Constant(weight, joined.kind), shape)


def _alike(pieces: tuple[Piece, ...]) -> bool:
    """Says whether the same nodes made them all."""
    first, *others = pieces
    return all(p.weight is first.weight and p.bias is first.bias and p.relu is first.relu for p in others)


def _width(trunk: Sequence[Piece], branches: Sequence[Sequence[Piece]]) -> int:
    if trunk:
        return len(trunk[-1].weight.values)
    return int(next(branch[0].weight.values.shape[1] for branch in branches if branch))


def _room(signals: Sequence[Signal], branches: Sequence[Sequence[Piece]], k: int) -> int:
    """The weights of the k-th layer of all branches."""
    shapes = [
        branch[k].weight.values.shape if k < len(branch) else (signal.size,) * 2
        for branch, signal in zip(branches, signals)
    ]
    rows, columns = (sum(sizes) for sizes in zip(*shapes))
    return int(rows * (columns if k else shapes[0][1]))


def _passing(size: int, kind: int) -> Piece:
    return Piece(Constant(np.eye(size), kind), None, relu=False)


def _one(pieces: Sequence[Piece], *, is_first: bool) -> Piece:
    """Returns layers as one that has the neurons of each: the first ones read the same, others their own."""
    weights, biases = [piece.weight for piece in pieces], [piece.bias for piece in pieces]
    kind = weights[0].kind
    matrix = np.vstack([w.values for w in weights]) if is_first else _apart([w.values for w in weights])
    bias = None
    if any(b is not None for b in biases):
        numbers = [np.zeros(len(w.values)) if b is None else b.values for w, b in zip(weights, biases)]
        bias = _laid(np.concatenate(numbers), [b for b in biases if b is not None], kind)
    relu = np.concatenate([np.broadcast_to(p.relu, len(p.weight.values)) for p in pieces])
    same: Relus = bool(relu[0]) if (relu == relu[0]).all() else relu
    return Piece(_laid(matrix, weights, kind), bias, same, any(piece.rounded for piece in pieces))


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


def _apart(matrices: Sequence[np.ndarray]) -> np.ndarray:
    """Returns the matrix that has these along its diagonal."""
    ends = np.cumsum([(0, 0), *(matrix.shape for matrix in matrices)], axis=0)
    result = np.zeros(ends[-1])
    for matrix, (i, j) in zip(matrices, ends):
        result[i : i + matrix.shape[0], j : j + matrix.shape[1]] = matrix
    return result


#: Operators in which branches may meet
MEETINGS = ("Add", "Concat", "Sub")
