"""The summary of a list of rows."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from engine.results.row import Row
from engine.results.words import DECISIONS, ORIGINS, WORDS

R = TypeVar("R", bound=Row)


@dataclass(frozen=True, slots=True)
class Summary:
    """Counts, times and sizes of a list of rows.

    `verdicts`: how many rows there are of each, in the order of WORDS; those that occur, and the two decisions.
    `origins`: likewise in the order of ORIGINS, those that occur. `seconds` are the rows' own, where they are known.
    `certificate_bytes` and `check_seconds` have one entry for each certificate, and for each check of one. `checks`
    counts what the checker said, "" where it could not tell. `uncertified`: rows decided without a certificate.
    """

    instances: int
    verdicts: Mapping[str, int]
    origins: Mapping[str, int]
    seconds: tuple[float, ...]
    boxes: int
    certificate_bytes: tuple[int, ...]
    checks: Mapping[str, int]
    check_seconds: tuple[float, ...]
    uncertified: int


def summarize(rows: Sequence[Row]) -> Summary:
    """The summary of the rows."""
    verdicts, origins = counts(rows), Counter(row.origin for row in rows)
    return Summary(
        len(rows),
        {word: verdicts[word] for word in WORDS if verdicts[word] or word in DECISIONS},
        {origin: origins[origin] for origin in ORIGINS if origins[origin]},
        times(rows),
        sum(row.boxes or 0 for row in rows),
        tuple(row.certificate_bytes for row in rows if row.certificate_bytes),
        Counter(row.check for row in rows if row.check or row.check_seconds is not None),
        tuple(row.check_seconds for row in rows if row.check_seconds is not None),
        sum(row.decided and not row.certificate_bytes for row in rows),
    )


def counts(rows: Iterable[Row]) -> Counter[str]:
    """The number of rows of each verdict."""
    return Counter(row.verdict for row in rows)


def times(rows: Iterable[Row]) -> tuple[float, ...]:
    """The rows' own shares of a run's seconds, where they are known."""
    return tuple(row.seconds for row in rows if row.seconds is not None)


def hardest(rows: Iterable[R], *, most: int) -> list[R]:
    """The `most` rows that took most of the time, the hardest first; of equals the first in the list."""
    return sorted((row for row in rows if row.seconds is not None), key=lambda row: -(row.seconds or 0.0))[:most]
