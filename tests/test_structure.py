"""What two networks' weights alone say: found exactly, true at every point, and the same in the independent checker."""

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
from conftest import random_network
from fuzzing import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

from engine.audit.comparison.structure import compared
from engine.audit.data import Layer
from engine.audit.data import Network as Audited
from engine.audit.sparse import Sparse
from engine.comparison.decision import Decision
from engine.comparison.structure import Claim, Structure, structure
from engine.comparison.structure_words import in_words, structure_json
from engine.errors import InputError
from engine.exact import evaluate
from engine.network import Affine, Network

EQUAL, RAISED, LOWERED, FREE = Claim
NET = random_network((2, 6, 5, 4), seed=3)


def edited(net: Network, layer: int, **places) -> Network:
    """The network with numbers of a layer added to: bias or row_column=by."""
    layers = list(net.layers)
    weight, bias = layers[layer].weight.copy(), layers[layer].bias.copy()
    for name, by in places.items():
        kind, *at = name.split("_")
        (bias if kind == "b" else weight)[tuple(map(int, at))] += by
    layers[layer] = Affine(weight, bias, layers[layer].relu)
    return replace(net, layers=tuple(layers))


@pytest.mark.parametrize(
    ("places", "claims"),
    [
        ({}, (EQUAL, EQUAL, EQUAL, EQUAL)),
        ({"w_1_2": 0.5}, (EQUAL, RAISED, EQUAL, EQUAL)),
        ({"w_1_2": 0.5, "w_1_4": 1.0, "b_1": 2.0}, (EQUAL, RAISED, EQUAL, EQUAL)),
        ({"b_3": 2.0}, (EQUAL, EQUAL, EQUAL, RAISED)),
        ({"w_1_2": 0.5, "b_1": -(2.0**-60)}, (EQUAL, FREE, EQUAL, EQUAL)),
        ({"w_0_1": -0.5, "b_0": -1.0, "w_2_0": 0.25}, (LOWERED, EQUAL, RAISED, EQUAL)),
    ],
)
def test_an_edit_of_the_last_layer(places, claims):
    bias = np.zeros(4)  # so that a tiny change of it is one
    net = replace(NET, layers=(*NET.layers[:2], Affine(NET.layers[2].weight, bias, relu=False)))
    assert structure(net, edited(net, 2, **places)).outputs == claims


def test_a_weight_lowered_by_one_unit_in_the_last_place_is_seen():
    weight = NET.layers[2].weight.copy()
    weight[1] += 1.0
    assert structure(NET, with_last(weight)).outputs[1] is RAISED
    weight[1, 3] = np.nextafter(NET.layers[2].weight[1, 3], -np.inf)
    assert structure(NET, with_last(weight)).outputs[1] is FREE


def with_last(weight: np.ndarray) -> Network:
    return replace(NET, layers=(*NET.layers[:2], Affine(weight, NET.layers[2].bias, relu=False)))


def test_a_rewritten_neuron_that_nothing_read():
    """And one that is 0 at every input: what reads it says nothing."""
    weight = NET.layers[2].weight.copy()
    weight[:, 4] = 0.0
    net = with_last(weight)
    rewritten = edited(edited(net, 1, w_4_0=3.0, w_4_1=-2.0, b_4=1.0), 2, w_2_4=0.75)
    assert structure(net, rewritten).outputs == (EQUAL, EQUAL, RAISED, EQUAL)
    assert structure(rewritten, net).outputs == (EQUAL, EQUAL, LOWERED, EQUAL)
    hidden = NET.layers[1].weight.copy()
    hidden[4] = -np.abs(hidden[4])
    off = Affine(hidden, np.minimum(NET.layers[1].bias, 0), relu=True)
    net = replace(NET, layers=(NET.layers[0], off, NET.layers[2]))
    after = NET.layers[2].weight.copy()
    after[:, 4] = [0.0, 0.0, 0.0, -1.0]
    changed = edited(
        replace(net, layers=(*net.layers[:2], Affine(after, NET.layers[2].bias, relu=False))), 1, w_4_0=9.0
    )
    assert structure(net, changed).outputs == (EQUAL, EQUAL, EQUAL, LOWERED)


def test_a_raised_neuron_raises_what_likes_it():
    out = structure(NET, edited(NET, 1, w_2_3=0.5)).outputs
    assert out == tuple(RAISED if w > 0 else LOWERED for w in NET.layers[2].weight[:, 2])


def test_inputs_have_no_sign():
    assert set(structure(NET, edited(NET, 0, w_2_1=0.5)).outputs) == {FREE}
    assert FREE not in structure(edited(NET, 1, w_0_2=-NET.layers[1].weight[0, 2]), NET).outputs


NUMBERS = st.sampled_from([-1.0, -0.5, 0.0, 0.5, 1.0])


@st.composite
def pairs(draw):
    """Two small networks with many zeros, that differ in a few numbers; layers with a ReLU on some neurons too."""
    widths = draw(st.sampled_from([(2, 3, 3), (1, 2, 2, 3), (2, 3, 3, 2)]))
    both: tuple[list[Affine], list[Affine]] = ([], [])
    for k, (inputs, out) in enumerate(zip(widths, widths[1:])):
        numbers = np.array(draw(st.lists(NUMBERS, min_size=out * (inputs + 1), max_size=out * (inputs + 1))))
        table = numbers.reshape(out, inputs + 1)
        relu = k + 2 < len(widths) and np.array(draw(st.lists(st.booleans(), min_size=out, max_size=out)) or [True])
        other = table.copy()
        for _ in range(draw(st.integers(0, 3))):
            at = draw(st.integers(0, out - 1)), draw(st.integers(0, inputs))
            other[at] = draw(NUMBERS)
        for layers, values in zip(both, (table, other)):
            layers.append(Affine(values[:, :-1].copy(), values[:, -1].copy(), relu))
    return Network(tuple(both[0])), Network(tuple(both[1]))


