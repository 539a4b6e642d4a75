"""Bounds in float64, of many nodes at once, with all that rounding can change.

Sections 5, 6 and 8 of the format.

Let u = 2^-53, n the largest number of inputs or outputs of a layer, L the number of layers. (Of
several blocks: the last paragraph.) A sum
of m products, in any order, fused or not, errs by at most m u times the sum of their magnitudes,
second orders apart. Take any point of a node's set and the h_k, z_k met there. In exact arithmetic
the row made from (A, r) over h_k takes no larger value there than A . h_k + r. As computed, it
exceeds that by at most the following, where m_j is a multiplier or 0, B the coefficients over z_k,
|B_j| <= |A_j| + m_j, and w_k = sum (|A_j| + m_j) (M_j + t_j); p = (a + c) / 2 and q = (c - a) / 2:

    A p - |A| q - multipliers    four roundings of up to |A_j| + m_j,
                                 each times |W h + b|_j <= M_j                  4 u w_k
    A . t/2 - |A| . (t/2 + s)    two sums of n products; t is exact             (n + 3) u w_k
    B W and B . b                n + 1 products, which weigh at most
                                 |B_j| (|W| H + |b|)_j                          (n + 1) u w_k
    r                            added to twice, then one of these
                                 n + 1 products                                 (n + 3) u |r|

|r| is at most the |r_0| that the row started with, plus the w of the layers passed. The sum over
the box errs by (n + 5) u (w_1 + sum |inputs| H_0 + |r|). Where weights and biases are only nearest
to the network's own, z_k is within u M_k of W h + b, which counts for 1 u w_k. With E = |r_0| + sum
|inputs| H_0 + sum w_k all that is at most (2n + 9 + L (n + 3) + 2 (n + 5)) u E < (L + 4) (n + 8) u
E = U E / 8. Second orders, and the rounding of M and of what is given up, cannot make up for the
factor 8, as U <= 2^-10. What is given up is U E: U (M_j + t_j) |A_j| by s_j and 2 U (M_j + t_j) m_j
for multipliers in each layer; U M_k at the end for z_k, where r_0 = b_k (if no layer was passed,
M_1 is w_1); U (|r_0| + sum |inputs| H_0) for an exclusion. Where u <= 0, s = 0, but p = q = t = 0
do not err. An exclusion's numbers are rounded to float64 first: by 2^-53 of each, of which 2^-50 is
given up.

Executed in float32, z_k is within g M_k + e of W_k h_{k-1} + b_k: s and N have that too, and e with
a factor 1 + 2^-10 for the rounding of its multiples. H_k >= |h_k| then also needs H_k = M_k +
N(M_k) without a ReLU.

What underflows is off by 2^-1022 at most: a constant, or a coefficient of a number below 2^101,
because roots must have inputs and M below 2^100. That is far less than the 2^-900 given up at the
end of each bound. What overflows stays infinite or NaN to the end of its row: an infinite margin
counts as none, an infinite lower bound of a neuron is NaN after `down`, and NaN makes NaN of every
later row of its node.

Of B blocks, n is at least the number of inputs of all plus B, and L that of the deepest block. A
neuron's bound is made in its own block: nothing else changes. An exclusion's row goes down each
block by itself. The table holds in each; w_k and |r| are the block's own there, |r_0| is in the
first alone, and the table's terms add up to the same with E = |r_0| + sum |inputs| H_0 + sum w_k
over all blocks. What remains of them is added: B - 1 roundings more of each coefficient, whose
terms weigh at most the w_1 of the blocks, and of r. So the sum over the box errs by (n' + 4 + B) u
times that, n' being the number of inputs, and n' + 4 + B < n + 5.
"""

from typing import NamedTuple

import numpy as np

from engine.audit.bounds import Bounds, Box, Boxes, Exclusions, Numbers, down, relu_lines
from engine.audit.data import Blocks, Floats, Integers, Singles

UNDERFLOW = 2.0**-900  # given up at the end of each bound
AT_ONCE = 320  # neurons bounded at once, so that their coefficients stay in the processor's cache


