"""Certificates of networks that end in a Softmax or LogSoftmax, made here by hand, accepted and rejected."""

import json
import zipfile
from fractions import Fraction
from hashlib import sha256

import pytest
from onnx import ModelProto
from onnx_graphs import f32, model, node
from test_audit_check import ARITHMETIC, ARRAYS, Exclusion, Node, accepted, arrays, case, rejected, row, written
from test_audit_comparison import packed
from test_audit_maxpool_certificates import PooledQuestion

from engine.audit.check import check
from engine.audit.comparison.check import check_change
from engine.cli import main

BEYOND = "is about more than the order of the scores"
BOX = [0, 2], [1, 3]  # of x0 and x1: the scores are (x0, x1, 0), so that the second is larger by 1 to 3
SHOWN = [Node(exclusions={0: Exclusion({0: 1024})})]


def net(ending: str) -> ModelProto:
    nodes = [node("MatMul", "x W", "s" if ending else "y")]
    return model(nodes + [node(ending, "s", "y")] * bool(ending), {"W": f32([1, 0, 0], [0, 1, 0])}, shape=(1, 2))


def question(folder, ending, *rows, others=()):
    """Unsafe is what all rows hold of; others: more cases."""
    return PooledQuestion(folder, net(ending), [case(*BOX, list(rows)), *others])


LESS = row([-1, 1, 0])  # y_1 <= y_0, which holds nowhere
EACH = {"", "Softmax", "LogSoftmax"}
GOOD = {  # rows that are shown, and of which endings
    "an order": (LESS, EACH),
    "a factor": (row([Fraction(-5, 4), Fraction(5, 4), 0]), EACH),
    "a strict order": (row([-1, 1, 0], strict=True), EACH),
    "a coefficient of 0": (LESS | {"outputs": dict(enumerate(map(Fraction, (-1, 1, 0))))}, EACH),
    "inputs alone": (row([], Fraction(1, 2), inputs=[1, 0]), EACH),
    "a distance": (row([-1, 1, 0], -Fraction(1, 2)), {"", "LogSoftmax"}),
    "an input": (row([-1, 1, 0], inputs=[1, 0]), {"", "LogSoftmax"}),
    "three scores": (row([-2, 1, 1], inputs=[2, 0]), {"", "LogSoftmax"}),
    "a score": (row([0, 1, 0]), {""}),
    "a threshold": (row([0, 1, 0], -1), {""}),
    "other factors": (row([-1, 2, 0]), {""}),
    "a sum": (row([1, 1, 0]), {""}),
}


@pytest.mark.parametrize("arithmetic", ARITHMETIC)
@pytest.mark.parametrize("ending", ["", "Softmax", "LogSoftmax"])
@pytest.mark.parametrize("name", GOOD)
def test_rows_of_a_claim(tmp_path, name, ending, arithmetic):
    """What is true of the scores is accepted where it says the same of what the file gives, and nowhere else."""
    shown, good = GOOD[name]
    asked = question(tmp_path, ending, shown).write(SHOWN)
    if ending in good:
        accepted(asked, arithmetic=arithmetic)
    else:
        rejected(asked, f"a row of the claim {BEYOND}", arithmetic=arithmetic)


def test_every_row_counts(tmp_path):
    asked = question(tmp_path, "Softmax", LESS, row([1, 0, 0], -5)).write(SHOWN)
    rejected(asked, BEYOND)
    second = case(*BOX, [row([0, 1, 0])])
    rejected(question(tmp_path, "Softmax", LESS, others=[second]).write(SHOWN * 2), BEYOND)
    accepted(question(tmp_path, "Softmax", LESS, others=[case(*BOX, [LESS])]).write(SHOWN * 2))


def test_a_property_may_say_more_than_its_proof(tmp_path):
    """y_1 <= y_0 and y_0 <= 0.3: what excludes the first excludes both."""
    asked = question(tmp_path, "Softmax", LESS).write(SHOWN)
    text = asked.text.decode() + "(assert (<= Y_0 0.3))\n"
    asked.paths[2].write_text(text)
    changed = sha256(text.encode()).hexdigest()
    resign(asked.paths[0], lambda manifest: manifest["property"].update(sha256=changed))
    accepted(asked)


