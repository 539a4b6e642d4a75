"""`acasxu images scan`: what it shows, writes, and returns."""

import json

import numpy as np
import pytest
from test_images_scan import BACK, TARGET, counting

from engine.cli import main
from engine.images.trigger import Trigger, trigger_bytes


@pytest.fixture
def files(tmp_path):
    """Networks with and without a backdoor, and images, in a folder."""
    bad, images = counting(BACK)
    (tmp_path / "bad.onnx").write_bytes(bad.data)
    (tmp_path / "good.onnx").write_bytes(counting()[0].data)
    np.savez(tmp_path / "images.npz", images=np.repeat(images.images, 10, 0), labels=np.repeat(images.labels, 10))
    return tmp_path


def scan(files, network, *options):
    return main(["images", "scan", str(files / network), "--data", str(files / "images.npz"), "--white", "1", *options])


def test_exit_codes_say_whether_a_class_is_flagged(files, capsys):
    assert scan(files, "bad.onnx") == 1
    out = capsys.readouterr().out
    assert f"class {TARGET} has a trigger far smaller" in out and "flagged" in out
    assert scan(files, "good.onnx") == 0
    assert "No backdoor was found" in capsys.readouterr().out


def test_files_are_written_once(files, capsys):
    out = files / "out"
    trigger = files / "true.npz"
    bad, images = counting(BACK)
    mask = np.zeros(images.shape, np.float32)
    mask[0, -1, -1] = 1
    trigger.write_bytes(trigger_bytes(Trigger(mask, mask)))
    options = ("--out", str(out), "--trigger", str(trigger), "--target", str(TARGET), "--starts", "1")
    assert scan(files, "bad.onnx", *options) == 1
    text = capsys.readouterr().out
    assert "intersection over union" in text and "of the true one 100.0%" in text
    assert json.loads((out / "scan.json").read_text())["flagged"] == [TARGET]
    assert scan(files, "bad.onnx", *options) == 2
    assert "exists already" in capsys.readouterr().err
    assert scan(files, "bad.onnx", *options, "--force") == 1


@pytest.mark.parametrize("name", ["bad.onnx", "images.npz"])
def test_what_is_read_is_not_replaced(files, name, capsys):
    """Not even by --force: neither the network nor the images."""
    before = (files / name).read_bytes()
    arguments = ("repair", str(files / "bad.onnx"), "--data", str(files / "images.npz"), "--white", "1", "--scan")
    assert main(["images", *arguments, "--out", str(files / name), "--force"]) == 2
    assert "this file is needed itself, and would be replaced" in capsys.readouterr().err
    assert (files / name).read_bytes() == before


@pytest.mark.parametrize(
    ("options", "what"),
    [
        (("--target", "1"), "go together"),
        (("--trigger", "square:1@corner", "--target", "9"), "no class 9"),
        (("--trigger", "circle", "--target", "1"), "no trigger"),
        (("--starts", "0"), "starts is 0"),
        (("--suspicious", "nowhere.npz"), "nowhere.npz"),
    ],
)
def test_bad_input_is_one_line(files, capsys, options, what):
    assert scan(files, "bad.onnx", *options) == 2
    error = capsys.readouterr().err
    assert what in error and error.count("\n") == 1


def test_accuracy_at_chance_is_warned_of(files, capsys):
    scan(files, "good.onnx", "--scaling", "0..1", "--steps", "5")
    assert "chance is" not in capsys.readouterr().err
    data = np.load(files / "images.npz")
    np.savez(files / "images.npz", images=data["images"], labels=(data["labels"] + 1) % 6)
    scan(files, "good.onnx", "--steps", "5")
    assert "chance is" in capsys.readouterr().err


def test_the_help_tells_the_exit_codes(capsys):
    assert main(["images", "scan", "--help"]) == 0
    assert "1 a class is flagged" in capsys.readouterr().out
