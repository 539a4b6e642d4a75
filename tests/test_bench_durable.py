"""What is written survives: tables of whole rows, files before their rows, full disks."""

import errno
import os

import pytest
from bench_runs import SOME, Here, bench, results, verdicts, write_list

from engine.bench.chunk import Answer
from engine.bench.durable import DurableTable
from engine.bench.folder import ResultsFolder
from engine.errors import InputError
from engine.results.row import COLUMNS, Row, error_row, read_row

NAMES = ("n.onnx", "p, with a comma.vnnlib")
HOLDS = Row(*NAMES, "unsat", "real", 0.25, 17, "cpu", 1234, "ab" * 32, "", "accepted", 0.125)


def lines(path) -> list[str]:
    return path.read_text().splitlines()


# Rows and tables


@pytest.mark.parametrize(
    "row",
    [
        HOLDS,
        Row(*NAMES, "timeout"),
        error_row(NAMES, 'a "quoted"\n\nreason, \0' + "x" * 900, ""),
    ],
)
def test_rows_read_back(row, tmp_path):
    table = DurableTable(tmp_path / "t.csv", COLUMNS, fresh=True)
    table.append([row.cells()])
    again = DurableTable(tmp_path / "t.csv", COLUMNS, fresh=False)
    assert [read_row(cells) for cells in again.lines] == [row]
    assert len(row.error) <= 500 and row.error.isprintable()


@pytest.mark.parametrize(
    "cells",
    [
        [],
        HOLDS.cells()[:-1],
        [*HOLDS.cells(), ""],
        ["n", "p", "maybe", *HOLDS.cells()[3:]],
        [*HOLDS.cells()[:4], "0.2?", *HOLDS.cells()[5:]],
        [*HOLDS.cells()[:10], "perhaps", "", "decided", "", ""],
        [*HOLDS.cells()[:12], "found", "", ""],
        [*HOLDS.cells()[:4], "", *HOLDS.cells()[5:]],
        [*HOLDS.cells()[:-1], "\x1b[31m"],
        [*HOLDS.cells()[:4], "1_0", *HOLDS.cells()[5:]],
    ],
)
def test_what_is_no_row(cells):
    assert read_row(cells) is None


@pytest.mark.parametrize(
    "column, text",
    [
        ("seconds", "-0.1"),
        ("seconds", "nan"),
        ("seconds", "1e10"),
        ("seconds", "inf"),
        ("boxes", "-1"),
        ("boxes", "9" * 30),
        ("certificate_bytes", "9" * 5000),
        ("check_seconds", "-inf"),
    ],
)
def test_numbers_that_no_run_can_have_are_neither_damage_nor_results(column, text):
    cells = HOLDS.cells()
    cells[COLUMNS.index(column)] = text
    with pytest.raises(InputError, match=f"results.csv:7: {column} is "):
        read_row(cells, where="results.csv:7")


def test_a_row_cut_off_anywhere_is_not_counted_and_taken_off(tmp_path):
    path = tmp_path / "t.csv"
    table = DurableTable(path, COLUMNS, fresh=True)
    for i in range(2):
        table.append([[str(i), *HOLDS.cells()[1:]]])
    whole = path.read_bytes()
    first = whole.index(b"\n0,") + 1
    second = whole.index(b"\n1,") + 1
    for end in range(len(whole)):
        path.write_bytes(whole[:end])
        found = [line[0] for line in DurableTable(path, COLUMNS, fresh=False).lines]
        assert found == (["0"] if end >= second else [])
        assert path.read_bytes() == whole[: second if end >= second else first]


def test_a_table_of_something_else(tmp_path):
    (tmp_path / "t.csv").write_text("network,verdict\n")
    with pytest.raises(InputError, match="columns"):
        DurableTable(tmp_path / "t.csv", COLUMNS, fresh=False)


@pytest.mark.parametrize("written", [0, 1, 40])
def test_rows_on_a_full_disk_are_added_whole_or_not_at_all(written, tmp_path, monkeypatch):
    path = tmp_path / "t.csv"
    table = DurableTable(path, COLUMNS, fresh=True)
    table.append([HOLDS.cells()])
    before, write = path.read_bytes(), os.write
    left = [written]

    def full(file, data):
        n = write(file, data[: left[0]]) if left[0] else 0
        left[0] = 0
        if not n:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return n

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(InputError, match="No space left"):
        table.append([HOLDS.cells()])
    monkeypatch.undo()
    assert path.read_bytes() == before
    table.append([HOLDS.cells()])
    assert len(lines(path)) == 3


# The folder


