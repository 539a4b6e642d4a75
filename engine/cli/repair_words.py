"""The output of `acasxu repair`, in words and as JSON."""

from engine.cli.fidelity import figures_table, regions_table
from engine.cli.meaning import Meaning
from engine.cli.output import answer, note, show
from engine.foreign import plain
from engine.repair.record import AttemptRecord, RepairRecord


def say_failed(record: RepairRecord, meant: Meaning, *, json: bool, explain: bool) -> None:
    """Says what stands in the way."""
    if json:
        answer(record.text())
    else:
        answer("not repaired")
        if explain:
            _explain(record, meant)
    note(f"{record.target} is not repaired: {record.reason}")
    _left_out(record)
    for lower, upper in record.open_boxes[:3]:
        ends = ", ".join(f"[{a:g}, {b:g}]" for a, b in zip(lower, upper))
        note(f"  a box left open: {ends}")
    note("nothing was written")


def say_repaired(record: RepairRecord, meant: Meaning, *, json: bool, explain: bool) -> None:
    """Says what was done, proved and measured."""
    if json:
        answer(record.text())
        return
    _say_changes(record)
    answer(
        f"proved: {', '.join(map(plain, record.proved))}; certificates in {plain(record.folder)}, accepted by the "
        "independent checker"
    )
    if record.violated:
        note(f"violated before and not asked for: {', '.join(map(plain, record.violated))}")
    if record.undecided:
        note(f"not decided for the original and not asked for: {', '.join(map(plain, record.undecided))}")
    if record.fidelity:
        _left_out(record)
        answer(f"{meant.decision_in_words}\n{meant.domain_in_words}")
        _say_how_compared(meant, record.fidelity.tolerance)
        regions = regions_table(record.fidelity.regions.items(), meant, tolerance=record.fidelity.tolerance)
        show(regions, figures_table(record.figures, meant))
        if explain:
            _explain(record, meant)


def _say_changes(record: RepairRecord) -> None:
    """Says which change repaired the network, if it had to be repaired."""
    if record.fidelity is None:
        answer(f"holds already: {plain(record.out)} is a copy of the network")
        return
    for attempt in record.chosen:
        answer(f"repaired by {attempt.method}: {attempt.what}")
    found = record.fidelity
    answer(
        f"{found.weights} weights changed, in {found.neurons} neurons of {found.layers} layers; "
        f"{record.seconds:.1f} s with all proofs"
    )
    if record.theorem:
        answer(f"proved {record.theorem}")
    answer(record.change_in_words)


def _say_how_compared(meant: Meaning, tolerance: float | None) -> None:
    """By what candidates were compared where nobody said what counts: a choice, of which no figure is given."""
    by = "" if meant.decision.is_known or tolerance is not None else " by which output is lowest"
    on = "" if meant.domain else " on the hull of the properties' boxes"
    if by or on:
        answer(f"candidates were compared{by}{on}: a choice of this program's, as no option says better")


def _left_out(record: RepairRecord) -> None:
    for reason in record.skipped:
        note(f"left out: {reason}")


def _explain(record: RepairRecord, meant: Meaning) -> None:
    """Shows all that was tried, and the neurons that decide the violation."""
    from rich import box
    from rich.table import Table

    words = {"advisory": "advisories changed", "decision": "decisions changed"}
    changed = [words[meant.word]] if meant.decision.is_known else []
    tried = Table("method", "what was tried", "result", *changed, "weights", box=box.SIMPLE)
    for attempt in record.attempts:
        tried.add_row(attempt.method, attempt.what, attempt.result, *_cost(attempt))
    neurons = Table("layer", "neuron", "significance", "edge strength", box=box.SIMPLE)
    for place in record.neurons:
        neurons.add_row(str(place.layer + 1), str(place.neuron), f"{place.significance:.3f}", f"{place.edge:.3g}")
    show(tried, neurons)


def _cost(attempt: AttemptRecord) -> list[str]:
    """Decisions changed, where these are known, and weights."""
    decisions = [] if attempt.decisions_changed is None else [f"{attempt.decisions_changed:,}"]
    return [*decisions, str(attempt.weights)]
