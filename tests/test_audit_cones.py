"""Section 12 of the certificate format in the checker: cones, their radii and bounds, and proofs of version 4."""

import dataclasses
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pytest
from cases import exact_trace
from conftest import network
from image_certificates import classifier, cone_by_definition, in_whole, prove
from test_audit_check import ARITHMETIC, Exclusion, Node, Question, accepted, audit_network, case, rejected, row

from engine.audit.arithmetic import Floating
from engine.audit.cone import cone_of
from engine.audit.cone_floating import FloatingCone
from engine.audit.cone_walk import CONES, ConeProof
from engine.audit.data import Case, Layer, Network, Tree
from engine.audit.failures import Malformed, Rejected

THIRD = Fraction(1, 3)


def fixed_case(net, free, random, *, fractions=False):
    """Exact ends: pixels of 8 bits, or ones that no float64 number is."""
    x = [Fraction(int(v), 765 if fractions else 256) for v in random.integers(0, 257, net.n_inputs)]
    lower, upper = list(x), list(x)
    for i in free:
        lower[i], upper[i] = Fraction(0), Fraction(1)
    return lower, upper


def outward_box(lower, upper):
    """As float64 numbers [1, inputs] on each side."""
    box = []
    for ends, way in ((lower, -np.inf), (upper, np.inf)):
        found = [float(v) for v in ends]
        wrong = [(Fraction(f) > v) if way < 0 else (Fraction(f) < v) for f, v in zip(found, ends)]
        box.append(np.array([[np.nextafter(f, way) if w else f for f, w in zip(found, wrong)]]))
    return box


def fractions_of(values):
    """Dyadic numbers or floats as Fractions."""
    if hasattr(values, "bits"):
        return [Fraction(n, 1 << values.bits) for n in values.numbers.tolist()]
    return [Fraction(v) for v in np.asarray(values).tolist()]


def folded(net, lower, upper, arithmetic, **more):
    """Biases and radii of each layer, as Fractions."""
    whole = dataclasses.replace(audit_network(net), **more)
    cone = cone_of(whole, np.array([i for i, (a, b) in enumerate(zip(lower, upper)) if a != b], dtype=int))
    (own,) = CONES[arithmetic](whole).fold(cone, *outward_box(lower, upper))
    return cone, [(fractions_of(part.bias), fractions_of(part.radius)) for part in own]


# --- cones ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(12))
def test_a_cone_is_that_of_the_definition(seed):
    random = np.random.default_rng(seed)
    net = classifier(seed, hidden=(12, 8) if seed % 2 else (14, 10, 6))
    free = sorted(random.permutation(16)[: 2 + seed % 4].tolist())
    lower, upper = fixed_case(net, free, random)
    expected = cone_by_definition(net, lower, upper)
    for arithmetic in ARITHMETIC:
        cone, own = folded(net, lower, upper, arithmetic)
        assert cone.free.tolist() == free and [r.tolist() for r in cone.reached] == expected.reached
        assert np.flatnonzero(cone.columns >= 0).tolist() == expected.hidden
        assert cone.columns[expected.hidden].tolist() == list(range(len(expected.hidden)))
        assert cone.n_outputs == net.n_outputs and cone.width >= net.n_inputs
        for layer, same, (bias, radius) in zip(cone.layers, expected.net.layers, own, strict=True):
            assert np.array_equal(layer.weight, same.weight) and (layer.has_relu == same.relu).all()
            true = fractions_of(same.bias)
            assert all(abs(b - t) <= r for b, t, r in zip(bias, true, radius, strict=True))
            assert (bias == true and not any(radius)) or arithmetic == "float64"
            assert max(radius) < Fraction(1, 2**40)


def interval_by_definition(net, cone, lower, upper, unit=Fraction(0)):
    """Section 12, "Radii", neuron by neuron: [p, q] of each layer's reached neurons."""
    values = {i: (a, b) for i, (a, b) in enumerate(zip(lower, upper)) if i not in cone.free}
    for layer, reached in zip(net.layers, cone.reached, strict=True):
        ends = []
        for w, b in zip(layer.weight, layer.bias):
            p = q = Fraction(b)
            size = abs(p)
            for i, (low, high) in values.items():
                c = Fraction(w[i])
                p, q = p + min(c * low, c * high), q + max(c * low, c * high)
                size += abs(c) * max(abs(low), abs(high))
            ends.append((p - unit * size, q + unit * size))
        yield [ends[j] for j in reached]
        cut = lambda v, relu=layer.relu: max(v, Fraction(0)) if relu else v
        values = {j: (cut(p), cut(q)) for j, (p, q) in enumerate(ends) if j not in reached}


