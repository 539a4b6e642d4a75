"""Signals that meet in an Add, Sub or Concat: one chain of their layers (section 3)."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import accumulate
from typing import Any

import numpy as np

from engine.audit.curves.curve import Curve
from engine.audit.data import Array
from engine.audit.failures import need
from engine.audit.onnx_chain import MAX_WIDTH, Chain, Link, Room
from engine.audit.onnx_forms import Call, check_form
from engine.audit.onnx_layers import Shape, concatenated
from engine.audit.sparse import WORDS, Matrix, Sparse, diagonal, stacked

SIGNS = {"Add": 1.0, "Sub": -1.0}
NOT_EXECUTED = "branches meet, which are carried on by layers that are not executed"


def met(call: Call, chains: Mapping[int, Chain]) -> tuple[Array, Chain]:
    """The signal that a node makes of several ones, and its layers.

    chains: the layers of each, by its place among the operands.
    """
    check_form(call)
    need(call.operator == "Concat" or call.operator in SIGNS, "two branches meet in it")
    parts = [part for part in call.operands if part is not None]
    same = len(parts) == len(call.operands) and len({part.dtype for part in parts}) == 1
    need(same, "it must join signals and constants of one type")
    sizes = [parts[at].size for at in chains]
    chain, begin = _side_by_side(list(chains.values()), sizes)
    elements = {
        at: first + np.arange(size).reshape(parts[at].shape)
        for at, first, size in zip(chains, begin, sizes, strict=True)
    }
    size = begin[-1] + sizes[-1]
    if call.operator == "Concat":
        shape = concatenated(call, chain, elements, size)
    else:
        shape = _add(chain, elements[0], elements[1], SIGNS[call.operator], size)
    return np.arange(math.prod(shape), dtype=parts[0].dtype).reshape(shape), chain


def _add(chain: Chain, first: Array, second: Array, sign: float, size: int) -> Shape:
    """A product: 1 at an element of the first, plus the sign at one of the second.

    first, second: the places of their elements among so many.
    """
    shape = np.broadcast_shapes(first.shape, second.shape)
    width = math.prod(shape)
    need(width <= MAX_WIDTH, "a layer is too wide")
    one, other = (np.broadcast_to(part, shape).ravel() for part in (first, second))
    twice = one == other
    row, column = np.arange(width), one
    numbers = np.where(twice, 1 + sign, 1.0)
    row, column = np.append(row, row[~twice]), np.append(column, other[~twice])
    numbers = np.append(numbers, np.full(width, sign)[~twice])
    there = numbers != 0
    chain.multiply(Sparse((width, size), row[there], column[there], numbers[there]))
    return shape


# --- the layers before ----------------------------------------------------------------------------


def _side_by_side(chains: Sequence[Chain], sizes: Sequence[int]) -> tuple[Chain, list[int]]:
    """One chain that gives the elements of all signals, of these sizes; where those of each begin.

    If all their layers are the same, so are their elements.
    """
    common, own = _common(chains)
    chain = chains[0].fork()
    chain.last = common
    chain.rounded = any(each.rounded for each in chains)
    chain.zeros_first = any(each.zeros_first for each in chains)
    chain.refuse_float32(True, NOT_EXECUTED)
    depth = max(map(len, own))
    for links, size in zip(own, sizes, strict=True):
        links += [_passing(size)] * (depth - len(links))
    for k, layer in enumerate(zip(*own, strict=True)):
        _lay(chain, layer, is_first=k == 0)
    return chain, [0, *accumulate(sizes)][:-1] if depth else [0] * len(sizes)


def _lay(chain: Chain, links: Sequence[Link], *, is_first: bool) -> None:
    """Adds the layer that has the neurons of all of these."""
    rows = [link.weight.shape[0] for link in links]
    need(sum(rows) <= MAX_WIDTH, "a layer is too wide")
    weight = _beside([link.weight for link in links], chain.room, is_first=is_first)
    biases = [np.zeros(1) if link.bias is None else link.bias for link in links]
    relu = _spread([link.relu for link in links], rows)
    chain.lay(weight, _spread(biases, rows), relu, _bend(links))


def _bend(links: Sequence[Link]) -> Curve | None:
    """Section 14: the one curve of layers that meet; None of those with ReLUs or nothing."""
    kinds = {link.curve for link in links if np.any(link.relu)}
    need(len(kinds) <= 1, "signals meet that are bent in other ways, by layers side by side")
    return kinds.pop() if kinds else None


def _common(chains: Sequence[Chain]) -> tuple[Link | None, list[list[Link]]]:
    """The last of the leading layers that all chains have, and what each has behind it, in order.

    A layer's W is of a node that found all layers before. So these are the same if it is.
    """
    last = [chain.last for chain in chains]
    own: list[list[Link]] = [[] for _ in chains]
    while not all(_is_same(last[0], link) for link in last):
        deepest = max(link.depth for link in last if link)
        for i, link in enumerate(last):
            if link and link.depth == deepest:
                own[i].append(link)
                last[i] = link.before
    return last[0], [links[::-1] for links in own]


def _is_same(one: Link | None, other: Link | None) -> bool:
    """True iff the same nodes made W and b, and the same neurons bend alike; or there is none."""
    if one is None or other is None:
        return one is other
    made_alike = one.weight is other.weight and one.bias is other.bias and one.curve is other.curve
    return made_alike and bool(np.all(np.equal(one.relu, other.relu)))


def _passing(size: int) -> Link:
    """A layer that changes nothing, for neurons of a signal that has ended."""
    return Link(diagonal(np.ones(size)), None, 0)


def _spread(parts: Sequence[Any], rows: Sequence[int]) -> Array:
    """All parts as one array; of each so many, one for all or its own."""
    return np.concatenate(
        [np.broadcast_to(part, count) for part, count in zip(parts, rows, strict=True)]
    )


def _beside(parts: Sequence[Matrix], room: Room, *, is_first: bool) -> Matrix:
    """One W: the first ones of all signals take the same, below each other; others their own."""
    rows = [0, *accumulate(part.shape[0] for part in parts)]
    widths = [0 if is_first else part.shape[1] for part in parts]
    columns = [0, *accumulate(widths)]
    shape = rows[-1], max(columns[-1], parts[0].shape[1])
    count = sum(
        len(part.numbers) if isinstance(part, Sparse) else int(np.count_nonzero(part))
        for part in parts
    )
    is_sparse = WORDS * count < math.prod(shape)
    room.take(WORDS * count if is_sparse else math.prod(shape))
    begin = zip(parts, rows, columns)
    if is_sparse:
        return stacked([_moved(part, column, shape[1]) for part, _, column in begin])
    weight = np.zeros(shape)
    for part, row, column in begin:
        weight[row : row + part.shape[0], column : column + part.shape[1]] = np.asarray(part)
    return weight


def _moved(part: Matrix, column: int, width: int) -> Sparse:
    """The matrix in as many columns, from this one on."""
    if not isinstance(part, Sparse):
        row, at = np.nonzero(part)
        part = Sparse((len(part), part.shape[1]), row, at, part[row, at])
    return replace(part, shape=(part.shape[0], width), column=part.column + column)
