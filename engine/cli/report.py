"""`acasxu report`: what a bench folder holds, as a page."""

from argparse import Namespace

from engine.cli.output import DONE, answer
from engine.results.words import one_line


def run(arguments: Namespace) -> int:
    """Writes the page and its tables into the folder, and says where."""
    from engine.report import write_report

    page = write_report(arguments.folder)
    answer(f"{one_line(str(page))} ({page.stat().st_size:,} bytes); beside it report.md and results.json")
    return DONE
