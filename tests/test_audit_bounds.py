"""The checker's bounds: against exact evaluation, execution in float32, and the two arithmetics against each other."""

from fractions import Fraction

import numpy as np
import pytest
from cases import BOXES, FLOAT32, NETWORKS, SEMANTICS, exact_trace, float32_trace, networks_of, points_of
from conftest import network, random_network
from hypothesis import example, given, settings
from hypothesis import strategies as st
from test_audit_check import Exclusion, audit_network, exclusions, row

from engine.acasxu.domain import acasxu_domain
from engine.audit.arithmetic import Floating
from engine.audit.dyadic import Dyadic
from engine.audit.exact import Exact, _minimum
from engine.audit.exact import Node as ExactNode
from engine.audit.failures import Rejected
from engine.audit.lines import down, relu_lines
from engine.audit.nodes import Nodes
from engine.audit.onnx_reader import read_network
from engine.audit.places import hidden_parts
from engine.audit.walk import outward
from engine.audit.witness import evaluate
from engine.onnx_file import load_network

NAMED = [(name, s) for name in NETWORKS for s in SEMANTICS if s == "real" or name in FLOAT32]


# --- numbers --------------------------------------------------------------------------------------


@given(st.fractions() | st.floats(-(2.0**120), 2.0**120).map(Fraction) | st.floats(-1e-40, 1e-40).map(Fraction))
@example(Fraction(0))
@example(Fraction(2**40 + 1, 2**40))
def test_down_and_up(value):
    """down() of the nearest float64 is a float32 number at most two units below the value."""
    found = down(np.float64(float(value)))
    assert found.dtype == np.float32 and Fraction(float(found)) <= value
    above = np.nextafter(np.nextafter(np.nextafter(found, np.float32(np.inf)), np.float32(np.inf)), np.float32(np.inf))
    assert Fraction(float(above)) > value
    assert Fraction(float(-down(-np.float64(float(value))))) >= value
    scaled = Dyadic(np.array([value.numerator], dtype=object), 0)
    if value.denominator == 1:
        assert scaled.down()[0] == found


def test_down_of_what_is_beyond_its_range():
    with np.errstate(over="ignore", invalid="ignore"):
        assert down(np.float64(-1e300)) == -np.inf and np.isnan(down(np.float64(np.inf)))
        assert Dyadic(np.array([-(10**900)], dtype=object), 3).down()[0] == -np.inf


FLOATS32 = st.floats(-(2.0**100), 2.0**100, width=32)


@given(st.tuples(FLOATS32, FLOATS32).map(sorted) | st.tuples(st.floats(-1, 0, width=32), st.floats(0, 1, width=32)))
@example((-1.0, 1.0))
@example((0.0, 0.0))
@example((-(2.0**-149), 2.0**-149))
@example((-2047.0, 1.0))
@example((-(2.0**100), 2.0**-149))
def test_relu_lines(ends):
    """a z <= max(z, 0) <= c z + t with the format's own c and t, all exact."""
    l, u = map(Fraction, ends)
    a, c, t = (Fraction(float(part[0])) for part in relu_lines(*(np.array([v], np.float32) for v in ends)))
    below, above = min(l, Fraction(0)), max(u, Fraction(0))
    assert a == (u > -l)
    assert c == (Fraction(round(1024 * above / (above - below)), 1024) if above > below else 0)  # round: ties to even
    assert t == max(-c * below, (1 - c) * above)
    for z in {l, u, (l + u) / 2, min(max(Fraction(0), l), u)}:
        assert a * z <= max(z, 0) <= c * z + t


