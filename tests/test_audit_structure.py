"""Certificates of kind "structure": what the checker accepts, and what it does not; from `compare` to `check`."""

import io
import json
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from cases import executable
from conftest import random_network

from engine.audit.comparison.kinds import check_comparison, read_comparison
from engine.audit.comparison.structure import conclusion
from engine.audit.failures import Malformed
from engine.cli import main
from engine.comparison.certificate import structure_certificate_bytes
from engine.comparison.structure import structure
from engine.network import Affine, Network
from engine.onnx_file import load_network

NET = random_network((2, 6, 5, 4), seed=3)


def changed(**places) -> Network:
    """NET with numbers of a layer added to: w<layer>_row_column=by."""
    layers = list(NET.layers)
    for name, by in places.items():
        k, row, column = map(int, name[1:].split("_"))
        weight = layers[k].weight.copy()
        weight[row, column] += by
        layers[k] = Affine(weight, layers[k].bias, layers[k].relu)
    return executable(replace(NET, layers=tuple(layers)))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """(certificate, original, changed): output 1 is raised."""
    folder = tmp_path_factory.mktemp("structure")
    files = [folder / name for name in ("made.structure.zip", "a.onnx", "b.onnx")]
    for file, net in zip(files[1:], (changed(), changed(w2_1_3=0.5))):
        file.write_bytes(net.onnx_bytes)
    files[0].write_bytes(written(*files[1:]))
    return files


def written(original, other) -> bytes:
    pair = load_network(original), load_network(other)
    return structure_certificate_bytes(*pair, structure(*pair))


def test_what_was_written_is_accepted(made):
    result = check_comparison(*made)
    assert result.accepted and result.kind == "structure" and result.semantics == "real"
    assert result.certificate.claims == ("equal", "raised", "equal", "equal")
    assert written(*made[1:]) == made[0].read_bytes()  # the same bytes again


def packed(path, manifest, **members):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("manifest.json", json.dumps(manifest))
        for name, data in members.items():
            archive.writestr(name, data)
    path.write_bytes(out.getvalue())
    return path


def manifest_of(path) -> dict:
    with zipfile.ZipFile(path) as archive:
        return json.loads(archive.read("manifest.json"))


def verdict(made, tmp_path, **entries):
    return check_comparison(packed(tmp_path / "t.zip", manifest_of(made[0]) | entries), *made[1:])


@pytest.mark.parametrize("claims", [["equal"] * 4, ["equal", "lowered", "equal", "equal"]])
def test_a_claim_that_is_too_strong_is_rejected(made, tmp_path, claims):
    result = verdict(made, tmp_path, outputs=claims)
    assert not result.accepted and "output 1 is not" in result.reason


def test_a_claim_that_is_weaker_is_accepted(made, tmp_path):
    assert verdict(made, tmp_path, outputs=["raised", "free", "lowered", "equal"]).accepted


@pytest.mark.parametrize(
    ("places", "weight"),
    [
        ({"w2_1_3": 0.5}, (2, 1, 0)),  # a weight of the same row
        ({"w2_1_3": 0.5}, (2, 3, 2)),  # of another row
        ({"w2_1_3": 0.5}, (1, 2, 2)),  # of a hidden layer
        ({"w2_1_3": 0.5}, (0, 1, 1)),
    ],
)
def test_a_weight_that_is_lower_by_one_unit_in_the_last_place_is_seen(made, tmp_path, places, weight):
    """With the hash of the file that has it: only the theorem is wrong."""
    net = changed(**places)
    k, *at = weight
    table = net.layers[k].weight.copy()
    table[tuple(at)] = np.nextafter(np.float32(table[tuple(at)]), np.float32(-np.inf))
    layers = (*net.layers[:k], Affine(table, net.layers[k].bias, net.layers[k].relu), *net.layers[k + 1 :])
    other = tmp_path / "c.onnx"
    other.write_bytes(executable(replace(net, layers=layers)).onnx_bytes)
    entry = {"name": "c", "sha256": load_network(other).sha256}
    certificate = packed(tmp_path / "t.zip", manifest_of(made[0]) | {"changed": entry})
    result = check_comparison(certificate, made[1], other)
    assert not result.accepted and "by the weights alone" in result.reason


