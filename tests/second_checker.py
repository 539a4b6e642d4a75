"""A second checker of certificates: docs/certificate-format.md read literally, in exact arithmetic; uses no engine."""

import gzip
import hashlib
import json
import math
import re
import struct
import zipfile
import zlib
from collections import namedtuple
from copy import copy
from decimal import Decimal
from fractions import Fraction
from functools import cached_property, partial
from itertools import accumulate, combinations, product
from operator import add, le, mul, sub
from types import MappingProxyType

import onnx
from google.protobuf.message import DecodeError
from onnx.reference import ReferenceEvaluator
from second_checker_curves import CURVES, ERROR
from second_checker_layers import ONE, ZERO, Layer, Rejected, exact, identity, must
from second_checker_meeting import meet

ARRAYS = {
    "split.i32",
    "cut.f64",
    "node.i32",
    "polytope.i32",
    "rows.i32",
    "slopes.i32",
    "multipliers.i32",
    "row.i32",
    "row_weight.i32",
    "slope.i32",
    "slope_value.i32",
    "multiplier.i32",
    "multiplier_value.f64",
}
BROKEN_ZIP = zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError
UNREADABLE = LookupError, TypeError, AttributeError, ArithmeticError, DecodeError
NONE = MappingProxyType({})
SELECTIONS = "Gather", "Slice", "Split", "Expand", "Concat", "Pad", "Transpose"
WINDOWED = "Conv", "AveragePool", "GlobalAveragePool"
MAXIMA = "MaxPool", "GlobalMaxPool"
SUMS = "ReduceSum", "ReduceMean"
BENDS = "LeakyRelu", "PRelu", "Abs", "Max", "Min", "Clip", "HardSigmoid", "ThresholdedRelu"
LARGEST = Fraction(2**128 - 2**104)  # number of float32
LEAK, FIFTH = Fraction(10737418, 2**30), Fraction(13421773, 2**26)  # the float32 numbers nearest to 1/100 and 1/5

Row = namedtuple("Row", "form constant strict")  # form: {"X_0" or "Y_0" and so on: coefficient}
Case = namedtuple("Case", "lower upper unsafe")
Line = namedtuple("Line", "a c t s noise r", defaults=(ZERO,))  # a z + r - s <= h <= c z + t + s; noise: N(M_k + t)
Node = namedtuple("Node", "case lower upper signs low high excluded differences")  # low, high: of all hidden neurons

HASH, INDEX = "[0-9a-f]{64}", "0|[1-9][0-9]{0,8}"
RATIONAL = r"(?=.{1,1000}$)-?[0-9]+(/0*[1-9][0-9]*|\.[0-9]+)?"
LONG = RATIONAL.replace("1000", "10000")
FORM = (INDEX, RATIONAL)
CASE = {
    "lower": [RATIONAL],
    "upper": [RATIONAL],
    "unsafe": [[{"inputs": FORM, "outputs": FORM, "constant": RATIONAL, "strict": bool}]],
}
COMMON = {
    "format": "acasxu-certificate",
    "version": int,
    "engine": {"name": str, "version": str, "options": dict},
}
FILE = {"name": str, "sha256": HASH}
NETWORKS = {
    1: {"network": FILE, "property": FILE},
    2: {
        "property": FILE,
        "networks": [{"declared": str, "name": str, "sha256": HASH}],
        "ties": [[{"inputs": FORM, "constant": RATIONAL}]],
    },
}
NETWORKS |= {3: {**NETWORKS[2], "pairs": [[int]]}, 4: NETWORKS[1], 5: {**NETWORKS[1], "cones": bool}}
DESCRIBED = {name[:-4]: {"count": int, "sha256": HASH} for name in ARRAYS}
PROOF = {"kind": "proof", "semantics": "real|float32", "cases": [CASE], "arrays": DESCRIBED}
WITNESS = {"kind": "witness", "semantics": "real", "case": CASE, "point": [LONG], "outputs": [LONG], "margins": [LONG]}


class Block(namedtuple("Block", "reads outputs layers first g e numbers", defaults=(None,))):
    """reads: inputs; first: each layer's first hidden neuron; numbers: of the hidden ones, where they are not all."""

    @cached_property
    def neurons(self):
        """Each layer's hidden neurons: by their place in the layer, their number."""
        if self.numbers is not None:
            return self.numbers
        places = ([i for i, relu in enumerate(layer.relus) if relu] for layer in self.layers)
        return [dict(zip(own, range(start, start + len(own)))) for own, start in zip(places, self.first)]


