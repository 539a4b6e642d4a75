"""Several networks as one function: exact values, bounds, verdicts and certificates of joints."""

from fractions import Fraction
from itertools import product

import numpy as np
import pytest
import torch
from cases import executable, points_of
from conftest import network, random_network

from engine.audit.check import check
from engine.bounds.blocks import blocks, make_stack
from engine.bounds.crown import Boxes
from engine.bounds.propagation import tighten
from engine.certificate import write_question_certificate
from engine.errors import InputError
from engine.exact import derivatives, evaluate, radii
from engine.joining import join, load_question
from engine.joint import make_joint
from engine.network import Affine, Network
from engine.query import Tie
from engine.replay import replay_of
from engine.search.problem import Options
from engine.search.verify import verify
from engine.solvers.smt import solve
from engine.vnnlib import query_of

OPTIONS = Options(threads=1, proofs=True, timeout=20)


def chain(weight, bias, last, end) -> Network:
    """A network of one hidden layer."""
    return network((weight, last), (bias, end))


def own(*places: int) -> tuple[Tie, ...]:
    return tuple(Tie(((place, Fraction(1)),)) for place in places)


def deeper(network: Network) -> Network:
    """The same function with one more hidden layer."""
    one = np.eye(len(network.layers[0].bias))
    return Network((network.layers[0], Affine(one, np.zeros(len(one)), True), *network.layers[1:]), name="deeper")


def text(*asserts: str, shapes=((2, 1), (2, 1)), relations=("", ""), element="real", hidden=("", "")) -> bytes:
    """A query about networks f and g with inputs X, U and outputs Y, V, on the box [-1, 1]^2 of X."""
    networks = [
        f"(declare-network {name} {relation} (declare-input {x} {element} [{n}]) {more}"
        f" (declare-output {y} {element} [{m}]))"
        for (n, m), name, x, y, relation, more in zip(shapes, "fg", "XU", "YV", relations, hidden)
    ]
    box = [f"(assert (and (<= -1.0 X[{i}]) (<= X[{i}] 1.0)))" for i in range(shapes[0][0])]
    return "\n".join(["(vnnlib-version <2.0>)", *networks, *box, *asserts]).encode()


SAME = ("(assert (== X[0] U[0]))", "(assert (== X[1] U[1]))")


def files_of(folder, **networks) -> dict[str, object]:
    """The files of networks, by name."""
    found = {}
    for name, each in networks.items():
        found[name] = folder / f"{name}.onnx"
        found[name].write_bytes(each.onnx_bytes)
    return found


def decided(folder, data: bytes, options: Options = OPTIONS, *, exact: bool = False, **networks):
    """The question and its verdict, whose certificate was written and accepted; `exact`: in both arithmetics."""
    spec = folder / "q.vnnlib"
    spec.write_bytes(data)
    files = files_of(folder, **networks)
    question = load_question(query_of(data, spec), files)
    verdict = verify(question.joint, question.query.property, options)
    certificate = folder / "c.zip"
    write_question_certificate(certificate, question, verdict, options, force=True)
    for arithmetic in ("float64", "exact") if exact else ("float64",):
        result = check(certificate, files, spec, arithmetic=arithmetic)
        assert result.accepted and not result.reason, result.reason
    return question, verdict


# --- values ---------------------------------------------------------------------------------------


@pytest.fixture
def pair():
    """Two networks of other depths that share one input: f(u0, u1), g(u1, u2)."""
    f, g = executable(random_network([2, 4, 3], seed=1)), executable(random_network([2, 3, 3, 2], seed=2))
    return make_joint([(f, own(0, 1)), (g, own(1, 2))], n_inputs=3), f, g


def test_values_are_those_of_the_networks(pair):
    joint, f, g = pair
    random = np.random.default_rng(0)
    for x in random.integers(-8, 9, (5, 3)) / 4:
        exact = evaluate(joint, x)
        assert exact == evaluate(f, x[:2]) + evaluate(g, x[1:])
        assert np.allclose(joint.evaluate(x), [float(v) for v in exact])
        given = np.array([joint.given(tuple(map(Fraction, x)))], dtype=float)
        assert np.allclose(replay_of(joint)(given)[0], joint.evaluate(x), atol=1e-5)
    assert radii(joint, x) == (0,) * 5
    assert derivatives(joint, x, [1]) == [derivatives(f, x[:2], [1])[0] + derivatives(g, x[1:], [0])[0]]


