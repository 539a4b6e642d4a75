"""The checker's bounds of differences (format, section 11): by hand, against samples, and one arithmetic by the other."""

from fractions import Fraction

import numpy as np
import pytest
from conftest import network, random_network
from joint_questions import JointQuestion, declared, inside, own, same_inputs
from test_audit_bounds import nodes_of, number_of, value_of
from test_audit_check import Exclusion, Node, case, exclusions, row
from test_audit_joint import apart

from engine.audit import bounds as bounds_module
from engine.audit import pairs as pairs_module
from engine.audit.arithmetic import Floating
from engine.audit.blocks import Joint
from engine.audit.bounds import Bounds
from engine.audit.data import Block, Layer, Malformed
from engine.audit.exact import Exact
from engine.audit.pairs import Ends, coupled, meet, widest
from engine.audit.places import differences_of

ARITHMETICS = [Floating, Exact]
KINDS = ["real", "rounded", "float32"]


# --- pairs ----------------------------------------------------------------------------------------


def layers_of(net, relus=None):
    found = [Layer(layer.weight, layer.bias, layer.relu) for layer in net.layers]
    return [layer._replace(relu=relu) for layer, relu in zip(found, relus or [layer.relu for layer in found])]


def near(layers, random, size):
    """Layers whose numbers differ from these by about this part; of float32."""
    change = lambda a: (a * (1 + size * random.normal(size=a.shape))).astype(np.float32).astype(float)
    return [layer._replace(weight=change(layer.weight), bias=change(layer.bias)) for layer in layers]


def joint_of(*blocks, rounded=False, pairs=((0, 1),), n_inputs=None):
    """Blocks (layers, inputs)."""
    made = tuple(Block(tuple(layers), np.array(inputs), rounded) for layers, inputs in blocks)
    return Joint(made, n_inputs or 1 + max(max(inputs) for _, inputs in blocks), "", pairs)


def identity(width, random, size=0.02):
    """A layer without a ReLU that changes little."""
    weight = (np.eye(width) + size * random.normal(size=(width, width))).astype(np.float32).astype(float)
    return Layer(weight, np.zeros(width), relu=False)


def alike(seed, rounded=False):
    """Two networks that are nearly the same."""
    random = np.random.default_rng(seed)
    layers = near(layers_of(random_network((2, 4, 4, 2), seed=seed)), random, 0.0)
    return joint_of((layers, [0, 1]), (near(layers, random, 0.03), [0, 1]), rounded=rounded)


def of_other_depth(seed, rounded=False):
    """As many stages, but layers without a ReLU in other places: before, between, and after them."""
    random = np.random.default_rng(seed)
    first, second, last = near(layers_of(random_network((2, 4, 3, 2), seed=seed)), random, 0.0)
    f = [identity(2, random), first, second, last]
    g = [*near([first], random, 0.02), identity(4, random), identity(4, random), second, last, identity(2, random)]
    return joint_of((f, [0, 1]), (g, [0, 1]), rounded=rounded)


def of_other_inputs(seed, rounded=False):
    """f reads x0, x1 and g x2, x0: small weights where they differ. A third block is in no pair, and stands between."""
    random = np.random.default_rng(seed)
    first, *rest = near(layers_of(random_network((2, 4, 4, 2), seed=seed)), random, 0.0)
    f = [first._replace(weight=first.weight * [1, 2.0**-4]), *rest]
    other, *rest = near(f, random, 0.02)
    g = [other._replace(weight=other.weight[:, ::-1].copy()), *rest]
    alone = layers_of(random_network((1, 3, 1), seed=seed))
    return joint_of((f, [0, 1]), (near(alone, random, 0.0), [2]), (g, [2, 0]), pairs=((0, 2),), rounded=rounded)


PAIRS = {make.__name__: make for make in (alike, of_other_depth, of_other_inputs)}


def one_neuron(weight, bias, *, rounded=False):
    """y = relu(x), and y = relu(weight x + bias)."""
    f = [Layer(np.array([[1.0]]), np.zeros(1), relu=True), Layer(np.array([[1.0]]), np.zeros(1), relu=False)]
    g = [Layer(np.array([[weight]]), np.array([bias]), relu=True), f[1]]
    return joint_of((f, [0]), (g, [0]), rounded=rounded)


# --- by hand --------------------------------------------------------------------------------------