class Network(namedtuple("Network", "inputs outputs hidden blocks")):
    """All blocks, each bounded by itself; hidden: how many neurons."""

    def tighten(self, node):
        """The lines of all layers of each block; the node's bounds are changed."""
        return [tighten_block(block, node) for block in self.blocks]

    def substitute(self, node, lines, parts, slopes, multipliers):
        """What is left of the sum of all blocks' rows (parts) over outputs: over the inputs, and a constant."""
        left, constant = [ZERO] * self.inputs, ZERO
        for block, block_lines, row in zip(self.blocks, lines, parts):
            row, constant = substitute(block, node, block_lines, row, constant, slopes, multipliers)
            left = added(left, block.reads, row)
        return left, constant


def accepts(certificate, network, property):
    """Does the certificate show its claim for these files (paths)? ValueError where one is malformed."""
    try:
        check(read_certificate(certificate), network, property)
    except Rejected:
        return False
    return True


def check(content, network, property, bounded=lambda net, case: net):
    """The bounds by which a proof's exclusions are shown; bounded makes the network that has bounds in a case."""
    manifest, cases, content = content
    try:
        net = read_network(network, manifest)
        data = unpacked(property)
        must(hashlib.sha256(data).hexdigest() == manifest["property"]["sha256"])
        disjuncts, declared = read_property(data.decode())
    except UNREADABLE as error:
        raise ValueError("malformed or unsupported") from error
    must(declared == {*names("X", net.inputs), *names("Y", net.outputs)} and len(cases[0].lower) == net.inputs)
    must(all(declared >= set(row.form) for case in cases for polytope in case.unsafe for row in polytope))
    if manifest["kind"] == "witness":
        return check_witness(net, disjuncts, cases, content)
    must(all(is_covered(disjunct, cases) for disjunct in disjuncts))
    return check_proof(net, cases, content, bounded)


def unpacked(path):
    """Its bytes, decompressed."""
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


# 1. The file


def read_certificate(path, versions=(1,)):
    """The manifest (of one of these versions), its cases, and a proof's arrays or a witness's three lists."""
    manifest, data = read_archive(path)
    must(isinstance(manifest, dict) and manifest.get("version") in versions, ValueError)
    witness = manifest.get("kind") == "witness"
    must(fits(manifest, COMMON | NETWORKS[manifest["version"]] | (WITNESS if witness else PROOF)), ValueError)
    must(manifest["version"] < 4 or manifest["semantics"] == "real", ValueError)
    must(not has_cones(manifest) or not witness, ValueError)
    must(depth(manifest["engine"]["options"]) <= 100, ValueError)
    must(set(data) == (set() if witness else ARRAYS), ValueError)
    cases = [read_case(case) for case in ([manifest["case"]] if witness else manifest["cases"])]
    must(len({len(case.lower) for case in cases}) == 1, ValueError)
    if witness:
        return manifest, cases, read_lists(manifest, cases)
    arrays = read_arrays(manifest, data)
    must_have_cuts(arrays, len(cases[0].lower))
    return manifest, cases, arrays


def has_cones(manifest):
    return manifest["version"] == 4 or manifest["version"] == 5 and manifest["cones"]


def read_archive(path):
    """The manifest, and the other members' bytes."""
    end = path.read_bytes()[-42:]
    must(end[20:24] == b"PK\5\6" and end[40:] == b"\0\0" and end[:4] != b"PK\6\7", ValueError)
    disk, directory_disk, here, count, directory = struct.unpack("<4HL", end[24:36])
    must((disk, directory_disk, here) == (0, 0, count) and count <= 14 and directory <= 2**16, ValueError)
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            must(len(members) == count and sum(member.file_size for member in members) <= 2**27, ValueError)
            must(all(m.compress_type in (0, 8) and not m.flag_bits & 1 for m in members), ValueError)
            data = {member.orig_filename: archive.read(member) for member in members}
            must(sorted(len(part) for part in data.values()) == sorted(m.file_size for m in members), ValueError)
            must("manifest.json" in data, ValueError)
            return read_json(data.pop("manifest.json")), data
    except BROKEN_ZIP as error:
        raise ValueError(str(error)) from error


