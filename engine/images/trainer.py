"""A classifier trained from nothing, with a backdoor where asked, and what it does on held-out images."""

import time
from dataclasses import dataclass, replace

import torch

from engine.images.architectures import new_model
from engine.images.classifier import Classifier, classifier_of
from engine.images.datasets import Dataset
from engine.images.imageset import Scaling
from engine.images.measure import accuracy, attack_success
from engine.images.poison import Backdoor
from engine.images.recipes import recipe, training_images
from engine.images.training import Report, TrainingOptions, fit

FEWEST = 2  # images of a class


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainSettings:
    """What is trained. share: of the training images that carry the backdoor; epochs, rate: the recipe's where None."""

    model: str
    activation: str = "relu"
    backdoor: Backdoor | None = None
    share: float = 0.1
    seed: int = 0
    scaling: Scaling = Scaling.UNIT
    epochs: int | None = None
    rate: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """A classifier, and its figures on held-out images; attack_success is None where there is no backdoor."""

    classifier: Classifier
    accuracy: float
    attack_success: float | None
    options: TrainingOptions
    seconds: float


def train_classifier(
    dataset: Dataset,
    settings: TrainSettings,
    *,
    device: torch.device | str = "cpu",
    report: Report = lambda share, loss: None,
) -> Trained:
    """Trains on `dataset.train`; on a CPU, the same settings and number of threads give the same bytes.

    InputError where a class has too few images, or the images are too small for the architecture.
    """
    images = dataset.train
    images.demand_per_class(FEWEST)
    classifier = _untrained(dataset, settings)
    options = recipe(settings.model, images, activation=settings.activation, seed=settings.seed)
    options = replace(options, epochs=settings.epochs or options.epochs, rate=settings.rate or options.rate)
    start, graph = time.perf_counter(), classifier.graph(device=device)
    fit(
        classifier,
        graph,
        training_images(images, settings.backdoor, settings.share, seed=settings.seed),
        options,
        report=report,
    )
    classifier = classifier.with_weights(graph.weights)
    seconds = time.perf_counter() - start
    success = None if settings.backdoor is None else attack_success(classifier, dataset.held_out, settings.backdoor)
    return Trained(
        classifier=classifier,
        accuracy=accuracy(classifier, dataset.held_out),
        attack_success=success,
        options=options,
        seconds=seconds,
    )


def _untrained(dataset: Dataset, settings: TrainSettings) -> Classifier:
    images = dataset.train
    model = new_model(settings.model, images.shape, images.classes, activation=settings.activation, seed=settings.seed)
    return classifier_of(model, name=settings.model, scaling=settings.scaling)
