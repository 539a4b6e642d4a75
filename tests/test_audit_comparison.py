"""Certificates of kind "change": what the checker accepts, and what it does not."""

import io
import json
import zipfile
from fractions import Fraction
from hashlib import sha256

import numpy as np
import pytest
from cases import executable
from conftest import random_network
from test_preservation import nudged, switched

from engine.audit.comparison.certificate import read_change
from engine.audit.comparison.check import check_change
from engine.audit.failures import Malformed
from engine.cli import main
from engine.comparison.certificate import change_certificate_bytes
from engine.comparison.preservation import preservation


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """name -> (certificate, original, changed): files."""
    folder, found = tmp_path_factory.mktemp("change"), {}
    net = random_network((2, 6, 6, 3), seed=2)
    for name, pair in {
        "last": (net, nudged(net, 2, by=0.5)),
        "first": (net, nudged(net, 0)),
        "switched": switched(),
    }.items():
        files = [folder / f"{name}.{what}" for what in ("change.zip", "a.onnx", "b.onnx")]
        pair = [executable(net) for net in pair]
        result = preservation(
            *pair, lower=(Fraction(-1),) * 2, upper=(1, Fraction(1, 3)), enough=0.3, timeout=5, batch=8, threads=1
        )
        for file, data in zip(files, [change_certificate_bytes(*pair, result), *(net.onnx_bytes for net in pair)]):
            file.write_bytes(data)
        found[name] = files
    return found


