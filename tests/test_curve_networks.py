"""Sigmoid and Tanh in ONNX files: the layers that they are, what is refused of them, and certificates about them."""

import io
import json
import zipfile
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from cases import case, prop, row
from curve_models import CURVES, chain, curve_model, curve_network, single
from onnx import ModelProto
from onnx_graphs import model, node

from engine.bounds.stack import Stack
from engine.certificate import certificate_bytes, writer
from engine.cli import main
from engine.comparison.fidelity import compare
from engine.comparison.preservation import preservation
from engine.errors import InputError
from engine.evaluation import scores
from engine.images.architectures import Builder
from engine.images.certify import aggregate
from engine.images.certify.aggregate import DataFiles
from engine.images.certify.family import read_contents, read_patch
from engine.images.certify.questions import Questions
from engine.images.certify.service import Output, certify
from engine.images.classifier import classifier_of, load_classifier
from engine.images.imageset import ImageSet, Scaling
from engine.joint import make_joint
from engine.network import Affine, Network
from engine.nnet.writer import nnet_text
from engine.onnx_file import describe, load_network, parse_network, save_network
from engine.proof import ARRAYS
from engine.property import Property
from engine.query import Tie
from engine.repair.loop import repair
from engine.replay import replay
from engine.search.problem import Options, Problem
from engine.search.verify import verify, verify_all
from engine.solvers.milp import solve_box
from engine.solvers.smt import solve

OPTIONS = Options(proofs=True, device="cpu", threads=1, timeout=30)
W = np.array([[2.0, -1.0], [1.0, 3.0]], np.float32)


def layers(*nodes, constants=None) -> list[tuple]:
    """(curve or relu or none, weight is an identity) of each layer of a graph over two numbers."""
    net = read(model(nodes, {"W": W, "b": np.ones(2, np.float32)} | (constants or {}), shape=(1, 2)))
    return [(kinds(layer), np.array_equal(layer.weight, np.eye(2))) for layer in net.layers]


def kinds(layer: Affine) -> str:
    return "" if layer.relu is False else layer.curve or "relu"


def read(graph: ModelProto) -> Network:
    return parse_network(graph.SerializeToString(), name="net")


def test_a_curve_belongs_to_the_layer_before_it():
    product, bias = node("MatMul", "x W", "p"), node("Add", "p b", "q")
    assert layers(product, bias, node("Sigmoid", "q", "y")) == [("sigmoid", False)]
    assert layers(product, node("Tanh", "p", "y")) == [("tanh", False)]
    assert layers(node("Tanh", "x", "y")) == [("tanh", True)]
    assert layers(product, node("Flatten", "p", "r"), node("Tanh", "r", "y")) == [("tanh", False)]


def test_a_second_curve_and_a_relu_are_layers_of_their_own():
    product = node("MatMul", "x W", "p")
    two = [("sigmoid", False), ("tanh", True)]
    assert layers(product, node("Sigmoid", "p", "s"), node("Tanh", "s", "y")) == two
    same = [("tanh", False), ("tanh", True)]
    assert layers(product, node("Tanh", "p", "s"), node("Tanh", "s", "y")) == same
    assert layers(product, node("Tanh", "p", "s"), node("Relu", "s", "y")) == [("tanh", False), ("relu", True)]
    assert layers(product, node("Relu", "p", "s"), node("Tanh", "s", "y")) == [("relu", False), ("tanh", True)]
    both = node("Tanh", "p", "s"), node("Relu", "s", "t"), node("Relu", "t", "y")
    assert layers(product, *both) == [("tanh", False), ("relu", True)]


def test_branches_with_one_curve_meet():
    nodes = [node("MatMul", "x W", "p"), node("Sigmoid", "p", "s"), node("MatMul", "s W", "t"), node("Add", "s t", "y")]
    net = read(model(nodes, {"W": W}, shape=(1, 2)))
    x = np.array([[0.3, -0.7]])
    s = 1 / (1 + np.exp(-(x @ W)))
    assert np.allclose(net.evaluate(x), s + s @ W) and [kinds(layer) for layer in net.layers] == ["sigmoid", "", ""]
    # a branch with a curve, and one that is carried on: a layer with a curve on half of its neurons
    nodes = [node("Tanh", "x", "s"), node("Concat", "s x", "y", axis=1)]
    net = read(model(nodes, {}, shape=(1, 2)))
    assert net.layers[0].curve == "tanh" and net.layers[0].relus.tolist() == [0, 1] and net.layers[0].is_mixed
    assert np.allclose(net.evaluate(x), np.concatenate([np.tanh(x), x], 1))
    # a ReLU after that is on all neurons, of a layer of its own
    net = read(model([*nodes[:1], node("Concat", "s x", "c", axis=1), node("Relu", "c", "y")], {}, shape=(1, 2)))
    assert [kinds(layer) for layer in net.layers] == ["tanh", "relu"]


