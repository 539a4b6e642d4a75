"""The search for the smallest trigger of each class (Neural Cleanse: Wang et al., IEEE S&P 2019).

For each class: minimize cross-entropy(f((1 - m) x + m p), class) + weight |m|_1 over masks m and patterns p. The
weight rises while nearly all images get the class, and falls while they do not. All classes and all starts are one
batch. A row of it leaves the batch once its norm has stopped falling, so that steps get cheaper.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from engine.images.classifier import Classifier
from engine.images.imageset import ImageSet
from engine.images.scan.options import CleanseOptions

SETTLED = 0.02  # share by which a norm must fall within `window` steps, or its search ends
FACTOR_DOWN = 1.5  # the weight falls by factor to this power, as published
SHY = 1.0  # masks start at sigmoid(-1), a quarter, so that they need fewer steps to shrink


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """The smallest triggers: norms [starts, classes], infinite where none was found; masks [starts, classes, 1,
    height, width]; patterns [starts, classes, channels, height, width]; steps [starts, classes] that each took."""

    norms: Tensor
    masks: Tensor
    patterns: Tensor
    steps: Tensor


def smallest_triggers(
    classifier: Classifier,
    images: ImageSet,
    options: CleanseOptions,
    *,
    report: Callable[[float], None],
    device: torch.device,
) -> Found:
    """The smallest trigger of each class from each start. The same seed and number of threads give the same."""
    rows = _Rows(classifier, images, options, device=device)
    for step in range(options.steps):
        rows.step()
        report((step + 1) / options.steps)
        if not rows.active.any():
            break
    report(1.0)
    return rows.found()


class _Rows:
    """All starts and classes, a row each; least, masks and patterns hold each row's smallest success."""

    def __init__(self, classifier: Classifier, images: ImageSet, options: CleanseOptions, *, device: torch.device):
        self._classifier, self._options = classifier, options
        self._graph = classifier.graph(device=device).requires_grad_(False)
        self._images = torch.from_numpy(images.images).to(device)
        self._random = torch.Generator().manual_seed(options.seed)
        classes, shape = classifier.classes, classifier.shape
        count = options.starts * classes
        self._class = torch.arange(classes, device=device).repeat(options.starts)
        self._mask, self._pattern = (
            torch.rand((count, channels, *shape[1:]), generator=self._random).sub(0.5).to(device)
            for channels in (1, shape[0])
        )
        self._mask -= SHY
        self._adam = _Adam((self._mask, self._pattern), rate=options.rate)
        self._weight = torch.full((count,), options.weight, device=device)
        self._above, self._below = (torch.zeros(count, dtype=torch.int64, device=device) for _ in range(2))
        self._steps = torch.zeros(count, dtype=torch.int64, device=device)
        self._mark = torch.full((count,), torch.inf, device=device)  # the norm that `_fresh` steps ago was least
        self._fresh = torch.zeros(count, dtype=torch.int64, device=device)
        self.active = torch.ones(count, dtype=torch.bool, device=device)
        self.least = torch.full((count,), torch.inf, device=device)
        self.masks, self.patterns = torch.zeros_like(self._mask), torch.zeros_like(self._pattern)

    def step(self) -> None:
        """One step of the rows that have not settled, on images drawn anew."""
        rows = self.active.nonzero().flatten()
        which = torch.randint(len(self._images), (self._options.images,), generator=self._random)
        x = self._images[which.to(self._images.device)]
        with torch.enable_grad():
            logits = [part[rows].requires_grad_(True) for part in (self._mask, self._pattern)]
            mask, pattern = (part.sigmoid() for part in logits)
            painted = x + mask[:, None] * (pattern[:, None] - x)
            scores = self._graph(self._classifier.inputs(painted.flatten(0, 1)))
            wanted = self._class[rows].repeat_interleave(len(x))
            entropy = functional.cross_entropy(scores, wanted, reduction="none").view(len(rows), -1).mean(1)
            norm = mask.flatten(1).sum(1)
            gradients = torch.autograd.grad((entropy + self._weight[rows] * norm).sum(), logits)
        self._adam.step(rows, gradients)
        success = (scores.argmax(1) == wanted).view(len(rows), -1).float().mean(1)
        held = self._adapt(rows, success)
        self._keep(rows, held, norm.detach(), mask.detach(), pattern.detach())
        self._retire(rows)

    def found(self) -> Found:
        classes = self._classifier.classes
        parts = (self.least, self.masks, self.patterns, self._steps)
        return Found(*(part.cpu().view(-1, classes, *part.shape[1:]) for part in parts))

    def _keep(self, rows: Tensor, held: Tensor, norm: Tensor, mask: Tensor, pattern: Tensor) -> None:
        better = held & (norm < self.least[rows])
        chosen = rows[better]
        self.least[chosen] = norm[better]
        self.masks[chosen], self.patterns[chosen] = mask[better], pattern[better]

    def _adapt(self, rows: Tensor, success: Tensor) -> Tensor:
        """The published schedule: after `patience` steps of success the weight rises, after as many without, falls."""
        enough = success >= self._options.success
        above, below = (
            torch.where(which, count[rows] + 1, 0) for which, count in ((enough, self._above), (~enough, self._below))
        )
        factor, patience = self._options.factor, self._options.patience
        up, down = above >= patience, below >= patience
        weight = self._weight[rows]
        self._weight[rows] = torch.where(up, weight * factor, torch.where(down, weight / factor**FACTOR_DOWN, weight))
        self._above[rows], self._below[rows] = above.masked_fill(up, 0), below.masked_fill(down, 0)
        return up

    def _retire(self, rows: Tensor) -> None:
        self._steps[rows] += 1
        fell = self.least[rows] < (1 - SETTLED) * self._mark[rows]
        self._fresh[rows] = torch.where(fell, 0, self._fresh[rows] + 1)
        self._mark[rows] = torch.where(fell, self.least[rows], self._mark[rows])
        self.active[rows] = ~((self._fresh[rows] >= self._options.window) & self.least[rows].isfinite())


class _Adam:
    """Adam (Kingma and Ba, ICLR 2015) on chosen rows of some tensors, in place, with the published betas."""

    BETAS, SMALL = (0.5, 0.9), 1e-8

    def __init__(self, parts: tuple[Tensor, ...], *, rate: float):
        self._parts, self._rate, self._count = parts, rate, 0
        self._first, self._second = ([torch.zeros_like(part) for part in parts] for _ in range(2))

    def step(self, rows: Tensor, gradients: tuple[Tensor, ...]) -> None:
        """One step along the gradients [rows, ...]; rows left out of one step are left out of all later ones."""
        self._count += 1
        one, two = self.BETAS
        for part, first, second, gradient in zip(self._parts, self._first, self._second, gradients, strict=True):
            first[rows] = one * first[rows] + (1 - one) * gradient
            second[rows] = two * second[rows] + (1 - two) * gradient**2
            mean, square = first[rows] / (1 - one**self._count), second[rows] / (1 - two**self._count)
            part[rows] -= self._rate * mean / (square.sqrt() + self.SMALL)
