"""The smallest eps for which an equivalence is proved, and the largest for which it is refuted, by bisection.

Nothing is inferred from what was not decided: the ends are values of questions that were answered. Between them may lie
values that were given up; the search then goes on on both sides of those.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import ROUND_DOWN, Context, Decimal
from fractions import Fraction
from math import sqrt

from engine.comparison.asking import Answer, difference, sharpened
from engine.comparison.questions import Equivalent
from engine.verdict import Verified, Violated

DIGITS = 3  # of a value that is tried
FINE_DIGITS = 6  # of a difference that was found
PRECISION = 1.05  # neighbours whose quotient is less are not divided
FACTOR = 8  # from one value to the next while nothing was decided on the other side
MAX_STEPS = 60

Ask = Callable[[Fraction, float], Answer]  # of an eps, and the seconds for it


@dataclass(frozen=True, slots=True)
class Bracket:
    """What is known of eps: proved from `proved` on, refuted up to `refuted`, given up from `low` to `high`.

    A value that is not known is None. refuted < low <= high < proved where they are known.
    """

    refuted: Fraction | None = None
    proved: Fraction | None = None
    low: Fraction | None = None
    high: Fraction | None = None

    def next(self) -> Fraction | None:
        """The value to be tried next; None where the bracket is narrow, or nothing smaller can be decided."""
        highest, lowest = self.high or self.refuted, self.low or self.proved
        if self.proved is None:
            return highest and _rounded(highest * FACTOR)
        if highest and _apart(highest, self.proved):
            return _middle(highest, self.proved)
        if self.refuted and lowest:
            return _middle(self.refuted, lowest) if _apart(self.refuted, lowest) else None
        return _rounded(lowest / FACTOR) if lowest and lowest * FACTOR**2 > self.proved else None

    def given_up(self, eps: Fraction) -> "Bracket":
        return replace(self, low=min(eps, self.low or eps), high=max(eps, self.high or eps))

    def with_proved(self, eps: Fraction) -> "Bracket":
        """All values from eps on are proved: those that were given up there do not count any more."""
        kept = self.high is not None and self.high < eps
        return replace(self, proved=eps, low=self.low if kept else None, high=self.high if kept else None)

    def with_refuted(self, eps: Fraction) -> "Bracket":
        """All values up to eps are refuted: those that were given up there do not count any more."""
        left = [value for value in (self.low, self.high) if value is not None and value > eps]
        return replace(self, refuted=eps, low=min(left, default=None), high=max(left, default=None))


@dataclass(frozen=True, slots=True)
class Step:
    """A value that was asked, the verdict's word, and what it took."""

    eps: Fraction
    word: str
    boxes: int
    seconds: float


@dataclass(frozen=True, slots=True, eq=False)
class Narrowed:
    """The answers at the two ends: proved for the smallest eps and refuted for the largest one, None where none is."""

    proved: Answer | None
    refuted: Answer | None
    bracket: Bracket
    steps: tuple[Step, ...]
    seconds: float


def narrow(
    ask: Ask,
    first: Fraction,
    *,
    known: Answer | None = None,
    step_seconds: float,
    seconds: float,
    on_step: Callable[[Step], None] | None = None,
) -> Narrowed:
    """Narrows eps down from both sides, each question for `step_seconds` at most, all for `seconds`.

    A counterexample refutes all values below its own difference, of which the largest short decimal is taken. It ends
    where the ends differ by less than 5%, where time is over, and after 60 questions. known: what is refuted before.
    """
    start = time.monotonic()
    steps: list[Step] = []
    proved: Answer | None = None
    refuted = known and _sharpest(known)
    bracket = Bracket(refuted=_eps(refuted) if refuted else None)
    eps = first if refuted is None or first > _eps(refuted) else bracket.next()
    while eps is not None and len(steps) < MAX_STEPS and (left := seconds - (time.monotonic() - start)) > 0:
        answer = ask(eps, min(step_seconds, left))
        found = answer.verdict
        if isinstance(found, Verified):
            proved, bracket = answer, bracket.with_proved(eps)
        elif isinstance(found, Violated):
            refuted = _sharpest(answer)
            bracket = bracket.with_refuted(_eps(refuted))
        else:
            bracket = bracket.given_up(eps)
        steps.append(Step(eps, found.word, found.statistics.boxes, found.statistics.seconds))
        if on_step:
            on_step(steps[-1])
        eps = bracket.next()
    return Narrowed(proved, refuted, bracket, tuple(steps), time.monotonic() - start)


def _sharpest(answer: Answer) -> Answer:
    """The answer for the largest short decimal that its counterexample refutes."""
    largest = difference(answer)
    eps = _rounded(largest, FINE_DIGITS, down=True) if largest else Fraction(0)
    return sharpened(answer, eps) if eps > _eps(answer) else answer


def _eps(answer: Answer) -> Fraction:
    statement = answer.asked.statement
    assert isinstance(statement, Equivalent)
    return statement.eps


def _apart(low: Fraction, high: Fraction) -> bool:
    return high > low * Fraction(PRECISION)


def _middle(low: Fraction, high: Fraction) -> Fraction:
    """A short decimal near the geometric mean, which lies between two values that are apart."""
    return _rounded(low * Fraction(sqrt(high / low)))


def _rounded(value: Fraction, digits: int = DIGITS, *, down: bool = False) -> Fraction:
    context = Context(prec=digits, rounding=ROUND_DOWN) if down else Context(prec=digits)
    return Fraction(context.divide(Decimal(value.numerator), Decimal(value.denominator)))
