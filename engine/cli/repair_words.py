"""What `acasxu repair` says, in words and as JSON."""

import json
from argparse import Namespace
from pathlib import Path

from engine.cli.fidelity import fidelity_table, figures_table
from engine.cli.meaning import Meaning
from engine.cli.output import answer, note, show
from engine.comparison.figures import figures_json
from engine.foreign import plain


def say_failed(outcome, arguments: Namespace, explained: list, meant: Meaning) -> None:
    """What stands in the way."""
    reason = f"{outcome.target.name} is not repaired: {outcome.reason}"
    if arguments.json:
        answer(
            json.dumps(
                {
                    "result": "not repaired",
                    "property": outcome.target.name,
                    "reason": outcome.reason,
                    "timed_out": outcome.timed_out,
                    "seconds": outcome.seconds,
                    "attempts": [_attempt(a, meant) for a in outcome.attempts],
                    "open_boxes": [[b.lower.tolist(), b.upper.tolist()] for b in outcome.boxes],
                    "skipped": outcome.skipped,
                    "neurons": [place._asdict() for place in explained],
                },
                indent=2,
            )
        )
    else:
        answer("not repaired")
        _explain(outcome, explained, arguments, meant)
    note(reason)
    _left_out(outcome)
    for box in outcome.boxes[:3]:
        ends = ", ".join(f"[{a:g}, {b:g}]" for a, b in zip(box.lower, box.upper))
        note(f"  a box left open: {ends}")
    note("nothing was written")


def say_repaired(
    outcome, found, figures: list, certificates: Path, explained: list, arguments: Namespace, meant: Meaning
) -> None:
    """What was done, proved and measured; found: None where nothing had to be repaired."""
    proved = [prop.name for prop, _ in outcome.proved]
    violated, undecided = ([prop.name for prop in props] for props in (outcome.violated, outcome.undecided))
    if arguments.json:
        content = {
            "result": "repaired" if found else "held already",
            "out": str(arguments.out),
            "proved": proved,
            "violated_as_before": violated,
            "undecided_before": undecided,
            "certificates": str(certificates),
        } | meant.content
        if found:
            content |= {
                "fidelity": found.to_json(),
                "vere": figures_json(figures, meant.decision, meant.word),
                "seconds": outcome.seconds,
                "skipped": outcome.skipped,
                "chosen": [_attempt(a, meant) for a in outcome.chosen],
                "attempts": [_attempt(a, meant) for a in outcome.attempts],
                "neurons": [place._asdict() for place in explained],
            }
        answer(json.dumps(content, indent=2, allow_nan=False))
        return
    if not found:
        answer(f"holds already: {plain(arguments.out)} is a copy of the network")
    else:
        for attempt in outcome.chosen:
            answer(f"repaired by {attempt.method}: {attempt.note}")
        answer(
            f"{found.weights} weights changed, in {found.neurons} neurons of {found.layers} layers; "
            f"{outcome.seconds:.1f} s with all proofs"
        )
    answer(
        f"proved: {', '.join(map(plain, proved))}; certificates in {plain(certificates)}, accepted by the "
        "independent checker"
    )
    if violated:
        note(f"violated before and not asked for: {', '.join(map(plain, violated))}")
    if undecided:
        note(f"not decided for the original and not asked for: {', '.join(map(plain, undecided))}")
    if found:
        _left_out(outcome)
        answer(f"{meant.decision_in_words}\n{meant.domain_in_words}")
        _say_how_compared(meant)
        show(fidelity_table(found, meant), figures_table(figures, meant))
        _explain(outcome, explained, arguments, meant)


def _say_how_compared(meant: Meaning) -> None:
    """By what candidates were compared where nobody said what counts: a choice, of which no figure is given."""
    by = "" if meant.decision.is_known else " by which output is lowest"
    on = "" if meant.domain else " on the hull of the properties' boxes"
    if by or on:
        answer(f"candidates were compared{by}{on}: a choice of this program's, as no option says better")


def _left_out(outcome) -> None:
    for reason in outcome.skipped:
        note(f"left out: {reason}")


def _explain(outcome, explained: list, arguments: Namespace, meant: Meaning) -> None:
    if not arguments.explain:
        return
    from rich import box
    from rich.table import Table

    words = {"advisory": "advisories changed", "decision": "decisions changed"}
    changed = [words[meant.word]] if meant.decision.is_known else []
    tried = Table("method", "what was tried", "result", *changed, "weights", box=box.SIMPLE)
    for attempt in outcome.attempts:
        cost = (f"{attempt.cost.changed:,}", str(attempt.cost.weights)) if attempt.cost else ("", "")
        tried.add_row(attempt.method, attempt.note, attempt.outcome, *cost[-1 - len(changed) :])
    neurons = Table("layer", "neuron", "significance", "edge strength", box=box.SIMPLE)
    for place in explained:
        neurons.add_row(str(place.layer + 1), str(place.neuron), f"{place.significance:.3f}", f"{place.edge:.3g}")
    show(tried, neurons)


def _attempt(attempt, meant: Meaning) -> dict:
    content = {"method": attempt.method, "what": attempt.note, "result": attempt.outcome, "seconds": attempt.seconds}
    if attempt.cost:
        content |= {
            "decisions_changed": attempt.cost.changed if meant.decision.is_known else None,
            "weights": attempt.cost.weights,
        }
    return content
