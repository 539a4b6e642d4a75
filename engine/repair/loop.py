"""The repair loop: a method offers networks, the search tries to prove them, what it meets goes back to the method.

A network is a repair only when every property asked for, and every one that held before, is proved for it, from
scratch. Among repairs the loop keeps the one that changes fewest sampled decisions, then fewest weights.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from engine.comparison.decision import Decision
from engine.comparison.mirror import unmirrored
from engine.errors import InputError
from engine.network import Network
from engine.property import Property
from engine.repair.attempt import Attempt, cost_of, judge
from engine.repair.conflict import conflict
from engine.repair.methods import IN_AUTO, METHODS, order
from engine.repair.mirror import as_lowest
from engine.repair.state import State
from engine.repair.storage import demand_writable
from engine.repair.task import Box, Candidate, Evidence, Say, Task
from engine.search.problem import Options, Problem
from engine.search.verify import verify_all
from engine.verdict import Unknown, Verdict, Verified, Violated

FIRST = 0.25  # share of a candidate's time for proofs that it gets before others are tried
GLANCE = 0.02  # share of it before the proof has to wait: many counterexamples are found in it


@dataclass(frozen=True, slots=True)
class Settings:
    """How to repair.

    timeout: seconds for all, after which no method is asked and no proof is gone on with; proof_timeout: seconds of
    the search's work for each property of a candidate: at first the share FIRST of it, and all for the one proved
    most of where a method has no other; patience: seconds, proofs apart, for which a candidate that changes less is
    looked for, once there is one; points: samples to compare candidates on; options: of the methods, by name.
    """

    method: str = "auto"
    timeout: float | None = None
    proof_timeout: float = 20.0
    patience: float = 10.0
    points: int = 1_000_000
    seed: int = 0
    semantics: str = "real"
    device: str = "auto"
    options: dict[str, object] = field(default_factory=dict)

    def __post_init__(self):
        order(self.method)  # InputError where there is no such method
        for name in ("timeout", "proof_timeout"):
            if getattr(self, name) is not None and not getattr(self, name) > 0:
                raise InputError(f"{name} is {getattr(self, name)}", advice="use a number of seconds above 0")

    def search(self, share: float = 1.0) -> Options:
        """How candidates are proved, in this share of the time."""
        return Options(
            timeout=share * self.proof_timeout,
            semantics=self.semantics,
            device=self.device,
            seed=self.seed,
            proofs=True,
            open_boxes=64,
        )


@dataclass(frozen=True, slots=True, eq=False)
class Held:
    """Nothing was to be repaired: all properties are proved for the network as it is. violated: see Repaired."""

    proved: tuple[tuple[Property, Verified], ...]
    violated: tuple[Property, ...] = ()
    undecided: tuple[Property, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Repaired:
    """`network` satisfies all of `proved`, among them `targets`, which the original did not.

    violated, undecided: properties to be preserved that the original violated already, or for which nothing could be
    proved of it; attempts: all that was tried; chosen: those taken, one for each target that what was taken before did
    not repair as well; skipped: methods that could not be used, and why.
    """

    network: Network
    targets: tuple[Property, ...]
    proved: tuple[tuple[Property, Verified], ...]
    violated: tuple[Property, ...]
    undecided: tuple[Property, ...]
    attempts: tuple[Attempt, ...]
    chosen: tuple[Attempt, ...]
    skipped: tuple[str, ...]
    seconds: float


@dataclass(frozen=True, slots=True, eq=False)
class Failed:
    """No repair was found. target: the property that none was found for; skipped: see Repaired."""

    reason: str
    timed_out: bool
    target: Property
    attempts: tuple[Attempt, ...]
    boxes: tuple[Box, ...]
    skipped: tuple[str, ...]
    seconds: float


class _Late(Exception):
    """The time for all is over, or the patience with which a better repair is looked for."""


def repair(
    network: Network,
    properties: list[Property],
    *,
    preserve: list[Property] = (),
    lower,
    upper,
    decision: Decision = Decision.LOWEST,
    settings: Settings = Settings(),
    state: State | None = None,
    say: Say = lambda text: None,
):
    """A network of the same shape for which all of `properties` hold, and those of `preserve` that held before.

    Returns Held, Repaired or Failed. [lower, upper] is the domain on which decisions should stay, where they are not
    known the lowest output. The properties that are violated are repaired one after the other, each step keeping what
    was proved before it. InputError where properties contradict each other, where numbers of the network are not its
    own, and where the network's file could not hold any repair.
    """
    network.demand_own_numbers("repair")
    run = _Run(settings, state or State(None), say, decision)
    _demand_no_conflict([*properties, *preserve])
    say("verifying the original")
    try:
        verdicts = _verdicts(network, [*properties, *preserve], settings, run.check)
    except _Late:
        return run.failed(properties[0], "the time was over before the original was verified")
    pairs = list(zip([*properties, *preserve], verdicts))
    held = [(prop, verdict) for prop, verdict in pairs if isinstance(verdict, Verified)]
    targets = [prop for prop, verdict in pairs[: len(properties)] if not isinstance(verdict, Verified)]
    violated, undecided = (
        tuple(prop for prop, verdict in pairs[len(properties) :] if isinstance(verdict, kind))
        for kind in (Violated, Unknown)
    )
    if not targets:
        return Held(tuple(held), violated, undecided)
    demand_writable(network, order(settings.method))
    domain, queue = (np.asarray(lower, float), np.asarray(upper, float)), targets
    for _ in targets:
        outcome = _in_order(run, network, queue, [prop for prop, _ in held], domain, (violated, undecided))
        if isinstance(outcome, Repaired) or outcome.timed_out or outcome.target is queue[0]:
            break
        queue = [outcome.target, *(prop for prop in queue if prop is not outcome.target)]  # what is hard comes first
    return outcome


def _in_order(run: "_Run", network: Network, targets: list[Property], keep: list[Property], domain, others):
    """Repaired, or Failed at the first target that cannot be repaired after those before it."""
    current, chosen = network, []
    for number, target in enumerate(targets, 1):
        stage = f"{target.name}, {number} of {len(targets)}: " if len(targets) > 1 else ""
        task = Task(current, (target,), tuple(keep), *domain, run.settings.seed, run.decision)
        best = run.best(task, stage)
        if best is None:
            return run.failed(target, run.reason())
        chosen += [best] if best.network is not current else []
        current, keep = best.network, [target, *keep]
    proved = tuple(zip(task.properties, best.verdicts))
    return Repaired(
        current, tuple(targets), proved, *others, tuple(run.attempts), tuple(chosen), tuple(run.skipped), run.seconds()
    )


def _demand_no_conflict(properties: list[Property]) -> None:
    found = conflict(properties)
    if found:
        names = " and ".join(prop.name for prop in found)
        what = "contradict each other" if len(found) > 1 else "cannot be satisfied by any network"
        raise InputError(f"{names} {what}: somewhere every output is unsafe", advice="leave one out, or change it")


def _verdicts(network: Network, properties: list[Property], settings: Settings, check) -> list[Verdict]:
    problems = [Problem(network, prop) for prop in properties]
    return verify_all(problems, settings.search(), on_progress=lambda _: check())


def _weighed_as(judged: Attempt, attempt: Attempt) -> Attempt:
    """What was said of an attempt's network, with what is known of it beside."""
    return replace(
        judged,
        cost=attempt.cost,
        changed=attempt.changed,
        method=attempt.method,
        note=attempt.note,
        network=attempt.network,
    )


