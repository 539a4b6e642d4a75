"""Certificates of version 5 in the checker: networks with Sigmoid and Tanh (section 14 of the format)."""

import dataclasses
from copy import deepcopy
from fractions import Fraction

import numpy as np
import pytest
from curve_definition import CURVES, down, high, low, steep
from curved_networks import BOUNDS, SLACK, Asked, Curved, CurveProver, random_curved
from hypothesis import given, settings
from hypothesis import strategies as st
from test_audit_bounds import nodes_of
from test_audit_check import ARITHMETIC, Exclusion, Node, accepted, case, exclusions, rejected, row

from engine.audit.curves import lines
from engine.audit.failures import Malformed
from engine.audit.onnx_reader import read_network

ONE = {curve: Curved([[[1.0]], [[1.0]]], [[0.0], [0.0]], [curve, ""]) for curve in CURVES}  # y = f(x)


def points(lower, upper, random, count=30):
    """Corners among them, exactly within the box."""
    for _ in range(count):
        share = np.clip(random.uniform(-0.3, 1.3, len(lower)), 0, 1).tolist()
        yield [Fraction(a) + (Fraction(b) - Fraction(a)) * Fraction(s) for a, b, s in zip(lower, upper, share)]


# --- the network ----------------------------------------------------------------------------------


def test_the_reader_gives_the_layers(tmp_path):
    net = random_curved((3, 4, 5, 2), 0)
    net_with_relu = dataclasses.replace(net, operators=["Tanh", "Relu", "Sigmoid"])
    for one in (net, net_with_relu):
        (tmp_path / "net.onnx").write_bytes(one.onnx.SerializeToString())
        found = read_network(tmp_path / "net.onnx")
        assert "Sigmoid or a Tanh" in found.obstacle and not found.rounded
        for layer, same in zip(found.layers, one.audit.layers, strict=True):
            assert np.array_equal(layer.weight, same.weight) and np.array_equal(layer.bias, same.bias)
            assert layer.curve is same.curve and layer.has_relu.tolist() == same.has_relu.tolist()


# --- bounds ---------------------------------------------------------------------------------------


def bounded(net, arithmetic, lower, upper, changes=()):
    """The bounds, a node of this box, and its lines; changes (end, neuron, value) before they are improved."""
    bounds = BOUNDS[arithmetic](net.audit, "real")
    nodes = nodes_of(bounds, np.array([lower], float), np.array([upper], float))
    for end, j, number in changes:
        getattr(nodes, end)[0, j] = number
    return bounds, nodes, bounds.tighten(nodes)


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([1.5, 12.0]), st.booleans())
def test_bounds_hold_at_samples(seed, scale, mixed):
    random = np.random.default_rng(seed)
    widths = (2, *random.integers(1, 5, random.integers(1, 4)).tolist(), 2)
    operators = ("Sigmoid", "Relu", "Tanh") if mixed else ("Sigmoid", "Tanh")
    net = random_curved(widths, seed, operators, scale)
    lower = np.round(random.normal(size=2) * 2, 2)
    upper = lower + np.round(random.exponential(size=2), 2)
    rows = [row(random.integers(-3, 4, 2).tolist(), 0, inputs=random.integers(-1, 2, 2).tolist())]
    for arithmetic in ARITHMETIC:
        bounds, nodes, lines = bounded(net, arithmetic, lower, upper)
        claimed = exclusions([(0, rows, Exclusion({0: 1024}))], net, np.zeros((1, bounds.hidden)))
        margin = Fraction(bounds.margins(nodes, lines, claimed)[0])
        for point in points(lower, upper, random, 12):
            z, y = net.trace(point)
            assert all(l - SLACK <= v <= u + SLACK for l, v, u in zip(nodes.l[0].tolist(), z, nodes.u[0].tolist()))
            value = sum(c * y[j] for j, c in rows[0]["outputs"].items())
            value += sum(c * point[i] for i, c in rows[0]["inputs"].items())
            assert margin <= value + SLACK


