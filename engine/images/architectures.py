"""ONNX classifiers with random weights, in the shapes of the published work.

mlp      three layers of 100 (the 3x100 of APRNN's and PRDNN's tables)
cnn      two convolutions 5 x 5, two dense layers (BadNets; VERE's MNIST network is of this kind)
lq, hq   NNrepair's MNIST-LQ and MNIST-HQ: two convolutions 3 x 3, a pool, 128 neurons
deepid   three pooled convolutions and a fourth, whose features are added (DeepID, as in Fine-Pruning)
vgg13, vgg16   for the sizes of CIFAR-10 and Imagenette
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, checker, helper, numpy_helper

from engine.errors import InputError

OPSET, IR_VERSION = 17, 8

Shape = tuple[int, ...]


class Builder:
    """Adds layers to a graph, one after the other; each returns the name of its output tensor."""

    def __init__(self, shape: tuple[int, int, int], *, activation: str, seed: int):
        """shape: channels, height, width of an image; activation: relu or sigmoid."""
        self.shape: dict[str, Shape] = {"image": shape}
        self._activation = {"relu": "Relu", "sigmoid": "Sigmoid"}[activation]
        self._random = np.random.default_rng(seed)
        self._nodes: list[NodeProto] = []
        self._weights: list[TensorProto] = []

    def conv(self, x: str, channels: int, kernel: int, *, pad: int = 0, stride: int = 1) -> str:
        before, height, width = self.shape[x]
        name = f"conv{self._count('Conv') + 1}"
        weight = self._weight(x, name, (channels, before, kernel, kernel))
        out = (channels, *((size + 2 * pad - kernel) // stride + 1 for size in (height, width)))
        more = {"strides": [stride] * 2} if stride > 1 else {}
        return self._add("Conv", [x, *weight], name, out, kernel_shape=[kernel, kernel], pads=[pad] * 4, **more)

    def dense(self, x: str, width: int) -> str:
        (before,) = self.shape[x]
        name = f"dense{self._count('Gemm') + 1}"
        return self._add("Gemm", [x, *self._weight(x, name, (width, before))], name, (width,), transB=1)

    def act(self, x: str) -> str:
        return self._add(self._activation, [x], f"{x}_{self._activation.lower()}", self.shape[x])

    def pool(self, x: str, size: int = 2) -> str:
        channels, height, width = self.shape[x]
        out = (channels, height // size, width // size)
        return self._add("MaxPool", [x], f"{x}_pool", out, kernel_shape=[size, size], strides=[size, size])

    def flatten(self, x: str) -> str:
        return self._add("Flatten", [x], f"{x}_flat", (int(np.prod(self.shape[x])),))

    def add(self, x: str, y: str) -> str:
        return self._add("Add", [x, y], f"{x}_{y}_sum", self.shape[x])

    def model(self, scores: str, name: str) -> ModelProto:
        """The model that ends in the tensor `scores`, checked against the standard."""
        ends = [
            helper.make_tensor_value_info(tensor, TensorProto.FLOAT, ["n", *self.shape[tensor]])
            for tensor in ("image", scores)
        ]
        graph = helper.make_graph(self._nodes, name, ends[:1], ends[1:], self._weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
        checker.check_model(model, full_check=True)
        return model

    def _count(self, kind: str) -> int:
        return sum(node.op_type == kind for node in self._nodes)

    def _weight(self, x: str, name: str, shape: Shape) -> list[str]:
        """Normal weights with which signals keep their size: He's (ICCV 2015) before a ReLU.

        A sigmoid's slope is 1/4 and its mean 1/2: weights are four times Glorot's, and biases cancel the mean.
        """
        sigmoid = self._activation == "Sigmoid"
        gain = 4.0 if sigmoid else 2.0**0.5
        weight = self._random.normal(0.0, gain / np.prod(shape[1:]) ** 0.5, shape).astype(np.float32)
        mean = 0.5 if sigmoid and "_sigmoid" in x else 0.0
        bias = (-mean * weight.reshape(len(weight), -1).sum(1)).astype(np.float32)
        for suffix, array in (("weight", weight), ("bias", bias)):
            self._weights.append(numpy_helper.from_array(array, f"{name}.{suffix}"))
        return [f"{name}.weight", f"{name}.bias"]

    def _add(self, kind: str, inputs: Sequence[str], name: str, shape: Shape, **attributes: Any) -> str:
        if min(shape) < 1:
            height, width = self.shape["image"][1:]
            raise InputError(
                f"images of {height} x {width} are too small for it", where="--model", advice="choose another"
            )
        self._nodes.append(helper.make_node(kind, list(inputs), [name], name=name, **attributes))
        self.shape[name] = shape
        return name


def _mlp(b: Builder, classes: int) -> str:
    x = b.flatten("image")
    for _ in range(3):
        x = b.act(b.dense(x, 100))
    return b.dense(x, classes)


def _cnn(b: Builder, classes: int) -> str:
    kernel = 5 if min(b.shape["image"][1:]) >= 16 else 3
    x = b.pool(b.act(b.conv("image", 16, kernel)))
    x = b.flatten(b.pool(b.act(b.conv(x, 32, kernel, pad=kernel // 2))))
    return b.dense(b.act(b.dense(x, 128)), classes)


def _nnrepair(channels: tuple[int, int]) -> Callable[[Builder, int], str]:
    def build(b: Builder, classes: int) -> str:
        x = b.act(b.conv("image", channels[0], 3))
        x = b.flatten(b.pool(b.act(b.conv(x, channels[1], 3))))
        return b.dense(b.act(b.dense(x, 128)), classes)

    return build


def _deepid(b: Builder, classes: int) -> str:
    x = b.pool(b.act(b.conv("image", 20, 3, pad=1)))
    x = b.pool(b.act(b.conv(x, 40, 3, pad=1)))
    third = b.pool(b.act(b.conv(x, 60, 3, pad=1)))
    fourth = b.act(b.conv(third, 80, 2, pad=1))
    sides = [b.dense(b.flatten(side), 160) for side in (third, fourth)]
    return b.dense(b.act(b.add(*sides)), classes)


def _vgg(blocks: Sequence[Sequence[int]]) -> Callable[[Builder, int], str]:
    """VGG (Simonyan and Zisserman, ICLR 2015), with a head of two layers of 512."""

    def build(b: Builder, classes: int) -> str:
        x = "image"
        for block in blocks:
            for channels in block:
                x = b.act(b.conv(x, channels, 3, pad=1))
            x = b.pool(x)
        x = b.flatten(x)
        for _ in range(2):
            x = b.act(b.dense(x, 512))
        return b.dense(x, classes)

    return build


ARCHITECTURES: dict[str, Callable[[Builder, int], str]] = {
    "mlp": _mlp,
    "cnn": _cnn,
    "lq": _nnrepair((2, 4)),
    "hq": _nnrepair((32, 64)),
    "deepid": _deepid,
    "vgg13": _vgg([(64,) * 2, (128,) * 2, (256,) * 2, (512,) * 2, (512,) * 2]),
    "vgg16": _vgg([(64,) * 2, (128,) * 2, (256,) * 3, (512,) * 3, (512,) * 3]),
}


def new_model(
    name: str, shape: tuple[int, int, int], classes: int, *, activation: str = "relu", seed: int = 0
) -> ModelProto:
    """An untrained model of this architecture for images of this shape; the same seed gives the same weights.

    InputError where the images are too small for it.
    """
    builder = Builder(shape, activation=activation, seed=seed)
    return builder.model(ARCHITECTURES[name](builder, classes), name)