def test_ties_are_a_layer_unless_they_are_free_inputs():
    f = executable(random_network([2, 3, 1], seed=3))
    tie = Tie(((0, Fraction(2)),), Fraction(1, 2))
    plain, tied, tenth, twice = (
        make_joint([(f, ties)], n_inputs=2).blocks[0]
        for ties in (own(1, 0), (tie, *own(1)), (Tie(((0, Fraction(1)),), Fraction(1, 10)), *own(1)), own(1, 1))
    )
    assert plain.network is f and plain.inputs == (1, 0)
    assert len(tied.network.layers) == 3 and not tied.network.rounded
    assert tenth.network.rounded and tenth.network.float32_obstacle
    assert twice.inputs == (1,) and twice.network.layers[0].weight.tolist() == [[1.0], [1.0]]
    joint = make_joint([(f, (tie, *own(1)))], n_inputs=2)
    assert evaluate(joint, (0.25, 3)) == evaluate(f, (1, 3))


@pytest.mark.parametrize("value", [Fraction(2) ** 100, Fraction(1, 2) ** 1023])
def test_numbers_of_ties_that_no_layer_holds(value):
    f = executable(random_network([1, 2, 1], seed=0))
    with pytest.raises(InputError, match="too small or too large"):
        make_joint([(f, (Tie(((0, value),)),))], n_inputs=1)


# --- bounds ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("semantics", ["real", "float32"])
def test_neurons_and_outputs_are_within_their_bounds(pair, semantics):
    joint, _, _ = pair
    stack = make_stack([joint], device="cpu", semantics=semantics)
    lower, upper = torch.tensor([[-1.0, -0.5, 0.25]]).double(), torch.tensor([[0.5, 1.0, 0.75]]).double()
    which = torch.zeros(1, dtype=torch.long)
    l, u = torch.full((1, stack.n_hidden), -1e6), torch.full((1, stack.n_hidden), 1e6)
    tighten(stack, Boxes(which, lower, upper, l, u))
    random = np.random.default_rng(0)
    for x in points_of(lower[0].numpy(), upper[0].numpy(), 50, random):
        z, start = np.array([float(v) for v in x]), []
        for block in blocks(stack):
            h = torch.tensor(z)[block.inputs]
            for layer in block.stack.layers:
                h = layer.weight[0] @ h + layer.bias[0]
                start += h.tolist() if layer.relu else []
                h = h.clamp(min=0) if layer.relu else h
        found = torch.tensor(start)
        assert (l[0].double() <= found + 1e-12).all() and (found - 1e-12 <= u[0].double()).all()


def test_a_joint_costs_no_product_with_zeros(pair):
    joint, f, g = pair
    stack = make_stack([joint], device="cpu", semantics="real")
    sizes = [layer.weight.numel() for layer in stack.layers]
    assert sum(sizes) == sum(layer.weight.size for each in (f, g) for layer in each.layers)


def test_rounding_is_counted_for_the_widest_block(pair):
    joint, _, _ = pair
    assert (joint.width, joint.depth) == (4 + 2, 3)
    stack = make_stack([joint], device="cpu", semantics="real")
    one = torch.ones(1).double()
    assert {float(block.stack.noise(one)) for block in blocks(stack)} == {float(stack.lost(one))}


# --- verdicts, their certificates, and z3 ---------------------------------------------------------


