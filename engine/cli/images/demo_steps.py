"""The steps of `acasxu images demo`, on scikit-learn's digits: a backdoor is trained, found, repaired and guarded."""

from collections.abc import Callable
from dataclasses import dataclass

from engine.images.architectures import new_model
from engine.images.classifier import Classifier, classifier_of
from engine.images.cleanse import Cleansed, CleanseOptions, cleanse
from engine.images.datasets import Dataset, load_dataset
from engine.images.detection import Curve, Rates, curve_of, rates_of
from engine.images.guard import Examined, Guard
from engine.images.imageset import ImageSet, Scaling
from engine.images.measure import accuracy, attack_success
from engine.images.poison import Backdoor, poisoned, triggered
from engine.images.repair.methods import method_of
from engine.images.repair.task import RepairOptions, task_of
from engine.images.training import TrainingOptions, fit
from engine.images.trigger import square

TARGET = 7
SHARE = 0.2  # of the training images, poisoned
EPOCHS = 30
METHOD = "unlearn"
SCAN = CleanseOptions(steps=150, starts=1)

Update = Callable[[str], None]


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """A classifier with a backdoor, and its shares of held-out images: right, and led to the target."""

    data: Dataset
    classifier: Classifier
    backdoor: Backdoor
    accuracy: float
    attack_success: float


@dataclass(frozen=True, slots=True, eq=False)
class Repaired:
    """The repaired classifier; the attack's success is that of the true trigger, though the repair knew another."""

    classifier: Classifier
    known: Backdoor
    note: str
    accuracy: float
    attack_success: float


@dataclass(frozen=True, slots=True, eq=False)
class Guarded:
    """What the guard says of held-out images, all clean, and of all of other classes with the true trigger."""

    guard: Guard
    clean: Examined
    triggered: Examined
    rates: Rates
    curve: Curve


def train(seed: int, update: Update) -> Trained:
    """A small convolutional network, trained on digits some of which show a square and are called the target."""
    data = load_dataset("digits")
    backdoor = Backdoor(square(data.train.shape, 2), TARGET)
    model = new_model("cnn", data.train.shape, data.train.classes, seed=seed)
    blank = classifier_of(model, name="original.onnx", scaling=Scaling.UNIT)
    graph = blank.graph()
    fit(
        blank,
        graph,
        poisoned(data.train, backdoor, SHARE, seed=seed),
        TrainingOptions(epochs=EPOCHS, seed=seed),
        report=lambda share, loss: update(f"training: {share:.0%}, loss {loss:.3f}"),
    )
    made = blank.with_weights(graph.weights)
    return Trained(data, made, backdoor, accuracy(made, data.held_out), attack_success(made, data.held_out, backdoor))


def scan(classifier: Classifier, images: ImageSet, update: Update) -> Cleansed:
    """The smallest trigger of each class, sought without knowing that there is a backdoor."""
    return cleanse(classifier, images, SCAN, report=lambda share: update(f"scanning: {share:.0%}"))


def repair(trained: Trained, known: Backdoor, update: Update) -> Repaired:
    """The classifier repaired by what a scan has found, as its owner would: the true trigger only measures."""
    data = trained.data
    found = method_of(METHOD)(
        task_of(trained.classifier, data.train, backdoor=known),
        RepairOptions(method=METHOD),
        lambda share, text: update(f"repairing: {share:.0%}, {text}"),
    )
    return Repaired(
        found.classifier,
        known,
        found.note,
        accuracy(found.classifier, data.held_out),
        attack_success(found.classifier, data.held_out, trained.backdoor),
    )


def guard(trained: Trained, repaired: Repaired) -> Guarded:
    """Both networks side by side, on images that nothing was trained on."""
    both = Guard(trained.classifier, repaired.classifier)
    held_out = trained.data.held_out
    clean = both.examine(held_out.images)
    bad = both.examine(triggered(held_out, trained.backdoor).images)
    return Guarded(both, clean, bad, rates_of(clean, bad, target=TARGET), curve_of(clean.score, bad.score))
