"""What is asked of a row of weights: very many linear constraints, and what is to be small."""

from dataclasses import dataclass, replace

import numpy as np

from engine.errors import InputError

NORMS = ("scores", "l1", "count", "max")
MISS_PRICE = 100.0  # of each unit by which a limit that may be missed is missed


@dataclass(frozen=True, slots=True, eq=False)
class Program:
    """Find w near `base` with need <= features @ w[:-1] + w[-1] <= cap at each of n points.

    features: float32 [n, width]; base, lower, upper [width + 1]; need, cap [n], infinite where nothing is asked;
    norm: what is made small. l1, count, max: of w - base, the sum, how many numbers change, or the largest. scores: the
    largest value at any point, and the mean of the positive values at the points `domain` [n], bool, at these two
    prices, and a little of l1. largest [width]: at least the absolute value of each feature, found where it is not
    given. optional [n], bool: points at which need and cap may be missed, each unit at MISS_PRICE; none where None.
    """

    features: np.ndarray
    base: np.ndarray
    need: np.ndarray
    cap: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    norm: str = "l1"
    largest: np.ndarray | None = None
    domain: np.ndarray | None = None
    prices: tuple[float, float] = (1.0, 1.0)
    optional: np.ndarray | None = None

    def __post_init__(self) -> None:
        if self.norm not in NORMS:
            raise InputError(f"unknown norm {self.norm!r}", advice=f"use {', '.join(NORMS)}")

    def select(self, which: np.ndarray) -> "Program":
        """The same about these points only: bool [n]."""
        return replace(
            self,
            features=self.features[which],
            need=self.need[which],
            cap=self.cap[which],
            domain=None if self.domain is None else self.domain[which],
            optional=None if self.optional is None else self.optional[which],
        )

    def join(self, other: "Program") -> "Program":
        """The same weights' program about the points of both, at which nothing may be missed."""
        whole = None if self.domain is None or other.domain is None else np.append(self.domain, other.domain)
        return replace(
            self,
            features=np.concatenate([self.features, other.features]),
            need=np.concatenate([self.need, other.need]),
            cap=np.concatenate([self.cap, other.cap]),
            largest=np.maximum(self.magnitudes, other.magnitudes),
            domain=whole,
            optional=None,
        )

    @property
    def magnitudes(self) -> np.ndarray:
        """At least the absolute value of each feature: [width]."""
        return largest(self.features) if self.largest is None else self.largest

    @property
    def counts_scores(self) -> bool:
        """True iff values count, and not weights alone."""
        return self.norm == "scores"

    @property
    def counted(self) -> np.ndarray:
        """True for the points whose values count in the mean: bool [n]."""
        return np.ones(len(self.need), bool) if self.domain is None else self.domain

    @property
    def may_be_missed(self) -> np.ndarray:
        """True for the points whose limits may be missed: bool [n]."""
        return np.zeros(len(self.need), bool) if self.optional is None else self.optional

    def missed(self, w: np.ndarray) -> np.ndarray:
        """By how much each point's limits are missed with these weights [n], in float32."""
        value = self.features @ w[:-1].astype(np.float32) + np.float32(w[-1])
        found: np.ndarray = np.maximum(self.need - value, value - self.cap).clip(min=0)
        return found

    @property
    def is_never_negative(self) -> bool:
        """True iff no weights that are allowed make a value negative, so that the mean is linear in them."""
        return bool((self.lower >= 0).all() and (self.features >= 0).all())

    @property
    def mean_row(self) -> np.ndarray:
        """The sum of the counted points' features, and their number: [width + 1]."""
        counted = self.counted
        return np.append(self.features[counted].sum(0, dtype=np.float64), counted.sum())

    @property
    def mean_price(self) -> float:
        """The price of the value of one of these points."""
        return self.prices[1] / max(1, int(self.counted.sum()))


def largest(features: np.ndarray) -> np.ndarray:
    """The largest absolute value of each feature at points [n, width]: [width]."""
    found: np.ndarray = np.maximum(features.max(0, initial=0.0), -features.min(0, initial=0.0))
    return found
