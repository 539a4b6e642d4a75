"""`--units` of compare, repair and bench: `.nnet` files read with their normalization as layers."""

import json

import pytest
from bench_runs import Here, bench, results
from nnet_files import SMALL

from engine.bench.chunk import Chunk
from engine.bench.instances import in_units, read_instances
from engine.bench.reading import Reader
from engine.cli import main
from engine.network_file import load_network
from engine.onnx_file import read_whole

#: Outputs of b.nnet are larger than those of a.nnet by 0.01, and by 0.1 in raw units: the range of outputs is 10.
SHIFTED = SMALL.replace("0.125", "0.135")
PROPERTY = (
    "(declare-const X_0 Real)(declare-const X_1 Real)(declare-const Y_0 Real)\n"
    "(assert (and (>= X_0 0) (<= X_0 1) (>= X_1 0) (<= X_1 1)))\n(assert (<= Y_0 {}))\n"
)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "a.nnet").write_text(SMALL)
    (tmp_path / "b.nnet").write_text(SHIFTED)
    # in raw units outputs come down to -7.56, in normalized ones to -3.12
    (tmp_path / "p.vnnlib").write_text(PROPERTY.format("-5"))
    (tmp_path / "list.csv").write_text("a.nnet,p.vnnlib,20\ne.onnx,p.vnnlib,20\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("engine.bench.session.Workers", Here)
    assert main(["convert", "a.nnet", "e.onnx"]) == 0
    return tmp_path


def ran(line: str, capsys) -> tuple[int, str, str]:
    capsys.readouterr()
    code = main(line.split())
    found = capsys.readouterr()
    return code, found.out, found.err


@pytest.mark.parametrize(
    ("units", "eps", "code"),
    [("", "0.011", 0), ("", "0.009", 1), (" --units normalized", "0.009", 1), (" --units raw", "0.11", 0)],
)
def test_equivalence_in_the_units_that_are_asked_for(folder, capsys, units, eps, code):
    found, out, _ = ran(f"compare a.nnet b.nnet --equivalent {eps} --box p.vnnlib{units}", capsys)
    assert found == code
    assert ("raw units of .nnet files" in out) == ("raw" in units)


def test_a_difference_is_ten_times_as_large_in_raw_units(folder, capsys):
    line = "compare a.nnet b.nnet --equivalent 0.09 --box p.vnnlib --units raw --json"
    code, out, _ = ran(line, capsys)
    content = json.loads(out)
    assert code == 1 and abs(content["refutation"]["differences"][0] - 0.1) < 1e-6
    assert content["region"] == "the box in p.vnnlib (raw units of .nnet files)"


def test_a_raw_file_beside_the_onnx_file_of_its_layers(folder, capsys):
    """Units are those of the .nnet file alone: the ONNX file has its normalization as layers."""
    assert main("convert a.nnet r.onnx --units raw".split()) == 0
    line = "compare a.nnet {} --equivalent 0.01 --box p.vnnlib --units raw"
    assert ran(line.format("r.onnx"), capsys)[0] == 0
    assert ran(line.format("e.onnx"), capsys)[0] == 1


def test_measured_in_raw_units(folder, capsys):
    line = "compare a.nnet b.nnet --domain p.vnnlib --points 500 --grid 4"
    changes = []
    for units in ("normalized", "raw"):
        code, out, _ = ran(f"{line} --units {units} --json", capsys)
        content = json.loads(out)
        assert (code, content["units"]) == (0, units)
        changes += [region["largest_output_change"] for region in content["regions"].values()][:1]
    assert abs(changes[0] - 0.01) < 1e-6 and abs(changes[1] - 0.1) < 1e-5
    assert "units: raw, of .nnet files" in ran(f"{line} --units raw", capsys)[1]


def test_a_proof_of_raw_units_goes_by_way_of_an_onnx_file(folder, capsys):
    assert main("convert a.nnet r.onnx --units raw".split()) == 0
    assert ran("verify r.onnx p.vnnlib --certificate r.zip", capsys)[0] == 1
    code, out, _ = ran("check r.zip --network r.onnx --property p.vnnlib", capsys)
    assert code == 0 and out.startswith("accepted")
    assert ran("check r.zip --network e.onnx --property p.vnnlib", capsys)[0] != 0


WAY_OUT = "make an ONNX file by `acasxu convert --units raw`"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("compare a.nnet b.nnet --equivalent 1 --box p.vnnlib --units raw --certificate c.zip", WAY_OUT),
        ("compare a.nnet b.nnet --prove --domain p.vnnlib --units raw --certificate c.zip", WAY_OUT),
        ("compare e.onnx e.onnx --equivalent 1 --box p.vnnlib --units raw", "e.onnx: only a .nnet file has two"),
        ("compare e.onnx e.onnx --domain p.vnnlib --units normalized", "e.onnx: only a .nnet file has two kinds"),
        ("compare a.nnet b.nnet --equivalent 1 --units raw --domain acasxu", "--domain acasxu: ACAS Xu's domain is"),
        ("compare a.nnet b.nnet --equivalent 1 --units raw --property 3", "this is ACAS Xu's property 3"),
        ("compare a.nnet b.nnet --equivalent 1 --units raw", "the network's domain is not known"),
        ("verify a.nnet --property 3 --units raw", "prop_3: this is ACAS Xu's property 3"),
        ("repair a.nnet p.vnnlib --out o.onnx --units raw", "--units raw: in raw units a .nnet file's normalization"),
        ("repair e.onnx p.vnnlib --out o.onnx --units normalized", "e.onnx: only a .nnet file has two kinds"),
        ("bench list.csv --out o --units raw --certificates", WAY_OUT),
        ("bench list.csv --out o --units raw --check", WAY_OUT),
        ("bench list.csv --out o --units raw --repair", "--repair: in raw units a .nnet file's normalization"),
        ("bench onnx.csv --out o --units raw", "--units raw: no .nnet file is listed"),
    ],
)
def test_what_raw_units_cannot_mean_is_one_line(line, words, folder, capsys):
    (folder / "onnx.csv").write_text("e.onnx,p.vnnlib\n")
    code, out, err = ran(line, capsys)
    assert (code, out, len(err.splitlines())) == (2, "", 1), (code, out, err)
    assert words in err
    assert not (folder / "o").exists() and not (folder / "o.onnx").exists()