def read_json(text):
    must(len(text) <= 2**24 and sum(text.count(mark) for mark in (b"{", b"[", b",", b":")) <= 2**20, ValueError)
    return json.loads(
        text.decode(),
        object_pairs_hook=unique,
        parse_constant=unique,
        parse_int=lambda number: int(short(number)),
        parse_float=lambda number: float(short(number)),
    )


def unique(pairs):
    must(len(dict(pairs)) == len(pairs), ValueError)
    return dict(pairs)


def short(number):
    must(len(number) <= 1000, ValueError)
    return number


def depth(value):
    """How many lists and objects are in each other."""
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if parts is None else 1 + max(map(depth, parts), default=0)


def fits(value, schema):
    if isinstance(schema, dict):
        return type(value) is dict and set(value) == set(schema) and all(fits(value[k], schema[k]) for k in schema)
    if isinstance(schema, tuple):
        return type(value) is dict and all(fits(k, schema[0]) and fits(v, schema[1]) for k, v in value.items())
    if isinstance(schema, list):
        return type(value) is list and all(fits(item, schema[0]) for item in value)
    return type(value) is schema if isinstance(schema, type) else type(value) is str and re.fullmatch(schema, value)


def rational(text):
    return Fraction(Decimal(text.partition("/")[0])) / Fraction(Decimal(text.partition("/")[2] or 1))


def names(letter, count):
    return [f"{letter}_{i}" for i in range(count)]


def read_case(case):
    lower, upper = (list(map(rational, case[end])) for end in ("lower", "upper"))
    must(len(lower) == len(upper) > 0 and all(map(Fraction.__le__, lower, upper)), ValueError)
    unsafe = [
        [
            Row(
                {
                    f"{letter}_{i}": rational(a)
                    for letter, part in (("X", "inputs"), ("Y", "outputs"))
                    for i, a in row[part].items()
                },
                rational(row["constant"]),
                row["strict"],
            )
            for row in polytope
        ]
        for polytope in case["unsafe"]
    ]
    used = {name for polytope in unsafe for row in polytope for name in row.form if name[0] == "X"}
    must(used <= set(names("X", len(lower))), ValueError)
    for polytope in unsafe:
        numbers = [a for row in polytope for a in (*row.form.values(), row.constant)]
        must(math.lcm(*(a.denominator for a in numbers)) < 2**32768, ValueError)
    return Case(lower, upper, unsafe)


def read_lists(manifest, cases):
    lists = [list(map(rational, manifest[key])) for key in ("point", "outputs", "margins")]
    must(len(lists[0]) == len(cases[0].lower) and list(map(len, cases[0].unsafe)) == [len(lists[2])], ValueError)
    must(math.lcm(*(a.denominator for a in lists[0])) < 2**32768, ValueError)
    return lists


def read_arrays(manifest, data):
    arrays = {}
    must(len(data["split.i32"]) <= 4 * 2**22, ValueError)
    for member, entries in data.items():
        name, code = member[:-4], "<i" if member.endswith(".i32") else "<d"
        described = {"count": len(entries) / struct.calcsize(code), "sha256": hashlib.sha256(entries).hexdigest()}
        must(manifest["arrays"][name] == described, ValueError)
        arrays[name] = [number for (number,) in struct.iter_unpack(code, entries)]
    must(len({len(arrays[name]) for name in ("node", "polytope", "rows", "slopes", "multipliers")}) == 1, ValueError)
    for key, value in (("row", "row_weight"), ("slope", "slope_value"), ("multiplier", "multiplier_value")):
        must(sum(arrays[key + "s"]) == len(arrays[key]) == len(arrays[value]), ValueError)
    return arrays


def must_have_cuts(arrays, inputs):
    must(len(arrays["cut"]) == sum(0 <= split < inputs for split in arrays["split"]), ValueError)


# 2. The claim


def read_property(text):
    """The disjuncts (lists of rows) of a VNN-LIB file, and the names that it declares."""
    stack = [[]]
    for token in re.findall(r"[()]|[^\s()]+", re.sub(";.*", "", text)):
        must(token != ")" or len(stack) > 1, ValueError)
        if token == "(":
            stack.append([])
        else:
            item = stack.pop() if token == ")" else token
            stack[-1].append(item)
    (commands,) = stack
    must({command[0] for command in commands} == {"declare-const", "assert"}, ValueError)
    declared = {command[1] for command in commands if command[0] == "declare-const"}
    return disjuncts_of(["and", *(command[1] for command in commands if command[0] == "assert")]), declared


