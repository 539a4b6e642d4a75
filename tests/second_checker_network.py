"""The second checker's networks: section 3 of docs/certificate-format.md; uses no engine."""

import hashlib
import math
import re
from copy import copy
from fractions import Fraction
from functools import partial
from itertools import accumulate, product
from operator import le, mul

import onnx
from google.protobuf.message import DecodeError
from onnx.reference import ReferenceEvaluator
from second_checker_bounds import Block, Network
from second_checker_curves import CURVES
from second_checker_endings import ENDINGS, MOVES, must_be_one_distribution
from second_checker_file import unique, unpacked
from second_checker_layers import ONE, ZERO, Layer, exact, float32, identity, must, scaled, total
from second_checker_meeting import meet

UNREADABLE = LookupError, TypeError, AttributeError, ArithmeticError, DecodeError
SELECTIONS = "Gather", "Slice", "Split", "Expand", "Concat", "Pad", "Transpose"
WINDOWED = "Conv", "AveragePool", "GlobalAveragePool"
MAXIMA = "MaxPool", "GlobalMaxPool"
SUMS = "ReduceSum", "ReduceMean"
BENDS = "LeakyRelu", "PRelu", "Abs", "Max", "Min", "Clip", "HardSigmoid", "ThresholdedRelu"
LARGEST = Fraction(2**128 - 2**104)  # number of float32
LEAK, FIFTH = Fraction(10737418, 2**30), Fraction(13421773, 2**26)  # the float32 numbers nearest to 1/100 and 1/5


def read_network(path, manifest):
    """The network that the manifest is about."""
    model, identity = read_model(path)
    must(identity == manifest["network"]["sha256"])
    chain = read_chain(model)
    must(chain.is_curved() == (manifest["version"] == 5))
    return chain.network(manifest["semantics"])


