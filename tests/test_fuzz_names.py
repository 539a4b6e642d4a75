"""Networks, properties, lists and folders of any name that files can have: every instance has its row, and its files.

By default a few seconds; $ACASXU_FUZZ_SECONDS says how long.
"""

import csv
import os
import random
import sys
from pathlib import Path

from bench_runs import Here, results, tiny_list
from command_line import finish, start
from fuzzing import seeds

from engine.bench.instances import instance_stem, network_stem
from engine.cli import main

LONGEST = 255  # bytes
LETTERS = [
    "a",
    "B",
    "_",
    "-",
    ".",
    "..",
    " ",
    "prop_1",
    "ACASXU",
    "é",
    "e\u0301",
    "网",
    "\U0001f600",
    "[",
    "]",
    "[b]",
    "[red]",
    "'",
    '"',
    ",",
    ";",
    "|",
    "`",
    "*",
    "$",
    "%s",
    "{0}",
    "\\",
    "~",
    "#",
    "&",
    "<b>",
    "=",
    "+",
    "@",
    "n" * 60,
    "网" * 30,
    "\u202e",
    "\x1b",
    "\n",
    "\r",
    "\t",
    "\x7f",
    "\u2028",
    "\ufeff",
    "CON",
    "%2e",
    "*.zip",
    "?",
    "(",
    ")",
]
HARMLESS = [letter for letter in LETTERS if letter.isprintable()]


def name_of(dice: random.Random, letters: list[str], ending: str) -> str:
    """A name that a file can have."""
    text = "".join(dice.choices(letters, k=dice.choice((1, 2, 5, 12))))
    while len(os.fsencode(text + ending)) > LONGEST:
        text = text[:-1]
    text = text.strip() + ending  # lists are read without blanks at their cells' ends
    return f"x{ending}" if text in ("", ".", "..") or text.startswith(("#", "[(")) else text


def test_names_of_any_kind(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("engine.bench.session.Workers", Here)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    source = tmp_path / "source"
    tiny_list(source, networks=1)
    for seed in seeds():
        dice = random.Random(seed)
        letters = HARMLESS if dice.random() < 0.8 else LETTERS
        folder = tmp_path / str(seed) / name_of(dice, LETTERS, "")
        folder.mkdir(parents=True)
        networks, properties = (
            [name_of(dice, letters, dice.choice((ending, ending, ""))) for _ in range(2)]
            for ending in (".onnx", ".vnnlib")
        )
        for names, like in ((networks, "n0.onnx"), (properties, "p0.vnnlib")):
            for name in names:
                (folder / name).write_bytes((source / like).read_bytes())
        path, out = folder / name_of(dice, LETTERS, ".csv"), folder / name_of(dice, LETTERS, "-out")
        with path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerows(zip(networks, properties))
        before = {each.name for each in folder.iterdir()}
        command = ["bench", str(path), f"--out={out}", "--check", "--report"]
        codes = [main(command), main([*command, "--resume"]), main(["report", str(out)])]
        err = capsys.readouterr().err
        assert "internal error" not in err and set(codes) <= {0, 2}, (seed, codes, err)
        listable = all(name.isprintable() for name in networks + properties)
        assert codes[0] == 0 or not listable or "seconds" in err or "no instance" in err, (seed, codes, err)
        if codes[0] == 0:
            stems = {instance_stem((row["network"], row["property"])) for row in results(out)}
            assert len(results(out)) == len(stems) == len(set(zip(networks, properties))), seed
            assert {each.name for each in (out / "certificates").iterdir()} == {f"{stem}.witness.zip" for stem in stems}
            assert codes[1:] == [0, 0] and {row["origin"] for row in results(out)} == {"confirmed"}, seed
            assert {each.name for each in folder.iterdir()} == before | {out.name}, seed


def test_stems_of_any_names():
    """Many more of them: short, harmless, and of one pair of names each."""
    known: dict[str, tuple[str, str]] = {}
    for seed in seeds(1.0):
        dice = random.Random(seed)
        for _ in range(200):
            names = name_of(dice, LETTERS, dice.choice((".onnx", ".onnx.gz", ""))), name_of(dice, LETTERS, ".vnnlib")
            stem = instance_stem(names)
            assert known.setdefault(stem.casefold(), names) == names, (seed, names)
            for each in (stem, network_stem(names[0])):
                assert len(f"{each}.witness.zip") <= LONGEST and each.isascii() and each.isprintable(), (seed, names)
                assert Path(each).name == each and not each.startswith((".", "-")), (seed, names)


def test_a_folder_whose_name_is_no_text(tmp_path):
    """In a process of its own: its output's encoding matters."""
    out = Path(tmp_path, os.fsdecode(b"\xff\x1b[31m"))
    out.mkdir()
    (out / "results.csv").write_text("network,property,verdict\nn.onnx,p.vnnlib,unsat\n")
    code, text, err = finish(start("report", out))
    assert (code, err) == (0, "") and "report.html" in text and "\x1b" not in text