@pytest.mark.parametrize("first, second", [("Sigmoid", "Tanh"), ("Relu", "Sigmoid"), ("Tanh", "Relu")])
def test_branches_with_two_kinds_do_not_meet(first, second):
    nodes = [node(first, "x", "s"), node(second, "x", "t"), node("Sub", "s t", "y")]
    names = " and ".join(sorted((first, second)))
    with pytest.raises(InputError, match=f"branches meet that have {names} at the same depth; export it with one"):
        read(model(nodes, {}, shape=(1, 2)))


def test_networks_are_what_onnxruntime_executes():
    for operators in (["Sigmoid"], ["Tanh"], ["Tanh", "Relu", "Sigmoid"]):
        net = curve_network([3, 6, 5, 4, 2], operators, seed=1)
        x = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
        assert np.allclose(replay(net, x), net.evaluate(x), atol=1e-4)


def test_what_bends_is_part_of_the_shape():
    shapes = [Network((Affine(np.eye(2), np.zeros(2), True, curve=curve),)).shape for curve in ("", *CURVES)]
    assert len(set(shapes)) == 3 and len(set(map(hash, shapes))) == 3
    assert Affine(np.eye(2), np.zeros(2), False, curve="tanh").curve == ""  # no neuron has it
    assert Affine(np.eye(2), np.zeros(2), np.array([False, False]), curve="tanh").curve == ""


def test_derivatives():
    layer = Affine(np.eye(3), np.zeros(3), np.array([True, False, True]), curve="sigmoid")
    z = np.array([[0.0, 5.0, 2.0]])
    s = 1 / (1 + np.exp(-2.0))
    assert np.allclose(layer.passes(z), [[0.25, 1, s * (1 - s)]]) and np.allclose(layer.outputs(z), [[0.5, 5, s]])


def test_written_files_keep_curves(tmp_path):
    net = curve_network([2, 4, 2], ["Sigmoid"], seed=0)
    changed = replace(net, layers=(replace(net.layers[0], bias=net.layers[0].bias * 2), *net.layers[1:]))
    saved = save_network(changed, tmp_path / "a.onnx")
    again = load_network(tmp_path / "a.onnx")
    assert saved.sha256 == again.sha256 and again.shape == net.shape and again.layers[0].curve == "sigmoid"
    other = replace(net, layers=(replace(net.layers[0], curve="tanh"), *net.layers[1:]))
    with pytest.raises(InputError, match="do not have the shape"):
        save_network(other, tmp_path / "b.onnx")


def test_descriptions_count_curves(tmp_path, capsys):
    path = tmp_path / "a.onnx"
    path.write_bytes(curve_model([2, 4, 3, 2], ["Sigmoid", "Relu"], seed=0).SerializeToString())
    found = describe(path)
    assert (found.relus, found.curves) == (3, (("Sigmoid", 4),))
    assert main(["info", str(path)]) == 0
    assert "curves     4 Sigmoid\n" in capsys.readouterr().out
    main(["info", str(path), "--json"])
    assert json.loads(capsys.readouterr().out)["curves"] == {"Sigmoid": 4}


# What is about ReLUs alone


def asked(threshold: str) -> Property:
    return prop(case([-1, -1], [1, 1], [row([1, -1], n_inputs=2, constant=-Fraction(threshold))]), n_outputs=2)


TIES = tuple(Tie(((i, Fraction(1)),), Fraction(0)) for i in range(2))
REFUSALS = {
    "repair": lambda net: repair(net, [asked("1")], lower=[-1, -1], upper=[1, 1]),
    "a proof of what stays the same": lambda net: preservation(net, net, lower=[-1, -1], upper=[1, 1]),
    "a comparison": lambda net: compare(net, net, [asked("1")]),
    "measuring it": lambda net: scores(net, np.zeros((1, 2))),
    "a question about several networks, or in VNN-LIB 2.0,": lambda net: make_joint([(net, TIES)], n_inputs=2),
    "a mixed-integer program": lambda net: solve_box(
        net, asked("1").cases[0], lower=[-1, -1], upper=[1, 1], l=np.zeros(3), u=np.zeros(3)
    ),
    "an exact answer by z3": lambda net: solve(net, asked("1")),
    "writing a .nnet file of it": lambda net: nnet_text(net, None),
    "a proof of float32 semantics": lambda net: Stack([net], semantics="float32"),
}


@pytest.mark.parametrize("what", REFUSALS)
def test_what_is_about_relus_alone_says_so(what):
    net = curve_network([2, 3, 3, 2], ["Sigmoid", "Tanh"], seed=0)
    with pytest.raises(InputError) as caught:
        REFUSALS[what](net)
    assert str(caught.value).split(": ", 1)[1].startswith(f"{what} is not possible: it has Sigmoid and Tanh layers")


def test_float32_semantics_is_refused_with_a_reason(tmp_path, capsys):
    path, spec = tmp_path / "a.onnx", tmp_path / "p.vnnlib"
    path.write_bytes(curve_model([1, 2, 1], ["Tanh"], seed=0).SerializeToString())
    spec.write_text(
        "(declare-const X_0 Real)(declare-const Y_0 Real)(assert (>= X_0 0))(assert (<= X_0 1))(assert (>= Y_0 99))"
    )
    assert main(["verify", str(path), str(spec), "--semantics", "float32"]) == 2
    said = capsys.readouterr().err
    assert "a proof of float32 semantics is not possible: it has Tanh layers" in said and said.count("\n") == 1
    assert main(["verify", str(path), str(spec)]) == 0


