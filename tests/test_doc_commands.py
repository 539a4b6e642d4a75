"""The commands that README, guides and explanations show are run, and print what the pages say they print.

A block ```console holds commands behind `$ ` and what they print, on stdout or stderr, line by line; `...` stands for
any lines. Numbers are not compared, nor spaces. `$ cat FILE` shows a file, which is written as shown. A block ```python
is run in one process with those before it. Blocks are run in their order, in one folder like a checkout's; what another
page has run already is not run again. A comment `<!-- not run: why -->` before a block says that it is not run. (The
tutorial has a test of its own.)
"""

import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import forked
import pytest

from engine.acasxu.files import find_networks

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.glob("how-to/*.md")), *sorted(DOCS.glob("explanation/*.md"))]
FENCE = re.compile(r"^(?:<!-- not run: (?P<reason>[^>]+) -->\n)?```(?P<kind>\w*)\n(?P<text>.*?)^```$", re.M | re.S)
REAL = re.compile(r"--network \d,\d|networks/acasxu|--benchmark|--all-pairs")  # needs the published networks
WRITTEN = re.compile(r"--(?:out|certificate) (\w+)")  # without what a skipped block writes, others are skipped
NUMBER = re.compile(r"\d[\d,.]*")
SMALL = {"repair": ("--samples", "20000", "--grid", "8"), "compare": ("--points", "20000", "--grid", "8")}
NOT_RUN_AT_MOST = 6
LONG = ("batch.md", "images.md", "points.md", "report.md")  # whose commands other tests run too
LONG_COMMANDS = re.compile(r"\bn53\.")  # a repair of 25 s and what is done with it; test_cli_repair.py has small ones


@dataclass(frozen=True, slots=True)
class Block:
    kind: str
    text: str
    reason: str | None  # why it is not run

    def commands(self) -> list[tuple[str, list[str]]]:
        """Each command with the lines that it is to print."""
        found: list[tuple[str, list[str]]] = []
        for line in self.text.splitlines():
            if line.startswith("$ "):
                found.append((line[2:], []))
            else:
                assert found, f"{line!r} stands before any command"
                found[-1][1].append(line)
        return found


def blocks(page: Path) -> list[Block]:
    return [Block(m["kind"], m["text"], m["reason"]) for m in FENCE.finditer(page.read_text(encoding="utf-8"))]


def plain(line: str) -> str:
    return " ".join(NUMBER.sub("#", line).split())


def printed_in_order(shown: list[str], lines: list[str]) -> str | None:
    """The first line shown that is not printed after those before it; None where all are."""
    rest = iter(map(plain, lines))
    for line in shown:
        wanted = plain(line)
        if wanted == "...":
            continue
        if wanted.endswith("...") and not wanted.endswith("#..."):
            if not any(other.startswith(wanted.removesuffix("...")) for other in rest):
                return line
        elif wanted not in rest:
            return line
    return None


@dataclass(frozen=True, slots=True)
class Checkout:
    """A folder with what pages name, and where they may write; what commands have printed there, by command."""

    folder: Path
    printed: dict[str, tuple[str, str]]  # stdout and stderr


@pytest.fixture(scope="module")
def checkout(tmp_path_factory) -> Checkout:
    """`python` is on its path; `acasxu` is a fork (forked.py)."""
    tmp_path = tmp_path_factory.mktemp("pages")
    folder = tmp_path / "checkout"
    (folder / "networks").mkdir(parents=True)
    for name in ("specs", "benchmarks", "networks/standin"):
        (folder / name).symlink_to(ROOT / name)
    if networks := find_networks():
        (folder / "networks" / "acasxu").symlink_to(networks)
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n')
    python.chmod(0o755)
    return Checkout(folder, {})


def environment(folder: Path) -> dict[str, str]:
    path = f"{folder.parent / 'bin'}:{os.environ['PATH']}"
    return os.environ | {"PATH": path, "PYTHONPATH": str(ROOT), "COLUMNS": "120"}


