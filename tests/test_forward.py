"""Bounds over a few inputs from these on, of the engine and of the checker, against section 15 in plain Fractions."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from plain_lines import least as plain_least
from scipy.sparse import csr_array

from engine.audit.bounds import Exclusions
from engine.audit.data import Layer
from engine.audit.data import Network as AuditNetwork
from engine.audit.failures import Rejected
from engine.audit.images.mixture_bounds import ARITHMETIC
from engine.audit.images.mixture_cases import Equations
from engine.audit.nodes import Nodes
from engine.audit.sparse import Sparse
from engine.bounds.forward import ForwardBounds, Pieces
from engine.errors import InputError
from engine.network import Affine, Network

BOXES = 5


def made(seed: int, *, last_bent: bool = False, scale: int = 8) -> Network:
    """Weights are of few bits, and a layer may be sparse, or have ReLUs on some neurons."""
    random = np.random.default_rng(seed)
    layers, before = [], 6
    for k, width in enumerate((7, 8, 6, 3)):
        weight = random.integers(-scale, scale + 1, (width, before)) / 8
        bias = random.integers(-scale, scale + 1, width) / 8
        bent = last_bent if k == 3 else (random.random(width) < 0.7 if k == 1 else True)
        sparse = k == seed % 3
        if sparse:
            weight *= random.random(weight.shape) < 0.6
        layers.append(Affine(csr_array(weight) if sparse else weight, bias, bent))
        before = width
    return Network(tuple(layers), "made")


def boxes_of(seed: int, m: int) -> Pieces:
    random = np.random.default_rng((seed, 1))
    lower = random.integers(-16, 16, (BOXES, m)) / 32
    return Pieces(
        lower,
        lower + random.integers(1, 16, (BOXES, m)) / 64,
        random.integers(-16, 17, (BOXES, 6, m)) / 16,
        random.integers(-16, 17, (BOXES, 6)) / 16,
    )


def rows_of(seed: int) -> np.ndarray:
    return np.random.default_rng((seed, 2)).integers(-2, 3, (BOXES, 4, 3)).astype(float)


def plain_layers(network: Network):
    return [
        (a.weight.tolist(), a.bias.tolist(), np.broadcast_to(a.relu, a.bias.shape).tolist()) for a in network.layers
    ]


def plain(network: Network, pieces: Pieces, rows: np.ndarray, **how) -> list[list[Fraction]]:
    return [
        [
            plain_least(
                plain_layers(network),
                pieces.weight[b].tolist(),
                pieces.bias[b].tolist(),
                list(map(Fraction, pieces.lower[b].tolist())),
                list(map(Fraction, pieces.upper[b].tolist())),
                row.tolist(),
                **how,
            )
            for row in rows[b]
        ]
        for b in range(BOXES)
    ]


class _Case:
    """A case of the checker that has these equations."""

    def __init__(self, equations: Equations):
        self._equations = equations

    def equations(self) -> Equations:
        return self._equations


def checked(network: Network, pieces: Pieces, rows: np.ndarray, arithmetic: str, *, exact: bool = True):
    """The margins of the checker: [boxes][rows]."""
    layers = []
    for affine in network.layers:
        weight = affine.matrix
        if affine.is_sparse:
            each = weight.tocoo()
            weight = Sparse(each.shape, *each.coords, each.data)
        layers.append(Layer(weight, affine.bias, affine.relu))
    cases = [_Case(Equations(pieces.weight[b], pieces.bias[b], exact)) for b in range(BOXES)]
    bounds = ARITHMETIC[arithmetic](AuditNetwork(tuple(layers), ""), cases)
    number, none = np.arange(BOXES), np.zeros((BOXES, 0))
    nodes = Nodes(number, number, pieces.lower, pieces.upper, none, none, none, none)
    node = np.repeat(number, rows.shape[1])
    given = np.pad((rows.reshape(-1, 3) * 1024).astype(int).astype(object), ((0, 0), (0, 1 + pieces.lower.shape[1])))
    claimed = Exclusions(node, given, np.zeros((len(node), 0)), np.zeros((len(node), 0)))
    return bounds.margins(nodes, None, claimed).reshape(BOXES, -1)


SEEDS = [(seed, 1 + seed % 3, seed % 4 == 3) for seed in range(12)]


@pytest.mark.parametrize("seed, m, last_bent", SEEDS)
def test_the_text_the_engine_and_the_checker_agree(seed, m, last_bent):
    """The checker exactly, floating point a little below it."""
    network, pieces, rows = made(seed, last_bent=last_bent), boxes_of(seed, m), rows_of(seed)
    expected = plain(network, pieces, rows)
    assert checked(network, pieces, rows, "exact").tolist() == expected
    for found in (ForwardBounds(network).least(pieces, rows), checked(network, pieces, rows, "float64")):
        for one, exact in zip(found.ravel().tolist(), sum(expected, [])):
            assert exact - Fraction(1, 10**9) < Fraction(one) < exact  # something is given up


@pytest.mark.parametrize("seed, m, last_bent", SEEDS)
def test_no_point_is_below_the_bound(seed, m, last_bent):
    network, pieces, rows = made(seed, last_bent=last_bent), boxes_of(seed, m), rows_of(seed)
    bounds, random = ForwardBounds(network).least(pieces, rows), np.random.default_rng((seed, 3))
    gaps = []
    for b in range(BOXES):
        shares = np.concatenate([random.random((400, m)), random.integers(0, 2, (40, m))])
        u = pieces.lower[b] + shares * (pieces.upper[b] - pieces.lower[b])
        y = network.evaluate(u @ pieces.weight[b].T + pieces.bias[b])
        gaps.append(((y @ rows[b].T).min(0) - bounds[b]).tolist())
    assert np.min(gaps) > -1e-12 and np.median(gaps) < 2.0  # sound, and not for nothing


def test_narrow_boxes_lose_hardly_anything():
    network, pieces, rows = made(5), boxes_of(5, 2), rows_of(5)
    narrow = replace(pieces, upper=pieces.lower + 2.0**-30)
    x = np.einsum("bim,bm->bi", pieces.weight, pieces.lower) + pieces.bias
    values = np.einsum("bro,bo->br", rows, network.evaluate(x))
    assert np.abs(ForwardBounds(network).least(narrow, rows) - values).max() < 1e-5


@pytest.mark.parametrize("exact", [True, False])
def test_a_rounded_network_or_case_gives_up_its_rounding(exact):
    network, pieces, rows = made(3), boxes_of(3, 2), rows_of(3)
    expected = plain(network, pieces, rows, noise=Fraction(0 if exact else 1, 2**53))
    assert checked(network, pieces, rows, "exact", exact=exact).tolist() == expected
    assert (np.array(expected) <= np.array(plain(network, pieces, rows))).all()


def test_long_sums_that_cancel_are_still_below():
    """Numbers around 2^40 of which 1 is left: what rounding changes is far more than 2^-900, and is given up."""
    random = np.random.default_rng(0)
    big = np.ldexp(random.random((2, 6)), 40)
    layers = (Affine(np.vstack([big, big + random.random((2, 6))]), np.zeros(4), True),)
    layers += (Affine(np.array([[1.0, 0, 0, -1], [0, 1, -1, 0], [0, 0, 0, 1]]), np.ones(3) / 3, False),)
    network, pieces, rows = Network(layers, "big"), boxes_of(1, 1), rows_of(1)
    pieces = replace(pieces, weight=pieces.weight / 3, bias=np.abs(pieces.bias) + 1 / 7)
    expected = plain(network, pieces, rows)
    for found in (ForwardBounds(network).least(pieces, rows), checked(network, pieces, rows, "float64")):
        for one, exact in zip(found.ravel().tolist(), sum(expected, [])):
            assert Fraction(one) < exact


def test_what_is_too_large_shows_nothing():
    first = Affine(np.full((2, 6), 2.0**60), np.full(2, 2.0**70), True)
    layers = (first, Affine(np.full((3, 2), 2.0**60), np.zeros(3), False))
    network, pieces, rows = Network(layers, "large"), boxes_of(0, 1), rows_of(0)
    assert (ForwardBounds(network).least(pieces, rows) == -np.inf).all()
    for arithmetic in ARITHMETIC:
        with pytest.raises(Rejected, match="may reach 2\\^100"):
            checked(network, pieces, rows, arithmetic)


def test_other_functions_than_relus_are_refused():
    """A layer that has something else in place of its ReLU is not taken for one that has none."""
    network = made(0)
    object.__setattr__(network.layers[0], "curve", "sigmoid")
    with pytest.raises(InputError, match="ReLUs alone"):
        ForwardBounds(network)

    class Curved(Layer):
        curve = "sigmoid"

    layer = Curved(np.ones((3, 6)), np.zeros(3), True)
    with pytest.raises(Rejected, match="Sigmoid"):
        ARITHMETIC["float64"](AuditNetwork((layer,), ""), [])
