"""What `acasxu images repair` says on stdout."""

from fractions import Fraction

from engine.cli.images.certify_words import percent
from engine.cli.output import answer, show
from engine.images.repair.record import HALF, LOST, ImageRepairRecord, ProvedBound

SHOWN = 8  # neighbours of the trigger, the worst first


def say_repair(record: ImageRepairRecord, *, out: str) -> None:
    """The verdict, figures before and after on held-out images, what was changed, and the neighbours of the trigger."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    table.add_column("held-out images")
    table.add_column("before", justify="right")
    table.add_column("after", justify="right")
    for name, before, after in _rows(record):
        table.add_row(name, _percent(before), _percent(after))
    if record.trials:
        show(_trials_table(record))
        answer(record.explanation)
    show(table)
    answer(f"{record.method}: {record.note}")
    answer(_changed(record))
    _say_variants(record)
    if record.proved is not None:
        answer(_proved(record.proved))
    answer(_verdict(record, out))


def _rows(record: ImageRepairRecord) -> list[tuple[str, float | None, float | None]]:
    before, after = record.before, record.after
    rows = [
        ("accuracy on clean images", before.accuracy, after.accuracy),
        ("attack success", before.attack_success, after.attack_success),
        ("the target's class without the trigger", before.natural_success, after.natural_success),
        ("faults with their right class", before.faults_right, after.faults_right),
        ("the given faults with their right class", before.given_right, after.given_right),
    ]
    return [row for row in rows if row[1] is not None]


def _proved(found: ProvedBound) -> str:
    bound, most = percent(Fraction(found.bound), up=True), percent(Fraction(found.most))
    rounds = ", ".join(percent(Fraction(share), up=True) for share in found.rounds)
    return (
        f"proved: {found.family}: nothing in it succeeds on more than {bound} of {found.images:,} held-out images "
        f"(asked: {most}): {found.proved:,} proved, {found.refuted:,} refuted, {found.open:,} open, "
        f"{found.wrong:,} wrong as they are; {found.seconds:.1f} s\nafter each round, on validation images: {rounds}"
    )


def _changed(record: ImageRepairRecord) -> str:
    word = "gained" if record.drawdown < 0 else "lost"
    lost = f"{abs(record.drawdown):.2f} points of accuracy {word}, {record.broken:.2%} of the right images now wrong"
    if record.generalization is not None:
        lost = f"{lost}; {record.generalization:.1%} of unseen faults are right now"
    if record.changes is None:
        return f"other layers than the original; {record.seconds:.1f} s; {lost}"
    found = record.changes
    layers = f"{len(found.layers)} layer{'s' * (len(found.layers) != 1)}"
    return (
        f"{found.weights:,} of {found.total:,} weights changed, in {found.neurons:,} neurons of {layers}, "
        f"the most by {found.largest:.3g}; {record.seconds:.1f} s; {lost}"
    )


def _say_variants(record: ImageRepairRecord) -> None:
    from rich.table import Table

    if not record.variants:
        return
    table = Table(box=None, pad_edge=False)
    table.add_column("attack success with neighbours of the trigger, the worst first")
    table.add_column("before", justify="right")
    table.add_column("after", justify="right")
    worst = sorted(record.variants, key=lambda variant: (-variant.after, -variant.before))
    for variant in worst[:SHOWN]:
        table.add_row(variant.trigger, _percent(variant.before), _percent(variant.after))
    if len(worst) > SHOWN:
        table.add_row(f"{len(worst) - SHOWN} others: at most", "", _percent(worst[SHOWN].after))
    show(table)


def _trials_table(record: ImageRepairRecord) -> object:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    table.add_column("method, on validation images")
    for name in ("faults left", "accuracy", "weights", "seconds"):
        table.add_column(name, justify="right")
    table.add_column("")
    for trial in record.trials:
        weights = "other layers" if trial.weights is None else f"{trial.weights:,}"
        cells = ("", "", "") if trial.failure else (_percent(trial.fault_rate), _percent(trial.accuracy), weights)
        table.add_row(trial.method, *cells, f"{trial.seconds:.1f}", trial.failure or "")
    return table


def _verdict(record: ImageRepairRecord, out: str) -> str:
    if record.is_repaired:
        return f"repaired: {out}"
    if record.proved is not None and not record.proved.is_reached:
        return "not repaired, nothing written: what was to be proved is not"
    if record.harm_after > HALF * record.harm_before:
        return "not repaired, nothing written: more than half of the faults are left"
    return f"not repaired, nothing written: more than {100 * LOST:g} points of accuracy are lost"


def _percent(value: float | None) -> str:
    return "" if value is None else f"{value:.2%}"
