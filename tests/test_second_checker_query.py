"""Certificates of version 2 by a second checker, which was written from docs/certificate-format.md alone."""

import csv
import hashlib
import re
from fractions import Fraction
from pathlib import Path
from random import Random

import pytest
import second_checker
import second_checker_bounds
import second_checker_file
from conftest import random_network
from joint_questions import JointQuestion, declared, inside, own, tie
from make_certificates import Draft
from make_query_certificates import CORPUS, certificates, files_of, folder_of, questions, tampered, text_of
from second_checker_pairs import accepts_pairs
from second_checker_query import accepts_query, read_claim, read_query
from test_audit_check import case, row

from engine.audit import vnnlib2_reader
from engine.audit.check import check
from engine.audit.exact import Exact
from engine.audit.failures import Malformed
from engine.audit.ties import solve_ties

with (CORPUS / "index.csv").open(newline="", encoding="utf-8") as _file:
    INDEX = list(csv.DictReader(_file))
TEXT_OF_HASH = {f"tampered/{name}.zip" for name in ("networks_swapped", "networks_swapped_3", "hash_of_the_other_3")}

CERTIFICATES = [entry for entry in INDEX if entry["expected"] != "malformed"]
MALFORMED = [entry for entry in INDEX if entry["expected"] == "malformed"]


def each(entries):
    return pytest.mark.parametrize("entry", entries, ids=[entry["file"].removesuffix(".zip") for entry in entries])


@pytest.fixture
def margins(monkeypatch) -> tuple[list[Fraction], list[Fraction]]:
    """Every bound of an exclusion that the second checker finds, and that the exact one of the engine finds."""

    def recorded(original, each):
        def wrapped(*arguments):
            found = original(*arguments)
            each(found)
            return found

        return wrapped

    ours, theirs = [], []
    monkeypatch.setattr(second_checker_bounds, "bound_of", recorded(second_checker_bounds.bound_of, ours.append))
    monkeypatch.setattr(Exact, "margins", recorded(Exact.margins, theirs.extend))
    return ours, theirs


# --- the corpus -----------------------------------------------------------------------------------


@each(CERTIFICATES)
def test_both_checkers_agree_with_the_corpus(entry, margins):
    """And in exact arithmetic with each other, to the last bit of each margin."""
    certificate, (files, query) = CORPUS / entry["file"], files_of(entry["question"])
    ours = accepts_pairs(certificate, files, query)
    floating, exact = (check(certificate, files, query, arithmetic=how) for how in ("float64", "exact"))
    assert ours is floating.accepted is exact.accepted is (entry["expected"] == "accepted")
    if exact.accepted:
        assert sorted(margins[0]) == sorted(margins[1]) and len(margins[0]) == exact.exclusions


@each(MALFORMED)
def test_both_checkers_refuse_what_is_malformed(entry):
    certificate, (files, query) = CORPUS / entry["file"], files_of(entry["question"])
    with pytest.raises(ValueError):
        accepts_pairs(certificate, files, query)
    for arithmetic in ("float64", "exact"):
        with pytest.raises(Malformed):
            check(certificate, files, query, arithmetic=arithmetic)


@each([entry for entry in CERTIFICATES if "_3" not in entry["file"]])
def test_the_checker_of_version_2_alone_agrees_too(entry):
    accepted = accepts_query(CORPUS / entry["file"], *files_of(entry["question"]))
    assert accepted is (entry["expected"] == "accepted")


def test_no_tampered_file_is_rejected_for_its_hashes_alone():
    for entry in CERTIFICATES:
        reason = check(CORPUS / entry["file"], *files_of(entry["question"])).reason
        assert ("SHA-256" in reason) == (entry["file"] in TEXT_OF_HASH)


def test_the_corpus_is_the_scripts():
    assert len(INDEX) == 22 + 7 + 15 + 4 and {path.name for path in CORPUS.glob("questions/*")} == questions().keys()
    for name, question in questions().items():
        assert (folder_of(name) / "query.vnnlib").read_text() == text_of(question)
        assert {path.stem: path.read_bytes() for path in folder_of(name).glob("*.onnx")} == question.networks
    made = {file: (about, expected) for file, about, expected, *_ in tampered()}
    assert made == {e["file"]: (e["question"], e["expected"]) for e in INDEX if e["expected"] != "accepted"}
    assert certificates() == {Path(e["file"]).stem: e["question"] for e in INDEX if e["expected"] == "accepted"}
    assert sum(path.stat().st_size for path in CORPUS.rglob("*.*")) < 128 * 2**10


# --- proofs of random networks --------------------------------------------------------------------

