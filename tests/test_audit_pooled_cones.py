"""Networks with a MaxPool in a cone (section 12): where a layer has its ReLU on some neurons only, and few numbers of W
are not 0. Bounds and margins hold of the whole network in rationals, in both arithmetics."""

from fractions import Fraction

import numpy as np
import pytest
from onnx_graphs import model, node
from test_audit_check import ARITHMETIC
from test_audit_readers import written

from engine.audit import floating_steps
from engine.audit.bounds import Exclusions
from engine.audit.cone import cone_of
from engine.audit.cone_floating import FloatingCones
from engine.audit.cone_walk import CONES, ConeProof
from engine.audit.data import Case, Network, Tree
from engine.audit.onnx_reader import read_network

SIDE = 7
PATCH = [(2, 3), (2, 4), (3, 3), (3, 4)]  # rows and columns of the free pixels
FREE = [row * SIDE + column for row, column in PATCH]


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp("pooled_cones")


def classifier(scratch, seed: int) -> Network:
    """7 x 7 pixels: two convolutions with maxima of 2 x 2 and of 3 windows, and three scores."""
    random = np.random.default_rng(seed)
    numbers = lambda *shape: (random.integers(-8, 9, shape) / 8).astype(np.float32)
    nodes = [
        node("Conv", "x K B", "c"),
        node("MaxPool", "c", "m", kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1),
        node("Relu", "m", "r"),
        node("Conv", "r L", "d", pads=[1, 1, 1, 1]),
        node("MaxPool", "d", "p", kernel_shape=[3, 1], strides=[1, 1]),
        node("Relu", "p", "q"),
        node("Flatten", "q", "f"),
        node("MatMul", "f W", "y"),
    ]
    constants = {"K": numbers(2, 1, 2, 2), "B": numbers(2), "L": numbers(2, 2, 3, 3), "W": numbers(2 * 1 * 3, 3)}
    return read_network(written(scratch, model(nodes, constants, shape=(1, 1, SIDE, SIDE))))


def trace(network: Network, x) -> tuple[list[Fraction], list[Fraction]]:
    """z of all hidden neurons, and the outputs, by the text of section 3."""
    hidden, h = [], list(x)
    for layer in network.layers:
        rows = [{i: Fraction(w) for i, w in enumerate(row) if w} for row in np.asarray(layer.weight).tolist()]
        z = [sum((w * h[i] for i, w in row.items()), Fraction(b)) for row, b in zip(rows, layer.bias.tolist())]
        hidden += [v for v, cut in zip(z, layer.has_relu) if cut]
        h = [max(v, Fraction(0)) if cut else v for v, cut in zip(z, layer.has_relu)]
    return hidden, h


def image(seed: int, *, thirds: bool) -> tuple[list[Fraction], list[Fraction]]:
    """A case: pixels of 8 bits, or ones that no float64 number is; those of the patch are free."""
    random = np.random.default_rng(seed)
    lower = [Fraction(int(v), 765 if thirds else 256) for v in random.integers(0, 257, SIDE * SIDE)]
    upper = list(lower)
    for i in FREE:
        lower[i], upper[i] = Fraction(0), Fraction(1)
    return lower, upper


def patched(case, random) -> list[Fraction]:
    """A point of the case."""
    return [a if a == b else Fraction(int(random.integers(0, 257)), 256) for a, b in zip(*case)]


def bounded(network: Network, case, arithmetic: str):
    """The proof, l and u at the root, and the margins of y_a - y_b > 0 for all a and b."""
    tree = Tree(*(np.zeros(int(name == "split"), np.int32) - 1 for name in Tree._fields))
    proof = ConeProof(tree, (Case(*map(tuple, case), ((),)),), network, arithmetic, np.ones(1, bool))
    (root,) = proof.roots()
    lines = proof.bounds.tighten(root)
    pairs = [(a, b) for a in range(3) for b in range(3) if a != b]
    rows = np.zeros((len(pairs), 3 + 1 + SIDE * SIDE), object)
    for row, (a, b) in zip(rows, pairs):
        row[a], row[b] = 1024, -1024
    nothing = np.zeros((len(pairs), proof.bounds.hidden))
    at = np.zeros(len(pairs), int)
    margins = proof.bounds.margins(root, lines, Exclusions(at, rows, nothing * np.nan, nothing))
    return proof, root.l[0], root.u[0], dict(zip(pairs, margins))