def verdicts(folder) -> dict[str, str]:
    return {row["network"]: row["verdict"] for row in results(folder)}


def test_a_run_in_raw_units(folder, capsys):
    """Each verdict is that of `verify` with the same option; an ONNX file in the list is what it is."""
    assert bench(folder / "list.csv", folder / "o") == 0
    assert verdicts(folder / "o") == {"a.nnet": "unsat", "e.onnx": "unsat"}
    assert bench(folder / "list.csv", folder / "raw", "--units", "raw") == 0
    assert verdicts(folder / "raw") == {"a.nnet": "sat", "e.onnx": "unsat"}
    assert ran("verify a.nnet p.vnnlib", capsys)[0] == 0
    assert ran("verify a.nnet p.vnnlib --units raw", capsys)[0] == 1


def test_a_run_in_raw_units_is_resumed_as_such(folder, capsys):
    out = folder / "raw"
    assert bench(folder / "list.csv", out, "--units", "raw") == 0
    code, _, err = ran(f"bench list.csv --out {out} --resume", capsys)
    assert code == 2 and "option units: raw then, none now" in err
    assert bench(folder / "list.csv", out, "--units", "raw", "--resume") == 0
    assert {row["origin"] for row in results(out)} == {"confirmed", "taken over"}, "the point is tried in raw units"


def test_options_of_other_runs_are_as_they_were(folder):
    for name, more in (("o", ()), ("n", ("--units", "normalized"))):
        assert bench(folder / "list.csv", folder / name, *more) == 0
        assert "units" not in json.loads((folder / name / "manifest.json").read_text())["options"]


def test_files_that_are_carried_to_a_worker_have_the_same_units(folder):
    (raw, _) = in_units(read_instances(folder / "list.csv"), "raw")
    files = {path: read_whole(path) for path in raw.paths.values()}
    hashes = {name: files[path].sha256 for name, path in raw.paths.items()}
    asked = Reader(Chunk((raw,), hashes, files)).asked(raw)
    assert asked.model.sha256 == load_network(folder / "a.nnet", units="raw").sha256
    assert len(asked.model.layers) == 5, "two for the clipped inputs, one for the outputs"
