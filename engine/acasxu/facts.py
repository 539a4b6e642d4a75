"""The ACAS Xu system as data: 45 networks, five inputs and outputs, ten properties. No I/O.

The networks were published with Katz et al., "Reluplex: An Efficient SMT Solver for Verifying Deep
Neural Networks" (CAV 2017), the properties in its appendix. A network scores five advisories to an
aircraft (the ownship) that meets another (the intruder); **the lowest score is the advisory given**.
All numbers are exact: `Fraction`s of the published decimals.
"""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from engine.errors import InputError

# Inputs and outputs


@dataclass(frozen=True, slots=True)
class Input:
    """A network sees (raw - mean) / range."""

    symbol: str
    words: str
    unit: str
    mean: Fraction
    range: Fraction

    def normalize(self, raw: Fraction) -> Fraction:
        return (Fraction(raw) - self.mean) / self.range

    def raw(self, normalized: Fraction) -> Fraction:
        return Fraction(normalized) * self.range + self.mean


_TURN = Fraction("6.28318530718")  # the published files' own 2 pi

INPUTS = (
    Input("rho", "distance from ownship to intruder", "ft", Fraction("19791.091"), Fraction(60261)),
    Input("theta", "angle to the intruder, left of the ownship's heading", "rad", Fraction(0), _TURN),
    Input("psi", "intruder's heading, left of the ownship's", "rad", Fraction(0), _TURN),
    Input("v_own", "ownship's speed", "ft/s", Fraction(650), Fraction(1100)),
    Input("v_int", "intruder's speed", "ft/s", Fraction(600), Fraction(1200)),
)

COC, WEAK_LEFT, WEAK_RIGHT, STRONG_LEFT, STRONG_RIGHT = range(5)
ADVISORIES = ("COC", "weak left", "weak right", "strong left", "strong right")

# The published files give the offset to full precision; elsewhere it is quoted as 7.518884.
SCORE_SCALE, SCORE_OFFSET = Fraction("373.94992"), Fraction("7.5188840201005975")


def raw_score(output: Fraction) -> Fraction:
    """The score that a network's output stands for, in the units of the published tables."""
    return SCORE_SCALE * Fraction(output) + SCORE_OFFSET


def normalize_score(raw: Fraction) -> Fraction:
    """The network output that stands for a raw score."""
    return (Fraction(raw) - SCORE_OFFSET) / SCORE_SCALE


# The 45 networks

TAU_SECONDS = (0, 1, 5, 10, 20, 40, 60, 80, 100)


class NetworkIndex(NamedTuple):
    """N(a, t): the network for previous advisory a (1..5) and time step t (1..9)."""

    a: int
    t: int

    @property
    def previous_advisory(self) -> str:
        return ADVISORIES[self.a - 1]

    @property
    def tau(self) -> int:
        """Seconds until the two aircraft lose vertical separation."""
        return TAU_SECONDS[self.t - 1]

    @property
    def file_name(self) -> str:
        return file_name(self.a, self.t)

    def __str__(self) -> str:
        return f"N({self.a},{self.t})"


NETWORKS = tuple(NetworkIndex(a, t) for a in range(1, 6) for t in range(1, 10))


def file_name(a: int, t: int) -> str:
    """The name under which N(a, t) is published."""
    return f"ACASXU_run2a_{a}_{t}_batch_2000.onnx"


def network_index(text: str) -> NetworkIndex:
    """N(a, t) from "3,3", "3_3" or "N(3,3)"."""
    match = re.fullmatch(r"\s*(?:N\s*\(\s*(\d+)\s*,\s*(\d+)\s*\)|(\d+)\s*[,_]\s*(\d+))\s*", text, re.I | re.A)
    index = NetworkIndex(*(int(g) for g in match.groups() if g)) if match else None
    if index not in NETWORKS:
        raise InputError(f"no ACAS Xu network {text!r}", advice="write A,T with A in 1..5 and T in 1..9")
    return index


def recognize(path: object) -> NetworkIndex | None:
    """Which of the 45 a file is by its name, whatever its folder and with or without .gz; else None.

    A name proves nothing about the content: use it to label, never to decide.
    """
    match = re.search(r"(?:^|[/\\])ACASXU_run2a_([1-5])_([1-9])_batch_2000\.onnx(\.gz)?$", str(path))
    return NetworkIndex(int(match[1]), int(match[2])) if match else None


# The ten properties, in raw units


@dataclass(frozen=True, slots=True)
class Comparison:
    """score of `low` <= score of `high`; a Decimal stands for a fixed raw score, an int for an output."""

    low: int | Decimal
    high: int

    def __str__(self) -> str:
        return " <= ".join(ADVISORIES[s] if isinstance(s, int) else str(s) for s in (self.low, self.high))