def disjuncts_of(formula):
    if isinstance(formula, str):
        must(formula in ("true", "false"), ValueError)
        return [[]] if formula == "true" else []
    operator, *parts = formula
    if operator == "or":
        return [rows for part in parts for rows in disjuncts_of(part)]
    if operator == "and":
        return [sum(choice, []) for choice in product(*map(disjuncts_of, parts))]
    must(operator in ("<=", "<", ">=", ">", "=") and len(parts) == 2, ValueError)
    left, right = map(linear, reversed(parts) if operator[0] == ">" else parts)
    forms = [total([left, scaled(right, -ONE)]), total([right, scaled(left, -ONE)])]
    return [[Row(form, form.pop("", ZERO), operator in ("<", ">")) for form in forms[: 1 + (operator == "=")]]]


def linear(term):
    """{name: coefficient} of a VNN-LIB term, with the constant at ""."""
    if isinstance(term, str):
        return {term: ONE} if term[0] in "XY" else {"": rational(term)}
    operator, *parts = term[0], *map(linear, term[1:])
    must(operator in tuple("+-*/") and len(parts) > (operator == "/"), ValueError)
    if operator in "+-":
        signs = [ONE if operator == "+" or (i == 0 and len(parts) > 1) else -ONE for i in range(len(parts))]
        return total(map(scaled, parts, signs))
    if operator == "/":
        must(all(map(is_constant, parts[1:])), ValueError)
        parts[1:] = [{"": 1 / part.get("", ZERO)} for part in parts[1:]]
    *factors, form = sorted(parts, key=lambda part: not is_constant(part))
    must(all(map(is_constant, factors)), ValueError)
    return scaled(form, math.prod(factor.get("", ZERO) for factor in factors))


def scaled(form, factor):
    return {name: factor * a for name, a in form.items()}


def is_constant(form):
    return not any(a for name, a in form.items() if name)


def total(forms):
    forms = list(forms)
    return {name: sum(form.get(name, ZERO) for form in forms) for name in set().union(*forms)}


def is_false(row):
    return not any(row.form.values()) and (row.constant, row.strict) > (0, False)


def normal(row):
    """The row without coefficients of 0, and times a positive factor that is the same for all its multiples."""
    form = {name: a for name, a in row.form.items() if a}
    scale = abs(form[min(form)]) if form else 1
    return Row({name: a / scale for name, a in form.items()}, row.constant / scale, row.strict)


def contradict(row, other):
    opposite = row.form and row.form == {name: -a for name, a in other.form.items()}
    return opposite and is_false(Row({}, row.constant + other.constant, row.strict or other.strict))


def is_implied(row, rows):
    row = normal(row)
    weaker = [r for r in rows if r.form == row.form and (row.constant, row.strict) <= (r.constant, r.strict)]
    return bool(weaker) if row.form else not is_false(row)


def is_false_on_box(row, rows):
    """Whether it is over inputs alone, and false at every point where the single-input ones of the rows hold."""
    if any(name[0] == "Y" for name in row.form):
        return False
    least, strict = row.constant, row.strict
    for name, a in row.form.items():
        ends = [(r.constant, r.strict) for r in rows if r.form == {name: -ONE if a > 0 else ONE}]
        if not ends:
            return False
        end, also = max(ends)
        least, strict = least + abs(a) * end, strict or also
    return is_false(Row({}, least, strict))


def is_covered(disjunct, cases):
    rows = list(map(normal, disjunct))
    if any(map(is_false, rows)) or any(contradict(*pair) for pair in combinations(rows, 2)):
        return True
    if any(is_false_on_box(row, rows) for row in rows):
        return True
    for case in cases:
        box = [Row({f"X_{i}": -ONE}, end, False) for i, end in enumerate(case.lower)]
        box += [Row({f"X_{i}": ONE}, -end, False) for i, end in enumerate(case.upper)]
        if any(all(is_implied(row, rows) for row in box + polytope) for polytope in case.unsafe):
            return True
    return False


