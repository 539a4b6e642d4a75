"""How networks differ, against what is counted one point at a time."""

import json
from fractions import Fraction

import numpy as np
import pytest
from cases import case, executable, prop, row
from conftest import network, random_network

from engine.acasxu.domain import acasxu_domain
from engine.cli import main
from engine.comparison import sampling
from engine.comparison.decision import Decision
from engine.comparison.difference import Difference
from engine.comparison.fidelity import changes, compare
from engine.domain import hull, read_domain
from engine.errors import InputError
from engine.evaluation import Float32Pair
from engine.network import Affine, Network
from engine.vnnlib.writer import property_text

BOX = case([0, 0], [Fraction(1, 2), 1], [row([1, 0])])  # unsafe: y0 <= 0


def changed(net: Network, layer: int, place: tuple, by: float) -> Network:
    layers = list(net.layers)
    weight = layers[layer].weight.copy()
    weight[place] += by
    layers[layer] = Affine(weight, layers[layer].bias, layers[layer].relu)
    return Network(tuple(layers), net.name)


def test_weights_neurons_layers():
    net = random_network((2, 6, 6, 3), seed=0)
    assert changes(net, net) == (0, 0, 0)
    other = changed(changed(changed(net, 0, (1, 0), 1), 0, (1, 1), 1), 2, (0, 3), 1)
    assert changes(net, other) == (3, 2, 2)


def test_a_network_agrees_with_itself():
    net = random_network((2, 6, 2), seed=1)
    found = compare(net, net, [prop(BOX, n_outputs=2)], lower=(-1, -1), upper=(1, 1), points=5000, grid=20)
    for difference in (found.outside, found.grid, found.inside[0].safe, found.inside[0].unsafe):
        assert (difference.changed, difference.largest, difference.mean) == (0, 0.0, 0.0)
        assert difference.agreement == (1 if difference.points else None)
    assert found.outside.points and found.grid.points == 400


def test_the_grid_is_counted_one_by_one():
    net = random_network((2, 6, 3), seed=2)
    other = changed(net, 1, (0, 2), 0.5)
    found = compare(net, other, [], lower=(-1, 0), upper=(1, 3), points=1, grid=9).grid
    points = [(a, b) for a in np.linspace(-1, 1, 9) for b in np.linspace(0, 3, 9)]
    before, after = (np.array([each.evaluate(np.array(x)) for x in points]) for each in (net, other))
    assert found.points == 81
    assert found.changed == (before.argmin(1) != after.argmin(1)).sum() > 0
    assert found.largest == pytest.approx(np.abs(after - before).max(), rel=1e-5)
    assert found.mean == pytest.approx(np.abs(after - before).mean(), rel=1e-5)


def test_points_lie_where_they_should(monkeypatch):
    """Outside are no points of a box; inside, safe and unsafe ones are those of the original."""
    net = random_network((2, 6, 2), seed=3)
    seen = []
    monkeypatch.setattr(Float32Pair, "outputs", spy(Float32Pair.outputs, seen))
    found = compare(net, net, [prop(BOX, n_outputs=2)], lower=(-1, -1), upper=(1, 1), points=3000, grid=3)
    outside, grid, inside = seen
    assert (~((outside >= [0, 0]) & (outside <= [0.5, 1])).all(1)).sum() == found.outside.points < len(outside) == 3000
    assert ((grid == -1) | (grid == 0) | (grid == 1)).all() and len(grid) == 9
    assert ((inside >= [0, 0]) & (inside <= [0.5, 1])).all()
    unsafe = (net.evaluate(inside)[:, 0] <= 0).sum()
    assert abs(found.inside[0].unsafe.points - unsafe) <= 1 and found.inside[0].safe.points > 0


def spy(outputs, seen):
    def wrapped(self, x):
        seen.append(x)
        return outputs(self, x)

    return wrapped


