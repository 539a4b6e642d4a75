"""Repair with idle neurons: outside a thin collar around the property's box, nothing changes at all.

Neurons that never fire on the whole domain are rewritten at no cost. Those of layer 1 measure how far a
point lies outside the faces of the box. Those of the next layers read what they like, minus so large a
multiple of these distances that they never fire outside the collar: every other neuron has its old value there,
and the outputs are the original's, exactly. Inside the box the distances are exactly 0, and what the rewritten
neurons read and pass on is trained: no unsafe output, the same advisory.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from engine.comparison.region import Region, in_box
from engine.evaluation import scores
from engine.network import Network
from engine.property import Case
from engine.repair.edit import edited, idle_depth
from engine.repair.idle.collar import THICKNESS, Distances, distances
from engine.repair.idle.neurons import idle_neurons
from engine.repair.samples import points, regions
from engine.repair.task import Candidate, Evidence, Say, Task

MOST = 8  # idle neurons taken of a layer

Tensors = list[tuple[torch.Tensor, torch.Tensor]]
Layers = list[tuple[np.ndarray, np.ndarray]]  # weights [out, in] and biases [out] of each layer


@dataclass(frozen=True, slots=True, eq=False)
class Graft:
    """A network whose idle neurons chain[k] of the layers k = 0, 1, .. are rewritten.

    Of layer 0 they measure the distances; of each further layer the first carries the switch, which is 1 on
    the box, and the others are features with weights of their own.
    """

    network: Network
    chain: list[np.ndarray]
    distances: Distances

    def start(self) -> Layers:
        """The layers with all idle neurons' old weights 0 and, on the box, the switch carried on."""
        layers = [(a.weight.copy(), a.bias.copy()) for a in self.network.layers]
        for k, taken in enumerate(self.chain):
            (weight, bias), (after, _) = layers[k : k + 2]
            weight[taken], bias[taken], after[:, taken] = 0.0, 0.0, 0.0
            if k == 0:
                weight[taken], bias[taken] = self.distances.weight, self.distances.bias
            else:
                bias[taken[0]] = 1.0
        return layers

    def free(self) -> Layers:
        """1 where a weight or bias may be trained, else 0."""
        masks = [(np.zeros_like(a.weight), np.zeros_like(a.bias)) for a in self.network.layers]
        for k, taken in list(enumerate(self.chain))[1:]:
            masks[k + 1][0][:, taken] = 1.0
            masks[k][0][taken], masks[k][1][taken] = 1.0, 1.0
            masks[k][0][taken[0]], masks[k][1][taken[0]] = 0.0, 0.0
        masks[1][0][:, self.chain[0]] = 0.0
        return masks

    def gated(self, layers: Tensors, lower: np.ndarray, upper: np.ndarray) -> Tensors:
        """The layers with each rewritten neuron shut outside the collar.

        By interval bounds it is at most `most` on the domain [lower, upper]; outside the collar it loses twice
        that, through a distance above THICKNESS or through the switch, which is 0 instead of 1.
        """
        result = list(layers)
        low, high = (torch.tensor(side, dtype=torch.float32) for side in (lower, upper))
        for k, taken in enumerate(self.chain):
            weight, bias = layers[k]
            centre, radius = weight @ (low + high) / 2 + bias, weight.abs() @ (high - low) / 2
            low, high = (centre - radius).detach().clamp(min=0), (centre + radius).detach().clamp(min=0)
            if k:
                most = high[taken].clamp(min=1)
                low[taken], high[taken] = 0.0, most
                gate, shift = torch.zeros_like(weight), torch.zeros_like(bias)
                if k == 1:
                    gate[np.ix_(taken, self.chain[0])] = -2 / THICKNESS * most[:, None]
                else:
                    gate[taken, self.chain[k - 1][0]], shift[taken] = 2 * most, -2 * most
                result[k] = weight + gate, bias + shift
        return result


def collar_of(task: Task, repaired: Network) -> tuple[np.ndarray, np.ndarray]:
    """A box (lower, upper) outside which a candidate of `idle` computes exactly what the original computes."""
    before, after = task.network.layers[0], repaired.layers[0]
    rows = (before.weight != after.weight).any(1) | (before.bias != after.bias)
    return Distances(after.weight[rows], after.bias[rows]).hull(task.lower, task.upper)


def _case(task: Task) -> Case | None:
    """The targets' only case."""
    cases = [case for prop in task.targets for case in prop.cases]
    return cases[0] if len(cases) == 1 else None


