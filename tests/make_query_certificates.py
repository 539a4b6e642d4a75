"""Makes the corpus of certificates about several networks: `python tests/make_query_certificates.py`.

query_certificates/questions/NAME    query.vnnlib, and each network's file by its name in the query
query_certificates/valid             the engine's, one for each question
query_certificates/tampered          made of these, signed again, but wrong
query_certificates/index.csv         what is to be said of each, and why
"""

import csv
from collections import namedtuple
from fractions import Fraction
from hashlib import sha256
from pathlib import Path

import numpy as np
from cases import executable
from conftest import network, random_network
from make_certificates import Draft, Exclusion, Node

from engine.certificate import write_question_certificate
from engine.joining import load_question
from engine.network import Affine, Network
from engine.query import Query
from engine.search.problem import Options
from engine.search.verify import verify
from engine.vnnlib import query_of

CORPUS = Path(__file__).parent / "query_certificates"

#: networks: name -> ONNX file; gap: the number in the text that decides whether the claim holds.
Question = namedtuple("Question", "what networks text gap options")

BOX = "".join(f"(assert (and (<= -1.0 X[0,{i}]) (<= X[0,{i}] 1.0)))\n" for i in range(2))
SAME = "".join(f"(assert (== X[0,{i}] U[0,{i}]))\n" for i in range(2))


def declared(name: str, tensors: str, relation: str = "", *, element: str = "real", hidden: str = "") -> str:
    """A network of two inputs and one output, named by two letters."""
    x, y = tensors
    ends = f"(declare-input {x} {element} [1,2]) {hidden}(declare-output {y} {element} [1])"
    return f"(declare-network {name} {relation} {ends})\n"


def apart(gap: str) -> str:
    return f"(assert (or (> V[0] (+ Y[0] {gap})) (< V[0] (- Y[0] {gap}))))\n"


def near(net: Network) -> Network:
    """Of the same layers, with other numbers of float32."""
    changed = [(a.weight + 0.03 * np.sin(7 * a.weight)).astype(np.float32).astype(float) for a in net.layers]
    return Network(tuple(Affine(w, a.bias, a.relu) for w, a in zip(changed, net.layers, strict=True)), name="near")


def questions() -> dict[str, Question]:
    """name -> what is asked."""
    f = random_network([2, 4, 3, 1], seed=3)
    steps = network(([[1, -2], [2, 1]], [[1, -0.0625]]), ([0.5, 0], [0]))
    line = network(([[1, 0]], [[1]]), ([0], [0]))
    sums = network(([[1, 0], [0, 1]], [[1, 1]]), ([0, 0], [0]))
    pair = {"f": executable(f).onnx_bytes, "g": executable(near(f)).onnx_bytes}
    signs = {"stalled": 1, "steps": 1}
    single = lambda net: {"f": executable(net).onnx_bytes}
    both = declared("f", "XY") + declared("g", "UV", "(isomorphic-to f)")
    twice = declared("f", "XY") + declared("g", "UV", "(equal-to f)")
    below = "(assert (and (<= X[0,0] U[0,0]) (<= -1.0 U[0,0]) (<= U[0,0] 1.0)))\n"
    cases = "(assert (or (<= X[0,0] -0.25) (>= X[0,0] 0.25)))\n"
    either = declared("f", "XY") + declared("g", "UV")
    executed = declared("f", "XY", element="float32") + declared("g", "UV", "(isomorphic-to f)", element="float32")
    hidden = declared("f", "XY", hidden='(declare-hidden H real [1,2] "z0") ') + declared("g", "UV", "(equal-to f)")
    kept = "(assert (<= (+ H[0,0] H[0,1]) 1.0))\n(assert (and (>= H[0,0] 0.0) (>= H[0,1] 0.0) (> Y[0] {})))\n"
    shifted = "(assert (== U[0,0] (+ X[0,0] 0.1)))\n(assert (== X[0,1] U[0,1]))\n"
    turned = "(assert (== U[0,0] (- 0.5 X[0,0])))\n(assert (== X[0,1] U[0,1]))\n"
    small = {
        **single(random_network([2, 4, 1], seed=5)),
        "g": executable(random_network([2, 3, 3, 1], seed=6)).onnx_bytes,
    }
    more = "(assert (> V[0] (+ Y[0] {})))\n"
    return {
        "isomorphic": Question("a pair of one graph; splits", pair, both + BOX + SAME + apart("0.05"), "0.05", signs),
        "monotone": Question(
            "one network at two inputs, of which one is shared",
            single(steps),
            twice + BOX + "(assert (== X[0,1] U[0,1]))\n" + below + "(assert (> Y[0] (+ V[0] 0.25)))\n",
            "0.25",
            signs,
        ),
        "hidden": Question("a hidden tensor", single(sums), hidden + BOX + SAME + kept.format("1.01"), "1.01", signs),
        "shifted": Question(
            "a tie with a number that is none of float64",
            single(line),
            twice + BOX + shifted + more.format("0.101"),
            "0.101",
            {},
        ),
        "turned": Question(
            "a tie with coefficient -1; a witness", single(line), twice + BOX + turned + more.format("1.25"), "1.25", {}
        ),
        "cases": Question(
            "networks of different depth; two cases",
            small,
            either + BOX + SAME + cases + more.format("1.5"),
            "1.5",
            signs,
        ),
        "float32": Question(
            "a pair as executed", pair, executed + BOX + SAME + apart("0.08"), "0.08", {"semantics": "float32"} | signs
        ),
    }


