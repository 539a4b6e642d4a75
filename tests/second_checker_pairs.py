"""The second checker, of certificates of version 3: section 11 of docs/certificate-format.md; uses no engine."""

from collections import namedtuple

from second_checker_bounds import (
    NONE,
    Network,
    added,
    down,
    farthest,
    finish_layer,
    is_unstable,
    magnitudes,
    minimum,
    noise,
    read_by,
    relu_line,
    root_box,
    substitute,
    through_lines,
    through_weights,
    tighten_block,
    tighten_neuron,
)
from second_checker_file import read_certificate
from second_checker_layers import ONE, ZERO, Rejected, must
from second_checker_query import check_query

Lines = namedtuple("Lines", "blocks coupled")  # coupled: {pair: for each stage, {number in it: Line of delta}}


def accepts_pairs(certificate, networks, query):
    """Does the certificate, of version 2 or 3, show its claim for these files? ValueError as in accepts."""
    try:
        margins(certificate, networks, query)
    except Rejected:
        return False
    return True


def margins(certificate, networks, query):
    """The exact bounds by which a proof's exclusions are shown, in order, None of a witness; or Rejected is raised."""
    content = read_certificate(certificate, (2, 3))
    pairs = read_pairs(content[0])
    return check_query(content, networks, query, lambda net: paired(net, pairs))


def read_pairs(manifest):
    pairs = [tuple(pair) for pair in manifest.get("pairs", [])]
    must(all(len(pair) == 2 and 0 <= pair[0] < pair[1] for pair in pairs), ValueError)
    blocks = [block for pair in pairs for block in pair]
    must(len(set(blocks)) == len(blocks), ValueError)
    return pairs


def paired(net, pairs):
    """The network whose bounds know that these blocks differ little."""
    for pair in pairs:
        must(all(block < len(net.blocks) for block in pair))
        f, g = ([layer.relus for layer in net.blocks[i].layers if any(layer.relus)] for i in pair)
        must(f == g)
    return PairedNetwork(*net, pairs)


class PairedNetwork(namedtuple("PairedNetwork", (*Network._fields, "pairs"))):
    """All blocks, some of them bounded two together; pairs: the numbers of these."""

    def box(self, case):
        return root_box(case)

    def alone(self):
        return set(range(len(self.blocks))) - {i for pair in self.pairs for i in pair}

    def tighten(self, node):
        """The lines of all layers of each block, and of differences; the node's bounds are changed."""
        lines = {i: tighten_block(self.blocks[i], node) for i in self.alone()}
        coupled = {}
        for pair in self.pairs:
            halves = [Half(self.blocks[i], node) for i in pair]
            if pair not in node.differences:
                node.differences[pair] = before_root(node, *halves)
            coupled[pair] = tighten_pair(node, *halves, *node.differences[pair])
            lines |= {i: half.lines for i, half in zip(pair, halves)}
        return Lines([lines[i] for i in range(len(self.blocks))], coupled)

    def substitute(self, node, lines, parts, slopes, multipliers):
        """What is left of the sum of all blocks' rows (parts) over outputs: over the inputs, and a constant."""
        left, constant = [ZERO] * self.inputs, ZERO
        for i in self.alone():
            block, own = self.blocks[i], lines.blocks[i]
            row, constant = substitute(block, node, own, parts[i], constant, slopes, multipliers)
            left = added(left, block.reads, row)
        for pair in self.pairs:
            blocks, own, rows = ([values[i] for i in pair] for values in (self.blocks, lines.blocks, parts))
            rows, change = substitute_pair(blocks, node, own, lines.coupled[pair], rows, slopes, multipliers)
            constant += change
            for block, row in zip(blocks, rows):
                left = added(left, block.reads, row)
        return left, constant


# Bounds


class Half:
    """One block of a pair on the way through its layers; largest: H of the last one that has lines."""

    def __init__(self, block, node):
        self.block, self.node, self.lines = block, node, []
        self.largest = farthest(read_by(block, node.lower), read_by(block, node.upper))

    def reach(self):
        """M of the next layer with a ReLU, when all before it, or all that are left, have their lines."""
        for layer in self.block.layers[len(self.lines) :]:
            sizes = magnitudes(layer, self.largest)
            if any(layer.relus):
                return sizes
            self.finish(sizes)
        return None

    def finish(self, sizes):
        self.largest = finish_layer(self.block, self.node, self.lines, sizes, ratio=2)

    def tighten(self, i, size):
        tighten_neuron(self.block, self.node, self.lines, i, size)

    def number(self, i):
        """The hidden neuron that is the i-th one of the next layer."""
        return self.block.neurons[len(self.lines)][i]


def up(value):
    return -down(-value)


def before_root(node, f, g):
    """dl and du of all neurons of the two blocks."""
    numbers = list(zip(*(range(half.block.first[0], half.block.first[-1]) for half in (f, g))))
    low, high = node.low, node.high
    return [down(low[q] - high[p]) for p, q in numbers], [up(high[q] - low[p]) for p, q in numbers]