# 3. The network


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
    """The chain of MatMul, Gemm, Add, Sub, Mul, Div, Neg, BatchNormalization, Relu, Flatten, Reshape, Identity and what
    SELECTIONS, SUMS, BENDS, WINDOWED, MAXIMA and CURVES name that makes the output, or the tensor of this name."""
    graph = model.graph
    constants = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    (source,) = [value for value in graph.input if value.name not in constants]
    batch, *shape = [d.dim_value for d in source.type.tensor_type.shape.dim] or [1]
    chains = {source.name: Chain([batch or 1, *shape] if source.type.tensor_type.shape.dim else [])}
    for number, node in enumerate(graph.node):
        options = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        must([] not in options.values() and len(options) == len(node.attribute), ValueError)
        if node.op_type == "ConstantOfShape":
            constants[node.output[0]] = run(node, model, constants)[0]
            continue
        signals = [name for name in node.input if name and name not in constants]
        if len(signals) > 1:
            signals = [chains.get(name) for name in node.input]
            chains[node.output[0]] = meet(number, node, signals, partial(run_at, node, model, constants))
            if end in node.output:
                return chains[end].closed()
            continue
        (signal,) = signals
        chain, operands = chains[signal].copied(number), [constants.get(name) for name in node.input if name != signal]
        if node.op_type in SELECTIONS + SUMS:
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
            must(node.op_type in ("Gemm", "BatchNormalization", "Flatten", "Reshape") or not options, ValueError)
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
    shape: of what is made so far; maker: what reads it now; makers: of each layer, what made W and b."""

    def __init__(self, shape):
        self.shape, self.inputs = shape, math.prod(shape)
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
            must(operator in ("Flatten", "Reshape", "Identity"), ValueError)
            if operator == "Flatten":
                must(math.prod(self.shape[: options.get("axis", 1)]) == 1, ValueError)
            if operator != "Identity":
                self.shape = [int(n) for n in operands[0]] if operator == "Reshape" else [1, self.width]
                self.shape = [n if n > 0 else -self.width // math.prod(self.shape) for n in self.shape]

    def units(self, run, kind=1):
        """What an affine node makes of zeros, and of each unit vector."""
        zeros = onnx.numpy_helper.to_array(onnx.helper.make_tensor("", kind, self.shape, [0.0] * self.width))
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
            self.scale([self.nearest(1, sum(row)) for row in weights])

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
        zeros = onnx.numpy_helper.to_array(onnx.helper.make_tensor("", 1, self.shape, [0.0] * self.width))
        must((operand + zeros).size == self.width, ValueError)
        return exact(operand + zeros)

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
        block = Block(range(self.inputs), self.width, self.layers, first, *errors(semantics, self.rounded, n))
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


def dot(left, right):
    """sum of left_i right_i."""
    pairs = [(a, b) for a, b in zip(left, right) if a is not ZERO and b is not ZERO]
    (p, left), (q, right) = common([a for a, _ in pairs]), common([b for _, b in pairs])
    return Fraction(sum(map(mul, left, right)), p * q)


def common(values):
    """Their common denominator, and the values times it."""
    p = math.lcm(*{value.denominator for value in values})
    return p, [value.numerator * (p // value.denominator) for value in values]


def apply(layer, values):
    (q, rows), (p, values) = layer.whole, common(values)
    return [Fraction(sum(w * values[j] for j, w in r.items()), p * q) + b for r, b in zip(rows, layer.bias)]


# 4. The tree


def check_proof(net, cases, arrays, bounded=lambda net, case: net):
    """The bounds by which the exclusions are shown, in order."""
    split, pairs = arrays["split"], list(zip(arrays["node"], arrays["polytope"]))
    must(pairs == sorted(set(pairs)) and all(0 <= number < len(split) for number in arrays["node"]))
    must(all(0 <= j < net.hidden for j in arrays["slope"] + arrays["multiplier"]))
    must(all(0 < weight <= 1024 for weight in arrays["row_weight"]))
    must(all(0 <= slope <= 1024 for slope in arrays["slope_value"]))
    must(all(0 <= value < math.inf for value in arrays["multiplier_value"]))
    must(
        all(
            abs(a) <= 2**900
            for case in cases
            for polytope in case.unsafe
            for row in polytope
            for a in (*row.form.values(), row.constant)
        )
    )
    must(all(-1 <= s < net.inputs + net.hidden for s in split) and all(map(math.isfinite, arrays["cut"])))
    must(len(split) == len(cases) + 2 * sum(s >= 0 for s in split))
    lists = [
        read_parts(arrays, *keys)
        for keys in (
            ("row", "row_weight", Fraction(1, 1024)),
            ("slope", "slope_value", Fraction(1, 1024)),
            ("multiplier", "multiplier_value", ONE),
        )
    ]
    exclusions, cuts = [*zip(pairs, *lists)], iter(arrays["cut"])
    nodes, bounds = [(own, make_root(own, case)) for case in cases for own in [bounded(net, case)]], []
    for number, s in enumerate(split):
        must(number < len(nodes))  # where this fails, this node's parent comes later
        own, node = nodes[number]
        node, lines = tighten(own, node)
        for (place, polytope), rows, slopes, multipliers in exclusions:
            if place == number:
                must(0 <= polytope < len(node.case.unsafe) and multipliers.keys() <= node.signs.keys())
                must(all(is_bounded(node, j) for j in slopes))
                bounds.append(shown(own, node, lines, polytope, rows, slopes, multipliers))
                node.excluded.add(polytope)
        open_polytopes = [p for i, p in enumerate(node.case.unsafe) if i not in node.excluded]
        must(s >= 0 or all(any(map(is_false, polytope)) for polytope in open_polytopes))
        nodes += [] if s < 0 else [(own, half) for half in halves(own, node, s, cuts)]
    return bounds


def read_parts(arrays, key, value, unit):
    """Each exclusion's {number: value}, ascending strictly, of a pair of arrays."""
    must(all(count >= 0 for count in arrays[key + "s"]))
    entries, parts = iter(zip(arrays[key], arrays[value])), []
    for count in arrays[key + "s"]:
        part = [next(entries) for _ in range(count)]
        must([i for i, _ in part] == sorted({i for i, _ in part}))
        parts.append({i: Fraction(number) * unit for i, number in part})
    return parts


