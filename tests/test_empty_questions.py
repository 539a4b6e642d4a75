"""A question that nothing satisfies has one answer, `unsat` with a warning, however it is written and asked."""

import json

import pytest
import second_checker
from bench_runs import Here, bench, results
from cases import executable
from command_line import one_line
from conftest import random_network

from engine import InputError, Options, Property, Verified, load_property, verify
from engine.audit.check import check
from engine.cli import main
from engine.onnx_file import load_network
from engine.vnnlib import parse_property
from engine.vnnlib.contradiction import Refuter

DECLARED = "".join(f"(declare-const {name} Real)\n" for name in ("X_0", "X_1", "Y_0"))
UNIT = "".join(f"(assert (>= X_{i} -1))(assert (<= X_{i} 1))\n" for i in (0, 1))
EMPTY = {
    "bounds of an input": (f"{UNIT}(assert (<= X_0 -3))", "(>= X_0 -1) (line 4) and (<= X_0 -3) (line 6) exclude"),
    "strict bounds that meet": (f"{UNIT}(assert (> X_1 1))", "(<= X_1 1) (line 5) and (> X_1 1) (line 6) exclude"),
    "no bounds of the others": ("(assert (<= X_0 0))\n(assert (>= X_0 1))", "(<= X_0 0) (line 4) and (>= X_0 1)"),
    "outputs": (f"{UNIT}(assert (<= Y_0 0))(assert (>= (* 2 Y_0) 4))", "(<= Y_0 0) (line 6) and (>= (* 2 Y_0) 4)"),
    "inputs and outputs": (f"{UNIT}(assert (<= (+ X_0 Y_0) 1))(assert (> (+ Y_0 X_0) 1))", "exclude each other"),
    "rows over inputs": (f"{UNIT}(assert (> (- X_0 X_1) 0))(assert (<= (- X_0 X_1) 0))", "exclude each other"),
    "a row beside the box": (f"{UNIT}(assert (<= (+ X_0 X_1) -3))", "(<= (+ X_0 X_1) -3) (line 6) is false wherever"),
    "a row that touches the box": (f"{UNIT}(assert (< (+ X_0 (* 2 X_1)) -3))", "is false wherever"),
    "a row that touches an open box": (
        "(assert (> X_0 0))(assert (< X_0 1))(assert (= X_1 0))(assert (<= (+ X_0 X_1) 0))",
        "is false wherever",
    ),
    "a row of the base beside each box": (
        "(assert (>= (+ X_0 X_1) 9))\n(assert (or (and (= X_0 1) (= X_1 1)) (and (= X_0 2) (= X_1 2))))",
        "in each of 2 alternatives, as in the first: (>= (+ X_0 X_1) 9) (line 4) is false wherever",
    ),
    "no alternative": (f"{UNIT}(assert (or))", "the assert of line 6 is false at every point"),
    "false": (f"{UNIT}(assert (<= Y_0 0))\n(assert false)", "the assert of line 7 is false at every point"),
    "a false constant": (f"{UNIT}(assert (and (<= Y_0 0) (< 1 1)))", "the assert of line 6 is false at every point"),
    "alternatives that contradict themselves": (
        f"{UNIT}(assert (or (>= X_0 2) (and (<= Y_0 1) (>= Y_0 2)) (<= (+ X_0 X_1) -3)))",
        "in each of 3 alternatives, as in the first: (<= X_0 1) (line 4) and (>= X_0 2) (line 6) exclude each other",
    ),
}
SATISFIABLE = {
    "bounds that meet": f"{UNIT}(assert (>= X_0 1))(assert (<= Y_0 0))",
    "a row that touches the closed box": f"{UNIT}(assert (<= (+ X_0 (* 2 X_1)) -3))(assert (<= Y_0 -9))",
    "one alternative": f"{UNIT}(assert (or (>= X_0 2) (<= Y_0 -9) (<= (+ X_0 X_1) -3)))",
    "rows whose contradiction is not told": f"{UNIT}(assert (>= (+ X_0 X_1) 1))(assert (<= (+ X_0 (* 2 X_1)) -1))"
    "(assert (<= (+ (* 2 X_0) X_1) 0))",
}


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    path = tmp_path_factory.mktemp("empty") / "n.onnx"
    path.write_bytes(executable(random_network((2, 4, 1), seed=1)).onnx_bytes)
    return path


def write(folder, body: str):
    path = folder / "p.vnnlib"
    path.write_text(DECLARED + body)
    return path


