"""What `import engine` offers: typed, imported when it is used, documented, and each example runs."""

import ast
import importlib
import inspect
import re
import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import doc_blocks
import pytest

import engine
from engine import InputError, Options, check_certificate, load_network, load_property, verify, write_certificate
from engine.verdict import Statistics, Unknown

REFERENCE = doc_blocks.sections((doc_blocks.ROOT / "docs" / "reference" / "api.md").read_text())
FUNCTIONS = {
    "load_network",
    "save_network",
    "load_property",
    "load_query",
    "verify",
    "verify_all",
    "write_certificate",
    "check_certificate",
    "repair_network",
    "compare_networks",
    "acasxu_domain",
}


# Names


def typed_names() -> dict[str, str]:
    """What type checkers see: each name imported under TYPE_CHECKING, with its module."""
    tree = ast.parse(Path(engine.__file__).read_text())
    (block,) = (n for n in tree.body if isinstance(n, ast.If) and ast.unparse(n.test) == "TYPE_CHECKING")
    return {alias.name: node.module for node in block.body for alias in node.names}


def test_types_and_values_have_the_same_names():
    assert typed_names() == engine._PLACES
    assert sorted(typed_names()) == engine.__all__ == sorted(engine.__all__)
    assert set(engine.__all__) <= set(dir(engine))


@pytest.mark.parametrize("name", engine.__all__)
def test_every_name_is_there(name):
    found = getattr(engine, name)
    assert found is getattr(importlib.import_module(engine._PLACES[name]), name)
    assert found.__doc__
    assert name in engine.__doc__


def test_other_names_are_not():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        getattr(engine, "nothing")  # noqa: B009


def test_types_are_shipped():
    assert (Path(engine.__file__).parent / "py.typed").is_file()


# Types


@pytest.fixture(scope="module")
def mypy(tmp_path_factory):
    """What mypy, strict as in `make check` and with its cache, says of a text."""
    if find_spec("mypy") is None:
        pytest.skip("mypy is not installed")
    folder = tmp_path_factory.mktemp("mypy")
    command = [sys.executable, "-m", "mypy", "--config-file", str(doc_blocks.ROOT / "pyproject.toml")]

    def answer(code: str) -> str:
        path = folder / "snippet.py"
        path.write_text(code)
        return subprocess.run([*command, str(path)], capture_output=True, text=True, cwd=doc_blocks.ROOT).stdout

    return answer


@pytest.mark.slow  # mypy begins without a cache
def test_type_checkers_see_real_types(mypy):
    code = "import engine\n" + "".join(f"reveal_type(engine.{name})\n" for name in engine.__all__)
    answer = mypy(code + "engine.nothing\n")
    types = re.findall('Revealed type is "(.*)"', answer)
    assert len(types) == len(engine.__all__), answer
    assert [name for name, revealed in zip(engine.__all__, types) if revealed in ("Any", "object")] == []
    verify = types[engine.__all__.index("verify")]
    assert verify.startswith("def (network: engine.network.Network | engine.joint.Joint, property: engine.property.")
    assert verify.endswith(" -> engine.verdict.Verified | engine.verdict.Violated | engine.verdict.Unknown")
    assert 'has no attribute "nothing"' in answer


@pytest.mark.slow  # mypy begins without a cache
def test_wrong_arguments_are_found(mypy):
    code = "from engine import Options, load_network, load_property, verify\n"
    fits = 'verdict = verify(load_network("n"), load_property("p"), Options(timeout=1.0))\nprint(verdict.word)\n'
    assert "Success" in mypy(code + fits)
    assert "arg-type" in mypy(code + 'verify(load_property("p"), load_network("n"))\n')


# The documented examples


def test_every_public_function_has_an_example():
    public = {name for name in engine.__all__ if inspect.isfunction(getattr(engine, name))}
    assert public == FUNCTIONS
    assert set(REFERENCE) - {""} == public
    assert all(f"{name}(" in "".join(code for code, _ in doc_blocks.blocks(REFERENCE[name])) for name in public)