#: f = relu(x) and g = relu(3/4 x + 1/8) on [-1, 1]: d = -x/4 + 1/8 is in [-1/8, 3/8], so c = 3/4, t = 3/32.
#: (A, B, slopes, multipliers; least value, in exact arithmetic; |P|)
GOLDEN = [
    # P = 0, B' = 1/4, A' = -1/4: -x/16 + 1/32 - t
    ((-1, 1), {}, {}, "-1/8", 0),
    # P = 0, B' = -3/4, A' = 3/4: 3/16 x - 3/32 - t
    ((1, -1), {}, {}, "-3/8", 0),
    # P = 2 takes a = 0: as the first
    ((1, 1), {}, {}, "-1/8", 2),
    # .. a = 1, A' = 2 - 1/4: 31/16 x + 1/32 - t
    ((1, 1), {0: 1024}, {}, "-2", 2),
    # g's own slope has no effect
    ((1, 1), {0: 1024, 1: 300}, {}, "-2", 2),
    # P = -1 takes c = 1/2 and t = 1/2, B' = -3/2, A' = 1: -x/8 - 3/16 - 1/2 - 2 t
    ((1, -2), {}, {}, "-1", 1),
    # multipliers are taken off after that: A' = -1/4 - 1/2, B' = 1/4 + 1/4: -3/8 x + 1/16 - t
    ((-1, 1), {}, {0: 0.5, 1: -0.25}, "-13/32", 0),
]


def by_hand(arithmetic, semantics, values, slopes, multipliers):
    """The margin of one exclusion, and the first node's lines."""
    joint = one_neuron(0.75, 0.125)
    bounds = arithmetic(joint, semantics)
    nodes = nodes_of(bounds, np.array([[-1.0]]), np.array([[1.0]]))
    nodes.l[0], nodes.u[0] = (-1, -0.625, -0.125), (1, 0.875, 0.375)
    lines = bounds.tighten(nodes)
    assert nodes.l[0].tolist() == [-1, -0.625, -0.125] and nodes.u[0].tolist() == [1, 0.875, 0.375]
    sign = np.array([[np.sign(multipliers.get(j, 0)) for j in range(2)]])
    shown = Exclusion({0: 1024}, slopes, {j: abs(m) for j, m in multipliers.items()})
    return Fraction(bounds.margins(nodes, lines, exclusions([(0, [row(values)], shown)], joint, sign))[0])


