"""The choices of neurons whose incoming weights a repair by gradient tunes, in the order in which they are tried.

Outputs come first, then the last hidden layer's most significant neurons beside them. One of the localizations
(localize.py) says how significant each is, or the gradient itself.
"""

from collections.abc import Iterator

import torch

from engine.attack import violation
from engine.repair.edit import free_weight
from engine.repair.gradient.guides import SCALE, Facts
from engine.repair.gradient.tuned import Tuned
from engine.repair.localize import Localization, localize
from engine.repair.task import Evidence, Task

SCHEDULE = (8, 24)  # numbers of hidden neurons, tried one after the other until one suffices

Chosen = dict[int, list[int]]  # layer -> its neurons


def choices(
    task: Task, evidence: Evidence, *, localization: str | None = None, neurons: int | None = None, outputs: bool = True
) -> Iterator[tuple[Facts, list[Chosen]]]:
    """Yields groups of choices; the best of a group go on, and the next group is for where none succeeded.

    localization: vere or nnrepair; by default the outputs that are least often lowest come first, and hidden neurons
    are ordered by `_significance`. neurons: so many hidden ones at once, instead of first none and then SCHEDULE;
    outputs: False tunes no outputs. Layers that the file can hold no other weights of are left out.
    """
    last = len(task.network.layers) - 1
    outputs = outputs and free_weight(task.network, last)
    found = localize(task, evidence).after(localization) if localization else None
    if outputs and (not last or not neurons):
        facts = Facts(task, last)
        yield facts, _of_outputs(facts, found)
    if last and free_weight(task.network, last - 1):
        facts = Facts(task, last - 1)
        order = _ranked(found, last - 1) if found else _significance(facts).argsort(descending=True).tolist()
        beside = {last: list(range(task.network.n_outputs))} if outputs else {}
        sizes = (neurons,) if neurons else SCHEDULE
        for n in sorted({min(n, len(order)) for n in sizes}):
            yield facts, [{last - 1: sorted(order[:n])} | beside]


def _of_outputs(facts: Facts, found: Localization | None) -> list[Chosen]:
    """Each output by itself; the first two, three and so on together; and those that the targets want high.

    Without a localization the output that is most often lowest is not tuned by itself.
    """
    order = _ranked(found, facts.first) if found else facts.counts.argsort(stable=True).tolist()
    single = [[j] for j in (order if found else order[:-1])]
    several = [sorted(order[:n]) for n in range(2, len(order) + 1)]
    raised = facts.outputs_to_raise()
    return [{facts.first: some} for some in single + several + [raised] * (raised not in single + several)]


def _ranked(found: Localization, layer: int) -> list[int]:
    return [neuron for _, neuron in found.best_neurons(layer=layer)]


def _significance(facts: Facts) -> torch.Tensor:
    """The effect of each hidden neuron's weights on unsafe points, compared with that on references: [neurons].

    It is the ratio of the gradients' norms at the original weights.
    """
    width = len(facts.task.network.layers[facts.first].bias)
    tuned = Tuned(facts.task.network, {facts.first: list(range(width))}, facts.units)
    danger, norms = facts.danger, list[torch.Tensor]()
    value = violation(facts.roots, danger.root, danger.x, tuned.scores(danger.h).double())[0]
    for y in (value.clamp(max=SCALE).sum(), tuned.scores(facts.reference.h).abs().sum()):
        (grad,) = torch.autograd.grad(y, tuned.change[facts.first])
        norms.append(grad.norm(dim=1))
    unsafe, reference = norms
    return unsafe / (reference + 1e-3 * reference.max())


def in_words(chosen: Chosen) -> str:
    """The choice for a reader, layers counted from 1."""
    return ", ".join(f"layer {k + 1} neurons {' '.join(map(str, neurons))}" for k, neurons in chosen.items())
