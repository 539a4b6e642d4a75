"""Certificates about tiny classifiers and images, made by hand: cones, cases and files from the text's definitions,
in plain Fractions, without the checker or the engine."""

import gzip
import hashlib
import json
import struct
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache

import numpy as np
from cases import executable
from conftest import network
from test_audit_check import ARRAYS, Exclusion, Node, Prover, arrays, case, pack, row

from engine.audit.images.check import check_images

SIDE = 4


def classifier(seed=0, hidden=(12, 8), outputs=3):
    """16 pixels, neurons that read 4 pixels each, then ones that read 3 neurons each; weights are eighths."""
    random = np.random.default_rng(seed)
    weights, biases, before = [], [], SIDE * SIDE
    for k, width in enumerate((*hidden, outputs)):
        weight = random.integers(-8, 9, (width, before)) / 8
        if k < len(hidden):
            for one in weight:
                one[random.permutation(before)[4 - k :]] = 0
        weights.append(weight)
        biases.append(random.integers(-4, 5, width) / 8)
        before = width
    return network(weights, biases)


@dataclass
class Cone:
    """net: the reached neurons with their folded biases. reached: their places in each layer."""

    net: object
    free: list
    reached: list
    hidden: list  # the number in the whole network of each hidden neuron of the cone


def cone_by_definition(net, lower, upper) -> Cone:
    """Section 12 of a case whose fixed inputs are given exactly, neuron by neuron."""
    free = [i for i, (a, b) in enumerate(zip(lower, upper)) if a != b]
    values = {i: Fraction(a) for i, (a, b) in enumerate(zip(lower, upper)) if a == b}
    before, weights, biases, reached, hidden, first = free, [], [], [], [], 0
    for k, layer in enumerate(net.layers):
        last = k == len(net.layers) - 1
        here = [j for j, w in enumerate(layer.weight) if last or any(w[i] for i in before)]
        sums = [
            Fraction(b) + sum((Fraction(w[i]) * v for i, v in values.items()), Fraction(0))
            for w, b in zip(layer.weight, layer.bias)
        ]
        weights.append([[layer.weight[j][i] for i in before] for j in here])
        biases.append([float(sums[j]) for j in here])
        assert all(Fraction(b) == sums[j] for b, j in zip(biases[-1], here)), "choose shorter numbers"
        values = {j: max(z, Fraction(0)) for j, z in enumerate(sums) if j not in here}
        if not last:
            hidden += [first + j for j in here]
            first += len(layer.bias)
        reached.append(here)
        before = here
    return Cone(network(weights, biases), free, reached, hidden)


def in_whole(node: Node, cone: Cone, n_inputs: int) -> Node:
    """A tree about a cone, in the numbers of the whole network."""
    split, n_free = node.split, len(cone.free)
    if split >= 0:
        split = cone.free[split] if split < n_free else n_inputs + cone.hidden[split - n_free]
    named = lambda entries: {cone.hidden[j]: value for j, value in entries.items()}
    shown = {p: Exclusion(e.rows, named(e.slopes), named(e.multipliers)) for p, e in node.exclusions.items()}
    return Node(split, node.cut, shown, tuple(in_whole(child, cone, n_inputs) for child in node.children))


def prove(net, one, signs=0) -> Node:
    """A tree for a case of exact ends, found in its cone."""
    cone = cone_by_definition(net, one["lower"], one["upper"])
    ends = ([one[end][i] for i in cone.free] for end in ("lower", "upper"))
    return in_whole(Prover(cone.net, signs=signs).prove(case(*ends, *one["unsafe"])), cone, len(one["lower"]))


# --- images ---------------------------------------------------------------------------------------


@cache
def value(byte: int, scaling="0..1") -> Fraction:
    """Section 13, "Inputs": each step is rounded to the float32 number nearest to the exact result."""
    v = nearest_single(Fraction(byte, 255))
    return {"0..1": v, "0..255": nearest_single(255 * v), "-1..1": nearest_single(2 * v - 1)}[scaling]


def nearest_single(exact: Fraction) -> Fraction:
    """By search among neighbours; ties to even."""
    middle = np.float32(float(exact))
    near = [np.nextafter(middle, np.float32(-np.inf)), middle, np.nextafter(middle, np.float32(np.inf))]
    best = min(abs(Fraction(float(v)) - exact) for v in near)
    found = [v for v in near if abs(Fraction(float(v)) - exact) == best]
    even = [v for v in found if not int(v.view(np.int32)) & 1]
    return Fraction(float((found if len(found) == 1 else even)[0]))


def idx(pixels: np.ndarray) -> bytes:
    """[count, height, width] or [count]"""
    kind = b"\0\0\x08" + bytes([pixels.ndim])
    return kind + struct.pack(f">{pixels.ndim}I", *pixels.shape) + pixels.astype(np.uint8).tobytes()


def csv(pixels: np.ndarray, labels) -> bytes:
    return b"".join(",".join(map(str, [*p.ravel(), c])).encode() + b"\n" for p, c in zip(pixels, labels))


