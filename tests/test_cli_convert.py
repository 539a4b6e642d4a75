"""`acasxu convert`, and the other commands on `.nnet` files."""

import gzip
import json

import numpy as np
import pytest
from nnet_files import SMALL, exact_small

from engine import load_network
from engine.cli import main
from engine.nnet import content_of

BOX = "(assert (and (>= X_0 0) (<= X_0 1) (>= X_1 0) (<= X_1 1)))\n"
PROPERTY = (
    f"(declare-const X_0 Real)\n(declare-const X_1 Real)\n(declare-const Y_0 Real)\n{BOX}(assert (<= Y_0 {{}}))\n"
)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "a.nnet").write_text(SMALL)
    (tmp_path / "e.nnet").write_text(exact_small())
    (tmp_path / "holds.vnnlib").write_text(PROPERTY.format("-9"))
    (tmp_path / "violated.vnnlib").write_text(PROPERTY.format("0"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def ran(line: str, capsys) -> tuple[int, str, str]:
    code = main(line.split())
    found = capsys.readouterr()
    return code, found.out, found.err


def failed(line: str, capsys) -> str:
    code, out, err = ran(line, capsys)
    assert (code, out, len(err.splitlines())) == (2, "", 1), (code, out, err)
    return err


def test_to_onnx_says_what_changed(folder, capsys):
    code, out, _ = ran("convert a.nnet b.onnx", capsys)
    assert code == 0 and "b.onnx: 9 numbers, each the nearest float32; 6 of them are no decimals" in out
    network = load_network("b.onnx")
    assert network.layers[0].weight.tolist() == np.float32([[0.1, -0.25], [0.3, 4]]).tolist()
    assert network.layers[0].relu and not network.layers[1].relu and not network.float32_obstacle


def test_there_and_back_is_the_same_file(folder, capsys):
    for line in ("a.nnet b.onnx", "b.onnx c.nnet.gz --like a.nnet", "c.nnet.gz d.onnx.gz"):
        code, out, _ = ran(f"convert {line}", capsys)
        assert code == 0
    assert "9 numbers, exactly, as float32" in out
    ours, theirs = load_network("b.onnx"), load_network("d.onnx.gz")
    assert all(np.array_equal(a.weight, b.weight) for a, b in zip(ours.layers, theirs.layers, strict=True))
    text = gzip.decompress((folder / "c.nnet.gz").read_bytes())
    assert content_of(text).normalization == content_of(SMALL.encode()).normalization


def test_raw_units(folder, capsys):
    assert ran("convert --units raw a.nnet r.onnx", capsys)[0] == 0
    raw = load_network("a.nnet", units="raw")
    points = np.random.default_rng(0).uniform(-3, 3, (50, 2))
    assert np.allclose(load_network("r.onnx").evaluate(points), raw.evaluate(points), rtol=0, atol=1e-4)


def test_normalization_by_options(folder, capsys):
    ran("convert e.nnet e.onnx", capsys)
    assert ran("convert e.onnx n.nnet --minima=-1,-2.5 --ranges 1,2,3 --means 0,1e-1,-3", capsys)[0] == 0
    found = content_of((folder / "n.nnet").read_bytes()).normalization
    assert [float(v) for v in (*found.minima, *found.means, found.output_mean)] == [-1, -2.5, 0, 0.1, -3]
    assert (found.ranges, found.output_range, found.maxima[0] > 10**38) == ((1, 2), 3, True)


@pytest.mark.parametrize(
    "line, words",
    [
        ("convert a.nnet b.nnet", "both are .nnet files; convert .nnet to .onnx"),
        ("convert e.onnx b.onnx", "neither is a .nnet file"),
        ("convert a.nnet b.onx", "b.onx: this is no name of an ONNX file; end it in .onnx"),
        ("convert a.nnet e.onnx", "e.onnx: this file exists; choose another name or force it"),
        ("convert a.nnet none/b.onnx", "none/b.onnx: it cannot be written"),
        ("convert x.nnet b.onnx", "x.nnet: there is no such file"),
        ("convert x.onnx b.nnet", "x.onnx: there is no such file"),
        ("convert a.nnet b.onnx --like a.nnet", "--like: an ONNX file has no normalization"),
        ("convert a.nnet b.onnx --means 1,2,3", "--means: an ONNX file has no normalization"),
        ("convert e.onnx b.nnet --units raw", "--units: the numbers of an ONNX file are"),
        ("convert e.onnx b.nnet --means 1,2", "--means: 3 numbers are needed, 2 are given"),
        ("convert e.onnx b.nnet --minima 1,x", "--minima: 'x' stands where a decimal number is needed"),
        ("convert e.onnx b.nnet --ranges 1,2,0", "a range is not positive"),
        ("convert e.onnx b.nnet --like a.nnet --means 1,2,3", "--means: --like gives them all"),
        ("verify e.onnx holds.vnnlib --units raw", "e.onnx: only a .nnet file has two kinds of units"),
        ("verify a.nnet holds.vnnlib --units raw --certificate c.zip", "--certificate: certificates are about"),
        ("verify a.nnet holds.vnnlib --semantics float32", "no float32 semantics: a .nnet file does not say"),
        ("repair a.nnet violated.vnnlib --out r.onnx", "decimals of its .nnet file; fold factors"),
        ("info x.nnet", "x.nnet: there is no such file"),
        ("compare a.nnet e.onnx --prove --domain holds.vnnlib --decision lowest", "is not possible: float64"),
    ],
)
def test_bad_input_is_one_line(line, words, folder, capsys):
    (folder / "e.onnx").write_bytes(load_network("e.nnet").onnx_bytes)
    before = (folder / "e.onnx").read_bytes()
    assert words in failed(line, capsys)
    assert {path.name for path in folder.iterdir()} == {"a.nnet", "e.nnet", "e.onnx", "holds.vnnlib", "violated.vnnlib"}
    assert (folder / "e.onnx").read_bytes() == before


def test_force_replaces(folder, capsys):
    (folder / "b.onnx").write_text("")
    assert ran("convert a.nnet b.onnx --force", capsys)[0] == 0 and load_network("b.onnx").n_inputs == 2


def test_verify_with_a_checked_certificate(folder, capsys):
    code, out, err = ran("verify a.nnet holds.vnnlib --certificate c.zip", capsys)
    assert (code, out) == (0, "unsat\n") and "accepted by the independent checker" in err
    code, out, _ = ran("check c.zip --network . --property .", capsys)
    assert code == 0 and "accepted: c.zip: holds.vnnlib and a.nnet" in out
    code, out, err = ran("verify a.nnet violated.vnnlib --certificate w.zip", capsys)
    assert (code, out[:3]) == (1, "sat") and "accepted by the independent checker" in err


def test_raw_and_normalized_verdicts_differ_and_say_so(folder, capsys):
    """Raw outputs are 10 y - 3: what is unsafe in one reading is not in the other."""
    text = PROPERTY.format("-20").replace("(<= X_1 1)", "(<= X_1 2.5)")
    (folder / "p.vnnlib").write_text(text)
    assert ran("verify a.nnet p.vnnlib", capsys)[0] == 0
    code, _, err = ran("verify a.nnet p.vnnlib --units raw", capsys)
    assert code == 1 and "raw units" in err


def test_a_file_with_float32_decimals_is_repaired(folder, capsys):
    """Its numbers are its own, so nothing has to be converted first."""
    code, out, err = ran("repair e.nnet violated.vnnlib --out r.onnx --timeout 60 --method milp", capsys)
    assert code == 0, out + err
    assert ran("verify r.onnx violated.vnnlib", capsys)[0] == 0


def test_info(folder, capsys):
    code, out, _ = ran("info a.nnet", capsys)
    assert code == 0 and "2 - 2 - 1" in out and "9, of which 6 are decimals that no float64 number is" in out
    assert "normalized: inputs (x - mean) / range" in out and "means      0.1, 0.2, -3.0" in out
    content = json.loads(ran("info a.nnet --json", capsys)[1])
    assert (content["parameters"], content["no_float64"], content["units"]) == (9, 6, "normalized")
    assert content["normalization"]["ranges"] == [0.5, 3.0, 10.0] and content["label"] is None


def test_compare(folder, capsys):
    ran("convert a.nnet b.onnx", capsys)
    code, out, _ = ran("compare a.nnet b.onnx holds.vnnlib --points 1000 --grid 5", capsys)
    assert code == 0 and "6 weights differ" in out
