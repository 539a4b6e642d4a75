"""`acasxu compare` with a statement: verdict lines, files, exit codes, and what is said of bad input."""

import json
import re
from fractions import Fraction

import pytest
from cases import executable
from conftest import random_network
from nnet_files import exact_small

import engine.certificate
from engine.acasxu.encounter import FEET_PER_SECOND, describe_point
from engine.cli import main
from engine.joining import load_question
from engine.search.problem import Options
from engine.search.verify import verify
from engine.vnnlib import load_query

CERTIFIES = hasattr(engine.certificate, "write_question_certificate")
BOX = "(declare-const X_0 Real)(declare-const X_1 Real)(declare-const Y_0 Real)\n" + "".join(
    f"(assert (and (>= X_{i} -1) (<= X_{i} 1)))" for i in range(2)
)
WIDE = BOX.replace(
    "(declare-const Y_0", "(declare-const X_2 Real)(assert (and (>= X_2 0) (<= X_2 1)))(declare-const Y_0"
)
DOMAIN = BOX.replace("(declare-const Y_0 Real)", "".join(f"(declare-const Y_{j} Real)" for j in range(3)))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name, widths, seed in (
        ("a", (2, 4, 3), 1),
        ("b", (2, 5, 4, 3), 2),
        ("wide", (3, 4, 3), 0),
        ("one", (2, 4, 1), 0),
    ):
        (tmp_path / f"{name}.onnx").write_bytes(executable(random_network(widths, seed=seed)).onnx_bytes)
    (tmp_path / "box.vnnlib").write_text(BOX)
    (tmp_path / "domain.vnnlib").write_text(DOMAIN)
    (tmp_path / "wide.vnnlib").write_text(WIDE)
    (tmp_path / "e.nnet").write_text(exact_small())
    monkeypatch.chdir(tmp_path)
    return tmp_path


def ran(line: str, capsys) -> tuple[int, str, str]:
    code = main(["compare", *line.split()])
    found = capsys.readouterr()
    return code, found.out, found.err


def test_equivalence(folder, capsys):
    code, out, _ = ran("a.onnx a.onnx --equivalent 0.05 --box box.vnnlib", capsys)
    assert code == 0 and out.startswith(
        "proved: all outputs of a.onnx are within 0.05 of those of a.onnx\nthat is: for "
    )
    assert re.search(r"semantics real, \d+ box", out)
    code, out, _ = ran("a.onnx b.onnx --equivalent 0.05 --box box.vnnlib", capsys)
    assert code == 1 and re.match(
        r"refuted: output \d of b.onnx differs by [\d.]+, more than 0.05\nasked: for each", out
    )
    assert "at x = " in out and "executed" in out


def test_same_decision(folder, capsys):
    given = "a.onnx a.onnx --same-advisory --gap 0.1 --decision highest --domain domain.vnnlib"
    code, out, _ = ran(given, capsys)
    assert code == 0 and "proved: a.onnx has the same decision as a.onnx\n" in out
    assert "but where the two highest outputs of a.onnx are within 0.1;" in out
    code, out, _ = ran("a.onnx b.onnx --same-advisory --decision lowest --whole-domain --domain domain.vnnlib", capsys)
    assert code == 1 and re.match(
        r"refuted: the decision of a.onnx is output (\d), that of b.onnx output (?!\1)\d", out
    )


def test_monotone(folder, capsys):
    code, out, _ = ran("a.onnx --monotone 1- --output 2 --tolerance 9 --box box.vnnlib", capsys)
    assert code == 0 and out.startswith("proved: raising input 1 never raises output 2 of a.onnx\n")
    assert "each x' there with x'[1] >= x[1], equal in all other inputs: y[2] at x' <= y[2] at x + 9" in out
    words = [ran(f"a.onnx --monotone 1{sign} --output 2 --box box.vnnlib", capsys) for sign in "+-"]
    assert 1 in (words[0][0], words[1][0])
    assert any("refuted: raising input 1" in out and "input 1 is raised from" in out for _, out, _ in words)


def test_what_may_help_where_a_monotone_network_is_not_decided(folder, capsys):
    net = random_network((2, 4, 1), seed=0)
    for layer in net.layers:
        layer.weight[:] = abs(layer.weight)
    (folder / "up.onnx").write_bytes(executable(net).onnx_bytes)
    code, out, _ = ran("up.onnx --monotone 0+ --box box.vnnlib --timeout 0.5", capsys)
    assert code == 3 and out.startswith("not decided: whether raising input 0 never lowers output 0 of up.onnx; ")
    assert "what may help: a --tolerance" in out


