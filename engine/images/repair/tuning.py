"""The training loop of repairs: right classes on faults, and the original's scores on clean images.

loss = cross-entropy(clean, label) + divergence(original's scores | scores)(clean) + weight * the same of faults, where
the original's scores of a painted image are those of the image before the painting (Hinton et al., 2015).
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from engine.errors import InputError
from engine.images.classifier import Classifier
from engine.images.graph import Graph
from engine.images.layers import layers_of
from engine.images.repair.lessons import Draw, Lessons
from engine.images.repair.task import RepairTask, Report, silent

SMALLEST = 0.02  # root mean square of a tensor, as it is counted: biases start at 0


#: Of the numbers of a batch's clean images, and the share of the steps that are done.
MoreLoss = Callable[[np.ndarray, float, np.random.Generator], Tensor]


@dataclass(frozen=True, slots=True, kw_only=True)
class TuningOptions:
    """How a repair trains. rate: of a tensor's root mean square in a step, so that the scale of a file's weights does
    not matter (as in Adafactor, Shazeer and Stern, 2018); checks: how often the weights are judged on validation
    images; kept, temperature: weight of the divergence, and what scores are divided by in it."""

    steps: int = 400
    rate: float = 1e-2
    batch: int = 64
    checks: int = 8
    kept: float = 1.0
    weight: float = 1.0
    temperature: float = 2.0
    seed: int = 0


def tune(
    task: RepairTask,
    graph: Graph,
    draw_clean: Draw,
    draw_faults: Draw,
    options: TuningOptions,
    *,
    judge: Callable[[Graph], float],
    more: MoreLoss | None = None,
    names: Iterable[str] | None = None,
    report: Report = silent,
) -> float:
    """Fits the weights of all layers, or those of these names, in place; leaves those that `judge` scores the highest.

    Adam; the rate falls to zero along half a cosine. more: is added to the loss.
    judge: at `checks` steps and at the end, by validation images.
    Returns its best score. The same task, options and number of threads give the same weights.
    """
    chosen = _only(graph, names)
    scales = [max(float(weight.detach().square().mean().sqrt()), SMALLEST) for weight in chosen]
    optimizer = torch.optim.Adam([{"params": [weight]} for weight in chosen])
    random, late = np.random.default_rng(options.seed), 0.0
    best, kept = -np.inf, [weight.detach().clone() for weight in chosen]
    for step, which in enumerate(_batches(len(task.clean), options, random)):
        for group, scale in zip(optimizer.param_groups, scales):
            group["lr"] = scale * options.rate * 0.5 * (1 + np.cos(np.pi * step / options.steps))
        clean, faults = draw_clean(which, random), draw_faults(which, random)
        loss = _loss(task.classifier, graph, [clean, faults], options)
        if more is not None:
            loss = loss + more(which, (step + 1) / options.steps, random)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        late = loss.item() if step == 0 else 0.95 * late + 0.05 * loss.item()
        report((step + 1) / options.steps, f"training, loss {late:.3f}")
        if (step + 1) % max(1, options.steps // options.checks) == 0 or step + 1 == options.steps:
            score = judge(graph)
            if score >= best:
                best, kept = score, [weight.detach().clone() for weight in chosen]
    with torch.no_grad():
        for weight, value in zip(chosen, kept):
            weight.copy_(value)
    return best


def _only(graph: Graph, names: Iterable[str] | None) -> list[torch.nn.Parameter]:
    """The weights of these names, by default of all layers; no others get gradients.

    Other numbers of a file, such as the mean and the deviation of its pixels, are no weights.
    """
    layers = [(layer.weight, layer.bias) for layer in layers_of(graph)]
    wanted = {name for pair in layers for name in pair} if names is None else set(names)
    for name, weight in graph.weights.items():
        weight.requires_grad_(name in wanted)
    return [weight for name, weight in graph.weights.items() if name in wanted]


def _batches(count: int, options: TuningOptions, random: np.random.Generator) -> Iterable[np.ndarray]:
    """The numbers of the images of each step: each image once before any comes again."""
    size, order = min(options.batch, count), np.zeros(0, np.int64)
    for _ in range(options.steps):
        if len(order) < size:
            order = random.permutation(count)
        yield order[:size]
        order = order[size:]


def _loss(classifier: Classifier, graph: Graph, parts: list[Lessons], options: TuningOptions) -> Tensor:
    images = torch.from_numpy(np.concatenate([part.images for part in parts])).to(graph.device)
    scores = graph(classifier.inputs(images)).split([len(part.images) for part in parts])
    weights = (1.0, options.weight)
    return torch.stack([w * _part(s, part, options) for w, s, part in zip(weights, scores, parts)]).sum()


def _part(scores: Tensor, part: Lessons, options: TuningOptions) -> Tensor:
    labels = torch.from_numpy(part.labels).to(scores.device)
    if part.margin is not None:
        scores = scores + torch.from_numpy(part.margin).to(scores.device)
    loss = functional.cross_entropy(scores, labels)
    if part.scores is None or not options.kept:
        return loss
    wanted = torch.from_numpy(part.scores).to(scores.device)
    t = options.temperature
    divergence = functional.kl_div(
        (scores / t).log_softmax(1), (wanted / t).log_softmax(1), log_target=True, reduction="batchmean"
    )
    return loss + options.kept * t * t * divergence


def steps_of(own: Mapping[str, object]) -> int:
    """The number of steps that a method's options ask for."""
    steps = own.get("steps", TuningOptions().steps)
    if not isinstance(steps, int) or isinstance(steps, bool) or steps < 1:
        raise InputError(f"it is {steps}", where="--steps", advice="use a whole number above 0")
    return steps


def told(report: Report) -> Callable[[float, float], None]:
    """The report that `training.fit` wants."""
    return lambda share, loss: report(share, f"training, loss {loss:.3f}")
