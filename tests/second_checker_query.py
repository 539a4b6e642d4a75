"""The second checker, of certificates of version 2: section 10 of docs/certificate-format.md; uses no engine."""

import hashlib
import math
import re
from collections import namedtuple
from fractions import Fraction
from itertools import accumulate

import onnx
import second_checker as first
from google.protobuf.message import DecodeError
from second_checker_bounds import Block, Network
from second_checker_file import Row, names, rational, read_certificate
from second_checker_layers import ONE, ZERO, Layer, Rejected, float32, must, scaled, total
from second_checker_network import errors, read_chain, read_model

NAME = "[A-Za-z][A-Za-z0-9_]*"
TOKEN = re.compile(r';[^\n]*|"[^"\n]*"|[()]|[^\s()\[\];"]+(?:\s*\[[^\]]*\])?|\S')
KINDS = "declare-input", "declare-hidden", "declare-output"

Declared = namedtuple("Declared", "name relation other tensors")
Tensor = namedtuple("Tensor", "kind name element shape onnx")
Tie = namedtuple("Tie", "inputs constant")  # inputs: {number of a free input: coefficient}
File = namedtuple("File", "model identity chains")  # chains: of each block


def accepts_query(certificate, networks, query):
    """Does the certificate show its claim for these files (paths; networks by name)? ValueError as in accepts."""
    try:
        check_query(read_certificate(certificate, (2,)), networks, query)
    except Rejected:
        return False
    return True


def check_query(content, networks, query, paired=lambda net: net):
    """The bounds by which a proof's exclusions are shown; paired makes the network that is checked."""
    manifest, cases, content = content
    free = len(cases[0].lower)
    must(manifest["networks"], ValueError)
    try:
        declared, formula = read_query(query.read_text())
        files = [read_file(network, networks) for network in declared]
        ties, disjuncts = read_claim(declared, formula)
    except (LookupError, TypeError, AttributeError, ArithmeticError, DecodeError) as error:
        raise ValueError("malformed or unsupported") from error
    must(hashlib.sha256(query.read_bytes()).hexdigest() == manifest["property"]["sha256"])
    must([(n["declared"], n["sha256"]) for n in manifest["networks"]] == named(declared, files))
    must(read_ties(manifest["ties"], free) == ties)
    must(free == count_free(ties) > 0)
    check_declared(declared, files)
    check_types(declared, ties, manifest, content)
    net = paired(join(files, ties, free, manifest["semantics"]))
    known = {*names("X", free), *names("Y", net.outputs)}
    must(all(known >= set(row.form) for case in cases for polytope in case.unsafe for row in polytope))
    return first.conclude(manifest, net, disjuncts, cases, content)


# The query's text


def read_query(text):
    """The declared networks, and the conjunction of the asserts with X_i and Y_j for the elements."""
    stack = [[]]
    for token in TOKEN.findall(text):
        must(token != ")" or len(stack) > 1, ValueError)
        if token == "(":
            stack.append([])
        elif token[0] != ";":
            item = stack.pop() if token == ")" else token
            stack[-1].append(item)
    (commands,) = stack
    must(commands[0] == ["vnnlib-version", "<2.0>"], ValueError)
    networks = [command for command in commands if command[0] == "declare-network"]
    asserts = commands[1 + len(networks) :]
    must(networks == commands[1 : 1 + len(networks)] and all(a[0] == "assert" for a in asserts), ValueError)
    declared = [read_declared(network) for network in networks]
    tensors = [tensor for network in declared for tensor in network.tensors]
    for unique in ([network.name for network in declared], [tensor.name for tensor in tensors]):
        must(len(set(unique)) == len(unique) and all(re.fullmatch(NAME, name) for name in unique), ValueError)
    for i, network in enumerate(declared):
        must(network.other is None or network.other in [earlier.name for earlier in declared[:i]], ValueError)
    variables = {tensor.name: tensor.shape for tensor in tensors}, elements(tensors)
    return declared, ["and", *(translated(formula, *variables) for _, formula in asserts)]


