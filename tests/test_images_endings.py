"""Classifiers that end in a Softmax: images are proved and refuted as without it."""

import json

import numpy as np
import pytest
from image_models import halves, linear_backdoor
from onnx import helper, load_model_from_string
from test_images_data import idx

from engine.cli import main


def files(folder, ending: str):
    """The network whose corner pixel makes class 1, with this ending, and its images."""
    model = load_model_from_string(linear_backdoor().data)
    if ending:
        (output,) = model.graph.output
        model.graph.node.append(helper.make_node(ending, [output.name], ["shares"], axis=1))
        output.name = "shares"
    (folder / "n.onnx").write_bytes(model.SerializeToString())
    images = halves(60)
    (folder / "a-images-idx3-ubyte").write_bytes(idx((images.images[:, 0] * 255).round().astype(np.uint8)))
    (folder / "a-labels-idx1-ubyte").write_bytes(idx(images.labels.astype(np.uint8)))
    return folder


def certified(folder, *options) -> tuple[int, dict]:
    """The exit code, and what the folder says of each image."""
    data = ("--data", str(folder / "a-images-idx3-ubyte"))
    run = ["--threads", "1", "--device", "cpu", "--certificates", str(folder / "out"), "--force"]
    code = main(["images", "certify", str(folder / "n.onnx"), *data, *run, *map(str, options)])
    return code, json.loads((folder / "out" / "images.json").read_text())


@pytest.mark.parametrize(
    "options",
    [("--patch", "1x1@7,7", "--target", 1), ("--patch", "1x1@7,7", "--target", 0), ("--patch", "2x2@0,6")],
    ids=["refuted", "proved", "labels"],
)
def test_images_are_decided_as_without_it(tmp_path, capsys, options):
    found = {}
    for ending in ("", "Softmax", "LogSoftmax"):
        folder = tmp_path / (ending or "none")
        folder.mkdir()
        code, record = certified(files(folder, ending), *options)
        found[ending] = code, [(image["image"], image["state"]) for image in record["images"]]
        proof = folder / "out" / "images.proof.zip"
        if not proof.exists():
            continue
        capsys.readouterr()
        told = ["--network", str(folder / "n.onnx"), "--data", str(folder / "a-images-idx3-ubyte")]
        for arithmetic in ("float64", "exact"):
            assert main(["check", str(proof), *told, "--arithmetic", arithmetic]) == 0
            assert "accepted: images.proof.zip" in capsys.readouterr().out
    assert found["Softmax"] == found["LogSoftmax"] == found[""]