RELATIONS = [
    ("(assert (== X_g[0,0] X_f[0,1]))(assert (== X_f[0,0] X_g[0,1]))", own(2)[::-1]),
    ("(assert (== X_g[0,0] (+ (* 0.3 X_f[0,0]) 0.1)))(assert (== X_f[0,1] X_g[0,1]))",
     [tie((0, Fraction(3, 10)), constant=Fraction(1, 10)), tie((1, 1))]),
    ("(assert (== X_g[0,0] X_f[0,0]))(assert (== X_g[0,1] X_f[0,0]))", [tie((0, 1)), tie((0, 1))]),
    ("(assert (== (+ X_g[0,0] X_g[0,1] X_f[0,0]) 0.5))(assert (== (- X_g[0,1] X_g[0,0]) X_f[0,1]))",
     [tie((0, Fraction(-1, 2)), (1, Fraction(-1, 2)), constant=Fraction(1, 4)),
      tie((0, Fraction(-1, 2)), (1, Fraction(1, 2)), constant=Fraction(1, 4))]),
]  # fmt: skip


GAPS = "1.55", "1.2", "0.95", "1.38"  # just above the largest that is reached


@pytest.mark.parametrize("semantics", ["real", "float32"])
@pytest.mark.parametrize("number", range(len(RELATIONS)))
def test_random_pairs(tmp_path, number, semantics, margins):
    """Both derive the same bounds: with ties, sums, more layers in one network, splits, and as executed."""
    relation, ties = RELATIONS[number]
    f, g = random_network((2, 4, 4, 2), seed=number), random_network((2, 3, 2), seed=10 + number)
    gap = GAPS[number]
    polytopes = [[row([1, 0, -sign, 0], gap)] for sign in (1, -1)]
    words = f"(assert (or (<= (+ Y_f[0] {gap}) Y_g[0]) (<= (+ Y_f[0] {gap}) (- Y_g[0]))))\n"
    text = declared("f", f) + declared("g", g) + inside("f", [-1, -1], [1, 1]) + relation + words
    question = JointQuestion(tmp_path, {"f": f, "g": g}, text, [case([-1, -1], [1, 1], *polytopes)], [own(2), ties])
    question.prove(signs=2, semantics="float32" if semantics == "float32" and number != 1 else "real")
    result = question.run(arithmetic="exact")
    assert accepts_query(question.path, question.files, question.property) is result.accepted is True
    assert sorted(margins[0]) == sorted(margins[1]) and len(margins[0]) == result.exclusions >= 2


# --- the query ------------------------------------------------------------------------------------

NETWORKS = [
    "(declare-network f (declare-input X real [1,2]) (declare-output Y real []))",
    "(declare-network g (equal-to f) (declare-input U real [2]) (declare-hidden H real [1,1] \"h\")"
    " (declare-output V real [1]))",
]  # fmt: skip


def random_query(random: Random) -> str:
    """Mostly about inputs, small numbers, so that ties, contradictions and false alternatives are common."""

    def term(depth=2):
        kind = random.random()
        if depth == 0 or kind < 0.5:
            inputs = ["X[0,0]", "X[0,1]", "U[0]", "U[1]"]
            return random.choice([*inputs * 3, "Y", "V[0]", "H[0,0]", "0", "1", "-0.5", "2.0"])
        if kind < 0.65:
            return f"(* {random.choice(['0', '-1', '2', '0.25'])} {term(depth - 1)})"
        operands = " ".join(term(depth - 1) for _ in range(random.choice([1, 2, 2, 3])))
        return f"({random.choice('+-')} {operands})"

    def formula(depth):
        if depth and random.random() < 0.5:
            parts = " ".join(formula(depth - 1) for _ in range(random.choice([1, 1, 2, 3])))
            return f"({random.choice(['and', 'or', 'or'])} {parts})"
        operator = random.choice(["==", "==", "==", "<=", ">=", "<", ">", "!="])
        if random.random() < 0.3:
            return f"({operator} {random.choice('012')} {random.choice('012')})"
        return f"({operator} {term()} {random.choice(['0', term()])})"

    pair = [f"(assert (>= {a} {b})) (assert (<= {a} {b}))" for a, b in [("U[0]", "X[0,1]"), ("X[0,0]", "U[1]")]]
    asserts = [f"(assert {formula(3)})" for _ in range(random.choice([1, 2, 3]))]
    return "\n".join(["(vnnlib-version <2.0>)", *NETWORKS, *random.sample(pair, random.choice([0, 1])), *asserts])


def rows_of(disjuncts, plain) -> set:
    """What is left of disjuncts when rows are brought to one form, true ones and false disjuncts left out."""
    found = set()
    for rows in disjuncts:
        normal = [second_checker.normal(plain(one)) for one in rows]
        if not any(map(second_checker.is_false, normal)):
            found.add(frozenset((frozenset(r.form.items()), r.constant, r.strict) for r in normal if r.form))
    return found


def named(one) -> second_checker_file.Row:
    form = {f"X_{i}": a for i, a in one.inputs.items()} | {f"Y_{i}": a for i, a in one.outputs.items()}
    return second_checker_file.Row(form, one.constant, one.strict)


