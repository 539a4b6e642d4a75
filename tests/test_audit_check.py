"""The certificate checker's verdicts on proofs and witnesses made here, by a writer and a prover of this file."""

import hashlib
import io
import json
import zipfile
from collections import deque
from dataclasses import dataclass, field
from decimal import Decimal, localcontext
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest
from cases import exact_trace, executable
from conftest import network, random_network

from engine.audit import walk
from engine.audit.arithmetic import Floating
from engine.audit.bounds import Exclusions
from engine.audit.check import check
from engine.audit.data import Layer, Network
from engine.audit.exact import Exact
from engine.audit.failures import Malformed

ARITHMETIC = ["float64", "exact"]
ARRAYS = {
    "split": "i4",
    "cut": "f8",
    "node": "i4",
    "polytope": "i4",
    "rows": "i4",
    "slopes": "i4",
    "multipliers": "i4",
    "row": "i4",
    "row_weight": "i4",
    "slope": "i4",
    "slope_value": "i4",
    "multiplier": "i4",
    "multiplier_value": "f8",
}


# --- a network, a property and a certificate, as files ------------------------------------------


def row(outputs, constant=0, *, inputs=(), strict=False):
    """sum outputs[j] y_j + sum inputs[i] x_i + constant <= 0."""
    terms = lambda values: {i: Fraction(v) for i, v in enumerate(values) if v}
    return {"inputs": terms(inputs), "outputs": terms(outputs), "constant": Fraction(constant), "strict": strict}


def case(lower, upper, *polytopes):
    return {"lower": [Fraction(v) for v in lower], "upper": [Fraction(v) for v in upper], "unsafe": list(polytopes)}


@dataclass
class Node:
    """A node of a proof: input or neuron to split (-1: a leaf), and {polytope: Exclusion}."""

    split: int = -1
    cut: float = 0.0
    exclusions: dict = field(default_factory=dict)
    children: tuple = ()


@dataclass
class Exclusion:
    """Row -> weight, neuron -> slope, both in 1024ths; neuron -> multiplier."""

    rows: dict
    slopes: dict = field(default_factory=dict)
    multipliers: dict = field(default_factory=dict)


def arrays(roots, n_inputs):
    """Section 4's arrays for trees of Nodes."""
    found, queue = {name: [] for name in ARRAYS}, deque(roots)
    for number in range(10**9):
        if not queue:
            break
        node = queue.popleft()
        queue += node.children
        found["split"].append(node.split)
        found["cut"] += [node.cut] if 0 <= node.split < n_inputs else []
        for polytope, shown in sorted(node.exclusions.items()):
            parts = (
                ("row", "row_weight", shown.rows),
                ("slope", "slope_value", shown.slopes),
                ("multiplier", "multiplier_value", shown.multipliers),
            )
            found["node"].append(number)
            found["polytope"].append(polytope)
            for name, value, entries in parts:
                found[name + "s"].append(len(entries))
                found[name] += sorted(entries)
                found[value] += [entries[key] for key in sorted(entries)]
    return {name: np.array(values, dtype="<" + ARRAYS[name]) for name, values in found.items()}


