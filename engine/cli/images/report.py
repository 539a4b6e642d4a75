"""`acasxu images report`: what scans, repairs and guards left in a folder, as a page."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from engine.cli.output import DONE, answer
from engine.foreign import plain

HELP = "write a page from a folder of scans, repairs and guards"
USAGE = "acasxu images report DIR [--force]"


def add(parser: ArgumentParser) -> None:
    """Adds the options."""
    parser.add_argument(
        "folder",
        type=Path,
        metavar="DIR",
        help="what `images scan`, `repair` and `detect --json` wrote, in it or in folders in it; networks and\n"
        "triggers beside these files are shown, too",
    )
    parser.add_argument("--force", action="store_true", help="replace images.html even where it is no such page")


def run(arguments: Namespace) -> int:
    """Writes the page into the folder, and says where."""
    from engine.report.images import write_images_report

    page = write_images_report(arguments.folder, force=arguments.force)
    answer(f"{plain(page)} ({page.stat().st_size:,} bytes)")
    return DONE