@pytest.mark.parametrize("name", EMPTY)
def test_every_form_on_the_command_line(network, tmp_path, capsys, name):
    body, why = EMPTY[name]
    path, proof = write(tmp_path, body), tmp_path / "p.proof.zip"
    assert main(["verify", str(network), str(path), "--certificate", str(proof), "--device", "cpu", "--json"]) == 0
    out, err = capsys.readouterr()
    answer = json.loads(out)
    assert answer["verdict"] == "unsat" and why in answer["warning"]
    assert "is accepted by the independent checker" in err
    assert "warning: nothing satisfies the asserts (" in err and why in err
    assert "unsat says nothing about the network" in err and "the property holds" not in err
    assert second_checker.accepts(proof, network, path)
    assert main(["check", str(proof), "--network", str(network), "--property", str(path)]) == 0
    assert "nothing satisfies the property's asserts" in capsys.readouterr().out
    assert check(proof, network, path, arithmetic="exact").empty


@pytest.mark.parametrize("name", SATISFIABLE)
def test_no_false_warning(network, tmp_path, capsys, name):
    """Nor where only the search could know that nothing satisfies the asserts."""
    path, proof = write(tmp_path, SATISFIABLE[name]), tmp_path / "p.proof.zip"
    assert not load_property(path).warning
    assert main(["verify", str(network), str(path), "--certificate", str(proof), "--device", "cpu", "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["warning"] is None and "nothing satisfies" not in err
    assert not check(proof, network, path).empty


@pytest.mark.parametrize("semantics", ["real", "float32"])
def test_in_python(network, semantics):
    prop = parse_property(DECLARED + EMPTY["outputs"][0])
    assert prop.cases == () and (prop.n_inputs, prop.n_outputs) == (2, 1)
    verdict = verify(load_network(network), prop, Options(device="cpu", semantics=semantics, proofs=True))
    assert isinstance(verdict, Verified) and verdict.word == "unsat"
    assert verdict.warning == prop.warning and "exclude each other" in prop.warning
    assert verdict.statistics.boxes == 0 and len(verdict.proof.split) == 1


def test_a_property_made_without_cases(network):
    verdict = verify(load_network(network), Property((), 2, 1), Options(device="cpu"))
    assert verdict.warning == "nothing satisfies the asserts: unsat says nothing about the network"
    with pytest.raises(InputError, match="3 inputs"):
        verify(load_network(network), Property((), 3, 1), Options(device="cpu"))


def test_in_a_batch(network, tmp_path, monkeypatch, capsys):
    """Beside questions that are none."""
    monkeypatch.setattr("engine.bench.session.Workers", Here)
    listed = []
    for name, body in {**{k: v[0] for k, v in EMPTY.items()}, **SATISFIABLE}.items():
        path = tmp_path / f"{name.replace(' ', '_')}.{name in SATISFIABLE}.vnnlib"
        path.write_text(DECLARED + body)
        listed.append(f"{network},{path.name},20\n")
    (tmp_path / "list.csv").write_text("".join(listed))
    assert bench(tmp_path / "list.csv", tmp_path / "out", "--check", "--report", "--device", "cpu", "--jobs", 1) == 0
    out, rows = capsys.readouterr(), results(tmp_path / "out")
    assert {row["verdict"] for row in rows} == {"unsat"} and {row["check"] for row in rows} == {"accepted"}
    for row in rows:
        assert ("nothing satisfies the asserts" in row["warning"]) == (".False." in row["property"])
    assert "warnings" in out.out + out.err
    assert (tmp_path / "out" / "report.html").read_text().count("unsat says nothing about the network") >= len(EMPTY)


def test_the_search_decides_what_takes_too_long_to_compare(network):
    """With no steps left a row beside the box stays, and is excluded as any other."""
    (case,) = parse_property(DECLARED + SATISFIABLE["a row that touches the closed box"]).cases
    assert len(case.unsafe[0].rows) == 2
    refuter = Refuter({}, steps=0)
    refuter.check({})
    assert refuter.steps == 0


def test_errors_in_the_file_come_first(tmp_path):
    for body in (f"{EMPTY['false'][0]}(assert (<= Y_7 0))", f"{EMPTY['false'][0]}(declare-const Y_2 Real)"):
        with pytest.raises(InputError, match="Y_7 is not declared|Y_2 is declared but"):
            load_property(write(tmp_path, body))


def test_a_warning_does_not_forge_lines(network, tmp_path, capsys):
    path = write(tmp_path, f"{UNIT}(assert (<= ; \x1b[31m\n X_0 -3))")
    assert main(["verify", str(network), str(path), "--device", "cpu"]) == 0
    out, err = capsys.readouterr()
    assert out == "unsat\n" and "\x1b" not in err and "(<= X_0 -3)" in err


@pytest.mark.parametrize(
    "command",
    [["verify", "N", "P", "--picture", "p.png"], ["repair", "N", "P", "--out", "r.onnx"], ["compare", "N", "N", "P"]],
    ids=lambda command: command[0],
)
def test_what_needs_inputs_says_that_there_are_none(network, tmp_path, capsys, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    path = write(tmp_path, EMPTY["bounds of an input"][0])
    assert main([{"N": str(network), "P": str(path)}.get(word, word) for word in command]) == 2
    assert "p.vnnlib: nothing satisfies the asserts (" in one_line(capsys.readouterr().err)
