"""What the page says of each record: tables, charts and pictures, ready for the template."""

from dataclasses import dataclass

from engine.report.images import charts
from engine.report.images.folder import Folder
from engine.report.images.records import Curve, Facts, File, Guarded, Repair, Scan
from engine.report.images.samples import Sample, Samples, Shown, shown
from engine.report.listing import Cell, Listing, listing
from engine.report.text import count, figure, seconds

MOST_CLASSES = 24  # of a confusion matrix that fits a page; of pictures of triggers, too
MOST_VARIANTS = 60
SHARES = (0.005, 0.01, 0.02, 0.05)  # of false alarms, of which the table of a curve speaks


@dataclass(frozen=True, slots=True)
class RepairSection:
    title: str
    facts: Listing
    figures: Listing
    trigger: Shown | None
    samples: tuple[Sample, ...]
    target: int | None
    variants: Listing
    variants_chart: str
    confusion: tuple[tuple[str, tuple[tuple[charts.HeatCell, ...], ...]], ...]


@dataclass(frozen=True, slots=True)
class ScanSection:
    title: str
    verdict: str
    facts: Listing
    chart: str
    classes: Listing
    triggers: tuple[tuple[str, Shown], ...]


@dataclass(frozen=True, slots=True)
class GuardSection:
    title: str
    facts: Listing
    chart: str
    curve: Listing


def repair_section(repair: Repair, folder: Folder, samples: Samples) -> RepairSection:
    """Figures before and after, the trigger and what became of it, and what else changed."""
    backdoor, variants = repair.backdoor, repair.variants[:MOST_VARIANTS]
    shape = samples.shape(repair.data)
    trigger = folder.trigger(backdoor.trigger, repair.path, shape) if backdoor else None
    before, after = repair.confusion
    both = [("before", before), ("after", after)]
    return RepairSection(
        f"{_name(repair.original)} repaired by {repair.method or 'an unknown method'}",
        _repair_facts(repair),
        _figures(repair),
        shown(trigger) if trigger else None,
        samples.of(repair),
        backdoor.target if backdoor else None,
        listing(
            "|trigger|success before|success after",
            ((f"{i}", v.trigger, _share(v.before), _share(v.after)) for i, v in enumerate(variants, 1)),
            numeric="|success before|success after",
            caption="Success: of held-out images of other classes, with this trigger, the share that gets the target.",
        ),
        charts.pairs([v.before for v in variants], [v.after for v in variants], title="success before and after")
        if variants
        else "",
        tuple((name, charts.matrix(counts)) for name, counts in both if 0 < len(counts) <= MOST_CLASSES),
    )


def _repair_facts(repair: Repair) -> Listing:
    backdoor = repair.backdoor
    rows = [
        ("why this method", repair.explanation),
        ("note", repair.note),
        ("data", repair.data),
        ("trigger", backdoor.trigger if backdoor else ""),
        ("target", f"class {backdoor.target}" if backdoor and backdoor.target is not None else ""),
        ("seconds", seconds(repair.seconds)),
        *((f"changed: {name}", text) for name, text in repair.changes),
        ("repaired network", _file(repair.repaired)),
        ("original network", _file(repair.original)),
        ("options", _facts_text(repair.options)),
    ]
    return _facts(rows)


def _figures(repair: Repair) -> Listing:
    before, after = repair.before, repair.after
    pairs = (
        ("clean images right", before.accuracy, after.accuracy),
        ("attack success", before.attack_success, after.attack_success),
        ("faults right", before.faults_right, after.faults_right),
    )
    rows = [(name, _share(a), _share(b), _points(a, b)) for name, a, b in pairs if a is not None or b is not None]
    for name, value in (
        ("generalization", repair.generalization),
        ("drawdown", repair.drawdown),
        ("broken", repair.broken),
    ):
        if value is not None:
            rows.append((name, "", _share(value), ""))
    return listing(
        "on held-out images|before|after|change, points",
        rows,
        numeric="before|after|change, points",
        caption="Attack success: of the images of other classes, with the trigger, the share that gets the target. "
        "Generalization: of the faults on which the original fails, the share that is right now. Drawdown: accuracy "
        "lost. Broken: of the images on which the original is right, the share that is wrong now.",
    )


