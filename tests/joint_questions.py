"""Certificates of versions 2 and 3 made by hand: of queries about tiny networks, without the engine's writer."""

import hashlib
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

from cases import executable
from test_audit_check import ARITHMETIC, ARRAYS, Node, Prover, arrays, pack, written

from engine.audit.arithmetic import Floating
from engine.audit.certificate import read_certificate
from engine.audit.check import check
from engine.audit.query import read_joint

HEAD = "(vnnlib-version <2.0>)\n"
EMPTY = Node()  # a leaf that excludes nothing


def declared(name, net, *, element="real", relation="", hidden=()):
    """Network `name` with input X_name and output Y_name; hidden: (variable, node, size)."""
    tensors = [f"(declare-input X_{name} {element} [1,{net.n_inputs}])"]
    tensors += [f'(declare-hidden {variable} {element} [{size}] "{node}")' for variable, node, size in hidden]
    tensors += [f"(declare-output Y_{name} {element} [{net.n_outputs}])"]
    return f"(declare-network {name} {relation} {' '.join(tensors)})\n"


def inside(name, lower, upper):
    """The input of network `name` is in a box."""
    ends = "".join(
        f"(assert (>= X_{name}[0,{i}] {a}))\n(assert (<= X_{name}[0,{i}] {b}))\n"
        for i, (a, b) in enumerate(zip(lower, upper, strict=True))
    )
    return ends


def same_inputs(size, one="f", other="g"):
    """The inputs of two networks are the same."""
    return "".join(f"(assert (== X_{one}[0,{i}] X_{other}[0,{i}]))\n" for i in range(size))


def tie(*terms, constant=0):
    """sum of (input, coefficient), and a constant."""
    return {"inputs": dict(terms), "constant": Fraction(constant)}


def own(size, first=0):
    """The ties of inputs that are free, or are equal to these."""
    return [tie((first + i, 1)) for i in range(size)]


@dataclass
class JointQuestion:
    """Files in a folder: networks by name, a query, and the certificate that write() makes; run() checks it.

    nets: a Network, or the bytes of an ONNX file; None where the query says that it is equal to another.
    pairs: of blocks, in version 3.
    """

    folder: Path
    nets: dict
    text: str
    cases: list
    ties: list
    files: dict = field(default_factory=dict)
    pairs: list | None = None

    def __post_init__(self):
        self.property, self.path = self.folder / "query.vnnlib", self.folder / "proof.zip"
        self.property.write_text(HEAD + self.text)
        for name, net in self.nets.items():
            data = net if isinstance(net, bytes) else executable(net).onnx_bytes
            self.files[name] = self.folder / f"{name}.onnx"
            self.files[name].write_bytes(data)

    def manifest(self, kind, semantics="real", **more):
        sha = lambda path: hashlib.sha256(path.read_bytes()).hexdigest()
        networks = [{"declared": name, "name": name, "sha256": sha(path)} for name, path in self.files.items()]
        return {
            "format": "acasxu-certificate",
            "version": 2 if self.pairs is None else 3,
            "kind": kind,
            "semantics": semantics,
            "networks": networks,
            "ties": written(self.ties),
            **({} if self.pairs is None else {"pairs": self.pairs}),
            "property": {"name": "query", "sha256": sha(self.property)},
            "engine": {"name": "test", "version": "1", "options": {}},
            **more,
        }

    def write(self, *roots, semantics="real", change=None):
        """A proof; change(manifest) may alter what is signed."""
        found = arrays(roots, len(self.cases[0]["lower"]))
        data = {name: array.tobytes() for name, array in found.items()}
        entries = {n: {"count": len(found[n]), "sha256": hashlib.sha256(data[n]).hexdigest()} for n in found}
        manifest = self.manifest("proof", semantics, cases=written(self.cases), arrays=entries)
        members = {f"{name}.{'f64' if ARRAYS[name] == 'f8' else 'i32'}": data[name] for name in data}
        return self._pack(manifest, members, change)

    def write_witness(self, point, outputs, margins, change=None):
        content = {"point": point, "outputs": outputs, "margins": margins, "case": self.cases[0]}
        return self._pack(self.manifest("witness", **written(content)), {}, change)

    def _pack(self, manifest, members, change):
        if change:
            change(manifest)
        pack(self.path, manifest, members)
        return self

    def joint(self):
        """The blocks that the checker makes of the files, which an empty proof names."""
        self.write(*[EMPTY for _ in self.cases])
        return read_joint(read_certificate(self.path), self.files, self.property, "float32")[0]

    def prove(self, *, semantics="real", signs=0):
        """Writes a proof that the checker's own bounds find."""
        prover = JointProver(self.joint(), semantics, signs)
        return self.write(*map(prover.prove, self.cases), semantics=semantics)

    def run(self, files=None, **how):
        return check(self.path, self.files if files is None else files, self.property, **how)

    def accepted(self, **how):
        """By both arithmetics."""
        results = [self.run(arithmetic=arithmetic, **how) for arithmetic in ARITHMETIC]
        assert all(result.accepted for result in results), [result.reason for result in results]
        return results[0]

    def rejected(self, match, **how):
        """By both arithmetics, for this reason."""
        for arithmetic in ARITHMETIC:
            result = self.run(arithmetic=arithmetic, **how)
            assert not result.accepted and match in result.reason, result.reason


class JointProver(Prover):
    """The prover of one network's questions, of blocks."""

    def __init__(self, joint, semantics="real", signs=0):
        self.net, self.signs = joint, signs
        self.bounds = Floating(joint, semantics)