def replaced(values, i, value):
    return [*values[:i], value, *values[i + 1 :]]


def halves(net, node, split, cuts):
    first, second = (node._replace(excluded=set(node.excluded)) for _ in range(2))
    if split < net.inputs:
        cut = Fraction(next(cuts))
        must(node.lower[split] < cut < node.upper[split])
        return (
            first._replace(upper=replaced(node.upper, split, cut)),
            second._replace(lower=replaced(node.lower, split, cut)),
        )
    j = split - net.inputs
    must(j not in node.signs and is_bounded(node, j))
    return (
        first._replace(signs={**node.signs, j: -1}, high=replaced(node.high, j, min(node.high[j], ZERO))),
        second._replace(signs={**node.signs, j: 1}, low=replaced(node.low, j, max(node.low[j], ZERO))),
    )


# 5. Bounds of the hidden neurons


def float32(value):
    """The nearest float32 number, ties to even."""
    if not value:
        return ZERO
    exponent = abs(value.numerator).bit_length() - value.denominator.bit_length()
    exponent -= abs(value) < Fraction(2) ** exponent
    unit = Fraction(2) ** max(exponent - 23, -149)
    return round(value / unit) * unit


def down(value):
    return float32(value - Fraction(3, 2**25) * abs(value) - Fraction(1, 2**149))


def float64_below(value):
    nearest = float(value)
    return Fraction(nearest if nearest <= value else math.nextafter(nearest, -math.inf))


def noise(block, size):
    return block.g * size + block.e


def read_by(block, values):
    return [values[i] for i in block.reads]


def added(values, places, terms):
    """The values, with a term added at each of these places."""
    values = list(values)
    for i, term in zip(places, terms):
        values[i] += term
    return values


def minimum(row, lower, upper):
    places = [i for i, a in enumerate(row) if a is not ZERO]
    return dot([row[i] for i in places], [lower[i] if row[i] > 0 else upper[i] for i in places])


def farthest(lower, upper):
    return [max(abs(p), abs(q)) for p, q in zip(lower, upper)]


def magnitudes(layer, largest):
    """M_k, of the largest sizes of the layer's inputs."""
    (q, rows), (p, sizes) = layer.whole, common(largest)
    parts = [Fraction(sum(abs(w) * sizes[j] for j, w in row.items()), p * q) for row in rows]
    return [part + abs(b) for part, b in zip(parts, layer.bias)]


def ranges(layer, a, b):
    """Between which numbers W h + b is where h is between these."""
    (q, rows), (p, ends) = layer.whole, common([*a, *b])
    a, b = ends[: len(a)], ends[len(a) :]
    low = [sum(w * (a if w > 0 else b)[j] for j, w in row.items()) for row in rows]
    high = [sum(w * (b if w > 0 else a)[j] for j, w in row.items()) for row in rows]
    return [[Fraction(end, p * q) + c for end, c in zip(ends, layer.bias)] for ends in (low, high)]


def root_box(case):
    must(all(abs(end) < 2**100 for end in case.lower + case.upper))
    lower, upper = list(map(float64_below, case.lower)), [-float64_below(-end) for end in case.upper]
    must(all(abs(end) < 2**100 for end in lower + upper))
    return lower, upper


