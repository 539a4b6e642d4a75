"""The pages: links lead somewhere, generated pages are up to date, the README is short, the site has every page."""

import re
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

from engine.cli.parser import EXIT_CODES, make_parser

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md"), ROOT / "networks" / "README.md"])
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```$", re.M | re.S)


def text_of(page: Path) -> str:
    """Without blocks of code, in which brackets are no links."""
    return FENCE.sub("", page.read_text(encoding="utf-8"))


def anchors(page: Path) -> set[str]:
    """The names of a page's headings, as mkdocs and GitHub make them."""
    headings = re.findall(r"^#+ (.+)$", text_of(page), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def broken(page: Path) -> list[str]:
    """The links of a page that lead nowhere in the checkout; those to the web are not followed."""
    found = []
    for link in LINK.findall(text_of(page)):
        if re.match(r"\w+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or anchor and anchor not in anchors(target):
            found.append(link)
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    assert broken(page) == []


def test_the_check_sees_broken_links(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# One thing\n\n[a](#one-thing) [b](#other) [c](gone.md) [d](https://example.org)\n")
    assert broken(page) == ["#other", "gone.md"]


def test_pages_of_the_site_link_within_it():
    """What mkdocs cannot show: a link from docs/ to the rest of the checkout."""
    outside = {
        (page.name, link)
        for page in DOCS.rglob("*.md")
        for link in LINK.findall(text_of(page))
        if not re.match(r"\w+:|#", link) and DOCS not in (page.parent / link).resolve().parents
    }
    assert outside == set()


def test_the_site_has_every_page():
    listed = re.findall(r": (\S+\.md)$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.M)
    assert sorted(listed) == sorted(str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md"))


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150


def test_figures_in_the_readme_are_those_of_the_results():
    """Each row of the table names a commit, or some, which docs/results.md names too."""
    rows = re.findall(r"\| (\w+(?:, \w+)*) \|$", (ROOT / "README.md").read_text(encoding="utf-8"), re.M)
    commits = [commit for row in rows if row != "commit" for commit in row.split(", ")]
    results = (DOCS / "results.md").read_text(encoding="utf-8")
    assert commits and all(commit in results for commit in commits)


# Generated pages


def generator(path: str):
    spec = spec_from_file_location(Path(path).stem, ROOT / path)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_command_line_page_is_up_to_date():
    module = generator("docs/make_command_line.py")
    assert module.PAGE.read_text(encoding="utf-8") == module.page(make_parser()), "run `make pages`"


def test_every_command_can_tell_its_help():
    """A per cent sign in a help text has to be doubled, and argparse finds out only where it is printed."""
    commands = dict(generator("docs/make_command_line.py").commands_of(make_parser(), ""))
    assert "repair" in commands and "images repair" in commands
    assert all(command.format_help() for command in commands.values())


def test_the_results_page_is_up_to_date(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    module = generator("benchmarks/results_page.py")
    assert module.PAGE.read_text(encoding="utf-8") == module.page(), "run `make pages`"


def test_the_generators_write_their_pages(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    for path in ("docs/make_command_line.py", "benchmarks/results_page.py"):
        module = generator(path)
        written = module.PAGE.read_bytes()
        monkeypatch.setattr(module, "PAGE", tmp_path / "page.md")
        monkeypatch.setattr(sys, "argv", [path])
        assert module.main() == 0
        assert (tmp_path / "page.md").read_bytes() == written


def test_every_exit_code_is_explained():
    told = re.findall(r"^  (\d+) ", EXIT_CODES, re.M)
    page = (DOCS / "reference" / "exit-codes.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| (\d+) \|", page, re.M) == told
