"""Sets of inputs that hold few numbers of floating point, or none: decided soon, and as z3 decides them."""

import json
import re
from fractions import Fraction

import numpy as np
import pytest
from bench_runs import Here
from cases import case, check_counterexample, check_verdict, executable, prop, row
from conftest import network, random_network
from float_sets import KINDS, question
from fuzzing import seeds
from hypothesis import given
from hypothesis import strategies as st

from engine.audit.check import check
from engine.certificate import certificate_bytes
from engine.cli import main
from engine.errors import InputError
from engine.exact import derivatives, evaluate, floats_inside, nearest_floats, number_text
from engine.search.equations import Lattice, dyadic_solutions, equations
from engine.search.inputs import InputSet
from engine.search.problem import Options
from engine.search.verify import verify
from engine.solvers.smt import solve
from engine.vnncomp import counterexample_text
from engine.vnnlib import load_property
from engine.vnnlib.writer import property_text

BOXES = 20_000  # none takes more; most take one
PAIR = network([[[1.0, 0], [-1, 0], [0, 1], [0, -1]], [[1.0, -1, 0, 0], [0, 0, 1, -1]]], [[0] * 4, [0, 0]])  # y = x
NONE = [0, 0]


def equal(inputs, constant, outputs=NONE) -> list:
    """inputs . x + outputs . y + constant = 0, as two rows."""
    return [
        row(outputs, constant, inputs=inputs),
        row([-c for c in outputs], -Fraction(constant), inputs=[-c for c in inputs]),
    ]


# --- against z3 -----------------------------------------------------------------------------------


def test_random_questions_are_decided_as_z3_decides_them():
    """In real semantics all but a few; in float32 semantics what has inputs is never proved where it is violated."""
    words = []
    for seed in seeds(3.0):
        kind, net, asked = question(seed)
        truth = solve(net, asked, timeout=20).status
        if truth == "unknown":
            continue
        verdict = verify(net, asked, Options(device="cpu", timeout=60))
        check_verdict(verdict, net, asked, truth=truth)
        assert verdict.statistics.boxes <= BOXES, (seed, kind)
        words.append((kind, truth, verdict.word))
        try:
            executed = verify(net, asked, Options(semantics="float32", device="cpu", timeout=60))
        except InputError as error:
            assert kind not in ("output",) and "no input exists in float32 semantics" in str(error)
            assert verdict.word == "unsat" or not verdict.counterexample.executable
            continue
        assert kind not in ("pinned", "all_pinned", "narrow", "open")
        assert executed.statistics.boxes <= BOXES, (seed, kind)
        assert executed.word != "unsat" or truth == "unsat"
        if executed.word == "sat":
            assert executed.counterexample.stands
            check_counterexample(executed.counterexample, net, asked)
    assert sum(word == truth for _, truth, word in words) >= 0.9 * len(words)


def test_the_questions_have_both_answers():
    answers = {}
    for seed in range(10 * len(KINDS)):
        kind, net, asked = question(seed)
        answers.setdefault(kind, set()).add(solve(net, asked, timeout=20).status)
        if all({"sat", "unsat"} <= answers.get(kind, set()) for kind in KINDS):
            return
    raise AssertionError(answers)


# --- each kind by itself --------------------------------------------------------------------------

