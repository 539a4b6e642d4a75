"""Cones of networks with Sigmoid and Tanh, and certificates about images of them (sections 12 to 14 of the format)."""

from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, localcontext
from fractions import Fraction

import numpy as np
import pytest
from curve_definition import CURVES, DIGITS, multiple, value
from curved_networks import SLACK, Asked, Curved
from image_certificates import Photos, classifier
from test_audit_check import ARITHMETIC, Exclusion, Node, accepted, case, rejected, row
from test_audit_cones import fixed_case, fractions_of, outward_box
from test_audit_curved_proofs import points

from engine.audit.cone import cone_of
from engine.audit.cone_walk import CONES, ConeProof
from engine.audit.data import Case, Tree
from engine.audit.failures import Malformed

FREE = (5, 6)


def curved(seed=0, operators=("Tanh", "Sigmoid")) -> Curved:
    """A classifier of 16 pixels in which most neurons read few."""
    net = classifier(seed)
    weights, biases = zip(*((layer.weight.tolist(), layer.bias.tolist()) for layer in net.layers))
    return Curved(list(weights), list(biases), [*operators, ""])


def value_ends(kind, p, q):
    """The multiples of 2^-40 next to f(p) and f(q), below and above; of no curve p and q."""
    if not kind:
        return p, q
    with localcontext(prec=DIGITS):
        return multiple(value(kind, p), 40, ROUND_FLOOR), multiple(value(kind, q), 40, ROUND_CEILING)


def cone_ends(net, free, lower, upper):
    """Section 12, "Radii", with section 14's ends: of each layer the reached neurons, and [p, q] of all of them."""
    reached = set(free)
    values = [(a, b) if i not in reached else (0, 0) for i, (a, b) in enumerate(zip(lower, upper))]
    for k, (rows, biases, kinds) in enumerate(net.plain.layers):
        here = {j for j, w in enumerate(rows) if any(w[i] for i in reached) or k == len(net.weights) - 1}
        ends = []
        for w, b in zip(rows, biases):
            pairs = [(c * p, c * q) for c, (p, q) in zip(w, values)]
            ends.append((b + sum(map(min, pairs)), b + sum(map(max, pairs))))
        yield sorted(here), ends
        values = [value_ends(kind, *end) if j not in here else (0, 0) for j, (kind, end) in enumerate(zip(kinds, ends))]
        reached = here


@pytest.mark.parametrize("operators", [("Tanh", "Sigmoid"), ("Sigmoid", "Tanh")])
@pytest.mark.parametrize("seed", range(3))
def test_radii_are_those_of_the_definition(seed, operators):
    random, net = np.random.default_rng(seed), curved(seed, operators)
    lower, upper = fixed_case(net, FREE, random, fractions=seed == 2)
    box = [side[0].tolist() for side in outward_box(lower, upper)]
    ends = list(cone_ends(net, FREE, *([Fraction(v) for v in side] for side in box)))
    cone = cone_of(net.audit, np.array(FREE))
    for arithmetic in ARITHMETIC:
        (own,) = CONES[arithmetic](net.audit).fold(cone, *outward_box(lower, upper))
        for (here, expected), reached, part in zip(ends, cone.reached, own, strict=True):
            assert reached.tolist() == here
            for j, bias, radius in zip(here, fractions_of(part.bias), fractions_of(part.radius), strict=True):
                if arithmetic == "exact":
                    assert (bias - radius, bias + radius) == expected[j]
                else:  # the middle of what is 2^-40 wide, and more, is near to the truth
                    middle = sum(expected[j]) / 2
                    assert abs(bias - middle) <= Fraction(1, 2**33) and 0 < radius < Fraction(1, 2**33)
        assert cone.columns.tolist().count(-1) == 20 - sum(len(here) for here, _ in ends[:2])


def test_float64_radii_hold_the_truth():
    """b_k of a cone whose last layer has a single reached neuron, computed in numbers of 60 digits."""
    errors = 0
    for seed in range(6):
        random, net = np.random.default_rng(seed), curved(seed)
        lower, upper = fixed_case(net, FREE, random, fractions=True)
        point = [Fraction(a) for a in lower]
        ends = list(cone_ends(net, FREE, lower, upper))
        cone = cone_of(net.audit, np.array(FREE))
        (own,) = CONES["float64"](net.audit).fold(cone, *outward_box(lower, upper))
        values = [v if i not in FREE else Fraction(0) for i, v in enumerate(point)]
        for (here, _), part, (rows, biases, kinds) in zip(ends, own, net.plain.layers, strict=True):
            z = [sum((w * v for w, v in zip(row, values)), b) for row, b in zip(rows, biases)]
            for j, bias, radius in zip(here, fractions_of(part.bias), fractions_of(part.radius), strict=True):
                assert abs(z[j] - bias) <= radius / 2 + SLACK
                errors += z[j] != bias
            values = [
                Fraction(0) if j in here else Fraction(value(kind, v)) if kind else v
                for j, (kind, v) in enumerate(zip(kinds, z))
            ]
    assert errors > 20


# --- proofs ---------------------------------------------------------------------------------------

SHOWN = {"exclusions": {0: Exclusion({0: 1024})}}


def question(folder, seed=0, gap=Fraction(1, 2), **more) -> Asked:
    """Two cases with the same free pixels, each of one row with some room."""
    net, random, cases = curved(seed), np.random.default_rng(seed), []
    for outputs in ((1, -1, 0), (0, 1, 1)):
        lower, upper = fixed_case(net, FREE, random)
        found = [sum(c * v for c, v in zip(outputs, net.trace(x)[1])) for x in points(lower, upper, random, 30)]
        constant = -Fraction(round((min(found) - gap) * 256), 256)
        cases.append(case(lower, upper, [row(outputs, constant)]))
    return Asked(folder, net, cases, {"cones": True, **more})


