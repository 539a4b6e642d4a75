"""The checker's bounds of differences (format, section 11): by hand, against samples, and in both arithmetics."""

from collections import Counter
from fractions import Fraction
from itertools import product
from random import Random

import numpy as np
import pytest
from cases import exact_trace
from conftest import network, random_network
from joint_questions import JointQuestion, declared, inside, own, same_inputs, tie
from test_audit_bounds import nodes_of, value_of
from test_audit_check import Exclusion, Node, case, exclusions, row
from test_audit_joint import apart, random_tree

from engine.audit import arithmetic as arithmetic_module
from engine.audit import bounds as bounds_module
from engine.audit import exact as exact_module
from engine.audit.arithmetic import Floating
from engine.audit.blocks import Joint
from engine.audit.data import Block, Layer
from engine.audit.exact import Exact
from engine.audit.failures import Malformed
from engine.audit.pairs import Ends, coupled, meet, widest
from engine.audit.places import differences_of, groups_of

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


def identity(width, random, size=0.005):
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
    g = [*near([first], random, 0.005), identity(4, random), identity(4, random), second, last, identity(2, random)]
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


def test_the_order_of_layers():
    """Layers without a ReLU by themselves, of f first, and then those of the next stage together."""
    (group,) = groups_of(of_other_depth(0))
    stages = [((0, 1), (1, 4)), ((0, 2), (1, 7))]
    alone = lambda *layers: [(layer,) for layer in layers]
    last = alone((0, 3), (1, 8), (1, 9))
    assert list(group.steps) == [*alone((0, 0)), stages[0], *alone((1, 5), (1, 6)), stages[1], *last]
    assert [[len(place.layers) for place in group.blocks] for group in groups_of(of_other_inputs(0))] == [[3, 3], [2]]


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

    Where layers are not exact each z is off by as much as they may be: to a side that is drawn, of each or of all z of
    a block.
    """

    def __init__(self, joint, bounds, semantics, x, random):
        self.x, self.y, zs = list(map(Fraction, x)), [], {}
        n = joint.width
        g, e = Fraction(n + 4, 2**24 - n - 4), Fraction(2 * n + 4, 2**126)
        is_random = random.integers(0, 2)
        for block, place in zip(joint.blocks, bounds.places):
            side = random.choice([-1, 1])
            h = [self.x[i] for i in block.inputs]
            for layer, k in zip(block.layers, place.layers):
                z = []
                for weights, bias in zip(np.asarray(layer.weight).tolist(), layer.bias.tolist()):
                    terms = [Fraction(bias), *(Fraction(w) * v for w, v in zip(weights, h, strict=True))]
                    size = sum(map(abs, terms))
                    off = g * size + e if semantics == "float32" else block.rounded * Fraction(1, 2**53) * size
                    own = random.choice([-1, 1]) if is_random else side
                    z.append(sum(terms) + int(own) * off)
                relus = layer.has_relu.tolist()
                h = [max(v, Fraction(0)) if relu else v for v, relu in zip(z, relus, strict=True)]
                zs[k] = [v for v, relu in zip(z, relus, strict=True) if relu]
            self.y += h
        self.z = [v for k in sorted(zs) for v in zs[k]]
        self.all = self.z + [b - a for f, g in bounds.differences for a, b in zip(zs[f], zs[g], strict=True)]


def points_of(lower, upper, count, random):
    """Corners and points inside."""
    for number in range(count):
        part = random.integers(0, 2, len(lower)) if number % 2 else random.random(len(lower))
        yield np.clip(lower + part * (upper - lower), lower, upper)


def claims_of(joint, sign, random, count):
    """Rows over both blocks at each node, most of them nearly differences, with any slopes and multipliers."""
    found = []
    for node in np.repeat(np.arange(len(sign)), count):
        y, half = random.normal(size=joint.n_outputs), joint.n_outputs // 2
        if random.random() < 0.75:
            y[-half:] = -y[:half] * random.choice([1, 1, 1, 0.9])
        inputs = [Fraction(int(random.integers(-1, 2)), 3)]
        rows = [row([Fraction(v).limit_denominator(97) for v in y], Fraction(1, 7), inputs=inputs)]
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
    joint = PAIRS[name](1, rounded=kind == "rounded")
    boxes = boxes_of(joint, 4 if arithmetic is Floating else 2, np.random.default_rng(2))
    semantics = "float32" if kind == "float32" else "real"
    assert check_sound(joint, arithmetic, semantics, *boxes, points=4)


#: What the pairs below are there for: each shows some wrong rule to be wrong.
TINY = [
    (one_neuron(0.75, 0.125), [[-1.0]], [[1.0]]),
    (one_neuron(1.0, 0.25), [[-1.0]], [[1.0]]),
    (one_neuron(1.0, -0.25), [[-1.0]], [[1.0]]),
    (one_neuron(1.25, 0.0), [[-1.0]], [[1.0]]),
]


def check_tiny(arithmetic, semantics):
    for joint, lower, upper in TINY:
        assert check_sound(joint, arithmetic, semantics, lower, upper, points=20, claims=12)


@pytest.mark.parametrize("semantics", ["real", "float32"])
@pytest.mark.parametrize("arithmetic", ARITHMETICS)
def test_tiny_pairs(arithmetic, semantics):
    check_tiny(arithmetic, semantics)


# --- wrong rules ----------------------------------------------------------------------------------


def slopes_swapped(monkeypatch, arithmetic):
    couple = arithmetic.couple
    wrong = lambda self, line, is_coupled, c, give: couple(self, line, is_coupled, 1 - c, give)
    monkeypatch.setattr(arithmetic, "couple", wrong)


def t_dropped(monkeypatch, arithmetic):
    lines = bounds_module.relu_lines
    monkeypatch.setattr(bounds_module, "relu_lines", lambda l, u: (*lines(l, u)[:2], 0 * lines(l, u)[2]))


def t_and_s_dropped(monkeypatch, arithmetic):
    couple = arithmetic.couple
    wrong = lambda self, line, is_coupled, c, give: couple(self, line, is_coupled, c, 0 * give)
    monkeypatch.setattr(arithmetic, "couple", wrong)


def noise_of_differences_dropped(monkeypatch, arithmetic):
    improve = arithmetic.improve

    def wrong(self, ends, chosen, target, nodes, lines, noise):
        improve(self, ends, chosen, target, nodes, lines, noise * int(len(target.ends) == 1))

    monkeypatch.setattr(arithmetic, "improve", wrong)


def difference_negated(monkeypatch, arithmetic):
    def wrong(group, number):
        target = differences_of(group, number)
        return target._replace(ends=tuple((k, -sign) for k, sign in target.ends))

    monkeypatch.setattr(bounds_module, "differences_of", wrong)


def blocks_swapped_in_step_4(monkeypatch, arithmetic):
    monkeypatch.setattr(bounds_module, "meet", lambda f, g, d: meet(g, f, d))


def difference_added_to_f(monkeypatch, arithmetic):
    """P' + B' in place of P' - B'."""
    module, name = (arithmetic_module, "relax") if arithmetic is Floating else (exact_module, "_relax")
    relax = getattr(module, name)

    def wrong(rows, lines):
        found = relax(rows, lines)
        if len(rows) == 2 and arithmetic is Floating:
            change = lines[1].difference.relax(rows[1] * lines[1].coupled)
            found[0][..., :-1] += 2 * change[..., :-1]
        elif len(rows) == 2:
            shared = rows[1]._replace(coefficients=rows[1].coefficients * lines[1].coupled)
            change = lines[1].difference.relax(shared).coefficients
            found[0] = found[0]._replace(coefficients=found[0].coefficients + 2 * change)
        return found

    monkeypatch.setattr(module, name, wrong)


@pytest.mark.parametrize(
    "wrong", [slopes_swapped, t_dropped, difference_negated, blocks_swapped_in_step_4, difference_added_to_f]
)
@pytest.mark.parametrize("arithmetic", ARITHMETICS)
def test_wrong_rules_are_noticed(arithmetic, wrong, monkeypatch):
    wrong(monkeypatch, arithmetic)
    with pytest.raises(AssertionError):
        check_tiny(arithmetic, "real")


@pytest.mark.parametrize("wrong", [t_and_s_dropped, noise_of_differences_dropped])
@pytest.mark.parametrize("arithmetic", ARITHMETICS)
def test_noise_that_is_left_out_is_noticed(arithmetic, wrong, monkeypatch):
    """d is 1/4 throughout, so that c = 1 and t = 0: without noise nothing is wrong."""
    joint, lower, upper = TINY[1]
    wrong(monkeypatch, arithmetic)
    assert check_sound(joint, arithmetic, "real", lower, upper, points=10)
    with pytest.raises(AssertionError):
        check_sound(joint, arithmetic, "float32", lower, upper, points=20, claims=60)


# --- one arithmetic against the other -------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", PAIRS)
def test_both_arithmetics_have_the_same_lines(name, kind):
    """The same float32 numbers, and couplings; margins differ by rounding alone, and float64's are below."""
    for seed in range(2):
        joint, random = PAIRS[name](seed, rounded=kind == "rounded"), np.random.default_rng(seed)
        floating, exact = (make(joint, "float32" if kind == "float32" else "real") for make in ARITHMETICS)
        nodes, others = (
            nodes_of(bounds, *boxes_of(joint, 2, np.random.default_rng(seed))) for bounds in (floating, exact)
        )
        sign, chosen = np.zeros((2, floating.hidden), np.int8), None
        for _ in range(2):
            lines, same = floating.tighten(nodes), exact.tighten(others)
            assert (nodes.l == others.l).all() and (nodes.u == others.u).all()
            assert couplings(lines) == couplings(same)
            chosen = exclusions(claims_of(joint, sign, random, 2), joint, sign)
            for number, value in zip(floating.margins(nodes, lines, chosen), exact.margins(others, same, chosen)):
                assert Fraction(number) <= value <= Fraction(number) + Fraction(1, 10**9)
            for one in (nodes, others):
                one.upper[:, 0] = (one.lower[:, 0] + one.upper[:, 0]) / 2


