"""Searches in cones: the verdicts are those on whole networks, and are told in their numbers."""

import json
import zipfile
from dataclasses import replace
from fractions import Fraction
from io import BytesIO

import numpy as np
import pytest
from cases import case, check_verdict, executable, prop, row
from cone_questions import INPUTS, OUTPUTS, fixed_case, fixed_property, windowed_network
from conftest import network, random_network

from engine.audit.certificate import VERSIONS
from engine.audit.check import check
from engine.certificate import certificate_bytes, write_certificate, writer
from engine.cone import cones
from engine.cone.constants import Products
from engine.cone.reach import reach_of
from engine.errors import InputError
from engine.network import Network
from engine.network_file import load_network
from engine.proof import ARRAYS
from engine.property import Case, Polytope, Property
from engine.search import cones as search_cones
from engine.search.cones import Cones, in_whole
from engine.search.problem import Options, Problem
from engine.search.verify import verify_all
from engine.solvers.smt import solve
from engine.vnnlib import load_property
from engine.vnnlib.writer import property_text

OPTIONS = Options(proofs=True, device="cpu", threads=1, timeout=10)
FREES = [(6, 7), (0, 15), (3, 4, 5, 9, 10), (1,)]


def problems(net, *, width: float = 1.0, decimals: bool = True, count: int = 3) -> list[Problem]:
    return [
        Problem(net, fixed_property(free, seed=100 * i + j, width=width, decimals=decimals))
        for i, free in enumerate(FREES)
        for j in range(count)
    ]


def uses_cone(problem: Problem, *, always: bool = False, options: Options = OPTIONS) -> bool:
    ((_, searched),) = Cones([problem], options, always=always).searched([0])
    return searched.cone is not None


@pytest.mark.parametrize("decimals", [True, False])
def test_verdicts_are_those_of_the_whole_network(decimals):
    """Inputs fixed at quarters can be given to the network, and those at decimals cannot."""
    net = windowed_network(0)
    asked = problems(net, decimals=decimals)
    in_cones = verify_all(asked, OPTIONS, always_cones=True)
    whole = verify_all([Problem(p.network, Property(p.property.cases * 2, INPUTS, OUTPUTS)) for p in asked], OPTIONS)
    words = [verdict.word for verdict in in_cones]
    assert words == [verdict.word for verdict in whole]
    assert {"sat", "unsat"} == set(words)
    for problem, verdict in zip(asked, in_cones, strict=True):
        check_verdict(verdict, net, problem.property)
        assert verdict.word == "sat" or verdict.proof.of_cone


def test_verdicts_are_those_of_z3():
    net = windowed_network(7)
    asked = problems(net, width=0.2, count=1)
    for problem, verdict in zip(asked, verify_all(asked, OPTIONS, always_cones=True), strict=True):
        check_verdict(verdict, net, problem.property, solve(net, problem.property).status)
        assert verdict.word in ("sat", "unsat")


def test_cones_are_searched_where_most_inputs_and_weights_are_left_out():
    net = windowed_network(0)
    wide = random_network([40, 4, 2], seed=0)
    few = Problem(wide, prop(case([-1, *[0] * 39], [1, *[0] * 39], [row([1, 0], n_inputs=40)]), n_outputs=2))
    assert uses_cone(few)
    assert not uses_cone(few, options=replace(OPTIONS, semantics="float32"))
    assert not uses_cone(replace(few, property=Property(few.property.cases * 2, 40, 2)))
    most = Problem(net, fixed_property(range(9), seed=0))
    assert not uses_cone(most)
    assert uses_cone(most, always=True)
    deep = Problem(random_network([4, 30, 30, 2], seed=0), prop(case([0] * 4, [1, 0, 0, 0], []), n_outputs=2))
    assert not uses_cone(deep)  # its one free input reaches all but 90 of 1,080 weights


def test_all_inputs_free_and_none():
    net = windowed_network(1)
    free = Problem(net, fixed_property(range(INPUTS), seed=3, width=0.02))
    fixed = Problem(net, fixed_property((), seed=3))
    assert uses_cone(free, always=True)
    assert not uses_cone(fixed, always=True)
    for problem in (free, fixed):
        (verdict,) = verify_all([problem], OPTIONS, always_cones=True)
        check_verdict(verdict, net, problem.property)
        assert verdict.word == verify_all([problem], OPTIONS)[0].word


