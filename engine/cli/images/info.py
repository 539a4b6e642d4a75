"""`acasxu images info`: what a classifier reads, its layers, and how well each scaling fits some images."""

import json
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from engine.cli.images.options import add_images, add_network, dataset_of
from engine.cli.output import DONE, answer, note, show
from engine.foreign import plain

if TYPE_CHECKING:
    from engine.images.classifier import Classifier
    from engine.images.fit_check import Reading
    from engine.images.imageset import Scaling

HELP = "say what a classifier reads, and how well each scaling fits the images"
USAGE = "acasxu images info NETWORK.onnx [--data NAME_OR_PATH] [options]"


def add(parser: ArgumentParser) -> None:
    """Adds the options."""
    parser.add_argument("network", type=Path, metavar="NETWORK.onnx")
    add_images(parser)
    parser.set_defaults(data=None)
    add_network(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: Namespace) -> int:
    """Prints shape, layers and scaling; with --data the accuracy under each reading, and a warning at chance."""
    from engine.images.classifier import classifier_of, parsed, stated_scaling
    from engine.images.fit_check import chance_warning, readings
    from engine.images.imageset import Scaling
    from engine.onnx_file import read_whole

    model = parsed(read_whole(arguments.network).data, str(arguments.network))
    stated = stated_scaling(model)
    scaling = Scaling(arguments.scaling) if arguments.scaling else stated
    classifier = classifier_of(
        model, name=arguments.network.name, scaling=scaling or Scaling.UNIT, layout=arguments.layout
    )
    found: tuple[Reading, ...] = ()
    warning = None
    if arguments.data is not None:
        images = dataset_of(arguments).held_out
        classifier.demand_fit(images)
        found = readings(classifier, images)
        warning = chance_warning(classifier, images)
    if arguments.json:
        answer(json.dumps(_content(classifier, stated, found, warning), indent=2))
    else:
        _print(arguments, classifier, stated, found)
    if warning:
        note(f"warning: {warning}")
    return DONE


def _content(
    classifier: "Classifier", stated: "Scaling | None", found: "tuple[Reading, ...]", warning: str | None
) -> dict[str, object]:
    return {
        "file": classifier.name,
        "shape": list(classifier.shape),
        "classes": classifier.classes,
        "layout": classifier.layout,
        "scaling": stated and stated.value,
        "layers": [
            dict(zip(("name", "kind", "neurons", "weights", "activation"), row, strict=True))
            for row in _layers(classifier)
        ],
        "readings": [{"scaling": one.scaling.value, "layout": one.layout, "accuracy": one.accuracy} for one in found],
        "warning": warning,
    }


def _print(
    arguments: Namespace, classifier: "Classifier", stated: "Scaling | None", found: "tuple[Reading, ...]"
) -> None:
    from rich.table import Table

    channels, height, width = classifier.shape
    answer(f"file      {plain(arguments.network)}")
    answer(f"reads     {channels} x {height} x {width} (channels, height, width), laid out {classifier.layout}")
    answer(f"classes   {classifier.classes}")
    answer(f"scaling   {stated.value if stated else 'not stated: say --scaling'}")
    layers = Table("layer", "kind", "neurons", "weights", "activation")
    for row in _layers(classifier):
        layers.add_row(*(f"{cell:,}" if isinstance(cell, int) else cell or "" for cell in row))
    show(layers)
    if found:
        table = Table(
            "scaling", "layout", "accuracy", title=f"on images of {plain(arguments.data)}", title_justify="left"
        )
        for one in found:
            table.add_row(one.scaling.value, one.layout, f"{one.accuracy:.1%}")
        show(table)


def _layers(classifier: "Classifier") -> list[tuple[str, str, int, int, str | None]]:
    """Of each layer: name, kind, neurons or channels, numbers to learn, activation."""
    from engine.images.layers import layers_of

    graph = classifier.graph()
    rows: list[tuple[str, str, int, int, str | None]] = []
    for layer in layers_of(graph):
        tensors = [graph.weights[name] for name in (layer.weight, layer.bias) if name is not None]
        neurons = tensors[0].shape[layer.axis]
        rows.append((layer.name, layer.kind, neurons, sum(t.numel() for t in tensors), layer.activation))
    return rows
