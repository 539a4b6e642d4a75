"""The second checker, of certificates of versions 4 and 5: sections 12 and 14 of docs/certificate-format.md; uses no
engine."""

import second_checker as first
from second_checker_bounds import farthest, magnitudes, ranges, root_box
from second_checker_file import has_cones, read_certificate
from second_checker_layers import ZERO, Layer, Rejected, must


def accepts_cones(certificate, network, property):
    """Does the certificate, of version 1, 4, 5 or 8, show its claim for these files? ValueError as in accepts."""
    try:
        margins(certificate, network, property)
    except Rejected:
        return False
    return True


def margins(certificate, network, property):
    """The exact bounds by which a proof's exclusions are shown, in order; or Rejected is raised."""
    content = read_certificate(certificate, (1, 4, 5, 8))
    return first.check(content, network, property, **({"bounded": cone} if has_cones(content[0]) else {}))


def cone(net, case):
    """What is bounded of the network in a case; hidden neurons keep their numbers."""
    (block,) = net.blocks
    reads = [i for i, (low, high) in enumerate(zip(case.lower, case.upper)) if low != high]
    layers, numbers, reached, values = [], [], set(reads), root_box(case)
    for layer, neurons in zip(block.layers, block.neurons):
        last = len(layers) + 1 == len(block.layers)
        places = [i for i, row in enumerate(layer.whole[1]) if last or not reached.isdisjoint(row)]
        must(places)
        ends = fixed_ends(block, layer, reached, values)
        layers.append(part(layer, places, sorted(reached), ends))
        numbers.append({i: neurons[place] for i, place in enumerate(places) if place in neurons})
        reached = set(places)
        values = values_between(layer, *ends, reached)
    return net._replace(blocks=[block._replace(reads=reads, layers=layers, numbers=numbers)])


def fixed_ends(block, layer, reached, values):
    """Between which numbers each neuron's b lies, with what it reads that is not reached."""
    common, rows = layer.whole
    rows = [{j: w for j, w in row.items() if j not in reached} for row in rows]
    rest = RowsOnly((common, rows), layer.bias)
    low, high = ranges(rest, *values)
    wider = [block.g * size for size in magnitudes(rest, farthest(*values))]
    low, high = ([b + sign * w for b, w in zip(ends, wider)] for ends, sign in ((low, -1), (high, 1)))
    must(all(abs(end) < 2**100 for end in low + high))
    return low, high


def values_between(layer, low, high, reached):
    """Between which numbers the values of what is not reached lie."""
    below, above = layer.curve and (layer.curve.below, layer.curve.above) or (lambda end: max(end, ZERO),) * 2
    return [
        [ZERO if i in reached else bent(end) if relu else end for i, (end, relu) in enumerate(zip(ends, layer.relus))]
        for bent, ends in ((below, low), (above, high))
    ]


class RowsOnly:
    """As much of a layer as its values need."""

    def __init__(self, whole, bias):
        self.whole, self.bias = whole, bias


def part(layer, rows, columns, ends):
    """The layer's part at these rows and columns, its b between these ends."""
    weights = [[layer.weights[i][j] for j in columns] for i in rows]
    low, high = ([own[i] for i in rows] for own in ends)
    middles, radii = ([(q + sign * p) / 2 for p, q in zip(low, high)] for sign in (1, -1))
    return Layer(weights, middles, [layer.relus[i] for i in rows], radii, layer.curve)
