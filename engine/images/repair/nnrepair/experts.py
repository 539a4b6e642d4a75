"""Experts: for each class, the change of a layer that makes the network right about that class.

At the last layer an expert changes the weights into its class's score: failing images of the class get a score above
all others, and images of other classes one below their own class's. At the layer before, it changes the weights into
the neurons of its class's activation pattern, so that failing images of the class follow the pattern.
"""

from dataclasses import dataclass, replace

import numpy as np

from engine.images.repair.nnrepair.options import Options
from engine.images.repair.nnrepair.patterns import Pattern
from engine.images.repair.nnrepair.program import Demands, Doubles, joined, smallest_change, z3_change
from engine.images.repair.nnrepair.samples import Samples, edge_scores

# Chosen on validation images of NNrepair's low-quality network: with less margin, or a higher penalty, experts are
# right on what they learn from and less so on the rest.
MARGIN = 0.5  # of the median margin of passing images: by how much scores are to differ
PENALTY = 0.1  # of a demand left unmet, by the l1 norm of a change
KEPT = 10.0  # of a passing image's demand, by a failing one's
EDGES = 256  # of a neuron that a linear program may change, those with the highest scores
SUSPICIOUS = 0.1  # of failing images: a neuron that deviates from the pattern in fewer is left alone
LARGEST = 4.0  # the largest change of one weight that z3 may make, by the largest weight of the neuron


@dataclass(frozen=True, slots=True, eq=False)
class Expert:
    """The class that it is for, and what it adds to the layer: weight [out, in], bias [out]."""

    label: int
    weight: Doubles
    bias: Doubles


def last_layer_expert(label: int, weight: Doubles, samples: Samples, options: Options, *, seed: int) -> Expert | None:
    """The expert of the class at the last layer, whose sums are the scores; None where there is none to be had.

    As published, it is asked for fewer images where the solver finds none for all.
    """
    for count in range(options.samples, 0, -1):
        chosen = _few(samples, label, count, seed=seed) if options.published else samples
        demands = score_demands(label, chosen, published=options.published)
        if not (demands.unmet(np.zeros(demands.inputs.shape[1])) > 0).any():
            return None
        own = samples.labels == label
        scores = edge_scores(weight[label], samples.inputs[own & ~samples.passing], samples.inputs[samples.passing])
        change = _solved(demands, scores, weight[label], options)
        if change is not None:
            return _expert(label, weight.shape, {label: change})
    return None


def intermediate_expert(
    label: int, pattern: Pattern, weight: Doubles, samples: Samples, options: Options, *, seed: int
) -> Expert | None:
    """The expert of the class at a hidden layer; None where its failing images follow the pattern already."""
    chosen = _few(samples, label, options.samples, seed=seed) if options.published else samples
    failing = chosen.select((chosen.labels == label) & ~chosen.passing)
    suspicious = pattern.unmet(failing.sums > 0).mean(0) if len(failing) else np.zeros(len(pattern.neurons))
    changes = {}
    for (neuron, on), share in zip(pattern.neurons.items(), suspicious):
        if not share or (not options.published and share < SUSPICIOUS):
            continue
        demands = sign_demands(neuron, on, failing, chosen.select(chosen.passing))
        scores = edge_scores(weight[neuron], failing.inputs, chosen.inputs[chosen.passing])
        change = _solved(demands, scores, weight[neuron], options)
        if change is not None:
            changes[neuron] = change
    return _expert(label, weight.shape, changes) if changes else None


def score_demands(label: int, samples: Samples, *, published: bool) -> Demands:
    """What the class's score must do: be above all others on its own images, below the right one on others.

    Each image is to keep a margin, or the one that it has where that is smaller. published: of failing images, those
    of the class alone.
    """
    scores, rows = samples.sums, np.arange(len(samples))
    own = samples.labels == label
    others = scores.copy()
    others[rows, label] = -np.inf
    rival = np.where(own, others.max(1), scores[rows, samples.labels])
    ahead = np.where(own, 1.0, -1.0) * (scores[:, label] - rival)
    typical = float(np.median(ahead[samples.passing])) if samples.passing.any() else 1.0
    margin = np.where(samples.passing, np.minimum(ahead, MARGIN * typical), MARGIN * typical)
    kept = samples.passing | own if published else np.ones(len(samples), bool)
    inputs = np.hstack([samples.inputs, np.ones((len(samples), 1))])
    weight = np.where(samples.passing, KEPT, 1.0)
    return Demands(inputs, np.where(own, 1.0, -1.0), margin - ahead, weight).select(kept)


def left_to_repair(label: int, samples: Samples) -> float:
    """What the expert of the class would have to repair: all its demands that are unmet, weighted as they cost."""
    demands = score_demands(label, samples, published=False)
    return float(np.maximum(demands.unmet(np.zeros(demands.inputs.shape[1])), 0) @ demands.weight)


def sign_demands(neuron: int, on: bool, failing: Samples, passing: Samples) -> Demands:
    """What a hidden neuron must do: be on or off for failing images, and stay what it is for passing ones."""
    spread = float(np.abs(passing.sums[:, neuron]).mean()) if len(passing) else 1.0
    parts = []
    for samples, sign in ((failing, np.full(len(failing), 1.0 if on else -1.0)), (passing, None)):
        sums = samples.sums[:, neuron]
        signs = np.where(sums > 0, 1.0, -1.0) if sign is None else sign
        margin = np.minimum(np.abs(sums), MARGIN * spread) if sign is None else np.full(len(sums), MARGIN * spread)
        inputs = np.hstack([samples.inputs, np.ones((len(samples), 1))])
        weight = np.full(len(sums), KEPT if sign is None else 1.0)
        parts.append(Demands(inputs, signs, margin - signs * sums, weight))
    return joined(parts)


def _solved(demands: Demands, scores: Doubles, row: Doubles, options: Options) -> Doubles | None:
    """The change of all edges and the bias, [in + 1], 0 but for the edges with the best scores.

    It is the linear program's, which may also change the bias, or z3's where it is as published, for which the bias
    counts as an edge of score 0; None where z3 finds none.
    """
    bias = len(scores)
    if options.published:
        edges = np.argsort(-np.append(scores, 0.0), kind="stable")[: options.weights]
        few = replace(demands, inputs=demands.inputs[:, edges])
        found = z3_change(few, bound=LARGEST * max(float(np.abs(row).max()), 1e-6))
    else:
        edges = np.append(np.argsort(-scores, kind="stable")[:EDGES], bias)
        few = replace(demands, inputs=demands.inputs[:, edges])
        found = smallest_change(few, penalty=PENALTY, norm=options.norm)
    if found is None:
        return None
    change = np.zeros(bias + 1)
    change[edges] = found
    return change


def _few(samples: Samples, label: int, count: int, *, seed: int) -> Samples:
    """So many failing images of the class, and as many passing ones, as published."""
    random = np.random.default_rng([seed, label])
    failing = np.flatnonzero((samples.labels == label) & ~samples.passing)
    passing = np.flatnonzero(samples.passing)
    parts = [random.permutation(part)[:count] for part in (failing, passing)]
    return samples.select(np.sort(np.concatenate(parts)))


def _expert(label: int, shape: tuple[int, ...], changes: dict[int, Doubles]) -> Expert:
    weight, bias = np.zeros(shape), np.zeros(shape[0])
    for neuron, change in changes.items():
        weight[neuron], bias[neuron] = change[:-1], change[-1]
    return Expert(label, weight, bias)
