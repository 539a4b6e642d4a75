"""The second checker's bounds: sections 5 and 6 of docs/certificate-format.md, exactly; uses no engine."""

import math
import sys
from collections import namedtuple
from fractions import Fraction
from functools import cached_property
from itertools import accumulate
from operator import add, sub
from types import MappingProxyType

from second_checker_file import Row, names
from second_checker_layers import ONE, ZERO, common, dot, float32, must, total

NONE = MappingProxyType({})

Line = namedtuple("Line", "a c t s noise r", defaults=(ZERO,))  # a z + r - s <= h <= c z + t + s; noise: N(M_k + t)
Node = namedtuple("Node", "case lower upper signs low high excluded differences")  # low, high: of all hidden neurons


class Block(namedtuple("Block", "reads outputs layers first g e numbers ending ratio", defaults=(None, "", 1))):
    """reads: inputs; first: each layer's first hidden neuron; numbers: of the hidden ones, where they are not all;
    ending: the Softmax or LogSoftmax of which the outputs are the scores; ratio: of section 17, else 1."""

    @cached_property
    def neurons(self):
        """Each layer's hidden neurons: by their place in the layer, their number."""
        if self.numbers is not None:
            return self.numbers
        places = ([i for i, relu in enumerate(layer.relus) if relu] for layer in self.layers)
        return [dict(zip(own, range(start, start + len(own)))) for own, start in zip(places, self.first)]


class Network(namedtuple("Network", "inputs outputs hidden blocks")):
    """All blocks, each bounded by itself; hidden: how many neurons."""

    def box(self, case):
        """Of the case's root."""
        return root_box(case)

    def tighten(self, node):
        """The lines of all layers of each block; the node's bounds are changed."""
        return [tighten_block(block, node) for block in self.blocks]

    def substitute(self, node, lines, parts, slopes, multipliers):
        """What is left of the sum of all blocks' rows (parts) over outputs: over the inputs, and a constant."""
        left, constant = [ZERO] * self.inputs, ZERO
        for block, block_lines, row in zip(self.blocks, lines, parts):
            row, constant = substitute(block, node, block_lines, row, constant, slopes, multipliers)
            left = added(left, block.reads, row)
        return left, constant


# 5. Bounds of the hidden neurons


def down(value):
    return float32(value - Fraction(3, 2**25) * abs(value) - Fraction(1, 2**149))


def float64_below(value):
    nearest = float(value)
    return Fraction(nearest if nearest <= value else math.nextafter(nearest, -math.inf))


def noise(block, size):
    return block.g * size + block.e


def read_by(block, values):
    return [values[i] for i in block.reads]


def added(values, places, terms):
    """The values, with a term added at each of these places."""
    values = list(values)
    for i, term in zip(places, terms):
        values[i] += term
    return values


def minimum(row, lower, upper):
    places = [i for i, a in enumerate(row) if a is not ZERO]
    return dot([row[i] for i in places], [lower[i] if row[i] > 0 else upper[i] for i in places])


def farthest(lower, upper):
    return [max(abs(p), abs(q)) for p, q in zip(lower, upper)]


def magnitudes(layer, largest):
    """M_k, of the largest sizes of the layer's inputs."""
    (q, rows), (p, sizes) = layer.whole, common(largest)
    parts = [Fraction(sum(abs(w) * sizes[j] for j, w in row.items()), p * q) for row in rows]
    return [part + abs(b) for part, b in zip(parts, layer.bias)]


def ranges(layer, a, b):
    """Between which numbers W h + b is where h is between these."""
    (q, rows), (p, ends) = layer.whole, common([*a, *b])
    a, b = ends[: len(a)], ends[len(a) :]
    low = [sum(w * (a if w > 0 else b)[j] for j, w in row.items()) for row in rows]
    high = [sum(w * (b if w > 0 else a)[j] for j, w in row.items()) for row in rows]
    return [[Fraction(end, p * q) + c for end, c in zip(ends, layer.bias)] for ends in (low, high)]


