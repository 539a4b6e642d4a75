"""Bounds that plain floating point gets wrong: what is claimed must hold exactly, or in float32."""

from dataclasses import replace
from fractions import Fraction
from functools import partial

import numpy as np
import onnxruntime
import pytest
import torch
from cases import (
    batch,
    case,
    check_verdict,
    exact_trace,
    executable,
    float32_trace,
    prop,
    proved_whole,
    row,
    with_layers,
)
from conftest import network, random_network
from onnx import TensorProto
from onnx_graphs import model, node

from engine.bounds.interval import hidden_intervals
from engine.bounds.rounding import floor, unit
from engine.bounds.stack import Stack
from engine.errors import InputError
from engine.onnx_file import parse_network
from engine.search.problem import Options
from engine.search.verify import verify

# --- plain CROWN, as it is usually written ------------------------------------------------------


def plain_bound(net, lower, upper, outputs, constant, dtype) -> float:
    """A lower bound of outputs . y + constant on a box, without any care for rounding."""
    lower, upper = (np.array(side, dtype=dtype) for side in (lower, upper))
    weights = [layer.weight.astype(dtype) for layer in net.layers]
    biases = [layer.bias.astype(dtype) for layer in net.layers]
    known = []
    for k, layer in enumerate(net.layers):
        if layer.relu:
            least = partial(_plain, weights, biases, known, k, lower=lower, upper=upper)
            rows = list(zip(weights[k], biases[k]))
            low, high = [least(r, b) for r, b in rows], [-least(-r, -b) for r, b in rows]
            known.append((np.array(low, dtype), np.array(high, dtype)))
        else:
            known.append(None)
    rows, bias = np.array(outputs, dtype) @ weights[-1], np.array(outputs, dtype) @ biases[-1]
    return float(_plain(weights, biases, known, len(weights) - 1, rows, bias + dtype(constant), lower, upper))


def _plain(weights, biases, known, k, row, constant, lower, upper):
    for i in range(k - 1, -1, -1):
        if known[i]:
            l, u = known[i]
            open_ = (l < 0) & (u > 0)
            slope = np.where(open_, u / np.where(open_, u - l, 1), l >= 0).astype(row.dtype)
            least = np.where(open_, u > -l, l >= 0)
            constant = constant + np.minimum(row, 0) @ np.where(open_, -slope * l, 0).astype(row.dtype)
            row = np.maximum(row, 0) * least + np.minimum(row, 0) * slope
        constant = constant + row @ biases[i]
        row = row @ weights[i]
    return constant + np.maximum(row, 0) @ lower + np.minimum(row, 0) @ upper


def claimed_but_false(net, lower, upper, outputs, constant, dtype, point) -> bool:
    """Plain CROWN says outputs . y + constant > 0 on the box; exactly it is negative at `point` in it."""
    claimed = plain_bound(net, lower, upper, outputs, constant, dtype)
    y = exact_trace(net, point).y
    return claimed > 0 > sum((Fraction(c) * v for c, v in zip(outputs, y)), Fraction(constant))


#: plain CROWN in this type errs on: network, box, y + constant <= 0 is unsafe
MISLEADING = {
    # 1e8 (1 + 2^-23) - (1e8 + 8) = 3.92, but the first product rounds to 1e8 + 8: 2 - y is claimed to be 2
    "float32": (np.float32, network([[[1e8], [1e8 + 8]], [[-1 - 2.0**-23, 1]]], [[0, 0], [0]]), [1], [1], 2),
    # the same in float64: the coefficient is 0.097, and computed as 0.125
    "float64": (
        np.float64,
        network([[[1e15], [1e15 + 0.125]], [[1 + 2.0**-52, -1]]], [[0, 0], [0]]),
        [1],
        [1],
        -0.11,
    ),
    "float64_box": (
        np.float64,
        network([[[1e15], [1e15 + 0.125]], [[1 + 2.0**-52, -1]]], [[0, 0], [0]]),
        [1],
        [1.0625],
        -0.11,
    ),
}


