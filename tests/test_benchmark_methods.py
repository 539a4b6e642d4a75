"""The table that compares repair methods, from small files made here."""

import csv
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks"
COLUMNS = (
    "exit",
    "repair_seconds",
    "weights",
    "outside_changed",
    "outside_agreement",
    "safe_points",
    "safe_changed",
    "may_differ",
    "vere_success",
    "vere_generalization",
    "vere_drawdown",
)
ROWS = (
    (0, 4, 2, 0, 1.0, 10, 0, "", 1.0, 1.0, 0.0),
    (0, 8, 6, 1, 0.9999999, 0, 0, "", 1.0, "", 0.001),
    (1, 9, "", "", "", "", "", "", "", "", ""),
)


@pytest.fixture
def methods(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    specification = spec_from_file_location("methods", FOLDER / "methods.py")
    module = module_from_spec(specification)
    monkeypatch.setitem(sys.modules, "methods", module)
    specification.loader.exec_module(module)
    return module


def table(methods, folder, monkeypatch, capsys, *options) -> dict[str, list[str]]:
    """The cells of each line by the first one."""
    monkeypatch.setattr(sys, "argv", ["methods.py", "--results", str(folder), *options])
    assert methods.main() == 0
    lines = [line.strip("| ").split(" | ") for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    return {first: rest for first, *rest in lines}


def write(folder, method, rows=ROWS, columns=COLUMNS):
    with open(folder / f"repair-classic-{method}.csv", "w", newline="") as file:
        csv.writer(file).writerows([columns, *rows])


def test_measures_by_hand(methods, tmp_path, monkeypatch, capsys):
    write(tmp_path, "milp")
    found = table(methods, tmp_path, monkeypatch, capsys)
    cell = lambda start: next(cells for name, cells in found.items() if name.startswith(start))[1]  # milp's
    assert cell("tasks repaired") == "2 of 3" and cell("of these without") == "1"
    assert cell("agreement outside") == "> 99.9999%, > 99.9999%" and cell("in the box") == "100%, 100%"
    assert cell("weights") == "4, 6" and cell("seconds") == "6, 8"
    assert cell("VERE") == cell("generalization") == "100%" and cell("drawdown") == "0.05%, 0.1%"
    assert cell("advisory may differ") == "–"
    assert "Veritex (Yang et al., HSCC 2023)" in found


def test_files_of_earlier_versions_and_missing_ones(methods, tmp_path, monkeypatch, capsys):
    write(tmp_path, "idle", [row[:8] for row in ROWS], COLUMNS[:8])
    write(tmp_path, "smt", ROWS[2:])
    found = table(methods, tmp_path, monkeypatch, capsys)
    drawdown = next(cells for name, cells in found.items() if name.startswith("drawdown"))
    assert drawdown == ["–"] * 5 and found["tasks repaired and proved"] == ["–", "–", "–", "2 of 3", "0 of 1"]


def test_nothing_to_compare(methods, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["methods.py", "--results", str(tmp_path)])
    with pytest.raises(SystemExit, match="2"):
        methods.main()
    assert "run benchmarks/repair.py first" in capsys.readouterr().err


def test_what_is_read_is_what_is_written(monkeypatch):
    """Every column named here is one of benchmarks/repair.py's."""
    text = (FOLDER / "repair.py").read_text()
    assert all(f'"{name}"' in text for name in COLUMNS)


@pytest.mark.parametrize("share, text", [(1.0, "100%"), (1 - 1e-9, "> 99.9999%"), (0.99987, "99.987%"), (0.0, "0%")])
def test_all_is_said_only_of_all(methods, share, text):
    assert methods.percent(share) == text
