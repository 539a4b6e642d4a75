"""Small ONNX graphs for the tests, built by hand and at random."""

import numpy as np
from hypothesis import strategies as st
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper
from onnx_activation_graphs import STEPS as ACTIVATIONS
from onnx_selection_graphs import STEPS as SELECTIONS


def node(operator: str, inputs: str, output: str, **attributes) -> NodeProto:
    """A node named like its output; `inputs` are separated by spaces."""
    return helper.make_node(operator, inputs.split(), [output], name=output, **attributes)


def model(
    nodes,
    constants=None,
    *,
    shape=(1, 3),
    output="y",
    output_shape=None,
    kind=TensorProto.FLOAT,
    opset=13,
    inputs=("x",),
    outputs=None,
    **extra,
) -> ModelProto:
    """One graph from `x`; `constants` maps names to arrays or TensorProtos."""
    tensors = [
        c if isinstance(c, TensorProto) else numpy_helper.from_array(c, name) for name, c in (constants or {}).items()
    ]
    infos = [helper.make_tensor_value_info(name, kind, shape) for name in inputs]
    ends = [helper.make_tensor_value_info(name, kind, output_shape) for name in outputs or (output,)]
    graph = helper.make_graph(list(nodes), "graph", infos, ends, tensors, **extra)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def f32(*numbers) -> np.ndarray:
    return np.array(numbers, dtype=np.float32)


class Builder:
    """Adds nodes to a chain, keeping track of the running tensor's name and shape."""

    def __init__(self, shape: tuple, opset: int):
        self.opset = opset
        self.shape = tuple(1 if isinstance(d, str) else d for d in shape)
        self.batched = isinstance(shape[0], str)
        self.nodes: list[NodeProto] = []
        self.constants: dict[str, np.ndarray] = {}
        self.name = "x"

    def constant(self, array: np.ndarray, *, as_node: bool = False) -> str:
        name = f"c{len(self.constants) + len(self.nodes)}"
        if as_node:
            self.nodes.append(node("Constant", "", name, value=numpy_helper.from_array(array)))
        else:
            self.constants[name] = array
        return name

    def step(self, operator: str, inputs: str, shape: tuple, **attributes) -> None:
        """`inputs` names the running tensor `@`."""
        self.step_of(operator, inputs.split(), shape, **attributes)

    def step_of(self, operator: str, inputs: list[str], shape: tuple, **attributes) -> None:
        """The same, where an input that is left out is empty."""
        output, names = f"t{len(self.nodes)}", [self.name if name == "@" else name for name in inputs]
        self.nodes.append(helper.make_node(operator, names, [output], name=output, **attributes))
        self.name, self.shape = output, shape

    @property
    def size(self) -> int:
        return int(np.prod(self.shape))


def _numbers(draw, shape: tuple) -> np.ndarray:
    """Small integers, so that float32 execution is exact and can be compared without tolerance."""
    seed = draw(st.integers(0, 2**32 - 1))
    return np.random.default_rng(seed).integers(-2, 3, shape).astype(np.float32)


def _affine(draw, chain: Builder) -> None:
    width = draw(st.integers(1, 4))
    if len(chain.shape) > 1 and chain.shape[-1] == 1 and chain.shape[-2] == chain.size and not chain.batched:
        _column(draw, chain, width)
    elif chain.shape and chain.shape[-1] == chain.size:
        _row(draw, chain, width)


def _column(draw, chain: Builder, width: int) -> None:
    weight = chain.constant(_numbers(draw, (width, chain.size)))
    shape = (*chain.shape[:-2], width, 1)
    if len(shape) == 2 and draw(st.booleans()):
        bias = chain.constant(_numbers(draw, (width, 1)))
        chain.step("Gemm", f"{weight} @ {bias}", shape)
    else:
        chain.step("MatMul", f"{weight} @", shape)


def _row(draw, chain: Builder, width: int) -> None:
    shape = (*chain.shape[:-1], width)
    if len(shape) != 2 or draw(st.booleans()):
        weight = chain.constant(_numbers(draw, (chain.size, width)), as_node=draw(st.booleans()))
        chain.step("MatMul", f"@ {weight}", shape)
        return
    transposed = draw(st.booleans())
    weight = chain.constant(_numbers(draw, (width, chain.size) if transposed else (chain.size, width)))
    inputs, attributes = f"@ {weight}", {"transB": 1} if transposed else {}
    if draw(st.booleans()):
        inputs += " " + chain.constant(_numbers(draw, draw(st.sampled_from([(width,), (1, width), (1,)]))))
        attributes["beta"] = draw(st.sampled_from([1.0, -2.0, 0.5]))
    chain.step("Gemm", inputs, shape, alpha=draw(st.sampled_from([1.0, 0.5, -1.0])), **attributes)


