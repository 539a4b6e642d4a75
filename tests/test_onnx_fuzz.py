"""Damaged ONNX files load or raise InputError, never anything else."""

import gzip

import numpy as np
import pytest
from fuzzing import examples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import load_model_from_string
from onnx_graphs import chains, f32, model, node

from engine.errors import InputError
from engine.network import Network
from engine.onnx_file import load_network, parse_network, rewritten

FUZZ = settings(max_examples=examples(300), deadline=None, suppress_health_check=list(HealthCheck))
VALID = model(
    [
        node("Sub", "x m", "a"),
        node("Reshape", "a s", "b"),
        node("Gemm", "b W B", "c", alpha=0.5, transB=1),
        node("Relu", "c", "d"),
        node("Flatten", "d", "e"),
        node("MatMul", "e V", "y"),
    ],
    {
        "m": f32(1, 0, 2),
        "s": np.array([0, -1]),
        "W": f32([1, 2, 3], [4, 5, 6]),
        "B": f32(1, 1),
        "V": f32([1], [2]),
    },
).SerializeToString()


def check(data: bytes) -> Network | None:
    """Whatever the bytes are: a network that is whole and keeps its bytes, or one line."""
    try:
        network = parse_network(data)
    except InputError as error:
        assert len(str(error).splitlines()) == 1
        return None
    for before, layer in zip((None, *network.layers), network.layers):
        assert layer.weight.shape == (len(layer.bias), layer.weight.shape[1])
        assert before is None or layer.weight.shape[1] == len(before.bias)
        assert np.isfinite(layer.weight).all() and np.isfinite(layer.bias).all()
    assert rewritten(network) is network
    return network


def test_the_undamaged_file_loads():
    assert check(VALID).shape == (3, (3, False), (2, True), (1, False))


@pytest.mark.parametrize("end", range(0, len(VALID), 3))
def test_truncated(end):
    check(VALID[:end])


@FUZZ
@given(st.binary(max_size=200))
def test_random_bytes(data):
    check(data)


@FUZZ
@given(st.lists(st.tuples(st.integers(0, len(VALID) - 1), st.integers(0, 255)), min_size=1, max_size=4))
def test_changed_bytes(changes):
    data = bytearray(VALID)
    for place, value in changes:
        data[place] = value
    check(bytes(data))


@FUZZ
@given(chains(), st.data())
def test_changed_bytes_of_random_chains(proto, draw):
    data = bytearray(proto.SerializeToString())
    for _ in range(draw.draw(st.integers(1, 3))):
        data[draw.draw(st.integers(0, len(data) - 1))] = draw.draw(st.integers(0, 255))
    check(bytes(data))


@FUZZ
@given(st.integers(0, len(VALID)), st.integers(0, len(VALID)), st.binary(max_size=8))
def test_spliced_bytes(start, end, inserted):
    check(VALID[:start] + inserted + VALID[end:])


def _damage(draw, proto) -> None:
    """One change that keeps the file well-formed but says something else."""
    graph = proto.graph
    names = st.sampled_from(["x", "y", "W", "B", "V", "m", "s", "a", "b", "c", "d", "e", "", "other"])
    some_node = draw.draw(st.sampled_from(list(graph.node)))
    some_tensor = draw.draw(st.sampled_from(list(graph.initializer)))
    kind = draw.draw(st.integers(0, 8))
    if kind == 0 and some_node.input:
        some_node.input[draw.draw(st.integers(0, len(some_node.input) - 1))] = draw.draw(names)
    elif kind == 1:
        some_node.output[0] = draw.draw(names)
    elif kind == 2:
        operators = "Add Sub MatMul Gemm Relu Flatten Reshape Identity Constant If"
        some_node.op_type = draw.draw(st.sampled_from(operators.split()))
    elif kind == 3:
        some_node.input.append(draw.draw(names))
    elif kind == 4:
        some_tensor.dims[0] = draw.draw(st.integers(-3, 2**40))
    elif kind == 5:
        some_tensor.data_type = draw.draw(st.integers(-1, 30))
    elif kind == 6:
        graph.input[0].type.tensor_type.shape.dim[1].dim_value = draw.draw(st.integers(-3, 2**62))
    elif kind == 7:
        graph.node.remove(some_node)
    else:
        some_tensor.raw_data = draw.draw(st.binary(min_size=0, max_size=32))


@FUZZ
@given(st.data())
def test_changed_graphs(draw):
    proto = load_model_from_string(VALID)
    for _ in range(draw.draw(st.integers(1, 3))):
        _damage(draw, proto)
    check(proto.SerializeToString())


@FUZZ
@given(
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), min_size=1, max_size=3),
    st.integers(1, 500),
)
def test_damaged_gzip(tmp_path_factory, changes, end):
    data = bytearray(gzip.compress(VALID, mtime=0))
    for place, value in changes:
        data[place % len(data)] = value
    path = tmp_path_factory.getbasetemp() / "fuzzed.onnx.gz"
    path.write_bytes(bytes(data[:end]))
    try:
        load_network(path)
    except InputError as error:
        assert len(str(error).splitlines()) == 1
