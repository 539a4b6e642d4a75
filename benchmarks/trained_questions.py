"""Questions that trained networks violate at a few of their inputs, as people would ask them; the same for a seed.

Of tables of advisories: what must not be advised where an intruder is seen, with the widest box, or the narrowest one,
at a few inputs of which the network does it. Of formulas: bounds of outputs, or of their distance from a linear law, in
random boxes, with constants that a small share of the box exceeds.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import pi

import numpy as np
from trained import HORIZONTAL, TRAINED, VERTICAL, Subject

from engine.comparison.decision import Decision
from engine.comparison.region import region_of
from engine.evaluation import scores
from engine.network import Network
from engine.property import Case, Polytope, Property, Row

SAMPLES = 40_000  # of each box
SHARES = 2e-4, 0.02  # of the box, at which the question may be violated
EXCEEDED = 0.005  # the share of a box at which a bound is exceeded
TRIES = 200

Ends = Mapping[str, tuple[float, float]]  # of some inputs, in the subject's units; the others are free
Unsafe = tuple[Polytope, ...]


@dataclass(frozen=True, slots=True)
class Question:
    """A property in words and exactly, of one of TRAINED."""

    name: str
    place: int
    words: str
    property: Property

    @property
    def subject(self) -> Subject:
        return TRAINED[self.place][0]


def questions(place: int, network: Network, *, seed: int = 0) -> list[Question]:
    """Two questions about the network of TRAINED[place], both violated."""
    subject, random = TRAINED[place][0], np.random.default_rng([seed, place])
    makers = {id(VERTICAL): vertical, id(HORIZONTAL): horizontal}
    offered = makers[id(subject)](place) if id(subject) in makers else formulas(subject, network, place, random)
    found: list[Question] = []
    for words, variants in offered:
        for case in variants:
            prop = _property(subject, case)
            if SHARES[0] <= share(network, prop, random) <= SHARES[1]:
                found.append(Question(f"{subject.name}-{place}-{'ab'[len(found)]}", place, words, prop))
                break
        if len(found) == 2:
            return found
    raise ValueError(f"no two questions found about network {place}, {subject.name}")


def share(network: Network, prop: Property, random: np.random.Generator) -> float:
    """The share of its boxes' samples at which the property is violated."""
    bad = []
    for case in prop.cases:
        region = region_of(case, prop.n_outputs)
        x = random.uniform(region.lower, region.upper, (SAMPLES, len(region.lower))).astype(np.float32)
        bad.append(region.unsafe.contains(x, scores(network, x)).mean())
    return float(np.mean(bad))


Boxes = Sequence[tuple[Ends, Unsafe]]  # of one property, each with what is unsafe there
Offer = tuple[str, Iterator[Boxes]]  # a question in words, and variants of it, of which the first that fits is taken


def vertical(place: int) -> Iterator[Offer]:
    """Questions about vertical advisories; each network begins with others."""
    far, near = np.arange(3000, 40, -100), np.arange(10, 400, 10)
    rising, falling, level = (0, 50), (-50, 0), (-6, 6)
    climb, descend = never(VERTICAL, "CL", "SCL"), never(VERTICAL, "DES", "SDES")

    def above(t: float) -> Ends:
        return {"h": (t, t + 600), "v_own": falling, "v_int": rising}

    def below(t: float) -> Ends:
        return {"h": (-t - 600, -t), "v_own": rising, "v_int": falling}

    def crossing(t: float) -> Ends:
        return {"h": (-t, t), "v_own": level, "v_int": level, "tau": (4, 10)}

    yield from _from(
        place,
        ("never climb to an intruder far above", ([({"h": (t, 3000)}, climb)] for t in far)),
        (
            "never be clear of conflict with an intruder at the same height",
            ([(crossing(t), never(VERTICAL, "COC"))] for t in near),
        ),
        (
            "never climb to an intruder that is above, nor descend to one below",
            ([(above(t) | {"tau": (0, 20)}, climb), (below(t) | {"tau": (0, 20)}, descend)] for t in far),
        ),
        (
            "be clear of conflict with an intruder that is above and climbs",
            ([(above(t), always(VERTICAL, "COC"))] for t in far),
        ),
        (
            "score both strong advisories together below clear of conflict, when there is time",
            (
                [({"h": (-400, 400), "tau": (25, 40)}, (row(VERTICAL, {"COC": 2, "SDES": -1, "SCL": -1}, t),))]
                for t in np.arange(-6, 12, 0.1)
            ),
        ),
        (
            "never give a strong advisory while there is much time, nor climb strongly to one far above",
            (
                [
                    ({"tau": (t / 80, 40)}, never(VERTICAL, "SDES", "SCL")),
                    ({"h": (1500, 3000), "v_own": falling}, never(VERTICAL, "SCL")),
                ]
                for t in far
            ),
        ),
    )


