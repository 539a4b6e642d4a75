"""Certificates of version 3 by a second checker, which was written from docs/certificate-format.md alone."""

from dataclasses import replace
from fractions import Fraction

import pytest
import second_checker as first
import second_checker_bounds
import second_checker_file
import second_checker_network
from pair_certificates import Exclusion, Pair, onnx_of
from second_checker_bounds import Block, Network, down
from second_checker_layers import Layer, Rejected
from second_checker_pairs import accepts_pairs, margins, paired, up
from second_checker_query import accepts_query

EIGHTH = Fraction(1, 8)


def network(*neurons, out=None) -> bytes:
    """The sum (or with weights) of ReLUs of w x + b for these (w, b)."""
    out = out or [1] * len(neurons)
    return onnx_of(([[w] for w, _ in neurons], [b for _, b in neurons], True), ([out], [0], False))


F = network((1, 0))
SHIFTED = Pair(F, network((1, 0.125)), "0.25")  # z_g - z_f is 1/8, and so is the largest g - f
DEEP = onnx_of(([[1]], [0], True), ([[1]], [0], True), ([[1]], [0], False))


# --- known answers --------------------------------------------------------------------------------


def test_a_difference_that_is_constant_is_bounded_exactly(tmp_path):
    """0 <= delta <= d, where dl = down(1/8) > 0, and d is 1/8 by substitution."""
    assert margins(*SHIFTED.write(tmp_path)) == [Fraction(1, 4) - EIGHTH]


def test_without_the_pair_it_is_not_shown(tmp_path):
    """The lines of f and g alone: the least of h_f - h_g is more than 1/4 below 0."""
    assert not accepts_pairs(*SHIFTED.change(pairs=[]).write(tmp_path))


def test_a_difference_of_both_signs_has_its_own_lines(tmp_path):
    """d = x / 4 lies in [-1/4, 1/4], c is 1/2, and delta at most d / 2 + t."""
    pair = Pair(F, network((1.25, 0)), "0.26")
    slack = up(Fraction(1, 4)) / 2
    assert margins(*pair.write(tmp_path)) == [Fraction(26, 100) - EIGHTH - slack]


def test_neurons_that_differ_much_are_not_coupled(tmp_path):
    """As max(-dl, du) = 2 is not below 1/2 + 1/2; so h_g has its own line, at most z / 2 + t, and h_f is at least 0."""
    pair = Pair(F, network((-1, 0)), "2")
    alone = margins(*pair.change(pairs=[]).write(tmp_path))
    assert margins(*pair.write(tmp_path)) == alone == [2 - Fraction(1, 2) - up(Fraction(1)) / 2]


def test_a_layer_without_a_relu_may_be_in_one_block_alone(tmp_path):
    pair = replace(SHIFTED, f=onnx_of(([[1]], [0], False), ([[1]], [0], True), ([[1]], [0], False)))
    assert margins(*pair.write(tmp_path)) == [EIGHTH]


def test_stages_of_two_layers(tmp_path):
    """The second neurons have l = down(0), are not coupled for so small gaps, and lose t = 2^-149."""
    deep = onnx_of(([[1]], [0.125], True), ([[1]], [0], True), ([[1]], [0], False))
    assert margins(*Pair(DEEP, deep, "0.25").write(tmp_path)) == [EIGHTH - Fraction(1, 2**149)]


def test_float32_semantics_lose_the_noise_of_each_layer(tmp_path):
    """s is N(M_f) + N(M_g + t), t is 0 if d > 0 everywhere; M of the last layers is their neurons' u."""
    g, e = second_checker_network.errors("float32", False, 3)  # n is 1, and there are two blocks
    noise = lambda size: g * size + e
    last = lambda size: noise(up(size + noise(size)))
    (margin,) = margins(*SHIFTED.change(semantics="float32").write(tmp_path))
    assert margin == EIGHTH - noise(1) - noise(1 + EIGHTH) - last(1) - last(1 + EIGHTH)
    scaled = Pair(F, network((1.25, 0)), "0.375").change(semantics="float32")
    m, t = Fraction(5, 4), up(Fraction(1, 4) + noise(1) + noise(Fraction(5, 4))) / 2
    assert margins(*scaled.write(tmp_path)) == [2 * EIGHTH - t - noise(1) - noise(m + t) - last(1) - last(m)]


