"""The ten safety properties of ACAS Xu as a table in raw units, and the domain that their boxes span.

They are those of the appendix of Katz et al., "Reluplex: An Efficient SMT Solver for Verifying Deep Neural Networks"
(CAV 2017). All numbers are exact: `Decimal`s as published.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from engine.acasxu.networks import NETWORKS, NetworkIndex
from engine.acasxu.quantities import ADVISORIES, COC, INPUTS, STRONG_LEFT, STRONG_RIGHT, WEAK_LEFT, WEAK_RIGHT, Input
from engine.errors import InputError


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

    meant_for: the networks that the property was written for.
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
    rho, theta, psi, v_own, v_int = ((Decimal(low), Decimal(high)) for low, high in map(str.split, ends))
    return rho, theta, psi, v_own, v_int


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
