"""The outcome of a repair as one value: a command prints it, a batch keeps it, and a report reads it again."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from decimal import ROUND_CEILING, Context, Decimal
from fractions import Fraction
from math import inf, nextafter
from typing import TYPE_CHECKING

from engine.comparison.decision import Decision
from engine.comparison.meaning import meaning_json
from engine.comparison.measured import (
    FidelityRecord,
    FiguresRecord,
    mapping_of,
    mappings_of,
    number_of,
    text_of,
    texts_of,
)
from engine.network import Network

if TYPE_CHECKING:  # it needs torch, and who only reads records does not
    from engine.comparison.largest_change import ProvedChange
    from engine.repair.attempt import Attempt

REPAIRED, HELD, NOT_REPAIRED = "repaired", "held already", "not repaired"  # results
OpenBox = tuple[list[float], list[float]]  # lower and upper ends


@dataclass(frozen=True, slots=True)
class AttemptRecord:
    """A candidate: the method that offered it, what that did, what came of its proof, in how many seconds; its cost.

    decisions_changed: at how many samples; None where the network's decision is not known.
    """

    method: str
    what: str
    result: str
    seconds: float | None
    decisions_changed: float | None
    weights: float | None

    @classmethod
    def of(cls, attempt: "Attempt", decision: Decision) -> "AttemptRecord":
        """The attempt, and its cost as far as decisions are known."""
        changed = attempt.cost.changed if decision.is_known else None
        return cls(attempt.method, attempt.note, attempt.outcome, attempt.seconds, changed, attempt.cost.weights)

    @classmethod
    def from_json(cls, content: Mapping[str, object]) -> "AttemptRecord":
        """The record that asdict wrote; nothing where anything else stands."""
        method, what, result = (text_of(content.get(name)) for name in ("method", "what", "result"))
        return cls(
            method,
            what,
            result,
            *(number_of(content.get(name)) for name in ("seconds", "decisions_changed", "weights")),
        )


@dataclass(frozen=True, slots=True)
class NeuronRecord:
    """A neuron that decides the violation; edge: the largest score of its incoming edges. All 0-based."""

    layer: int
    neuron: int
    significance: float
    edge: float

    @classmethod
    def from_json(cls, content: Mapping[str, object]) -> "NeuronRecord":
        """The record that asdict wrote; 0 where anything else stands."""
        layer, neuron, significance, edge = (number_of(content.get(f)) or 0 for f in cls.__slots__)
        return cls(int(layer), int(neuron), float(significance), float(edge))


@dataclass(frozen=True, slots=True)
class ScoresRecord:
    """What is proved of how much scores change in the domain: no score by more than `bound`, in exact arithmetic.

    bound: a float64 not below it, None where nothing is proved; limit: that which was asked for; seconds: of the proof.
    """

    bound: float | None = None
    limit: float | None = None
    seconds: float | None = None

    @classmethod
    def of(cls, found: "ProvedChange", limit: Fraction | None) -> "ScoresRecord":
        """The record of a proved bound."""
        bound = None if found.bound is None else not_below(found.bound)
        return cls(bound, None if limit is None else float(limit), found.seconds)

    @classmethod
    def from_json(cls, content: Mapping[str, object]) -> "ScoresRecord":
        """The record that asdict wrote; None where anything else stands."""
        return cls(*(number_of(content.get(name)) for name in ("bound", "limit", "seconds")))


@dataclass(frozen=True, slots=True, eq=False)
class RepairRecord:
    """The outcome of a repair, how it was found, and what it changed.

    result: REPAIRED, HELD where all was proved of the network as it is, or NOT_REPAIRED. network: what is proved,
    None where there is no repair. certificates: by the file's name, that of each property in `proved`. proved,
    violated, undecided: names of properties: proved of `network`; to be preserved, but violated by the original, or not
    decided for it. domain: its name, None where it is not known. out, folder: where network and certificates were
    written. seconds: until all was proved. attempts: all candidates; chosen: those taken, one for each step. skipped:
    methods that could not be used, and why. neurons: those that decide the violation, the most significant first, if
    they were asked for. figures: VERE's; definitions: what these are. structure: what the weights
    alone say of every input (comparison/structure_words.py), empty where nothing was repaired. scores: what is proved
    of their change, None where nothing was repaired. target, reason, timed_out, open_boxes: of a
    failure: the property that none was found for, why, and boxes [lower, upper] left open.

    Of a record read from JSON, network and certificates are not known.
    """

    result: str
    decision: Decision = Decision.UNKNOWN
    domain: str | None = None
    proved: tuple[str, ...] = ()
    violated: tuple[str, ...] = ()
    undecided: tuple[str, ...] = ()
    out: str | None = None
    folder: str | None = None
    fidelity: FidelityRecord | None = None
    figures: tuple[FiguresRecord, ...] = ()
    definitions: Mapping[str, str] = field(default_factory=dict)
    structure: Mapping[str, object] = field(default_factory=dict)
    scores: ScoresRecord | None = None
    seconds: float | None = None
    attempts: tuple[AttemptRecord, ...] = ()
    chosen: tuple[AttemptRecord, ...] = ()
    skipped: tuple[str, ...] = ()
    neurons: tuple[NeuronRecord, ...] = ()
    target: str = ""
    reason: str = ""
    timed_out: bool = False
    open_boxes: tuple[OpenBox, ...] = ()
    network: Network | None = field(default=None, repr=False)
    certificates: Mapping[str, bytes] = field(default_factory=dict, repr=False)

    @property
    def theorem(self) -> str:
        """The theorem for every input, in words; empty where there is none."""
        return text_of(self.structure.get("in_words")) if self.structure.get("theorem") is True else ""

    @property
    def change_in_words(self) -> str:
        """What is proved of how much scores change; empty where nothing was repaired."""
        if self.scores is None:
            return ""
        if self.scores.bound is None:
            return "how much outputs change in the domain is not proved"
        limit = "" if self.scores.limit is None else f", where at most {self.scores.limit:g} was asked for"
        is_limit = self.scores.bound == self.scores.limit  # rounded up it would be beyond
        bound = f"{self.scores.bound:g}" if is_limit else _up(self.scores.bound)
        return f"no output changes by more than {bound} in the domain{limit}: proved"

    @property
    def proof_seconds(self) -> float:
        """The time that the search spent on all candidates."""
        return float(sum(attempt.seconds or 0 for attempt in self.attempts))

    def to_json(self) -> dict[str, object]:
        """The object that `acasxu repair --json` prints: all but the network and the certificates themselves."""
        if self.result == NOT_REPAIRED:
            return self._failure()
        content: dict[str, object] = {
            "result": self.result,
            "out": self.out,
            "proved": list(self.proved),
            "violated_as_before": list(self.violated),
            "undecided_before": list(self.undecided),
            "certificates": self.folder,
            **meaning_json(self.domain, self.decision),
        }
        if self.fidelity:
            content |= {
                "fidelity": self.fidelity.to_json(),
                "vere": {
                    "definitions": dict(self.definitions),
                    "properties": [figures.to_json() for figures in self.figures],
                },
                "structure": dict(self.structure),
                "output_change": asdict(self.scores) if self.scores else None,
                "seconds": self.seconds,
                "skipped": list(self.skipped),
                "chosen": list(map(asdict, self.chosen)),
                "attempts": list(map(asdict, self.attempts)),
                "neurons": list(map(asdict, self.neurons)),
            }
        return content

    def _failure(self) -> dict[str, object]:
        return {
            "result": self.result,
            "property": self.target,
            "reason": self.reason,
            "timed_out": self.timed_out,
            "seconds": self.seconds,
            "attempts": list(map(asdict, self.attempts)),
            "open_boxes": [list(ends) for ends in self.open_boxes],
            "skipped": list(self.skipped),
            "neurons": list(map(asdict, self.neurons)),
        }

    def text(self) -> str:
        """The JSON as text, without an end of line."""
        return json.dumps(self.to_json(), indent=2, allow_nan=self.result == NOT_REPAIRED)

    @classmethod
    def from_json(cls, content: object) -> "RepairRecord":
        """The record that to_json wrote; of whatever else it is given, what can be told. It raises nothing."""
        known = mapping_of(content)
        record = cls(
            text_of(known.get("result")),
            decision=_decision(known.get("decision")),
            domain=text_of(known.get("domain")) or None,
            seconds=number_of(known.get("seconds")),
            attempts=_attempts(known.get("attempts")),
            skipped=texts_of(known.get("skipped")),
            neurons=tuple(map(NeuronRecord.from_json, mappings_of(known.get("neurons")))),
        )
        vere = mapping_of(known.get("vere"))
        fidelity, scores = known.get("fidelity"), known.get("output_change")
        return replace(
            record,
            proved=texts_of(known.get("proved")),
            violated=texts_of(known.get("violated_as_before")),
            undecided=texts_of(known.get("undecided_before")),
            out=text_of(known.get("out")) or None,
            folder=text_of(known.get("certificates")) or None,
            fidelity=FidelityRecord.from_json(fidelity) if isinstance(fidelity, dict) else None,
            figures=tuple(map(FiguresRecord.from_json, mappings_of(vere.get("properties")))),
            structure=dict(mapping_of(known.get("structure"))),
            scores=ScoresRecord.from_json(scores) if isinstance(scores, dict) else None,
            definitions={name: text_of(text) for name, text in mapping_of(vere.get("definitions")).items()},
            chosen=_attempts(known.get("chosen")),
            target=text_of(known.get("property")),
            reason=text_of(known.get("reason")),
            timed_out=known.get("timed_out") is True,
            open_boxes=_open_boxes(known.get("open_boxes")),
        )


def not_below(value: Fraction) -> float:
    """A float64 that is not below it, the least or the next."""
    number = float(value)
    return number if Fraction(number) >= value else nextafter(number, inf)


def _up(value: float) -> str:
    """With three significant digits, rounded up."""
    return f"{Context(prec=3, rounding=ROUND_CEILING).create_decimal(Decimal(value)):g}"


def _decision(value: object) -> Decision:
    return next((each for each in Decision if each.value == value), Decision.UNKNOWN)


def _attempts(value: object) -> tuple[AttemptRecord, ...]:
    return tuple(map(AttemptRecord.from_json, mappings_of(value)))


def _open_boxes(value: object) -> tuple[OpenBox, ...]:
    """The boxes of which both ends are lists of numbers."""
    found = []
    for box in value if isinstance(value, list) else ():
        ends = [_numbers(end) for end in box] if isinstance(box, list) else []
        if len(ends) == 2 and ends[0] is not None and ends[1] is not None:
            found.append((ends[0], ends[1]))
    return tuple(found)


def _numbers(value: object) -> list[float] | None:
    numbers = [number_of(part) for part in value] if isinstance(value, list) else [None]
    known = [number for number in numbers if number is not None]
    return known if len(known) == len(numbers) else None
