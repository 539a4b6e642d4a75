"""Verdicts of networks against properties."""

from dataclasses import dataclass

from engine.acasxu import NETWORKS, PROPERTIES
from engine.report.names import network_label, network_of, plain_property, property_of
from engine.report.rows import WORDS, Row

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
        found = [(WORDS[word], [sum(row is not None and row.verdict == word for row in column)
                                for column in zip(*self.cells)]) for word in WORDS]
        return [(word, counts) for word, counts in found if any(counts) or word in ("holds", "violated")]


def matrices(rows: tuple[Row, ...]) -> list[Matrix]:
    """45 x 10 for ACAS Xu's networks and properties, if there are any, and one by names for all else.

    None by names where it would be too large: the list of all instances says the same.
    """
    known = [row for row in rows if network_of(row.network) and property_of(row.property)]
    others = [row for row in rows if not (network_of(row.network) and property_of(row.property))]
    return [_acasxu(known)] * bool(known) + _by_names(others, "Other networks" if known else "Networks")


def _acasxu(rows: list[Row]) -> Matrix:
    at = {(network_of(row.network), property_of(row.property).number): row for row in rows}
    return Matrix(
        "ACAS Xu: 45 networks, ten properties",
        tuple(Head(str(n), f"previous advisory {n.previous_advisory}, tau {n.tau} s") for n in NETWORKS),
        tuple(Head(f"P{spec.number}", spec.words) for spec in PROPERTIES),
        tuple(tuple(at.get((n, spec.number)) for spec in PROPERTIES) for n in NETWORKS),
        tuple(i for i, n in enumerate(NETWORKS) if n.t == 1))


def _by_names(rows: list[Row], title: str) -> list[Matrix]:
    at = {row.names: row for row in rows}
    networks, properties = (list(dict.fromkeys(names)) for names in zip(*at)) if at else ([], [])
    if not rows or len(properties) > MOST_COLUMNS or len(networks) * len(properties) > MOST_CELLS:
        return []
    return [Matrix(
        title, tuple(Head(network_label(name), name) for name in networks),
        tuple(Head(plain_property(name), name) for name in properties),
        tuple(tuple(at.get((network, prop)) for prop in properties) for network in networks))]
