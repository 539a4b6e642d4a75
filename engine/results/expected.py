"""Rows beside the verdicts that a file expects of them."""

import csv
from dataclasses import dataclass
from pathlib import Path

from engine.errors import InputError
from engine.files import regular
from engine.results.row import Row
from engine.results.words import DECISIONS, TAKEN_OVER, VERDICTS

#: Verdicts that can be expected of an instance.
EXPECTED = tuple(word for word in VERDICTS if word != "error")
ADVICE = "give a csv with a header network,property,verdict"


@dataclass(frozen=True, slots=True)
class Agreement:
    """Rows, sorted by their agreement with what was expected.

    `agree` counts those that are, `taken_over` those of them that this session neither decided nor checked.
    `mismatches` are rows that contradict what was expected, `undecided` rows that are not decided as expected, each
    with the expected verdict. `unlisted` counts rows of which the file says nothing.
    """

    agree: int
    taken_over: int
    mismatches: list[tuple[Row, str]]
    undecided: list[tuple[Row, str]]
    unlisted: int

    def __str__(self) -> str:
        taken = f" ({self.taken_over} of them taken over, not checked)" if self.taken_over else ""
        parts = [f"{self.agree} as expected{taken}", f"{len(self.mismatches)} mismatches"]
        parts += [f"{len(self.undecided)} undecided"] * bool(self.undecided)
        parts += [f"{self.unlisted} not in the file"] * bool(self.unlisted)
        return ", ".join(parts)


def agreement(rows: list[Row], path: Path) -> Agreement:
    """The rows beside a csv of network,property,verdict; InputError where that cannot be read."""
    expected = _read_expected(path)
    agree: list[Row] = []
    mismatches: list[tuple[Row, str]] = []
    undecided: list[tuple[Row, str]] = []
    unlisted = 0
    for row in rows:
        verdict = expected.get(_key(*row.names))
        if verdict is None:
            unlisted += 1
        elif {row.verdict, verdict} == set(DECISIONS):
            mismatches.append((row, verdict))
        elif verdict in DECISIONS and row.verdict != verdict:
            undecided.append((row, verdict))
        else:  # a verdict that nobody expected to be had contradicts nothing
            agree.append(row)
    return Agreement(len(agree), sum(row.origin == TAKEN_OVER for row in agree), mismatches, undecided, unlisted)


def _key(network: str, prop: str) -> tuple[str, str]:
    return network.removesuffix(".gz"), prop.removesuffix(".gz")


def _read_expected(path: Path) -> dict[tuple[str, str], str]:
    try:
        with open(path, newline="", encoding="utf-8-sig", opener=regular) as file:
            reader = csv.DictReader(file)
            expected = {}
            for row in reader:
                names = _key(row["network"] or "", row["property"] or "")
                if row["verdict"] not in EXPECTED:
                    raise InputError(
                        f"{row['verdict']!r} is no verdict",
                        where=f"{path}:{reader.line_num}",
                        advice=f"there are {', '.join(EXPECTED)}",
                    )
                expected[names] = row["verdict"]
            return expected
    except KeyError as error:
        raise InputError(f"there is no column {error}", where=str(path), advice=ADVICE) from None
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", where=str(path), advice=ADVICE) from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"is no csv file ({error})", where=str(path), advice=ADVICE) from None
