"""Published figures of other tools on the benchmark's 186 instances, with their sources, in public/*.csv."""

import csv
from dataclasses import dataclass, field
from importlib.resources import files

Key = tuple[str, str]  # as in ("N(3,3)", "P2")


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool's published figures in seconds.

    `times`: of the instances it decided, where each is public. `startup`: its time for a trivial network.
    """

    name: str
    decided: int
    median: float
    slowest: float
    total: float
    startup: float | None
    notes: str
    source: str
    times: dict[Key, float] = field(default_factory=dict)

    def time(self, key: Key | None) -> float | None:
        """Its seconds for an instance, None where they are not public."""
        return self.times.get(key) if key else None


def public_tools() -> tuple[Tool, ...]:
    """The tools, as listed in totals.csv."""
    times: dict[str, dict[Key, float]] = {}
    for row in _rows("vnncomp2025-acasxu.csv"):
        if row["verdict"] in ("sat", "unsat"):
            times.setdefault(row["tool"], {})[row["network"], row["property"]] = float(row["seconds"])
    return tuple(
        Tool(
            row["tool"],
            int(row["decided"]),
            float(row["median"] or "nan"),
            float(row["slowest"] or "nan"),
            float(row["total"]),
            float(row["startup"]) if row["startup"] else None,
            row["notes"],
            row["source"],
            times.get(row["tool"], {}),
        )
        for row in _rows("totals.csv")
    )


def _rows(name: str) -> list[dict[str, str]]:
    text = files("engine.report").joinpath("public", name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))