@pytest.mark.parametrize("seed", range(8))
def test_bounds_and_margins_are_those_of_the_definition(seed):
    """Exactly, in exact arithmetic; at roots, and with a sign assumed, with its multiplier."""
    random = np.random.default_rng(seed)
    net = random_curved((2, 4, 3, 2), seed, scale=(1.5, 6.0)[seed % 2])
    lower, upper = np.round(random.normal(size=2), 1), None
    upper = lower + (1.0, 0.25)[seed % 2]
    rows = [row([1, -2], Fraction(1, 3), inputs=[0, Fraction(1, 7)])]
    box = [(Fraction(a), Fraction(b)) for a, b in zip(lower.tolist(), upper.tolist())]
    for sign in (0, 1, -1):
        j, plain = int(random.integers(0, 7)), net.plain
        changes = [("l" if sign > 0 else "u", j, 0.0)] if sign else []
        bounds, nodes, lines = bounded(net, "exact", lower, upper, changes)
        floats, nodes_again, lines_again = bounded(net, "float64", lower, upper, changes)
        own = plain.root(box)
        for end, number, number_value in changes:
            own[number]["lu".index(end)] = Fraction(number_value)
        found = plain.tighten(box, own)
        assert [[Fraction(v) for v in end] for end in zip(nodes.l[0].tolist(), nodes.u[0].tolist())] == own
        signs = np.zeros((1, 7))
        signs[0, j] = sign
        shown = Exclusion({0: 512}, {}, {j: 0.75} if sign else {})
        claim = [(0, rows, shown)]
        margin = bounds.margins(nodes, lines, exclusions(claim, net, signs))[0]
        below = floats.margins(nodes_again, lines_again, exclusions(claim, net, signs))[0]
        half = lambda part, count: [rows[0][part].get(i, 0) / Fraction(2) for i in range(count)]
        multipliers = {j: sign * Fraction(3, 4)} if sign else {}
        expected = plain.substitute(half("outputs", 2), Fraction(1, 6), 3, found, box, multipliers, half("inputs", 2))
        assert margin == expected and expected - Fraction(1, 10**5) < Fraction(below) <= expected


@pytest.mark.parametrize("arithmetic", ARITHMETIC)
def test_a_node_that_is_empty_has_bounds_too(arithmetic):
    """l > u, by contradicting signs: any lines do, and nothing fails."""
    net = random_curved((2, 3, 3, 1), 1)
    bounds, nodes, lines = bounded(net, arithmetic, [0, 0], [1, 1], [("l", 0, 50.0), ("u", 0, -3.0), ("l", 4, 1e30)])
    claimed = exclusions([(0, [row([1])], Exclusion({0: 1024}))], net, np.zeros((1, 6)))
    assert np.isfinite(float(bounds.margins(nodes, lines, claimed)[0]))


def test_what_is_not_bounded_in_float64_shows_nothing():
    """A neuron whose bounds are NaN makes NaN of what follows, which is no margin."""
    net = random_curved((2, 3, 1), 1)
    bounds, nodes, _ = bounded(net, "float64", [0, 0], [1, 1])
    nodes.l[0, 1] = np.nan
    lines = bounds.tighten(nodes)
    claimed = exclusions([(0, [row([1])], Exclusion({0: 1024}))], net, np.zeros((1, 3)))
    assert bounds.margins(nodes, lines, claimed)[0] == -np.inf


# --- one neuron, worked by hand -------------------------------------------------------------------


#: touch(-513) of each curve, from the table. So upper(-513, 257), of f(-z), is the tangent there.
TOUCH = {"Sigmoid": 236, "Tanh": 198}


def hand(curve) -> Fraction:
    """The least value that section 14 gives y = f(x) on -1 <= x <= 2: at -1, of the lower line a z + r."""
    l, u = down(Fraction(-1)), -down(Fraction(-2))
    assert -257 < 256 * l < -256 and 512 < 256 * u < 513  # so P = -257 and Q = 513
    at = Fraction(TOUCH[curve], 256)  # more than floor((257 - 513) / 2) / 256, less than 257 / 256
    a = steep(curve, TOUCH[curve])
    t = high(curve, TOUCH[curve]) - a * at + Fraction(1, 2**31) * max(Fraction(257, 256) - at, at + Fraction(513, 256))
    return -a + (1 if curve == "Sigmoid" else 0) - t


def one_neuron(folder, curve, constant, *, strict=False, **more) -> Asked:
    """y + constant <= 0 on -1 <= x <= 2, excluded at once."""
    unsafe = [row([1], constant, strict=strict)]
    asked = Asked(folder, ONE[curve], [case([-1], [2], unsafe)], more)
    return asked.write([Node(exclusions={0: Exclusion({0: 1024})})])


@pytest.mark.parametrize("curve", CURVES)
def test_a_margin_is_the_one_worked_by_hand(tmp_path, curve):
    unit = Fraction(1, 2**60)
    result = accepted(one_neuron(tmp_path, curve, unit - hand(curve)), arithmetic="exact")
    assert result.margin == float(unit) and result.semantics == "real" and result.certificate.version == 5
    accepted(one_neuron(tmp_path, curve, -hand(curve), strict=True), arithmetic="exact")
    rejected(one_neuron(tmp_path, curve, -hand(curve)), "not shown", arithmetic="exact")
    accepted(one_neuron(tmp_path, curve, Fraction(1, 2**40) - hand(curve)), arithmetic="float64")
    rejected(one_neuron(tmp_path, curve, unit - hand(curve)), "not shown", arithmetic="float64")


