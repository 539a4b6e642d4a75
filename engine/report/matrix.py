"""Verdicts of networks against properties."""

from dataclasses import dataclass

from engine.acasxu.networks import NETWORKS
from engine.acasxu.properties import PROPERTIES
from engine.report.names import Names, plain_property
from engine.report.rows import WORDS, Row
from engine.report.run import Run

#: One letter each, so that nothing depends on colour.
SIGNS = {"unsat": "H", "sat": "V", "unknown": "?", "timeout": "T", "error": "E"}
MOST_CELLS, MOST_COLUMNS = 40_000, 60


@dataclass(frozen=True, slots=True)
class Head:
    """A network's or a property's label, and what it means."""

    label: str
    words: str = ""


@dataclass(frozen=True, slots=True)
class Matrix:
    """`cells[i][j]` is the row of results for network i and property j, None where there is none.

    `first` are the networks at which a group begins.
    """

    title: str
    networks: tuple[Head, ...]
    properties: tuple[Head, ...]
    cells: tuple[tuple[Row | None, ...], ...]
    first: tuple[int, ...] = ()

    def counts(self) -> list[tuple[str, list[int]]]:
        """By word: on how many networks each property came out so. Words that occur, and those two of decisions."""
        found = [
            (
                WORDS[word],
                [sum(row is not None and row.verdict == word for row in column) for column in zip(*self.cells)],
            )
            for word in WORDS
        ]
        return [(word, counts) for word, counts in found if any(counts) or word in ("holds", "violated")]


def matrices(run: Run) -> list[Matrix]:
    """45 x 10 for ACAS Xu's networks and properties, if there are any, and one by names for all else.

    None by names where it would be too large: the list of all instances says the same.
    """
    known, others = {}, []
    for row in run.rows:
        place = run.names.index(row.network), run.names.specification(row.network, row.property)
        if all(place) and place not in known:  # copies under other names are told apart by these
            known[place] = row
        else:
            others.append(row)
    return [_acasxu(known)] * bool(known) + _by_names(others, "Other networks" if known else "Networks", run.names)


def _acasxu(at: dict) -> Matrix:
    return Matrix(
        "ACAS Xu: 45 networks, ten properties",
        tuple(Head(str(n), f"previous advisory {n.previous_advisory}, tau {n.tau} s") for n in NETWORKS),
        tuple(Head(f"P{spec.number}", spec.words) for spec in PROPERTIES),
        tuple(tuple(at.get((n, spec)) for spec in PROPERTIES) for n in NETWORKS),
        tuple(i for i, n in enumerate(NETWORKS) if n.t == 1),
    )


def _by_names(rows: list[Row], title: str, names: Names) -> list[Matrix]:
    at = {row.names: row for row in rows}
    networks, properties = (list(dict.fromkeys(names)) for names in zip(*at)) if at else ([], [])
    if not rows or len(properties) > MOST_COLUMNS or len(networks) * len(properties) > MOST_CELLS:
        return []
    return [
        Matrix(
            title,
            tuple(Head(names.network_label(name), name) for name in networks),
            tuple(Head(plain_property(name), name) for name in properties),
            tuple(tuple(at.get((network, prop)) for prop in properties) for network in networks),
        )
    ]