@pytest.mark.parametrize("shift, coupled", [(0.625, True), (0.75, False)])
def test_coupled_are_neurons_whose_difference_is_below_both_gaps_together(tmp_path, shift, coupled):
    """f's gap is 1/2; g's is 0.30 at a shift of 5/8, and 0.22 at one of 3/4."""
    pair = Pair(F, network((1, shift)), "2")
    found, alone = margins(*pair.write(tmp_path)), margins(*pair.change(pairs=[]).write(tmp_path))
    assert (found == [2 - Fraction(shift)]) is coupled
    assert (found == alone) is not coupled


# --- known bounds ---------------------------------------------------------------------------------


def root_of(f, g):
    """Of blocks of one neuron w x + b each, for x in [-1, 1]: the network, and its root with tightened bounds."""
    layers = [[Layer([[Fraction(w)]], [Fraction(b)], True)] for w, b in (f, g)]
    blocks = [Block([0], 1, own, [k, k + 1], Fraction(0), Fraction(0)) for k, own in enumerate(layers)]
    net = paired(Network(1, 2, 2, blocks), [(0, 1)])
    node, _ = second_checker_bounds.tighten(
        net, second_checker_bounds.make_root(net, second_checker_file.Case([Fraction(-1)], [Fraction(1)], []))
    )
    return net, node


@pytest.mark.parametrize("f, g", [(1.5, 0.5), (0.5, 1.5), (0.5, 0.25)])
def test_the_difference_is_bounded_where_either_is_unstable(f, g):
    _, node = root_of((1, f), (1, g))
    assert node.differences[0, 1] == ([down(Fraction(g - f))], [up(Fraction(g - f))])


def test_the_difference_is_not_bounded_where_both_are_stable():
    _, node = root_of((1, 1.5), (1, 1.75))
    low, high = node.low, node.high
    assert node.differences[0, 1] == ([down(low[1] - high[0])], [up(high[1] - low[0])])


@pytest.mark.parametrize("factor", [Fraction(5, 4), Fraction(3, 4)])
def test_a_coupled_neuron_of_g_is_bounded_alone_too(factor):
    """Where x <= 1/2, so is z_f, and z_g is at most half of its factor: less than z_f and the difference say."""
    net, node = root_of((1, 0), (float(factor), 0))
    half, lines = second_checker_bounds.tighten(net, first.halves(net, node, 0, iter([0.5]))[0])
    assert lines.coupled[0, 1][0] and half.high[1] == up(factor / 2) < node.high[1] == up(factor)


def test_an_assumed_sign_of_g_bounds_f():
    """Where z_g = z_f + 1/8 >= 0, z_f is at least -1/8; where z_g <= 0, at most that."""
    net, node = root_of((1, 0), (1, 0.125))
    below, above = (second_checker_bounds.tighten(net, half)[0] for half in first.halves(net, node, 2, iter(())))
    assert above.low[0] == down(-up(EIGHTH)) and above.high[0] == node.high[0]
    assert below.high[0] == up(-down(EIGHTH)) and below.low[0] == node.low[0]


# --- what is accepted, and what is not ------------------------------------------------------------


@pytest.mark.parametrize(
    "gap, strict, accepted",
    [("0.25", False, True), ("0.1250001", False, True), ("0.125", False, False), ("0.125", True, True),
     ("0.1249999", True, False)],
)  # fmt: skip
def test_a_margin_must_be_above_zero_or_zero_where_strict(tmp_path, gap, strict, accepted):
    assert accepts_pairs(*replace(SHIFTED, gap=gap, strict=strict).write(tmp_path)) is accepted


@pytest.mark.parametrize("pairs", [[[0, 2]], [[1, 2]], [[0, 1], [2, 3]], [[0, 10**9]]])
def test_pairs_of_blocks_that_are_not_there(tmp_path, pairs):
    certificate = SHIFTED.change(pairs=pairs).write(tmp_path)
    assert not accepts_pairs(*certificate)
    with pytest.raises(Rejected):
        margins(*certificate)


