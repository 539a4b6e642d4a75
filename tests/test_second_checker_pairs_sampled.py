"""The second checker's bounds of pairs of blocks hold at sampled points, in exact arithmetic."""

from collections import Counter
from fractions import Fraction
from random import Random

import pytest
import second_checker as first
import second_checker_bounds
import second_checker_file
import second_checker_layers
from second_checker_bounds import Block, Network
from second_checker_layers import Layer
from second_checker_pairs import paired


def random_layer(random, inputs, outputs, relu) -> Layer:
    number = lambda: Fraction(random.randint(-12, 12), 8)
    return Layer([[number() for _ in range(inputs)] for _ in range(outputs)], [number() for _ in range(outputs)], relu)


def near(random, layer) -> Layer:
    """A layer that differs a little, in some numbers."""
    moved = lambda a: a + random.choice([0, Fraction(random.randint(-8, 8), 128)])
    return Layer([list(map(moved, row)) for row in layer.weights], list(map(moved, layer.bias)), layer.relu)


def random_pair(random):
    """Two or three stages with layers without a ReLU here and there, and a third block of its own; much noise."""
    widths = [2, *(random.choice([2, 3]) for _ in range(random.choice([2, 3]))), 1]
    layers = [random_layer(random, a, b, True) for a, b in zip(widths, widths[1:-1])]
    layers.append(random_layer(random, *widths[-2:], False))
    both = [list(layers), [near(random, layer) for layer in layers]]
    for own in both:
        for k in reversed(range(len(own))):
            if random.random() < 0.2:
                size = len(own[k].weights[0])
                own.insert(k, near(random, second_checker_layers.identity(size)))
    both.append([random_layer(random, 2, 2, True), random_layer(random, 2, 1, False)])
    blocks, hidden = [], 0
    for own in both:
        numbers = [hidden]
        for layer in own:
            numbers.append(numbers[-1] + layer.relu * len(layer.bias))
        hidden = numbers[-1]
        noise = random.choice([(Fraction(0), Fraction(0)), (Fraction(1, 128), Fraction(random.randint(0, 4), 256))])
        blocks.append(Block([0, 1], 1, own, numbers, *noise))
    return paired(Network(2, 3, hidden, blocks), [(0, 1)])


def executed(random, block, point, extreme):
    """z of all hidden neurons and the outputs, with errors of at most N(M); of the largest size, if extreme."""
    values, hidden = point, []
    for layer in block.layers:
        sizes = second_checker_bounds.magnitudes(layer, list(map(abs, values)))
        share = lambda: random.choice([-1, 1]) if extreme else Fraction(random.randint(-8, 8), 8)
        values = [
            z + share() * second_checker_bounds.noise(block, m)
            for z, m in zip(second_checker_layers.apply(layer, values), sizes, strict=True)
        ]
        if layer.relu:
            hidden += values
            values = [max(z, Fraction(0)) for z in values]
    return hidden, values


def sampled(random, net, node):
    """A point of the node's box, z of all hidden neurons and the outputs."""
    share = lambda: random.choice([0, 1, Fraction(random.randint(0, 16), 16)])
    point = [a + share() * (b - a) for a, b in zip(node.lower, node.upper, strict=True)]
    extreme = random.random() < 0.5
    made = [executed(random, block, point, extreme) for block in net.blocks]
    return point, [z for hidden, _ in made for z in hidden], [values for _, values in made]


def belongs(node, point, hidden) -> bool:
    inside = all(a <= x <= b for a, x, b in zip(node.lower, point, node.upper, strict=True))
    return inside and all(sign * hidden[j] >= 0 for j, sign in node.signs.items())


def check_bounds(net, node, samples):
    (f, g, _), ends = net.blocks, node.differences[0, 1]
    for _, hidden, _ in samples:
        assert all(map(Fraction.__le__, node.low, hidden)) and all(map(Fraction.__le__, hidden, node.high))
        z_f, z_g = (hidden[block.first[0] : block.first[-1]] for block in (f, g))
        for low, a, b, high in zip(ends[0], z_f, z_g, ends[1], strict=True):
            assert low <= b - a <= high


def check_rows(random, net, node, lines, samples):
    """The minimum of random rows over the outputs of all blocks, with random slopes and multipliers."""
    for _ in range(4):
        parts = [[Fraction(random.choice([-2, -1, 1, 2]))] for _ in net.blocks]
        slopes = {j: Fraction(random.randint(0, 4), 4) for j in range(net.hidden) if random.random() < 0.3}
        multipliers = {j: Fraction(random.randint(0, 4), 4) for j in node.signs}
        row, constant = net.substitute(node, lines, parts, slopes, multipliers)
        least = second_checker_bounds.minimum(row, node.lower, node.upper) + constant
        for _, _, outputs in samples:
            assert least <= sum(a * y for (a,), (y,) in zip(parts, outputs, strict=True))


@pytest.mark.parametrize("seed", range(20))
def test_bounds_hold_down_a_random_path(seed):
    """Of neurons, of differences and of rows, at the root and in the halves where a sample lies."""
    random = Random(seed)
    net = random_pair(random)
    ends = [sorted(Fraction(random.randint(-16, 16), 8) for _ in range(2)) for _ in range(2)]
    case = second_checker_file.Case(*([pair[side] for pair in ends] for side in (0, 1)), [])
    node = second_checker_bounds.make_root(net, case)
    samples = [sampled(random, net, node) for _ in range(50)]
    for _ in range(5):
        node, lines = second_checker_bounds.tighten(net, node)
        check_bounds(net, node, samples)
        check_rows(random, net, node, lines, samples)
        node = half_of(random, net, node, samples)
        samples = [sample for sample in samples if belongs(node, *sample[:2])]


def half_of(random, net, node, samples):
    free = [j for j in range(net.hidden) if j not in node.signs]
    wide = [d for d in range(2) if node.lower[d] < node.upper[d]]
    split = random.choice([*wide, *(net.inputs + j for j in free)])
    cut = (node.lower[split] + node.upper[split]) / 2 if split < net.inputs else None
    halves = first.halves(net, node, split, iter([cut]))
    return max(halves, key=lambda half: sum(belongs(half, *sample[:2]) for sample in samples))


def test_random_paths_couple_neurons():
    """What the test above depends on: of the neurons at roots, many are coupled, and many unstable ones are not."""
    found = Counter()
    for seed in range(40):
        random = Random(seed)
        net = random_pair(random)
        node, lines = second_checker_bounds.tighten(
            net,
            second_checker_bounds.make_root(net, second_checker_file.Case([Fraction(-1)] * 2, [Fraction(1)] * 2, [])),
        )
        for stage, width in zip(
            lines.coupled[0, 1], [len(y.bias) for y in net.blocks[0].layers if y.relu], strict=True
        ):
            found += Counter(coupled=len(stage), alone=width - len(stage))
    assert found["coupled"] > 60 and found["alone"] > 60