STEP = Fraction(1, 2**23)  # between float32 numbers from 1 on
FEW = {  # name -> lower, upper, rows, what real semantics says, whether the network can be given the point
    "pinned": (["0.1", -1], ["0.1", 1], [row([-1, 0])], "sat", False),
    "pinned, safe": (["0.1", -1], ["0.1", 1], [row([1, 0])], "unsat", None),
    "pinned, no outputs": (["0.1", "0.3"], ["0.1", "0.3"], [], "sat", False),
    "pinned to floats": ([0, "0.5"], [0, "0.5"], [row([-1, 0])], "sat", True),
    "between floats": ([1 + STEP / 4, 0], [1 + STEP / 2, 1], [row([-1, 0])], "sat", False),
    "open between floats": (
        [1, 0],
        [1 + STEP, 1],
        [row(NONE, 1, inputs=[-1, 0], strict=True), row(NONE, -1 - STEP, inputs=[1, 0], strict=True)],
        "sat",
        False,
    ),
    "half open at a float": ([1, 0], [1 + STEP, 1], [row(NONE, 1, inputs=[-1, 0], strict=True)], "sat", True),
    "subnormal": (["1e-46", 0], ["2e-46", 1], [row([-1, 0])], "sat", False),
    "huge": ([2**90 + 1, 0], [2**90 + 2**50, 1], [row([-1, 0])], "sat", False),
    "equation": ([0, 0], [1, 1], [*equal([1, 3], "-0.7"), row([-1, 0])], "sat", False),
    "equation, dyadic": ([0, 0], [1, 1], [*equal([1, 3], "-0.75"), row([-1, 0])], "sat", True),
    "equation without unit": ([0, 0], [1, 1], [*equal([3, 5], "-0.5"), row([-1, 0], "0.05")], "sat", True),
    "equation, safe": ([0, 0], [1, 1], [*equal([1, 3], "-0.7"), row([1, 0], 1)], "unsat", None),
    "equation of a pin": ([Fraction(1, 2), 0], [Fraction(1, 2), 1], equal([1, 1], "-0.6"), "sat", False),
    "two equations": ([-1, -1], [1, 1], [*equal([1, 1], "-0.5"), *equal([1, -1], "-0.2")], "sat", False),
    "two equations, dyadic": ([-1, -1], [1, 1], [*equal([1, 1], "-0.5"), *equal([1, -1], "-0.25")], "sat", True),
    "an equation at a corner": ([0, 0], [1, 1], equal([1, 1], -2), "sat", True),
    "an equation beyond the box": ([0, 0], [1, 1], equal([1, 1], -3), "unsat", None),
    "outputs": ([-1, -1], [1, 1], equal(NONE, "-0.1", outputs=[1, 0]), "sat", False),
    "violated between floats": (
        [1, 0],
        [1 + STEP, 1],
        [row([-1, 0], 1 + STEP / 4), row([1, 0], -1 - STEP / 2)],
        "sat",
        False,
    ),
}


@pytest.mark.parametrize("name", FEW)
def test_few_or_no_floats(name, tmp_path):
    """Decided, and certified where the independent checker sees it in both arithmetics."""
    lower, upper, rows, word, can = FEW[name]
    net, asked = executable(PAIR), prop(case(lower, upper, rows), n_outputs=2, name="p")
    assert solve(net, asked).status == word
    verdict = verify(net, asked, Options(device="cpu"))
    assert verdict.word == word and verdict.statistics.boxes <= BOXES
    if word == "sat":
        assert verdict.counterexample.executable == can
        check_counterexample(verdict.counterexample, net, asked)
    (tmp_path / "n.onnx").write_bytes(net.onnx_bytes)
    (tmp_path / "p.vnnlib").write_text(property_text(asked))
    read = load_property(tmp_path / "p.vnnlib")  # which finds out by itself that nothing satisfies one of these
    if read.cases != asked.cases or verdict.word == "unsat":
        verdict = verify(net, read, Options(device="cpu", proofs=True))
    data = certificate_bytes(net, read, verdict, Options())
    (tmp_path / "c.zip").write_bytes(data)
    for arithmetic in ("float64", "exact"):
        found = check(tmp_path / "c.zip", tmp_path / "n.onnx", tmp_path / "p.vnnlib", arithmetic=arithmetic)
        assert found.accepted, found.reason


NO_INPUT = {
    "pinned": "X_0 is 0.1 exactly, which float32 cannot hold, so no input exists in float32 semantics; write "
    "0.100000001490116119384765625, or an interval around it, or use --semantics real",
    "between floats": "X_0 lies between 1.0000000298023223876953125 and 1.000000059604644775390625, where float32 has ",
    "open between floats": "X_0 lies strictly between 1 and 1.00000011920928955078125, where float32 has no number",
    "equation": "X_0 + 3 X_1 = 0.7 has no solution in float32 numbers, so no input exists in float32 semantics; write "
    "two inequalities with some room between them, or use --semantics real",
    "equation of a pin": "X_0 + X_1 = 0.6, with the other equations and inputs of one value, has no solution",
    "two equations": "X_0 - X_1 = 0.2, with the other equations and inputs of one value, has no solution",
}


@pytest.mark.parametrize("name", NO_INPUT)
def test_where_no_input_exists_float32_semantics_says_so_at_once(name):
    lower, upper, rows, _, _ = FEW[name]
    with pytest.raises(InputError) as caught:
        verify(executable(PAIR), prop(case(lower, upper, rows), n_outputs=2, name="p"), Options(semantics="float32"))
    assert str(caught.value).startswith(f"p: {NO_INPUT[name]}")


def test_what_is_advised_is_taken():
    """The number is the float32 one to its last digit."""
    lower, upper, rows, _, _ = FEW["pinned"]
    written = re.search("write ([0-9.]+)", NO_INPUT["pinned"])[1]
    asked = prop(case([written, *lower[1:]], [written, *upper[1:]], rows), n_outputs=2)
    verdict = verify(executable(PAIR), asked, Options(semantics="float32", device="cpu"))
    assert verdict.word == "sat" and verdict.counterexample.stands


