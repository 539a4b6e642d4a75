"""Instances sent to a Dask cluster of two worker processes."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from bench_runs import SOME, bench, results, write_list
from command_line import environment, finish, one_line, start
from test_cli_repair import PROPERTIES, SMALL

from engine.audit.check import check
from engine.vnnlib.writer import property_text

pytest.importorskip("distributed")


@pytest.fixture
def cluster(tmp_path):
    """A scheduler and two workers: its address, and the process ids of the workers."""
    address, place = tmp_path / "scheduler.json", {"cwd": tmp_path, "env": environment()}
    log = (tmp_path / "log").open("w")
    dask = [[sys.executable, "-m", f"distributed.cli.dask_{part}"] for part in ("scheduler", "worker")]
    scheduler = [*dask[0], "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(address)]
    worker = [
        *dask[1],
        "--scheduler-file",
        str(address),
        "--nthreads",
        "1",
        "--no-nanny",
        "--no-dashboard",
        "--local-directory",
        str(tmp_path),
    ]
    processes = [subprocess.Popen(command, stdout=log, stderr=log, **place) for command in (scheduler, worker, worker)]
    for _ in range(300):
        if address.exists() and "tcp://" in address.read_text():
            break
        time.sleep(0.1)
    yield json.loads(address.read_text())["address"], [process.pid for process in processes[1:]]
    for process in reversed(processes):
        process.kill()
        process.wait()


@pytest.mark.slow
def test_a_cluster_of_which_a_worker_is_killed(cluster, standin_paths, tmp_path):
    address, workers = cluster
    path = write_list(tmp_path / "list.csv", standin_paths, [("standin_tau_0", 2), ("standin_tau_0", 3), *SOME])
    process = start("bench", path, "--out", tmp_path / "out", "--dask", address, "--window", 1, "--check")
    for _ in range(1200):
        if (tmp_path / "out" / "results.csv").exists() and len(results(tmp_path / "out")) >= 1:
            break
        time.sleep(0.05)
    os.kill(workers[0], signal.SIGKILL)
    code, out, err = finish(process)
    assert code == 0, err
    rows = results(tmp_path / "out")
    assert [row["verdict"] for row in rows] == ["sat", "unsat", "unsat", "sat", "unsat", "unsat"]
    assert all(row["check"] == "accepted" for row in rows)


@pytest.mark.slow
def test_a_cluster_repairs(cluster, tmp_path):
    address, _ = cluster
    for name in ("a", "b"):
        (tmp_path / f"{name}.onnx").write_bytes(SMALL.onnx_bytes)
    (tmp_path / "left.vnnlib").write_text(property_text(PROPERTIES["left"]))
    path, out = tmp_path / "list.csv", tmp_path / "out"
    path.write_text("a.onnx,left.vnnlib\nb.onnx,left.vnnlib\n")
    few = ["--repair-method", "milp", "--repair-samples", 1000, "--repair-grid", 5]
    code, text, err = finish(start("bench", path, "--out", out, "--dask", address, "--check", "--repair", *few))
    assert code == 0 and "repairs: 2 repaired" in text, err
    for name, of in (("a", "left"), ("b", "left")):
        certificate = out / "repairs" / name / f"{of}.proof.zip"
        assert check(certificate, out / "repairs" / f"{name}.onnx", tmp_path / f"{of}.vnnlib").accepted


def test_no_cluster(tmp_path, standin_paths, capsys, monkeypatch):
    monkeypatch.setattr("engine.bench.cluster.WAIT", 1)
    path = write_list(tmp_path / "list.csv", standin_paths, SOME[:1])
    assert bench(path, tmp_path / "out", "--dask", "tcp://127.0.0.1:1") == 2
    line = one_line(capsys.readouterr().err)
    assert "no Dask scheduler answers" in line and "--dask tcp://127.0.0.1:1" in line
    assert not (tmp_path / "out").exists()