def _shift(draw, chain: Builder) -> None:
    shape = draw(st.sampled_from([chain.shape, chain.shape[-1:], (1,)[: len(chain.shape)], ()]))
    if len(chain.shape) > 1 and chain.shape[-1] == 1:
        shape = chain.shape
    values = _numbers(draw, shape) * draw(st.sampled_from([0, 1, 1]))
    constant = chain.constant(np.asarray(values, np.float32), as_node=draw(st.booleans()))
    inputs = draw(st.sampled_from([f"@ {constant}", f"{constant} @"]))
    chain.step(draw(st.sampled_from(["Add", "Sub"])), inputs, chain.shape)


def _reshape(draw, chain: Builder) -> None:
    size = chain.size
    shapes = [(1, size), (1, 1, size)] if chain.batched else [(size,), (1, size), (size, 1), (1, 1, size)]
    shape = draw(st.sampled_from(shapes))
    target = [-1, *shape[1:]] if chain.batched else list(shape)
    chain.step("Reshape", "@ " + chain.constant(np.array(target, np.int64)), shape)


def _flatten(draw, chain: Builder) -> None:
    if chain.batched:
        chain.step("Flatten", "@", (1, chain.size))
        return
    axis = draw(st.integers(0, len(chain.shape)))
    shape = (int(np.prod(chain.shape[:axis])), int(np.prod(chain.shape[axis:])))
    chain.step("Flatten", "@", shape, axis=axis)


def _relu(draw, chain: Builder) -> None:
    chain.step("Relu", "@", chain.shape)


def _identity(draw, chain: Builder) -> None:
    chain.step(draw(st.sampled_from(["Identity", "Dropout"])), "@", chain.shape)


def _rectify(draw, chain: Builder) -> None:
    """A ReLU in another form."""
    zero = chain.constant(np.float32(0), as_node=draw(st.booleans()))
    chain.step(*draw(st.sampled_from([("Clip", f"@ {zero}"), ("Max", f"@ {zero}"), ("Max", f"{zero} @")])), chain.shape)


def _scale(draw, chain: Builder) -> None:
    """By small integers or powers of two."""
    operator, shape = draw(st.sampled_from(["Mul", "Div", "Neg"])), draw(st.sampled_from([chain.shape, (1,), ()]))
    if operator == "Neg":
        chain.step("Neg", "@", chain.shape)
        return
    numbers = np.asarray(_numbers(draw, shape), np.float32)
    numbers = np.exp2(np.sign(numbers)) if operator == "Div" else numbers
    constant = chain.constant(np.asarray(numbers, np.float32), as_node=draw(st.booleans()))
    chain.step(operator, f"{constant} @" if operator == "Mul" and draw(st.booleans()) else f"@ {constant}", chain.shape)


def _dot(draw, chain: Builder) -> None:
    """A product with a vector, after which a dimension is missing."""
    if len(chain.shape) > 1 and chain.shape[-1] == chain.size:  # few operators take what has no dimension
        chain.step("MatMul", "@ " + chain.constant(_numbers(draw, (chain.size,))), chain.shape[:-1])
        chain.batched = chain.batched and len(chain.shape) > 1  # the next product takes what is left for a point


def _turn(draw, chain: Builder) -> None:
    """Axes in another order, in which no element moves."""
    order = draw(st.permutations(range(len(chain.shape))))
    long = [axis for axis in order if chain.shape[axis] > 1]
    if long == sorted(long) and order:
        chain.step("Transpose", "@", tuple(chain.shape[axis] for axis in order), perm=list(order))
        chain.batched = chain.batched and order[0] == 0


INPUT_SHAPES = [(3,), (1, 3), (1, 1, 1, 5), (4, 1), (1, 4, 1), ("N", 2), ("N", 1, 3), ("batch", 2, 2)]


@st.composite
def chains(draw) -> ModelProto:
    """A random chain of the supported operators in many forms, exact in float32 on small integers."""
    shape = draw(st.sampled_from(INPUT_SHAPES))
    chain = Builder(shape, draw(st.sampled_from([12, 13, 17, 18, 21])))
    steps = [_affine, _affine, _affine, _shift, _relu, _reshape, _flatten, _identity, _rectify, _scale, _dot, _turn]
    for step in draw(st.lists(st.sampled_from(steps + SELECTIONS + ACTIVATIONS), min_size=1, max_size=9)):
        step(draw, chain)
    if not chain.nodes or chain.name == "x":
        _identity(draw, chain)
    return model(chain.nodes, chain.constants, shape=shape, output=chain.name, opset=chain.opset)
