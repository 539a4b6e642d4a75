"""What selects, repeats, joins and adds up the signal, as the checker reads it: as section 3 says, and the engine."""

import itertools
import random
from pathlib import Path

import numpy as np
import pytest
import second_checker
import second_checker_network
from fuzzing import examples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import AttributeProto, ModelProto, helper, numpy_helper
from onnx_graphs import chains, f32, model, node
from test_audit_readers import assert_changed_is_read_alike, assert_same_network, refused, written
from test_onnx_selections import READ, REFUSED, proto, some, split

from engine.audit.check import check
from engine.audit.failures import Malformed
from engine.audit.onnx_reader import read_network
from engine.cli import main
from engine.errors import InputError
from engine.onnx_file import load_network, parse_network
from engine.onnx_file.truncated import up_to
from engine.replay import replay


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp("selections")


# A network of what is in the table of section 3, its input [2, 2] unless a shape is given: layers (W, b, relu).
ONE, ZERO2, ZERO4 = np.eye(4), [0, 0], [0, 0, 0, 0]
LAYERS = {
    "nothing": (some("Identity", "x"), [(ONE, ZERO4, False)]),
    "Gather of all": (some("Gather", "x all", axis=0), [(ONE, ZERO4, False)]),
    "Gather": (some("Gather", "x back"), [([[0, 0, 1, 0], [0, 0, 0, 1]], ZERO2, False)]),
    "Slice": (some("Slice", "x one two one"), [([[0, 1, 0, 0], [0, 0, 0, 1]], ZERO2, False)]),
    "Split": (split("y r", "x ones", axis=1), [([[1, 0, 0, 0], [0, 0, 1, 0]], ZERO2, False)]),
    "Concat": (
        some("Concat", "x row", axis=0),
        [([*ONE.tolist(), ZERO4, ZERO4], [0, 0, 0, 0, 7, 8], False)],
    ),
    "ReduceSum": (some("ReduceSum", "x one", keepdims=0), [([[1, 1, 0, 0], [0, 0, 1, 1]], ZERO2, False)]),
    "ReduceSum of one each": (
        [node("Slice", "x zero one", "s"), node("ReduceSum", "s zero", "y")],
        [(ONE[:2], ZERO2, False), (np.eye(2), ZERO2, False)],
    ),
    "ReduceMean": (
        some("ReduceMean", "x", axes=[0]),
        [([[1, 0, 1, 0], [0, 1, 0, 1]], ZERO2, False), (np.eye(2) / 2, ZERO2, False)],
    ),
    "an Add after a selection is its b": (
        [node("Gather", "x back", "g"), node("Add", "g row", "y")],
        [([[0, 0, 1, 0], [0, 0, 0, 1]], [7, 8], False)],
    ),
    "an Add after zeros that are joined is not": (
        [node("Concat", "x nil", "c", axis=0), node("Add", "c row", "y")],
        [([*ONE.tolist(), ZERO4, ZERO4], [0] * 6, False), (np.eye(6), [7, 8, 7, 8, 7, 8], False)],
    ),
    "a Relu and a Neg after selections": (
        [*split("a b", "x ones", axis=0), node("Neg", "b", "n"), node("Relu", "n", "y"), node("Relu", "a", "unread")],
        [([[0, 0, -1, 0], [0, 0, 0, -1]], ZERO2, True)],
    ),
}
CONSTANTS = {
    "all": np.array([-2, 1]),
    "back": np.array([-1]),
    "zero": np.array([0]),
    "one": np.array([1]),
    "two": np.array([2]),
    "ones": np.array([1, 1]),
    "row": f32([7, 8]),
    "nil": f32([0, 0]),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layers_are_those_of_the_table(scratch, name):
    nodes, expected = LAYERS[name]
    network = read_network(written(scratch, model(nodes, CONSTANTS, shape=(2, 2))))
    found = [(np.asarray(layer.weight).tolist(), layer.bias.tolist(), layer.relu) for layer in network.layers]
    assert found == [(np.asarray(weight).tolist(), bias, relu) for weight, bias, relu in expected]


@pytest.mark.parametrize("name", READ)
def test_the_engine_and_the_second_checker_read_the_same(scratch, name):
    path = written(scratch, proto(*READ[name]))
    assert_same_network(path)
    ours, theirs = read_network(path), second_checker_network.read_chain(second_checker_network.read_model(path)[0])
    assert (ours.rounded, not ours.obstacle) == (theirs.rounded, theirs.executed)
    for a, b in zip(ours.layers, theirs.layers, strict=True):
        assert (np.asarray(a.weight).tolist(), a.bias.tolist(), a.relu) == (b.weights, b.bias, b.relu)


def empty_list(operator: str, name: str):
    attribute = AttributeProto(name=name, type=AttributeProto.INTS)
    found = node(operator, "x", "y")
    found.attribute.append(attribute)
    return [found]


#: name -> nodes, opset
WRONG = {
    **{name: (REFUSED[name][0], 13) for name in REFUSED if name != "too many parts"},
    "too many parts": (REFUSED["too many parts"][0], 18),
    "no parts": (split("y", "x", num_outputs=0), 18),
    "very many parts": (split("y", "x", num_outputs=2**40), 18),
    "parts said twice": (split("y", "x two", num_outputs=1), 18),
    "parts not said": (split("y", "x"), 18),
    "sums along nothing": (empty_list("ReduceSum", "axes"), 11),
    "means along nothing": (empty_list("ReduceMean", "axes"), 13),
    "parts of no sizes": (empty_list("Split", "split"), 11),
    "sums along one axis twice": (some("ReduceSum", "x", axes=[1, -1]), 11),
    "sums along no axis": (some("ReduceSum", "x wide"), 13),
    "sums along axes of floats": (some("ReduceSum", "x c"), 13),
    "places that are truth values": (some("Gather", "x truth"), 13),
    "gathers constants at the signal": (some("Gather", "c x"), 13),
    "expands by a float": (some("Expand", "x c"), 13),
    "joins without an axis": (some("Concat", "x"), 13),
    "joins another type": (some("Concat", "x double", axis=0), 13),
    "slices along one axis twice": (some("Slice", "x both both twice"), 13),
    "slices by steps of 0": (some("Slice", "x zero two zero zero"), 13),
    "filled with several numbers": (
        [node("ConstantOfShape", "two", "k", value=numpy_helper.from_array(f32(1, 2))), node("Add", "x k", "y")],
        13,
    ),
    "filled by the signal": ([node("ConstantOfShape", "x", "y")], 13),
}


@pytest.mark.parametrize("name", WRONG)
def test_both_readers_refuse(scratch, name):
    path = written(scratch, proto(WRONG[name][0], (2, 3), WRONG[name][1]))
    with pytest.raises(InputError) as caught:
        load_network(path)
    assert len(str(caught.value).splitlines()) == 1 and len(str(caught.value)) < 500
    assert len(refused(read_network, path)) < 500


def test_what_would_take_too_much_is_refused(scratch):
    many = np.zeros(10**6, np.int64)
    for nodes in (some("Gather", "x many", axis=1), some("Expand", "x size"), some("Gather", "c many many")):
        constants = {"many": many, "size": np.array([10**9, 1, 1]), "c": np.zeros((1, 1000), np.float32)}
        refused(read_network, written(scratch, model(nodes, constants, shape=(1, 8192))))


def test_the_shape_of_what_is_read_already(scratch):
    nodes = [node("Relu", "x", "r"), node("Shape", "x", "s"), node("Reshape", "r s", "y")]
    assert_same_network(written(scratch, model(nodes)))


# Files that say something else.

OPERATORS = "Gather Slice Split Expand Concat ReduceSum ReduceMean Transpose Add Neg Squeeze Unsqueeze Shape Identity"
NUMBERS = [-3, -2, -1, 0, 1, 2, 3, 2**31 - 1]


def change(found: ModelProto, rng: random.Random) -> None:
    """Changes an operator, an attribute, a constant, what a node reads, the output or the opset."""
    graph = found.graph
    names = ["x", *(name for each in graph.node for name in each.output), *(c.name for c in graph.initializer)]
    each, kind = rng.choice(graph.node), rng.randrange(7)
    if kind == 0 and each.input:
        each.input[rng.randrange(len(each.input))] = rng.choice(names)
    elif kind == 1:
        each.input.append(rng.choice(names))
    elif kind == 2 and each.attribute:
        change_attribute(rng.choice(each.attribute), rng)
    elif kind == 3 and graph.initializer:
        change_constant(rng.choice(graph.initializer), rng)
    elif kind == 4:
        each.op_type = rng.choice(OPERATORS.split())
    elif kind == 5:
        name = rng.choice(["axis", "keepdims", "noop_with_empty_axes", "num_outputs"])
        each.attribute.append(helper.make_attribute(name, rng.choice(NUMBERS)))
    elif rng.random() < 0.5:
        found.opset_import[0].version = rng.choice([7, 10, 12, 13, 17, 18])
    else:
        graph.output[0].name = rng.choice(names)


def change_attribute(attribute: AttributeProto, rng: random.Random) -> None:
    if attribute.type == AttributeProto.INT:
        attribute.i = rng.choice(NUMBERS)
    elif attribute.type == AttributeProto.INTS:
        numbers = [*attribute.ints, rng.choice(NUMBERS)]
        attribute.ints[:] = rng.sample(numbers, rng.randint(0, len(numbers)))


def change_constant(tensor, rng: random.Random) -> None:
    array = numpy_helper.to_array(tensor).copy()
    if array.dtype.kind == "i" and rng.random() < 0.7:
        array.flat[rng.randrange(array.size)] = rng.choice(NUMBERS)
    elif rng.random() < 0.5:
        array = array.astype(rng.choice([np.float64, np.int64, np.int32, np.bool_]))
    else:
        array = array.reshape(rng.choice([(-1,), (1, *array.shape)]))
    tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))


