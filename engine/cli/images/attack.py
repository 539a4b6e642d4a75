"""`acasxu images attack`: poisoned, adversarial or corrupted images as an .npz file."""

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from engine.cli.images.options import (
    add_device,
    add_images,
    add_network,
    add_trigger,
    classifier_of,
    dataset_of,
    demand_free,
)
from engine.cli.output import DONE, answer, note
from engine.errors import InputError
from engine.files import prepare, unwritable, write_bytes
from engine.foreign import plain

if TYPE_CHECKING:
    from engine.images.classifier import Classifier
    from engine.images.imageset import ImageSet

HELP = "make poisoned, adversarial or corrupted images"
USAGE = "acasxu images attack NETWORK.onnx --data NAME_OR_PATH --kind KIND --out FILE.npz [options]"
#: How strong each kind is where --strength does not say it, and what the number is.
STRENGTHS = {
    "fgsm": (0.05, "the most that a pixel moves"),
    "pgd": (0.05, "the most that a pixel moves"),
    "noise": (0.1, "its standard deviation"),
    "blur": (1.0, "its width in pixels"),
    "contrast": (0.3, "what is left of it"),
}
POISONS = ("badnets", "blend")
SMALL = 16  # pixels; smaller images get a smaller trigger


def add(parser: ArgumentParser) -> None:
    """Adds the options."""
    parser.add_argument("network", type=Path, metavar="NETWORK.onnx")
    add_images(parser)
    add_network(parser)
    parser.add_argument("--kind", choices=(*POISONS, *STRENGTHS), required=True)
    add_trigger(parser)
    words = "\n".join(f"{kind}: {meaning} ({usual:g})" for kind, (usual, meaning) in STRENGTHS.items())
    parser.add_argument("--strength", type=float, metavar="S", help=f"white being 1; by kind:\n{words}")
    parser.add_argument(
        "--part", choices=("held-out", "train"), default="held-out", help="of the set (default: held-out)"
    )
    parser.add_argument("--limit", type=int, metavar="N", help="the first N images of it (default: all)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.npz", help="images, with their right labels")
    parser.add_argument("--force", action="store_true", help="replace what --out names")
    add_device(parser)


def run(arguments: Namespace) -> int:
    """Makes the images, writes them, and prints how the network does on them."""
    demand_free(arguments.out, arguments=arguments)
    _demand_sense(arguments)
    from engine.images.fit_check import chance_warning
    from engine.images.formats.npz import npz_bytes
    from engine.images.measure import accuracy

    classifier, dataset = classifier_of(arguments, arguments.network), dataset_of(arguments)
    images = dataset.train if arguments.part == "train" else dataset.held_out
    images = images.select(slice(arguments.limit))
    classifier.demand_fit(images)
    if warning := chance_warning(classifier, images):
        note(f"warning: {warning}")
    file = prepare(arguments.out, option="--out")
    made = _made(arguments, classifier, images)
    try:
        write_bytes(file, npz_bytes(made))
    except OSError as error:
        raise unwritable(error, file) from None
    before, after = accuracy(classifier, images), accuracy(classifier, made)
    answer(f"{len(made):,} images in {plain(arguments.out)}: {arguments.kind}, labels are the right ones")
    answer(f"the network is right on {after:.2%} of them; on {before:.2%} of those that they were made from")
    if arguments.kind in POISONS:
        hits = (classifier.predict(made.images) == arguments.target).mean()
        answer(f"it says class {arguments.target}, the target, on {hits:.2%}")
    return DONE


def _demand_sense(arguments: Namespace) -> None:
    if arguments.out.suffix != ".npz":
        raise InputError("an .npz file is written", where=f"--out {arguments.out}", advice="end its name in .npz")
    if arguments.kind in POISONS and arguments.target is None:
        raise InputError("the target is not said", where=f"--kind {arguments.kind}", advice="say --target CLASS")
    if arguments.kind in POISONS and arguments.strength is not None:
        raise InputError("a trigger says its strength itself", where="--strength", advice="say --trigger blend:0.3")
    if arguments.kind not in POISONS and (arguments.trigger or arguments.target is not None):
        raise InputError("this kind has no trigger", where=f"--kind {arguments.kind}", advice="leave out the options")
    if arguments.strength is not None and not 0 <= arguments.strength <= 1000:
        raise InputError("this is out of range", where=f"--strength {arguments.strength}", advice="a number from 0")
    if arguments.limit is not None and arguments.limit < 1:
        raise InputError("this is out of range", where=f"--limit {arguments.limit}", advice="a number from 1")
    if not 0 <= arguments.seed < 2**63:
        raise InputError("a seed is a whole number from 0", where=f"--seed {arguments.seed}")


def _made(arguments: Namespace, classifier: "Classifier", images: "ImageSet") -> "ImageSet":
    from engine.images import attacks
    from engine.images.device import chosen_device

    kind, seed = arguments.kind, arguments.seed
    if kind in POISONS:
        return _poisoned(arguments, images)
    strength = STRENGTHS[kind][0] if arguments.strength is None else arguments.strength
    if kind == "fgsm":
        return attacks.fgsm(classifier, images, radius=strength, device=chosen_device(arguments.device))
    if kind == "pgd":
        return attacks.pgd(classifier, images, radius=strength, seed=seed, device=chosen_device(arguments.device))
    if kind == "noise":
        return attacks.noise(images, deviation=strength, seed=seed)
    if kind == "blur":
        return attacks.blur(images, sigma=strength)
    return attacks.contrast(images, factor=strength)


def _poisoned(arguments: Namespace, images: "ImageSet") -> "ImageSet":
    from engine.images.poison import Backdoor, triggered
    from engine.images.trigger import read_trigger

    usual = "blend:0.2" if arguments.kind == "blend" else f"square:{2 if min(images.shape[1:]) < SMALL else 4}@corner"
    backdoor = Backdoor(read_trigger(arguments.trigger or usual, images.shape), arguments.target)
    backdoor.demand_class(images.classes)
    made = triggered(images, backdoor)
    if not len(made):
        raise InputError("all images are of the target's class", where=images.name, advice="choose another --target")
    return made
