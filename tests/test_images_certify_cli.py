"""`acasxu images certify`, and `acasxu check` of what it writes: what they say, and the exit codes."""

import json
import signal
import time

import numpy as np
import pytest
from command_line import environment, finish, start
from image_models import halves, linear_backdoor
from test_images_data import idx

from engine.cli import main
from engine.images.scan.record import picture_bytes


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The network whose corner pixel makes class 1, and images in IDX and .npz."""
    root = tmp_path_factory.mktemp("certify")
    (root / "n.onnx").write_bytes(linear_backdoor().data)
    images = halves(60)
    pixels = (images.images[:, 0] * 255).round().astype(np.uint8)
    (root / "a-images-idx3-ubyte").write_bytes(idx(pixels))
    (root / "a-labels-idx1-ubyte").write_bytes(idx(images.labels.astype(np.uint8)))
    np.savez(root / "a.npz", images=pixels, labels=images.labels)
    return root


def certify(files, *options, data="a-images-idx3-ubyte") -> int:
    given = data if data in ("digits", "nowhere") else files / data
    network = ["images", "certify", str(files / "n.onnx"), "--data", str(given), "--threads", "1", "--device", "cpu"]
    return main([*network, *map(str, options)])


def test_each_exit_code(files, capsys):
    corner = ("--patch", "1x1@7,7")
    assert certify(files, *corner, "--target", 1) == 1
    out = capsys.readouterr().out
    assert "No trigger of this family succeeds on more than 100.00% of 6 images (6);" in out
    assert "refuted  6, each by a trigger that onnxruntime confirms" in out
    assert certify(files, *corner, "--target", 0) == 0
    assert "on more than 0.00% of 6 images (0);" in capsys.readouterr().out
    assert certify(files, "--patch", "1x1@0,7", "--part", "all", "--images", 7) == 0
    assert "Certified accuracy: 7 of 7 images, 100.00%." in capsys.readouterr().out
    # the network is linear, and still this time does not suffice
    assert certify(files, *corner, "--target", 1, "--contents", "box:1/4", "--timeout", 1e-9) == 3
    assert "open     6 (out of time: 6)" in capsys.readouterr().out


def test_all_positions_are_told_of(files, capsys):
    assert certify(files, "--patch", "1x1@all", "--target", 1, "--images", 4) == 1
    first = capsys.readouterr().out.splitlines()[1].split()
    assert first[:2] == ["7,", "7"] and first[3] != "0"


def test_json_is_what_the_folder_holds(files, tmp_path, capsys):
    out = tmp_path / "out"
    options = ("--patch", "1x1@7,7", "--target", 1, "--part", "train", "--images", 10)
    assert certify(files, *options, "--out", out, "--json") == 1
    shown = json.loads(capsys.readouterr().out)
    assert shown == json.loads((out / "images.json").read_text())
    counts = shown["counts"]
    assert counts["refuted"] == counts["counted"] == len(list(out.glob("*.png"))) > 0
    assert shown["bound"] == shown["at_least"] == "1" and shown["question"]["positions"] == [[7, 7]]
    assert certify(files, *options, "--out", out) == 1  # goes on, and has nothing to do


@pytest.mark.parametrize(
    ("options", "what"),
    [
        (("--patch", "3x3@6,0"), "does not lie within"),
        (("--patch", "rubbish"), "no patch"),
        ((), "--patch"),
        (("--patch", "all", "--contents", "box:0"), "not above 0"),
        (("--patch", "all", "--contents", "box:2"), "at most 1"),
        (("--patch", "all", "--target", "2"), "no class 2"),
        (("--patch", "all", "--images", "0"), "at least 1"),
        (("--patch", "all", "--images", "1", "--target", "1"), "take more images"),
        (("--patch", "all", "--timeout", "0"), "above 0"),
        (("--patch", "all", "--out", "a", "--certificates", "b"), "not allowed with"),
        (("--patch", "all", "--out", "n.onnx"), "no folder"),
        (("--patch", "all", "--part", "test"), "invalid choice"),
    ],
)
def test_bad_input_is_one_line(files, capsys, monkeypatch, options, what):
    monkeypatch.chdir(files)
    assert certify(files, *options) == 2
    error = capsys.readouterr().err
    assert what in error and error.count("\n") == 1


@pytest.mark.parametrize(
    ("data", "what"), [("nowhere", "no such set"), ("digits", "classes"), ("a.npz", "no single file")]
)
def test_bad_data_is_one_line(files, tmp_path, capsys, data, what):
    out = tmp_path / "out"
    assert certify(files, "--patch", "1x1@0,0", "--target", 1, "--certificates", out, data=data) == 2
    error = capsys.readouterr().err
    assert what in error and error.count("\n") == 1 and not out.exists()


def test_without_pillow_there_are_no_pictures(files, monkeypatch):
    import builtins

    real = builtins.__import__

    def importing(name, *args, **options):
        if name == "PIL":
            raise ModuleNotFoundError(name)
        return real(name, *args, **options)

    monkeypatch.setattr(builtins, "__import__", importing)
    assert picture_bytes(np.zeros((1, 2, 2), np.float32), ()) is None


@pytest.mark.slow
def test_ctrl_c_keeps_what_is_decided(files, tmp_path):
    """With many positions of many images; what is kept says so, and the same command goes on."""
    out = tmp_path / "out"
    arguments = ("images", "certify", files / "n.onnx", "--data", files / "a-images-idx3-ubyte", "--part", "all")
    arguments += ("--images", 40, "--patch", "2x2@all", "--target", 0, "--certificates", out, "--threads", 1)
    process = start(*arguments, env=environment())
    deadline = time.monotonic() + 60
    while not (out / "images.json").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    code, _, error = finish(process)
    if code == 0:
        pytest.skip("it was done before it could be interrupted")
    assert (
        code == 130 and f"what was decided is kept in {out}" in error and error.splitlines()[-1].endswith("interrupted")
    )
    known = sum(len(entry["findings"]) for entry in json.loads((out / "images.json").read_text())["images"])
    assert known > 0 and list(out.glob("images-*.proof.zip"))
    again = start(*arguments, env=environment())
    code, text, _ = finish(again)
    assert code == 0 and "images.proof.zip" in text and (out / "images.proof.zip").exists()


# --- checked --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certified(files, tmp_path_factory):
    pytest.importorskip("engine.audit.images.check", reason="the checker of images is not there yet")
    out = tmp_path_factory.mktemp("certified")
    assert certify(files, "--patch", "1x1@7,7", "--target", 1, "--contents", "box:3/4", "--certificates", out) == 1
    assert certify(files, "--patch", "1x1@0,0", "--target", 1, "--certificates", out, "--force") == 0
    return out


def check(files, certified, *options, data="a-images-idx3-ubyte", network="n.onnx") -> int:
    told = ["--network", str(files / network), "--data", str(files / data)]
    return main(["check", str(certified / "images.proof.zip"), *told, *map(str, options)])


@pytest.mark.parametrize("options", [(), ("--arithmetic", "exact"), ("--jobs", 2)])
def test_what_is_written_is_accepted(files, certified, capsys, options):
    assert check(files, certified, *options) == 0
    assert "accepted: images.proof.zip: class 1 is given to at most 0 of 6 images" in capsys.readouterr().out


def test_a_sample_is_said_to_be_one(files, certified, capsys):
    assert check(files, certified, "--sample", 2) == 0
    assert "sampled: images.proof.zip: no error found, but only 2 of 6 nodes" in capsys.readouterr().out


def test_the_checkers_figures_as_json(files, certified, capsys):
    assert check(files, certified, "--json") == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert (found["result"], found["counted"], found["safe"], found["checked"]) == ("accepted", 6, 6, 6)


def test_other_files_are_rejected(files, certified, capsys, tmp_path):
    changed = linear_backdoor().with_weights({"dense1.bias": np.ones(2, np.float32)})
    (files / "other.onnx").write_bytes(changed.data)
    assert check(files, certified, network="other.onnx") == 1
    data = bytearray((files / "a-images-idx3-ubyte").read_bytes())
    data[20] ^= 1
    (files / "b-images-idx3-ubyte").write_bytes(data)
    (files / "b-labels-idx1-ubyte").write_bytes((files / "a-labels-idx1-ubyte").read_bytes())
    assert check(files, certified, data="b-images-idx3-ubyte") == 1
    assert capsys.readouterr().out.count("rejected") == 2
    assert check(files, certified, data="a.npz") == 2
    (tmp_path / "images.proof.zip").write_bytes(b"nothing")
    assert check(files, tmp_path) == 2
    assert "unreadable" in capsys.readouterr().out
