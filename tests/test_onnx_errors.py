"""Everything the ONNX reader and writer refuse, each with its one line."""

import gzip
from dataclasses import replace

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx_graphs import f32, model, node

from engine.errors import InputError
from engine.onnx_file import load_network, parse_network, read_bytes, rewritten

W, B = f32([1, 2], [3, 4], [5, 6]), f32(7, 8)
MATMUL = [node("MatMul", "x W", "y")]
EXPORT = "check how the network was exported"
CHAIN = "export it as one chain of affine layers and ReLUs"
AGAIN = "export the network again"


def with_tensor(**changes) -> dict:
    """The weights W as an initializer that is changed in some fields."""
    tensor = numpy_helper.from_array(W, "W")
    for field, value in changes.items():
        setattr(tensor, field, value)
    return {"W": tensor}


def external() -> dict:
    constants = with_tensor(data_location=TensorProto.EXTERNAL)
    constants["W"].external_data.add(key="location", value="weights.bin")
    return constants


def without(field: str):
    proto = model(MATMUL, {"W": W})
    if field == "shape":
        proto.graph.input[0].type.tensor_type.ClearField("shape")
    else:
        getattr(proto.graph if field != "opset_import" else proto, field).clear()
    return proto


def with_functions():
    proto = model(MATMUL, {"W": W})
    proto.functions.add(name="swish", domain="mine")
    return proto


def with_sparse():
    proto = model(MATMUL, {"W": W})
    sparse = proto.graph.sparse_initializer.add(dims=[3, 2])
    sparse.values.CopyFrom(numpy_helper.from_array(f32(1), "S"))
    return proto


def with_twice(name: str):
    proto = model(MATMUL, {"W": W})
    proto.graph.initializer.append(numpy_helper.from_array(W, name))
    return proto


def with_if():
    then = helper.make_graph([node("Relu", "x", "z")], "then", [], [])
    return model([node("If", "x", "y", then_branch=then, else_branch=then)])


def with_attribute(**fields):
    proto = model([node("Relu", "x", "y")])
    attribute = proto.graph.node[0].attribute.add()
    attribute.CopyFrom(helper.make_attribute(*next(iter(fields.items()))))
    return proto


def without_numbers():
    proto = model([node("Constant", "", "y", value_floats=[1.0])])
    del proto.graph.node[0].attribute[0].floats[:]
    return proto


def nodes(*given, constants=None, **options):
    return model(given, {"W": W, "B": B, **(constants or {})}, **options)


def reshape(target, **options):
    attributes = options.pop("attributes", {})
    return nodes(node("Reshape", "x s", "y", **attributes), constants={"s": np.array(target)}, **options)


def unnamed():
    proto = nodes(node("Relu", "x", "a"), node("ConvTranspose", "a W", "y"))
    proto.graph.node[1].name = ""
    return proto


BIG = np.ones((200, 200), np.float32)
THIRD = np.array([[1 / 3], [1 / 7], [1.0]])

