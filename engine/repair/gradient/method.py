"""Repair by gradient descent on certified bounds and on fidelity.

All weights of a small network come first (small.py). Else, and where that does not suffice, the incoming weights of few
neurons are tuned (choices.py). Each choice of neurons descends a little on samples; the best go on (descent.py): they
are offered, and where the proof leaves boxes open, they descend the certified bounds on these too (certified.py), round
by round.

Descending certified bounds beside a fidelity loss: ART (Lin et al., FMCAD 2020), PatchPRO. Tuning the incoming
weights of few significant neurons: VERE (Ma et al., ICSE 2024).
"""

from collections.abc import Iterator

from engine.errors import InputError
from engine.repair.gradient.choices import Chosen, choices, in_words
from engine.repair.gradient.descent import Descent
from engine.repair.gradient.guides import Facts
from engine.repair.gradient.small import is_small, whole
from engine.repair.task import Candidate, Evidence, Say, Task

OBJECTIVES = ("bound", "proxy")


def gradient(
    task: Task,
    evidence: Evidence,
    say: Say,
    *,
    margin: float = 0.03,
    agreement: float = 0.9999,
    least: float = 0.999,
    rounds: int = 6,
    tried: int = 4,
    neurons: int | None = None,
    localization: str | None = None,
    objective: str = "bound",
) -> Iterator[Candidate]:
    """Yields candidates that samples find safe, and whose advisories agree on a share of at least `agreement`.

    margin: by how much samples are to miss what is unsafe, in scores, doubled after each round that was not proved;
    least: the share of agreement that is enough when nothing better was proved; rounds: of proof and certified
    descent, for each choice of neurons; tried: how many choices go beyond their first trial; neurons, localization:
    see choices.py; objective: the aim on open boxes, bound (certified.py) or proxy (proxy.py), for which only hidden
    neurons are tuned. InputError for an unknown objective, and for a proxy without hidden layer.
    """
    if objective not in OBJECTIVES:
        raise InputError(f"unknown objective {objective!r}", advice=f"use {', '.join(OBJECTIVES)}")
    if objective == "proxy" and len(task.network.layers) < 2:
        raise InputError("there is no hidden layer for a proxy box", where="gradient", advice="use the bound")
    if objective == "bound" and not (localization or neurons) and is_small(task.network):
        yield from whole(task, evidence, say, agreement=least)
    groups = choices(task, evidence, localization=localization, neurons=neurons, outputs=objective == "bound")
    for facts, group in groups:
        descents = _trials(facts, group, margin, objective, say)
        descents.sort(key=lambda descent: not descent.safe() if localization else descent.loss)
        outputs = len(task.network.layers) - 1
        if facts.first == outputs and descents[0].out_of_reach():
            descents.sort(key=lambda descent: descent.chosen != {outputs: facts.outputs_to_raise()})
        for share in (agreement, least):
            for descent in descents[:tried]:
                yield from _rounds(descent, evidence, say, share, rounds)


def _trials(facts: Facts, group: list[Chosen], margin: float, objective: str, say: Say) -> list[Descent]:
    """Short descents of all choices; with more weights where few suffice for none."""
    for sparsity in (0.5, 0.1):
        descents = [Descent(facts, chosen, margin, objective) for chosen in group]
        for descent in descents:
            say(f"trying {in_words(descent.chosen)}")
            descent.descend(steps=100, rate=0.003, sparsity=sparsity)
        if any(descent.safe() for descent in descents):
            break
    return descents


def _rounds(descent: Descent, evidence: Evidence, say: Say, share: float, rounds: int) -> Iterator[Candidate]:
    """Yields candidates of one choice, until it is unsafe or agrees on less than this share of points."""
    chosen = in_words(descent.chosen)
    for i in range(rounds):
        say(f"tuning {chosen}" + (f", {len(evidence.boxes)} open boxes" if i else ""))
        if i:
            descent.certify(evidence)
        else:
            descent.polish(evidence)
        if descent.agreement() < share or not descent.safe():
            return
        note = f"{chosen}: {descent.tuned.count()} weights changed, margin {descent.margin:.3g}"
        yield Candidate(descent.tuned.edited(), note)
        descent.margin *= 2
