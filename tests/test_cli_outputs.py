"""What is given is never replaced by what is written: each such command is refused before it touches anything."""

import os

import pytest
from nnet_files import SMALL

from engine.cli import main

PROPERTY = (
    "(declare-const X_0 Real)(declare-const X_1 Real)(declare-const Y_0 Real)\n"
    "(assert (and (>= X_0 0) (<= X_0 1) (>= X_1 0) (<= X_1 1)))\n(assert (<= Y_0 -9))\n"
)
COMPARE = "compare a.nnet b.nnet --equivalent 1 --box p.vnnlib"
QUERY = "verify q.vnnlib --network f=a.nnet --network g=b.nnet"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, text in (("a.nnet", SMALL), ("b.nnet", SMALL), ("p.vnnlib", PROPERTY)):
        (tmp_path / name).write_text(text)
    assert main(f"{COMPARE} --write q.vnnlib".split()) == 0
    (tmp_path / "soft.zip").symlink_to("a.nnet")
    os.link("b.nnet", "hard.zip")
    return tmp_path


@pytest.mark.parametrize(
    "line",
    [
        "verify a.nnet p.vnnlib --results a.nnet",
        "verify a.nnet p.vnnlib --results ./p.vnnlib",
        "verify a.nnet p.vnnlib --certificate soft.zip",
        "verify b.nnet p.vnnlib --certificate hard.zip",
        f"{QUERY} --results q.vnnlib",
        f"{QUERY} --certificate soft.zip",
        f"{COMPARE} --certificate b.nnet",
        f"{COMPARE} --certificate hard.zip",
        f"{COMPARE} --write p.vnnlib",
        f"{COMPARE} --write c.zip --certificate c.zip",
        "compare a.nnet b.nnet p.vnnlib --domain p.vnnlib --decision lowest --prove --certificate p.vnnlib",
    ],
)
def test_no_file_that_is_given_is_replaced(folder, capsys, line):
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    capsys.readouterr()
    code = main(line.split())
    out, err = capsys.readouterr()
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert "this file is needed itself, and would be replaced" in err
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_the_option_that_was_given_is_named(folder, capsys):
    assert main(f"{COMPARE} --certificate /nonexistent/c.zip".split()) == 2
    assert capsys.readouterr().err.startswith("acasxu: --certificate /nonexistent/c.zip: cannot be written")


def test_earlier_results_are_replaced(folder):
    for _ in range(2):
        assert main("verify a.nnet p.vnnlib --results r.txt --certificate c.zip".split()) == 0
    assert (folder / "r.txt").read_text() == "unsat\n" and (folder / "c.zip").exists()