@pytest.mark.parametrize("eps", ["0.05", "0.5"])
@pytest.mark.parametrize("seed", range(4))
def test_equivalence_is_decided_as_by_z3(tmp_path, seed, eps):
    f = random_network([2, 4, 1], seed=seed)
    layers = [Affine(a.weight + 0.03 * np.sin(7 * a.weight), a.bias, a.relu) for a in f.layers]
    g = Network(tuple(Affine(a.weight.astype(np.float32).astype(float), a.bias, a.relu) for a in layers), name="g")
    differ = f"(assert (or (> V[0] (+ Y[0] {eps})) (< V[0] (- Y[0] {eps}))))"
    question, verdict = decided(tmp_path, text(*SAME, differ), exact=eps == "0.5", f=executable(f), g=executable(g))
    assert verdict.word == solve(question.joint, question.query.property).status


def test_permuted_scaled_and_deeper_networks_are_equal(tmp_path):
    f = executable(chain([[1, -2], [3, 1], [-1, 1]], [0, 1, -1], [[1, 2, -1]], [0]))
    permuted = executable(chain([[-1, 1], [1, -2], [3, 1]], [-1, 0, 1], [[-1, 1, 2]], [0]))
    scaled = executable(chain([[2, -4], [3, 1], [-4, 4]], [0, 1, -4], [[0.5, 2, -0.25]], [0]))
    for number, g in enumerate((permuted, scaled, executable(deeper(f)))):
        folder = tmp_path / str(number)
        folder.mkdir()
        differ = "(assert (or (> V[0] (+ Y[0] 0.25)) (< V[0] (- Y[0] 0.25))))"
        _, verdict = decided(folder, text(*SAME, differ), f=f, g=g)
        assert verdict.word == "unsat"


def test_one_weight_changed_is_found_where_it_matters(tmp_path):
    f = executable(chain([[1, 0], [0, 1]], [0, 0], [[1, 1]], [0]))
    g = executable(chain([[1, 0], [0, 1]], [0, 0], [[1, 1.5]], [0]))
    question, verdict = decided(tmp_path, text(*SAME, "(assert (>= V[0] (+ Y[0] 0.5)))"), f=f, g=g)
    assert verdict.word == "sat" and verdict.counterexample.point[1] == 1  # the face, exactly


MONOTONE = (
    "(assert (== X[1] U[1]))",
    "(assert (and (<= X[0] U[0]) (<= -1.0 U[0]) (<= U[0] 1.0)))",
    "(assert (> Y[0] (+ V[0] 0.25)))",
)


@pytest.mark.parametrize("sign, word", [(1, "unsat"), (-1, "sat")])
def test_monotonicity_of_one_network_at_two_inputs(tmp_path, sign, word):
    """Y falls by no more than 1/4 where X0 rises: relu(x0 - 2 x1 + 1/2) + sign * relu(2 x0 + x1)."""
    f = executable(chain([[1, -2], [2, 1]], [0.5, 0], [[1, sign]], [0]))
    data = text(*MONOTONE, relations=("", "(equal-to f)"))
    spec = tmp_path / "q.vnnlib"
    spec.write_bytes(data)
    files = files_of(tmp_path, f=f)
    question = load_question(query_of(data, spec), files)
    assert len(question.query.free) == question.joint.n_inputs == 3
    verdict = verify(question.joint, question.query.property, OPTIONS)
    assert verdict.word == solve(question.joint, question.query.property).status == word
    write_question_certificate(tmp_path / "c.zip", question, verdict, OPTIONS)
    assert check(tmp_path / "c.zip", files, spec).accepted


@pytest.mark.parametrize("tie", ["(+ X[0] 0.1)", "(* 2.0 X[0])", "(- 0.5 X[0])"])
def test_ties_that_are_equations(tmp_path, tie):
    """V = relu(U0) against Y = relu(X0) with U0 tied to X0: the largest difference is known."""
    f = executable(chain([[1, 0]], [0], [[1]], [0]))
    largest = {"(+ X[0] 0.1)": Fraction(1, 10), "(* 2.0 X[0])": Fraction(1), "(- 0.5 X[0])": Fraction(3, 2)}[tie]
    tied = (f"(assert (== U[0] {tie}))", SAME[1])
    for number, (over, word) in enumerate([(Fraction(1, 100), "unsat"), (Fraction(-1, 100), "sat")]):
        folder = tmp_path / str(number)
        folder.mkdir()
        bound = float(largest + over)
        question, verdict = decided(folder, text(*tied, f"(assert (> V[0] (+ Y[0] {bound})))"), exact=True, f=f, g=f)
        assert verdict.word == word and question.joint.n_inputs == 2


