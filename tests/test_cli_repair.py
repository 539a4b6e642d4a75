"""`acasxu repair`: what it writes, what it says, its exit codes; and that it leaves nothing behind where it fails."""

import gzip
import json
import os
from dataclasses import replace
from fractions import Fraction

import numpy as np
import onnx
import pytest
from cases import case, exact_trace, executable, prop, row
from command_line import one_line
from conftest import network
from onnx import numpy_helper

from engine import __version__
from engine.audit.check import check
from engine.cli import main
from engine.onnx_file import load_network
from engine.repair.edit import edited
from engine.repair.methods import METHODS
from engine.repair.milp import settings as linear
from engine.repair.task import Candidate
from engine.solvers import smt
from engine.vnnlib.writer import property_text

#: y0 = 0.25 + relu(-x) / 2, y1 = 0.25 + 0.4 relu(-x), y2 = 2, y3 = relu(x)
SMALL = executable(
    network([[[1.0], [-1.0]], [[0.0, 0.5], [0.0, 0.4], [0.0, 0.0], [1.0, 0.0]]], [[0.0, 0.0], [0.25, 0.25, 2.0, 0.0]])
)
FEW = [
    "--method",
    "milp",
    "--solver",
    "highs",
    "--samples",
    "1000",
    "--grid",
    "5",
    "--device",
    "cpu",
    "--decision",
    "lowest",
]


def at_most(output: int, limit: Fraction, low, high):
    """Unsafe on [low, high]: y[output] <= limit."""
    return prop(case([low], [high], [row([int(j == output) for j in range(4)], -limit, n_inputs=1)]), n_outputs=4)


PROPERTIES = {
    "left": at_most(1, Fraction(3, 5), -1, Fraction(-3, 4)),  # violated: y1 is 0.55 at -3/4
    "right": at_most(3, Fraction(3, 5), Fraction(1, 2), 1),  # violated: y3 is 0.5 at 1/2
    "held": at_most(0, Fraction(1, 5), -1, 1),
    "never": prop(case([-1], [0], [row([0, -1, 0, 0], Fraction(1, 2), n_inputs=1)]), n_outputs=4),  # unsafe: y1 >= 1/2
}


@pytest.fixture
def files(tmp_path, monkeypatch):
    """A folder with the network and the properties; few samples for the linear programs."""
    for name, number in {"DOMAIN": 1000, "TARGET": 500, "KEEP": 300, "FRESH": 1000, "MARGINS": (0.03,)}.items():
        monkeypatch.setattr(linear, name, number)
    folder = tmp_path / "given"
    folder.mkdir()
    (folder / "small.onnx").write_bytes(SMALL.onnx_bytes)
    for name, each in PROPERTIES.items():
        (folder / f"{name}.vnnlib").write_text(property_text(each))
    return folder


@pytest.fixture
def out(tmp_path):
    folder = tmp_path / "results"
    folder.mkdir()
    return folder / "repaired.onnx"


@pytest.fixture
def offers(monkeypatch):
    """Lets the method `milp` be the test's."""

    def set_offers(*networks, error=None):
        def method(task, evidence, say, **options):
            for number, net in enumerate(networks):
                yield Candidate(net, f"offer {number}")
            if error:
                raise error

        monkeypatch.setitem(METHODS, "milp", lambda: method)

    return set_offers


def repair(files, out, *names, options=()) -> int:
    paths = [str(files / f"{name}.vnnlib") for name in names]
    return main(["repair", str(files / "small.onnx"), *paths, "--out", str(out), *FEW, *map(str, options)])


def refused(code: int, capsys) -> str:
    """The one line of an error."""
    text, err = capsys.readouterr()
    assert code == 2 and text == "" and "Traceback" not in err
    return one_line(err)


# What is written


def test_a_repaired_network_and_its_certificates(files, out, capsys):
    assert repair(files, out, "left", options=["--keep", files / "held.vnnlib"]) == 0
    text, err = capsys.readouterr()
    assert text.startswith("repaired by milp: ") and "proved: left, held; certificates in" in text and err == ""
    assert sorted(os.listdir(out.parent)) == ["repaired.certificates", "repaired.onnx"]
    certificates = out.with_name("repaired.certificates")
    assert sorted(os.listdir(certificates)) == ["held.proof.zip", "left.proof.zip"]
    repaired = load_network(out)
    for name in ("left", "held"):
        result = check(certificates / f"{name}.proof.zip", out, files / f"{name}.vnnlib", arithmetic="exact")
        assert result.accepted and result.kind == "proof"
        assert not check(certificates / f"{name}.proof.zip", files / "small.onnx", files / f"{name}.vnnlib").accepted
        assert smt.solve(repaired, PROPERTIES[name]).status == "unsat"
    assert os.stat(out).st_mode == os.stat(files / "small.onnx").st_mode


