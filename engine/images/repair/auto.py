"""auto: the methods that apply, compared on validation images."""

import time
from dataclasses import dataclass

from engine.deadline import OutOfTime
from engine.errors import InputError
from engine.images.classifier import Classifier
from engine.images.measure import accuracy, attack_success
from engine.images.repair.changes import changes_between
from engine.images.repair.methods import method_of
from engine.images.repair.record import Trial
from engine.images.repair.task import METHOD_NAMES, Candidate, RepairOptions, RepairTask, Report, part_of, silent

SAME_FAULTS = 0.005  # of the validation faults: less is no difference
SAME_ACCURACY = 0.003


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """The method that was taken, what it gave, why, and all that were tried."""

    method: str
    candidate: Candidate
    explanation: str
    trials: tuple[Trial, ...]


def choose(task: RepairTask, options: RepairOptions, report: Report = silent) -> Choice:
    """The best candidate of all methods by validation images.

    Fewest faults left come first; among those within half a point of it, the highest clean accuracy; among those within
    0.3 points of that, the fewest changed weights. A method that does not apply, or has no time left, is named with
    the reason. InputError where none applies; OutOfTime where none ended in time.
    """
    found: dict[str, tuple[Candidate, Trial]] = {}
    failed: list[Trial] = []
    count = len(METHOD_NAMES)
    for place, name in enumerate(METHOD_NAMES):
        start = time.monotonic()
        try:
            candidate = method_of(name)(task, options, part_of(report, place / count, (place + 1) / count, f"{name}: "))
        except InputError as error:
            failed.append(Trial(name, "", time.monotonic() - start, failure=str(error)))
            continue
        except OutOfTime:
            failed.append(Trial(name, "", time.monotonic() - start, failure="no time was left"))
            break
        found[name] = candidate, _trial(task, name, candidate, time.monotonic() - start)
    if not found:
        if any(trial.failure == "no time was left" for trial in failed):
            raise OutOfTime
        raise InputError("no method applies", advice="; ".join(f"{t.method}: {t.failure}" for t in failed))
    trials = tuple(trial for _, trial in found.values())
    best = _best(trials)
    return Choice(best.method, found[best.method][0], _explanation(best, trials), (*trials, *failed))


def _trial(task: RepairTask, name: str, candidate: Candidate, seconds: float) -> Trial:
    changes = changes_between(task.classifier, candidate.classifier)
    return Trial(
        name,
        candidate.note,
        seconds,
        fault_rate(task, candidate.classifier),
        accuracy(candidate.classifier, task.validation),
        changes.weights if changes else None,
    )


def fault_rate(task: RepairTask, classifier: Classifier) -> float:
    """The attack's success on validation images where the trigger is known, else the share of wrong faults."""
    if task.backdoor is not None:
        return attack_success(classifier, task.validation, task.backdoor)
    return 1 - accuracy(classifier, task.validation_faults)


def _best(trials: tuple[Trial, ...]) -> Trial:
    faults, rates = _known([t.fault_rate for t in trials]), _known([t.accuracy for t in trials])
    near = [i for i, rate in enumerate(faults) if rate <= min(faults) + SAME_FAULTS]
    top = max(rates[i] for i in near)
    kept = [i for i in near if rates[i] >= top - SAME_ACCURACY]
    return trials[min(kept, key=lambda i: (trials[i].weights is None, trials[i].weights or 0))]


def _known(values: list[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def _explanation(best: Trial, trials: tuple[Trial, ...]) -> str:
    """One sentence: why this one."""
    others = ", ".join(f"{t.method} {t.fault_rate:.1%} at {t.accuracy:.1%}" for t in trials if t.method != best.method)
    found = (
        f"{best.method} was chosen on validation images: it leaves {best.fault_rate:.1%} of the faults "
        f"at {best.accuracy:.1%} accuracy"
    )
    return f"{found}, where others leave: {others}" if others else found
