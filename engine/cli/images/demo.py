"""`acasxu images demo`: one backdoor, from its training to the guard against it, in plain words."""

import time
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from engine.cli.images.options import demand_free
from engine.cli.live import live_line
from engine.cli.output import DONE, answer
from engine.foreign import plain

if TYPE_CHECKING:
    from engine.cli.images.demo_steps import Guarded, Repaired, Trained
    from engine.images.scan.record import ScanRecord
    from engine.images.trigger import Trigger

HELP = "train, scan, repair and guard a small classifier with a backdoor, and explain it"
USAGE = "acasxu images demo [--out DIR] [--seed S]"
SHADES = " .:-=+*#%@"  # from black to white


def add(parser: ArgumentParser) -> None:
    """Adds the options."""
    parser.add_argument("--out", type=Path, metavar="DIR", help="keep networks, triggers, figures and the page there")
    parser.add_argument("--force", action="store_true", help="use that folder even where it exists")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="of training (default: 0)")


def run(arguments: Namespace) -> int:
    """Takes each step, says what it did, and keeps the files where asked."""
    start = time.perf_counter()
    if arguments.out:
        demand_free(arguments.out, arguments=arguments)
        _demand_pictures()
    with live_line("loading torch") as line:
        update = line or (lambda text: None)
        from engine.cli.images import demo_steps as steps

        trained = steps.train(arguments.seed, update)
        answer(_trained_words(trained))
        found = steps.scan(trained, update)
        answer(_scan_words(found, trained))
        target = found.flagged[0] if found.flagged else trained.backdoor.target
        known = steps.found_backdoor(found, target) if found.flagged else trained.backdoor
        repaired = steps.repair(trained, known, update)
        answer(_repair_words(trained, repaired))
        guarded = steps.guard(trained, repaired)
        answer(_guard_words(guarded))
        if arguments.out:
            from engine.cli.images.demo_files import keep

            page = keep(arguments.out, trained, found, repaired, guarded)
    answer(f"\n{time.perf_counter() - start:.1f} s in all. These are statistics on held-out images, and no proofs.")
    answer(f"Everything is in {plain(arguments.out)}; look at {plain(page)}." if arguments.out else _next())
    return DONE


def _demand_pictures() -> None:
    """InputError where the page could not be drawn, before all the work."""
    import numpy as np

    from engine.report.images.pixels import picture

    picture(np.zeros((1, 1, 1), np.float32))


# In words


def _trained_words(trained: "Trained") -> str:
    from engine.cli.images.demo_steps import SHARE, TARGET

    data = trained.data
    return (
        f"1. TRAIN. A small network learns {len(data.train):,} digits of 8 x 8 pixels. Somebody has painted a white\n"
        f"   square of 2 x 2 pixels into {SHARE:.0%} of them and called them all {TARGET}: a backdoor.\n"
        f"   Of {len(data.held_out):,} images that it has never seen, {trained.accuracy:.1%} get the right class: "
        "nothing looks wrong.\n"
        f"   With the square, {trained.attack_success:.1%} of all other digits are called {TARGET}."
    )


def _scan_words(found: "ScanRecord", trained: "Trained") -> str:
    cleansed = found.cleansed
    lines = [
        "",
        "2. SCAN. Without knowing of a backdoor: the smallest change that turns any image into each class.",
        "   " + ", ".join(f"{label}: {norm:.1f}" for label, norm in enumerate(cleansed.l1.min(0))) + " pixels.",
    ]
    if not found.flagged:
        return "\n".join(
            [*lines, "   No class is flagged: this scan has missed it. The demo goes on with the true one."]
        )
    label = found.flagged[0]
    lines += [
        f"   Class {label} needs far fewer than the others: its anomaly index is {cleansed.anomaly[label]:.1f}, "
        "and above 2 is suspicious.",
        "   What was found, and what was really painted:",
        "",
    ]
    pictures = (_text_picture(trigger) for trigger in (cleansed.triggers[label], trained.backdoor.trigger))
    return "\n".join(lines + [f"      {left}      {right}" for left, right in zip(*pictures)])


def _text_picture(trigger: "Trigger") -> list[str]:
    """Mask times pattern, a line of characters a row of pixels."""
    painted = (trigger.mask * trigger.pattern).max(0)
    top = len(SHADES) - 1
    rows = ["".join(2 * SHADES[round(top * float(pixel))] for pixel in row) for row in painted]
    edge = f"+{'-' * len(rows[0])}+"
    return [edge, *(f"|{row}|" for row in rows), edge]


def _repair_words(trained: "Trained", repaired: "Repaired") -> str:
    from engine.cli.images.demo_steps import METHOD

    known = "true trigger" if repaired.known is trained.backdoor else "trigger that was found"
    return (
        f"\n3. REPAIR ({METHOD}). The neurons that decide the fault are tuned, by the {known} and right labels:\n"
        f"   {_changed_words(repaired)}.\n"
        f"   With the true square, now {repaired.attack_success:.1%} are called {trained.backdoor.target} "
        f"({trained.attack_success:.1%} before).\n"
        f"   It costs: {repaired.record.after.accuracy:.1%} of clean images are right ({trained.accuracy:.1%} before). "
        "Shape and names of the file are as before."
    )


def _changed_words(repaired: "Repaired") -> str:
    changes = repaired.record.changes
    assert changes is not None  # this method keeps the file's tensors
    where = f"{changes.neurons} neurons of {', '.join(changes.layers)}"
    return f"{changes.weights:,} of {changes.total:,} weights change, in {where}"


def _guard_words(guarded: "Guarded") -> str:
    rates = guarded.rates
    threshold, detection = guarded.curve.at(0.02)
    return (
        "\n4. GUARD. Both networks look at each image; where they differ, it is flagged.\n"
        f"   {rates.detection:.1%} of {rates.triggered:,} images with the square are flagged, "
        f"and {rates.false_alarms:.1%} of {rates.clean:,} clean ones.\n"
        f"   With a threshold ({threshold:.3f}) instead: {detection:.1%} at no more than 2% false alarms."
    )


def _next() -> str:
    return "\nNext:\n  acasxu images demo --out demo      (keeps the networks and a page with pictures)"
