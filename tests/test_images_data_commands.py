"""`acasxu images train`, `attack` and `info`, on a set of some hundred hand-made images."""

import json

import numpy as np
import pytest

from engine.cli import main
from engine.images.formats.npz import npz_bytes
from engine.images.imageset import ImageSet
from engine.images.readers import read_images


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Four classes: which quarter of an 8 x 8 image is bright."""
    random, count = np.random.default_rng(0), 200
    images, labels = random.uniform(0, 0.4, (count, 1, 8, 8)).astype(np.float32), np.arange(count) % 4
    for image, label in zip(images, labels, strict=True):
        image[0, 4 * (label // 2) :][:4, 4 * (label % 2) :][:, :4] += 0.4
    path = tmp_path_factory.mktemp("data") / "quarters.npz"
    path.write_bytes(npz_bytes(ImageSet(images, labels.astype(np.int64), 4)))
    return str(path)


@pytest.fixture(scope="module")
def network(data, tmp_path_factory):
    """A network with a backdoor, and its JSON beside it."""
    path = tmp_path_factory.mktemp("network") / "n.onnx"
    options = [
        "--model",
        "mlp",
        "--poison",
        "badnets",
        "--target",
        "1",
        "--trigger",
        "square:2@0,0",
        "--epochs",
        "20",
        "--share",
        "0.3",
    ]
    assert main(["images", "train", "--data", data, *options, "--scaling", "0..255", "--out", str(path)]) == 0
    return path


def test_train_writes_a_network_and_its_figures(network, data):
    figures = json.loads(network.with_suffix(".json").read_text())
    assert figures["held-out accuracy"] >= 0.95 and figures["attack success"] >= 0.9
    assert figures["trigger"] == "square:2@0,0" and figures["target"] == 1 and figures["share"] == 0.3
    assert (figures["training images"], figures["held-out images"], figures["scaling"]) == (160, 40, "0..255")


def test_the_same_seed_gives_the_same_bytes(data, tmp_path):
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        options = ["--model", "cnn", "--epochs", "1", "--seed", str(seed), "--out", str(tmp_path / f"{name}.onnx")]
        assert main(["images", "train", "--data", data, *options]) == 0
    a, b, c = ((tmp_path / f"{name}.onnx").read_bytes() for name in "abc")
    assert a == b != c
    assert json.loads((tmp_path / "a.json").read_text())["attack success"] is None


def fails(capsys, match, *arguments, code=2):
    assert main(["images", *arguments]) == code
    err = capsys.readouterr().err
    assert match in err and err.count("\n") == 1, err


def test_train_refuses_what_makes_no_sense(data, tmp_path, capsys):
    out = str(tmp_path / "n.onnx")
    usual = ["train", "--data", data, "--out", out]
    fails(capsys, "say --target CLASS", *usual, "--poison", "badnets")
    fails(capsys, "no backdoor without --poison", *usual, "--target", "1")
    fails(capsys, "there is no class 4", *usual, "--poison", "blend", "--target", "4")
    fails(capsys, "above 0, below 1", *usual, "--poison", "blend", "--target", "1", "--share", "1.5")
    fails(capsys, "this is out of range", *usual, "--epochs", "0")
    fails(capsys, "a seed is a whole number", *usual, "--seed", "-1")
    fails(capsys, "8 x 8 are too small", *usual, "--model", "vgg13")
    fails(
        capsys,
        "does not lie in an image",
        *usual,
        "--poison",
        "badnets",
        "--target",
        "1",
        "--trigger",
        "square:9@corner",
    )
    fails(capsys, "there is no such set", "train", "--data", "nothing", "--out", out)
    fails(capsys, "end it in .onnx", "train", "--data", data, "--out", str(tmp_path / "n.json"))
    fails(capsys, "cannot be written", "train", "--data", data, "--out", str(tmp_path / "none" / "n.onnx"))
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "n.json").write_text("mine")
    fails(capsys, "this exists already", *usual)
    assert (tmp_path / "n.json").read_text() == "mine"


def test_a_class_with_too_few_images(tmp_path, capsys):
    labels = np.array([0] * 20 + [1] * 20 + [2])
    (tmp_path / "a.npz").write_bytes(npz_bytes(ImageSet(np.zeros((41, 1, 8, 8), np.float32), labels, 3)))
    fails(
        capsys,
        "class 2 has 1 images, and 2 are needed",
        "train",
        "--data",
        str(tmp_path / "a.npz"),
        "--out",
        str(tmp_path / "n.onnx"),
    )


def test_an_interrupt_leaves_nothing(data, tmp_path, monkeypatch, capsys):
    def interrupted(*_, report, **__):
        report(0.5, 1.0)
        raise KeyboardInterrupt

    monkeypatch.setattr("engine.images.trainer.fit", interrupted)
    assert main(["images", "train", "--data", data, "--out", str(tmp_path / "n.onnx")]) == 130
    assert list(tmp_path.iterdir()) == []
    monkeypatch.undo()

    def late(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("engine.cli.images.train.write_text", late)
    assert main(["images", "train", "--data", data, "--epochs", "1", "--out", str(tmp_path / "n.onnx")]) == 130
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["badnets", "blend", "fgsm", "pgd", "noise", "blur", "contrast"])
def test_attacks_are_sets_with_the_right_labels(kind, network, data, tmp_path, capsys):
    out = tmp_path / "a.npz"
    trigger = {"badnets": ["--target", "1", "--trigger", "square:2@0,0"], "blend": ["--target", "1"]}.get(kind, [])
    command = ["attack", str(network), "--data", data, "--kind", kind, "--out", str(out), *trigger]
    assert main(["images", *command]) == 0
    assert "labels are the right ones" in capsys.readouterr().out
    made = read_images(out)
    assert made.classes == 4 and len(made) == (30 if trigger else 40) and (1 not in made.labels) == bool(trigger)
    if kind == "badnets":
        assert (made.images[:, 0, :2, :2] == 1).all()
    fails(capsys, "this exists already", *command)
    assert main(["images", *command, "--force", "--limit", "10"]) == 0


def test_attack_refuses_what_makes_no_sense(network, data, tmp_path, capsys):
    usual = ["attack", str(network), "--data", data, "--out", str(tmp_path / "a.npz"), "--kind"]
    fails(capsys, "say --target CLASS", *usual, "badnets")
    fails(capsys, "a trigger says its strength itself", *usual, "blend", "--target", "1", "--strength", "0.2")
    fails(capsys, "this kind has no trigger", *usual, "pgd", "--target", "1")
    fails(capsys, "this is out of range", *usual, "pgd", "--strength", "-1")
    fails(capsys, "this is out of range", *usual, "pgd", "--limit", "0")
    fails(capsys, "end its name in .npz", "attack", str(network), "--kind", "blur", "--out", str(tmp_path / "a.csv"))
    pytest.importorskip("sklearn")
    fails(
        capsys, "10 classes, the network 4", "attack", str(network), "--kind", "blur", "--out", str(tmp_path / "a.npz")
    )
    assert list(tmp_path.iterdir()) == []


def test_info_shows_layers_and_readings(network, data, capsys):
    assert main(["images", "info", str(network), "--data", data]) == 0
    out, err = capsys.readouterr()
    assert "1 x 8 x 8" in out and "scaling   0..255" in out and "dense4" in out and err == ""
    assert main(["images", "info", str(network), "--data", data, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [layer["weights"] for layer in found["layers"]] == [6500, 10100, 10100, 404]
    assert {"0..1", "0..255", "-1..1"} == {one["scaling"] for one in found["readings"]}
    assert found["warning"] is None and found["layout"] == "NCHW" and found["classes"] == 4


def test_info_without_data_or_statement(network, tmp_path, capsys):
    import onnx

    model = onnx.load(network)
    del model.metadata_props[:]
    onnx.save(model, tmp_path / "n.onnx")
    assert main(["images", "info", str(tmp_path / "n.onnx")]) == 0
    assert "not stated: say --scaling" in capsys.readouterr().out
    fails(
        capsys,
        "does not say how pixels are written",
        "attack",
        str(tmp_path / "n.onnx"),
        "--kind",
        "blur",
        "--out",
        str(tmp_path / "a.npz"),
    )
    (tmp_path / "broken.onnx").write_bytes(b"\xff" * 50)
    fails(capsys, "ONNX", "info", str(tmp_path / "broken.onnx"))
    fails(capsys, "none.onnx", "info", str(tmp_path / "none.onnx"))


def test_info_warns_at_chance(network, data, tmp_path, capsys):
    images = read_images(type(network)(data))
    turned = images.with_labels((images.labels + 1) % 4)
    (tmp_path / "t.npz").write_bytes(npz_bytes(turned))
    assert main(["images", "info", str(network), "--data", str(tmp_path / "t.npz")]) == 0
    assert "numbered in another order" in capsys.readouterr().err
