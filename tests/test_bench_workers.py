"""Workers that die, and instances that are at fault: each fault is one row."""

from pathlib import Path

import pytest
from bench_runs import SOME, Here, bench, results, write_list

from engine.acasxu.files import property_path
from engine.bench import settings
from engine.bench.chunk import LEAST, Answer, mixed, pieces
from engine.bench.folder import ResultsFolder
from engine.bench.instances import single
from engine.bench.runner import Plan, Runner
from engine.bench.workers import Workers, WorkerTask, wait_for
from engine.results.row import Row
from engine.search.problem import Options
from engine.search.verify import verify_all


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Decides instances of these networks with bench_faults; returns their rows by the network's name."""
    monkeypatch.setattr("engine.bench.runner.DECIDE", "bench_faults:decide")
    monkeypatch.setattr("engine.bench.runner.CHECK", "bench_faults:check")

    def run(names, *, count=1, chunk=256):
        instances = [single(tmp_path / name, tmp_path / "p", (name, "p")) for name in names]
        hashes = dict.fromkeys([*names, "p"])
        with ResultsFolder(tmp_path / "out", force=True) as folder, Workers(count) as searchers:
            plan = Plan({"semantics": "real"}, chunk)
            Runner(instances, hashes, plan, folder, searchers=searchers, checkers=None).run(lambda boxes: None)
        rows = results(tmp_path / "out")
        assert len(rows) == len(names)
        return {row["network"]: row for row in rows}

    return run


def test_what_ends_a_worker_is_one_row_and_nobody_elses(run):
    faults = {
        "kill": "ended by signal 9",
        "exit": "ended with exit code 7",
        "raise": "RuntimeError: something with lines",
    }
    names = [f"n{i}" for i in range(8)]
    rows = run([*names[:3], "kill", *names[3:6], "exit", "once", "raise", *names[6:]])
    assert {name: row["verdict"] for name, row in rows.items()} == (
        dict.fromkeys([*names, "once"], "unsat") | dict.fromkeys(faults, "error")
    )
    for name, reason in faults.items():
        assert reason in rows[name]["error"] and rows[name]["semantics"] == "real"


def test_workers_share_the_list_and_each_loses_only_its_own(run):
    names = [f"slow{i}" for i in range(6)]
    rows = run([*names[:3], "kill", *names[3:]], count=2, chunk=2)
    assert [name for name, row in rows.items() if row["verdict"] == "error"] == ["kill"]


def test_a_worker_killed_from_outside_loses_nothing(run, tmp_path):
    rows = run([f"once{i}" for i in range(3)])
    assert {row["verdict"] for row in rows.values()} == {"unsat"}


def test_certificates_are_checked_and_a_checker_may_die(tmp_path, monkeypatch):
    monkeypatch.setattr("engine.bench.runner.CHECK", "bench_faults:check")
    names = ["good", "bad", "die", "undecided"]
    instances = [single(tmp_path / name, tmp_path / "p", (name, "p")) for name in names]

    def decide(chunk, options, send):
        for instance in chunk.instances:
            word = "timeout" if instance.names[0] == "undecided" else "unsat"
            data = b"certificate" if word == "unsat" else None
            send(Answer(Row(*instance.names, word, certificate_bytes=data and len(data)), None, data))

    monkeypatch.setattr("bench_faults.decide", decide)
    monkeypatch.setattr("engine.bench.runner.DECIDE", "bench_faults:decide")
    with ResultsFolder(tmp_path / "out", certificates=tmp_path / "c") as folder, Workers(1) as checkers:
        plan = Plan({"semantics": "real"}, 256, check=True)
        Runner(instances, dict.fromkeys([*names, "p"]), plan, folder, searchers=Here(1), checkers=checkers).run(
            lambda boxes: None
        )
    rows = {row["network"]: row for row in results(tmp_path / "out")}
    assert {name: (row["check"], row["check_seconds"]) for name, row in rows.items()} == {
        "good": ("accepted", "0.5000"),
        "bad": ("rejected", "0.5000"),
        "die": ("", ""),
        "undecided": ("", ""),
    }
    assert rows["bad"]["error"] == "rejected: a reason" and "signal 9" in rows["die"]["error"]
    assert (rows["good"]["error"], rows["die"]["verdict"]) == ("", "unsat")


def test_a_worker_that_is_ended_here_is_not_said_to_have_died_of_memory():
    with Workers(1) as workers:
        workers.submit(WorkerTask("bench_faults:unreadable", ()))
        found = []
        while workers.tasks():
            wait_for([workers], 10)
            found += workers.events()
    (event,) = found
    assert (event.kind, event.value) == ("failed", "what the worker process sent could not be read; it was ended")


def test_workers_are_used_again_and_set_their_environment():
    with Workers(1, {"OMP_NUM_THREADS": "3"}) as workers:
        for i in range(2):
            workers.submit(WorkerTask("bench_faults:echo", (i,), about=i))
        assert workers.tasks() == 2 and workers.room() == -1
        found = []
        while workers.tasks():
            wait_for([workers], 10)
            found += [(event.task.about, event.kind, event.value) for event in workers.events()]
    (pid, _), *_ = {value for _, kind, value in found if isinstance(value, tuple)}
    expected = [(i, *rest) for i in range(2) for rest in (("message", i), ("message", (pid, "3")), ("done", None))]
    assert found == expected


