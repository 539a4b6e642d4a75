"""Scans, repairs and guards of image classifiers, as their commands wrote them."""

from dataclasses import dataclass
from pathlib import Path

from engine.report.images.fields import Fields

Table = tuple[tuple[float | None, ...], ...]
Facts = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class File:
    """A network by the name of its file and the hash of what was in it."""

    name: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Backdoor:
    """trigger: as `--trigger` takes it, or the name of an .npz file; target: the class that it leads to."""

    trigger: str
    target: int | None


@dataclass(frozen=True, slots=True)
class Figures:
    """Shares of held-out images: right, led to the target by the trigger, right among the faults."""

    accuracy: float | None
    attack_success: float | None
    faults_right: float | None


@dataclass(frozen=True, slots=True)
class Variant:
    """Another trigger, and the attack's success with it before and after."""

    trigger: str
    before: float | None
    after: float | None


@dataclass(frozen=True, slots=True)
class Repair:
    path: Path
    original: File
    repaired: File
    data: str
    method: str
    note: str
    explanation: str
    seconds: float | None
    options: Facts
    backdoor: Backdoor | None
    before: Figures
    after: Figures
    variants: tuple[Variant, ...]
    generalization: float | None
    drawdown: float | None
    broken: float | None
    changes: Facts
    confusion: tuple[Table, Table]


@dataclass(frozen=True, slots=True)
class FoundTrigger:
    """The trigger found for a class, in an .npz file; success: the share of images that get the class with it."""

    label: int | None
    file: str
    l1: float | None
    success: float | None


@dataclass(frozen=True, slots=True)
class Scan:
    path: Path
    network: File
    data: str
    l1: Table
    anomaly: tuple[float | None, ...]
    published_anomaly: tuple[float | None, ...]
    flagged: tuple[int, ...]
    triggers: tuple[FoundTrigger, ...]
    overlap: Facts
    true_trigger: str
    first_look: Facts
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Curve:
    thresholds: tuple[float, ...]
    false_alarms: tuple[float, ...]
    detection: tuple[float, ...]
    area: float | None


@dataclass(frozen=True, slots=True)
class Guarded:
    path: Path
    original: File
    repaired: File
    data: str
    images: str
    count: int | None
    flagged: int | None
    threshold: float | None
    backdoor: Backdoor | None
    clean: int | None
    triggered: int | None
    false_alarms: float | None
    detection: float | None
    missed: float | None
    curve: Curve | None
    seconds: float | None


Record = Repair | Scan | Guarded


def record_of(fields: Fields, path: Path) -> Record | None:
    """The record in a file's object; None where it is of another kind. InputError where a value has a wrong type."""
    kind = fields.values.get("kind")
    if kind == "image repair":
        return _repair(fields, path)
    if kind == "image scan":
        return _scan(fields, path)
    return _guarded(fields, path) if kind == "image guard" else None


def _repair(fields: Fields, path: Path) -> Repair:
    confusion = fields.part("confusion")
    both = (confusion.table("before"), confusion.table("after")) if confusion else ((), ())
    return Repair(
        path,
        _file(fields, "original"),
        _file(fields, "repaired"),
        fields.text("data"),
        fields.text("method"),
        fields.text("note"),
        fields.text("explanation"),
        fields.number("seconds"),
        _facts(fields, "options"),
        _backdoor(fields),
        _figures(fields, "before"),
        _figures(fields, "after"),
        tuple(Variant(v.text("trigger"), v.number("before"), v.number("after")) for v in fields.parts("variants")),
        fields.number("generalization"),
        fields.number("drawdown"),
        fields.number("broken"),
        _facts(fields, "changes"),
        both,
    )


def _scan(fields: Fields, path: Path) -> Scan:
    overlap = fields.part("overlap")
    return Scan(
        path,
        _file(fields, "network"),
        fields.text("data"),
        fields.table("l1"),
        fields.numbers("anomaly"),
        fields.numbers("published_anomaly"),
        fields.counts("flagged"),
        tuple(
            FoundTrigger(t.count("class"), t.text("file"), t.number("l1"), t.number("success"))
            for t in fields.parts("triggers")
        ),
        tuple(fact for fact in overlap.plain() if fact[0] != "trigger") if overlap else (),
        str(overlap.values.get("trigger", "")) if overlap else "",
        _facts(fields, "first_look"),
        fields.number("seconds"),
    )


def _guarded(fields: Fields, path: Path) -> Guarded:
    images = fields.part("images") or Fields({}, fields.where)
    rates = fields.part("rates") or Fields({}, fields.where)
    return Guarded(
        path,
        _file(fields, "original"),
        _file(fields, "repaired"),
        fields.text("data"),
        images.text("name"),
        images.count("count"),
        images.count("flagged"),
        fields.number("threshold"),
        _backdoor(fields),
        rates.count("clean"),
        rates.count("triggered"),
        rates.number("false_alarms"),
        rates.number("detection"),
        rates.number("missed"),
        _curve(fields.part("curve")),
        fields.number("seconds"),
    )


def _curve(fields: Fields | None) -> Curve | None:
    """InputError where its three lists are of different lengths, or have gaps."""
    if fields is None:
        return None
    found = {name: fields.numbers(name) for name in ("thresholds", "false_alarms", "detection")}
    full = [tuple(value for value in values if value is not None) for values in found.values()]
    if len({*map(len, full), *map(len, found.values())}) != 1:
        fields.fail("thresholds", "not as long as false_alarms and detection")
    return Curve(full[0], full[1], full[2], fields.number("area"))


def _file(fields: Fields, name: str) -> File:
    found = fields.part(name)
    return File(found.text("name"), found.text("sha256")) if found else File("", "")


def _backdoor(fields: Fields) -> Backdoor | None:
    found = fields.part("backdoor")
    return Backdoor(found.text("trigger"), found.count("target")) if found else None


def _figures(fields: Fields, name: str) -> Figures:
    found = fields.part(name) or Fields({}, fields.where)
    return Figures(*(found.number(part) for part in ("accuracy", "attack_success", "faults_right")))


def _facts(fields: Fields, name: str) -> Facts:
    found = fields.part(name)
    return found.plain() if found else ()