def outward(case):
    """The case's box, with each end rounded to the nearest float64 on that side."""
    must(all(abs(end) <= sys.float_info.max for end in case.lower + case.upper))
    return list(map(float64_below, case.lower)), [-float64_below(-end) for end in case.upper]


def root_box(case):
    """That of section 5, which has a limit."""
    must(all(abs(end) < 2**100 for end in case.lower + case.upper))
    lower, upper = outward(case)
    must(all(abs(end) < 2**100 for end in lower + upper))
    return lower, upper


def make_root(net, case):
    lower, upper = net.box(case)
    low, high = [None] * net.hidden, [None] * net.hidden
    for block in net.blocks:
        a, b = read_by(block, lower), read_by(block, upper)
        for layer, neurons in zip(block.layers, block.neurons):
            m = magnitudes(layer, farthest(a, b))
            must(all(size < 2**100 for size in m))
            wider = list(map(add, (noise(block, size) for size in m), layer.spread))
            a, b = ranges(layer, a, b)
            a, b = list(map(sub, a, wider)), list(map(add, b, wider))
            for i, j in neurons.items():
                low[j], high[j] = down(a[i]), -down(-b[i])
                a[i], b[i] = layer.curve.ends(low[j], high[j]) if layer.curve else (max(a[i], ZERO), max(b[i], ZERO))
    return Node(case, lower, upper, {}, low, high, set(), {})


def is_bounded(node, j):
    return node.low[j] is not None


def tighten(net, node):
    """The node with its tightened bounds, and the network's lines there."""
    differences = {pair: tuple(map(list, ends)) for pair, ends in node.differences.items()}
    node = node._replace(low=list(node.low), high=list(node.high), differences=differences)
    return node, net.tighten(node)


def tighten_block(block, node):
    """The lines of its layers; the node's bounds are changed."""
    lines, largest = [], farthest(read_by(block, node.lower), read_by(block, node.upper))
    for layer, neurons in zip(block.layers, block.neurons):
        sizes = magnitudes(layer, largest)
        for i in neurons:
            tighten_neuron(block, node, lines, i, sizes[i])
        largest = finish_layer(block, node, lines, sizes, block.ratio)
    return lines


def is_unstable(node, j):
    return node.low[j] < 0 < node.high[j]


def tighten_neuron(block, node, lines, i, size):
    """The i-th one of the layer after the last of these lines, where l < 0 < u; of a curve, where l < u."""
    layer, j = block.layers[len(lines)], block.neurons[len(lines)][i]
    if node.low[j] < node.high[j] if layer.curve else is_unstable(node, j):
        row, b, wider = layer.weights[i], layer.bias[i], noise(block, size) + layer.spread[i]
        least = lowest(block, node, lines, row, b) - wider
        most = -lowest(block, node, lines, [w if w is ZERO else -w for w in row], -b) + wider
        node.low[j], node.high[j] = max(node.low[j], down(least)), min(node.high[j], -down(-most))


def finish_layer(block, node, lines, sizes, ratio=1):
    """H_k of the layer after the last of these lines, to which its own are added."""
    neurons, largest, made, curve = block.neurons[len(lines)], [], [], block.layers[len(lines)].curve
    for i, (size, radius) in enumerate(zip(sizes, block.layers[len(lines)].spread)):
        if i in neurons and curve:
            low, high = node.low[neurons[i]], node.high[neurons[i]]
            made.append(curve_line(block, curve, low, high, size, radius))
            largest.append(max(map(abs, curve.ends(low, high))))
        elif i in neurons:
            low, high = node.low[neurons[i]], node.high[neurons[i]]
            made.append(relu_line(block, low, high, size, ratio, radius))
            largest.append(max(high, ZERO))
        else:
            error = noise(block, size) + radius
            made.append(Line(ONE, ONE, ZERO, error, error))
            largest.append(size + error)
    lines.append(made)
    return largest