def make_root(net, case):
    lower, upper = root_box(case)
    low, high = [None] * net.hidden, [None] * net.hidden
    for block in net.blocks:
        a, b = read_by(block, lower), read_by(block, upper)
        for layer, neurons in zip(block.layers, block.neurons):
            m = magnitudes(layer, farthest(a, b))
            must(all(size < 2**100 for size in m))
            wider = list(map(add, (noise(block, size) for size in m), layer.spread))
            a, b = ranges(layer, a, b)
            a, b = list(map(sub, a, wider)), list(map(add, b, wider))
            for i, j in neurons.items():
                low[j], high[j] = down(a[i]), -down(-b[i])
                a[i], b[i] = layer.curve.ends(low[j], high[j]) if layer.curve else (max(a[i], ZERO), max(b[i], ZERO))
    return Node(case, lower, upper, {}, low, high, set(), {})


def is_bounded(node, j):
    return node.low[j] is not None


def tighten(net, node):
    """The node with its tightened bounds, and the network's lines there."""
    differences = {pair: tuple(map(list, ends)) for pair, ends in node.differences.items()}
    node = node._replace(low=list(node.low), high=list(node.high), differences=differences)
    return node, net.tighten(node)


def tighten_block(block, node):
    """The lines of its layers; the node's bounds are changed."""
    lines, largest = [], farthest(read_by(block, node.lower), read_by(block, node.upper))
    for layer, neurons in zip(block.layers, block.neurons):
        sizes = magnitudes(layer, largest)
        for i in neurons:
            tighten_neuron(block, node, lines, i, sizes[i])
        largest = finish_layer(block, node, lines, sizes)
    return lines


def is_unstable(node, j):
    return node.low[j] < 0 < node.high[j]


def tighten_neuron(block, node, lines, i, size):
    """The i-th one of the layer after the last of these lines, where l < 0 < u; of a curve, where l < u."""
    layer, j = block.layers[len(lines)], block.neurons[len(lines)][i]
    if node.low[j] < node.high[j] if layer.curve else is_unstable(node, j):
        row, b, wider = layer.weights[i], layer.bias[i], noise(block, size) + layer.spread[i]
        least = lowest(block, node, lines, row, b) - wider
        most = -lowest(block, node, lines, [w if w is ZERO else -w for w in row], -b) + wider
        node.low[j], node.high[j] = max(node.low[j], down(least)), min(node.high[j], -down(-most))


def finish_layer(block, node, lines, sizes, ratio=1):
    """H_k of the layer after the last of these lines, to which its own are added."""
    neurons, largest, made, curve = block.neurons[len(lines)], [], [], block.layers[len(lines)].curve
    for i, (size, radius) in enumerate(zip(sizes, block.layers[len(lines)].spread)):
        if i in neurons and curve:
            low, high = node.low[neurons[i]], node.high[neurons[i]]
            made.append(curve_line(block, curve, low, high, size, radius))
            largest.append(max(map(abs, curve.ends(low, high))))
        elif i in neurons:
            low, high = node.low[neurons[i]], node.high[neurons[i]]
            made.append(relu_line(block, low, high, size, ratio, radius))
            largest.append(max(high, ZERO))
        else:
            error = noise(block, size) + radius
            made.append(Line(ONE, ONE, ZERO, error, error))
            largest.append(size + error)
    lines.append(made)
    return largest


def relu_line(block, low, high, size, ratio=1, radius=ZERO):
    negative, positive = min(low, ZERO), max(high, ZERO)
    c = Fraction(round(1024 * positive / (positive - negative)), 1024) if positive > negative else ZERO
    t = max(-c * negative, (1 - c) * positive)
    error = noise(block, size + t) + radius
    return Line(Fraction(high > -ratio * low), c, t, error if high > 0 else ZERO, error)


def curve_line(block, curve, low, high, size, radius):
    a, r, c, t = curve.line(low, high)
    error = noise(block, size + max(abs(r), abs(t))) + radius
    return Line(a, c, t, error, error, r)


# 6. Backward substitution


def substitute(block, node, lines, row, constant, slopes=NONE, multipliers=NONE, stop=0):
    """What is left of row . h + constant, h being after the last of these lines: over what layer number `stop` (from 0)
    reads, and a constant."""
    for k in reversed(range(stop, len(lines))):
        row, constant = through_lines(block, node, lines, k, row, constant, slopes, multipliers)
        row, constant = through_weights(block.layers[k], row, constant)
    return row, constant