def text_of(question: Question) -> str:
    return "(vnnlib-version <2.0>)\n" + question.text


def folder_of(name: str) -> Path:
    return CORPUS / "questions" / name


def files_of(name: str) -> tuple[dict[str, Path], Path]:
    """The networks by name, and the query."""
    folder = folder_of(name)
    return {path.stem: path for path in sorted(folder.glob("*.onnx"))}, folder / "query.vnnlib"


def search(name: str, question: Question) -> None:
    """Writes the engine's certificate."""
    files, query = files_of(name)
    asked = load_question(query_of(query.read_bytes(), query), files)
    assert isinstance(asked.query, Query)
    options = Options(threads=1, proofs=True, timeout=20, **question.options)
    verdict = verify(asked.joint, asked.query.property, options)
    write_question_certificate(CORPUS / "valid" / f"{name}.zip", asked, verdict, options, force=True)


# --- tampered -------------------------------------------------------------------------------------


def signed(draft: Draft, name: str) -> Draft:
    """The same, about the files of this question."""
    files, query = files_of(name)
    for entry in draft.manifest["networks"]:
        path = files.get(entry["declared"], files["f"])
        entry["sha256"] = sha256(path.read_bytes()).hexdigest()
    draft.manifest["property"]["sha256"] = sha256(query.read_bytes()).hexdigest()
    return draft


def networks_swapped(draft):
    first, second = draft.manifest["networks"]
    first["sha256"], second["sha256"] = second["sha256"], first["sha256"]


def networks_renamed(draft):
    for entry, name in zip(draft.manifest["networks"], "gf", strict=True):
        entry["declared"] = name


def tie_dropped(draft):
    """The second input of g is free, too."""
    draft.manifest["ties"][1][1] = {"inputs": {"2": "1"}, "constant": "0"}
    for part in draft.cases:
        part["lower"].append("-1")
        part["upper"].append("1")
    for node in draft.nodes():
        node.split += node.split >= 2


def paired_otherwise(draft):
    draft.manifest["ties"][1].reverse()


def tie_nearly(draft):
    """As the nearest float64 number, and not as the query has it."""
    draft.manifest["ties"][1][0]["constant"] = str(Fraction(0.1))


def outputs_exchanged(draft):
    """What is claimed of f is shown of g, and the other way round."""
    for part in draft.cases:
        for polytope in part["unsafe"]:
            for row in polytope:
                row["outputs"] = {str(1 - int(i)): c for i, c in row["outputs"].items()}


