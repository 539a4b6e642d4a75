"""Makes the corpus of certificates of versions 4 to 6 and of kind "images": `python tests/make_cone_certificates.py`.

cone_certificates/networks           classifiers of drawn pictures: with a MaxPool; with averages (rounded); with
                                     Sigmoids; with branches that meet, so that a layer has some ReLUs only
cone_certificates/properties         questions that fix most pixels
cone_certificates/data               drawn pictures in IDX and CSV, and files that are none of these
cone_certificates/valid              the engine's
cone_certificates/tampered           made of these, signed again, but wrong
cone_certificates/malformed          made of these, but no certificates
cone_certificates/index.csv          what is to be said of each, and why
"""

import csv
from collections import namedtuple
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from fractions import Fraction
from hashlib import sha256
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from cone_certificate_changes import BROKEN, CHANGES
from cone_certificate_changes import PictureDraft as Draft
from mixture_certificate_changes import MIXTURE_BROKEN, MIXTURE_CHANGES, MixtureDraft
from onnx import helper, numpy_helper

from engine.cli import main as acasxu
from engine.onnx_file import parse_network

CORPUS = Path(__file__).parent / "cone_certificates"
SIDE, CLASSES, COUNT = 6, 3, 6

#: about: a question's file in properties/ or, of images, their file in data/; arguments: of the command line.
Valid = namedtuple("Valid", "network about arguments what")

VALID = {
    "patch": Valid("pooled", "patch.vnnlib", [], "a MaxPool; fixed inputs that are none of float64; splits"),
    "quarters": Valid("pooled", "quarters.vnnlib", [], "fixed inputs that are float64 numbers"),
    "two_cases": Valid("pooled", "two_cases.vnnlib", [], "two cases with other free inputs"),
    "averaged": Valid("averaged", "patch_averaged.vnnlib", [], "a rounded network"),
    "label": Valid("pooled", "drawn-images-idx3-ubyte", ["--patch", "2x6@all"], "images in IDX, all positions"),
    "not_class": Valid(
        "pooled",
        "drawn-images-idx3-ubyte",
        ["--patch", "1x2@0,4", "--contents", "any", "--target", "1"],
        "no image gets class 1; any contents",
    ),
    "csv": Valid(
        "averaged",
        "drawn.csv",
        ["--patch", "3x3@2,2", "--scaling=-1..1", "--target", "1"],
        "images in CSV, from -1 to 1",
    ),
    "whole": Valid(
        "pooled", "drawn-images-idx3-ubyte", ["--patch", "6x6@0,0", "--target", "2"], "the whole image; splits"
    ),
    "curved": Valid("curved", "patch_curved.vnnlib", [], "Sigmoids"),
    "curved_images": Valid(
        "curved", "drawn-images-idx3-ubyte", ["--patch", "2x3@1,2", "--target", "2"], "images, and Sigmoids"
    ),
    "branched": Valid("branched", "patch_branched.vnnlib", [], "some ReLUs of a layer"),
    "branched_images": Valid(
        "branched", "drawn-images-idx3-ubyte", ["--patch", "2x3@1,2", "--target", "2"], "images, some ReLUs of a layer"
    ),
    "bytes": Valid(
        "pooled_bytes",
        "drawn-images-idx3-ubyte",
        ["--patch", "2x2@2,2", "--scaling", "0..255", "--target", "0"],
        "from 0 to 255",
    ),
}
#: of version 6
MIXTURES = {
    "blend": Valid(
        "pooled", "drawn-images-idx3-ubyte", ["--contents", "blend:0.9", "--target", "0"], "a picture; splits"
    ),
    "lit": Valid(
        "averaged", "drawn-images-idx3-ubyte", ["--contents", "brightness:0.05"], "brightness; a rounded network"
    ),
    "dimmed": Valid(
        "pooled_bytes",
        "drawn-images-idx3-ubyte",
        ["--contents", "contrast:0.25", "--scaling", "0..255", "--target", "0"],
        "contrast; from 0 to 255",
    ),
    "mixed": Valid(
        "branched",
        "drawn.csv",
        ["--contents", "blend:0.1,brightness:0.02,contrast:0.05", "--scaling=-1..1"],
        "three numbers; from -1 to 1, some ReLUs of a layer",
    ),
}
VALID |= MIXTURES
ALL_CHANGES, ALL_BROKEN = CHANGES + MIXTURE_CHANGES, BROKEN + MIXTURE_BROKEN
DEFAULTS = ["--contents", "box:0.15", "--scaling", "0..1"]  # later ones replace these


# --- what they are about --------------------------------------------------------------------------


