"""The walk through a change certificate's tree: volumes of leaves are added up (section 9)."""

from math import inf

import numpy as np

from engine.audit.check import ARITHMETIC
from engine.audit.comparison.pair import Pair
from engine.audit.comparison.volume import Share, volumes
from engine.audit.data import Change, Network, Truths
from engine.audit.nodes import Nodes, joined
from engine.audit.walk import Proof, Tally, merge


class Walk(Proof):
    """The walk through the tree, which adds up shares of the volume of leaves.

    open: of those where another output may be lowest; unequal: of those where outputs may differ.
    """

    def __init__(self, certificate: Change, pair: Pair, arithmetic: str) -> None:
        make, network = ARITHMETIC[arithmetic], pair.network
        everything = np.ones(len(certificate.tree.split), bool)
        bounds = make(network, "real")
        super().__init__(certificate.tree, certificate.cases, network, bounds, everything)
        self.pair = pair
        #: of the layers before the last one that differs, if there are any
        before = Network(network.layers[: pair.last], "")
        self.front = make(before, "real") if before.layers else None
        (case,) = certificate.cases
        self.open = self.unequal = Share.nothing(case)

    def _step(self, nodes: Nodes) -> tuple[Nodes, Tally]:
        """Checks these nodes; their children, first those of nodes that are not full."""
        begin, number = self.claimed.begin, nodes.number
        full = nodes.excluded.any(1) | (begin[number] < begin[number + 1])
        bare, rest = nodes.take(~full), nodes.take(full)
        self._bound_front(bare)
        exclusions, margin = self._check_exclusions(rest)
        first, of_first = self._leave(bare, 0, inf)
        second, of_second = self._leave(rest, exclusions, margin)
        return joined([first, second]), merge(of_first, of_second)

    def _bound_front(self, nodes: Nodes) -> None:
        """Section 9, "Bounds": of a node that is not full only the neurons of layers before q."""
        if self.front:
            part = slice(0, self.front.hidden)
            self.front.tighten(nodes._replace(l=nodes.l[:, part], u=nodes.u[:, part]))

    def _leave(self, nodes: Nodes, exclusions: int, margin: float) -> tuple[Nodes, Tally]:
        """The children of these nodes, after the volumes of the leaves among them are added up."""
        split = self.tree.split[nodes.number]
        leaves = nodes.take(split < 0)
        differ = self.pair.unequal(leaves.u)
        volume, bits = volumes(leaves)
        self.open = self.open.more(int(volume[~_same(leaves, differ)].sum()), bits)
        self.unequal = self.unequal.more(int(volume[differ.any(1)].sum()), bits)
        tally = Tally(len(split), len(differ), exclusions, margin)
        return self._children(nodes.take(split >= 0)), tally


def _same(leaves: Nodes, differ: Truths) -> Truths:
    """Section 9, "Leaves": True for those that are equal or same.

    differ: D of each [n, outputs].
    """
    outputs = differ.shape[1]
    never = leaves.excluded.reshape(len(differ), 2, outputs).all(1)  # E: lowest in neither network
    same: Truths = ~(differ & ~never).any(1) | ((~never).sum(1) <= 1)
    return same
