"""Counterexamples as triggers: what was painted into which image, as files."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engine.files import write_bytes
from engine.images.certify.questions import Key, Questions
from engine.images.formats.npz import write_arrays
from engine.images.scan.record import picture_bytes
from engine.images.trigger import Trigger
from engine.verdict import Counterexample


@dataclass(frozen=True, slots=True, eq=False)
class Refutation:
    """A trigger that works on an image, and the exact input and outputs of the network; see Counterexample."""

    key: Key
    trigger: Trigger
    found: Counterexample


def refutation_of(questions: Questions, key: Key, found: Counterexample) -> Refutation:
    """The patch as it stands in the counterexample. Its pixels are in [0, 1], where those of the input need not be."""
    shape = questions.images.shape
    flat = np.zeros(int(np.prod(shape)))
    flat[questions.places] = found.inputs
    low, high = questions.classifier.scaling.ends
    pixels = np.clip((flat.reshape(shape) - low) / (high - low), 0, 1).astype(np.float32)
    mask = questions.patch.mask(key[1], shape).astype(np.float32)
    return Refutation(key, Trigger(mask, mask * pixels, refutation_name(questions, key)), found)


def refutation_name(questions: Questions, key: Key) -> str:
    """The name of its files, without their endings."""
    image, position = key
    return "image-{}-at-{}-{}".format(questions.number(image), *questions.patch.positions[position])


def write_refutation(questions: Questions, refutation: Refutation, folder: Path) -> None:
    """NAME.npz, which `read_trigger` reads, and where Pillow is there NAME.png: the image with the trigger, the place
    of the patch, and what stands in it.

    The .npz file also has `input`, exactly what the network was given, `outputs`, its scores in onnxruntime, and
    `label`. (Of a point that no floating-point number is, `input` is the nearest, and `outputs` are those there.)
    """
    found, image = refutation.found, refutation.key[0]
    data = write_arrays(
        mask=refutation.trigger.mask,
        pattern=refutation.trigger.pattern,
        input=np.array(found.inputs, questions.network.number),
        outputs=np.array(found.outputs),
        label=np.int64(questions.images.labels[image]),
    )
    write_bytes(folder / f"{refutation.trigger.name}.npz", data)
    picture = picture_bytes(questions.images.images[image], (refutation.trigger,))
    if picture:
        write_bytes(folder / f"{refutation.trigger.name}.png", picture)
