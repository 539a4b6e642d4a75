"""The conformance suite of VNN-LIB 2.0 (vnnlib-satisfactory) against the real command line.

No answer is wrong. What is refused is refused in one line, exit code 2, for one of the reasons below.
"""

import re
import stat
import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import onnx
import pytest
from command_line import ROOT, finish, one_line, start
from test_vnnlib2_suite import evaluated

from engine.cli import main

vnnlib = pytest.importorskip("vnnlib")
registry = pytest.importorskip("vnntest.core.registry")
generator = pytest.importorskip("vnntest.core.generator")

#: What is not supported, by what the line says; with the number of cases.
REFUSED = {
    "a product of variables": 4,
    "has no lower bound": 1,
    r"it has no float32 semantics: .*\(BatchNormalization\)": 8,
    r"it has no float32 semantics: .*\(Conv\): .*Winograd": 6,
    r"it has no float32 semantics: .*\(Gemm\).*alpha": 2,
    r"it has no float32 semantics: .*\(MaxPool\): a runtime compares": 5,
    r"it has no float32 semantics: .*\(ReduceMean\)": 2,
    "for type float16": 1,
    r"\(Cast\): it rounds float32 to": 8,
    "operator Equal is": 6,
    "operator Greater is": 6,
    "operator Pow is": 6,
    "it has Sigmoid layers": 3,
    r"it has no float32 semantics: .*\(Softmax\)": 1,
    "it makes several distributions": 1,
    "the property is about probabilities": 3,
    "needs exactly one input": 2,
    "needs exactly one output": 2,
    "two branches meet in it": 5,  # Div and Mul of two parts
    "make several points of one": 1,
    "which holds no numbers": 2,
    "is not computed from the input": 4,
}
PASSED = {"float32": 99, "real": 124}
SOME = ["add01", "arithmetic_lin02", "gemm05", "hidden05", "multi_io01", "network_equal01", "pow01", "slice05"]


def cases() -> Iterator:
    return (case for case in registry.get_cases() if case.expected_output())


def arguments(case, folder: Path, element: str = "float32") -> list[str]:
    """The command that the suite's runner gives: every network that is not equal to another one is this file."""
    text = text_of(case, element)
    query, network = folder / f"{case.id}.vnnlib", folder / f"{case.id}.onnx"
    query.write_text(text)
    onnx.save(case.build_onnx_model(), str(network))
    found = re.findall(r"\(declare-network\s+(\w+)\s*(\(equal-to)?", text)
    named = [name for name, equal in found if not equal]
    return ["verify", str(query), *(f"--network={name}={network}" for name in named), "--timeout", "20"]


def text_of(case, element: str) -> str:
    """The query, where `element` is real with all tensors of that type."""
    text = generator._vnnlib_text(case.build_vnnlib_spec())
    return re.sub(r"(\(declare-(?:input|hidden|output)\s+\w+)\s+\w+", r"\1 real", text) if element == "real" else text


def outcome(case, folder: Path, capsys, element: str = "float32") -> str:
    """Empty where the answer is the expected one, else the line on stderr; anything else is wrong."""
    code = main(arguments(case, folder, element))
    out, err = capsys.readouterr()
    if code == 2:
        assert out == ""
        return one_line(err)
    answer = case.expected_output().lower()
    assert out.split("\n")[0] == answer and code == {"unsat": 0, "sat": 1}[answer], f"{case.id}: {out}{err}"
    if answer == "sat":
        point = values_of(out)
        tree = vnnlib.parse_query_string(text_of(case, element))
        assert all(evaluated(part.expr, point) for part in tree.assertions), out
    return ""


def values_of(out: str) -> dict[tuple[str, int], Fraction]:
    """The printed values, by variable and place, exactly."""
    found: dict[tuple[str, int], Fraction] = {}
    for line in out.splitlines()[1:]:
        if " " in line:
            name, place = line.split()[0], 0
        else:
            found[name, place] = Fraction(line)
            place += 1
    return found


def test_some_cases(tmp_path, capsys):
    found = {case.id: outcome(case, tmp_path, capsys) for case in cases() if case.id in SOME}
    assert list(found) == SOME
    assert {name: bool(line) for name, line in found.items() if line} == {"multi_io01": True, "pow01": True}


@pytest.mark.slow
@pytest.mark.parametrize("element", ["float32", "real"])
def test_the_whole_suite(element, tmp_path, capsys):
    """Printed values satisfy all asserts, exactly, as the standard's own parser reads these.

    Of real tensors more is answered: nothing depends on how runtimes execute it.
    """
    found = {case.id: outcome(case, tmp_path, capsys, element) for case in cases()}
    lines = [line for line in found.values() if line]
    runtimes = ("it has no float32", "for type float16")
    gone = [why for why in REFUSED if element == "real" and any(part in why for part in runtimes)]
    expected = REFUSED | dict.fromkeys(gone, 0)
    seen = {reason: sum(bool(re.search(reason, line)) for line in lines) for reason in REFUSED}
    assert seen == expected and sum(seen.values()) == len(lines)
    assert len(found) - len(lines) == PASSED[element]


@pytest.mark.slow
def test_real_processes(tmp_path):
    """As the suite runs a solver: a program in a process of its own."""
    expected = {"add02": (1, "sat"), "hidden04": (0, "unsat"), "network_multiple01": (0, "unsat"), "conv01": (2, "")}
    for case in cases():
        if case.id in expected:
            code, out, _ = finish(start(*arguments(case, tmp_path)))
            assert (code, out.split("\n")[0]) == expected[case.id]


@pytest.mark.slow
def test_the_suites_own_runner(tmp_path):
    """It asks what is supported, and runs those cases alone: all but few are then decided as it expects."""
    from vnntest.core import runner
    from vnntest.models.test_case import TestCase, Verdict

    solver = tmp_path / "solver"
    solver.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m engine "$@"\n')
    solver.chmod(solver.stat().st_mode | stat.S_IXUSR)
    operators = runner.get_supported_ops(str(solver))
    assert {"Relu", "Gemm", "Slice"} <= operators and not {"Conv", "BatchNormalization"} & operators
    assert runner.get_supported_hidden_node_theories(str(solver)) == {"NH", "H"}
    assert runner.get_supported_network_theories(str(solver)) == {"SNET", "MENET", "MINET", "MNET"}
    assert runner.get_supported_io_theories(str(solver)) == {"SIO"}
    assert runner.get_supported_arithmetic_complexity_theories(str(solver)) == {"BND", "OUTC", "LIN"}
    case = next(case for case in cases() if case.id == "network_equal01")
    _, query, network, *_ = arguments(case, tmp_path)
    file = Path(network.split("=")[2])
    made = TestCase(case.id, case.node_type, file, {"N1": file}, Path(query), Verdict.UNSAT)
    assert runner.run_solver_on_test(str(solver), made).verdict == Verdict.UNSAT