def case_smaller(draft):
    draft.cases[0]["upper"][0] = str(Fraction(draft.cases[0]["upper"][0]) - Fraction(1, 2**20))


def exclusion_missing(draft):
    next(node for node in draft.nodes() if node.exclusions).exclusions.pop()


def leaf_only(draft):
    """Its splits are gone."""
    found = {one.polytope: Exclusion(one.polytope, one.rows, one.slopes) for _, one in draft.excluded()}
    draft.roots[0] = Node(exclusions=[found[polytope] for polytope in sorted(found)])


def float32_claimed(draft):
    draft.manifest["semantics"] = "float32"


def real_claimed(draft):
    draft.manifest["semantics"] = "real"


def hidden_ignored(draft):
    """The rows about the hidden tensor are about the output behind it."""
    for polytope in draft.cases[0]["unsafe"]:
        for row in polytope:
            row["outputs"] = {"2": "1"} if "1" in row["outputs"] else row["outputs"]


def point_elsewhere(draft):
    draft.manifest["point"][0] = str(Fraction(draft.manifest["point"][0]) / 2)


def outputs_nearly(draft):
    draft.manifest["outputs"][1] = str(Fraction(draft.manifest["outputs"][1]) + Fraction(1, 2**60))


#: change, the question whose certificate is changed, the question that it is said to be about if another, why, signed
CHANGES = [
    (networks_swapped, "isomorphic", "", "the hashes of f and g are exchanged", False),
    (networks_renamed, "isomorphic", "", "the names of f and g are exchanged", False),
    (tie_dropped, "isomorphic", "", "an input of g is free that the query ties", True),
    (paired_otherwise, "isomorphic", "", "each input of g is tied to the other one of f", True),
    (outputs_exchanged, "cases", "", "f's output for g's", True),
    (case_smaller, "cases", "", "a case's box is smaller than the query's", True),
    (exclusion_missing, "isomorphic", "", "an exclusion is gone", True),
    (leaf_only, "isomorphic", "", "the splits are gone", True),
    (float32_claimed, "shifted", "", "a rounded block in float32 semantics", True),
    (real_claimed, "float32", "", "a proof in real semantics of a query about float32", True),
    (tie_nearly, "shifted", "", "a tie as its block has it, not as the query has it", True),
    (hidden_ignored, "hidden", "", "rows about a hidden tensor are about the output", True),
    (point_elsewhere, "turned", "", "outputs of another point", True),
    (outputs_nearly, "turned", "", "an output is wrong by 2^-60", True),
    (lambda draft: None, "isomorphic", "cases", "the certificate of other networks", True),
]


def tampered():
    """name, question, what, bytes"""
    for change, base, other, what, is_signed in CHANGES:
        draft = Draft.read((CORPUS / "valid" / f"{base}.zip").read_bytes())
        change(draft)
        about = other or base
        name = change.__name__ if not other else "of_another_pair"
        yield name, about, what, (signed(draft, about) if is_signed else draft).bytes()


def main() -> None:
    index = []
    (CORPUS / "valid").mkdir(parents=True, exist_ok=True)
    (CORPUS / "tampered").mkdir(exist_ok=True)
    for name, question in questions().items():
        folder_of(name).mkdir(parents=True, exist_ok=True)
        for network_name, data in question.networks.items():
            (folder_of(name) / f"{network_name}.onnx").write_bytes(data)
        (folder_of(name) / "query.vnnlib").write_text(text_of(question))
        search(name, question)
        index.append((f"valid/{name}.zip", name, "accepted", question.what))
    for name, about, what, data in tampered():
        (CORPUS / "tampered" / f"{name}.zip").write_bytes(data)
        index.append((f"tampered/{name}.zip", about, "rejected", what))
    with (CORPUS / "index.csv").open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([("file", "question", "expected", "what"), *sorted(index)])


if __name__ == "__main__":
    main()