def test_without_pairs_nothing_is_coupled():
    joint = alike(0)
    for arithmetic in ARITHMETICS:
        bounds = arithmetic(Joint(joint.blocks, joint.n_inputs, ""), "real")
        lines = bounds.tighten(nodes_of(bounds, *boxes_of(joint, 1, np.random.default_rng(0))))
        assert not couplings(lines) and bounds.columns == bounds.hidden and not bounds.differences


# --- certificates ---------------------------------------------------------------------------------

F = network([[[1.0]], [[1.0]]], [[0.0], [0.0]])  # relu(x)
G = network([[[1.0]], [[1.0]]], [[0.25], [0.0]])  # relu(x + 1/4)
LEAF = Node(-1, 0.0, {0: Exclusion({0: 1024}), 1: Exclusion({0: 1024})})


def pair(folder, f, g, gap, *, pairs=((0, 1),), more=""):
    """|g - f| < gap on [-1, 1] in each shared input."""
    n, (text, polytopes) = f.n_inputs, apart(gap, f.n_outputs)
    lower, upper = [-1] * n, [1] * n
    text = declared("f", f) + declared("g", g) + inside("f", lower, upper) + same_inputs(n) + more + text
    cases, pairs = [case(lower, upper, *polytopes)], [list(each) for each in pairs]
    return JointQuestion(folder, {"f": f, "g": g}, text, cases, [own(n), own(n)], pairs=pairs)