@dataclass
class Photos:
    """Images with a certificate about them, in a folder. `changed` and `more` alter what write() writes."""

    folder: object
    net: object
    pixels: np.ndarray
    labels: list
    claim: object = field(default_factory=lambda: {"not": 0})
    size: tuple = (2, 2)
    positions: list = field(default_factory=lambda: [[0, 0]])
    contents: dict = field(default_factory=lambda: {"low": "0", "high": "1", "around": None})
    scaling: str = "0..1"
    images: list | None = None
    cases: list | None = None

    def __post_init__(self):
        self.images = list(range(len(self.pixels))) if self.images is None else self.images
        every = [[i, j] for i in range(len(self.images)) for j in range(len(self.positions))]
        self.cases = every if self.cases is None else self.cases
        self.onnx = executable(self.net).onnx_bytes
        self.data = [idx(self.pixels), idx(np.array(self.labels))]
        self.paths = [self.folder / name for name in ("proof.zip", "net.onnx", "images.idx.gz", "labels.idx")]
        self.paths[1].write_bytes(self.onnx)
        self.paths[2].write_bytes(gzip.compress(self.data[0]))
        self.paths[3].write_bytes(self.data[1])

    def case(self, i, j) -> dict:
        """Section 13, "Cases", exactly."""
        number, (top, left) = self.images[i], self.positions[j]
        x = [value(byte, self.scaling) for byte in self.pixels[number].ravel().tolist()]
        lower, upper = list(x), list(x)
        low, high = Fraction(self.contents["low"]), Fraction(self.contents["high"])
        around = self.contents["around"]
        for r in range(self.size[0]):
            for c in range(self.size[1]):
                p = (top + r) * self.pixels.shape[2] + left + c
                e = None if around is None else Fraction(around)
                lower[p] = low if e is None else max(low, x[p] - e)
                upper[p] = high if e is None else min(high, x[p] + e)
        return case(lower, upper, *self.unsafe(self.labels[number]))

    def unsafe(self, label) -> list:
        m = self.net.n_outputs
        unit = lambda plus, minus: row([int(j == plus) - int(j == minus) for j in range(m)])
        if self.claim == "label":
            return [[unit(label, c)] for c in range(m) if c != label]
        return [[unit(c, self.claim["not"]) for c in range(m) if c != self.claim["not"]]]

    def roots(self, signs=0):
        return [prove(self.net, self.case(i, j), signs) for i, j in self.cases]

    def manifest(self, entries) -> dict:
        digest = lambda data: hashlib.sha256(data).hexdigest()
        return {
            "format": "acasxu-certificate",
            "version": 4,
            "kind": "images",
            "semantics": "real",
            "network": {"name": "some", "sha256": digest(self.onnx)},
            "engine": {"name": "test", "version": "1", "options": {}},
            "data": {"name": "made", "images": digest(self.data[0]), "labels": digest(self.data[1])},
            "claim": self.claim,
            "input": {"layout": "NCHW", "scaling": self.scaling},
            "patch": {"height": self.size[0], "width": self.size[1], "positions": self.positions},
            "contents": self.contents,
            "images": self.images,
            "cases": self.cases,
            "arrays": entries,
        }

    def write(self, roots, changed=None, more=None):
        """The certificate with these trees; changed(arrays) and more(manifest) may alter it."""
        found = arrays(roots, self.net.n_inputs)
        if changed:
            changed(found)
        data = {name: np.asarray(array).astype("<" + ARRAYS[name]).tobytes() for name, array in found.items()}
        entries = {n: {"count": len(found[n]), "sha256": hashlib.sha256(data[n]).hexdigest()} for n in found}
        manifest = json.loads(json.dumps(self.manifest(entries)))
        if more:
            more(manifest)
        members = {f"{name}.{'f64' if ARRAYS[name] == 'f8' else 'i32'}": data[name] for name in data}
        pack(self.paths[0], manifest, members)
        return self

    def run(self, **how):
        return check_images(*self.paths, **how)


def safe_images(net, target, count, *, seed=0, size=(2, 2), positions=((0, 0),), gap=0.1, most=9.0, ends=(0, 1)):
    """Images [count, 4, 4] to which the network does not give the target, as far as random contents show.

    At each position another class leads by more than `gap`, and at one of them by less than `most`.
    """
    random, found = np.random.default_rng(seed), []
    for _ in range(2000):
        image = random.integers(0, 256, (SIDE, SIDE))
        if gap < min(_margin(net, target, image, position, size, ends, random) for position in positions) < most:
            found.append(image)
        if len(found) == count:
            return np.array(found)
    raise AssertionError("there are no such images")


def _margin(net, target, image, position, size, ends, random) -> float:
    """The least lead of another class over the target, of some contents."""
    filled = np.repeat(image[None] / 255, 300, axis=0)
    top, left = position
    contents = random.random((300, *size))
    contents[:100] = contents[:100].round()
    contents = ends[0] + (ends[1] - ends[0]) * contents
    filled[:, top : top + size[0], left : left + size[1]] = contents
    h = filled.reshape(300, -1)
    for layer in net.layers:
        h = h @ layer.weight.T + layer.bias
        h = np.maximum(h, 0) if layer.relu else h
    others = np.delete(h, target, axis=1)
    return float((others.max(1) - h[:, target]).min())
