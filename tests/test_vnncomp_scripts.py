"""The competition's calling convention: exit codes and the results file."""

import subprocess
import sys
from pathlib import Path

import pytest

from engine.acasxu.files import property_path

SCRIPTS = Path(__file__).resolve().parent.parent / "vnncomp_scripts"


@pytest.fixture
def call(tmp_path, monkeypatch):
    """Runs a script in another folder, with this Python."""
    monkeypatch.setenv("ACASXU_PYTHON", sys.executable)

    def run(script, *arguments):
        command = ["bash", SCRIPTS / script, *map(str, arguments)]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)

    return run


@pytest.mark.parametrize(
    "network, number, verdict",
    [
        pytest.param("standin_tau_0", 10, "unsat", marks=pytest.mark.slow),
        ("standin_tau_80", 3, "sat"),
    ],
)
def test_run_instance_writes_the_verdict(call, standin_paths, tmp_path, network, number, verdict):
    results = tmp_path / "results.txt"
    results.write_text("of an earlier run")
    done = call("run_instance.sh", "v1", "acasxu", standin_paths[network], property_path(number), results, 60)
    assert done.returncode == 0, done.stderr
    lines = results.read_text().splitlines()
    assert lines[0] == verdict
    assert ("(X_0 " in results.read_text()) == (verdict == "sat")


def test_run_instance_without_time_decides_nothing(call, standin_paths, tmp_path):
    results, network = tmp_path / "results.txt", standin_paths["standin_tau_20_left"]
    done = call("run_instance.sh", "v1", "acasxu", network, property_path(8), results, 0.001)
    assert done.returncode == 0, done.stderr
    assert results.read_text().splitlines()[0] in ("timeout", "unknown")


def test_run_instance_on_bad_input_is_an_error(call, tmp_path):
    results = tmp_path / "results.txt"
    done = call("run_instance.sh", "v1", "acasxu", tmp_path / "none.onnx", property_path(1), results, 60)
    assert done.returncode == 2
    assert results.read_text() == "error\n"


def test_a_python_that_fails_is_no_verdict(call, standin_paths, tmp_path, monkeypatch):
    results, network = tmp_path / "results.txt", standin_paths["standin_tau_0"]
    monkeypatch.setenv("ACASXU_PYTHON", "false")  # exits with 1, like a violated property
    done = call("run_instance.sh", "v1", "acasxu", network, property_path(1), results, 60)
    assert done.returncode == 70
    assert results.read_text() == "error\n"


def test_prepare_instance_accepts_and_refuses(call, standin_paths, tmp_path):
    network, prop = standin_paths["standin_tau_0"], property_path(1)
    other = tmp_path / "other.onnx"
    other.write_text("not ONNX")
    assert call("prepare_instance.sh", "v1", "acasxu", network, prop).returncode == 0
    assert call("prepare_instance.sh", "v1", "other", other, prop).returncode != 0
    assert call("prepare_instance.sh", "v1", "acasxu", network, tmp_path / "none.vnnlib").returncode != 0


@pytest.mark.parametrize("script", ["install_tool.sh", "prepare_instance.sh", "run_instance.sh"])
def test_only_version_1_of_the_convention(call, script):
    for arguments in ([], ["v2", "acasxu", "a.onnx", "p.vnnlib", "results.txt", "60"]):
        done = call(script, *arguments)
        assert done.returncode == 2 and done.stderr.startswith("usage: ")