def test_a_pair_is_accepted(tmp_path):
    """Both neurons are of open sign, and outputs differ by 1/4 at most: one box shows that, with differences alone."""
    question = pair(tmp_path, F, G, "0.2501").write(LEAF)
    result = question.accepted()
    assert (result.nodes, result.certificate.version, result.certificate.pairs) == (1, 3, ((0, 1),))
    assert result.margin == pytest.approx(0.0001, abs=1e-6)
    assert question.run(semantics="float32").accepted
    pair(tmp_path, F, G, "0.2501", pairs=()).write(LEAF).rejected("node 0: an exclusion is not shown")
    pair(tmp_path, F, G, "0.2499").write(LEAF).rejected("node 0: an exclusion is not shown")


def test_nothing_shows_what_is_false(tmp_path):
    """Random trees with any slopes and multipliers: |g - f| < gap is false, if only just."""
    random, reasons = Random(5), Counter()
    question = pair(tmp_path, F, G, "0.2499")
    for _ in range(120):
        question.write(random_tree(random, 2), semantics=random.choice(["real", "float32"]))
        result = question.run(arithmetic=random.choice(["float64", "float64", "exact"]))
        assert not result.accepted
        reasons[result.reason.split(": ")[-1]] += 1
    assert reasons["an exclusion is not shown"] > 60


def test_slopes_of_coupled_neurons_have_no_effect(tmp_path):
    for slopes in ({0: 0}, {1: 0}, {1: 512}, {0: 1024, 1: 1024}):
        question = pair(tmp_path, F, G, "0.2501")
        question.write(Node(-1, 0.0, {i: Exclusion({0: 1024}, slopes) for i in range(2)})).accepted()


def test_differences_are_no_neurons(tmp_path):
    """Hidden neurons are 0 and 1: no split, slope or multiplier names the difference behind them."""
    question = pair(tmp_path, F, G, "0.2501")
    question.write(Node(1 + 1, 0.0, {}, (LEAF, LEAF))).accepted()
    question.write(Node(1 + 2, 0.0, {}, (LEAF, LEAF))).rejected("node 0: it is split by what is not there")
    for shown in (Exclusion({0: 1024}, {2: 0}), Exclusion({0: 1024}, {}, {2: 1.0})):
        question.write(Node(-1, 0.0, {0: shown, 1: Exclusion({0: 1024})})).rejected("there is no such neuron")


