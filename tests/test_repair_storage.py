"""Repairs that their file can hold: multiples of a Gemm's factor, and nothing where nothing can be written."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import onnx
import pytest
from cases import case, prop, row
from command_line import one_line
from conftest import random_network
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx_graphs import model, node

from engine.acasxu.files import standins
from engine.audit.check import check
from engine.cli import main
from engine.errors import InputError
from engine.network import Network
from engine.onnx_file import load_network, parse_network, rewritten, storable
from engine.onnx_file.storage import FACTOR_BITS, _bits
from engine.repair.edit import demand_writable, edited, idle_depth, single
from engine.repair.loop import Failed, repair
from engine.repair.methods import METHODS
from engine.repair.milp import settings as linear
from engine.repair.task import RepairOptions
from engine.vnnlib.writer import property_text

GRAPHS = ("weights", "shared", "folded", "no bias", "alpha 0", "spread bias")


def gemms(network: Network, *, alpha: float = 1.0, beta: float = 1.0, last: str = "weights") -> Network:
    """The layers as Gemm nodes whose files hold weight / alpha and bias / beta; `last`: how the last layer stands."""
    nodes, constants, name = [], {}, "x"
    for k, layer in enumerate(network.layers):
        form = last if k + 1 == len(network.layers) else "weights"
        constants |= {
            f"W{k}": (layer.weight / alpha).astype(np.float32),
            f"b{k}": (layer.bias / beta).astype(np.float32),
        }
        inputs, options = f"{name} W{k} b{k}", {"transB": 1, "alpha": alpha, "beta": beta}
        if form == "shared":  # the same initializer is read by a layer before it, once more
            constants[f"b{k}"] = constants[f"b{k - 1}"] = np.zeros(len(layer.bias), np.float32)
            inputs = f"{name} W{k - 1} b{k - 1}"
        elif form == "folded":
            constants["one"] = np.ones((), np.float32)
            nodes.append(node("Add", f"W{k} one", "sum"))
            inputs = f"{name} sum b{k}"
        elif form == "no bias":
            inputs = f"{name} W{k}"
        elif form == "alpha 0":
            options["alpha"] = 0.0
        elif form == "spread bias":
            constants[f"b{k}"] = np.ones(1, np.float32)
        nodes.append(node("Gemm", inputs, f"z{k}", **options))
        name = f"z{k}"
        if layer.relu:
            nodes.append(node("Relu", name, f"h{k}"))
            name = f"h{k}"
    proto = model(nodes, constants, shape=(1, network.n_inputs), output=name)
    return parse_network(proto.SerializeToString(), name=f"{last}")


def square(seed: int = 1) -> Network:
    return random_network((3, 3, 3, 3), seed=seed)


# What a file can hold


@settings(max_examples=25, deadline=None)
@given(st.sampled_from([0.1, 3.0, -0.5, 1.0, 1e-3, 7.7]), st.integers(0, 2**32 - 1))
def test_the_nearest_number_survives(alpha, seed):
    """It is alpha times a float32 number, no farther than its neighbours, and reads back to itself."""
    scale = float(np.float32(alpha))
    network = gemms(square(), alpha=alpha, beta=alpha)
    weight, bias = storable(network)[1]
    wanted = np.random.default_rng(seed).normal(size=(3, 3))
    found = weight.nearest(wanted)
    for number, aim in zip(found.ravel().tolist(), wanted.ravel().tolist()):
        stored = Fraction(number) / Fraction(scale)
        assert stored == Fraction(float(np.float32(float(stored))))
        x = np.float32(float(stored))
        around = [Fraction(scale) * Fraction(float(np.nextafter(x, np.float32(side)))) for side in (-np.inf, np.inf)]
        assert all(
            abs(Fraction(number) - Fraction(aim)) <= abs(other - Fraction(aim)) * (1 + Fraction(1, 10**6))
            for other in around
        )
    changed = edited(network, {1: (wanted, wanted[0])})
    assert np.array_equal(changed.layers[1].weight, found)
    again = parse_network(changed.onnx_bytes)
    assert all(
        np.array_equal(a.weight, b.weight) and np.array_equal(a.bias, b.bias)
        for a, b in zip(again.layers, changed.layers)
    )


@pytest.mark.parametrize("alpha", [0.1, 3.0, 1.0])
def test_what_is_not_changed_stays(alpha):
    """Methods compute in float32, which does not hold alpha times a weight."""
    network = gemms(square(), alpha=alpha, beta=alpha)
    weight = network.layers[1].weight.astype(np.float32)
    weight[0, 0] += 1
    changed = edited(network, {1: (weight, network.layers[1].bias.astype(np.float32))})
    differs = changed.layers[1].weight != network.layers[1].weight
    assert differs.sum() == 1 and differs[0, 0] and np.array_equal(changed.layers[1].bias, network.layers[1].bias)


def test_ordinary_networks_are_rounded_to_float32():
    """As ever, bit for bit."""
    network = gemms(square())
    wanted = np.random.default_rng(0).normal(size=(3, 3))
    assert edited(network, {1: (wanted, wanted[0])}).layers[1].weight.tolist() == single(wanted).tolist()
    plain = Network(square().layers)  # without a file
    assert storable(plain)[1][0].nearest(wanted).tolist() == single(wanted).tolist()


def test_wider_numbers_that_do_not_change_stay():
    """Of a float64 graph, whose weights are no float32 numbers."""
    weight = np.array([[0.1, 0.2], [0.3, 0.4]])
    network = parse_network(
        model([node("MatMul", "x W", "y")], {"W": weight}, shape=(1, 2), kind=11).SerializeToString()
    )
    wanted = network.layers[0].weight.copy()
    wanted[0, 0] = 0.7
    changed = edited(network, {0: (wanted, network.layers[0].bias)})
    assert changed.layers[0].weight.tolist() == [[float(np.float32(0.7)), 0.3], [0.2, 0.4]]


FIXED = {
    "weights": ("", ""),
    "shared": ("its initializer 'W1' is shared", "its initializer 'b1' is shared"),
    "folded": ("it is folded from 'W2', 'one'", ""),
    "no bias": ("", "it has no initializer in the file"),
    "alpha 0": ("it is 'W2' times 0.0", ""),
    "spread bias": ("", "one number of 'b2' stands for several in it"),
}


@pytest.mark.parametrize("last", FIXED)
def test_what_is_fixed_and_why(last):
    network = gemms(square(), last=last)
    found = storable(network)[-1]
    assert (found[0].fixed, found[1].fixed) == FIXED[last]
    for part, layer in zip(found, ("matrix", "bias")):  # and the writer agrees
        new = replace(network.layers[-1], **{layer: part.nearest(2 * part.values + 1 + np.arange(3))})
        other = replace(network, layers=(*network.layers[:-1], new))
        if part.fixed:
            with pytest.raises(InputError):
                rewritten(other)
        else:
            assert rewritten(other).sha256 != network.sha256


def test_two_factors_in_one():
    """Their product may have more bits than float64 leaves room for: then the layer is fixed, with its reason."""
    assert FACTOR_BITS + 24 == 53
    assert [_bits(v) for v in (1.0, 0.75, float(np.float32(0.1)), float(np.float32(0.1)) ** 2)] == [1, 2, 24, 48]


# Repairs


def question(network: Network, margin: float = 0.02):
    """Unsafe somewhere in the box: the second output below what it falls to there."""
    x = np.random.default_rng(0).uniform(0, 1, (20_000, network.n_inputs))
    lowest = float(network.evaluate(x)[:, 1].min())
    limit = Fraction(round((lowest + margin) * 1000), 1000)
    zero = [0] * network.n_inputs
    return prop(case(zero, [1] * network.n_inputs, [row([0, 1, 0], -limit, n_inputs=network.n_inputs)]), n_outputs=3)


@pytest.fixture
def few(monkeypatch):
    for name, number in {"DOMAIN": 1000, "TARGET": 500, "KEEP": 300, "FRESH": 1000}.items():
        monkeypatch.setattr(linear, name, number)


@pytest.mark.parametrize("method", ["milp", pytest.param("gradient", marks=pytest.mark.slow), "smt"])
@pytest.mark.parametrize("alpha", [0.1, 3.0])
def test_scaled_networks_are_repaired(method, alpha, few, tmp_path, capsys):
    """The file reads back to exactly what was proved, and the independent checker accepts it."""
    network = gemms(square(), alpha=alpha, beta=0.3)
    (tmp_path / "net.onnx").write_bytes(network.onnx_bytes)
    (tmp_path / "p.vnnlib").write_text(property_text(question(network)))
    code = main(
        [
            "repair",
            str(tmp_path / "net.onnx"),
            str(tmp_path / "p.vnnlib"),
            "--out",
            str(tmp_path / "r.onnx"),
            "--method",
            method,
            "--solver",
            "highs",
            "--samples",
            "1000",
            "--grid",
            "3",
            "--device",
            "cpu",
        ]
    )
    assert code == 0, capsys.readouterr()
    before, after = (onnx.load(tmp_path / name) for name in ("net.onnx", "r.onnx"))
    assert before.graph.node == after.graph.node and before.graph.initializer != after.graph.initializer
    (certificate,) = (tmp_path / "r.certificates").glob("*.zip")
    assert check(certificate, tmp_path / "r.onnx", tmp_path / "p.vnnlib", arithmetic="exact").accepted


@pytest.mark.parametrize("method", ["milp", pytest.param("gradient", marks=pytest.mark.slow), "smt"])
def test_a_layer_without_bias_keeps_none(method, few):
    network = gemms(square(), last="no bias")
    how = RepairOptions(method=method, points=1000, device="cpu", by_method={"milp": {"backend": "highs"}}, timeout=60)
    outcome = repair(network, [question(network)], lower=[0] * 3, upper=[1] * 3, options=how)
    assert not isinstance(outcome, Failed), outcome.reason
    assert not outcome.network.layers[-1].bias.any()


@pytest.mark.parametrize("last", ["folded", "alpha 0"])
def test_other_layers_are_changed_where_the_last_is_fixed(last, few):
    """By gradient, in the layer before; other methods are skipped with the reason."""
    network = gemms(square(), last=last)
    for method in ("milp", "smt"):
        with pytest.raises(
            InputError, match=f"what {method} would find cannot be written into its file: weight of layer"
        ):
            demand_writable(network, (method,))
    demand_writable(network, tuple(METHODS))
    assert idle_depth(network) == 1 and idle_depth(gemms(square())) == 2


@pytest.mark.parametrize("method", ["auto", *METHODS])
def test_what_cannot_be_written_is_refused_before_the_repair(method, monkeypatch, tmp_path, capsys):
    network = gemms(square(), last="shared")
    (tmp_path / "net.onnx").write_bytes(network.onnx_bytes)
    (tmp_path / "p.vnnlib").write_text(property_text(question(network)))
    for name in METHODS:
        monkeypatch.setitem(METHODS, name, lambda: pytest.fail("a method was asked"))
    code = main(
        [
            "repair",
            str(tmp_path / "net.onnx"),
            str(tmp_path / "p.vnnlib"),
            "--out",
            str(tmp_path / "r.onnx"),
            "--method",
            method,
            "--device",
            "cpu",
        ]
    )
    line = one_line(capsys.readouterr().err)
    assert code == 2 and "cannot be written into its file: " in line and "its initializer" in line
    assert not (tmp_path / "r.onnx").exists()


def test_a_standin_behind_a_factor(tmp_path, few, capsys):
    """The network of the case that took 240 s and wrote nothing: a Gemm of alpha 0.1 last."""
    original = load_network(standins()[0])
    network = gemms(original, alpha=0.1)
    (tmp_path / "net.onnx").write_bytes(network.onnx_bytes)
    end = Fraction(1, 50)
    spec = prop(case([-end] * 5, [end] * 5, [row([0, 1, 0, 0, 0], Fraction(-88, 10_000), n_inputs=5)]), n_outputs=5)
    (tmp_path / "p.vnnlib").write_text(property_text(spec))
    code = main(
        [
            "repair",
            str(tmp_path / "net.onnx"),
            str(tmp_path / "p.vnnlib"),
            "--out",
            str(tmp_path / "r.onnx"),
            "--method",
            "milp",
            "--solver",
            "highs",
            "--samples",
            "1000",
            "--grid",
            "3",
            "--device",
            "cpu",
        ]
    )
    assert code == 0, capsys.readouterr()
    proved = load_network(tmp_path / "r.onnx")
    changed = [(a.weight != b.weight).sum() + (a.bias != b.bias).sum() for a, b in zip(proved.layers, network.layers)]
    assert 0 < sum(changed) <= 51 + 5  # of one neuron what it reads and its bias, and what reads it
