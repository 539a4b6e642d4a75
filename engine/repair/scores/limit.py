"""The limit of how much any score may change: looked for at samples, then proved for all of the domain."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Context, Decimal
from fractions import Fraction
from math import inf

import numpy as np

from engine.comparison.largest_change import ProvedChange, largest_change
from engine.comparison.region import floats
from engine.errors import InputError
from engine.evaluation import scores
from engine.exact import number_text
from engine.network import Network
from engine.property import Case, Polytope, Property, Vector
from engine.repair.task import RepairOptions
from engine.verdict import Verdict, Violated

SAMPLES = 1 << 16  # of the domain, half of them with inputs at its ends
FACES = 0.4  # share of these inputs


@dataclass(frozen=True, slots=True)
class _Nearest:
    """The change of scores of a candidate that was passed over: at a sample, or else the bound that was proved."""

    change: float
    at_sample: bool


class ScoreLimit:
    """For all x of the box [lower, upper] and all scores j: |g(x)[j] - f(x)[j]| <= most, in exact arithmetic.

    f: the original; g: candidates. passed_over: the number of those that are beyond it, or not proved to be within;
    unproved: of the latter.
    """

    def __init__(self, original: Network, lower: Vector, upper: Vector, most: Fraction, *, seed: int):
        self.most, self.passed_over, self.unproved = most, 0, 0
        self._original, self._lower, self._upper = original, lower, upper
        self._x = _points(floats(lower), floats(upper), np.random.default_rng([seed, SAMPLES]))
        self._y = scores(original, self._x)
        self._nearest: _Nearest | None = None
        self._known: dict[str, ProvedChange] = {}  # by the network's SHA-256

    @property
    def name(self) -> str:
        """What is proved, in a few words."""
        return f"outputs within {number_text(self.most)}"

    def kept_at_samples(self, candidate: Network) -> bool:
        """False where some score changes by more at a sample: the candidate is passed over."""
        seen = float(np.abs(scores(candidate, self._x) - self._y).max())
        if seen > self.most or seen != seen:
            self._pass_over(seen if seen == seen else inf, at_sample=True)
            return False
        return True

    def is_proved(self, candidate: Network, seconds: float) -> bool:
        """True iff the limit is proved in this time, or was before; else the candidate is passed over."""
        found = self.proved(candidate)
        if found is None:
            box = {"lower": self._lower, "upper": self._upper}
            found = largest_change(self._original, candidate, **box, goal=self.most, seconds=seconds, only_goal=True)
            self._known[candidate.sha256] = found
        if found.bound is None or found.bound > self.most:
            self._pass_over(inf if found.bound is None else float(found.bound), at_sample=False)
            return False
        return True

    def proved(self, candidate: Network) -> ProvedChange | None:
        """What is proved of a candidate's change, if that was tried."""
        return self._known.get(candidate.sha256)

    @property
    def obstacle(self) -> str:
        """Says in a line how near the candidates came to the limit; empty where none was beyond it."""
        if self._nearest is None:
            return ""
        which = f"{self.passed_over} candidates were passed over, as no proof keeps all outputs within "
        how = "changes one by {:.3g} at a sample" if self._nearest.at_sample else "is proved to stay within {:.3g}"
        unknown = self._nearest.change == inf
        nearest = "of none a bound was found" if unknown else f"the nearest {how.format(self._nearest.change)}"
        return f"{which}{number_text(self.most)}: {nearest}"

    def _pass_over(self, change: float, *, at_sample: bool) -> None:
        """Counts it; what kept the limit at samples came nearer than what did not."""
        self.passed_over += 1
        self.unproved += not at_sample
        found = _Nearest(change, at_sample)
        if self._nearest is None or (found.at_sample, found.change) < (self._nearest.at_sample, self._nearest.change):
            self._nearest = found


def _points(lower: np.ndarray, upper: np.ndarray, random: np.random.Generator) -> np.ndarray:
    shares = random.random((SAMPLES, len(lower)))
    shares[::2] = ((shares[::2] - 0.5) / (1 - FACES) + 0.5).clip(0, 1)
    return np.asarray(lower + (upper - lower) * shares).astype(np.float32)


def score_limit(network: Network, box: tuple[Vector, Vector], options: RepairOptions) -> ScoreLimit | None:
    """The limit that the options ask for, None where they ask for none. box: the domain."""
    most = options.max_score_change
    return None if most is None else ScoreLimit(network, *box, most, seed=options.seed)


def demand_possible(limit: ScoreLimit, asked: Iterable[tuple[Property, Verdict]], box: tuple[Vector, Vector]) -> None:
    """InputError where a counterexample in the box shows that no repair keeps the limit."""
    for prop, verdict in asked:
        least = least_change(prop, verdict, *box) if isinstance(verdict, Violated) else Fraction(0)
        if least > limit.most:
            raise InputError(
                f"no repair keeps all outputs within {number_text(limit.most)}: at a counterexample of {prop.name} "
                f"some output has to change by at least {_down(least)}",
                advice="allow a larger change",
            )


def _down(value: Fraction) -> str:
    """With three significant digits, rounded down."""
    return f"{Context(prec=3, rounding=ROUND_FLOOR).create_decimal(Decimal(float(value))):g}"


def least_change(prop: Property, verdict: Violated, lower: Vector, upper: Vector) -> Fraction:
    """Any network for which the property holds changes some score by at least this, somewhere in [lower, upper].

    0 where the counterexample says nothing. To leave an unsafe polytope one of its rows, at most 0 at the point, has to
    become at least 0, and it moves by at most the sum of its coefficients' absolute values times the largest change.
    """
    found = verdict.counterexample
    x, y = found.point, found.exact_outputs
    if not all(a <= v <= b for a, v, b in zip(lower, x, upper)):
        return Fraction(0)
    polytopes = (polytope for case in prop.cases if _holds(case, x) for polytope in case.unsafe)
    return max(
        (_least_to_leave(polytope, x, y) for polytope in polytopes if polytope.contains(x, y)), default=Fraction()
    )


def _holds(case: Case, x: Vector) -> bool:
    return all(a <= v <= b for a, v, b in zip(case.lower, x, case.upper))


def _least_to_leave(polytope: Polytope, x: Vector, y: Vector) -> Fraction:
    needs = [-row.value(x, y) / sum(map(abs, row.outputs), Fraction()) for row in polytope.rows if any(row.outputs)]
    return min(needs, default=Fraction(0))
