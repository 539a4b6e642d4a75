"""Certificates of small networks with a MaxPool, made here: the checker accepts those that are right, and no others."""

from dataclasses import dataclass
from fractions import Fraction
from hashlib import sha256

import numpy as np
import pytest
from onnx import ModelProto
from onnx_graphs import f32, model, node
from test_audit_check import (
    ARITHMETIC,
    ARRAYS,
    Exclusion,
    Node,
    Prover,
    Question,
    accepted,
    arrays,
    case,
    rejected,
    row,
    vnnlib,
)
from test_audit_comparison import packed

from engine.audit import bounds, onnx_maxima
from engine.audit.comparison.check import check_change
from engine.audit.onnx_reader import read_network
from engine.audit.witness import evaluate

TWO = case([-1, -1], [1, 1])


@dataclass
class PooledQuestion(Question):
    """A Question about the network of an ONNX model; `net` is the checker's reading of it."""

    net: ModelProto

    def __post_init__(self):
        self.onnx = self.net.SerializeToString()
        self.paths = [self.folder / name for name in ("proof.zip", "net.onnx", "property.vnnlib")]
        self.paths[1].write_bytes(self.onnx)
        self.net = read_network(self.paths[1])
        self.text = vnnlib(self.cases, self.net.n_inputs, self.net.n_outputs).encode()
        self.paths[2].write_bytes(self.text)


def maximum() -> ModelProto:
    """y = max(x0, x1)."""
    return model([node("MaxPool", "x", "y", kernel_shape=[2])], shape=(1, 1, 2), opset=13)


def convolutional(seed=0) -> ModelProto:
    """Two inputs over an image of 4 x 4: convolution, ReLU, MaxPool, and two scores."""
    rng = np.random.default_rng(seed)
    numbers = lambda *shape: rng.integers(-2, 3, shape).astype(np.float32) / 2
    constants = {
        "W": numbers(2, 16),
        "image": np.array([1, 1, 4, 4]),
        "K": numbers(2, 1, 2, 2),
        "B": f32(0.5, -0.5),
        "L": numbers(8, 2),
    }
    nodes = [
        node("MatMul", "x W", "a"),
        node("Reshape", "a image", "i"),
        node("Conv", "i K B", "c"),
        node("Relu", "c", "r"),
        node("MaxPool", "r", "p", kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1),
        node("Flatten", "p", "f"),
        node("MatMul", "f L", "y"),
    ]
    return model(nodes, constants, shape=(1, 2))


def largest(net, coefficients) -> Fraction:
    """Of the outputs' sum on a grid over [-1, 1]^2."""
    points = [(Fraction(i, 4), Fraction(j, 4)) for i in range(-4, 5) for j in range(-4, 5)]
    values = [evaluate(net, point) for point in points]
    return max(sum(c * y for c, y in zip(coefficients, outputs)) for outputs in values)


# Of max(x0, x1), by hand.

NEURON = 2  # its only hidden one, x0 - x1, where splits name it


def below(bound) -> list:
    """y >= bound."""
    return [row([-1], Fraction(bound))]


def above(bound) -> list:
    """y <= bound."""
    return [row([1], -Fraction(bound))]


def by_sign(of_negative, of_positive) -> Node:
    """y >= bound is excluded where x0 <= x1, there y is x1, and where x0 >= x1, there it is x0."""
    children = Node(exclusions={0: of_negative}), Node(exclusions={0: of_positive})
    return Node(split=NEURON, children=children)


#: -y >= -x1 where x0 - x1 <= 0 is assumed (h = 0), -y = -x0 where it is >= 0 (h = z): each at least -1
RIGHT = by_sign(Exclusion({0: 1024}), Exclusion({0: 1024}))


@pytest.mark.parametrize("arithmetic", ARITHMETIC)
def test_a_maximum_is_not_above_its_elements(tmp_path, arithmetic):
    """y >= 1.01 is shown by the sign of x0 - x1, and not without: h <= z / 2 + 1 makes y <= (x0 + x1) / 2 + 1 of it."""
    one = TWO | {"unsafe": [below("1.01")]}
    question = PooledQuestion(tmp_path, maximum(), [one]).write([RIGHT])
    result = accepted(question, arithmetic=arithmetic)
    assert result.margin == pytest.approx(0.01) and result.leaves == 2
    question.write([Node(exclusions={0: Exclusion({0: 1024})})])
    rejected(question, "an exclusion is not shown", arithmetic=arithmetic)


