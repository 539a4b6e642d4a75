"""An ONNX classifier of images: how images are written for it, its scores, and its file with other weights."""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from onnx import ModelProto, TensorProto, load_model_from_string, numpy_helper
from torch import Tensor

from engine.errors import InputError
from engine.images.foreign import graph_of
from engine.images.graph import Graph
from engine.images.imageset import Floats, ImageSet, Integers, Scaling
from engine.images.scores import input_of
from engine.onnx_file import read_whole
from engine.onnx_file.provenance import mark

Layout = Literal["NCHW", "NHWC", "NHW", "flat"]
SCALING_KEY = "acasxu.images.scaling"  # of the file's metadata
BATCH = 256  # images at a time, of small ones
PIXELS = 2**20  # at a time, of large ones: a wide layer keeps 64 numbers for each
COLOURS = (1, 3)  # channels of an image


@dataclass(frozen=True, slots=True, eq=False)
class Classifier:
    """A network that reads an image and scores each class; the highest score is its class.

    data: the ONNX file; layout: how an image [channels, height, width] is laid out for it; scaling: how a pixel is
    written for it.
    """

    data: bytes
    name: str
    shape: tuple[int, int, int]
    classes: int
    layout: Layout
    scaling: Scaling

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()

    def model(self) -> ModelProto:
        """The parsed ONNX file, new at each call."""
        return load_model_from_string(self.data)

    def graph(self, *, device: torch.device | str = "cpu") -> Graph:
        """Its torch module, new at each call: what is learned in one stays there."""
        return graph_of(self.model(), where=self.name).to(device)

    def inputs(self, images: Tensor) -> Tensor:
        """Images [n, channels, height, width] in [0, 1] as the network reads them."""
        low, high = self.scaling.ends
        x = images * (high - low) + low if (low, high) != (0.0, 1.0) else images
        if self.layout == "flat":
            return x.flatten(1)
        if self.layout == "NHW":
            return x.squeeze(1)
        return x.permute(0, 2, 3, 1) if self.layout == "NHWC" else x

    @property
    def batch(self) -> int:
        """How many images are executed at a time."""
        return max(1, min(BATCH, PIXELS // math.prod(self.shape)))

    @torch.no_grad()
    def scores(self, images: Floats, *, graph: Graph | None = None) -> Floats:
        """The scores of each class: float32 [n, classes]. graph: with the weights in it, instead of the file's."""
        graph = graph or self.graph()
        found = [
            graph(self.inputs(torch.from_numpy(images[i : i + self.batch]).to(graph.device))).float().cpu().numpy()
            for i in range(0, len(images), self.batch)
        ]
        return np.concatenate(found) if found else np.zeros((0, self.classes), np.float32)

    def predict(self, images: Floats, *, graph: Graph | None = None) -> Integers:
        """The class of each image: int64 [n]."""
        found: Integers = self.scores(images, graph=graph).argmax(1).astype(np.int64)
        return found

    def with_weights(self, weights: Mapping[str, Tensor | np.ndarray]) -> "Classifier":
        """The same file with other numbers in these tensors: names, shapes and types stay."""
        model = load_model_from_string(self.data)
        for tensor in model.graph.initializer:
            if tensor.name in weights:
                _write(tensor, weights[tensor.name])
        mark(model, self.data)
        return replace(self, data=model.SerializeToString())

    def demand_fit(self, images: ImageSet) -> None:
        """InputError where the images have another shape or more classes than the network."""
        if images.shape != self.shape:
            raise InputError(
                f"its images are {list(images.shape)}, the network reads {list(self.shape)}",
                where=images.name,
                advice="choose images made for this network",
            )
        if images.classes > self.classes:
            raise InputError(
                f"it has {images.classes} classes, the network {self.classes}",
                where=images.name,
                advice="choose others",
            )


def _write(tensor: TensorProto, value: Tensor | np.ndarray) -> None:
    """Puts numbers into a float tensor of an ONNX model, whatever field held them."""
    old = numpy_helper.to_array(tensor)
    array = value.detach().cpu().numpy() if isinstance(value, Tensor) else value
    assert array.shape == old.shape
    fresh = numpy_helper.from_array(np.ascontiguousarray(array, old.dtype), tensor.name)
    fresh.doc_string = tensor.doc_string
    tensor.CopyFrom(fresh)


def load_classifier(
    path: str | PathLike[str], *, scaling: Scaling | None = None, layout: Layout | None = None
) -> Classifier:
    """The classifier in an ONNX file.

    scaling and layout are read from the file where they are None. InputError where it does not say them: how pixels
    are written is never guessed.
    """
    where, data = str(path), read_whole(path).data
    model = parsed(data, where)
    scaling = scaling or stated_scaling(model)
    if scaling is None:
        raise InputError(
            "the file does not say how pixels are written for it",
            where=where,
            advice="say --scaling 0..1, 0..255 or -1..1; `acasxu images info` tries each on your data",
        )
    return classifier_of(model, name=Path(path).name, scaling=scaling, layout=layout)


def classifier_of(model: ModelProto, *, name: str, scaling: Scaling, layout: Layout | None = None) -> Classifier:
    """The classifier of a model in memory; its file says the scaling from now on."""
    _state_scaling(model, scaling)
    sizes = input_sizes(model, name)
    layout = layout or _layout(sizes, name)
    trial = Classifier(model.SerializeToString(), name, _shape(sizes, layout, name), 1, layout, scaling)
    return replace(trial, classes=trial.scores(np.zeros((1, *trial.shape), np.float32)).shape[1])


def input_sizes(model: ModelProto, where: str) -> list[int]:
    """The sizes of its input's axes after the batch's, 0 where the file does not say one."""
    name = input_of(model, where)
    (value,) = (value for value in model.graph.input if value.name == name)
    sizes = [d.dim_value for d in value.type.tensor_type.shape.dim][1:]
    if not sizes:
        raise InputError("its input is no batch of images", where=where, advice="export it with an input [n, ...]")
    return sizes


def parsed(data: bytes, where: str) -> ModelProto:
    """The model in an ONNX file; InputError where it is none."""
    try:
        return load_model_from_string(data)
    except Exception as error:
        raise InputError(f"this is no ONNX file ({type(error).__name__})", where=where) from None


def stated_scaling(model: ModelProto) -> Scaling | None:
    """How pixels are written, as the file's metadata says."""
    found = {entry.value for entry in model.metadata_props if entry.key == SCALING_KEY}
    return next((scaling for scaling in Scaling if found == {scaling.value}), None)


def _state_scaling(model: ModelProto, scaling: Scaling) -> None:
    if stated_scaling(model) is not scaling:
        for entry in [entry for entry in model.metadata_props if entry.key == SCALING_KEY]:
            model.metadata_props.remove(entry)
        model.metadata_props.add(key=SCALING_KEY, value=scaling.value)


def _layout(sizes: list[int], where: str) -> Layout:
    """From the input's shape, where it leaves no doubt."""
    if len(sizes) in (1, 2):
        return "flat" if len(sizes) == 1 else "NHW"
    if len(sizes) == 3 and (sizes[0] in COLOURS) != (sizes[2] in COLOURS):
        return "NCHW" if sizes[0] in COLOURS else "NHWC"
    raise InputError(f"how an image becomes an input of shape {sizes} is not clear", where=where, advice="say --layout")


def _shape(sizes: list[int], layout: Layout, where: str) -> tuple[int, int, int]:
    """Channels, height and width."""
    if min(sizes) < 1:
        raise InputError(
            "it does not say the shape of its input",
            where=where,
            advice="export it with numbers for all axes but the batch's",
        )
    if len(sizes) != {"flat": 1, "NHW": 2}.get(layout, 3):
        raise InputError(
            f"its input of shape {sizes} is not {layout}", where=where, advice="say another --layout, or none"
        )
    if layout == "NHW":
        return 1, sizes[0], sizes[1]
    if layout == "flat":
        side = math.isqrt(sizes[0])
        if side * side != sizes[0]:
            raise InputError(
                f"{sizes[0]} inputs are no square grey image",
                where=where,
                advice="export it with an input [n, channels, height, width]",
            )
        return 1, side, side
    c, h, w = sizes if layout == "NCHW" else (sizes[2], *sizes[:2])
    return c, h, w
