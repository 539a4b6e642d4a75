"""Bounds in float64, of many nodes at once (sections 5 and 6 of the format), with all that rounding can change.

Let u = 2^-53, n the largest number of inputs or outputs of a layer, L the number of layers. A sum of m products,
in any order, fused or not, errs by at most m u times the sum of their magnitudes, second orders apart. Take
any point of a node's set and the h_k, z_k met there. In exact arithmetic the row made from (A, r) over h_k
takes no larger value there than A . h_k + r. As computed, it exceeds that by at most the following, where m_j is a
multiplier or 0, B the coefficients over z_k, |B_j| <= |A_j| + m_j, and w_k = sum (|A_j| + m_j) (M_j + t_j):

    A p - |A| q - multipliers    four roundings of up to |A_j| + m_j, each times |W h + b|_j <= M_j    4 u w_k
    A . t/2 - |A| . (t/2 + s)    two sums of n products; t is exact                              (n + 3) u w_k
    B W and B . b                n + 1 products, which weigh at most |B_j| (|W| H + |b|)_j       (n + 1) u w_k
    r                            added to twice, then one of these n + 1 products                (n + 3) u |r|

|r| is at most the |r_0| that the row started with, plus the w of the layers passed. The sum over the box errs by
(n + 5) u (w_1 + sum |inputs| H_0 + |r|). Where weights and biases are only nearest to the network's own, z_k is within
u M_k of W h + b, which counts for 1 u w_k. With E = |r_0| + sum |inputs| H_0 + sum w_k all that is at most
(2n + 9 + L (n + 3) + 2 (n + 5)) u E < (L + 4) (n + 8) u E = U E / 8. Second orders, and the rounding of M and of
what is given up, cannot make up for the factor 8, as U <= 2^-10. What is given up is U E: U (M_j + t_j) |A_j| by
s_j and 2 U (M_j + t_j) m_j for multipliers in each layer; U M_k at the end for z_k, where r_0 = b_k (if no layer was
passed, M_1 is w_1); U (|r_0| + sum |inputs| H_0) for an exclusion. Where u <= 0, s = 0, but p = q = t = 0 do not err.
An exclusion's numbers are rounded to float64 first: by 2^-53 of each, of which 2^-50 is given up.

Executed in float32, z_k is within g M_k + e of W_k h_{k-1} + b_k: s and N have that too, and e with a factor
1 + 2^-10 for the rounding of its multiples. H_k >= |h_k| then also needs H_k = M_k + N(M_k) without a ReLU.

What underflows is off by 2^-1022 at most: a constant, or a coefficient of a number below 2^101, because roots
must have inputs and M below 2^100. That is far less than the 2^-900 given up at the end of each bound.
What overflows stays infinite or NaN to the end of its row: an infinite margin counts as none, an infinite lower
bound of a neuron is NaN after `down`, and NaN makes NaN of every later row of its node.
"""

from collections import namedtuple

import numpy as np

from engine.audit.data import Network, demand

UNDERFLOW, LARGEST = 2.0**-900, 2.0**100
AT_ONCE = 320  # neurons bounded at once, so that their coefficients stay in the processor's cache

#: Exclusions [m] at nodes of a batch. rows: 1024ths, exact [m, outputs + 1 + inputs], the constant between; slopes: [m,
#: hidden], NaN where none is given; multipliers: [m, hidden], negative where z <= 0 is assumed, 0 where none is given.
Exclusions = namedtuple("Exclusions", "node rows slopes multipliers")


class Lines(namedtuple("Lines", "p q middle spread noise size")):
    """p z + middle - (q z + spread) <= h <= p z + middle + (q z + spread) in one layer, where p = (a + c) / 2,
    q = (c - a) / 2, middle = t/2, spread = t/2 + s: [n, neurons + 1], the last for a row's constant. And N(M + t), H.
    """

    def at(self, node) -> "Lines":
        """Of one node for each row. noise and size remain those of the batch."""
        return Lines(*(part.take(node, axis=0) for part in self[:4]), *self[4:])

    def relax(self, rows):
        """Rows [.., m, neurons + 1] over h -> rows over z that are nowhere larger."""
        size = np.abs(rows)
        constant = np.vecdot(rows, self.middle) - np.vecdot(size, self.spread)
        rows = rows * self.p - size * self.q
        rows[..., -1] += constant
        return rows


def down(v):
    """A float32 number <= v, and <= every real number whose nearest float64 is v (section 5)."""
    return np.float32(v - 0.75 * np.abs(v) * 2.0**-23 - 2.0**-149)


def relu_lines(l, u):
    """a, c, t of a ReLU on l <= z <= u (section 5): exact, because l and u hold few bits."""
    low, high = np.minimum(l, 0, dtype=np.float64), np.maximum(u, 0, dtype=np.float64)
    c = np.rint(1024 * (high / np.maximum(high - low, 2.0**-149))) / 1024
    return np.float64(u > -l), c, np.maximum(-c * low, (1 - c) * high)


def hidden_parts(network: Network) -> list[slice]:
    """Where each layer's neurons stand among the hidden ones; empty without a ReLU."""
    ends = np.cumsum([0, *(len(layer.bias) * layer.relu for layer in network.layers)]).tolist()
    return [slice(*pair) for pair in zip(ends, ends[1:])]


