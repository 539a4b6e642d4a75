"""Fully-connected ReLU networks trained on something meaningful, the same for the same seed on the same machine.

A subject is a function with a box of inputs: a table of advisories (encounters.py), or a formula
(smooth_functions.py). Its network takes inputs in the subject's units and gives outputs in them, or, as ACAS Xu's do,
takes and gives normalized numbers: the layers that normalize are joined with the first and the last one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import smooth_functions as smooth
import torch
from encounters import Horizontal, Vertical
from generated import chain
from value_iteration import Model, solve

from engine.comparison.decision import Decision
from engine.network import Network
from engine.onnx_file import parse_network

POINTS = 60_000  # of a formula
BATCH, STEPS, RATE = 1024, 3000, 0.004
SCORE = 0.05  # of the cost of a collision: what a table's scores are multiples of

Data = tuple[np.ndarray, np.ndarray]  # inputs and outputs that a network learns


@dataclass(frozen=True, slots=True)
class Subject:
    """What a network is to compute. box: of its inputs, in its own units; raw: True iff the network takes these.

    names: of inputs, and of outputs where they have names.
    """

    name: str
    box: np.ndarray
    data: Callable[[np.random.Generator], Data]
    decision: Decision
    inputs: tuple[str, ...]
    outputs: tuple[str, ...] = ()
    raw: bool = False

    def to_network(self, x: np.ndarray) -> np.ndarray:
        """Inputs [n, inputs] as the network takes them."""
        low, high = self.box
        return x if self.raw else (x - (low + high) / 2) / (high - low)

    @property
    def domain(self) -> np.ndarray:
        """The ends of all inputs as the network takes them: [2, inputs]."""
        return self.to_network(self.box)


def train(subject: Subject, hidden: tuple[int, ...], *, seed: int, steps: int = STEPS) -> Network:
    """A network with these hidden layers that has learned the subject, by Adam on squares of errors."""
    x, y = subject.data(np.random.default_rng(seed))
    low, high = subject.box
    middle, half = (low + high) / 2, (high - low) / 2
    mean, size = (y.mean(0), y.std(0).mean()) if subject.raw else (np.zeros(y.shape[1]), 1.0)
    inputs = torch.tensor((x - middle) / half, dtype=torch.float32)
    wanted = torch.tensor((y - mean) / size, dtype=torch.float32)
    torch.manual_seed(seed)
    model = torch.nn.Sequential(*_layers((x.shape[1], *hidden, y.shape[1])))
    optimizer = torch.optim.Adam(model.parameters(), lr=RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        some = torch.randint(len(inputs), (BATCH,))
        error = model(inputs[some]) - wanted[some]
        apart = error - error.mean(1, keepdim=True)  # decisions are made by differences, which are small
        loss = (error**2).mean() + (10 * (apart**2).mean() if subject.decision.is_known else 0.0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    weights = [(p.weight.detach().double().numpy(), p.bias.detach().double().numpy()) for p in model[::2]]
    weight, bias = weights[0]
    scale, shift = (1 / half, -middle / half) if subject.raw else (np.full(len(half), 2.0), np.zeros(len(half)))
    weights[0] = weight * scale, bias + weight @ shift
    weight, bias = weights[-1]
    weights[-1] = size * weight, size * bias + mean
    return parse_network(chain(weights, name=subject.name), name=subject.name)


def _layers(widths: tuple[int, ...]) -> list[torch.nn.Module]:
    found: list[torch.nn.Module] = []
    for n, m in zip(widths, widths[1:]):
        found += [torch.nn.Linear(n, m), torch.nn.ReLU()]
    return found[:-1]


def of_table(name: str, model: Model, decision: Decision) -> Subject:
    """The scores of a model's advisories at all seconds but the last: costs, or where the highest counts less them."""

    @cache
    def table() -> Data:
        found = solve(model)
        sign = -1 if decision is Decision.HIGHEST else 1
        x = [np.column_stack([found.states, np.full(len(found.states), k)]) for k in range(1, model.seconds + 1)]
        return np.concatenate(x), sign * np.concatenate(found.costs[1:]) / SCORE

    box = np.array([[axis[0], axis[-1]] for axis in (*model.grid, np.array([0.0, model.seconds]))]).T
    return Subject(name, box, lambda _: table(), decision, model.inputs, model.names)


def of_formula(
    name: str,
    function: Callable[[np.ndarray], np.ndarray],
    box: smooth.Box,
    *,
    decision: Decision = Decision.UNKNOWN,
    raw: bool = False,
) -> Subject:
    """A formula at uniform points of its box."""

    def data(random: np.random.Generator) -> Data:
        x = random.uniform(*np.array(box, float).T, (POINTS, len(box)))
        return x, function(x)

    return Subject(name, np.array(box, float).T, data, decision, tuple(f"x{i}" for i in range(len(box))), raw=raw)


VERTICAL = of_table("vertical", Vertical(), Decision.HIGHEST)
HORIZONTAL = of_table("horizontal", Horizontal(), Decision.LOWEST)
#: Each with its hidden layers.
TRAINED: tuple[tuple[Subject, tuple[int, ...]], ...] = (
    (VERTICAL, (24,) * 4),
    (VERTICAL, (40, 40)),
    (VERTICAL, (16,) * 6),
    (HORIZONTAL, (24,) * 4),
    (HORIZONTAL, (40, 40)),
    (HORIZONTAL, (32,) * 3),
    (of_formula("peaks", smooth.peaks, smooth.PLANE), (24, 24)),
    (of_formula("arm", smooth.arm, smooth.ARM), (32, 16)),
    (of_formula("cart", smooth.cart, smooth.CART, raw=True), (20, 20, 20)),
    (of_formula("circuit", smooth.circuit, smooth.CIRCUIT, raw=True), (16, 16)),
    (of_formula("piston", smooth.piston, smooth.PISTON), (20, 12)),
    (of_formula("borehole", smooth.borehole, smooth.BOREHOLE, raw=True), (24, 12)),
    (of_formula("wing", smooth.wing, smooth.WING, raw=True), (16, 16)),
    (of_formula("plant", smooth.plant, smooth.PLANT, decision=Decision.HIGHEST), (24, 24)),
    (of_formula("welch", smooth.welch, smooth.WELCH), (20, 10)),
)
