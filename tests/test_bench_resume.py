"""Runs that are interrupted and go on: the same final table, and nothing mixed that does not belong together."""

import json
import os
import random
import resource
import shutil
import signal
import time
from pathlib import Path

import pytest
from bench_runs import QUICK, SOME, Here, bench, results, tiny_instances, verdicts, write_list
from command_line import ROOT, environment, finish, one_line, start

from engine.bench.manifest import differences
from engine.cli import main


@pytest.fixture
def here(monkeypatch):
    """No worker processes."""
    monkeypatch.setattr("engine.bench.session.Workers", Here)


@pytest.fixture(scope="module")
def made(standin_paths, tmp_path_factory) -> Path:
    """A list of copies, and the folder of its finished run."""
    folder = tmp_path_factory.mktemp("made") / "run"
    folder.mkdir()
    (folder / "n.onnx").write_bytes(standin_paths["standin_tau_80"].read_bytes())
    for number in (3, 10):
        (folder / f"p{number}.vnnlib").write_bytes((ROOT / "specs" / f"prop_{number}.vnnlib").read_bytes())
    (folder / "list.csv").write_text("n.onnx,p3.vnnlib,60\nn.onnx,p10.vnnlib,60\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("engine.bench.session.Workers", Here)
        assert bench(folder / "list.csv", folder / "out") == 0
    return folder


@pytest.fixture
def finished(made, tmp_path, here):
    """The list and the folder of a copy, which may be changed."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return tmp_path / "list.csv", tmp_path / "out"


def manifest(folder: Path) -> dict:
    return json.loads((folder / "manifest.json").read_text())


# The manifest


def test_the_manifest_says_what_the_run_is_about(finished):
    path, folder = finished
    content = manifest(folder)
    assert set(content) == {
        "format",
        "engine",
        "versions",
        "machine",
        "started",
        "options",
        "commit",
        "inputs",
        "made_from",
        "instances",
        "files",
        "sessions",
    }
    assert {"python", "torch", "numpy", "onnx", "onnxruntime", "gurobipy", "z3"} <= set(content["versions"])
    assert set(content["machine"]) == {"cpu", "cores", "memory_bytes", "gpu", "system"}
    assert {"timeout", "semantics", "device", "jobs", "certificates", "repair", "check"} <= set(content["options"])
    assert content["instances"] == [["n.onnx", "p3.vnnlib", 60], ["n.onnx", "p10.vnnlib", 60]]
    assert set(content["inputs"]) == set(content["files"]) == {"n.onnx", "p3.vnnlib", "p10.vnnlib"}
    assert all(len(digest) == 64 for digest in content["inputs"].values())
    assert all(Path(file).is_file() for file in content["files"].values())
    (session,) = content["sessions"]
    assert session["decided"] == 2 and session["wall_seconds"] > 0 and session["started"] <= session["ended"]


def test_a_finished_run_is_resumed_to_nothing(finished, capsys):
    path, folder = finished
    before = (folder / "results.csv").read_bytes()
    assert bench(path, folder, "--resume", "--jobs", 2, "--threads", 1) == 0
    out, err = capsys.readouterr()
    assert "2 instances were done already, nothing is left; of the earlier ones 1 confirmed, 1 taken" in one_line(err)
    assert "taken over, neither decided nor checked now   1" in out
    after = (folder / "results.csv").read_text()
    assert after.replace("confirmed", "decided").replace("taken over", "decided") == before.decode()
    assert [session["decided"] for session in manifest(folder)["sessions"]] == [2, 0]


def test_an_empty_folder_is_resumed_from_the_start(finished, capsys):
    path, folder = finished
    assert bench(path, folder.with_name("new"), "--resume") == 0
    assert verdicts(folder.with_name("new")) == verdicts(folder) and capsys.readouterr().err == ""


def changed_property(path, folder):
    (path.parent / "p3.vnnlib").write_text((path.parent / "p3.vnnlib").read_text() + "; changed\n")


def missing_network(path, folder):
    (path.parent / "n.onnx").unlink()


def changed_list(path, folder):
    path.write_text("n.onnx,p3.vnnlib,61\nn.onnx,p4.vnnlib,60\n")


def edited(**changes):
    def edit(path, folder):
        content = manifest(folder)
        for name, value in changes.items():
            content[name] = content[name] | value if isinstance(value, dict) else value
        (folder / "manifest.json").write_text(json.dumps(content))

    return edit


@pytest.mark.parametrize(
    "change, options, expected",
    [
        (changed_property, (), ["input p3.vnnlib: SHA-256"]),
        (missing_network, (), ["input n.onnx: SHA-256", "unreadable now"]),
        (changed_list, (), ["1 of 2 then are gone, 1 are new", "1 have another time limit"]),
        (edited(engine="0.0.1"), (), ["engine version: 0.0.1 then"]),
        (edited(commit="abc"), (), ["engine commit: abc then"]),
        (edited(versions={"torch": "1.0"}), (), ["version of torch: 1.0 then, 2"]),
        (edited(machine={"cpu": "abacus"}), (), ["machine cpu: abacus then"]),
        (
            lambda *_: None,
            ("--semantics", "float32", "--batch", 64),
            ["semantics: real then, float32 now", "batch: none"],
        ),
        (lambda *_: None, ("--check",), ["certificates: False then, True now", "check: False"]),
    ],
)
def test_another_run_is_not_mixed_in(change, options, expected, finished, capsys):
    path, folder = finished
    change(path, folder)
    before = {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    assert bench(path, folder, "--resume", *options) == 2
    out, err = capsys.readouterr()
    assert out == "" and all(words in err for words in expected)
    *lines, last = err.splitlines()
    assert "differs from the one to be resumed" in last and f"in {len(lines)} point" in last
    assert {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()} == before


def test_repairs_may_be_added_later():
    old, new = (
        {
            "engine": "1",
            "versions": {},
            "commit": None,
            "machine": {"cpu": "", "gpu": None},
            "inputs": {},
            "instances": [],
            "options": {"repair": repair, **more},
        }
        for repair, more in ((False, {}), (True, {"repair_grid": 30}))
    )
    assert differences(old, new) == []
    other = new | {"options": {"repair": True, "repair_grid": 5}}
    assert differences(new, other) == ["option repair_grid: 30 then, 5 now"]


@pytest.mark.parametrize("text", ["", "{}", '{"format": 2}', "[1]", "\udcff", "[" * 10**6])
def test_a_manifest_that_is_none(text, finished, capsys):
    path, folder = finished
    (folder / "manifest.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    assert bench(path, folder, "--resume") == 2
    assert "no manifest" in one_line(capsys.readouterr().err)


def test_the_folder_of_an_older_version_is_not_resumed(finished, capsys):
    path, folder = finished
    edited(format=1)(path, folder)
    assert bench(path, folder, "--resume") == 2
    assert "format 1, this version's is 2" in one_line(capsys.readouterr().err)


@pytest.mark.parametrize(
    "change, where",
    [
        (
            {"sessions": [{"started": "", "ended": "", "decided": -3, "wall_seconds": 1.0}]},
            "sessions, 1, decided is -3",
        ),
        (
            {"sessions": [{"started": "", "ended": "", "decided": 2, "wall_seconds": float("nan")}]},
            "wall_seconds is nan",
        ),
        ({"instances": [["n.onnx", "p3.vnnlib", float("inf")]]}, "instances, 1, 3 is inf"),
        ({"machine": {"memory_bytes": 10**30}}, "machine, memory_bytes is 1000"),
    ],
)
@pytest.mark.parametrize("command", ["bench", "report"])
def test_numbers_that_no_manifest_can_have_are_one_line(change, where, command, finished, capsys):
    path, folder = finished
    edited(**change)(path, folder)
    assert (bench(path, folder, "--resume") if command == "bench" else main(["report", str(folder)])) == 2
    assert where in one_line(capsys.readouterr().err)


@pytest.mark.parametrize("value", [None, [], {}, "x", [None]])
@pytest.mark.parametrize(
    "name", ["engine", "versions", "machine", "started", "options", "commit", "inputs", "instances", "sessions"]
)
def test_a_damaged_manifest_is_one_line(name, value, finished, capsys):
    path, folder = finished
    content = manifest(folder)
    (folder / "manifest.json").write_text(json.dumps(content | {name: value}))
    before = (folder / "results.csv").read_bytes()
    code, same = bench(path, folder, "--resume"), content[name] == value
    assert code == (0 if same or name == "started" and value else 2)
    lines = capsys.readouterr().err.splitlines()
    assert lines and not any("Traceback" in text or "internal" in text for text in lines)
    assert code == 0 or (folder / "results.csv").read_bytes() == before


def test_results_without_a_manifest_are_not_resumed(finished, capsys):
    path, folder = finished
    (folder / "manifest.json").unlink()
    assert bench(path, folder, "--resume") == 2
    assert "no manifest.json" in one_line(capsys.readouterr().err) and len(results(folder)) == 2


def test_resume_or_force(finished, capsys):
    path, folder = finished
    assert bench(path, folder, "--resume", "--force") == 2
    assert "choose one" in one_line(capsys.readouterr().err)


def test_progress_says_what_is_done_and_how_long_it_takes():
    from engine.bench.session import Session
    from engine.bench.settings import RunSettings
    from engine.cli.bench import _progress_text
    from engine.results.row import Row

    words = ["unsat"] * 5 + ["sat"] * 2 + ["timeout", "unknown", "error"]
    session = Session([None] * 30, RunSettings(Path("out"), {}), [Row("n", "p", word) for word in words], begun=5)
    session.seconds, session.boxes = 10.0, 1234
    assert _progress_text(session) == (
        "10 of 30 done: 5 hold, 2 violated, 2 open, 1 errors; 10 s, about 40 s left; 1,234 boxes open"
    )
    session.seconds = 3600.0
    assert "; 60 min, about 4 h 0 min left" in _progress_text(session)


# Killed at any moment


@pytest.mark.slow
def test_kill_at_random_moments(standin_paths, tmp_path):
    kill_and_resume(standin_paths, tmp_path, QUICK[::3], kills=2, seed=random.randrange(2**32))


@pytest.mark.slow
def test_kill_at_many_random_moments(standin_paths, tmp_path):
    kill_and_resume(standin_paths, tmp_path, QUICK, kills=20, seed=random.randrange(2**32))


def kill_and_resume(standin_paths, tmp_path, pairs, *, kills: int, seed: int) -> None:
    """Kills real processes, lets the last one end, and compares with a run that was left alone."""
    moments = random.Random(seed)
    print("seed", seed)
    path = write_list(tmp_path / "list.csv", standin_paths, pairs)
    options = ["--check", "--window", 2, "--device", "cpu"]
    begin = time.monotonic()
    assert finish(start("bench", path, "--out", tmp_path / "whole", *options))[0] == 0
    whole = time.monotonic() - begin
    folder = tmp_path / "out"
    seen = 0
    for _ in range(kills):
        process = start("bench", path, "--out", folder, "--resume", *options)
        time.sleep(moments.uniform(0, whole))
        children = children_of(process.pid)
        process.kill()
        process.communicate(timeout=60)
        wait_until_gone(children)
        rows = (folder / "results.csv").read_bytes() if (folder / "results.csv").exists() else b"\n"
        whole_rows = rows[: rows.rfind(b"\n") + 1].count(b"\n") - 1
        assert whole_rows >= seen, "a row that was there is lost"
        seen = whole_rows
        if manifest_is_ended(folder):  # it was done before it was killed
            break
    code, out, err = finish(start("bench", path, "--out", folder, "--resume", *options))
    assert code == 0, err
    assert verdicts(folder) == verdicts(tmp_path / "whole")
    assert all(row["check"] == "accepted" for row in results(folder))
    assert sum(session["decided"] for session in manifest(folder)["sessions"]) == len(pairs)
    for part in ("certificates", "counterexamples"):
        assert names(folder / part) == names(tmp_path / "whole" / part)


def manifest_is_ended(folder: Path) -> bool:
    return (folder / "manifest.json").exists() and manifest(folder)["sessions"][-1]["ended"] is not None


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.endswith(".part"))


def children_of(pid: int) -> list[int]:
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def wait_until_gone(pids: list[int]) -> None:
    """Workers end with the process that they work for."""
    for _ in range(200):
        if not any(running(pid) for pid in pids):
            return
        time.sleep(0.05)
    raise AssertionError("a worker goes on")


def running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.slow  # test_bench_workers.py kills workers that have less to do
@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="needs /proc")
def test_a_worker_that_is_killed_is_replaced(standin_paths, tmp_path):
    """The real search this time."""
    path = write_list(tmp_path / "list.csv", standin_paths, [SOME[0], ("standin_tau_80", 7), *SOME[1:]])
    process = start("bench", path, "--out", tmp_path / "out", "--window", 1, "--batch", 256)
    for _ in range(600):
        if (tmp_path / "out" / "results.csv").exists() and results(tmp_path / "out"):
            break
        time.sleep(0.05)
    for pid in children_of(process.pid):
        if "resource_tracker" not in Path(f"/proc/{pid}/cmdline").read_text():
            os.kill(pid, signal.SIGKILL)
    code, _, err = finish(process)
    assert code == 0, err
    assert [row["verdict"] for row in results(tmp_path / "out")] == ["unsat", "unsat", "sat", "unsat", "unsat"]


# Memory


@pytest.mark.slow
def test_memory_is_flat_over_ten_thousand_instances(tmp_path):
    """Of the worker and of the process that hands out instances, after the first thousand and at the end."""
    path, folder = tiny_instances(tmp_path / "tiny", 1000, 10), tmp_path / "out"
    process = start("bench", path, "--out", folder, env=environment())
    sizes = {}
    while process.poll() is None:
        time.sleep(0.2)
        done = (folder / "results.csv").read_bytes().count(b"\n") - 1 if (folder / "results.csv").exists() else 0
        sizes[done // 1000] = [resident(pid) for pid in (process.pid, *children_of(process.pid))]
    code, out, err = finish(process)
    assert code == 0, err
    first, last = max(sizes[1]), max(sizes[9])
    print(dict(sizes))
    assert last < 1.3 * first and sizes[9][0] < 64, sizes
    assert len(results(folder)) == 10_000


def resident(pid: int) -> float:
    """MiB."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize() / 2**20
    except OSError:
        return 0.0