class Lines(NamedTuple):
    """Section 5's lines of one layer, at each node of a batch: a middle and what is to its sides.

    slope z + offset - (slope_spread z + offset_spread) <= h
                         h <= slope z + offset + (slope_spread z + offset_spread)

    where slope = (a + c) / 2, slope_spread = (c - a) / 2, offset = t / 2 and offset_spread =
    t / 2 + s: [n, neurons + 1], the last for a row's constant. noise is N(M + t) and size H:
    [n, neurons].
    """

    slope: Floats
    slope_spread: Floats
    offset: Floats
    offset_spread: Floats
    noise: Floats
    size: Floats

    def at(self, node: Integers) -> "Lines":
        """The lines of one node for each row. noise and size remain those of the batch."""
        return Lines(
            slope=self.slope.take(node, axis=0),
            slope_spread=self.slope_spread.take(node, axis=0),
            offset=self.offset.take(node, axis=0),
            offset_spread=self.offset_spread.take(node, axis=0),
            noise=self.noise,
            size=self.size,
        )

    def relax(self, rows: Floats) -> Floats:
        """Section 6, step 1: rows [.., m, neurons + 1] over h -> rows over z, nowhere larger."""
        size = np.abs(rows)
        constant = np.vecdot(rows, self.offset) - np.vecdot(size, self.offset_spread)
        rows = rows * self.slope - size * self.slope_spread
        rows[..., -1] += constant
        return rows

    def with_slopes(self, given: Floats, l: Singles, u: Singles) -> "Lines":
        """Section 6, "An exclusion": with lower slopes of its own, where they are given.

        Where u <= 0 the lower slope is 0; else where l >= 0 it is 1.
        """
        a, c = self.slope - self.slope_spread, self.slope + self.slope_spread
        slopes = np.clip(given, l >= 0, u > 0)
        a[:, :-1] = np.where(np.isnan(slopes), a[:, :-1], slopes)
        return self._replace(slope=(a + c) / 2, slope_spread=(c - a) / 2)


