"""Imports run one way, and the light parts stay light."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache, lru_cache
from pathlib import Path
from statistics import median

import pytest

import engine

ROOT = Path(engine.__file__).parent
LAYERS = [
    {
        "errors",
        "foreign",
        "digits",
        "curves",
        "network",
        "property",
        "query",
        "proof",
        "verdict",
        "memory",
        "deadline",
        "audit",
    },
    {
        "joint",
        "tied",
        "cone",
        "exact",
        "ending",
        "replay",
        "evaluation",
        "files",
        "onnx_file",
        "nnet",
        "network_file",
        "joining",
        "onnx_torch",
        "vnnlib",
        "download",
        "fetching",
        "domain",
        "vocabulary",
        "acasxu",
    },
    {"bounds"},
    {"attack", "solvers"},
    {"search"},
    {"certificate"},
    {"comparison"},
    {"meaning", "picture"},
    {"repair"},
    {"images"},
    {"results"},
    {"assignment", "bench", "vnncomp"},
    {"report"},
    {"cli"},
    {"__init__", "__main__"},
]
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}
KNOW_ACASXU = {
    "__init__",
    "acasxu",
    "meaning",
    "picture",
    "certificate",
    "bench",
    "report",
    "cli",
}  # of certificate its audit report alone
FILES = sorted(ROOT.rglob("*.py"))
IN_A_STRING = re.compile(r"engine(\.\w+)+(:\w+)?\.?")  # what import_module or a worker is given; f-strings: their begin
LONG = 300  # lines; a file above is cut by an idea, or stands in LONG_FILES
LONG_FILES = {}
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


@lru_cache
def parsed(text: str) -> ast.Module:
    """Once for what is asked of a file again and again."""
    return ast.parse(text)


@cache
def imported_names(path: Path, *, at_once: bool = False) -> frozenset[str]:
    """The modules of engine, or names in them, that a file imports by a statement."""
    package = ("engine", *path.relative_to(ROOT).parts[:-1])
    found = set()
    for node in statements(parsed(path.read_text()), at_once=at_once):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = list(package[: len(package) - node.level + 1]) if node.level else []
            base += node.module.split(".") if node.module else []
            found |= {".".join([*base, alias.name]) for alias in node.names}
    return frozenset(name for name in found if name.startswith("engine."))


def names_in_strings(path: Path) -> set[str]:
    """The modules of engine that a file names in a string, from which something may import them."""
    texts = (node.value for node in ast.walk(parsed(path.read_text())) if isinstance(node, ast.Constant))
    return {text for text in texts if isinstance(text, str) and IN_A_STRING.fullmatch(text)}


@cache
def imported(path: Path) -> frozenset[str]:
    """The parts of engine that a file imports, by statements or by names in strings."""
    names = imported_names(path) | names_in_strings(path)
    return frozenset(name.split(".")[1].split(":")[0] for name in names) & set(RANK)


def part_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def test_every_part_has_its_place_in_layers():
    assert {part_of(path) for path in FILES} <= set(RANK)


def test_imports_run_downwards():
    above = lambda path: {name for name in imported(path) if RANK[name] > RANK[part_of(path)]}
    assert {str(path.relative_to(ROOT)): found for path in FILES if (found := above(path))} == {}


def test_the_check_sees_imports():
    assert {"bounds", "verdict"} <= imported(ROOT / "search" / "verify.py")
    assert "onnx_file" in imported(ROOT / "bench" / "reading.py")


def test_who_knows_acas_xu():
    """Its units and names are for those who list, decide and report its instances: all else is about any network."""
    assert {part_of(path) for path in FILES if "acasxu" in imported(path)} <= KNOW_ACASXU


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
    assert [name for name, count in lines.items() if count > LONG] == []
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
        "engine.acasxu.properties",
        "engine.comparison.record",
        "engine.cli.compare",
        "engine.cli.bench",
        "engine.bench.session",
    ],
)
def test_light_modules_load_nothing_heavy(module):
    code = f"import {module}, sys; print([m for m in ('torch', 'onnxruntime', 'scipy') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


def test_a_proof_from_a_cold_shell_loads_only_what_it_uses():
    """What `acasxu verify` imports until it has a verdict that a property holds."""
    modules = "engine.cli.verify, engine.network_file, engine.vnnlib, engine.search.problem, engine.search.verify"
    code = f"import {modules}, sys; print(*sys.modules)"
    loaded = set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.split())
    assert "engine.search.branch_and_bound" in loaded
    assert not {"scipy", "matplotlib", "sklearn", "PIL", "gurobipy", "z3", "dask"} & loaded
    parts = {name.split(".")[1] for name in loaded if name.startswith("engine.")}
    assert not {"audit", "certificate", "repair", "bench", "report", "images"} & parts


# The checker stands alone


def test_the_checker_loads_nothing_else():
    """Neither the rest of the engine nor what the engine is made of."""
    code = "import sys, engine.audit.comparison.check, engine.audit.__main__; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.split()
    assert "engine.audit.walk" in loaded
    assert [m for m in loaded if m.startswith("engine.") and not m.startswith("engine.audit")] == []
    assert not {"torch", "scipy", "onnxruntime", "gurobipy", "z3"} & set(loaded)


# The checker is plain. Plainness, and no count of lines, is what an auditor needs: a cap made it dense.
# engine/audit/ruff.toml demands the first and the third of these too.

AUDIT = {str(path.relative_to(ROOT / "audit")): path.read_text() for path in sorted((ROOT / "audit").rglob("*.py"))}
BRANCHES = (ast.If, ast.IfExp, ast.For, ast.While, ast.ExceptHandler, ast.match_case, ast.comprehension, ast.Assert)
# The letters of docs/certificate-format.md; i counts.
LETTERS = set("acdefghijklmnrstuvxyz")
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def lines_too_long(text: str) -> list[str]:
    return [line for line in text.splitlines() if len(line) > 100]


def functions(text: str) -> list[ast.FunctionDef]:
    return [node for node in ast.walk(parsed(text)) if isinstance(node, FUNCTIONS)]


def functions_too_long(text: str) -> list[str]:
    return [f.name for f in functions(text) if f.end_lineno - f.lineno + 1 > 40]


def complexity(function: ast.FunctionDef) -> int:
    """Paths through it, a condition of several parts being one branch, as with ruff's C901."""
    return 1 + sum(isinstance(node, BRANCHES) for node in ast.walk(function))