def tighten_pair(node, f, g, dl, du):
    """Each stage's lines of differences; the node's bounds, dl and du, and the lines of both blocks are changed."""
    stages, i = [], 0  # i: over all stages
    while (sizes := f.reach()) is not None:
        stage, coupled = list(zip(sizes, g.reach())), {}
        for k in f.block.neurons[len(f.lines)]:
            (m, n), p, q = stage[k], f.number(k), g.number(k)
            f.tighten(k, m)
            g.tighten(k, n)
            if is_unstable(node, p) or is_unstable(node, q):
                low, high = difference(node, f, g, stages, k, noise(f.block, m) + noise(g.block, n))
                dl[i], du[i] = max(dl[i], down(low)), min(du[i], up(high))
            exchange(node, p, q, dl, du, i)
            if is_coupled(node, p, q, dl[i], du[i]):
                coupled[k] = difference_line(f.block, g.block, dl[i], du[i], m, n)
            i += 1
        f.finish([m for m, _ in stage])
        g.finish([n for _, n in stage])
        stages.append(coupled)
    g.reach()
    return stages


def difference(node, f, g, stages, i, error):
    """Between which numbers z_g - z_f of the i-th neurons of the next layers lies."""
    layers = [half.block.layers[len(half.lines)] for half in (f, g)]
    ends = []
    for sign in (ONE, -ONE):
        rows = [[a * w for w in layer.weights[i]] for layer, a in zip(layers, (-sign, sign))]
        blocks, lines = (f.block, g.block), (f.lines, g.lines)
        rows, constant = substitute_pair(blocks, node, lines, stages, rows)
        left = [ZERO] * len(node.lower)
        for block, row in zip(blocks, rows):
            left = added(left, block.reads, row)
        constant += sign * (layers[1].bias[i] - layers[0].bias[i])
        ends.append(sign * (minimum(left, node.lower, node.upper) + constant - error))
    return ends


def exchange(node, f, g, dl, du, i):
    """What the bounds of neurons f and g say of their difference, and what it says of them."""
    low, high = node.low, node.high
    dl[i], du[i] = max(dl[i], down(low[g] - high[f])), min(du[i], up(high[g] - low[f]))
    low[g], high[g] = max(low[g], down(low[f] + dl[i])), min(high[g], up(high[f] + du[i]))
    low[f], high[f] = max(low[f], down(low[g] - du[i])), min(high[f], up(high[g] - dl[i]))


def is_coupled(node, f, g, low, high):
    ends = [(float(node.low[j]), float(node.high[j])) for j in (f, g)]
    limit = float(max(-low, high)) + 2.0**-20 * ((ends[0][1] - ends[0][0]) + (ends[1][1] - ends[1][0]))
    return (is_unstable(node, f) or is_unstable(node, g)) and limit < gap(*ends[0]) + gap(*ends[1])


def gap(low, high):
    return (-low * high) / (high - low) if low < 0 < high else 0.0


def difference_line(f, g, low, high, m, n):
    """(1 - c) d - t - s <= delta <= c d + t + s"""
    line = relu_line(g, low, high, ZERO)
    return line._replace(a=1 - line.c, s=noise(f, m) + noise(g, n + line.t))


# Substitution in both blocks together


def substitute_pair(blocks, node, lines, stages, rows, slopes=NONE, multipliers=NONE):
    """What is left of two rows, over h after the last lines of each block: over what each reads, and a constant."""
    constant, ends = ZERO, [len(own) for own in lines]
    relus = ([k for k, layer in enumerate(block.layers) if any(layer.relus)] for block in blocks)
    for coupled, *places in reversed(list(zip(stages, *relus))):
        rows, constant = descend(blocks, node, lines, ends, [k + 1 for k in places], rows, constant)
        rows, changes, constant = through_differences(coupled, rows, constant)
        for side, (block, k) in enumerate(zip(blocks, places)):
            row, constant = through_lines(block, node, lines[side], k, rows[side], constant, slopes, multipliers)
            row = added(row, coupled, changes if side else [-change for change in changes])
            rows[side], constant = through_weights(block.layers[k], row, constant)
        ends = places
    return descend(blocks, node, lines, ends, [0, 0], rows, constant)


def descend(blocks, node, lines, ends, stops, rows, constant):
    """Both rows through the layers without a ReLU before these ends, down to these stops."""
    left = []
    for block, own, end, stop, row in zip(blocks, lines, ends, stops, rows):
        row, constant = substitute(block, node, own[:end], row, constant, stop=stop)
        left.append(row)
    return left, constant


def through_differences(coupled, rows, constant):
    """The rows that go through the lines of f (P) and of g, and B' of the coupled neurons."""
    (a, b), changes = map(list, rows), []
    for i, line in coupled.items():
        changes.append(b[i] * (line.a if b[i] > 0 else line.c))
        constant -= abs(b[i]) * (line.t + line.s)
        a[i], b[i] = a[i] + b[i], ZERO
    return [a, b], changes, constant
