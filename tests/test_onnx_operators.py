"""Affine steps as exporters write them: layers worked out by hand, both readers, and onnxruntime."""

import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from onnx import TensorProto, helper
from onnx_graphs import f32, model, node

from engine.audit.failures import Malformed
from engine.audit.onnx_reader import read_network
from engine.audit.witness import evaluate as evaluate_again
from engine.audit.witness import radii as radii_again
from engine.errors import InputError
from engine.exact import evaluate, radii
from engine.onnx_file import describe, parse_network, rewritten
from engine.onnx_file.quotients import normalizing, reciprocals
from engine.property import Row
from engine.replay import Replay

W, WT, V = f32([1, 2], [3, 4], [5, 6]), f32([1, 3, 5], [2, 4, 6]), f32(1, -2, 3)
LAYER, EYE = (WT.tolist(), [0.0, 0.0], False), np.eye(3).tolist()
MATMUL = node("MatMul", "a W", "y")
CONSTANTS = {
    "W": W,
    "WT": WT,
    "W3": W[None],
    "V": V,
    "B": f32(7, 8),
    "two": np.array(2.0, np.float32),
    "half": f32(2, 4, 0.5),
    "zero": np.array(0.0, np.float32),
    "zeros": f32(0, 0, 0),
    "inf": np.array(np.inf, np.float32).clip(None, 3.5e38),
    "large": np.array(3.4028235e38, np.float32),
    "axes": np.array([0]),
    "last": np.array([-1]),
    "no": np.array(False),
    "ratio": np.array(0.5, np.float32),
    "i0": np.array(0),
    "start": np.array([0]),
    "stop": np.array([1]),
    "minus": np.array([-1]),
    "three": np.array([3]),
    "one": np.array([1]),
    "gather32": np.array([0], np.int32),
}
del CONSTANTS["inf"]


def diag(*factors) -> tuple:
    return np.diag(np.array(factors, float)).tolist(), [0.0] * len(factors), False


def constant(**value):
    return helper.make_node("Constant", [], ["k"], **value)