def idle(
    task: Task,
    evidence: Evidence,
    say: Say,
    *,
    depth: int = 3,
    most: int = MOST,
    seconds: float = 3.0,
    margin: float = 0.01,
    urgency: float = 0.5,
    steps: int = 600,
    rounds: int = 8,
    samples: int = 200_000,
) -> Iterator[Candidate]:
    """A method (task.py). Its candidates compute exactly what the original computes outside the collar.

    depth: layers whose idle neurons are looked for; most: neurons taken of a layer; seconds: for the proof
    that one is idle; margin: by how much the target is to hold at samples, half as much again where the proof stays
    open; urgency: what a point missed counts beside an advisory changed, doubled each round; steps: of training.
    """
    case = _case(task)
    if case is None:
        return say("idle neurons: they can switch on in one box, and the targets have several")
    say("idle neurons: looking for them")
    depth = min(depth, idle_depth(task.network))
    chain = idle_neurons(task.network, task.lower, task.upper, depth=depth, most=most, seconds=seconds, seed=task.seed)
    if len(chain) < 2:
        return say("idle neurons: none proved in layer 1" if not chain else "idle neurons: none proved in layer 2")
    measured = distances((case.lower, case.upper), task.lower, task.upper, len(chain[0]))
    if measured is None:
        return say("idle neurons: the target's box has no face far enough inside the domain")
    chain[0] = chain[0][: len(measured.bias)]
    graft = Graft(task.network, chain, measured)
    trainer = Trainer(task, graft, samples=samples)
    counts = "+".join(str(len(taken)) for taken in chain)
    note = f"{counts} idle neurons rewritten, exactly the original outside a collar"
    known = 0
    for number in range(rounds):
        say(f"idle neurons: training, round {number + 1}, margin {margin:g}")
        fresh = [c for c in evidence.counterexamples[known:] if c.property == 0]
        known = len(evidence.counterexamples)
        network = trainer.train(
            points(fresh, len(task.lower)), margin=margin, urgency=urgency, steps=steps, rate=0.01 if number else 0.05
        )  # later rounds only mend
        yield Candidate(network, note)
        margin *= 1.5 if evidence.boxes else 1
        urgency *= 2
        steps = min(steps, 300)