def test_nothing_unsafe_needs_no_input():
    asked = prop(case(["0.1", 0], ["0.1", 1]), n_outputs=2)
    assert verify(executable(PAIR), asked, Options(semantics="float32", device="cpu")).word == "unsat"


def test_a_violation_that_no_input_shows_ends_in_float32_semantics():
    """One case without inputs violates in real arithmetic, the other is safe: no proof can be made."""
    empty, full = (case([v, 0], [v, 1], [row([-1, 0], n_inputs=2)]) for v in (Fraction(1, 10), Fraction(-1, 2)))
    verdict = verify(executable(PAIR), prop(empty, full, n_outputs=2), Options(semantics="float32", device="cpu"))
    assert verdict.word == "unknown" and verdict.statistics.boxes <= BOXES
    assert "at a point that float32 cannot hold (X_0 = 0.1" in verdict.reason and "no proof can exist" in verdict.reason


def test_networks_of_float64_are_given_float64_numbers():
    net = executable(network([[[0.1]], [[1.0]]], [[0], [0]]))
    low = Fraction(float(np.float32(0.1))) + Fraction(1, 2**40)  # between two neighbours of float32
    asked = prop(case([low], [low + Fraction(1, 2**40)], [row([-1], n_inputs=1)]))
    found = verify(net, asked, Options(device="cpu")).counterexample
    assert found.stands and found.executable
    check_counterexample(found, net, asked)
    pinned = prop(case(["0.1"], ["0.1"], [row([-1], n_inputs=1)]))
    assert not verify(net, pinned, Options(device="cpu")).counterexample.executable


# --- margins of zero ------------------------------------------------------------------------------

SAME = network([[[1.0, 0.5], [-1.0, 0.25]], [[1.0, -1.0], [1.0, -1.0]]], [[0, 0], [0, 0]])  # both outputs are equal
TIES = {
    "equal outputs": (SAME, ["-1", -1], [row([1, -1], strict=True)]),
    "a face": (PAIR, ["-1", -1], [row([1, 0], 1, strict=True)]),
    "a face at a decimal": (PAIR, ["-0.1", -1], [row([1, 0], "0.1", strict=True)]),
}


@pytest.mark.parametrize("semantics", ["real", "float32"])
@pytest.mark.parametrize("name", TIES)
def test_a_margin_of_zero_along_a_face_ends(name, semantics):
    """It holds, and no bound shows it: unknown after thousands of boxes, not millions, and for the reason given."""
    net, lower, rows = TIES[name]
    asked = prop(case(lower, [1, 1], rows), n_outputs=2)
    assert solve(executable(net), asked).status == "unsat"
    verdict = verify(executable(net), asked, Options(semantics=semantics, device="cpu"))
    assert verdict.word in ("unsat", "unknown") and verdict.statistics.boxes <= 2 * BOXES
    if verdict.word == "unknown":
        assert "the margin is zero, or less than rounding can change" in verdict.reason
        assert verdict.standing.ties > 0 and verdict.standing.bound <= 0 <= verdict.standing.nearest + 1e-12


# --- what is written ------------------------------------------------------------------------------


@pytest.fixture
def files(tmp_path):
    lower, upper, rows, _, _ = FEW["pinned"]
    net, asked = executable(PAIR), prop(case(lower, upper, rows), n_outputs=2)
    (tmp_path / "n.onnx").write_bytes(net.onnx_bytes)
    (tmp_path / "p.vnnlib").write_text(property_text(asked))
    return tmp_path, [str(tmp_path / "n.onnx"), str(tmp_path / "p.vnnlib")]


def test_verify_says_that_the_point_cannot_be_executed(files, capsys):
    folder, given = files
    assert main(["verify", *given, "--device", "cpu", "--certificate", str(folder / "c.zip")]) == 1
    out, err = capsys.readouterr()
    assert out.startswith("sat\n((X_0 0.1)\n (X_1 ") and "in exact arithmetic and in onnxruntime" not in err
    assert "at a point that float32 cannot hold (X_0 = 0.1" in err and "accepted by the independent checker" in err
    assert "(X_0 = 0.100000001490116119384765625" in err and "onnxruntime gives Y_0 = 0.1" in err
    assert main(["verify", *given, "--device", "cpu", "--json"]) == 1
    point = json.loads(capsys.readouterr().out)["counterexample"]
    assert point["executable"] is False and point["exact_inputs"][0] == "1/10" and point["inputs"][0] != 0.1
    assert point["unsafe_in"] == ["exact arithmetic"]