@pytest.mark.parametrize("values, slopes, multipliers, least, size", GOLDEN)
def test_golden_numbers(values, slopes, multipliers, least, size):
    """Exactly; in float64 up to its rounding; and in float32 semantics less what section 11 takes off."""
    least = Fraction(least)
    assert by_hand(Exact, "real", values, slopes, multipliers) == least
    assert -(10**-12) < by_hand(Floating, "real", values, slopes, multipliers) - least < 0
    n = 3  # one input, and two blocks
    unit, floor = -(-(n + 4) * 2**60 // (2**24 - n - 4)) * Fraction(1, 2**60), Fraction(2 * n + 4, 2**126)
    noise = lambda size: unit * Fraction(size) + floor
    outputs = abs(values[0]) * noise(1) + abs(values[1]) * noise(0.875)
    of_f = size * noise(1 + Fraction(1, 2))
    of_d = abs(values[1]) * (noise(1) + noise(Fraction(7, 8) + Fraction(3, 32)))
    t_g = Fraction(427, 1024) * Fraction(7, 8)  # (1 - c) u, c being the multiple of 1/1024 next to 7/12
    of_multipliers = abs(Fraction(multipliers.get(0, 0))) * noise(1 + Fraction(1, 2))
    of_multipliers += abs(Fraction(multipliers.get(1, 0))) * noise(Fraction(7, 8) + t_g)
    lost = outputs + of_f + of_d + of_multipliers
    assert by_hand(Exact, "float32", values, slopes, multipliers) == least - lost
    found = by_hand(Floating, "float32", values, slopes, multipliers)
    assert -(10**-12) < found - (least - lost - of_multipliers) < 0  # twice for multipliers


def ends(*pairs):
    """Ends of as many neurons."""
    return Ends(*np.array(pairs, np.float32).T)


def test_bounds_of_each_by_those_of_the_others():
    """Section 11, "Bounds", step 4, each line of it: z_f, z_g, d and what they become, but for `down` and `up`."""
    f, g = ends((-1, 4), (0, 4), (1, 2), (-9, 9)), ends((-3, 1), (0, 9), (-9, 9), (1, 2))
    d = ends((-9, 9), (1, 2), (1, 3), (-0.5, 0.25))
    expected = (
        (ends((-1, 4), (0, 4), (1, 2), (0.75, 2.5))),
        (ends((-3, 1), (1, 6), (2, 5), (1, 2))),
        (ends((-7, 2), (1, 2), (1, 3), (-0.5, 0.25))),
    )
    assert np.allclose(widest(f, g), [[-7, -4, -11, -8], [2, 9, 8, 11]])
    meet(f, g, d)
    for found, right in zip((f, g, d), expected):
        assert np.allclose(found, right, rtol=1e-6)
        assert (found.l <= right.l).all() and (found.u >= right.u).all()


def test_couplings():
    """Section 11, "Bounds", step 5: gap(-1, 1) is 1/2 and gap(-1, 3) is 3/4."""
    f = ends((-1, 1), (-1, 1), (-1, 1), (-1, 1), (0, 1), (-1, 0), (0, 1))
    g = ends((-1, 3), (-1, 3), (-1, 3), (0, 3), (-1, 3), (-1, 3), (0, 3))
    d = ends((-1.25, 0), (-1.125, 1.125), (2, 1.5), (-0.25, 0.375), (-0.5, 0.5), (0, 1), (1, -1))
    assert coupled(f, g, d).tolist() == [False, True, False, True, True, False, False]


# --- against samples ------------------------------------------------------------------------------


class Trace:
    """What all blocks do at a point x, exactly: z and d in the order of l and u, and outputs y.

    Where layers are not exact each z is off by as much as they may be, to a side that is drawn.
    """

    def __init__(self, joint, bounds, semantics, x, random):
        self.x, self.y, zs = list(map(Fraction, x)), [], {}
        n = joint.width
        g, e = Fraction(n + 4, 2**24 - n - 4), Fraction(2 * n + 4, 2**126)
        for block, place in zip(joint.blocks, bounds.places):
            h = [self.x[i] for i in block.inputs]
            for layer, k in zip(block.layers, place.layers):
                z = []
                for weights, bias in zip(layer.weight.tolist(), layer.bias.tolist()):
                    terms = [Fraction(bias), *(Fraction(w) * v for w, v in zip(weights, h, strict=True))]
                    size = sum(map(abs, terms))
                    off = g * size + e if semantics == "float32" else block.rounded * Fraction(1, 2**53) * size
                    z.append(sum(terms) + int(random.integers(-1, 2)) * off)
                h = [max(v, Fraction(0)) for v in z] if layer.relu else z
                zs[k] = z if layer.relu else []
            self.y += h
        self.z = [v for k in sorted(zs) for v in zs[k]]
        self.all = self.z + [b - a for f, g in bounds.differences for a, b in zip(zs[f], zs[g], strict=True)]


def points_of(lower, upper, count, random):
    """Corners and points inside."""
    for number in range(count):
        part = random.integers(0, 2, len(lower)) if number % 2 else random.random(len(lower))
        yield np.clip(lower + part * (upper - lower), lower, upper)


def claims_of(joint, sign, random, count):
    """Rows over both blocks at each node, half of them nearly differences, with any slopes and multipliers."""
    found = []
    for node in np.repeat(np.arange(len(sign)), count):
        y, half = random.normal(size=joint.n_outputs), joint.n_outputs // 2
        if random.random() < 0.5:
            y[-half:] = -y[:half] * random.choice([1, 1, 0.9, 1.2])
        rows = [row([Fraction(v).limit_denominator(97) for v in y], Fraction(1, 7), inputs=[Fraction(1, 3)])]
        slopes = {int(j): int(random.integers(0, 1025)) for j in np.flatnonzero(random.random(sign.shape[1]) < 0.3)}
        multipliers = {int(j): float(random.random()) for j in np.flatnonzero(sign[node])}
        found.append((int(node), rows, Exclusion({0: int(random.integers(1, 1025))}, slopes, multipliers)))
    return found


def children_of(nodes, bounds, random):
    """The halves of each node, and its parts by the sign of a neuron."""
    def child(change):
        made = nodes._replace(**{name: getattr(nodes, name).copy() for name in ("lower", "upper", "l", "u", "sign")})
        change(made, np.arange(len(made.lower)))
        return made

    cut, d = (nodes.lower + nodes.upper) / 2, random.integers(0, nodes.lower.shape[1])
    j = random.integers(0, bounds.hidden, len(nodes.lower))

    def left(made, _):
        made.upper[:, d] = cut[:, d]

    def right(made, _):
        made.lower[:, d] = cut[:, d]

    def below(made, at):
        made.u[at, j], made.sign[at, j] = np.minimum(made.u[at, j], 0), -1

    def above(made, at):
        made.l[at, j], made.sign[at, j] = np.maximum(made.l[at, j], 0), 1

    return [child(change) for change in (left, right, below, above)]


def check_sound(joint, arithmetic, semantics, lower, upper, *, seed=0, points=12, claims=4):
    """l <= z <= u, dl <= d <= du and margins hold at all traces of roots and their children; how many are coupled."""
    random, bounds = np.random.default_rng(seed), arithmetic(joint, semantics)
    roots, count = nodes_of(bounds, np.array(lower, float), np.array(upper, float)), 0
    roots = roots._replace(sign=np.zeros((len(lower), bounds.hidden), np.int8))
    pending = [roots]
    for number in range(5):
        nodes = pending.pop(0)
        lines = bounds.tighten(nodes)
        if number == 0:
            pending += children_of(nodes, bounds, random)
        count += couplings(lines)
        chosen = claims_of(joint, nodes.sign, random, claims)
        margins = bounds.margins(nodes, lines, exclusions(chosen, joint, nodes.sign))
        for i, (low, high) in enumerate(zip(nodes.lower, nodes.upper)):
            for x in points_of(low, high, points, random):
                trace = Trace(joint, bounds, semantics, x, random)
                if any(s * z < 0 for s, z in zip(nodes.sign[i].tolist(), trace.z)):
                    continue
                for l, z, u in zip(nodes.l[i].tolist(), trace.all, nodes.u[i].tolist(), strict=True):
                    assert Fraction(l) <= z <= Fraction(u)
                for (node, rows, shown), margin in zip(chosen, margins):
                    assert node != i or margin == -np.inf or Fraction(margin) <= value_of(rows, shown, trace)
    return count


def couplings(lines):
    """How many neurons are coupled, of all nodes."""
    each = [line for node in lines for line in node] if isinstance(lines[0], list) else lines
    return sum(int(line.coupled.sum()) for line in each if line.coupled is not None)


def boxes_of(joint, count, random):
    centre, radius = random.uniform(-1, 1, (count, joint.n_inputs)), random.choice([0.1, 0.5, 1], (count, 1))
    return centre - radius, centre + radius


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("arithmetic", ARITHMETICS)
@pytest.mark.parametrize("name", PAIRS)
def test_sound(name, arithmetic, kind):
    count = 0
    for seed in range(3 if arithmetic is Floating else 1):
        joint = PAIRS[name](seed, rounded=kind == "rounded")
        boxes = boxes_of(joint, 4 if arithmetic is Floating else 2, np.random.default_rng(seed))
        semantics = "float32" if kind == "float32" else "real"
        count += check_sound(joint, arithmetic, semantics, *boxes, seed=seed)
    assert count > 0


#: What the pairs below are there for: each shows some wrong rule to be wrong.
TINY = [
    (one_neuron(0.75, 0.125), [[-1.0]], [[1.0]]),
    (one_neuron(1.0, 0.25), [[-1.0]], [[1.0]]),
    (one_neuron(1.0, -0.25), [[-1.0]], [[1.0]]),
    (one_neuron(1.25, 0.0), [[-1.0]], [[1.0]]),
]


def check_tiny(arithmetic, semantics):
    for joint, lower, upper in TINY:
        assert check_sound(joint, arithmetic, semantics, lower, upper, points=40, claims=12)


@pytest.mark.parametrize("semantics", ["real", "float32"])
@pytest.mark.parametrize("arithmetic", ARITHMETICS)
def test_tiny_pairs(arithmetic, semantics):
    check_tiny(arithmetic, semantics)


def swapped(couple):
    return lambda self, line, is_coupled, c, give: couple(self, line, is_coupled, 1 - c, give)


def without_give(couple):
    return lambda self, line, is_coupled, c, give: couple(self, line, is_coupled, c, 0 * give)


def always_coupled_lines(couple):
    """The upper line's slope on both sides."""
    return lambda self, line, is_coupled, c, give: couple(self, line, is_coupled, 0 * c + 1, give)