def test_a_layer_that_is_not_reached_leaves_the_problem_whole():
    net = executable(network([[[1, 0], [0, 1]], [[0, 1]], [[1]]], [[0, 0], [0], [0]]))
    problem = Problem(net, prop(case([-1, 0.5], [1, 0.5], [row([1], -0.25)])))
    assert not uses_cone(problem, always=True)
    assert verify_all([problem], OPTIONS, always_cones=True)[0].word == "unsat"


def test_a_property_of_an_output_that_is_not_reached():
    net = executable(network([[[1, 0], [0, 1]], [[2, 0], [0, 3]]], [[0, 0.5], [0, 0.25]]))
    for constant, word in ((-3.25, "sat"), (-3.125, "unsat")):
        problem = Problem(net, prop(case([-1, 0.5], [1, 0.5], [row([0, 1], constant)]), n_outputs=2))
        assert uses_cone(problem, always=True)
        (verdict,) = verify_all([problem], OPTIONS, always_cones=True)
        assert verdict.word == word
        check_verdict(verdict, net, problem.property, word)


def test_counterexamples_are_points_of_the_whole_network():
    """Of an input that float32 does not hold they are exact, and else they are executed."""
    net = executable(network([[[1, 1, 1]], [[1]]], [[0], [0]]))
    for value in ("0.1", "0.25"):
        asked = prop(case([-1, value, 0], [1, value, 0], [row([-1], 1, n_inputs=3)]))
        (verdict,) = verify_all([Problem(net, asked)], OPTIONS, always_cones=True)
        check_verdict(verdict, net, asked, "sat")
        found = verdict.counterexample
        assert found.point[1:] == (Fraction(value), 0)
        assert found.executable == (value == "0.25")


def hard_case(net: Network, given: Case) -> Case:
    """The same with rows that hold nowhere by a little, as far as samples tell: proofs take splits."""
    lower, upper = np.array(given.lower, float), np.array(given.upper, float)
    points = lower + np.random.default_rng(0).random((20_000, INPUTS)) * (upper - lower)
    outputs = net.evaluate(points)
    polytopes = []
    for r in (r for p in given.unsafe for r in p.rows):
        least = (points @ np.array(r.inputs, float) + outputs @ np.array(r.outputs, float)).min()
        polytopes.append(Polytope((replace(r, constant=Fraction(1, 4) - Fraction(float(least))),)))
    return replace(given, unsafe=tuple(polytopes))


def test_proofs_name_inputs_and_neurons_of_the_whole_network():
    """Their arrays are those of the cone alone, but for what they name, which has a number in the cone."""
    net, free = windowed_network(2), (3, 4, 5, 9, 10)
    reach = reach_of(net, free)
    seen = set()
    for seed in (0, 3):
        (cone,) = cones(reach, Products(net), [hard_case(net, fixed_case(free, seed=seed, width=2.0))])
        asked = Property((cone.case,), len(free), OUTPUTS)
        (alone,) = verify_all([Problem(executable(cone.network), asked)], replace(OPTIONS, stalled=0))
        proof = in_whole(alone.proof, reach)
        numbers = {-1: -1} | {i: n for n, i in enumerate(free)}
        numbers |= {INPUTS + j: len(free) + n for n, j in enumerate(reach.hidden.tolist())}
        assert [numbers[v] for v in proof.split.tolist()] == alone.proof.split.tolist()
        for name in ("slope", "multiplier"):
            given = [numbers[INPUTS + v] - len(free) for v in getattr(proof, name).tolist()]
            assert given == getattr(alone.proof, name).tolist()
        for name in ARRAYS:
            assert getattr(proof, name).dtype == getattr(alone.proof, name).dtype
            if name not in ("split", "slope", "multiplier"):
                assert getattr(proof, name) is getattr(alone.proof, name)
        assert proof.of_cone and not alone.proof.of_cone
        seen |= {name for name in ("cut", "slope", "multiplier") if len(getattr(proof, name))}
    assert seen == {"cut", "slope", "multiplier"}  # the last are of signs that were split


