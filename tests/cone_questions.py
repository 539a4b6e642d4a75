"""Networks of few connections, as convolutions are, and questions that fix most of their inputs."""

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from cases import case, executable, prop, row

from engine.network import Affine, Network
from engine.property import Case, Property

INPUTS, OUTPUTS = 16, 3


def windowed_network(seed: int, *, relu: tuple[bool, ...] = (True, False, True, False)) -> Network:
    """Each neuron of the first layers reads four neighbours in a row; the last two are dense. Float32 numbers."""
    random = np.random.default_rng(seed)
    widths = (INPUTS, 14, 12, 8, OUTPUTS)
    layers = []
    for k, (n, out) in enumerate(zip(widths, widths[1:])):
        weight = random.normal(size=(out, n)) / np.sqrt(min(n, 4))
        if k < 2:
            distance = np.arange(n) - np.linspace(0, n - 4, out).round()[:, None]
            weight *= (0 <= distance) & (distance < 4)
        bias = random.normal(size=out) / 4
        layers.append(Affine(*(a.astype(np.float32).astype(np.float64) for a in (weight, bias)), relu[k]))
    return executable(Network(tuple(layers), name=f"windowed_{seed}"))


def fixed_case(free: Sequence[int], *, seed: int, decimals: bool = True, width: float = 1.0, outputs: int = 3) -> Case:
    """Inputs but the free ones are fixed, at decimals that float64 does not hold or at quarters; the unsafe sets are
    those where an output is not the largest, but for what some inputs, free and fixed, add."""
    random = np.random.default_rng(seed)
    steps = 1000 if decimals else 4
    middle = [Fraction(int(v), steps) for v in random.integers(-steps, steps, INPUTS)]
    radius = [Fraction(round(64 * width * random.random()) + 1, 64) if i in free else 0 for i in range(INPUTS)]
    ends = [[m + side * r for m, r in zip(middle, radius)] for side in (-1, 1)]
    of_inputs = [Fraction(int(v), 10) for v in random.integers(-1, 2, INPUTS)]
    lead = int(random.integers(outputs))
    polytopes = []
    for c in (c for c in range(outputs) if c != lead):
        of_outputs = [int(j == lead) - int(j == c) for j in range(outputs)]
        polytopes.append([row(of_outputs, inputs=of_inputs, constant=Fraction(int(random.integers(-10, 10)), 8))])
    return case(*ends, *polytopes)


def fixed_property(free: Sequence[int], **options) -> Property:
    return prop(fixed_case(free, **options), n_outputs=OUTPUTS)


def at(case: Case, fraction: np.ndarray) -> list[Fraction]:
    """The exact point of a case's box at these fractions of it."""
    return [a + Fraction(float(t)) * (b - a) for a, b, t in zip(case.lower, case.upper, fraction, strict=True)]
