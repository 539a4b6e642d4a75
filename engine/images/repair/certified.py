"""Repair against the proof: a method, a proof, and again with the triggers that the proof found, as in
counterexample-guided refinement (Clarke et al., CAV 2000)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from engine.errors import InputError
from engine.images.certify.ledger import OPEN, PROVED, REFUTED, WRONG
from engine.images.certify.questions import Key, Questions
from engine.images.certify.record import CertifyRecord
from engine.images.certify.service import Output, certify
from engine.images.certify.triggers import refutation_of
from engine.images.classifier import Classifier
from engine.images.datasets import Dataset
from engine.images.imageset import Floats, ImageSet, joined
from engine.images.repair.auto import Choice
from engine.images.repair.goal import Goal
from engine.images.repair.record import ProvedBound
from engine.images.repair.task import RepairTask, Report, part_of, silent
from engine.onnx_file import parse_network
from engine.search.problem import Options
from engine.verdict import Counterexample

FAULTS = 2000  # images with worst contents, at most, for methods that are given their faults
SPARE = Fraction(2, 3)  # of the share that the goal allows: what validation images may show, so that others keep it

Repair = Callable[[RepairTask, Report], Choice]


@dataclass(frozen=True, slots=True)
class Round:
    """One round: the bound proved on validation images, and how many of them are refuted and open."""

    bound: Fraction
    images: int
    refuted: int
    open: int


def questions_of(classifier: Classifier, images: ImageSet, goal: Goal) -> Questions:
    """What is to be proved of a classifier on these images."""
    network = parse_network(classifier.data, name=classifier.name, where=classifier.name)
    network = replace(network, sha256=classifier.sha256)
    return Questions(classifier, network, images, goal.patch, goal.contents, goal.target)


def repair_until_proved(
    task: RepairTask, goal: Goal, repair: Repair, report: Report = silent
) -> tuple[Choice, tuple[Round, ...]]:
    """The first result of `repair` that the goal is proved of with some room to spare, or the best of all rounds.

    Each round is judged by proofs on validation images that no round before has seen. The triggers found there go into
    the next round's task, which begins with this round's result. OutOfTime as `repair` and `report` raise it.
    """
    pieces = _pieces(goal.counted(task.validation), goal)
    if not pieces:
        what = f"no image to choose by has another label than {goal.target}"
        raise InputError(what, where=task.validation.name, advice="give images of more classes")
    found: list[tuple[Choice, Round]] = []
    current = replace(task, goal=goal)
    for number, images in enumerate(pieces):
        part = part_of(report, number / len(pieces), (number + 1) / len(pieces), f"round {number + 1}: ")
        choice = repair(_with_faults(current), part_of(part, 0, 0.8))
        proof, painted = _proved(choice.candidate.classifier, images, goal, part_of(part, 0.8, 1, "proving, "))
        counts = proof.counts
        found.append((choice, Round(proof.bound, proof.counted, counts[REFUTED] + counts[WRONG], counts[OPEN])))
        if proof.bound <= SPARE * goal.most:
            break
        current = _taught(current, choice.candidate.classifier, images, painted)
    best = min(range(len(found)), key=lambda place: found[place][1].bound)
    return _last([choice for choice, _ in found[: best + 1]]), tuple(outcome for _, outcome in found)


def _last(choices: Sequence[Choice]) -> Choice:
    """The last of them, with a note of all: each round went on from the result of the one before."""
    last = choices[-1]
    if len(choices) == 1:
        return last
    notes = "; ".join(choice.candidate.note for choice in choices)
    return replace(last, candidate=replace(last.candidate, note=f"{len(choices)} rounds: {notes}"))


def proved_bound(
    classifier: Classifier,
    dataset: Dataset,
    goal: Goal,
    rounds: Sequence[Round],
    output: Output | None,
    report: Report,
) -> ProvedBound:
    """What is proved of `goal.held_out` held-out images; the certificate is written where `output` says."""
    questions = questions_of(classifier, dataset.held_out.sample(goal.held_out), goal)
    options = Options(timeout=goal.timeout)
    record = certify(questions, options, data=dataset.name, output=output, report=report)
    counts = record.counts
    return ProvedBound(
        family=f"{goal.patch.text}, {goal.contents.text}",
        most=str(goal.most),
        bound=str(record.bound),
        images=record.counted,
        proved=counts[PROVED],
        refuted=counts[REFUTED],
        open=counts[OPEN],
        wrong=counts[WRONG],
        seconds=record.seconds,
        rounds=tuple(str(one.bound) for one in rounds),
    )


def _pieces(images: ImageSet, goal: Goal) -> list[ImageSet]:
    """Images for each round, no two alike; fewer rounds where they are few."""
    size = max(1, min(goal.images, len(images) // goal.rounds))
    order = np.random.default_rng(0).permutation(len(images))  # a set may be sorted by class
    return [images.select(order[i * size : (i + 1) * size]) for i in range(min(goal.rounds, len(images)))]


def _proved(
    classifier: Classifier, images: ImageSet, goal: Goal, report: Report
) -> tuple[CertifyRecord, dict[int, Floats]]:
    """The outcome of proofs on images; and by place the images [1, channels, height, width] with triggers that work."""
    questions = questions_of(classifier, images, goal)
    painted: dict[int, Floats] = {}

    def keep(key: Key, found: Counterexample) -> None:
        trigger = refutation_of(questions, key, found).trigger
        painted[key[0]] = trigger.paint(images.images[key[0]][None])

    record = certify(questions, Options(timeout=goal.timeout), data=images.name, report=report, on_refuted=keep)
    return record, painted


def _taught(task: RepairTask, classifier: Classifier, images: ImageSet, painted: dict[int, Floats]) -> RepairTask:
    """The task for the next round: with this round's result, and the triggers that it did not withstand."""
    if not painted:
        return task.with_classifier(classifier)
    some = images.select(np.array(list(painted)))
    scores = classifier.scores(some.images)
    refuted = some.with_images(np.concatenate(list(painted.values())))
    if task.refuted is not None:
        refuted, scores = joined([task.refuted[0], refuted]), np.concatenate([task.refuted[1], scores])
    return replace(task, classifier=classifier, refuted=(refuted, scores))


def _with_faults(task: RepairTask) -> RepairTask:
    """The task whose faults are images with the worst contents found, that work, and those that a proof found."""
    assert task.goal is not None
    parts = []
    for place, images in enumerate((task.clean, task.validation)):
        some = task.goal.counted(images).sample(FAULTS)
        worst, margins = task.goal.worst(task.classifier, some, np.random.default_rng((task.seed, place)))
        order = np.argsort(-margins, kind="stable")[: max(int((margins >= 0).sum()), len(some) // 20)]
        parts.append(some.with_images(worst).select(np.sort(order)))
    faults, validation = parts
    faults = faults if task.refuted is None else joined([task.refuted[0], faults])
    return replace(task, faults=faults, validation_faults=validation)
