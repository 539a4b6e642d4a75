"""The repair loop: a method offers networks, the search tries to prove them, what it meets goes back to the method.

A network is a repair only when every property asked for, and every one that held before, is proved for it, from
scratch. Among repairs the loop keeps the one that changes fewest sampled advisories, then fewest weights.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from ..errors import InputError
from ..network import Network
from ..property import Property
from ..search.problem import Options, Problem
from ..search.verify import verify_all
from ..verdict import Verdict, Verified
from .attempt import Attempt, Cost, cost_of, judge
from .conflict import conflict
from .methods import METHODS, order
from .state import State
from .task import Box, Evidence, Say, Task


@dataclass(frozen=True, slots=True)
class Settings:
    """How to repair.

    timeout: seconds for all, before which a repair must have been found; proof_timeout: seconds of the search's
    work for each property of a candidate; patience: seconds for which `auto` looks for a repair that changes less,
    once it has one; points: samples to compare repairs on; options: of the methods, by name.
    """

    method: str = "auto"
    timeout: float | None = None
    proof_timeout: float = 60.0
    patience: float = 20.0
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

    def search(self) -> Options:
        """How candidates are proved."""
        return Options(timeout=self.proof_timeout, semantics=self.semantics, device=self.device, seed=self.seed,
                       proofs=True, open_boxes=64)


@dataclass(frozen=True, slots=True, eq=False)
class Held:
    """Nothing was to be repaired: all properties are proved for the network as it is."""

    proved: tuple[tuple[Property, Verified], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Repaired:
    """`network` satisfies all of `proved`, among them `targets`, which the original did not.

    violated: properties to be preserved that the original violated already; attempts: all that was tried;
    chosen: the one taken for each target.
    """

    network: Network
    targets: tuple[Property, ...]
    proved: tuple[tuple[Property, Verified], ...]
    violated: tuple[Property, ...]
    attempts: tuple[Attempt, ...]
    chosen: tuple[Attempt, ...]
    seconds: float


@dataclass(frozen=True, slots=True, eq=False)
class Failed:
    """No repair was found. target: the property that none was found for."""

    reason: str
    timed_out: bool
    target: Property
    attempts: tuple[Attempt, ...]
    boxes: tuple[Box, ...]
    seconds: float


def repair(network: Network, properties: list[Property], *, preserve: list[Property] = (), lower, upper,
           settings: Settings = Settings(), state: State | None = None, say: Say = lambda text: None):
    """A network of the same shape for which all of `properties` hold, and those of `preserve` that held before.

    Returns Held, Repaired or Failed. [lower, upper] is the domain on which advisories should stay. The properties
    that are violated are repaired one after the other, each step keeping what was proved before it.
    InputError where properties contradict each other.
    """
    start = time.monotonic()
    _demand_no_conflict([*properties, *preserve])
    say("verifying the original")
    verdicts = _verdicts(network, [*properties, *preserve], settings)
    pairs = list(zip([*properties, *preserve], verdicts))
    held = [(prop, verdict) for prop, verdict in pairs if isinstance(verdict, Verified)]
    targets = [prop for prop, verdict in pairs[: len(properties)] if not isinstance(verdict, Verified)]
    if not targets:
        return Held(tuple(held))
    run = _Run(settings, state or State(None), say, start)
    keep, current, chosen = [prop for prop, _ in held], network, []
    for number, target in enumerate(targets, 1):
        run.stage = f"{target.name}, {number} of {len(targets)}: " if len(targets) > 1 else ""
        task = Task(current, (target,), tuple(keep), np.asarray(lower, float), np.asarray(upper, float), settings.seed)
        best = run.best(task)
        if best is None:
            return Failed(run.reason(), run.late(), target, tuple(run.attempts), run.boxes(), time.monotonic() - start)
        current, keep = best.network, [target, *keep]
        chosen.append(best)
    violated = [prop for prop, verdict in pairs[len(properties) :] if not isinstance(verdict, Verified)]
    return Repaired(current, tuple(targets), tuple(zip(task.properties, best.verdicts)), tuple(violated), tuple(run.attempts),
                    tuple(chosen), time.monotonic() - start)


def _demand_no_conflict(properties: list[Property]) -> None:
    found = conflict(properties)
    if found:
        names = " and ".join(prop.name for prop in found)
        what = "contradict each other" if len(found) > 1 else "cannot be satisfied by any network"
        raise InputError(f"{names} {what}: somewhere every output is unsafe", advice="leave one out, or change it")


def _verdicts(network: Network, properties: list[Property], settings: Settings) -> list[Verdict]:
    problems = [Problem(network, prop) for prop in properties]
    return verify_all(problems, settings.search())


class _Run:
    """What is common to all steps of one repair."""

    def __init__(self, settings: Settings, state: State, say: Say, start: float):
        self.settings, self.state, self.start = settings, state, start
        self.stage, self.attempts = "", []
        self._say = say

    def best(self, task: Task) -> Attempt | None:
        """The best attempt for this task that is proved."""
        best, evidence, found = None, Evidence(), 0.0
        for name, candidate in self._candidates(task, evidence):
            attempt = self._try(task, name, candidate, evidence)
            self.attempts.append(attempt)
            if attempt.cost and (best is None or attempt.cost < best.cost):
                best, found = attempt, found or time.monotonic()
            if best and (best.cost.perfect or time.monotonic() - found > self.settings.patience):
                break
            if self.late():
                break
        return best

    def late(self) -> bool:
        limit = self.settings.timeout
        return limit is not None and time.monotonic() - self.start > limit

    def reason(self) -> str:
        """What stands in the way, in a line."""
        if not self.attempts:
            return "no method had anything to offer"
        nearest = self._nearest()
        what = f"{nearest.note}: {nearest.outcome}"
        return f"of {len(self.attempts)} candidates none could be proved; the nearest, by {nearest.method}: {what}"

    def boxes(self) -> tuple[Box, ...]:
        """Those the nearest candidate left open."""
        return self._nearest().boxes if self.attempts else ()

    def _nearest(self) -> Attempt:
        return max(self.attempts, key=lambda attempt: attempt.proved)

    def _candidates(self, task: Task, evidence: Evidence) -> Iterator[tuple[str, object]]:
        for name in order(self.settings.method):
            options = self.settings.options.get(name, {})
            say = lambda text, name=name: self._tell(f"{name}: {text}")
            for candidate in METHODS[name]()(task, evidence, say, **options):
                yield name, candidate

    def _try(self, task: Task, name: str, candidate, evidence: Evidence) -> Attempt:
        """Proves or refutes the candidate, and adds what was met to the evidence."""
        self._tell(f"{name}: proving: {candidate.note}")
        attempt = self.state.known(candidate.network)
        if attempt is None:
            attempt = judge(task, candidate, self.settings.search())
            if attempt.verdicts:
                attempt = replace(attempt, cost=cost_of(task, candidate.network, self.settings))
            self.state.keep(candidate.network, attempt)
        attempt = replace(attempt, method=name, note=candidate.note, network=candidate.network)
        evidence.counterexamples += attempt.counterexamples
        evidence.boxes = list(attempt.boxes)
        evidence.lowest = attempt.proved
        return attempt

    def _tell(self, text: str) -> None:
        seconds = time.monotonic() - self.start
        self._say(f"{self.stage}{text} ({len(self.attempts)} tried, {seconds:.0f} s)")