def found_by_search(dtype, seed: int, *, size: float):
    """A network of pairs that cancel, and a threshold between its value and plain CROWN's bound."""
    random = np.random.default_rng(seed)
    single = lambda a: np.float64(np.float32(a))
    for _ in range(500):
        first = single(np.abs(random.normal(size=(8, 2))) * size)
        second = random.normal(size=(1, 8))
        second[:, 1::2] = -second[:, ::2] * first[::2, 0] / first[1::2, 0]
        net = network([first, single(second)], [single(np.abs(random.normal(size=8))), [0.0]])
        point = single(random.uniform(0.5, 1, 2)).tolist()
        value = exact_trace(net, point).y[0]
        gap = Fraction(plain_bound(net, point, point, [1.0], 0.0, dtype)) - value
        constant = float(-value - gap / 2)
        if gap > 0 and claimed_but_false(net, point, point, [1], constant, dtype, point):
            return net, point, point, constant
    raise AssertionError("no such network was found")


def misleading():
    for name, (dtype, *rest) in MISLEADING.items():
        yield pytest.param(dtype, *rest, id=name)
    for dtype, size in ((np.float32, 1e8), (np.float64, 1e15), (np.float32, 1.0), (np.float64, 1.0)):
        for seed in range(2):
            label = f"{dtype.__name__}-{size:g}-{seed}"
            yield pytest.param(dtype, *found_by_search(dtype, seed, size=size), id=label)


@pytest.mark.parametrize("semantics", ["real", "float32"])
@pytest.mark.parametrize("dtype, net, lower, upper, constant", misleading())
def test_not_fooled_where_plain_crown_is(dtype, net, lower, upper, constant, semantics):
    assert claimed_but_false(net, lower, upper, [1], constant, dtype, lower)
    net = executable(net)
    question = prop(case(lower, upper, [row([1], constant, n_inputs=len(lower))]))
    if semantics == "float32" and not has_float32_weights(net):
        with pytest.raises(InputError, match="not executed in float32"):
            verify(net, question, Options(semantics=semantics, device="cpu"))
        return
    assert not proved_whole(net, question, semantics=semantics)
    verdict = verify(net, question, Options(semantics=semantics, timeout=1, device="cpu"))
    check_verdict(verdict, net, question, truth="sat")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_plain_crown_is_right_where_nothing_cancels(dtype):
    """So that its errors above are those of rounding, not of this test."""
    net = random_network((2, 6, 6, 1), seed=3)
    found = plain_bound(net, [-1, -1], [1, 1], [1.0], 0.0, dtype)
    least = min(exact_trace(net, (x, y)).y[0] for x in (-1, 0, 1) for y in (-1, 0, 1))
    assert found <= least and plain_bound(net, [0.5, 0], [0.5, 0], [1.0], 0.0, dtype) == pytest.approx(
        float(exact_trace(net, (0.5, 0)).y[0]), rel=1e-5
    )


# --- margins below noise ------------------------------------------------------------------------


@pytest.mark.parametrize("semantics", ["real", "float32"])
@pytest.mark.parametrize("power", [10, 24, 48, 200, *(pytest.param(n, marks=pytest.mark.slow) for n in (30, 60))])
@pytest.mark.parametrize("sign", [1, -1])
def test_margins_smaller_than_noise(power, sign, semantics):
    """A margin of +-2^-power: never the wrong verdict, and the right one where it is large."""
    net = executable(network([[[1.0], [-1.0]], [[1.0, 1.0]]], [[0, 0], [0]]))  # |x|
    margin = Fraction(sign, 2**power)
    question = prop(case([0.5], [1], [row([1], -Fraction(1, 2) + margin, n_inputs=1)]))  # |x| <= 1/2 - m
    assert sign > 0 or not proved_whole(net, question, semantics=semantics)
    verdict = verify(net, question, Options(semantics=semantics, timeout=1, device="cpu"))
    check_verdict(verdict, net, question, truth="unsat" if sign > 0 else "sat")
    if power <= 10 or (power <= 30 and semantics == "real") or sign < 0:
        assert verdict.word == ("unsat" if sign > 0 else "sat")