def read_declared(command):
    _, name, *parts = command
    relation = other = None
    if parts[0][0] in ("equal-to", "isomorphic-to"):
        (relation, other), *parts = parts
    tensors = [Tensor(part[0], part[1], *indexed(part[2]), "".join(part[3:])) for part in parts]
    kinds = [KINDS.index(tensor.kind) for tensor in tensors]
    must(kinds == sorted(kinds) and kinds[0] == 0 and kinds[-1] == 2, ValueError)
    for part, tensor in zip(parts, tensors):
        must(len(part) + (tensor.kind != "declare-hidden") in (4, 5), ValueError)
        must(tensor.shape is not None and 0 not in tensor.shape, ValueError)
        must(tensor.element in ("real", "float32"), ValueError)
        must(re.fullmatch('"[^"]+"', tensor.onnx) or len(part) == 3, ValueError)
    return Declared(name, relation, other, tensors)


def indexed(token):
    """The name, and the numbers in brackets; None where there are no brackets."""
    name, bracket, numbers = token.partition("[")
    if not bracket:
        return token, None
    numbers = numbers.rstrip("]").split(",") if numbers.strip("] \t\r\n") else []
    return name.strip(), tuple(int(number) for number in numbers)


def elements(tensors):
    """{(tensor, index): "X_i" or "Y_j"}"""
    found = {}
    for letter, kinds in (("X", KINDS[:1]), ("Y", KINDS[1:])):
        places = [(t.name, index) for t in tensors if t.kind in kinds for index in indices(t.shape)]
        found |= {place: f"{letter}_{i}" for i, place in enumerate(places)}
    return found


def indices(shape):
    """All of them, in row-major order."""
    found = [()]
    for size in shape:
        found = [(*index, i) for index in found for i in range(size)]
    return found


