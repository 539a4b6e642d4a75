"""Verdicts of networks against properties."""

from dataclasses import dataclass

from engine.acasxu.networks import NETWORKS, NetworkIndex
from engine.acasxu.properties import PROPERTIES, Specification
from engine.report.names import Names, plain_property
from engine.report.rows import NumberedRow
from engine.report.run_folder import RunFolder
from engine.results.words import DECISIONS, WORDS

#: One letter each, so that nothing depends on colour.
SIGNS = {"unsat": "H", "sat": "V", "unknown": "?", "timeout": "T", "error": "E"}
MAX_CELLS, MAX_COLUMNS = 40_000, 60


@dataclass(frozen=True, slots=True)
class Head:
    """The label of a network or a property, and what it means."""

    label: str
    words: str = ""


@dataclass(frozen=True, slots=True)
class Matrix:
    """Results by network and property.

    `cells[i][j]` is the row of results for network i and property j, None where there is none. `first` are the
    networks at which a group begins.
    """

    title: str
    networks: tuple[Head, ...]
    properties: tuple[Head, ...]
    cells: tuple[tuple[NumberedRow | None, ...], ...]
    first: tuple[int, ...] = ()

    def counts(self) -> list[tuple[str, list[int]]]:
        """(a verdict's meaning, on how many networks each property came out so): verdicts that occur, and decisions."""
        columns = list(zip(*self.cells))
        found = {word: [sum(row is not None and row.verdict == word for row in c) for c in columns] for word in WORDS}
        return [(WORDS[word], counts) for word, counts in found.items() if any(counts) or word in DECISIONS]


def matrices(run: RunFolder) -> list[Matrix]:
    """One of 45 x 10 for ACAS Xu's networks and properties, if there are any, and one by names for all else.

    One by names that would be too large is left out: the list of all instances says the same. Left out are questions
    about several networks, which have their own table.
    """
    known: dict[tuple[NetworkIndex, Specification], NumberedRow] = {}
    others = []
    for row in (row for row in run.rows if row.network not in run.names.parts):
        network, spec = run.names.index(row.network), run.names.specification(*row.names)
        if network and spec and (network, spec) not in known:  # copies under other names are told apart by these
            known[network, spec] = row
        else:
            others.append(row)
    return [_acasxu(known)] * bool(known) + _by_names(others, "Other networks" if known else "Networks", run.names)


def _acasxu(at: dict[tuple[NetworkIndex, Specification], NumberedRow]) -> Matrix:
    return Matrix(
        "ACAS Xu: 45 networks, ten properties",
        tuple(Head(str(n), f"previous advisory {n.previous_advisory}, tau {n.tau} s") for n in NETWORKS),
        tuple(Head(f"P{spec.number}", spec.words) for spec in PROPERTIES),
        tuple(tuple(at.get((n, spec)) for spec in PROPERTIES) for n in NETWORKS),
        tuple(i for i, n in enumerate(NETWORKS) if n.t == 1),
    )


def _by_names(rows: list[NumberedRow], title: str, names: Names) -> list[Matrix]:
    at = {row.names: row for row in rows}
    networks, properties = (list(dict.fromkeys(names)) for names in zip(*at)) if at else ([], [])
    if not rows or len(properties) > MAX_COLUMNS or len(networks) * len(properties) > MAX_CELLS:
        return []
    return [
        Matrix(
            title,
            tuple(Head(names.network_label(name), name) for name in networks),
            tuple(Head(plain_property(name), name) for name in properties),
            tuple(tuple(at.get((network, prop)) for prop in properties) for network in networks),
        )
    ]