def test_only_numbers_of_the_graph_change(files, out):
    assert repair(files, out, "left") == 0
    before, after = onnx.load(files / "small.onnx"), onnx.load(out)
    numbers = [{t.name: numpy_helper.to_array(t) for t in model.graph.initializer} for model in (before, after)]
    assert numbers[0].keys() == numbers[1].keys()
    assert all(a.shape == b.shape and a.dtype == b.dtype for a, b in zip(*(n.values() for n in numbers)))
    assert any((a != b).any() for a, b in zip(*(n.values() for n in numbers)))
    for model in (before, after):
        del model.graph.initializer[:]
    assert {entry.key: entry.value for entry in after.metadata_props} == {
        "acasxu.made_from": SMALL.sha256,
        "acasxu.tool": f"acasxu-engine {__version__}",
    }
    del after.metadata_props[:]
    assert before == after


def test_jointly(files, out, capsys):
    assert repair(files, out, "left", "right", options=["--keep", files / "held.vnnlib"]) == 0
    assert "proved: right, left, held" in capsys.readouterr().out
    assert all(smt.solve(load_network(out), PROPERTIES[name]).status == "unsat" for name in ("left", "right", "held"))


def test_what_holds_is_copied(files, out, capsys):
    options = ["--keep", files / "left.vnnlib"]
    assert repair(files, out, "held", options=options) == 0
    text, err = capsys.readouterr()
    assert text.startswith(f"holds already: {out} is a copy of the network") and "proved: held" in text
    assert err == "violated before and not asked for: left\n"
    assert out.read_bytes() == (files / "small.onnx").read_bytes()
    assert os.listdir(out.with_name("repaired.certificates")) == ["held.proof.zip"]
    again = [*options, "--json", "--force"]
    assert repair(files, out, "held", options=again) == 0
    content = json.loads(capsys.readouterr().out)
    assert (content["result"], content["proved"], content["violated_as_before"]) == ("held already", ["held"], ["left"])


def test_gzipped_files(files, out):
    (files / "small.onnx.gz").write_bytes(gzip.compress(SMALL.onnx_bytes))
    out = out.with_name("repaired.onnx.gz")
    arguments = ["repair", files / "small.onnx.gz", files / "held.vnnlib", "--out", out, *FEW]
    assert main([*map(str, arguments)]) == 0
    assert gzip.decompress(out.read_bytes()) == SMALL.onnx_bytes
    assert sorted(os.listdir(out.parent)) == ["repaired.certificates", "repaired.onnx.gz"]


def test_properties_of_one_name_have_a_certificate_each(files, out):
    (files / "other").mkdir()
    (files / "other" / "left.vnnlib").write_text(property_text(PROPERTIES["held"]))
    assert repair(files, out, "left", "other/left", "left") == 0
    certificates = out.with_name("repaired.certificates")
    assert sorted(os.listdir(certificates)) == ["left-2.proof.zip", "left.proof.zip"]
    assert check(certificates / "left-2.proof.zip", out, files / "other" / "left.vnnlib").accepted


def test_names_with_several_dots(files, out):
    """Versions of one network do not share their certificates' folder."""
    for version in ("v1", "v2"):
        assert repair(files, out.with_name(f"n.{version}.onnx"), "held") == 0
    assert sorted(os.listdir(out.parent)) == ["n.v1.certificates", "n.v1.onnx", "n.v2.certificates", "n.v2.onnx"]


def test_certificates_elsewhere(files, out, tmp_path):
    (tmp_path / "proofs").mkdir()
    assert repair(files, out, "held", options=["--certificates", tmp_path / "proofs" / "new"]) == 0
    assert os.listdir(tmp_path / "proofs") == ["new"] and os.listdir(out.parent) == ["repaired.onnx"]


