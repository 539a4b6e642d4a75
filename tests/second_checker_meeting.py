"""The second checker's signals that meet: section 3 of docs/certificate-format.md; uses no engine."""

from itertools import accumulate

import numpy as np
from second_checker_layers import ONE, ZERO, exact, identity, must

MEETINGS = "Add", "Sub", "Concat"


def meet(maker, node, chains, run):
    """The chain that a node, number `maker`, makes of its operands' chains, in order; None stands for a constant.
    run: the node's output, where operands (by place) have these elements."""
    signals = [chain for chain in chains if chain is not None]
    must(node.op_type in MEETINGS and (node.op_type == "Concat" or len(chains) == 2), ValueError)
    chain, starts = side_by_side(maker, signals)
    numbered = {}
    for place, start in zip((i for i, one in enumerate(chains) if one is not None), starts):
        numbered[place] = np.arange(start + 1, start + 1 + signals[len(numbered)].width).reshape(chains[place].shape)
    if node.op_type == "Concat":
        join(chain, numbered, run, len(signals) < len(chains))
    else:
        add(chain, numbered, run, -ONE if node.op_type == "Sub" else ONE)
    return chain


def add(chain, numbered, run, sign):
    """A layer: each element's row has 1 at that of the first signal, plus 1 (or minus 1) at that of the second."""
    first, second = numbered[0], numbered[1]
    spread = [first + np.zeros_like(second), second + np.zeros_like(first)]
    chain.shape = list(run(numbered).shape)
    must(all(list(part.shape) == chain.shape for part in spread), ValueError)
    rows = []
    for a, b in zip(*(part.ravel() - 1 for part in spread)):
        row = [ZERO] * chain.width
        row[a] += ONE
        row[b] += sign
        rows.append([w or ZERO for w in row])
    chain.limited(rows)


def join(chain, numbered, run, has_constants):
    """As of one signal with all their elements; constants are left where `numbered` has none."""
    made, none = run(numbered), run({place: np.zeros_like(part) for place, part in numbered.items()})
    chain.shape = list(made.shape)
    places = [round(float(number)) - 1 for number in (made - none).ravel()]
    if has_constants or places != list(range(chain.width)):
        chain.limited([[ONE if j == place else ZERO for j in range(chain.width)] for place in places])
    if has_constants:
        chain.shift(exact(none))


def side_by_side(maker, signals):
    """A chain that has the elements of all signals, and where those of each begin in it."""
    common = leading(signals)
    chain, owns = signals[0].until(common, maker), [one.layers[common:] for one in signals]
    chain.rounded, chain.executed = any(one.rounded for one in signals), False
    starts, sizes = [0] * len(signals), [chain.width] * len(signals)
    for i in range(max(map(len, owns))):
        parts = [own[i] if i < len(own) else identity(size) for own, size in zip(owns, sizes)]
        put(chain, parts, starts)
        sizes = [len(part.bias) for part in parts]
        starts = list(accumulate(sizes, initial=0))[:-1]
    chain.after_product = chain.bare = False
    return chain, starts


def leading(signals):
    """How many leading layers are the same in all of them."""
    known = [
        [(maker, layer.relus, layer.curve) for maker, layer in zip(one.makers, one.layers, strict=True)]
        for one in signals
    ]
    differ = (i for i, same in enumerate(zip(*known)) if any(each != same[0] for each in same))
    return next(differ, min(map(len, known)))


def put(chain, parts, starts):
    """A layer of these neurons, the part of each signal over its own elements."""
    kinds = {part.curve for part in parts if any(part.relus)}
    must(len(kinds) <= 1, ValueError)
    rows = [
        [ZERO] * start + row + [ZERO] * (chain.width - start - len(row))
        for part, start in zip(parts, starts)
        for row in part.weights
    ]
    chain.limited(rows)
    bias, relus = [b for part in parts for b in part.bias], [relu for part in parts for relu in part.relus]
    chain.layers[-1] = chain.layers[-1]._replace(bias=bias, relu=relus, curve=next(iter(kinds), None))
