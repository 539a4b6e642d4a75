"""Point-wise repair as VERE and ProRepair have it: inputs with the decision that is wanted or forbidden there.

The points become a property of point boxes, so that everything else treats them as any property.
"""

import csv
import hashlib
import math
import re
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import numpy as np

from engine.comparison.decision import Decision
from engine.errors import InputError
from engine.files import regular
from engine.network import Network
from engine.property import Case, Polytope, Property, Row
from engine.vocabulary import PLAIN, Vocabulary

MAX_POINTS = 10_000  # points
MAX_BYTES = 64 * 2**20
SLACK = 1e-6  # by which a point's decimals may leave the domain: its ends are rounded themselves
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


@dataclass(slots=True)
class PointDemand:
    """The demand of the file at one point, and the line that said it first."""

    line: int
    wanted: int | None = None
    forbidden: set[int] = field(default_factory=set)


def read_points(path: str | Path, network: Network, *, decision: Decision, vocabulary: Vocabulary = PLAIN) -> Property:
    """One case for each point of a CSV file with the columns x0, x1, ... and wanted, forbidden or both.

    Inputs are the network's own, in the vocabulary's domain if it has one; each is rounded to float32, and the case's
    box is that point exactly. What is wanted or forbidden is an output's index, or its name in the vocabulary; a line
    gives one of the two. Where the lowest output is the decision, wanted means that every other output is higher, not
    equal, which is stricter than being the first of equals; forbidden that some other output is lower. Where it is the
    highest, the other way around. InputError, with the line, for everything else and for contradictions; and where the
    decision is not known.
    """
    if not decision.is_known:
        raise InputError(
            "whether the lowest or the highest output is to be the one wanted is not known",
            where=f"--points {path}",
            advice="say so with --decision lowest or --decision highest",
        )
    data, rows = _rows(Path(path))
    reader = _Reader(str(path), network, rows[0], vocabulary)
    demands: dict[bytes, PointDemand] = {}
    for line, cells in rows[1:]:
        reader.add(demands, line, cells)
    if not demands:
        raise InputError("holds no points", where=str(path), advice="add a line for each point below the header")
    cases = [
        _case(np.frombuffer(key, np.float32), demand, network.n_outputs, decision) for key, demand in demands.items()
    ]
    return Property(
        tuple(cases),
        network.n_inputs,
        network.n_outputs,
        Path(path).name.split(".")[0],
        hashlib.sha256(data).hexdigest(),
    )


def _rows(path: Path) -> tuple[bytes, list[tuple[int, list[str]]]]:
    """Returns the file's bytes, and (line, cells) of each line that is not blank; the first is the header."""
    try:
        with open(path, "rb", opener=regular) as file:
            data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = (getattr(error, "strerror", None) or str(error)).lower()
        raise InputError(f"cannot be read ({reason})", where=str(path), advice="check the path") from None
    if len(data) > MAX_BYTES:
        raise InputError(f"holds more than {MAX_BYTES:,} bytes", where=str(path), advice="split the file")
    try:
        reader = csv.reader(data.decode("utf-8-sig").splitlines(), strict=True)
        rows = [(reader.line_num, [cell.strip() for cell in cells]) for cells in reader if any(map(str.strip, cells))]
    except UnicodeDecodeError as error:
        line = 1 + data.count(b"\n", 0, error.start)
        raise InputError("is not UTF-8 text", where=f"{path}:{line}", advice="give a CSV file") from None
    except csv.Error as error:
        raise InputError(f"is no CSV ({error})", where=f"{path}:{reader.line_num}", advice="check quotes") from None
    if not rows:
        raise InputError("is empty", where=str(path), advice="start it with the header x0,x1,...,wanted")
    if len(rows) > MAX_POINTS + 1:
        raise InputError(f"holds more than {MAX_POINTS:,} points", where=str(path), advice="split the file")
    return data, rows