@given(st.fractions(-(2**99), 2**99) | st.floats(-(2.0**99), 2.0**99).map(Fraction))
@example(Fraction(1, 10))
def test_ends_of_boxes_are_rounded_outward(value):
    for side in (-1, 1):
        end = outward(value, side)
        assert side * Fraction(end) >= side * value
        assert Fraction(end) == value or side * Fraction(float(np.nextafter(end, -side * np.inf))) < side * value
        assert side * outward(side * Fraction(10) ** 400, side) >= 2.0**101  # which no root may have


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=4))
def test_dyadic_numbers_are_exact(values):
    found = Dyadic.of(np.array(values))
    exact = [Fraction(n, 2**found.bits) for n in found.numbers]
    assert exact == [Fraction(v) for v in values]
    doubled = found + found * Dyadic(3, 1)
    assert [Fraction(n, 2**doubled.bits) for n in doubled.numbers] == [v * 5 / 2 for v in exact]


# --- nodes ----------------------------------------------------------------------------------------


def nodes_of(bounds, lower, upper) -> Nodes:
    """Roots of these boxes."""
    l, u = np.stack([bounds.root(*ends) for ends in zip(lower, upper)], axis=1)
    n = np.arange(len(lower))
    return Nodes(n, n, lower, upper, l, u, np.zeros(l.shape, np.int8), np.zeros((len(n), 1), bool))


def boxes_of(n_inputs):
    shift = np.arange(n_inputs) * 0.125
    return (np.array([centre + shift + side * radius for centre, radius in BOXES.values()]) for side in (-1, 1))


def traces_of(net, nodes, semantics, random, count=3):
    """For each node (trace, ..) of exact and, in float32 semantics, executed runs."""
    for lower, upper in zip(nodes.lower, nodes.upper):
        found = [exact_trace(net, point) for point in points_of(lower, upper, count, random)]
        if semantics == "float32":
            points = points_of(lower, upper, count, random, float32=True)
            found += [float32_trace(net, point, random) for point in points for _ in range(3)]
        yield found


def some_exclusions(net, n_nodes, random, sign=None, count=2):
    """Random rows of outputs and inputs with random slopes, and multipliers where signs are assumed."""
    hidden = sum(len(layer.bias) for layer in net.layers if layer.relu)
    sign = np.zeros((n_nodes, hidden), np.int8) if sign is None else sign
    numbers = lambda n: [Fraction(random.normal()).limit_denominator(97) for _ in range(n)]
    claims = []
    for node in np.repeat(np.arange(n_nodes), count):
        rows = [row(numbers(net.n_outputs), numbers(1)[0], inputs=numbers(net.n_inputs)) for _ in range(2)]
        chosen = [int(j) for j in np.flatnonzero(random.random(hidden) < 0.5)]
        slopes = {j: int(random.integers(0, 1025)) for j in chosen}
        multipliers = {int(j): float(random.random()) for j in np.flatnonzero(sign[node])}
        claims.append((int(node), rows, Exclusion({0: int(random.integers(1, 1025)), 1: 700}, slopes, multipliers)))
    return claims, exclusions(claims, net, sign)


def value_of(rows, shown, trace) -> Fraction:
    """The weighted sum of an exclusion's rows at a trace."""
    total = Fraction(0)
    for r, weight in shown.rows.items():
        terms = [c * trace.y[j] for j, c in rows[r]["outputs"].items()]
        terms += [c * trace.x[i] for i, c in rows[r]["inputs"].items()]
        total += Fraction(weight, 1024) * sum(terms, rows[r]["constant"])
    return total


def check_sound(net, bounds, nodes, semantics, random, sign=None):
    """Hidden bounds and margins hold at every trace that has the assumed signs."""
    lines = bounds.tighten(nodes)
    claims, claimed = some_exclusions(net, len(nodes.lower), random, sign)
    margins = bounds.margins(nodes, lines, claimed)
    for i, traces in enumerate(traces_of(net, nodes, semantics, random)):
        for trace in traces:
            if sign is not None and any(s * z < 0 for s, z in zip(sign[i].tolist(), trace.z)):
                continue
            ends = zip(nodes.l[i].tolist(), trace.z, nodes.u[i].tolist())
            assert all(Fraction(l) <= z <= Fraction(u) for l, z, u in ends)
            for (node, rows, shown), margin in zip(claims, margins):
                if node == i and margin > -np.inf:
                    assert Fraction(margin) <= value_of(rows, shown, trace)