def read_model(path):
    """The model with all data inside, and its identity (section 1)."""
    data = unpacked(path)
    model, digests = onnx.load_from_string(data), [hashlib.sha256(data).hexdigest() + "  \n"]
    tensors = [
        *model.graph.initializer,
        *(a.t for n in model.graph.node if n.op_type == "Constant" for a in n.attribute),
    ]
    outside = [(t, unique([(e.key, e.value) for e in t.external_data])) for t in tensors if t.data_location == 1]
    for name in sorted({entries.get("location", "") for _, entries in outside}):
        folder, file = path.parent.resolve(), (path.parent / name).resolve()
        must(name.isprintable() and name[:1] != "/" and ".." not in name.split("/"), ValueError)
        must(folder in file.parents and file.is_file() and path.suffix != ".gz", ValueError)
        digests.append(f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {name}\n")
    for tensor, entries in outside:
        must(set(entries) <= {"location", "offset", "length", "checksum"}, ValueError)
        must(all(re.fullmatch("[0-9]{1,15}", entries.get(key, "0")) for key in ("offset", "length")), ValueError)
        must(not (tensor.raw_data or tensor.float_data or tensor.double_data or tensor.int64_data), ValueError)
        rest = (path.parent / entries["location"]).read_bytes()[int(entries.get("offset", 0)) :]
        size = math.prod(tensor.dims) * {1: 4, 7: 8, 11: 8}[tensor.data_type]
        must(0 < size == int(entries.get("length", len(rest))) <= len(rest), ValueError)
        tensor.raw_data, tensor.data_location = rest[:size], 0
    text = "".join(digests).encode()
    return model, hashlib.sha256(text if outside else data).hexdigest()


def read_chain(model, end=None):
    """The chain of MatMul, Gemm, Add, Sub, Mul, Div, Neg, BatchNormalization, Relu, Shape and what SELECTIONS, SUMS,
    BENDS, WINDOWED, MAXIMA, CURVES, MOVES and ENDINGS name that makes the output, or the tensor of this name."""
    graph, (opset,) = model.graph, [one.version for one in model.opset_import if not one.domain]
    constants = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    (source,) = [value for value in graph.input if value.name not in constants]
    batch, *shape = [d.dim_value for d in source.type.tensor_type.shape.dim] or [1]
    kind, has_shape = source.type.tensor_type.elem_type, bool(source.type.tensor_type.shape.dim)
    chains = {source.name: Chain([batch or 1, *shape] if has_shape else [], kind)}
    for number, node in enumerate(graph.node):
        options = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        must([] not in options.values() and len(options) == len(node.attribute), ValueError)
        if node.op_type == "ConstantOfShape":
            constants[node.output[0]] = run(node, model, constants)[0]
            continue
        signals = [name for name in node.input if name and name not in constants]
        must(node.op_type in (*MOVES, "Shape") or not any(chains[name].ending for name in signals), ValueError)
        if len(signals) > 1:
            signals = [chains.get(name) for name in node.input]
            chains[node.output[0]] = meet(number, node, signals, partial(run_at, node, model, constants))
            if end in node.output:
                return chains[end].closed()
            continue
        (signal,) = signals
        chain, operands = chains[signal].copied(number), [constants.get(name) for name in node.input if name != signal]
        if node.op_type == "Shape":
            constants[node.output[0]] = run(node, model, constants, signal, chain.zeros())[0]
        elif node.op_type in ENDINGS:
            must_be_one_distribution(chain.shape, options, opset)
            chain.ending, chain.executed = node.op_type, False
            chains[node.output[0]] = chain
        elif node.op_type in MOVES:
            must(node.input[0] == signal, ValueError)
            chain.move(node.op_type, partial(run, node, model, constants, signal), operands, options)
            chains[node.output[0]] = chain
        elif node.op_type in SELECTIONS + SUMS:
            chains |= chain.taken(node, partial(run, node, model, constants, signal), operands)
        elif node.op_type in BENDS:
            must(node.input[0] == signal or node.op_type in ("Max", "Min"), ValueError)
            chain.bend(node.op_type, operands, options)
            chains[node.output[0]] = chain
        elif node.op_type in WINDOWED:
            must(node.input[0] == signal and 3 <= len(chain.shape) <= 5 and chain.shape[0] == 1, ValueError)
            chain.slide(
                plain_window(node, chain.shape[2:]),
                partial(run, model=model, constants=constants, signal=signal),
                [operand for operand in operands if operand is not None],
            )
            chains[node.output[0]] = chain
        elif node.op_type in MAXIMA:
            must(len(node.output) == 1 and 3 <= len(chain.shape) <= 5 and chain.shape[0] == 1, ValueError)
            chain.maximize(options if node.op_type == "MaxPool" else {"kernel_shape": chain.shape[2:]})
            chains[node.output[0]] = chain
        else:
            must(node.input[0] == signal or node.op_type in ("Add", "Sub", "Mul"), ValueError)
            must(node.op_type in ("Gemm", "BatchNormalization") or not options, ValueError)
            is_taken_from = node.op_type == "Sub" and node.input[0] != signal
            if is_taken_from:
                chain.add("Neg", [], {})
            chain.add("Add" if is_taken_from else node.op_type, operands, options)
            chains[node.output[0]] = chain
        if end in node.output:
            return chains[end].closed()
    must(end is None, ValueError)
    return chains[graph.output[0].name].closed()


def run(node, model, constants, signal="", elements=None):
    """What onnx's own evaluator makes of one node: arrays."""
    inputs = {name: elements if name == signal else constants[name] for name in node.input if name}
    return run_on(node, model, inputs)


def run_at(node, model, constants, elements):
    """Its first output, where these operands (by place) have these elements."""
    inputs = {str(i): elements[i] if i in elements else constants[name] for i, name in enumerate(node.input)}
    numbered = onnx.NodeProto()
    numbered.CopyFrom(node)
    numbered.input[:] = list(inputs)
    return run_on(numbered, model, inputs)[0]


def run_on(node, model, inputs):
    infos = [onnx.helper.make_tensor_value_info(name, kind_of(array), array.shape) for name, array in inputs.items()]
    outputs = [onnx.helper.make_tensor_value_info(name, 1, None) for name in node.output]
    graph = onnx.helper.make_graph([node], "one node", infos, outputs)
    one = onnx.helper.make_model(graph, opset_imports=model.opset_import)
    return ReferenceEvaluator(one).run(None, inputs)


def plain_window(node, sizes):
    """The node without a third operand, with pads for auto_pad VALID and for ceil_mode, in which onnx's evaluator moves
    windows; some forms are not supported."""
    options, plain = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}, onnx.NodeProto()
    plain.CopyFrom(node)
    auto = options.get("auto_pad", b"NOTSET")
    must(auto == b"NOTSET" or not (options.get("ceil_mode") or "pads" in options), ValueError)
    must(auto[:4] != b"SAME" or set(options.get("dilations", [1])) == {1}, ValueError)
    must(auto in (b"NOTSET", b"VALID", b"SAME_UPPER", b"SAME_LOWER"), ValueError)
    must(not (options.get("ceil_mode") and options.get("count_include_pad")), ValueError)
    gone = ("auto_pad",) if auto == b"VALID" else ()
    if options.get("ceil_mode"):
        ones, zeros = [1] * len(sizes), [0] * len(sizes)
        pads, rows = options.get("pads", zeros * 2), [options.get(name, ones) for name in ("strides", "dilations")]
        before, after = pads[: len(sizes)], pads[len(sizes) :]
        for d, (n, b, k, s, dilation) in enumerate(zip(sizes, before, options["kernel_shape"], *rows)):
            reach = (k - 1) * dilation + 1
            count = math.ceil(Fraction(n + b + after[d] - reach, s)) + 1
            count -= (count - 1) * s >= n + b
            after[d] = max(after[d], (count - 1) * s + reach - n - b)
        gone = "ceil_mode", "pads"
        plain.attribute.append(onnx.helper.make_attribute("pads", [*before, *after]))
    kept = [a for i, a in enumerate(plain.attribute) if a.name not in gone or i >= len(node.attribute)]
    del plain.attribute[:], plain.input[2:]
    plain.attribute.extend(kept)
    return plain