class _Reader:
    """Reads lines under one header, for one network."""

    def __init__(self, path: str, network: Network, header: tuple[int, list[str]], vocabulary: Vocabulary):
        self._path, self._network, self._vocabulary = path, network, vocabulary
        self._word = vocabulary.output
        self._inputs = [f"x{i}" for i in range(network.n_inputs)]
        line, self._columns = header
        others = [name for name in self._columns if name not in self._inputs]
        complete = sorted(self._columns) == sorted(self._inputs + others) and len(set(others)) == len(others)
        if not (complete and others and set(others) <= {"wanted", "forbidden"}):
            raise self._error(
                line,
                "the header is not this network's",
                advice=f"use {','.join(self._inputs)},wanted or ,forbidden or both",
            )

    def add(self, demands: dict[bytes, PointDemand], line: int, cells: list[str]) -> None:
        """Adds one line to what is wanted at its point."""
        if len(cells) != len(self._columns):
            raise self._error(line, f"{len(cells)} cells under a header of {len(self._columns)}", advice="check commas")
        cell = dict(zip(self._columns, cells))
        point = np.array([self._number(line, name, cell[name]) for name in self._inputs], dtype=np.float32) + 0
        given = [name for name in ("wanted", "forbidden") if cell.get(name)]
        if len(given) != 1:
            what = "both wanted and forbidden" if given else f"no {self._word}"
            raise self._error(line, f"{what} given", advice=f"give one {self._word}, wanted or forbidden")
        output = self._output(line, given[0], cell[given[0]])
        demand = demands.setdefault(point.tobytes(), PointDemand(line))
        if given == ["forbidden"]:
            demand.forbidden.add(output)
        elif demand.wanted in (None, output):
            demand.wanted = output
        else:
            raise self._contradiction(line, demand)
        if demand.wanted in demand.forbidden or len(demand.forbidden) == self._network.n_outputs:
            raise self._contradiction(line, demand)

    def _number(self, line: int, name: str, text: str) -> float:
        value = float(text) if _NUMBER.fullmatch(text) else math.nan
        if not abs(value) <= float(np.finfo(np.float32).max):
            raise self._error(
                line,
                f"{name} is {_shown(text)}, no finite float32 number",
                advice="write a decimal number such as -0.25",
            )
        if self._vocabulary.domain:
            low, high = (float(ends[int(name[1:])]) for ends in self._vocabulary.domain.ends)
            if not low - SLACK <= value <= high + SLACK:
                raise self._error(
                    line,
                    f"{name} is {_shown(text)}, outside the domain {low:.6g} .. {high:.6g}",
                    advice=self._vocabulary.advice,
                )
        return value

    def _output(self, line: int, column: str, text: str) -> int:
        names = self._vocabulary.names
        for index in range(self._network.n_outputs):
            if text == str(index) or (names and text.lower() == names[index].lower()):
                return index
        choice = f"use 0..{self._network.n_outputs - 1}" + (f" or {', '.join(names)}" if names else "")
        raise self._error(line, f"{column} is {_shown(text)}, no {self._word}", advice=choice)

    def _contradiction(self, line: int, demand: PointDemand) -> InputError:
        return self._error(
            line,
            f"contradicts what line {demand.line} or later lines say of the same point",
            advice="points are the same when their float32 values are; keep one of them",
        )

    def _error(self, line: int, what: str, *, advice: str) -> InputError:
        return InputError(what, where=f"{self._path}:{line}", advice=advice)


def _shown(text: str) -> str:
    return ascii(text if len(text) <= 40 else text[:37] + "...")


def _case(point: np.ndarray, demand: PointDemand, n_outputs: int, decision: Decision) -> Case:
    """The point's box; unsafe: any other output at most the wanted one, a forbidden one at most all others.

    At least instead of at most where the decision is the highest.
    """
    exact = tuple(Fraction(float(v)) for v in point)

    def others(output: int) -> list[int]:
        return [u for u in range(n_outputs) if u != output]

    def row(low: int, high: int) -> Row:
        if decision is Decision.HIGHEST:
            low, high = high, low
        return _at_most(low, high, len(exact), n_outputs)

    wanted = demand.wanted
    unsafe = [] if wanted is None else [Polytope((row(u, wanted),)) for u in others(wanted)]
    unsafe += [Polytope(tuple(row(f, u) for u in others(f))) for f in sorted(demand.forbidden)]
    return Case(exact, exact, tuple(unsafe))


def _at_most(low: int, high: int, n_inputs: int, n_outputs: int) -> Row:
    """y_low <= y_high."""
    outputs = tuple(Fraction((u == low) - (u == high)) for u in range(n_outputs))
    return Row((Fraction(0),) * n_inputs, outputs, Fraction(0))
