"""images.html."""

from pathlib import Path

from engine.bench.durable import read_plain, write_durably
from engine.errors import InputError
from engine.report.images.folder import read_folder
from engine.report.images.samples import Samples
from engine.report.images.sections import guard_section, repair_section, scan_section
from engine.report.rendering import rendered

NAME = "images.html"
GENERATOR = "acasxu images report"  # in the page's head
MAX_BYTES = 64 * 2**20  # of a page that is replaced


def write_page(path: Path, *, force: bool) -> Path:
    """Puts the page into the folder in one step; InputError where another file of its name is there, not `force`."""
    folder, page = read_folder(path), path / NAME
    if not force:
        _demand_own(page)
    samples = Samples(folder)
    context: dict[str, object] = {
        "name": path.resolve().name,
        "generator": GENERATOR,
        "scans": [scan_section(scan, folder, samples) for scan in folder.scans],
        "repairs": [repair_section(repair, folder, samples) for repair in folder.repairs],
        "guards": [guard_section(guard) for guard in folder.guards],
    }
    write_durably(page, rendered("images.html.j2", context, html=True).encode("utf-8", "replace"))
    return page


def _demand_own(page: Path) -> None:
    """A page of this program is replaced, and nothing else is."""
    try:
        content = read_plain(page, limit=MAX_BYTES)
    except FileNotFoundError:
        return
    except (OSError, ValueError):
        content = b""
    if f'content="{GENERATOR}"'.encode() not in content[:500]:
        raise InputError("this is no page of this program", where=str(page), advice="remove it, or --force")
