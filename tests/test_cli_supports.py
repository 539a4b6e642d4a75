"""`acasxu supports`, `--name` and `--version`: what is claimed is true, and in the form that the standard asks."""

import pytest

from engine import __version__
from engine.cli import main
from engine.cli.supports import capability
from engine.cli.supports_options import CAPABILITIES
from engine.onnx_file.execution import NOT_AS_EXECUTED

compliance = pytest.importorskip("vnntest.core.compliance")


def printed(capsys, *arguments: str) -> str:
    assert main([*arguments]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    return out


def test_name_and_version(capsys):
    assert printed(capsys, "--name") == "acasxu-engine\n"
    assert printed(capsys, "--version") == f"{__version__}\n"


@pytest.mark.parametrize("name", CAPABILITIES)
def test_every_capability_is_printed(name, capsys):
    lines = printed(capsys, "supports", f"--{name}").splitlines()
    assert lines and lines == list(capability(name)) and all(lines)


def test_the_suite_accepts_the_form(capsys):
    for validate, name in [
        (compliance.validate_opset_versions, "onnx-opset-versions"),
        (compliance.validate_vnnlib_versions, "vnnlib-versions"),
        (compliance.validate_serialise_assignments, "serialise-assignments"),
    ]:
        assert validate(printed(capsys, "supports", f"--{name}")) is None


def test_what_is_claimed():
    assert list(capability("vnnlib-versions")) == ["1.0", "2.0"]
    assert sorted(capability("onnx-element-types")) == ["float32", "real"]
    assert list(capability("multiple-node-comparison-theories")) == ["SNC", "MNC"]
    assert list(capability("multiple-input-output-theories")) == ["SIO"]
    operators = list(capability("onnx-operators"))
    assert {"Gemm", "Relu", "Constant", *(f"{name} real" for name in NOT_AS_EXECUTED)} <= set(operators)


@pytest.mark.parametrize("usage", [["supports"], ["supports", "--onnx"], ["supports", "--unsat-proofs", "x"]])
def test_usage(usage, capsys):
    assert main(usage) == 2
    assert capsys.readouterr().err.startswith("acasxu: ")