@pytest.mark.parametrize("arithmetic", [Floating, Exact])
@pytest.mark.parametrize("name, semantics", NAMED)
def test_sound(name, semantics, arithmetic):
    random = np.random.default_rng(0)
    for net in networks_of(name)[: 2 if arithmetic is Floating else 1]:
        bounds = arithmetic(audit_network(net), semantics)
        check_sound(net, bounds, nodes_of(bounds, *boxes_of(net.n_inputs)), semantics, random)


@pytest.mark.parametrize("arithmetic", [Floating, Exact])
@pytest.mark.parametrize("semantics", SEMANTICS)
def test_sound_with_assumed_signs(semantics, arithmetic):
    random = np.random.default_rng(1)
    for name in ("shallow", "deep", "affine_inside", "absolute_value"):
        net = networks_of(name)[0]
        bounds = arithmetic(audit_network(net), semantics)
        nodes = nodes_of(bounds, *boxes_of(net.n_inputs))
        sign = random.integers(-1, 2, nodes.l.shape)
        np.copyto(nodes.u, np.minimum(nodes.u, 0), where=sign < 0)
        np.copyto(nodes.l, np.maximum(nodes.l, 0), where=sign > 0)
        check_sound(net, bounds, nodes, semantics, random, sign)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_sound_on_any_network(data):
    widths = data.draw(st.lists(st.integers(1, 5), min_size=2, max_size=6))
    net = random_network(widths, seed=data.draw(st.integers(0, 10**6)))
    for layer in net.layers:
        object.__setattr__(layer, "relu", data.draw(st.booleans()))
    semantics = data.draw(st.sampled_from(SEMANTICS))
    ends = st.lists(st.tuples(*[st.floats(-4, 4, width=32)] * 2).map(sorted), min_size=widths[0], max_size=widths[0])
    lower, upper = np.array([data.draw(ends) for _ in range(3)]).transpose(2, 0, 1)
    random = np.random.default_rng(data.draw(st.integers(0, 100)))
    for arithmetic in (Floating, Exact):
        bounds = arithmetic(audit_network(net), semantics)
        check_sound(net, bounds, nodes_of(bounds, lower, upper), semantics, random)


# --- float64 against exact arithmetic ---------------------------------------------------------------


@pytest.mark.parametrize("name, semantics", NAMED)
def test_float64_is_never_better_than_exact(name, semantics, monkeypatch):
    """From the same bounds of the neurons before: those of a layer's neurons, and margins, with small differences."""
    random = np.random.default_rng(2)
    net = networks_of(name)[0]
    floating, exact = (kind(audit_network(net), semantics) for kind in (Floating, Exact))
    nodes = nodes_of(floating, *boxes_of(net.n_inputs))
    start = nodes.l.copy(), nodes.u.copy()
    roots = nodes_of(exact, *boxes_of(net.n_inputs))
    assert (nodes.l <= roots.l).all() and (nodes.u >= roots.u).all()
    lines = floating.tighten(nodes)
    down = Dyadic.down
    for part in hidden_parts(audit_network(net)):
        l, u = nodes.l.copy(), nodes.u.copy()
        l[:, part], u[:, part] = start[0][:, part], start[1][:, part]
        frozen = nodes._replace(l=l, u=u)
        # layers before this one keep what they have; those with neurons of open sign are rounded twice
        earlier = [p for p in floating.parts if p.stop <= part.start and p != part]
        for node in zip(frozen.lower, frozen.upper, l, u):
            before = 2 * sum(bool(((node[2][p] < 0) & (node[3][p] > 0)).any()) for p in earlier)
            monkeypatch.setattr(Dyadic, "down", down_after(before, down))
            exact._bound(ExactNode(*node))
        monkeypatch.undo()
        assert (nodes.l[:, part] <= l[:, part]).all() and (nodes.u[:, part] >= u[:, part]).all()
    monkeypatch.setattr(Dyadic, "down", lambda s: np.float32(-np.inf))
    kept = nodes._replace(l=nodes.l.copy(), u=nodes.u.copy())
    same = exact.tighten(kept)
    assert (kept.l == nodes.l).all() and (kept.u == nodes.u).all()
    claims, claimed = some_exclusions(net, len(nodes.lower), random)
    found, true = floating.margins(nodes, lines, claimed), exact.margins(nodes, same, claimed)
    for number, value in zip(found.tolist(), true):
        assert number == -np.inf or Fraction(number) <= value
    if name in ("shallow", "deep", "wide", "affine_inside") and semantics == "real":
        assert all(float(value) - number < 1e-9 * (1 + abs(float(value))) for number, value in zip(found, true))