@pytest.mark.parametrize("curve", CURVES)
def test_a_root_has_the_ends_of_the_tables(curve):
    """Two neurons: the second one's root bounds come from low(P) and high(Q) of the first one's."""
    net = Curved([[[1.0]], [[3.0]], [[1.0]]], [[0.0], [0.0], [0.0]], [curve, curve, ""])
    for arithmetic in ARITHMETIC:
        bounds = BOUNDS[arithmetic](net.audit, "real")
        l, u = bounds.root(np.array([-1.0]), np.array([2.0]))
        assert Fraction(l[1].item()) == down(3 * low(curve, -257)) and -u[1].item() == down(-3 * high(curve, 513))


# --- proofs ---------------------------------------------------------------------------------------


def just_below(net, lower, upper, outputs, gap, seed=0):
    """A row that is about `gap` below the least value of outputs . y that samples find."""
    random = np.random.default_rng(seed)
    least_found = min(
        sum(c * v for c, v in zip(outputs, net.trace(point)[1])) for point in points(lower, upper, random, 100)
    )
    return row(outputs, -Fraction(round((least_found - Fraction(gap)) * 256), 256))


def question(folder, seed=0, gap=0.1, width=1.0, widths=(2, 4, 3, 2)) -> Asked:
    """Two cases: of two polytopes, and of one with two rows."""
    net, cases = random_curved(widths, seed), []
    for shift in (0, 1):
        ends = [Fraction(shift), Fraction(-1)], [shift + Fraction(width), Fraction(-1) + Fraction(width)]
        rows = [just_below(net, *ends, outputs, gap) for outputs in ((1, 0), (1, -1))]
        cases.append(case(*ends, *([[r] for r in rows] if shift else [rows])))
    return Asked(folder, net, cases)


def all_nodes(roots):
    for node in roots:
        yield node
        yield from all_nodes(node.children)


@pytest.mark.parametrize("arithmetic", ARITHMETIC)
@pytest.mark.parametrize("signs, width", [(0, 0.0625), (0, 1.0), (3, 1.0)])
def test_proofs_of_two_layers_are_accepted(tmp_path, arithmetic, signs, width):
    """Of one leaf, of input splits, of sign splits with multipliers."""
    asked = question(tmp_path, 1, gap=0.05, width=width)
    roots = [CurveProver(asked.net, arithmetic, signs).prove(one) for one in asked.cases]
    result = accepted(asked.write(roots), arithmetic=arithmetic)
    assert result.checked == result.nodes and result.margin > 0
    kinds = {"sign" if node.split >= 2 else "input" for node in all_nodes(roots) if node.split >= 0}
    if arithmetic == "float64":
        accepted(asked, arithmetic="exact")
    assert kinds == ({"sign", "input"} if signs else {"input"} if width == 1.0 else set())


# --- certificates that must not be accepted -------------------------------------------------------

NOT_OF_THE_FORM = {
    "version_4": {"version": 4},
    "version_1": {"version": 1},
    "version_6": {"version": 6},
    "no_cones": {"cones": None},
    "cones_no_truth": {"cones": 0},
    "cones_text": {"cones": "false"},
    "float32": {"semantics": "float32"},
    "one_more_key": {"ties": []},
}


@pytest.mark.parametrize("more", NOT_OF_THE_FORM.values(), ids=NOT_OF_THE_FORM)
def test_manifests_of_another_form_are_malformed(tmp_path, more):
    with pytest.raises(Malformed):
        one_neuron(tmp_path, "Tanh", 2, **more).run()


@pytest.mark.parametrize("version", [1, 4])
def test_other_versions_are_not_for_curves(tmp_path, version):
    rejected(one_neuron(tmp_path, "Tanh", 2, version=version, cones=None), f"its version is {version}")


def test_version_5_is_for_curves_alone(tmp_path):
    net = dataclasses.replace(ONE["Tanh"], operators=["Relu", ""])
    asked = Asked(tmp_path, net, [case([-1], [2], [row([1], 2)])])
    rejected(asked.write([Node(exclusions={0: Exclusion({0: 1024})})]), "no Sigmoid or Tanh")


def test_float32_semantics_cannot_be_asked_for(tmp_path):
    rejected(one_neuron(tmp_path, "Tanh", 2), "no float32 semantics", semantics="float32")


@pytest.mark.parametrize("arithmetic", ARITHMETIC)
def test_slopes_of_curves_are_rejected(tmp_path, arithmetic):
    """Even at one that a sampled check would not visit; a ReLU beside it may have its own."""
    net = Curved([[[1.0]], [[1.0], [-1.0]], [[1.0, 1.0]]], [[0.0], [0.0, 0.0], [0.0]], ["Tanh", "Relu", ""])
    asked = Asked(tmp_path, net, [case([-1], [1], [row([1], 2)])])
    for neuron in (0, 1, 2):
        asked.write([Node(exclusions={0: Exclusion({0: 1024}, {neuron: 512})})])
        if neuron:
            accepted(asked, arithmetic=arithmetic)
        else:
            rejected(asked, "curve is among slopes", arithmetic=arithmetic)


