"""Softmax and LogSoftmax by the second checker: the axis, what follows, rows and witnesses, as in engine/audit."""

from hashlib import sha256

import numpy as np
import onnx
import pytest
import second_checker
import test_audit_endings as graphs
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx_graphs import model, node
from second_checker_layers import Rejected
from second_checker_network import UNREADABLE, read_chain
from second_checker_pairs import accepts_pairs
from test_audit_check import case, row
from test_audit_endings import ask  # noqa: F401 (a fixture)
from test_endings import CONSTANTS, ENDINGS, LAYERS, MOVES, OPERANDS, PLACES, SHAPES, WRONG, ended

from engine.audit.check import check
from engine.audit.failures import Malformed
from engine.audit.onnx_reader import read_network

OUTSIDE = (ValueError, *UNREADABLE)

# --- the file -------------------------------------------------------------------------------------


def ending_of(made: onnx.ModelProto) -> str | None:
    """None: it is not supported."""
    try:
        return read_chain(made).ending
    except OUTSIDE:
        return None


AXES = {  # shape, axis (None: it is not there) and opset; whether it is one distribution
    ((1, 4), None, 13): True,
    ((4, 1), None, 13): False,
    ((4, 1), 0, 13): True,
    ((4, 1), -2, 13): True,
    ((1, 1, 2, 2), 1, 13): False,
    ((1, 1, 2, 2), 1, 12): True,
    ((1, 4), 2, 13): False,
    ((1, 4), None, 12): True,
    ((4, 1), None, 12): False,
    ((4, 1), 0, 12): True,
    ((4,), None, 12): False,
    ((4,), None, 13): True,
    ((1, 4), -1, 11): True,
    ((1, 4), -1, 10): False,
    ((2, 2), -2, 12): True,
    ((2, 2), -2, 13): False,
}


def shaped(ending: str, shape, axis, opset: int) -> onnx.ModelProto:
    """Of four scores."""
    last = node(ending, "s", "y", **({} if axis is None else {"axis": axis}))
    nodes = [node("MatMul", "x W", "m"), node("Reshape", "m S", "s"), last]
    return model(nodes, {"W": CONSTANTS["W"], "S": np.array(shape)}, shape=(1, 2), opset=opset)


@pytest.mark.parametrize("of", AXES, ids=str)
def test_the_axis(of):
    for ending in ENDINGS:
        assert ending_of(shaped(ending, *of)) == (ending if AXES[of] else None)


@settings(max_examples=60, deadline=None)
@given(
    ending=st.sampled_from(ENDINGS),
    shape=st.sampled_from(SHAPES),
    axis=st.none() | st.integers(-5, 4),
    opset=st.sampled_from([7, 10, 11, 12, 13, 17]),
)
def test_the_axis_as_the_checker_has_it(tmp_path_factory, ending, shape, axis, opset):
    made = shaped(ending, shape, axis, opset)
    path = tmp_path_factory.getbasetemp() / "shaped.onnx"
    path.write_bytes(made.SerializeToString())
    try:
        theirs = read_network(path).ending
    except Malformed:
        theirs = None
    assert ending_of(made) == theirs


MORE = {
    "Dropout": [node("Dropout", "p", "y")],
    "a Cast": [node("Cast", "p", "y", to=onnx.TensorProto.DOUBLE)],
    "a Reshape by the shape of scores": [node("Shape", "s", "a"), node("Reshape", "p a", "y")],
}


@pytest.mark.parametrize("name", [*MOVES, *MORE])
def test_nodes_that_only_move_may_follow(name):
    chain = read_chain(ended("LogSoftmax", *(MOVES | MORE)[name], constants=PLACES))
    assert chain.ending == "LogSoftmax" and len(chain.layers) == 2 and chain.width == 3


BEYOND = WRONG | {
    "a smaller type": [node("Cast", "p", "y", to=onnx.TensorProto.FLOAT16)],
    "training": [node("Dropout", "p R T", "y")],
    "a dead sum": [node("Add", "p C", "a"), node("Identity", "p", "y")],
    "a dead sum behind scores": [node("Add", "p C", "a"), node("Identity", "s", "y")],
    "a pooling": [node("GlobalMaxPool", "p", "y")],
}
RATES = OPERANDS | {"R": np.float32(0.5), "T": np.array(True)}


@pytest.mark.parametrize("name", BEYOND)
def test_nothing_else_may(tmp_path, name):
    made = ended("Softmax", *BEYOND[name], constants=RATES)
    assert ending_of(made) is None
    (tmp_path / "n.onnx").write_bytes(made.SerializeToString())
    with pytest.raises(Malformed):
        read_network(tmp_path / "n.onnx")


def test_scores_count_where_they_are_the_output():
    """The Softmax is read by nothing; and of a hidden tensor before it."""
    dead = model([*LAYERS, node("Softmax", "s", "p"), node("Identity", "s", "y")], CONSTANTS, shape=(1, 2))
    assert read_chain(dead).ending == ""
    live = ended("Softmax")
    assert (read_chain(live, "s").ending, read_chain(live, "y").ending) == ("", "Softmax")


def test_no_float32_semantics():
    """Whatever of it is executed."""
    assert read_chain(ended("Softmax"), "s").network("float32").hidden == 4
    with pytest.raises(Rejected):
        read_chain(ended("Softmax")).network("float32")


# --- rows and witnesses ---------------------------------------------------------------------------


