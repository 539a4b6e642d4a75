"""Certified lower bounds that can be differentiated with respect to a network's weights.

CROWN (Zhang et al., NeurIPS 2018) with its slopes held fixed, in PyTorch operations. Any slopes in [0, 1] are sound,
and every intercept is computed from bounds that follow the weights, so what is returned is a lower bound for
whatever weights are given (rounding apart: it guides a repair, the proof is made elsewhere). Descending such
bounds is due to ART (Lin et al., FMCAD 2020).
"""

from dataclasses import dataclass

import torch

from engine.bounds.crown import Boxes, tighten
from engine.bounds.roots import Roots
from engine.bounds.stack import Stack
from engine.search.branching import split_input
from engine.search.exclude import exclude
from engine.search.frontier import root_nodes
from engine.search.pool import Nodes

Weights = dict[int, tuple[torch.Tensor, torch.Tensor]]  # layer -> weight [out, in], bias [out]


@dataclass(frozen=True, slots=True)
class Regions:
    """Boxes [lower, upper] of the cases roots[root]: [n], [n, inputs], [n, inputs]."""

    root: torch.Tensor
    lower: torch.Tensor
    upper: torch.Tensor

    def __len__(self) -> int:
        return len(self.root)


@dataclass(frozen=True, slots=True)
class _Relaxation:
    """A ReLU layer's lines on each box: lower z <= h <= upper z + intercept, each [boxes, neurons]."""

    lower: torch.Tensor
    upper: torch.Tensor
    intercept: torch.Tensor


class CertifiedBounds:
    """How far all outputs over each of some boxes surely are from unsafe, as a function of some layers' weights."""

    def __init__(self, stack: Stack, roots: Roots, regions: Regions, *, tuned: dict[int, torch.Tensor]):
        """stack: one network, around which the slopes are chosen; tuned: layer -> its neurons whose weights change."""
        boxes = Boxes(
            torch.zeros_like(regions.root),
            regions.lower,
            regions.upper,
            roots.l[regions.root].clone(),
            roots.u[regions.root].clone(),
        )
        lines = tighten(stack, boxes)
        self._layers = [(layer.weight[0], layer.bias[0]) for layer in stack.layers]
        self._relu = [layer.relu for layer in stack.layers]
        self._middle, self._radius = (regions.upper + regions.lower) / 2, (regions.upper - regions.lower) / 2
        self._tuned = tuned
        self._known = [_relaxation(line) if relu else None for line, relu in zip(lines, self._relu)]
        self._bounds = [(boxes.l[:, part].double(), boxes.u[:, part].double()) for part in stack.slices]
        self._rows, self._inputs = roots.rows[regions.root], roots.inputs[regions.root]
        self._absent, self._missing = roots.absent[regions.root], roots.missing[regions.root]

    def __call__(self, weights: Weights) -> torch.Tensor:
        """The value of attack.violation is at least this on each box, for the network with these layers: [boxes]."""
        layers = [weights.get(k, layer) for k, layer in enumerate(self._layers)]
        lines = list(self._known)
        first = min(self._tuned)
        for k in range(first, len(layers)):
            if self._relu[k]:
                neurons = self._tuned.get(k) if k == first else torch.arange(len(layers[k][1]))
                lines[k] = self._follow(layers, lines, k, neurons)
        coefficients = self._rows[..., :-1].flatten(1, 2)
        constants = self._rows[..., -1].flatten(1, 2)
        found = self._substitute(layers, lines, coefficients, constants, self._inputs.flatten(1, 2), len(layers))
        found = found.view(self._absent.shape).masked_fill(self._absent, -torch.inf).amax(2)
        return found.masked_fill(self._missing, torch.inf).amin(1)

    def _follow(self, layers, lines, k: int, neurons: torch.Tensor) -> _Relaxation:
        """Layer k's lines with intercepts from bounds that the given layers imply for these neurons."""
        weight, bias = layers[k][0][neurons], layers[k][1][neurons]
        shape = (len(self._middle), 2 * len(neurons))
        rows, constants = torch.cat([weight, -weight]).expand(*shape, -1), torch.cat([bias, -bias]).expand(shape)
        lower, negated = self._substitute(layers, lines, rows, constants, None, k).chunk(2, dim=1)
        known = self._known[k]
        slope = known.upper[:, neurons]
        intercept = torch.maximum(-slope * lower, -(1 - slope) * negated).clamp(min=0)
        return _Relaxation(known.lower, known.upper, known.intercept.index_copy(1, neurons, intercept))

    def _substitute(self, layers, lines, coefficients, constants, inputs, k: int) -> torch.Tensor:
        """Lower bounds [boxes, rows] of coefficients . (outputs of layer k - 1) + constants + inputs . x."""
        for i in range(k - 1, -1, -1):
            if lines[i] is not None:
                negative = coefficients.clamp(max=0)
                constants = constants + (negative @ lines[i].intercept.unsqueeze(2)).squeeze(2)
                coefficients = (coefficients - negative) * lines[i].lower.unsqueeze(1) + negative * lines[
                    i
                ].upper.unsqueeze(1)
            weight, bias = layers[i]
            constants = constants + coefficients @ bias
            coefficients = coefficients @ weight
        coefficients = coefficients if inputs is None else coefficients + inputs
        middle, radius = self._middle.unsqueeze(2), self._radius.unsqueeze(2)
        return constants + (coefficients @ middle - coefficients.abs() @ radius).squeeze(2)


def _relaxation(line) -> _Relaxation:
    lower, change = line.lower[:, :-1], line.change[:, :-1]
    return _Relaxation(lower, lower + change, (line.lift - 2 * line.noise)[:, :-1])


@torch.no_grad()
def undecided(
    stack: Stack, roots: Roots, root: torch.Tensor, *, depth: int, limit: int, generator: torch.Generator
) -> Regions:
    """Boxes of these roots [n] where something is not proved of the stack's one network after `depth` halvings.

    At each round a random choice of at most `limit` boxes goes on: a sample of the split tree's open boxes.
    """
    nodes = root_nodes(roots, root)
    for i in range(depth + 1):
        boxes = Boxes(roots.network[nodes.root], nodes.lower, nodes.upper, nodes.l, nodes.u)
        left, _ = exclude(stack, roots, nodes, boxes, tighten(stack, boxes), steps=0)
        left = left.select(torch.randperm(len(left.open), generator=generator)[:limit].sort().values)
        nodes = nodes.select(left.open)
        if i == depth or not len(nodes):
            break
        low, high = split_input(nodes, left.plane, roots.reach[nodes.root])
        nodes = Nodes(*(torch.cat(pair) for pair in zip(low.columns(), high.columns())))
    return Regions(nodes.root, nodes.lower, nodes.upper)