def test_float32_semantics_is_a_line(files, capsys):
    _, given = files
    assert main(["verify", *given, "--semantics", "float32"]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and "X_0 is 0.1 exactly" in err


def test_bench_has_a_row_for_each(files, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("engine.bench.session.Workers", Here)
    folder, given = files
    (folder / "list.csv").write_text(",".join([*given, "20"]) + "\n")
    for semantics, word in (("real", "sat"), ("float32", "error")):
        out = tmp_path / semantics
        main(
            [
                "bench",
                str(folder / "list.csv"),
                "--out",
                str(out),
                "--semantics",
                semantics,
                "--certificates",
                "--jobs",
                "1",
                "--device",
                "cpu",
            ]
        )
        text = (out / "results.csv").read_text()
        assert f",{word}," in text and ("X_0 is 0.1 exactly" in text) == (word == "error")
    assert "(X_0 0.1)" in next((tmp_path / "real" / "counterexamples").iterdir()).read_text()
    capsys.readouterr()


def test_the_result_reads_back_to_the_nearest_numbers():
    found = verify(
        executable(PAIR), prop(case(*FEW["pinned"][:2], FEW["pinned"][2]), n_outputs=2), Options(device="cpu")
    )
    text = counterexample_text(found.counterexample)
    values = [float(v) for v in re.findall(r"X_\d+ ([^)]+)", text)]
    assert [np.float32(v) for v in values] == [np.float32(v) for v in found.counterexample.inputs]


# --- the parts ------------------------------------------------------------------------------------


def test_equations_are_rows_with_their_opposite():
    pair, scaled = equal([1, 3], -7), row(NONE, 14, inputs=[-2, -6])
    polytope = case(
        [0, 0], [1, 1], [*pair, scaled, row([1, 0], 2), row([-1, 0], -3), row([0, 1], 1, strict=True), row([0, -1], -1)]
    ).unsafe[0]
    assert equations(polytope) == (pair[1],)


@pytest.mark.parametrize("seed", range(50))
def test_dyadic_solutions_are_found_where_there_are_any(seed):
    """Through a dyadic point there are some, and they are solutions; moved by a third there are none."""
    random = np.random.default_rng(seed)
    table = random.integers(-6, 7, (1 + seed % 3, 3)).tolist()
    x = [Fraction(int(v), 2 ** (seed % 6)) for v in random.integers(-40, 41, 3)]
    rows = [row([], -sum(a * v for a, v in zip(line, x)), inputs=line) for line in table if any(line)]
    found = dyadic_solutions(rows, places=149)
    assert isinstance(found, Lattice)
    near = found.near(tuple(x), Fraction(1, 2**20))
    assert all(r.value(near, ()) == 0 for r in rows) and all(abs(a - b) < 1 for a, b in zip(near, x))
    assert all(v.denominator & (v.denominator - 1) == 0 for v in near)
    for r in rows[:1]:
        moved = row([], r.constant + Fraction(1, 3 * 7), inputs=r.inputs)
        others = dyadic_solutions([moved], places=149)
        assert others == moved


def test_too_fine_for_the_number():
    """2^-150 is dyadic, and no float32 number is a part of it."""
    polytope = case([0, 0], [1, 1], equal([1, 1], -Fraction(1, 2**150))).unsafe[0]
    gaps = [InputSet(case([0, 0], [1, 1]), polytope, kind).gap for kind in (np.float32, np.float64)]
    assert gaps[0] and not gaps[1]


def test_derivatives_are_those_of_the_piece():
    net, x = random_network((3, 5, 4, 2), seed=3), (Fraction(1, 3), Fraction(-1, 7), Fraction(1, 2))
    step = Fraction(1, 10**9)
    for i, slope in zip((0, 2), derivatives(net, x, (0, 2))):
        moved = tuple(v + step * (i == j) for j, v in enumerate(x))
        assert tuple((b - a) / step for a, b in zip(evaluate(net, x), evaluate(net, moved))) == slope


@pytest.mark.parametrize(
    "value, text",
    [
        (Fraction(1, 10), "0.1"),
        (Fraction(-3), "-3"),
        (Fraction(1, 3), "1/3"),
        (Fraction(0), "0"),
        (Fraction(10) ** -46, "1E-46"),
        (Fraction(10**60, 3), "about 3.3333333333333335e+59"),
    ],
)
def test_numbers_in_messages(value, text):
    assert number_text(value) == text


@given(st.floats(-1e30, 1e30))
def test_floats_of_both_kinds(value):
    for kind in (np.float32, np.float64):
        low, high = floats_inside([Fraction(value)], [Fraction(value)], kind)
        assert low.dtype == kind and Fraction(float(high[0])) <= Fraction(value) <= Fraction(float(low[0]))
        assert nearest_floats([Fraction(value)], kind)[0] in (low[0], high[0])
