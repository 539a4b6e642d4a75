"""One plan refined by counterexamples: solved, checked on fresh points, offered, and solved again with what fails."""

from collections.abc import Iterator

import numpy as np

from engine.repair.milp import settings
from engine.repair.milp.faults import Faults, find_faults, neighbours
from engine.repair.milp.plan import Plan
from engine.repair.milp.solver import PlanSolver, Solution
from engine.repair.milp.steep import add_steepest
from engine.repair.samples import points
from engine.repair.task import Candidate, Evidence, Say


class Refinement:
    """A few attempts at one plan.

    Where all samples cannot be right, or are not after half of the attempts, advisories may change on the share
    `tolerated` of the domain. Where nothing is tolerated, points that had to be searched for may be wrong if no
    solution has them right, and a plan that is refuted too often gives way to the next one.
    """

    def __init__(
        self,
        solver: PlanSolver,
        evidence: Evidence,
        say: Say,
        plan: Plan,
        *,
        tolerated: float = 0.0,
        last_resort: bool = False,
    ):
        """last_resort: True to offer, where nothing else is, what is right on all samples but has faults elsewhere."""
        self._last: Candidate | None = None
        self._last_resort = last_resort
        self._solver, self._evidence, self._say = solver, evidence, say
        self._plan, self._tolerated = plan, tolerated
        self._all_right = True  # advisories have to be right on all samples, whatever is tolerated
        self._fallback: Candidate | None = None  # right on what was drawn, not on what was searched for
        self._offered: str | None = None  # sha256 of the last network offered
        self._refutations = 0
        self._note_evidence()

    def candidates(self) -> Iterator[Candidate]:
        """Yields solutions without faults, and those whose faults are tolerated or cannot be helped."""
        yield from self._attempts()
        if self._last_resort and self._last and not self._offered:
            yield self._last

    def _attempts(self) -> Iterator[Candidate]:
        for attempt in range(1, settings.MAX_ATTEMPTS + 1):
            solution = self._solve(attempt)
            if self._fallback and not (solution and self._solver.soft_is_met(self._plan)):
                fallback, self._fallback = self._fallback, None
                yield fallback
                self._offered = fallback.network.sha256
            if solution is None:
                return
            candidate = self._candidate(solution, attempt)
            faults = self._find_faults(candidate, attempt)
            if self._is_good(faults):
                self._fallback = None
                if candidate.network.sha256 != self._offered:  # else it would be proved twice
                    self._offered = candidate.network.sha256
                    yield candidate
                goes_on = self._learn(candidate, faults)
            else:
                self._fallback = None if len(faults.drawn) or self._tolerated else candidate
                goes_on = self._add(faults.drawn, faults.searched)
            if not goes_on:
                return
        if self._fallback:
            self._offered = self._fallback.network.sha256
            yield self._fallback

    def _solve(self, attempt: int) -> Solution | None:
        if attempt == 1:
            add_steepest(self._solver, self._plan)
        solution = self._solver.solve(self._plan)
        if solution is None and attempt > 1 and self._all_right and self._tolerated:
            self._solver.roll_back()
            self._all_right = False
            solution = self._solver.solve(self._plan)
        return solution

    def _candidate(self, solution: Solution, attempt: int) -> Candidate:
        feature, weights = solution
        note = f"{feature.name}, {self._plan}"
        self._say(f"{note}, attempt {attempt}")
        network = feature.network(self._solver.task.network, self._plan.v, weights)
        self._last = Candidate(network, note, provisional=not self._tolerated)
        return self._last

    def _find_faults(self, candidate: Candidate, attempt: int) -> Faults:
        solver = self._solver
        search = not self._tolerated and solver.soft_is_met(self._plan)
        faults = find_faults(
            solver.task, solver.regions, solver.random, candidate.network, self._plan.margin, search=search
        )
        if self._tolerated and attempt >= settings.MAX_ATTEMPTS // 2:
            self._all_right = False
        return faults

    def _is_good(self, faults: Faults) -> bool:
        """True iff nothing is wrong, or no more than is tolerated."""
        tolerable = not self._all_right and faults.share <= self._tolerated
        return tolerable or not len(faults.drawn) + len(faults.searched)

    def _learn(self, candidate: Candidate, faults: Faults) -> bool:
        """Adds what the loop found out about an offered candidate; False where this plan has no more to offer."""
        solver, plan, evidence = self._solver, self._plan, self._evidence
        counterexamples = evidence.counterexamples[self._counterexamples :]
        changed = evidence.changed[self._changed :]
        solver.add_counterexamples(
            points(counterexamples, solver.task.network.n_inputs), candidate.network, plan.margin
        )
        self._refutations += bool(counterexamples)
        wrong, soft = faults.drawn, faults.searched
        if changed and not self._tolerated:
            soft = neighbours(solver.task, solver.random, np.stack(changed))
        self._note_evidence()
        if evidence.boxes:  # a wider margin may be easier to prove
            return False
        if not solver.soft_is_met(plan):
            wrong, soft = soft, soft[:0]
        if not (counterexamples or len(wrong) or len(soft)):  # nothing was learned
            return False
        return self._add(wrong, soft)

    def _add(self, wrong: np.ndarray, soft: np.ndarray) -> bool:
        """Adds points that are wrong, and soft constraints; False where this plan was refuted too often."""
        self._solver.add(wrong)
        self._solver.add_soft(soft)
        return bool(self._tolerated) or self._refutations != settings.MAX_REFUTATIONS

    def _note_evidence(self) -> None:
        """Marks all evidence up to now as known."""
        self._counterexamples, self._changed = len(self._evidence.counterexamples), len(self._evidence.changed)
