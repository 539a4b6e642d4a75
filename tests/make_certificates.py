"""Makes the corpus of certificates: `python tests/make_certificates.py`.

    certificates/networks, certificates/properties    what they are about, beside the stand-ins and specs/
    certificates/valid        the engine's, and some that it would not write
    certificates/tampered     well-formed and signed again, but wrong
    certificates/malformed    no certificates
    certificates/index.csv    what is to be said of each, and why

Expected is `accepted`, `rejected`, `malformed`, or `exact`: accepted, but only exact arithmetic can see it. What is in
tampered/ and malformed/ is made without the engine, mostly of what is in valid/: it is the same on every machine.
"""

import csv
import io
import json
import zipfile
from collections import namedtuple
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial
from hashlib import sha256
from pathlib import Path

import numpy as np
import onnx
from cases import case, exact_trace, executable, prop, row, with_layers
from conftest import network, random_network
from onnx_graphs import f32
from onnx_graphs import model as onnx_model
from onnx_graphs import node as step
from test_search import random_question

from engine import Options, Problem, load_network, load_property, verify_all
from engine.certificate import certificate_bytes
from engine.property import Property, Row
from engine.vnnlib.writer import property_text

ROOT = Path(__file__).resolve().parent.parent
CORPUS = ROOT / "tests" / "certificates"

#: All but the last are the index's columns. make() gives the file's bytes.
Recipe = namedtuple("Recipe", "file network property expected what make")

PARTS = {
    "rows": ("row", "row_weight"),
    "slopes": ("slope", "slope_value"),
    "multipliers": ("multiplier", "multiplier_value"),
}
NAMES = ["split", "cut", "node", "polytope", *PARTS, *(name for pair in PARTS.values() for name in pair)]
TYPES = {name: "<f8" if name in ("cut", "multiplier_value") else "<i4" for name in NAMES}


# --- certificates that can be changed -------------------------------------------------------------


@dataclass
class Exclusion:
    """Of a polytope, by pairs (row, weight), (neuron, slope) and (neuron, multiplier)."""

    polytope: int
    rows: list[tuple]
    slopes: list[tuple] = field(default_factory=list)
    multipliers: list[tuple] = field(default_factory=list)


@dataclass
class Node:
    """A tree, or a part of it. `split` as in the format; `cut` where an input is split."""

    split: int = -1
    cut: float = 0.0
    exclusions: list[Exclusion] = field(default_factory=list)
    children: list["Node"] = field(default_factory=list)


@dataclass
class Draft:
    """A certificate that can be changed. roots: a proof's trees; raw: arrays that are not what the trees say."""

    manifest: dict
    roots: list[Node] | None = None
    raw: dict[str, list] = field(default_factory=dict)

    @classmethod
    def read(cls, data: bytes) -> "Draft":
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            draft = cls(json.loads(archive.read("manifest.json")))
            if draft.manifest["kind"] in ("proof", "images"):
                arrays = {name: np.frombuffer(archive.read(_file(name)), TYPES[name]).tolist() for name in NAMES}
                draft.roots = _trees(arrays, len(draft.cases), draft.inputs)
        return draft

    @property
    def cases(self) -> list[dict]:
        return self.manifest["cases"]

    @property
    def inputs(self) -> int:
        return len(self.cases[0]["lower"])

    def about(self, network: bytes, property: bytes) -> "Draft":
        """The same, signed to be about these files."""
        self.manifest["network"]["sha256"] = sha256(network).hexdigest()
        self.manifest["property"]["sha256"] = sha256(property).hexdigest()
        return self

    def nodes(self) -> list[Node]:
        """In level order."""
        nodes = list(self.roots)
        for node in nodes:
            nodes.extend(node.children)
        return nodes

    def excluded(self) -> list[tuple[Node, Exclusion]]:
        """All exclusions, with their nodes."""
        return [(node, exclusion) for node in self.nodes() for exclusion in node.exclusions]

    def arrays(self) -> dict[str, list]:
        """Those of the format's section 4."""
        arrays, nodes = {name: [] for name in NAMES}, self.nodes()
        arrays["split"] = [node.split for node in nodes]
        arrays["cut"] = [node.cut for node in nodes if 0 <= node.split < self.inputs]
        for number, node in enumerate(nodes):
            for exclusion in node.exclusions:
                arrays["node"].append(number)
                arrays["polytope"].append(exclusion.polytope)
                for name, (entries, values) in PARTS.items():
                    pairs = getattr(exclusion, name)
                    arrays[name].append(len(pairs))
                    arrays[entries] += [entry for entry, _ in pairs]
                    arrays[values] += [value for _, value in pairs]
        return arrays | self.raw

    def members(self) -> dict[str, bytes]:
        """What the file holds. The manifest is made to agree with the arrays."""
        data = {}
        if self.roots is not None:
            arrays = {name: np.array(values).astype(TYPES[name]) for name, values in self.arrays().items()}
            data = {name: array.tobytes() for name, array in arrays.items()}
            self.manifest["arrays"] = {
                name: {"count": len(arrays[name]), "sha256": sha256(data[name]).hexdigest()} for name in NAMES
            }
        text = json.dumps(self.manifest, separators=(",", ":"))
        return {"manifest.json": text.encode()} | {_file(name): part for name, part in data.items()}

    def bytes(self) -> bytes:
        return packed(self.members(), zipfile.ZIP_DEFLATED)


def proof(question: Property, *roots: Node) -> Draft:
    """Of this claim, with these trees, about no files yet."""
    return Draft(_head("proof") | {"cases": claim(question)}, list(roots))


def witness(question: Property, point: str, outputs: str, margins: str) -> Draft:
    """One of each number, against the property's only case and polytope."""
    (found,) = claim(question)
    return Draft(_head("witness") | {"case": found, "point": [point], "outputs": [outputs], "margins": [margins]})


def _head(kind: str) -> dict:
    return {
        "format": "acasxu-certificate",
        "version": 1,
        "kind": kind,
        "semantics": "real",
        "network": {"name": ""},
        "property": {"name": ""},
        "engine": {"name": "by hand", "version": "1", "options": {}},
    }


def claim(question: Property) -> list[dict]:
    """A property as a manifest has it."""

    def row_of(given: Row) -> dict:
        inputs, outputs = ({str(i): str(c) for i, c in enumerate(of) if c} for of in (given.inputs, given.outputs))
        return {"inputs": inputs, "outputs": outputs, "constant": str(given.constant), "strict": given.strict}

    return [
        {
            "lower": [*map(str, part.lower)],
            "upper": [*map(str, part.upper)],
            "unsafe": [[*map(row_of, polytope.rows)] for polytope in part.unsafe],
        }
        for part in question.cases
    ]