def networks() -> dict[str, bytes]:
    """name -> ONNX file."""
    squares = {"kernel_shape": [2, 2], "strides": [2, 2]}
    lines = {"kernel_shape": [3, 2], "strides": [3, 2]}
    return {
        "pooled": classifier(3, helper.make_node("MaxPool", ["r"], ["p"], **squares), 18),
        "averaged": classifier(5, helper.make_node("AveragePool", ["r"], ["p"], **lines), 12),
        "pooled_bytes": classifier(3, helper.make_node("MaxPool", ["r"], ["p"], **squares), 18, scale=1 / 256),
        "curved": classifier(6, helper.make_node("AveragePool", ["r"], ["p"], **squares), 18, act="Sigmoid"),
        "branched": classifier(7, helper.make_node("Add", ["r", "c"], ["p"]), 72),
    }


def classifier(seed: int, pool, size: int, *, scale: float = 1.0, act: str = "Relu") -> bytes:
    """Two channels, of which the node `pool` makes `size` numbers; five neurons; the outputs."""
    random = np.random.default_rng(seed)

    def made(name: str, *shape: int, factor: float = 1.0):
        weights = random.normal(size=shape) / np.sqrt(np.prod(shape[1:])) * factor
        return numpy_helper.from_array(weights.astype(np.float32), name)

    nodes = [
        helper.make_node("Conv", ["x", "k", "b"], ["c"], pads=[1, 1, 1, 1]),
        helper.make_node(act, ["c"], ["r"]),
        pool,
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("Gemm", ["f", "W", "d"], ["g"], transB=1),
        helper.make_node(act, ["g"], ["h"]),
        helper.make_node("Gemm", ["h", "V", "e"], ["y"], transB=1),
    ]
    constants = [
        made("k", 2, 1, 3, 3, factor=3 * scale),
        made("b", 2, factor=0.1),
        made("W", 5, size, factor=2),
        made("d", 5, factor=0.1),
        made("V", CLASSES, 5),
        made("e", CLASSES, factor=0.1),
    ]
    ends = [helper.make_tensor_value_info(*of) for of in (("x", 1, [1, 1, SIDE, SIDE]), ("y", 1, [1, CLASSES]))]
    graph = helper.make_graph(nodes, "drawn", ends[:1], ends[1:], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()


def pictures() -> tuple[np.ndarray, np.ndarray]:
    """Drawn ones, some of each class; labels are what the network says, but of the last one."""
    random, network = np.random.default_rng(0), parse_network(networks()["pooled"])
    drawn = random.integers(0, 256, (400, SIDE, SIDE)) * (random.random((400, SIDE, SIDE)) < random.random((400, 1, 1)))
    said = network.evaluate(drawn.reshape(400, -1) / 255).argmax(1)
    chosen = np.concatenate([np.flatnonzero(said == c)[:2] for c in range(CLASSES)])
    labels = said[chosen]
    labels[-1] = (labels[-1] + 1) % CLASSES
    return drawn[chosen].astype(np.uint8), labels.astype(np.uint8)


def idx(array: np.ndarray) -> bytes:
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes()


def data() -> dict[str, bytes]:
    """name -> file."""
    images, labels = pictures()
    lines = [",".join(map(str, [*image.ravel(), label])) for image, label in zip(images, labels, strict=True)]
    files = {"drawn.csv": ("\n".join(lines) + "\n").encode()}
    for name, whole in (("drawn", idx(images)), ("short", idx(images)[:-1]), ("longer", idx(images) + b"\0")):
        files |= {f"{name}-images-idx3-ubyte": whole, f"{name}-labels-idx1-ubyte": idx(labels)}
    files |= {"other-images-idx3-ubyte": idx(255 - images), "other-labels-idx1-ubyte": idx(labels)}
    files |= {"fewer-images-idx3-ubyte": idx(images), "fewer-labels-idx1-ubyte": idx(labels[1:])}
    return files | {"ragged.csv": b"1,2,3,4,0\n1,2,0\n", "spaces.csv": b"1,2,3, 4,0\n", "large.csv": b"1,2,3,256,0\n"}


def properties() -> dict[str, str]:
    """name -> VNN-LIB text: pixels have three decimals, or are quarters."""
    image = pictures()[0][0].ravel() / 255
    thirds, quarters = ([Fraction(round(v * n), n) for v in image] for n in (1000, 4))
    patch = dict.fromkeys((14, 15, 20, 21), (0, 1))
    other = dict.fromkeys((3, 28), (0, 1))
    return {
        "patch.vnnlib": question("pooled", [(thirds, patch)]),
        "quarters.vnnlib": question("pooled", [(quarters, patch)]),
        "two_cases.vnnlib": question("pooled", [(thirds, other), (quarters, patch)]),
        "patch_averaged.vnnlib": question("averaged", [(thirds, patch)]),
        "patch_curved.vnnlib": question("curved", [(thirds, patch)]),
        "patch_branched.vnnlib": question("branched", [(thirds, patch)]),
        "all_fixed.vnnlib": question("pooled", [(quarters, {})]),
    }


def question(name: str, parts) -> str:
    return question_about(networks()[name], parts)


def question_about(data: bytes, parts) -> str:
    """Whether a class, the first one's, stays above the others by nearly what it does in samples."""
    network, boxes = parse_network(data), []
    for image, free in parts:
        low, high = (np.array([float(free.get(i, (v, v))[side]) for i, v in enumerate(image)]) for side in (0, 1))
        places = np.random.default_rng(0).random((20_000, SIDE**2))
        places[::2] = places[::2].round()
        outputs = network.evaluate(low + places * (high - low))
        best = int(outputs[0].argmax())
        ends = [free.get(i, (v, v)) for i, v in enumerate(image)]
        box = [f"(>= X_{i} {decimal(p)}) (<= X_{i} {decimal(q)})" for i, (p, q) in enumerate(ends)]
        rows = []
        for other in set(range(CLASSES)) - {best}:
            gap = Fraction(int(np.floor((outputs[:, best] - outputs[:, other]).min() * 100) - 45), 100)
            rows.append(f"(and (<= Y_{best} (+ Y_{other} {decimal(gap)})))")
        boxes.append(f"(and {' '.join(box)} (or {' '.join(rows)}))")
    names = [f"X_{i}" for i in range(SIDE**2)] + [f"Y_{c}" for c in range(CLASSES)]
    declared = "".join(f"(declare-const {name} Real)\n" for name in names)
    return f"{declared}(assert (or {' '.join(boxes)}))\n"


def decimal(value) -> str:
    return f"{float(value):.4f}"


# --- certificates ---------------------------------------------------------------------------------


@dataclass
class Files:
    """Where the parts of one entry are."""

    network: Path
    about: Path

    @classmethod
    def of(cls, network: str, about: str) -> "Files":
        folder = "properties" if about.endswith(".vnnlib") else "data"
        return cls(CORPUS / "networks" / f"{network}.onnx", CORPUS / folder / about)

    @property
    def labels(self) -> Path:
        """Of images."""
        return self.about.with_name(self.about.name.replace("images-idx3", "labels-idx1"))

    @property
    def is_images(self) -> bool:
        return self.about.parent.name == "data"


def searched(valid: Valid, folder: Path) -> bytes:
    """The engine's certificate, by the command line."""
    files = Files.of(valid.network, valid.about)
    common = ["--device", "cpu", "--threads", "1"]
    with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
        if files.is_images:
            asked = ["--data", str(files.about), "--part", "all", *DEFAULTS, *valid.arguments]
            acasxu(["images", "certify", str(files.network), *asked, "--certificates", str(folder), *common])
            return (folder / "images.proof.zip").read_bytes()
        proof = folder / "proof.zip"
        acasxu(["verify", str(files.network), str(files.about), "--certificate", str(proof), *common])
        return proof.read_bytes()


def signed(draft: Draft, files: Files) -> Draft:
    """The same, about these files."""
    draft.manifest["network"]["sha256"] = digest(files.network)
    if files.is_images:
        draft.manifest["data"] |= {"images": digest(files.about), "labels": digest(files.labels)}
    else:
        draft.manifest["property"]["sha256"] = digest(files.about)
    return draft


def digest(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()


def changed():
    """file, network, about, expected, what, bytes"""
    for folder, expected, changes in (("tampered", "rejected", ALL_CHANGES), ("malformed", "malformed", ALL_BROKEN)):
        for change in changes:
            base, kind = VALID[change.base], MixtureDraft if change.base in MIXTURES else Draft
            draft = kind.read((CORPUS / "valid" / f"{change.base}.zip").read_bytes())
            change.make(draft)
            network, about = change.network or base.network, change.about or base.about
            content = (signed(draft, Files.of(network, about)) if change.is_signed else draft).bytes()
            yield f"{folder}/{change.name}.zip", network, about, expected, change.what, content


def main() -> None:
    for folder, files in (("networks", networks()), ("data", data()), ("properties", properties())):
        (CORPUS / folder).mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            path = CORPUS / folder / (f"{name}.onnx" if folder == "networks" else name)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
    for folder in ("valid", "tampered", "malformed"):
        (CORPUS / folder).mkdir(exist_ok=True)
    index = []
    for name, valid in VALID.items():
        with TemporaryDirectory() as scratch:
            (CORPUS / "valid" / f"{name}.zip").write_bytes(searched(valid, Path(scratch)))
        index.append((f"valid/{name}.zip", valid.network, valid.about, "accepted", valid.what))
    for *entry, content in changed():
        (CORPUS / entry[0]).write_bytes(content)
        index.append(tuple(entry))
    with (CORPUS / "index.csv").open("w", newline="") as file:
        columns = ("file", "network", "about", "expected", "what")
        csv.writer(file, lineterminator="\n").writerows([columns, *sorted(index)])


if __name__ == "__main__":
    main()