def test_open_boxes_are_those_of_the_whole_network():
    net, free = windowed_network(4), (6, 7)
    for seed in range(20):
        given = fixed_case(free, seed=seed, width=4.0)
        problem = Problem(net, prop(given, n_outputs=OUTPUTS))
        options = replace(OPTIONS, timeout=1e-9, open_boxes=3, proofs=False)
        (verdict,) = verify_all([problem], options, always_cones=True)
        if verdict.word != "sat" and len(verdict.boxes):
            break
    lower, upper = verdict.boxes[:, 0], verdict.boxes[:, 1]
    assert verdict.boxes.shape[1:] == (2, INPUTS)
    for low, high in zip(lower.tolist(), upper.tolist(), strict=True):
        for i in range(INPUTS):
            held = Fraction(low[i]) <= given.lower[i] <= given.upper[i] <= Fraction(high[i])
            assert held and (i in free or high[i] - low[i] <= 2.0**-50)


def test_one_copy_of_the_weights_is_cut_for_the_cases_of_a_group(monkeypatch):
    monkeypatch.setattr(search_cones, "MAX_FOLDED", 64)  # few at a time
    net = windowed_network(0)
    made = Cones(problems(net, count=6), OPTIONS, always=True)
    for group in ([0, 1, 2, 3, 4, 5], [6, 7]):
        searched = [problem for _, problem in made.searched(group)]
        assert len({id(layer.weight) for problem in searched for layer in problem.network.layers}) <= 2 * 4
        assert [i for i, _ in made.searched(group)] == group


def test_certificates_of_cones_have_their_own_version(monkeypatch):
    monkeypatch.setattr(writer, "parse_certificate", lambda members, where: None)
    net = replace(windowed_network(0), sha256="0" * 64)
    for problem in problems(net, width=0.1)[:6]:
        asked = replace(problem.property, sha256="1" * 64)
        for always in (False, True):
            (verdict,) = verify_all([Problem(net, asked)], OPTIONS, always_cones=always)
            with zipfile.ZipFile(BytesIO(certificate_bytes(net, asked, verdict, OPTIONS))) as archive:
                manifest = json.loads(archive.read("manifest.json"))
            proof = verdict.word == "unsat"
            assert manifest["version"] == (4 if proof and verdict.proof.of_cone else 1)
            assert ("point" in manifest) == (not proof)
            if proof:
                assert list(manifest["arrays"]) == list(ARRAYS)
                assert len(manifest["cases"][0]["lower"]) == INPUTS


def test_constants_beyond_the_rounding_analysis_are_refused():
    net = executable(network([[[1, 1, 1]], [[1]]], [[0], [0]]))
    problem = Problem(net, prop(case([0, 2**100, 0], [1, 2**100, 0], [row([1], n_inputs=3)])))
    for always in (False, True):
        with pytest.raises(InputError, match="2\\^100"):
            verify_all([problem], OPTIONS, always_cones=always)


def test_many_problems_of_one_and_of_several_shapes_are_decided_together():
    nets = [windowed_network(seed) for seed in range(2)]
    asked = [p for net in nets for p in problems(net, count=1)]
    asked.insert(2, Problem(nets[0], fixed_property(range(9), seed=1, width=0.05)))
    together = verify_all(asked, OPTIONS, always_cones=True)
    alone = [verify_all([problem], OPTIONS, always_cones=True)[0] for problem in asked]
    assert [v.word for v in together] == [v.word for v in alone]
    assert np.isin([v.word for v in together], ["sat", "unsat"]).all()


@pytest.mark.skipif(4 not in VERSIONS, reason="the checker does not know version 4 yet")
@pytest.mark.parametrize("arithmetic", ["float64", "exact"])
def test_certificates_of_cones_are_accepted(tmp_path, arithmetic):
    net_file, spec, file = tmp_path / "net.onnx", tmp_path / "p.vnnlib", tmp_path / "c.zip"
    net_file.write_bytes(windowed_network(2).onnx_bytes)
    net = load_network(net_file)
    for seed, free in enumerate([(3, 4, 5, 9, 10), (6, 7), (0, 15), (3, 4, 5, 9, 10)]):
        given = hard_case(net, fixed_case(free, seed=seed, width=2.0))
        spec.write_text(property_text(prop(given, n_outputs=OUTPUTS)))
        asked = load_property(spec)
        (verdict,) = verify_all([Problem(net, asked)], replace(OPTIONS, stalled=0), always_cones=True)
        write_certificate(file, net, asked, verdict, OPTIONS, force=True)
        result = check(file, net_file, spec, arithmetic=arithmetic)
        assert result.accepted, result.reason
        assert verdict.proof.of_cone
