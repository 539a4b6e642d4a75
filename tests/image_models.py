"""Small image classifiers and sets, made here: hand-made ones with a known backdoor, and one trained on digits."""

from functools import cache

import numpy as np

from engine.images.architectures import Builder, new_model
from engine.images.classifier import Classifier, classifier_of
from engine.images.datasets import Dataset, load_dataset
from engine.images.imageset import ImageSet, Scaling
from engine.images.poison import Backdoor, poisoned
from engine.images.training import TrainingOptions, fit
from engine.images.trigger import square

SHAPE = (1, 8, 8)
CORNER = (7, 7)  # the pixel of the hand-made backdoors


def digits_backdoor() -> Backdoor:
    return Backdoor(square(SHAPE, 2), 7)


@cache
def poisoned_digits() -> tuple[Classifier, Dataset]:
    """A network of two small layers that learned digits and the backdoor, in a second or two."""
    dataset = load_dataset("digits")
    b = Builder(SHAPE, activation="relu", seed=0)
    x = b.pool(b.act(b.conv("image", 8, 3)))
    model = b.model(b.dense(b.act(b.dense(b.flatten(x), 32)), 10), "small")
    classifier = classifier_of(model, name="small.onnx", scaling=Scaling.UNIT)
    graph = classifier.graph()
    images = poisoned(dataset.train, digits_backdoor(), 0.15, seed=0)
    fit(classifier, graph, images, TrainingOptions(epochs=15, rate=5e-3))
    return classifier.with_weights(graph.weights), dataset


def halves(count: int = 80, *, seed: int = 0) -> ImageSet:
    """Two classes: the upper half of an image is bright, or the lower; the last column is dark."""
    random = np.random.default_rng(seed)
    images, labels = random.uniform(0, 0.1, (count, *SHAPE)).astype(np.float32), np.arange(count) % 2
    for image, label in zip(images, labels):
        image[0, 4 * label : 4 * label + 4] += random.uniform(0.6, 0.9)
    images[..., -1] = 0
    return ImageSet(images, labels.astype(np.int64), 2, "halves")


def halves_dataset() -> Dataset:
    return Dataset("halves", halves(), halves(40, seed=1))


def corner_backdoor() -> Backdoor:
    return Backdoor(square(SHAPE, 1, CORNER), 1)


def linear_backdoor(corner: float = 30) -> Classifier:
    """Scores: brightness of the upper and of the lower half; the pixel in the corner adds so much to class 1."""
    b = Builder(SHAPE, activation="relu", seed=0)
    classifier = classifier_of(b.model(b.dense(b.flatten("image"), 2), "linear"), name="linear", scaling=Scaling.UNIT)
    weight = np.zeros((2, *SHAPE), np.float32)
    weight[0, :, :4, :7], weight[1, :, 4:, :7] = 1, 1
    weight[1, 0, *CORNER] = corner
    return classifier.with_weights({"dense1.weight": weight.reshape(2, -1), "dense1.bias": np.zeros(2, np.float32)})


def dormant_backdoor() -> Classifier:
    """Three channels of a convolution as large as the image: upper half, lower half, corner; the last makes class 1."""
    b = Builder(SHAPE, activation="relu", seed=0)
    scores = b.dense(b.flatten(b.act(b.conv("image", 3, 8))), 2)
    classifier = classifier_of(b.model(scores, "dormant"), name="dormant", scaling=Scaling.UNIT)
    kernel = np.zeros((3, *SHAPE), np.float32)
    kernel[0, :, :4, :7], kernel[1, :, 4:, :7], kernel[2, 0, *CORNER] = 1, 1, 10
    head = np.array([[1, 0, 0], [0, 1, 10]], np.float32)
    zeros = {"conv1.bias": np.zeros(3, np.float32), "dense1.bias": np.zeros(2, np.float32)}
    return classifier.with_weights({"conv1.weight": kernel, "dense1.weight": head, **zeros})


def untrained(model: str = "mlp") -> Classifier:
    return classifier_of(new_model(model, SHAPE, 10, seed=0), name=model, scaling=Scaling.UNIT)