def resign(path, change) -> None:
    """Changes the manifest of a certificate."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    manifest = json.loads(members["manifest.json"])
    change(manifest)
    members["manifest.json"] = json.dumps(manifest).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)


def test_a_proof_about_scores_is_none_of_a_file_with_a_softmax(tmp_path):
    """y_1 >= 2, which no probability is: signed again for the file with a Softmax at its end."""
    asked = question(tmp_path, "", row([0, 1, 0], -Fraction(1, 2))).write(SHOWN)
    accepted(asked)
    data = net("Softmax").SerializeToString()
    asked.paths[1].write_bytes(data)
    rejected(asked, "it is about a network with SHA-256")
    resign(asked.paths[0], lambda manifest: manifest["network"].update(sha256=sha256(data).hexdigest()))
    rejected(asked, BEYOND)


def test_no_float32_semantics(tmp_path):
    rejected(question(tmp_path, "Softmax", LESS).write(SHOWN, semantics="float32"), "equal after a Softmax as executed")


# --- witnesses ----------------------------------------------------------------------------------------

MORE = row([1, -1, 0])  # y_0 <= y_1, which holds everywhere
POINT = [Fraction(1, 2), Fraction(5, 2)]
SCORES = [*POINT, Fraction(0)]


def test_a_witness_has_scores(tmp_path):
    one = case(*BOX, [MORE])
    asked = question(tmp_path, "Softmax", MORE).write_witness(POINT, SCORES, [-2], one)
    accepted(asked)
    shares = [Fraction(1, 8), Fraction(3, 4), Fraction(1, 8)]
    rejected(asked.write_witness(POINT, shares, [-Fraction(5, 8)], one), "outputs are not the network's")


@pytest.mark.parametrize("ending", ["", "Softmax", "LogSoftmax"])
def test_a_witness_of_more_than_scores(tmp_path, ending):
    """y_1 >= 2 holds of the score."""
    two = row([0, -1, 0], 2)
    one = case(*BOX, [two])
    asked = question(tmp_path, ending, two).write_witness(POINT, SCORES, [-Fraction(1, 2)], one)
    rejected(asked, BEYOND) if ending else accepted(asked)


def test_another_disjunct_counts_for_nothing(tmp_path):
    """The point satisfies y_1 >= 2, of scores, and y_2 <= y_0; each claims to be what the witness shows."""
    two, less = row([0, -1, 0], 2), row([-1, 0, 1])
    odd, good = case(*BOX, [two]), case(*BOX, [less])
    asked = question(tmp_path, "Softmax", two, others=[good])
    accepted(asked.write_witness(POINT, SCORES, [-Fraction(1, 2)], good))
    rejected(asked.write_witness(POINT, SCORES, [-Fraction(1, 2)], odd), f"a row of the claim {BEYOND}")
    asked = question(tmp_path, "Softmax", two, others=[case(*BOX, [row([1, 0, -1])])])  # which does not hold
    rejected(asked.write_witness(POINT, SCORES, [-Fraction(1, 2)], good), "not in the property's unsafe set")


@pytest.mark.parametrize(
    "also, word",
    [
        (row([1, -1, 0], -Fraction(1, 2)), "accepted"),  # y_0 - y_1 <= 1/2, as y_0 <= y_1 says more
        (row([2, -2, 0], -Fraction(1, 2)), "accepted"),
        (row([1, -1, 0], Fraction(1, 2)), BEYOND),
        (row([-1, 1, 0], -Fraction(1, 2)), BEYOND),
        (row([1, -1, 0], -Fraction(1, 2), inputs=[1, 0]), BEYOND),
    ],
)
def test_rows_that_an_order_implies_do_not_count(tmp_path, also, word):
    """Of a witness: the file may say the same again of the probabilities, and less."""
    asked = question(tmp_path, "Softmax", MORE, also).write_witness(POINT, SCORES, [-2], case(*BOX, [MORE]))
    accepted(asked) if word == "accepted" else rejected(asked, word)


# --- several networks ----------------------------------------------------------------------------------

TWO = """(vnnlib-version <2.0>)
(declare-network N (declare-input X real [1,2]) (declare-output Y real [1,3]))
(declare-network M (declare-input U real [1,2]) (declare-output V real [1,3]))
(assert (and (== X[0,0] U[0,0]) (== X[0,1] U[0,1])))
(assert (and (>= X[0,0] 0.0) (<= X[0,0] 1.0) (>= X[0,1] 2.0) (<= X[0,1] 3.0)))
(assert {})
"""
ACROSS = {
    "(<= Y[0,1] Y[0,0])": True,
    "(and (<= Y[0,0] Y[0,1]) (<= V[0,1] V[0,0]))": True,
    "(<= (+ V[0,1] Y[0,1]) (+ V[0,0] Y[0,0]))": False,
    "(<= Y[0,1] V[0,0])": False,
    "(>= V[0,1] 5.0)": True,  # M ends in scores
}


@pytest.fixture
def ask(tmp_path, capsys):
    """ask(text, ending): exit code of `verify` with a certificate, which the checker must accept, and its stderr."""

    def asked(text: str, ending: str) -> tuple[int, str]:
        (tmp_path / "n.onnx").write_bytes(net(ending).SerializeToString())
        (tmp_path / "m.onnx").write_bytes(net("").SerializeToString())
        (tmp_path / "query.vnnlib").write_text(TWO.format(text))
        files = [f"--network={name}={tmp_path / name.lower()}.onnx" for name in "NM"]
        arguments = ["verify", str(tmp_path / "query.vnnlib"), *files, "--certificate", str(tmp_path / "proof.zip")]
        code = main(arguments)
        return code, capsys.readouterr().err

    return asked


@pytest.mark.parametrize("text", ACROSS)
def test_rows_of_queries(tmp_path, ask, text):
    """A row that compares two probabilities of one network names nothing else."""
    code, err = ask(text, "Softmax")
    if ACROSS[text]:
        assert code == 0 and "is accepted by the independent checker" in err
        return
    assert code == 2 and "the property is about probabilities" in err and not (tmp_path / "proof.zip").exists()
    code, err = ask(text, "")
    assert code == 0 and "is accepted by the independent checker" in err
    data = net("Softmax").SerializeToString()
    (tmp_path / "n.onnx").write_bytes(data)
    resign(tmp_path / "proof.zip", lambda manifest: manifest["networks"][0].update(sha256=sha256(data).hexdigest()))
    files = {name: tmp_path / f"{name.lower()}.onnx" for name in "NM"}
    result = check(tmp_path / "proof.zip", files, tmp_path / "query.vnnlib")
    assert not result.accepted and BEYOND in result.reason


@pytest.mark.parametrize("ending", ["", "Softmax", "LogSoftmax"])
def test_no_change_certificates(tmp_path, ending):
    """Of a network and itself: all outputs are equal."""
    path = tmp_path / "net.onnx"
    path.write_bytes(net(ending).SerializeToString())
    named = {"name": "", "sha256": sha256(path.read_bytes()).hexdigest()}
    lowest = [[row([int(u == c) - int(u == d) for u in range(3)]) for d in range(3) if d != c] for c in range(3)]
    both = lowest + [
        [one | {"outputs": {j + 3: c for j, c in one["outputs"].items()}} for one in rows] for rows in lowest
    ]
    manifest = {
        "format": "acasxu-certificate",
        "version": 1,
        "kind": "change",
        "semantics": "real",
        "network": named,
        "changed": named,
        "engine": {"name": "", "version": "", "options": {}},
        "open": "0",
        "unequal": "0",
        "cases": written([case(*BOX, *both)]),
        "arrays": dict.fromkeys(ARRAYS),
    }
    certificate = packed(tmp_path / "change.zip", manifest, arrays([Node()], 2))
    result = check_change(certificate, path, path)
    assert result.accepted == (not ending), result.reason
    assert not ending or f"a network ends in a {ending}" in result.reason
