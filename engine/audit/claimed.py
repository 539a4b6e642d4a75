"""The exclusions of a proof, as the arithmetics want them: sums of rows, slopes, multipliers.

Section 4 of the format says how the arrays hold them, section 6 what they are for.
"""

from collections.abc import Sequence
from fractions import Fraction
from math import nan
from typing import TypeAlias

import numpy as np

from engine.audit.bounds import Exclusions
from engine.audit.data import Floats, Integers, Objects, Polytope, Row, Tree, Truths
from engine.audit.failures import demand
from engine.audit.nodes import Nodes, demand_all, entries
from engine.audit.tree import AnyCase, begins

Term: TypeAlias = tuple[int, Fraction | int]  # a place in a sum of rows, and what is added there

LARGEST_NUMBER = 2**900


class ClaimedExclusions:
    """All exclusions of a proof's tree, whose arrays have passed check_tree.

    columns: the column of each hidden neuron in bounds; -1 where it has none (section 12).
    """

    def __init__(self, tree: Tree, cases: Sequence[AnyCase], outputs: int, hidden: int) -> None:
        for name, there in (("slope", tree.slope), ("multiplier", tree.multiplier)):
            demand((there < hidden).all(), f"{name}: there is no such neuron")
        self._tree = tree
        self.columns: Integers = np.arange(hidden)
        self._inputs, self._outputs = len(cases[0].lower), outputs
        nodes = np.arange(len(tree.split) + 1, dtype=np.int32)
        #: where those of each node begin, and the entries of each exclusion
        self.begin = np.searchsorted(tree.node, nodes).astype(np.int32)
        self._rows, self._slopes = begins(tree.rows), begins(tree.slopes)
        self._multipliers = begins(tree.multipliers)
        self._terms = _terms_of_cases(cases, outputs)

    def of(self, nodes: Nodes, node: Integers, exclusion: Integers) -> tuple[Exclusions, Truths]:
        """These exclusions, each at a node of the batch; True for those with a strict row."""
        sums = self._sums(nodes.case[node], exclusion)
        slopes = self._lower_slopes(nodes, node, exclusion)
        multipliers = self._signed_multipliers(nodes, node, exclusion)
        return Exclusions(node, sums[:, :-1], slopes, multipliers), sums[:, -1] > 0

    def _sums(self, case: Integers, exclusion: Integers) -> Objects:
        """1024 times the weighted sum of each exclusion's rows.

        Coefficients of outputs, the constant, those of inputs, and last a number > 0 if one is
        strict.
        """
        polytopes = self._tree.polytope[exclusion]
        ends = zip(self._rows[exclusion], self._rows[exclusion + 1])
        sums = [
            self._sum(self._terms[number][polytope], slice(first, last))
            for number, polytope, (first, last) in zip(case, polytopes, ends)
        ]
        return np.array(sums, dtype=object)

    def _sum(self, terms: list[list[Term]], part: slice) -> list[Fraction | int]:
        """Of one exclusion, whose polytope's rows have these terms."""
        total: list[Fraction | int] = [0] * (self._outputs + self._inputs + 2)
        rows, weights = self._tree.row[part].tolist(), self._tree.row_weight[part].tolist()
        for row, weight in zip(rows, weights):
            for place, value in terms[row]:
                total[place] += weight * value
        return total

    def columns_of(self, neurons: Integers, number: Integers) -> Integers:
        """The columns of these hidden neurons, each named at the node of that number."""
        columns = self.columns[neurons]
        demand_all(columns >= 0, number, "it names a neuron that no free input reaches")
        return columns

    def _lower_slopes(self, nodes: Nodes, node: Integers, exclusion: Integers) -> Floats:
        slopes = np.full((len(exclusion), nodes.sign.shape[1]), nan)
        place, entry = entries(self._slopes, exclusion)
        column = self.columns_of(self._tree.slope[entry], nodes.number[node][place])
        slopes[place, column] = self._tree.slope_value[entry] / 1024
        return slopes

    def _signed_multipliers(self, nodes: Nodes, node: Integers, exclusion: Integers) -> Floats:
        """Each with the sign that is assumed of its neuron at the node: there must be one."""
        multipliers = np.zeros((len(exclusion), nodes.sign.shape[1]))
        place, entry = entries(self._multipliers, exclusion)
        number = nodes.number[node][place]
        column = self.columns_of(self._tree.multiplier[entry], number)
        sign = nodes.sign[node[place], column]
        demand_all(sign != 0, number, "the multiplier of a neuron without an assumed sign")
        multipliers[place, column] = sign * self._tree.multiplier_value[entry]
        return multipliers


def _terms_of_cases(cases: Sequence[AnyCase], outputs: int) -> list[list[list[list[Term]]]]:
    """The terms of each row of each polytope of each case; cases may share their polytopes."""
    known: dict[int, tuple[tuple[Polytope, ...], list[list[list[Term]]]]] = {}
    for case in cases:
        unsafe = case.unsafe
        if id(unsafe) not in known:  # which is kept, so that no other has its id
            terms = [[_terms(row, outputs) for row in rows] for rows in unsafe]
            known[id(unsafe)] = unsafe, terms
    return [known[id(case.unsafe)][1] for case in cases]


def _terms(row: Row, outputs: int) -> list[Term]:
    """Returns a row's terms in a sum: of outputs, constant and inputs, and 1 where it is strict."""
    numbers = [*row.outputs.items(), (outputs, row.constant)]
    numbers += [(outputs + 1 + i, c) for i, c in row.inputs.items()]
    small = all(abs(value) <= LARGEST_NUMBER for _, value in numbers)
    demand(small, "a number of the property is beyond 2^900")
    terms: list[Term] = [(place, _whole(value)) for place, value in numbers]
    if row.strict:
        terms.append((-1, 1))
    return terms


def _whole(value: Fraction) -> Fraction | int:
    """The same number, where it is whole as an integer, with which sums are faster."""
    return value.numerator if value.denominator == 1 else value