@pytest.mark.parametrize("g", [network((1, 0.125), (1, -2)), DEEP, onnx_of(([[1]], [0.125], False))])
def test_pairs_of_blocks_that_do_not_fit(tmp_path, g):
    """More neurons, more layers and none: with a gap that each of them alone would show."""
    pair = replace(SHIFTED, g=g, gap="100")
    assert accepts_pairs(*pair.change(pairs=[]).write(tmp_path))
    assert not accepts_pairs(*pair.write(tmp_path))


@pytest.mark.parametrize(
    "pairs",
    [None, {}, [0, 1], [[]], [[0]], [[0, 1, 1]], [[1, 0]], [[0, 0]], [[-1, 0]], [[0, 1], [0, 1]], [[0, 1], [1, 2]],
     [["0", "1"]], [[0, 1.0]], [[False, True]], [[0, None]]],
)  # fmt: skip
def test_malformed_pairs(tmp_path, pairs):
    with pytest.raises(ValueError):
        accepts_pairs(*SHIFTED.change(pairs=pairs).write(tmp_path))


def test_only_version_3_has_pairs(tmp_path):
    with pytest.raises(ValueError):
        accepts_pairs(*SHIFTED.change(version=2).write(tmp_path))
    with pytest.raises(ValueError):
        accepts_pairs(*replace(SHIFTED, changes={}).write(tmp_path))
    with pytest.raises(ValueError):
        accepts_query(*SHIFTED.write(tmp_path))


def test_version_2_is_version_3_without_pairs(tmp_path):
    pair = replace(SHIFTED, gap="2")
    shown = margins(*pair.change(pairs=[]).write(tmp_path))
    version_2 = replace(pair, changes={"version": 2}).write(tmp_path)
    assert margins(*version_2) == shown != []
    assert accepts_query(*version_2)


@pytest.mark.parametrize("pairs, accepted", [([[0, 1]], True), ([], True), ([[0, 2]], False)])
def test_a_witness_has_pairs_too(tmp_path, pairs, accepted):
    found = {"kind": "witness", "point": ["1/2"], "outputs": ["1/2", "5/8"], "margins": ["0"]}
    witness = replace(SHIFTED, gap="0.125").change(**found, pairs=pairs)
    assert accepts_pairs(*witness.write(tmp_path)) is accepted


# --- slopes, splits and multipliers ---------------------------------------------------------------

TWO = Pair(network((1, 0), (1, 0)), network((1, 0.125), (-1, 0)), "2")  # the second ones are not coupled


@pytest.mark.parametrize("neuron, effect", [(0, True), (1, True), (2, False), (3, True)])
def test_a_slope_of_a_coupled_neuron_of_g_has_no_effect(tmp_path, neuron, effect):
    """Neurons 0 and 2 are coupled; f's outputs have weights -1 and 3, g's 1 and -2, so that lower lines matter."""
    pair = replace(
        TWO,
        f=network((1, 0), (1, 0), out=[2, 3]),
        g=network((1, 0.125), (-1, 0), out=[1, -2]),
        gap="3",
    )
    found = []
    for value in (0, 300):
        found += margins(*replace(pair, exclusions=(Exclusion(0, {neuron: value}),)).write(tmp_path))
    assert (found[0] != found[1]) is effect


def test_a_tree_of_signs(tmp_path):
    """Where z_f <= 0 and where z_f >= 0; multipliers belong to neurons of f and of g, coupled or not."""
    pair = replace(TWO, gap="2", split=(1, -1, -1))
    plain = margins(*replace(pair, exclusions=(Exclusion(1), Exclusion(2))).write(tmp_path))
    weighed = replace(pair, exclusions=(Exclusion(1, {}, {0: 0.25}), Exclusion(2, {}, {0: 0.25})))
    assert accepts_pairs(*weighed.write(tmp_path))
    assert all(a != b for a, b in zip(plain, margins(*weighed.write(tmp_path)), strict=True))
    assert not accepts_pairs(*replace(pair, exclusions=(Exclusion(1),)).write(tmp_path))
    assert not accepts_pairs(*replace(pair, exclusions=(Exclusion(0, {}, {0: 0.25}),)).write(tmp_path))
