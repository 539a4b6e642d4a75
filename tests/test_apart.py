"""Polytopes with trees of their own: the same verdicts in fewer boxes, and proofs that the checker takes."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from cases import case, check_counterexample, executable, prop, row
from conftest import random_network

from engine.audit.check import check
from engine.bounds.blocks import make_stack
from engine.bounds.roots import make_roots
from engine.certificate import write_certificate
from engine.network_file import load_network
from engine.proof import CasePart
from engine.search import branch_and_bound
from engine.search.apart import to_set_apart
from engine.search.batch import bounded
from engine.search.branching import MAX_RIVAL_INPUTS
from engine.search.frontier import root_nodes
from engine.search.problem import Options, Problem
from engine.search.recorder import Recorder
from engine.search.verify import verify, verify_all
from engine.solvers.milp import solve_box
from engine.vnnlib import load_property
from engine.vnnlib.writer import property_text

OPTIONS = Options(device="cpu", threads=1, timeout=100, proofs=True)
INPUTS, OUTPUTS = MAX_RIVAL_INPUTS + 2, 3


def question(net, levels):
    """That each output stays above its level where all inputs are within 1/4 of 0; and output 0 above -1000."""
    rows = [row([int(j == k) for j in range(OUTPUTS)], -level, n_inputs=INPUTS) for k, level in enumerate(levels)]
    far = row([1, 0, 0], 1000, n_inputs=INPUTS)
    return prop(case([-0.25] * INPUTS, [0.25] * INPUTS, [far], *([each] for each in rows)), n_outputs=OUTPUTS)


def least(net) -> list[float]:
    """The least value of each output, by HiGHS, to its tolerances."""
    (of,) = question(net, [0] * OUTPUTS).cases
    stack = make_stack([net], device="cpu", semantics="real")
    roots = make_roots(stack, [0], [of])
    nodes = root_nodes(roots, torch.tensor([0]))
    bounded(stack, roots, nodes)
    ends = {"lower": nodes.lower[0], "upper": nodes.upper[0], "l": nodes.l[0].double(), "u": nodes.u[0].double()}
    found = [solve_box(net, replace(of, unsafe=(each,)), **ends, backend="highs") for each in of.unsafe[1:]]
    return [-each.margin for each in found]


@pytest.fixture(scope="module")
def net():
    return executable(random_network((INPUTS, 6, 6, OUTPUTS), seed=0))


@pytest.fixture(scope="module")
def levels(net):
    return [round(value - 0.02, 4) for value in least(net)]


@pytest.fixture(scope="module")
def found(net, levels):
    return verify(net, question(net, levels), OPTIONS)


def test_each_open_polytope_has_a_tree(found):
    """The first polytope is excluded on the whole box, the others are not."""
    assert found.word == "unsat"
    assert found.proof.parts == (CasePart(0, (0,)), *(CasePart(0, (k,)) for k in (1, 2, 3)))
    assert set(found.proof.polytope.tolist()) == {0}
    assert (found.proof.split[1:4] >= INPUTS).all() and found.proof.split[0] < 0


def test_trees_add_up_in_place_of_multiplying(net, levels, found, monkeypatch):
    monkeypatch.setattr(branch_and_bound, "to_set_apart", lambda nodes: torch.zeros(len(nodes), dtype=torch.bool))
    together = verify(net, question(net, levels), OPTIONS)
    assert together.word == "unsat" and together.proof.parts == ()
    assert found.statistics.boxes < together.statistics.boxes


@pytest.mark.parametrize("arithmetic", ["float64", "exact"])
def test_the_checker_takes_it_and_no_claim_that_covers_less(arithmetic, net, levels, found, tmp_path):
    net_file, spec = tmp_path / "net.onnx", tmp_path / "p.vnnlib"
    net_file.write_bytes(net.onnx_bytes)
    spec.write_text(property_text(question(net, levels)))
    given = load_network(net_file), load_property(spec)
    first, second, *rest = found.proof.parts
    for parts, accepted in (
        (found.proof.parts, True),
        ((first, second, second, second), False),  # two polytopes are nowhere
        ((first, *rest, second), False),  # trees of other polytopes
    ):
        verdict = replace(found, proof=replace(found.proof, parts=parts))
        write_certificate(tmp_path / "c.zip", *given, verdict, OPTIONS, force=True)
        result = check(tmp_path / "c.zip", net_file, spec, arithmetic=arithmetic)
        assert result.accepted == accepted, result.reason


def test_a_polytope_that_is_reached_is_found(net, levels):
    broken = question(net, [levels[0], levels[1] + 0.04, levels[2]])
    found = verify(net, broken, OPTIONS)
    assert found.word == "sat"
    check_counterexample(found.counterexample, net, broken)


def test_where_cases_are_to_stay_as_they_are(net, levels):
    """Certificates about images count on it."""
    (kept,) = verify_all([Problem(net, question(net, levels))], OPTIONS, always_cones=True)
    assert kept.word == "unsat" and kept.proof.parts == ()


def test_whole_boxes_of_many_inputs_alone(net, levels):
    (of,) = question(net, levels).cases
    stack = make_stack([net], device="cpu", semantics="real")
    narrow = replace(of, upper=(of.lower[0], of.lower[1], *of.upper[2:]))
    roots = make_roots(stack, [0, 0], [of, narrow])
    whole = root_nodes(roots, torch.tensor([0, 1]))
    assert to_set_apart(whole).tolist() == [True, False]
    whole.depth[0] = 1
    assert to_set_apart(whole).tolist() == [False, False]
    whole.depth[0], whole.excluded[0, 1:] = 0, True
    assert to_set_apart(whole).tolist() == [False, False]


def test_parts_of_some_cases():
    """Of three cases the second is set apart: its polytope 1 is proved on the whole box, 0 and 2 have trees."""
    recorder = Recorder(inputs=1)
    roots = list(recorder.new_roots(3))
    first, last = recorder.set_apart(roots[1], [1], [0, 2])
    none = np.zeros(0, np.int32)
    exclusions = {"node": [last, roots[2], roots[1], first], "polytope": [2, 2, 1, 0]}
    counts = {"rows": [1] * 4, "slopes": [0] * 4, "multipliers": [0] * 4, "row": [0] * 4, "row_weight": [1024] * 4}
    arrays = {name: np.array(values, np.int32) for name, values in (exclusions | counts).items()}
    arrays |= dict.fromkeys(("slope", "slope_value", "multiplier"), none) | {"multiplier_value": np.zeros(0)}
    for name, array in arrays.items():
        recorder._exclusions[name].append(array)
    proof = recorder.proof(roots)
    assert proof.parts == (
        CasePart(0, None),
        CasePart(1, (1,)),
        CasePart(1, (0,)),
        CasePart(1, (2,)),
        CasePart(2, None),
    )
    assert proof.node.tolist() == [1, 2, 3, 4] and proof.polytope.tolist() == [0, 0, 0, 2]
    assert recorder.proof([roots[2]]).parts == ()
