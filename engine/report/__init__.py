"""Reports on the folder of `acasxu bench`: a page to look at, and tables for scripts.

    csv_file.py     a csv file, whose last row may be torn
    rows.py         results.csv
    manifest.py     manifest.json
    repairs.py      repairs.csv and repairs/
    run_folder.py   the whole folder as one value
    names.py        what its networks and properties are called
    text.py         numbers as people read them
    listing.py      columns of text
    public.py       what others have published of the same instances; published.py: beside this run
    matrix.py       verdicts of networks against properties
    tables.py       summary, hardest, all instances; certificate_tables.py, repair_tables.py: of these
    pair_tables.py  questions about several networks
    sketch.py       an encounter, seen from above
    encounters.py   counterexamples in physical units; cards.py: as the page shows them
    plots.py        curves and distributions; needs matplotlib, the extra `plots`
    pictures.py     pictures made small enough for the page
    content.py      results.json
    rendering.py    templates filled in, text from files escaped
    page.py         report.html and report.md
    images/         another page: backdoors of image classifiers, found, repaired and guarded

Nothing is decided here, and nothing heavy is imported: a report is made of what the folder holds.
"""

from pathlib import Path


def write_report(folder: Path) -> Path:
    """Writes report.html, report.md and results.json into the folder, and returns the page's path.

    The same folder gives the same files. Reports that lie there are replaced. InputError where results.csv is
    missing or damaged, or nothing can be written; what else is missing or damaged, the report says.
    """
    from engine.report.page import write_pages
    from engine.report.run_folder import read_run_folder

    return write_pages(read_run_folder(folder))


__all__ = ["write_report"]
