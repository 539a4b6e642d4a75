"""Certificates of version 5 about small networks with a Sigmoid or a Tanh, written from the text alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from make_certificates import Draft, Exclusion, Node
from onnx_graphs import model, node
from test_certificate_mutations import asked

Numbers = Sequence[float]
Layer = tuple[Sequence[Numbers], Numbers, str]  # W, b, and the operator that follows, if one does

HEAD = {
    "format": "acasxu-certificate",
    "version": 5,
    "semantics": "real",
    "network": {"name": ""},
    "property": {"name": ""},
    "engine": {"name": "by hand", "version": "1", "options": {}},
    "cones": False,
}


@dataclass(frozen=True)
class Files:
    """Those that a certificate is about."""

    network: Path
    about: Path
    is_images = False


def network(*layers: Layer) -> bytes:
    """The file of layers; their numbers must be of float32."""
    nodes, constants, name = [], {}, "x"
    for k, (weights, bias, operator) in enumerate(layers):
        constants |= {f"W{k}": np.array(weights, np.float32).T, f"b{k}": np.array(bias, np.float32)}
        nodes += [node("MatMul", f"{name} W{k}", f"m{k}"), node("Add", f"m{k} b{k}", f"z{k}")]
        name = f"z{k}"
        if operator:
            nodes.append(node(operator, name, f"h{k}"))
            name = f"h{k}"
    return model(nodes, constants, shape=(1, len(layers[0][0][0])), output=name).SerializeToString()


def row(outputs: dict[int, object], constant: object = 0, *, strict: bool = False) -> dict:
    """outputs . y + constant <= 0"""
    named = {str(i): str(a) for i, a in outputs.items()}
    return {"inputs": {}, "outputs": named, "constant": str(constant), "strict": strict}


def case(lower: Sequence, upper: Sequence, *polytopes: list[dict]) -> dict:
    """Its rows' numbers are exact."""
    return {"lower": [*map(str, lower)], "upper": [*map(str, upper)], "unsafe": list(polytopes)}


def shown(*, slopes=(), multipliers=()) -> Exclusion:
    """Of the first polytope, by its first row."""
    return Exclusion(0, [(0, 1024)], list(slopes), list(multipliers))


def leaf(**parts) -> Node:
    return Node(exclusions=[shown(**parts)])


def split(number: int, first: Node, second: Node, *, cut: float = 0.0) -> Node:
    return Node(number, cut, [], [first, second])


def proof(cases: list[dict], *roots: Node, **changes) -> Draft:
    """changes: of the manifest."""
    return Draft(HEAD | {"kind": "proof", "cases": cases} | changes, list(roots))


def witness(found: dict, point: list, outputs: list, margins: list, **changes) -> Draft:
    lists = {"point": point, "outputs": outputs, "margins": margins}
    numbers = {key: [str(Fraction(v)) for v in values] for key, values in lists.items()}
    return Draft(HEAD | {"kind": "witness", "case": found} | numbers | changes)


def written(folder: Path, draft: Draft, data: bytes, outputs: int = 1) -> tuple[Path, Files]:
    """The certificate, signed for this network and for a file that asserts what it claims not to be."""
    files, path = Files(folder / "n.onnx", folder / "q.vnnlib"), folder / "c.zip"
    cases = draft.cases if draft.roots is not None else [draft.manifest["case"]]
    text = asked(cases, outputs)
    files.network.write_bytes(data)
    files.about.write_text(text)
    path.write_bytes(draft.about(data, text.encode()).bytes())
    return path, files
