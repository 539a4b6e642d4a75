"""Folders of results, mutated and gone on with: no internal error, no hang, no verdict that nobody answers for.

By default a few seconds; $ACASXU_FUZZ_SECONDS says how long.
"""

import csv
import json
import os
import random
import shutil
import signal
import sys
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import pytest
from bench_runs import Here, bench, results, tiny_list
from fuzzing import seeds

from engine.bench.instances import instance_stem
from engine.cli import main
from engine.results.row import COLUMNS

SECONDS = 60  # for one run, a hundred times what it needs
KINDS = {"unsat": "proof", "sat": "witness"}
WORDS = [
    "unsat",
    "sat",
    "unknown",
    "timeout",
    "error",
    "accepted",
    "rejected",
    "",
    "decided",
    "confirmed",
    "taken over",
    "real",
    "float32",
    "cpu",
    "-1",
    "0",
    "1",
    "nan",
    "inf",
    "-inf",
    "1e400",
    "9" * 30,
    "9" * 5000,
    "1_0",
    "٣",
    " 1",
    "0.5",
    "-0.0",
    "../../x",
    "n0.onnx",
    "p1.vnnlib",
    "x" * 200_000,
    "\x1b[31m",
    "a|b",
    "\r",
    '"',
    "\0",
    "\udcff",
]
NUMBERS = [-1, 0, 1, 2, 10**30, -(10**400), float("nan"), float("inf"), 0.5, True, None, "text", [], {}, [[]], [None]]


@pytest.fixture(scope="module")
def bases(tmp_path_factory):
    """By whether certificates are checked: a list, and the folder of its finished run."""
    found = {}
    for check in (True, False):
        folder = tmp_path_factory.mktemp(f"check-{check}")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("engine.bench.session.Workers", Here)
            assert bench(tiny_list(folder), folder / "out", *["--check"] * check) == 0
        found[check] = folder
    return found


@contextmanager
def alarm(seconds: int):
    """What takes longer is ended by an error."""

    def ring(*_):
        raise TimeoutError("it hangs")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


# Mutations, of all that somebody who can write to the folder can do


def cells(out: Path, dice: random.Random) -> None:
    """Some cells are others, or those of other rows; rows come twice, go, or change places."""
    path = out / "results.csv"
    with path.open(newline="", encoding="utf-8") as file:
        head, *rows = csv.reader(file)
    for _ in range(dice.choice((1, 1, 2, 5))):
        row = dice.choice(rows)
        column = dice.randrange(len(COLUMNS))
        row[column] = dice.choice((dice.choice(WORDS), dice.choice(rows)[column]))
    if dice.random() < 0.3:
        rows += [dice.choice(rows)]
    if dice.random() < 0.3:
        rows.remove(dice.choice(rows))
    with path.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        csv.writer(file, lineterminator="\n").writerows([head, *rows])


def verdicts(out: Path, dice: random.Random) -> None:
    """A row says the contrary, with the other's files in place of its own."""
    rows = results(out)
    row, other = dice.choice(rows), dice.choice(rows)
    row["verdict"] = other["verdict"]
    for name in ("certificate_sha256", "certificate_bytes", "point_sha256", "check", "check_seconds"):
        row[name] = other[name]
    for folder, ending in (("certificates", f".{KINDS[other['verdict']]}.zip"), ("counterexamples", ".txt")):
        source, target = (
            out / folder / f"{instance_stem((each['network'], each['property']))}{ending}" for each in (other, row)
        )
        if source.is_file() and source != target and not target.is_symlink():  # not through a link planted before
            shutil.copy(source, target)
    write(out, rows)


def contents(out: Path, dice: random.Random) -> None:
    """A file is damaged, cut off or another's."""
    files = sorted(path for path in out.rglob("*") if path.is_file() and not path.is_symlink())
    path, other = dice.choice(files), dice.choice(files)
    data = bytearray(path.read_bytes())
    for _ in range(dice.choice((0, 1, 3))):
        start = dice.randrange(len(data) + 1)
        data[start : start + dice.choice((0, 1, 9))] = dice.choice((b"\0", b"9", b"", b"-", b"\xff", b'"', b"\n", b","))
    path.write_bytes(dice.choice((data, data[: dice.randrange(len(data) + 1)], other.read_bytes())))


