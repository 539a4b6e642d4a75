"""Nodes of a proof's tree, many at a time, and what is said of all of them at once."""

from typing import NamedTuple

import numpy as np

from engine.audit.data import Floats, Integers, Singles, Truths
from engine.audit.failures import Rejected


class Nodes(NamedTuple):
    """Nodes of section 4 and what is known of each.

    number, and case: of the node's root [n].
    lower, upper: its box [n, inputs].
    l, u: l <= z <= u of section 5, and dl <= d <= du of section 11 behind them
        [n, hidden + differences].
    sign: 1 where z >= 0 is assumed, -1 where z <= 0 is, else 0 [n, hidden].
    excluded: True for a polytope that is excluded at the node or an ancestor, and for one that the
        node's case does not have [n, most of a case].
    """

    number: Integers
    case: Integers
    lower: Floats
    upper: Floats
    l: Singles
    u: Singles
    sign: Integers
    excluded: Truths

    def take(self, index: Integers | Truths | slice) -> "Nodes":
        """Copies of some nodes; of a slice, views."""
        return Nodes(
            number=self.number[index],
            case=self.case[index],
            lower=self.lower[index],
            upper=self.upper[index],
            l=self.l[index],
            u=self.u[index],
            sign=self.sign[index],
            excluded=self.excluded[index],
        )


def joined(groups: list[Nodes]) -> Nodes:
    """All nodes of these groups, in order."""
    return Nodes(*(np.concatenate(parts) for parts in zip(*groups)))


def pop(pending: list[Nodes], room: int) -> Nodes:
    """Takes the last nodes of these groups, at most `room`."""
    nodes = pending.pop()
    while pending and len(nodes.number) < room:
        nodes = joined([pending.pop(), nodes])
    if len(nodes.number) > room:
        pending.append(nodes.take(slice(None, -room)))
    return nodes.take(slice(-room, None))


def demand_all(holds: Truths, number: Integers, what: str) -> None:
    """Rejected, with the number of the first node where it does not hold."""
    if not holds.all():
        raise Rejected(f"node {number[np.argmin(holds)]}: {what}")


def entries(begin: Integers, groups: Integers) -> tuple[Integers, Integers]:
    """(i, entry) of all entries begin[group], .., begin[group + 1] - 1 of the i-th group."""
    count = begin[groups + 1] - begin[groups]
    place = np.repeat(np.arange(len(groups)), count)
    first = np.repeat(begin[groups] - np.cumsum(count) + count, count)
    return place, np.arange(len(place)) + first