@pytest.mark.parametrize("arithmetic", ARITHMETIC)
def test_a_maximum_is_not_below_an_element(tmp_path, arithmetic):
    """y <= -1.01 with the slope 0, y >= x1; and y - x0 <= -0.01 with the slope 1, y >= x0."""
    own = [row([1], Fraction("0.01"), inputs=[-1])]
    question = PooledQuestion(tmp_path, maximum(), [TWO | {"unsafe": [above("-1.01"), own]}])
    right = Exclusion({0: 1024}, {0: 1024})
    question.write([Node(exclusions={0: Exclusion({0: 1024}, {0: 0}), 1: right})])
    accepted(question, arithmetic=arithmetic)
    question.write([Node(exclusions={0: right, 1: Exclusion({0: 1024}, {0: 1023})})])
    accepted(question, arithmetic=arithmetic)  # x0 / 1024 less
    question.write([Node(exclusions={0: right, 1: Exclusion({0: 1024}, {0: 512})})])
    rejected(question, "an exclusion is not shown", arithmetic=arithmetic)


@pytest.mark.parametrize("arithmetic", ARITHMETIC)
def test_multipliers_of_a_hidden_neuron(tmp_path, arithmetic):
    """y - x1 >= 0.01 and x1 - x0 >= 0: where x0 <= x1, y is x1; where x0 >= x1 it takes z >= 0 and the second row."""
    rows = [row([-1], Fraction("0.01"), inputs=[0, 1]), row([0], inputs=[1, -1])]
    question = PooledQuestion(tmp_path, maximum(), [TWO | {"unsafe": [rows]}])
    first, both = Exclusion({0: 1024}), Exclusion({0: 512, 1: 512})  # there y - x1 = x0 - x1
    accepted(question.write([by_sign(first, both)]), arithmetic=arithmetic)
    # twice the second row alone leaves z, which is taken off where z >= 0, and only there
    more = Exclusion({0: 256, 1: 512}, {}, {0: 0.25})
    accepted(question.write([by_sign(first, more)]), arithmetic=arithmetic)
    less = Exclusion({0: 256, 1: 512})
    rejected(question.write([by_sign(first, less)]), "node 2: an exclusion is not shown", arithmetic=arithmetic)
    rejected(question.write([by_sign(more, both)]), "node 1: an exclusion is not shown", arithmetic=arithmetic)


def test_neurons_without_a_relu_are_no_hidden_ones(tmp_path):
    """x1, the second neuron of the first layer, has no number: nothing is split by it, no slope is its own."""
    question = PooledQuestion(tmp_path, maximum(), [TWO | {"unsafe": [below("1.01")]}])
    one = Exclusion({0: 1024})
    question.write([Node(split=NEURON + 1, children=RIGHT.children)])
    rejected(question, "it is split by what is not there")
    question.write([by_sign(Exclusion({0: 1024}, {1: 0}), one)])
    rejected(question, "slope: there is no such neuron")
    question.write([by_sign(Exclusion({0: 1024}, {}, {1: 1.0}), one)])
    rejected(question, "multiplier: there is no such neuron")


def test_no_proof_is_accepted_in_float32_semantics(tmp_path):
    question = PooledQuestion(tmp_path, maximum(), [TWO | {"unsafe": [below(3)]}])
    question.write([Node(exclusions={0: Exclusion({0: 1024})})])
    accepted(question)
    question.write([Node(exclusions={0: Exclusion({0: 1024})})], semantics="float32")
    rejected(question, "a MaxPool is executed without the sums")


def test_a_checker_that_loses_neurons_is_noticed(tmp_path, monkeypatch):
    """y >= 0.9 is reached; a checker for which all neurons are 0 would accept that it is not."""
    question = PooledQuestion(tmp_path, maximum(), [TWO | {"unsafe": [below("0.9")]}])
    question.write([RIGHT])
    rejected(question, "an exclusion is not shown")
    monkeypatch.setattr(bounds, "spread", lambda hidden, relu, rest: np.zeros((*hidden.shape[:-1], len(relu))))
    assert question.run().accepted


# Of a network with more of them.


@pytest.mark.parametrize("arithmetic", ARITHMETIC)
@pytest.mark.parametrize("signs", [0, 1])
def test_proofs_that_are_found(tmp_path, arithmetic, signs):
    """What is a little above the largest value of a grid is proved not to be reached, and less is reached."""
    net = PooledQuestion(tmp_path, convolutional(), [TWO]).net
    assert [layer.has_relu.any() for layer in net.layers].count(True) == 3  # the Conv's, and two rounds
    most = largest(net, (1, -1))
    one = TWO | {"unsafe": [[row((-1, 1), most + Fraction(1, 2))]]}
    question = PooledQuestion(tmp_path, convolutional(), [one])
    tree = Prover(question.net, arithmetic, signs=signs).prove(one)
    question.write([tree])
    assert accepted(question, arithmetic=arithmetic).nodes > 1
    for change, why in CHANGES.items():
        rejected(question.write([tree], change=change), why, arithmetic=arithmetic)


def no_exclusion(found):
    for name, array in found.items():
        if name not in ("split", "cut"):
            found[name] = array[:0]


def moved_up(found):
    """The first exclusion goes to the root, where it is not shown."""
    found["node"][0] = 0