#: name -> nodes, the layers expected, the input's shape, the opsets
EXACT = {
    "mul by a scalar": ([node("Mul", "x two", "a"), MATMUL], [diag(2, 2, 2), LAYER], (1, 3), (7, 13, 21)),
    "mul by a vector, from the left": ([node("Mul", "V x", "a"), MATMUL], [diag(1, -2, 3), LAYER], (1, 3), (7, 14)),
    "mul after a layer": ([node("MatMul", "x W", "a"), node("Mul", "a B", "y")], [LAYER, diag(7, 8)], (1, 3), (13,)),
    "mul by ones stays": ([node("Mul", "x one32", "a"), MATMUL], [diag(1, 1, 1), LAYER], (1, 3), (13,)),
    "mul, then add": (
        [node("Mul", "x V", "a"), node("Add", "a V", "y")],
        [(np.diag(V).tolist(), V.tolist(), False)],
        (1, 3),
        (13,),
    ),
    "div by powers of two": ([node("Div", "x half", "a"), MATMUL], [diag(0.5, 0.25, 2), LAYER], (1, 3), (7, 14)),
    "neg of a product": (
        [node("MatMul", "x W", "a"), node("Neg", "a", "y")],
        [((-WT).tolist(), [0.0, 0.0], False)],
        (1, 3),
        (7, 13),
    ),
    "neg of a layer": (
        [node("Gemm", "x W B", "a"), node("Neg", "a", "y")],
        [(WT.tolist(), [7.0, 8.0], False), diag(-1, -1)],
        (1, 3),
        (13,),
    ),
    "clip, by attributes": (
        [node("MatMul", "x W", "a"), node("Clip", "a", "y", min=0.0)],
        [(*LAYER[:2], True)],
        (1, 3),
        (7, 10),
    ),
    "clip, by attributes both": (
        [node("MatMul", "x W", "a"), node("Clip", "a", "y", min=0.0, max=3.4028235e38)],
        [(*LAYER[:2], True)],
        (1, 3),
        (7,),
    ),
    "clip, by an input": (
        [node("MatMul", "x W", "a"), node("Clip", "a zero", "y")],
        [(*LAYER[:2], True)],
        (1, 3),
        (11, 12, 13),
    ),
    "clip, by both inputs": (
        [node("MatMul", "x W", "a"), node("Clip", "a zero large", "y")],
        [(*LAYER[:2], True)],
        (1, 3),
        (13,),
    ),
    "max with 0": ([node("MatMul", "x W", "a"), node("Max", "a zero", "y")], [(*LAYER[:2], True)], (1, 3), (8, 13)),
    "max of zeros": ([node("Max", "zeros x", "a"), MATMUL], [(EYE, [0.0] * 3, True), LAYER], (1, 3), (13,)),
    "dropout": ([node("Dropout", "x", "a"), MATMUL], [LAYER], (1, 3), (7, 10, 13)),
    "dropout with its mode": ([node("Dropout", "x ratio no", "a"), MATMUL], [LAYER], (1, 3), (12, 22)),
    "dropout with a mask": ([helper.make_node("Dropout", ["x"], ["a", "m"]), MATMUL], [LAYER], (1, 3), (10, 13)),
    "cast": ([node("Cast", "x", "a", to=TensorProto.FLOAT), MATMUL], [LAYER], (1, 3), (7, 13, 19)),
    "transposed weights": (
        [node("Transpose", "WT", "k", perm=[1, 0]), node("MatMul", "x k", "y")],
        [LAYER],
        (1, 3),
        (7, 13, 21),
    ),
    "transposed without an order": ([node("Transpose", "WT", "k"), node("MatMul", "x k", "y")], [LAYER], (1, 3), (13,)),
    "transposed signal": ([node("Transpose", "x", "a", perm=[0, 2, 1]), MATMUL], [LAYER], (1, 3, 1), (13,)),
    "squeeze, by attribute": ([node("Squeeze", "x", "a", axes=[0, -2]), MATMUL], [LAYER], (1, 1, 3), (11,)),
    "squeeze, by input": ([node("Squeeze", "x axes", "a"), MATMUL], [LAYER], (1, 1, 3), (13, 21)),
    "squeeze all": ([node("Squeeze", "x", "a"), MATMUL], [LAYER], (1, 1, 3), (7, 13)),
    "unsqueeze, by attribute": ([node("Unsqueeze", "x", "a", axes=[0, -2]), MATMUL], [LAYER], (3,), (11,)),
    "unsqueeze, by input": ([node("Unsqueeze", "x axes", "a"), MATMUL], [LAYER], (3,), (13, 21)),
    "vector on the right": ([node("MatMul", "x V", "y")], [([V.tolist()], [0.0], False)], (1, 3), (7, 13)),
    "vector on the left": ([node("MatMul", "V x", "y")], [([V.tolist()], [0.0], False)], (3, 1), (13,)),
    "two vectors": ([node("MatMul", "V x", "y")], [([V.tolist()], [0.0], False)], (3,), (13,)),
    "a stack of one matrix": ([node("MatMul", "x W3", "y")], [LAYER], (1, 3), (13,)),
    "a stack of matrices": (
        [node("MatMul", "x S", "y")],
        [([[1, 2], [5, 6], [3, 4], [7, 8]], [0.0] * 4, False)],
        (1, 2),
        (13,),
    ),
    "gemm of a column": ([node("Gemm", "x W", "y", transA=1)], [LAYER], (3, 1), (13,)),
    "gemm of a row": ([node("Gemm", "WT x", "y", transB=1)], [LAYER], (1, 3), (13,)),
    "view": (
        [
            node("Shape", "x", "s"),
            node("Gather", "s i0", "g", axis=0),
            node("Unsqueeze", "g axes", "u"),
            node("Concat", "u minus", "t", axis=0),
            node("Reshape", "x t", "a"),
            MATMUL,
        ],
        [LAYER],
        (1, 3, 1),
        (13, 20),
    ),
    "view, sliced": (
        [
            node("Shape", "x", "s"),
            node("Slice", "s start stop", "g"),
            node("Concat", "g three", "t", axis=0),
            node("Reshape", "x t", "a"),
            MATMUL,
        ],
        [LAYER],
        (1, 3, 1),
        (10, 13),
    ),
    "view, sliced by attributes": (
        [
            node("Shape", "x", "s"),
            node("Slice", "s", "g", starts=[0], ends=[1], axes=[0]),
            node("Concat", "g minus", "t", axis=0),
            node("Reshape", "x t", "a"),
            MATMUL,
        ],
        [LAYER],
        (1, 3, 1),
        (9,),
    ),
    "view, multiplied out": (
        [
            node("Shape", "x", "s", start=1),
            node("Gather", "s gather32", "g"),
            node("Gather", "s one", "h"),
            node("Mul", "g h", "p"),
            node("Concat", "one p", "t", axis=0),
            node("Reshape", "x t", "a"),
            MATMUL,
        ],
        [LAYER],
        (1, 3, 1),
        (15, 21),
    ),
    "view, cast": (
        [
            node("Shape", "x", "s"),
            node("Cast", "s", "c", to=TensorProto.INT32),
            node("Cast", "c", "d", to=TensorProto.INT64),
            node("Reshape", "x d", "a"),
            MATMUL,
        ],
        [LAYER],
        (1, 3),
        (13,),
    ),
    "value_floats": (
        [constant(value_floats=[7.0, 8.0]), node("Gemm", "x W k", "y")],
        [(WT.tolist(), [7.0, 8.0], False)],
        (1, 3),
        (12, 13),
    ),
    "value_float": (
        [constant(value_float=2.0), node("Mul", "x k", "a"), MATMUL],
        [diag(2, 2, 2), LAYER],
        (1, 3),
        (13,),
    ),
    "value_ints": ([constant(value_ints=[1, 3]), node("Reshape", "x k", "a"), MATMUL], [LAYER], (1, 3, 1), (12, 13)),
    "value_int": (
        [constant(value_int=-1), node("Unsqueeze", "k axes", "t"), node("Reshape", "x t", "a"), MATMUL],
        [LAYER],
        (1, 3, 1),
        (13,),
    ),
    "dynamic batch": ([node("Flatten", "x", "a"), MATMUL], [LAYER], ("N", 3, 1), (13,)),
    "batch merged": ([node("Reshape", "x minus", "a"), MATMUL], [LAYER], ("N", 3), (13,)),
    "batch moved": ([node("Add", "x Z", "a"), node("Relu", "a", "y")], [(EYE, [0.0] * 3, True)], ("N", 3), (13,)),
    "bias with more dimensions": (
        [node("MatMul", "x W", "a"), node("Add", "a B3", "y")],
        [(WT.tolist(), [7.0, 8.0], False)],
        (1, 3),
        (13,),
    ),
}
CONSTANTS |= {"one32": f32(1), "S": f32([[1, 5], [2, 6]], [[3, 7], [4, 8]]), "Z": f32([[0]]), "B3": f32([[7, 8]])}
MERGEABLE = {
    "mul by a scalar",
    "mul by a vector, from the left",
    "mul after a layer",
    "mul by ones stays",
    "div by powers of two",
    "value_float",
}  # no float32 semantics: see test_fuzz_float32.py
CASES = [(name, opset) for name, (*_, opsets) in EXACT.items() for opset in opsets]