def test_narrowing(folder, capsys):
    line = (
        "a.onnx b.onnx --equivalent 1 --largest --box box.vnnlib --timeout 6 --step-timeout 1 --write q.vnnlib --json"
    )
    code, out, _ = ran(line, capsys)
    found = json.loads(out)
    proved, refuted = (float(Fraction(found[name])) for name in ("smallest_proved", "largest_refuted"))
    assert code == 0 and refuted < proved and found["proved"]["verdict"] == "unsat"
    assert found["refuted"]["verdict"] == "sat" and found["steps"]
    difference = max(abs(Fraction(d)) for d in found["refuted"]["refutation"]["exact_differences"])
    assert refuted < difference <= proved
    for name, value, word in (("q", proved, "unsat"), ("q.refuted", refuted, "sat")):
        text = (folder / f"{name}.vnnlib").read_text()
        assert f" {value:.10f}".rstrip("0") in text
        question = load_question(load_query(f"{name}.vnnlib"), {"f": folder / "a.onnx", "g": folder / "b.onnx"})
        if word == "unsat":
            assert verify(question.joint, question.query.property, Options(timeout=20)).word == word
    code, out, _ = ran("a.onnx b.onnx --equivalent 1 --largest --box box.vnnlib --timeout 4 --step-timeout 1", capsys)
    assert re.match(r"proved from [\d.]+ on, refuted up to [\d.]+\n", out) and "\nproved: all" in out


def test_json(folder, capsys):
    code, out, _ = ran("a.onnx b.onnx --equivalent 1e-2 --box box.vnnlib --json --write q.vnnlib", capsys)
    found = json.loads(out)
    assert code == 1 and found["statement"] == {"kind": "equivalent", "eps": "1/100"}
    assert found["question"] == (folder / "q.vnnlib").read_text() and found["verdict"] == "sat"
    point = found["refutation"]
    exact = [abs(Fraction(d)) for d in point["exact_differences"]]
    assert max(exact) > Fraction(1, 100)
    assert point["differences"] == pytest.approx([float(Fraction(d)) for d in point["exact_differences"]], abs=1e-5)


def test_the_question_is_one_that_verify_reads(folder, capsys):
    ran("a.onnx b.onnx --equivalent 0.05 --box box.vnnlib --semantics float32 --write q.vnnlib", capsys)
    query = load_query("q.vnnlib")
    assert query.elements == {"float32"} and [n.name for n in query.networks] == ["f", "g"]
    assert [v.shape for v in query.networks[0].variables] == [(1, 2), (1, 3)]


def test_nnet_and_onnx(folder, capsys):
    assert main(["convert", "e.nnet", "e.onnx"]) == 0
    capsys.readouterr()
    code, out, _ = ran("e.nnet e.onnx --equivalent 0.001 --box box.vnnlib", capsys)
    assert code == 0 and out.startswith("proved: all outputs of e.onnx are within 0.001 of those of e.nnet")


def test_encounters_in_feet_degrees_and_knots(standin_paths, capsys):
    one, other = standin_paths["standin_tau_0"], standin_paths["standin_tau_80"]
    code, out, _ = ran(f"{one} {other} --same-advisory --gap 0.001 --property 3 --json", capsys)
    found = json.loads(out)
    assert (
        code == 1 and [point["advisory"] for point in found["encounters"]] != [found["encounters"][0]["advisory"]] * 2
    )
    code, out, _ = ran(f"{one} {other} --same-advisory --gap 0.001 --property 3", capsys)
    point = found["encounters"][0]
    assert f"intruder {point['distance_ft']:.1f} ft away" in out and "knots" in out and "degrees" in out
    assert f"refuted: the advisory of {one.name} is {point['advisory']}, that of {other.name} " in out
    own = float(re.search(r"ownship ([\d.]+) knots", out)[1])
    assert own == pytest.approx(point["own_speed_ft_s"] / 1.6878, rel=1e-3)


def test_a_knot():
    found = describe_point([0.0] * 5, [0.0] * 5)
    assert FEET_PER_SECOND == pytest.approx(1.68781, abs=1e-5)
    assert found.speeds_in_knots == "speeds: ownship 385.1 knots, intruder 355.5 knots"


@pytest.mark.skipif(not CERTIFIES, reason="certificates of questions are not here yet")
def test_certificates(folder, capsys):
    for eps, word in (("2.5", "proved"), ("0.05", "refuted")):
        line = f"a.onnx b.onnx --equivalent {eps} --box box.vnnlib --certificate {word}.zip"
        _, out, err = ran(line, capsys)
        assert out.startswith(word) and f"{word}.zip is accepted by the independent checker" in err
        assert (folder / f"{word}.question.vnnlib").exists()
    _, out, err = ran("a.onnx --monotone 1+ --tolerance 9 --box box.vnnlib --certificate up.zip", capsys)
    assert "up.zip is accepted" in err
    line = "a.onnx b.onnx --equivalent 1 --largest --box box.vnnlib --timeout 4 --step-timeout 1 --certificate both.zip"
    _, out, err = ran(line, capsys)
    assert err.count("is accepted") == 2 and (folder / "both.refuted.zip").exists()


