"""Certificates that the engine writes, checked by the program that shares no code with it."""

import io
import json
import zipfile
from fractions import Fraction

import numpy as np
import pytest
from cases import case, executable, prop, row
from conftest import network, random_network
from test_search import random_question

from engine import Options, Problem, load_network, load_property, verify_all
from engine.audit.check import check
from engine.certificate import certificate_bytes, certificate_name, encoding
from engine.certificate.encoding import rational_text
from engine.errors import EngineError, InputError
from engine.verdict import Statistics, Unknown
from engine.vnnlib.writer import property_text

ABSOLUTE = network([[[1.0], [-1.0]], [[1.0, 1.0]]], [[0.0, 0.0], [0.0]])


def certified(folder, net, question, **options):
    """The verdict, its certificate, and what the checker says: all from files."""
    onnx, text, file = folder / "n.onnx", folder / "p.vnnlib", folder / "c.zip"
    onnx.write_bytes(executable(net).onnx_bytes)
    text.write_text(property_text(question))
    problem = Problem(load_network(onnx), load_property(text))
    options = Options(proofs=True, device="cpu", **{"timeout": 20, **options})
    (verdict,) = verify_all([problem], options)
    data = certificate_bytes(problem.network, problem.property, verdict, options)
    if data is None:
        return verdict, None, None
    file.write_bytes(data)
    return verdict, data, check(file, onnx, text, arithmetic="exact" if len(data) < 3000 else "float64")


@pytest.mark.parametrize("semantics", ["real", "float32"])
@pytest.mark.parametrize("first", [0, 20, *(pytest.param(first, marks=pytest.mark.slow) for first in (10, 30))])
def test_every_verdict_is_accepted(tmp_path, first, semantics):
    """All kinds of properties: several cases and polytopes, rows over inputs, strict ones."""
    kinds = []
    for seed in range(first, first + 10):
        try:
            verdict, data, result = certified(tmp_path, *random_question(seed), semantics=semantics, timeout=3)
        except InputError:  # the reader refuses questions whose rows contradict each other
            continue
        if data:
            assert result.accepted, (seed, result.reason)
            kinds.append(result.kind)
            assert result.kind == {"unsat": "proof", "sat": "witness"}[verdict.word]
    assert {"proof", "witness"} == set(kinds) and len(kinds) >= 8


def test_split_signs_are_accepted(tmp_path):
    """Assumed signs and their multipliers, which ACAS Xu never needs."""
    multipliers = 0
    for seed in range(8):
        net = random_network((2, 6, 6, 1), seed=seed)
        points = np.stack(np.meshgrid(*[np.linspace(-1, 1, 101)] * 2), -1).reshape(-1, 2)
        values = net.evaluate(points)[:, 0]
        level = round(float(values.min() - 0.01 * np.ptp(values)) * 2**20) / 2**20
        question = prop(case([-1, -1], [1, 1], [row([1], -level)]))
        verdict, data, _ = certified(tmp_path, net, question, stalled=1, steps=1)
        assert verdict.word == "unsat"
        for arithmetic in ("float64", "exact"):
            result = check(tmp_path / "c.zip", tmp_path / "n.onnx", tmp_path / "p.vnnlib", arithmetic=arithmetic)
            assert result.accepted, (seed, result.reason)
        multipliers += len(verdict.proof.multiplier)
    assert multipliers > 20


def test_a_combination_is_written(tmp_path):
    """y0 <= 0 and y1 <= 0 exclude each other, and neither alone is excluded."""
    net = network([[[1.0], [-1.0]]], [[0.25, 0.25]])
    question = prop(case([-1], [1], [row([1, 0], n_inputs=1), row([0, 1], n_inputs=1)]), n_outputs=2)
    verdict, _, result = certified(tmp_path, net, question, steps=40)
    assert verdict.word == "unsat" and result.accepted
    assert max(verdict.proof.rows) == 2


def test_the_same_run_gives_the_same_bytes(tmp_path):
    question = random_question(4)
    first, second = (certified(tmp_path, *question)[1] for _ in range(2))
    assert first == second


def test_content(tmp_path):
    net, question = ABSOLUTE, prop(case([-1], [2], [row([1], Fraction(1, 8), n_inputs=1)]))
    _, data, _ = certified(tmp_path, net, question)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        manifest = json.loads(archive.read("manifest.json"))
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        split = np.frombuffer(archive.read("split.i32"), "<i4")
    assert manifest["kind"] == "proof" and manifest["engine"]["options"]["semantics"] == "real"
    assert manifest["cases"][0]["lower"] == ["-1"] and manifest["cases"][0]["upper"] == ["2"]
    assert manifest["cases"][0]["unsafe"] == [
        [{"inputs": {}, "outputs": {"0": "1"}, "constant": "1/8", "strict": False}]
    ]
    assert len(split) == manifest["arrays"]["split"]["count"] == 1 + 2 * (split >= 0).sum()


def test_a_witness_says_how_far_inside(tmp_path):
    net, question = ABSOLUTE, prop(case([-1], [2], [row([1], Fraction(-1, 8), n_inputs=1)]))
    verdict, data, result = certified(tmp_path, net, question)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.namelist() == ["manifest.json"]
        manifest = json.loads(archive.read("manifest.json"))
    x = Fraction(manifest["point"][0])
    assert verdict.word == "sat" and result.accepted and result.kind == "witness"
    assert Fraction(manifest["outputs"][0]) == abs(x)
    assert Fraction(manifest["margins"][0]) == abs(x) - Fraction(1, 8) <= 0


def test_nothing_decided_nothing_certified():
    net, question = random_question(0)
    verdict = Unknown("", True, 0.0, "real", Statistics(0, 0.0, "cpu"))
    assert certificate_bytes(net, question, verdict, Options()) is None


def test_a_certificate_too_large_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(encoding, "MAX_BYTES", 1000)
    with pytest.raises(EngineError, match="would hold more than"):
        certified(tmp_path, *random_question(4))


def test_names(tmp_path):
    verdicts = {
        word: v for seed in range(6) for v in [certified(tmp_path, *random_question(seed))[0]] for word in [v.word]
    }
    assert certificate_name("net_prop", verdicts["unsat"]) == "net_prop.proof.zip"
    assert certificate_name("net_prop", verdicts["sat"]) == "net_prop.witness.zip"


@pytest.mark.parametrize(
    "digits, limit, held",
    [
        (999, 1_000, True),
        (1_001, 1_000, False),
        (9_000, 10_000, True),
        (10_001, 10_000, False),
        (100_000, 10_000, False),
    ],
)
def test_numbers_of_as_many_digits_as_the_format_says(digits, limit, held):
    """Python's own limit, 4,300 digits, is not the format's."""
    value = Fraction(10) ** (digits - 1) + 7
    if held:
        assert rational_text(value, limit) == "1" + "0" * (digits - 2) + "7"
        assert rational_text(-1 / value, limit + 3).startswith("-1/1000")
    else:
        with pytest.raises(EngineError, match=f"more than {limit:,} digits"):
            rational_text(value, limit)


def test_what_is_too_long_is_named():
    """A witness's outputs are the network's: other numbers in the property would not shorten them."""
    for limit, advice in ((1_000, "use shorter numbers in the property"), (10_000, "leave out the certificate")):
        with pytest.raises(EngineError) as caught:
            rational_text(Fraction(10) ** 20_000, limit)
        assert caught.value.advice == advice
