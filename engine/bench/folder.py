"""Where a run's results go."""

import csv
from pathlib import Path

from engine.errors import InputError
from engine.files import unwritable
from engine.verdict import Verdict, Violated
from engine.vnncomp import counterexample_text

COLUMNS = ("network", "property", "verdict", "semantics", "seconds", "boxes", "device")


class ResultsFolder:
    """`results.csv`, a row for each verdict, and `counterexamples/`; a context manager.

    A row is on its way to the disk when `add` returns, so that whatever ends the program loses none.
    """

    def __init__(self, folder: Path, *, force: bool = False):
        """InputError where the folder cannot be written, or holds results and not `force`."""
        self.table, self.points = folder / "results.csv", folder / "counterexamples"
        try:
            held = self.table.exists() or any(self.points.glob("*.txt"))
            if held and not force:
                raise InputError("there are results already", where=str(folder),
                                 advice="name another folder, or replace them with --force")
            self.points.mkdir(parents=True, exist_ok=True)
            for old in self.points.glob("*.txt"):
                old.unlink()
            self._file = self.table.open("w", newline="", encoding="utf-8")
        except OSError as error:
            raise unwritable(error, self.table) from None
        self._row(COLUMNS)

    def add(self, names: tuple[str, str], verdict: Verdict) -> None:
        """Keeps a verdict, and the counterexample before it: a `sat` row always has one."""
        if isinstance(verdict, Violated):
            self._keep(self.point_path(names), counterexample_text(verdict.counterexample))
        cost = verdict.statistics
        self._row((*names, verdict.word, verdict.semantics, f"{cost.seconds:.4f}", cost.boxes, cost.device))

    def point_path(self, names: tuple[str, str]) -> Path:
        """Where an instance's counterexample is kept."""
        return self.points / f"{instance_stem(names)}.txt"

    def __enter__(self) -> "ResultsFolder":
        return self

    def __exit__(self, *exception) -> None:
        self._file.close()

    def _row(self, cells) -> None:
        try:
            csv.writer(self._file, lineterminator="\n").writerow(cells)
            self._file.flush()
        except OSError as error:
            raise unwritable(error, self.table) from None

    def _keep(self, path: Path, text: str) -> None:
        try:
            path.write_text(text, encoding="ascii")
        except OSError as error:
            raise unwritable(error, self.table) from None


def instance_stem(names: tuple[str, str]) -> str:
    """What an instance's files are called, from the names of its network and its property."""
    network, prop = (name.removesuffix(".gz") for name in names)
    stem = f"{network.removesuffix('.onnx')}_{prop.removesuffix('.vnnlib')}"
    return stem.replace("/", "__")
