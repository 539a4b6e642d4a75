"""Weights fitted to images by stochastic gradients: the one training loop, for models and for repairs."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from engine.images.classifier import Classifier
from engine.images.graph import Graph
from engine.images.imageset import ImageSet

Report = Callable[[float, float], None]  # (share of the steps done, mean loss of late)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingOptions:
    """How weights are fitted. The rate falls to zero along half a cosine (Loshchilov and Hutter, ICLR 2017).

    warm_up: the share of the steps over which the rate rises to `rate` (Goyal et al., 2017).
    """

    epochs: int = 5
    rate: float = 2e-3
    batch: int = 64
    decay: float = 0.0
    seed: int = 0
    smoothing: float = 0.0
    warm_up: float = 0.0

    def factor(self, step: int, steps: int) -> float:
        """What the rate is multiplied by in this step of so many."""
        rising = (step + 1) / (self.warm_up * steps + 1e-9)
        return min(rising, 1.0) * 0.5 * (1 + float(np.cos(np.pi * step / steps)))


def fit(
    classifier: Classifier,
    graph: Graph,
    images: ImageSet,
    options: TrainingOptions,
    *,
    names: Iterable[str] | None = None,
    report: Report = lambda share, loss: None,
) -> None:
    """Fits what the graph has learned, or the weights of these names, to the labels, in place; cross-entropy, AdamW.

    The same images, options and number of threads give the same weights.
    """
    chosen = {name: graph.weights[name] for name in (graph.learned if names is None else names)}
    for name, weight in graph.weights.items():
        weight.requires_grad_(name in chosen)
    steps = options.epochs * -(-len(images) // options.batch)
    optimizer = torch.optim.AdamW(chosen.values(), lr=options.rate, weight_decay=options.decay)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: options.factor(step, steps))
    random, late = np.random.default_rng(options.seed), 0.0
    x, y = torch.from_numpy(images.images), torch.from_numpy(images.labels)
    for step, which in enumerate(_batches(len(images), options, random)):
        loss = _loss(classifier, graph, x[which].to(graph.device), y[which].to(graph.device), options)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        schedule.step()
        late = loss.item() if step == 0 else 0.98 * late + 0.02 * loss.item()
        report((step + 1) / steps, late)


def _batches(count: int, options: TrainingOptions, random: np.random.Generator) -> Iterable[Tensor]:
    for _ in range(options.epochs):
        order = torch.from_numpy(random.permutation(count))
        yield from torch.split(order, options.batch)


def _loss(classifier: Classifier, graph: Graph, x: Tensor, y: Tensor, options: TrainingOptions) -> Tensor:
    return functional.cross_entropy(graph(classifier.inputs(x)), y, label_smoothing=options.smoothing)