def test_files_are_durable_before_their_rows(tmp_path, monkeypatch):
    """By the order of the system's calls: synchronized, named, the folder synchronized, and then the row."""
    calls = []
    for name in ("fsync", "replace", "write"):
        real = getattr(os, name)
        monkeypatch.setattr(os, name, lambda *args, real=real, name=name: calls.append((name, args)) or real(*args))
    with ResultsFolder(tmp_path, certificates=tmp_path / "c") as folder:
        row = Row(*NAMES, "sat", certificate_bytes=3)
        calls.clear()
        (row,) = folder.keep([Answer(row, "((X_0 1))", b"abc")])
        assert [name for name, _ in calls] == ["fsync", "replace"] * 2 + ["fsync"] * 2
        assert len(results(tmp_path)) == 0
        folder.add([row])
    assert [name for name, _ in calls][-2:] == ["write", "fsync"] and len(results(tmp_path)) == 1
    assert folder.certificate_path(row).read_bytes() == b"abc"


def test_rows_without_their_files_strange_rows_and_second_rows_are_dropped(tmp_path):
    names = [(f"{i}.onnx", "p.vnnlib") for i in range(6)]
    with ResultsFolder(tmp_path, certificates=tmp_path / "c") as folder:
        kept = [
            Row(*names[0], "sat", certificate_bytes=3),
            Row(*names[1], "unsat", certificate_bytes=3),
            Row(*names[2], "timeout"),
        ]
        kept[:2] = folder.keep([Answer(kept[0], "()", b"abc"), Answer(kept[1], None, b"abc")])
        folder.add(
            [
                *kept,
                Row(*names[3], "sat"),
                Row(*names[4], "unsat", certificate_bytes=3),
                Row("other.onnx", "p.vnnlib", "unsat"),
                Row(*names[2], "unsat"),
            ]
        )
    with (tmp_path / "results.csv").open("ab") as file:
        file.write(b"\0" * 50 + b"\n5.onnx,p.vn")
    with ResultsFolder(tmp_path, certificates=tmp_path / "c", resume=True) as folder:
        folder.recover(set(names), semantics="", check=False)
        assert folder.rows == kept and folder.dropped == 5
    assert [read_row(cells) for cells in DurableTable(tmp_path / "results.csv", COLUMNS, fresh=False).lines] == kept


@pytest.mark.parametrize("check", ["accepted", "rejected"])
def test_an_undecided_row_cannot_have_been_checked(check, tmp_path):
    with ResultsFolder(tmp_path, certificates=tmp_path / "c") as folder:
        folder.add([Row("a.onnx", "p.vnnlib", "timeout", check=check), Row("b.onnx", "p.vnnlib", "timeout")])
    with ResultsFolder(tmp_path, certificates=tmp_path / "c", resume=True) as folder:
        folder.recover({("a.onnx", "p.vnnlib"), ("b.onnx", "p.vnnlib")}, semantics="", check=True)
        assert [row.network for row in folder.rows] == ["b.onnx"] and folder.dropped == 1


def test_one_process_at_a_time(tmp_path):
    with ResultsFolder(tmp_path):
        with pytest.raises(InputError, match="another run"):
            ResultsFolder(tmp_path, resume=True)
    ResultsFolder(tmp_path, resume=True).__exit__()


def test_an_interrupt_amid_an_addition_leaves_the_count_right(tmp_path, monkeypatch):
    def press(file):
        raise KeyboardInterrupt

    with ResultsFolder(tmp_path) as folder:
        monkeypatch.setattr(os, "fsync", press)
        with pytest.raises(KeyboardInterrupt):
            folder.add([HOLDS])
        monkeypatch.undo()
        folder.reread()
        assert folder.rows == [HOLDS]


# A full disk, met by a run


def test_a_disk_that_fills_up_loses_no_row(standin_paths, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("engine.bench.session.Workers", Here)
    path, folder = write_list(tmp_path / "list.csv", standin_paths, SOME), tmp_path / "out"
    write, rows = os.write, []

    def full(file, data):
        if b"standin_" in data:
            rows.append(data)
            if len(rows) == 3:
                write(file, data[:20])
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(file, data)

    monkeypatch.setattr(os, "write", full)
    assert bench(path, folder) == 2
    out, err = capsys.readouterr()
    kept, line = err.splitlines()
    assert out == "" and "2 of 4 instances are decided and kept" in kept and "go on with --resume" in kept
    assert "No space left" in line and "results.csv" in line and len(results(folder)) == 2
    monkeypatch.setattr(os, "write", write)
    assert bench(path, folder, "--resume") == 0
    assert "2 instances were done already, 2 now" in capsys.readouterr().err
    assert bench(path, tmp_path / "whole") == 0
    assert verdicts(folder) == verdicts(tmp_path / "whole")