def test_other_networks_are_rejected(made, tmp_path):
    certificate, original, other = made
    assert "about an original" in check_comparison(certificate, other, other).reason
    assert "about a changed network" in check_comparison(certificate, original, original).reason
    assert "other outputs" in verdict(made, tmp_path, outputs=["free"] * 3).reason
    small = tmp_path / "small.onnx"
    small.write_bytes(executable(random_network((2, 3, 4), seed=1)).onnx_bytes)
    entry = {"name": "", "sha256": load_network(small).sha256}
    certificate = packed(tmp_path / "t.zip", manifest_of(certificate) | {"changed": entry})
    assert "different shapes" in check_comparison(certificate, original, small).reason


@pytest.mark.parametrize(
    "entries",
    [
        {"outputs": []},
        {"outputs": ["equal", "raised", "equal", 1]},
        {"outputs": ["equal", "Raised", "equal", "equal"]},
        {"outputs": "equal"},
        {"version": 1},
        {"version": 7.0},
        {"semantics": "float32"},
        {"cases": []},
        {"network": {"name": "", "sha256": "0"}},
        {"kind": "structures"},
    ],
)
def test_malformed(made, tmp_path, entries):
    with pytest.raises(Malformed):
        verdict(made, tmp_path, **entries)


def test_members_beside_the_manifest_are_malformed(made, tmp_path):
    with pytest.raises(Malformed, match="other members"):
        read_comparison(packed(tmp_path / "t.zip", manifest_of(made[0]), extra=b""))


def test_conclusions():
    assert conclusion(("equal", "raised")) == "which output is least changes only where it is 1 in the original"
    assert conclusion(("lowered", "equal", "raised")).endswith("where it is 2 in the original or it becomes 0")
    assert conclusion(("equal", "equal")) == conclusion(("raised",)) == "which output is least is the same in both"


# --- the command line -----------------------------------------------------------------------------


@pytest.fixture
def domain(tmp_path):
    lines = [f"(declare-const X_{i} Real)\n(assert (>= X_{i} -1))\n(assert (<= X_{i} 1))" for i in range(2)]
    lines += [f"(declare-const Y_{j} Real)" for j in range(4)] + ["(assert (<= Y_0 -1000000))"]
    path = tmp_path / "domain.vnnlib"
    path.write_text("\n".join(lines))
    return path


def compare(made, domain, *more) -> int:
    known = "--domain", str(domain), "--decision", "lowest", "--points", "100", "--grid", "2"
    return main(["compare", *map(str, made[1:]), *known, *map(str, more)])


def test_compare_says_it_and_check_confirms_it(made, domain, tmp_path, capsys):
    certificate = tmp_path / "s.structure.zip"
    assert compare(made, domain, "--certificate", certificate) == 0
    out, err = capsys.readouterr()
    assert out.startswith("proved for every input, inside the domain and outside: outputs 0, 2 and 3 are unchanged; ")
    assert "only where it is 1 in the original, and becomes 1 nowhere where it was not" in out
    assert "is accepted by the independent checker" in err
    assert main(["check", str(certificate), "--network", str(made[1]), "--changed", str(made[2])]) == 0
    assert "outputs at every input: equal: 0, 2, 3; raised: 1; which output is least" in capsys.readouterr().out
    folders = "--network", str(made[1].parent), "--changed", str(made[1].parent)
    assert main(["check", str(tmp_path), *folders, "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert found["result"] == "accepted" and found["outputs"] == ["equal", "raised", "equal", "equal"]
    assert found["changed"] == str(made[2]) and found["sha256"]["changed"]
    assert main(["check", str(certificate), "--network", str(made[2]), "--changed", str(made[2])]) == 1


def test_compare_as_json(made, domain, capsys):
    assert compare(made, domain, "--json") == 0
    found = json.loads(capsys.readouterr().out)["structure"]
    assert found["theorem"] is True and found["outputs"] == ["equal", "raised", "equal", "equal"]
    assert compare((None, made[1], made[1]), domain) == 0
    assert "all outputs are equal; nothing is left to be proved" in capsys.readouterr().out


def test_where_the_weights_say_nothing_nothing_is_written(made, domain, tmp_path, capsys):
    other = tmp_path / "free.onnx"
    other.write_bytes(changed(w0_2_1=0.5).onnx_bytes)
    certificate = tmp_path / "s.structure.zip"
    assert compare((None, made[1], other), domain, "--certificate", certificate) == 2
    out, err = capsys.readouterr()
    assert not certificate.exists() and "the weights alone prove nothing" in err and "add --prove" in err
    assert compare((None, made[1], other), domain) == 0
    assert "for every input" not in capsys.readouterr().out