@pytest.mark.parametrize("full", [True, False])
@pytest.mark.parametrize("thirds", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_bounds_and_margins_hold_of_the_whole_network(scratch, monkeypatch, seed, thirds, full):
    """full: whether float64 writes the small matrices of a cone out."""
    monkeypatch.setattr(floating_steps, "MOST_FULL", 2**20 if full else 0)
    network, case = classifier(scratch, seed), image(seed, thirds=thirds)
    random = np.random.default_rng(seed)
    found = {arithmetic: bounded(network, case, arithmetic) for arithmetic in ARITHMETIC}
    for _ in range(15):
        z, y = trace(network, patched(case, random))
        for proof, l, u, margins in found.values():
            reached = np.flatnonzero(proof.claimed.columns >= 0)
            assert 0 < len(reached) == len(l) < len(z)
            for j, low, high in zip(reached, l.tolist(), u.tolist(), strict=True):
                assert Fraction(low) <= z[j] <= Fraction(high)
            for (a, b), margin in margins.items():
                assert Fraction(float(margin)) <= y[a] - y[b]
    (_, l, u, margins), (_, *exact, true) = found["float64"], found["exact"]
    for ends, same in zip((l, u), exact, strict=True):
        np.testing.assert_allclose(ends, same, rtol=1e-6, atol=1e-9)
    for pair, margin in margins.items():
        assert Fraction(float(margin)) <= true[pair] <= Fraction(float(margin)) + Fraction(1, 10**6)


def test_bounds_are_not_far_from_what_is_reached(scratch):
    """Where one pixel is free, z is linear in it until it bends: bounds of the first round of maxima are exact."""
    network = classifier(scratch, 0)
    lower, upper = image(0, thirds=False)
    for i in FREE[1:]:
        upper[i] = lower[i]
    ends = []
    for value in (0, 1):
        lower[FREE[0]] = Fraction(value)
        ends.append(trace(network, lower)[0])
    lower[FREE[0]] = Fraction(0)
    for arithmetic in ARITHMETIC:
        proof, l, u, _ = bounded(network, (lower, upper), arithmetic)
        reached = np.flatnonzero(proof.claimed.columns >= 0)
        first = reached[reached < next(layer.has_relu.sum() for layer in network.layers if layer.has_relu.any())]
        assert len(first) >= 2
        for j, low, high in zip(first, l, u):
            assert float(low) == pytest.approx(float(min(ends[0][j], ends[1][j])), abs=1e-5)
            assert float(high) == pytest.approx(float(max(ends[0][j], ends[1][j])), abs=1e-5)


def test_a_cone_has_the_relus_and_the_folded_biases_of_the_network(scratch):
    """Values of what is not reached are in them as they are where there is no ReLU: below 0, too."""
    network, case = classifier(scratch, 1), image(1, thirds=False)
    cone = cone_of(network, np.array(FREE))
    masks = [layer.has_relu for layer in network.layers]
    assert any(mask.any() and not mask.all() for mask in masks)
    for layer, mask, here in zip(cone.layers, masks, cone.reached, strict=True):
        assert layer.has_relu.tolist() == mask[here].tolist()
    hidden = np.concatenate([np.isin(np.arange(len(mask)), here)[mask] for mask, here in zip(masks, cone.reached)])
    assert np.flatnonzero(cone.columns >= 0).tolist() == np.flatnonzero(hidden).tolist()
    proof, *_ = bounded(network, case, "exact")
    h, before = case[0], set(FREE)
    for layer, own, here in zip(network.layers, proof.bounds.layers, cone.reached, strict=True):
        rows = [{i: Fraction(w) for i, w in enumerate(row) if w} for row in np.asarray(layer.weight).tolist()]
        fixed = [sum((w * h[i] for i, w in row.items() if i not in before), Fraction(0)) for row in rows]
        biases = [value + Fraction(b) for value, b in zip(fixed, layer.bias.tolist())]
        found = [Fraction(number, 1 << own.bias.bits) for number in own.bias.numbers]
        assert found == [biases[j] for j in here]
        before = set(here.tolist())
        h = [max(v, Fraction(0)) if cut else v for v, cut in zip(biases, layer.has_relu)]


def test_a_checker_with_other_masks_is_noticed(scratch, monkeypatch):
    """If what is not reached were cut in all of a layer, or nowhere, the bounds would not hold."""
    network, case = classifier(scratch, 1), image(1, thirds=False)
    z, _ = trace(network, patched(case, np.random.default_rng(0)))

    def holds(relu_of) -> bool:
        layers = tuple(layer._replace(relu=relu_of(layer)) for layer in network.layers)
        other = FloatingCones(Network(layers, ""))
        monkeypatch.setitem(CONES, "float64", lambda _: other)
        proof, l, u, _ = bounded(network, case, "float64")
        reached = np.flatnonzero(proof.claimed.columns >= 0)
        return all(Fraction(float(a)) <= z[j] <= Fraction(float(b)) for j, a, b in zip(reached, l, u))

    assert holds(lambda layer: layer.relu)
    assert not holds(lambda layer: bool(layer.has_relu.any()))
    assert not holds(lambda layer: False)
