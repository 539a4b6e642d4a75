"""Certificates of version 6: the engine's, about networks and images at random; and by hand, of one pixel."""

from dataclasses import dataclass
from fractions import Fraction
from hashlib import sha256
from pathlib import Path

import numpy as np
from make_cone_certificates import idx
from mixture_certificate_changes import NUMBERS as NAMES
from mixture_certificate_changes import MixtureDraft
from onnx_graphs import f32, model, node

from engine.cli import main as acasxu
from engine.onnx_file import parse_network

SIDE, CLASSES, COUNT = 4, 3, 4
CONTENTS = [
    "blend:{}",
    "brightness:{},contrast:1/10",
    "blend:{},brightness:1/20",
    "blend:{},brightness:.02,contrast:.05",
]
AMOUNTS = ["0.9", "0.35", "0.5", "0.3"]
SCALINGS = {"0..1": (0, 1), "0..255": (0, 255), "-1..1": (-1, 1)}
MIXED = [node("Relu", "a", "r"), node("Gemm", "h k c", "s"), node("Concat", "r s", "y", axis=1)]
ENDS = {
    "plain": [node("Gemm", "h v e", "y")],
    "branch": [node("Gemm", "h u", "g"), node("Relu", "g", "r"), node("Sub", "r h", "t"), node("Gemm", "t v e", "y")],
    "mean": [node("ReduceMean", "h axis", "m", keepdims=1), node("Sub", "h m", "t"), node("Gemm", "t v e", "y")],
    "mixed": [node("Gemm", "h v e", "a"), *MIXED],
}


@dataclass(frozen=True)
class Mixed:
    """The files of a certificate."""

    network: Path
    about: Path
    labels: Path
    is_images = True


def scores(kind: str, random: np.random.Generator, factor: float) -> bytes:
    """A network of six and perhaps more neurons, whose inputs are times this factor."""
    draw = lambda *shape: (random.integers(-8, 9, shape) / 8).astype(np.float32)
    nodes = [node("Flatten", "x", "f"), node("Gemm", "f w b", "z"), node("Relu", "z", "h"), *ENDS[kind]]
    constants = {"w": draw(SIDE**2, 6) * np.float32(factor), "b": draw(6), "u": draw(6, 6), "v": draw(6, CLASSES)}
    constants |= {"e": draw(CLASSES), "axis": np.array([1])}
    if kind == "mixed":
        constants |= {"v": draw(6, 2), "e": np.abs(draw(2)), "k": draw(6, 1), "c": draw(1)}
    return model(nodes, constants, shape=(1, 1, SIDE, SIDE), opset=18).SerializeToString()


def made(folder: Path, seed: int) -> tuple[MixtureDraft, Mixed]:
    """What the engine writes about random images, labelled as the network says, but the last."""
    random, kind = np.random.default_rng(seed), list(ENDS)[seed % 4]
    scaling = list(SCALINGS)[seed // 4 % 3]
    low, high = SCALINGS[scaling]
    data = scores(kind, random, 1 / 256 if high == 255 else 1)
    files = Mixed(*(folder / name for name in ("n.onnx", "images-idx3-ubyte", "labels-idx1-ubyte")))
    pixels = random.integers(0, 256, (COUNT, SIDE, SIDE), dtype=np.uint8)
    values = low + (high - low) * (pixels.reshape(COUNT, -1) / 255)
    labels = parse_network(data).evaluate(values).argmax(1).astype(np.uint8)
    labels[-1] = (labels[-1] + 1) % CLASSES
    for path, content in zip((files.network, files.about, files.labels), (data, idx(pixels), idx(labels)), strict=True):
        path.write_bytes(content)
    which = seed // 2 % 4
    asked = ["--contents", CONTENTS[which].format(AMOUNTS[which]), "--scaling=" + scaling, "--part", "all"]
    target = ["--target", str((labels[0] + 1) % CLASSES)] if seed % 3 else []
    where = ["--data", str(files.about), "--certificates", str(folder / "out"), "--force"]
    acasxu(["images", "certify", str(files.network), *where, *asked, *target, "--device", "cpu", "--threads", "1"])
    return MixtureDraft.read((folder / "out" / "images.proof.zip").read_bytes()), files


# --- samples --------------------------------------------------------------------------------------


def check_sampled(files: Mixed, draft: MixtureDraft) -> None:
    """No number of many is clearly one at which an accepted certificate is wrong."""
    manifest, network = draft.manifest, parse_network(files.network.read_bytes())
    pixels, labels = np.frombuffer(files.about.read_bytes()[16:], np.uint8), files.labels.read_bytes()[8:]
    low, high = SCALINGS[manifest["input"]["scaling"]]
    images = low + (high - low) * (pixels.reshape(len(labels), -1) / 255)
    number = lambda text: float(Fraction(text))
    for i in manifest["cases"]:
        own, label = images[manifest["images"][i]], labels[manifest["images"][i]]
        columns = []
        if (blend := manifest["contents"]["blend"]) is not None:
            columns.append((0, number(blend["most"]), np.array(list(map(number, blend["pattern"]))) - own))
        for name, column in (("brightness", 1), ("contrast", own - low)):
            if (most := manifest["contents"][name]) is not None:
                columns.append((-number(most), number(most), column))
        places = np.random.default_rng(0).random((200, len(columns)))
        places[::2] = places[::2].round()
        points = own + sum((p + (q - p) * at)[:, None] * c for at, (p, q, c) in zip(places.T, columns, strict=True))
        values = network.evaluate(points)
        claim = manifest["claim"]
        if claim == "label":
            gaps = values[:, [label]] - np.delete(values, label, 1)
            assert gaps.min() > -1e-4
        else:
            gaps = np.delete(values, claim["not"], 1) - values[:, [claim["not"]]]
            assert gaps.max(1).min() > -1e-4


# --- one pixel ------------------------------------------------------------------------------------


def one_pixel(folder: Path, byte: int, nodes: list, constants: dict, *, output: str = "y") -> Mixed:
    """An image of one pixel, labelled 0, and a network that ends in two scores."""
    files = Mixed(*(folder / name for name in ("n.onnx", "images", "labels")))
    files.network.write_bytes(model(nodes, constants, shape=(1, 1), output=output).SerializeToString())
    files.about.write_bytes(idx(np.array([[[byte]]], np.uint8)))
    files.labels.write_bytes(idx(np.array([0], np.uint8)))
    return files


def linear(weight: list[float], bias: list[float]) -> tuple[list, dict]:
    """Two scores."""
    return [node("Gemm", "x w b", "y")], {"w": f32(weight), "b": f32(*bias)}


def draft(files: Mixed, *roots, scaling="0..1", claim="label", **contents) -> MixtureDraft:
    """A certificate of version 6 by hand, about the only image."""
    sums = [sha256(path.read_bytes()).hexdigest() for path in (files.network, files.about, files.labels)]
    manifest = {
        "format": "acasxu-certificate",
        "version": 6,
        "kind": "images",
        "semantics": "real",
        "network": {"name": "", "sha256": sums[0]},
        "engine": {"name": "by hand", "version": "1", "options": {}},
        "data": {"name": "", "images": sums[1], "labels": sums[2]},
        "claim": claim,
        "input": {"layout": "flat", "scaling": scaling},
        "contents": {name: contents.get(name) for name in NAMES},
        "images": [0],
        "cases": [0],
    }
    return MixtureDraft(manifest, list(roots))
