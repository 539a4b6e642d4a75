"""Networks that end in a Softmax or LogSoftmax: what a certificate can say of them (section 3).

y are the scores before it. A row that compares two probabilities holds iff it holds of the scores;
so does one of logarithms, whose coefficients add up to 0. All others are about more than scores.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import NamedTuple

from engine.audit.data import Block, Blocks, Case, Polytope, Row, Specification
from engine.audit.failures import demand


class Ended(NamedTuple):
    """What gives a network's outputs of these numbers."""

    ending: str
    places: range


BEYOND = "is about more than the order of the scores before a Softmax or LogSoftmax"


def check_claimed(cases: tuple[Case, ...], network: Blocks) -> None:
    """Rejected where a row of a claim does not hold iff it holds of the scores."""
    ends = _ends(network)
    good = not any(_parted(rows, ends)[1] for case in cases for rows in case.unsafe)
    demand(good, f"a row of the claim {BEYOND}")


def of_scores(specification: Specification, network: Blocks) -> Specification:
    """For a witness: the disjuncts of which each row holds iff it holds of the scores.

    Rows that a single one of those implies do not count. Rejected where that leaves no disjunct.
    """
    ends = _ends(network)
    if not ends:
        return specification
    base, beyond = _parted(specification.base, ends)
    good = []
    for rows in specification.disjuncts:
        own, others = _parted(rows, ends)
        known = [row for row in (*base, *own) if row.outputs]
        if all(any(_implies(one, row) for one in known) for row in (*beyond, *others)):
            good.append(own)
    demand(good or not specification.disjuncts, f"the property {BEYOND}")
    return replace(specification, base=base, disjuncts=tuple(good))


def check_has_none(block: Block) -> None:
    """Rejected where it has an ending."""
    demand(not block.ending, f"a network ends in a {block.ending}")


def _ends(network: Blocks) -> list[Ended]:
    """The blocks that have an ending."""
    ends, first = [], 0
    for block in network.blocks:
        count = len(block.layers[-1].bias)
        ends += [Ended(block.ending, range(first, first + count))] * bool(block.ending)
        first += count
    return ends


def _parted(rows: Iterable[Row], ends: Sequence[Ended]) -> tuple[Polytope, Polytope]:
    """Those that say the same of the scores, and the others."""
    of_scores: list[Row] = []
    others: list[Row] = []
    for row in rows:
        says_the_same = all(_is_of_scores(row, *end) for end in ends)
        (of_scores if says_the_same else others).append(row)
    return tuple(of_scores), tuple(others)


def _is_of_scores(row: Row, ending: str, places: range) -> bool:
    """True iff it says the same of these outputs, which the ending gives, and of their scores."""
    own = [c for j, c in row.outputs.items() if j in places]
    if not own:
        return True
    compares = len(own) == len(row.outputs) == 2 and not row.inputs and row.constant == 0
    return sum(own) == 0 and (compares or ending == "LogSoftmax")


def _implies(one: Row, other: Row) -> bool:
    """True iff one row, which names outputs, implies the other: as tight, up to a factor."""
    j = next(iter(one.outputs))
    factor = other.outputs.get(j, Fraction(0)) / one.outputs[j]
    alike = all(
        coefficients.keys() == own.keys()
        and all(c == factor * own[i] for i, c in coefficients.items())
        for coefficients, own in ((other.inputs, one.inputs), (other.outputs, one.outputs))
    )
    least = factor * one.constant
    return factor > 0 and alike and (other.constant, other.strict) <= (least, one.strict)