def test_pieces():
    assert [len(part) for part in pieces(list(range(20)), 8)] == [3] * 6 + [2]
    assert pieces([1, 2], 8) == [[1], [2]] and pieces([], 8) == []


# Instances at fault, by the real search


def test_instances_that_cannot_be_decided_are_rows(standin_paths, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("engine.bench.session.Workers", Here)
    path = write_list(tmp_path / "list.csv", standin_paths, SOME[:2])
    (tmp_path / "bad.onnx").write_text("not ONNX")
    (tmp_path / "short.onnx").write_bytes(standin_paths["standin_tau_0"].read_bytes()[:999])
    (tmp_path / "bad.vnnlib").write_text("(assert (>= X_0")
    (tmp_path / "two.vnnlib").write_text(
        "(declare-const X_0 Real)(declare-const Y_0 Real)(assert (>= X_0 0))(assert (<= X_0 1))(assert (>= Y_0 0))"
    )
    good = standin_paths["standin_tau_0"]
    reasons = {
        f"none.onnx,{property_path(1)}": "no such file",
        f"bad.onnx,{property_path(1)}": "no ONNX file",
        f"short.onnx,{property_path(1)}": "cut short",
        f"{good},bad.vnnlib": "bad.vnnlib",
        f"{good},two.vnnlib": "about 1 inputs",
    }
    path.write_text(path.read_text() + "".join(f"{line}\n" for line in reasons))
    assert bench(path, tmp_path / "out") == 2
    out, err = capsys.readouterr()
    rows = results(tmp_path / "out")
    assert [row["verdict"] for row in rows] == ["unsat", "sat"] + ["error"] * 5
    for row, reason in zip(rows[2:], reasons.values()):
        assert reason in row["error"].replace("there is no such", "no such")
    assert "without verdict (error)   5" in out and err == ""
    assert bench(path, tmp_path / "out", "--resume") == 2
    assert "nothing is left" in capsys.readouterr().err


@pytest.mark.parametrize(
    "error, reason",
    [
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "out of memory"),
        (ZeroDivisionError("a fault"), "internal error: ZeroDivisionError: a fault"),
    ],
)
def test_what_ends_a_search_is_laid_at_the_right_door(error, reason, standin_paths, tmp_path, monkeypatch):
    searched = []

    def search(problems, options, **others):
        searched.append(len(problems))
        if any("tau_80" in p.network.name and p.property.name == "prop_3" for p in problems):
            raise error
        return verify_all(problems, options, **others)

    monkeypatch.setattr("engine.bench.session.Workers", Here)
    monkeypatch.setattr("engine.bench.decide.verify_all", search)
    path = write_list(tmp_path / "list.csv", standin_paths, SOME[:3])
    assert bench(path, tmp_path / "out") == 2
    rows = results(tmp_path / "out")
    assert [row["verdict"] for row in rows] == ["unsat", "error", "unsat"] and rows[1]["error"] == reason
    assert searched == [3, 1, 1, 1]


def test_a_file_that_changes_during_the_run_decides_nothing(standin_paths, tmp_path, monkeypatch):
    monkeypatch.setattr("engine.bench.session.Workers", Here)
    monkeypatch.setattr("engine.bench.session.input_hashes", lambda _, files: dict.fromkeys(files, "0" * 64))
    path = write_list(tmp_path / "list.csv", standin_paths, SOME[:1])
    assert bench(path, tmp_path / "out") == 2
    assert "changed since the run began" in results(tmp_path / "out")[0]["error"]


def test_the_window_is_that_of_the_search():
    from engine.bench.settings import WINDOW

    assert WINDOW == Options().window


def test_chunks_of_several_workers_are_mixed():
    items = list(range(100))
    parts = mixed(items, 2, most=50)
    assert sorted(sum(parts, [])) == items and min(map(len, parts)) >= LEAST and len(parts) >= 4
    assert all(len({item // 20 for item in part}) == 5 for part in parts)  # from the whole list


@pytest.mark.parametrize("workers, most, sizes", [(1, 256, [20]), (1, 8, [7, 7, 6]), (8, 256, [7, 7, 6])])
def test_sizes_of_chunks(workers, most, sizes):
    assert [len(part) for part in mixed(list(range(20)), workers, most=most)] == sizes
    assert mixed([], workers, most=most) == []


def test_workers_that_are_not_needed_end():
    with Workers(2) as workers:
        for _ in range(2):
            workers.submit(WorkerTask("engine.bench.decide:survey", ("cpu",)))
        while workers.tasks():
            wait_for([workers], 1.0)
            workers.events()
        first, second = [worker.process for worker in workers._workers]
        workers.shrink(1)
        assert first.is_alive() and not second.is_alive() and workers.count == 1


@pytest.mark.parametrize(
    "given, instances, expected",
    [
        ({}, 186, 4),
        ({}, 20, 3),
        ({}, 1, 1),
        ({}, 0, 1),
        ({"search": {"threads": 2}}, 186, 1),
        ({"search": {"memory": 8 << 30}}, 186, 2),
        ({"search": {"memory": 64 << 30}}, 186, 1),
        ({"jobs": 7}, 1, 7),
    ],
)
def test_likely_jobs(monkeypatch, given, instances, expected):
    monkeypatch.setattr(settings, "cores", lambda: 4)
    monkeypatch.setattr(settings, "memory", lambda: 32 << 30)
    chosen = settings.RunSettings(Path("out"), **{"search": {}} | given)
    assert chosen.likely_jobs(instances) == expected
