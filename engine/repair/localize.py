"""Localization: the neurons and edges that a repair should change.

Two localizations: the repair significance of neurons, after VERE (Ma et al., "VeRe: Verification Guided Synthesis for
Repairing Deep Neural Networks", ICSE 2024), and the activation difference of edges, after NNrepair (Usman et al., CAV
2021). Both are heuristics: nothing is proved by them.

Gradient and smt take either as the order in which to try neurons and edges. The other methods have no use for one: idle
may rewrite only neurons that never fire, and those are the ones that decide nothing yet; milp looks for a feature
that advisories do not depend on, solves for each that it may use, and compares the solutions.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

from engine.comparison.region import FACES, Unsafe, in_box, region_of
from engine.errors import InputError
from engine.evaluation import scores
from engine.network import Affine, Network
from engine.repair.task import Evidence, Task

KINDS = ("vere", "nnrepair")
Edge = tuple[int, int, int]  # layer, neuron, input; the layer's width of inputs stands for the bias


class Place(NamedTuple):
    """One neuron of a table or heat map; edge: the largest score of its incoming edges. All 0-based."""

    layer: int
    neuron: int
    significance: float
    edge: float


@dataclass(frozen=True, slots=True, eq=False)
class Localization:
    """neurons: each layer's significances [out], 0..1; edges: each layer's edge scores [out, in]."""

    neurons: tuple[np.ndarray, ...]
    edges: tuple[np.ndarray, ...]

    def best_neurons(self, n: int | None = None, *, layer: int | None = None) -> list[tuple[int, int]]:
        """The n most significant (layer, neuron), best first, of one layer or of all; all where n is None."""
        return [(k, neuron) for k, (neuron,) in _ranked(self.neurons, layer)][:n]

    def best_edges(self, n: int | None = None, *, layer: int | None = None) -> list[Edge]:
        """The n edges (layer, neuron, input) with the highest score, in the same way."""
        return [(k, neuron, source) for k, (neuron, source) in _ranked(self.edges, layer)][:n]

    def after(self, kind: str | None) -> "Localization":
        """Neurons and edges both by one localization: vere or nnrepair; None: as it is, each by its own.

        VERE says nothing of edges: one is as significant as what it leads to times what it comes from. NNrepair says
        nothing of neurons: one counts as its best incoming edge.
        """
        if kind is None:
            return self
        if kind not in KINDS:
            raise InputError(f"unknown localization {kind!r}", advice=f"use {', '.join(KINDS)}")
        if kind == "nnrepair":
            return Localization(tuple(edges.max(1) for edges in self.edges), self.edges)
        sources = [np.ones(self.edges[0].shape[1]), *self.neurons]
        return Localization(self.neurons, tuple(np.outer(a, b) for a, b in zip(self.neurons, sources)))

    def table(self, n: int | None = None, *, kind: str | None = None) -> list[Place]:
        """The n best neurons by a localization, VERE's by default; all of them are a heat map's data."""
        return [
            Place(k, i, float(self.neurons[k][i]), float(self.edges[k][i].max()))
            for k, i in self.after(kind).best_neurons(n)
        ]


def _ranked(parts: tuple[np.ndarray, ...], layer: int | None) -> list[tuple[int, tuple[int, ...]]]:
    """(layer, place in it) of every entry, largest first; ties in the order of layers and places."""
    chosen = range(len(parts)) if layer is None else [layer]
    places = [(k, tuple(map(int, index))) for k in chosen for index in np.ndindex(parts[k].shape)]
    return sorted(places, key=lambda place: -parts[place[0]][place[1]])


def localize(task: Task, evidence: Evidence, *, boxes: int = 16, parts: int = 4, samples: int = 4096) -> Localization:
    """Both localizations for the task's targets.

    boxes: of each case that are looked at, counterexamples first, and of each target's cases; parts: into which
    each neuron's range is split; samples: for ranges and activations, of a case and of the domain. Where there
    is no evidence of a case, its samples nearest to unsafe are.
    """
    network, random = task.network, np.random.default_rng(task.seed)
    found = _failing(task, evidence, boxes, samples, random)
    total = [np.zeros(len(layer.bias)) for layer in network.layers]
    for unsafe, lower, upper, inside in found:
        for k, share in enumerate(significance(network, unsafe, lower, upper, inside, parts=parts)):
            total[k] += share.sum(0)
    largest = max(float(part.max()) for part in total)
    failing = np.concatenate([x for _, lower, upper, x in found] + [(lo + up) / 2 for _, lo, up, _ in found])
    passing = random.uniform(task.lower, task.upper, (samples, network.n_inputs))
    return Localization(
        tuple(part / largest if largest > 0 else part for part in total),
        activation_difference(network, failing, passing),
    )


#: Of a case: its unsafe rows; lower and upper ends of boxes in which it fails; its worst samples.
_Failing = tuple[Unsafe, np.ndarray, np.ndarray, np.ndarray]


def _failing(task: Task, evidence: Evidence, boxes: int, samples: int, random: np.random.Generator) -> list[_Failing]:
    """The boxes where up to `boxes` cases of each target fail, those with evidence first, and as many of each."""
    found: list[_Failing] = []
    known = {(each.property, each.case) for each in evidence.counterexamples}
    known |= {(each.property, each.case) for each in evidence.boxes}
    for p, target in enumerate(task.targets):
        for c in sorted(range(len(target.cases)), key=lambda c: (p, c) not in known)[:boxes]:
            region = region_of(target.cases[c], task.network.n_outputs)
            x = np.concatenate([in_box(region, random, samples, faces=faces) for faces in (0.0, FACES)]).astype(float)
            distance = region.unsafe.distance(x, scores(task.network, x))
            worst = x[distance.argsort()[: max(boxes, int((distance <= 0).sum()))]]
            ends = [(e.point, e.point) for e in evidence.counterexamples if (e.property, e.case) == (p, c)]
            ends += [(b.lower, b.upper) for b in evidence.boxes if (b.property, b.case) == (p, c)]
            chosen = np.array((ends or [(point, point) for point in worst])[:boxes], dtype=float)
            found.append((region.unsafe, chosen[:, 0], chosen[:, 1], worst))
    return found


def activation_difference(network: Network, failing: np.ndarray, passing: np.ndarray) -> tuple[np.ndarray, ...]:
    """NNrepair's score of each layer's edges [out, in]: mean |weight * activation| on failing minus passing inputs."""
    means = ([np.abs(h).mean(0) for h in activations(network, x)] for x in (failing, passing))
    return tuple(np.abs(layer.weight) * (a - b) for layer, a, b in zip(network.layers, *means))


def activations(network: Network, points: np.ndarray) -> list[np.ndarray]:
    """The points [n, inputs], and what each layer makes of them: float64 [n, width]."""
    found = [np.asarray(points, dtype=np.float64)]
    for layer in network.layers:
        found.append(Network((layer,)).evaluate(found[-1]))
    return found


def significance(
    network: Network, unsafe: Unsafe, lower: np.ndarray, upper: np.ndarray, inside: np.ndarray, *, parts: int = 4
) -> list[np.ndarray]:
    """The distance by which each neuron alone can certainly take each box further from unsafe: >= 0, of each layer
    [boxes, out].

    On a box [lower, upper] (both [boxes, inputs]) all other neurons of the layer are what they are; this one's
    output takes any value of its range on the points `inside` [n, inputs], split into equal parts. On each
    part the remaining layers are relaxed to linear functions of that value, and the best end of the lower
    one counts, in units of the unsafe rows.
    """
    centre = (lower + upper) / 2
    now = torch.tensor(unsafe.distance(centre, network.evaluate(centre)))
    own = torch.stack([torch.tensor(lower), torch.tensor(upper)])
    constants = [torch.tensor(rows.constants + _least(rows.inputs, lower, upper)) for rows in unsafe.polytopes]
    found = []
    reached = activations(network, inside)[1:]
    for k, layer in enumerate(network.layers):
        own = _interval(layer, own)
        ends = np.linspace(reached[k].min(0), reached[k].max(0), parts + 1)
        lines, start, end = _freed(own, torch.tensor(ends))
        for above in network.layers[k + 1 :]:
            lines = _affine(above.weight, above.bias, lines)
            lines = _relu(lines, start, end) if above.relu else lines
        best = _best_distance(unsafe, constants, lines, start, end).view(len(now), len(layer.bias), parts).amax(2)
        found.append((best - now[:, None]).clamp(min=0).numpy())
    return found


def _least(inputs: np.ndarray, lower: np.ndarray, upper: np.ndarray) -> np.ndarray:
    """The least of inputs [rows, n] . x on each box: [boxes, rows]."""
    least: np.ndarray = lower @ inputs.clip(min=0).T + upper @ inputs.clip(max=0).T
    return least


def _interval(layer: Affine, ends: torch.Tensor) -> torch.Tensor:
    """A layer's outputs for inputs between `ends` [2, boxes, in]: [2, boxes, out]."""
    lines = torch.stack([torch.zeros_like(ends), ends], 1)
    ends = _affine(layer.weight, layer.bias, lines)[:, 1]
    return ends.clamp(min=0) if layer.relu else ends


