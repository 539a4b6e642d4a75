"""The benchmark of repairs: VERE's figures as columns, and results of earlier versions."""

import csv
import json
import sys
import time
from importlib import import_module
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def benchmark(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    monkeypatch.delitem(sys.modules, "repair", raising=False)
    return import_module("repair")


def write(path, names, values) -> str:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([names, values])
    return str(path)


def test_rows_are_read_again(benchmark, tmp_path):
    values = ["" if name == "may_differ" else "1" for name in benchmark.COLUMNS]
    (row,) = benchmark.read(write(tmp_path / "now.csv", benchmark.COLUMNS, values))
    assert row["weights"] == 1.0 and row["what"] == "1" and row["may_differ"] == ""


def test_results_of_an_earlier_version_are_refused(benchmark, tmp_path):
    names = [name for name in benchmark.COLUMNS if not name.startswith("vere")]
    path = write(tmp_path / "then.csv", names, ["1"] * len(names))
    with pytest.raises(ValueError, match="earlier version, without vere_success, .*; run without --resume"):
        benchmark.read(path)


def test_refused_on_the_command_line(benchmark, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(benchmark, "network_path", lambda a, t: None)
    write(tmp_path / "repair-classic-auto.csv", ["network"], ["2,1"])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["repair.py", "--resume", "--out", "."])
    with pytest.raises(SystemExit, match="2"):
        benchmark.main()
    assert "--resume: " in capsys.readouterr().err


def test_the_worst_of_all_properties_counts(benchmark):
    figures = lambda success, generalization, drawdown, points: {
        "success": success,
        "generalization": generalization,
        "drawdown": drawdown,
        "generalization_points": points,
    }
    vere = import_module("repair_figures").vere
    found = vere([figures(1.0, 0.9, 0.1, 10), figures(0.8, None, 0.2, 0)])
    assert found == {"vere_success": 0.8, "vere_generalization": 0.9, "vere_drawdown": 0.2, "vere_held_out": 10}
    assert vere([figures(None, None, None, 0)])["vere_drawdown"] is None


def test_several_at_once_are_written_in_order(benchmark, tmp_path, monkeypatch):
    """Whichever task ends first."""

    def run_task(task, arguments):
        time.sleep(0.2 if task[:2] == (2, 1) else 0.0)
        return {"network": f"{task[0]},{task[1]}", "properties": benchmark.words(task[2]), "exit": 1, "seconds": 1.0}

    monkeypatch.setattr(benchmark, "run_task", run_task)
    monkeypatch.setattr(benchmark, "network_path", lambda a, t: None)
    monkeypatch.setattr(benchmark, "machine", dict)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # is put back
    monkeypatch.setattr("sys.argv", ["repair.py", "--jobs", "3", "--only", "2,1", "2,2", "2,9", "--out", "."])
    assert benchmark.main() == 1
    rows = benchmark.read("repair-classic-auto.csv")
    assert [(row["network"], row["properties"]) for row in rows] == [
        ("2,1", "P2"),
        ("2,2", "P2"),
        ("2,9", "P2"),
        ("2,9", "P8"),
    ]


@pytest.mark.parametrize("weights", [3, 4])
def test_what_is_proved_is_of_the_run_that_was_measured(benchmark, tmp_path, monkeypatch, capsys, weights):
    """A network that changes another number of weights is refused; results need not have all of today's columns."""
    monkeypatch.delitem(sys.modules, "preserve", raising=False)
    preserve = import_module("preserve")
    known = {"network": "2,1", "properties": "P2", "exit": "0", "weights": "3"}
    write(tmp_path / "repair-classic-auto.csv", list(known), list(known.values()))
    found = {"weights": weights, "seconds": 60.0, "boxes": 9, "may_differ": 0.25, "not_equal": 0.5}
    monkeypatch.setattr(preserve, "proved", lambda task, changed, seconds: found)
    monkeypatch.setattr(preserve, "machine", dict)
    monkeypatch.setattr("sys.argv", ["preserve.py", "--results", str(tmp_path)])
    if weights == 3:
        assert preserve.main() == 0
        assert json.loads((tmp_path / "preserve-classic-auto.json").read_text())["most"] == 0.25
    else:
        with pytest.raises(SystemExit, match="2"):
            preserve.main()
        assert "is of another run" in capsys.readouterr().err
