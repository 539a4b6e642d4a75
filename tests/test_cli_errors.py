"""The command line where something goes wrong: one line on stderr, nothing like a verdict."""

import os
import signal
import subprocess
import time

import numpy as np
import pytest
from command_line import command, environment, finish, one_line, start
from onnx_graphs import model, node

from engine.acasxu.files import property_path
from engine.cli import main
from engine.errors import EngineError

DECLARED = "".join(f"(declare-const X_{i} Real)\n" for i in range(5)) + "".join(
    f"(declare-const Y_{i} Real)\n" for i in range(5)
)
BOX = "".join(f"(assert (>= X_{i} 0))\n(assert (<= X_{i} 1))\n" for i in range(5))

PROPERTIES = {
    "not VNN-LIB": ("network = 1\n", "stray 'network'"),
    "empty file": ("", "asserts nothing"),
    "undeclared variable": (f"{DECLARED}{BOX}(assert (<= Y_5 0))", "Y_5"),
    "repeated variable": (f"{DECLARED}(declare-const X_0 Real)", "declared again"),
    "unbounded input": (f"{DECLARED}(assert (<= Y_0 0))", "X_0 has no lower bound"),
    "unknown operator": (f"{DECLARED}{BOX}(assert (<= (sin Y_0) 0))", "unknown operator 'sin'"),
    "another network's": (
        "(declare-const X_0 Real)(declare-const Y_0 Real)(assert (>= X_0 0))(assert (<= X_0 1))(assert (<= Y_0 0))",
        "1 inputs",
    ),
}


def _network(operator: str = "Relu", *, shape=(1, 5), number: float = 1.0, width: int = 5):
    weight = np.full((width, 5), number, np.float32)
    return model([node("MatMul", "x w", "m"), node(operator, "m", "y")], {"w": weight}, shape=shape)


NETWORKS = {
    "not ONNX": (b"network", "no ONNX file"),
    "cut short": (_network().SerializeToString()[:-20], "cut short"),
    "unknown operator": (_network("Sin").SerializeToString(), "Sin"),
    "dynamic shape": (_network(shape=(1, "n")).SerializeToString(), "n"),
    "mismatched shape": (_network(width=4).SerializeToString(), "shape"),
    "NaN weight": (_network(number=float("nan")).SerializeToString(), "nan"),
    "infinite weight": (_network(number=float("inf")).SerializeToString(), "inf"),
}