def test_float32_margins_are_not_claimed():
    """Under float32 semantics a margin of less than the network's own float32 noise is left open."""
    net = executable(network([[[1.0], [-1.0]], [[1.0, 1.0]]], [[0, 0], [0]]))
    question = prop(case([0.5], [1], [row([1], -Fraction(1, 2) + Fraction(1, 2**26), n_inputs=1)]))
    assert verify(net, question, Options(semantics="real", timeout=1, device="cpu")).word == "unsat"
    assert verify(net, question, Options(semantics="float32", timeout=1, device="cpu")).word in ("unknown", "timeout")


def test_real_and_executed_differ():
    """Exactly y = 3.92 x; executed (unless fused) it is 0 or 8. Each semantics must not claim the other's."""
    _, net, lower, upper, _ = MISLEADING["float32"]
    exact = exact_trace(net, lower).y[0]
    random = np.random.default_rng(0)
    executed = {float32_trace(net, lower, random).y[0] for _ in range(20)}
    assert any(abs(y - exact) > 3 for y in executed)
    net = executable(net)
    question = prop(case(lower, upper, [row([-1], -2, n_inputs=1)]))  # -y <= 2
    # exactly -y = 3.92 > 2 fails to be unsafe; executed -y = 0 is unsafe
    real = verify(net, prop(case(lower, upper, [row([1], 3, n_inputs=1)])), Options(device="cpu", timeout=1))
    single = verify(
        net, prop(case(lower, upper, [row([1], 3, n_inputs=1)])), Options(device="cpu", timeout=1, semantics="float32")
    )
    assert exact <= -3 and real.word in ("sat", "unknown") and single.word != "unsat"
    for semantics in ("real", "float32"):
        verdict = verify(net, question, Options(device="cpu", timeout=1, semantics=semantics))
        if semantics == "float32":
            assert verdict.word != "unsat"
        else:
            check_verdict(verdict, net, question, truth="unsat" if -exact > 2 else "sat")


def test_onnxruntime_stays_within_float32_bounds():
    """The noise of float32 semantics covers what onnxruntime and any other order of summation make of it."""
    random = np.random.default_rng(0)
    for seed in range(5):
        net = random_network((4, 40, 40, 2), seed=seed)
        stack_unit = unit(40, 3, "float32")
        session = onnxruntime.InferenceSession(executable(net).onnx_bytes, providers=["CPUExecutionProvider"])
        for point in np.float32(random.normal(size=(5, 4))):
            (y,) = session.run(None, {"x": point[None]})
            exact, h, room = exact_trace(net, point.tolist()), np.abs(np.float64(point)), 0.0
            for layer in net.layers:
                size = np.abs(layer.weight) @ h + np.abs(layer.bias)
                room = np.abs(layer.weight) @ (room * np.ones(len(h))) + size * stack_unit
                h, room = size, np.max(room)
            runs = [y[0].tolist()] + [float32_trace(net, point, random).y for _ in range(10)]
            for run in runs:
                assert max(abs(float(a) - float(b)) for a, b in zip(run, exact.y)) <= room


# --- ends of the number range -------------------------------------------------------------------


def test_subnormal_weights_count():
    """y = 2^-20 x - 2^-21 by way of 2^-140 x: negative below x = 1/2, which no flush to zero may hide."""
    net = executable(network([[[2.0**-140]], [[2.0**60]], [[2.0**60]]], [[0], [0], [-(2.0**-21)]]))
    for constant in (0, 2.0**-21, 2.0**-20):
        question = prop(case([Fraction(1, 4)], [1], [row([1], constant, n_inputs=1)]))
        # the least y is -2^-22, at x = 1/4
        truth = "sat" if constant <= 2.0**-22 else "unsat"
        assert truth == "unsat" or not proved_whole(net, question)
        check_verdict(verify(net, question, Options(device="cpu", timeout=1)), net, question, truth=truth)


