"""The search for the best candidate of one step of a repair: one method after the other, each for its turn."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from math import inf

from engine.errors import InputError
from engine.repair.attempt import OVERSAMPLING, Attempt, Tried, Weighed, cost_of, has_theorem, prove
from engine.repair.edit import demand_writable
from engine.repair.methods import candidates, turn, turns
from engine.repair.run import AS_IT_IS, Late, RepairRun
from engine.repair.task import AUTO, Candidate, Evidence, RepairOptions, Say, Task
from engine.verdict import Verified

FIRST_SHARE = 0.25  # of a candidate's time for proofs, which it gets before others are tried
NEARLY = 0.98  # of the volume: a candidate that is proved there gets all of its time at once
MUCH = 1e-3  # of samples: a repair that changes more is looked past for MUCH_PATIENCE times as long
MUCH_PATIENCE = 4.0
MOST_CHANGED = 0.05  # of samples: where outputs are to be kept, auto takes nothing that changes more for a repair
MAX_UNPROVED = 2  # repairs of one method for which the limit of scores was not proved, before the next is asked
GLANCE_SHARE = 0.02  # of it, before the proof has to wait: many counterexamples are found in it
NOT_PROVED = "not proved"  # of the limit of scores


class _TurnOver(Exception):
    """A method's share of the time is over, and another one follows."""


