"""What bends the signal, as engine and checker read it: as section 3 says, and as onnxruntime executes it."""

import random
from fractions import Fraction

import numpy as np
import pytest
import second_checker
import second_checker_network
from fuzzing import examples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import AttributeProto, ModelProto, TensorProto, helper
from onnx_graphs import chains, f32, model, node
from test_audit_readers import assert_changed_is_read_alike, assert_same_network, refused, written
from test_audit_selections import change_constant, files_of

from engine.audit.check import check
from engine.audit.onnx_reader import read_network
from engine.cli import main
from engine.errors import InputError
from engine.exact import evaluate
from engine.onnx_file import load_network
from engine.replay import replay

LARGEST = float(np.finfo(np.float32).max)
SUBNORMAL = 2.0**-130
CONSTANTS = {
    "W": f32([1, 2], [3, -4]),
    "low": np.array(-0.5, np.float32),
    "high": f32(0.75),
    "six": np.array(6, np.float32),
    "zero": np.array(0, np.float32),
    "largest": np.array(LARGEST, np.float32),
    "lowest": np.array(-LARGEST, np.float32),
    "row": f32([0.5, -0.25]),
    "some": f32([0, 1]),
    "zeros": f32([0, 0]),
    "column": f32([1], [2]),
    "deep": f32([[2, 3]]),
    "whole": np.array([2]),
    "double": np.array([2.0]),
    "tenth": np.array(0.1),
}


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp("activations")


def some(operator: str, inputs: str = "x", **attributes):
    return [helper.make_node(operator, [name.strip("_") for name in inputs.split()], ["y"], name="y", **attributes)]


def proto(nodes, opset: int = 13, *, kind: int = TensorProto.FLOAT, shape=(1, 2)) -> ModelProto:
    used = {name for each in nodes for name in each.input}
    constants = {name: array for name, array in CONSTANTS.items() if name in used}
    return model(nodes, constants, shape=shape, opset=opset, kind=kind)


# Networks of what is in the table of section 3, their input [1, 2]: layers (W, b, relu).

