"""Options that several commands of `acasxu images` have. Nothing heavy is imported here."""

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import InputError
from engine.files import demand_not_needed

if TYPE_CHECKING:
    from engine.images.classifier import Classifier
    from engine.images.datasets import Dataset
    from engine.images.imageset import ImageSet

SCALINGS = ("0..1", "0..255", "-1..1")
LAYOUTS = ("NCHW", "NHWC", "NHW", "flat")
#: options that name files to be read
READ = ("network", "original", "repaired", "data", "trigger", "poisoned", "failing")


def add_images(parser: ArgumentParser) -> None:
    """Adds --data."""
    parser.add_argument(
        "--data",
        default="digits",
        metavar="NAME_OR_PATH",
        help="digits, fashion-mnist, mnist-5k, or a file or folder of images (default: digits)",
    )
    parser.add_argument(
        "--white", type=float, metavar="V", help="the value of a white pixel, where a file's format does not say it"
    )


def add_network(parser: ArgumentParser) -> None:
    """Adds how images are written for a network that does not say it."""
    parser.add_argument(
        "--scaling",
        choices=SCALINGS,
        help="values of black and white pixels (default: as the file says); say --scaling=-1..1",
    )
    parser.add_argument("--layout", choices=LAYOUTS, help="order of its input's axes (default: from the input's shape)")


def add_trigger(parser: ArgumentParser) -> None:
    """Adds --trigger and --target."""
    parser.add_argument(
        "--trigger",
        metavar="TRIGGER",
        help="square:SIZE@corner, square:SIZE@ROW,COLUMN, blend:STRENGTH, or an .npz file with mask and pattern",
    )
    parser.add_argument("--target", type=int, metavar="CLASS", help="the class that images with the trigger get")


def add_device(parser: ArgumentParser) -> None:
    """Adds --device."""
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")


def dataset_of(arguments: Namespace) -> "Dataset":
    """The images that --data names."""
    from engine.images.datasets import load_dataset

    return load_dataset(arguments.data, white=arguments.white)


def classifier_of(arguments: Namespace, path: Path) -> "Classifier":
    """The classifier in a file, read as the options say."""
    from engine.images.classifier import load_classifier
    from engine.images.imageset import Scaling

    scaling = Scaling(arguments.scaling) if arguments.scaling else None
    return load_classifier(path, scaling=scaling, layout=arguments.layout)


def demand_free(path: Path, *, arguments: Namespace, option: str = "--out") -> None:
    """InputError where something is there already, without --force, or one of the files that the options name."""
    named = (getattr(arguments, name, None) for name in READ)
    demand_not_needed(path, option=option, given=[file for file in named if file and Path(file).exists()])
    if path.exists() and not arguments.force:
        raise InputError("this exists already", where=f"{option} {path}", advice="choose another name, or --force")


def warn_of_chance(classifier: "Classifier", images: "ImageSet") -> None:
    """Says on stderr that the accuracy is near chance, with the likely cause, where it is. InputError where they do
    not fit."""
    from engine.cli.output import note
    from engine.images.fit_check import chance_warning

    classifier.demand_fit(images)
    warning = chance_warning(classifier, images)
    if warning:
        note(f"acasxu: warning: {warning}; `acasxu images info` tries other readings")
