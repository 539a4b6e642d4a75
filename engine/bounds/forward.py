"""Bounds over a few inputs u, by lines from the inputs on (docs/certificate-format.md, section 15).

As in forward mode of linear relaxation (Xu et al., NeurIPS 2020): with one to three inputs it costs a few executions of
the network, where substitution of each neuron's row costs one for each neuron. Lines are looser for it; but boxes of so
few inputs are soon small.

Rounding. With n, L as there, and unit U = 8 (L + 4) (n + 8) 2^-53 (rounding.py), each step gives up U times the size of
the terms that it adds up, and 2^-900: more than all that rounding of its products and sums, in any order, can change.
The docstring of engine/audit/images/mixture_bounds.py has the sums. What overflows shows nothing.
"""

from dataclasses import dataclass

import numpy as np

from engine.bounds.rounding import LARGEST, UNDERFLOW, unit
from engine.errors import InputError
from engine.network import Matrix, Network

STEPS = 1024  # slopes of chords are multiples of 1 / STEPS

Doubles = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


@dataclass(frozen=True, slots=True, eq=False)
class Pieces:
    """Boxes of u, lower and upper [boxes, m], and the equations x = weight u + bias of each.

    weight: [boxes, inputs, m]; bias: [boxes, inputs].
    """

    lower: Doubles
    upper: Doubles
    weight: Doubles
    bias: Doubles


@dataclass(frozen=True, slots=True, eq=False)
class _Lines:
    """low <= h <= up: lines [neurons, boxes, m + 1], the constant last."""

    low: Doubles
    up: Doubles