def _freed(own: torch.Tensor, ends: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Lines [2, 2, n, out] where on each box each neuron in turn is the variable on each part of its range.

    The first dimension says below or above, the second slope or constant; n runs over boxes, neurons and
    parts; start, end: the variable's range, [n].
    """
    boxes, width, parts = own.shape[1], own.shape[2], len(ends) - 1
    free = torch.eye(width, dtype=own.dtype)[None, :, None].expand(boxes, width, parts, width)
    constant = own[:, :, None, None].expand(2, boxes, width, parts, width) * (1 - free)
    lines = torch.stack([free.expand_as(constant), constant], 1).reshape(2, 2, -1, width)
    start, end = (side.T.expand(boxes, width, parts).reshape(-1) for side in (ends[:-1], ends[1:]))
    return lines, start, end


def _affine(weight: np.ndarray, bias: np.ndarray, lines: torch.Tensor) -> torch.Tensor:
    """weight h + bias for h between two lines."""
    transposed = torch.tensor(weight).T
    up, down = transposed.clamp(min=0), transposed.clamp(max=0)
    result: torch.Tensor = lines @ up + lines.flip(0) @ down
    result[:, 1] += torch.tensor(bias)
    return result


def _relu(lines: torch.Tensor, start: torch.Tensor, end: torch.Tensor) -> torch.Tensor:
    """Lines below and above max(z, 0): CROWN's (Zhang et al., NeurIPS 2018), not rounded outward."""
    ends = torch.stack([_at(lines, start), _at(lines, end)])
    below, above = ends[:, 0].amin(0).clamp(max=0), ends[:, 1].amax(0).clamp(min=0)
    chord = above / (above - below).clamp(min=1e-300)
    lower, upper = lines[0] * (above > -below), lines[1] * chord
    return torch.stack([lower, torch.stack([upper[0], upper[1] - chord * below])])


def _at(lines: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    return lines[:, 0] * value[:, None] + lines[:, 1]


def _best_distance(
    unsafe: Unsafe, constants: list[torch.Tensor], lines: torch.Tensor, start: torch.Tensor, end: torch.Tensor
) -> torch.Tensor:
    """The larger of the certain distances to unsafe at both ends of each variable's range: [n].

    constants: of each polytope's rows on each box, [boxes, rows].
    """
    distances = torch.full((2, len(start)), torch.inf, dtype=lines.dtype)
    for rows, constant in zip(unsafe.polytopes, constants):
        below = _affine(rows.outputs, np.zeros(len(rows)), lines)[:1]
        constant = constant.repeat_interleave(len(start) // len(constant), 0)
        ends = torch.stack([_at(below, value)[0] + constant for value in (start, end)])
        distances = torch.minimum(distances, ends.amax(2) if len(rows) else torch.tensor(-torch.inf))
    return distances.amax(0)
