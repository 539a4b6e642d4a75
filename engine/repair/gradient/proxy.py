"""Proxy boxes on the last hidden layer as the aim of a descent, after ProRepair (Ma et al., CCS 2025).

On an open box the last hidden layer's neurons, before their ReLUs, lie between bounds. Moved far enough along the
signs of an unsafe row's coefficients, these bounds make a box on which the row is above a margin wherever the
features lie in it: the proxy box. Where all features of an open box's points are in its proxy box, the output layer
needs no change. The descent looks at the features of the box's centre, its worst corner and random points, and not at
those of other points: it guides a repair, and the proof is made elsewhere.

Measured, it is no help where the bound is hard. With 8 or 24 hidden neurons tuned, N(2,1)/P2 keeps at most 99.8% of
advisories, N(5,8)/P2 keeps unsafe samples, and of N(2,9)/P8 three candidates that keep 99.92% had no proof within 20 s.
The bound over outputs repairs all three, with 99.99% to 100%. A stand-in network is repaired by either.
"""

import torch

from engine.bounds.crown import Boxes, tighten
from engine.bounds.roots import Roots
from engine.bounds.stack import Stack
from engine.repair.gradient.certified import Regions, Weights

INSIDE = 6  # random points of each box, beside its centre and its worst corner
HALVINGS = 30  # of the interval in which the shift is sought, by bisection


class ProxyBoxes:
    """The distance, in scores, by which features at points of each box miss the box's proxy box.

    Called as CertifiedBounds is: the margin less that distance, [boxes], is to be above zero.
    """

    def __init__(
        self, stack: Stack, roots: Roots, regions: Regions, *, first: int, margin: float, generator: torch.Generator
    ):
        """stack: one network with a hidden layer, around which proxy boxes are made; first: the first tuned layer."""
        self._layers = [(layer.weight[0], layer.bias[0], layer.relu) for layer in stack.layers]
        self._first, self._margin = first, margin
        boxes = Boxes(
            torch.zeros_like(regions.root),
            regions.lower,
            regions.upper,
            roots.l[regions.root].clone(),
            roots.u[regions.root].clone(),
        )
        tighten(stack, boxes)
        l, u = (side[:, stack.slices[-2]].double() for side in (boxes.l, boxes.u))
        weight, bias, _ = self._layers[-1]
        rows = roots.rows[regions.root]  # [boxes, polytopes, rows, outputs + 1]
        self._coefficients = rows[..., :-1] @ weight
        inputs = roots.inputs[regions.root]
        ends = torch.where(inputs > 0, regions.lower[:, None, None], regions.upper[:, None, None])
        constants = rows[..., :-1] @ bias + rows[..., -1] + (inputs * ends).sum(3)
        shift = _shift(self._coefficients, constants, l, u, margin)
        shift = shift.masked_fill(roots.absent[regions.root], torch.inf)
        self._choose(shift, l, u, roots.missing[regions.root])
        self._h = self._evaluate(self._points(regions, generator), {}, 0, first).detach()

    def _choose(self, shift: torch.Tensor, l: torch.Tensor, u: torch.Tensor, missing: torch.Tensor) -> None:
        """Chooses of each polytope the row that needs the smallest shift [boxes, polytopes, rows], and what it asks of
        features."""
        shift, row = shift.min(2)
        n, p = torch.meshgrid(*map(torch.arange, shift.shape), indexing="ij")
        self._coefficients = self._coefficients[n, p, row].masked_fill(missing.unsqueeze(2), 0)
        up = self._coefficients > 0
        shift = shift.masked_fill(missing | shift.isinf(), 0).unsqueeze(2)
        # One end of the box is enough; a feature that ends below 0 is worth no more than one that ends at 0.
        self._end = torch.where(up, l.unsqueeze(1) + shift, u.unsqueeze(1) - shift).clamp(min=0)
        self._asked = ~up | (self._end > 0)

    def _points(self, regions: Regions, generator: torch.Generator) -> torch.Tensor:
        """Each box's centre, its corner where the chosen rows are least by their gradients there, and random points:
        [boxes, points, inputs]."""
        centre, radius = (regions.upper + regions.lower) / 2, (regions.upper - regions.lower) / 2
        x = centre.clone().requires_grad_()
        z = self._evaluate(x, {}, 0, len(self._layers) - 1)
        (gradient,) = torch.autograd.grad((self._coefficients.sum(1) * z).sum(), x)
        inside = torch.rand(len(x), INSIDE, x.shape[1], generator=generator, dtype=x.dtype) * 2 - 1
        places = torch.cat([torch.zeros_like(x)[:, None], -gradient.sign()[:, None], inside], 1)
        return centre[:, None] + radius[:, None] * places

    def _evaluate(self, h: torch.Tensor, weights: Weights, first: int, last: int) -> torch.Tensor:
        """The inputs of layer `last` where layer `first` reads h, in float64, with these weights for some layers."""
        for k in range(first, last):
            weight, bias = weights.get(k, self._layers[k][:2])
            h = h @ weight.T + bias
            h = h.clamp(min=0) if self._layers[k][2] else h
        return h

    def __call__(self, weights: Weights) -> torch.Tensor:
        z = self._evaluate(self._h, weights, self._first, len(self._layers) - 1).unsqueeze(2)
        sign = self._coefficients.sign()[:, None]
        short = (sign * (self._end[:, None] - z)).clamp(min=0) * self._asked[:, None]
        return self._margin - (short * self._coefficients.abs()[:, None]).sum(3).sum(2).amax(1)


def _shift(
    coefficients: torch.Tensor, constants: torch.Tensor, l: torch.Tensor, u: torch.Tensor, margin: float
) -> torch.Tensor:
    """The least s >= 0 with coefficients . relu(z) + constants >= margin for all z between l and u, when these are
    moved by s along the coefficients' signs: [boxes, polytopes, rows]; inf where there is none."""
    up, down = coefficients.clamp(min=0), coefficients.clamp(max=0)
    l, u = l[:, None, None], u[:, None, None]

    def least(s: torch.Tensor) -> torch.Tensor:
        s = s.unsqueeze(3)
        return (up * (l + s).clamp(min=0) + down * (u - s).clamp(min=0)).sum(3) + constants

    low = torch.zeros_like(constants)
    high = torch.full_like(constants, float(torch.maximum(l.abs(), u.abs()).max()) + 1).mul(4)
    reached = least(high) >= margin
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        enough = least(middle) >= margin
        low, high = torch.where(enough, low, middle), torch.where(enough, middle, high)
    return torch.where(least(torch.zeros_like(high)) >= margin, 0.0, high).masked_fill(~reached, torch.inf)
