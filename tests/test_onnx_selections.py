"""Operators that select, repeat, join and add up elements of the signal: as onnxruntime executes them."""

from fractions import Fraction

import numpy as np
import pytest
from onnx import helper, numpy_helper
from onnx_graphs import f32, model, node

from engine.errors import InputError
from engine.exact import evaluate
from engine.network import Network
from engine.onnx_file import parse_network
from engine.replay import replay
from engine.search.problem import Options
from engine.search.verify import verify
from engine.vnnlib import parse_property

CONSTANTS = {
    "W": f32([1, 2, -3], [3, -4, 5]),  # [2, 3]
    "places": np.array([2, 0, -1]),
    "place": np.array(1),
    "zero": np.array([0]),
    "one": np.array([1]),
    "two": np.array([2]),
    "low": np.array([-100]),
    "end": np.array([100]),
    "back": np.array([-1]),
    "parts": np.array([1, 2]),
    "ten": np.ones(10, np.int64),
    "wrong": np.array([1, 1]),
    "wide": np.array([4, 2, 3]),
    "c": f32([7, 8, 9]),
    "d": f32([7, 8]),
    "truth": np.array([True, False]),
    "double": np.ones((1, 3)),
    "both": np.array([0, 0]),
    "twice": np.array([1, -1]),
    "much": np.array([10**6, 10**6]),
}
NINE = numpy_helper.from_array(f32(9))


def some(operator: str, inputs: str, **attributes):
    return [node(operator, inputs, "y", **attributes)]


def split(outputs: str, inputs: str = "x parts", **attributes):
    return [helper.make_node("Split", inputs.split(), outputs.split(), **attributes)]


#: name -> nodes, the input's shape, the opset
READ = {
    "gather": (some("Gather", "x places", axis=1), (2, 3), 13),
    "gather one": (some("Gather", "x place", axis=-1), (2, 3), 13),
    "slice": (some("Slice", "x one two one"), (2, 3), 13),
    "slice backwards": (some("Slice", "x end low one back"), (2, 3), 13),
    "slice by attributes": (some("Slice", "x", starts=[-2], ends=[9], axes=[1]), (2, 3), 9),
    "first part": (split("y rest", axis=1), (2, 3), 13),
    "second part": (split("rest y", axis=-1), (2, 3), 18),
    "equal parts": (split("r y s", "x", axis=1, num_outputs=3), (2, 3), 18),
    "unequal parts": (split("r y", "x", axis=1, num_outputs=2), (2, 3), 18),
    "parts by attribute": (split("r y", "x", axis=1, split=[2, 1]), (2, 3), 11),
    "many parts": (split("a b c d e f g h i y", "x ten", axis=1), (1, 10), 13),
    "expand": (some("Expand", "x wide"), (2, 1), 13),
    "join behind": (some("Concat", "x c", axis=0), (2, 3), 13),
    "join before": (some("Concat", "c x c", axis=-2), (2, 3), 13),
    "sum": (some("ReduceSum", "x one", keepdims=0), (2, 3), 13),
    "sum of all": (some("ReduceSum", "x"), (2, 3), 13),
    "sum that keeps": (some("ReduceSum", "x back", keepdims=1), (2, 3), 13),
    "sum by attribute": (some("ReduceSum", "x", axes=[0], keepdims=0), (2, 3), 11),
    "no sum": (some("ReduceSum", "x", noop_with_empty_axes=1), (2, 3), 13),
    "mean": (some("ReduceMean", "x", axes=[0]), (2, 3), 13),
    "mean by input": (some("ReduceMean", "x zero", keepdims=0), (2, 3), 18),
    "after a layer": (
        [node("MatMul", "x W", "a"), node("Relu", "a", "b"), node("Gather", "b places", "g", axis=1)]
        + [node("Neg", "g", "n"), node("ReduceSum", "n one", "y", keepdims=0)],
        (1, 2),
        13,
    ),
    "filled": (
        [node("ConstantOfShape", "parts", "k", value=NINE), node("Add", "x k", "y")],
        (1, 2),
        13,
    ),
    "filled with zeros": ([node("ConstantOfShape", "parts", "k"), node("Add", "x k", "y")], (1, 2), 13),
}


def read(nodes, shape, opset=13) -> Network:
    return parse_network(proto(nodes, shape, opset).SerializeToString())


def proto(nodes, shape, opset=13):
    used = {name for each in nodes for name in each.input}
    constants = {name: value for name, value in CONSTANTS.items() if name in used}
    return model(nodes, constants, shape=shape, opset=opset)


@pytest.mark.parametrize("name", READ)
def test_the_network_is_what_onnxruntime_runs(name):
    """Numbers are small integers, so that float32 execution is exact; means of two are, too."""
    network = read(*READ[name])
    points = np.random.default_rng(3).integers(-9, 10, (5, network.n_inputs)).astype(np.float32)
    for point, executed in zip(points, replay(network, points)):
        assert list(map(Fraction, map(float, executed))) == list(evaluate(network, tuple(map(float, point))))


REFUSED = {
    "gather outside": (some("Gather", "x places", axis=0), "gathers what axis 0 of shape [2, 3] has not"),
    "gather by floats": (some("Gather", "x c", axis=0), "places that are no constant integers"),
    "slice of nothing": (some("Slice", "x two one one"), "it takes nothing"),
    "parts that do not fit": (split("y r", "x wrong", axis=1), "sizes [1, 1] are not those of axis 1"),
    "parts without a name": (split("y", axis=1), "it has 1 outputs instead of 2"),
    "too many parts": (split("y r s t", "x", axis=1, num_outputs=4), "axis 1 of [2, 3] has no 4 parts"),
    "parts that meet": ([*split("a b", axis=0), node("Concat", "a b", "y", axis=0)], "sizes [1, 2] are not those"),
    "branches that meet": (
        [*split("a b", "x wrong", axis=0), node("Mul", "a b", "y")],
        "node 'y' (Mul): two branches meet in it",
    ),
    "expand to another shape": (some("Expand", "x parts"), "do not fit"),
    "join of other sizes": (some("Concat", "x d", axis=0), "it joins what does not fit"),
    "sum of constants": ([node("ReduceSum", "c", "k"), node("Add", "x k", "y")], "it adds up constants"),
    "filled with much": (
        [node("ConstantOfShape", "much", "k"), node("Add", "x k", "y")],
        "is too large, or empty",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(name):
    nodes, what = REFUSED[name]
    opset = 18 if any("num_outputs" in [a.name for a in each.attribute] for each in nodes) else 13
    with pytest.raises(InputError) as caught:
        parse_network(proto(nodes, (2, 3), opset).SerializeToString())
    assert what in str(caught.value) and caught.value.advice


def test_means_are_not_executed_as_analysed():
    assert "ReduceMean" in read(*READ["mean"]).float32_obstacle
    assert not read(*READ["sum"]).float32_obstacle and not read(*READ["gather"]).float32_obstacle


@pytest.mark.parametrize("semantics", ["real", "float32"])
def test_sums_are_verified(semantics):
    """x_0 + x_1 + x_2 of [0, 1]^3 reaches 3 and not more."""
    text = "".join(f"(declare-const X_{i} Real)(assert (<= 0 X_{i}))(assert (<= X_{i} 1))" for i in range(3))
    network = read(some("ReduceSum", "x"), (1, 3))
    for threshold, word in (("2.9", "sat"), ("3.001", "unsat")):
        prop = parse_property(f"{text}(declare-const Y_0 Real)(assert (>= Y_0 {threshold}))")
        assert verify(network, prop, Options(device="cpu", semantics=semantics)).word == word
