"""Repairs after the verdicts: which, what is written, and that they go on where they were."""

import csv
import json
import pickle
from dataclasses import replace
from pathlib import Path

import pytest
from bench_runs import Here, bench
from cases import case, prop, row
from command_line import one_line
from test_cli_repair import PROPERTIES, SMALL

from engine.audit.check import check
from engine.bench import repair_one, repair_parcel
from engine.bench.instances import single
from engine.bench.repair_folder import COLUMNS, RepairsFolder
from engine.bench.repair_jobs import Job, jobs
from engine.bench.repair_one import _once
from engine.errors import InputError
from engine.onnx_file import load_network
from engine.repair.milp import settings as linear
from engine.results.row import Row
from engine.vnnlib import load_property
from engine.vnnlib.writer import property_text

FEW = ["--repair", "--repair-method", "milp", "--repair-samples", 1000, "--repair-grid", 5]
#: whichever output is lowest, it is unsafe
HOPELESS = prop(
    case(
        [-1],
        [1],
        *([row([(i == j) - (i == k) for i in range(4)], n_inputs=1) for k in range(4) if k != j] for j in range(4)),
    ),
    n_outputs=4,
)


@pytest.fixture
def files(tmp_path, monkeypatch):
    """A folder with networks, properties and lists; few samples for the linear programs."""
    monkeypatch.setattr("engine.bench.session.Workers", Here)
    for name, number in {"DOMAIN": 1000, "TARGET": 500, "KEEP": 300, "FRESH": 1000, "MARGINS": (0.03,)}.items():
        monkeypatch.setattr(linear, name, number)
    for name in ("a.onnx", "b.onnx", "c.onnx"):
        (tmp_path / name).write_bytes(SMALL.onnx_bytes)
    for name, each in (PROPERTIES | {"hopeless": HOPELESS}).items():
        (tmp_path / f"{name}.vnnlib").write_text(property_text(each))
    (tmp_path / "list.csv").write_text(
        "a.onnx,left.vnnlib\na.onnx,right.vnnlib\na.onnx,held.vnnlib\nb.onnx,held.vnnlib\nc.onnx,hopeless.vnnlib\n"
    )
    return tmp_path


def repairs(folder: Path) -> dict[str, dict]:
    with (folder / "repairs.csv").open(newline="") as file:
        return {row["network"]: row for row in csv.DictReader(file)}


def test_each_network_is_repaired_for_all_that_it_violates(files, capsys):
    out = files / "out"
    assert bench(files / "list.csv", out, *FEW) == 2
    rows = repairs(out)
    assert list(rows) == ["a.onnx", "b.onnx", "c.onnx"] and list(rows["a.onnx"]) == list(COLUMNS)
    assert {name: (row["properties"], row["outcome"]) for name, row in rows.items()} == {
        "a.onnx": ("left.vnnlib;right.vnnlib", "repaired"),
        "b.onnx": ("", "held"),
        "c.onnx": ("hopeless.vnnlib", "error"),
    }
    found = rows["a.onnx"]
    assert found["method"] == "milp" and found["certificates"] == "3" and int(found["weights"]) > 0
    assert 0 < float(found["proof_seconds"]) <= float(found["seconds"]) and found["error"] == ""
    assert found["agreement_outside"] == found["agreement_safe"] == found["changed_outside"] == ""  # nothing is known
    assert float(found["max_output_change"]) > 0
    assert "cannot be satisfied" in rows["c.onnx"]["error"]
    for name in ("left", "right", "held"):
        certificate = out / "repairs" / "a" / f"{name}.proof.zip"
        assert check(certificate, out / "repairs" / "a.onnx", files / f"{name}.vnnlib").accepted
    assert json.loads((out / "repairs" / "a.json").read_text())["result"] == "repaired"
    assert not (out / "repairs" / "a.state").exists()
    text = capsys.readouterr().out
    assert "repairs: 1 error, 1 held, 1 repaired" in text
    assert load_network(out / "repairs" / "a.onnx").shape == SMALL.shape


def test_repairs_go_on_where_they_were(files, monkeypatch):
    done, out, presses = [], files / "out", [KeyboardInterrupt]

    def repair_one(job, options, send):
        if job.network == "c.onnx" and presses:
            raise presses.pop()
        done.append(job.network)
        job.file(".onnx").write_bytes(b"repaired")
        send({"outcome": "repaired", "method": "idle", "seconds": 1.0, "agreement_outside": 0.99999951})

    monkeypatch.setattr("engine.bench.repair_one.repair_one", repair_one)
    assert bench(files / "list.csv", out) == 0
    assert bench(files / "list.csv", out, *FEW, "--resume") == 130
    assert bench(files / "list.csv", out, *FEW, "--resume") == 0
    assert sorted(done) == ["a.onnx", "c.onnx"] and list(repairs(out)) == ["a.onnx", "b.onnx", "c.onnx"]
    assert repairs(out)["a.onnx"]["agreement_outside"] == "0.99999951"
    (out / "repairs" / "c.onnx").unlink()
    assert bench(files / "list.csv", out, *FEW, "--resume") == 0
    assert done[2:] == ["c.onnx"]


