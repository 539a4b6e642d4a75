"""Is a certificate of kind "change" to be accepted? The verdict on a file."""

import time
from collections import namedtuple
from decimal import Decimal
from fractions import Fraction
from math import inf, prod

import numpy as np

from engine.audit.check import ARITHMETIC, Result
from engine.audit.comparison.certificate import Change, read_change
from engine.audit.comparison.pair import Pair, lowest
from engine.audit.data import Network, Rejected, demand
from engine.audit.exact import Dyadic
from engine.audit.onnx_reader import read_network
from engine.audit.walk import Nodes, Proof, Tally, _demand, _entries, merge


def check_change(
    certificate_path, original_path, changed_path, *, arithmetic="float64", on_progress=None
) -> Result:
    """The verdict on a certificate of these two networks; Malformed where a file is not what it should be."""
    start, certificate, tally, reason = time.perf_counter(), None, Tally(), ""
    try:
        certificate = read_change(certificate_path)
        original, changed = read_network(original_path), read_network(changed_path)
        _belongs(certificate, original, changed)
        proof = Walk(certificate, Pair(original, changed), arithmetic)
        nodes = len(certificate.tree.split)
        tally = proof.walk([*proof.roots()], lambda done: on_progress and on_progress(done, nodes))
        for what, found, claimed in (
            ("which output is lowest", proof.open, certificate.open),
            ("outputs", proof.unequal, certificate.unequal),
        ):
            percent = 100 * Decimal(claimed.numerator) / Decimal(claimed.denominator)
            demand(
                found.at_most(claimed),
                f"{what} may differ on {found.percent}, not at most {percent:.9g}%",
            )
    except Rejected as error:
        reason = str(error)
    nodes = len(certificate.tree.split) if certificate else 0
    return Result(
        not reason,
        reason,
        "change",
        "real",
        arithmetic,
        nodes,
        *tally,
        time.perf_counter() - start,
        certificate,
    )


def _belongs(certificate: Change, original: Network, changed: Network) -> None:
    """Rejected unless the certificate is about these networks, and its case about all of their outputs."""
    for name, claimed, network in (
        ("an original", certificate.network_sha256, original),
        ("a changed network", certificate.changed_sha256, changed),
    ):
        found = network.sha256
        demand(
            claimed == found,
            f"it is about {name} with SHA-256 {claimed[:12]}..., this one has {found[:12]}...",
        )
    (case,) = certificate.cases
    demand(
        len(case.lower) == original.layers[0].weight.shape[1],
        "networks and certificate have different inputs",
    )
    demand(
        case.unsafe == lowest(len(original.layers[-1].bias)),
        "its polytopes are not those of the networks' outputs",
    )
    demand(
        certificate.outputs <= 2 * len(original.layers[-1].bias),
        "its rows name outputs that do not exist",
    )
    demand(all(a < b for a, b in zip(case.lower, case.upper)), "its box has no volume")


class Share(namedtuple("Share", "part bits over under")):
    """part / 2^bits of a volume over / under, at most 1: whole numbers of maybe millions of digits, never reduced."""

    def more(self, part: int, bits: int) -> "Share":
        """With another part / 2^bits."""
        most = max(bits, self.bits)
        return self._replace(
            part=(self.part << most - self.bits) + (part << most - bits), bits=most
        )

    def at_most(self, claimed: Fraction) -> bool:
        """Exactly."""
        (n, d), (part, whole) = claimed.as_integer_ratio(), self._ratio()
        return claimed >= 1 or part * d <= n * whole

    @property
    def percent(self) -> str:
        part, whole = self._ratio()
        return f"{min(1, (part << 60) // whole / 2**60):.9%}"

    def _ratio(self) -> tuple[int, int]:
        return self.part * self.under, self.over << self.bits


class Walk(Proof):
    """The walk through the tree, that adds up the shares of the volume of leaves: `open` of those where another output
    may be lowest, `unequal` of those where outputs may differ."""

    def __init__(self, certificate: Change, pair: Pair, arithmetic: str):
        bounds, self.pair = ARITHMETIC[arithmetic], pair
        everything = np.ones(len(certificate.tree.split), bool)
        super().__init__(certificate, pair.network, bounds(pair.network, "real"), everything)
        front = Network(pair.network.layers[: pair.last], "")
        self.front = bounds(front, "real") if front.layers else None
        (case,) = self.cases
        sides = [b - a for a, b in zip(case.lower, case.upper)]
        nothing = Share(
            0, 0, prod(side.numerator for side in sides), prod(side.denominator for side in sides)
        )
        self.open, self.unequal = nothing, nothing

    def _step(self, nodes: Nodes) -> tuple[Nodes, Tally]:
        """Checks these nodes, and returns their children: first those where nothing is excluded so far."""
        full = nodes.excluded.any(1) | (
            self.exclusions[nodes.number] < self.exclusions[nodes.number + 1]
        )
        parts = [
            self._leave(group, margin, count)
            for group, margin, count in (
                (self._bound_front(nodes.take(~full)), inf, 0),
                self._bound(nodes.take(full)),
            )
        ]
        return Nodes(*map(np.concatenate, zip(*(children for children, _ in parts)))), merge(
            *(t for _, t in parts)
        )

    def _bound_front(self, nodes: Nodes) -> Nodes:
        """Only the neurons before the last layer with a difference are bounded."""
        if self.front:
            part = slice(0, self.front.parts[-1].stop)
            self.front.tighten(nodes._replace(l=nodes.l[:, part], u=nodes.u[:, part]))
        return nodes

    def _bound(self, nodes: Nodes) -> tuple[Nodes, float, int]:
        """All neurons are bounded, and all exclusions checked: the nodes, the least margin, how many."""
        lines, (place, exclusion), margins = (
            self.bounds.tighten(nodes),
            _entries(self.exclusions, nodes.number),
            [inf],
        )
        for i in range(0, len(place), self.at_once):
            node, e = place[i : i + self.at_once], exclusion[i : i + self.at_once]
            claimed, _ = self._claimed(nodes, node, e)
            margin = self.bounds.margins(nodes, lines, claimed)
            _demand(margin > 0, nodes.number[node], "an exclusion is not shown")
            nodes.excluded[node, self.tree.polytope[e]] = True
            margins.append(margin.min())
        return nodes, float(min(margins)), len(place)

    def _leave(self, nodes: Nodes, margin: float, exclusions: int) -> tuple[Nodes, Tally]:
        """The children, after the leaves' volumes are added up."""
        split = self.tree.split[nodes.number]
        leaves = nodes.take(split < 0)
        differ = self.pair.unequal(leaves.u)
        never = leaves.excluded.reshape(len(differ), 2, differ.shape[1]).all(1)
        same = ~(differ & ~never).any(1) | ((~never).sum(1) <= 1)
        widths = Dyadic.of(leaves.upper) - Dyadic.of(leaves.lower)
        volume = prod(widths.numbers[:, d] for d in range(self.inputs))  # of integers: exact
        self.open = self.open.more(int(volume[~same].sum()), widths.bits * self.inputs)
        self.unequal = self.unequal.more(
            int(volume[differ.any(1)].sum()), widths.bits * self.inputs
        )
        return self._children(nodes.take(split >= 0)), Tally(
            len(split), len(differ), exclusions, margin
        )