WINDOW = {"kernel_shape", "strides", "dilations", "pads", "auto_pad", "ceil_mode", "storage_order"}


def windows(sizes, options):
    """Of each window of a MaxPool, the elements that it takes, numbered in row-major order; zeros are left out."""
    must(set(options) <= WINDOW and not options.get("storage_order"), ValueError)
    ones, auto = [1] * len(sizes), options.get("auto_pad", b"NOTSET")
    kernel, strides, dilations = (options.get(name, ones) for name in ("kernel_shape", "strides", "dilations"))
    pads = options.get("pads", [0, 0] * len(sizes))
    must("kernel_shape" in options and auto in (b"NOTSET", b"VALID", b"SAME_UPPER", b"SAME_LOWER"), ValueError)
    must(
        all(len(own) == len(sizes) for own in (kernel, strides, dilations)) and len(pads) == 2 * len(sizes), ValueError
    )
    must(
        all(1 <= n <= 2**31 for n in (*kernel, *strides, *dilations)) and all(0 <= n <= 2**31 for n in pads), ValueError
    )
    must(auto == b"NOTSET" or not ("pads" in options or options.get("ceil_mode")), ValueError)
    axes = []
    for n, k, s, d, p, q in zip(sizes, kernel, strides, dilations, pads, pads[len(sizes) :]):
        if auto[:4] == b"SAME":
            must(d == 1, ValueError)
            t = max(0, (-(-n // s) - 1) * s + k - n)
            p = -(-t // 2) if auto == b"SAME_LOWER" else t // 2
            q = t - p
        r = (k - 1) * d + 1
        must(r <= n + p + q, ValueError)
        count = (n + p + q - r) // s + 1
        if options.get("ceil_mode"):
            count = -(-(n + p + q - r) // s) + 1
            count -= (count - 1) * s >= n + p
        must(count * k <= 2**22, ValueError)
        axes.append([[w * s + i * d - p for i in range(k)] for w in range(count)])
    must(math.prod(len(axis) * len(axis[0]) for axis in axes) <= 2**22, ValueError)
    inside = [[[e for e in window if 0 <= e < n] for window in axis] for axis, n in zip(axes, sizes)]
    steps = [math.prod(sizes[i + 1 :]) for i in range(len(sizes))]
    taken = [[sum(map(mul, place, steps)) for place in product(*window)] for window in product(*inside)]
    return taken, [len(axis) for axis in axes], math.prod(kernel)


def kind_of(array):
    return onnx.helper.np_dtype_to_tensor_dtype(array.dtype)


class Chain:
    """Section 3's layers, one node after the other. executed: whether there are float32 semantics, so far; factors: of
    which layers W is of a Mul or Div; bare: whether the last layer is a product with no b but zeros, and no ReLU;
    shape, kind: of what is made so far; maker: what reads it now; makers: of each layer, what made W and b; ending: the
    Softmax or LogSoftmax behind it."""

    def __init__(self, shape, kind=1):
        self.shape, self.kind, self.inputs, self.ending = shape, kind, math.prod(shape), ""
        self.width = self.inputs
        self.layers, self.factors, self.rounded, self.executed = [], [], False, True
        self.after_product = self.bare = self.zeros_first = False
        self.maker, self.makers = None, []

    def copied(self, maker):
        """The same, which can be changed by itself; maker: what changes it."""
        chain = copy(self)
        chain.layers, chain.factors, chain.makers = [*self.layers], [*self.factors], [*self.makers]
        chain.maker = maker
        return chain

    def until(self, count, maker):
        """With so many of its layers."""
        chain = self.copied(maker)
        del chain.layers[count:], chain.factors[count:], chain.makers[count:]
        chain.width = len(chain.layers[-1].bias) if chain.layers else chain.inputs
        chain.after_product = chain.bare = False
        return chain

    def add(self, operator, operands, options):
        if operator in ("MatMul", "Gemm"):
            must(operands[0].ndim == 2 and set(options) <= {"alpha", "beta", "transB"}, ValueError)
            factor = operands[0].T if options.get("transB") else operands[0]
            self.shape = [*self.shape[:-1], factor.shape[1]]
            alpha, beta = (Fraction(options.get(name, 1.0)) for name in ("alpha", "beta"))
            self.product([[alpha * w if w else ZERO for w in exact(row)] for row in factor.T], False)
            self.executed &= abs(alpha) == 1
            if len(operands) > 1:
                self.shift([beta * b for b in self.spread(operands[1])])
        elif operator in ("Add", "Sub"):
            self.shift([b if operator == "Add" else -b for b in self.spread(operands[0])])
        elif operator == "Mul":
            self.scale(self.spread(operands[0]))
        elif operator == "Div":
            divisors = self.spread(operands[0])
            self.executed &= all(abs(math.frexp(d)[0]) == 0.5 and 2.0**-126 <= abs(d) <= 2.0**126 for d in divisors)
            self.scale([self.nearest(d.denominator, d.numerator) for d in divisors])
        elif operator == "BatchNormalization":
            must(set(options) <= {"epsilon"}, ValueError)
            each = self.width // self.shape[1]
            must(all(operand.shape == (self.shape[1],) for operand in operands), ValueError)
            scale, bias, mean, variance = ([v for v in exact(operand) for _ in range(each)] for operand in operands)
            epsilon, self.executed = Fraction(options.get("epsilon", 10995116 / 2**40)), False
            self.shift([-m for m in mean])
            self.scale([self.nearest_to_root(s, v + epsilon) for s, v in zip(scale, variance)])
            self.shift(bias)
        elif operator == "Neg":
            if not self.after_product:
                self.product(identity(self.width).weights, False)
            last = self.layers[-1]
            self.layers[-1] = Layer([[-w for w in row] for row in last.weights], last.bias, False)
            self.makers[-1] = *self.makers[-1], self.maker
        elif operator == "Relu":
            if not self.layers or self.layers[-1].curve:
                self.product(identity(self.width).weights, False)
            self.layers[-1] = self.layers[-1]._replace(relu=True)
            self.after_product = self.bare = False
        elif operator in CURVES:
            if not self.layers or any(self.layers[-1].relus):
                self.product(identity(self.width).weights, False)
            self.layers[-1] = self.layers[-1]._replace(relu=True, curve=CURVES[operator])
            self.after_product = self.bare = self.executed = False
        else:
            must(False, ValueError)

    def move(self, operator, run, operands, options):
        """Another shape, at most, or from float32 to float64."""
        must(operator != "Dropout" or len(operands) < 2 or not operands[1], ValueError)
        if operator == "Cast":
            must(options["to"] == self.kind or (self.kind, options["to"]) == (1, 11), ValueError)
            self.kind = options["to"]
        self.shape = list(run(elements=self.zeros())[0].shape)
        must(math.prod(self.shape) == self.width, ValueError)

    def zeros(self, kind=1):
        return onnx.numpy_helper.to_array(onnx.helper.make_tensor("", kind, self.shape, [0.0] * self.width))

    def units(self, run, kind=1):
        """What an affine node makes of zeros, and of each unit vector."""
        zeros = self.zeros(kind)
        none, units = run(elements=zeros), []
        for i in range(self.width):
            unit = zeros.copy()
            unit.flat[i] = 1
            units.append(run(elements=unit))
        return none, units

    def slide(self, node, run, operands):
        """A layer of a Conv, its b being the third operand; or of an average, W being the numbers nearest to 1 / c."""
        must(all(operand.dtype == operands[0].dtype for operand in operands), ValueError)
        (none,), units = self.units(partial(run, node), kind_of(operands[0]) if operands else 1)
        rows = list(zip(*(exact(unit) for (unit,) in units)))
        if node.op_type != "Conv":
            must(all(any(row) for row in rows), ValueError)
            rows = [[self.nearest(1, round(1 / entry)) if entry else ZERO for entry in row] for row in rows]
        self.limited([list(row) for row in rows])
        self.shape, self.executed = list(none.shape), False
        if len(operands) > 1:
            must(operands[1].shape == (none.shape[1],), ValueError)
            self.shift([b for b in exact(operands[1]) for _ in range(none[0, 0].size)])

    def taken(self, node, run, operands):
        """The chains of what an affine node gives, by name: W from what it makes of unit vectors, b of zeros."""
        none, units = self.units(run)
        must(node.op_type != "Pad" or not any(exact(none[0])), ValueError)
        must(all(a.s == b"constant" for a in node.attribute if a.name == "mode"), ValueError)
        chains = {}
        for place, name in enumerate(node.output):
            chain, bias = self.copied((self.maker, place)), exact(none[place])
            columns = [exact(unit[place] - none[place]) for unit in units]
            chain.take([[ONE if entry else ZERO for entry in row] for row in zip(*columns)], node.op_type)
            chain.shape = list(none[place].shape)
            if node.op_type == "Concat" and operands:
                chain.shift(bias)
            chains[name] = chain
        return chains

    def limited(self, rows):
        """A layer of windows."""
        must(len(rows) <= 2**15 and len(rows) * self.width <= 2**26, ValueError)
        self.product(rows, False)

    def maximize(self, options):
        """max(a, b) = max(a - b, 0) + b in rounds; a list holds rows {column: number} over the last layer."""
        channels, size = self.shape[1], math.prod(self.shape[2:])
        taken, counts, kernel = windows(self.shape[2:], options)
        must(channels * len(taken) * kernel <= 2**22 and all(taken), ValueError)
        lists = [[{channel * size + e: ONE} for e in window] for channel in range(channels) for window in taken]
        while max(map(len, lists)) > 1:
            rows, relus, after = [], [], []
            for own in lists:
                after.append([])
                for a, b in zip(own[::2], own[1::2]):
                    after[-1].append({len(rows): ONE, len(rows) + 1: ONE})
                    rows += [total([a, scaled(b, -ONE)]), b]
                    relus += [True, False]
                if len(own) % 2:
                    after[-1].append({len(rows): ONE})
                    rows.append(own[-1])
                    relus.append(False)
            self.limited(list(map(self.dense, rows)))
            self.layers[-1] = self.layers[-1]._replace(relu=relus)
            lists = after
        self.limited([self.dense(row) for (row,) in lists])
        self.shape, self.executed = [1, channels, *counts], False

    def dense(self, row):
        found = [ZERO] * self.width
        for j, w in row.items():
            found[j] = w
        return found

    def bend(self, operator, operands, options):
        """Piecewise linear functions, by the slopes below 0 or the two limits of each element."""
        every = lambda number: [Fraction(number)] * self.width
        low, high = every(options.get("min", -LARGEST)), every(options.get("max", LARGEST))
        if operator in ("LeakyRelu", "Abs"):
            return self.leak(every(options.get("alpha", LEAK) if operator == "LeakyRelu" else -1))
        if operator == "PRelu":
            return self.leak(self.spread(operands[0]))
        if operator == "HardSigmoid":
            self.scale(every(options.get("alpha", FIFTH)))
            self.shift(every(options.get("beta", 0.5)))
            low, high = every(0), every(1)
        elif operator == "ThresholdedRelu":
            must(options.get("alpha", 1) == 0, ValueError)
            low = every(0)
        else:
            limits = [None if operand is None else self.spread(operand) for operand in operands]
            below, above = ([None] * (operator == "Min") + limits + [None, None])[:2]
            low, high = below or low, above or high
        self.limit(low, high)

    def leak(self, slopes):
        none = [ZERO] * self.width
        self.two_layers([(1, none, [Fraction(1)] * self.width), (-1, none, [-slope for slope in slopes])], none)

    def limit(self, low, high):
        """Between two limits of each element, of which those from the largest number of float32 on are none."""
        ones, has_low, has_high = [Fraction(1)] * self.width, max(low) > -LARGEST, min(high) < LARGEST
        minus = lambda numbers: [-number for number in numbers]
        if not has_low and not has_high:
            self.shift([ZERO] * self.width)
        elif not has_high and not any(low):
            self.add("Relu", [], {})
        elif not has_high:
            self.two_layers([(1, minus(low), ones)], low)
        elif not has_low:
            self.two_layers([(-1, high, minus(ones))], high)
        else:
            must(all(map(le, low, high)), ValueError)
            self.two_layers([(1, minus(low), ones), (1, minus(high), minus(ones))], low)

    def two_layers(self, terms, rest):
        """rest + sum of f relu(s x + t)."""
        size = self.width
        rows = [[Fraction(s) if i == j else ZERO for j in range(size)] for s, _, _ in terms for i in range(size)]
        self.product(rows, False)
        self.layers[-1] = Layer(rows, [number for _, t, _ in terms for number in t], True)
        self.bare = False
        self.product([[f[i] if i == j else ZERO for _, _, f in terms for j in range(size)] for i in range(size)], False)
        self.layers[-1] = self.layers[-1]._replace(bias=rest)
        self.after_product, self.bare = False, not any(rest)

    def take(self, weights, operator):
        if operator in SUMS or weights != identity(self.width).weights:
            self.product(weights, False)
        if operator == "ReduceMean":
            self.scale([self.nearest(1, int(sum(row))) for row in weights])

    def closed(self):
        if not self.layers:
            self.product(identity(self.width).weights, False)
        return self

    def product(self, weights, factors):
        must(all(len(row) == self.width for row in weights), ValueError)
        self.executed &= not (self.bare and (factors or self.factors[-1]))
        self.layers.append(Layer(weights, [ZERO] * len(weights), False))
        self.factors.append(factors)
        self.makers.append((self.maker,))
        self.width, self.after_product, self.bare = len(weights), True, True

    def scale(self, factors):
        self.product([[f if i == j else ZERO for j in range(self.width)] for i, f in enumerate(factors)], True)

    def shift(self, bias):
        if any(bias) and not self.after_product:
            self.product(identity(self.width).weights, False)
        self.zeros_first |= not self.layers
        if any(bias):
            self.layers[-1] = self.layers[-1]._replace(bias=bias)
        if self.after_product:
            self.makers[-1] = *self.makers[-1], self.maker
        self.after_product, self.bare = False, self.bare and not any(bias)

    def spread(self, operand):
        must((operand + self.zeros()).size == self.width, ValueError)
        return exact(operand + self.zeros())

    def nearest(self, numerator, denominator):
        """Python divides integers to the nearest float64."""
        found = Fraction(numerator / denominator)
        self.rounded |= found != Fraction(numerator, denominator)
        return found

    def nearest_to_root(self, scale, square):
        """scale / sqrt(square), cut off far behind the last bit of a float64."""
        must(square > 0, ValueError)
        wanted = scale**2 / square
        root = Fraction(math.isqrt(math.floor(wanted * 4**400)), 2**400)
        found = Fraction(float(root))
        self.rounded |= found**2 != wanted
        return found if scale > 0 else -found

    def network(self, semantics):
        n = self.largest()
        if semantics == "float32":
            self.must_be_executed(n)
        first = list(accumulate((sum(layer.relus) for layer in self.layers), initial=0))
        block = Block(
            range(self.inputs), self.width, self.layers, first, *errors(semantics, self.rounded, n), ending=self.ending
        )
        return Network(self.inputs, self.width, first[-1], [block])

    def is_curved(self):
        return any(layer.curve for layer in self.layers)

    def largest(self):
        """n of section 3."""
        return max(self.inputs, *(len(layer.bias) for layer in self.layers), 0)

    def must_be_executed(self, n):
        """Or there are no float32 semantics."""
        must(self.executed)
        must(all(w == float32(w) for layer in self.layers for row in [*layer.weights, layer.bias] for w in row))
        for row, b in zip(self.layers[0].weights, self.layers[0].bias) if self.zeros_first else ():
            flushes = self.inputs + 1 + sum(max(1, abs(w)) for w in row)
            must(flushes <= 2 * n + 4 or sum(map(abs, row)) <= 2**103 * abs(b))


def errors(semantics, rounded, n):
    """g and e"""
    if semantics == "real":
        return Fraction(rounded, 2**53), ZERO
    g = Fraction(n + 4, 2**24) / (1 - Fraction(n + 4, 2**24))
    return Fraction(math.ceil(g * 2**60), 2**60), Fraction(2 * n + 4, 2**126)