def test_a_network_with_the_other_curve_is_another_question(tmp_path):
    """The certificate of a Sigmoid, signed for the Tanh: sigmoid(x) > 0.15 on the box, tanh(x) is not."""
    right = one_neuron(tmp_path, "Sigmoid", Fraction(-15, 100))
    accepted(right)
    wrong = one_neuron(tmp_path, "Tanh", Fraction(-15, 100))
    rejected(wrong, "not shown")
    wrong.paths[0].write_bytes(b"")
    right.write([Node(exclusions={0: Exclusion({0: 1024})})])
    rejected(right, "it is about a network")


def violated(asked, random) -> bool:
    """Whether a sample is in one of the polytopes."""
    for one in asked.cases:
        for point in points(one["lower"], one["upper"], random, 40):
            y = asked.net.trace(point)[1]
            for polytope in one["unsafe"]:
                if all(sum(c * y[j] for j, c in r["outputs"].items()) + r["constant"] < -SLACK for r in polytope):
                    return True
    return False


def mutate(roots, random):
    """Changes numbers of some nodes, in place."""
    nodes = list(all_nodes(roots))
    for node in (nodes[i] for i in random.integers(0, len(nodes), 2)):
        for shown in node.exclusions.values():
            shown.rows = {r: int(random.integers(1, 1025)) for r in shown.rows}
            shown.multipliers = {j: m * float(random.choice([0, 0.5, 1, 3, 1e9])) for j, m in shown.multipliers.items()}
        if node.split >= 0 and random.random() < 0.5:
            node.children = node.children[::-1]
        node.cut *= float(random.choice([1, 1, 0.75]))


@pytest.mark.parametrize("arithmetic", ARITHMETIC)
@pytest.mark.parametrize("seed", [1, pytest.param(4, marks=pytest.mark.slow)])
def test_what_is_accepted_of_mutants_is_true(tmp_path, arithmetic, seed):
    """The same trees with other numbers, for other properties and other networks, all signed again."""
    random, verdicts = np.random.default_rng(seed), []
    asked = question(tmp_path, seed, gap=0.05)
    proof = [CurveProver(asked.net, signs=2).prove(one) for one in asked.cases]
    for number in range(9):
        roots, other = deepcopy(proof), asked
        if number % 3 == 0:
            operators = [str(random.choice(CURVES)), str(random.choice(CURVES)), ""]
            other = Asked(tmp_path, dataclasses.replace(asked.net, operators=operators), asked.cases)
        elif number % 3 == 1:
            other = Asked(tmp_path, asked.net, moved(asked.cases, Fraction(int(random.integers(0, 80)), 1024)))
        else:
            mutate(roots, random)
        verdicts.append(other.write(roots).run(arithmetic=arithmetic).accepted)
        assert not (verdicts[-1] and violated(other, random))
    assert not all(verdicts)


def moved(cases, shift):
    """The cases with other constants."""
    unsafe = [[[r | {"constant": r["constant"] - shift} for r in rows] for rows in one["unsafe"]] for one in cases]
    return [one | {"unsafe": rows} for one, rows in zip(cases, unsafe)]


@pytest.mark.parametrize("curve", CURVES)
@pytest.mark.parametrize("change", ["slope", "offset", "touch", "value", "wider", "narrower"])
def test_the_margin_worked_by_hand_sees_one_unit(tmp_path, curve, change, monkeypatch):
    """A checker of which one number is off by one does not say the same."""
    right, unit = {name: getattr(lines, name) for name in ("_tangent", "steps")}, 2.0**-30
    find_tables = lines.Tables.touch, lines.Tables.high

    def tangent(found, first, last, at):
        c, t = right["_tangent"](found, first, last, at)
        return c + unit * (change == "slope"), t + 2.0**-40 * (change == "offset")

    wider = {"wider": 1, "narrower": -1}.get(change, 0)
    monkeypatch.setattr(lines, "_tangent", tangent)
    monkeypatch.setattr(lines.Tables, "touch", lambda found, i: find_tables[0](found, i) - (change == "touch"))
    monkeypatch.setattr(
        lines.Tables, "high", lambda found, i: find_tables[1](found, i) + 2.0**-40 * (change == "value")
    )
    monkeypatch.setattr(lines, "steps", lambda l, u: (right["steps"](l, u)[0] - wider, right["steps"](l, u)[1] + wider))
    with pytest.raises(AssertionError):
        test_a_margin_is_the_one_worked_by_hand(tmp_path, curve)