def functions_too_complex(text: str) -> list[str]:
    return [f.name for f in functions(text) if complexity(f) > 10]


def lambdas(text: str) -> list[int]:
    """A function has a name and says what it does."""
    return [node.lineno for node in ast.walk(parsed(text)) if isinstance(node, ast.Lambda)]


def short_names(text: str) -> list[str]:
    """Names of one letter that are bound outside of comprehensions and are none of the format's."""
    tree = parsed(text)
    inside = {id(part) for node in ast.walk(tree) if isinstance(node, ast.comprehension) for part in ast.walk(node)}
    bound = [
        n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store) and id(n) not in inside
    ]
    bound += [node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)]
    return [name for name in bound if len(name) == 1 and name != "_" and name not in LETTERS]


def letters_in_long_tuples(text: str) -> list[int]:
    """Tuples of five, unpacked or not, in which most are single letters, but for a line's a, c, t, s."""
    tuples = [node for node in ast.walk(parsed(text)) if isinstance(node, ast.Tuple) and len(node.elts) >= 5]
    letters = lambda node: sum(isinstance(part, ast.Name) and len(part.id) == 1 for part in node.elts)
    return [node.lineno for node in tuples if letters(node) >= 5]


PLAIN = [lines_too_long, functions_too_long, functions_too_complex, lambdas, short_names, letters_in_long_tuples]


@pytest.mark.parametrize("fault", PLAIN, ids=lambda fault: fault.__name__)
def test_the_checker_is_plain(fault):
    assert {name: found for name, text in AUDIT.items() if (found := fault(text))} == {}


@pytest.mark.parametrize(
    "fault, plain, not_plain",
    [
        (lines_too_long, "#" * 100, "#" * 101),
        (functions_too_long, "def f():" + "\n    pass" * 39, "def f():" + "\n    pass" * 40),
        (functions_too_complex, "def f(y):" + "\n    if y: pass" * 9, "def f(y):" + "\n    if y: pass" * 10),
        (lambdas, "def f(): pass", "sorted([], key=lambda x: x)"),
        (short_names, "z = [w for w in []]", "w = 1"),
        (short_names, "def f(z): pass", "def f(w): pass"),
        (letters_in_long_tuples, "(a, c, t, s)", "(a, c, t, s, e)"),
    ],
)
def test_plainness_sees_what_is_not_plain(fault, plain, not_plain):
    assert fault(not_plain) and not fault(plain)


SAY_IT_BY_NAME = {"lower", "upper", "l", "u", "n_inputs", "n_outputs", "noise", "down", "not_empty", "result"}


def silent(text: str) -> set[str]:
    """The module, and its functions and classes for others, that have no docstring."""
    tree = parsed(text)
    public = [f for f in ast.walk(tree) if isinstance(f, (ast.ClassDef, *FUNCTIONS)) and not f.name.startswith("_")]
    nested = {id(part) for f in ast.walk(tree) if isinstance(f, FUNCTIONS) for part in ast.walk(f) if part is not f}
    found = {f.name for f in public if id(f) not in nested and not ast.get_docstring(f)} - SAY_IT_BY_NAME
    return found if ast.get_docstring(tree) else {"the module", *found}


def test_the_checker_says_what_it_does():
    """Each module and each function that others use has a docstring."""
    assert {name: found for name, text in AUDIT.items() if (found := silent(text))} == {}
    assert silent("def f(): pass") == {"the module", "f"}


def test_every_section_of_the_format_is_found_in_the_checker():
    """The docstrings name the sections that they implement, all of them."""
    named = set()
    for text in AUDIT.values():
        for node in ast.walk(parsed(text)):
            if isinstance(node, (ast.Module, ast.ClassDef, *FUNCTIONS)):
                words = " ".join((ast.get_docstring(node) or "").split())
                for numbers in re.findall(r"[Ss]ections? ([0-9][0-9, ]*(?:(?:and|to) [0-9]+)?)", words):
                    named |= set(re.findall("[0-9]+", numbers))
    headings = re.findall(r"^## ([0-9]+)\.", (ROOT.parent / "docs" / "certificate-format.md").read_text(), re.MULTILINE)
    assert headings and named == set(headings)


def test_the_format_names_what_is_there():
    """Files and functions of the checker in the format's table, all of them once at least."""
    text = (ROOT.parent / "docs" / "certificate-format.md").read_text()
    table = text[text.index("| section | where") : text.index("## 1. The file")]
    names = set(re.findall(r"`([a-z0-9_]+\.py|comparison/)`", table))
    assert all((ROOT / "audit" / name).exists() for name in names)
    without_rules = {
        "__init__.py",
        "__main__.py",
        "data.py",
        "files.py",
        "nodes.py",
        "failures.py",
        "sample.py",
        "dyadic.py",
        "sparse.py",
    }
    assert {p.name for p in (ROOT / "audit").glob("*.py")} - names == without_rules | {"onnx_operators.py"}
    for file, function in re.findall(r"`([a-z_]+\.py)`: `([a-z0-9_]+)`", table):
        assert f"def {function}(" in (ROOT / "audit" / file).read_text()