def proto_of(nodes, shape, opset, constants=CONSTANTS, **options):
    used = {name for n in nodes for name in n.input}
    needed = {name: array for name, array in constants.items() if name in used}
    output = nodes[-1].output[0]
    return model(nodes, needed, shape=shape, opset=opset, output=output, **options)


def read_both(proto, tmp_path):
    """By the engine; the checker reads the same."""
    path = tmp_path / "n.onnx"
    path.write_bytes(proto.SerializeToString())
    ours, theirs = parse_network(path.read_bytes()), read_network(path)
    assert len(ours.layers) == len(theirs.layers) and ours.rounded == theirs.rounded
    for a, b in zip(ours.layers, theirs.layers):
        np.testing.assert_array_equal(a.weight, b.weight)
        np.testing.assert_array_equal(a.bias, b.bias)
        assert a.relu == b.relu
    assert not ours.float32_obstacle or theirs.obstacle
    return ours, theirs


@pytest.mark.parametrize("name, opset", CASES)
def test_exact_steps(name, opset, tmp_path):
    nodes, layers, shape, _ = EXACT[name]
    network, theirs = read_both(proto_of(nodes, shape, opset), tmp_path)
    assert [(a.weight.tolist(), a.bias.tolist(), a.relu) for a in network.layers] == layers
    assert not network.rounded and bool(network.float32_obstacle) == bool(theirs.obstacle) == (name in MERGEABLE)
    points = np.random.default_rng(0).integers(-4, 5, (4, network.n_inputs)).astype(np.float32)
    np.testing.assert_array_equal(Replay(network)(points), network.evaluate(points))
    assert rewritten(network) is network


