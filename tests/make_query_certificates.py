"""Makes the corpus of certificates about several networks: `python tests/make_query_certificates.py`.

query_certificates/questions/NAME    query.vnnlib, and each network's file by its name in the query
query_certificates/valid             the engine's, one for each question: NAME in version 2, and NAME_3 in version 3
query_certificates/tampered          made of these, signed again, but wrong
query_certificates/malformed         made of these, but no certificates
query_certificates/index.csv         what is to be said of each, and why
"""

import csv
from collections import namedtuple
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
from cases import executable
from conftest import network, random_network
from make_certificates import Draft
from query_certificate_changes import BROKEN, CHANGES, CHANGES_3

from engine.certificate import write_question_certificate
from engine.joining import load_question
from engine.network import Affine, Network
from engine.query import Query
from engine.search.problem import Options
from engine.search.verify import verify
from engine.vnnlib import query_of

CORPUS = Path(__file__).parent / "query_certificates"
THIRD = "_3"  # ends the names of files of version 3

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


def certificates() -> dict[str, str]:
    """name of each valid one -> that of its question"""
    return {name + version: name for name in questions() for version in ("", THIRD)}


def valid(certificate: str) -> Path:
    return CORPUS / "valid" / f"{certificate}.zip"


def text_of(question: Question) -> str:
    return "(vnnlib-version <2.0>)\n" + question.text


def folder_of(name: str) -> Path:
    return CORPUS / "questions" / name


def files_of(name: str) -> tuple[dict[str, Path], Path]:
    """The networks by name, and the query."""
    folder = folder_of(name)
    return {path.stem: path for path in sorted(folder.glob("*.onnx"))}, folder / "query.vnnlib"


def search(name: str, question: Question) -> None:
    """Writes the engine's certificates: in version 2, without differences, and in version 3."""
    files, query = files_of(name)
    asked = load_question(query_of(query.read_bytes(), query), files)
    assert isinstance(asked.query, Query)
    options = Options(threads=1, proofs=True, timeout=20, **question.options)
    alone = replace(asked, joint=replace(asked.joint, pairs=()))
    for path, one in ((valid(name), alone), (valid(name + THIRD), asked)):
        verdict = verify(one.joint, one.query.property, options)
        write_question_certificate(path, one, verdict, options, force=True)
    if not asked.joint.pairs:
        valid(name + THIRD).write_bytes(without_pairs(valid(name).read_bytes()))


def without_pairs(data: bytes) -> bytes:
    """A certificate of version 2 in version 3, which the engine writes of pairs alone."""
    draft = Draft.read(data)
    draft.manifest |= {"version": 3, "pairs": []}
    return draft.bytes()


# --- tampered -------------------------------------------------------------------------------------


def signed(draft: Draft, name: str) -> Draft:
    """The same, about the files of this question."""
    files, query = files_of(name)
    for entry in draft.manifest["networks"]:
        path = files.get(entry["declared"], files["f"])
        entry["sha256"] = sha256(path.read_bytes()).hexdigest()
    draft.manifest["property"]["sha256"] = sha256(query.read_bytes()).hexdigest()
    return draft


def tampered():
    """file, question, expected, what, bytes"""
    of_version_2 = [("tampered", "rejected", "", change) for change in CHANGES]
    of_version_3 = [("tampered", "rejected", THIRD, change) for change in CHANGES_3]
    broken = [("malformed", "malformed", THIRD, change) for change in BROKEN]
    for folder, expected, version, (change, base, other, what, is_signed) in (*of_version_2, *of_version_3, *broken):
        draft = Draft.read(valid(base).read_bytes())
        change(draft)
        about = other or certificates()[base]
        data = (signed(draft, about) if is_signed else draft).bytes()
        yield f"{folder}/{change.__name__}{version}.zip", about, expected, what, data


def main() -> None:
    index = []
    for folder in ("valid", "tampered", "malformed"):
        (CORPUS / folder).mkdir(parents=True, exist_ok=True)
    for name, question in questions().items():
        folder_of(name).mkdir(parents=True, exist_ok=True)
        for network_name, data in question.networks.items():
            (folder_of(name) / f"{network_name}.onnx").write_bytes(data)
        (folder_of(name) / "query.vnnlib").write_text(text_of(question))
        search(name, question)
    for name, question in certificates().items():
        index.append((f"valid/{name}.zip", question, "accepted", questions()[question].what))
    for file, about, expected, what, data in tampered():
        (CORPUS / file).write_bytes(data)
        index.append((file, about, expected, what))
    with (CORPUS / "index.csv").open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([("file", "question", "expected", "what"), *sorted(index)])


if __name__ == "__main__":
    main()