Interval = tuple[Decimal, Decimal]
RawBox = tuple[Interval, Interval, Interval, Interval, Interval]
Unsafe = tuple[tuple[Comparison, ...], ...]  # a disjunction of conjunctions


@dataclass(frozen=True, slots=True)
class Specification:
    """Property `number`: on `boxes` (raw units, ends included) no output is in `unsafe`.

    `meant_for` are the networks that the property was written for.
    """

    number: int
    meant_for: tuple[NetworkIndex, ...]
    meant_for_words: str
    words: str
    boxes: tuple[RawBox, ...]
    unsafe_words: str
    unsafe: Unsafe

    @property
    def name(self) -> str:
        return f"prop_{self.number}"

    @property
    def benchmark(self) -> tuple[NetworkIndex, ...]:
        """The networks that VNN-COMP's acasxu benchmark runs it on: P1-P4 on all, the others on theirs."""
        return NETWORKS if self.number <= 4 else self.meant_for

    @property
    def normalized_boxes(self) -> tuple[tuple[tuple[Fraction, Fraction], ...], ...]:
        """The boxes as the networks see them, each end rounded to 9 decimals as published."""
        return tuple(tuple(map(_normalized_interval, INPUTS, box)) for box in self.boxes)


def _normalized_interval(quantity: Input, interval: Interval) -> tuple[Fraction, Fraction]:
    low, high = (round(quantity.normalize(Fraction(end)), 9) for end in interval)
    return low, high


def _box(*ends: str) -> RawBox:
    """A box from "low high" for rho, theta, psi, v_own and v_int."""
    return tuple((Decimal(low), Decimal(high)) for low, high in map(str.split, ends))


def _others(output: int) -> tuple[int, ...]:
    return tuple(other for other in range(len(ADVISORIES)) if other != output)


def _highest(output: int) -> Unsafe:
    return (tuple(Comparison(other, output) for other in _others(output)),)


def _not_lowest(output: int) -> Unsafe:
    return tuple((Comparison(other, output),) for other in _others(output))


def _lowest(*outputs: int, among: Sequence[int] = ()) -> Unsafe:
    """One of `outputs` scores no more than each of `among`, by default than each other output."""
    return tuple(tuple(Comparison(output, other) for other in among or _others(output)) for output in outputs)


_PI = "3.141592653589793"  # P1-P3 use pi to double precision, the others six decimals of it
_FAR_AND_SLOW = _box("55947.691 60760", f"-{_PI} {_PI}", f"-{_PI} {_PI}", "1145 1200", "0 60")
_TAU_BELOW_60 = tuple(n for n in NETWORKS if n not in ((1, 7), (1, 8), (1, 9)))
_TAU_BELOW_60_WORDS = "all but N(1,7), N(1,8), N(1,9)"

