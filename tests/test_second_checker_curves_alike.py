"""Sigmoid and Tanh by both checkers: the same layers, values, lines and words."""

import random
from fractions import Fraction
from pathlib import Path

import numpy as np
import onnx
import pytest
import second_checker
import second_checker_network
from curve_certificates import case, proof, row, split, witness, written
from curve_certificates import leaf as of_tree
from meeting_graphs import branching
from mutated_certificates import curved
from second_checker_curves import CURVES
from test_second_checker_cones import agree, ours, theirs  # noqa: F401 (theirs is a fixture)
from test_second_checker_curves import FORMS, ONE, QUESTION

from engine.audit.failures import Malformed
from engine.audit.onnx_reader import read_network


@pytest.mark.parametrize("draft, data, word", FORMS)
@pytest.mark.parametrize("arithmetic", ["exact", "float64"])
def test_words(tmp_path, draft, data, word, arithmetic, theirs):  # noqa: F811
    word = {True: "accepted", False: "rejected"}.get(word, word)
    certificate, files = written(tmp_path, draft, data)
    assert theirs(certificate, files, arithmetic)[0] == word


TREES = [
    of_tree(),
    split(1, of_tree(multipliers=[(0, 1 / 8)]), of_tree(multipliers=[(0, 1 / 64)])),
    split(0, of_tree(), of_tree(), cut=0.5),
]


@pytest.mark.parametrize("root", TREES)
def test_margins_by_hand(tmp_path, root, theirs):  # noqa: F811
    certificate, files = written(tmp_path, proof([QUESTION], root), ONE)
    found = ours(certificate, files)
    assert found[0] == "accepted" and agree(found, theirs(certificate, files))


# --- witnesses ------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(6))
def test_witnesses(tmp_path, seed, theirs):  # noqa: F811
    """What is not in doubt; and, just in doubt; and with another last bit."""
    numbers = np.random.default_rng(seed)
    data = curved(numbers, 2, [0, 0])
    block = second_checker_network.read_chain(onnx.load_from_string(data)).network("real").blocks[0]
    point = [Fraction(int(v), 7) for v in numbers.integers(-7, 8, 4)]
    values, radii = second_checker.evaluate(block, point)
    for constant, shift, word in (
        (-values[0] - radii[0], Fraction(0), "accepted"),
        (-values[0] - radii[0] + Fraction(1, 2**90), Fraction(0), "rejected"),
        (-values[0] - 1, Fraction(1, 2**60), "rejected"),
    ):
        found = case([-1] * 4, [1] * 4, [row({0: 1}, constant)])
        outputs = [values[0] + shift, values[1]]
        certificate, files = written(tmp_path, witness(found, point, outputs, [outputs[0] + constant]), data, 2)
        assert [judge(certificate, files)[0] for judge in (ours, theirs)] == [word, word]


# --- networks -------------------------------------------------------------------------------------


def bent(seed: int) -> onnx.ModelProto:
    """A graph with branches in which some ReLUs and other nodes of one operand are curves."""
    made, draw = branching(seed, most=14), random.Random(seed)
    kinds = draw.sample(["Sigmoid", "Tanh"], draw.choice([1, 1, 2]))
    for each in made.graph.node:
        if each.op_type in ("Relu", "Neg", "Identity") and each.output[0] != "y" and draw.random() < 0.6:
            each.op_type = draw.choice(kinds)
    return made


def theirs_of(path: Path) -> list | None:
    """(W, b, which neurons have a ReLU or a curve, and which curve) of each layer, by engine/audit."""
    try:
        layers = read_network(path).layers
    except Malformed:
        return None
    return [
        (np.asarray(a.weight).tolist(), a.bias.tolist(), a.has_relu.tolist(), str(getattr(a.curve, "name", "")).lower())
        for a in layers
    ]


def ours_of(path: Path) -> list | None:
    try:
        layers = second_checker_network.read_chain(second_checker_network.read_model(path)[0]).layers
    except ValueError:
        return None
    names = {curve: name.lower() for name, curve in CURVES.items()} | {None: ""}
    floats = lambda numbers: [float(v) for v in numbers]
    return [([floats(w) for w in a.weights], floats(a.bias), a.relus, names[a.curve]) for a in layers]


def read_alike(seeds: range, path: Path) -> tuple[int, int]:
    """How many graphs have a curve, and how many have kinds that do not meet."""
    curves = refused = 0
    for seed in seeds:
        path.write_bytes(bent(seed).SerializeToString())
        found = ours_of(path)
        assert found == theirs_of(path), seed
        curves += found is not None and any(kind for *_, kind in found)
        refused += found is None
    return curves, refused


def test_networks(tmp_path):
    curves, refused = read_alike(range(150), tmp_path / "n.onnx")
    assert curves > 30 and refused > 1


@pytest.mark.slow
def test_many_networks(tmp_path):
    curves, refused = read_alike(range(1000, 4000), tmp_path / "n.onnx")
    assert curves > 600 and refused > 30
