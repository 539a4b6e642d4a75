"""Imports run one way, and the light parts stay light."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import engine

ROOT = Path(engine.__file__).parent
LAYERS = [
    {"errors", "network", "property", "proof", "verdict", "memory", "audit"},
    {"exact", "replay", "files", "onnx_file", "onnx_torch", "vnnlib", "acasxu", "specs", "data", "fetch"},
    {"bounds"},
    {"attack", "solvers"},
    {"search"},
    {"certificate", "repair"},
    {"bench", "vnncomp"},
    {"cli"},
    {"__init__", "__main__"},
]
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}
FILES = sorted(ROOT.rglob("*.py"))


def imported(path: Path) -> set[str]:
    """The parts of engine that a file imports."""
    package = ("engine", *path.relative_to(ROOT).parts[:-1])
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name.split(".") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = list(package[: len(package) - node.level + 1]) if node.level else []
            base += node.module.split(".") if node.module else []
            names = [base] if len(base) > 1 or base != ["engine"] else [[*base, a.name] for a in node.names]
        else:
            continue
        found |= {name[1] for name in names if name[0] == "engine" and len(name) > 1}
    return found & set(RANK)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_run_downwards(path):
    part = path.relative_to(ROOT).parts[0].removesuffix(".py")
    assert part in RANK, f"give {part} its place in LAYERS"
    above = {name for name in imported(path) if RANK[name] > RANK[part]}
    assert not above, f"{part} must not import {above}"


def test_the_check_sees_imports():
    assert {"bounds", "verdict"} <= imported(ROOT / "search" / "run.py")
    assert "onnx_file" in imported(ROOT / "bench" / "runner.py")


@pytest.mark.parametrize("module", ["engine", "engine.cli.parser", "engine.property", "engine.acasxu"])
def test_light_modules_load_nothing_heavy(module):
    code = f"import {module}, sys; print([m for m in ('torch', 'onnxruntime', 'scipy') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"