@pytest.mark.skipif(not CERTIFIES, reason="certificates of questions are not here yet")
def test_nothing_is_certified_that_was_not_decided(folder, capsys):
    line = "a.onnx a.onnx --equivalent 0.000000001 --box box.vnnlib --timeout 0.000001 --certificate no.zip"
    code, _, err = ran(line, capsys)
    assert code == 3 and "is not written: nothing was decided" in err and not (folder / "no.zip").exists()


@pytest.mark.parametrize(
    "line, words",
    [
        ("a.onnx b.onnx --equivalent 0 --box box.vnnlib", "'0' is no decimal number above 0"),
        ("a.onnx b.onnx --equivalent x --box box.vnnlib", "'x' is no decimal number"),
        ("a.onnx b.onnx --equivalent nan --box box.vnnlib", "'nan' is no decimal number"),
        ("a.onnx b.onnx --equivalent 1e-999 --box box.vnnlib", "is no decimal number"),
        ("a.onnx b.onnx --same-advisory --gap=-1 --box box.vnnlib", "'-1' is no decimal number"),
        ("a.onnx wide.onnx --equivalent 1 --box box.vnnlib", "the networks have 2 and 3 inputs"),
        ("a.onnx one.onnx --equivalent 1 --box box.vnnlib", "the networks have 3 and 1 outputs"),
        ("a.onnx b.onnx --equivalent 1 --box wide.vnnlib", "the boxes have 3 inputs, the network has 2"),
        ("a.onnx b.onnx --equivalent 1 --box box.vnnlib --property 2", "not allowed with argument"),
        ("a.onnx b.onnx --equivalent 1 --same-advisory --box box.vnnlib", "not allowed with argument"),
        ("a.onnx b.onnx --equivalent 1", "the network's domain is not known"),
        ("a.onnx b.onnx --equivalent 1 --property 11", "11"),
        ("a.onnx b.onnx --equivalent 1 --box none.vnnlib", "none.vnnlib"),
        ("a.onnx b.onnx --same-advisory --box box.vnnlib", "decision is not known"),
        ("one.onnx one.onnx --same-advisory --decision lowest --box box.vnnlib", "one output decides nothing"),
        ("a.onnx --equivalent 1 --box box.vnnlib", "files given: 1"),
        ("a.onnx b.onnx --monotone 0+ --box box.vnnlib", "files given: 2"),
        ("a.onnx --monotone 0 --box box.vnnlib", "'0' is no input with + or -"),
        ("a.onnx --monotone 2+ --box box.vnnlib", "there is no input 2"),
        ("a.onnx --monotone 0+ --output 3 --box box.vnnlib", "there is no output 3; the network's outputs are 0 to 2"),
        ("a.onnx b.onnx --equivalent 1 --output 0 --box box.vnnlib", "--output: it goes with --monotone"),
        ("a.onnx b.onnx box.vnnlib --gap 0.1", "--gap: it goes with --same-advisory"),
        ("a.onnx b.onnx box.vnnlib --semantics float32", "--semantics"),
        ("a.onnx b.onnx --equivalent 1 --prove --box box.vnnlib", "--prove: it does not go with --equivalent"),
        ("a.onnx b.onnx --equivalent 1 --box box.vnnlib --write box.vnnlib", "this file is needed itself"),
        ("a.onnx b.onnx --equivalent 1 --box box.vnnlib --report r.pdf", "reports are .html or .md"),
        ("a.onnx --seed 1", "two networks are compared, one is given"),
    ],
)
def test_bad_input_is_one_line(folder, capsys, line, words):
    code, out, err = ran(line, capsys)
    assert (code, out, len(err.splitlines())) == (2, "", 1), (code, out, err)
    assert words in err
    assert (folder / "box.vnnlib").read_text() == BOX


@pytest.mark.parametrize("suffix", ["md", "html"])
def test_the_page_of_an_answer(folder, capsys, suffix):
    (folder / "b.onnx").rename(folder / "<b>&.onnx")
    line = "a.onnx <b>&.onnx --equivalent 1 --largest --box box.vnnlib --timeout 4 --step-timeout 1 --report r."
    _, out, _ = ran(line + suffix, capsys)
    page = (folder / f"r.{suffix}").read_text()
    assert {"md": r"\<b>&.onnx", "html": "&lt;b&gt;&amp;.onnx"}[suffix] in page
    assert out.splitlines()[0] in page and "Values that were tried" in page
    assert page.count("of which") == 2 and page.count("executed") == 2  # the table of the refuted end
    code, _, _ = ran(f"a.onnx a.onnx --equivalent 0.5 --box box.vnnlib --report r.{suffix}", capsys)
    page = (folder / f"r.{suffix}").read_text()
    assert code == 0 and "proved: all outputs" in page and "Values" not in page and "executed" not in page