def test_every_public_class_is_named_in_the_reference():
    text = "".join(REFERENCE.values())
    silent = {"Network", "Property", "Counterexample", "Verdict", "CheckResult", "ComparisonRecord"}
    assert [name for name in engine.__all__ if name not in text and name not in silent] == []


@pytest.mark.parametrize("name", sorted(FUNCTIONS - {"repair_network", "compare_networks"}))
def test_example(name, tmp_path, monkeypatch):
    run_example(name, tmp_path, monkeypatch)


@pytest.mark.slow
def test_example_of_repair(tmp_path, monkeypatch):
    run_example("repair_network", tmp_path, monkeypatch)


def test_example_of_comparison(tmp_path, monkeypatch):
    run_example("compare_networks", tmp_path, monkeypatch)


def run_example(name: str, folder: Path, monkeypatch) -> None:
    """Each runs by itself, after what all of them share."""
    monkeypatch.chdir(doc_blocks.place(folder))
    namespace: dict = {}
    doc_blocks.run(REFERENCE[""], namespace)
    doc_blocks.run(REFERENCE[name], namespace)


# Certificates by two calls


@pytest.fixture
def decided(standin_paths):
    network = load_network(standin_paths["standin_tau_0"])
    prop = load_property(doc_blocks.ROOT / "specs" / "prop_1.vnnlib")
    options = Options(device="cpu", proofs=True)
    return network, prop, verify(network, prop, options), options


def test_an_undecided_verdict_has_no_certificate(decided, tmp_path):
    network, prop, _, options = decided
    verdict = Unknown("", True, 0.0, "real", Statistics(0, 0.0, "cpu"))
    with pytest.raises(InputError, match="nothing was decided"):
        write_certificate(tmp_path / "c.zip", network, prop, verdict, options)
    assert list(tmp_path.iterdir()) == []


def test_a_verdict_without_proof_has_no_certificate(decided, tmp_path):
    network, prop, *_ = decided
    with pytest.raises(InputError, match=r"no proof; verify with Options\(proofs=True\)"):
        write_certificate(tmp_path / "c.zip", network, prop, verify(network, prop, Options(device="cpu")))


def test_what_was_not_read_from_a_file_has_no_certificate(decided, tmp_path):
    network, prop, verdict, options = decided
    for pair in ((replace(network, sha256=""), prop), (network, replace(prop, sha256=""))):
        with pytest.raises(InputError, match="it was not read from a file"):
            write_certificate(tmp_path / "c.zip", *pair, verdict, options)


def test_a_certificate_is_not_replaced_unasked(decided, tmp_path):
    (tmp_path / "c.zip").write_text("mine")
    with pytest.raises(InputError, match="this file exists"):
        write_certificate(tmp_path / "c.zip", *decided)
    assert (tmp_path / "c.zip").read_text() == "mine"
    write_certificate(tmp_path / "c.zip", *decided, force=True)
    assert (tmp_path / "c.zip").read_bytes()[:2] == b"PK"
    with pytest.raises(InputError, match="it cannot be written"):
        write_certificate(tmp_path / "nowhere" / "c.zip", *decided)


def test_bad_arguments_of_a_check_are_one_line(decided, standin_paths, tmp_path):
    network, prop = standin_paths["standin_tau_0"], doc_blocks.ROOT / "specs" / "prop_1.vnnlib"
    certificate = tmp_path / "c.zip"
    write_certificate(certificate, *decided)
    for arguments, how, what in (
        ((network,), {}, "a property or a changed network"),
        ((network, prop), {"changed": network}, "a property or a changed network"),
        ((network, prop), {"arithmetic": "float32"}, "unknown arithmetic 'float32'"),
        ((network,), {"changed": network, "sample": 3}, "for proofs of properties"),
        ((prop, prop), {}, "prop_1.vnnlib"),
        ((network, tmp_path / "none.vnnlib"), {}, "none.vnnlib"),
    ):
        with pytest.raises(InputError, match=what):
            check_certificate(certificate, *arguments, **how)
    assert check_certificate(certificate, network, prop).accepted