def down_after(calls: int, down):
    """As `down`, but -infinity for the first calls."""
    made = iter(range(10**6))
    return lambda values: down(values) if next(made) >= calls else np.float32(-np.inf)


def agreement(path, semantics, ends, count=3):
    """The part of the hidden bounds that the two arithmetics round alike, in random boxes and their halves."""
    net, random = read_network(path), np.random.default_rng(3)
    floating, exact = Floating(net, semantics), Exact(net, semantics)
    low, high = np.array(ends).T
    width = (high - low) / 8
    lower = low + random.random((count, len(low))) * (high - low - width)
    upper, same = lower + width, []
    nodes = nodes_of(floating, lower, upper)
    for _ in range(2):
        other = nodes._replace(l=nodes.l.copy(), u=nodes.u.copy())
        floating.tighten(nodes)
        exact.tighten(other)
        same += [nodes.l == other.l, nodes.u == other.u]
        if semantics == "real":
            assert np.abs(nodes.l - other.l).max() < 1e-3 and (nodes.l[:, :50] <= other.l[:, :50]).all()
        nodes.upper[:, 1] = (nodes.lower[:, 1] + nodes.upper[:, 1]) / 2
    return np.mean(same)


P2 = [(0.6, 0.679857769), (-0.5, 0.5), (-0.5, 0.5), (0.45, 0.5), (-0.5, -0.45)]


def test_stand_ins_have_the_same_bounds_in_both_arithmetics(standin_paths):
    for path in standin_paths.values():
        assert agreement(path, "real", P2) > 0.998


def test_published_networks_have_the_same_bounds_in_both_arithmetics(acasxu_networks):
    path = sorted(acasxu_networks.glob("*2_3*.onnx*"))[0]
    assert agreement(path, "real", P2) > 0.998


@pytest.mark.slow
@pytest.mark.parametrize("a", range(1, 6))
def test_all_published_networks_on_the_same_lines(acasxu_networks, a, monkeypatch):
    """On a random box each: bounds and margins are not above the exact ones on the same lines, nor above samples."""
    random, paths = np.random.default_rng(a), sorted(acasxu_networks.glob(f"*run2a_{a}_?_batch*"))
    assert len(paths) == 9
    low, high = (np.array([float(end) for end in ends]) for ends in acasxu_domain().ends)
    for path in paths:
        audited, net, width = read_network(path), load_network(path), (high - low) * 2.0 ** -random.integers(1, 6)
        lower = low + random.random(5) * (high - low - width)
        floating, exact = Floating(audited, "real"), Exact(audited, "real")
        nodes = nodes_of(floating, lower[None], (lower + width)[None])
        start = nodes.l[0].copy(), nodes.u[0].copy()
        lines = floating.tighten(nodes)
        assert (start[0] < nodes.l[0]).any()  # there was something to be bounded
        same = frozen(exact, nodes, monkeypatch)
        check_hidden_exactly(exact, nodes, same[0], start)
        claims, claimed = some_exclusions(net, 1, random)
        for number, value in zip(floating.margins(nodes, lines, claimed), exact.margins(nodes, same, claimed)):
            assert np.isfinite(number) and Fraction(number) <= value
        check_sound(net, floating, nodes, "real", random)


