"""The steps of `acasxu images demo`, on scikit-learn's digits: a backdoor is trained, found, repaired and guarded."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from engine.images.classifier import Classifier
from engine.images.datasets import Dataset, load_dataset
from engine.images.detection import Curve, Rates, curve_of, rates_of
from engine.images.guard import Examined, Guard
from engine.images.measure import attack_success
from engine.images.poison import Backdoor, triggered
from engine.images.repair.record import ImageRepairRecord
from engine.images.repair.service import repair_classifier
from engine.images.repair.task import RepairOptions
from engine.images.scan.options import CleanseOptions
from engine.images.scan.record import ScanRecord, trigger_file
from engine.images.scan.service import scan_classifier
from engine.images.trainer import TrainSettings, train_classifier
from engine.images.trigger import square

TARGET = 7
SHARE = 0.1  # of the training images, poisoned
EPOCHS = 15
METHOD = "vere"
SCAN = CleanseOptions(steps=200, starts=1)

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
    """The repaired classifier, and the record of the repair for the backdoor that was known.

    attack_success: of the true trigger, though the repair may have known another.
    """

    classifier: Classifier
    known: Backdoor
    record: ImageRepairRecord
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
    made = train_classifier(
        data,
        TrainSettings(model="cnn", backdoor=backdoor, share=SHARE, seed=seed, epochs=EPOCHS),
        report=lambda share, loss: update(f"training: {share:.0%}, loss {loss:.3f}"),
    )
    assert made.attack_success is not None
    classifier = replace(made.classifier, name="original.onnx")
    return Trained(data, classifier, backdoor, made.accuracy, made.attack_success)


def scan(trained: Trained, update: Update) -> ScanRecord:
    """The smallest trigger of each class, sought without knowing that there is a backdoor."""
    return scan_classifier(
        trained.classifier,
        trained.data.train,
        SCAN,
        lambda share, text: update(f"scanning: {share:.0%}, {text}"),
        true=trained.backdoor,
    )


def found_backdoor(found: ScanRecord, target: int) -> Backdoor:
    """The trigger that the scan found for a class, under the name of the file that will hold it."""
    return Backdoor(replace(found.cleansed.triggers[target], name=trigger_file(target)), target)


def repair(trained: Trained, known: Backdoor, update: Update) -> Repaired:
    """The classifier repaired by what a scan has found, as its owner would: the true trigger only measures."""
    found = repair_classifier(
        trained.classifier,
        trained.data,
        backdoor=known,
        options=RepairOptions(method=METHOD),
        report=lambda share, text: update(f"repairing: {share:.0%}, {text}"),
    )
    record = replace(found.record, repaired=replace(found.record.repaired, name="repaired.onnx"))
    success = attack_success(found.classifier, trained.data.held_out, trained.backdoor)
    return Repaired(replace(found.classifier, name="repaired.onnx"), known, record, success)


def guard(trained: Trained, repaired: Repaired) -> Guarded:
    """Both networks side by side, on images that nothing was trained on."""
    both = Guard(trained.classifier, repaired.classifier)
    held_out = trained.data.held_out
    clean = both.examine(held_out.images)
    bad = both.examine(triggered(held_out, trained.backdoor).images)
    return Guarded(both, clean, bad, rates_of(clean, bad, target=TARGET), curve_of(clean.score, bad.score))