def test_what_is_kept(acasxu_networks):
    """Of ACAS Xu's networks all of the benchmark's properties, whatever the list names."""
    path = acasxu_networks / "ACASXU_run2a_1_9_batch_2000.onnx"
    instances = [
        single(path, Path("p7.vnnlib"), (path.name, "p7.vnnlib")),
        single(path, Path("q.vnnlib"), (path.name, "q.vnnlib")),
        single(path, Path("r.vnnlib"), (path.name, "r.vnnlib")),
    ]
    rows = [Row(*i.names, word) for i, word in zip(instances, ("sat", "unsat", "error"))]
    (job,) = jobs(instances, rows, Path("out"))
    assert job.properties == "p7.vnnlib" and job.keep[0] == Path("q.vnnlib")
    assert [p.name for p in job.keep[1:]] == [f"prop_{n}.vnnlib" for n in (1, 2, 3, 4, 7)]


def test_a_network_of_which_not_all_is_known_does_not_hold():
    """It is neither repaired nor said to hold; what holds by the word of an earlier session is said to."""
    instances = [single(Path(name), Path(f"{prop}.vnnlib"), (name, prop)) for name in "abc" for prop in "pq"]
    words = {"a": ("unsat", "timeout"), "b": ("unsat", "unsat"), "c": ("unsat", "unsat")}
    rows = [
        Row(
            *i.names,
            words[i.names[0]]["pq".index(i.names[1])],
            origin="taken over" if i.names == ("c", "q") else "decided",
        )
        for i in instances
    ]
    assert [(job.network, job.targets, job.taken_over) for job in jobs(instances, rows, Path("out"))] == [
        ("b", (), False),
        ("c", (), True),
    ]


@pytest.mark.parametrize("name", ["a.png", "a.state", "a", "a/left.proof.zip", "a.onnx"])
def test_links_in_the_folder_of_repairs_are_not_followed(name, tmp_path):
    path = tmp_path / "repairs" / name
    path.parent.mkdir(parents=True)
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="there is a link"):
        RepairsFolder(tmp_path, resume=True)
    assert not (tmp_path / "elsewhere").exists()
    RepairsFolder(tmp_path, resume=False).__exit__()
    assert not path.is_symlink()


def test_copies_are_kept_once(files):
    (files / "copy.vnnlib").write_text((files / "held.vnnlib").read_text() + "; another file\n")
    held, copy, left = (files / f"{name}.vnnlib" for name in ("held", "copy", "left"))
    assert list(_once((held, copy, left), [load_property(left)])) == [held]
    assert list(_once((copy, held), [])) == [copy]


def test_what_a_killed_repair_left_is_removed(tmp_path):
    left = tmp_path / "repairs" / ".repair-xyz"
    left.mkdir(parents=True)
    (left / "part").touch()
    RepairsFolder(tmp_path, resume=True).__exit__()
    assert not left.exists()


class Elsewhere(Here):
    """A cluster in this process, to which everything travels as bytes, and which sees no file but what it is sent."""

    def __init__(self, address: str):
        super().__init__(1)

    def _run(self, task):
        arrived = replace(task, arguments=pickle.loads(pickle.dumps(task.arguments)))
        super()._run(arrived)
        self._events = [replace(e, task=task, value=pickle.loads(pickle.dumps(e.value))) for e in self._events]


def test_a_cluster_repairs_as_this_machine_does(files, monkeypatch):
    assert bench(files / "list.csv", files / "here", *FEW) == 2
    monkeypatch.setattr("engine.bench.cluster.Cluster", Elsewhere)
    hidden, given = [], repair_one.repair_one

    def noting(job, settings, send):
        hidden.append(not job.path.is_relative_to(files) and job.path.exists() and not job.folder.is_relative_to(files))
        given(job, settings, send)

    monkeypatch.setattr(repair_one, "repair_one", noting)
    assert bench(files / "list.csv", files / "there", *FEW, "--dask", "tcp://far:8786", "--check") == 2
    assert hidden == [True, True]
    for name in ("a.onnx", "a/left.proof.zip", "a/held.proof.zip"):
        assert (files / "here" / "repairs" / name).read_bytes() == (files / "there" / "repairs" / name).read_bytes()
    same = ("network", "properties", "outcome", "method", "weights", "certificates")
    rows = [{name: {k: row[k] for k in same} for name, row in repairs(files / f).items()} for f in ("here", "there")]
    assert rows[0] == rows[1]
    assert bench(files / "list.csv", files / "there", *FEW, "--dask", "tcp://far:8786", "--check", "--resume") == 2
    assert hidden == [True, True]  # nothing is done twice


@pytest.mark.parametrize("name", ["../a.onnx", "b/left.zip", "/etc/a", "a/../../x", "a/b/c", "a.x/y", "b.onnx", "a\\b"])
def test_files_of_others_are_not_taken(tmp_path, name):
    job = Job("a.onnx", Path("a.onnx"), (), (), tmp_path / "repairs")
    with pytest.raises(InputError, match="a worker sent a file that is none of the network's"):
        repair_parcel.unpacked(repair_parcel.Returned({}, {"a.onnx": b"good", name: b"bad"}), job)
    assert not (tmp_path / "repairs").exists()


def test_outputs_that_are_to_stay(files, capsys):
    assert bench(files / "list.csv", files / "out", "--keep-outputs", "0.5") == 2
    assert "--keep-outputs say what repairs are compared by" in one_line(capsys.readouterr().err)
    assert bench(files / "list.csv", files / "out", *FEW, "--keep-outputs", "0.5") == 2
    row = repairs(files / "out")["a.onnx"]
    assert row["outcome"] == "repaired" and float(row["agreement_safe"]) <= 1
    assert json.loads((files / "out" / "repairs" / "a.json").read_text())["fidelity"]["tolerance"] == 0.5
