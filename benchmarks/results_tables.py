"""Tables of benchmarks/results/ whose first line may say where they were measured (results_page.py)."""

import ast
import csv
from pathlib import Path


def place_of(machine: dict) -> str:
    return f"commit {machine['commit']}, {machine['processor']}"


def place(path: Path) -> str:
    """The commit and the processor that the first line of a csv file names."""
    return place_of(head_of(path))


def head_of(path: Path) -> dict:
    """What the first line of a csv file says of machine and commit: `# {...}` and perhaps more after a semicolon."""
    text = path.read_text(encoding="utf-8").splitlines()[0]
    return ast.literal_eval(text.removeprefix("# ").partition("}")[0] + "}")


def table_of(path: Path) -> list[dict]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return list(csv.DictReader(line for line in lines if not line.startswith("#")))
