"""Networks unlike ACAS Xu: the engine's answers are the known ones, its counterexamples replay, its proofs check."""

from fractions import Fraction

import numpy as np
import pytest
from cases import check_counterexample, exact_trace
from other_networks import (
    STYLES,
    Raw,
    answered,
    box,
    depth,
    input_row,
    onnx_bytes,
    raw_network,
    raw_property,
    row,
    vnnlib_text,
    weights,
    write,
)

from engine.audit.check import check
from engine.certificate import certificate_bytes
from engine.onnx_file import load_network, parse_network
from engine.search.problem import Options, Problem
from engine.search.verify import verify_all
from engine.vnnlib import load_property, parse_property

#: name -> (widths, kind of rows, size of inputs, radius, boxes, polytopes, rows a polytope, flat inputs, last ReLU)
QUESTIONS = {
    "one_neuron": ((1, 1, 1), "plain", 1.0, 0.5, 1, 1, 1, 0, False),
    "no_hidden_layer": ((3, 2), "plain", 1.0, 0.5, 1, 2, 1, 0, False),
    "scalar": ((1, 1), "plain", 1.0, 0.5, 2, 1, 1, 0, False),
    "two_neurons_wide": ((4, 2, 2, 2), "plain", 1.0, 0.5, 1, 1, 2, 0, False),
    "eight_layers": ((2, 4, 4, 4, 4, 4, 4, 4, 3), "plain", 1.0, 0.5, 1, 1, 2, 0, False),
    "bottlenecks": ((3, 8, 1, 8, 1, 8, 2), "plain", 1.0, 0.5, 1, 2, 1, 0, False),
    "wide": ((2, 256, 2), "plain", 1.0, 0.1, 1, 1, 1, 0, False),
    "ends_in_relu": ((3, 6, 4, 2), "plain", 1.0, 0.5, 1, 1, 1, 0, True),
    "inputs_and_outputs": ((2, 8, 8, 2), "mixed", 1.0, 0.5, 1, 2, 2, 0, False),
    "linear_inputs": ((3, 8, 8, 2), "linear", 1.0, 0.5, 1, 1, 1, 0, False),
    "linear_inputs_or": ((2, 6, 6, 3), "linear", 1.0, 0.5, 2, 2, 2, 0, False),
    "several_boxes": ((2, 8, 8, 2), "plain", 1.0, 0.25, 4, 2, 2, 0, False),
    "flat": ((4, 8, 8, 2), "plain", 1.0, 0.5, 2, 1, 1, 2, False),
    "point": ((3, 8, 2), "plain", 1.0, 0.5, 1, 1, 1, 3, False),
    "huge_inputs": ((3, 8, 8, 2), "mixed", 2.0**20, 0.5, 1, 1, 2, 0, False),
    "tiny_inputs": ((3, 8, 8, 2), "mixed", 2.0**-20, 0.5, 1, 1, 2, 0, False),
    "many_inputs": ((30, 8, 2), "plain", 1.0, 0.25, 1, 1, 1, 0, False),
    "many_inputs_deep": ((20, 10, 10, 5), "linear", 1.0, 0.25, 1, 1, 2, 0, False),
    "many_inputs_flat": ((30, 10, 10, 2), "plain", 1.0, 0.5, 1, 1, 1, 24, False),
}
LONG = {("many_inputs_deep", "sat")}  # each question stays with one answer at least


def question(name: str, *, seed: int = 0) -> Raw:
    """The question of this name, its threshold not set yet."""
    widths, kind, size, radius, boxes, polytopes, rows, flat, last_relu = QUESTIONS[name]
    random = np.random.default_rng([seed, *name.encode()])
    n, m = widths[0], widths[-1]
    ends = tuple(box(random, n, size=size, radius=radius, flat=flat) for _ in range(boxes))
    unsafe = []
    for _ in range(polytopes):
        one = [row(random, n, m, mixed=kind == "mixed") for _ in range(rows)]
        one = [(a / size, c, d, strict) for a, c, d, strict in one]
        unsafe.append((*one, input_row(random, *ends[0])) if kind == "linear" else tuple(one))
    return Raw(weights(random, widths, size=size, last_relu=last_relu), ends, tuple(unsafe))


