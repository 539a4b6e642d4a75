"""The whole scan of a classifier: first look, smallest triggers, anomaly, overlap with a known trigger."""

import time
from collections.abc import Callable

import torch

from engine.images.classifier import Classifier
from engine.images.cleanse import Cleansed, cleanse
from engine.images.imageset import Floats, ImageSet
from engine.images.measure import attack_success
from engine.images.poison import Backdoor, triggered
from engine.images.scan.first_look import first_look
from engine.images.scan.options import CleanseOptions
from engine.images.scan.overlap import Overlap, mask_overlap
from engine.images.scan.record import ScanRecord

Report = Callable[[float, str], None]  # (share of the work done, what is done now)


def scan_classifier(
    classifier: Classifier,
    images: ImageSet,
    options: CleanseOptions | None = None,
    report: Report = lambda share, text: None,
    *,
    true: Backdoor | None = None,
    suspicious: Floats | None = None,
    device: torch.device | str = "cpu",
) -> ScanRecord:
    """Says which classes have a trigger so small that a backdoor is likely: `flagged`, on clean images.

    true: a backdoor that is known, with which the found trigger of its target is compared; it does not change what is
    found. suspicious: images that may carry a trigger, for the first look. The same images, options and number of
    threads give the same record, but for its seconds.
    """
    options = options or CleanseOptions()
    classifier.demand_fit(images)
    if true is not None:
        true.demand_class(classifier.classes)
        true.trigger.paint(images.images[:1])  # an error before the work, where it has another shape
        suspicious = triggered(images, true).images if suspicious is None else suspicious
    start = time.perf_counter()
    report(0.0, "first look")
    look = first_look(classifier, images, suspicious=suspicious, device=device)
    found = cleanse(classifier, images, options, report=lambda share: report(share, "smallest triggers"), device=device)
    overlap = None if true is None else _overlap(classifier, images, true, found)
    return ScanRecord(
        classifier.name,
        classifier.sha256,
        images.name,
        options,
        found,
        look,
        overlap,
        time.perf_counter() - start,
        images.images[0],
        None if true is None else true.trigger,
    )


def _overlap(classifier: Classifier, images: ImageSet, true: Backdoor, found: Cleansed) -> Overlap:
    iou, covered = mask_overlap(found.triggers[true.target], true.trigger)
    success = attack_success(classifier, images, true)
    return Overlap(true.target, iou, covered, float(found.success[true.target]), success)