def both(asked) -> bool:
    """What both checkers say."""
    certificate, network, about = asked.paths
    found = second_checker.accepts(certificate, network, about)
    assert found == check(certificate, network, about, arithmetic="exact").accepted
    return found


@pytest.mark.parametrize("ending", ["", *ENDINGS])
@pytest.mark.parametrize("name", graphs.GOOD)
def test_rows_of_a_claim(tmp_path, name, ending):
    shown, good = graphs.GOOD[name]
    assert both(graphs.question(tmp_path, ending, shown).write(graphs.SHOWN)) is (ending in good)


def test_every_row_counts(tmp_path):
    less, box = graphs.LESS, graphs.BOX
    for rows, others, word in [
        ([less, row([1, 0, 0], -5)], (), False),
        ([less], [case(*box, [row([0, 1, 0])])], False),
        ([less], [case(*box, [less])], True),
    ]:
        asked = graphs.question(tmp_path, "Softmax", *rows, others=others)
        assert both(asked.write(graphs.SHOWN * (1 + len(others)))) is word


def test_a_property_may_say_more_than_its_proof(tmp_path):
    asked = graphs.question(tmp_path, "Softmax", graphs.LESS).write(graphs.SHOWN)
    text = asked.text.decode() + "(assert (<= Y_0 0.3))\n"
    asked.paths[2].write_text(text)
    changed = sha256(text.encode()).hexdigest()
    graphs.resign(asked.paths[0], lambda manifest: manifest["property"].update(sha256=changed))
    assert both(asked)


def test_a_proof_in_float32_semantics_is_rejected(tmp_path):
    assert not both(graphs.question(tmp_path, "Softmax", graphs.LESS).write(graphs.SHOWN, semantics="float32"))
    assert both(graphs.question(tmp_path, "", graphs.LESS).write(graphs.SHOWN, semantics="float32"))


TWO, LESS = row([0, -1, 0], 2), row([-1, 0, 1])
WITNESSES = {  # the file's cases, that of the witness, and its margin; whether it shows a disjunct about scores
    "an order": ([graphs.MORE], graphs.MORE, -2, True),
    "a score": ([TWO], TWO, "-1/2", False),
    "another disjunct": ([TWO, LESS], LESS, "-1/2", True),
    "its own row is none": ([TWO, LESS], TWO, "-1/2", False),
    "no disjunct that counts": ([TWO, row([1, 0, -1])], LESS, "-1/2", False),
    "a row of no disjunct": ([LESS], graphs.MORE, -2, True),
}


@pytest.mark.parametrize("name", WITNESSES)
def test_witnesses(tmp_path, name):
    rows, own, margin, word = WITNESSES[name]
    others = [case(*graphs.BOX, [one]) for one in rows[1:]]
    asked = graphs.question(tmp_path, "Softmax", rows[0], others=others)
    asked.write_witness(graphs.POINT, graphs.SCORES, [second_checker.Fraction(margin)], case(*graphs.BOX, [own]))
    assert both(asked) is word


@pytest.mark.parametrize("constant, word", [("-1/2", True), ("0", True), ("1/2", False)])
def test_rows_that_an_order_implies_do_not_count(tmp_path, constant, word):
    asked = graphs.question(tmp_path, "Softmax", graphs.MORE, row([2, -2, 0], second_checker.Fraction(constant)))
    asked.write_witness(graphs.POINT, graphs.SCORES, [-2], case(*graphs.BOX, [graphs.MORE]))
    assert both(asked) is word


def test_a_rule_between_a_rows_numbers(tmp_path):
    """At random: coefficients of outputs, which often add up to 0, and of inputs, and a constant."""
    random, found = np.random.default_rng(0), {True: 0, False: 0}
    for number in range(40):
        outputs = np.array([[1, -1, 0], [-2, 1, 1], [0, 0, 0], [2, 0, -1]][random.integers(4)])
        inputs, constant = ([], 0) if number % 2 else (random.integers(-1, 2, 2).tolist(), int(random.integers(-1, 2)))
        asked = row(outputs.tolist(), constant, inputs=inputs)
        holds = case([0, 2], [0, 2], [asked])
        ending = ENDINGS[number // 2 % 2]
        question = graphs.question(tmp_path, ending, graphs.MORE, others=[holds])
        scores = [0, 2, 0]
        margin = int(np.dot(outputs, scores)) + (2 * inputs[1] if inputs else 0) + constant
        question.write_witness([0, 2], scores, [margin], holds)
        found[both(question)] += 1
    assert min(found.values()) >= 10


# --- several networks -----------------------------------------------------------------------------


@pytest.mark.parametrize("text", graphs.ACROSS)
def test_rows_of_queries(tmp_path, text, ask):  # noqa: F811
    """Of N, which ends in a Softmax, and of M, which does not: the proof about scores is signed for N."""
    code, _ = ask(text, "")
    assert code == 0
    files = {name: tmp_path / f"{name.lower()}.onnx" for name in "NM"}
    certificate, query = tmp_path / "proof.zip", tmp_path / "query.vnnlib"
    assert accepts_pairs(certificate, files, query)
    data = graphs.net("Softmax").SerializeToString()
    files["N"].write_bytes(data)
    graphs.resign(certificate, lambda manifest: manifest["networks"][0].update(sha256=sha256(data).hexdigest()))
    found = accepts_pairs(certificate, files, query)
    assert found is graphs.ACROSS[text] and found == check(certificate, files, query, arithmetic="exact").accepted
