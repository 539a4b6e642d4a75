"""Imports run one way, and the light parts stay light."""

import ast
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path
from statistics import median

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
IN_A_STRING = re.compile(r"engine(\.\w+)+(:\w+)?\.?")  # what import_module or a worker is given; f-strings: their begin
LONG = 300  # lines; a file above is cut by an idea, or stands in LONG_FILES
LONG_FILES = {
    "acasxu/facts.py",
    "audit/onnx_operators.py",
    "comparison/preservation.py",
    "repair/loop.py",
    "repair/milp/method.py",
    "search/run.py",
}
FILES_ON_A_FLOOR = 15  # of engine/repair/


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def statements(tree: ast.AST, *, at_once: bool) -> Iterator[ast.AST]:
    """All nodes of a file; with `at_once` those alone that run when the module is imported."""
    for node in ast.iter_child_nodes(tree):
        if at_once and isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            continue
        if at_once and isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            continue
        yield node
        yield from statements(node, at_once=at_once)


def imported_names(path: Path, *, at_once: bool = False) -> set[str]:
    """The modules of engine, or names in them, that a file imports by a statement."""
    package = ("engine", *path.relative_to(ROOT).parts[:-1])
    found = set()
    for node in statements(ast.parse(path.read_text()), at_once=at_once):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = list(package[: len(package) - node.level + 1]) if node.level else []
            base += node.module.split(".") if node.module else []
            found |= {".".join([*base, alias.name]) for alias in node.names}
    return {name for name in found if name.startswith("engine.")}


def names_in_strings(path: Path) -> set[str]:
    """The modules of engine that a file names in a string, from which something may import them."""
    texts = (node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant))
    return {text for text in texts if isinstance(text, str) and IN_A_STRING.fullmatch(text)}


def imported(path: Path) -> set[str]:
    """The parts of engine that a file imports, by statements or by names in strings."""
    return {name.split(".")[1].split(":")[0] for name in imported_names(path) | names_in_strings(path)} & set(RANK)


def part_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_run_downwards(path):
    part = part_of(path)
    assert part in RANK, f"give {part} its place in LAYERS"
    above = {name for name in imported(path) if RANK[name] > RANK[part]}
    assert not above, f"{part} must not import {above}"


def test_the_check_sees_imports():
    assert {"bounds", "verdict"} <= imported(ROOT / "search" / "run.py")
    assert "onnx_file" in imported(ROOT / "bench" / "decide.py")


@pytest.mark.parametrize(
    "text",
    [
        'WORKER = "engine.cli.repair:run"',
        'import_module("engine.cli")',
        'import_module(f"engine.cli.{name}")',
        'PLACES = {"run": "engine.cli.repair"}',
        "def f():\n    from engine.cli import repair",
    ],
)
def test_the_check_sees_what_is_hidden(text, tmp_path, monkeypatch):
    monkeypatch.setattr("test_layout.ROOT", tmp_path)
    (tmp_path / "a.py").write_text(text)
    assert imported(tmp_path / "a.py") == {"cli"}


def circles(graph: dict[str, set[str]]) -> set[str]:
    """The nodes that can be reached from themselves."""

    def reached(start: str) -> set[str]:
        seen: set[str] = set()
        new = [start]
        while new:
            new = [b for a in new for b in graph.get(a, ()) if b not in seen and not seen.add(b)]
        return seen

    return {name for name in graph if name in reached(name)}


def test_no_parts_import_each_other():
    graph: dict[str, set[str]] = {}
    for path in FILES:
        part = part_of(path)
        graph.setdefault(part, set()).update(imported(path) - {part})
    assert circles(graph) == set()


def test_no_modules_import_each_other():
    """By what runs on import: a function may import what its module's importer has."""
    names = {module_name(path) for path in FILES}
    graph = {
        module_name(path): {
            name if name in names else name.rpartition(".")[0] for name in imported_names(path, at_once=True)
        }
        for path in FILES
    }
    assert circles(graph) == set()


def test_the_check_sees_circles():
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b", "d"}, "d": set()}) == {"b", "c"}


def test_files_are_cut_by_ideas():
    lines = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in FILES}
    assert {name for name, count in lines.items() if count > LONG} == LONG_FILES
    assert median(lines.values()) <= 120


def test_a_floor_of_repair_is_seen_at_once():
    floors = [path for path in (ROOT / "repair").rglob("*") if path.is_dir()] + [ROOT / "repair"]
    assert {floor.name: n for floor in floors if (n := len(list(floor.glob("*.py")))) > FILES_ON_A_FLOOR} == {}


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
