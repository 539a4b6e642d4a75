"""A repair as a library call: a certified network as one value, which JSON holds and gives back."""

import json
from fractions import Fraction

import pytest
from cases import case, prop, row
from test_cli_repair import PROPERTIES, SMALL

from engine.acasxu.files import standins
from engine.audit.check import check
from engine.onnx_file import load_network
from engine.repair.milp import settings as linear
from engine.repair.record import HELD, NOT_REPAIRED, REPAIRED, RepairRecord
from engine.repair.service import repair_network
from engine.repair.task import RepairOptions
from engine.vnnlib import load_property
from engine.vnnlib.writer import property_text

QUICK = RepairOptions(method="milp", points=1000, grid=3, device="cpu", by_method={"milp": {"backend": "highs"}})


@pytest.fixture(autouse=True)
def few_samples(monkeypatch):
    for name, number in {"DOMAIN": 1000, "TARGET": 500, "KEEP": 300, "FRESH": 1000, "MARGINS": (0.03,)}.items():
        monkeypatch.setattr(linear, name, number)


def test_a_standin_is_repaired_and_certified(tmp_path):
    network, end = load_network(standins()[0]), Fraction(1, 50)
    unsafe = [row([0, 1, 0, 0, 0], Fraction(-88, 1000), n_inputs=5)]
    (tmp_path / "low.vnnlib").write_text(property_text(prop(case([-end] * 5, [end] * 5, unsafe), n_outputs=5)))
    record = repair_network(network, [load_property(tmp_path / "low.vnnlib")], options=QUICK)
    assert record.result == REPAIRED and record.network.shape == network.shape and record.proved == ("low",)
    assert record.network.sha256 != network.sha256 and record.fidelity.weights > 0 and record.proof_seconds > 0
    (tmp_path / "repaired.onnx").write_bytes(record.network.onnx_bytes)
    ((name, certificate),) = record.certificates.items()
    (tmp_path / name).write_bytes(certificate)
    assert check(tmp_path / name, tmp_path / "repaired.onnx", tmp_path / "low.vnnlib").accepted
    assert_survives_json(record)


@pytest.mark.parametrize("name, result", [("held", HELD), ("left", NOT_REPAIRED)])
def test_what_is_not_repaired(name, result, monkeypatch, tmp_path):
    (tmp_path / "p.vnnlib").write_text(property_text(PROPERTIES[name]))
    monkeypatch.setattr("engine.repair.step.candidates", lambda *args: iter(()))
    record = repair_network(SMALL, [load_property(tmp_path / "p.vnnlib")], options=QUICK, neurons=2)
    assert record.result == result and (record.network is not None) == (result == HELD)
    assert len(record.neurons) == (2 if result == NOT_REPAIRED else 0)
    assert_survives_json(record)


def assert_survives_json(record: RepairRecord) -> None:
    again = RepairRecord.from_json(json.loads(record.text()))
    assert again.text() == record.text()


@pytest.mark.parametrize("content", [None, [], 3, {}, {"chosen": 3, "fidelity": {"regions": {"a": 4, "b": {}}}}])
def test_anything_can_be_read(content):
    assert RepairRecord.from_json(content).chosen == ()
