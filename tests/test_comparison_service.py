"""A comparison as one call: what the command line prints, and what it asks for."""

import json

import pytest
from cases import case, executable, prop, row
from conftest import random_network

from engine.cli import main
from engine.comparison.decision import Decision
from engine.comparison.service import ComparisonOptions, compare_networks
from engine.domain import hull, read_domain
from engine.errors import InputError
from engine.onnx_file import load_network
from engine.vnnlib import load_property
from engine.vnnlib.writer import property_text

REGION = prop(case([0, 0], [1, 1], [row([1, 0, 0])]), n_outputs=3)
QUICK = ComparisonOptions(points=500, grid=4, prove=True, timeout=None)


@pytest.mark.slow
@pytest.mark.parametrize("decision", [Decision.LOWEST, Decision.HIGHEST])
def test_the_record_is_what_the_command_prints(tmp_path, capsys, decision):
    files = [str(tmp_path / name) for name in ("a.onnx", "b.onnx", "p.vnnlib")]
    for seed, file in enumerate(files[:2]):
        (tmp_path / file).write_bytes(executable(random_network((2, 4, 3), seed=seed)).onnx_bytes)
    (tmp_path / "p.vnnlib").write_text(property_text(REGION))
    options = ["--points", "500", "--grid", "4", "--prove", "--timeout", "5", "--decision", decision.value, "--json"]
    assert main(["compare", *files, "--domain", files[2], *options]) == 0
    printed = json.loads(capsys.readouterr().out)
    original, changed = map(load_network, files[:2])
    domain = read_domain(tmp_path / "p.vnnlib", original)
    limited = ComparisonOptions(points=500, grid=4, prove=True, timeout=5.0)
    told = []
    record = compare_networks(
        original,
        changed,
        [load_property(files[2])],
        domain=domain,
        decision=decision,
        options=limited,
        on_progress=told.append,
    )
    found = json.loads(json.dumps(record.to_json()))
    assert list(found) == list(printed) and told
    measured = [{name: value for name, value in each.items() if name != "proved"} for each in (found, printed)]
    assert measured[0] == measured[1] and found["proved"].keys() == printed["proved"].keys()


def test_what_is_not_known_is_asked_for():
    net = random_network((2, 4, 3), seed=0)
    for words, properties, domain in (("inputs to compare on", [], None), ("network's domain", [REGION], None)):
        with pytest.raises(InputError, match=words):
            compare_networks(net, net, properties, domain=domain, decision=Decision.LOWEST, options=QUICK)
    with pytest.raises(InputError, match="network's decision"):
        compare_networks(net, net, [REGION], domain=hull([REGION]), options=QUICK)