NAMES = ["last", "first", "switched"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("arithmetic", ["float64", "exact"])
def test_what_was_written_is_accepted(made, name, arithmetic):
    result = check_change(*made[name], arithmetic=arithmetic)
    assert result.accepted, result.reason
    assert result.nodes == result.checked and result.leaves == (result.nodes + 1) // 2 > 1
    assert 0 < result.certificate.open < 1


def contents(path) -> tuple[dict, dict]:
    """Manifest and arrays."""
    with zipfile.ZipFile(path) as archive:
        manifest = json.loads(archive.read("manifest.json"))
        arrays = {
            name.split(".")[0]: np.frombuffer(archive.read(name), "<i4" if name.endswith("i32") else "<f8").copy()
            for name in archive.namelist()
            if name != "manifest.json"
        }
    return manifest, arrays


def packed(path, manifest: dict, arrays: dict):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, array in arrays.items():
            floats = name in ("cut", "multiplier_value")
            data = array.astype("<f8" if floats else "<i4").tobytes()
            if name in manifest["arrays"]:
                manifest["arrays"][name] = {"count": len(array), "sha256": sha256(data).hexdigest()}
            archive.writestr(f"{name}.{'f64' if floats else 'i32'}", data)
        archive.writestr("manifest.json", json.dumps(manifest))
    path.write_bytes(out.getvalue())
    return path


def tampered(made, tmp_path, change, name: str = "last"):
    """The verdict on a certificate after change(manifest, arrays)."""
    certificate, *networks = made[name]
    manifest, arrays = contents(certificate)
    change(manifest, arrays)
    return check_change(packed(tmp_path / "t.zip", manifest, arrays), *networks)


def less(key):
    def change(manifest, arrays):
        manifest[key] = str(Fraction(manifest[key]) - Fraction(1, 10**7))

    return change


def no_exclusions(manifest, arrays):
    for name in arrays.keys() - {"split", "cut"}:
        arrays[name] = arrays[name][:0]


def cut_moved(manifest, arrays):
    arrays["cut"][0] += 0.125


def cut_outside(manifest, arrays):
    arrays["cut"][0] = 5.0


def another_polytope(manifest, arrays):
    arrays["polytope"][0] = (arrays["polytope"][0] + 1) % 6


def weight_negated(manifest, arrays):
    arrays["row"][:] = (arrays["row"] + 1) % 2


def larger_box(manifest, arrays):
    manifest["cases"][0]["upper"][0] = "5"


def no_volume(manifest, arrays):
    manifest["cases"][0]["upper"][0] = manifest["cases"][0]["lower"][0]


def polytope_easier(manifest, arrays):
    manifest["cases"][0]["unsafe"][0][0]["constant"] = "1"


def polytope_missing(manifest, arrays):
    manifest["cases"][0]["unsafe"].pop()


REJECTED = [
    less("open"),
    less("unequal"),
    no_exclusions,
    cut_moved,
    cut_outside,
    another_polytope,
    weight_negated,
    larger_box,
    no_volume,
    polytope_easier,
    polytope_missing,
]


@pytest.mark.parametrize("change", REJECTED, ids=lambda f: f.__qualname__)
def test_what_was_tampered_with_is_rejected(made, tmp_path, change):
    assert tampered(made, tmp_path, lambda *_: None).accepted
    result = tampered(made, tmp_path, change)
    assert not result.accepted and result.reason


def test_claims_of_the_first_layer_and_of_a_switch_cannot_be_lowered(made, tmp_path):
    for name in ("first", "switched"):
        for key in ("open", "unequal"):
            assert "not at most" in tampered(made, tmp_path, less(key), name).reason


def test_a_larger_claim_is_fine(made, tmp_path):
    assert tampered(made, tmp_path, lambda manifest, arrays: manifest.update(open="1", unequal="7/5")).accepted


def test_other_networks_are_rejected(made):
    certificate, original, changed = made["last"]
    assert "SHA-256" in check_change(certificate, original, original).reason
    assert "SHA-256" in check_change(certificate, changed, original).reason
    assert "SHA-256" in check_change(certificate, original, made["first"][2]).reason


def test_other_shapes_are_rejected(made, tmp_path):
    other = executable(random_network((2, 5, 3), seed=0))
    (tmp_path / "other.onnx").write_bytes(other.onnx_bytes)

    def change(manifest, arrays):
        manifest["changed"]["sha256"] = other.sha256

    manifest, arrays = contents(made["last"][0])
    change(manifest, arrays)
    packed(tmp_path / "t.zip", manifest, arrays)
    assert "shapes" in check_change(tmp_path / "t.zip", made["last"][1], tmp_path / "other.onnx").reason


@pytest.mark.parametrize(
    "key, value",
    [
        ("kind", "proof"),
        ("semantics", "float32"),
        ("version", 2),
        ("open", "x"),
        ("open", 0.5),
        ("more", 1),
        ("cases", []),
        ("network", {}),
    ],
)
def test_malformed(made, tmp_path, key, value):
    manifest, arrays = contents(made["last"][0])
    manifest[key] = value
    with pytest.raises(Malformed):
        read_change(packed(tmp_path / "t.zip", manifest, arrays))


def test_two_cases_are_malformed(made, tmp_path):
    manifest, arrays = contents(made["last"][0])
    manifest["cases"] *= 2
    with pytest.raises(Malformed, match="one case"):
        read_change(packed(tmp_path / "t.zip", manifest, arrays))


# On the command line


def test_compare_proves_and_check_checks(tmp_path, capsys):
    net = random_network((5, 6, 5), seed=0)
    for name, each in (("a", net), ("b", nudged(net, 1, by=0.01))):
        (tmp_path / f"{name}.onnx").write_bytes(executable(each).onnx_bytes)
    networks = [str(tmp_path / "a.onnx"), str(tmp_path / "b.onnx")]
    quick = ["--points", "1000", "--grid", "3", "--prove", "--timeout", "1", "--domain", "acasxu"]
    certificate = str(tmp_path / "a.change.zip")
    assert main(["compare", *networks, *quick, "--certificate", certificate]) == 0
    captured = capsys.readouterr()
    assert "the advisory may differ on at most " in captured.out and "% of it" in captured.out
    assert "accepted by the independent checker" in captured.err
    assert main(["compare", *networks, *quick, "--json"]) == 0
    proved = json.loads(capsys.readouterr().out)["proved"]
    assert 0 <= Fraction(proved["decision_may_differ_at_most"]) <= Fraction(proved["outputs_may_differ_at_most"]) <= 1
    pair = ["--network", networks[0], "--changed", networks[1]]
    assert main(["check", certificate, *pair]) == 0
    assert capsys.readouterr().out.startswith("accepted: a.change.zip: b.onnx instead of a.onnx: which output is ")
    assert main(["check", str(tmp_path), "--network", str(tmp_path), "--changed", str(tmp_path), "--json"]) == 0
    (content,) = json.loads(capsys.readouterr().out)
    assert content["kind"] == "change" and content["changed"] == networks[1] and len(content["sha256"]) == 3
    assert main(["check", certificate, "--network", networks[1], "--changed", networks[0]]) == 1
    assert main(["check", certificate, *pair, "--sample", "3"]) == 2
    assert main(["check", certificate, "--network", networks[0]]) == 2
    assert main(["compare", *networks, "--certificate", certificate]) == 2