def test_chunks_do_not_matter(monkeypatch):
    net, other = random_network((2, 6, 3), seed=4), random_network((2, 6, 3), seed=5)
    whole = compare(net, other, [], lower=(0, 0), upper=(1, 1), points=10, grid=7).grid
    monkeypatch.setattr(sampling, "CHUNK", 5)
    parts = compare(net, other, [], lower=(0, 0), upper=(1, 1), points=10, grid=7).grid
    assert (whole.points, whole.changed) == (parts.points, parts.changed)
    assert whole.mean == pytest.approx(parts.mean, rel=1e-5)


def test_no_points_no_agreement():
    assert Difference().agreement is None and Difference().mean == 0


def test_other_shapes_are_refused():
    with pytest.raises(InputError, match="different shapes"):
        compare(random_network((2, 6, 3), seed=0), random_network((2, 5, 3), seed=0), [], lower=(0, 0), upper=(1, 1))
    with pytest.raises(InputError, match="other inputs or outputs"):
        net = random_network((2, 6, 3), seed=0)
        compare(net, net, [prop(BOX, n_outputs=2)], lower=(0, 0), upper=(1, 1))


def test_the_decision_may_be_the_highest_or_not_known():
    net, other = random_network((2, 6, 3), seed=2), random_network((2, 6, 3), seed=3)
    points = np.array([(a, b) for a in np.linspace(-1, 1, 9) for b in np.linspace(-1, 1, 9)])
    found = {
        each: compare(net, other, [], lower=(-1, -1), upper=(1, 1), decision=each, points=1, grid=9).grid
        for each in Decision
    }
    before, after = (each.evaluate(points) for each in (net, other))
    assert found[Decision.LOWEST].changed == (before.argmin(1) != after.argmin(1)).sum()
    assert found[Decision.HIGHEST].changed == (before.argmax(1) != after.argmax(1)).sum()
    assert found[Decision.LOWEST].changed != found[Decision.HIGHEST].changed
    unknown = found[Decision.UNKNOWN]
    assert (unknown.agreement, unknown.examples) == (None, []) and unknown.mean == found[Decision.LOWEST].mean > 0


def test_without_a_domain_only_boxes_are_measured():
    net, other = random_network((2, 6, 2), seed=1), random_network((2, 6, 2), seed=2)
    found = compare(net, other, [prop(BOX, n_outputs=2)], points=1000)
    assert found.outside is found.grid is None and found.inside[0].safe.points + found.inside[0].unsafe.points == 1000


def test_a_grid_never_has_more_than_so_many_points(monkeypatch):
    monkeypatch.setattr(sampling, "MAX_GRID", 10**3)
    for inputs, along in ((1, 30), (2, 30), (3, 10), (4, 5), (12, 1)):
        net = random_network((inputs, 2), seed=0)
        found = compare(net, net, [], lower=(0,) * inputs, upper=(1,) * inputs, points=1, grid=30)
        assert found.grid.points == along**inputs


# Domains


DECLARED = "(declare-const X_0 Real)\n(declare-const X_1 Real)\n(declare-const Y_0 Real)\n"
SQUARE = "(assert (>= X_0 -0.1))(assert (<= X_0 100))(assert (>= X_1 0))(assert (<= X_1 4))"
ONE = network([[[1.0, 1.0]]], [[0.0]], name="one")


def domain_of(tmp_path, text: str):
    (tmp_path / "d.vnnlib").write_text(DECLARED + text)
    return read_domain(tmp_path / "d.vnnlib", ONE)


@pytest.mark.parametrize("of_outputs", ["", "(assert (<= Y_0 1000))", "(assert (or (<= Y_0 1) (>= Y_0 4)))"])
def test_a_domain_is_the_file_s_box_exactly(tmp_path, of_outputs):
    found = domain_of(tmp_path, SQUARE + of_outputs)
    assert (found.lower, found.upper) == ((Fraction(-1, 10), 0), (100, 4)) and found.name == "the box in d.vnnlib"