class ForwardBounds:
    """Bounds of one network behind any equations. InputError where it has other functions than ReLUs."""

    def __init__(self, network: Network):
        if any(layer.curve for layer in network.layers):
            raise InputError(
                "contents in a few numbers are certified of networks with ReLUs alone, and it has a Sigmoid or Tanh",
                where=network.name,
                advice="use a patch, or --patch all --contents box:EPS",
            )
        self._layers, self.network = network.layers, network
        self._sizes: list[Matrix] = [abs(layer.matrix) for layer in network.layers]
        width = max(max(layer.shape) for layer in network.layers)
        self._unit = unit(width, len(network.layers) + 1, "real")

    def least(self, pieces: Pieces, rows: Doubles) -> Doubles:
        """Of each box a lower bound [boxes, r] of each of its rows [boxes, r, outputs] over the network's outputs; -inf
        where none is found."""
        with np.errstate(all="ignore"):
            last = self._layers[-1]
            bent = bool(len(last.relus))  # else rows go through the last weights, where much cancels
            lines = self._inputs(pieces)
            for k in range(len(self._layers) - (not bent)):
                lines = self._rectified(self._through(k, lines, pieces), self._layers[k].relus, pieces)
            sizes = _larger(lines, pieces) if bent else self._magnitudes(-1, lines, pieces)
            loss = self._loss(np.einsum("bro,ob->br", np.abs(rows), sizes))
            constant = 0.0 if bent else rows @ last.bias
            rows = rows if bent else _times(rows, last.matrix)
            line = np.einsum("brn,nbd->rbd", np.maximum(rows, 0), lines.low)
            line += np.einsum("brn,nbd->rbd", np.minimum(rows, 0), lines.up)
            line[..., -1] += np.transpose(constant)
            least = self._ends(line, pieces)[0].T - 2 * loss
            found: Doubles = np.where(np.isfinite(least) & (loss < LARGEST * self._unit), least, -np.inf)
            return found

    def _inputs(self, pieces: Pieces) -> _Lines:
        """The lines of x."""
        x = np.concatenate([pieces.weight, pieces.bias[..., None]], 2).transpose(1, 0, 2)
        return _wider(x, x, self._loss(_size(x, pieces)))

    def _through(self, k: int, lines: _Lines, pieces: Pieces) -> _Lines:
        """Those of z = W h + b."""
        layer = self._layers[k]
        middle = _product(layer.matrix, (lines.low + lines.up) / 2)
        radius = _product(self._sizes[k], (lines.up - lines.low) / 2)
        middle[..., -1] += layer.bias[:, None]
        return _wider(middle - radius, middle + radius, self._loss(self._magnitudes(k, lines, pieces)))

    def _magnitudes(self, k: int, lines: _Lines, pieces: Pieces) -> Doubles:
        """M of a layer: [neurons, boxes]. NaN where it may reach 2^100, which no bound survives."""
        found = self._sizes[k] @ _larger(lines, pieces) + np.abs(self._layers[k].bias)[:, None]
        checked: Doubles = np.where(found < LARGEST, found, np.nan)
        return checked

    def _rectified(self, lines: _Lines, relus: np.ndarray, pieces: Pieces) -> _Lines:
        """Those of h, where these of z have a ReLU."""
        if not len(relus):
            return lines
        low, up = lines.low[relus], lines.up[relus]
        p, q = self._ends(low, pieces)
        low *= (q > -p)[..., None]
        p, q = self._ends(up, pieces)
        is_open = (p < 0) & (q > 0)
        c = np.where(is_open, np.rint(q / (q - p) * STEPS) / STEPS, q > 0)
        give = np.where(is_open, np.maximum(-c * p, (1 - c) * q) + self._loss(_size(up, pieces)), 0)
        up *= c[..., None]
        up[..., -1] += give
        broken = np.isnan(p) | np.isnan(q)  # both comparisons above are false
        up[broken] = np.nan
        if len(relus) == len(lines.low):
            return _Lines(low, up)
        lines.low[relus], lines.up[relus] = low, up
        return lines

    def _ends(self, line: Doubles, pieces: Pieces) -> tuple[Doubles, Doubles]:
        """The least and the largest value on each box, or beyond."""
        one, other = line[..., :-1] * pieces.lower, line[..., :-1] * pieces.upper
        loss = self._loss(_size(line, pieces))
        least = np.minimum(one, other).sum(-1) + line[..., -1] - loss
        return least, np.maximum(one, other).sum(-1) + line[..., -1] + loss

    def _loss(self, size: Doubles) -> Doubles:
        """More than rounding changes in a sum of terms of this size."""
        found: Doubles = self._unit * size + UNDERFLOW
        return found


def _size(line: Doubles, pieces: Pieces) -> Doubles:
    """The largest size of the terms of each line on its box: [neurons, boxes]."""
    most = np.maximum(np.abs(pieces.lower), np.abs(pieces.upper))
    found: Doubles = (np.abs(line[..., :-1]) * most).sum(-1) + np.abs(line[..., -1])
    return found


def _larger(lines: _Lines, pieces: Pieces) -> Doubles:
    found: Doubles = np.maximum(_size(lines.low, pieces), _size(lines.up, pieces))
    return found


def _wider(low: Doubles, up: Doubles, loss: Doubles) -> _Lines:
    """These lines with so much more to both sides, as copies."""
    low, up = low.copy(), up.copy()
    low[..., -1] -= loss
    up[..., -1] += loss
    return _Lines(low, up)


def _product(matrix: Matrix, lines: Doubles) -> Doubles:
    """matrix @ lines [in, boxes, d]: [out, boxes, d]."""
    flat = np.ascontiguousarray(lines).reshape(len(lines), -1)
    found: Doubles = np.asarray(matrix @ flat).reshape(matrix.shape[0], *lines.shape[1:])
    return found


def _times(rows: Doubles, matrix: Matrix) -> Doubles:
    """rows [b, r, out] @ matrix: [b, r, in]."""
    flat = rows.reshape(-1, rows.shape[-1])
    found: Doubles = np.asarray((matrix.T @ flat.T).T).reshape(*rows.shape[:-1], matrix.shape[1])
    return found
