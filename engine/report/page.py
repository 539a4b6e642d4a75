"""report.html, report.md and results.json."""

from pathlib import Path

from engine.bench.durable import write_durably
from engine.report import certificate_tables, pair_tables, repair_tables, tables
from engine.report.cards import MAX_CARDS, cards
from engine.report.content import results_json
from engine.report.matrix import SIGNS, matrices
from engine.report.pictures import small_picture
from engine.report.plots import plots
from engine.report.public import public_tools
from engine.report.published import beside_published
from engine.report.rendering import data_url, rendered
from engine.report.repairs import Repair
from engine.report.run_folder import RunFolder
from engine.results.words import WORDS

PICTURES, PICTURE = 2_700_000, 150_000  # bytes of all pictures, and of one: the page stays below 5 MB


def write_pages(run: RunFolder) -> Path:
    """Puts the three files into the folder, each in one step, and returns the page's path."""
    context = _context(run)
    page = run.folder / "report.html"
    files = {run.folder / "results.json": results_json(run)}
    files |= {page.with_suffix(suffix): _rendered(suffix, context) for suffix in (".md", ".html")}
    for path, text in files.items():
        write_durably(path, text.encode("utf-8", "replace"))
    return page


def _context(run: RunFolder) -> dict[str, object]:
    """The values that the templates name."""
    tools = public_tools()
    drawn = plots(run, tools)
    each = min(PICTURE, PICTURES // max(1, sum(repair.picture is not None for repair in run.repairs)))
    found = cards(run)
    return {
        "run": run,
        "summary": tables.summary(run),
        "matrices": matrices(run),
        "signs": SIGNS,
        "words": WORDS,
        "several": pair_tables.several(run),
        "plots": drawn,
        "published": beside_published(run, tools),
        "hardest": tables.hardest(run, tools),
        "cards": found,
        "more_cards": max(0, len(run.points) - MAX_CARDS),
        "instances": tables.instances(run),
        "repairs": repair_tables.repairs(run),
        "repair_details": [_repair(run, repair, each) for repair in run.repairs],
        "certificates": certificate_tables.totals(run),
        "largest": certificate_tables.largest(run),
        "rejected": certificate_tables.rejected(run),
        "inputs": certificate_tables.inputs(run),
        "targets": {f"c{card.row.number}" for card in found}
        | {f"r{repair.number}" for repair in run.repairs}
        | {f"i{row.number}" for row in run.rows[: tables.MAX_INSTANCES]},
    }


def _repair(run: RunFolder, repair: Repair, limit: int) -> dict[str, object]:
    """A repair's title, tables and picture."""
    picture = small_picture(repair.picture, limit=limit) if repair.picture else None
    return {
        "repair": repair,
        "title": repair_tables.title(run, repair),
        "fidelity": repair_tables.fidelity(repair),
        "picture": picture and data_url(picture.data, picture.kind),
    }


def _rendered(suffix: str, context: dict[str, object]) -> str:
    """The template filled in. All text from files is escaped for the form, and without control characters."""
    return rendered(f"report{suffix}.j2", context, html=suffix == ".html")
