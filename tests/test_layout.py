"""Imports run one way, and the light parts stay light."""

import ast
import subprocess
import sys
import tokenize
from pathlib import Path

import pytest

import engine

ROOT = Path(engine.__file__).parent
LAYERS = [
    {"errors", "foreign", "digits", "network", "property", "proof", "verdict", "memory", "deadline", "audit"},
    {"exact", "replay", "evaluation", "files", "onnx_file", "onnx_torch", "vnnlib", "download", "acasxu"},
    {"bounds"},
    {"attack", "solvers"},
    {"search"},
    {"certificate"},
    {"comparison"},
    {"repair"},
    {"results"},
    {"bench", "vnncomp"},
    {"report"},
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
    assert {"bounds", "verdict"} <= imported(ROOT / "search" / "verify.py")
    assert "onnx_file" in imported(ROOT / "bench" / "decide.py")


@pytest.mark.parametrize(
    "module",
    [
        "engine",
        "engine.cli.parser",
        "engine.property",
        "engine.acasxu.facts",
        "engine.cli.bench",
        "engine.bench.session",
    ],
)
def test_light_modules_load_nothing_heavy(module):
    code = f"import {module}, sys; print([m for m in ('torch', 'onnxruntime', 'scipy') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


# The checker stands alone


def test_the_checker_loads_nothing_else():
    """Neither the rest of the engine nor what the engine is made of."""
    code = "import sys, engine.audit.comparison.check, engine.audit.__main__; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.split()
    assert "engine.audit.walk" in loaded
    assert [m for m in loaded if m.startswith("engine.") and not m.startswith("engine.audit")] == []
    assert not {"torch", "scipy", "onnxruntime", "gurobipy", "z3"} & set(loaded)


def functions(path: Path) -> list[ast.FunctionDef]:
    return [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)]


@pytest.mark.parametrize("path", sorted((ROOT / "audit").rglob("*.py")), ids=lambda path: path.stem)
def test_the_checker_is_plain(path):
    """Plainness, not a count of lines, is what an auditor needs: a cap made the checker dense."""
    assert [line for line in path.read_text().splitlines() if len(line) > 120] == []
    assert [f.name for f in functions(path) if f.end_lineno - f.lineno >= 40] == []


def test_the_checker_is_small():
    """To be read in an afternoon: lines of code, without docstrings, comments and blank lines."""
    assert sum(map(code_lines, (ROOT / "audit").rglob("*.py"))) <= 1500


def code_lines(path: Path) -> int:
    silent = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)
    with tokenize.open(path) as file:
        tokens = [token for token in tokenize.generate_tokens(file.readline) if token.type not in silent]
    code = {line for token in tokens for line in range(token.start[0], token.end[0] + 1)}
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node) is not None:
            code -= set(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    return len(code)


def test_the_count_sees_code(tmp_path):
    text = '"""Text.\n\nMore."""\n\n# a comment\nx = """a\nb"""\n\n\ndef f():\n    """No."""\n    return x  # yes\n'
    (tmp_path / "a.py").write_text(text)
    assert code_lines(tmp_path / "a.py") == 4