REFUSED = {
    # the graph as a whole
    "no nodes": (without("node"), "it has no graph with nodes, so it is no ONNX network; check the file"),
    "no opset": (without("opset_import"), "opset (none) is not supported; export with one from 7 to"),
    "old opset": (nodes(*MATMUL, opset=6), "opset 6 is not supported; export with one from 7 to"),
    "unknown opset": (nodes(*MATMUL, opset=9999), "opset 9999 is not supported; export with one from 7 to"),
    "no input": (without("input"), f"the network needs exactly one input, and has none; {CHAIN}"),
    "two inputs": (
        nodes(*MATMUL, inputs=("x", "z")),
        f"the network needs exactly one input, and has 'x', 'z'; {CHAIN}",
    ),
    "no output": (without("output"), f"the network needs exactly one output, and has none; {CHAIN}"),
    "two outputs": (
        nodes(*MATMUL, outputs=("y", "x")),
        f"the network needs exactly one output, and has 'y', 'x'; {CHAIN}",
    ),
    "functions": (with_functions(), "it defines functions ('swish'); inline them"),
    "sparse": (with_sparse(), "initializer 'S' is sparse; export dense weights"),
    "initializer twice": (with_twice("W"), f"initializer 'W' is defined twice; {AGAIN}"),
    # input and output
    "input without shape": (
        without("shape"),
        "input 'x' has no shape; export the network with a fixed input shape",
    ),
    "dynamic dimension": (
        nodes(*MATMUL, shape=(1, "width")),
        "input 'x' has a dynamic shape [1, 'width']; fix every dimension but the batch when exporting",
    ),
    "two dynamic dimensions": (
        nodes(*MATMUL, shape=("N", None)),
        "input 'x' has a dynamic shape ['N', '?']; fix every dimension but the batch when exporting",
    ),
    "only a batch": (
        nodes(*MATMUL, shape=("N",)),
        "input 'x' has a dynamic shape ['N']; fix every dimension but the batch when exporting",
    ),
    "empty input": (nodes(*MATMUL, shape=(1, 0)), "input 'x' has shape [1, 0]; use 1 to 1048576 inputs"),
    "negative input": (
        nodes(*MATMUL, shape=(-1, -3)),
        "input 'x' has shape [-1, -3]; use 1 to 1048576 inputs",
    ),
    "huge input": (
        nodes(*MATMUL, shape=(2**40, 3)),
        "input 'x' has shape [1099511627776, 3]; use 1 to 1048576 inputs",
    ),
    "integer input": (
        nodes(*MATMUL, kind=TensorProto.INT64),
        "input 'x' has type int64; export with float32 inputs",
    ),
    "output from nowhere": (
        nodes(*MATMUL, output="q"),
        f"output 'q' is not computed from the input; {AGAIN}",
    ),
    "constant output": (
        nodes(node("Relu", "B", "y")),
        f"output 'y' is not computed from the input; {AGAIN}",
    ),
    "declared output shape": (
        nodes(*MATMUL, output_shape=(1, 3)),
        f"output 'y': shapes [1, 3] and [1, 2] do not fit; {EXPORT}",
    ),
    # nodes
    "unknown operator": (
        nodes(node("Hardmax", "x", "y")),
        "node 'y' (Hardmax): operator Hardmax is not supported; cut the graph before it, and ask about the scores",
    ),
    "unnamed node": (
        unnamed(),
        "node 2 (ConvTranspose): operator ConvTranspose is not supported; write it as the matrix product",
    ),
    "operator without a remedy": (
        nodes(node("LRN", "x", "y")),
        "node 'y' (LRN): operator LRN is not supported; supported are Abs, Add, AveragePool,",
    ),
    "hardmax": (
        nodes(node("Hardmax", "x", "y")),
        "node 'y' (Hardmax): operator Hardmax is not supported; cut the graph before it, and ask about the scores",
    ),
    "subgraph": (with_if(), "node 'y' (If): operator If is not supported; export the network with fixed shapes"),
    "other domain": (
        nodes(node("Gemm", "x W", "y", domain="com.microsoft")),
        f"node 'y' (Gemm): operator com.microsoft.Gemm is not supported; {CHAIN}",
    ),
    "unknown attribute": (
        with_attribute(axis=1),
        f"node 'y' (Relu): attribute 'axis' is not supported; {CHAIN}",
    ),
    "attribute of another type": (
        nodes(node("Gemm", "x W", "y", alpha=1)),
        f"node 'y' (Gemm): attribute 'alpha' is not supported; {CHAIN}",
    ),
    "infinite attribute": (
        nodes(node("Gemm", "x W", "y", alpha=float("inf"))),
        f"node 'y' (Gemm): attribute 'alpha' is not finite; {AGAIN}",
    ),
    "too few inputs": (
        nodes(node("MatMul", "x", "y")),
        f"node 'y' (MatMul): it has 1 inputs, which MatMul does not take; {CHAIN}",
    ),
    "too many inputs": (
        nodes(node("Relu", "x W", "y")),
        f"node 'y' (Relu): it has 2 inputs, which Relu does not take; {CHAIN}",
    ),
    "several outputs": (
        nodes(helper.make_node("Relu", ["x"], ["y", "z"], name="r")),
        f"node 'r' (Relu): it has 2 outputs instead of one; {CHAIN}",
    ),
    "output defined twice": (
        nodes(node("Relu", "x", "y"), node("Relu", "y", "y")),
        "node 'y' (Relu): its output 'y' exists already; name tensors differently",
    ),
    "output named like an initializer": (
        nodes(node("Relu", "x", "W"), output="W"),
        "node 'W' (Relu): its output 'W' exists already; name tensors differently",
    ),
    "missing initializer": (
        nodes(node("MatMul", "x V", "y")),
        f"node 'y' (MatMul): no initializer and no node before it gives its input 'V'; {AGAIN}",
    ),
    "product of branches": (
        nodes(node("Relu", "x", "a"), node("Mul", "x a", "y")),
        "node 'y' (Mul): two branches meet in it; branches may meet in Add, Concat, Sub; export it as such",
    ),
    "square": (
        nodes(node("Mul", "x x", "y")),
        "node 'y' (Mul): two branches meet in it; branches may meet in Add, Concat, Sub; export it as such",
    ),
    "constant of text": (
        nodes(node("Constant", "", "y", value_string="1")),
        "node 'y' (Constant): it holds no plain tensor; export constants as initializers",
    ),
    "constant with two values": (
        nodes(node("Constant", "", "y", value_int=1, value_float=1.0)),
        "node 'y' (Constant): it holds not just one tensor or number; export constants as initializers",
    ),
    "constant without a value": (
        nodes(node("Constant", "", "y")),
        "node 'y' (Constant): it holds not just one tensor or number; export constants as initializers",
    ),
    "constant of no numbers": (
        without_numbers(),
        f"node 'y' (Constant): it is empty, or has NaN or infinite values; {AGAIN}",
    ),
    "constant of nan": (
        nodes(node("Constant", "", "y", value_floats=[float("nan")])),
        f"node 'y' (Constant): it is empty, or has NaN or infinite values; {AGAIN}",
    ),
    # tensors
    "nan": (
        model(MATMUL, {"W": f32([np.nan, 1], [1, 1], [1, 1])}),
        "node 'y' (MatMul): tensor 'W' has NaN or infinite values; train or export the network again",
    ),
    "infinity": (
        model(MATMUL, {"W": f32([-np.inf, 1], [1, 1], [1, 1])}),
        "node 'y' (MatMul): tensor 'W' has NaN or infinite values; train or export the network again",
    ),
    "external data": (
        model(MATMUL, external()),
        "node 'y' (MatMul): tensor 'W' keeps its data outside the file; save it with the data inside",
    ),
    "quantized": (
        model(MATMUL, {"W": W.astype(np.int8)}),
        "node 'y' (MatMul): tensor 'W' has type int8, which is not supported; export the network with float32 weights",
    ),
    "unknown type": (
        model(MATMUL, with_tensor(data_type=99)),
        "node 'y' (MatMul): tensor 'W' has type number 99, which is not supported; export the network with",
    ),
    "too little data": (
        model(MATMUL, with_tensor(raw_data=b"1234")),
        "node 'y' (MatMul): tensor 'W' is damaged (cannot reshape array of size 1 into shape (3,2))",
    ),
    "odd bytes": (
        model(MATMUL, with_tensor(raw_data=b"12345")),
        "node 'y' (MatMul): tensor 'W' is damaged (",
    ),
    "empty tensor": (
        model(MATMUL, {"W": np.zeros((3, 0), np.float32)}),
        "node 'y' (MatMul): tensor 'W' has shape [3, 0], which holds no numbers; export the network again",
    ),
    "number types": (
        model(MATMUL, {"W": W.astype(np.float64)}),
        "node 'y' (MatMul): number types float32 and float64 do not fit; use one float type throughout",
    ),
    "integers in arithmetic": (
        model(MATMUL, {"W": W.astype(np.int64)}),
        "node 'y' (MatMul): number types float32 and int64 do not fit; use one float type throughout",
    ),
    # shapes
    "matmul": (
        nodes(*MATMUL, shape=(1, 4)),
        f"node 'y' (MatMul): shapes [1, 4] and [3, 2] do not fit; {EXPORT}",
    ),
    "matmul from the left": (
        nodes(node("MatMul", "W x", "y"), shape=(3, 1)),
        f"node 'y' (MatMul): shapes [3, 2] and [3, 1] do not fit; {EXPORT}",
    ),
    "fixed batch": (
        nodes(*MATMUL, shape=(4, 3)),
        "node 'y' (MatMul): shape [4, 3] holds several points; export with batch size 1",
    ),
    "fixed batch of columns": (
        nodes(node("MatMul", "W x", "y"), shape=(4, 2, 1)),
        "node 'y' (MatMul): shape [4, 2, 1] holds several points; export with batch size 1",
    ),
    "gemm of a vector": (
        nodes(node("Gemm", "x W", "y"), shape=(3,)),
        f"node 'y' (Gemm): Gemm multiplies matrices, not shapes [3] and [3, 2]; {EXPORT}",
    ),
    "gemm, a matrix transposed": (
        nodes(node("Gemm", "x W", "y", transA=1), shape=(3, 2)),
        "node 'y' (Gemm): shape [2, 3] holds several points; export with batch size 1",
    ),
    "gemm, bias too wide": (
        nodes(node("Gemm", "x W b", "y"), constants={"b": f32(1, 2, 3)}),
        f"node 'y' (Gemm): shapes [1, 2] and [3] do not fit; {EXPORT}",
    ),
    "gemm, bias of rank 3": (
        nodes(node("Gemm", "x W b", "y"), constants={"b": f32([[1, 2]])}),
        f"node 'y' (Gemm): shapes [1, 2] and [1, 1, 2] do not fit; {EXPORT}",
    ),
    "gemm, bias is the signal": (
        nodes(node("Gemm", "W V x", "y"), constants={"V": f32([1], [1])}, shape=(3, 1)),
        f"node 'y' (Gemm): the network's signal stands where Gemm's bias belongs; {EXPORT}",
    ),
    "add spreads the signal": (
        nodes(node("Add", "x B", "y"), shape=(3, 1)),
        f"node 'y' (Add): shapes [3, 1] and [2] make several points of one; {EXPORT}",
    ),
    "add spreads the batch": (
        nodes(node("Add", "x b", "y"), constants={"b": f32([1], [2])}, shape=("N", 3)),
        f"node 'y' (Add): shapes [1, 3] and [2, 1] make several points of one; {EXPORT}",
    ),
    "sub of other width": (
        nodes(node("Sub", "x B", "y")),
        f"node 'y' (Sub): shapes [1, 3] and [2] do not fit; {EXPORT}",
    ),
    "flatten, no such axis": (
        nodes(node("Flatten", "x", "y", axis=3)),
        f"node 'y' (Flatten): axis 3 does not exist in shape [1, 3]; {EXPORT}",
    ),
    "reshape to another size": (
        reshape([1, 4]),
        f"node 'y' (Reshape): shapes [1, 3] and [1, 4] do not fit; {EXPORT}",
    ),
    "reshape with a rest": (
        reshape([-1, 2]),
        f"node 'y' (Reshape): shapes [1, 3] and [-1, 2] do not fit; {EXPORT}",
    ),
    "reshape copies nothing": (
        reshape([1, 3, 0]),
        f"node 'y' (Reshape): shapes [1, 3] and [1, 3, 0] do not fit; {EXPORT}",
    ),
    "reshape, two rests": (
        reshape([-1, -1]),
        f"node 'y' (Reshape): [-1, -1] is not a valid new shape; {EXPORT}",
    ),
    "reshape, negative": (reshape([-3]), f"node 'y' (Reshape): [-3] is not a valid new shape; {EXPORT}"),
    "reshape, allowzero": (
        reshape([0, 3], attributes={"allowzero": 1}, opset=14),
        f"node 'y' (Reshape): [0, 3] is not a valid new shape; {EXPORT}",
    ),
    "reshape to a matrix": (
        reshape([[1, 3]]),
        f"node 'y' (Reshape): the new shape is not a list of at most 8 integers; {EXPORT}",
    ),
    "reshape to the signal": (
        nodes(node("Reshape", "W x", "y")),
        "node 'y' (Reshape): the new shape is not a constant of type int64; export with a fixed shape",
    ),
    "reshape to floats": (
        nodes(node("Reshape", "x B", "y")),
        "node 'y' (Reshape): the new shape is not a constant of type int64; export with a fixed shape",
    ),
    # what cannot be exact or is too large
    "inexact factor": (
        model([node("Gemm", "x W", "y", alpha=0.1)], {"W": THIRD}, kind=TensorProto.DOUBLE),
        "node 'y' (Gemm): its constants cannot be combined without rounding; fold constants before exporting",
    ),
    "inexact sum of constants": (
        nodes(node("Add", "big tiny", "c"), node("Add", "x c", "y"), constants={"big": f32(1e30), "tiny": f32(1e-30)}),
        "node 'c' (Add): its constants cannot be combined without rounding; fold constants before exporting",
    ),
    "overflowing product of constants": (
        model([node("Gemm", "x W", "y", alpha=3.0)], {"W": THIRD * 1e308}, kind=TensorProto.DOUBLE),
        "node 'y' (Gemm): its constants cannot be combined without rounding; fold constants before exporting",
    ),
    "large product of constants": (
        nodes(node("MatMul", "V V", "y"), constants={"V": BIG}),
        "node 'y' (MatMul): its constants are too large to be folded exactly; fold constants before exporting",
    ),
    "large sum of constants": (
        nodes(node("Add", "a b", "y"), constants={"a": f32(*[[1]] * 2000), "b": f32([1] * 2000)}),
        "node 'y' (Add): its constants are too large to be folded exactly; fold constants before exporting",
    ),
    "product of constants that do not fit": (
        nodes(node("MatMul", "W W", "y")),
        f"node 'y' (MatMul): shapes [3, 2] and [3, 2] do not fit; {EXPORT}",
    ),
    "normalization of a huge input": (
        nodes(node("Relu", "x", "y"), shape=(1, 65537)),
        "node 'y' (Relu): as a matrix it has 65,537 rows, and at most 65,536 are supported; use a smaller network",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name):
    proto, expected = REFUSED[name]
    with pytest.raises(InputError) as caught:
        parse_network(proto.SerializeToString(), where="net.onnx")
    line = str(caught.value)
    assert line.startswith(f"net.onnx: {expected}")
    assert "\n" not in line and caught.value.advice


def test_names_that_are_no_text():
    data = network_bytes().replace(b"MatMul", b"Mat\xff\xfe\xfd")
    with pytest.raises(InputError):
        parse_network(data)


def test_names_of_several_lines_stay_on_one():
    with pytest.raises(InputError) as caught:
        parse_network(nodes(node("Bad\n\x1bOperator", "x", "y")).SerializeToString())
    assert r"operator Bad\n\x1bOperator is not supported" in str(caught.value)


def network_bytes() -> bytes:
    return model(MATMUL, {"W": W}).SerializeToString()


FILES = {
    "empty": (b"", "it has no graph with nodes, so it is no ONNX network; check the file"),
    "text": (b"hello, world", "this is no ONNX file, or one cut short; check or download it again"),
    "truncated": (network_bytes()[:-1], "this is no ONNX file, or one cut short; check or download it again"),
    "other protobuf": (b"\x08\x03", "it has no graph with nodes, so it is no ONNX network; check the file"),
    "zipped under the wrong name": (
        gzip.compress(network_bytes()),
        "this is no ONNX file, or one cut short; check or download it again",
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_files_that_are_no_network(tmp_path, name):
    data, expected = FILES[name]
    path = tmp_path / "net.onnx"
    path.write_bytes(data)
    with pytest.raises(InputError) as caught:
        load_network(path)
    assert str(caught.value) == f"{path}: {expected}"


GZIPPED = {
    "not gzip": (
        network_bytes(),
        "the gzip data is damaged (Not a gzipped file (b'\\x08\\x08')); get the file again",
    ),
    "cut short": (
        gzip.compress(network_bytes())[:-9],
        "the gzip data is damaged (Compressed file ended before",
    ),
    "wrong checksum": (
        gzip.compress(network_bytes())[:-8] + bytes(8),
        "the gzip data is damaged (CRC check failed",
    ),
    "garbled": (
        gzip.compress(network_bytes())[:10] + b"\x07" * 50,
        "the gzip data is damaged (Error -3 while",
    ),
}


@pytest.mark.parametrize("name", GZIPPED)
def test_bad_gzip(tmp_path, name):
    data, expected = GZIPPED[name]
    path = tmp_path / "net.onnx.gz"
    path.write_bytes(data)
    with pytest.raises(InputError) as caught:
        load_network(path)
    assert str(caught.value).startswith(f"{path}: {expected}")


def test_gzip_bomb(tmp_path):
    path = tmp_path / "net.onnx.gz"
    path.write_bytes(gzip.compress(bytes(10**6)))
    with pytest.raises(InputError) as caught:
        read_bytes(path, limit=10**5)
    assert str(caught.value) == f"{path}: it holds more than 100000 bytes; use a smaller network"
    assert len(read_bytes(path, limit=10**6)) == 10**6


def test_missing_file(tmp_path):
    with pytest.raises(InputError) as caught:
        load_network(tmp_path / "net.onnx")
    assert str(caught.value) == f"{tmp_path / 'net.onnx'}: there is no such file; check the name"


@pytest.mark.parametrize("name", ["folder", "folder.gz"])
def test_directory(tmp_path, name):
    (tmp_path / name).mkdir()
    with pytest.raises(InputError) as caught:
        load_network(tmp_path / name)
    assert str(caught.value) == f"{tmp_path / name}: this is a directory; name one file in it"


def test_path_through_a_file(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match=r": it cannot be read \(Not a directory\); check its permissions"):
        load_network(tmp_path / "file" / "net.onnx")


def set_number(network, layer: int, part: str, place, value: float):
    layers = list(network.layers)
    array = getattr(layers[layer], part).copy()
    array[place] = value
    layers[layer] = replace(layers[layer], **{"matrix" if part == "weight" else part: array})
    return replace(network, layers=tuple(layers))


OTHER = "change another layer, or export the network with this one written out"
SHARED = nodes(
    node("MatMul", "x V", "a"),
    node("Relu", "a", "b"),
    node("MatMul", "b V", "y"),
    constants={"V": f32(*np.eye(3))},
)
FOLDED = nodes(node("MatMul", "W V", "c"), node("MatMul", "x c", "y"), constants={"V": f32([1], [1])})
BIASED = nodes(node("MatMul", "x W", "a"), node("Add", "a b", "y"), constants={"b": f32(1)})
NORMALIZED = nodes(node("Sub", "x m", "a"), node("MatMul", "a W", "y"), constants={"m": f32(0, 1, 0)})
GEMM = nodes(node("Gemm", "x W B", "y", alpha=3.0, beta=0.0))

UNWRITABLE = {
    "rounded": (
        nodes(*MATMUL),
        (0, "weight", (1, 2), 0.1),
        "net: weight of layer 1: 0.1 is no float32 number for 'W'; round it to one that is",
    ),
    "too large": (
        nodes(*MATMUL),
        (0, "weight", (1, 2), 1e39),
        "net: weight of layer 1: 1e+39 is no float32 number for 'W'; round it to one that is",
    ),
    "nan": (
        nodes(*MATMUL),
        (0, "weight", (1, 2), np.nan),
        "net: weight of layer 1: nan is no float32 number for 'W'; round it to one that is",
    ),
    "no multiple of alpha": (
        GEMM,
        (0, "weight", (1, 2), 1.0),
        "net: weight of layer 1: 1.0 is no float32 number for 'W'; round it to one that is",
    ),
    "beta is zero": (
        GEMM,
        (0, "bias", 0, 1.0),
        "net: bias of layer 1: 1.0 is no float32 number for 'B'; round it to one that is",
    ),
    "no bias": (
        nodes(*MATMUL),
        (0, "bias", 0, 1.0),
        f"net: bias of layer 1: it has no initializer in the file; {OTHER}",
    ),
    "identity": (
        NORMALIZED,
        (0, "weight", (0, 0), 2.0),
        f"net: weight of layer 1: it has no initializer in the file; {OTHER}",
    ),
    "folded": (
        FOLDED,
        (0, "weight", (0, 0), 2.0),
        f"net: weight of layer 1: it is folded from 'W', 'V'; {OTHER}",
    ),
    "shared": (
        SHARED,
        (1, "weight", (0, 0), 2.0),
        f"net: weight of layer 2: its initializer 'V' is shared; {OTHER}",
    ),
    "one number for two": (
        BIASED,
        (0, "bias", 1, 2.0),
        "net: layer 1: one number in the file stands for several different ones here; change them alike, "
        "or export the network with this layer written out",
    ),
    "normalization becomes nothing": (
        NORMALIZED,
        (0, "bias", 1, 0.0),
        "net: a layer that only adds its bias adds nothing but zeros, and would be lost on reading; "
        "keep one of them nonzero",
    ),
}


@pytest.mark.parametrize("name", UNWRITABLE)
def test_unwritable(name):
    proto, change, expected = UNWRITABLE[name]
    network = parse_network(proto.SerializeToString(), name="net")
    with pytest.raises(InputError) as caught:
        rewritten(set_number(network, *change))
    assert str(caught.value) == expected


def test_layers_of_another_graph():
    network = parse_network(NORMALIZED.SerializeToString(), name="net")
    expected = (
        "net: the layers do not have the shape of the ONNX graph they came from; keep each layer's shape and ReLU"
    )
    first, last = network.layers
    for layers in ((last,), (last, first), (first, replace(last, relu=True))):
        with pytest.raises(InputError) as caught:
            rewritten(replace(network, layers=layers))
        assert str(caught.value) == expected