class RepairStep:
    """The search for a candidate that is proved to solve one task, and changes least.

    best: the one found so far; attempts of this step are those of the run from `_first` on.
    """

    def __init__(self, run: RepairRun, task: Task, stage: str, *, violated: bool = True, share: float = 1.0):
        """violated: True iff the run's original violates the target; share: of the time left."""
        self._run, self._task, self._stage = run, task, stage
        self._first, self._evidence = len(run.attempts), Evidence()
        self.best: Tried | None = None
        self._violated = violated
        self._ends = run.seconds + share * run.left
        self._turn_ends = inf
        self._found: float | None = None  # when the first repair, or candidate whose proof waits, was; proofs apart
        self._proof_began: float | None = None  # the one that is tried now
        self._unused: set[str] = set()  # methods that could not be used, at once or at all

    def search(self) -> Tried | None:
        """Returns the best attempt that is proved, or None where there is none, or no time for it."""
        try:
            if self._run.attempts or not self._violated:  # a step before may have repaired this, too
                self._prove(self._weigh(AS_IT_IS, Candidate(self._task.network, "as it is")))
            for name, options in turns(self._run.options, self._task.network, self._unused):
                if not self._leaves_scores:
                    self._turn_ends = self._end_of_turn(name)
                    self._by(name, options)
        except Late:
            pass
        return self.best

    @property
    def attempts(self) -> list[Attempt]:
        """The attempts of this step."""
        return self._run.attempts[self._first :]

    @property
    def _perfect(self) -> bool:
        return self.best is not None and self.best.cost.perfect

    @property
    def _leaves_scores(self) -> bool:
        return self.best is not None and self.best.cost.leaves_scores

    @property
    def _unproved(self) -> int:
        """The number of candidates for which the limit of scores was not proved."""
        return self._run.limit.unproved if self._run.limit else 0

    @property
    def _impatient(self) -> bool:
        if self._found is None:
            return False
        much = MUCH * OVERSAMPLING * self._run.options.points
        times = MUCH_PATIENCE if self.best and self.best.cost.changed > much else 1.0
        now = time.monotonic() if self._proof_began is None else self._proof_began
        return now - self._found > times * self._run.options.patience

    def _end_of_turn(self, name: str) -> float:
        """When a method has to make room for the next, in seconds of the run."""
        now, options = self._run.seconds, self._run.options
        if options.method != AUTO or options.guarantee:  # no other follows
            return inf
        return now + turn(name, self._task.network, self._ends - now)

    def _by(self, name: str, options: RepairOptions) -> None:
        """Tries what the method offers, up to a repair that changes no sampled decision and is better than the best.

        Candidates that change some, where better ones may follow, wait for their proof. Of those left open that would
        be better than the best, what was proved most of gets more time.
        """
        first = len(self._run.attempts)
        waiting: list[Weighed] = []
        try:
            self._try_all(name, options, waiting)
        except _TurnOver:
            self._turn_ends = inf
        self._prove_waiting(waiting)
        if not self._leaves_scores:
            self._prove_longer(first)

    def _try_all(self, name: str, options: RepairOptions, waiting: list[Weighed]) -> None:
        """Tries what the method offers, up to what is good enough; those whose proof waits are added to `waiting`."""
        before, unproved = self.best, self._unproved
        for candidate in self._offers(name, options):
            if not self._is_guaranteed(candidate):
                self._run.passed_over += 1
                continue
            if self._run.limit and not self._run.limit.kept_at_samples(candidate.network):
                self._check()
                continue
            weighed = self._weigh(name, candidate)
            if weighed.spoils:
                self._run.attempts.append(weighed)
                self._check()
                continue
            if weighed.cost.perfect or not candidate.provisional:
                self._prove(weighed)
            elif not self._refuted_at_once(weighed):
                waiting.append(weighed)
                self._found = self._found or time.monotonic()
            if self._impatient:
                self._prove_waiting(waiting)
            if self._leaves_scores or (self._perfect and self.best is not before):
                break
            if self._unproved - unproved >= MAX_UNPROVED:
                break
            self._check()

    def _is_guaranteed(self, candidate: Candidate) -> bool:
        """False where a theorem for every input is demanded, and the candidate has none."""
        run = self._run
        return not run.options.guarantee or has_theorem(run.original, candidate.network, run.decision)

    def _offers(self, name: str, options: RepairOptions) -> Iterator[Candidate]:
        """Yields the method's candidates; where the method was not asked for by name, none if it cannot be used."""
        run, task = self._run, self._task
        try:
            demand_writable(task.network, (name,))
            yield from candidates(name, task, self._evidence, self._say_for(name), options)
        except InputError as error:
            if run.options.method != AUTO:
                raise
            self._unused.add(name)
            if f"{name}: {error}" not in run.skipped:  # of another step
                run.skipped.append(f"{name}: {error}")

    def _weigh(self, name: str, candidate: Candidate) -> Weighed:
        """Measures what it changes, on its own samples; those whose decision changes are added to the evidence."""
        self._tell(f"{name}: comparing: {candidate.note}")
        self._run.weighed += 1  # the final report's samples are those of number 0
        options = self._run.options
        seed = options.seed + self._run.weighed
        cost, changed = cost_of(self._task, candidate.network, points=options.points, seed=seed)
        self._evidence.changed += changed
        share = cost.changed / (OVERSAMPLING * options.points)
        spoils = options.method == AUTO and self._task.tolerance < inf and share > MOST_CHANGED
        return Weighed(name, candidate, cost, spoils)

    def _refuted_at_once(self, weighed: Weighed) -> bool:
        """True iff a counterexample is known or found at a glance; it is added to the evidence."""
        tried = self._run.state.known(weighed, self._task) or self._tried(weighed, GLANCE_SHARE)
        self._evidence.counterexamples += tried.counterexamples
        self._evidence.boxes = []
        if tried.counterexamples:
            self._run.attempts.append(tried)
        return bool(tried.counterexamples)

    def _prove_waiting(self, waiting: list[Weighed]) -> None:
        """Proves what changes least, and if that fails the next, up to a repair; empties the list."""
        waiting.sort(key=lambda weighed: weighed.cost)
        while waiting:
            self._prove(waiting.pop(0))

    def _prove(self, weighed: Weighed) -> None:
        """Proves or refutes the candidate, if it would be the best; what was found is added to the evidence."""
        if not self._improves(weighed):
            self._run.attempts.append(weighed)
            return
        tried = self._run.state.known(weighed, self._task) or self._within_limit(self._tried(weighed, FIRST_SHARE))
        if tried.boxes and tried.proved >= NEARLY and self._deserves_more(tried):
            tried = self._within_limit(self._tried(weighed, 1.0))
        self._evidence.counterexamples += tried.counterexamples
        self._evidence.boxes = list(tried.boxes)
        self._evidence.lowest = tried.proved
        self._run.attempts.append(tried)
        self._take(tried)

    def _prove_longer(self, first: int) -> None:
        """Gives the attempt proved most of all the time, among those left open since number `first` that would be the
        best."""
        attempts = self._run.attempts
        known = [(i, each) for i, each in enumerate(attempts) if i >= first and isinstance(each, Tried) and each.boxes]
        left_open = [(i, each) for i, each in known if self._deserves_more(each)]
        if left_open:
            i, nearest = max(left_open, key=lambda pair: pair[1].proved)
            attempts[i] = tried = self._within_limit(self._tried(nearest.weighed, 1.0))
            self._take(tried)

    def _deserves_more(self, tried: Tried) -> bool:
        """True iff the attempt would be the best, and had not all of its time yet."""
        return self._improves(tried) and tried.seconds < self._run.options.proof_timeout

    def _improves(self, attempt: Attempt) -> bool:
        return self.best is None or attempt.cost < self.best.cost

    def _take(self, tried: Tried) -> None:
        """Makes it the best, if it is proved and changes less."""
        if tried.verdicts and self._improves(tried):
            self.best, self._found = tried, self._found or time.monotonic()

    def _tried(self, weighed: Weighed, share: float) -> Tried:
        """Returns what the search finds in this share of the time; raises Late where all takes too long."""
        run, proving = self._run, f"{weighed.method}: proving: {weighed.note}"
        self._tell(proving)
        with self._patiently():
            tried = prove(
                self._task,
                weighed,
                run.options.search(share),
                on_progress=lambda p: self._tell(
                    f"{proving}: {p.open:,} boxes open, {p.proved:.0%} of the volume proved"
                ),
            )
        if share >= FIRST_SHARE or tried.counterexamples:
            run.state.keep(tried, self._task)
        return tried

    @contextmanager
    def _patiently(self) -> Iterator[None]:
        """A proof is tried meanwhile, which takes no patience."""
        start = self._proof_began = time.monotonic()
        try:
            yield
        finally:
            self._proof_began = None
            if self._found:
                self._found += time.monotonic() - start

    def _within_limit(self, tried: Tried) -> Tried:
        """The attempt; one that is proved otherwise is none where scores are not proved to stay within the limit."""
        run, limit = self._run, self._run.limit
        if not (limit and tried.verdicts):
            return tried
        self._tell(f"{tried.method}: proving that scores stay within the limit: {tried.note}")
        start = time.monotonic()
        with self._patiently():
            kept = limit.is_proved(tried.network, min(run.options.proof_timeout, run.left))
        seconds = time.monotonic() - start
        words = {**tried.words, limit.name: Verified.word if kept else NOT_PROVED}
        return replace(tried, words=words, seconds=tried.seconds + seconds, verdicts=tried.verdicts if kept else ())

    def _say_for(self, name: str) -> Say:
        def say(text: str) -> None:
            self._tell(f"{name}: {text}")
            self._check()

        return say

    def _tell(self, text: str) -> None:
        """Says it; raises Late where there is no time left, so that a method ends where it says what it is at."""
        run = self._run
        best = f", best so far: {self.best.cost}" if self.best else ""
        run.say(f"{self._stage}{text} ({len(run.attempts)} tried{best}, {run.seconds:.0f} s)")
        self._check_time()

    def _check(self) -> None:
        """Raises Late, as _check_time does, and _TurnOver where the method's time is over.

        What was offered is still compared, and proved as far as its own time goes: a turn ends between candidates.
        """
        self._check_time()
        if self._run.seconds > self._turn_ends:
            raise _TurnOver

    def _check_time(self) -> None:
        """Raises Late where the time is over, or where a repair is known and patience is over."""
        self._run.check()
        if self._run.seconds > self._ends or (self.best and self._impatient):
            raise Late