def has_float32_weights(net) -> bool:
    numbers = [a for layer in net.layers for a in (layer.weight, layer.bias)]
    return all(np.array_equal(a, a.astype(np.float32)) for a in numbers)


def refused_or_open(net, question, semantics: str) -> None:
    """The property is violated under these semantics: neither the bounds nor the search may prove it."""
    try:
        assert not proved_whole(net, question, semantics=semantics)
        verdict = verify(net, question, Options(device="cpu", timeout=1, semantics=semantics))
    except InputError:
        return
    check_verdict(verdict, net, question)
    assert verdict.word != "unsat"


def single(net, *, relu):
    """The network with its numbers rounded to float32."""
    numbers = [[np.float32(getattr(layer, part)) for layer in net.layers] for part in ("weight", "bias")]
    return with_layers(network(*numbers), relu=relu)


def test_inputs_so_large_that_small_products_matter():
    """y = 2^-78 - 2^-175 (2^-902 x) = -2^-78 at 2^1000; the product of both weights underflows to 0."""
    net = with_layers(network([[[2.0**-902]], [[-(2.0**-175)]]], [[0.0], [2.0**-78]]), relu=(False, False))
    question = prop(case([2**1000], [2**1000], [row([1], n_inputs=1)]))
    assert exact_trace(net, [2.0**1000]).y[0] < 0
    with pytest.raises(InputError, match="may reach 2.100"):
        proved_whole(net, question)


def underflowing():
    """y = 2^-101 - 2^-600 (2^-500 (2^1000 x)) = -2^-101 at 1; both small factors' product underflows to 0."""
    net = network([[[2.0**1000]], [[2.0**-500]], [[-(2.0**-600)]]], [[0], [0], [2.0**-101]])
    hidden = network([[[1.0]], [[2.0**1000]], [[2.0**-500]], [[-(2.0**-600)]]], [[0], [0], [0], [2.0**-101]])
    return [with_layers(net, relu=(False,) * 3), with_layers(hidden, relu=(True, False, False, False))]


@pytest.mark.parametrize("net", underflowing(), ids=["no_relu", "one_relu"])
def test_coefficients_that_underflow(net):
    """Refusing such a network is fine; calling it safe is not."""
    net, question = executable(net), prop(case([1], [1], [row([1], n_inputs=1)]))
    assert exact_trace(net, [1]).y[0] < 0
    refused_or_open(net, question, "real")


@pytest.mark.parametrize("relu", [(True, False, True, False), (True, True, True, False)])
def test_float32_overflow_is_not_overlooked(relu):
    """Executed, 1e30 . 1e20 is infinite, and so is what follows; exactly it is scaled down again."""
    net = network([[[1.0]], [[1e20]], [[1e-20]], [[-1.0]]], [[0], [0], [0], [2e30]])
    net = executable(single(net, relu=relu))
    question = prop(case([1e29], [1e30], [row([1], n_inputs=1)]))
    session = onnxruntime.InferenceSession(net.onnx_bytes, providers=["CPUExecutionProvider"])
    (y,) = session.run(None, {"x": np.array([[1e30]], np.float32)})
    assert y[0, 0] == -np.inf  # which is <= 0: unsafe as executed
    refused_or_open(net, question, "float32")


def test_float32_overflow_of_the_last_layer():
    net = network([[[1.0]], [[1e20], [-1e20]], [[1.0, 1.0]]], [[0], [0, 0], [1.0]])
    net = executable(single(net, relu=(True, False, False)))
    session = onnxruntime.InferenceSession(net.onnx_bytes, providers=["CPUExecutionProvider"])
    (y,) = session.run(None, {"x": np.array([[1e20]], np.float32)})
    assert not np.isfinite(y[0, 0])
    question = prop(case([1e20], [1e20], [row([1], n_inputs=1)]))
    refused_or_open(net, question, "float32")


@pytest.mark.parametrize("size", [2.0**99, 2.0**101, 2.0**127, 1e300])
def test_enormous_weights_are_refused_or_right(size):
    net = executable(network([[[size]], [[1.0]]], [[0], [-1.0]]))
    question = prop(case([0], [1], [row([1], n_inputs=1)]))  # y = -1 at 0
    refused_or_open(net, question, "real")


