"""Networks with all outputs negated: where an output is highest, its mirror image is lowest.

What keeps the lowest output, as all methods and proofs of preservation do, keeps the highest with their help: negating
floating-point numbers is exact.
"""

from dataclasses import replace

from engine.errors import InputError
from engine.network import Affine, Network
from engine.onnx_file import rewritten
from engine.property import Case, Polytope, Property, Row


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


def unmirrored(candidate: Network, original: Network) -> Network:
    """The candidate for the original that a candidate for the mirrored original stands for, in the original's file."""
    return rewritten(replace(original, layers=mirrored(candidate).layers))


def mirrored_property(prop: Property) -> Property:
    """The property that says of negated outputs what `prop` says of the outputs themselves."""
    return replace(prop, cases=tuple(map(_mirrored_case, prop.cases)))


def _mirrored_case(case: Case) -> Case:
    def negated(row: Row) -> Row:
        return Row(row.inputs, tuple(-c for c in row.outputs), row.constant, row.strict)

    return replace(case, unsafe=tuple(Polytope(tuple(map(negated, p.rows))) for p in case.unsafe))