@pytest.mark.parametrize("semantics", ["real", "float32"])
def test_proofs_that_the_checker_s_bounds_find(tmp_path, semantics):
    """Trees with splits by inputs and by signs. (Without the pair, this one needs 621 nodes.)"""
    f, random = random_network((2, 3, 3, 1), seed=1), np.random.default_rng(1)
    changed = near(layers_of(f), random, 0.01)
    g = network([layer.weight for layer in changed], [layer.bias for layer in changed])
    points = product([Fraction(i, 4) for i in range(-4, 5)], repeat=2)
    largest = max(abs(exact_trace(f, point).y[0] - exact_trace(g, point).y[0]) for point in points)
    question = pair(tmp_path, f, g, f"{float(largest) * 1.1:.4f}")
    found = question.prove(semantics=semantics, signs=1).accepted()
    assert 1 < found.nodes < 50
    for node in (Node(), LEAF):
        question.write(node).rejected("node 0: ")


@pytest.mark.parametrize(
    "pairs, match",
    [
        (None, "should have, and has not, an object of just"),
        ({}, "should have, and has not, an object of just"),
        ([0, 1], "a pair is not two blocks in order"),
        ([[0]], "a pair is not two blocks in order"),
        ([[0, 1, 2]], "a pair is not two blocks in order"),
        ([["0", "1"]], "a pair is not two blocks in order"),
        ([[False, True]], "a pair is not two blocks in order"),
        ([[0, 1.0]], "a pair is not two blocks in order"),
        ([[1, 0]], "a pair is not two blocks in order"),
        ([[1, 1]], "a pair is not two blocks in order"),
        ([[-1, 0]], "a pair is not two blocks in order"),
        ([[0, 1], [1, 2]], "a block is in two pairs"),
        ([[0, 1], [0, 1]], "a block is in two pairs"),
    ],
)
def test_malformed_pairs(tmp_path, pairs, match):
    question = pair(tmp_path, F, G, "0.2501").write(LEAF, change=lambda m: m.update(pairs=pairs))
    with pytest.raises(Malformed, match=match) as error:
        question.run()
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("version", [1, 2, 4])
def test_pairs_are_of_version_3_alone(tmp_path, version):
    question = pair(tmp_path, F, G, "0.2501").write(LEAF, change=lambda m: m.update(version=version))
    with pytest.raises(Malformed, match="should have, and has not, an object of just"):
        question.run()


def test_pairs_that_do_not_fit(tmp_path):
    deeper = network([[[1.0]], [[1.0]], [[1.0]]], [[0.0], [0.0], [0.0]])
    wider = network([[[1.0], [1.0]], [[1.0, 0.0]]], [[0.0, 0.0], [0.0]])
    for g in (deeper, wider):
        pair(tmp_path, F, g, "0.1").write(LEAF).rejected(
            "blocks 0 and 1 are no pair: they have other layers with a ReLU"
        )
    pair(tmp_path, F, G, "0.2501", pairs=[(0, 2)]).write(LEAF).rejected("there are no blocks 0 and 2 to be a pair")
    pair(tmp_path, F, G, "0.2501", pairs=[(0, 10**999)]).write(LEAF).rejected("there are no blocks 0 and 1000000")


def test_ties_are_a_layer_that_pairs_do_not_look_at(tmp_path):
    """g reads x + 1/4 where f reads x, so that one of them has a layer more: the networks are the same."""
    text, polytopes = apart("0.2501")
    relation = "(assert (== X_g[0,0] (+ X_f[0,0] 0.25)))"
    text = declared("f", F) + declared("g", F, relation="(equal-to f)") + inside("f", [-1], [1]) + relation + text
    ties = [own(1), [tie((0, 1), constant=Fraction(1, 4))]]
    cases = [case([-1], [1], *polytopes)]
    question = JointQuestion(tmp_path, {"f": F, "g": F}, text, cases, ties, pairs=[[0, 1]]).write(LEAF)
    question.accepted()
    assert [len(block.layers) for block in question.joint().blocks] == [2, 3]
    question.pairs = []
    question.write(LEAF).rejected("an exclusion is not shown")


def test_a_witness_names_pairs_too(tmp_path):
    question = pair(tmp_path, F, G, "0.2")
    question.cases[0]["unsafe"] = question.cases[0]["unsafe"][:1]
    outputs = [Fraction(1, 2), Fraction(3, 4)]
    question.write_witness([Fraction(1, 2)], outputs, [Fraction(1, 5) - Fraction(1, 4)])
    assert question.run().accepted
    question.pairs = [[0, 7]]
    question.write_witness([Fraction(1, 2)], outputs, [Fraction(1, 5) - Fraction(1, 4)])
    assert "there are no blocks 0 and 7" in question.run().reason