def test_random_queries_have_the_same_ties_and_disjuncts(tmp_path):
    random, path, tied, unsolvable = Random(0), tmp_path / "query.vnnlib", 0, 0
    for _ in range(300):
        path.write_text(random_query(random))
        ties, specification = solve_ties(vnnlib2_reader.read_query(path).specification)
        ours, disjuncts = read_claim(*read_query(path.read_text()))
        assert [(t.inputs, t.constant) for part in ours for t in part] == [(t.inputs, t.constant) for t in ties]
        theirs = [[*specification.base, *rows] for rows in specification.disjuncts]
        assert rows_of(disjuncts, lambda one: one) == rows_of(theirs, named), path.read_text()
        tied += specification.n_inputs < 4
        unsolvable += second_checker_file.Row({}, 1, False) in (disjuncts or [[]])[0]
    assert tied > 90 and unsolvable >= 1


@pytest.mark.parametrize(
    "old, new",
    [
        ("<2.0>", "<1.0>"),
        ("(vnnlib-version <2.0>)\n", ""),
        ("equal-to f", "equal-to g"),
        ("equal-to f", "isomorphic-to h"),
        ("declare-network g", "declare-network f"),
        ("declare-input U", "declare-input X"),
        ("U real", "U float64"),
        ("(declare-output V real [1])", ""),
        ("(declare-output V real [1])", "(declare-output V real [1]) (declare-input W real [1])"),
        ('"h"', ""),
        ("X[0,0]", "X[0]"),
        ("X[0,0]", "X[0,2]"),
        ("X[0,0]", "W[0,0]"),
        ("X[0,0]", "(* X[0,0] U[0])"),
        ("X[0,0]", "1e3"),
        ("(==", "(="),
    ],
)  # fmt: skip
def test_queries_that_neither_reads(tmp_path, old, new):
    text = "\n".join(["(vnnlib-version <2.0>)", *NETWORKS, "(assert (== X[0,0] U[0]))"])
    assert text.count(old) == 1
    path = tmp_path / "query.vnnlib"
    read_claim(*read_query(text))
    path.write_text(text.replace(old, new))
    with pytest.raises(Malformed):
        vnnlib2_reader.read_query(path)
    with pytest.raises((ValueError, LookupError)):
        read_claim(*read_query(path.read_text()))


# --- files and declarations -----------------------------------------------------------------------

FIT = [
    ("X real [1,2]", "X real [2]"),
    ("X real [1,2]", "X real [2,1,1]"),
    ("X real [1,2]", 'X real [1,2] "x"'),
    ("Y real [1]", 'Y real [1,1,1] "z1"'),
    ("V real [1]", "V real []"),
    ("g (equal-to f)", "g (isomorphic-to f)"),
    ("g (equal-to f)", "g"),
    ('"z0"', '"m0"'),
]
DO_NOT_FIT = [
    ("X real [1,2]", "X real [1,3]"),
    ("X real [1,2]", "X real [1]"),
    ("X real [1,2]", "X real [2,2]"),
    ("X real [1,2]", 'X real [1,2] "y"'),
    ("Y real [1]", 'Y real [1] "x"'),
    ("Y real [1]", "Y real [2]"),
    ("Y real [1]", "Y float32 [1]"),
    ("U real [1,2]", "U float32 [1,2]"),
    ("H real [1,2]", "H real [1]"),
    ("H real [1,2]", "H float32 [1,2]"),
    ('"z0"', '"x"'),
    ('"z0"', '"W0"'),
    ('"z0"', '"nowhere"'),
    ('"z0"', '"z1"'),
]


@pytest.mark.parametrize("old, new, fits", [(*one, True) for one in FIT] + [(*one, False) for one in DO_NOT_FIT])
def test_declarations(tmp_path, old, new, fits):
    """Both say the same of a query that declares other tensors; the file of an equal-to network need not be given."""
    files, query = files_of("hidden")
    text = query.read_text()
    assert text.count(old) == 1
    path = tmp_path / "query.vnnlib"
    changed = re.sub(r"\bX\[0,(\d)\]", r"X[\1]", text) if new == "X real [2]" else text
    changed = re.sub(r"\bX\[0,(\d)\]", r"X[\1,0,0]", changed) if new == "X real [2,1,1]" else changed
    changed = changed.replace("Y[0]", "Y[0,0,0]") if "[1,1,1]" in new else changed
    path.write_text(changed.replace(old, new))
    draft = Draft.read((CORPUS / "valid/hidden.zip").read_bytes())
    draft.manifest["property"]["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    (tmp_path / "proof.zip").write_bytes(draft.bytes())
    files = files if "equal-to" in changed.replace(old, new) else dict.fromkeys("fg", files["f"])
    said = [_said(judge, tmp_path / "proof.zip", files, path) for judge in (accepts_query, _accepted_exactly)]
    assert said == [fits, fits]


def _said(judge, *paths) -> bool:
    try:
        return judge(*paths)
    except (ValueError, Malformed):
        return False


def _accepted_exactly(*paths) -> bool:
    return check(*paths, arithmetic="exact").accepted
