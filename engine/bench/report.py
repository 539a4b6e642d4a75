"""What a run came to, as tables, and how it compares with what was expected."""

import csv
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from rich import box
from rich.table import Table

from engine.bench.runner import Outcome
from engine.errors import InputError

WORDS = {"unsat": "holds", "sat": "violated", "unknown": "unknown", "timeout": "out of time"}
HARDEST = 5


def summary(outcomes: list[Outcome], *, seconds: float) -> Table:
    """Counts by verdict and times."""
    table = Table(box=box.SIMPLE, show_header=False)
    counts = Counter(outcome.verdict.word for outcome in outcomes)
    table.add_row("instances", f"{len(outcomes)}")
    for word, meaning in WORDS.items():
        if counts[word] or word in ("unsat", "sat"):
            table.add_row(f"{meaning} ({word})", f"{counts[word]}")
    own = [outcome.verdict.statistics.seconds for outcome in outcomes] or [0.0]
    boxes = sum(outcome.verdict.statistics.boxes for outcome in outcomes)
    table.add_row("wall time of the search", f"{seconds:.1f} s")
    table.add_row("an instance's share", f"median {median(own):.3f} s, most {max(own):.1f} s")
    table.add_row("boxes", f"{boxes:,}")
    return table


def hardest(outcomes: list[Outcome]) -> Table:
    """The instances that took most of the time."""
    table = Table("network", "property", "verdict", box=box.SIMPLE, title="hardest", title_justify="left")
    for name in ("seconds", "boxes"):
        table.add_column(name, justify="right")
    for outcome in sorted(outcomes, key=lambda o: -o.verdict.statistics.seconds)[:HARDEST]:
        cost = outcome.verdict.statistics
        table.add_row(outcome.network, outcome.property, outcome.verdict.word, f"{cost.seconds:.2f}",
                      f"{cost.boxes:,}")
    return table


# Expected verdicts


@dataclass(frozen=True, slots=True)
class Comparison:
    """Outcomes that contradict what was expected, are undecided, or are not in the file; each with that."""

    agree: int
    mismatches: list[tuple[Outcome, str]]
    undecided: list[tuple[Outcome, str]]
    unlisted: int

    def __str__(self) -> str:
        parts = [f"{self.agree} as expected", f"{len(self.mismatches)} mismatches"]
        parts += [f"{len(self.undecided)} undecided"] * bool(self.undecided)
        parts += [f"{self.unlisted} not in the file"] * bool(self.unlisted)
        return ", ".join(parts)


def compare(outcomes: list[Outcome], path: Path) -> Comparison:
    """Compares with a csv of network,property,verdict."""
    expected = _read_expected(path)
    pairs = [(outcome, expected.get(_key(outcome.network, outcome.property))) for outcome in outcomes]
    known = [(outcome, verdict) for outcome, verdict in pairs if verdict]
    different = [(outcome, verdict) for outcome, verdict in known if not _same(outcome.verdict.word, verdict)]
    both = [pair for pair in different if {pair[0].verdict.word, pair[1]} == {"sat", "unsat"}]
    undecided = [pair for pair in different if pair not in both and not _decided(pair[0].verdict.word)]
    return Comparison(len(known) - len(both) - len(undecided), both, undecided, len(pairs) - len(known))


def differences(pairs: list[tuple[Outcome, str]], *, title: str) -> Table:
    """Outcomes beside what was expected."""
    table = Table("network", "property", "verdict", "expected", box=box.SIMPLE, title=title,
                  title_justify="left")
    for outcome, expected in pairs:
        table.add_row(outcome.network, outcome.property, outcome.verdict.word, expected)
    return table


def _decided(word: str) -> bool:
    return word in ("sat", "unsat")


def _same(word: str, expected: str) -> bool:
    return word == expected or not (_decided(word) or _decided(expected))


def _key(network: str, prop: str) -> tuple[str, str]:
    return network.removesuffix(".gz"), prop.removesuffix(".gz")


def _read_expected(path: Path) -> dict[tuple[str, str], str]:
    advice = "give a csv with a header network,property,verdict"
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            expected = {}
            for row in reader:
                names = _key(row["network"] or "", row["property"] or "")
                if row["verdict"] not in WORDS:
                    raise InputError(f"{row['verdict']!r} is no verdict", where=f"{path}:{reader.line_num}",
                                     advice=f"there are {', '.join(WORDS)}")
                expected[names] = row["verdict"]
            return expected
    except KeyError as error:
        raise InputError(f"there is no column {error}", where=str(path), advice=advice) from None
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", where=str(path), advice=advice) from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"is no csv file ({error})", where=str(path), advice=advice) from None
