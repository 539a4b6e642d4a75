"""Certificates of version 3 about f and g of one input and one output, written from the text alone, without bounds."""

import hashlib
import json
import struct
import zipfile
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

ARRAYS = (
    "split.i32 cut.f64 node.i32 polytope.i32 rows.i32 slopes.i32 multipliers.i32 row.i32 row_weight.i32 "
    "slope.i32 slope_value.i32 multiplier.i32 multiplier_value.f64"
).split()
SAME = {"inputs": {"0": "1"}, "constant": "0"}


@dataclass(frozen=True)
class Exclusion:
    """Of the only polytope at a node; slopes in 1024ths and multipliers by hidden neuron."""

    node: int = 0
    slopes: dict[int, int] = field(default_factory=dict)
    multipliers: dict[int, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Pair:
    """Claims that g(x) - f(x) stays below `gap` for x in [-1, 1]; or at most there, if strict."""

    f: bytes
    g: bytes
    gap: str
    strict: bool = False
    split: tuple[int, ...] = (-1,)
    exclusions: tuple[Exclusion, ...] = (Exclusion(),)
    changes: dict = field(default_factory=lambda: {"pairs": [[0, 1]]})  # what the manifest has more, or instead

    def change(self, **changes) -> "Pair":
        return replace(self, changes=self.changes | changes)

    def write(self, folder: Path) -> tuple[Path, dict[str, Path], Path]:
        """The certificate, the networks and the query."""
        files = {name: folder / f"{name}.onnx" for name in "fg"}
        for path, data in zip(files.values(), (self.f, self.g), strict=True):
            path.write_bytes(data)
        query = folder / "query.vnnlib"
        query.write_text(self.query())
        data = self.arrays()
        described = {
            n[:-4]: {"count": len(d) // (4 if "i32" in n else 8), "sha256": sha256(d)} for n, d in data.items()
        }
        manifest = self.manifest(query) | {"kind": "proof", "cases": [self.case()], "arrays": described} | self.changes
        if manifest["kind"] == "witness":
            del manifest["cases"], manifest["arrays"]
            manifest["case"], data = self.case(), {}
        with zipfile.ZipFile(folder / "proof.zip", "w") as archive:
            archive.writestr("manifest.json", json.dumps(manifest))
            for name, content in data.items():
                archive.writestr(name, content)
        return folder / "proof.zip", files, query

    def query(self) -> str:
        tensors = "(declare-network {0} (declare-input X_{0} real [1,1]) (declare-output Y_{0} real [1,1]))\n"
        return (
            f"(vnnlib-version <2.0>)\n{tensors.format('f')}{tensors.format('g')}"
            "(assert (and (<= X_f[0,0] 1) (>= X_f[0,0] -1)))\n(assert (== X_g[0,0] X_f[0,0]))\n"
            f"(assert ({'<' if self.strict else '<='} (+ Y_f[0,0] {self.gap}) Y_g[0,0]))\n"
        )

    def case(self) -> dict:
        row = {"inputs": {}, "outputs": {"0": "1", "1": "-1"}, "constant": self.gap, "strict": self.strict}
        return {"lower": ["-1"], "upper": ["1"], "unsafe": [[row]]}

    def manifest(self, query: Path) -> dict:
        named = [("f", self.f), ("g", self.g)]
        return {
            "format": "acasxu-certificate",
            "version": 3,
            "semantics": "real",
            "networks": [{"declared": name, "name": name, "sha256": sha256(data)} for name, data in named],
            "ties": [[SAME], [SAME]],
            "property": {"name": "query", "sha256": sha256(query.read_bytes())},
            "engine": {"name": "by hand", "version": "", "options": {}},
        }

    def arrays(self) -> dict[str, bytes]:
        each = self.exclusions
        slopes = [pair for one in each for pair in one.slopes.items()]
        multipliers = [pair for one in each for pair in one.multipliers.items()]
        lists = [
            self.split,
            [],
            [one.node for one in each],
            [0] * len(each),
            [1] * len(each),
            [len(one.slopes) for one in each],
            [len(one.multipliers) for one in each],
            [0] * len(each),
            [1024] * len(each),
            [j for j, _ in slopes],
            [value for _, value in slopes],
            [j for j, _ in multipliers],
            [value for _, value in multipliers],
        ]
        codes = ["i" if name.endswith("i32") else "d" for name in ARRAYS]
        return {name: struct.pack(f"<{len(v)}{code}", *v) for name, code, v in zip(ARRAYS, codes, lists, strict=True)}


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def onnx_of(*layers) -> bytes:
    """The file of layers (weights, bias, whether a ReLU follows); numbers must be of float32."""
    nodes, constants, signal = [], [], "x"
    for k, (weights, bias, relu) in enumerate(layers):
        for name, numbers in ((f"W{k}", np.transpose(weights)), (f"b{k}", bias)):
            constants.append(numpy_helper.from_array(np.array(numbers, dtype=np.float32), name))
        steps = [("MatMul", f"W{k}"), ("Add", f"b{k}"), *([("Relu", None)] if relu else [])]
        for operator, operand in steps:
            made = f"{operator}{k}"
            nodes.append(helper.make_node(operator, [signal, *([operand] if operand else [])], [made]))
            signal = made
    sizes = {"x": len(layers[0][0][0]), signal: len(layers[-1][1])}
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, size]) for name, size in sizes.items()]
    graph = helper.make_graph(nodes, "net", ends[:1], ends[1:], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model)
    return model.SerializeToString(deterministic=True)