def refused(arguments, capsys) -> str:
    """Runs the command, which must print one line to stderr and exit with 2; returns the line."""
    assert main([*map(str, arguments)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    line = one_line(err)
    assert line.startswith("acasxu: ") and "Traceback" not in line
    return line


# Files


@pytest.mark.parametrize("text, expected", PROPERTIES.values(), ids=PROPERTIES)
def test_bad_properties(text, expected, standin_paths, tmp_path, capsys):
    path = tmp_path / "bad.vnnlib"
    path.write_text(text)
    line = refused(["verify", standin_paths["standin_tau_0"], path], capsys)
    assert expected in line and "bad" in line


@pytest.mark.parametrize("data, expected", NETWORKS.values(), ids=NETWORKS)
def test_bad_networks(data, expected, tmp_path, capsys):
    path = tmp_path / "bad.onnx"
    path.write_bytes(data)
    for arguments in (["verify", path, property_path(1)], ["info", path]):
        line = refused(arguments, capsys)
        assert expected.lower() in line.lower() and str(path) in line


@pytest.mark.parametrize("kind", ["missing", "folder", "not gzip"])
def test_files_that_cannot_be_read(kind, standin_paths, tmp_path, capsys):
    for position, suffix in enumerate((".onnx", ".vnnlib")):
        bad = tmp_path / f"bad{suffix}{'.gz' if kind == 'not gzip' else ''}"
        if kind == "folder":
            bad.mkdir()
        elif kind == "not gzip":
            bad.write_text("not gzip")
        files = [standin_paths["standin_tau_0"], property_path(1)]
        files[position] = bad
        assert str(bad) in refused(["verify", *files], capsys)


@pytest.mark.parametrize("name", ["none/results.txt", "", "file/results.txt"])
def test_results_that_cannot_be_written_are_found_before_the_search(name, standin_paths, tmp_path, monkeypatch, capsys):
    def never(*_, **__):
        raise AssertionError("searched")

    monkeypatch.setattr("engine.search.verify.verify_all", never)
    (tmp_path / "file").write_text("")
    files = [standin_paths["standin_tau_0"], property_path(1)]
    assert "--results" in refused(["verify", *files, "--results", tmp_path / name], capsys)


def test_bad_input_leaves_no_old_verdict(tmp_path, capsys):
    results = tmp_path / "results.txt"
    results.write_text("unsat\n")
    refused(["verify", tmp_path / "none.onnx", property_path(1), "--results", results], capsys)
    assert not results.exists()


@pytest.mark.parametrize("data, expected", [("none", "--data"), (".", "--data")])
def test_no_networks_where_told(data, expected, tmp_path, capsys):
    arguments = ["verify", "--network", "1,1", "--property", "1", "--data", tmp_path / data]
    assert expected in refused(arguments, capsys)


def test_demo_with_a_wrong_folder(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("ACASXU_DATA", str(tmp_path))
    assert "ACASXU_DATA" in refused(["demo"], capsys)


def test_fetch_from_nowhere(tmp_path, capsys):
    assert "--from" in refused(["fetch", "--from", tmp_path / "none", "--to", tmp_path / "here"], capsys)


# Usage


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["prove"],
        ["verify"],
        ["verify", "a.onnx"],
        ["verify", "a.onnx", "b.vnnlib", "c"],
        ["verify", "a.onnx", "b.vnnlib", "--property", "1"],
        ["verify", "--network", "6,1", "--property", "1"],
        ["verify", "--network", "1;1", "--property", "1"],
        ["verify", "a.onnx", "--property", "11"],
        ["verify", "a.onnx", "--property", "one"],
        ["verify", "a", "b", "--timeout", "0"],
        ["verify", "a", "b", "--timeout", "nan"],
        ["verify", "a", "b", "--timeout", "soon"],
        ["verify", "a", "b", "--batch", "0"],
        ["verify", "a", "b", "--threads", "-1"],
        ["verify", "a", "b", "--device", "tpu"],
        ["verify", "a", "b", "--semantics", "float16"],
        ["verify", "a", "b", "--time", "3"],
        ["info"],
        ["info", "a", "b"],
        ["bench"],
        ["bench", "a.csv"],
        ["bench", "a.csv", "--all-pairs", "--out", "d"],
        ["fetch", "here"],
    ],
    ids=" ".join,
)
def test_usage(arguments, capsys):
    assert ";" in refused(arguments, capsys)  # what is wrong; what to do


def test_no_cuda(standin_paths, capsys):
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    files = [standin_paths["standin_tau_0"], property_path(1)]
    assert "--device cuda" in refused(["verify", *files, "--device", "cuda"], capsys)


# Faults


@pytest.mark.parametrize(
    "error",
    [
        TypeError("one\ntwo"),
        AssertionError(),
        EngineError("fault"),
        OSError(5, "I/O error"),
    ],
    ids=repr,
)
def test_an_uncaught_exception_is_no_verdict(error, standin_paths, tmp_path, monkeypatch, capsys):
    def fails(*_, **__):
        raise error

    monkeypatch.setattr("engine.search.verify.verify_all", fails)
    results = tmp_path / "results.txt"
    files = [str(standin_paths["standin_tau_0"]), str(property_path(1))]
    assert main(["verify", *files, "--results", str(results)]) == 70
    out, err = capsys.readouterr()
    assert out == "" and not results.exists()
    assert (type(error).__name__ in one_line(err) and "ACASXU_DEBUG" in err) or "fault" in one_line(err)
    monkeypatch.setenv("ACASXU_DEBUG", "1")
    assert main(["verify", *files]) == 70
    assert "Traceback" in capsys.readouterr().err


def test_a_closed_pipe_is_no_verdict(standin_paths):
    read, write = os.pipe()
    os.close(read)
    process = start("verify", standin_paths["standin_tau_80"], property_path(3), stdout=write)
    os.close(write)
    code, _, err = finish(process)
    assert code == 141 and err == ""


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
@pytest.mark.parametrize("arguments", [["properties"], ["verify", "FILES", "--json"]], ids=" ".join)
def test_a_full_disk(arguments, standin_paths):
    files = [standin_paths["standin_tau_80"], property_path(3)]
    arguments = [part for a in arguments for part in (files if a == "FILES" else [a])]
    with open("/dev/full", "w") as full:
        code, _, err = finish(start(*arguments, stdout=full))
    assert code == 2 and "no space left" in one_line(err)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_no_room_for_the_results(standin_paths, capsys):
    files = [standin_paths["standin_tau_80"], property_path(3)]
    line = refused(["verify", *files, "--results", "/dev/full"], capsys)
    assert "the verdict is sat, but cannot be written" in line


# Ctrl-C


@pytest.mark.parametrize("seconds", [0.5, 2.0, *(pytest.param(s, marks=pytest.mark.slow) for s in (1.0, 5.0))])
def test_ctrl_c_at_any_moment(seconds, standin_paths, tmp_path):
    """While torch is imported, while files are read, while boxes are searched."""
    results = tmp_path / "results.txt"
    files = standin_paths["standin_tau_80"], property_path(7)
    process = start("verify", *files, "--batch", 1, "--results", results)
    time.sleep(seconds)
    process.send_signal(signal.SIGINT)
    code, out, err = finish(process)
    assert (code, out) == (130, "") and "interrupted" in one_line(err)
    assert not results.exists() and not os.listdir(tmp_path)


def test_ctrl_c_from_the_shell_stops_the_pipe(standin_paths):
    """As a terminal sends it: to the whole group of processes."""
    line = " ".join(command("verify", standin_paths["standin_tau_80"], property_path(7), "--batch", 1))
    process = subprocess.Popen(
        ["bash", "-c", f"set -o pipefail; {line} | cat"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
        start_new_session=True,
    )
    time.sleep(1.5)
    os.killpg(process.pid, signal.SIGINT)
    _, out, err = finish(process)
    assert out == "" and "Traceback" not in err