PROPERTIES = (
    Specification(
        1,
        NETWORKS,
        "all 45 networks",
        "If the intruder is distant and much slower than the ownship, the score of COC stays below 1500.",
        (_FAR_AND_SLOW,),
        "COC scores 1500 or more",
        ((Comparison(Decimal(1500), COC),),),
    ),
    Specification(
        2,
        tuple(n for n in NETWORKS if n.a >= 2),
        "N(a,t) with a >= 2",
        "If the intruder is distant and much slower than the ownship, COC does not score highest.",
        (_FAR_AND_SLOW,),
        "COC scores highest",
        _highest(COC),
    ),
    Specification(
        3,
        _TAU_BELOW_60,
        _TAU_BELOW_60_WORDS,
        "If the intruder is straight ahead and comes towards the ownship, the advisory is not COC.",
        (_box("1500 1800", "-0.06 0.06", f"3.1 {_PI}", "980 1200", "960 1200"),),
        "COC scores lowest",
        _lowest(COC),
    ),
    Specification(
        4,
        _TAU_BELOW_60,
        _TAU_BELOW_60_WORDS,
        "If the intruder is straight ahead and flies away, but more slowly than the ownship, the advisory is not COC.",
        (_box("1500 1800", "-0.06 0.06", "0 0", "1000 1200", "700 800"),),
        "COC scores lowest",
        _lowest(COC),
    ),
    Specification(
        5,
        (NetworkIndex(1, 1),),
        "N(1,1)",
        "If the intruder is near and approaches from the left, the advisory is strong right.",
        (_box("250 400", "0.2 0.4", "-3.141592 -3.136592", "100 400", "0 400"),),
        "strong right does not score lowest",
        _not_lowest(STRONG_RIGHT),
    ),
    Specification(
        6,
        (NetworkIndex(1, 1),),
        "N(1,1)",
        "If the intruder is far enough away, to the left or to the right, the advisory is COC.",
        (
            _box("12000 62000", "0.7 3.141592", "-3.141592 -3.136592", "100 1200", "0 1200"),
            _box("12000 62000", "-3.141592 -0.7", "-3.141592 -3.136592", "100 1200", "0 1200"),
        ),
        "COC does not score lowest",
        _not_lowest(COC),
    ),
    Specification(
        7,
        (NetworkIndex(1, 9),),
        "N(1,9)",
        "If vertical separation is large, the advisory is never a strong turn.",
        (_box("0 60760", "-3.141592 3.141592", "-3.141592 3.141592", "100 1200", "0 1200"),),
        "strong left or strong right scores no more than COC, weak left and weak right",
        _lowest(STRONG_LEFT, STRONG_RIGHT, among=(COC, WEAK_LEFT, WEAK_RIGHT)),
    ),
    Specification(
        8,
        (NetworkIndex(2, 9),),
        "N(2,9)",
        "If vertical separation is large and the previous advisory was weak left, the advisory is COC or weak left.",
        (_box("0 60760", "-3.141592 -2.356194", "-0.1 0.1", "600 1200", "600 1200"),),
        "weak right, strong left or strong right scores no more than COC and weak left",
        _lowest(WEAK_RIGHT, STRONG_LEFT, STRONG_RIGHT, among=(COC, WEAK_LEFT)),
    ),
    Specification(
        9,
        (NetworkIndex(3, 3),),
        "N(3,3)",
        "If the intruder is near, ahead and a little to the right, and both are slow, "
        "the advisory is strong left although it was weak right before.",
        (_box("2000 7000", "-0.4 -0.14", "-3.141592 -3.131592", "100 150", "0 150"),),
        "strong left does not score lowest",
        _not_lowest(STRONG_LEFT),
    ),
    Specification(
        10,
        (NetworkIndex(4, 5),),
        "N(4,5)",
        "If the intruder is far away, to the left, the advisory is COC although it was strong left before.",
        (_box("36000 60760", "0.7 3.141592", "-3.141592 -3.131592", "900 1200", "600 1200"),),
        "COC does not score lowest",
        _not_lowest(COC),
    ),
)


def specification(number: int) -> Specification:
    """Property 1..10."""
    if not 1 <= number <= len(PROPERTIES):
        raise InputError(f"no ACAS Xu property {number}", advice=f"there are 1..{len(PROPERTIES)}")
    return PROPERTIES[number - 1]


def benchmark_instances() -> Iterator[tuple[Specification, NetworkIndex]]:
    """The 186 instances of VNN-COMP's acasxu benchmark, in its order."""
    return ((spec, network) for spec in PROPERTIES for network in spec.benchmark)


def domain() -> tuple[tuple[Fraction, ...], tuple[Fraction, ...]]:
    """(lower, upper), normalized: the hull of the ten properties' boxes, "all inputs" everywhere else."""
    boxes = [box for spec in PROPERTIES for box in spec.normalized_boxes]
    lower = tuple(min(low for low, _ in ends) for ends in zip(*boxes))
    upper = tuple(max(high for _, high in ends) for ends in zip(*boxes))
    return lower, upper


# Points in words


@dataclass(frozen=True, slots=True)
class Encounter:
    """An input and a network's output as a pilot would say them."""

    distance: float
    bearing: float
    heading: float
    own_speed: float
    intruder_speed: float
    scores: tuple[float, ...]

    @property
    def advisory(self) -> str:
        """The advisory with the lowest score; the first of equals."""
        return ADVISORIES[min(range(len(ADVISORIES)), key=self.scores.__getitem__)]

    def __str__(self) -> str:
        scores = ", ".join(f"{name} {score:.3f}" for name, score in zip(ADVISORIES, self.scores))
        return (
            f"intruder {self.distance:.1f} ft away, {_side(self.bearing)} of the ownship's heading, "
            f"its own heading {_side(self.heading)}\n"
            f"speeds: ownship {self.own_speed:.1f} ft/s, intruder {self.intruder_speed:.1f} ft/s\n"
            f"scores: {scores}\n"
            f"advisory (lowest score): {self.advisory}"
        )


def describe_point(x: Sequence[float], y: Sequence[float]) -> Encounter:
    """A network's input and output, both normalized, in feet, degrees, ft/s and raw scores."""
    distance, theta, psi, own, intruder = (float(q.raw(Fraction(v))) for q, v in zip(INPUTS, x, strict=True))
    scores = tuple(float(raw_score(Fraction(v))) for v in y)
    if len(scores) != len(ADVISORIES):
        raise ValueError(f"{len(scores)} scores for {len(ADVISORIES)} advisories")
    return Encounter(distance, math.degrees(theta), math.degrees(psi), own, intruder, scores)


def _side(degrees: float) -> str:
    return f"{abs(degrees):.2f} degrees {'right' if degrees < 0 else 'left'}"
