"""Pictures of networks of two inputs: the regions are right, and the command draws them or says why not."""

import numpy as np
import pytest
from cases import case, prop, row
from conftest import network, random_network
from other_networks import answered, onnx_bytes, write
from test_other_networks import question

from engine.cli import main
from engine.onnx_file import parse_network
from engine.search.regions import regions

ABSOLUTE = network([[[1.0, 0.0], [-1.0, 0.0]], [[1.0, 1.0]]], [[0.0, 0.0], [0.0]])  # |x0|


def area(boxes: np.ndarray) -> float:
    return float(np.prod(boxes[:, 1] - boxes[:, 0], axis=1).sum())


def test_regions_cover_the_box_and_are_right():
    """|x0| <= 1/3 is violated on a third of the box."""
    asked = prop(case([-1, -1], [1, 1], [row([3], -1)]))
    found = regions(ABSOLUTE, asked, max_boxes=500)
    assert area(found.proved) + area(found.violated) + area(found.open) == pytest.approx(4)
    assert area(found.violated) == pytest.approx(4 / 3, abs=0.1) and area(found.proved) == pytest.approx(8 / 3, abs=0.1)
    assert (np.abs(found.proved[:, :, 0]).min(1) > 1 / 3).all()
    assert (np.abs(found.violated[:, :, 0]).min(1) <= 1 / 3 + 1e-9).all()


def test_what_is_proved_holds_no_unsafe_point():
    net = random_network((2, 12, 12, 1), seed=5)
    middle = float(np.median(net.evaluate(np.random.default_rng(0).uniform(-1, 1, (500, 2)))))
    found = regions(net, prop(case([-1, -1], [1, 1], [row([1], -round(middle * 256) / 256)])), max_boxes=2000)
    assert area(found.proved) > 1 and area(found.violated) > 1
    for low, high in found.proved[:200]:
        assert (net.evaluate(np.random.default_rng(1).uniform(low, high, (50, 2))) > round(middle * 256) / 256).all()


@pytest.mark.parametrize(
    "name, truth, code, form",
    [
        ("several_boxes", "sat", 1, "png"),
        ("several_boxes", "sat", 1, "pdf"),
        ("linear_inputs_or", "unsat", 0, "svg"),
        pytest.param("linear_inputs_or", "unsat", 0, "png", marks=pytest.mark.slow),
    ],
)
def test_the_command_draws(name, truth, code, form, tmp_path):
    pytest.importorskip("matplotlib")
    files, picture = write(tmp_path, answered(question(name), truth, margin=0.02)), tmp_path / f"picture.{form}"
    assert main(["verify", *map(str, files), "--picture", str(picture)]) == code
    assert picture.read_bytes()[:5] in (b"\x89PNG\r", b"<?xml", b"%PDF-")


def test_boxes_without_width_are_drawn(tmp_path):
    pytest.importorskip("matplotlib")
    from engine.cli.region_picture import region_picture
    from engine.search.problem import Options
    from engine.search.verify import verify

    net = parse_network(onnx_bytes(question("several_boxes")))
    asked = prop(case([0, 0], [0, 1], [row([1, 0], -1000)]), case([1, 1], [1, 1], [row([1, 0], 1000)]), n_outputs=2)
    assert region_picture(net, asked, verify(net, asked, Options(device="cpu", timeout=5))).startswith(b"\x89PNG")


def test_other_networks_are_not_drawn(tmp_path, capsys):
    pytest.importorskip("matplotlib")
    files = write(tmp_path, question("linear_inputs"))
    assert main(["verify", *map(str, files), "--picture", str(tmp_path / "a.png")]) == 2
    assert "has 3 inputs" in capsys.readouterr().err and not (tmp_path / "a.png").exists()
