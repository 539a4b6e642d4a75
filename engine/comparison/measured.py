"""Measurements of two networks as plain data, written to JSON and read from it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from engine.comparison.decision import Decision
from engine.comparison.difference import Difference, Fidelity
from engine.comparison.figures import Figures, definitions

OUTSIDE, GRID = "domain outside the boxes", "grid of the domain"  # regions
SAFE, UNSAFE = ", safe before", ", unsafe before"  # regions of a property, whose name stands before


@dataclass(frozen=True, slots=True)
class RegionRecord:
    """The difference between two networks on so many points of a region.

    changed, agreement: at how many the decision, or some output by more than a tolerance, changed, and the share where
    it did not; mean, largest: changes of an
    output; reordered, order_kept: at how many the order of all outputs changed, and the share where it did not. None:
    not known, or not said by the file that the record was read from.
    """

    where: str
    points: float | None
    changed: float | None
    agreement: float | None
    mean: float | None
    largest: float | None
    reordered: float | None = None
    order_kept: float | None = None

    @classmethod
    def of(cls, where: str, found: Difference) -> "RegionRecord":
        """The record of what was measured there."""
        changed = found.changed if found.counts_changes else None
        reordered = found.reordered if found.decision.is_known else None
        scores = found.mean, found.largest
        return cls(where, found.points, changed, found.agreement, *scores, reordered, found.order_kept)

    def to_json(self) -> dict[str, object]:
        """The figures by name."""
        return {
            "points": self.points,
            "changed": self.changed,
            "agreement": self.agreement,
            "mean_output_change": self.mean,
            "largest_output_change": self.largest,
            "reordered": self.reordered,
            "order_kept": self.order_kept,
        }

    @classmethod
    def from_json(cls, where: str, content: Mapping[str, object]) -> "RegionRecord":
        """The record that to_json wrote; None where anything else stands."""
        scores = ("mean_output_change", "largest_output_change", "reordered", "order_kept")
        names = ("points", "changed", "agreement", *scores)
        return cls(where, *(number_of(content.get(name)) for name in names))


@dataclass(frozen=True, slots=True)
class FidelityRecord:
    """The number of weights, neurons and layers that differ; by its name, the effect on each region.

    A region is None where the domain that it is a part of is not known. tolerance: of outputs, beyond which points
    count as changed; None where decisions do, or nothing does.
    """

    weights: float | None
    neurons: float | None
    layers: float | None
    regions: Mapping[str, RegionRecord | None]
    tolerance: float | None = None

    @classmethod
    def of(cls, found: Fidelity) -> "FidelityRecord":
        """The record of what was measured."""
        parts: dict[str, Difference | None] = {OUTSIDE: found.outside, GRID: found.grid}
        for inside in found.inside:
            parts |= {f"{inside.property}{SAFE}": inside.safe, f"{inside.property}{UNSAFE}": inside.unsafe}
        regions = {where: RegionRecord.of(where, part) if part else None for where, part in parts.items()}
        return cls(found.weights, found.neurons, found.layers, regions, found.tolerance)

    @property
    def known(self) -> dict[str, RegionRecord]:
        """The regions that are not None."""
        return {where: region for where, region in self.regions.items() if region}

    @property
    def safe(self) -> tuple[RegionRecord, ...]:
        """The part of each property's boxes where the first network is safe."""
        return tuple(region for where, region in self.known.items() if where.endswith(SAFE))

    def to_json(self) -> dict[str, object]:
        """The figures by name; null for regions that are None."""
        regions = {where: region and region.to_json() for where, region in self.regions.items()}
        tolerance = {} if self.tolerance is None else {"tolerance": self.tolerance}
        return {
            "weights": self.weights,
            "neurons": self.neurons,
            "layers": self.layers,
            **tolerance,
            "regions": regions,
        }

    @classmethod
    def from_json(cls, content: Mapping[str, object]) -> "FidelityRecord":
        """The record that to_json wrote; None where anything else stands."""
        regions = {
            where: RegionRecord.from_json(where, entry) if isinstance(entry, dict) else None
            for where, entry in mapping_of(content.get("regions")).items()
        }
        weights, neurons, layers = (number_of(content.get(name)) for name in ("weights", "neurons", "layers"))
        return cls(weights, neurons, layers, regions, number_of(content.get("tolerance")))


@dataclass(frozen=True, slots=True)
class FiguresRecord:
    """VERE's figures for one property, as in engine/comparison/vere.py: shares, each of so many points."""

    property: str
    given: float | None
    success: float | None
    held_out: float | None
    generalization: float | None
    safe: float | None
    drawdown: float | None

    @classmethod
    def of(cls, found: Figures) -> "FiguresRecord":
        """The record of what was measured."""
        figures = (found.given, found.success, found.held_out, found.generalization, found.safe, found.drawdown)
        return cls(found.property, *figures)

    def to_json(self) -> dict[str, object]:
        """The figures by name."""
        return {
            "property": self.property,
            "success": self.success,
            "generalization": self.generalization,
            "drawdown": self.drawdown,
            "success_points": self.given,
            "generalization_points": self.held_out,
            "drawdown_points": self.safe,
        }

    @classmethod
    def from_json(cls, content: Mapping[str, object]) -> "FiguresRecord":
        """The record that to_json wrote; None where anything else stands."""
        names = ("success_points", "success", "generalization_points", "generalization", "drawdown_points", "drawdown")
        return cls(text_of(content.get("property")), *(number_of(content.get(name)) for name in names))


def figures_json(figures: Iterable[FiguresRecord], decision: Decision, word: str) -> dict[str, object]:
    """VERE's names for each property, of how many points each figure is, and what they mean."""
    return {"definitions": definitions(decision, word), "properties": [found.to_json() for found in figures]}


# JSON that may hold anything


def number_of(value: object) -> float | None:
    """The value if it is a finite number, else None."""
    if isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e300:
        return value
    return None


def text_of(value: object) -> str:
    """The value in a few words; nothing for null and for what has parts that are no words."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list) and all(isinstance(part, (str, int, float)) for part in value):
        return " ".join(map(str, value))
    return str(value) if isinstance(value, (str, int, float)) else ""


def mapping_of(value: object) -> dict[str, object]:
    """The value if it is a JSON object, else an empty one."""
    return value if isinstance(value, dict) else {}


def mappings_of(value: object) -> list[dict[str, object]]:
    """The JSON objects of a list; none of what is no list."""
    return [part for part in value if isinstance(part, dict)] if isinstance(value, list) else []


def texts_of(value: object) -> tuple[str, ...]:
    """The texts of a list; none of what is no list."""
    return tuple(part for part in value if isinstance(part, str)) if isinstance(value, list) else ()
