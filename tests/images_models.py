"""Hand-made ONNX classifiers in the shapes that Keras, PyTorch and scikit-learn export."""

import numpy as np
from onnx import TensorProto, helper, numpy_helper

FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64


class Graphs:
    """Collects nodes and weights; weights are drawn from one generator."""

    def __init__(self, seed=0):
        self.random, self.nodes, self.weights = np.random.default_rng(seed), [], []

    def w(self, name, *shape, positive=False):
        values = self.random.normal(0, 0.5, shape)
        return self.const(name, (np.abs(values) + 0.5 if positive else values).astype(np.float32))

    def const(self, name, array):
        self.weights.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def add(self, kind, *inputs, out=None, domain="", **attributes):
        name = out or f"{kind.lower()}{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], name=name, domain=domain, **attributes))
        return name

    def model(self, shape, outputs, *, opset=17, ml=False):
        """outputs: (name, type, shape) each; a shape of None makes a sequence of maps, as ZipMap gives."""
        ends = []
        for name, kind, dims in outputs:
            if dims is None:
                held = helper.make_map_type_proto(INT64, helper.make_tensor_type_proto(FLOAT, []))
                ends.append(helper.make_value_info(name, helper.make_sequence_type_proto(held)))
            else:
                ends.append(helper.make_tensor_value_info(name, kind, dims))
        image = helper.make_tensor_value_info("x", FLOAT, shape)
        graph = helper.make_graph(self.nodes, "made", [image], ends, self.weights)
        imports = [helper.make_opsetid("", opset), *([helper.make_opsetid("ai.onnx.ml", 3)] if ml else [])]
        return helper.make_model(graph, opset_imports=imports, ir_version=8)


def keras_like():
    """NHWC in, Transpose to NCHW for the convolution and back, dense layers as MatMul and Add, Softmax."""
    g = Graphs()
    x = g.add("Transpose", "x", perm=[0, 3, 1, 2])
    x = g.add("Conv", x, g.w("k", 4, 3, 3, 3), g.w("kb", 4), auto_pad="SAME_UPPER", strides=[2, 2])
    x = g.add("Relu", x)
    x = g.add("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
    x = g.add("Transpose", x, perm=[0, 2, 3, 1])
    x = g.add("Reshape", x, g.const("shape", np.array([-1, 16], np.int64)))
    x = g.add("Add", g.add("MatMul", x, g.w("d", 16, 5)), g.w("db", 5))
    return g.model(["n", 8, 8, 3], [(g.add("Softmax", x), FLOAT, ["n", 5])])


def pytorch_like(opset):
    """Conv, BatchNormalization, a residual, GlobalAveragePool, x.view(x.size(0), -1), Gemm, LogSoftmax."""
    g = Graphs(1)
    x = g.add("Conv", "x", g.w("c1.weight", 6, 1, 3, 3), pads=[1] * 4, kernel_shape=[3, 3])
    bn = [g.w("bn.weight", 6), g.w("bn.bias", 6), g.w("bn.running_mean", 6), g.w("bn.running_var", 6, positive=True)]
    x = g.add("Relu", g.add("BatchNormalization", x, *bn, epsilon=1e-4))
    y = g.add("Clip", x, g.const("low", np.float32(0)), g.const("high", np.float32(6)))
    x = g.add("Add", g.add("Conv", y, g.w("c2.weight", 6, 1, 3, 3), g.w("c2.bias", 6), pads=[1] * 4, group=6), x)
    x = g.add("AveragePool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4, count_include_pad=1)
    x = g.add("GlobalAveragePool", g.add("LeakyRelu", x, alpha=0.1))
    size = g.add("Gather", g.add("Shape", x), g.const("zero", np.int64(0)), axis=0)
    axes = g.const("axes", np.array([0], np.int64))
    size = g.add("Unsqueeze", size, axes) if opset >= 13 else g.add("Unsqueeze", size, axes=[0])
    shape = g.add("Concat", size, g.const("rest", np.array([-1], np.int64)), axis=0)
    x = g.add("Reshape", x, shape)
    x = g.add("Gemm", x, g.w("fc.weight", 4, 6), g.w("fc.bias", 4), transB=1, alpha=0.5, beta=2.0)
    return g.model(["n", 1, 8, 8], [(g.add("LogSoftmax", x, axis=1), FLOAT, ["n", 4])], opset=opset)


def sklearn_like(zipmap, *, labels=(0, 1, 2)):
    """MLPClassifier as skl2onnx writes it: Cast, MatMul, Add, Relu, Softmax; a label and probabilities."""
    g = Graphs(3)
    x = g.add("Cast", "x", to=FLOAT)
    x = g.add("Relu", g.add("Add", g.add("MatMul", x, g.w("coef0", 16, 7)), g.w("int0", 1, 7)))
    x = g.add("Add", g.add("MatMul", x, g.w("coef1", 7, 3)), g.w("int1", 1, 3))
    p = g.add("Softmax", x, axis=1)
    best = g.add("ArgMax", p, axis=1)
    taken = g.add("ArrayFeatureExtractor", g.const("classes", np.array(labels, np.int64)), best, domain="ai.onnx.ml")
    label = g.add("Reshape", taken, g.const("flat", np.array([-1], np.int64)), out="label")
    outputs = [(label, INT64, ["n"])]
    if zipmap is None:
        return g.model(["n", 16], outputs, ml=True)
    if zipmap:
        name = g.add("ZipMap", p, domain="ai.onnx.ml", classlabels_int64s=list(labels))
        return g.model(["n", 16], [*outputs, (name, FLOAT, None)], ml=True)
    return g.model(["n", 16], [*outputs, (g.add("Identity", p, out="probabilities"), FLOAT, ["n", 3])], ml=True)


def grey_like():
    """The Keras tutorial's digits: input [n, 8, 8] without channels, a reshaped weight, a Constant, a Slice."""
    g = Graphs(3)
    g.nodes.append(
        helper.make_node("Constant", [], ["scale"], value=numpy_helper.from_array(np.array(0.5, np.float32), "s"))
    )
    x = g.add("Mul", "x", "scale")
    x = g.add("Flatten", x)
    wide = g.add("Reshape", g.w("w", 4, 16, 6), g.const("to", np.array([64, 6], np.int64)))
    x = g.add("Tanh", g.add("MatMul", x, wide))
    x = g.add("Slice", x, *(g.const(n, np.array([v], np.int64)) for n, v in (("s0", 1), ("s1", 6), ("s2", 1))))
    x = g.add("Sigmoid", g.add("Elu", g.add("MatMul", x, g.w("v", 5, 3))))
    return g.model(["n", 8, 8], [(x, FLOAT, ["n", 3])])