def decided(folder, raw: Raw, *, style: str = "gemm", semantics: str = "real", truth: str):
    """The verdict on the files is `truth`; what it comes with is checked, and it is returned."""
    files = write(folder, raw, style=style)
    network, prop = load_network(files[0]), load_property(files[1])
    options = Options(timeout=30, semantics=semantics, device="cpu", proofs=True)
    (verdict,) = verify_all([Problem(network, prop)], options)
    assert verdict.word == truth, verdict
    certificate = folder / "certificate.zip"
    certificate.write_bytes(certificate_bytes(network, prop, verdict, options))
    check(certificate, *files)
    if truth == "sat":
        check_counterexample(verdict.counterexample, network, prop)
        check_counterexample(verdict.counterexample, network, raw_property(raw))
    return verdict


@pytest.mark.parametrize(
    "name, truth",
    [
        pytest.param(name, truth, marks=[pytest.mark.slow] * ((name, truth) in LONG))
        for name in QUESTIONS
        for truth in ("sat", "unsat")
    ],
)
def test_the_answer_is_the_known_one(name, truth, tmp_path):
    raw = answered(question(name), truth, margin=0.02)
    style = STYLES[list(QUESTIONS).index(name) % len(STYLES)]
    decided(tmp_path, raw, style=style, truth=truth, semantics="real" if truth == "sat" else "float32")


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 6))
@pytest.mark.parametrize("name", QUESTIONS)
def test_more_answers_are_the_known_ones(name, seed, tmp_path):
    for truth in ("sat", "unsat"):
        for margin in (0.05, 0.02):
            raw = answered(question(name, seed=seed), truth, margin=margin)
            decided(tmp_path, raw, style=STYLES[seed % len(STYLES)], truth=truth)


@pytest.mark.parametrize("seed", [1, 5])
def test_inputs_are_split_for_the_row_that_can_prove(seed, tmp_path):
    """A row of inputs alone is nearly met, and flat in an input that the other row needs split: 200,000 boxes once."""
    raw = answered(question("linear_inputs", seed=seed), "unsat", margin=0.05)
    assert decided(tmp_path, raw, truth="unsat").statistics.boxes < 500


def test_signs_are_split_where_inputs_are_many(tmp_path):
    """30 inputs and 8 neurons: halving inputs left 50,000 boxes open after ten seconds."""
    raw = answered(question("many_inputs"), "unsat", margin=0.01)
    assert decided(tmp_path, raw, truth="unsat").statistics.boxes < 2000


# --- files --------------------------------------------------------------------------------------


@pytest.mark.parametrize("style", STYLES)
def test_every_style_is_the_same_function(style):
    raw = question("several_boxes")
    read, direct = parse_network(onnx_bytes(raw, style)), raw_network(raw)
    for point in np.random.default_rng(0).normal(size=(5, raw.n_inputs)):
        assert exact_trace(read, point).y == exact_trace(direct, point).y


@pytest.mark.parametrize("name", QUESTIONS)
def test_the_text_says_what_was_meant(name):
    """Points are unsafe by the file exactly where they are by the raw numbers."""
    raw = question(name)
    read, direct = parse_property(vnnlib_text(raw)), raw_property(raw)
    random = np.random.default_rng(1)
    found = set()
    for _ in range(200):
        low, high = raw.boxes[random.integers(len(raw.boxes))]
        x = tuple(Fraction(float(v)) for v in low + (high - low) * random.uniform(-0.05, 1.05, raw.n_inputs))
        y = tuple(Fraction(float(v)) for v in random.normal(size=raw.n_outputs))
        answers = [any(one.violated_at(x, y) for one in prop.cases) for prop in (read, direct)]
        assert answers[0] == answers[1]
        found |= {answers[0]}
    assert True in found or raw.n_inputs >= 20 or "point" in name