def test_float32_weights_of_a_float64_graph(tmp_path):
    """Cast without loss; where float64 weights are cast to float32 they would be rounded."""
    nodes = [node("Cast", "W", "k", to=TensorProto.DOUBLE), node("MatMul", "x k", "y")]
    network, theirs = read_both(proto_of(nodes, (1, 3), 13, kind=TensorProto.DOUBLE), tmp_path)
    assert network.layers[0].weight.tolist() == LAYER[0] and not theirs.obstacle
    nodes = [node("Cast", "D", "k", to=TensorProto.FLOAT), node("MatMul", "x k", "y")]
    proto = proto_of(nodes, (1, 3), 13, {"D": np.full((3, 2), 0.1)})
    refused(proto, tmp_path, "it rounds numbers to float32")


def test_the_signal_may_only_grow_more_exact(tmp_path):
    nodes = [node("MatMul", "x W", "a"), node("Cast", "a", "b", to=TensorProto.DOUBLE), node("Mul", "b D", "y")]
    network, _ = read_both(proto_of(nodes, (1, 3), 13, {"W": W, "D": np.array([0.1])}), tmp_path)
    assert network.layers[1].weight[0, 0] == 0.1
    nodes = [node("Cast", "x", "a", to=TensorProto.FLOAT), node("MatMul", "a W", "y")]
    refused(proto_of(nodes, (1, 3), 13, kind=TensorProto.DOUBLE), tmp_path, "it rounds float64 to float32")


def refused(proto, tmp_path, what: str) -> None:
    """By both readers; the engine's line is true to `what`."""
    with pytest.raises(InputError) as caught:
        parse_network(proto.SerializeToString())
    assert what in str(caught.value) and caught.value.advice and "\n" not in str(caught.value)
    path = tmp_path / "n.onnx"
    path.write_bytes(proto.SerializeToString())
    with pytest.raises(Malformed):
        read_network(path)