def through_lines(block, node, lines, k, row, constant, slopes=NONE, multipliers=NONE):
    """From the k-th layer's h to its z."""
    after, losses, neurons = [], [], block.neurons[k]
    for i, (a, line) in enumerate(zip(row, lines[k])):
        j = neurons.get(i)
        must(j not in slopes or not block.layers[k].curve)
        lower = own_slope(node, j, slopes[j]) if j in slopes else line.a
        slope, loss = (lower, line.s - line.r) if a is ZERO or a > 0 else (line.c, -line.t - line.s)
        after.append(a if slope == 1 or a is ZERO else a * slope if slope else ZERO)
        losses.append(loss or ZERO)
        if j in multipliers:
            after[-1] -= node.signs[j] * multipliers[j]
            constant -= multipliers[j] * line.noise
    return after, constant - dot(row, losses)


def through_weights(layer, row, constant):
    (q, rows), (p, numbers) = layer.whole, common(row)
    left = [0] * len(layer.weights[0])
    for a, weights in zip(numbers, rows):
        if a:
            for j, w in weights.items():
                left[j] += a * w
    return [Fraction(a, p * q) if a else ZERO for a in left], constant + dot(row, layer.bias)


def lowest(block, node, lines, row, constant):
    row, constant = substitute(block, node, lines, row, constant)
    return minimum(row, read_by(block, node.lower), read_by(block, node.upper)) + constant


def own_slope(node, j, slope):
    if is_unstable(node, j):
        return slope
    return ZERO if node.high[j] <= 0 else ONE


def shown(net, node, lines, number, weights, slopes, multipliers):
    polytope = node.case.unsafe[number]
    must(all(0 <= i < len(polytope) for i in weights))
    bound = bound_of(net, node, lines, polytope, weights, slopes, multipliers)
    must(bound > 0 or bound == 0 and any(polytope[i].strict for i in weights))
    return bound


def bound_of(net, node, lines, polytope, weights, slopes, multipliers):
    """The minimum of the weighted sum of its rows."""
    rows = [
        Row({name: w * a for name, a in polytope[i].form.items()}, w * polytope[i].constant, polytope[i].strict)
        for i, w in weights.items()
    ]
    form = total([row.form for row in rows])
    x, y = ([form.get(name, ZERO) for name in names(*of)] for of in (("X", net.inputs), ("Y", net.outputs)))
    ends = list(accumulate((block.outputs for block in net.blocks), initial=0))
    left, constant = net.substitute(node, lines, [y[p:q] for p, q in zip(ends, ends[1:])], slopes, multipliers)
    constant += sum(row.constant for row in rows)
    return minimum(list(map(sum, zip(x, left))), node.lower, node.upper) + constant


# 7. Witness


def check_witness(net, disjuncts, cases, lists):
    point, outputs, margins = lists
    values, radii = [], []
    for block in net.blocks:
        for made, part in zip((values, radii), evaluate(block, read_by(block, point))):
            made.extend(part)
    found = dict(zip(names("X", net.inputs) + names("Y", net.outputs), point + values))
    spread = dict(zip(names("Y", net.outputs), radii))
    most = lambda row: left_side(row, found) + sum(abs(a) * spread.get(name, ZERO) for name, a in row.form.items())
    must(outputs == values and margins == [left_side(row, found) for row in cases[0].unsafe[0]])
    must(any(all((most(row), row.strict) <= (0, False) for row in rows) for rows in disjuncts))


def evaluate(block, values):
    """Its outputs at these values of what it reads, and r_L."""
    radii = [ZERO] * len(values)
    for layer in block.layers:
        sizes = [abs(value) + radius for value, radius in zip(values, radii)]
        spread = (part - abs(b) for part, b in zip(magnitudes(layer, radii), layer.bias))
        own = [ERROR if layer.curve and bent else ZERO for bent in layer.relus]
        radii = [radius + block.g * size + o for radius, size, o in zip(spread, magnitudes(layer, sizes), own)]
        bent = layer.curve.nearest if layer.curve else lambda value: max(value, ZERO)
        values = [bent(value) if relu else value for value, relu in zip(apply(layer, values), layer.relus)]
    return values, radii


def left_side(row, found):
    return sum(a * found[name] for name, a in row.form.items()) + row.constant
