"""Counterexamples as triggers: what was painted into which image, as files."""

from dataclasses import dataclass, replace
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
    """The trigger of a counterexample. Its pixels are in [0, 1], where those of the input need not be."""
    trigger = replace(questions.painted(key, found), name=refutation_name(questions, key))
    return Refutation(key, trigger, found)


def refutation_name(questions: Questions, key: Key) -> str:
    """The name of its files, without their endings."""
    image, position = key
    return "image-{}-at-{}-{}".format(questions.number(image), *questions.patch.positions[position])


def write_refutation(questions: Questions, refutation: Refutation, folder: Path) -> None:
    """NAME.npz, which `read_trigger` reads, and where Pillow is there NAME.png: the image with the trigger, the place
    of the patch, and what stands in it.

    The .npz file also has `input`, exactly what the network was given, `outputs`, its scores in onnxruntime, and
    `label`; of contents in a few numbers `numbers`, too. (Of a point that no floating-point number is, `input` is the
    nearest, and `outputs` are those there.)
    """
    found, image = refutation.found, refutation.key[0]
    data = write_arrays(
        mask=refutation.trigger.mask,
        pattern=refutation.trigger.pattern,
        **questions.held(refutation.key, found),
        outputs=np.array(found.outputs),
        label=np.int64(questions.images.labels[image]),
    )
    write_bytes(folder / f"{refutation.trigger.name}.npz", data)
    picture = picture_bytes(questions.images.images[image], (refutation.trigger,))
    if picture:
        write_bytes(folder / f"{refutation.trigger.name}.png", picture)
