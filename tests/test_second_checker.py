"""The corpus of certificates by a second checker, which was written from docs/certificate-format.md alone."""

import csv
import json
import re
import zipfile
from pathlib import Path

import pytest
from second_checker import accepts

ROOT = Path(__file__).parents[1]
CORPUS = ROOT / "tests" / "certificates"
LARGEST_WORK = 200_000  # nodes times bytes of the network: a quarter of a minute
LONG_WORK = 100_000
VERDICTS = {"accepted": True, "exact": True, "rejected": False}


def work(row):
    """About how long an exact check takes; malformed files take none."""
    if row["expected"] not in VERDICTS:
        return 0
    with zipfile.ZipFile(CORPUS / row["file"]) as archive:
        manifest = json.loads(archive.read("manifest.json"))
    nodes = manifest["arrays"]["split"]["count"] if manifest["kind"] == "proof" else 0
    return nodes * (ROOT / row["network"]).stat().st_size


with open(CORPUS / "index.csv", newline="", encoding="utf-8") as index:
    ROWS = [row for row in csv.DictReader(index) if work(row) <= LARGEST_WORK]


def cases():
    for row in ROWS:
        marks = [pytest.mark.slow] if work(row) > LONG_WORK else []
        yield pytest.param(row, id=row["file"], marks=marks)


@pytest.mark.parametrize("row", list(cases()))
def test_the_second_checker_agrees_with_the_corpus(row):
    files = CORPUS / row["file"], ROOT / row["network"], ROOT / row["property"]
    if row["expected"] == "malformed":
        with pytest.raises(ValueError):
            accepts(*files)
    else:
        assert accepts(*files) is VERDICTS[row["expected"]]


def test_most_of_the_corpus_is_small_enough():
    short = [row for row in ROWS if work(row) <= LONG_WORK]
    assert len(ROWS) - len(short) <= 1
    assert sum(row["file"].startswith("valid/") for row in short) >= 20
    assert sum(row["file"].startswith("tampered/") for row in short) >= 72


def test_it_stands_alone():
    """It has nothing of the engine, and its files can be read."""
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "tests").glob("second_checker*.py")]
    assert len(texts) >= 13 and max(text.count("\n") for text in texts) <= 600
    assert not any(re.search(r"^\s*(from|import) engine", text, re.MULTILINE) for text in texts)
