"""Certified lower bounds that can be differentiated with respect to a network's weights.

CROWN (Zhang et al., NeurIPS 2018) with its slopes held fixed, in PyTorch operations. Any slopes in [0, 1] are sound,
and every intercept is computed from bounds that follow the weights, so the result is a lower bound for
any weights (rounding apart: it guides a repair, the proof is made elsewhere). Descending such
bounds is due to ART (Lin et al., FMCAD 2020).
"""

from dataclasses import dataclass
from itertools import islice

import torch

from engine.bounds.crown import Boxes, tighten
from engine.bounds.relaxation import Lines
from engine.bounds.roots import Roots
from engine.bounds.stack import Stack
from engine.search.exclude import OpenTargets
from engine.search.levels import levels

Layer = tuple[torch.Tensor, torch.Tensor]  # weight [out, in], bias [out]
Weights = dict[int, Layer]  # by the layer's number


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
    """Lower bounds of the distance from unsafe over some boxes, as a function of some layers' weights."""

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
        self._rows, self._inputs = roots.rows[regions.root], roots.inputs[regions.root]
        self._absent, self._missing = roots.absent[regions.root], roots.missing[regions.root]

    def __call__(self, weights: Weights) -> torch.Tensor:
        """The value of attack.violation is at least this on each box, for the network with these layers: [boxes]."""
        layers = [weights.get(k, layer) for k, layer in enumerate(self._layers)]
        lines = list(self._known)
        first = min(self._tuned)
        for k, known in enumerate(self._known[first:], first):
            if known:
                neurons = self._tuned[k] if k == first else torch.arange(len(layers[k][1]))
                lines[k] = self._follow(layers, lines, k, known, neurons)
        coefficients = self._rows[..., :-1].flatten(1, 2)
        constants = self._rows[..., -1].flatten(1, 2)
        found = self._substitute(layers, lines, coefficients, constants, self._inputs.flatten(1, 2), len(layers))
        found = found.view(self._absent.shape).masked_fill(self._absent, -torch.inf).amax(2)
        return found.masked_fill(self._missing, torch.inf).amin(1)

    def _follow(
        self, layers: list[Layer], lines: list[_Relaxation | None], k: int, known: _Relaxation, neurons: torch.Tensor
    ) -> _Relaxation:
        """Layer k's lines, `known`, with intercepts from bounds that the given layers imply for these neurons."""
        weight, bias = layers[k][0][neurons], layers[k][1][neurons]
        shape = (len(self._middle), 2 * len(neurons))
        rows, constants = torch.cat([weight, -weight]).expand(*shape, -1), torch.cat([bias, -bias]).expand(shape)
        lower, negated = self._substitute(layers, lines, rows, constants, None, k).chunk(2, dim=1)
        slope = known.upper[:, neurons]
        intercept = torch.maximum(-slope * lower, -(1 - slope) * negated).clamp(min=0)
        return _Relaxation(known.lower, known.upper, known.intercept.index_copy(1, neurons, intercept))

    def _substitute(
        self,
        layers: list[Layer],
        lines: list[_Relaxation | None],
        coefficients: torch.Tensor,
        constants: torch.Tensor,
        inputs: torch.Tensor | None,
        k: int,
    ) -> torch.Tensor:
        """Lower bounds [boxes, rows] of coefficients . (outputs of layer k - 1) + constants + inputs . x."""
        for i in range(k - 1, -1, -1):
            if line := lines[i]:
                negative = coefficients.clamp(max=0)
                constants = constants + (negative @ line.intercept.unsqueeze(2)).squeeze(2)
                lower, upper = line.lower.unsqueeze(1), line.upper.unsqueeze(1)
                coefficients = (coefficients - negative) * lower + negative * upper
            weight, bias = layers[i]
            constants = constants + coefficients @ bias
            coefficients = coefficients @ weight
        coefficients = coefficients if inputs is None else coefficients + inputs
        middle, radius = self._middle.unsqueeze(2), self._radius.unsqueeze(2)
        found: torch.Tensor = constants + (coefficients @ middle - coefficients.abs() @ radius).squeeze(2)
        return found


def _relaxation(line: Lines) -> _Relaxation:
    lower, change = line.lower[:, :-1], line.change[:, :-1]
    return _Relaxation(lower, lower + change, (line.lift - 2 * line.noise)[:, :-1])


@torch.no_grad()
def undecided(
    stack: Stack, roots: Roots, root: torch.Tensor, *, depth: int, limit: int, generator: torch.Generator
) -> Regions:
    """Boxes of these roots [n] where not everything is proved of the stack's one network after `depth` halvings.

    At each round a random choice of at most `limit` boxes goes on: a sample of the split tree's open boxes.
    """

    def sample(targets: OpenTargets) -> OpenTargets:
        return targets.select(torch.randperm(len(targets), generator=generator)[:limit].sort().values)

    for batch, targets in islice(levels(stack, roots, root, steps=0, choose=sample), depth + 1):
        nodes = batch.nodes.select(targets.box)
    return Regions(nodes.root, nodes.lower, nodes.upper)