@pytest.mark.parametrize("rounded", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_radii_hold_inputs_that_are_no_float64_numbers_and_rounded_networks(seed, rounded):
    random = np.random.default_rng(seed)
    net = classifier(seed)
    lower, upper = fixed_case(net, [3, 7], random, fractions=True)
    ends = [[Fraction(v) for v in side[0].tolist()] for side in outward_box(lower, upper)]
    unit = Fraction(int(rounded), 2**53)
    cone, exact = folded(net, lower, upper, "exact", rounded=rounded)
    _, floats = folded(net, lower, upper, "float64", rounded=rounded)
    for expected, own, more in zip(interval_by_definition(net, cone, *ends, unit), exact, floats, strict=True):
        assert [(b - r, b + r) for b, r in zip(*own, strict=True)] == expected
        assert all(b - r <= p <= q <= b + r for (p, q), b, r in zip(expected, *more, strict=True))
    assert any(own[1] for own in exact)


def test_float64_radii_hold_the_rounding_of_long_numbers():
    """Weights whose sums are rounded, and cancel: the true b_k, an exact sum, lies within the radius."""
    random, errors = np.random.default_rng(5), 0
    for _ in range(20):
        weights = [random.normal(size=(9, 12)) * 2.0 ** random.integers(-30, 30, (9, 12)), random.normal(size=(4, 9))]
        weights[0][3:, :2] = weights[1][2:, :3] = 0
        net = network([*weights, random.normal(size=(2, 4))], [random.normal(size=n) for n in (9, 4, 2)])
        x = [Fraction(v) for v in random.normal(size=12).tolist()]
        lower, upper = [Fraction(0)] * 2 + x[2:], [Fraction(1)] * 2 + x[2:]
        _, exact = folded(net, lower, upper, "exact")
        _, floats = folded(net, lower, upper, "float64")
        for (true, zero), (bias, radius) in zip(exact, floats, strict=True):
            assert not any(zero)
            assert all(abs(t - b) <= r / 2 for t, b, r in zip(true, bias, radius, strict=True))
            errors += sum(t != b for t, b in zip(true, bias))
    assert errors > 100


# --- bounds against the whole network -------------------------------------------------------------


def one_root(net, lower, upper, arithmetic, unsafe=((),)):
    """The walk through a tree of one node, and its root."""
    tree = Tree(*(np.zeros(int(name == "split"), np.int32) - 1 for name in Tree._fields))
    given = Case(tuple(lower), tuple(upper), unsafe)
    proof = ConeProof(tree, (given,), audit_network(net), arithmetic, np.ones(1, bool))
    (root,) = proof.roots()
    return proof, root


@pytest.mark.parametrize("seed", range(6))
def test_bounds_hold_in_the_whole_network(seed):
    """l <= z <= u of each reached neuron at random points, in exact rationals; both arithmetics agree."""
    random = np.random.default_rng(seed)
    net = classifier(seed, hidden=(14, 10, 6))
    lower, upper = fixed_case(net, [4, 5, 8], random)
    found = []
    for arithmetic in ARITHMETIC:
        proof, root = one_root(net, lower, upper, arithmetic)
        proof.bounds.tighten(root)
        found.append((root.l[0], root.u[0]))
        reached = np.flatnonzero(proof.claimed.columns >= 0)
        assert 0 < len(reached) == root.l.shape[1] < proof.hidden
        for _ in range(20):
            x = [a if a == b else Fraction(int(random.integers(0, 257)), 256) for a, b in zip(lower, upper)]
            z = exact_trace(net, x).z
            for j, low, high in zip(reached, *found[-1], strict=True):
                assert Fraction(float(low)) <= z[j] <= Fraction(float(high))
    for ends, same in zip(*found, strict=True):
        np.testing.assert_allclose(ends, same, rtol=1e-6, atol=1e-9)


@dataclass
class Fixed(Question):
    """A Question whose certificate is of version 4."""

    version: int = 4

    def manifest(self, kind, semantics="real", **more):
        return super().manifest(kind, semantics, **more) | {"version": self.version}


def question(folder, net=None, *, unsafe=None, free=(5, 6, 9, 10), seed=0):
    """Two cases with the same free inputs, and one with others; each excluded with a little room."""
    net = net or classifier(seed)
    random = np.random.default_rng(seed)
    cases = []
    for inputs in (free, free, (0, 1)):
        lower, upper = fixed_case(net, inputs, random)
        cases.append(case(lower, upper, *(unsafe or rows_just_below(net, lower, upper, random))))
    return Fixed(folder, net, cases)


def rows_just_below(net, lower, upper, random):
    """Two polytopes of one row each, 0.1 or so below the least value that random points find."""
    low, high = (np.array([float(v) for v in ends]) for ends in (lower, upper))
    h = low + (high - low) * np.clip(random.uniform(-0.5, 1.5, (5000, len(low))), 0, 1)
    for layer in net.layers:
        h = h @ layer.weight.T + layer.bias
        h = np.maximum(h, 0) if layer.relu else h
    least = [float((h @ outputs).min()) for outputs in ((1, -1, 0), (0, 1, 1))]
    return [
        [row(outputs, -Fraction(round((value - 0.1) * 256), 256))]
        for outputs, value in zip(((1, -1, 0), (0, 1, 1)), least)
    ]


@pytest.mark.parametrize("signs", [0, 3])
def test_proofs_are_accepted(tmp_path, signs):
    asked = question(tmp_path)
    roots = [prove(asked.net, one, signs) for one in asked.cases]
    asked.write(roots)
    found = [accepted(asked, arithmetic=arithmetic) for arithmetic in ARITHMETIC]
    assert found[0].nodes > len(roots) and found[0].certificate.version == 4
    assert abs(found[0].margin - float(found[1].margin)) < 1e-6
    assert any(node.split >= 16 for node in all_nodes(roots)) == bool(signs)
    # and as one of version 1 the same tree shows it too, of all inputs
    asked.version = 1
    accepted(asked.write(roots), arithmetic="exact")


def all_nodes(roots):
    for node in roots:
        yield node
        yield from all_nodes(node.children)


def test_margins_in_float64_are_below_the_exact_ones(tmp_path):
    for seed in range(5):
        asked = question(tmp_path, seed=seed)
        asked.write([prove(asked.net, one, 2) for one in asked.cases])
        floats, exact = (accepted(asked, arithmetic=arithmetic).margin for arithmetic in ARITHMETIC)
        assert Fraction(floats) < exact


@pytest.mark.parametrize("arithmetic", ARITHMETIC)
def test_rows_may_name_fixed_inputs(tmp_path, arithmetic):
    """x_15 is fixed at 1/3: no float64 number, so that its root has a width."""
    net = classifier(0)
    lower, upper = fixed_case(net, (5, 6), np.random.default_rng(0))
    lower[15] = upper[15] = Fraction(11, 32)
    name = lambda constant: [[row([0, 0, 0], constant, inputs=[0] * 5 + [1] + [0] * 9 + [-2])]]
    shown = [Node(exclusions={0: Exclusion({0: 1024})})]
    asked = Fixed(tmp_path, net, [case(lower, upper, *name(Fraction(23, 32)))])
    accepted(asked.write(shown), arithmetic=arithmetic)  # x_5 - 2 x_15 + 23/32 >= 1/32
    asked = Fixed(tmp_path, net, [case(lower, upper, *name(Fraction(22, 32)))])
    rejected(asked.write(shown), "an exclusion is not shown", arithmetic=arithmetic)


# --- what must not be accepted --------------------------------------------------------------------


def unreached(asked, which=0):
    """A hidden neuron that no free input of a case reaches."""
    one = asked.cases[which]
    reached = cone_by_definition(asked.net, one["lower"], one["upper"]).hidden
    return min(set(range(20)) - set(reached))


def split_by_unreached(roots, j):
    node = roots[0]
    roots[0] = Node(16 + j, 0.0, {}, (node, node))


def slope_of_unreached(roots, j):
    first_exclusion(roots).slopes[j] = 512


def multiplier_of_unreached(roots, j):
    first_exclusion(roots).multipliers[j] = 0.5


def first_exclusion(roots):
    return next(e for node in all_nodes(roots[:1]) for e in node.exclusions.values())


@pytest.mark.parametrize("arithmetic", ARITHMETIC)
@pytest.mark.parametrize("change", [split_by_unreached, slope_of_unreached, multiplier_of_unreached])
def test_a_neuron_that_is_not_reached_is_not_named(tmp_path, change, arithmetic):
    asked = question(tmp_path)
    roots = [prove(asked.net, one, 2) for one in asked.cases]
    change(roots, unreached(asked))
    rejected(asked.write(roots), "it names a neuron that no free input reaches", arithmetic=arithmetic)


@pytest.mark.parametrize("arithmetic", ARITHMETIC)
def test_a_false_claim_is_not_shown_by_a_true_tree(tmp_path, arithmetic):
    asked = question(tmp_path)
    roots = [prove(asked.net, one) for one in asked.cases]
    for one in asked.cases:
        for (only,) in one["unsafe"]:
            only["constant"] -= Fraction(1, 4)
    again = Fixed(tmp_path, asked.net, asked.cases)
    rejected(again.write(roots), "an exclusion is not shown", arithmetic=arithmetic)


@pytest.mark.parametrize("arithmetic", ARITHMETIC)
def test_each_layer_must_be_reached(tmp_path, arithmetic):
    net = classifier(0)
    blind = network([layer.weight * (k != 1) for k, layer in enumerate(net.layers)], [a.bias for a in net.layers])
    asked = question(tmp_path, blind, unsafe=[[row([1, 0, 0], 100)]])
    shown = [Node(exclusions={0: Exclusion({0: 1024})})] * 3
    rejected(asked.write(shown), "no free input reaches layer 2", arithmetic=arithmetic)


@pytest.mark.parametrize("arithmetic", ARITHMETIC)
def test_no_free_input_is_enough_for_one_layer_alone(tmp_path, arithmetic):
    shown = [Node(exclusions={0: Exclusion({0: 1024})})]
    for net, count in ((network([[[1.0, 2.0]]], [[0.5]]), 1), (network([np.eye(2), [[1.0, 2.0]]], [[0, 0], [0]]), 2)):
        asked = Fixed(tmp_path, net, [case([1, 2], [1, 2], [row([1], -3, inputs=[0, 0])])]).write(shown)
        if count == 1:
            accepted(asked, arithmetic=arithmetic)
        else:
            rejected(asked, "no free input reaches layer 1", arithmetic=arithmetic)


@pytest.mark.parametrize("arithmetic", ARITHMETIC)
@pytest.mark.parametrize("large, what", [(2.0**60, "numbers of layer 2 may"), (2.0**101, "numbers of layer 1 may")])
def test_values_of_what_is_not_reached_stay_below_2_to_the_100(tmp_path, large, what, arithmetic):
    net = network([[[1.0, 0.0], [0.0, large]], [[1.0, large]]], [[0.0, 0.0], [0.0]])
    asked = Fixed(tmp_path, net, [case([0, 1], [1, 1], [row([1], 1)])])
    rejected(asked.write([Node(exclusions={0: Exclusion({0: 1024})})]), what, arithmetic=arithmetic)


def test_fixed_inputs_stay_below_2_to_the_100(tmp_path):
    net = network([[[1.0, 0.0]]], [[0.0]])
    asked = Fixed(tmp_path, net, [case([0, 2**101], [1, 2**101], [row([1], 1)])])
    for arithmetic in ARITHMETIC:
        shown = [Node(exclusions={0: Exclusion({0: 1024})})]
        rejected(asked.write(shown), "an input may reach 2^100", arithmetic=arithmetic)


def test_what_float64_loses_in_a_folded_bias_is_given_up(tmp_path, monkeypatch):
    """The true b is 1, 2^60 + 1 - 2^60, and float64 computes 0: y = 1 is unsafe."""
    net = network([[[2.0**-20, 2.0**60, 1.0]]], [[-(2.0**60)]])
    asked = Fixed(tmp_path, net, [case([0, 1, 1], [1, 1, 1], [row([-1], Fraction(1, 2))])])
    asked.write([Node(exclusions={0: Exclusion({0: 1024})})])
    for arithmetic in ARITHMETIC:
        rejected(asked, "an exclusion is not shown", arithmetic=arithmetic)
    monkeypatch.setattr(FloatingCone, "noise", Floating.noise)
    accepted(asked)


@pytest.mark.parametrize("kind, semantics", [("witness", "real"), ("proof", "float32")])
def test_version_4_is_of_proofs_in_real_semantics(tmp_path, kind, semantics):
    asked = question(tmp_path)
    asked.write([prove(asked.net, one) for one in asked.cases], semantics)
    if kind == "witness":
        asked.write_witness([0] * 16, [0] * 3, [0], asked.cases[0] | {"unsafe": [[row([1, 0, 0])]]})
    with pytest.raises(Malformed, match="no proof of real semantics"):
        asked.run()


def test_it_shows_nothing_about_float32_semantics(tmp_path):
    asked = question(tmp_path)
    asked.write([prove(asked.net, one) for one in asked.cases])
    rejected(asked, "says nothing about float32", semantics="float32")


# --- parts ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("copies", [1, 6])
def test_shares_are_together_the_whole(tmp_path, copies):
    """Of few cases by nodes, of many by cases. Each node counts once."""
    asked = question(tmp_path)
    roots = [prove(asked.net, one, 2) for one in asked.cases]
    asked = Fixed(tmp_path, asked.net, asked.cases * copies).write(roots * copies)
    whole, heard = accepted(asked), []
    parts = [asked.run(share=(i, 2), on_progress=lambda *done: heard.append(done)) for i in range(2)]
    assert all(part.accepted for part in parts)
    assert all("were checked, as asked for" in part.reason for part in parts if part.checked < whole.checked)
    for figure in ("checked", "leaves", "exclusions"):
        assert sum(getattr(part, figure) for part in parts) == getattr(whole, figure)
    assert min(part.margin for part in parts) == whole.margin and heard
    assert copies == 1 or all(part.checked == whole.checked / 2 for part in parts)


def test_a_share_finds_what_is_wrong_in_it(tmp_path):
    asked = question(tmp_path)
    roots = [prove(asked.net, one) for one in asked.cases] * 6
    asked = Fixed(tmp_path, asked.net, asked.cases * 6)
    roots[17] = Node()
    asked.write(roots)
    assert [asked.run(share=(i, 2)).accepted for i in range(2)] == [True, False]


def test_samples(tmp_path):
    asked = question(tmp_path)
    roots = [prove(asked.net, one, 2) for one in asked.cases]
    asked.write(roots)
    some = asked.run(sample=2, seed=3)
    assert some.accepted and some.leaves == 2 and some.checked < some.nodes


def test_trees_are_in_the_numbers_of_the_whole_network():
    """The tests' own translation: a cone of all is the network."""
    net = classifier(0)
    cone = cone_by_definition(net, [0] * 16, [1] * 16)
    node = Node(18, 0.0, {0: Exclusion({0: 1024}, {3: 5}, {4: 1.0})}, (Node(), Node(1, 0.5)))
    assert cone.hidden == list(range(20)) and in_whole(node, cone, 16) == node


def test_rejected_is_no_malformed():
    with pytest.raises(Rejected):
        cone_of(audit_network(classifier(0)), np.array([], dtype=int))


# --- layers with ReLUs on some neurons ------------------------------------------------------------


@pytest.mark.parametrize("arithmetic", ARITHMETIC)
@pytest.mark.parametrize("seed", range(3))
def test_bounds_hold_where_some_neurons_have_a_relu(seed, arithmetic):
    """Numbers of hidden neurons, folded biases and bounds, against exact values in the whole network."""
    random = np.random.default_rng(seed)
    net = classifier(seed, hidden=(14, 10, 6))
    masks = [random.random(len(layer.bias)) < 0.6 for layer in net.layers[:-1]] + [np.zeros(3, bool)]
    layers = tuple(Layer(a.weight, a.bias, mask) for a, mask in zip(net.layers, masks))
    lower, upper = fixed_case(net, [4, 5, 8], random)
    tree = Tree(*(np.zeros(int(name == "split"), np.int32) - 1 for name in Tree._fields))
    given = Case(tuple(lower), tuple(upper), ((),))
    proof = ConeProof(tree, (given,), Network(layers, ""), arithmetic, np.ones(1, bool))
    (root,) = proof.roots()
    proof.bounds.tighten(root)
    reached = np.flatnonzero(proof.claimed.columns >= 0)
    assert proof.hidden == sum(map(np.count_nonzero, masks)) > len(reached) == root.l.shape[1] > 3
    for _ in range(20):
        h = [a if a == b else Fraction(int(random.integers(0, 257)), 256) for a, b in zip(lower, upper)]
        z = []
        for layer in layers:
            sums = [
                sum(map(Fraction.__mul__, map(Fraction, w), h)) + Fraction(b) for w, b in zip(layer.weight, layer.bias)
            ]
            z += [v for v, relu in zip(sums, layer.relu) if relu]
            h = [max(v, Fraction(0)) if relu else v for v, relu in zip(sums, layer.relu)]
        for j, low, high in zip(reached, root.l[0], root.u[0], strict=True):
            assert Fraction(float(low)) <= z[j] <= Fraction(float(high))