def packed(members: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    """A ZIP file."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in members.items():
            info = zipfile.ZipInfo(name)
            info.compress_type, info.create_system = method, 3
            archive.writestr(info, data)
    return out.getvalue()


def flipped(model: bytes, tensor: int, bit: int) -> bytes:
    """A network's file with one bit of a tensor's numbers changed."""
    proto = onnx.ModelProto.FromString(model)
    numbers = bytearray(proto.graph.initializer[tensor].raw_data)
    numbers[bit // 8] ^= 1 << bit % 8
    proto.graph.initializer[tensor].raw_data = bytes(numbers)
    return proto.SerializeToString(deterministic=True)


def contents(paths) -> list[bytes]:
    """Of files of the project."""
    return [(ROOT / path).read_bytes() for path in paths]


def _file(name: str) -> str:
    return f"{name}.{'f64' if TYPES[name] == '<f8' else 'i32'}"


def _trees(arrays: dict[str, list], roots: int, inputs: int) -> list[Node]:
    """The trees that well-formed arrays describe."""
    cuts, nodes = iter(arrays["cut"]), [Node(split) for split in arrays["split"]]
    children = iter(nodes[roots:])
    for node in nodes:
        node.cut = next(cuts) if 0 <= node.split < inputs else 0.0
        node.children = [next(children), next(children)] if node.split >= 0 else []
    pairs = {name: zip(*(arrays[part] for part in parts)) for name, parts in PARTS.items()}
    for number, polytope, *counts in zip(*(arrays[name] for name in ("node", "polytope", *PARTS))):
        parts = ([next(pairs[name]) for _ in range(count)] for name, count in zip(PARTS, counts))
        nodes[number].exclusions.append(Exclusion(polytope, *parts))
    return nodes[:roots]


# --- what they are about --------------------------------------------------------------------------


def networks() -> dict[str, bytes]:
    """name -> ONNX file. Those named `random_N` are of test_search.random_question(N)."""
    made = {
        "line": network([[[1.0]]], [[0.0]]),
        "relu": network([[[1.0]], [[1.0]]], [[0.0], [0.0]]),
        "absolute": network([[[1.0], [-1.0]], [[1.0, 1.0]]], [[0.0, 0.0], [0.0]]),
        "double": network([[[0.1], [-0.3]], [[0.7, 0.2]]], [[0.1, 0.0], [0.3]]),
        "signs": random_network((2, 6, 6, 1), seed=2),
        "affine": with_layers(random_network((3, 5, 4, 5, 2), seed=0), relu=(True, False, True, False)),
    }
    made |= {f"random_{seed}": random_question(seed)[0] for seed in (2, 21, 43)}
    files = {name: executable(net).onnx_bytes for name, net in made.items()} | affine_steps()
    # tensors are W0, b0, W1, ..; a float32 number has 23 bits for its fraction, the least first
    return files | {"signs_other": flipped(files["signs"], 5, 20), "signs_nearly": flipped(files["signs"], 5, 0)}


def affine_steps() -> dict[str, bytes]:
    """Networks that scale: not all are executed in float32 as they are analysed, or have float64 factors."""
    relu = [step("Relu", "z", "a"), step("MatMul", "a V", "y")]
    single = lambda nodes, **constants: onnx_model(nodes, constants, shape=(1, 1)).SerializeToString()
    column = lambda value: f32([value])
    shifted = [step("Sub", "x m", "a"), step("MatMul", "a W", "y")]
    return {
        "under": single([step("Gemm", "x W", "z", alpha=2.0**120), *relu], W=column(2.0**-120), V=column(2.0**39)),
        "over": single([step("Gemm", "x W", "z", alpha=2.0**-120), *relu], W=column(2.0**120), V=column(1)),
        "merged": single([step("Mul", "x c", "a"), step("MatMul", "a W", "y")], c=f32(2.0**-120), W=column(2.0**120)),
        "flushed": single(shifted, m=f32(0), W=column(2.0**100)),
        "covered": single(shifted, m=f32(0), W=column(2)),
        "beta": single([step("Gemm", "x W b", "y", alpha=-1.0, beta=-0.5)], W=column(3), b=f32(2)),
        "third": single([step("Div", "x d", "y")], d=f32(3)),
        "normalized": single([step("BatchNormalization", "x s b m v", "y")], s=f32(2), b=f32(1), m=f32(0.5), v=f32(3)),
    }


def properties() -> dict[str, Property]:
    """name -> what is unsafe."""
    unit = [[-1], [1]]
    one = lambda c, constant, **more: row([c], Fraction(constant), n_inputs=1, **more)
    half = Fraction(1, 2)
    low = [row(y, Fraction("0.234"), n_inputs=3) for y in ([1, 0], [0, 1])]
    high = row([-1, -half], Fraction("0.602"), n_inputs=3)
    sloped = [row([0], -Fraction("0.7"), inputs=[1, 3]), row([0], Fraction("0.7"), inputs=[-1, -3])]
    made = {
        "line_tenth": prop(case(["0.1"], ["0.1"], [one(-1, "0.1")])),
        "signs_equation": prop(case([0, 0], [1, 1], [*sloped, row([1], -100)])),
        "line_low": prop(case([0], ["0.3"], [one(1, -1)])),
        "line_end": prop(case([0], ["0.3"], [one(-1, "0.3")])),
        "relu_negative": prop(case([0], [1], [one(1, "0.125")]), case([half], ["0.75"], [one(1, "0.25", strict=True)])),
        "relu_one": prop(case(*unit, [one(-1, 1 - Fraction(1, 2**26))])),
        "relu_quarter": prop(case(*unit, [one(-1, "0.25")])),
        "relu_cases": prop(case([-1], [0], [one(-1, "0.25")]), case([0], [1], [one(-1, "0.25")])),
        "relu_half": prop(case(*unit, [one(-1, 2)], [one(1, -half), one(-1, half)])),
        "relu_constant": prop(case(*unit, [one(-1, "0.5"), row([0], 0, n_inputs=1)])),
        "absolute_strict": prop(case(*unit, [one(1, 0, strict=True)])),
        "absolute_zero": prop(case(*unit, [one(1, 0)])),
        "absolute_close": prop(case(*unit, [one(1, Fraction(1, 2**22))])),
        "double_low": prop(case(*unit, [one(1, "-0.29")])),
        "signs_low": prop(case([-1, -1], [1, 1], [row([1], Fraction("0.7532"))])),
        "signs_lower": prop(case([-1, -1], [1, 1], [row([1], Fraction("0.7533"))])),
        "signs_high": prop(case([-1, -1], [1, 1], [row([1], Fraction("0.7"))])),
        "affine_corner": prop(case([-1] * 3, [1] * 3, low, [high]), n_outputs=2),
        "under_low": prop(case([Fraction(1, 2**40)], [Fraction(1, 2**39)], [one(1, -half / 2)])),
        "over_high": prop(case([200], [300], [one(-1, 1000)])),
        "flushed_low": prop(case([Fraction(1, 2**130)], [Fraction(1, 2**129)], [one(1, -Fraction(1, 2**31))])),
        "covered_high": prop(case(*unit, [one(-1, "2.001")])),
        "beta_high": prop(case(*unit, [one(-1, "2.001")])),
        "third_high": prop(case(*unit, [one(-1, "0.334")])),
        "third_some": prop(case(*unit, [one(-1, "0.3")])),
        "third_reached": prop(case([1], [1], [one(-3, 1)])),
        "third_below": prop(case([1], [1], [one(3, -1, strict=True)])),
        "normalized_high": prop(case(*unit, [one(-1, "1.58")])),
        # rows of inputs alone: beside the box, so that nothing satisfies the asserts, and at its corner
        "signs_beside": prop(case([-1, -1], [1, 1], [row([1], 0), row([0], "2.5", inputs=[1, 1])])),
        "signs_corner": prop(case([-1, -1], [1, 1], [row([0], 2, inputs=[1, 1])])),
    }
    return made | {f"random_{seed}": random_question(seed)[1] for seed in (2, 21, 43)}


# --- valid/ ---------------------------------------------------------------------------------------


def paths_of(network: str, property: str) -> list[str]:
    """The paths of two small files, given their names, or of a stand-in ("80") and a published property ("10")."""
    if property.isdigit():
        return [f"networks/standin/standin_tau_{network}.onnx", f"specs/prop_{property}.vnnlib"]
    return [f"tests/certificates/networks/{network}.onnx", f"tests/certificates/properties/{property}.vnnlib"]


SIGNS, FLOAT32 = {"stalled": 1, "steps": 1}, {"semantics": "float32"}

#: name -> network, property, the search's options, what is special
SEARCHED = {
    "standin_one_node": ("80", "10", {}, "a stand-in; one node, four polytopes"),
    "standin_many_nodes": ("0", "3", {}, "a stand-in; hundreds of nodes"),
    "standin_polytopes": ("0", "10", {}, "a stand-in; four polytopes excluded at different nodes"),
    "standin_cases": ("80", "6", {}, "a stand-in; two cases of four polytopes"),
    "standin_float32": ("20_left", "1", FLOAT32, "a stand-in; float32 semantics"),
    "standin_witness": ("0", "2", {}, "a stand-in; a witness"),
    "signs": ("signs", "signs_low", SIGNS, "splits of signs, multipliers"),
    "signs_float32": ("signs", "signs_low", SIGNS | FLOAT32, "the same in float32 semantics"),
    "signs_witness": ("signs", "signs_high", {}, "a witness"),
    "signs_equation": ("signs", "signs_equation", {}, "a witness at a point that float32 cannot hold, on an equation"),
    "affine": ("affine", "affine_corner", {"stalled": 6}, "a layer without ReLU; combinations, slopes, multipliers"),
    "random_2": ("random_2", "random_2", {}, "three cases, combinations of rows"),
    "random_21": ("random_21", "random_21", SIGNS, "three polytopes excluded at different nodes"),
    "random_43": ("random_43", "random_43", SIGNS, "two cases of two polytopes"),
    "absolute": ("absolute", "absolute_close", {}, "a margin smaller than float32's errors"),
    "double": ("double", "double_low", {}, "weights that are no float32 numbers"),
}


def searched(network: str, property: str, options: dict) -> bytes:
    """The engine's certificate."""
    problem = Problem(load_network(ROOT / network), load_property(ROOT / property))
    options = Options(proofs=True, device="cpu", threads=1, **options)
    (verdict,) = verify_all([problem], options)
    return certificate_bytes(problem.network, problem.property, verdict, options)


def _split(split: int, *children: Node, excluded=()) -> Node:
    """At 0, where it is an input."""
    return Node(split, exclusions=list(excluded), children=list(children))


def _leaf(*multipliers, weight: int = 1024) -> Node:
    """One exclusion, of one row."""
    return Node(exclusions=[Exclusion(0, [(0, weight)], multipliers=list(multipliers))])


def covers_more() -> Draft:
    """A larger box, a larger polytope, one that is empty, a case of its own, an exclusion that was shown above."""
    larger = prop(case([-1], [2], [row([2], Fraction(1, 8), n_inputs=1)], [row([0], 1, n_inputs=1)]), case([5], [6]))
    shown = Exclusion(0, [(0, 1024)], slopes=[(0, 0)])
    return proof(larger, _split(0, Node(), _leaf(weight=3), excluded=[shown]), Node())


def touching() -> Draft:
    """A claim without y <= 1/2 and y >= 1/2, which do not contradict each other."""
    draft = proof(properties()["relu_half"], _leaf())
    draft.cases[0]["unsafe"].pop()
    return draft


def scaling() -> list[tuple]:
    """As by_hand: of networks that scale."""
    asked, third = properties(), Fraction(1 / 3)

    def single(draft: Draft) -> Draft:
        draft.manifest["semantics"] = "float32"
        return draft

    def point(name: str, factor: int, constant: str) -> Draft:
        return witness(asked[name], "1", str(third), str(factor * third + Fraction(constant)))

    whole = lambda name: proof(asked[name], _leaf())
    valid = [
        ("under", "under_low", "scaled by a Gemm's alpha, in real arithmetic", whole("under_low")),
        ("beta_float32", "beta_high", "alpha -1, a bias scaled by beta; float32 semantics", single(whole("beta_high"))),
        (
            "covered_float32",
            "covered_high",
            "zeros added to the input before a weight of 2",
            single(whole("covered_high")),
        ),
        ("third", "third_high", "a quotient that is no float64 number", whole("third_high")),
        ("third_witness", "third_some", "a witness within the radius of a quotient", point("third_some", -1, "0.3")),
        ("normalized", "normalized_high", "a normalization by an irrational number", whole("normalized_high")),
    ]
    wrong = [
        ("float32_under", "under_low", "executed, a sum underflows before it is scaled", single(whole("under_low"))),
        ("float32_over", "over_high", "executed, a sum overflows before it is scaled", single(whole("over_high"))),
        ("float32_merged", "over_high", "merged with a product, a factor scales its sums", single(whole("over_high"))),
        ("float32_flushed", "flushed_low", "an input may be flushed where 0 is added", single(whole("flushed_low"))),
        ("float32_third", "third_high", "quotients have no float32 semantics", single(whole("third_high"))),
        (
            "third_reached",
            "third_reached",
            "1 / 3 is reached; the float64 number nearest to it is less",
            whole("third_reached"),
        ),
        (
            "third_below",
            "third_below",
            "1 / 3 is not below 1 / 3, as its float64 number is",
            point("third_below", 3, "-1"),
        ),
    ]
    about = lambda name: name.removeprefix("float32_").partition("_")[0]
    return [
        (folder, name, about(name), asked_of, expected, what, draft)
        for folder, expected, recipes in (("valid", "accepted", valid), ("tampered", "rejected", wrong))
        for name, asked_of, what, draft in recipes
    ]


def nearest_float32() -> Draft:
    """Where an equation has no solution: the exact outputs and margins of a point that is nearly one."""
    asked, net = properties()["signs_equation"], random_network((2, 6, 6, 1), seed=2)
    x = [Fraction(float(np.float32(0.7))), Fraction(0)]
    (y,) = exact_trace(net, x).y
    draft = witness(asked, *map(str, (x[0], y, x[0] - Fraction("0.7"))))
    draft.manifest["point"].append("0")
    draft.manifest["margins"] += [str(Fraction("0.7") - x[0]), str(y - 100)]
    return draft


def claiming_nothing(property: str) -> Draft:
    """A box without polytopes: what is written where nothing satisfies the asserts."""
    draft = proof(properties()[property], Node())
    draft.cases[0]["unsafe"].clear()
    return draft


def at_the_limits(draft: Draft) -> Draft:
    """The same, by other words."""
    nested = []
    for _ in range(98):
        nested = [nested]
    draft.manifest["network"]["name"] = "\ud800\n\x1b[2K\u202e"
    draft.manifest["engine"]["options"] = {"nested": nested, "whole": 10**999, "": -0.0}
    row, box = draft.cases[0]["unsafe"][0][0], draft.cases[0]
    box["lower"][0] = f"-1.{'0' * 997}"
    row["outputs"]["0"] = f"1.{'0' * 998}"
    row["inputs"]["0"] = "-0.0"
    return draft


def by_hand() -> list[tuple]:
    """Folder, name, network, property, expected, what is special or wrong, the draft."""
    asked, tenth = properties(), Fraction(float(np.float32(0.1)))

    def wrong(name: str, network: str, property: str, *rest) -> tuple:
        *trees, what = rest
        return "tampered", name, network, property, "rejected", what, proof(asked[property], *trees)

    return [
        ("valid", "covers_more", "relu", "relu_negative", "accepted", "claims more than is asked", covers_more()),
        (
            "valid",
            "tie",
            "absolute",
            "absolute_strict",
            "exact",
            "a strict row, a bound of 0",
            proof(asked["absolute_strict"], _leaf()),
        ),
        (
            "valid",
            "witness_tie",
            "absolute",
            "absolute_zero",
            "accepted",
            "a point on the border, unusual rationals",
            witness(asked["absolute_zero"], "0", "0/7", "-0.00"),
        ),
        (
            "valid",
            "witness_tenth",
            "line",
            "line_tenth",
            "accepted",
            "a point that float32 cannot hold",
            witness(asked["line_tenth"], "1/10", "1/10", "0"),
        ),
        (
            "valid",
            "nothing_asked",
            "signs",
            "signs_beside",
            "accepted",
            "nothing satisfies the asserts, nothing is claimed",
            claiming_nothing("signs_beside"),
        ),
        (
            "tampered",
            "nothing_claimed",
            "signs",
            "signs_corner",
            "rejected",
            "a row that touches the box is not false on it",
            claiming_nothing("signs_corner"),
        ),
        (
            "valid",
            "limits",
            "absolute",
            "absolute_close",
            "accepted",
            "at the limits: long numbers, nested options",
            at_the_limits(proof(asked["absolute_close"], _leaf())),
        ),
        wrong("tie_not_strict", "absolute", "absolute_zero", _leaf(), "a bound of 0, but no row is strict"),
        wrong("chord", "relu", "relu_one", _leaf(), "what a ReLU's upper line shows, and 2^-26 more"),
        wrong("box_end", "line", "line_end", _leaf(), "violated at 0.3, and not at the float64 nearest to it"),
        wrong("row_true", "relu", "relu_constant", Node(), "a row that holds everywhere is to exclude a polytope"),
        wrong("weight_negative", "line", "line_low", _leaf(weight=-1024), "a row's weight is negative"),
        wrong("half", "relu", "relu_quarter", _split(0, _leaf(), _leaf()), "violated in the second half"),
        wrong("half_missing", "relu", "relu_quarter", _split(0, _leaf(), Node()), "nothing in the second half"),
        wrong("second_case", "relu", "relu_cases", _leaf(), _leaf(), "violated in the second case"),
        wrong("half_by_sign", "relu", "relu_quarter", _split(1, _leaf(), _leaf()), "violated where z >= 0"),
        wrong(
            "multiplier_other_sign",
            "relu",
            "relu_quarter",
            _split(1, _leaf(), _leaf((0, 1.0))),
            "a multiplier that would help if z <= 0 were assumed",
        ),
        wrong(
            "multiplier_negative",
            "relu",
            "relu_quarter",
            _split(1, _leaf(), _leaf((0, -1.0))),
            "a multiplier is negative",
        ),
        ("tampered", "touching", "relu", "relu_half", "rejected", "rows that touch do not contradict", touching()),
        (
            "tampered",
            "witness_off_box",
            "line",
            "line_tenth",
            "rejected",
            "the float32 number nearest to a box of one point",
            witness(asked["line_tenth"], *[str(tenth)] * 2, str(Fraction("0.1") - tenth)),
        ),
        (
            "tampered",
            "witness_nearly",
            "signs",
            "signs_equation",
            "rejected",
            "nearly a solution of an equation",
            nearest_float32(),
        ),
        (
            "tampered",
            "witness_outside",
            "line",
            "line_end",
            "rejected",
            "a point outside of the box",
            witness(asked["line_end"], "1", "1", "-0.7"),
        ),
    ]


# --- tampered/: changes of valid certificates -----------------------------------------------------

CHANGES = []


def tampered(base: str, what: str, *, network: str = "", property: str = "", signed: bool = True):
    """Registers a change of the valid certificate `base`, which may be about, or only given, other small files."""

    def register(change):
        others = [path if name else "" for name, path in zip((network, property), paths_of(network, property))]
        CHANGES.append((change, base, what, others, signed))
        return change

    return register


# what is excluded where


@tampered("standin_cases", "a leaf's exclusion is missing")
def exclusion_missing(c):
    c.excluded()[-1][0].exclusions.pop()


@tampered("standin_polytopes", "a leaf's exclusion is one of another polytope")
def exclusion_of_another_polytope(c):
    leaf = next(node for node in c.nodes() if not node.children and len(node.exclusions) == 1)
    leaf.exclusions[0].polytope ^= 1


@tampered("random_21", "an exclusion at a node that was split is only at its first child")
def exclusion_at_one_child(c):
    parent = next(node for node in c.nodes() if node.children and node.exclusions)
    child = parent.children[0]
    child.exclusions = sorted(child.exclusions + parent.exclusions, key=lambda one: one.polytope)
    parent.exclusions = []


@tampered("affine", "an exclusion of leaves is claimed at their parent, where it is not shown")
def exclusion_too_early(c):
    parent = _last_split(c)
    first, second = parent.children
    parent.exclusions, first.exclusions, second.exclusions = first.exclusions, [], []


@tampered("random_43", "exclusions are not in order")
def exclusions_swapped(c):
    node = next(node for node in c.nodes() if len(node.exclusions) > 1)
    node.exclusions.reverse()


@tampered("signs", "an exclusion is there twice")
def exclusion_twice(c):
    node, exclusion = c.excluded()[0]
    node.exclusions.append(exclusion)


@tampered("random_21", "a polytope that the case does not have")
def polytope_not_there(c):
    c.excluded()[-1][1].polytope = 3


@tampered("random_2", "a row that the polytope does not have")
def row_not_there(c):
    c.excluded()[-1][1].rows[-1] = 3, 1024


@tampered("random_2", "exclusions at a node that is not there")
def node_not_there(c):
    c.raw["node"] = [*c.arrays()["node"][:-1], len(c.nodes())]


@tampered("random_2", "an exclusion by no row")
def no_rows(c):
    c.excluded()[0][1].rows = []


# the tree


def _last_split(c: Draft) -> Node:
    return [node for node in c.nodes() if node.children][-1]


@tampered("standin_many_nodes", "a node that was split is a leaf")
def split_is_a_leaf(c):
    parent = _last_split(c)
    parent.split, parent.children = -1, []


@tampered("standin_many_nodes", "a node has the same children twice")
def same_child_twice(c):
    root = c.roots[0]
    root.children = [root.children[0]] * 2


@tampered("standin_many_nodes", "two children are swapped")
def children_swapped(c):
    c.roots[0].children.reverse()


@tampered("affine", "the root is split in another dimension")
def split_dimension(c):
    c.roots[0].split = (c.roots[0].split + 1) % 3


@tampered("standin_cases", "a cut outside of its box")
def cut_outside(c):
    c.roots[1].cut = 5.0


@tampered("covers_more", "a cut at the end of its box: one child is all of it")
def cut_at_the_end(c):
    c.roots[0].cut = 2.0


@tampered("affine", "a cut that is NaN")
def cut_nan(c):
    c.roots[0].cut = float("nan")


@tampered("random_21", "a cut that is elsewhere, so that an exclusion is not shown")
def cut_moved(c):
    c.roots[0].cut = 0.5


@tampered("covers_more", "a node is its own child")
def own_child(c):
    c.raw["split"] = [-1, -1, 0, -1]


@tampered("standin_polytopes", "there are fewer nodes than children")
def nodes_missing(c):
    c.raw["split"] = c.arrays()["split"][:-1]


@tampered("random_2", "there are more nodes than children")
def nodes_left_over(c):
    c.raw["split"] = [*c.arrays()["split"], -1]


@tampered("signs", "a split by a neuron that is not there")
def split_not_there(c):
    _last_split(c).split = c.inputs + 12


@tampered("signs", "a split by number -2")
def split_negative(c):
    c.raw["split"] = [-2 if split < 0 else split for split in c.arrays()["split"]]


@tampered("random_21", "a sign is split twice")
def sign_twice(c):
    parent = next(node for node in c.nodes() if node.split >= c.inputs)
    child = parent.children[0]
    parent.children[0] = Node(parent.split, children=[child, child])


@tampered("signs", "another neuron's sign is split")
def sign_of_another(c):
    parent = _last_split(c)
    parent.split = c.inputs + (parent.split - c.inputs + 1) % 12


# rows, slopes, multipliers


def _change(c: Draft, part: str, change) -> None:
    """Changes all pairs of a part of exclusions."""
    for _, exclusion in c.excluded():
        setattr(exclusion, part, [change(*pair) for pair in getattr(exclusion, part)])


def _first(c: Draft, part: str, value) -> None:
    """Gives the first pair of a part another value."""
    exclusion = next(exclusion for _, exclusion in c.excluded() if getattr(exclusion, part))
    pairs = getattr(exclusion, part)
    pairs[0] = pairs[0][0], value


@tampered("random_2", "a combination has other weights")
def weights_other(c):
    _change(c, "rows", lambda row, weight: (row, 1025 - weight))


@tampered("random_2", "combinations are reduced to their first row")
def combination_missing(c):
    for _, exclusion in c.excluded():
        exclusion.rows = exclusion.rows[:1]


@tampered("random_2", "a row's weight is 0")
def weight_zero(c):
    _first(c, "rows", 0)


@tampered("random_2", "a row's weight is above 1024")
def weight_large(c):
    _first(c, "rows", 1025)


@tampered("random_2", "the rows of a combination are not in order")
def rows_descend(c):
    for _, exclusion in c.excluded():
        exclusion.rows.reverse()


@tampered("affine", "how many rows exclusions have is right in sum only")
def counts_negative(c):
    first, second, *others = c.arrays()["rows"]
    c.raw["rows"] = [first + 9, second - 9, *others]


@tampered("affine", "slopes are missing")
def slopes_missing(c):
    for _, exclusion in c.excluded():
        exclusion.slopes = []


@tampered("affine", "slopes are others")
def slopes_other(c):
    _change(c, "slopes", lambda neuron, slope: (neuron, 1024 - slope))


@tampered("affine", "a slope is negative")
def slope_negative(c):
    _first(c, "slopes", -1)


@tampered("affine", "a slope is above 1024")
def slope_large(c):
    _first(c, "slopes", 1025)


@tampered("affine", "the slope of a neuron that is not there")
def slope_not_there(c):
    c.excluded()[-1][1].slopes = [(10, 512)]


@tampered("signs", "multipliers are missing")
def multipliers_missing(c):
    for _, exclusion in c.excluded():
        exclusion.multipliers = []


@tampered("signs", "multipliers are too large")
def multipliers_large(c):
    _change(c, "multipliers", lambda neuron, value: (neuron, 64 * value))


@tampered("signs", "a multiplier is NaN")
def multiplier_nan(c):
    _first(c, "multipliers", float("nan"))


@tampered("signs", "a multiplier is infinite")
def multiplier_infinite(c):
    _first(c, "multipliers", float("inf"))


@tampered("absolute", "the multiplier of a neuron without an assumed sign")
def multiplier_without_sign(c):
    c.excluded()[0][1].multipliers = [(0, 0.5)]


@tampered("signs", "the multiplier of a neuron that is not there")
def multiplier_not_there(c):
    c.excluded()[0][1].multipliers = [(12, 0.5)]


# the claim


@tampered("standin_cases", "a case that the property has is missing")
def case_missing(c):
    c.cases.pop()
    c.roots.pop()


@tampered("standin_cases", "two cases are swapped, but not their trees")
def cases_swapped(c):
    c.cases.reverse()


@tampered("affine", "the box is smaller than the property's")
def box_smaller(c):
    c.cases[0]["upper"][2] = "0.9999999999999999999999"


@tampered("affine", "a polytope that the property has is missing")
def polytope_missing(c):
    c.cases[0]["unsafe"].pop()
    for node in c.nodes():
        node.exclusions = [exclusion for exclusion in node.exclusions if exclusion.polytope == 0]


@tampered("affine", "a polytope has a row more than the property's")
def row_added(c):
    c.cases[0]["unsafe"][1].append({"inputs": {}, "outputs": {"0": "1"}, "constant": "9", "strict": False})


@tampered("signs", "a row's constant is larger than the property's")
def constant_larger(c):
    c.cases[0]["unsafe"][0][0]["constant"] = "0.75320000000000000000001"


@tampered("signs", "a row's coefficient is not the property's")
def coefficient_other(c):
    c.cases[0]["unsafe"][0][0]["outputs"]["0"] = "0.9999"


@tampered("signs", "a row is strict, the property's is not")
def row_strict(c):
    c.cases[0]["unsafe"][0][0]["strict"] = True


@tampered("signs", "a row with an output that the network does not have")
def output_not_there(c):
    c.cases[0]["unsafe"].append([{"inputs": {}, "outputs": {"1": "1"}, "constant": "0", "strict": False}])


@tampered("signs", "a row with an output that the network does not have, with a coefficient of 0")
def output_zero_not_there(c):
    c.cases[0]["unsafe"][0][0]["outputs"]["1"] = "0"


@tampered("signs", "a row's number beyond 2^900, in a polytope that is excluded without it")
def number_beyond(c):
    c.cases[0]["unsafe"][0].append({"inputs": {}, "outputs": {}, "constant": str(-(2**900) - 1), "strict": False})


# what it is about


@tampered("absolute", "shown in real semantics, claimed in float32")
def float32_claimed(c):
    c.manifest["semantics"] = "float32"


@tampered("double", "float32 semantics of a network whose weights are no float32 numbers")
def float32_double(c):
    c.manifest["semantics"] = "float32"


@tampered("signs", "signed for a network that differs in one bit, for which it is no proof", network="signs_other")
def network_other(c):
    pass


@tampered(
    "signs",
    "given a network that differs in one bit, for which it would be a proof",
    network="signs_nearly",
    signed=False,
)
def network_given(c):
    pass


@tampered("signs", "signed for a property that it does not cover", property="signs_high")
def property_other(c):
    pass


@tampered("signs", "given a property that it would cover", property="signs_lower", signed=False)
def property_given(c):
    pass


@tampered("signs", "signed for a property that is violated", property="signs_high")
def property_violated(c):
    c.manifest["cases"] = claim(properties()["signs_high"])


@tampered("signs", "signed for a network of one input", network="relu")
def network_of_one_input(c):
    pass


@tampered("signs", "signed for a property of one input", property="relu_quarter")
def property_of_one_input(c):
    pass


# witnesses


@tampered("signs_witness", "an output is not the network's")
def witness_outputs(c):
    value = Fraction(c.manifest["outputs"][0]) - Fraction(1, 10**30)
    margin = value + Fraction(c.manifest["case"]["unsafe"][0][0]["constant"])
    c.manifest |= {"outputs": [str(value)], "margins": [str(margin)]}


@tampered("standin_witness", "a margin is not the row's")
def witness_margins(c):
    c.manifest["margins"][0] = str(Fraction(c.manifest["margins"][0]) / 2)


@tampered("witness_tenth", "a margin that is the row's but for 10^-30")
def witness_margin_nearly(c):
    c.manifest["margins"] = [f"1/{10**30}"]


@tampered("witness_tie", "a point that is safe")
def witness_safe(c):
    c.manifest |= {"point": ["0.5"], "outputs": ["0.5"], "margins": ["0.5"]}


@tampered("witness_tie", "a point of its own case and polytope, but not of the property's", property="absolute_close")
def witness_of_another(c):
    pass


@tampered("witness_tie", "a point on the border, of a property that is strict", property="absolute_strict")
def witness_strict(c):
    pass


# --- malformed/ -----------------------------------------------------------------------------------


def damaged() -> dict[str, tuple[str, bytes]]:
    """name -> what is wrong, the file: a proof or a witness, damaged."""
    file = lambda name: (CORPUS / "valid" / f"{name}.zip").read_bytes()
    draft, point, original = Draft.read(file("random_21")), Draft.read(file("signs_witness")), file("random_21")
    members, whole, text = draft.members(), packed(draft.members()), draft.members()["manifest.json"]

    def manifest(old: str, new: str) -> bytes:
        """One place of the manifest is changed."""
        assert text.count(old.encode()) >= 1, old
        return packed(members | {"manifest.json": text.replace(old.encode(), new.encode(), 1)})

    def key(name: str, value, base: Draft = draft) -> bytes:
        return packed(base.members() | {"manifest.json": json.dumps(base.manifest | {name: value}).encode()})

    def header(at: int, value: bytes) -> bytes:
        """Bytes of the first member's header are changed, in both places where a ZIP file has them."""
        out = bytearray(whole)
        for start in (at, int.from_bytes(whole[-6:-2], "little") + at + 2):
            out[start : start + len(value)] = value
        return bytes(out)

    def raw(**arrays) -> bytes:
        return packed(Draft(dict(draft.manifest), draft.roots, arrays).members())

    arrays, size = draft.arrays(), len(text)
    without = lambda name: {member: data for member, data in members.items() if member != name}
    return {
        "empty": ("no bytes", b""),
        "text": ("text", b"unsat\n"),
        "truncated": ("the second half is missing", original[: len(original) // 2]),
        "truncated_end": ("the last byte is missing", original[:-1]),
        "directory_elsewhere": ("the directory is not where the file says", original[:-6] + bytes(6)),
        "bad_crc": ("a byte of a member is changed", whole.replace(b"real", b"reel", 1)),
        "crc_zero": ("a member's CRC is 0", header(14, bytes(4))),
        "encrypted": ("a member is marked as encrypted", header(6, b"\1\0")),
        "method_unknown": ("a member is compressed by method 99", header(8, b"\x63\0")),
        "member_longer": ("a member is longer than it says", header(22, (4).to_bytes(4, "little"))),
        "member_shorter": ("a member is shorter than it says", header(22, (size + 1).to_bytes(4, "little"))),
        "member_huge": ("a member says that it holds 2 GiB", header(22, (2**31).to_bytes(4, "little"))),
        "member_twice": (
            "a member is there twice",
            packed(members | {"splix.i32": members["split.i32"]}).replace(b"splix", b"split"),
        ),
        "member_unknown": ("a member that no certificate has", packed(members | {"bounds.f64": b""})),
        "member_missing": ("an array is missing", packed(without("slope.i32"))),
        "member_above": ("a path to the folder above", packed(without("row.i32") | {"../row.i32": members["row.i32"]})),
        "member_absolute": ("an absolute path", packed(without("row.i32") | {"/row.i32": members["row.i32"]})),
        "member_in_folder": ("a path into a folder", packed(without("row.i32") | {"a/row.i32": members["row.i32"]})),
        "folder": ("a folder", packed(members | {"a/": b""})),
        "manifest_missing": ("no manifest", packed(without("manifest.json"))),
        "manifest_cut": ("the manifest is no JSON", packed(members | {"manifest.json": text[:-1]})),
        "manifest_list": ("the manifest is no object", packed(members | {"manifest.json": b"[]"})),
        "manifest_not_utf8": ("the manifest is not in UTF-8", packed(members | {"manifest.json": b"\xff" + text})),
        "key_twice": ("a key is there twice", manifest('"version":1', '"version":1,"version":1')),
        "key_missing": ("a key is missing", manifest('"semantics":"real",', "")),
        "key_unknown": ("a key that no certificate has", key("bounds", [])),
        "key_of_witness": ("a proof with a witness's key", key("point", [])),
        "format_other": ("another format", key("format", "certificate")),
        "version_2": ("version 2", key("version", 2)),
        "version_true": ("true as a number", key("version", True)),
        "version_float": ("1.0 as a whole number", key("version", 1.0)),
        "kind_unknown": ("neither proof nor witness", key("kind", "hint")),
        "semantics_unknown": ("unknown semantics", key("semantics", "float16")),
        "hash_short": ("a hash of 63 digits", key("network", {"name": "", "sha256": "0" * 63})),
        "cases_none": ("no case", key("cases", [])),
        "cases_mixed": ("cases of different numbers of inputs", key("cases", [*draft.cases, point.manifest["case"]])),
        "cases_deep": ("lists in lists in lists", manifest('"cases":[', f'"cases":[{"[" * 3000}{"]" * 3000},')),
        "box_empty": ("a box whose lower end is above the upper", manifest('"upper":["3/4"', '"upper":["-2"')),
        "box_open": ("a box without one of its ends", manifest('"upper":["3/4"]', '"upper":[]')),
        "number_nan": ("NaN as an end", manifest('"lower":["-1"', '"lower":[NaN')),
        "number_exponent": ("1e999999999 as an end", manifest('"upper":["3/4"', '"upper":["1e999999999"')),
        "number_division": ("denominator 0", manifest('"upper":["3/4"', '"upper":["1/0"')),
        "number_long": ("a number of 10,001 characters", manifest('"upper":["3/4"', f'"upper":["{"1" * 10_001}"')),
        "number_bare": ("a number that is no string", manifest('"upper":["3/4"', '"upper":[1')),
        "number_space": ("a number with a space", manifest('"upper":["3/4"', '"upper":["1 "')),
        "number_underscore": ("a number with an underscore", manifest('"upper":["3/4"', '"upper":["1_0"')),
        "number_digits": ("a number with digits that are not ASCII", manifest('"upper":["3/4"', '"upper":["\u0661"')),
        "index_padded": ("01 as an index", manifest('"outputs":{"0"', '"outputs":{"01"')),
        "index_negative": ("-1 as an index", manifest('"outputs":{"0"', '"outputs":{"-1"')),
        "input_not_there": (
            "a row with an input that the case does not have",
            manifest('"inputs":{}', '"inputs":{"1":"1"}'),
        ),
        "strict_number": ("0 as truth value", manifest('"strict":false', '"strict":0')),
        "count_other": ("a count is not the array's", manifest('"split":{"count":', '"split":{"count":1')),
        "count_float": ("a count that is no whole number", manifest('"split":{"count":', '"split":{"count":0.')),
        "hash_other": (
            "an array is not what its hash says",
            packed(members | {"row_weight.i32": members["row_weight.i32"].replace(b"\0\4", b"\0\3")}),
        ),
        "array_odd": ("an array that ends within a number", packed(members | {"row.i32": members["row.i32"] + b"\0"})),
        "array_unknown": (
            "the manifest speaks of an array that is not there",
            manifest('"arrays":{', f'"arrays":{{"bounds":{{"count":0,"sha256":"{"0" * 64}"}},'),
        ),
        "cut_left_over": ("a cut more than there are splits of inputs", raw(cut=[*arrays["cut"], 0.0])),
        "polytope_left_over": ("an exclusion's polytope more than nodes", raw(polytope=[*arrays["polytope"], 1])),
        "rows_left_over": ("more rows than exclusions count", raw(row=[*arrays["row"], 1])),
        "witness_float32": ("a witness in float32 semantics", key("semantics", "float32", point)),
        "witness_array": ("a witness with an array", packed(point.members() | {"split.i32": b""})),
        "witness_no_margin": ("a witness without the margin of its row", key("margins", [], point)),
        "witness_no_input": ("a witness without its last input", key("point", ["0"], point)),
    } | beyond_limits(draft, point)


def beyond_limits(draft: Draft, point: Draft) -> dict[str, tuple[str, bytes]]:
    """name -> what is wrong, the file: of this proof or witness, what a certificate may not hold, or only less of."""
    members = draft.members()
    text, whole = members["manifest.json"].decode(), packed(members)
    place = len(whole) - 22  # of the end record
    end = whole[place:]

    def options(value: str) -> bytes:
        assert '"options":{' in text
        start = text.index('"options":{')
        stop = text.index("}", start)
        return packed(
            members | {"manifest.json": f'{text[:start]}"options":{value}{text[stop + 1 :]}'.encode()},
            zipfile.ZIP_DEFLATED,
        )

    def witness_of(numbers: list[str]) -> bytes:
        changed = Draft(point.manifest | {"point": numbers})
        return packed(changed.members(), zipfile.ZIP_DEFLATED)

    def rows(*constants: str) -> bytes:
        cases = json.loads(json.dumps(draft.cases))
        row_of = lambda constant: {"inputs": {}, "outputs": {}, "constant": constant, "strict": False}
        cases[0]["unsafe"][0] += map(row_of, constants)
        return packed(
            members | {"manifest.json": json.dumps(draft.manifest | {"cases": cases}).encode()}, zipfile.ZIP_DEFLATED
        )

    def counted(count: int) -> bytes:
        return whole[:place] + end[:8] + count.to_bytes(2, "little") * 2 + end[12:]

    deep = lambda depth: '{"a":' + "[" * (depth - 1) + "]" * (depth - 1) + "}"
    return {
        "byte_order_mark": (
            "the manifest begins with a byte order mark",
            packed(members | {"manifest.json": b"\xef\xbb\xbf" + text.encode()}),
        ),
        "options_nan": ("NaN among the options", options('{"a":NaN}')),
        "options_infinity": ("Infinity among the options", options('{"a":[1e400,Infinity]}')),
        "options_negative_infinity": ("-Infinity among the options", options('{"a":{"b":-Infinity}}')),
        "options_key_twice": ("a key twice among the options", options('{"a":{"b":1,"b":1}}')),
        "options_deep": ("options that are nested 101 deep", options(deep(101))),
        "options_long_integer": ("an integer of 1,001 digits among the options", options(f'{{"a":{"1" * 1001}}}')),
        "options_long_float": ("a number of 1,001 characters among the options", options(f'{{"a":1.{"0" * 999}}}')),
        "options_many": ("2^20 values among the options", options('{"a":[' + "0," * 2**20 + "0]}")),
        "number_1001": ("a number of 1,001 characters", rows("0." + "1" * 999)),
        "denominators": (
            "numbers whose common denominator has more than 32,768 bits",
            rows(*(f"1/{10**998 + k}" for k in range(12))),
        ),
        "witness_number_10001": ("a witness's number of 10,001 characters", witness_of(["0." + "0" * 9999, "0"])),
        "witness_denominators": (
            "a witness's point whose common denominator has more than 32,768 bits",
            witness_of([f"1/1{'0' * 5999}{end}" for end in "13"]),
        ),
        "index_ten_digits": (
            "an output's index of ten digits, its coefficient 0",
            packed(
                members | {"manifest.json": text.replace('"outputs":{', '"outputs":{"1234567890":"0",', 1).encode()}
            ),
        ),
        "comment": ("the archive has a comment", whole[:-2] + b"\1\0#"),
        "bytes_after": ("bytes after the archive's end", whole + b"\0"),
        "members_more": ("its end says that there is a member more", counted(len(members) + 1)),
        "members_less": ("its end says that there is a member less", counted(len(members) - 1)),
        "members_many": ("a hundred members", packed({f"{k}": b"" for k in range(100)})),
        "directory_large": (
            "its end says that the directory has more than 64 KiB",
            whole[:place] + end[:12] + (2**16 + 1).to_bytes(4, "little") + end[16:],
        ),
        "zip64": ("an archive in ZIP64", whole[:place] + b"PK\6\7" + bytes(16) + end),
    }


# --- all ------------------------------------------------------------------------------------------


def made() -> list[Recipe]:
    """What is made of networks and properties. Those of SEARCHED need the engine."""
    found = []
    for name, (*names, options, what) in SEARCHED.items():
        paths = paths_of(*names)
        found.append(Recipe(f"valid/{name}.zip", *paths, "accepted", what, partial(searched, *paths, options)))
    for folder, name, *names, expected, what, draft in by_hand() + scaling():
        paths = paths_of(*names)
        found.append(Recipe(f"{folder}/{name}.zip", *paths, expected, what, partial(_signed, draft, paths)))
    return found


def derived() -> list[Recipe]:
    """What is made of the files in valid/, as they are there."""
    of = {Path(recipe.file).stem: recipe[1:3] for recipe in made()}
    found = []
    for change, base, what, others, signed in CHANGES:
        draft = Draft.read((CORPUS / "valid" / f"{base}.zip").read_bytes())
        change(draft)
        paths = [other or own for other, own in zip(others, of[base])]
        make = partial(_signed, draft, paths) if signed else partial(draft.bytes)
        found.append(Recipe(f"tampered/{change.__name__}.zip", *paths, "rejected", what, make))
    return found + [
        Recipe(f"malformed/{name}.zip", *of["random_21"], "malformed", what, partial(bytes, data))
        for name, (what, data) in damaged().items()
    ]


def _signed(draft: Draft, paths) -> bytes:
    return draft.about(*contents(paths)).bytes()


def write(name: str, data: bytes) -> None:
    path = CORPUS / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def main() -> None:
    for name, data in networks().items():
        write(f"networks/{name}.onnx", data)
    for name, question in properties().items():
        write(f"properties/{name}.vnnlib", property_text(question).encode())
    index = []
    for recipes in (made, derived):
        for *entry, make in recipes():
            write(entry[0], make())
            index.append(entry)
    with (CORPUS / "index.csv").open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([Recipe._fields[:-1], *sorted(index)])


if __name__ == "__main__":
    main()