ONE, ZERO = [[1, 0], [0, 1]], [0, 0]
MINUS = [[-1, 0], [0, -1]]
BOTH = [[1, 0], [0, 1], [-1, 0], [0, -1]], [0, 0, 0, 0], True
TWICE = [[1, 0], [0, 1], [1, 0], [0, 1]]
LAYERS = {
    "LeakyRelu": (some("LeakyRelu", alpha=0.5), [BOTH, ([[1, 0, -0.5, 0], [0, 1, 0, -0.5]], ZERO, False)]),
    "LeakyRelu without alpha": (
        some("LeakyRelu"),
        [BOTH, ([[1, 0, -float(f32(0.01)[0]), 0], [0, 1, 0, -float(f32(0.01)[0])]], ZERO, False)],
    ),
    "PRelu": (some("PRelu", "x row"), [BOTH, ([[1, 0, -0.5, 0], [0, 1, 0, 0.25]], ZERO, False)]),
    "Abs": (some("Abs"), [BOTH, ([[1, 0, 1, 0], [0, 1, 0, 1]], ZERO, False)]),
    "Max": (some("Max", "x some"), [(ONE, [0, -1], True), (ONE, [0, 1], False)]),
    "Max with zeros": (some("Max", "zeros x"), [(ONE, ZERO, True)]),
    "Min": (some("Min", "row x"), [(MINUS, [0.5, -0.25], True), (MINUS, [0.5, -0.25], False)]),
    "Min with zeros": (some("Min", "x zeros"), [(MINUS, ZERO, True), (MINUS, ZERO, False)]),
    "Clip from below": (some("Clip", "x low"), [(ONE, [0.5, 0.5], True), (ONE, [-0.5, -0.5], False)]),
    "Clip from above": (some("Clip", "x _ high"), [(MINUS, [0.75, 0.75], True), (MINUS, [0.75, 0.75], False)]),
    "Clip at the lowest number": (
        some("Clip", "x lowest high"),
        [(MINUS, [0.75, 0.75], True), (MINUS, [0.75, 0.75], False)],
    ),
    "Clip from both sides": (
        some("Clip", "x low high"),
        [(TWICE, [0.5, 0.5, -0.75, -0.75], True), ([[1, 0, -1, 0], [0, 1, 0, -1]], [-0.5, -0.5], False)],
    ),
    "Clip at 0 and 6": (
        some("Clip", "x zero six"),
        [(TWICE, [0, 0, -6, -6], True), ([[1, 0, -1, 0], [0, 1, 0, -1]], ZERO, False)],
    ),
    "Clip at 0": (some("Clip", "x zero largest"), [(ONE, ZERO, True)]),
    "Clip nowhere": (some("Clip", "x lowest largest"), [(ONE, ZERO, False)]),
    "HardSigmoid": (
        some("HardSigmoid", alpha=0.25, beta=1.0),
        [
            ([[0.25, 0], [0, 0.25]], [1, 1], False),
            (TWICE, [0, 0, -1, -1], True),
            ([[1, 0, -1, 0], [0, 1, 0, -1]], ZERO, False),
        ],
    ),
    "ThresholdedRelu": (some("ThresholdedRelu", alpha=0.0), [(ONE, ZERO, True)]),
    "no layer before is merged, and no Add after": (
        [node("MatMul", "x W", "a"), node("Abs", "a", "b"), node("Add", "b row", "y")],
        [
            ([[1, 3], [2, -4]], ZERO, False),
            BOTH,
            ([[1, 0, 1, 0], [0, 1, 0, 1]], ZERO, False),
            (ONE, [0.5, -0.25], False),
        ],
    ),
    "no Neg after is merged": (
        [node("Min", "x zeros", "a"), node("Neg", "a", "y")],
        [(MINUS, ZERO, True), (MINUS, ZERO, False), (MINUS, ZERO, False)],
    ),
    "a Relu after is the second layer's": (
        [node("Min", "x row", "a"), node("Relu", "a", "y")],
        [(MINUS, [0.5, -0.25], True), (MINUS, [0.5, -0.25], True)],
    ),
    "an Add after a Clip nowhere is a layer, as after an Add": (
        [node("MatMul", "x W", "a"), node("Clip", "a", "b"), node("Add", "b row", "y")],
        [([[1, 3], [2, -4]], ZERO, False), (ONE, [0.5, -0.25], False)],
    ),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layers_are_those_of_the_table(scratch, name):
    nodes, expected = LAYERS[name]
    path = written(scratch, proto(nodes))
    for network in (read_network(path), load_network(path)):
        found = [(np.asarray(layer.weight).tolist(), layer.bias.tolist(), layer.relu) for layer in network.layers]
        assert found == expected


#: name -> nodes, opset
READ = {name: (nodes, 13) for name, (nodes, _) in LAYERS.items()} | {
    "limits by attributes": (some("Clip", min=-0.5, max=0.75), 10),
    "an upper limit by attribute": (some("Clip", max=0.75), 7),
    "one slope": (some("PRelu", "x high"), 9),
    "HardSigmoid in the middle": (
        [
            node("MatMul", "x W", "a"),
            node("Add", "a row", "b"),
            node("HardSigmoid", "b", "c"),
            node("Add", "c row", "y"),
        ],
        13,
    ),
    "one after the other": (
        [node("LeakyRelu", "x", "a", alpha=0.25), node("Clip", "a low high", "b"), node("Max", "b row", "c")]
        + [node("Abs", "c", "d"), node("Relu", "d", "y")],
        13,
    ),
    "a small network": (
        [node("Gemm", "x W row", "a"), node("LeakyRelu", "a", "b", alpha=0.25), node("Gemm", "b W row", "y")],
        13,
    ),
}


@pytest.mark.parametrize("name", READ)
def test_the_engine_and_the_second_checker_read_the_same(scratch, name):
    path = written(scratch, proto(*READ[name]))
    assert_same_network(path)
    ours, theirs = read_network(path), second_checker_network.read_chain(second_checker_network.read_model(path)[0])
    assert (ours.rounded, not ours.obstacle) == (theirs.rounded, theirs.executed)
    for a, b in zip(ours.layers, theirs.layers, strict=True):
        assert (np.asarray(a.weight).tolist(), a.bias.tolist(), a.relu) == (b.weights, b.bias, b.relu)


# As executed.

EXECUTED = {name: (nodes, 13) for name, (nodes, _) in LAYERS.items()} | {
    "a tenth": (some("LeakyRelu", alpha=0.1), 13),
    "a third below, and steep": (some("LeakyRelu", alpha=-33.3), 13),
    "HardSigmoid's own numbers": (some("HardSigmoid"), 13),
}
POINTS = [
    0.0,
    -0.0,
    1.0,
    2**-126,
    SUBNORMAL,
    -SUBNORMAL,
    -(2.0**-149),
    0.75,
    0.7500001,
    -0.5,
    -0.50000006,
    6.1,
    1e20,
    -1e20,
]


@pytest.mark.parametrize("name", EXECUTED)
def test_what_is_executed_is_within_the_error_of_the_layers(scratch, name):
    """Section 3's g M + e of each layer; what a layer is off by reaches the output times the weights after it."""
    network = load_network(written(scratch, proto(*EXECUTED[name])))
    random_points = np.random.default_rng(3).normal(0, 2, (60, 2))
    points = np.vstack([random_points, [[a, b] for a in POINTS for b in (a, 0.3)]]).astype(np.float32)
    n = max(max(layer.weight.shape) for layer in network.layers)
    g = Fraction(n + 4, 2**24) / (1 - Fraction(n + 4, 2**24))
    e = Fraction(2 * n + 4, 2**126)
    for point, executed in zip(points, replay(network, points)):
        exact, radii = evaluate(network, tuple(map(float, point))), [Fraction(0)] * 2
        h = [Fraction(float(x)) for x in point]
        for layer in network.layers:
            rows = [[abs(Fraction(w)) for w in row] for row in np.asarray(layer.weight).tolist()]
            far = [abs(x) + r for x, r in zip(h, radii)]
            sizes = [
                sum(map(Fraction.__mul__, row, far)) + abs(Fraction(b)) for row, b in zip(rows, layer.bias.tolist())
            ]
            radii = [sum(map(Fraction.__mul__, row, radii)) + g * size + e for row, size in zip(rows, sizes)]
            h = [
                sum((Fraction(w) * x for w, x in zip(row, h)), Fraction(b))
                for row, b in zip(np.asarray(layer.weight).tolist(), layer.bias.tolist())
            ]
            h = [max(x, Fraction(0)) for x in h] if layer.relu else h
        assert list(exact) == h
        assert all(abs(Fraction(float(y)) - x) <= r for y, x, r in zip(executed, h, radii))


FLOAT32_REFUSED = {
    "a product's factors beside it": ([node("Mul", "x row", "a"), node("Abs", "a", "y")], "may be merged"),
    "factors right after it": ([node("Abs", "x", "a"), node("Mul", "a row", "y")], "may be merged"),
    "a HardSigmoid right after a product": (
        [node("MatMul", "x W", "a"), node("HardSigmoid", "a", "y")],
        "may be merged",
    ),
    "a HardSigmoid without beta": (some("HardSigmoid", beta=0.0), "may be merged"),
    "a Clip of the input that is none, before large weights": (
        [node("Clip", "x", "a"), node("MatMul", "a huge", "y")],
        "zeros are added to the input before large weights",
    ),
}


@pytest.mark.parametrize("name", FLOAT32_REFUSED)
def test_what_has_no_float32_semantics(scratch, name):
    nodes, what = FLOAT32_REFUSED[name]
    path = written(scratch, model(nodes, {**CONSTANTS, "huge": f32([1e9, 1], [1, 1])}, shape=(1, 2)))
    assert what in read_network(path).obstacle and load_network(path).float32_obstacle
    assert not second_checker_network.read_chain(second_checker_network.read_model(path)[0]).executed or "zeros" in what


def test_numbers_that_float32_does_not_hold(scratch):
    """A limit of float64; the default slope is a float32 number there, too."""
    clipped = written(scratch, proto(some("Clip", "x tenth"), kind=TensorProto.DOUBLE))
    assert "not all its numbers are float32 ones" in read_network(clipped).obstacle
    assert load_network(clipped).layers[1].bias.tolist() == [0.1, 0.1]
    leaky = written(scratch, proto(some("LeakyRelu"), kind=TensorProto.DOUBLE))
    assert_same_network(leaky)
    assert not read_network(leaky).obstacle


# What is refused.

#: name -> nodes, what the engine says, what the checker says
WRONG = {
    "limits the wrong way round": (some("Clip", "x high low"), "0.75 from below", "its min is above its max"),
    "several limits": (some("Clip", "x row"), "other than one constant", "clips at several numbers"),
    "a limit that the signal gives": (some("Clip", "low x"), "other than one constant", "where constants belong"),
    "a limit of another type": (some("Clip", "x double"), "do not fit", "constants of one type"),
    "a limit of integers": (some("Clip", "x _ whole"), "do not fit", "constants of one type"),
    "a Max of three": (some("Max", "x row row"), "compares 3 values", "form is not supported"),
    "a Max of one": (some("Max", "x"), "compares 1 values", "form is not supported"),
    "a Min with nothing": (some("Min", "x _"), "it has 1 inputs", "form is not supported"),
    "a Min that spreads": (some("Min", "x column"), "several points of one", "several points of one"),
    "a Min of two branches": (
        [helper.make_node("Split", ["x"], ["a", "b"], axis=1, num_outputs=2), node("Min", "a b", "y")],
        "two branches meet",
        "two branches meet",
    ),
    "slopes with a dimension more": (some("PRelu", "x deep"), "do not fit", "slopes do not fit"),
    "slopes that spread": (some("PRelu", "x column"), "several points of one", "several points of one"),
    "slopes of integers": (some("PRelu", "x whole"), "do not fit", "constants of one type"),
    "slopes that the signal gives": (some("PRelu", "row x"), "bends a constant", "where constants belong"),
    "no slopes": (some("PRelu"), "it has 1 inputs", "form is not supported"),
    "a jump": (some("ThresholdedRelu"), "it jumps at 1", "it jumps"),
    "a jump below 0": (some("ThresholdedRelu", alpha=-1.0), "it jumps at -1", "it jumps"),
    "an endless slope": (some("LeakyRelu", alpha=float("inf")), "is not finite", "is not finite"),
    "no slope": (some("LeakyRelu", alpha=float("nan")), "is not finite", "is not finite"),
    "an alpha of no number": (some("HardSigmoid", beta=float("nan")), "is not finite", "is not finite"),
    "an integer alpha": (some("LeakyRelu", alpha=1), "attribute 'alpha'", "option is not supported"),
    "a slope of an Abs": (some("Abs", alpha=1.0), "attribute 'alpha'", "option is not supported"),
    "limits by attributes": (some("Clip", min=0.0), "attribute 'min'", "option is not supported"),
    "limits of a constant": (
        [node("Min", "row zeros", "a"), node("Add", "x a", "y")],
        "",
        "constants are computed from others",
    ),
    "a bent constant": ([node("Abs", "row", "a"), node("Add", "x a", "y")], "bends a constant", "computed from others"),
    "a Hardmax": (
        some("Hardmax", axis=1),
        "operator Hardmax is not supported; cut the graph before it",
        "not supported",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_both_readers_refuse(scratch, name):
    nodes, theirs, ours = WRONG[name]
    path = written(scratch, proto(nodes, 18))
    if theirs:
        with pytest.raises(InputError) as caught:
            load_network(path)
        assert theirs in str(caught.value) and caught.value.advice
        assert len(str(caught.value).splitlines()) == 1 and len(str(caught.value)) < 500
    assert ours in refused(read_network, path)


@pytest.mark.parametrize("operator", ["Abs", "LeakyRelu"])
def test_too_many_neurons(scratch, operator):
    path = written(scratch, model(some(operator), shape=(1, 2**15 + 1)))
    assert "a layer is too wide" in refused(read_network, path)
    with pytest.raises(InputError, match="it has 65,538 rows, and at most 65,536"):
        load_network(path)


# Files that say something else.

OPERATORS = "LeakyRelu PRelu Abs Clip Max Min HardSigmoid ThresholdedRelu Relu Neg Add Mul Softmax Elu".split()
NUMBERS = [0.0, 0.5, -1.0, 0.1, 1e30, -LARGEST, LARGEST, float("nan"), float("-inf")]


def change(found: ModelProto, rng: random.Random) -> None:
    """Changes an operator, its attributes, a constant, what a node reads, or the opset."""
    graph = found.graph
    each, kind = rng.choice(graph.node), rng.randrange(6)
    constants = [tensor.name for tensor in graph.initializer]
    if kind == 0:
        each.op_type = rng.choice(OPERATORS)
    elif kind == 1 and each.attribute:
        each.attribute.remove(rng.choice(each.attribute))
    elif kind == 2 and graph.initializer:
        change_constant(rng.choice(graph.initializer), rng)
    elif kind == 3:
        name = rng.choice(["alpha", "beta", "min", "max"])
        each.attribute.append(helper.make_attribute(name, rng.choice(NUMBERS)))
    elif kind == 4 and each.input:
        names = [*each.input, *constants]
        picked = rng.sample(names, rng.randint(1, min(3, len(names))))
        if rng.random() < 0.3:
            picked.insert(rng.randrange(len(picked)), "")  # left out, and not at the end
        each.input[:] = picked
    else:
        found.opset_import[0].version = rng.choice([7, 9, 10, 11, 13, 16, 22])
    for attribute in each.attribute:
        if attribute.type == AttributeProto.FLOAT and rng.random() < 0.2:
            attribute.f = rng.choice(NUMBERS)


@settings(max_examples=examples(100), deadline=None, suppress_health_check=list(HealthCheck))
@given(chains(), st.integers(0, 2**32))
def test_changed_graphs_are_read_alike_or_refused(scratch, found, seed):
    assert_changed_is_read_alike(scratch, found, change, seed)


# From a file to a verdict that is checked.


CERTIFIED = ["LeakyRelu", "PRelu", "Abs", "Max", "Min", "Clip at 0 and 6", "Clip nowhere", "HardSigmoid in the middle"]


@pytest.mark.parametrize("name", [*CERTIFIED, "limits by attributes", "one after the other", "a small network"])
def test_certificates_of_such_networks_are_accepted(tmp_path, capsys, name):
    """The first output is largest at a corner or in the middle; more than that is proved to be out of reach."""
    network, *properties = files_of(tmp_path, proto(*READ[name]))
    for answer, spec in enumerate(properties):
        certificate = tmp_path / "c.zip"
        assert main(["verify", str(network), str(spec), "--certificate", str(certificate)]) == answer
        assert "is accepted by the independent checker" in capsys.readouterr().err
        assert main(["check", str(certificate), "--network", str(network), "--property", str(spec)]) == 0
        assert second_checker.accepts(certificate, network, spec)


@pytest.mark.parametrize(
    "name", ["PRelu", "Abs", "Clip from both sides", "HardSigmoid in the middle", "a small network"]
)
def test_proofs_in_float32_semantics(tmp_path, name):
    network, spec, _ = files_of(tmp_path, proto(*READ[name]))
    certificate = tmp_path / "c.zip"
    command = ["verify", str(network), str(spec), "--semantics", "float32", "--certificate", str(certificate)]
    assert main(command) == 0
    for arithmetic in ("float64", "exact"):
        assert check(certificate, network, spec, arithmetic=arithmetic).accepted
    assert second_checker.accepts(certificate, network, spec)


def repaired(folder, last: list, capsys) -> tuple[int, str]:
    """Exit code and stderr of a repair to a first output below 2.5; `last`: nodes after the last layer."""
    numbers = {"A": f32([1, -1], [2, 1]), "a": f32([0, 1]), "B": f32([1, 2], [-1, 1]), "b": f32([1, 0])}
    nodes = [node("Gemm", "x A a", "p"), node("LeakyRelu", "p", "q", alpha=0.1), node("Gemm", "q B b", "r"), *last]
    network, spec = folder / "n.onnx", folder / "p.vnnlib"
    network.write_bytes(model(nodes, numbers | CONSTANTS, shape=(1, 2)).SerializeToString())
    box = "".join(f"(declare-const X_{i} Real)(assert (<= 0 X_{i}))(assert (<= X_{i} 1))" for i in range(2))
    spec.write_text(f"{box}(declare-const Y_0 Real)(declare-const Y_1 Real)(assert (>= Y_0 2.5))")
    files = [str(network), str(spec), "--out", str(folder / "r.onnx")]
    code = main(["repair", *files, "--method", "milp", "--samples", "100", "--grid", "3", "--patience", "0.1"])
    return code, capsys.readouterr().err


def test_a_repair(tmp_path, capsys):
    """Its activations stay, and its certificate is accepted."""
    code, _ = repaired(tmp_path, [node("Identity", "r", "y")], capsys)
    assert code == 0
    before, after = load_network(tmp_path / "n.onnx"), load_network(tmp_path / "r.onnx")
    changed = [not np.array_equal(a.weight, b.weight) for a, b in zip(before.layers, after.layers, strict=True)]
    assert changed == [False, False, False, True]
    (certificate,) = (tmp_path / "r.certificates").glob("*.zip")
    assert check(certificate, tmp_path / "r.onnx", tmp_path / "p.vnnlib").accepted


def test_a_repair_that_could_not_be_written(tmp_path, capsys):
    """The last layer is part of a Clip."""
    code, said = repaired(tmp_path, [node("Clip", "r low six", "y")], capsys)
    assert code == 2 and "cannot be written into its file: weight of layer 6" in said and len(said.splitlines()) == 1
