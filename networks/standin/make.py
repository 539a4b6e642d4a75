"""Trains the stand-in networks of this folder: `python networks/standin/make.py [--out DIR]`.

Takes about two minutes on one core, in the project's environment (see `make install`).
They have the shape of the ACAS Xu networks (5 inputs, six layers of 50 ReLUs, 5 outputs, the same
normalization and ONNX graph) but are not ACAS Xu networks and say nothing about them: each learns `scores`,
a simple function of the geometry of an encounter that was written for this purpose. Seeded; the result
varies in the last bits between machines and versions of torch.
"""

import argparse
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from engine.acasxu.domain import acasxu_domain
from engine.acasxu.quantities import INPUTS, SCORE_OFFSET, SCORE_SCALE

WIDTHS = (5, 50, 50, 50, 50, 50, 50, 5)
TURN_RATES = torch.tensor([0.0, 1.5, -1.5, 3.0, -3.0]) * math.pi / 180  # radians a second, left positive
LABEL = "stand-in made for tests and demonstrations; NOT an ACAS Xu network"


@dataclass(frozen=True, slots=True)
class Variant:
    """What the real networks differ in: the time until vertical separation is lost, the advisory before."""

    name: str
    tau: float
    previous: int
    seed: int


VARIANTS = (
    Variant("standin_tau_0", tau=0.0, previous=0, seed=1),
    Variant("standin_tau_20_left", tau=20.0, previous=1, seed=2),
    Variant("standin_tau_80", tau=80.0, previous=0, seed=3),
)


def scores(raw: Tensor, variant: Variant) -> Tensor:
    """Raw scores [n, 5], lowest best, of encounters [n, 5] in feet, radians and feet a second.

    Either aircraft flies straight on, the ownship after turning for six seconds as advised. A score is the
    danger of that, which falls with the distance of the closest approach and with the time until then,
    plus what the advisory itself costs: turning, more so strongly, and turning back.
    """
    rho, theta, psi, own, intruder = raw.T.unsqueeze(-1)
    heading = 6 * TURN_RATES
    velocity_x = intruder * psi.cos() - own * heading.cos()
    velocity_y = intruder * psi.sin() - own * heading.sin()
    x, y = rho * theta.cos(), rho * theta.sin()
    speed2 = velocity_x**2 + velocity_y**2 + 1.0
    time = (-(x * velocity_x + y * velocity_y) / speed2).clamp(0.0, 120.0)
    miss = ((x + time * velocity_x) ** 2 + (y + time * velocity_y) ** 2).sqrt()
    danger = torch.exp(-miss / 3000 - time / 40 - variant.tau / 20)
    return 400 * danger + advisory_cost(variant)


def advisory_cost(variant: Variant) -> Tensor:
    turning = torch.tensor([0.0, 12.0, 12.0, 20.0, 20.0])
    back = TURN_RATES * TURN_RATES[variant.previous] < 0
    return turning + 15.0 * back


def sample(count: int, generator: torch.Generator) -> Tensor:
    """Normalized inputs [count, 5] of the domain, half of them within two miles or so."""
    lower, upper = (torch.tensor([float(v) for v in ends]) for ends in acasxu_domain().ends)
    share = torch.rand(count, 5, generator=generator)
    share[: count // 2, 0] *= 0.2
    return lower + (upper - lower) * share


def to_raw(normalized: Tensor) -> Tensor:
    ranges, means = (torch.tensor([float(getattr(i, name)) for i in INPUTS]) for name in ("range", "mean"))
    return normalized * ranges + means


def train(variant: Variant, *, steps: int) -> list[nn.Linear]:
    """The affine layers of a network trained on `scores` for so many batches."""
    generator = torch.Generator().manual_seed(variant.seed)
    torch.manual_seed(variant.seed)
    layers = [nn.Linear(i, o) for i, o in zip(WIDTHS, WIDTHS[1:])]
    network = nn.Sequential(*(m for layer in layers[:-1] for m in (layer, nn.ReLU())), layers[-1])
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        x = sample(512, generator)
        target = (scores(to_raw(x), variant) - float(SCORE_OFFSET)) / float(SCORE_SCALE)
        loss = nn.functional.mse_loss(network(x), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return layers


def to_onnx(layers: list[nn.Linear], variant: Variant) -> onnx.ModelProto:
    """Subtract a zero mean, flatten, then MatMul, Add and Relu by turns, like the published networks."""
    arrays = {"mean": np.zeros((1, 1, 1, 5), np.float32)}
    nodes = [
        helper.make_node("Sub", ["input", "mean"], ["centered"], "subtract_mean"),
        helper.make_node("Flatten", ["centered"], ["h0"], "flatten", axis=1),
    ]
    for i, layer in enumerate(layers, 1):
        arrays[f"W{i}"] = layer.weight.detach().numpy().T.copy()
        arrays[f"b{i}"] = layer.bias.detach().numpy()
        nodes += [
            helper.make_node("MatMul", [f"h{i - 1}", f"W{i}"], [f"Wh{i}"], f"matmul_{i}"),
            helper.make_node("Add", [f"Wh{i}", f"b{i}"], [f"z{i}"], f"add_{i}"),
            helper.make_node("Relu", [f"z{i}"], [f"h{i}"], f"relu_{i}"),
        ]
    nodes.pop()  # the last layer has no ReLU
    inputs = {"input": (1, 1, 1, 5), **{name: array.shape for name, array in arrays.items()}}
    graph = helper.make_graph(
        nodes,
        variant.name,
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(f"z{len(layers)}", TensorProto.FLOAT, (1, 5))],
        [numpy_helper.from_array(array, name) for name, array in arrays.items()],
    )
    # IR 3 lists the weights among the inputs, as the published files do.
    model = helper.make_model(
        graph,
        producer_name="acasxu stand-ins",
        doc_string=LABEL,
        ir_version=3,
        opset_imports=[helper.make_opsetid("", 8)],
    )
    onnx.checker.check_model(model)
    return model


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=8_000)
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent)
    options = parser.parse_args(argv)
    for variant in VARIANTS:
        model = to_onnx(train(variant, steps=options.steps), variant)
        onnx.save(model, options.out / f"{variant.name}.onnx")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