def test_curves_of_constants_are_refused():
    with pytest.raises(InputError, match=r"node 's' \(Sigmoid\): it bends a constant"):
        read(model([node("Sigmoid", "W", "s"), node("MatMul", "x s", "y")], {"W": W}, shape=(1, 2)))


def test_attributes_are_refused():
    with pytest.raises(InputError, match="attribute 'alpha' is not supported"):
        read(model([node("Tanh", "x", "y", alpha=1.0)], {}, shape=(1, 2)))


# Certificates of version 5


def manifest_of(data: bytes) -> dict:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return json.loads(archive.read("manifest.json"))


@pytest.mark.parametrize("always", [False, True])
def test_certificates_about_curves_are_of_version_5(monkeypatch, always):
    monkeypatch.setattr(writer, "parse_certificate", lambda members, where: None)
    net = replace(curve_network([2, 4, 4, 2], ["Sigmoid"], seed=0), sha256="0" * 64)
    words = set()
    for threshold in ("-20", "20"):
        question = replace(asked(threshold), sha256="1" * 64)
        (verdict,) = verify_all([Problem(net, question)], OPTIONS, always_cones=always)
        words.add(verdict.word)
        manifest = manifest_of(certificate_bytes(net, question, verdict, OPTIONS))
        proof = verdict.word == "unsat"
        assert manifest["version"] == 5 and manifest["semantics"] == "real"
        assert manifest["cones"] is (proof and always) and manifest["kind"] == ("proof" if proof else "witness")
        if proof:
            assert list(manifest["arrays"]) == list(ARRAYS) and manifest["arrays"]["slope"]["count"] == 0
        else:
            outputs = [Fraction(value) for value in manifest["outputs"]]
            margins = [outputs[0] - outputs[1] - Fraction(threshold)]
            assert margins == [Fraction(value) for value in manifest["margins"]] and margins[0] <= 0
    assert words == {"sat", "unsat"}


def test_certificates_about_relus_have_no_cones_key(monkeypatch):
    monkeypatch.setattr(writer, "parse_certificate", lambda members, where: None)
    net = replace(curve_network([2, 4, 2], ["Relu"], seed=0), sha256="0" * 64)
    question = replace(asked("-100"), sha256="1" * 64)
    manifest = manifest_of(certificate_bytes(net, question, verify(net, question, OPTIONS), OPTIONS))
    assert manifest["version"] == 8 and "cones" not in manifest


def test_a_witness_of_one_neuron():
    """y = s(x) at 3 / 8: the multiple of 2^-60 nearest to 0.592666599954..."""
    net = single("sigmoid")
    nodes = [node("Sigmoid", "x", "s"), node("Gemm", "s W b", "y")]
    graph = chain(nodes, {"W": np.eye(1), "b": np.zeros(1)}, 1, 1)
    net = read(graph)
    question = prop(case(["3/8"], ["3/8"], [row([1], n_inputs=1, constant="-6/10")]), n_outputs=1)
    found = verify(net, question, OPTIONS).counterexample
    assert found.exact and found.exact_outputs == (Fraction(683298068149270371, 2**60),)


def test_certificates_of_images_say_so(tmp_path, monkeypatch):
    monkeypatch.setattr(aggregate, "parse_claim", lambda members, where: None)
    b = Builder((1, 6, 6), activation="sigmoid", seed=3)
    scores = b.dense(b.act(b.dense(b.act(b.dense(b.flatten("image"), 8)), 6)), 3)
    (tmp_path / "n.onnx").write_bytes(classifier_of(b.model(scores, "n"), name="n.onnx", scaling=Scaling.UNIT).data)
    images = ImageSet(np.random.default_rng(0).random((6, 1, 6, 6)).astype(np.float32), np.arange(6) % 3, 3, "made")
    network, classifier = load_network(tmp_path / "n.onnx"), load_classifier(tmp_path / "n.onnx")
    patch = read_patch("3x2@1,1", (1, 6, 6))
    labels = classifier.predict(images.images)
    questions = Questions(
        classifier, network, replace(images, labels=labels), patch, read_contents("any", Scaling.UNIT), None
    )
    record = certify(questions, OPTIONS, data="made", output=Output(folder=tmp_path / "out"))
    names = DataFiles("made", "0" * 64, "1" * 64)
    keys = [(i, 0) for i in range(6)]
    verdicts = verify_all([Problem(network, questions.property(*key)) for key in keys], OPTIONS, always_cones=True)
    proofs = {key: verdict.proof for key, verdict in zip(keys, verdicts, strict=True) if verdict.word == "unsat"}
    words = [finding.word for finding in record.ledger.findings.values()]
    assert words.count("proved") == len(proofs)
    assert proofs and all(proof.of_cone for proof in proofs.values())
    manifest = manifest_of(aggregate.certificate_bytes(questions, names, range(6), proofs, OPTIONS))
    assert (manifest["version"], manifest["cones"], manifest["kind"]) == (5, True, "images")
