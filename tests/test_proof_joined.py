"""Proofs joined into one: its trees are theirs, and the checker accepts it of all their cases."""

from dataclasses import replace
from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np
import pytest
from cases import case, executable, row
from conftest import random_network

from engine.certificate import check_certificate, write_certificate
from engine.onnx_file import load_network
from engine.proof import ARRAYS, LEAF, Proof, joined
from engine.property import Property
from engine.search.problem import Options, Problem
from engine.search.verify import verify_all
from engine.verdict import Statistics, Verified
from engine.vnnlib import load_property

OPTIONS = Options(proofs=True, threads=1)
BY_SIGN = replace(OPTIONS, stalled=1, steps=3)  # so that signs of neurons are split
INPUTS = 3


def trees(proof: Proof, roots: int) -> list[tuple]:
    """Each tree as nested tuples: splits with their cuts, and at each node its exclusions. Read one node at a time."""
    cuts = iter(proof.cut.tolist())
    cut = [next(cuts) if 0 <= axis < INPUTS else None for axis in proof.split.tolist()]
    assert next(cuts, None) is None
    entries = {"rows": ("row", "row_weight"), "slopes": ("slope", "slope_value")}
    entries["multipliers"] = ("multiplier", "multiplier_value")
    at: dict[int, list] = {}
    place = dict.fromkeys(entries, 0)
    for i, (node, polytope) in enumerate(zip(proof.node.tolist(), proof.polytope.tolist())):
        held = []
        for counts, names in entries.items():
            size = int(getattr(proof, counts)[i])
            held += [getattr(proof, name)[place[counts] : place[counts] + size].tolist() for name in names]
            place[counts] += size
        at.setdefault(node, []).append((polytope, held))
    split = [i for i, axis in enumerate(proof.split.tolist()) if axis != LEAF]
    assert len(proof.split) == roots + 2 * len(split)
    child = {node: roots + 2 * i for i, node in enumerate(split)}

    def tree(node):
        below = [tree(child[node]), tree(child[node] + 1)] if node in child else []
        return (int(proof.split[node]), cut[node], at.get(node, []), *below)

    return [tree(node) for node in range(roots)]


@pytest.fixture(scope="module")
def network():
    return replace(executable(random_network((INPUTS, 6, 5, 2), seed=5)), sha256="0" * 64)


@pytest.fixture(scope="module")
def properties(network):
    """Boxes of several sizes, of which some need many splits; a property of two cases among them."""
    random = np.random.default_rng(1)

    def some(size):
        centre = random.uniform(-1, 1, INPUTS).astype(np.float32).astype(float)
        lower, upper = centre - size, centre + size
        corners = random.uniform(lower, upper, (20000, INPUTS))
        least = network.evaluate(corners).min(0) - size / 30
        return case(
            lower,
            upper,
            *([row([int(i == j) for i in range(2)], -Fraction(float(least[j])), n_inputs=INPUTS)] for j in range(2)),
        )

    cases = [some(size) for size in (0.25, 1.0, 0.0625, 1.5, 0.5)]
    return [Property(tuple(part), INPUTS, 2, "made") for part in (cases[:1], cases[1:3], cases[3:4], cases[4:])]


@pytest.fixture(scope="module")
def proofs(network, properties):
    problems = [Problem(network, each) for each in properties]
    verdicts = [*verify_all(problems[:2], OPTIONS), *verify_all(problems[2:], BY_SIGN)]
    assert all(isinstance(verdict, Verified) for verdict in verdicts)
    found = [verdict.proof for verdict in verdicts]
    splits = np.concatenate([proof.split for proof in found])
    assert len(found[1].cut) > 4 and (splits >= INPUTS).sum() > 2
    return found


def with_multipliers(proof: Proof, seed: int) -> Proof:
    """The same with made-up multipliers, of which these searches find none."""
    random = np.random.default_rng(seed)
    counts = random.integers(0, 4, len(proof.node)).astype(np.int32)
    neurons, values = random.integers(0, 11, counts.sum()).astype(np.int32), random.random(counts.sum())
    return replace(proof, multipliers=counts, multiplier=neurons, multiplier_value=values)


def test_each_tree_is_kept(proofs):
    roots, proofs = [1, 2, 1, 1], [with_multipliers(proof, seed) for seed, proof in enumerate(proofs)]
    before = [tree for proof, count in zip(proofs, roots) for tree in trees(proof, count)]
    whole = joined(proofs, n_inputs=INPUTS)
    assert trees(whole, 5) == before
    for order in ([4, 0, 2], [3], [1, 2, 4, 3, 0]):
        assert trees(joined(proofs, n_inputs=INPUTS, order=order), len(order)) == [before[i] for i in order]


def test_one_alone_is_itself(proofs):
    for proof in proofs:
        again = joined([proof], n_inputs=INPUTS)
        for name in ARRAYS:
            one, other = getattr(proof, name), getattr(again, name)
            assert one.dtype == other.dtype and one.tobytes() == other.tobytes(), name


def test_joined_in_steps_is_joined_at_once(proofs):
    steps = joined([joined(proofs[:2], n_inputs=INPUTS), *proofs[2:]], n_inputs=INPUTS)
    for name in ARRAYS:
        assert getattr(steps, name).tobytes() == getattr(joined(proofs, n_inputs=INPUTS), name).tobytes()


def test_the_checker_accepts_it_of_all_cases(network, properties, proofs, tmp_path):
    """A certificate with all cases, whose property is written as VNN-LIB."""
    cases = tuple(case for each in properties for case in each.cases)
    (tmp_path / "n.onnx").write_bytes(network.onnx_bytes)
    read = load_network(tmp_path / "n.onnx")
    (tmp_path / "p.vnnlib").write_text(vnnlib(cases))
    property = replace(load_property(tmp_path / "p.vnnlib"), cases=cases)
    accepted = joined(proofs, n_inputs=INPUTS)
    for name, proof, right in (
        ("good", accepted, True),
        ("bad", joined(proofs, n_inputs=INPUTS, order=[1, 0, 2, 3, 4]), False),
    ):
        verdict = Verified("real", Statistics(1, 0.0, "cpu"), proof=proof)
        write_certificate(tmp_path / f"{name}.proof.zip", read, property, verdict, OPTIONS)
        result = check_certificate(tmp_path / f"{name}.proof.zip", tmp_path / "n.onnx", tmp_path / "p.vnnlib")
        assert result.accepted is right, result.reason


def vnnlib(cases) -> str:
    lines = [f"(declare-const X_{i} Real)" for i in range(INPUTS)] + [f"(declare-const Y_{j} Real)" for j in range(2)]
    ors = []
    for each in cases:
        box = [
            f"(<= X_{i} {decimal(u)}) (>= X_{i} {decimal(l)})" for i, (l, u) in enumerate(zip(each.lower, each.upper))
        ]
        for polytope in each.unsafe:
            (only,) = polytope.rows
            (j,) = (j for j, c in enumerate(only.outputs) if c)
            ors.append(f"(and {' '.join(box)} (<= Y_{j} {decimal(-only.constant)}))")
    return "\n".join([*lines, f"(assert (or {' '.join(ors)}))"])


def decimal(value: Fraction) -> str:
    """A dyadic number in all its digits."""
    with localcontext(prec=200):
        found = f"{Decimal(value.numerator) / Decimal(value.denominator):f}"
    assert Fraction(found) == value
    return found
