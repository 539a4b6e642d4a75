"""`acasxu images demo`, from end to end."""

import json
import re

import pytest
from command_line import finish, one_line, start

from engine.cli import main

pytest.importorskip("sklearn")
pytest.importorskip("PIL")


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """(what the demo says, the folder that it keeps)"""
    folder = tmp_path_factory.mktemp("demo") / "kept"
    code, out, err = finish(start("images", "demo", "--out", folder))
    assert (code, err) == (0, "")
    return out, folder


@pytest.mark.slow
def test_each_step_is_explained_with_its_figures(demo):
    out, _ = demo
    assert [line for line in ("1. TRAIN", "2. SCAN", "3. REPAIR", "4. GUARD") if line not in out] == []
    after, before = map(float, re.search(r"now ([\d.]+)% .*\(([\d.]+)% before", out).groups())
    assert before > 95 and after < 10
    assert "Class 7 needs far fewer" in out
    assert re.search(r"\| {10}@@@@  \|$", out, re.M)  # the true square in its row, beside the found one


@pytest.mark.slow
def test_what_it_keeps_is_what_it_says(demo):
    out, folder = demo
    records = {name: json.loads((folder / f"{name}.json").read_text()) for name in ("scan", "repair", "guard")}
    assert records["scan"]["flagged"] == [7]
    assert records["repair"]["backdoor"] == {"trigger": "trigger-7.npz", "target": 7}
    assert f"{records['guard']['rates']['detection']:.1%} of" in out
    page = (folder / "images.html").read_text()
    assert all(f'id="{name}"' in page for name in ("scans", "repairs", "guards"))
    assert page.count("before: ") == 8 and "trigger-7.npz" in page


@pytest.mark.slow
def test_the_kept_networks_can_be_used(demo, capsys):
    """The guard of the kept networks flags as the demo says."""
    out, folder = demo
    networks = str(folder / "original.onnx"), str(folder / "repaired.onnx")
    options = "--data", "digits", "--trigger", "square:2@corner", "--target", "7"
    assert main(["images", "detect", *networks, "digits", *options]) == 0
    said = re.search(r"Detection: ([\d.]+)%", capsys.readouterr().out)[1]
    assert f"{float(said):.1f}% of 323 images with the square are flagged" in out


def test_a_folder_that_exists_is_left_alone(tmp_path, capsys):
    assert main(["images", "demo", "--out", str(tmp_path)]) == 2
    assert "exists already" in one_line(capsys.readouterr().err)
    assert list(tmp_path.iterdir()) == []