def test_of_several_boxes_the_hull(tmp_path):
    found = domain_of(tmp_path, SQUARE + "(assert (or (and (>= X_0 50) (<= X_1 1)) (and (<= X_0 3) (>= X_1 0.5))))")
    assert (found.lower, found.upper) == ((Fraction(-1, 10), 0), (100, 4))
    assert found.name == "the hull of the boxes in d.vnnlib"
    found = hull([prop(BOX), prop(case([-2, 0], [0, 3], [row([1])]))])
    assert (found.lower, found.upper) == ((-2, 0), (Fraction(1, 2), 3))


@pytest.mark.parametrize(
    "declared, text, what",
    [
        (DECLARED, SQUARE + "(assert (<= (+ X_0 X_1) 3))", "several inputs together"),
        (
            DECLARED.replace("(declare-const X_1 Real)\n", ""),
            "(assert (>= X_0 0))(assert (<= X_0 1))",
            "declares 1 inputs",
        ),
        (DECLARED + "(declare-const Y_1 Real)\n", SQUARE, "2 outputs, the network has 2 and 1"),
        (DECLARED, "(assert (>= X_0 0))", "X_"),
    ],
)
def test_what_is_no_domain(tmp_path, declared, text, what):
    (tmp_path / "d.vnnlib").write_text(declared + text)
    with pytest.raises(InputError) as error:
        read_domain(tmp_path / "d.vnnlib", ONE)
    assert what in str(error.value) and "d.vnnlib" in str(error.value)


def test_acas_xu_s_domain():
    assert acasxu_domain().ends[0][0] == pytest.approx(-0.328422877)


def test_on_the_command_line(tmp_path, capsys):
    for name, seed in (("a", 0), ("b", 1)):
        (tmp_path / f"{name}.onnx").write_bytes(executable(random_network((5, 6, 5), seed=seed)).onnx_bytes)
    command = [
        "compare",
        str(tmp_path / "a.onnx"),
        str(tmp_path / "b.onnx"),
        "--points",
        "1000",
        "--grid",
        "4",
        "--domain",
        "acasxu",
    ]
    assert main(command) == 0
    out = capsys.readouterr().out
    assert "71 weights differ, in 11 neurons of 2 layers" in out and "1,024" in out
    assert "advisory: the lowest score\ndomain: ACAS Xu's" in out
    assert main([*command, "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["regions"]["grid of the domain"]["points"] == 1024 and content["vere"]["properties"] == []


def test_vere_s_figures_on_the_command_line(tmp_path, capsys):
    """y0 = x0 is unsafe at or above 1/2; the change lowers it to x0 / 2, which is so nowhere but changes advisories."""
    for name, slope in (("a", 1.0), ("b", 0.5)):
        net = executable(network([[[slope, 0.0]], [[1.0], [0.0]]], [[0.0], [0.0, 0.75]]))
        (tmp_path / f"{name}.onnx").write_bytes(net.onnx_bytes)
    region = prop(case([0, 0], [Fraction(63, 64), 1], [row([-1, 0], "1/2")]), n_outputs=2)
    (tmp_path / "p.vnnlib").write_text(property_text(region))
    command = [
        "compare",
        *(str(tmp_path / name) for name in ("a.onnx", "b.onnx", "p.vnnlib")),
        "--points",
        "1000",
        "--advisory",
        "lowest",
    ]
    assert main(command) == 0
    out = capsys.readouterr().out
    assert "100.0000% of 1,000" in out and "drawdown: of points where" in out and "0.0000% of 1,000" in out
    assert main([*command, "--json"]) == 0
    (figures,) = json.loads(capsys.readouterr().out)["vere"]["properties"]
    assert figures == {
        "property": "p",
        "success": 1.0,
        "generalization": 1.0,
        "drawdown": 0.0,
        "success_points": 1000,
        "generalization_points": 1000,
        "drawdown_points": 1000,
    }
