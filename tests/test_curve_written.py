"""Certificates that the engine writes about Sigmoid and Tanh: both checkers accept them, and derive the same bounds."""

from dataclasses import replace

import numpy as np
import pytest
from curve_models import curve_network
from test_curve_search import OPTIONS, asked, least_difference
from test_second_checker_cones import Files, agree, ours, theirs  # noqa: F401 (theirs is a fixture)

from engine.certificate import certificate_bytes
from engine.search.verify import Problem, verify_all
from engine.vnnlib import load_property
from engine.vnnlib.writer import property_text

SHAPES = [([2, 4, 4, 2], ["Tanh", "Sigmoid"]), ([3, 4, 3, 2], ["Relu", "Tanh"]), ([9, 3, 3, 2], ["Sigmoid", "Tanh"])]


@pytest.mark.parametrize("cones", [False, True])
@pytest.mark.parametrize("sizes, operators", SHAPES, ids=lambda value: "-".join(map(str, value)))
@pytest.mark.parametrize("holds", [True, False])
def test_both_checkers_accept_what_is_written(tmp_path, sizes, operators, cones, holds, theirs):  # noqa: F811
    net = curve_network(sizes, operators, seed=len(sizes) + sizes[0], gain=2.0)
    ones = np.ones(sizes[0])
    least = least_difference(net, -ones, ones, count=20_000)
    question = asked(net, least + (-0.2 if holds else 0.01) * (1 + abs(least)))
    (tmp_path / "n.onnx").write_bytes(net.onnx_bytes)
    (tmp_path / "p.vnnlib").write_text(property_text(question))
    options = replace(OPTIONS, proofs=True)
    read = load_property(tmp_path / "p.vnnlib")
    (verdict,) = verify_all([Problem(net, read)], options, always_cones=cones)
    assert verdict.word == ("unsat" if holds else "sat")
    (tmp_path / "c.zip").write_bytes(certificate_bytes(net, read, verdict, options))
    files = Files(tmp_path / "n.onnx", tmp_path / "p.vnnlib")
    certificate = tmp_path / "c.zip"
    assert theirs(certificate, files, "float64")[0] == "accepted"
    found = theirs(certificate, files)
    assert found[0] == "accepted"
    if holds:  # the second checker has its own word for witnesses
        assert agree(ours(certificate, files), found)
