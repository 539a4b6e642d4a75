"""Networks that end in a Softmax or LogSoftmax: what a certificate can say of them (section 3).

y are the scores before it. A row that compares two probabilities holds iff it holds of the scores;
so does one of logarithms, whose coefficients add up to 0. All others are about more than scores.
"""

from collections.abc import Iterable
from dataclasses import replace

from engine.audit.data import Block, Blocks, Case, Polytope, Row, Specification
from engine.audit.failures import demand

BEYOND = "is about more than the order of the scores before a Softmax or LogSoftmax"


def check_claimed(cases: tuple[Case, ...], network: Blocks) -> None:
    """Rejected where a row of a claim does not hold iff it holds of the scores."""
    good = all(_are_of_scores(rows, network) for case in cases for rows in case.unsafe)
    demand(good, f"a row of the claim {BEYOND}")


def of_scores(specification: Specification, network: Blocks) -> Specification:
    """For a witness: the disjuncts of which each row holds iff it holds of the scores.

    Rejected where that leaves none.
    """
    good: tuple[Polytope, ...] = ()
    if _are_of_scores(specification.base, network):
        good = tuple(rows for rows in specification.disjuncts if _are_of_scores(rows, network))
    demand(good or not specification.disjuncts, f"the property {BEYOND}")
    return replace(specification, disjuncts=good)


def check_has_none(block: Block) -> None:
    """Rejected where it has an ending."""
    demand(not block.ending, f"a network ends in a {block.ending}")


def _are_of_scores(rows: Iterable[Row], network: Blocks) -> bool:
    """Of each row, and the outputs that it names of each block."""
    ends = []
    first = 0
    for block in network.blocks:
        count = len(block.layers[-1].bias)
        ends += [(block.ending, range(first, first + count))] * bool(block.ending)
        first += count
    return all(_is_of_scores(row, ending, places) for row in rows for ending, places in ends)


def _is_of_scores(row: Row, ending: str, places: range) -> bool:
    """True iff it says the same of these outputs, which the ending gives, and of their scores."""
    own = [c for j, c in row.outputs.items() if j in places]
    if not own:
        return True
    compares = len(own) == len(row.outputs) == 2 and not row.inputs and row.constant == 0
    return sum(own) == 0 and (compares or ending == "LogSoftmax")
