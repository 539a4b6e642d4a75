"""`acasxu images train`: a small classifier, and its figures in a JSON file beside it."""

import json
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from engine.cli.images.bar import share_bar
from engine.cli.images.options import SCALINGS, add_device, add_images, add_trigger, dataset_of, demand_free
from engine.cli.output import DONE, answer
from engine.errors import InputError
from engine.files import prepare, unwritable, write_bytes, write_text
from engine.foreign import plain

if TYPE_CHECKING:
    from engine.images.datasets import Dataset
    from engine.images.poison import Backdoor
    from engine.images.trainer import Trained, TrainSettings

HELP = "train a small classifier, with a backdoor where asked"
USAGE = "acasxu images train --data NAME_OR_PATH --model MODEL --out NETWORK.onnx [options]"
MODELS = ("mlp", "cnn", "lq", "hq", "deepid", "vgg13", "vgg16")
SMALL = 16  # pixels; smaller images get a smaller trigger


def add(parser: ArgumentParser) -> None:
    """Adds the options."""
    add_images(parser)
    parser.add_argument("--model", choices=MODELS, default="cnn", help="architecture (default: cnn)")
    parser.add_argument("--activation", choices=("relu", "sigmoid"), default="relu")
    parser.add_argument("--scaling", choices=SCALINGS, default="0..1", help="how pixels are written for the network")
    parser.add_argument("--poison", choices=("badnets", "blend"), help="plant a backdoor; needs --target")
    add_trigger(parser)
    parser.add_argument("--share", type=float, metavar="S", help="of the images that carry it (default: 0.1)")
    parser.add_argument("--epochs", type=int, metavar="N", help="passes over the images (default: by the model)")
    parser.add_argument("--rate", type=float, metavar="R", help="the highest learning rate (default: by the model)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the ONNX file; FILE.json is beside it")
    parser.add_argument("--force", action="store_true", help="replace what --out names")
    add_device(parser)


def run(arguments: Namespace) -> int:
    """Trains, writes both files, and prints the figures."""
    beside = arguments.out.with_suffix(".json")
    if beside == arguments.out:
        raise InputError("an ONNX file is written there", where=f"--out {arguments.out}", advice="end it in .onnx")
    for path in (arguments.out, beside):
        demand_free(path, arguments=arguments)
    _demand_sense(arguments)
    from engine.images.device import chosen_device
    from engine.images.trainer import train_classifier

    device, dataset = chosen_device(arguments.device), dataset_of(arguments)
    settings = _settings(arguments, dataset)
    files = [prepare(path, option="--out") for path in (arguments.out, beside)]
    with share_bar(f"training {arguments.model}") as say:
        trained = train_classifier(
            dataset, settings, device=device, report=lambda share, loss: say(share, f"loss {loss:.3f}")
        )
    _write(files, trained.classifier.data, json.dumps(_figures(arguments, dataset, settings, trained), indent=2) + "\n")
    answer(f"{plain(arguments.out)}: right on {trained.accuracy:.2%} of {len(dataset.held_out):,} held-out images")
    if trained.attack_success is not None:
        answer(f"its backdoor succeeds on {trained.attack_success:.2%} of those of other classes than its target")
    answer(f"{trained.seconds:.1f} s; all figures in {plain(beside)}")
    return DONE


def _demand_sense(arguments: Namespace) -> None:
    for option, value, low, high in (
        ("--share", arguments.share, 0.0, 1.0),
        ("--epochs", arguments.epochs, 0, 10_000),
        ("--rate", arguments.rate, 0.0, 10.0),
    ):
        if value is not None and not low < value < high:
            raise InputError("this is out of range", where=f"{option} {value}", advice=f"above {low:g}, below {high:g}")
    if not 0 <= arguments.seed < 2**63:
        raise InputError("a seed is a whole number from 0", where=f"--seed {arguments.seed}")
    if arguments.poison is None and (arguments.trigger or arguments.target is not None or arguments.share):
        raise InputError("there is no backdoor without --poison", where="--poison", advice="say badnets or blend")
    if arguments.poison and arguments.target is None:
        raise InputError("the class that it leads to is not said", where="--poison", advice="say --target CLASS")


def _settings(arguments: Namespace, dataset: "Dataset") -> "TrainSettings":
    from engine.images.imageset import Scaling
    from engine.images.trainer import TrainSettings

    return TrainSettings(
        model=arguments.model,
        activation=arguments.activation,
        backdoor=_backdoor(arguments, dataset),
        share=arguments.share or 0.1,
        seed=arguments.seed,
        scaling=Scaling(arguments.scaling),
        epochs=arguments.epochs,
        rate=arguments.rate,
    )


def _backdoor(arguments: Namespace, dataset: "Dataset") -> "Backdoor | None":
    from engine.images.poison import Backdoor
    from engine.images.trigger import read_trigger

    if arguments.poison is None:
        return None
    shape = dataset.train.shape
    usual = "blend:0.2" if arguments.poison == "blend" else f"square:{2 if min(shape[1:]) < SMALL else 4}@corner"
    backdoor = Backdoor(read_trigger(arguments.trigger or usual, shape), arguments.target)
    backdoor.demand_class(dataset.train.classes)
    return backdoor


def _figures(
    arguments: Namespace, dataset: "Dataset", settings: "TrainSettings", trained: "Trained"
) -> dict[str, object]:
    backdoor = settings.backdoor
    return {
        "file": arguments.out.name,
        "sha256": trained.classifier.sha256,
        "data": dataset.name,
        "training images": len(dataset.train),
        "held-out images": len(dataset.held_out),
        "model": settings.model,
        "activation": settings.activation,
        "scaling": settings.scaling.value,
        "poison": arguments.poison,
        "trigger": backdoor and backdoor.trigger.name,
        "target": backdoor and backdoor.target,
        "share": backdoor and settings.share,
        "seed": settings.seed,
        "epochs": trained.options.epochs,
        "rate": trained.options.rate,
        "batch": trained.options.batch,
        "held-out accuracy": trained.accuracy,
        "attack success": trained.attack_success,
        "seconds": round(trained.seconds, 2),
    }


def _write(files: list[Path], network: bytes, figures: str) -> None:
    """Both files, or neither."""
    try:
        write_bytes(files[0], network)
        write_text(files[1], figures)
    except BaseException as error:
        for file in files:
            file.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise unwritable(error, files[0]) from None
        raise