def test_hidden_tensors(tmp_path):
    """Y = relu(x0) + relu(x1) with H = (x0, x1): Y <= 1 where H0 + H1 <= 1 and both are not below 0."""
    f = executable(chain([[1, 0], [0, 1]], [0, 0], [[1, 1]], [0]))
    hidden = '(declare-hidden H real [2] "z0")'
    data = text(
        *SAME,
        "(assert (<= (+ H[0] H[1]) 1.0))",
        "(assert (and (>= H[0] 0.0) (>= H[1] 0.0) (> Y[0] 1.01)))",
        hidden=(hidden, ""),
    )
    question, verdict = decided(tmp_path, data, f=f, g=f)
    assert question.joint.n_outputs == 4 and verdict.word == "unsat"


def test_float32_queries_are_answered_as_executed(tmp_path):
    f = executable(random_network([2, 4, 1], seed=5))
    differ = "(assert (> V[0] (+ Y[0] 0.25)))"
    question, verdict = decided(
        tmp_path, text(*SAME, differ, element="float32"), Options(threads=1, proofs=True, semantics="float32"), f=f, g=f
    )
    assert question.semantics == "float32" and verdict.word == "unsat" and verdict.semantics == "float32"


# --- what does not fit ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change, why",
    [
        ({"shapes": ((2, 1), (2, 2))}, r"V has shape \[2\], but that output"),
        ({"shapes": ((2, 1), (3, 1))}, r"U has shape \[3\], but that input"),
        ({"relations": ("", "(isomorphic-to f)")}, "has another graph"),
        ({"element": "float64"}, "no answer that holds as executed"),
        ({"hidden": ('(declare-hidden H real [2] "nowhere")', "")}, "no node gives a tensor 'nowhere'"),
    ],
)
def test_networks_that_do_not_fit(change, why):
    f = executable(random_network([2, 3, 1], seed=0))
    g = executable(random_network([2, 3, 3, 1], seed=0))
    n = change.get("shapes", ((2, 1), (2, 1)))[1][0]
    ends = [f"(assert (and (<= -1.0 U[{i}]) (<= U[{i}] 1.0)))" for i in range(n)]
    query = query_of(text(*ends, "(assert (> V[0] Y[0]))", **change), _path())
    with pytest.raises(InputError, match=why):
        join(query, {"f": f, "g": g})


@pytest.mark.parametrize(
    "names, why", [(("f",), "network 'g' has no file"), (("f", "g", "h"), "no network 'h' is declared")]
)
def test_files_that_are_missing_or_too_many(names, why):
    query = query_of(text(*SAME, "(assert (> V[0] Y[0]))"), _path())
    with pytest.raises(InputError, match=why):
        load_question(query, dict.fromkeys(names, _path()))


def test_isomorphic_files_may_differ_in_numbers_alone():
    f = executable(random_network([2, 3, 1], seed=0))
    g = executable(random_network([2, 3, 1], seed=1))
    query = query_of(text(*SAME, "(assert (> V[0] Y[0]))", relations=("", "(isomorphic-to f)")), _path())
    assert join(query, {"f": f, "g": g}).joint.n_outputs == 2


def _path():
    from pathlib import Path

    return Path("q.vnnlib")


def test_combinations_of_two_questions_share_batches(pair):
    """Joints of one shape are stacked; their verdicts are those of each alone."""
    joint, f, g = pair
    other = make_joint([(f, own(0, 1)), (g, own(1, 2))], n_inputs=3, name="other")
    stack = make_stack([joint, other], device="cpu", semantics="real")
    points = torch.tensor(list(product((-1.0, 0.5), repeat=3))).double()
    which = torch.arange(2).repeat_interleave(4)
    assert torch.equal(stack.evaluate(points, which), torch.tensor(joint.evaluate(points.numpy())))