def places(out: Path, dice: random.Random) -> None:
    """A name is gone, or that of a link, a pipe or a folder."""
    path = dice.choice(sorted(out.rglob("*")))
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    kind = dice.choice(("gone", "link", "pipe", "folder", "dangling", "loop"))
    if kind in ("link", "dangling", "loop"):
        path.symlink_to({"link": out.parent / "precious", "dangling": out / "nowhere", "loop": path}[kind])
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()


def manifest(out: Path, dice: random.Random) -> None:
    """Some value in it is another."""
    path = out / "manifest.json"
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError):
        return
    where = content
    while True:
        keys = list(where) if isinstance(where, dict) else range(len(where))
        key = dice.choice(keys)
        if not (isinstance(where[key], (dict, list)) and where[key]) or dice.random() < 0.1:
            break
        where = where[key]
    where[key] = dice.choice(NUMBERS)
    path.write_text(json.dumps(content))


def said(out: Path, dice: random.Random) -> None:
    """The rows' digests are made to agree with the files, as one who knows the format would."""
    try:
        rows = results(out)
    except (OSError, UnicodeError, csv.Error):
        return
    for row in rows:
        if row.get("verdict") not in KINDS or None in row.values():
            continue
        stem = instance_stem((row["network"], row["property"]))
        for name, path in (
            ("point_sha256", out / "counterexamples" / f"{stem}.txt"),
            ("certificate_sha256", out / "certificates" / f"{stem}.{KINDS[row['verdict']]}.zip"),
        ):
            if row.get(name) and path.is_file() and not path.is_symlink():
                row[name] = sha256(path.read_bytes()).hexdigest()
    if rows and None not in rows[0] and set(rows[0]) == set(COLUMNS):
        write(out, rows)


def write(out: Path, rows: list[dict]) -> None:
    with (out / "results.csv").open("w", newline="", errors="surrogateescape") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n", extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)


MUTATIONS = [cells, cells, verdicts, verdicts, contents, places, manifest]


def test_mutated_folders(bases, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("engine.bench.session.Workers", Here)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    truth = {(row["network"], row["property"]): row["verdict"] for row in results(bases[True] / "out")}
    codes = []
    for seed in seeds():
        dice = random.Random(seed)
        check = dice.random() < 0.7
        base, work = bases[check], tmp_path / str(seed)
        shutil.copytree(base, work)
        (work / "precious").write_text("precious")
        for mutate in [*dice.choices(MUTATIONS, k=dice.choice((1, 1, 2, 3))), *[said] * (dice.random() < 0.7)]:
            if not all((work / "out" / name).is_file() for name in ("results.csv", "manifest.json")):
                break  # there is a pipe, say, which these would wait for
            try:
                mutate(work / "out", dice)
            except (OSError, ValueError, csv.Error, KeyError, IndexError, TypeError):
                pass  # what an earlier one has left cannot be mutated so
        commands = [
            ["bench", work / "instances.csv", "--out", work / "out", "--resume", *["--check"] * check],
            ["report", work / "out"],
        ]
        for command in dice.sample(commands, 2):
            with alarm(SECONDS):
                code = main(list(map(str, command)))
            out, err = capsys.readouterr()
            assert code in (0, 2, 3) and "internal error" not in err and "Traceback" not in err, (seed, code, err)
            assert code != 2 or command[0] == "report" or err or "without verdict" in out, (seed, out)
            assert (work / "precious").read_text() == "precious" and not (work / "out" / "nowhere").exists(), seed
            codes.append(code)
            if command[0] == "bench" and code != 2:
                answers_for(work / "out", truth, check=check, seed=seed)
        shutil.rmtree(work)
    print(len(codes), "runs, exit codes", {code: codes.count(code) for code in set(codes)})


def answers_for(out: Path, truth: dict, *, check: bool, seed: int) -> None:
    """What is not said to be taken over is true; where certificates are checked, that is all that was decided."""
    rows = results(out)
    assert {(row["network"], row["property"]) for row in rows} == truth.keys(), seed
    for row in rows:
        if row["origin"] != "taken over":
            assert row["verdict"] == truth[row["network"], row["property"]], (seed, row)
            assert row["check"] == ("accepted" if check else ""), (seed, row)
        else:
            assert row["verdict"] in (
                ("unknown", "timeout", "error") if check else ("unsat", "unknown", "timeout", "error")
            ), (seed, row)