def test_half_precision_is_refused():
    """Executed in float16, 2048 + 1 is 2048: float32's error term does not cover that."""
    nodes = [node("MatMul", "x W", "m"), node("Relu", "m", "y")]
    proto = model(nodes, {"W": np.float16([[1.0], [1.0]])}, shape=(1, 2), kind=TensorProto.FLOAT16)
    (y,) = onnxruntime.InferenceSession(proto.SerializeToString()).run(None, {"x": np.float16([[2048, 1]])})
    assert y[0, 0] == 2048
    with pytest.raises(InputError, match="has type float16"):
        parse_network(proto.SerializeToString(), name="half")


# --- the unit itself ----------------------------------------------------------------------------


@pytest.mark.parametrize("semantics", ["real", "float32"])
def test_unit_grows_with_width_and_depth(semantics):
    assert unit(5, 3, semantics) < unit(50, 3, semantics) <= unit(50, 7, semantics) < unit(500, 70, semantics)


@pytest.mark.parametrize("width, depth", [(2, 1), (50, 7), (50, 100), (256, 8), (1000, 3)])
def test_unit_covers_every_order_of_summation(width, depth):
    """The constant passes through one sum of `width` terms for each layer, where it may come first.

    Of each layer's terms, two products and their sums; of the constant, width + 2 additions a layer and
    the row's own constant, at most twice as large as all terms while the sign of the bound is open.
    """
    needed = (2 * (width + 2) + 12 + 3 * depth * (width + 3)) * 2.0**-53
    assert unit(width, depth, "real") >= needed


@pytest.mark.parametrize("width", [1, 50, 1000])
def test_float32_unit_covers_a_gemm(width):
    """width products, width sums, and a Gemm's two factors; gradual or flushed underflow of each."""
    v, m = 2.0**-24, width + 3
    assert unit(width, 3, "float32") >= m * v / (1 - m * v)
    assert floor(width, "float32") >= (2 * width + 2) * 2.0**-126
    assert floor(width, "real") == 0


def test_networks_too_wide_for_the_analysis_are_refused():
    assert unit(10_000, 3, "float32") < 2.0**-10
    with pytest.raises(InputError, match="beyond the rounding analysis"):
        unit(40_000, 3, "float32")


# --- plain loops in many orders -----------------------------------------------------------------


def test_bounds_survive_any_order_of_summation(monkeypatch):
    """The same bounds with every product summed in a random order stay sound."""
    from test_crown import check_crown

    generator = torch.Generator().manual_seed(0)

    def shuffled(rows, matrices, runs):
        order = torch.randperm(rows.shape[-1], generator=generator)
        parts = []
        for net, i, j in runs:
            terms = rows[..., i:j, :, None][..., order, :] * matrices[net][order]
            parts.append(torch.cumsum(terms, -2)[..., -1, :])  # one by one
        return torch.cat(parts, -2)

    monkeypatch.setattr("engine.bounds.products.matmul", shuffled)
    for name in ("shallow", "deep", "cancelling_1e8", "cancelling_1e15", "affine_inside"):
        check_crown(*batch(name))


def test_deep_narrow_networks_are_refused_for_their_depth_too():
    with pytest.raises(InputError, match="^1000000000000 layers of width 2 are beyond the rounding analysis of real"):
        unit(2, 10**12, "real")


def test_the_network_whose_numbers_are_too_large_is_named():
    """It is the second of a batch."""
    small, large = (replace(network([[[w]]], [[0.0]]), name=n) for w, n in ((1.0, "small"), (2.0**99, "large")))
    stack = Stack([small, large])
    with pytest.raises(InputError, match="^large: inputs or outputs of layer 1 may reach"):
        hidden_intervals(stack, torch.tensor([0, 1]), -4 * torch.ones(2, 1).double(), 4 * torch.ones(2, 1).double())
