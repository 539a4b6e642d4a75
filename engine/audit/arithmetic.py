"""Bounds in float64, of many nodes at once, with all that rounding can change.

Sections 5, 6, 8, 11 and 14 of the format.

Let u = 2^-53, n the largest number of inputs or outputs of a layer, L the number of layers. (Of
several blocks, and of pairs: the last paragraphs.) A sum of m products, in any order, fused or not,
errs by at most m u times the sum of their magnitudes, second orders apart. Take any point of a
node's set and the h_k, z_k met there. In exact arithmetic the row made from (A, r) over h_k takes
no larger value there than A . h_k + r. As computed, it exceeds that by at most the following, where
m_j is a multiplier or 0, B the coefficients over z_k, |B_j| <= |A_j| + m_j, and w_k = sum (|A_j| +
m_j) (M_j + t_j); p = (a + c) / 2 and q = (c - a) / 2:

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

Of a pair's coupled neurons, with A_j and B_j over h_f and h_g, P = A_j + B_j, and d = z_g - z_f in
[dl, du] (section 11), w_k has |P| (M_f + t_f) + |B_j| (M_f + M_g + t) + m_f (M_f + t_f) + m_g (M_g
+ t_g). The coefficients over z_f and z_g are at most |P| + |B_j| + m_f and |B_j| + m_g, so that
times M_f and M_g they still weigh no more than w_k. In the table's lines then are

    P' - B' - multipliers        P, three for P', one for this difference and one for
                                 multipliers, of |P| M_f; two for B' and the last two
                                 again, of |B_j| (M_f + M_g); |h_f| <= M_f          6 u w_k
    |B_j| . (t + s)              one sum of n products beside that of t_f; 1 - c
                                 is exact                                     (n + 3) u w_k
    r                            of g, is added to once more                  (n + 4) u |r|

and the third line as it is. All that is at most (2n + 11 + L (n + 4) + 2 (n + 5)) u E, still below
U E / 8. What is given up is U (M_f + t_f) |P| by s_f and U (M_f + M_g + t) |B_j| by s; at the end
for d, where |r_0| = |b_f| + |b_g|, U (M_f + M_g). Where u_f <= 0, P' = 0 and A_j = -B' do not err.
Executed in float32, z_f and z_g are within g M_f + e and g M_g + e, each of its own: s, and what is
given up for d, have both. |d| is below 2^101.

Of a neuron with a curve (section 14) the lines are a z + r - s <= h <= c z + t + s with a and c in
0..1, and T = max(|r|, |t|) stands for t in all of the above: in w_k, in s = U (M + T), and in the
2 U (M + T) m_j of multipliers. a, c, r and t hold so few bits (curves/lines.py) that (a + c) / 2,
(c - a) / 2, (t + r) / 2 and (t - r) / 2 are exact. The first line of the table is as it is, as
|p| + |q| = max(a, c) <= 1. The second is

    A . (t + r)/2 - |A| . ((t - r)/2 + s)
                                 two sums of n products, which weigh
                                 |A_j| (|t + r| + |t - r|) / 2 = |A_j| T_j      (n + 3) u w_k

and the others have not changed. f(z) is what is between the lines, of the true z, which l and u
hold. H, the larger of |f| at steps beyond l and u, is exact. A NaN in l or u is one in the lines.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from engine.audit.bounds import Bounds, Exclusions, Numbers
from engine.audit.curves.lines import CurveLines, curve_lines
from engine.audit.data import Blocks, Floats, Integers, Singles, Truths
from engine.audit.floating_lines import Lines, lines_of, relax
from engine.audit.floating_steps import step_of, written_out
from engine.audit.lines import down, relu_lines
from engine.audit.pairs import Ends
from engine.audit.places import Box, Boxes, Place, Target, spread

UNDERFLOW = 2.0**-900  # given up at the end of each bound
AT_ONCE = 320  # neurons bounded at once, so that their coefficients stay in the processor's cache,
CELLS = 2**21  # or neurons times the width of the network


class Floating(Bounds[Lines, list[Lines]]):
    """Bounds of one network, or of several, under one semantics, in float64."""

    def __init__(self, network: Blocks, semantics: str, ratio: float = 1) -> None:
        super().__init__(network, semantics, ratio)
        layers = (layer for block in network.blocks for layer in block.layers)
        self.layers = tuple(map(written_out, layers))
        n, is_executed = network.width, semantics == "float32"
        #: what N(M) has beside unit times M: 2^-900, and e of section 3
        self.floor = UNDERFLOW + is_executed * (2 * n + 4) * 2.0**-126 * (1 + 2.0**-10)
        self.steps = [step_of(layer) for layer in self.layers]
        self.at_once = max(1, min(AT_ONCE, CELLS // n))

    def down(self, values: Numbers) -> Singles:
        return down(values)

    # --- neurons ----------------------------------------------------------------------------------

    def tighten(self, nodes: Boxes) -> list[Lines]:
        """Section 5, "At each node", and section 11: improves l and u in place; all lines."""
        return self._bound(nodes)

    def size(self, h: Numbers, k: int) -> Floats:
        """M_k of section 5, h being H_{k-1}."""
        layer = self.layers[k]
        size: Floats = h @ np.abs(layer.weight.T) + np.abs(layer.bias)
        return size

    def improve(
        self,
        ends: Ends,
        chosen: Truths,
        target: Target,
        nodes: Boxes,
        lines: Mapping[int, Lines],
        noise: Numbers,
    ) -> None:
        """Section 6: improves the chosen ends of a target, in place, by substitution of rows."""
        (l, u), (blocks, steps, starts) = ends, target
        nodes_of, neurons = np.nonzero(chosen)
        for i in range(0, len(nodes_of), self.at_once):
            node, neuron = at = nodes_of[i : i + self.at_once], neurons[i : i + self.at_once]
            rows = []
            for k, sign in starts:
                row = sign * self.steps[k].rows(neuron)
                rows.append(np.stack([row, -row]))
            for step in reversed(steps):
                own = [lines[k].at(node) for _, k in step]
                for (block, k), row in zip(step, relax([rows[i] for i, _ in step], own)):
                    rows[block] = self.steps[k].through(row)
            least = self._least(blocks, rows, nodes, node) - noise[at]
            l[at], u[at] = np.maximum(l[at], down(least[0])), np.minimum(u[at], -down(least[1]))

    def _least(
        self, blocks: Sequence[Place], rows: list[Floats], nodes: Boxes, node: Integers
    ) -> Floats:
        """The least value of rows over the inputs of each block, added up."""
        if len(blocks) == 1:
            return _minimum(blocks[0].box(nodes), node, rows[0])
        total = np.zeros((*rows[0].shape[:-1], self.n_inputs + 1))
        _add_blocks(blocks, rows, total)
        return _minimum(Box(nodes.lower, nodes.upper), node, total)

    def line(self, z: Ends, size: Numbers, k: int) -> Lines:
        """Section 5, the table, and section 14, "Bounds": the lines of layer k."""
        if k in self.curves:
            return self._curved(curve_lines(self.curves[k], *z), size, k)
        a, c, t = relu_lines(*z, self.ratio[k])
        noise = self.noise(size + t, k)
        h = np.where(self.relus[k], np.maximum(z.u, 0, dtype=np.float64), size + noise)
        return lines_of(a, c, t, noise * (z.u > 0), noise, h)

    def _curved(self, known: CurveLines, size: Numbers, k: int) -> Lines:
        """Section 14: of hidden neurons these lines, of others z - s <= h <= z + s."""
        there = self.relus[k]
        a, c = np.where(there, known.a, 1), np.where(there, known.c, 1)
        r, t = np.where(there, known.r, 0), np.where(there, known.t, 0)
        noise = self.noise(size + np.maximum(np.abs(r), np.abs(t)), k)
        h = np.where(there, known.size, size + noise)
        return lines_of(a, c, t, noise, noise, h, r)

    def couple(self, line: Lines, is_coupled: Truths, c: Floats, give: Numbers) -> Lines:
        """Section 11, "Bounds", step 6: the lines of g's layer with those of differences.

        (1 - c) d - give <= delta <= c d + give where they are coupled.
        """
        return line.with_differences(is_coupled, c, give)

    # --- exclusions -------------------------------------------------------------------------------

    def margins(self, nodes: Boxes, lines: list[Lines], claimed: Exclusions) -> Floats:
        """Section 6, "An exclusion": a lower bound of its row's least value at its node.

        -infinity where none was found.
        """
        m = self.n_outputs
        given = claimed.rows.astype(np.float64) / 1024
        total = np.zeros((len(given), self.n_inputs + 1))
        for blocks, steps in self.groups:
            rows = [np.pad(given[:, place.outputs], ((0, 0), (0, 1))) for place in blocks]
            if blocks[0].outputs.start == 0:
                rows[0][:, -1] = given[:, m]  # the whole constant is in the first block
            for step in reversed(steps):
                own = [self._own_lines(k, nodes, lines[k], claimed) for _, k in step]
                for (i, k), row in zip(step, relax([rows[i] for i, _ in step], own)):
                    self._add_multipliers(k, row, lines[k], claimed)
                    rows[i] = self.steps[k].through(row)
            _add_blocks(blocks, rows, total)
        total[:, :-1] += given[:, m + 1 :]
        loss = self._loss(np.abs(given), nodes, lines, claimed.node)
        margin = _minimum(Box(nodes.lower, nodes.upper), claimed.node, total) - loss
        return np.where(np.isfinite(margin), margin, -np.inf)

    def _own_lines(self, k: int, nodes: Boxes, lines: Lines, claimed: Exclusions) -> Lines:
        """The lines of layer k at each exclusion's node, with its lower slopes."""
        node, (l, u) = claimed.node, self._ends(nodes, k)
        slopes = spread(claimed.slopes[:, self.parts[k]], self.relus[k], np.nan)
        return lines.at(node).with_slopes(slopes, l[node], u[node])

    def _add_multipliers(self, k: int, rows: Floats, lines: Lines, claimed: Exclusions) -> None:
        """Section 6, "An exclusion", those of layer k: in place, in rows over its z."""
        multipliers = spread(claimed.multipliers[:, self.parts[k]], self.relus[k], 0)
        rows[:, :-1] -= multipliers
        rows[:, -1] -= 2 * np.vecdot(np.abs(multipliers), lines.noise[claimed.node])

    def _loss(self, given: Floats, nodes: Boxes, lines: list[Lines], node: Integers) -> Floats:
        """Section 8, the formula: what an exclusion's numbers, of these sizes, lose by rounding."""
        m = self.n_outputs
        size = np.concatenate([lines[place.layers[-1]].size for place in self.places], axis=1)
        h = np.maximum(np.abs(nodes.lower), np.abs(nodes.upper))[node]
        loss: Floats = self.rounding * (given[:, m] + np.vecdot(given[:, m + 1 :], h)) + UNDERFLOW
        loss += 2.0**-50 * np.vecdot(given[:, :m], size[node])
        return loss


def _add_blocks(blocks: Sequence[Place], rows: Sequence[Floats], total: Floats) -> None:
    """Adds the rows over the inputs of each block to those over all inputs."""
    for place, row in zip(blocks, rows, strict=True):
        total[..., place.inputs] += row[..., :-1]
        total[..., -1] += row[..., -1]


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