POINTS = st.lists(st.lists(st.fractions(-4, 4, max_denominator=8), min_size=2, max_size=2), min_size=6, max_size=6)


@settings(max_examples=examples(60), deadline=None)
@given(pairs(), POINTS)
def test_what_is_found_holds_at_every_point(two, points):
    """By exact evaluation: each claim, and what it says of the lowest and of the highest output."""
    original, changed = two
    found = structure(original, changed)
    for point in points:
        f, g = (evaluate(net, point[: original.n_inputs]) for net in two)
        for claim, before, after in zip(found.outputs, f, g, strict=True):
            assert claim is FREE or (claim is LOWERED or after >= before) and (claim is RAISED or after <= before)
        for decision, choose in ((Decision.LOWEST, min), (Decision.HIGHEST, max)):
            a, b = f.index(choose(f)), g.index(choose(g))
            assert a == b or (a, b) in found.changes(decision)


@settings(max_examples=examples(60), deadline=None)
@given(pairs(), st.booleans())
def test_the_checker_finds_the_same(two, sparse):
    found = compared(*(audited(net, sparse=sparse) for net in two))
    claims = structure(*(in_sparse(net) if sparse else net for net in two)).outputs
    assert [EQUAL if up and down else RAISED if up else LOWERED if down else FREE for up, down in zip(*found[:2])] == [
        *claims
    ]


def audited(net: Network, *, sparse: bool) -> Audited:
    """The network as the checker has it."""

    def matrix(weight: np.ndarray):
        row, column = np.nonzero(weight)
        return Sparse(weight.shape, row, column, weight[row, column]) if sparse else weight

    layers = (Layer(matrix(layer.weight), layer.bias, layer.relu) for layer in net.layers)
    return Audited(tuple(layers), "")


def in_sparse(net: Network) -> Network:
    return replace(net, layers=tuple(replace(layer, matrix=csr_array(layer.weight)) for layer in net.layers))


def test_pairs_are_no_more_than_the_claims_allow():
    """By all orders of four scores: each change that is named does happen, and no other."""
    for claims in ((RAISED, EQUAL, EQUAL), (EQUAL, LOWERED, EQUAL), (LOWERED, RAISED, EQUAL), (EQUAL,) * 3):
        found, seen = Structure(claims), set()
        moves = {EQUAL: (0,), RAISED: (0, 1, 9), LOWERED: (0, -1, -9)}
        for f in [*permutations((1, 2, 3)), (1, 1, 2), (2, 1, 1), (1, 2, 1), (1, 1, 1)]:
            for by in np.array(np.meshgrid(*(moves[claim] for claim in claims))).reshape(3, -1).T:
                seen.add((int(np.argmin(f)), int(np.argmin(np.add(f, by)))))
        assert {pair for pair in seen if pair[0] != pair[1]} == set(found.changes(Decision.LOWEST))


def test_what_is_a_theorem():
    lowest = Decision.LOWEST
    assert Structure((EQUAL, RAISED, EQUAL)).is_theorem(lowest) and Structure((EQUAL,) * 3).is_theorem(lowest)
    assert Structure((LOWERED, RAISED, EQUAL)).is_theorem(lowest)
    assert not Structure((EQUAL, FREE, EQUAL)).is_theorem(lowest)  # something follows, but not of every score
    assert not Structure((RAISED,) * 3).is_theorem(lowest)  # nothing follows
    assert Structure((EQUAL, FREE, EQUAL)).says_something and not Structure((FREE, FREE)).says_something


def test_words():
    names = ("COC", "WL", "WR")
    say = lambda *claims, decision=Decision.LOWEST: in_words(Structure(claims), decision, names=names, word="advisory")
    assert say(EQUAL, RAISED, EQUAL) == (
        "for every input, inside the domain and outside: the scores of COC and WR are unchanged; the score of WL is "
        "nowhere smaller; so the advisory changes only where it is WL in the original, and becomes WL nowhere where it "
        "was not"
    )
    assert say(EQUAL, LOWERED, EQUAL).endswith("only to WL, and stays WL wherever it was")
    assert say(LOWERED, RAISED, EQUAL).endswith("only where it is WL in the original, or to COC")
    assert say(RAISED, RAISED, EQUAL).endswith("only where it is COC or WL in the original")
    assert say(RAISED, RAISED, RAISED).endswith("nothing follows for the advisory")
    assert say(EQUAL, EQUAL, EQUAL).endswith("all outputs are equal")
    assert say(EQUAL, RAISED, EQUAL, decision=Decision.HIGHEST).endswith("only to WL, and stays WL wherever it was")
    assert say(EQUAL, RAISED, EQUAL, decision=Decision.UNKNOWN).endswith("WL is nowhere smaller")
    assert "outputs 0 and 2 are unchanged; output 1 may be smaller or larger" in in_words(
        Structure((EQUAL, FREE, EQUAL)), Decision.LOWEST
    )


def test_numbers_that_are_not_the_networks_own_say_nothing():
    rounded = replace(NET, layers=(replace(NET.layers[0], rounded=True), *NET.layers[1:]))
    assert structure(rounded, rounded) is None
    found = structure_json(None, Decision.LOWEST)
    assert found["outputs"] is None and found["theorem"] is False and "not its own" in found["reason"]


def test_other_shapes():
    with pytest.raises(InputError, match="different shapes"):
        structure(NET, random_network((2, 6, 4), seed=1))