# --- shapes of properties that files of the competition have -----------------------------------

HEAD = "".join(f"(declare-const {v} Real)\n" for v in ("X_0", "X_1", "Y_0", "Y_1"))
UNIT = "(assert (>= X_0 -1))(assert (<= X_0 1))(assert (>= X_1 -1))(assert (<= X_1 1))"
IDENTITY = Raw(((np.eye(2, dtype=np.float32), np.zeros(2, np.float32), False),), ((-np.ones(2), np.ones(2)),), ((),))
HALVES = "(and (>= X_0 -1) (<= X_0 0) (>= X_1 -1) (<= X_1 1)) (and (>= X_0 0) (<= X_0 1) (>= X_1 -1) (<= X_1 1))"

#: name -> (asserts, verdict) about y = x
TEXTS = {
    "inputs_in_the_output_row": (UNIT + "(assert (>= Y_0 (+ X_0 0.001)))", "unsat"),
    "inputs_in_the_output_row_met": (UNIT + "(assert (>= Y_0 (- X_0 0.001)))", "sat"),
    "equal_outputs_out_of_reach": (UNIT + "(assert (= Y_0 1.5))", "unsat"),
    "equal_inputs": ("(assert (= X_0 0.5))(assert (= X_1 -0.25))(assert (<= Y_1 -0.25))", "sat"),
    "equal_inputs_strict": ("(assert (= X_0 0.5))(assert (= X_1 -0.25))(assert (< Y_1 -0.2501))", "unsat"),
    "or_of_boxes": (f"(assert (or {HALVES}))(assert (>= Y_0 0.75))", "sat"),
    "or_of_boxes_held": (f"(assert (or {HALVES}))(assert (>= Y_0 1.01))", "unsat"),
    "box_in_each_disjunct": (
        "(assert (or (and (>= X_0 -1) (<= X_0 0) (>= X_1 0) (<= X_1 1) (>= Y_0 0.5))"
        " (and (>= X_0 0) (<= X_0 1) (>= X_1 0) (<= X_1 1) (>= Y_1 1.5))))",
        "unsat",
    ),
    "equation_of_inputs": (UNIT + "(assert (= (+ X_0 X_1) 1))(assert (>= Y_0 0.25))", "sat"),
    "equation_of_inputs_held": (UNIT + "(assert (= (+ X_0 X_1) 1))(assert (<= Y_0 -0.01))", "unsat"),
    "sum_of_inputs": (UNIT + "(assert (<= (+ X_0 X_1) -1.5))(assert (>= Y_0 0))", "unsat"),
    "sum_of_inputs_met": (UNIT + "(assert (<= (+ X_0 X_1) -0.5))(assert (>= Y_0 0.25))", "sat"),
    "nested": (UNIT + "(assert (and (or (>= Y_0 2) (and (>= Y_1 0.5) (or (<= Y_0 -2) (<= Y_1 0.25))))))", "unsat"),
    "unconditional": (UNIT, "sat"),
}


@pytest.mark.parametrize("name", TEXTS)
def test_shapes_of_properties(name, tmp_path):
    text, word = TEXTS[name]
    onnx, vnnlib = write(tmp_path, IDENTITY)
    vnnlib.write_text(HEAD + text)
    network, prop = load_network(onnx), load_property(vnnlib)
    options = Options(timeout=10, device="cpu", proofs=True)
    (verdict,) = verify_all([Problem(network, prop)], options)
    assert verdict.word == word
    certificate = tmp_path / "certificate.zip"
    certificate.write_bytes(certificate_bytes(network, prop, verdict, options))
    check(certificate, onnx, vnnlib)


def test_the_known_answers_are_known():
    """The solver's depth is that of a question small enough to see: max(x) over two boxes."""
    raw = Raw(
        IDENTITY.layers,
        ((-np.ones(2), np.ones(2)), (np.zeros(2), 2 * np.ones(2))),
        (((np.zeros(2), np.array([-1.0, -1.0]), 3.0, False),),),
    )
    assert depth(raw) == pytest.approx(1.0)