def frozen(exact, nodes, monkeypatch) -> list:
    """The lines over the nodes' l and u as they are, with exact numbers."""
    kept = nodes._replace(l=nodes.l.copy(), u=nodes.u.copy())
    monkeypatch.setattr(Dyadic, "down", lambda s: np.float32(-np.inf))
    lines = exact.tighten(kept)
    monkeypatch.undo()
    assert (kept.l == nodes.l).all() and (kept.u == nodes.u).all()
    return lines


def check_hidden_exactly(exact, nodes, lines, start) -> None:
    """l and u of the only node are no better than where they started and what exact arithmetic finds on these lines."""
    for k, (layer, part) in enumerate(zip(exact.layers, exact.parts)):
        at = np.flatnonzero((start[0][part] < 0) & (start[1][part] > 0))
        for sign, found, before in ((1, nodes.l, start[0]), (-1, nodes.u, start[1])):
            row = sign * layer.weight[at], sign * layer.bias[at]
            for i in range(k - 1, -1, -1):
                row = exact._substitute(i, *row, lines[i])
            least = number_of(_minimum(nodes.lower[0], nodes.upper[0], *row))
            for j, value in zip(at, least):
                assert sign * Fraction(float(found[0, part][j])) <= max(sign * Fraction(float(before[part][j])), value)


# --- what would be wrong without it -----------------------------------------------------------------


def test_bounds_that_touch_zero_from_both_sides():
    """Where l = u = 0, slope 0 comes first: executed, z_j is 0 then, but W h + b may be above it."""
    net = network([[[1.0, 1.0]], [[1.0]], [[1.0]]], [[0.0], [-1.0 + 11 * 2.0**-24], [0.0]])
    for arithmetic in (Floating, Exact):
        bounds = arithmetic(audit_network(net), "float32")
        nodes = nodes_of(bounds, np.array([[0.5, 0.5]]), np.array([[0.5, 0.5]]))
        assert nodes.l[0, 1] < 0 < nodes.u[0, 1]  # it may be executed as 0
        nodes.l[0, 1] = nodes.u[0, 1] = 0
        lines = bounds.tighten(nodes)
        claims = [(0, [row([1])], Exclusion({0: 1024}, {1: slope})) for slope in (0, 512, 1024)]
        margins = bounds.margins(nodes, lines, exclusions(claims, net, np.zeros((1, 2))))
        assert max(margins) <= 0


def test_affine_layers_are_as_large_as_executed():
    """Without a ReLU a layer's H holds the noise of its own execution too, as the next M shows."""
    net = network([[[2.0**30, -(2.0**30)]], [[1.0]], [[1.0]]], [[0.0], [0.0], [0.0]])
    object.__setattr__(net.layers[0], "relu", False)
    g = Fraction(6, 2**24 - 6)
    for arithmetic in (Floating, Exact):
        bounds = arithmetic(audit_network(net), "float32")
        nodes = nodes_of(bounds, np.array([[1.0, 1.0]]), np.array([[1.0, 1.0]]))
        lines = bounds.tighten(nodes)
        second = lines[1].noise[0, 0] if arithmetic is Floating else number_of(lines[0][1][4])[0]
        assert Fraction(second) >= g * (2**31 + g * 2**31)


def number_of(dyadic) -> list[Fraction]:
    return [Fraction(number, 2**dyadic.bits) for number in dyadic.numbers.tolist()]