def horizontal(place: int) -> Iterator[Offer]:
    """Questions about horizontal advisories."""
    far, near = np.arange(3400, 100, -100), np.arange(50, 1500, 50)

    def beside(t: float, side: int) -> Ends:
        ends = sorted((side * t, side * (t + 700)))
        return {"ahead": (-300, 600), "left": (ends[0], ends[1]), "heading": (-0.4, 0.4), "tau": (2, 12)}

    def behind(t: float) -> Ends:
        return {"ahead": (-4000, -t), "left": (-1500, 1500), "heading": (2.2, pi)}

    def ahead(t: float) -> Ends:
        return {"ahead": (600, 1400), "left": (-t, t), "heading": (pi - 0.3, pi), "tau": (3, 6)}

    left, right = never(HORIZONTAL, "WL", "SL"), never(HORIZONTAL, "WR", "SR")
    yield from _from(
        place,
        (
            "be clear of conflict with an intruder behind that flies away",
            ([(behind(t), always(HORIZONTAL, "COC"))] for t in far),
        ),
        (
            "never turn left to an intruder on the left, nor right to one on the right",
            ([(beside(t, 1), left), (beside(t, -1), right)] for t in far),
        ),
        ("never be clear of conflict head-on", ([(ahead(t), never(HORIZONTAL, "COC"))] for t in near)),
        (
            "never turn strongly for an intruder that is far ahead",
            ([({"ahead": (t, 4000)}, never(HORIZONTAL, "SL", "SR"))] for t in far),
        ),
        (
            "where time is short, prefer no strong turn by far to both weak ones together",
            (
                [({"ahead": (-1500, 1500), "left": (-1500, 1500), "tau": (1, 8)}, _strong_by_far(t))]
                for t in np.arange(3, 0, -0.05)
            ),
        ),
        ("never turn left to an intruder on the left", ([(beside(t, 1), left)] for t in far)),
    )


def _from(place: int, *offers: Offer) -> Iterator[Offer]:
    """All offers, two places further for each network."""
    start = 2 * place % len(offers)
    yield from offers[start:] + offers[:start]


def _strong_by_far(gap: float) -> Unsafe:
    """Of the polytopes each has two rows: a strong turn is lower than both weak ones by a gap."""
    rows = [[row(HORIZONTAL, {strong: 1, weak: -1}, gap).rows[0] for weak in ("WL", "WR")] for strong in ("SL", "SR")]
    return tuple(Polytope(tuple(each)) for each in rows)


def formulas(subject: Subject, network: Network, place: int, random: np.random.Generator) -> Iterator[Offer]:
    """Questions about formulas, in random boxes; of plant's decision, what must not be ordered."""
    kinds = [_bounded, _between, _lawful, _in_two_boxes]
    if subject.decision.is_known:
        kinds = [_never_decided, _linear]
    for n in range(len(kinds)):
        kind = kinds[(2 * place + n) % len(kinds)]
        yield WORDS[kind], (kind(subject, network, random) for _ in range(TRIES))


def _bounded(subject: Subject, network: Network, random: np.random.Generator) -> Boxes:
    ends = _box(subject, random)
    _, y = _outputs(subject, network, ends, random)
    return [(ends, (_above(y, 0),))]


def _between(subject: Subject, network: Network, random: np.random.Generator) -> Boxes:
    ends = _box(subject, random)
    _, y = _outputs(subject, network, ends, random)
    return [(ends, (_above(y, 0), _above(y, 0, sign=-1)))]


def _in_two_boxes(subject: Subject, network: Network, random: np.random.Generator) -> Boxes:
    first, second = _box(subject, random), _box(subject, random)
    above = _above(_outputs(subject, network, first, random)[1], 0)
    below = _above(_outputs(subject, network, second, random)[1], network.n_outputs - 1, sign=-1)
    return [(first, (above,)), (second, (below,))]


def _lawful(subject: Subject, network: Network, random: np.random.Generator) -> Boxes:
    """Rows over outputs and inputs."""
    ends = _box(subject, random)
    x, y = _outputs(subject, network, ends, random)
    total = y.sum(1)
    plane, *_ = np.linalg.lstsq(np.column_stack([x, np.ones(len(x))]), total, rcond=None)
    slope = np.array([float(f"{c:.3g}") for c in plane[:-1]])
    most = float(np.quantile(total - x @ slope, 1 - EXCEEDED))
    unsafe = Row(tuple(map(exact, slope)), (Fraction(-1),) * y.shape[1], exact(most))
    return [(ends, (Polytope((unsafe,)),))]


def _never_decided(subject: Subject, network: Network, random: np.random.Generator) -> Boxes:
    """The highest order, stop."""
    return [(_box(subject, random), never(subject, network.n_outputs - 1, outputs=network.n_outputs))]