def no_neuron(found):
    split = found["split"]
    split[split >= 0] = 2 + 10**4
    found["cut"] = found["cut"][:0]


CHANGES = {
    no_exclusion: "it is a leaf with a polytope that is not excluded",
    moved_up: "an exclusion is not shown",
    no_neuron: "it is split by what is not there",
}


def test_false_claims_are_not_proved(tmp_path):
    """Each claim that a point refutes is rejected with the tree of one that holds, in both arithmetics."""
    net = PooledQuestion(tmp_path, convolutional(), [TWO]).net
    most = largest(net, (1, -1))
    true = TWO | {"unsafe": [[row((-1, 1), most + Fraction(1, 2))]]}
    tree = Prover(net, signs=1).prove(true)
    question = PooledQuestion(tmp_path, convolutional(), [TWO | {"unsafe": [[row((-1, 1), most)]]}]).write([tree])
    for arithmetic in ARITHMETIC:
        rejected(question, "an exclusion is not shown", arithmetic=arithmetic)


def test_a_certificate_is_of_the_rounds_of_the_text(tmp_path, monkeypatch):
    """Where a ReLU stands on b in place of a - b, another network is read: what was accepted is not any more."""
    one = TWO | {"unsafe": [below("1.01")]}
    question = PooledQuestion(tmp_path, maximum(), [one]).write([RIGHT])
    accepted(question)
    original = onnx_maxima._round

    def wrong(lists, width):
        weight, relu, after = original(lists, width)
        return weight, ~relu, after

    monkeypatch.setattr(onnx_maxima, "_round", wrong)
    rejected(question, "an exclusion is not shown")


# Witnesses.


def test_witnesses(tmp_path):
    """Outputs and margins are exact: max(1/3, -1/7) >= 1/4."""
    claim = TWO | {"unsafe": [below("0.25")]}
    question = PooledQuestion(tmp_path, maximum(), [claim])
    point, margin = [Fraction(1, 3), Fraction(-1, 7)], Fraction(1, 4) - Fraction(1, 3)
    accepted(question.write_witness(point, [Fraction(1, 3)], [margin], claim))
    for outputs, margins in (([Fraction(10, 21)], [margin]), ([Fraction(1, 3)], [margin + 1])):
        rejected(question.write_witness(point, outputs, margins, claim), "")
    rejected(question.write_witness([0, Fraction(-1, 7)], [0], [Fraction(1, 4)], claim), "not in the property's unsafe")


# Changes (section 9).


def weighted(first, second) -> ModelProto:
    """max(first x0, second x1)."""
    constants = {"W": np.diag(f32(first, second)), "image": np.array([1, 1, 2])}
    nodes = [node("MatMul", "x W", "a"), node("Reshape", "a image", "i"), node("MaxPool", "i", "y", kernel_shape=[2])]
    return model(nodes, constants, shape=(1, 2))


@pytest.mark.parametrize("arithmetic", ARITHMETIC)
def test_changes_of_an_element_that_is_not_the_largest(tmp_path, arithmetic):
    """x0 in [-1, -1/2] is below x1: another weight of x0 changes nothing there, another one of x1 does."""

    def is_accepted(other, unequal, most=Fraction(-1, 2)):
        return changed(tmp_path, other, Fraction(unequal), most, arithmetic).accepted

    assert is_accepted(weighted(1.125, 1), 0)
    assert not is_accepted(weighted(1.125, 1), "0.999", most=Fraction(-1, 16))
    assert not is_accepted(weighted(1, 1.125), "0.999")
    assert is_accepted(weighted(1, 1.125), 1)
    assert is_accepted(weighted(1, 1), 0)


def changed(folder, other: ModelProto, unequal: Fraction, most: Fraction, arithmetic: str):
    """The verdict on a certificate of max(x0, x1) and another network, on [-1, most] x [-1/8, 1/8].

    They have one output, and the tree is a leaf.
    """
    paths = [folder / "original.onnx", folder / "changed.onnx"]
    hashes = []
    for path, proto in zip(paths, (weighted(1, 1), other)):
        path.write_bytes(proto.SerializeToString())
        hashes.append({"name": "", "sha256": sha256(path.read_bytes()).hexdigest()})
    found = arrays([Node()], 2)
    manifest = {
        "format": "acasxu-certificate",
        "version": 1,
        "kind": "change",
        "semantics": "real",
        "network": hashes[0],
        "changed": hashes[1],
        "engine": {"name": "", "version": "", "options": {}},
        "open": "0",
        "unequal": str(unequal),
        "cases": [{"lower": ["-1", "-1/8"], "upper": [str(most), "1/8"], "unsafe": [[], []]}],
        "arrays": dict.fromkeys(ARRAYS),
    }
    certificate = packed(folder / "change.zip", manifest, found)
    return check_change(certificate, *paths, arithmetic=arithmetic)
