"""Seconds and memory of training steps on networks of the published sizes, on synthetic images.

python benchmarks/image_steps.py [--device cpu|cuda] [--batch N] [--steps N]

CIFAR, SVHN and Imagenette are not used: these figures say that the code runs at their sizes, how fast, and no more.
"""

import argparse
import resource
import time

import numpy as np
import torch

from engine.images.architectures import new_model
from engine.images.classifier import classifier_of
from engine.images.device import chosen_device
from engine.images.imageset import ImageSet, Scaling
from engine.images.training import TrainingOptions, fit

SIZES = {"vgg13": (3, 32, 32), "vgg16": (3, 224, 224)}


def main() -> None:
    """Prints a line a network; the first step, which also sets things up, is left out."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--steps", type=int, default=3)
    arguments = parser.parse_args()
    device = chosen_device(arguments.device)
    for name, shape in SIZES.items():
        seconds = _seconds_a_step(name, shape, device, arguments.batch, arguments.steps)
        print(f"{name} {shape} batch {arguments.batch} on {device}: {seconds:.2f} s a step, {_memory(device):.1f} GiB")


def _seconds_a_step(name: str, shape: tuple[int, int, int], device: torch.device, batch: int, steps: int) -> float:
    classifier = classifier_of(new_model(name, shape, 10), name=name, scaling=Scaling.UNIT)
    count = batch * (steps + 1)
    images = ImageSet(np.random.default_rng(0).random((count, *shape), np.float32), np.arange(count) % 10, 10)
    times: list[float] = []
    fit(
        classifier,
        classifier.graph(device=device),
        images,
        TrainingOptions(epochs=1, batch=batch, rate=1e-4),
        report=lambda share, loss: times.append(time.perf_counter()),
    )
    return (times[-1] - times[0]) / steps


def _memory(device: torch.device) -> float:
    """The most that was in use so far, in GiB: of the GPU, or of the process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated() / 2**30
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


if __name__ == "__main__":
    main()