def relu_line(block, low, high, size, ratio=1, radius=ZERO):
    negative, positive = min(low, ZERO), max(high, ZERO)
    c = Fraction(round(1024 * positive / (positive - negative)), 1024) if positive > negative else ZERO
    t = max(-c * negative, (1 - c) * positive)
    error = noise(block, size + t) + radius
    return Line(Fraction(high > -ratio * low), c, t, error if high > 0 else ZERO, error)


def curve_line(block, curve, low, high, size, radius):
    a, r, c, t = curve.line(low, high)
    error = noise(block, size + max(abs(r), abs(t))) + radius
    return Line(a, c, t, error, error, r)


# 6. Backward substitution


def substitute(block, node, lines, row, constant, slopes=NONE, multipliers=NONE, stop=0):
    """What is left of row . h + constant, h being after the last of these lines: over what layer number `stop` (from 0)
    reads, and a constant."""
    for k in reversed(range(stop, len(lines))):
        row, constant = through_lines(block, node, lines, k, row, constant, slopes, multipliers)
        row, constant = through_weights(block.layers[k], row, constant)
    return row, constant


def through_lines(block, node, lines, k, row, constant, slopes=NONE, multipliers=NONE):
    """From the k-th layer's h to its z."""
    after, losses, neurons = [], [], block.neurons[k]
    for i, (a, line) in enumerate(zip(row, lines[k])):
        j = neurons.get(i)
        must(j not in slopes or not block.layers[k].curve)
        lower = own_slope(node, j, slopes[j]) if j in slopes else line.a
        slope, loss = (lower, line.s - line.r) if a is ZERO or a > 0 else (line.c, -line.t - line.s)
        after.append(a if slope == 1 or a is ZERO else a * slope if slope else ZERO)
        losses.append(loss or ZERO)
        if j in multipliers:
            after[-1] -= node.signs[j] * multipliers[j]
            constant -= multipliers[j] * line.noise
    return after, constant - dot(row, losses)


def through_weights(layer, row, constant):
    (q, rows), (p, numbers) = layer.whole, common(row)
    left = [0] * len(layer.weights[0])
    for a, weights in zip(numbers, rows):
        if a:
            for j, w in weights.items():
                left[j] += a * w
    return [Fraction(a, p * q) if a else ZERO for a in left], constant + dot(row, layer.bias)


def lowest(block, node, lines, row, constant):
    row, constant = substitute(block, node, lines, row, constant)
    return minimum(row, read_by(block, node.lower), read_by(block, node.upper)) + constant


def own_slope(node, j, slope):
    if is_unstable(node, j):
        return slope
    return ZERO if node.high[j] <= 0 else ONE


def shown(net, node, lines, number, weights, slopes, multipliers):
    polytope = node.case.unsafe[number]
    must(all(0 <= i < len(polytope) for i in weights))
    bound = bound_of(net, node, lines, polytope, weights, slopes, multipliers)
    must(bound > 0 or bound == 0 and any(polytope[i].strict for i in weights))
    return bound


def bound_of(net, node, lines, polytope, weights, slopes, multipliers):
    """The minimum of the weighted sum of its rows."""
    rows = [
        Row({name: w * a for name, a in polytope[i].form.items()}, w * polytope[i].constant, polytope[i].strict)
        for i, w in weights.items()
    ]
    form = total([row.form for row in rows])
    x, y = ([form.get(name, ZERO) for name in names(*of)] for of in (("X", net.inputs), ("Y", net.outputs)))
    ends = list(accumulate((block.outputs for block in net.blocks), initial=0))
    left, constant = net.substitute(node, lines, [y[p:q] for p, q in zip(ends, ends[1:])], slopes, multipliers)
    constant += sum(row.constant for row in rows)
    return minimum(list(map(sum, zip(x, left))), node.lower, node.upper) + constant
