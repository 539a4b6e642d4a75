"""How boxes of many inputs are split is found out: the better of both ways is followed, whatever the shapes say."""

from dataclasses import replace

import numpy as np
import pytest
from cases import case, check_counterexample, executable, prop, row
from conftest import random_network

from engine.audit.check import check
from engine.certificate import write_certificate
from engine.network import Affine, Network
from engine.network_file import load_network
from engine.proof import LEAF
from engine.search import branch_and_bound
from engine.search.problem import Options, Problem
from engine.search.state import ProblemState
from engine.search.verify import verify
from engine.search.ways import BEHIND, FIRST_TURN, INPUT_BOXES, LONGER, make_state, next_turn
from engine.vnnlib import load_property
from engine.vnnlib.writer import property_text

OPTIONS = Options(device="cpu", threads=1, timeout=100)


def question(inputs: int, *, fade: float, level: float, hidden=(32, 32)):
    """That output 0 stays above a level; each input has `fade` times the weights of the one before."""
    net = random_network((inputs, *hidden, 2), seed=0)
    first, *rest = net.layers
    weight = (2 * first.weight * fade ** np.arange(inputs)).astype(np.float32).astype(float)
    net = executable(Network((Affine(weight, first.bias, True), *rest)))
    y = net.evaluate(np.random.default_rng(0).uniform(-1, 1, (20_000, inputs)))[:, 0]
    low = round(float(y.min() - level * np.ptp(y)), 4)
    return net, prop(case([-1] * inputs, [1] * inputs, [row([1, 0], -low, n_inputs=inputs)]), n_outputs=2)


def boxes(asked, monkeypatch, *, way: bool | None) -> int:
    """The boxes where signs are split throughout, or inputs, or where it is found out."""
    alone = lambda *of: ProblemState(*of, by_sign=bool(way))
    with monkeypatch.context() as patch:
        if way is not None:
            patch.setattr(branch_and_bound, "make_state", alone)
        verdict = verify(*asked, OPTIONS)
    assert verdict.word == "unsat"
    return verdict.statistics.boxes


def test_inputs_are_split_where_few_of_many_matter(monkeypatch):
    asked = question(14, fade=0.4, level=0.1)
    by_input, found = boxes(asked, monkeypatch, way=False), boxes(asked, monkeypatch, way=None)
    assert FIRST_TURN < found <= by_input + 2 * FIRST_TURN < boxes(asked, monkeypatch, way=True)


def test_signs_are_split_where_all_matter(monkeypatch):
    asked = question(12, fade=1.0, level=0.4, hidden=(16, 16))  # 100 s do not suffice to split inputs
    by_sign, found = boxes(asked, monkeypatch, way=True), boxes(asked, monkeypatch, way=None)
    assert found <= by_sign + INPUT_BOXES * LONGER * max(by_sign, FIRST_TURN)


def test_few_inputs_and_many_cases_have_one_way():
    of = lambda n, cases: Problem(random_network((n, 2), seed=0), prop(*[case([0] * n, [1] * n)] * cases, n_outputs=2))
    assert make_state(0, of(9, 1), 1.0).rival and make_state(0, of(9, 16), 1.0).rival
    assert not make_state(0, of(8, 1), 1.0).rival and not make_state(0, of(9, 17), 1.0).rival
    assert make_state(0, of(128, 1), 1.0).rival and not make_state(0, of(129, 1), 1.0).rival
    fixed = case([0] * 9, [1] * 8 + [0])
    assert not make_state(0, Problem(random_network((9, 2), seed=0), prop(fixed, n_outputs=2)), 1.0).rival


def test_turns():
    """Each way grows for its turn; then the one that has proved more for a longer one; then the other as long."""
    net = random_network((9, 2), seed=0)
    signs = make_state(0, Problem(net, prop(case([0] * 9, [1] * 9), n_outputs=2)), 10.0)
    inputs = signs.rival
    assert inputs.rival is signs and signs.by_sign and not inputs.by_sign
    assert next_turn(signs) is signs
    signs.boxes, signs.proved = FIRST_TURN, 0.25
    assert next_turn(signs) is inputs and next_turn(inputs) is inputs
    inputs.boxes, inputs.proved = INPUT_BOXES * FIRST_TURN, 0.5
    assert next_turn(inputs) is inputs and inputs.turn == LONGER * FIRST_TURN
    inputs.boxes = INPUT_BOXES * LONGER * FIRST_TURN
    assert next_turn(inputs) is signs and signs.turn == inputs.turn
    signs.boxes, signs.proved = LONGER * FIRST_TURN, 0.75
    assert next_turn(signs) is signs
    signs.seconds, inputs.seconds = 6.0, 5.0
    assert signs.late and inputs.late and signs.all_boxes == inputs.all_boxes == signs.boxes + inputs.boxes


@pytest.mark.parametrize(("proved", "turn"), [(0.1, LONGER * LONGER // BEHIND), (0.2, LONGER * LONGER)])
def test_the_way_far_behind_has_shorter_turns(proved, turn):
    """A quarter of the boxes, while it has proved less than a quarter; of 0.8, 0.2 is enough."""
    net = random_network((9, 2), seed=0)
    signs = make_state(0, Problem(net, prop(case([0] * 9, [1] * 9), n_outputs=2)), 10.0)
    inputs = signs.rival
    signs.turn = LONGER * LONGER * FIRST_TURN
    signs.boxes, signs.proved = signs.turn, 0.8
    inputs.boxes, inputs.proved = INPUT_BOXES * FIRST_TURN, proved
    assert next_turn(signs) is inputs and inputs.turn == turn * FIRST_TURN
    inputs.boxes = INPUT_BOXES * inputs.turn
    assert next_turn(inputs) is signs and signs.turn == LONGER**3 * FIRST_TURN


@pytest.mark.parametrize("memory", [1 << 20, 4 << 30])
def test_the_other_way_gives_up_its_boxes_where_memory_is_short(memory):
    verdict = verify(*question(14, fade=0.4, level=0.1), Options(device="cpu", threads=1, timeout=60, memory=memory))
    assert verdict.word == "unsat" or "out of memory" in verdict.reason


def test_a_proof_is_of_one_way_alone(tmp_path):
    """It is that of the tree that was finished, which splits inputs, and the independent checker accepts it."""
    net_file, spec, file = tmp_path / "net.onnx", tmp_path / "p.vnnlib", tmp_path / "c.zip"
    net, asked = question(14, fade=0.4, level=0.1)
    net_file.write_bytes(net.onnx_bytes)
    spec.write_text(property_text(asked))
    net, asked, options = load_network(net_file), load_property(spec), replace(OPTIONS, proofs=True)
    verdict = verify(net, asked, options)
    leaves = verdict.proof.split == LEAF
    assert (verdict.proof.split < 14).all() and leaves.sum() == (~leaves).sum() + 1
    assert 2 * leaves.sum() + FIRST_TURN <= verdict.statistics.boxes + 1
    write_certificate(file, net, asked, verdict, options)
    result = check(file, net_file, spec)
    assert result.accepted, result.reason


def test_a_counterexample_of_either_way_stands():
    net, asked = question(12, fade=0.7, level=-0.001)
    verdict = verify(net, asked, OPTIONS)
    assert verdict.word == "sat"
    check_counterexample(verdict.counterexample, net, asked)
