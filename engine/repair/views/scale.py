"""Tasks with scores of about the size of ACAS Xu's: margins, steps and prices of methods are in scores.

Outputs are multiplied by a power of two, which floating point does exactly, and so is what properties say of them. The
candidates for the multiplied task are, with the last layer divided again, exactly those for the task itself.
"""

from dataclasses import replace
from fractions import Fraction
from math import frexp, inf

import numpy as np

from engine.evaluation import scores
from engine.network import Affine, Network
from engine.onnx_file import rewritten
from engine.property import Case, Polytope, Property, Row
from engine.repair.task import Candidate, Task

USUAL = 0.01, 100.0  # ranges of scores that stay as they are: those of ACAS Xu's networks are 0.02 to 0.7
SIZE = 8.0  # between a half and the whole of which others are brought
MOST = 2.0**60  # factor
SAMPLES = 1 << 12  # of the domain


def unit_of(task: Task) -> float:
    """The power of two by which scores are to be multiplied: 1 where their range at samples of the domain is usual."""
    x = np.random.default_rng([task.seed, 2]).uniform(task.lower, task.upper, (SAMPLES, len(task.lower)))
    y = scores(task.network, x)
    size = float((y.max(0) - y.min(0)).max())
    if USUAL[0] <= size <= USUAL[1] or not 0 < size < inf:
        return 1.0
    mantissa, exponent = frexp(SIZE / size)
    return min(max(2.0 ** (exponent - 1), 1 / MOST), MOST)


def scaled(task: Task, unit: float) -> Task:
    """The task about outputs multiplied by `unit`."""
    targets, keep = (tuple(_property(prop, Fraction(unit)) for prop in props) for props in (task.targets, task.keep))
    return replace(
        task,
        network=_network(task.network, unit),
        targets=targets,
        keep=keep,
        max_change=task.max_change * unit,
        tolerance=task.tolerance * unit,
    )


def unscaled(candidate: Candidate, original: Network, unit: float) -> Candidate:
    """The candidate for the original, in its file, that a candidate for the scaled original stands for."""
    network = rewritten(replace(original, layers=_network(candidate.network, 1 / unit).layers))
    return replace(candidate, network=network, note=f"{candidate.note} (of outputs times {unit:g})")


def _network(network: Network, unit: float) -> Network:
    *layers, last = network.layers
    return replace(network, layers=(*layers, Affine(last.weight * unit, last.bias * unit, last.relu)))


def _property(prop: Property, unit: Fraction) -> Property:
    """What it says of outputs divided by the unit."""

    def row(row: Row) -> Row:
        """Multiplied by the unit, so that distances from unsafe are multiplied with the outputs."""
        return Row(tuple(unit * c for c in row.inputs), row.outputs, unit * row.constant, row.strict)

    def case(case: Case) -> Case:
        return replace(case, unsafe=tuple(Polytope(tuple(map(row, p.rows))) for p in case.unsafe))

    return replace(prop, cases=tuple(map(case, prop.cases)))