class Floating:
    """Bounds of one network in float64 under one semantics. Nodes have lower, upper [n, inputs], l, u [n, hidden]."""

    _down = staticmethod(down)

    def __init__(self, network: Network, semantics: str):
        self.layers, self.parts = network.layers, hidden_parts(network)
        width = max(max(layer.weight.shape) for layer in self.layers)
        self.rounding = 8 * (len(self.layers) + 4) * (width + 8) * 2.0**-53
        m = (width + 4) * 2.0**-24 if semantics == "float32" else 0.0
        self.unit = self.rounding + m / (1 - m)
        self.floor = UNDERFLOW + (m > 0) * (2 * width + 4) * 2.0**-126 * (1 + 2.0**-10)
        demand(
            0 < self.unit <= 2.0**-10,
            f"layers of width {width} are beyond the analysis of rounding",
        )
        ends = [[np.zeros((1, layer.weight.shape[1])), np.ones((1, 1))] for layer in self.layers]
        #: (B, r) @ [[W, b], [0, 1]] = (B W, B . b + r)
        self.steps = [
            np.block([[layer.weight, layer.bias[:, None]], end])
            for layer, end in zip(self.layers, ends)
        ]

    def root(self, lower, upper):
        """l and u [hidden] of a root, by interval arithmetic."""
        low, high, bounds = lower, upper, np.zeros((2, self.parts[-1].stop), np.float32)
        for k, (layer, part) in enumerate(zip(self.layers, self.parts)):
            h = np.maximum(np.abs(low), np.abs(high))
            size = np.abs(layer.weight) @ h + np.abs(layer.bias)
            demand(
                (h < LARGEST).all() and (size < LARGEST).all(),
                f"numbers of layer {k + 1} may reach 2^100",
            )
            rise, fall, noise = (
                np.maximum(layer.weight, 0),
                np.minimum(layer.weight, 0),
                self._noise(size),
            )
            low, high = (
                rise @ low + fall @ high + layer.bias - noise,
                rise @ high + fall @ low + layer.bias + noise,
            )
            if layer.relu:
                bounds[:, part] = self._down(low), -self._down(-high)
                low, high = np.maximum(low, 0), np.maximum(high, 0)
        return bounds

    def tighten(self, nodes) -> list[Lines]:
        """Section 5 at each node: improves l and u in place, and returns the lines of each layer."""
        lines, h = [], np.maximum(np.abs(nodes.lower), np.abs(nodes.upper))
        for layer, part, step in zip(self.layers, self.parts, self.steps):
            size = h @ np.abs(layer.weight.T) + np.abs(layer.bias)
            noise, l, u = self._noise(size), nodes.l[:, part], nodes.u[:, part]
            which, neurons = np.nonzero((l < 0) & (u > 0))
            for i in range(0, len(which), AT_ONCE):
                node, neuron = at = which[i : i + AT_ONCE], neurons[i : i + AT_ONCE]
                rows = np.stack([step[neuron], -step[neuron]])
                for k in range(len(lines) - 1, -1, -1):
                    rows = lines[k].at(node).relax(rows) @ self.steps[k]
                least = _minimum(nodes, node, rows) - noise[at]
                l[at], u[at] = np.maximum(l[at], down(least[0])), np.minimum(u[at], -down(least[1]))
            if layer.relu:
                (a, c, t), h, reached = relu_lines(l, u), np.maximum(u, 0, dtype=np.float64), u > 0
            else:
                a = c = np.ones_like(size)
                t, h, reached = np.zeros_like(size), size + noise, True
            noise = self._noise(size + t)
            s, pad = (
                noise * reached,
                lambda part, end: np.pad(part, ((0, 0), (0, 1)), constant_values=end),
            )
            parts = pad((a + c) / 2, 1), pad((c - a) / 2, 0), pad(t / 2, 0), pad(t / 2 + s, 0)
            lines.append(Lines(*parts, noise, h))
        return lines

    def margins(self, nodes, lines: list[Lines], claimed: Exclusions):
        """A lower bound of each exclusion's row at its node (section 6), -infinity where none was found."""
        node, given, n = (
            claimed.node,
            claimed.rows.astype(np.float64) / 1024,
            len(self.layers[-1].bias),
        )
        rows = given[:, : n + 1]
        for k in range(len(lines) - 1, -1, -1):
            at, part = lines[k].at(node), self.parts[k]
            multipliers, slopes = claimed.multipliers[:, part], claimed.slopes[:, part]
            if self.layers[k].relu:
                a, c = at.p - at.q, at.p + at.q
                slopes = np.clip(slopes, nodes.l[node, part] >= 0, nodes.u[node, part] > 0)
                a[:, :-1] = np.where(np.isnan(slopes), a[:, :-1], slopes)
                at = at._replace(p=(a + c) / 2, q=(c - a) / 2)
            rows = at.relax(rows)
            if self.layers[k].relu:
                rows[:, :-1] -= multipliers
                rows[:, -1] -= 2 * np.vecdot(np.abs(multipliers), at.noise[node])
            rows = rows @ self.steps[k]
        rows[:, :-1] += given[:, n + 1 :]
        size, h = np.abs(given), np.maximum(np.abs(nodes.lower), np.abs(nodes.upper))[node]
        loss = self.rounding * (size[:, n] + np.vecdot(size[:, n + 1 :], h)) + UNDERFLOW
        loss += 2.0**-50 * np.vecdot(size[:, :n], lines[-1].size[node])
        margin = _minimum(nodes, node, rows) - loss
        return np.where(np.isfinite(margin), margin, -np.inf)

    def _noise(self, size):
        """N(size)."""
        return self.unit * size + self.floor


def _minimum(nodes, node, rows):
    """The least value of rows [.., m, inputs + 1] over x on the boxes of nodes [m]."""
    slope, lower, upper = (
        rows[..., :-1],
        nodes.lower.take(node, axis=0),
        nodes.upper.take(node, axis=0),
    )
    return (
        np.vecdot(np.maximum(slope, 0), lower)
        + np.vecdot(np.minimum(slope, 0), upper)
        + rows[..., -1]
    )