class Trainer:
    """A graft's free weights, trained on points of the box and of wherever else all distances are 0.

    The loss: by how much unsafe polytopes are missed by less than the margin, and by how much advisories
    change at points that were safe.
    """

    def __init__(self, task: Task, graft: Graft, *, samples: int):
        self._random, self._generator = np.random.default_rng(task.seed), torch.Generator().manual_seed(task.seed)
        self._network, self._region = task.network, regions(task)[0]
        x, _ = graft.distances.sample(task.lower, task.upper, 3 * samples, self._random)
        edges = in_box(self._region, self._random, samples)
        self._add(np.concatenate([x.astype(np.float32), edges[graft.distances.holds(edges)]]))
        self._graft, self._lower, self._upper = graft, task.lower, task.upper
        self._layers, self._masks = graft.start(), graft.free()
        self._scatter(graft.chain)

    def _add(self, x: np.ndarray) -> None:
        """Takes these points [n, inputs] in."""
        self._x, y = x, scores(self._network, x)
        self._inside = self._region.holds(x)
        unsafe = torch.from_numpy(self._inside & self._region.unsafe.contains(x, y))
        self._keep = torch.where(unsafe, 0.3, 1.0)  # where it was unsafe another advisory is no harm if it must be
        self._advisory = torch.from_numpy(y.argmin(1))
        self._y, self._gaps = torch.from_numpy(y), torch.from_numpy(y - y.min(1, keepdims=True))

    def _near(self, x: np.ndarray, *, each: int = 100) -> np.ndarray:
        """These points [n, inputs], and others around each."""
        region = self._region
        spread = self._random.normal(size=(each, *x.shape)) * 0.01 * (region.upper - region.lower)
        return np.concatenate([x, region.nearest((x + spread).reshape(-1, x.shape[1]))])

    def _scatter(self, chain: list[np.ndarray]) -> None:
        """Gives features random weights with which they vary by about 1 on the box; as yet nothing reads them."""
        h = self._x[self._inside][:10_000].astype(np.float64)
        self._scales = []
        for k, ((weight, bias), (free, free_bias)) in enumerate(zip(self._layers, self._masks)):
            mean, spread = h.mean(0), h.std(0)
            features = chain[k][1:] if 0 < k < len(chain) else []
            scale = np.full_like(weight, 0.05)
            # what hardly varies on the box may be large elsewhere, where it would have to be held down
            scale[features] = np.where(spread > 0.02, 1 / (spread + 0.02), 0) / np.sqrt(len(spread))
            weight[features] += (free * scale * self._random.normal(size=weight.shape))[features]
            bias -= free_bias * (weight @ mean)
            self._scales.append((free * scale, free_bias))
            h = np.maximum(h @ weight.T + bias, 0)

    def train(self, counterexamples: np.ndarray, *, margin: float, urgency: float, steps: int, rate: float) -> Network:
        """The network after so many more steps. counterexamples: [n, inputs], new ones; urgency: what
        a point missed counts beside an advisory changed.
        """
        if len(counterexamples):
            self._add(np.concatenate([self._x, self._near(counterexamples)]))
        count, tensor = len(self._masks), lambda a: torch.tensor(a, dtype=torch.float32)
        start = [(tensor(weight), tensor(bias)) for weight, bias in self._layers]
        scales = [(tensor(weight), tensor(bias)) for weight, bias in self._scales]
        values = [tuple(torch.zeros_like(s, requires_grad=True) for s in pair) for pair in scales]
        free = [k for k in range(count) if any(bool(s.any()) for s in scales[k])]
        adam = torch.optim.Adam([value for k in free for value in values[k]])
        schedule = torch.optim.lr_scheduler.OneCycleLR(adam, rate, total_steps=steps)  # a rise and a fall
        current = lambda: [tuple(a + s * v for a, s, v in zip(*three)) for three in zip(start, scales, values)]
        gated = lambda: self._graft.gated(current(), self._lower, self._upper)
        forward = lambda h: _forward(gated()[free[0] :], h, last=count - free[0])
        with torch.no_grad():
            h = _forward(start[: free[0]], torch.from_numpy(self._x), last=count)
            pools = self._pools(forward(h), margin)
        for _ in range(steps):
            chosen = torch.cat(
                [
                    pool[torch.randint(len(pool), (n,), generator=self._generator)]
                    for pool, n in zip(pools, (1000, 1500, 500))
                    if len(pool)
                ]
            )
            y = forward(h[chosen])
            loss = urgency * self._missed(chosen, y, margin).mean() + self._changed(chosen, y).mean()
            adam.zero_grad()
            loss.backward()
            adam.step()
            schedule.step()
        self._layers = [tuple(part.detach().double().numpy() for part in pair) for pair in current()]
        return edited(
            self._network,
            {
                k: tuple(part.detach().numpy() for part in gated()[k])
                for k in range(min(len(self._graft.chain) + 1, count))
            },
        )

    def _pools(self, y: torch.Tensor, margin: float) -> list[torch.Tensor]:
        """Points in the box that are not far from unsafe; with two scores nearly lowest; all.

        y: [n, outputs], the scores as they are now.
        """
        every = torch.arange(len(y))
        tight = torch.maximum(self._missed(every, y, 2 * margin), self._missed(every, self._y, 2 * margin)) > 0
        second = self._gaps.topk(2, largest=False).values[:, 1].masked_fill(self._keep < 1, torch.inf)
        near = second.topk(len(y) // 32, largest=False).indices
        return [tight.nonzero()[:, 0], near, every]

    def _missed(self, chosen: torch.Tensor, y: torch.Tensor, margin: float) -> torch.Tensor:
        """missed(), but 0 outside the target's box."""
        return missed(self._region, self._x[chosen], y, margin) * torch.from_numpy(self._inside)[chosen]

    def _changed(self, chosen: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """By how much other scores come too near to the advisory's, where it is to stay."""
        above = y - y.gather(1, self._advisory[chosen, None])
        return (self._gaps[chosen].clamp(max=0.001) - above).clamp(min=0).sum(1) * self._keep[chosen]


def missed(region: Region, x: np.ndarray, y, margin: float) -> torch.Tensor:
    """By how much the best row of each unsafe polytope stays below the margin, summed: [n].

    x: [n, inputs]; y: [n, outputs].
    """
    x, y = torch.as_tensor(x, dtype=torch.float32), torch.as_tensor(y)
    total = torch.zeros(len(y))
    for rows in region.unsafe.polytopes:
        parts = (rows.inputs, rows.outputs, rows.constants)
        inputs, outputs, constants = (torch.tensor(part, dtype=torch.float32) for part in parts)
        total = total + (margin - (x @ inputs.T + y @ outputs.T + constants).amax(1)).clamp(min=0)
    return total


def _forward(layers: Tensors, h: torch.Tensor, *, last: int) -> torch.Tensor:
    """What these layers compute: a ReLU after each but number `last - 1`."""
    for k, (weight, bias) in enumerate(layers):
        h = torch.addmm(bias, h, weight.T)
        h = h.clamp(min=0) if k + 1 < last else h
    return h
