"""The weights of rewritten neurons, trained until samples are safe and keep their advisories."""

import numpy as np
import torch

from engine.comparison.region import Region, in_box
from engine.evaluation import Float32Layer, forward, scores
from engine.network import Network
from engine.repair.edit import edited
from engine.repair.idle.graft import Graft, Layers, Tensors
from engine.repair.samples import regions
from engine.repair.task import Task

BATCH = (1000, 1500, 500)  # points of each step: nearly unsafe ones, those near another advisory, any
NEIGHBOURS = 100  # points drawn around each counterexample
KEPT_GAP = 0.001  # scores; no score needs to stay farther above the advisory's, where it was
UNSAFE_IMPORTANCE = 0.3  # of an advisory kept where the original was unsafe; 1 elsewhere


class Trainer:
    """A graft's free weights, trained on points of the box and of wherever else all distances are 0.

    The loss: by how much unsafe polytopes are missed by less than the margin, and by how much advisories change.
    """

    def __init__(self, task: Task, graft: Graft, *, samples: int):
        self._random, self._generator = np.random.default_rng(task.seed), torch.Generator().manual_seed(task.seed)
        self._network, self._region = task.network, regions(task)[0]
        x, _ = graft.distances.sample(task.lower, task.upper, 3 * samples, self._random)
        edges = in_box(self._region, self._random, samples)
        self._set_points(np.concatenate([x.astype(np.float32), edges[graft.distances.holds(edges)]]))
        self._graft, self._lower, self._upper = graft, task.lower, task.upper
        self._layers = graft.start()
        self._scales = self._scatter(graft.chain)

    def _set_points(self, x: np.ndarray) -> None:
        """Trains on these points [n, inputs] from now on."""
        self._x, y = x, scores(self._network, x)
        self._inside = self._region.holds(x)
        unsafe = torch.from_numpy(self._inside & self._region.unsafe.contains(x, y))
        self._importance = torch.where(unsafe, UNSAFE_IMPORTANCE, 1.0)
        self._advisory = torch.from_numpy(y.argmin(1))
        self._y, self._gaps = torch.from_numpy(y), torch.from_numpy(y - y.min(1, keepdims=True))

    def _near(self, x: np.ndarray) -> np.ndarray:
        """These points [n, inputs], and others around each."""
        region = self._region
        spread = self._random.normal(size=(NEIGHBOURS, *x.shape)) * 0.01 * (region.upper - region.lower)
        return np.concatenate([x, region.nearest((x + spread).reshape(-1, x.shape[1]))])

    def _scatter(self, chain: list[np.ndarray]) -> Layers:
        """Gives features random weights with which they vary by about 1 on the box; as yet nothing reads them.

        Returns the units of all weights and biases, 0 where one is not free.
        """
        h = self._x[self._inside][:10_000].astype(np.float64)
        scales = []
        for k, ((weight, bias), (free, free_bias)) in enumerate(zip(self._layers, self._graft.free())):
            mean, spread = h.mean(0), h.std(0)
            features = chain[k][1:] if 0 < k < len(chain) else np.empty(0, int)
            scale = np.full_like(weight, 0.05)
            # what hardly varies on the box may be large elsewhere, where it would have to be held down
            scale[features] = np.where(spread > 0.02, 1 / (spread + 0.02), 0) / np.sqrt(len(spread))
            weight[features] += (free * scale * self._random.normal(size=weight.shape))[features]
            bias -= free_bias * (weight @ mean)
            scales.append((free * scale, free_bias))
            h = np.maximum(h @ weight.T + bias, 0)
        return scales

    def train(self, counterexamples: np.ndarray, *, margin: float, urgency: float, steps: int, rate: float) -> Network:
        """The network after so many more steps.

        counterexamples: [n, inputs], new ones; margin: by which unsafe polytopes are to be missed; urgency: what a
        point missed counts beside an advisory changed; rate: the highest learning rate.
        """
        if len(counterexamples):
            self._set_points(np.concatenate([self._x, self._near(counterexamples)]))
        weights = _FreeWeights(self._graft, self._layers, self._scales, self._lower, self._upper)
        adam = torch.optim.Adam(weights.parameters())
        schedule = torch.optim.lr_scheduler.OneCycleLR(adam, rate, total_steps=steps)  # a rise and a fall
        with torch.no_grad():
            h = weights.read(torch.from_numpy(self._x))
            pools = self._pools(weights.scores(h), margin)
        for _ in range(steps):
            chosen = self._batch(pools)
            y = weights.scores(h[chosen])
            loss = urgency * self._shortfall(chosen, y, margin).mean() + self._changed(chosen, y).mean()
            adam.zero_grad()
            torch.autograd.backward(loss)
            adam.step()
            schedule.step()
        self._layers = [
            (weight.detach().double().numpy(), bias.detach().double().numpy()) for weight, bias in weights.layers()
        ]
        rewritten = weights.gated()[: len(self._graft.chain) + 1]
        return edited(
            self._network,
            {k: (weight.detach().numpy(), bias.detach().numpy()) for k, (weight, bias) in enumerate(rewritten)},
        )

    def _pools(self, y: torch.Tensor, margin: float) -> list[torch.Tensor]:
        """Numbers of the points that are not far from unsafe, of those with two scores nearly lowest, and of all.

        y: [n, outputs], the scores as they are now.
        """
        every = torch.arange(len(y))
        tight = torch.maximum(self._shortfall(every, y, 2 * margin), self._shortfall(every, self._y, 2 * margin)) > 0
        second = self._gaps.topk(2, largest=False).values[:, 1].masked_fill(self._importance < 1, torch.inf)
        near = second.topk(len(y) // 32, largest=False).indices
        return [tight.nonzero()[:, 0], near, every]

    def _batch(self, pools: list[torch.Tensor]) -> torch.Tensor:
        """Numbers of points drawn from each pool for one step."""
        drawn = [
            pool[torch.randint(len(pool), (n,), generator=self._generator)]
            for pool, n in zip(pools, BATCH)
            if len(pool)
        ]
        return torch.cat(drawn)

    def _shortfall(self, chosen: torch.Tensor, y: torch.Tensor, margin: float) -> torch.Tensor:
        """`shortfall` of the chosen points, but 0 outside the target's box: [chosen]."""
        return shortfall(self._region, self._x[chosen], y, margin) * torch.from_numpy(self._inside)[chosen]

    def _changed(self, chosen: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """The sum of what other scores lack in distance from the advisory's, where it is to stay: [chosen]."""
        above = y - y.gather(1, self._advisory[chosen, None])
        return (self._gaps[chosen].clamp(max=KEPT_GAP) - above).clamp(min=0).sum(1) * self._importance[chosen]


class _FreeWeights:
    """A graft's layers as torch sees them: each number starts somewhere and moves by a trained value times its unit."""

    def __init__(self, graft: Graft, start: Layers, units: Layers, lower: np.ndarray, upper: np.ndarray):
        self._graft, self._lower, self._upper = graft, lower, upper
        self._start, self._units = _tensors(start), _tensors(units)
        self._values = [
            (torch.zeros_like(weight, requires_grad=True), torch.zeros_like(bias, requires_grad=True))
            for weight, bias in self._units
        ]
        self._free = [k for k, (weight, bias) in enumerate(self._units) if bool(weight.any()) or bool(bias.any())]

    def parameters(self) -> list[torch.Tensor]:
        """The values that are trained."""
        return [value for k in self._free for value in self._values[k]]

    def layers(self) -> Tensors:
        """All layers as they are now, not yet gated."""
        return [
            (weight + weight_unit * weight_value, bias + bias_unit * bias_value)
            for (weight, bias), (weight_unit, bias_unit), (weight_value, bias_value) in zip(
                self._start, self._units, self._values
            )
        ]

    def gated(self) -> Tensors:
        """All layers as they are now, each rewritten neuron shut outside the collar."""
        return self._graft.gated(self.layers(), self._lower, self._upper)

    def read(self, x: torch.Tensor) -> torch.Tensor:
        """The inputs [n, width] of the first layer with free weights, at points x [n, inputs]."""
        return forward(self._executable(self._start)[: self._free[0]], x)

    def scores(self, h: torch.Tensor) -> torch.Tensor:
        """Outputs [n, outputs] where the first layer with free weights reads h; can be differentiated."""
        return forward(self._executable(self.gated())[self._free[0] :], h)

    def _executable(self, layers: Tensors) -> list[Float32Layer]:
        """The layers with a ReLU after each but the last."""
        return [(weight.T, bias, k + 1 < len(layers)) for k, (weight, bias) in enumerate(layers)]


def _tensors(layers: Layers) -> Tensors:
    return [
        (torch.tensor(weight, dtype=torch.float32), torch.tensor(bias, dtype=torch.float32)) for weight, bias in layers
    ]


def shortfall(region: Region, x: np.ndarray, y: torch.Tensor, margin: float) -> torch.Tensor:
    """The amount by which the best row of each unsafe polytope misses the margin, summed over polytopes: [n].

    x: [n, inputs]; y: [n, outputs].
    """
    points = torch.as_tensor(x, dtype=torch.float32)
    total = torch.zeros(len(y))
    for rows in region.unsafe.polytopes:
        parts = (rows.inputs, rows.outputs, rows.constants)
        inputs, outputs, constants = (torch.tensor(part, dtype=torch.float32) for part in parts)
        total = total + (margin - (points @ inputs.T + y @ outputs.T + constants).amax(1)).clamp(min=0)
    return total