def run(command: str, shown: list[str], checkout: Checkout) -> None:
    """Runs a command as a page shows it, and compares what it prints."""
    words = shlex.split(command, comments=True)
    if words[0] == "cat":
        (checkout.folder / words[1]).write_text("\n".join(shown) + "\n")
        return
    if command not in checkout.printed:
        checkout.printed[command] = executed(words, checkout.folder)
    out, err = checkout.printed[command]
    one, other = (printed_in_order(shown, text.splitlines()) for text in (out + err, err + out))
    assert one is None or other is None, f"{command}\ndoes not print\n{one}\nbut\n{out}{err}"


def executed(words: list[str], folder: Path) -> tuple[str, str]:
    """stdout and stderr, of comparisons and repairs with few samples; names of files as they are in the folder."""
    options = SMALL.get(words[1], ()) if words[0] == "acasxu" else ()
    if not set(options) & set(words):
        words = [*words, *options]
    code, out, err = finished(words, folder)
    out, err = (text.replace(f"{folder}/", "") for text in (out, err))
    assert code in (0, 1) and "Traceback" not in err, f"{words}\n{out}{err}"
    return out, err


def finished(words: list[str], folder: Path) -> tuple[int, str, str]:
    """Exit code, stdout and stderr."""
    if words[0] == "acasxu":
        return forked.acasxu(words[1:], folder, environment(folder))
    done = subprocess.run(
        words, cwd=folder, env=environment(folder), capture_output=True, text=True, timeout=300, check=False
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    "page",
    [pytest.param(page, marks=[pytest.mark.slow] * (page.name in LONG)) for page in PAGES],
    ids=lambda page: str(page.relative_to(ROOT)),
)
def test_pages_show_what_happens(page, checkout):
    run_page(page, checkout)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["README.md", "docs/how-to/repair.md"])
def test_what_takes_long_shows_what_happens(name, checkout):
    run_page(ROOT / name, checkout, long=True)
    assert any(LONG_COMMANDS.search(command) for command in checkout.printed)


def run_page(page: Path, checkout: Checkout, *, long: bool = False) -> None:
    """Runs what the page shows, and what takes long too if asked; skips where the published networks are missing."""
    here = find_networks() is not None
    python: list[str] = []
    skipped: list[str] = []
    for block in blocks(page):
        if block.reason or block.kind not in ("console", "python"):
            continue
        needs = [REAL.pattern, *WRITTEN.findall("".join(skipped))]
        if not here and any(re.search(need, block.text) for need in needs):
            skipped.append(block.text)
        elif block.kind == "python":
            python.append(block.text)
        else:
            for command, shown in block.commands():
                if long or not LONG_COMMANDS.search(command):
                    run(command, shown, checkout)
    if python:
        (checkout.folder / "page.py").write_text("\n".join(python))
        run("python page.py", [], checkout)
    if skipped:
        pytest.skip(f"{len(skipped)} blocks need the published networks: run `acasxu fetch`")


def test_few_blocks_are_not_run():
    reasons = [block.reason for page in PAGES for block in blocks(page) if block.reason]
    assert len(reasons) <= NOT_RUN_AT_MOST
    assert all(len(reason.split()) >= 2 for reason in reasons)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_all_fences_are_seen(page):
    """No block escapes by another way of writing it, and each says what it is."""
    text = page.read_text(encoding="utf-8")
    assert text.count("```") == 2 * len(blocks(page))
    assert all(block.kind in ("console", "python", "text", "csv", "json") for block in blocks(page))


def test_the_check_sees_what_is_not_printed():
    lines = ["sat", "1,113 boxes, 1.2 s", "end"]
    assert printed_in_order(["sat", "...", "7 boxes,   3.4 s"], lines) is None
    assert printed_in_order(["accepted"], lines) == "accepted"
    assert printed_in_order(["end", "sat"], lines) == "sat"
