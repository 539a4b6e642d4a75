"""Certificates of false claims that floating point without care would accept; the checker must not.

Each network's value at a point, in exact arithmetic, is unsafe, while CROWN in plain float64 bounds it away from there.
"""

from fractions import Fraction

import numpy as np
import pytest
from cases import exact_trace, float32_trace, with_layers
from conftest import network
from test_audit_check import ARITHMETIC, Exclusion, Node, Question, accepted, case, rejected, row
from test_rounding import MISLEADING, plain_bound

from engine.audit.arithmetic import Floating

SHOWN = [Node(exclusions={0: Exclusion({0: 1024})})]


def pairs(seed, *, width, size, layers=1):
    """Neurons in pairs that cancel at (1, 1), large weights with small ones beside them, in one sum of `width` terms.

    With layers=2 that sum is a hidden neuron, without bias, whose output is then enlarged.
    """
    random = np.random.default_rng(seed)
    first = random.normal(size=(width, 2)) + size * np.repeat(np.abs(random.normal(size=(width // 2, 2))), 2, axis=0)
    second = random.normal(size=(1, width))
    second[:, 1::2] = -second[:, ::2] * (first[::2] @ [1, 1]) / (first[1::2] @ [1, 1])
    if layers == 2:
        return network([first, second, [[2.0**40]]], [np.zeros(width), [0.0], [0.0]])
    return network([first, second], [np.abs(random.normal(size=width)), [0.0]])


def false_claim(net, sign, lower, upper, gap):
    """(constant, plain bound): sign y + constant <= 0 happens at the upper corner, by part of what plain CROWN errs."""
    y = exact_trace(net, upper).y[0]
    plain = plain_bound(net, lower, upper, [float(sign)], 0.0, np.float64)
    error = Fraction(plain) - sign * y
    if error <= 0:
        return None
    constant = Fraction(float(-sign * y - error * Fraction(gap)))
    bound = plain_bound(net, lower, upper, [float(sign)], float(constant), np.float64)
    return (constant, bound) if bound > 0 > sign * y + constant else None


def claims():
    """Networks with false claims, found by trying seeds."""
    for width, size in ((8, 2.0**30), (50, 2.0**30), (50, 2.0**50), (200, 2.0**10), (200, 1.0)):
        for box in ("point", "hair"):
            found = 0
            for seed in range(400):
                net = pairs(seed, width=width, size=size)
                upper = np.random.default_rng(seed).uniform(0.5, 1, 2)
                lower = upper if box == "point" else upper - 2.0**-52
                claim = false_claim(net, 1, lower, upper, 0.5)
                if claim:
                    yield pytest.param(net, lower, upper, *claim, id=f"{width}-2^{np.log2(size):g}-{box}-{seed}")
                    found += 1
                if found == 2:
                    break
            assert found, "no such network was found"


CLAIMS = list(claims())


def question(folder, net, lower, upper, unsafe):
    return Question(folder, net, [case(map(float, lower), map(float, upper), unsafe)])


@pytest.mark.parametrize("net, lower, upper, constant, bound", CLAIMS)
def test_sums_that_cancel(tmp_path, net, lower, upper, constant, bound):
    assert bound > 0 > exact_trace(net, upper).y[0] + constant
    asked = question(tmp_path, net, lower, upper, [row([1], constant)]).write(SHOWN)
    for arithmetic in ARITHMETIC:
        rejected(asked, "node 0: an exclusion is not shown", arithmetic=arithmetic)


def test_it_is_what_is_given_up_that_saves_the_checker(tmp_path, monkeypatch):
    made, tighten = Floating.__init__, Floating.tighten

    def careless(self, *arguments):
        made(self, *arguments)
        self.rounding = self.unit = self.floor = 0.0

    def small_outputs(self, nodes):
        *lines, last = tighten(self, nodes)
        return [*lines, last._replace(size=np.zeros_like(last.size))]

    monkeypatch.setattr(Floating, "__init__", careless)
    monkeypatch.setattr(Floating, "tighten", small_outputs)
    asked = (question(tmp_path, *claim.values[:3], [row([1], claim.values[3])]) for claim in CLAIMS)
    results = [one.write(SHOWN).run() for one in asked]
    assert sum(result.accepted for result in results) > len(results) / 2


@pytest.mark.parametrize("sign", [1, -1])
def test_true_claims_with_room_are_accepted(tmp_path, sign):
    """The same networks with a margin that is larger than all that rounding can change."""
    for claim in CLAIMS[::3]:
        net, lower, upper, *_ = claim.values
        least = min(sign * exact_trace(net, point).y[0] for point in (lower, upper))
        weights = [np.abs(layer.weight) for layer in net.layers]
        size = Fraction(2) ** -22 * Fraction(float(weights[0].sum() * weights[1].max()))
        asked = question(tmp_path, net, lower, upper, [row([sign], Fraction(float(size - least)))]).write(SHOWN)
        for arithmetic in ARITHMETIC:
            accepted(asked, arithmetic=arithmetic)


def test_a_hidden_neuron_that_seems_never_active(tmp_path):
    """Plain float64 has z <= 0, so that y = 2^40 relu(z) is 0; exactly z > 0, and y is above the threshold."""
    found = 0
    for seed in range(300):
        net = pairs(seed, width=50, size=2.0**30, layers=2)
        point = np.ones(2)
        trace = exact_trace(net, point)
        if trace.y[0] <= 1 or plain_bound(net, point, point, [-1.0], 0.5, np.float64) <= 0:
            continue
        found += 1
        asked = question(tmp_path, net, point, point, [row([-1], Fraction(1, 2))]).write(SHOWN)
        for arithmetic in ARITHMETIC:
            rejected(asked, "an exclusion is not shown", arithmetic=arithmetic)
        if found == 5:
            break
    assert found == 5


def test_multipliers_are_rounded_too(tmp_path):
    """A multiplier so large that what is lost with it is more than the margin it seems to give."""
    net = network([[[1.0]], [[1.0]]], [[0.0], [0.0]])
    unsafe = [row([0], Fraction(1, 2), inputs=[-1])]  # x >= 1/2
    asked = question(tmp_path, net, [-1], [1], unsafe)
    for value, shown in ((1.0, True), (2.0**20, False), (2.0**1000, False)):
        below = Node(exclusions={0: Exclusion({0: 1024}, {}, {0: value})})
        for arithmetic in ARITHMETIC:
            result = asked.write([Node(1, children=(below, Node()))]).run(arithmetic=arithmetic)
            assert ("node 1" in result.reason) == (not shown), result.reason


@pytest.mark.parametrize("relu", [True, False])
def test_coefficients_that_underflow(tmp_path, relu):
    """y = 2^-78 - 2^-175 (2^-902 x) is -2^-78 at 2^1000; the product of both weights is 0 in float64."""
    net = with_layers(network([[[2.0**-902]], [[-(2.0**-175)]]], [[0.0], [2.0**-78]]), relu=(relu, False))
    assert exact_trace(net, [2.0**1000]).y[0] == -Fraction(1, 2**78)
    assert (net.layers[1].weight @ net.layers[0].weight == 0).all()
    asked = question(tmp_path, net, [2.0**1000], [2.0**1000], [row([1])]).write(SHOWN)
    for arithmetic in ARITHMETIC:
        rejected(asked, "may reach 2^100", arithmetic=arithmetic)


@pytest.mark.parametrize("name", MISLEADING)
def test_the_engine_s_own_examples(tmp_path, name):
    _, net, lower, upper, constant = MISLEADING[name]
    value = exact_trace(net, lower).y[0] + Fraction(constant)
    assert value < 0
    asked = question(tmp_path, net, lower, upper, [row([1], constant)]).write(SHOWN)
    for arithmetic in ARITHMETIC:
        rejected(asked, "an exclusion is not shown", arithmetic=arithmetic)


def test_claims_that_only_execution_breaks(tmp_path):
    """Exactly y = -3.92 x; executed in float32 it may be 0: y >= -2 does not happen, but is executed."""
    _, net, lower, upper, _ = MISLEADING["float32"]
    assert exact_trace(net, lower).y[0] < -3
    random = np.random.default_rng(0)
    assert max(float32_trace(net, lower, random).y[0] for _ in range(20)) > -2
    asked = question(tmp_path, net, lower, upper, [row([-1], -2)])
    for arithmetic in ARITHMETIC:
        accepted(asked.write(SHOWN), arithmetic=arithmetic)
        rejected(asked, "an exclusion is not shown", arithmetic=arithmetic, semantics="float32")
        rejected(asked.write(SHOWN, "float32"), "an exclusion is not shown", arithmetic=arithmetic)


@pytest.mark.parametrize("power", [10, 24, 30, 48, 60, 200])
@pytest.mark.parametrize("sign", [1, -1])
def test_margins_smaller_than_noise(tmp_path, power, sign):
    """|x| on [1/2, 1] and a margin of +-2^-power."""
    net = network([[[1.0], [-1.0]], [[1.0, 1.0]]], [[0.0, 0.0], [0.0]])
    asked = question(tmp_path, net, [0.5], [1], [row([1], -Fraction(1, 2) + Fraction(sign, 2**power))]).write(SHOWN)
    assert asked.run(arithmetic="exact").accepted == (sign > 0)
    assert asked.run().accepted == (sign > 0 and power <= 30)
    assert asked.run(semantics="float32").accepted == (sign > 0 and power <= 10)


def test_decimals_that_are_no_float64_numbers(tmp_path):
    """y + 0.1 - 2^-60 > 0 holds at y = -0.1 (as float64, which is below 0.1) only after rounding the constant."""
    net = network([[[1.0]], [[-1.0]]], [[0.0], [0.0]])
    x = 0.1  # above one tenth by 5.6e-18
    for constant in (Fraction(1, 10), Fraction(x) - Fraction(1, 10**30)):
        asked = question(tmp_path, net, [x], [x], [row([1], constant)]).write(SHOWN)
        assert exact_trace(net, [x]).y[0] + constant < 0
        for arithmetic in ARITHMETIC:
            rejected(asked, "an exclusion is not shown", arithmetic=arithmetic)
    asked = question(tmp_path, net, [x], [x], [row([1], Fraction(x) + Fraction(1, 10**30))]).write(SHOWN)
    accepted(asked, arithmetic="exact")
    rejected(asked, "an exclusion is not shown")