@settings(max_examples=examples(100), deadline=None, suppress_health_check=list(HealthCheck))
@given(chains(), st.integers(0, 2**32))
def test_changed_graphs_are_read_alike_or_refused(scratch, found, seed):
    assert_changed_is_read_alike(scratch, found, change, seed)


# From a file to a verdict that is checked.


def files_of(folder, found: ModelProto) -> tuple[Path, Path, Path]:
    """A network, a property of it on [-1, 1]^n that holds, and one that does not.

    Its first output must be largest at a corner or in the middle.
    """
    network, holds, fails = folder / "n.onnx", folder / "holds.vnnlib", folder / "fails.vnnlib"
    network.write_bytes(found.SerializeToString())
    read = load_network(network)
    points = np.array([*itertools.product([-1, 1], repeat=read.n_inputs), (0,) * read.n_inputs], np.float32)
    most = float(replay(read, points)[:, 0].max())
    names = "".join(f"(declare-const X_{i} Real)" for i in range(read.n_inputs))
    names += "".join(f"(declare-const Y_{i} Real)" for i in range(read.n_outputs))
    box = "".join(f"(assert (<= -1 X_{i}))(assert (<= X_{i} 1))" for i in range(read.n_inputs))
    holds.write_text(f"{names}{box}(assert (>= Y_0 {most + 0.125}))")
    fails.write_text(f"{names}{box}(assert (>= Y_0 {most}))")
    return network, holds, fails


