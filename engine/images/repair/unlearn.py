"""Unlearning, after Neural Cleanse (Wang et al., IEEE S&P 2019): training goes on with the trigger and right labels."""

from engine.images.imageset import joined
from engine.images.repair.task import Candidate, RepairOptions, RepairTask, Report, silent
from engine.images.training import TrainingOptions, fit


def repair(task: RepairTask, options: RepairOptions, report: Report = silent) -> Candidate:
    """The network after one epoch on clean images and faults with their right labels."""
    images = joined([task.clean, task.faults])
    graph = task.classifier.graph(device=task.device)
    settings = TrainingOptions(epochs=1, rate=5e-4, seed=task.seed)
    fit(task.classifier, graph, images, settings, report=lambda share, loss: report(share, f"loss {loss:.3f}"))
    return Candidate(task.classifier.with_weights(graph.weights), f"one epoch on {len(images)} images")