TRUE = np.array(True)
REFUSED = {
    "clip from above": ([node("Clip", "x two zero", "y")], "it clips at 2 from below and 0 from above"),
    "clip at several": ([node("Clip", "x zeros", "y")], "at other than one constant number"),
    "max of three": ([node("Max", "x zero zero", "y")], "it compares 3 values"),
    "max that spreads": ([node("Max", "x WT", "y")], "make several points of one"),
    "threshold": ([node("ThresholdedRelu", "x", "y")], "it jumps at 1"),
    "slopes that add a dimension": ([node("PRelu", "x B3", "y")], "do not fit", (1, 2)),
    "slopes that spread": ([node("PRelu", "x WT", "y")], "make several points of one"),
    "slopes that the signal gives": ([node("PRelu", "two x", "y")], "it bends a constant"),
    "slopes of another type": ([node("PRelu", "x three", "y")], "float32 and int64 do not fit"),
    "min of types": ([node("Min", "x three", "y")], "float32 and int64 do not fit"),
    "leak that is not finite": ([node("LeakyRelu", "x", "y", alpha=float("nan"))], "is not finite"),
    "abs of a constant": ([node("Abs", "two", "k"), node("Add", "x k", "y")], "it bends a constant"),
    "div by zero": ([node("Div", "x zeros", "y")], "or by zero"),
    "div of constants": ([node("Div", "V x", "y")], "divides by what depends on the input"),
    "mul with itself": ([node("Mul", "x x", "y")], "two branches meet"),
    "mul that spreads": ([node("Mul", "x WT", "y")], "make several points of one"),
    "mul of types": ([node("Mul", "x three", "y")], "number types float32 and int64 do not fit"),
    "dropout in training": ([node("Dropout", "x ratio yes", "y")], "drops values at random"),
    "mask read": (
        [helper.make_node("Dropout", ["x"], ["a", "m"]), node("Mul", "a m", "y")],
        "it reads what a Dropout kept, 'm'",
    ),
    "no order": ([node("Transpose", "WT", "k", perm=[0, 0]), node("MatMul", "x k", "y")], "is no order of the axes"),
    "squeeze of 3": ([node("Squeeze", "x last", "y")], "has no size 1"),
    "squeeze twice": ([node("Squeeze", "x twice", "y")], "are no axes of"),
    "gather outside": (
        [node("Shape", "x", "s"), node("Gather", "s three", "g"), node("Reshape", "x g", "y")],
        "gathers what axis 0 of shape [2] has not",
    ),
    "slice of nothing": (
        [node("Shape", "x", "s"), node("Slice", "s stop start", "g"), node("Reshape", "x g", "y")],
        "it takes nothing",
    ),
    "concat of other ranks": ([node("Concat", "x V", "y", axis=0)], "it joins what does not fit"),
    "concat without an axis": ([node("Concat", "V V", "k"), node("Add", "x k", "y")], "attribute 'axis' is missing"),
    "cast to integers": ([node("Cast", "x", "y", to=TensorProto.INT64)], "it rounds float32 to int64"),
    "old form": ([node("Squeeze", "x", "y", axes=[0])], "attribute 'axes' is not supported"),
    "several points": ([node("MatMul", "x V", "y")], "holds several points", (2, 3)),
    "batch norm of a vector": ([node("BatchNormalization", "x V V V V", "y")], "do not fit", (3,)),
    "batch norm in training": ([node("BatchNormalization", "x V V V V", "y", training_mode=1)], "evaluation mode"),
    "batch norm of other width": ([node("BatchNormalization", "x B B B B", "y")], "do not fit"),
    "variance below 0": ([node("BatchNormalization", "x V V V V", "y")], "a variance plus epsilon is not positive"),
    "quotient beyond float64": ([node("Div", "x D", "y")], "beyond the range of float64"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_stays_refused(name, tmp_path):
    nodes, what, *shape = REFUSED[name]
    wide = {"D": np.array([1e-310])} if name.startswith("quotient") else {}
    constants = CONSTANTS | {"yes": TRUE, "twice": np.array([0, 0])} | wide
    kind = {"kind": TensorProto.DOUBLE} if wide else {}
    refused(proto_of(nodes, shape[0] if shape else (1, 3), 14, constants, **kind), tmp_path, what)


def test_an_opset_may_be_listed_twice_but_not_two(tmp_path):
    proto = proto_of([node("MatMul", "x W", "y")], (1, 3), 13)
    proto.opset_import.add(domain="", version=13)
    read_both(proto, tmp_path)
    proto.opset_import.add(domain="ai.onnx", version=17)
    refused(proto, tmp_path, "it names several opsets, 13 and 17; export with one from 7 to")


# --- quotients and normalizations -----------------------------------------------------------------


def divided(*divisors, kind=np.float32):
    nodes = [node("Div", "x d", "y")]
    proto_kind = TensorProto.FLOAT if kind == np.float32 else TensorProto.DOUBLE
    return proto_of(nodes, (1, len(divisors)), 14, {"d": np.array(divisors, kind)}, kind=proto_kind)


def test_a_quotient_is_the_nearest_number(tmp_path):
    network, theirs = read_both(divided(3.0, 4.0), tmp_path)
    assert network.layers[0].weight.tolist() == [[1 / 3, 0], [0, 0.25]] and network.rounded
    assert "runtimes divide" in network.float32_obstacle and "reciprocal" in theirs.obstacle
    network, theirs = read_both(divided(2.0, -4.0), tmp_path)
    assert not network.rounded and not network.float32_obstacle and not theirs.obstacle


@pytest.mark.parametrize("divisor", [2.0**127, 2.0**-127, 2.0**-149])
def test_powers_of_two_without_a_normal_reciprocal(divisor, tmp_path):
    network, theirs = read_both(divided(divisor), tmp_path)
    assert not network.rounded and network.float32_obstacle and theirs.obstacle


def normalized(n: int = 3, seed: int = 0, *, scale=None, variance=None, opset=14, shape=None, **options):
    random = np.random.default_rng(seed)
    parts = {
        "s": random.normal(size=n),
        "b": random.normal(size=n),
        "m": random.normal(size=n),
        "v": random.random(n) + 0.1,
    }
    parts |= {key: value for key, value in (("s", scale), ("v", variance)) if value is not None}
    nodes = [node("BatchNormalization", "x s b m v", "y", **options)]
    constants = {key: np.array(value, np.float32) for key, value in parts.items()}
    return proto_of(nodes, shape or (1, n), opset, constants), constants


@pytest.mark.parametrize("opset", [7, 8, 9, 14, 15])
def test_a_normalization_is_two_layers(opset, tmp_path):
    proto, parts = normalized(opset=opset)
    network, theirs = read_both(proto, tmp_path)
    centre, scale = network.layers
    assert centre.weight.tolist() == EYE and centre.bias.tolist() == (-parts["m"]).tolist() and not centre.rounded
    assert scale.rounded and scale.bias.tolist() == parts["b"].tolist()
    for s, v, factor in zip(parts["s"], parts["v"], scale.weight.diagonal()):
        exact = Fraction(float(s)) ** 2 / (Fraction(float(v)) + Fraction(float(np.float32(1e-5))))
        low, high = (Fraction(float(np.nextafter(abs(factor), to))) for to in (0, np.inf))
        middle = Fraction(abs(float(factor)))
        assert ((low + middle) / 2) ** 2 <= exact <= ((high + middle) / 2) ** 2 and factor * s > 0
    assert "different orders" in network.float32_obstacle and theirs.obstacle
    points = np.random.default_rng(1).normal(size=(5, 3)).astype(np.float32)
    np.testing.assert_allclose(network.evaluate(points), Replay(network)(points), rtol=1e-5, atol=1e-6)


def test_an_exact_normalization_is_not_rounded(tmp_path):
    proto, _ = normalized(scale=[3, -1, 0], variance=[4, 0.25, 1], epsilon=0.0)
    network, _ = read_both(proto, tmp_path)
    assert network.layers[1].weight.diagonal().tolist() == [1.5, -2.0, 0.0] and not network.rounded


def test_normalized_channels(tmp_path):
    proto, _ = normalized(2, shape=(1, 2, 3))
    network, _ = read_both(proto, tmp_path)
    points = np.random.default_rng(1).normal(size=(5, 6)).astype(np.float32)
    np.testing.assert_allclose(network.evaluate(points), Replay(network)(points), rtol=1e-5, atol=1e-6)


def test_roots_and_reciprocals_are_correctly_rounded():
    """Compared with an enclosure of 2000 bits, and where float64 is nearly in the middle."""
    random = np.random.default_rng(0)
    values = np.exp(random.normal(size=300) * 200)
    squares = np.abs(random.normal(size=300)).astype(np.float32).astype(float) ** 2
    variances = np.concatenate([values[:100], squares[:100], [2.0**-1000, 4.0, 1e300, 2.0, 5e-324]])
    factors, _ = normalizing(np.ones(len(variances)), variances, 0.0)
    for variance, factor in zip(variances, factors):
        root = math.isqrt((1 << 4000) * Fraction(float(variance)).denominator // Fraction(float(variance)).numerator)
        assert float(Fraction(root, 1 << 2000)) == factor or variance in (2.0**-1000, 4.0)
    numbers, exact = reciprocals(values)
    assert all(float(1 / Fraction(float(v))) == n for v, n in zip(values, numbers)) and not exact
    assert reciprocals(np.array([0.5, 2.0**-1022]))[1]


def test_what_a_rounded_network_computes_is_enclosed(tmp_path):
    """Random networks with quotients: true outputs, by Fractions on the divisors, are within the radii; as checked."""
    off = 0
    for seed in range(20):
        random = np.random.default_rng(seed)
        d, e = (random.normal(size=n).astype(np.float32) for n in (3, 4))
        weight, last = random.normal(size=(3, 4)).astype(np.float32), random.normal(size=(4, 2)).astype(np.float32)
        nodes = [
            node("Div", "x d", "a"),
            node("MatMul", "a W", "b"),
            node("Relu", "b", "c"),
            node("Div", "c e", "f"),
            node("MatMul", "f L", "y"),
        ]
        network, theirs = read_both(proto_of(nodes, (1, 3), 14, {"d": d, "W": weight, "e": e, "L": last}), tmp_path)
        point = random.normal(size=3)
        true = [Fraction(v) / Fraction(float(c)) for v, c in zip(point, d)]
        true = [max(0, sum(Fraction(float(w)) * v for w, v in zip(row, true))) for row in weight.T]
        true = [v / Fraction(float(c)) for v, c in zip(true, e)]
        true = [sum(Fraction(float(w)) * v for w, v in zip(row, true)) for row in last.T]
        centre, radius = evaluate(network, point), radii(network, point)
        assert all(abs(t - c) <= r for t, c, r in zip(true, centre, radius))
        off += true != list(centre)
        exact = tuple(map(Fraction, point))
        assert evaluate_again(theirs, exact) == list(centre)
        assert all(r <= own <= r * (1 + Fraction(1, 2**20)) for own, r in zip(radius, radii_again(theirs, exact)))
    assert off > 10


def test_radii_are_zero_where_nothing_is_rounded(tmp_path):
    network, theirs = read_both(divided(2.0), tmp_path)
    assert radii(network, [1.5]) == (0,)


def test_a_row_holds_for_all_within_the_radii():
    row = Row((Fraction(0),), (Fraction(-2), Fraction(1)), Fraction(1))
    x, y = (Fraction(0),), (Fraction(1), Fraction(0))  # value -1
    assert row.holds(x, y) and row.holds(x, y, (Fraction(1, 4), Fraction(1, 2)))
    assert not row.holds(x, y, (Fraction(1, 4), Fraction(3, 4)))


# --- float32 semantics ----------------------------------------------------------------------------

ONE = np.ones((1, 1), np.float32)


def obstacle_of(nodes, constants, tmp_path, *, shape=(1, 1)) -> str:
    network, theirs = read_both(proto_of(nodes, shape, 13, constants), tmp_path)
    assert bool(network.float32_obstacle) == bool(theirs.obstacle)
    return network.float32_obstacle


@pytest.mark.parametrize(
    "alpha, beta, free",
    [
        (1.0, 1.0, True),
        (-1.0, 1.0, True),
        (1.0, 0.5, True),
        (-1.0, -4.0, True),
        (1.0, 0.0, True),
        (0.5, 1.0, False),
        (2.0, 1.0, False),
        (8.0, 1.0, False),
        (0.0, 1.0, False),
        (1.0000001, 1.0, False),
    ],
)
def test_factors_of_gemm(alpha, beta, free, tmp_path):
    nodes = [node("Gemm", "x W B", "y", alpha=alpha, beta=beta)]
    found = obstacle_of(nodes, {"W": ONE, "B": f32(3)}, tmp_path)
    assert found == ("" if free else "node 'y' (Gemm): its sums are scaled by alpha, before or after they are made")


FOLDS = {
    "product, though it is exact": ([node("MatMul", "A A", "k")], {"A": ONE}, "partial sums"),
    "sum that float32 does not hold": ([node("Add", "A B", "k")], {"A": f32([1]), "B": f32([2.0**-30])}, "computes"),
    "sum that it holds": ([node("Add", "A B", "k")], {"A": f32([1]), "B": f32([2.0])}, ""),
    "subnormal product": ([node("Mul", "A A", "k")], {"A": f32([2.0**-70])}, "computes"),
    "normal product": ([node("Mul", "A A", "k")], {"A": f32([2.0**-60])}, ""),
    "negated subnormal": ([node("Neg", "A", "k")], {"A": f32([2.0**-140])}, "computes"),
    "moved subnormal": ([node("Transpose", "A", "k")], {"A": f32([2.0**-140])}, ""),
    "quotient": ([node("Div", "A B", "k")], {"A": f32([3]), "B": f32([2])}, ""),
    "rounded on the way": (
        [node("Add", "A B", "j"), node("Sub", "j A", "k")],
        {"A": f32([2.0**30]), "B": f32([1])},
        "computes",
    ),
}


@pytest.mark.parametrize("name", FOLDS)
def test_computed_constants(name):
    nodes, constants, what = FOLDS[name]
    proto = proto_of([*nodes, node("MatMul", "x k", "y")], (1, 1), 13, constants)
    found = parse_network(proto.SerializeToString()).float32_obstacle
    assert what in found and bool(found) == bool(what)


@pytest.mark.parametrize(
    "weight, bias, free",
    [
        ([1.0], None, True),
        ([4.0], None, True),
        ([5.0], None, False),
        ([-5.0], None, False),
        ([5.0], 1e-20, True),
        ([8.0], 2.0**-100, True),
        ([8.0], -(2.0**-100), True),
        ([8.0], 2.0**-101, False),
        ([2.0**60], 2.0**-43, True),
    ],
)
def test_zeros_added_to_the_input(weight, bias, free, tmp_path):
    """Of a width of 1: 6 flushes are covered, of which a sum and a bias take 2."""
    constants = {"z": f32([0]), "W": f32(weight)} | ({} if bias is None else {"b": f32(bias)})
    last = node("Gemm", "a W" + (" b" if bias else ""), "y")
    assert not obstacle_of([node("Sub", "x z", "a"), last], constants, tmp_path) == free
    assert not obstacle_of([node("Identity", "x", "a"), last], constants, tmp_path)


def test_zeros_after_a_layer_change_nothing(tmp_path):
    nodes = [node("Relu", "x", "a"), node("Add", "a z", "b"), node("MatMul", "b W", "y")]
    assert not obstacle_of(nodes, {"z": f32([0]), "W": f32([1e30])}, tmp_path)


# --- writing --------------------------------------------------------------------------------------


def changed(network, layer: int, place, value: float):
    layers = list(network.layers)
    weight = layers[layer].weight.copy()
    weight[place] = value
    layers[layer] = replace(layers[layer], matrix=weight)
    return replace(network, layers=tuple(layers))


def test_factors_and_transposed_weights_are_written_back(tmp_path):
    nodes = [node("Mul", "x V", "a"), node("Transpose", "WT", "k"), node("MatMul", "a k", "y")]
    network, _ = read_both(proto_of(nodes, (1, 3), 13), tmp_path)
    assert describe(network).parameters == 9
    result = rewritten(changed(changed(network, 0, (1, 1), 9.0), 1, (1, 2), 7.0))
    assert result.layers[0].weight[1, 1] == 9.0 and result.layers[1].weight[1, 2] == 7.0
    points = f32([1, 2, 3])
    np.testing.assert_array_equal(Replay(result)(points), result.evaluate(points))


@pytest.mark.parametrize(
    "nodes, place, what",
    [
        ([node("Mul", "x V", "y")], (0, 1), "this zero has no number in the file"),
        ([node("Div", "x V", "y")], (0, 0), "it is folded from 'V'"),
        ([node("Neg", "x", "y")], (0, 0), "it has no initializer in the file"),
        ([node("Mul", "x two", "y")], (0, 0), "one number in the file stands for several different ones here"),
    ],
)
def test_what_cannot_stand(nodes, place, what, tmp_path):
    network = parse_network(proto_of(nodes, (1, 3), 13).SerializeToString(), name="net")
    with pytest.raises(InputError, match="net.*" + what):
        rewritten(changed(network, 0, place, 5.0))


def test_written_networks_know_their_obstacles(tmp_path):
    """Zeros added to the input, and then weights that are made large."""
    nodes = [node("Sub", "x zeros", "a"), MATMUL]
    network = parse_network(proto_of(nodes, (1, 3), 13, CONSTANTS | {"W": W / 8}).SerializeToString())
    assert not network.float32_obstacle
    assert "large weights" in rewritten(changed(network, 0, (0, 0), 100.0)).float32_obstacle
