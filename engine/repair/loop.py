"""The repair loop: a method offers networks, the search tries to prove them, what it finds goes back to the method.

A network is a repair only when every property asked for, and every one that held before, is proved for it, from
scratch. Among repairs the loop keeps the one that costs least (attempt.py, Cost).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import inf

import numpy as np

from engine.comparison.decision import Decision
from engine.comparison.largest_change import ProvedChange
from engine.errors import InputError
from engine.network import Network
from engine.property import Property, Vector
from engine.repair.attempt import Attempt, Tried
from engine.repair.edit import demand_writable
from engine.repair.possible.conflict import conflict
from engine.repair.possible.theorem import demand_theorem
from engine.repair.run import Late, RepairRun, nearest, obstacle
from engine.repair.scores.limit import demand_possible, score_limit
from engine.repair.state import State
from engine.repair.step import RepairStep
from engine.repair.task import Box, RepairOptions, Say, Task, silent
from engine.repair.views.parts import parts
from engine.search.problem import Problem
from engine.search.verify import verify_all
from engine.verdict import Unknown, Verified, Violated

MOST_CHANGED = 0.05  # of samples: a part whose repair changes more is left to the repair of the whole
THEOREM_SHARE = 0.25  # of the time for a proof, to see what a theorem has to mend
LAST_SHARE = 0.8  # of the time left: what the last of several parts gets, as the whole is proved after it

Proved = tuple[tuple[Property, Verified], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Held:
    """Nothing was to be repaired: all properties are proved for the network as it is.

    violated, undecided: see Repaired.
    """

    proved: Proved
    violated: tuple[Property, ...] = ()
    undecided: tuple[Property, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Repaired:
    """`network` satisfies all of `proved`, among them `targets`, which the original did not.

    violated, undecided: properties to be preserved that the original violated already, or for which nothing could be
    proved of it; attempts: all that was tried; chosen: those taken, one for each target that what was taken before did
    not repair as well; skipped: methods that could not be used, and why; change: what is proved of the scores' change
    where that is limited.
    """

    network: Network
    targets: tuple[Property, ...]
    proved: Proved
    violated: tuple[Property, ...]
    undecided: tuple[Property, ...]
    attempts: tuple[Attempt, ...]
    chosen: tuple[Tried, ...]
    skipped: tuple[str, ...]
    seconds: float
    change: ProvedChange | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Failed:
    """No repair was found. target: the property that none was found for.

    boxes: those left open by the attempt proved most of; attempts, skipped: see Repaired.
    """

    reason: str
    timed_out: bool
    target: Property
    attempts: tuple[Attempt, ...]
    boxes: tuple[Box, ...]
    skipped: tuple[str, ...]
    seconds: float


Outcome = Held | Repaired | Failed


@dataclass(frozen=True, slots=True)
class _Standing:
    """The verdicts of the original: proved properties; targets; of those to be preserved, which do not hold."""

    held: Proved
    targets: tuple[Property, ...]
    violated: tuple[Property, ...]
    undecided: tuple[Property, ...]


def repair(
    network: Network,
    properties: Sequence[Property],
    *,
    preserve: Sequence[Property] = (),
    lower: Sequence[Fraction | float] | np.ndarray,
    upper: Sequence[Fraction | float] | np.ndarray,
    decision: Decision = Decision.LOWEST,
    options: RepairOptions = RepairOptions(),
    state: State | None = None,
    say: Say = silent,
) -> Outcome:
    """Finds a network of the same shape for which all of `properties` hold, and those of `preserve` that held before.

    [lower, upper] is the domain on which decisions should stay, where they are not known the lowest output. The
    properties that are violated are repaired one after the other, each step keeping what was proved before it.
    InputError where properties contradict each other, where numbers of the network are not its own, where the
    network's file could not hold any repair, and where no repair can have the guarantee that is demanded.
    """
    network.demand_own_numbers("repair")
    network.demand_whole_layers("repair")
    network.demand_relus("repair")
    box = tuple(map(Fraction, lower)), tuple(map(Fraction, upper))
    run = RepairRun(network, options, state or State(None), say, decision, score_limit(network, box, options))
    _demand_no_conflict([*properties, *preserve])
    say("verifying the original")
    try:
        known = _standing(run, network, properties, preserve, box)
    except Late:
        return _failed(run, properties[0], "the time was over before the original was verified")
    if not known.targets:
        return Held(known.held, known.violated, known.undecided)
    demand_writable(network, options.methods)
    if options.guarantee:
        demand_theorem(network, known.targets, options.search(THEOREM_SHARE))
    domain = np.asarray(lower, float), np.asarray(upper, float)
    queue = known.targets
    for _ in known.targets:
        outcome = _in_order(run, network, queue, domain, known)
        if isinstance(outcome, Repaired) or outcome.timed_out or outcome.target is queue[0]:
            break
        hard = outcome.target  # what is hard comes first
        queue = (hard, *(prop for prop in queue if prop is not hard))
    return outcome


def _in_order(
    run: RepairRun,
    network: Network,
    targets: tuple[Property, ...],
    domain: tuple[np.ndarray, np.ndarray],
    known: _Standing,
) -> Repaired | Failed:
    """Repairs for one target after the other; Failed at the first that cannot be repaired after those before it."""
    current, keep = network, [prop for prop, _ in known.held]
    chosen: list[Tried] = []
    proved: Proved = ()
    for number, target in enumerate(targets, 1):
        stage = f"{target.name}, {number} of {len(targets)}: " if len(targets) > 1 else ""
        before = _by_parts(run, current, target, keep, domain, stage)
        chosen += before
        current = before[-1].network if before else current
        task = _task(run, current, target, keep, domain)
        step = RepairStep(run, task, stage)
        best = step.search()
        if best is None:
            return _failed(run, target, obstacle(run, step.attempts), step)
        chosen += [best] if best.network is not current else []
        current, keep, proved = best.network, [target, *keep], tuple(zip(task.properties, best.verdicts))
    return Repaired(
        current,
        targets,
        proved,
        known.violated,
        known.undecided,
        tuple(run.attempts),
        tuple(chosen),
        tuple(run.skipped),
        run.seconds,
        run.limit.proved(current) if run.limit else None,
    )


def _by_parts(
    run: RepairRun,
    network: Network,
    target: Property,
    keep: Sequence[Property],
    domain: tuple[np.ndarray, np.ndarray],
    stage: str,
) -> list[Tried]:
    """What was taken for one part of the target after the other, up to the first that cannot be repaired."""
    pieces = parts(target)
    chosen: list[Tried] = []
    for number, part in enumerate(pieces if len(pieces) > 1 else (), 1):
        task = _task(run, network, part, [*pieces[: number - 1], *keep], domain)
        share = 1 / (1 + len(pieces) - number) if number < len(pieces) else LAST_SHARE
        step = RepairStep(run, task, f"{stage}part {number} of {len(pieces)}: ", violated=False, share=share)
        best = step.search()
        if best is None or best.cost.changed > MOST_CHANGED * run.options.points:
            break
        chosen += [best] if best.network is not network else []
        network = best.network
    return chosen


def _task(
    run: RepairRun, network: Network, target: Property, keep: Sequence[Property], domain: tuple[np.ndarray, np.ndarray]
) -> Task:
    options = run.options
    return Task(
        network,
        (target,),
        tuple(keep),
        *domain,
        seed=options.seed,
        decision=run.decision,
        max_change=float(run.limit.most) if run.limit else inf,
        tolerance=float(options.keep_outputs) if options.keep_outputs else inf,
    )


def _failed(run: RepairRun, target: Property, reason: str, step: RepairStep | None = None) -> Failed:
    best = nearest(step.attempts) if step else None
    boxes = best.boxes if best else ()
    return Failed(reason, run.late, target, tuple(run.attempts), boxes, tuple(run.skipped), run.seconds)


def _demand_no_conflict(properties: list[Property]) -> None:
    found = conflict(properties)
    if found:
        names = " and ".join(prop.name for prop in found)
        what = "contradict each other" if len(found) > 1 else "cannot be satisfied by any network"
        raise InputError(f"{names} {what}: somewhere every output is unsafe", advice="leave one out, or change it")


def _standing(
    run: RepairRun,
    network: Network,
    properties: Sequence[Property],
    preserve: Sequence[Property],
    box: tuple[Vector, Vector],
) -> _Standing:
    """Verifies the original; raises Late where there is no time for it.

    InputError where a counterexample in the domain, the box, shows that no repair keeps the limit of scores.
    """
    problems = [Problem(network, prop) for prop in (*properties, *preserve)]
    verdicts = verify_all(problems, run.options.search(), on_progress=lambda _: run.check())
    asked = list(zip(properties, verdicts))
    beside = list(zip(preserve, verdicts[len(properties) :]))
    if run.limit and run.options.semantics == "real":
        demand_possible(run.limit, asked, box)
    return _Standing(
        tuple((prop, verdict) for prop, verdict in asked + beside if isinstance(verdict, Verified)),
        tuple(prop for prop, verdict in asked if not isinstance(verdict, Verified)),
        tuple(prop for prop, verdict in beside if isinstance(verdict, Violated)),
        tuple(prop for prop, verdict in beside if isinstance(verdict, Unknown)),
    )
