"""Rows without variables among others: proofs name the rows by their place in the polytope."""

from dataclasses import replace

import numpy as np
import pytest
from cases import case, executable, prop, row
from conftest import random_network

from engine import Options, verify
from engine.audit.check import check
from engine.certificate import certificate_bytes
from engine.vnnlib import load_property
from engine.vnnlib.writer import property_text

TRUE = row([0], -1)


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("stalled", [1, 300], ids=["signs are split", "inputs are split"])
def test_a_proof_beside_a_true_row_is_accepted(tmp_path, place, stalled):
    net = executable(random_network((2, 6, 6, 1), seed=3))
    values = net.evaluate(np.random.default_rng(0).uniform(-1, 1, (4000, 2)))[:, 0]
    below = float(values.min() - 0.05 * np.ptp(values))
    rows = [row([1], -below), row([1], -below - 0.125)]
    rows.insert(place, TRUE)
    plain = prop(case([-1, -1], [1, 1], [row([1], -below)]), name="p")
    (tmp_path / "n.onnx").write_bytes(net.onnx_bytes)
    (tmp_path / "p.vnnlib").write_text(property_text(plain))
    read = load_property(tmp_path / "p.vnnlib")
    question = replace(prop(case([-1, -1], [1, 1], rows), name="p"), sha256=read.sha256)
    options = Options(device="cpu", timeout=20, proofs=True, stalled=stalled)
    verdict = verify(net, question, options)
    assert verdict.word == "unsat"
    (tmp_path / "c.zip").write_bytes(certificate_bytes(net, question, verdict, options))
    found = check(tmp_path / "c.zip", tmp_path / "n.onnx", tmp_path / "p.vnnlib")
    assert found.accepted, found.reason