def _unmirrored(candidate: Candidate, task: Task) -> Candidate:
    note = f"{candidate.note} (of the negated outputs)"
    return replace(candidate, network=unmirrored(candidate.network, task.network), note=note)


class _Run:
    """What is common to all steps of one repair. attempts: of all steps, those of the present one from `first` on."""

    def __init__(self, settings: Settings, state: State, say: Say, decision: Decision):
        self.settings, self.state, self.decision = settings, state, decision
        self.stage, self.first, self.attempts, self.skipped = "", 0, [], []
        self._say, self._start = say, time.monotonic()
        self._best: Attempt | None = None
        self._found: float | None = None  # when this step's first repair, or candidate whose proof waits, was
        self._weighed = 0

    def best(self, task: Task, stage: str) -> Attempt | None:
        """The best attempt for this task that is proved."""
        self.stage, self.first, self._best, self._found = stage, len(self.attempts), None, None
        evidence = Evidence()
        try:
            if self.attempts:  # a step before may have repaired this, too
                same = Attempt(method="none", note="as it is", network=task.network)
                self._prove(task, self._weigh(task, same, evidence), evidence)
            for name in order(self.settings.method):
                if not (self._best and self._best.cost.perfect):
                    self._by(name, task, evidence)
        except _Late:
            pass
        return self._best

    def _by(self, name: str, task: Task, evidence: Evidence) -> None:
        """Tries what the method offers, up to a repair that changes no sampled decision.

        Candidates that change some, where better ones may follow, wait for their proof. Where nothing is proved yet,
        what was proved most of gets more time.
        """
        first, waiting = len(self.attempts), []
        for candidate in self._offers(name, task, evidence):
            attempt = Attempt(method=name, note=candidate.note, network=candidate.network)
            attempt = self._weigh(task, attempt, evidence)
            if attempt.cost.perfect or not candidate.provisional:
                self._prove(task, attempt, evidence)
            elif self._glance(task, attempt, evidence):
                waiting.append(attempt)
                self._found = self._found or time.monotonic()
            if self._impatient():
                self._prove_waiting(task, waiting, evidence)
            if self._best and self._best.cost.perfect:
                break
            self.check()
        self._prove_waiting(task, waiting, evidence)
        left_open = [i for i in range(first, len(self.attempts)) if self.attempts[i].boxes]
        if left_open and not self._best:
            nearest = max(left_open, key=lambda i: self.attempts[i].proved)
            self.attempts[nearest] = self._judged(task, self.attempts[nearest], 1.0)
            self._compare(self.attempts[nearest])

    def _weigh(self, task: Task, attempt: Attempt, evidence: Evidence) -> Attempt:
        """What it changes, on samples of its own; those at which the decision changes are added to the evidence."""
        self._tell(f"{attempt.method}: comparing: {attempt.note}")
        self._weighed += 1  # the final report's samples are those of number 0
        cost, changed = cost_of(
            task, attempt.network, points=self.settings.points, seed=self.settings.seed + self._weighed
        )
        evidence.changed += changed
        return replace(attempt, cost=cost, changed=changed)

    def _glance(self, task: Task, attempt: Attempt, evidence: Evidence) -> bool:
        """Whether the attempt is not refuted at once."""
        judged = self.state.known(attempt.network, task) or self._judged(task, attempt, GLANCE)
        evidence.counterexamples += judged.counterexamples
        evidence.boxes = []
        if judged.counterexamples:
            self.attempts.append(_weighed_as(judged, attempt))
        return not judged.counterexamples

    def _prove_waiting(self, task: Task, waiting: list[Attempt], evidence: Evidence) -> None:
        """Proves what changes least, and if that fails the next, up to a repair; empties the list."""
        waiting.sort(key=lambda attempt: attempt.cost)
        while waiting:
            self._prove(task, waiting.pop(0), evidence)

    def _prove(self, task: Task, attempt: Attempt, evidence: Evidence) -> None:
        """Proves or refutes the attempt, if it would be the best; what was met is added to the evidence."""
        if self._best is None or attempt.cost < self._best.cost:
            known = self.state.known(attempt.network, task)
            attempt = _weighed_as(known, attempt) if known else self._judged(task, attempt, FIRST)
            evidence.counterexamples += attempt.counterexamples
            evidence.boxes = list(attempt.boxes)
            evidence.lowest = attempt.proved
        self.attempts.append(attempt)
        self._compare(attempt)

    def _compare(self, attempt: Attempt) -> None:
        if attempt.verdicts and (self._best is None or attempt.cost < self._best.cost):
            self._best, self._found = attempt, self._found or time.monotonic()

    def seconds(self) -> float:
        return time.monotonic() - self._start

    def late(self) -> bool:
        return self.settings.timeout is not None and self.seconds() > self.settings.timeout

    def check(self) -> None:
        """_Late where it is, or where a repair is known and patience is over."""
        if self.late() or self._best and self._impatient():
            raise _Late

    def _impatient(self) -> bool:
        return self._found is not None and time.monotonic() - self._found > self.settings.patience

    def failed(self, target: Property, reason: str) -> Failed:
        boxes = self._nearest().boxes if self._here() else ()
        return Failed(reason, self.late(), target, tuple(self.attempts), boxes, tuple(self.skipped), self.seconds())

    def reason(self) -> str:
        """What stands in the way of this step, in a line."""
        if not self._here():
            return "the time was over before anything was tried" if self.late() else "no method had anything to offer"
        nearest = self._nearest()
        what = f"{nearest.note}: {nearest.outcome}"
        return f"of {len(self._here())} candidates none could be proved; the nearest, by {nearest.method}: {what}"

    def _here(self) -> list[Attempt]:
        """The present step's attempts."""
        return self.attempts[self.first :]

    def _nearest(self) -> Attempt:
        return max(self._here(), key=lambda attempt: attempt.proved)

    def _offers(self, name: str, task: Task, evidence: Evidence) -> Iterator[Candidate]:
        options = {
            **(IN_AUTO.get(name, {}) if self.settings.method == "auto" else {}),
            **self.settings.options.get(name, {}),
        }
        try:
            demand_writable(task.network, (name,))
            seen = as_lowest(task)
            for candidate in METHODS[name]()(seen, evidence, lambda text: self._tell(f"{name}: {text}"), **options):
                yield candidate if seen is task else _unmirrored(candidate, task)
        except InputError as error:
            if self.settings.method != "auto":
                raise
            if f"{name}: {error}" not in self.skipped:  # of another step
                self.skipped.append(f"{name}: {error}")

    def _judged(self, task: Task, attempt: Attempt, share: float) -> Attempt:
        """What the search says of an attempt's network in this share of the time. _Late where all takes too long."""
        proving = f"{attempt.method}: proving: {attempt.note}"
        self._tell(proving)
        on_progress = lambda p: self._tell(f"{proving}: {p.open:,} boxes open, {p.proved:.0%} of the volume proved")
        start = time.monotonic()
        judged = judge(task, attempt.network, self.settings.search(share), on_progress=on_progress)
        if self._found:
            self._found += time.monotonic() - start
        if share >= FIRST or judged.counterexamples:
            self.state.keep(attempt.network, task, judged)
        return _weighed_as(judged, attempt)

    def _tell(self, text: str) -> None:
        """Says it; _Late where there is no time left, so that a method ends where it says what it is at."""
        best = f", best so far: {self._best.cost}" if self._best else ""
        self._say(f"{self.stage}{text} ({len(self.attempts)} tried{best}, {self.seconds():.0f} s)")
        self.check()