@pytest.mark.parametrize("name", [*READ, "no layer"])
def test_certificates_of_such_networks_are_accepted(tmp_path, capsys, name):
    """The outputs are largest at a corner or in the middle; more than that is proved to be out of reach."""
    found = proto(some("Identity", "x"), (2, 3)) if name == "no layer" else proto(*READ[name])
    network, *properties = files_of(tmp_path, found)
    for answer, spec in enumerate(properties):
        certificate = tmp_path / "c.zip"
        assert main(["verify", str(network), str(spec), "--certificate", str(certificate)]) == answer
        assert "is accepted by the independent checker" in capsys.readouterr().err
        assert main(["check", str(certificate), "--network", str(network), "--property", str(spec)]) == 0
        assert second_checker.accepts(certificate, network, spec)


@pytest.mark.parametrize("name", ["gather", "join behind", "sum", "filled"])
def test_proofs_in_float32_semantics(tmp_path, name):
    network, spec, _ = files_of(tmp_path, proto(*READ[name]))
    certificate = tmp_path / "c.zip"
    command = ["verify", str(network), str(spec), "--semantics", "float32", "--certificate", str(certificate)]
    assert main(command) == 0
    for arithmetic in ("float64", "exact"):
        assert check(certificate, network, spec, arithmetic=arithmetic).accepted
    assert second_checker.accepts(certificate, network, spec)


def test_a_hidden_tensor_that_no_layer_makes(scratch):
    """It is the input; the input's own name is no node's output."""
    path = written(scratch, model([node("Identity", "x", "h"), node("Relu", "h", "y")]))
    assert [np.asarray(layer.weight).tolist() for layer in read_network(path, "h").layers] == [np.eye(3).tolist()]
    with pytest.raises(Malformed, match="tensor 'x' is not the end of one chain"):
        read_network(path, "x")


def test_a_hidden_tensor_that_is_a_part(scratch):
    """Whether it goes on or not, and whatever the other parts become."""
    nodes = [*split("a b", "x ones", axis=0), node("Relu", "a", "r"), node("Neg", "b", "y")]
    path = written(scratch, model(nodes, CONSTANTS, shape=(2, 2)))
    for tensor, weight, relu in (("a", [[1, 0, 0, 0], [0, 1, 0, 0]], False), ("r", [[1, 0, 0, 0], [0, 1, 0, 0]], True)):
        (layer,) = read_network(path, tensor).layers
        assert (np.asarray(layer.weight).tolist(), layer.relu) == (weight, relu)
        (theirs,) = parse_network(up_to(path.read_bytes(), tensor, where="")).layers
        assert (np.asarray(theirs.weight).tolist(), theirs.relu) == (weight, relu)