class Floating(Bounds[list[Lines]]):
    """Bounds of one network, or of several, under one semantics, in float64."""

    def __init__(self, network: Blocks, semantics: str) -> None:
        super().__init__(network, semantics)
        self.layers = tuple(layer for block in network.blocks for layer in block.layers)
        n, is_executed = network.width, semantics == "float32"
        #: what N(M) has beside unit times M: 2^-900, and e of section 3
        self.floor = UNDERFLOW + is_executed * (2 * n + 4) * 2.0**-126 * (1 + 2.0**-10)
        #: (B, r) @ [[W, b], [0, 1]] = (B W, B . b + r)
        self.steps = []
        for layer in self.layers:
            end = [np.zeros((1, layer.weight.shape[1])), np.ones((1, 1))]
            self.steps.append(np.block([[layer.weight, layer.bias[:, None]], end]))

    def down(self, values: Numbers) -> Singles:
        return down(values)

    # --- neurons ----------------------------------------------------------------------------------

    def tighten(self, nodes: Boxes) -> list[Lines]:
        """Section 5, "At each node": improves l and u in place; the lines of each layer."""
        lines: list[Lines] = []
        for place in self.places:
            self._tighten_block(place.layers, place.box(nodes), nodes, lines)
        return lines

    def _tighten_block(self, layers: range, box: Box, nodes: Boxes, lines: list[Lines]) -> None:
        """Of the neurons of one block, which has this box: its lines are added."""
        h = np.maximum(np.abs(box.lower), np.abs(box.upper))  # H_0
        for k in layers:
            layer, part = self.layers[k], self.parts[k]
            size = h @ np.abs(layer.weight.T) + np.abs(layer.bias)  # M_k
            l, u = nodes.l[:, part], nodes.u[:, part]
            self._tighten_layer(box, l, u, self.noise(size, k), lines[layers.start :], k)
            lines.append(self._relu(l, u, size, k) if layer.relu else self._affine(size, k))
            h = lines[-1].size

    def _tighten_layer(
        self, box: Box, l: Singles, u: Singles, noise: Floats, lines: list[Lines], k: int
    ) -> None:
        """Bounds layer k's neurons of open sign, l and u, by the lines of its block before it."""
        steps = self.steps[k - len(lines) : k]
        nodes_of, neurons = np.nonzero((l < 0) & (u > 0))
        for i in range(0, len(nodes_of), AT_ONCE):
            node, neuron = at = nodes_of[i : i + AT_ONCE], neurons[i : i + AT_ONCE]
            rows = np.stack([self.steps[k][neuron], -self.steps[k][neuron]])
            for line, step in zip(reversed(lines), reversed(steps)):
                rows = line.at(node).relax(rows) @ step
            least = _minimum(box, node, rows) - noise[at]
            l[at], u[at] = np.maximum(l[at], down(least[0])), np.minimum(u[at], -down(least[1]))

    def _relu(self, l: Singles, u: Singles, size: Floats, k: int) -> Lines:
        """Section 5, the table's first row."""
        a, c, t = relu_lines(l, u)
        noise = self.noise(size + t, k)
        return _lines(a, c, t, noise * (u > 0), noise, np.maximum(u, 0, dtype=np.float64))

    def _affine(self, size: Floats, k: int) -> Lines:
        """Section 5, the table's second row."""
        one, zero = np.ones_like(size), np.zeros_like(size)
        noise = self.noise(size, k)
        return _lines(one, one, zero, noise, noise, size + noise)

    # --- exclusions -------------------------------------------------------------------------------

    def margins(self, nodes: Boxes, lines: list[Lines], claimed: Exclusions) -> Floats:
        """Section 6, "An exclusion": a lower bound of its row's least value at its node.

        -infinity where none was found.
        """
        m = self.n_outputs
        given = claimed.rows.astype(np.float64) / 1024
        constant, total = given[:, m], np.zeros((len(given), self.n_inputs + 1))
        for layers, inputs, outputs in self.places:
            rows = np.column_stack([given[:, outputs], constant])
            constant = np.zeros_like(constant)  # the whole of it is in the first block
            for k in reversed(layers):
                rows = self._substitute(k, rows, nodes, lines[k], claimed)
            total[:, inputs] += rows[:, :-1]
            total[:, -1] += rows[:, -1]
        total[:, :-1] += given[:, m + 1 :]
        loss = self._loss(np.abs(given), nodes, lines, claimed.node)
        margin = _minimum(Box(nodes.lower, nodes.upper), claimed.node, total) - loss
        return np.where(np.isfinite(margin), margin, -np.inf)

    def _substitute(
        self, k: int, rows: Floats, nodes: Boxes, lines: Lines, claimed: Exclusions
    ) -> Floats:
        """Section 6: exclusions' rows over the outputs of layer k -> those over its inputs."""
        node, part, lines = claimed.node, self.parts[k], lines.at(claimed.node)
        if self.layers[k].relu:
            own = claimed.slopes[:, part]
            lines = lines.with_slopes(own, nodes.l[node, part], nodes.u[node, part])
        rows = lines.relax(rows)
        if self.layers[k].relu:
            multipliers = claimed.multipliers[:, part]
            rows[:, :-1] -= multipliers
            rows[:, -1] -= 2 * np.vecdot(np.abs(multipliers), lines.noise[node])
        below: Floats = rows @ self.steps[k]
        return below

    def _loss(self, given: Floats, nodes: Boxes, lines: list[Lines], node: Integers) -> Floats:
        """Section 8, the formula: what an exclusion's numbers, of these sizes, lose by rounding."""
        m = self.n_outputs
        size = np.concatenate([lines[layers[-1]].size for layers, *_ in self.places], axis=1)  # H_L
        h = np.maximum(np.abs(nodes.lower), np.abs(nodes.upper))[node]
        loss: Floats = self.rounding * (given[:, m] + np.vecdot(given[:, m + 1 :], h)) + UNDERFLOW
        loss += 2.0**-50 * np.vecdot(given[:, :m], size[node])
        return loss


def _lines(a: Floats, c: Floats, t: Floats, s: Floats, noise: Floats, size: Floats) -> Lines:
    """Lines of a, c, t, s of section 5's table; a row's constant is passed on as it is."""
    return Lines(
        slope=_pad((a + c) / 2, 1),
        slope_spread=_pad((c - a) / 2, 0),
        offset=_pad(t / 2, 0),
        offset_spread=_pad(t / 2 + s, 0),
        noise=noise,
        size=size,
    )


def _pad(part: Floats, end: int) -> Floats:
    """With one more column."""
    return np.pad(part, ((0, 0), (0, 1)), constant_values=end)


def _minimum(box: Box, node: Integers, rows: Floats) -> Floats:
    """Section 6, at the end: the least value of rows over x on the nodes' boxes.

    rows [.., m, inputs + 1] are of nodes [m].
    """
    slope = rows[..., :-1]
    lower, upper = box.lower.take(node, axis=0), box.upper.take(node, axis=0)
    least: Floats = (
        np.vecdot(np.maximum(slope, 0), lower)
        + np.vecdot(np.minimum(slope, 0), upper)
        + rows[..., -1]
    )
    return least