def trees(neuron=None) -> list:
    """Each of four leaves, by two inputs; or, behind one of these, by a neuron's sign, with a multiplier."""
    leaf, below = Node(**SHOWN), []
    for _ in range(2):
        pair = (leaf, leaf)
        if neuron is not None:
            signed = Node(exclusions={0: Exclusion({0: 1024}, {}, {neuron: 2.0**-12})})
            pair = (Node(16 + neuron, 0.0, {}, (signed, leaf)), leaf)
        below.append(Node(6, 0.5, {}, pair))
    return [Node(5, 0.5, {}, tuple(below)) for _ in range(2)]


@pytest.mark.parametrize("cones", [True, False])
def test_proofs_with_cones_and_without(tmp_path, cones):
    asked = question(tmp_path, cones=cones)
    reached = np.flatnonzero(cone_of(asked.net.audit, np.array(FREE)).columns >= 0)
    for neuron in (None, int(reached[0]), int(reached[-1])):
        margins = [accepted(asked.write(trees(neuron)), arithmetic=arithmetic).margin for arithmetic in ARITHMETIC]
        assert abs(float(margins[1]) - margins[0]) < 1e-5  # exact values are rounded to 2^-40, others less
    random = np.random.default_rng(9)
    for one in asked.cases:
        (r,) = one["unsafe"][0]
        for point in points(one["lower"], one["upper"], random, 10):
            assert sum(c * asked.net.trace(point)[1][j] for j, c in r["outputs"].items()) + r["constant"] > 0


@pytest.mark.parametrize("arithmetic", ARITHMETIC)
def test_what_is_not_so_is_rejected(tmp_path, arithmetic):
    rejected(question(tmp_path, gap=Fraction(-1, 16)).write(trees()), "not shown", arithmetic=arithmetic)
    asked = question(tmp_path)
    other = int(np.flatnonzero(cone_of(asked.net.audit, np.array(FREE)).columns < 0)[0])
    rejected(asked.write(trees(other)), "no free input reaches", arithmetic=arithmetic)
    slopes = [Node(exclusions={0: Exclusion({0: 1024}, {other: 512})}) for _ in range(2)]
    rejected(asked.write(slopes), "curve is among slopes", arithmetic=arithmetic)


@pytest.mark.parametrize("arithmetic", ARITHMETIC)
def test_bounds_in_a_cone_hold_at_samples(arithmetic):
    for seed in range(3):
        random, net = np.random.default_rng(seed), curved(seed)
        lower, upper = fixed_case(net, FREE, random)
        given = Case(tuple(lower), tuple(upper), ((),))
        tree = Tree(*(np.zeros(int(name == "split"), np.int32) - 1 for name in Tree._fields))
        proof = ConeProof(tree, (given,), net.audit, arithmetic, np.ones(1, bool))
        (nodes,) = proof.roots()
        proof.bounds.tighten(nodes)
        hidden = np.flatnonzero(proof.claimed.columns >= 0)
        for point in points(lower, upper, random, 10):
            z = net.trace(point)[0]
            for j, l, u in zip(hidden, nodes.l[0].tolist(), nodes.u[0].tolist(), strict=True):
                assert l - SLACK <= z[j] <= u + SLACK


# --- images ---------------------------------------------------------------------------------------


@dataclass
class CurvedPhotos(Photos):
    """Photos of a network with curves, and their certificate of version 5."""

    curved: Curved | None = None

    def __post_init__(self):
        super().__post_init__()
        self.net, self.onnx = self.curved, self.curved.onnx.SerializeToString()
        self.paths[1].write_bytes(self.onnx)

    def manifest(self, entries):
        return super().manifest(entries) | {"version": 5, "cones": True}


def photos(folder, curve="Tanh") -> CurvedPhotos:
    """Images to which the second class leads by 1 at least, whatever stands in the patch: by its bias."""
    net = curved(0, (curve, curve))
    net.biases[-1][1] += 24.0
    pixels = np.random.default_rng(0).integers(0, 256, (3, 4, 4))
    return CurvedPhotos(folder, classifier(0), pixels, [1, 2, 0], curved=net)


@pytest.mark.parametrize("arithmetic", ARITHMETIC)
@pytest.mark.parametrize("curve", CURVES)
def test_images(tmp_path, arithmetic, curve):
    made = photos(tmp_path, curve)
    result = made.write([Node(exclusions={0: Exclusion({0: 1024})})] * 3).run(arithmetic=arithmetic)
    assert result.accepted and result.shown == (2, 2), result.reason
    wrong = CurvedPhotos(tmp_path, classifier(0), made.pixels, made.labels, {"not": 1}, curved=made.curved)
    result = wrong.write([Node(exclusions={0: Exclusion({0: 1024})})] * 3).run(arithmetic=arithmetic)
    assert not result.accepted and "not shown" in result.reason


def test_image_certificates_of_another_form(tmp_path):
    made, roots = photos(tmp_path), [Node(exclusions={0: Exclusion({0: 1024})})] * 3
    for change in ({"cones": False}, {"cones": 1}, {"version": 6}, {"version": 4}):
        with pytest.raises(Malformed):
            made.write(roots, more=lambda manifest, change=change: manifest.update(change)).run()

    def older(manifest):
        manifest["version"] = 4
        del manifest["cones"]

    result = made.write(roots, more=older).run()
    assert not result.accepted and "its version is 4" in result.reason