def written(value):
    """A part of the manifest as JSON has it."""
    if isinstance(value, dict):
        return {str(key): written(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [written(entry) for entry in value]
    return value if isinstance(value, (str, bool)) else str(value)


def vnnlib(cases, n_inputs, n_outputs):
    """The unsafe set of these cases. Numbers must have finite decimals."""

    def number(value):
        with localcontext(prec=1000):
            text = format(Decimal(value.numerator) / Decimal(value.denominator), "f")
        assert Fraction(text) == value, "no finite decimal"
        return text if value >= 0 else f"(- {text[1:]})"

    def inequality(r):
        terms = [f"(* {number(c)} X_{i})" for i, c in r["inputs"].items()]
        terms += [f"(* {number(c)} Y_{j})" for j, c in r["outputs"].items()] + [number(r["constant"])]
        return f"({'<' if r['strict'] else '<='} (+ {' '.join(terms)} 0.0) 0.0)"

    conjunctions = []
    for one in cases:
        ends = zip(one["lower"], one["upper"])
        box = [f"(>= X_{i} {number(a)}) (<= X_{i} {number(b)})" for i, (a, b) in enumerate(ends)]
        for polytope in one["unsafe"]:
            conjunctions.append(f"(and {' '.join([*box, *map(inequality, polytope)])})")
    names = [f"X_{i}" for i in range(n_inputs)] + [f"Y_{j}" for j in range(n_outputs)]
    declared = "\n".join(f"(declare-const {name} Real)" for name in names)
    return f"{declared}\n(assert (or {' '.join(conjunctions)}))\n"


def pack(path, manifest, members):
    """Writes a certificate's file."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in {"manifest.json": json.dumps(manifest).encode(), **members}.items():
            archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
    path.write_bytes(packed.getvalue())


@dataclass
class Question:
    """Files in a folder: a network, a property, and the certificate that write() makes; run() checks it."""

    folder: object
    net: object
    cases: list

    def __post_init__(self):
        self.onnx = executable(self.net).onnx_bytes
        self.text = vnnlib(self.cases, self.net.n_inputs, self.net.n_outputs).encode()
        self.paths = [self.folder / name for name in ("proof.zip", "net.onnx", "property.vnnlib")]
        self.paths[1].write_bytes(self.onnx)
        self.paths[2].write_bytes(self.text)

    def manifest(self, kind, semantics="real", **more):
        named = lambda data: {"name": "some", "sha256": hashlib.sha256(data).hexdigest()}
        engine = {"name": "test", "version": "1", "options": {}}
        return {
            "format": "acasxu-certificate",
            "version": 1,
            "kind": kind,
            "semantics": semantics,
            "network": named(self.onnx),
            "property": named(self.text),
            "engine": engine,
            **more,
        }

    def write(self, roots, semantics="real", change=None):
        """A proof; `change` may alter its arrays."""
        found = arrays(roots, self.net.n_inputs)
        if change:
            change(found)
        data = {name: array.tobytes() for name, array in found.items()}
        entries = {n: {"count": len(found[n]), "sha256": hashlib.sha256(data[n]).hexdigest()} for n in found}
        manifest = self.manifest("proof", semantics, cases=written(self.cases), arrays=entries)
        self.pack(manifest, {f"{name}.{'f64' if ARRAYS[name] == 'f8' else 'i32'}": data[name] for name in data})
        return self

    def write_witness(self, point, outputs, margins, claim):
        content = written({"point": point, "outputs": outputs, "margins": margins, "case": claim})
        self.pack(self.manifest("witness", **content), {})
        return self

    def pack(self, manifest, members):
        pack(self.paths[0], manifest, members)

    def run(self, **how):
        return check(*self.paths, **how)


def accepted(question, **how):
    result = question.run(**how)
    assert result.accepted and not result.reason, result.reason
    return result


def rejected(question, match, **how):
    result = question.run(**how)
    assert not result.accepted and match in result.reason, result.reason
    return result


# --- a prover -------------------------------------------------------------------------------------


def audit_network(net) -> Network:
    return Network(tuple(Layer(a.weight, a.bias, a.relu) for a in net.layers), "")


class Prover:
    """Finds a tree one node at a time: by the signs of neurons, the first `signs` times, and by bisection.

    It asks the checker's own arithmetic for bounds, because the format leaves it no other choice.
    """

    def __init__(self, net, arithmetic="float64", semantics="real", signs=0):
        self.net, self.signs = net, signs
        self.bounds = {"float64": Floating, "exact": Exact}[arithmetic](audit_network(net), semantics)

    def prove(self, one):
        lower, upper = ([walk.outward(v, side) for v in one[end]] for end, side in (("lower", -1), ("upper", 1)))
        l, u = self.bounds.root(np.array(lower), np.array(upper))
        left = set(range(len(one["unsafe"])))
        sign = np.zeros(self.bounds.hidden)
        return self.node(one, np.array(lower), np.array(upper), l, u, sign, left, 0)

    def node(self, one, lower, upper, l, u, sign, left, depth):
        assert depth < 24, "no proof was found"
        batch = SimpleNamespace(lower=lower[None], upper=upper[None], l=l[None].copy(), u=u[None].copy())
        lines, node, left = self.bounds.tighten(batch), Node(), set(left)
        l, u = batch.l[0], batch.u[0]
        hidden = slice(0, len(sign))  # what is behind it are differences
        for polytope in sorted(left):
            for shown in self.tries(one["unsafe"][polytope], sign, np.flatnonzero((l > u)[hidden] & (sign != 0))):
                if self.margin(batch, lines, one["unsafe"][polytope], shown, sign) > 0:
                    node.exclusions[polytope] = shown
                    left.discard(polytope)
                    break
        if not left:
            return node
        open_ = np.flatnonzero(((l < 0) & (u > 0))[hidden] & (sign == 0))
        down = lambda *changed: self.node(one, *changed, left, depth + 1)
        if depth < self.signs and len(open_):
            j = open_[np.argmax(np.minimum(u, -l)[open_])]
            node.split, at = len(lower) + int(j), np.arange(len(l)) == j
            node.children = (
                down(lower, upper, l, np.where(at, np.minimum(u, 0), u), sign - at[hidden]),
                down(lower, upper, np.where(at, np.maximum(l, 0), l), u, sign + at[hidden]),
            )
            return node
        node.split = int(np.argmax(upper - lower))
        at = np.arange(len(lower)) == node.split
        node.cut = float(lower[node.split] / 2 + upper[node.split] / 2)
        node.children = (
            down(lower, np.where(at, node.cut, upper), l, u, sign),
            down(np.where(at, node.cut, lower), upper, l, u, sign),
        )
        return node

    def tries(self, rows, sign, contradictory):
        """Each row alone, all together, with other slopes and with multipliers, large ones where the set is empty."""
        hidden, everything = len(sign), {r: 1024 // len(rows) for r in range(len(rows))}
        if len(contradictory):
            yield Exclusion({0: 1024}, {}, {int(contradictory[0]): 2.0**30})
        for weights in [{r: 1024} for r in range(len(rows))] + [everything] * (len(rows) > 1):
            for slope in (None, 0, 1024, 300):
                slopes = {} if slope is None else dict.fromkeys(range(hidden), slope)
                yield Exclusion(weights, slopes)
                for value in (0.25, 1.0) if sign.any() else ():
                    yield Exclusion(weights, slopes, {int(j): value for j in np.flatnonzero(sign)})

    def margin(self, batch, lines, rows, shown, sign):
        return self.bounds.margins(batch, lines, exclusions([(0, rows, shown)], self.net, sign[None]))[0]


def exclusions(claims, net, sign):
    """Exclusions [(node, rows, Exclusion)] as the arithmetics want them; sign [nodes, hidden]."""
    given = np.zeros((len(claims), net.n_outputs + 1 + net.n_inputs), dtype=object)
    slopes, multipliers = np.full((len(claims), sign.shape[1]), np.nan), np.zeros((len(claims), sign.shape[1]))
    for e, (node, rows, shown) in enumerate(claims):
        for r, weight in shown.rows.items():
            for j, c in rows[r]["outputs"].items():
                given[e, j] += weight * c
            given[e, net.n_outputs] += weight * rows[r]["constant"]
            for i, c in rows[r]["inputs"].items():
                given[e, net.n_outputs + 1 + i] += weight * c
        for j, value in shown.slopes.items():
            slopes[e, j] = value / 1024
        for j, value in shown.multipliers.items():
            multipliers[e, j] = value * sign[node, j]
    return Exclusions(np.array([node for node, *_ in claims]), given, slopes, multipliers)


# --- proofs that are accepted -------------------------------------------------------------------


ABSOLUTE = network([[[1.0], [-1.0]], [[1.0, 1.0]]], [[0.0, 0.0], [0.0]])  # y = |x|


def below_least(net, gap, outputs):
    """A row that says: outputs . y is about `gap` below its least value on [-1, 1]^2."""
    h = np.stack(np.meshgrid(*[np.linspace(-1, 1, 101)] * 2), -1).reshape(-1, 2)
    for layer in net.layers:
        h = h @ layer.weight.T + layer.bias
        h = np.maximum(h, 0) if layer.relu else h
    return row(outputs, -Fraction(round(float((h @ np.array(outputs, dtype=float)).min() - gap) * 1024), 1024))


@pytest.mark.parametrize("arithmetic", ARITHMETIC)
@pytest.mark.parametrize("signs", [0, 1])
def test_random_networks(tmp_path, arithmetic, signs):
    """Trees of many shapes, of two cases with several polytopes, one of two rows."""
    for seed in (0, 3, 6):
        net = random_network((2, 6, 2), seed=seed)
        rows = [below_least(net, gap, y) for gap, y in ((0.05, (1, 0)), (0.1, (1, -1)), (0.3, (-1, 2)))]
        both = [row((1, 1), -rows[0]["constant"]), rows[1]]
        cases = [case([-1, -1], [0.5, 1], [rows[0]], both), case([0.5, -1], [1, 0], [rows[2]], [rows[1]], [rows[0]])]
        question = Question(tmp_path, net, cases)
        question.write([Prover(net, arithmetic, signs=signs).prove(one) for one in cases])
        result = accepted(question, arithmetic=arithmetic)
        assert result.nodes == result.checked and result.leaves == (result.nodes + 2) / 2 and result.margin > 0
        assert result.kind == "proof" and result.semantics == "real"
        assert result.certificate.cases[1].lower[0] == Fraction(1, 2)
        # what float64 shows, exact arithmetic shows too, unless it meets other lines
        if arithmetic == "float64":
            accepted(question, arithmetic="exact")
            accepted(question, arithmetic="exact", semantics="real")


def test_deep_network_in_float32(tmp_path):
    net = random_network((2, 4, 4, 4, 4, 3), seed=3)
    one = case([-1, -1], [1, 1], [below_least(net, 0.02, (1, 0, -1))])
    question = Question(tmp_path, net, [one]).write([Prover(net, semantics="float32").prove(one)], "float32")
    assert accepted(question).semantics == "float32"
    accepted(question, arithmetic="exact")
    assert question.run(semantics="real").semantics == "real"


@pytest.mark.parametrize("arithmetic", ARITHMETIC)
def test_sign_with_multiplier(tmp_path, arithmetic):
    """relu(x) <= 1/4 and x >= 1/2: where z <= 0 is assumed only a multiplier tells that x is not 1/2."""
    net = network([[[1.0]], [[1.0]]], [[0.0], [0.0]])
    unsafe = [row([0], Fraction(1, 2), inputs=[-1]), row([1], -Fraction(1, 4))]
    question = Question(tmp_path, net, [case([-1], [1], unsafe)])
    below = lambda **more: Node(exclusions={0: Exclusion({0: 1024}, **more)})
    above = Node(exclusions={0: Exclusion({0: 1024, 1: 1024})})
    accepted(question.write([Node(1, children=(below(multipliers={0: 1.0}), above))]), arithmetic=arithmetic)
    for useless in ({}, {"multipliers": {0: 0.25}}, {"slopes": {0: 1024}}):
        rejected(question.write([Node(1, children=(below(**useless), above))]), "node 1: ", arithmetic=arithmetic)
    # the same multiplier where z >= 0 is assumed takes instead of giving
    wrong = [Node(1, children=(above, below(multipliers={0: 1.0})))]
    rejected(question.write(wrong), "node 1: ", arithmetic=arithmetic)
    rejected(question.write([below(multipliers={0: 1.0})]), "without an assumed sign", arithmetic=arithmetic)


@pytest.mark.parametrize("arithmetic", ARITHMETIC)
def test_slopes(tmp_path, arithmetic):
    """relu(x) - relu(-x) - x is 0; with each sign of x a different slope of the other neuron shows it."""
    net = network([[[1.0], [-1.0], [1.0]], [[1.0, -1.0, -1.0]]], [[0.0, 0.0, 1.0], [1.0]])
    question = Question(tmp_path, net, [case([-1], [1], [row([-1], Fraction(1, 100))])])
    leaf = lambda slope: Node(exclusions={0: Exclusion({0: 1024}, {1: slope})})
    for slopes in [(1024, 0), (1000, 0), (1024, 1024), (0, 0)]:
        result = question.write([Node(1, children=tuple(map(leaf, slopes)))]).run(arithmetic=arithmetic)
        assert result.accepted == (slopes == (1024, 0)), slopes


@pytest.mark.parametrize("arithmetic", ARITHMETIC)
def test_strict_rows(tmp_path, arithmetic):
    """|x| < 0 is impossible, with a margin of just 0, which float64 cannot show; |x| <= 0 is not."""
    for strict in (True, False):
        question = Question(tmp_path, ABSOLUTE, [case([-1], [1], [row([1], strict=strict)])])
        result = question.write([Node(exclusions={0: Exclusion({0: 1024})})]).run(arithmetic=arithmetic)
        assert result.accepted == (strict and arithmetic == "exact")
        assert not result.accepted or result.margin == 0
    loose = [row([1], 0), row([1], 0, strict=True)]  # a strict row counts only where it is used
    question = Question(tmp_path, ABSOLUTE, [case([-1], [1], loose)])
    for rows in ({0: 1024}, {1: 1024}, {0: 512, 1: 1}):
        result = question.write([Node(exclusions={0: Exclusion(rows)})]).run(arithmetic="exact")
        assert result.accepted == (1 in rows)


@pytest.mark.parametrize("arithmetic", ARITHMETIC)
def test_excluded_at_ancestors(tmp_path, arithmetic):
    """One polytope at the root, one at its children, none at the leaves; a third has a false row without variables."""
    unsafe = [[row([1], 1)], [row([1], Fraction(1, 8), inputs=[-1])], [row([1], -5), row([0], 1)]]
    question = Question(tmp_path, ABSOLUTE, [case([-1], [1], *unsafe)])
    inner = Node(0, 0.5, {1: Exclusion({0: 1024})}, (Node(), Node()))
    root = Node(0, 0.0, {0: Exclusion({0: 1024})}, (Node(exclusions={1: Exclusion({0: 1024})}), inner))
    result = accepted(question.write([root]), arithmetic=arithmetic)
    assert (result.nodes, result.leaves, result.exclusions) == (5, 3, 3)
    inner.exclusions, inner.children = {}, (Node(exclusions={1: Exclusion({0: 1024})}), Node())
    rejected(question.write([root]), "node 4: it is a leaf", arithmetic=arithmetic)


# --- rules of section 4 ---------------------------------------------------------------------------


@pytest.fixture
def proof(tmp_path):
    """A question with a proof by input and sign splits, and its root."""
    net = random_network((2, 6, 2), seed=6)
    one = case([-1, -1], [1, 1], [below_least(net, 0.02, (1, 0))])
    root = Prover(net).prove(one)
    question = Question(tmp_path, net, [one])
    assert accepted(question.write([root])).nodes > 10
    return question, root


def leaves_of(node):
    return [leaf for child in node.children for leaf in leaves_of(child)] if node.children else [node]


def nodes_of(node):
    return [node, *(below for child in node.children for below in nodes_of(child))]


def test_every_exclusion_counts(proof):
    question, root = proof
    for leaf in leaves_of(root)[::5]:
        kept, leaf.exclusions = leaf.exclusions, {}
        rejected(question.write([root]), "it is a leaf with a polytope that is not excluded")
        leaf.exclusions = kept
    accepted(question.write([root]))


def test_exclusions_must_be_shown_where_they_stand(proof):
    """Also at inner nodes, where what follows would not need them."""
    question, root = proof
    root.exclusions[0] = Exclusion({0: 1024})
    for arithmetic in ARITHMETIC:
        rejected(question.write([root]), "node 0: an exclusion is not shown", arithmetic=arithmetic)


@pytest.mark.parametrize("cut", [-1.0, 1.0, 2.0, np.nan, -np.inf, np.nextafter(1, 0)])
def test_cuts(proof, cut):
    question, root = proof
    kept, root.cut = root.cut, cut
    try:
        result = question.write([root]).run()
        assert not result.accepted
        assert "node 0: its cut is not inside its box" in result.reason or -1 < cut < 1 or not np.isfinite(cut)
    except Malformed:
        assert not np.isfinite(cut)
    root.cut = kept


def test_cuts_are_compared_with_the_node_s_own_box(proof):
    question, root = proof
    child = next(node for node in nodes_of(root.children[0]) if node.split == root.split)
    child.cut = root.cut  # the upper end of its box
    rejected(question.write([root]), "its cut is not inside its box")


@pytest.mark.parametrize("neuron", [6, 7, 10**6])
def test_neurons_that_are_not_there(proof, neuron):
    question, root = proof
    leaf = leaves_of(root)[0]
    shown = leaf.exclusions[0]
    leaf.exclusions[0] = Exclusion(shown.rows, {neuron: 512})
    rejected(question.write([root]), "slope: there is no such neuron")
    leaf.exclusions[0] = Exclusion(shown.rows, {}, {neuron: 0.5})
    rejected(question.write([root]), "multiplier: there is no such neuron")
    leaf.exclusions[0] = shown
    root.split = 2 + neuron
    rejected(question.write([root]), "node 0: it is split by what is not there")


def test_signs_are_assumed_once(tmp_path):
    question = Question(tmp_path, ABSOLUTE, [case([-1], [1], [row([1], 2)])])
    shown = {0: Exclusion({0: 1024})}
    leaf = lambda: Node(exclusions=shown)
    accepted(question.write([Node(1, children=(leaf(), Node(2, children=(leaf(), leaf()))))]))
    twice = Node(1, children=(leaf(), Node(2, children=(leaf(), Node(1, children=(leaf(), leaf()))))))
    rejected(question.write([twice]), "node 4: it is split by a sign that is assumed already")


def test_a_sign_and_its_children_are_not_exchanged(tmp_path):
    """relu(x) on z <= 0 is 0, on z >= 0 it is x; with the children exchanged the bounds would be wrong."""
    net = network([[[1.0]], [[1.0]]], [[0.0], [0.0]])
    question = Question(tmp_path, net, [case([-1], [1], [row([-1], Fraction(1, 2))])])  # relu(x) >= 1/2 happens
    for first, second in ((True, False), (False, True)):
        leaves = [Node(exclusions={0: Exclusion({0: 1024})} if shown else {}) for shown in (first, second)]
        reason = "node 2: it is a leaf" if first else "node 2: an exclusion is not shown"
        rejected(question.write([Node(1, children=tuple(leaves))]), reason)


def test_other_files(proof, tmp_path):
    question, root = proof
    other = random_network((2, 6, 2), seed=2)
    question.paths[1].write_bytes(executable(other).onnx_bytes)
    result = rejected(question, "it is about a network with SHA-256 ")
    assert hashlib.sha256(question.onnx).hexdigest()[:12] in result.reason and result.nodes > 10
    question.paths[1].write_bytes(question.onnx)
    question.paths[2].write_bytes(question.text + b"\n")
    rejected(question, "it is about a property with SHA-256 ")


def test_the_claim_must_cover_the_property(tmp_path):
    unsafe = [row([1], 1)]
    question = Question(tmp_path, ABSOLUTE, [case([-1], [1], unsafe)])
    question.cases = [case([-1], [Fraction(1, 2)], unsafe)]
    result = question.write([Node(exclusions={0: Exclusion({0: 1024})})]).run()
    assert not result.accepted and result.checked == 0


def test_sizes_must_fit(tmp_path):
    question = Question(tmp_path, ABSOLUTE, [case([-1], [1], [row([1], 1)])])
    question.net = random_network((1, 3, 2), seed=0)
    question.__post_init__()
    question.paths[2].write_bytes(vnnlib(question.cases, 1, 1).encode())
    question.text = question.paths[2].read_bytes()
    rejected(question.write([Node(exclusions={0: Exclusion({0: 1024})})]), "do not have the same inputs and outputs")


def test_float32_needs_float32_numbers(tmp_path):
    net = network([[[1.0], [-1.0]], [[1.0, 0.1]]], [[0.0, 0.0], [0.0]])
    question = Question(tmp_path, net, [case([-1], [1], [row([1], 1)])])
    root = Node(exclusions={0: Exclusion({0: 1024})})
    accepted(question.write([root]))
    rejected(question, "not all its numbers are float32 ones", semantics="float32")
    rejected(question.write([root], "float32"), "not all its numbers are float32 ones")


def test_demanded_semantics_decide(tmp_path):
    """A margin that real arithmetic has and execution in float32 does not."""
    unsafe = [row([1], Fraction(-1, 2) + Fraction(1, 2**26))]
    question = Question(tmp_path, ABSOLUTE, [case([Fraction(1, 2)], [1], unsafe)])
    question.write([Node(exclusions={0: Exclusion({0: 1024})})])
    for arithmetic in ARITHMETIC:
        accepted(question, arithmetic=arithmetic)
        result = rejected(question, "an exclusion is not shown", arithmetic=arithmetic, semantics="float32")
        assert result.semantics == "float32"


def test_numbers_beyond_the_analysis(tmp_path):
    shown = [Node(exclusions={0: Exclusion({0: 1024})})]
    for upper, constant, reason in ((2**100, 1, "reach 2^100"), (10**400, 1, "reach 2^100"), (1, 10**300, "2^900")):
        question = Question(tmp_path, ABSOLUTE, [case([-1], [upper], [row([1], constant)])])
        for arithmetic in ARITHMETIC:
            rejected(question.write(shown), reason, arithmetic=arithmetic)


# --- samples, shares, batches ---------------------------------------------------------------------


def outcome(result):
    return result.accepted, result.nodes, result.checked, result.leaves, result.exclusions


@pytest.fixture
def many(tmp_path):
    """A proof of 511 nodes, and its root."""

    def halved(low, high, depth):
        if not depth:
            return Node(exclusions={0: Exclusion({0: 1024})})
        cut = (low + high) / 2
        return Node(0, cut, {}, (halved(low, cut, depth - 1), halved(cut, high, depth - 1)))

    root = halved(-1.0, 1.0, 8)
    return Question(tmp_path, ABSOLUTE, [case([-1], [1], [row([1], 1)])]).write([root]), root


def test_batches_change_nothing(many, monkeypatch):
    question, _ = many
    whole = accepted(question)
    assert whole.checked == 511
    for batch in (1, 3, 1000):
        monkeypatch.setattr(walk, "BATCH", batch)
        seen = []
        again = accepted(question, on_progress=lambda *at, seen=seen: seen.append(at))
        assert outcome(again) == outcome(whole) and again.margin == pytest.approx(whole.margin, abs=1e-9)
        assert seen == sorted(seen) and seen[-1] == (511, 511)


@pytest.mark.parametrize(
    "shares, arithmetic", [(2, "exact"), (5, "float64"), pytest.param(5, "exact", marks=pytest.mark.slow)]
)
def test_shares_are_the_whole(many, shares, arithmetic):
    """Each node is in one share; what is wrong in a leaf is found in one share too."""
    question, root = many
    run = lambda **how: [question.run(share=(i, shares), arithmetic=arithmetic, **how) for i in range(shares)]
    for how in ({}, {"sample": 100}):
        whole, parts = question.run(arithmetic=arithmetic, **how), run(**how)
        assert all(part.accepted and 0 < part.checked < whole.checked for part in parts)
        assert all("nodes were checked, as asked for" in part.reason for part in parts)
        for name in ("checked", "leaves", "exclusions"):
            assert sum(getattr(part, name) for part in parts) == getattr(whole, name)
        assert min(part.margin for part in parts) == pytest.approx(whole.margin, abs=1e-9)
    for leaf in (leaves_of(root)[0], leaves_of(root)[100]):
        shown, leaf.exclusions = leaf.exclusions, {}
        question.write([root])
        assert sorted(part.accepted for part in run()) == [False] + [True] * (shares - 1)
        leaf.exclusions = shown
    root.exclusions = {0: Exclusion({0: 1024}, {}, {0: 1.0})}  # the top is checked in all
    question.write([root])
    assert not any(part.accepted for part in run())


def test_shares_of_small_proofs(tmp_path):
    question = Question(tmp_path, ABSOLUTE, [case([-1], [1], [row([1], 1)])])
    question.write([Node(exclusions={0: Exclusion({0: 1024})})])
    first, second = (question.run(share=(i, 2)) for i in range(2))
    assert first.accepted and second.accepted and (first.checked, second.checked) == (1, 0)


def test_samples(proof):
    question, root = proof
    whole = accepted(question)
    result = question.run(sample=3, seed=1)
    assert result.accepted
    assert result.reason == f"only {result.checked} of {whole.nodes} nodes were checked, as asked for"
    assert result.leaves == 3 and 3 < result.checked < result.nodes == whole.nodes
    assert outcome(result) == outcome(question.run(sample=3, seed=1))
    assert {question.run(sample=3, seed=seed).checked for seed in range(8)} != {result.checked}
    assert outcome(accepted(question, sample=10**6)) == outcome(whole)
    # a leaf without its exclusion is found just when it is in the sample
    leaf = leaves_of(root)[0]
    leaf.exclusions = {}
    question.write([root])
    found = [question.run(sample=whole.leaves // 2, seed=seed).accepted for seed in range(8)]
    assert True in found and False in found
    rejected(question, "it is a leaf", sample=whole.leaves)


def test_only_roots_that_are_wanted(tmp_path):
    cases = [case([i], [i + 1], [row([1], 1)]) for i in range(6)]
    question = Question(tmp_path, ABSOLUTE, cases).write([Node(exclusions={0: Exclusion({0: 1024})}) for _ in cases])
    result = question.run(sample=2)
    assert result.accepted and (result.checked, result.leaves, result.exclusions) == (2, 2, 2)


# --- witnesses ------------------------------------------------------------------------------------


def test_witnesses(tmp_path):
    net = random_network((2, 6, 2), seed=1)
    point = [Fraction(1, 3), Fraction(-2, 7)]
    y = exact_trace(net, point).y
    polytope = [row([1, 0], -round(y[0] + 1), inputs=[1]), row([-1, 1], Fraction(-3), strict=True)]
    one = case([-1, -1], [1, 1], polytope)
    question = Question(tmp_path, net, [case([2, 2], [3, 3], [row([1, 0])]), one])
    margins = [y[0] + point[0] - round(y[0] + 1), y[1] - y[0] - 3]
    assert max(margins) < 0
    result = accepted(question.write_witness(point, y, margins, one))
    assert (result.kind, result.nodes, result.semantics) == ("witness", 0, "real")
    bit = Fraction(1, 10**40)
    rejected(question.write_witness(point, [y[0] + bit, y[1]], margins, one), "outputs are not the network's")
    rejected(question.write_witness(point, y, [margins[0], margins[1] - bit], one), "margins are not those")
    rejected(question.write_witness([point[0] + bit, point[1]], y, margins, one), "outputs are not the network's")
    rejected(question.write_witness(point, y, margins, one), "float32", semantics="float32")
    other = case([-1, -1], [1, 1], [row([1, 0, 5])])
    rejected(question.write_witness(point, y, [0], other), "the same inputs and outputs")
    far = [Fraction(3), Fraction(0)]  # outside the box
    y = exact_trace(net, far).y
    margins = [y[0] + far[0] - round(exact_trace(net, point).y[0] + 1), y[1] - y[0] - 3]
    rejected(question.write_witness(far, y, margins, one), "not in the property's unsafe set")


@pytest.mark.parametrize("strict", [True, False])
def test_witness_on_the_boundary(tmp_path, strict):
    one = case([-1], [1], [row([1], -Fraction(1, 4), strict=strict)])
    question = Question(tmp_path, ABSOLUTE, [one])
    result = question.write_witness([Fraction(1, 4)], [Fraction(1, 4)], [0], one).run()
    assert result.accepted == (not strict)


# --- what the checker stands on -------------------------------------------------------------------


def test_nothing_of_the_engine_is_imported():
    import subprocess
    import sys

    code = (
        "import engine.audit.check, sys; print(sorted({m for m in sys.modules if m.startswith('engine.') and not "
        "m.startswith('engine.audit')} | {m for m in ('torch', 'scipy', 'onnxruntime') if m in sys.modules}))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.stdout.strip() == "[]", run.stderr
