"""Networks that end in a Softmax or LogSoftmax: read, asked about, replayed, written and refused."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import onnxruntime
import pytest
from cases import case, prop, row
from fuzzing import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto
from onnx_graphs import f32, model, node

from engine.audit.failures import Malformed
from engine.audit.onnx_reader import read_network
from engine.comparison.service import compare_networks
from engine.domain import Domain
from engine.ending import demand_scores
from engine.errors import InputError
from engine.exact import evaluate
from engine.onnx_file import describe, load_network, lowered, parse_network, save_network
from engine.search.problem import Options
from engine.search.verify import verify
from engine.verdict import Verified, Violated

ENDINGS = ("Softmax", "LogSoftmax")
W, B, V = f32([1, -2, 3, 0.5], [-1, 2, 1, 1]), f32(1, 0, -1, 0.5), f32([1, 0, -1], [0.5, 2, 1], [-1, 1, 0], [1, 1, 1])
LAYERS = [node("Gemm", "x W B", "h"), node("Relu", "h", "r"), node("MatMul", "r V", "s")]
CONSTANTS = {"W": W, "B": B, "V": V}


def ended(ending: str, *after, opset: int = 13, constants=(), output="y", **attributes):
    """Two inputs, four ReLUs, three scores and an ending, with nodes behind it."""
    last = node(ending, "s", "p" if after else "y", **attributes)
    return model([*LAYERS, last, *after], CONSTANTS | dict(constants), shape=(1, 2), opset=opset, output=output)


def parsed(proto):
    return parse_network(proto.SerializeToString(), name="net")


def audited(folder, proto):
    path = folder / "net.onnx"
    path.write_bytes(proto.SerializeToString())
    return read_network(path)


def executed(proto, x) -> np.ndarray:
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": np.asarray(x, np.float32).reshape(1, -1)})[0].ravel()


def softmax(scores) -> np.ndarray:
    powers = np.exp(scores - np.max(scores))
    return powers / powers.sum()


SHAPES = [(4,), (1, 4), (4, 1), (2, 2), (1, 2, 2), (1, 4, 1), (1, 1, 4), (1, 2, 1, 2)]


@settings(max_examples=examples(100), deadline=None)
@given(
    ending=st.sampled_from(ENDINGS),
    shape=st.sampled_from(SHAPES),
    axis=st.none() | st.integers(-5, 4),
    opset=st.sampled_from([7, 10, 11, 12, 13, 17]),
)
def test_an_ending_is_one_where_onnxruntime_makes_one_distribution(tmp_path_factory, ending, shape, axis, opset):
    if opset < 11 and axis is not None and axis < 0:
        return  # not said by the standard, and refused
    attributes = {} if axis is None else {"axis": axis}
    nodes = [node("MatMul", "x W", "m"), node("Reshape", "m S", "s"), node(ending, "s", "y", **attributes)]
    proto = model(nodes, {"W": W, "S": np.array(shape)}, shape=(1, 2), opset=opset)
    x = np.array([0.5, -1.25], np.float32)
    try:
        found = executed(proto, x)
    except Exception:  # onnxruntime's exceptions share no base
        found = None
    wanted = softmax(x @ W) if ending == "Softmax" else np.log(softmax(x @ W))
    is_one = found is not None and np.allclose(found, wanted, atol=1e-6)
    folder = tmp_path_factory.mktemp("ended")
    if is_one:
        network, other = parsed(proto), audited(folder, proto)
        assert network.ending == other.ending == ending
        assert [Fraction(float(v)) for v in x @ W] == list(evaluate(network, [Fraction(float(v)) for v in x]))
        return
    with pytest.raises(InputError, match=ending):
        parsed(proto)
    with pytest.raises(Malformed, match=ending):
        audited(folder, proto)


MOVES = {
    "Identity": [node("Identity", "p", "y")],
    "Reshape": [node("Reshape", "p S", "y")],
    "moves in turn": [node("Unsqueeze", "p A", "a"), node("Flatten", "a", "b"), node("Squeeze", "b A", "y")],
    "a Cast to its own type": [node("Cast", "p", "y", to=TensorProto.FLOAT)],
    "a shape": [node("Shape", "p", "a"), node("Reshape", "p a", "y")],
}
PLACES = {"S": np.array([3, 1]), "A": np.array([0])}


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("name", MOVES)
def test_nodes_that_only_move_may_follow(tmp_path, name, ending):
    proto = ended(ending, *MOVES[name], constants=PLACES)
    network, other = parsed(proto), audited(tmp_path, proto)
    assert network.ending == other.ending == ending
    assert len(network.layers) == len(other.layers) == 2
    assert executed(proto, [1, 2]).shape == (3,)


WRONG = {
    "a product": [node("MatMul", "p M", "y")],
    "a sum": [node("Add", "p C", "y")],
    "a sum of zeros": [node("Add", "p Z", "y")],
    "with its own scores": [node("Sub", "p s", "y")],
    "side by side": [node("Concat", "p s", "y", axis=1)],
    "a Relu": [node("Relu", "p", "y")],
    "a Clip": [node("Clip", "p", "y")],
    "a selection": [node("Gather", "p I", "y", axis=1)],
    "another order": [node("Transpose", "p", "y")],
    "a second one": [node("Softmax", "p", "y")],
    "a logarithm": [node("LogSoftmax", "p", "y")],
    "behind a move": [node("Reshape", "p S", "a"), node("Neg", "a", "y")],
    "a mean": [node("ReduceMean", "p", "y", axes=[1])],
}
OPERANDS = PLACES | {"M": np.eye(3, dtype=np.float32), "C": f32(1, 2, 3), "Z": f32(0, 0, 0), "I": np.array([0])}


@pytest.mark.parametrize("name", WRONG)
def test_nothing_may_compute_with_probabilities(tmp_path, name):
    proto = ended("Softmax", *WRONG[name], constants=OPERANDS)
    with pytest.raises(
        InputError, match="what a Softmax gives, which is supported at the network's end only"
    ) as caught:
        parsed(proto)
    assert "cut the graph" in caught.value.advice
    with pytest.raises(Malformed, match="what a Softmax gives, which is supported at the end only"):
        audited(tmp_path, proto)


def test_a_dead_branch_counts_for_nothing(tmp_path):
    proto = model([*LAYERS, node("Softmax", "s", "p"), node("Identity", "s", "y")], CONSTANTS, shape=(1, 2))
    assert parsed(proto).ending == audited(tmp_path, proto).ending == ""


def test_constants_have_no_ending(tmp_path):
    proto = model([node("Softmax", "C", "c"), node("Add", "x c", "y")], {"C": f32(1, 2)}, shape=(1, 2))
    with pytest.raises(InputError, match="makes probabilities of constants"):
        parsed(proto)
    with pytest.raises(Malformed, match="Softmax"):
        audited(tmp_path, proto)


# --- rows -----------------------------------------------------------------------------------------


ROWS = {  # the row, and for which endings it is about scores
    "two outputs": (row([1, -1, 0]), {"Softmax", "LogSoftmax"}),
    "a factor": (row([0, Fraction(-1, 3), Fraction(1, 3)]), {"Softmax", "LogSoftmax"}),
    "strict": (row([1, 0, -1], strict=True), {"Softmax", "LogSoftmax"}),
    "inputs alone": (row([0, 0, 0], 1, inputs=[1, 2]), {"Softmax", "LogSoftmax"}),
    "no variables": (row([0, 0, 0], -1), {"Softmax", "LogSoftmax"}),
    "a constant": (row([1, -1, 0], 1), {"LogSoftmax"}),
    "an input": (row([1, -1, 0], inputs=[1, 0]), {"LogSoftmax"}),
    "three outputs": (row([2, -1, -1]), {"LogSoftmax"}),
    "other factors": (row([2, -1, 0]), set()),
    "a sum of two": (row([1, 1, 0]), set()),
    "one output": (row([1, 0, 0]), set()),
    "a threshold": (row([1, 0, 0], Fraction(-1, 2)), set()),
    "all": (row([1, 1, 1], -1), set()),
}


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("name", ROWS)
def test_rows(name, ending):
    asked, good = ROWS[name]
    question = prop(case([0, 0], [1, 1], [row([1, -1, 0]), asked]), n_outputs=3, name="rows")
    network = parsed(ended(ending))
    if ending in good:
        demand_scores(network, question)
        return
    with pytest.raises(InputError) as caught:
        verify(network, question)
    assert "the property is about" in caught.value.what and "probabilities" in caught.value.what
    assert caught.value.where == "rows" and f"without its {ending}" in caught.value.advice
    demand_scores(replace(network, ending=""), question)


def test_the_row_is_shown():
    asked = row([0, 0, -2], Fraction(1, 2), inputs=[3, 0], strict=True)
    with pytest.raises(InputError, match=r"in the row -2 Y_2 \+ 3 X_0 \+ 0.5 < 0;"):
        demand_scores(parsed(ended("Softmax")), prop(case([0, 0], [1, 1], [asked]), n_outputs=3))


NETWORKS = [parsed(ended(ending)) for ending in ENDINGS]


@settings(max_examples=examples(300), deadline=None)
@given(
    eighths=st.tuples(*[st.integers(-24, 24)] * 3),
    outputs=st.tuples(*[st.integers(-2, 2)] * 3),
    constant=st.sampled_from([0, 0, 1, -1]),
    strict=st.booleans(),
)
def test_rows_about_scores_hold_of_both(eighths, outputs, constant, strict):
    """Wherever a row is let pass, it holds of the probabilities iff of the scores (beyond float64's rounding)."""
    asked = row(outputs, constant, strict=strict)
    scores = tuple(Fraction(v, 8) for v in eighths)
    values = np.array(eighths) / 8
    for network, made in zip(NETWORKS, (softmax(values), np.log(softmax(values)))):
        try:
            demand_scores(network, prop(case([0, 0], [1, 1], [asked]), n_outputs=3))
        except InputError:
            continue
        exact = asked.value((Fraction(0),) * 2, scores)
        rough = float(np.dot(outputs, made)) + constant
        assert (rough > 1e-12) <= (exact > 0) and (rough < -1e-12) <= (exact < 0)


# --- verdicts ---------------------------------------------------------------------------------------


def questions(count: int):
    """Properties of two outputs on random boxes, of one and of several polytopes."""
    rng = np.random.default_rng(3)
    for k in range(count):
        low = rng.integers(-4, 4, 2)
        i, j, m = rng.permutation(3)
        compare = lambda one, other: row([int(u == one) - int(u == other) for u in range(3)])
        polytopes = [[compare(i, j), compare(i, m)]] if k % 2 else [[compare(i, j)], [compare(m, j), compare(i, m)]]
        yield prop(case(low.tolist(), (low + rng.integers(1, 3, 2)).tolist(), *polytopes), n_outputs=3)


@pytest.mark.parametrize("ending", ENDINGS)
def test_verdicts_are_those_of_the_scores(ending):
    proto = ended(ending)
    network, scores = parsed(proto), parsed(model(LAYERS, CONSTANTS, shape=(1, 2), output="s"))
    words = []
    for question in questions(12):
        verdict, plain = verify(network, question), verify(scores, question)
        assert verdict.word == plain.word
        words.append(verdict.word)
        if isinstance(verdict, Violated):
            found = verdict.counterexample
            assert found.stands and tuple(evaluate(network, found.point)) == found.exact_outputs
            assert list(found.outputs) == executed(proto, found.inputs).tolist()  # the file's own
    assert {"sat", "unsat"} <= set(words)


def saturated(scale: float = 1000.0):
    """Scores (1000 x, 1000, 0): of x < 1 the first one is less, and both have probabilities of 0 or 1 as executed."""
    constants = {"W": f32([scale, 0, 0]), "B": f32(0, scale, 0)}
    return model([node("Gemm", "x W B", "s"), node("Softmax", "s", "y")], constants, shape=(1, 1))


def test_equal_saturated_probabilities_are_no_counterexample_alone():
    """As executed p_2 = p_0 = 0 on most of the box, but y_2 < y_0 everywhere in it: the property holds."""
    asked = prop(case([Fraction(1, 4)], [Fraction(1, 2)], [row([1, 0, -1], n_inputs=1)]), n_outputs=3)
    network = parsed(saturated())
    assert executed(saturated(), [0.25]).tolist() == [0, 1, 0]
    assert isinstance(verify(network, asked), Verified)


def test_a_strict_row_must_hold_of_the_probabilities_as_executed():
    """y_2 < y_0 everywhere, which no executed point shows: nothing is called a counterexample that is not replayed."""
    asked = prop(case([Fraction(1, 4)], [Fraction(1, 2)], [row([-1, 0, 1], n_inputs=1, strict=True)]), n_outputs=3)
    verdict = verify(parsed(saturated()), asked, Options(timeout=2))
    assert verdict.word in ("unknown", "timeout")
    assert verdict.near_miss and verdict.near_miss.exact and not verdict.near_miss.replayed
    milder = verify(parsed(saturated(4.0)), asked, Options(timeout=2))
    assert isinstance(milder, Violated) and milder.counterexample.stands


def test_there_is_no_float32_semantics(tmp_path):
    asked = next(questions(1))
    with pytest.raises(InputError, match=r"no float32 semantics: .*\(Softmax\): scores that differ"):
        verify(parsed(ended("Softmax")), asked, Options(semantics="float32"))
    assert "Softmax" in audited(tmp_path, ended("Softmax")).obstacle


# --- what else reads and writes networks -------------------------------------------------------------


def test_it_is_written_with_its_ending(tmp_path):
    network = parsed(ended("Softmax"))
    last = network.layers[-1]
    changed = replace(network, layers=(*network.layers[:-1], replace(last, matrix=last.matrix * 2)))
    save_network(changed, tmp_path / "changed.onnx")
    found = load_network(tmp_path / "changed.onnx")
    assert found.ending == "Softmax" and (found.layers[-1].weight == 2 * last.weight).all()
    assert describe(tmp_path / "changed.onnx").ending == "Softmax"


def test_older_versions_mean_the_same():
    data = ended("Softmax", opset=17, axis=-1).SerializeToString()
    found = parse_network(lowered(data, ir_version=7, opset=14))
    assert found.ending == "Softmax"


def test_a_comparison_is_about_outputs():
    network = parsed(ended("Softmax"))
    domain = Domain((Fraction(0),) * 2, (Fraction(1),) * 2, "the unit square")
    with pytest.raises(InputError, match="a comparison is about the network's outputs, and it ends in a Softmax"):
        compare_networks(network, network, domain=domain)