def test_losses_by_hand():
    """-relu(x) + x/3 + 1/7 on [-1/2, 1], with weight 1/2 and the multiplier 1/4 of z <= 0, in float32 semantics."""
    net = network([[[1.0]], [[-1.0]]], [[0.0], [0.0]])
    sign = np.array([[-1]])
    claims = [(0, [row([1], Fraction(1, 7), inputs=[Fraction(1, 3)])], Exclusion({0: 512}, {}, {0: 0.25}))]
    found = []
    for arithmetic, semantics in ((Exact, "float32"), (Floating, "float32"), (Exact, "real"), (Floating, "real")):
        bounds = arithmetic(audit_network(net), semantics)
        nodes = nodes_of(bounds, np.array([[-0.5]]), np.array([[1.0]]))
        nodes.l[:], nodes.u[:] = -0.5, 1
        lines = bounds.tighten(nodes)
        assert nodes.l[0, 0] == -0.5 and nodes.u[0, 0] == 1
        found.append(Fraction(bounds.margins(nodes, lines, exclusions(claims, net, sign))[0]))
        g, e = -(-5 * 2**60 // (2**24 - 5)) * Fraction(1, 2**60), Fraction(6, 2**126)
        noise = g + e if semantics == "float32" else Fraction(0)  # M = 1 in both layers
        c, t = Fraction(683, 1024), Fraction(683, 2048)  # 2/3 as a multiple of 1/1024
        # coefficient of z: -c/2 + 1/4; of x: 1/6 more
        slope = -c / 2 + Fraction(1, 4) + Fraction(1, 6)
        first = noise + g * t if semantics == "float32" else noise  # N(M + t)
        value = min(slope, -slope / 2) - t / 2 + Fraction(1, 14) - first / 2 - noise / 2 - first / 4
        if arithmetic is Exact:
            assert found[-1] == value
        else:  # twice for the multiplier
            assert value - first / 4 - Fraction(1, 10**11) < found[-1] < value - first / 4
            assert lines[0].noise[0, 0] >= bounds.unit * (1 + float(t))
    assert bounds.floor == 2.0**-900 and Floating(audit_network(net), "float32").floor > 6 * 2.0**-126 * (1 + 2.0**-11)


def test_nothing_infinite_is_shown():
    """Coefficients that overflow give no margin, in float64; exactly they do."""
    net = network([[[2.0**99]], [[2.0**600]], [[2.0**600]]], [[0.0], [0.0], [0.0]])
    for layer in net.layers:
        object.__setattr__(layer, "relu", False)
    floating, exact = (kind(audit_network(net), "real") for kind in (Floating, Exact))
    zero = np.array([[0.0]])
    nodes = Nodes(None, None, zero, zero, np.zeros((1, 0), np.float32), np.zeros((1, 0), np.float32), None, None)
    claimed = exclusions([(0, [row([1], 1)], Exclusion({0: 1024}))], net, np.zeros((1, 0)))
    with np.errstate(all="ignore"):
        assert floating.margins(nodes, floating.tighten(nodes), claimed)[0] == -np.inf
    assert exact.margins(nodes, exact.tighten(nodes), claimed)[0] == 1


@pytest.mark.parametrize("arithmetic", [Floating, Exact])
def test_numbers_beyond_the_analysis_are_refused(arithmetic):
    for size, weight in ((2.0**100, 2.0**-900), (1.0, 2.0**100), (np.inf, 1.0)):
        bounds = arithmetic(audit_network(network([[[weight]], [[1.0]]], [[0.0], [0.0]])), "real")
        if np.isfinite(size):
            with pytest.raises(Rejected, match="2\\^100"):
                bounds.root(np.array([-size]), np.array([size]))
    wide = network([np.ones((1, 2**14))], [[0.0]])
    with pytest.raises(Rejected, match="beyond the analysis of rounding"):
        arithmetic(audit_network(wide), "float32")


def test_evaluate():
    net = random_network((3, 5, 4, 2), seed=0)
    point = (Fraction(1, 3), Fraction(-5, 7), Fraction(0.1))
    assert evaluate(audit_network(net), point) == exact_trace(net, point).y