def translated(formula, shapes, places):
    """As a formula of VNN-LIB 1.0 about X_i and Y_j."""
    if isinstance(formula, str):
        name, index = indexed(formula)
        if name in shapes:
            return places[name, index or ()]
        must(re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", formula), ValueError)
        return formula
    operator, *parts = formula
    must(operator in ("and", "or", "+", "-", "*", "<", "<=", ">", ">=", "==", "!=") and parts, ValueError)
    parts = [translated(part, shapes, places) for part in parts]
    if operator == "!=":
        return ["or", ["<", *parts], [">", *parts]]
    return [{"==": "="}.get(operator, operator), *parts]


# Ties


def read_claim(declared, formula):
    """The ties, one list for each network, and the disjuncts, over free inputs."""
    sizes = [size_of(network, KINDS[:1]) for network in declared]
    found = echelon(equations(formula), sum(sizes))
    pivots = found or {}
    free = [i for i in range(sum(sizes)) if i not in pivots]
    number = {i: k for k, i in enumerate(free)}
    ties = [
        Tie({number[j]: a for j, a in pivots[i].inputs.items()}, pivots[i].constant)
        if i in pivots
        else Tie({number[i]: ONE}, ZERO)
        for i in range(sum(sizes))
    ]
    more = [Row({}, ONE, False)] if found is None else []
    disjuncts = [[tied(row, ties) for row in rows] + more for rows in first.disjuncts_of(formula)]
    ends = list(accumulate(sizes, initial=0))
    return [ties[a:b] for a, b in zip(ends, ends[1:])], disjuncts


def size_of(network, kinds):
    return sum(math.prod(tensor.shape) for tensor in network.tensors if tensor.kind in kinds)


def equations(formula):
    """{input: coefficient} and "" for the constant, of each equation that makes ties."""
    rows = [first.normal(row) for comparison in always(formula) for row in first.disjuncts_of(comparison)[0]]
    rows = [row for row in rows if len(row.form) > 1 and all(name[0] == "X" for name in row.form) and not row.strict]
    opposite = lambda row: Row({name: -a for name, a in row.form.items()}, -row.constant, False)
    return [{int(x[2:]): a for x, a in r.form.items()} | {"": r.constant} for r in rows if opposite(r) in rows]


def always(formula):
    """The comparisons that every disjunct has."""
    operator, *parts = formula
    if operator == "or":
        parts = [part for part in parts if not is_left_out(part)]
        return always(parts[0]) if len(parts) == 1 else []
    return [one for part in parts for one in always(part)] if operator == "and" else [formula]


def is_left_out(formula):
    """Whether it is an alternative that is false by its numbers alone."""
    disjuncts = first.disjuncts_of(without_false(formula))
    rows = [row for disjunct in disjuncts for row in disjunct]
    numbers = not any(a for row in rows for a in row.form.values())
    return not disjuncts or len(disjuncts) == 1 and numbers and any(map(first.is_false, rows))


def without_false(formula):
    operator, *parts = formula
    if operator not in ("and", "or"):
        return formula
    return [operator, *(without_false(part) for part in parts if operator == "and" or not is_left_out(part))]


def echelon(equations, count):
    """{pivot: its Tie to inputs that are no pivots}; the pivot is an equation's last input. None if unsolvable."""
    solved = {}
    for equation in equations:
        for pivot, other in solved.items():
            equation = eliminated(equation, pivot, other)
        inputs = [i for i in range(count) if equation.get(i)]
        if inputs:
            pivot = max(inputs)
            equation = scaled(equation, 1 / equation[pivot])
            solved = {p: eliminated(other, pivot, equation) for p, other in solved.items()} | {pivot: equation}
        elif equation[""]:
            return None
    return {p: Tie({i: -a for i, a in e.items() if a and i not in ("", p)}, -e[""]) for p, e in solved.items()}


def eliminated(equation, pivot, other):
    """Without the pivot of another equation."""
    return total([equation, scaled(other, -equation.get(pivot, ZERO))])


def tied(row, ties):
    """Of a row over inputs and outputs, over free inputs and outputs."""
    parts = [{name: a} for name, a in row.form.items() if name[0] == "Y"]
    parts.append({"": row.constant})
    for name, a in row.form.items():
        if name[0] == "X":
            tie = ties[int(name[2:])]
            parts.append({f"X_{i}": a * b for i, b in tie.inputs.items()} | {"": a * tie.constant})
    form = total(parts)
    return Row(form, form.pop(""), row.strict)


def read_ties(ties, free):
    """Of the manifest."""
    must(all(int(i) < free for part in ties for tie in part for i in tie["inputs"]), ValueError)
    number = rational
    return [
        [
            Tie({int(i): number(a) for i, a in tie["inputs"].items() if number(a)}, number(tie["constant"]))
            for tie in part
        ]
        for part in ties
    ]


def count_free(ties):
    return len({i for part in ties for tie in part for i in tie.inputs})


# The files


def read_file(network, paths):
    """A network's file; the one that it is equal to where it is not given."""
    path = paths.get(network.name) or paths[network.other if network.relation == "equal-to" else network.name]
    model, identity = read_model(path)
    hidden = [tensor.onnx.strip('"') for tensor in network.tensors if tensor.kind == "declare-hidden"]
    return File(model, identity, [read_chain(model, end) for end in (*hidden, None)])


def named(declared, files):
    return [(network.name, file.identity) for network, file in zip(declared, files)]


def check_declared(declared, files):
    known = {network.name: file for network, file in zip(declared, files)}
    for network, file in zip(declared, files):
        kinds = [tensor.kind for tensor in network.tensors]
        must(kinds.count("declare-input") == kinds.count("declare-output") == 1)
        source = first_input(file.model)
        for tensor, value in ((network.tensors[0], source), (network.tensors[-1], file.model.graph.output[0])):
            must(not tensor.onnx or tensor.onnx.strip('"') == value.name)
        shape = [d.dim_value for d in source.type.tensor_type.shape.dim]
        for tensor, actual in zip(network.tensors, [shape, *(chain.shape for chain in file.chains)]):
            must([n for n in tensor.shape if n != 1] == [n for n in actual if n != 1])
        must(all(chain.layers for chain in file.chains[:-1]))
        if network.relation == "equal-to":
            must(file.identity == known[network.other].identity)
        elif network.relation:
            other = known[network.other]
            must(sizes(file) == sizes(other) or skeleton(file.model) == skeleton(other.model))


def first_input(model):
    constants = {tensor.name for tensor in model.graph.initializer}
    return next(value for value in model.graph.input if value.name not in constants)


def sizes(file):
    chain = file.chains[-1]
    return chain.inputs, [layer.relus for layer in chain.layers]


def skeleton(model):
    """The nodes, without names and the numbers of constants."""
    operands = {tensor.name: (tensor.data_type, *tensor.dims) for tensor in model.graph.initializer}
    operands[first_input(model).name], nodes = "input", []
    for i, node in enumerate(model.graph.node):
        attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        nodes.append((node.op_type, attributes, [operands.get(name) for name in node.input]))
        operands |= {name: (i, k) for k, name in enumerate(node.output)}
    return nodes


def check_types(declared, ties, manifest, content):
    single = [
        tie
        for network, part in zip(declared, ties)
        for tensor in network.tensors
        if (tensor.kind, tensor.element) == (KINDS[0], "float32")
        for tie in part
    ]
    if not any(tensor.element == "float32" for network in declared for tensor in network.tensors):
        return
    must(manifest["kind"] == "witness" or manifest["semantics"] == "float32")
    for tie in single if manifest["kind"] == "witness" else ():
        value = tie.constant + sum(a * content[0][i] for i, a in tie.inputs.items())
        must(value == float32(value) and abs(value) < 2**128)


# Blocks


def join(files, ties, free, semantics):
    """The network from the free inputs to the outputs of all blocks."""
    parts = [(chain, part) for file, part in zip(files, ties) for chain in file.chains]
    must(not any(chain.is_curved() for chain, _ in parts))
    if semantics == "float32":
        for chain, _ in parts:
            chain.must_be_executed(chain.largest())
    made = [read_block(chain, part) for chain, part in parts]
    widths = [len(layer.bias) for _, layers, _ in made for layer in layers] + [len(reads) for reads, _, _ in made]
    n = max(free, *widths) + len(made)
    blocks, hidden = [], 0
    for (chain, _), (reads, layers, rounded) in zip(parts, made):
        must(semantics == "real" or not rounded)
        numbers = list(accumulate((sum(layer.relus) for layer in layers), initial=hidden))
        hidden = numbers[-1]
        made_of = *errors(semantics, rounded, n), None, chain.ending
        blocks.append(Block(reads, chain.width, layers, numbers, *made_of))
    return Network(free, sum(block.outputs for block in blocks), hidden, blocks)


def read_block(chain, ties):
    """The free inputs that it reads, its layers, and whether it is rounded."""
    reads = [i for tie in ties for i in tie.inputs]
    if all(list(tie.inputs.values()) == [ONE] and not tie.constant for tie in ties) and len(set(reads)) == len(ties):
        return reads, chain.layers, chain.rounded
    numbers = [number for tie in ties for number in (*tie.inputs.values(), tie.constant) if number]
    must(all(Fraction(2) ** -1022 <= abs(number) < 2**100 for number in numbers))
    reads = sorted(set(reads))
    weights = [[Fraction(float(tie.inputs.get(i, ZERO))) for i in reads] for tie in ties]
    layer = Layer(weights, [Fraction(float(tie.constant)) for tie in ties], False)
    rounded = chain.rounded or any(Fraction(float(number)) != number for number in numbers)
    return reads, [layer, *chain.layers], rounded