def test_as_json(files, out, capsys):
    assert repair(files, out, "left", options=["--json", "--explain"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["result"] == "repaired" and content["proved"] == ["left"] and content["out"] == str(out)
    assert content["chosen"][0]["result"] == "proved" and content["attempts"] and content["neurons"]
    assert content["fidelity"]["weights"] >= 1 and content["skipped"] == []
    (figures,) = content["vere"]["properties"]
    assert (figures["property"], figures["success"], figures["generalization"]) == ("left", 1.0, 1.0)
    assert figures["success_points"] == figures["generalization_points"] > 0
    assert content["vere"]["definitions"].keys() == {"success", "generalization", "drawdown"}
    assert content["undecided_before"] == content["violated_as_before"] == []


def test_explained(files, out, capsys):
    assert repair(files, out, "left", options=["--explain"]) == 0
    text = capsys.readouterr().out
    for words in (
        "weights changed, in",
        "VERE's figures",
        "what was tried",
        "significance",
        "edge strength",
        "proved",
        "left, safe",
    ):
        assert words in text


def test_options_reach_the_methods(files, out, monkeypatch, capsys):
    met = []
    for name in ("gradient", "smt"):

        def method(task, evidence, say, name=name, **options):
            met.append((name, options))
            return iter(())

        monkeypatch.setitem(METHODS, name, lambda method=method: method)
    options = ["--method", "gradient", "--localization", "nnrepair", "--neurons", "3", "--objective", "proxy"]
    assert repair(files, out, "left", options=[*options, "--explain"]) == 1
    assert repair(files, out, "left", options=["--method", "smt"]) == 1
    assert met == [
        ("gradient", {"localization": "nnrepair", "neurons": 3, "objective": "proxy"}),
        ("smt", {"localization": None}),
    ]
    assert "edge strength" in capsys.readouterr().out


# Points


def test_points(files, out, capsys):
    """y0 is wanted at 1/4, where y1 and y3 are equal to it; y3 is forbidden at 1/2, where it is not lowest."""
    (files / "wishes.csv").write_text("x0,wanted,forbidden\n0.25,0,\n0.5,,3\n")
    assert repair(files, out, options=["--points", files / "wishes.csv"]) == 0
    assert "proved: wishes" in capsys.readouterr().out
    certificates, repaired = out.with_name("repaired.certificates"), load_network(out)
    assert sorted(os.listdir(certificates)) == ["wishes.proof.zip", "wishes.vnnlib"]
    assert check(certificates / "wishes.proof.zip", out, certificates / "wishes.vnnlib").accepted
    y = [exact_trace(repaired, [x]).y for x in (0.25, 0.5)]
    assert min(y[0][1:]) > y[0][0] and min(y[1]) < y[1][3]


def test_points_beside_a_property(files, out, capsys):
    (files / "wishes.csv").write_text("x0,forbidden\n0.25,3\n")
    assert repair(files, out, "left", options=["--points", files / "wishes.csv"]) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("proved: ")]
    assert set(line.removeprefix("proved: ").split(";")[0].split(", ")) == {"wishes", "left"}


def test_points_and_what_is_held_out(files, out, capsys):
    """y3 is forbidden at 1/4, where it is lowest with others: does that generalize to all of [1/8, 1/4]?"""
    (files / "wishes.csv").write_text("x0,forbidden\n0.25,3\n")
    unsafe = [row([-1, 0, 0, 1], n_inputs=1)]
    region = prop(case([Fraction(1, 8)], [Fraction(1, 4)], unsafe), n_outputs=4)
    (files / "region.vnnlib").write_text(property_text(region))
    options = ["--points", files / "wishes.csv", "--held-out", files / "region.vnnlib", "--json"]
    assert repair(files, out, options=options) == 0
    own, region = json.loads(capsys.readouterr().out)["vere"]["properties"]
    assert (own["property"], own["success"], own["success_points"]) == ("wishes", 1.0, 1)
    assert own["generalization"] is None
    assert (region["property"], region["success"], region["success_points"]) == ("region", 1.0, 1)
    assert region["generalization_points"] == 1000 and 0 <= region["generalization"] <= 1


@pytest.mark.parametrize("text, expected", [("x0,wanted\n0,9\n", "wanted is '9', no output"), ("", "is empty")])
def test_bad_points(text, expected, files, out, capsys):
    (files / "wishes.csv").write_text(text)
    line = refused(repair(files, out, options=["--points", files / "wishes.csv"]), capsys)
    assert expected in line and "wishes.csv" in line


@pytest.mark.slow  # of smaller networks points are repaired below and in test_points.py
def test_points_on_a_standin(standin_paths, files, out):
    """Just before another advisory begins, that one is wanted already."""
    path = standin_paths["standin_tau_0"]
    net, random = load_network(path), np.random.default_rng(0)
    lowest = lambda x: int(net.evaluate(x.astype(np.float32)).argmin())
    a, b = next((a, b) for a, b in random.uniform(-0.3, 0.3, (1000, 2, 5)) if lowest(a) != lowest(b))
    for _ in range(12):
        middle = (a + b) / 2
        a, b = (middle, b) if lowest(middle) == lowest(a) else (a, middle)
    a, wanted = a.astype(np.float32), lowest(b)
    text = ",".join(repr(float(v)) for v in a)
    (files / "wishes.csv").write_text(f"x0,x1,x2,x3,x4,wanted\n{text},{wanted}\n")
    arguments = ["repair", path, "--points", files / "wishes.csv", "--out", out, *FEW, "--timeout", "60"]
    assert main([*map(str, arguments)]) == 0
    y = exact_trace(load_network(out), a).y
    assert lowest(a) != wanted and all(y[wanted] < score for j, score in enumerate(y) if j != wanted)


# Exit codes


def test_not_repaired(files, out, offers, capsys):
    offers(SMALL)
    assert repair(files, out, "left", options=["--explain"]) == 1
    text, err = capsys.readouterr()
    assert text.startswith("not repaired\n") and "offer 0" in text
    assert err.splitlines()[0] == (
        "left is not repaired: of 1 candidates none could be proved; "
        "the nearest, by milp: offer 0: not proved: left sat"
    )
    assert err.splitlines()[-1] == "nothing was written" and os.listdir(out.parent) == []


def test_not_repaired_as_json(files, out, offers, capsys):
    offers()
    assert repair(files, out, "left", options=["--json"]) == 1
    content = json.loads(capsys.readouterr().out)
    assert (content["result"], content["property"], content["timed_out"]) == ("not repaired", "left", False)
    assert content["reason"] == "no method had anything to offer" and content["attempts"] == content["open_boxes"] == []


def test_out_of_time(files, out, capsys):
    assert repair(files, out, "left", options=["--timeout", "0.000001"]) == 3
    assert "the time was over" in capsys.readouterr().err and os.listdir(out.parent) == []


@pytest.mark.parametrize("error, code", [(RuntimeError("broken"), 70), (KeyboardInterrupt(), 130)])
def test_a_failure_leaves_nothing_behind(error, code, files, out, offers, capsys, tmp_path):
    """But for the state, which is to be kept."""
    offers(SMALL, error=error)
    assert repair(files, out, "left", options=["--state", tmp_path / "state"]) == code
    assert os.listdir(out.parent) == [] and capsys.readouterr().out == ""
    assert len((tmp_path / "state" / "attempts.jsonl").read_text().splitlines()) == 2


def test_a_certificate_that_is_rejected(files, out, monkeypatch, capsys):
    rejected = lambda *files: replace(check(*files), accepted=False, reason="a test")
    monkeypatch.setattr("engine.repair.publish.check", rejected)
    assert repair(files, out, "left") == 70
    text, err = capsys.readouterr()
    assert text == "" and "rejects the certificate of left.vnnlib: a test" in one_line(err)
    assert os.listdir(out.parent) == []


# State


def test_a_run_is_resumed(files, out, offers, tmp_path, capsys):
    last = SMALL.layers[-1]
    repaired = edited(SMALL, {1: (last.weight, last.bias + [0, 0.25, 0, 0])})
    options = ["--state", tmp_path / "state", "--json"]
    offers(SMALL, error=KeyboardInterrupt())
    assert repair(files, out, "left", options=options) == 130
    before = (tmp_path / "state" / "attempts.jsonl").read_text()
    capsys.readouterr()
    offers(SMALL, repaired)
    assert repair(files, out, "left", options=options) == 0
    assert (tmp_path / "state" / "attempts.jsonl").read_text() == before
    tried = json.loads(capsys.readouterr().out)["attempts"]
    assert [attempt["result"] for attempt in tried] == ["not proved: left sat", "proved"]
    line = refused(repair(files, out, "left", options=[*options, "--force", "--seed", "1"]), capsys)
    assert "another repair: seed differ" in line
    line = refused(repair(files, out, "right", options=[*options, "--force"]), capsys)
    assert "another repair: domain, properties differ" in line


# Bad input


def test_what_is_there_is_not_replaced(files, out, capsys):
    out.write_text("precious")
    line = refused(repair(files, out, "held"), capsys)
    assert f"--out {out}: this exists already; choose another name, or --force" in line
    assert out.read_text() == "precious" and os.listdir(out.parent) == ["repaired.onnx"]
    certificates = out.with_name("repaired.certificates")
    certificates.mkdir()
    out.unlink()
    (certificates / "held.proof.zip").write_text("old")
    assert "this exists already" in refused(repair(files, out, "held"), capsys)
    out.write_text("precious")
    assert repair(files, out, "held", options=["--force"]) == 0
    assert out.read_bytes() == SMALL.onnx_bytes and os.listdir(certificates) == ["held.proof.zip"]
    assert check(certificates / "held.proof.zip", out, files / "held.vnnlib").accepted


@pytest.mark.parametrize("read", ["small.onnx", "held.vnnlib"])
def test_what_is_read_is_not_replaced(read, files, capsys):
    """Not even by --force."""
    before = (files / read).read_bytes()
    line = refused(repair(files, files / read, "held", options=["--force"]), capsys)
    assert "this file is needed itself, and would be replaced" in line
    assert (files / read).read_bytes() == before and not (files / "small.certificates").exists()


def test_an_empty_folder_may_be_used(files, out):
    out.with_name("repaired.certificates").mkdir()
    assert repair(files, out, "held") == 0


@pytest.mark.parametrize("inside", ["thesis.tex", "held.proof.zip/nested"])
def test_no_other_folder_is_replaced(inside, files, out, tmp_path, capsys):
    """--certificates names a folder with other things in it: not even --force deletes them."""
    folder = tmp_path / "home"
    (folder / inside).parent.mkdir(parents=True)
    (folder / inside).write_text("years of work")
    line = refused(repair(files, out, "held", options=["--certificates", folder, "--force"]), capsys)
    assert "it holds more than certificates; name another folder" in line
    assert (folder / inside).read_text() == "years of work" and os.listdir(out.parent) == []


@pytest.mark.parametrize("place", [".", "..", "repaired.onnx"])
def test_certificates_around_the_network(place, files, out, capsys):
    line = refused(repair(files, out, "held", options=["--certificates", out.parent / place, "--force"]), capsys)
    assert "the repaired network would lie in it" in line and os.listdir(out.parent) == []


def test_certificates_that_are_a_file(files, out, capsys):
    options = ["--certificates", files / "small.onnx", "--force"]
    assert "this is no directory" in refused(repair(files, out, "held", options=options), capsys)
    assert (files / "small.onnx").read_bytes() == SMALL.onnx_bytes


def test_places_that_cannot_be_written(files, out, capsys, tmp_path):
    missing = tmp_path / "missing"
    assert "cannot be written" in refused(repair(files, missing / "a.onnx", "held"), capsys)
    options = ["--certificates", missing / "certificates"]
    assert "cannot be written" in refused(repair(files, out, "held", options=options), capsys)
    assert "this is a directory" in refused(repair(files, out.parent, "held"), capsys)
    assert not missing.exists() and os.listdir(out.parent) == []


def test_contradicting_properties(files, out, capsys):
    line = refused(repair(files, out, "left", "never"), capsys)
    assert "left and never contradict each other: somewhere every output is unsafe; leave one out" in line
    assert "contradict" in refused(repair(files, out, "left", options=["--keep", files / "never.vnnlib"]), capsys)
    assert os.listdir(out.parent) == []


ARGUMENTS = {
    "nothing": ([], "--out"),
    "no output": (["small.onnx", "left.vnnlib"], "--out"),
    "no property": (["small.onnx", "--out", "r.onnx"], "a network and at least one property are needed"),
    "no network": (["--out", "r.onnx"], "a network and at least one property are needed"),
    "points alone": (["--points", "p.csv", "--out", "r.onnx"], "a network and at least one property are needed"),
    "a property's number": (["small.onnx", "left.vnnlib", "--property", "2", "--out", "r.onnx"], "--network"),
    "no such network": (["--network", "9,9", "--out", "r.onnx"], "9,9"),
    "missing network": (["missing.onnx", "left.vnnlib", "--out", "r.onnx"], "missing.onnx"),
    "missing property": (["small.onnx", "missing.vnnlib", "--out", "r.onnx"], "missing.vnnlib"),
    "property as network": (["left.vnnlib", "left.vnnlib", "--out", "r.onnx"], "left.vnnlib"),
    "network as property": (["small.onnx", "small.onnx", "--out", "r.onnx"], "small.onnx"),
    "missing points": (["small.onnx", "--points", "missing.csv", "--out", "r.onnx"], "missing.csv"),
    "unknown method": (["small.onnx", "left.vnnlib", "--method", "magic", "--out", "r.onnx"], "magic"),
    "no time": (["small.onnx", "left.vnnlib", "--timeout", "0", "--out", "r.onnx"], "--timeout"),
    "half a sample": (["small.onnx", "left.vnnlib", "--samples", "0.5", "--out", "r.onnx"], "--samples"),
    "unknown localization": (["small.onnx", "left.vnnlib", "--localization", "tarot", "--out", "r.onnx"], "tarot"),
    "a localization nobody takes": (
        ["small.onnx", "left.vnnlib", "--method", "milp", "--localization", "vere", "--out", "r.onnx"],
        "milp takes no localization",
    ),
    "held out of nothing": (
        ["small.onnx", "left.vnnlib", "--held-out", "left.vnnlib", "--out", "r.onnx"],
        "--held-out",
    ),
    "held out elsewhere": (
        ["small.onnx", "--points", "p.csv", "--decision", "lowest", "--held-out", "other.vnnlib", "--out", "r.onnx"],
        "other inputs or outputs",
    ),
    "points, but of what": (["small.onnx", "--points", "p.csv", "--out", "r.onnx"], "say so with --decision lowest"),
    "a domain of other inputs": (
        ["small.onnx", "left.vnnlib", "--domain", "other.vnnlib", "--out", "r.onnx"],
        "--domain other.vnnlib: it declares 2 inputs",
    ),
    "no domain there": (["small.onnx", "left.vnnlib", "--domain", "none.vnnlib", "--out", "r.onnx"], "none.vnnlib"),
    "no ACAS Xu network": (["small.onnx", "left.vnnlib", "--domain", "acasxu", "--out", "r.onnx"], "it has 1 inputs"),
    "no neurons": (["small.onnx", "left.vnnlib", "--neurons", "0", "--out", "r.onnx"], "--neurons"),
    "unknown objective": (["small.onnx", "left.vnnlib", "--objective", "fame", "--out", "r.onnx"], "fame"),
    "another network's": (["small.onnx", "other.vnnlib", "--out", "r.onnx"], "2 inputs"),
    "state is a file": (["small.onnx", "left.vnnlib", "--state", "small.onnx", "--out", "r.onnx"], "state"),
}


@pytest.mark.parametrize("arguments, expected", ARGUMENTS.values(), ids=ARGUMENTS)
def test_bad_arguments(arguments, expected, files, monkeypatch, capsys):
    other = prop(case([0, 0], [1, 1], [row([1])]))
    (files / "other.vnnlib").write_text(property_text(other))
    (files / "p.csv").write_text("x0,wanted\n0,1\n")
    monkeypatch.chdir(files)
    before = sorted(os.listdir())
    assert expected in refused(main(["repair", *arguments]), capsys)
    assert sorted(os.listdir()) == before


# Networks that methods cannot handle


@pytest.mark.parametrize("relu", [True, False])
def test_networks_without_hidden_relus(relu, files, out, capsys):
    """One layer, with and without a ReLU: an answer, whatever it is."""
    net = executable(network([[[1.0], [0.0], [0.0], [0.0]]], [[0.5, 0.25, 2.0, 3.0]]))
    net = executable(replace(net, layers=(replace(net.layers[0], relu=relu),)))
    (files / "small.onnx").write_bytes(net.onnx_bytes)
    code = repair(files, out, "left", options=["--method", "auto", "--timeout", "20"])
    text, err = capsys.readouterr()
    assert code in (0, 1, 3) and "Traceback" not in err and "internal" not in err
    assert text.startswith("repaired by" if code == 0 else "not repaired")
    assert code or smt.solve(load_network(out), PROPERTIES["left"]).status == "unsat"


@pytest.mark.slow
def test_a_benchmark_network(acasxu_networks, files, out, capsys, monkeypatch):
    """N(3,1)/P2, with all that held proved again."""
    for name, number in {"DOMAIN": 50_000, "TARGET": 30_000, "KEEP": 5000, "FRESH": 50_000}.items():
        monkeypatch.setattr(linear, name, number)
    arguments = ["repair", "--network", "3,1", "--property", "2", "--data", acasxu_networks, "--out", out, "--json"]
    assert main([*map(str, arguments), "--method", "milp", "--samples", "100000", "--grid", "6"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert sorted(content["proved"]) == ["prop_1", "prop_2", "prop_3", "prop_4"]
    assert content["fidelity"]["regions"]["domain outside the boxes"]["agreement"] >= 0.9999