def scan_section(scan: Scan, folder: Folder, samples: Samples) -> ScanSection:
    """The smallest trigger of each class, and which of them is too small."""
    columns = [[v for v in column if v is not None] for column in zip(*scan.l1)]
    least, most = [min(c, default=None) for c in columns], [max(c, default=None) for c in columns]
    triggers = [
        (f"class {t.label}" if t.label is not None else "a class", shown(found))
        for t in scan.triggers[:MOST_CLASSES]
        if (found := folder.trigger(t.file, scan.path, None))
    ]
    true = folder.trigger(scan.true_trigger, scan.path, samples.shape(scan.data)) if scan.true_trigger else None
    flagged = ", ".join(map(str, scan.flagged))
    return ScanSection(
        f"Scan of {_name(scan.network)}",
        f"A backdoor is likely: class {flagged} is reached by a trigger far smaller than the others'."
        if flagged
        else "No class is flagged.",
        _facts(
            [
                ("data", scan.data),
                ("seconds", seconds(scan.seconds)),
                *((f"beside the true trigger: {name}", text) for name, text in scan.overlap),
                *((f"first look: {name}", text) for name, text in scan.first_look),
                ("network", _file(scan.network)),
            ]
        ),
        charts.bars(least, scan.flagged, most=most, title="L1 norm of each class's smallest trigger") if least else "",
        _classes(scan, least, most),
        ((("the true trigger", shown(true)),) if true else ()) + tuple(triggers),
    )


def _classes(scan: Scan, least: list[float | None], most: list[float | None]) -> Listing:
    success = {trigger.label: trigger.success for trigger in scan.triggers}
    rows = (
        (
            f"{label}",
            figure(least[label]),
            figure(most[label]),
            figure(_at(scan.anomaly, label)),
            figure(_at(scan.published_anomaly, label)),
            _share(success.get(label)),
            Cell("flagged", word="rejected") if label in scan.flagged else "",
        )
        for label in range(len(least))
    )
    return listing(
        "class|least L1|greatest L1|anomaly index|as published|success|",
        rows,
        numeric="class|least L1|greatest L1|anomaly index|as published|success",
        caption="Of all starts: the L1 norm of the smallest mask that turns images into the class. Anomaly index: "
        "deviations below the median, flagged above 2 (Neural Cleanse).",
    )


def guard_section(guard: Guarded) -> GuardSection:
    """Rates of the guard, and what other thresholds would give."""
    told = "the two classes differ" if guard.threshold is None else f"the divergence is above {guard.threshold:.6g}"
    flagged = f"{count(guard.flagged)} of {count(guard.count)}" if guard.count is not None else ""
    rows = [
        ("flagged where", told),
        ("images", guard.images),
        ("flagged", flagged),
        ("false alarms", _of(guard.false_alarms, guard.clean, "clean held-out images")),
        ("detection", _of(guard.detection, guard.triggered, "images with the trigger")),
        ("passed as the target", _of(guard.missed, guard.triggered, "images with the trigger")),
        ("trigger", guard.backdoor.trigger if guard.backdoor else ""),
        ("data", guard.data),
        ("area under the curve", figure(guard.curve.area) if guard.curve else ""),
        ("seconds", seconds(guard.seconds)),
        ("original network", _file(guard.original)),
        ("repaired network", _file(guard.repaired)),
    ]
    title = f"{_name(guard.original)} beside {_name(guard.repaired)}"
    if guard.curve is None or not guard.curve.thresholds:
        return GuardSection(title, _facts(rows), "", listing("", ()))
    drawn = charts.curve(guard.curve.false_alarms, guard.curve.detection, title="detection against false alarms")
    return GuardSection(title, _facts(rows), drawn, _thresholds(guard.curve))


def _thresholds(curve: Curve) -> Listing:
    rows = []
    for share in SHARES:
        allowed = [i for i, alarms in enumerate(curve.false_alarms) if alarms <= share]
        if allowed:
            best = max(allowed, key=lambda i: curve.detection[i])
            rows.append((f"{share:.1%}", f"{curve.thresholds[best]:.6f}", _share(curve.detection[best])))
    return listing(
        "false alarms at most|threshold|detection",
        rows,
        numeric="false alarms at most|threshold|detection",
        caption="Thresholds of the Jensen-Shannon divergence of both networks' probabilities, on these images.",
    )


# Text


def _facts(rows: list[tuple[str, str]]) -> Listing:
    return listing("|", ((name, text) for name, text in rows if text))


def _facts_text(facts: Facts) -> str:
    return "; ".join(f"{name} {text}" for name, text in facts)


def _name(file: File) -> str:
    return file.name or "a network"


def _file(file: File) -> str:
    return f"{file.name}, SHA-256 {file.sha256}" if file.sha256 else file.name


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.2%}"


def _points(before: float | None, after: float | None) -> str:
    return "" if before is None or after is None else f"{100 * (after - before):+.2f}"


def _of(share: float | None, number: int | None, what: str) -> str:
    return "" if share is None else f"{share:.2%} of {count(number)} {what}"


def _at(values: tuple[float | None, ...], place: int) -> float | None:
    return values[place] if place < len(values) else None
