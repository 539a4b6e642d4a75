"""Networks with all outputs negated: where an output is highest, its mirror image is lowest.

What keeps the lowest output, as all methods and proofs of preservation do, keeps the highest with their help: negating
floating-point numbers is exact.
"""

from dataclasses import replace

from engine.comparison.decision import Decision
from engine.errors import InputError
from engine.network import Affine, Network
from engine.onnx_file import rewritten
from engine.property import Case, Polytope, Property, Row
from engine.repair.task import Task


def mirrored(network: Network) -> Network:
    """x -> -network(x). InputError where it ends in a ReLU: that cannot be written as such a network."""
    *layers, last = network.layers
    if last.relu:
        raise InputError(
            "its outputs come out of a ReLU, so that they cannot be negated",
            where=network.name,
            advice="use --decision lowest, or none",
        )
    return replace(network, layers=(*layers, Affine(0 - last.weight, 0 - last.bias, False)))


def mirrored_task(task: Task) -> Task:
    """The same question about the negated outputs: their lowest is to stay where the highest was to."""
    targets, keep = (tuple(map(_mirrored_property, props)) for props in (task.targets, task.keep))
    return replace(task, network=mirrored(task.network), targets=targets, keep=keep, decision=Decision.LOWEST)


def as_lowest(task: Task) -> Task:
    """The task as methods see it, for whom the lowest output is the decision."""
    return mirrored_task(task) if task.decision is Decision.HIGHEST else task


def unmirrored(candidate: Network, original: Network) -> Network:
    """What a candidate for the mirrored original is for the original itself, in the original's file."""
    return rewritten(replace(original, layers=mirrored(candidate).layers))


def _mirrored_property(prop: Property) -> Property:
    return replace(prop, cases=tuple(map(_mirrored_case, prop.cases)))


def _mirrored_case(case: Case) -> Case:
    negated = lambda row: Row(row.inputs, tuple(-c for c in row.outputs), row.constant, row.strict)
    return replace(case, unsafe=tuple(Polytope(tuple(map(negated, p.rows))) for p in case.unsafe))