def _linear(subject: Subject, network: Network, random: np.random.Generator) -> Boxes:
    """A polytope of two rows over three outputs each."""
    ends = _box(subject, random)
    y = _outputs(subject, network, ends, random)[1]
    rows = np.array([[1.0, -0.5, -0.5, 0.0], [1.0, 0.0, -0.5, -0.5]])
    most = np.quantile((y @ rows.T).min(1), 1 - EXCEEDED)
    unsafe = [Row((), tuple(map(exact, -each)), exact(float(most))) for each in rows]
    return [(ends, (Polytope(tuple(unsafe)),))]


#: What the kinds of questions about formulas say.
WORDS = {
    _bounded: "an output is no larger than a bound",
    _between: "an output stays between two bounds",
    _in_two_boxes: "an output is not too large in one box, nor too small in another",
    _lawful: "the outputs' sum stays below a linear law of the inputs",
    _never_decided: "the plant is never stopped",
    _linear: "the first score is not far above the means of two pairs of others",
}


def _box(subject: Subject, random: np.random.Generator) -> dict[str, tuple[float, float]]:
    """Some inputs between random ends; with many inputs some are free."""
    low, high = subject.box
    found = {}
    for i in random.permutation(len(low))[:6]:
        width = random.uniform(0.25, 0.5)
        start = random.uniform(0, 1 - width)
        found[subject.inputs[i]] = tuple(float(low[i] + share * (high[i] - low[i])) for share in (start, start + width))
    return found


def _outputs(
    subject: Subject, network: Network, ends: Ends, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    lower, upper = _ends(subject, ends)
    x = random.uniform(lower, upper, (SAMPLES, len(lower))).astype(np.float32)
    return x, scores(network, x).astype(float)


def _above(y: np.ndarray, output: int, *, sign: int = 1) -> Polytope:
    """An output is so large, or with sign -1 so small, as at a few samples."""
    bound = float(np.quantile(sign * y[:, output], 1 - EXCEEDED))
    return Polytope((_outputs_row(y.shape[1], {output % y.shape[1]: -sign}, bound),))


def row(subject: Subject, coefficients: Mapping[str, float], constant: float) -> Polytope:
    """One row: coefficients . scores + constant <= 0, or for the highest the same of negated scores."""
    sign = -1 if subject.decision is Decision.HIGHEST else 1
    of = {subject.outputs.index(name): sign * c for name, c in coefficients.items()}
    return Polytope((_outputs_row(len(subject.outputs), of, constant),))


def never(subject: Subject, *decisions: str | int, outputs: int = 0) -> Unsafe:
    """Unsafe where one of these is the decision."""
    places = _places(subject, decisions)
    return tuple(Polytope(tuple(_better(subject, j, k, outputs) for k in _others(subject, j, outputs))) for j in places)


def always(subject: Subject, decision: str | int, *, outputs: int = 0) -> Unsafe:
    """Unsafe where another one is the decision."""
    (j,) = _places(subject, (decision,))
    return tuple(Polytope((_better(subject, k, j, outputs),)) for k in _others(subject, j, outputs))


def _places(subject: Subject, decisions: Sequence[str | int]) -> list[int]:
    return [each if isinstance(each, int) else subject.outputs.index(each) for each in decisions]


def _others(subject: Subject, j: int, outputs: int) -> list[int]:
    return [k for k in range(outputs or len(subject.outputs)) if k != j]


def _better(subject: Subject, j: int, k: int, outputs: int) -> Row:
    """Output j is at least as good a decision as output k."""
    sign = -1 if subject.decision is Decision.HIGHEST else 1
    return _outputs_row(outputs or len(subject.outputs), {j: sign, k: -sign}, 0.0, inputs=len(subject.inputs))


def _outputs_row(outputs: int, of: Mapping[int, float], constant: float, *, inputs: int = 0) -> Row:
    return Row((Fraction(0),) * inputs, tuple(exact(of.get(j, 0)) for j in range(outputs)), exact(constant))


def exact(value: float) -> Fraction:
    """A decimal of six digits near it."""
    return Fraction(f"{value:.6g}")


def _ends(subject: Subject, ends: Ends) -> tuple[np.ndarray, np.ndarray]:
    """The ends of all inputs, as the network takes them."""
    box = np.array([ends.get(name, tuple(subject.box[:, i])) for i, name in enumerate(subject.inputs)]).T
    lower, upper = subject.to_network(box)
    return lower, upper


def _property(subject: Subject, boxes: Boxes) -> Property:
    cases = []
    for ends, unsafe in boxes:
        lower, upper = (tuple(map(exact, side)) for side in _ends(subject, ends))
        zero = (Fraction(0),) * len(lower)
        rows = [[Row(r.inputs or zero, r.outputs, r.constant) for r in each.rows] for each in unsafe]
        cases.append(Case(lower, upper, tuple(Polytope(tuple(each)) for each in rows)))
    return Property(tuple(cases), len(cases[0].lower), len(cases[0].unsafe[0].rows[0].outputs))
