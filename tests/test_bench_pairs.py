"""Lists in which rows name several networks: read, decided, resumed, reported."""

import json
import re
from fractions import Fraction

import numpy as np
import onnx
import onnxruntime
import pytest
from bench_pairs import OTHER, QUERY, SAME, write_pairs
from bench_runs import Here, bench, results
from command_line import one_line

import engine.certificate
from engine.bench.instances import distinct, instance_stem, read_instances
from engine.bench.points import read_assignment, read_counterexample
from engine.bench.repair_jobs import jobs
from engine.cli import main
from engine.errors import InputError
from engine.network_file import load_network
from engine.results.row import Row
from engine.search.verify import verify_all

PROP = "(declare-const X_0 Real)(declare-const X_1 Real)(declare-const Y_0 Real)(declare-const Y_1 Real)" + "".join(
    f"(assert (>= X_{i} -1))(assert (<= X_{i} 1))" for i in range(2)
)
certified = pytest.mark.skipif(
    not hasattr(engine.certificate, "question_certificate_bytes"), reason="no certificates about several networks yet"
)


@pytest.fixture(autouse=True)
def here(monkeypatch):
    """No worker processes: quicker, and within reach of monkeypatch."""
    monkeypatch.setattr("engine.bench.session.Workers", Here)


def words(folder) -> list[tuple[str, str]]:
    return [(row["network"], row["verdict"]) for row in results(folder)]


# Lists


@pytest.mark.parametrize(
    "row",
    [
        "\"[('f', 'a/f.onnx'), ('g', 'b/g.onnx')]\",q.vnnlib,100",
        "[('f', 'a/f.onnx'), ('g', 'b/g.onnx')],q.vnnlib,100",
        '"[(""f"", ""a/f.onnx""), (""g"", ""b/g.onnx"")]",q.vnnlib,100',
        "\"[ ('f','a/f.onnx'),('g' , 'b/g.onnx',), ]\", q.vnnlib, 100",
    ],
)
def test_rows_as_the_competition_writes_them(row, tmp_path):
    path = tmp_path / "instances.csv"
    path.write_text(f"onnx,vnnlib,timeout\n{row}\n")
    (found,) = read_instances(path)
    assert found.networks == (
        (tmp_path / "a/f.onnx", "f.onnx", "f", None),
        (tmp_path / "b/g.onnx", "g.onnx", "g", None),
    )
    assert (found.property, found.limit, found.where) == (tmp_path / "q.vnnlib", 100, f"{path}:2")
    assert found.names == ("f.onnx+g.onnx", "q.vnnlib") and not found.fault


def test_rows_about_other_networks_have_other_names(tmp_path):
    """The same files in other roles are another question; the same row twice is one."""
    path = tmp_path / "instances.csv"
    pairs = ["fg ab", "gf ab", "fg ba", "fg ab", "fg cb"]
    rows = (f"[('{p[0]}', '{p[3]}.onnx'), ('{p[1]}', '{p[4]}.onnx')]" for p in pairs)
    path.write_text("".join(f'"{row}",q.vnnlib\n' for row in rows).replace("'c.", "'d/a."))
    names = [instance.names[0] for instance in distinct(read_instances(path))]
    assert names == ["f=a.onnx+g=b.onnx", "g=a.onnx+f=b.onnx", "b.onnx+a.onnx", "d/a.onnx+b.onnx"]
    stems = {instance_stem((name, "q.vnnlib")) for name in names}
    assert len(stems) == 4 and all(re.fullmatch(r"([fg]_)?[ab]_q-[0-9a-f]{16}", stem) for stem in stems)


def test_a_file_that_is_called_like_a_pair(tmp_path, capsys):
    path = tmp_path / "instances.csv"
    path.write_text("\"[('f', 'a.onnx'), ('g', 'b.onnx')]\",q.vnnlib\na.onnx+b.onnx,q.vnnlib\n")
    assert [i.names[0] for i in read_instances(path)] == ["f=a.onnx+g=b.onnx", "a.onnx+b.onnx"]
    path.write_text(path.read_text() + "f=a.onnx+g=b.onnx,q.vnnlib\n")
    assert bench(path, tmp_path / "out") == 2
    assert "different networks would be called 'f=a.onnx+g=b.onnx'" in one_line(capsys.readouterr().err)


@pytest.mark.parametrize(
    "row, expected",
    [
        ("\"[('f', 'f.onnx'), ('f', 'near.onnx')]\",q.vnnlib", "network 'f' is given twice"),
        ("\"[('', 'f.onnx'), ('g', 'near.onnx')]\",q.vnnlib", "a network has no name"),
        ("\"[('f', ''), ('g', 'near.onnx')]\",q.vnnlib", "this is no instance"),
        ("\"['f.onnx', 'near.onnx']\",q.vnnlib", "this is no instance"),
        ("\"[('f', 'f.onnx') ('g', 'near.onnx')]\",q.vnnlib", "this is no instance"),
        ("\"[('f', f.onnx), ('g', 'near.onnx')]\",q.vnnlib", "this is no instance"),
        ("\"[('f', 'f.onnx'), ('g', 'near.onnx', 'far.onnx')]\",q.vnnlib", "this is no instance"),
        ('"[]",q.vnnlib', "this is no instance"),
        ("\"[('f', 'f.onnx'), ('g', 'near.onnx')\",q.vnnlib", "this is no instance"),
        ("\"[('f', 'f.onnx'), ('g', 'near.onnx')]\"", "this is no instance"),
    ],
)
def test_rows_that_are_no_instance(row, expected, tmp_path, capsys):
    path = write_pairs(tmp_path, SAME, row)
    assert bench(path, tmp_path / "out") == 2
    line = one_line(capsys.readouterr().err)
    assert f"{path}:2: {expected}" in line and "write \"[('f', 'A.onnx'), " in line
    assert not (tmp_path / "out").exists()


def test_rows_that_do_not_fit_their_question_are_one_row_each(tmp_path, capsys):
    rows = {
        "\"[('f', 'f.onnx'), ('h', 'near.onnx')]\",q.vnnlib": "q: no network 'h' is declared; it declares f, g",
        "\"[('f', 'f.onnx')]\",q.vnnlib": "q: network 'g' has no file; name it in the row: \"[('f', 'A.onnx'), ",
        "near.onnx,q.vnnlib": "q: network 'g' has no file",
        "f.onnx,near.onnx,q.vnnlib": "its networks have no names; write \"[('f', ",
        "\"[('f', 'f.onnx'), ('g', 'near.onnx')]\",p.vnnlib": "p: a VNN-LIB 1.0 text is about one",
        "\"[('f', 'f.onnx'), ('g', 'none.onnx')]\",q.vnnlib": "there is no such file",
    }
    path = write_pairs(tmp_path, *rows, SAME)
    (tmp_path / "p.vnnlib").write_text(PROP + "(assert (>= Y_0 100))")
    assert bench(path, tmp_path / "out") == 2
    *faults, good = results(tmp_path / "out")
    assert good["verdict"] == "unsat" and {row["verdict"] for row in faults} == {"error"}
    for number, (row, expected) in enumerate(zip(faults, rows.values()), 1):
        assert expected in row["error"], row
        assert row["error"].startswith(f"{path}:{number}: ") and "\n" not in row["error"]
    assert faults[3]["network"] == "?=f.onnx+?=near.onnx"  # not to be taken for the pair in the last row


# Runs


def test_pairs_and_single_networks_in_one_run(tmp_path, monkeypatch, capsys):
    """1.0 and 2.0, one network and two; each file is loaded once, and all pairs are searched together."""
    loaded, searched = [], []
    monkeypatch.setattr(
        "engine.bench.reading.load_network",
        lambda path, **more: loaded.append(path.name) or load_network(path, **more),
    )
    monkeypatch.setattr(
        "engine.bench.decide.verify_all",
        lambda problems, *rest, **options: searched.append(len(problems)) or verify_all(problems, *rest, **options),
    )
    path = write_pairs(
        tmp_path, SAME, "f.onnx,p.vnnlib", OTHER, "f.onnx,alone.vnnlib", "\"[('f', 'f.onnx')]\",alone.vnnlib"
    )
    (tmp_path / "p.vnnlib").write_text(PROP + "(assert (>= Y_0 100))")
    expected = tmp_path / "expected.csv"
    expected.write_text("network,property,verdict\nf.onnx+near.onnx,q.vnnlib,unsat\nf.onnx+far.onnx,q.vnnlib,sat\n")
    assert bench(path, tmp_path / "out", "--expected", expected) == 0
    out, err = capsys.readouterr()
    assert words(tmp_path / "out") == [
        ("f.onnx+near.onnx", "unsat"),
        ("f.onnx", "unsat"),
        ("f.onnx+far.onnx", "sat"),
        ("f.onnx", "sat"),
    ]
    assert "2 as expected, 0 mismatches" in out and "1 lines repeat an instance" in err
    assert sorted(loaded) == ["f.onnx", "far.onnx", "near.onnx"] and searched == [4]


def test_counterexamples_are_assignments_that_satisfy_the_question(tmp_path):
    """By onnxruntime, on both files; the file has every variable in order."""
    path = write_pairs(tmp_path, OTHER)
    assert bench(path, tmp_path / "out") == 0
    (file,) = (tmp_path / "out" / "counterexamples").iterdir()
    tensors = read_assignment(file).tensors
    assert [(t.name, t.element, t.shape) for t in tensors] == [
        (name, "real", (1, 2)) for name in ("X_f", "Y_f", "X_g", "Y_g")
    ]
    values = {tensor.name: np.array([tensor.values], np.float32) for tensor in tensors}
    assert (values["X_f"] == values["X_g"]).all() and (abs(values["X_f"]) <= 1).all()
    for name, file in (("f", "f.onnx"), ("g", "far.onnx")):
        session = onnxruntime.InferenceSession(tmp_path / file)
        (output,) = session.run(None, {session.get_inputs()[0].name: values[f"X_{name}"]})
        assert np.allclose(output, values[f"Y_{name}"], atol=1e-5)
    assert abs(values["Y_g"] - values["Y_f"])[0, 0] > 0.125


def test_inputs_that_no_float_is_are_exact_decimals(tmp_path):
    path = write_pairs(tmp_path, "f.onnx,alone.vnnlib")
    assert bench(path, tmp_path / "out") == 0
    (file,) = (tmp_path / "out" / "counterexamples").iterdir()
    lines = file.read_text().splitlines()
    assert lines[0] == "X real [1,2]" and lines[3] == "Y real [1,2]" and lines[2] == "0.227272727"
    point = np.array([float(Fraction(text)) for text in lines[1:3]])
    assert load_network(tmp_path / "f.onnx").evaluate(point) == pytest.approx([float(text) for text in lines[4:]])
    assert bench(path, tmp_path / "out", "--resume") == 0
    assert results(tmp_path / "out")[0]["origin"] == "confirmed"


def test_float32_questions_are_answered_as_executed(tmp_path):
    rows = [row.replace("q.vnnlib", "float32.vnnlib") for row in (SAME, OTHER)]
    assert bench(write_pairs(tmp_path, *rows), tmp_path / "out", "--semantics", "float32") == 0
    assert [row["verdict"] for row in results(tmp_path / "out")] == ["unsat", "sat"]
    assert {row["semantics"] for row in results(tmp_path / "out")} == {"float32"}


def test_each_question_is_answered_in_its_own_semantics(tmp_path):
    """In one run: real ones in exact arithmetic, float32 ones as executed, and so after a resume."""
    rows = [SAME, OTHER, *(row.replace("q.vnnlib", "float32.vnnlib") for row in (SAME, OTHER)), "f.onnx,p.vnnlib"]
    path, out = write_pairs(tmp_path, *rows), tmp_path / "out"
    (tmp_path / "p.vnnlib").write_text(PROP + "(assert (>= Y_0 100))")
    assert bench(path, out, "--certificates", "--check") == 0
    expected = [(word, semantics) for semantics in ("real", "float32") for word in ("unsat", "sat")] + [
        ("unsat", "real")
    ]
    assert [(row["verdict"], row["semantics"]) for row in results(out)] == expected
    assert {row["check"] for row in results(out)} == {"accepted"}
    kept = [row["certificate_sha256"] for row in results(out)]
    assert bench(path, out, "--certificates", "--check", "--resume") == 0
    assert {row["origin"] for row in results(out)} == {"confirmed"}
    assert [row["certificate_sha256"] for row in results(out)] == kept


def test_a_real_question_has_no_float32_row_without_evidence(tmp_path, capsys):
    """Of a run in exact arithmetic: what was never shown to hold as executed is decided again, the float32 row kept."""
    path, out = write_pairs(tmp_path, SAME, SAME.replace("q.vnnlib", "float32.vnnlib")), tmp_path / "out"
    assert bench(path, out) == 0
    table = out / "results.csv"
    table.write_text(table.read_text().replace(",real,", ",float32,"))
    assert bench(path, out, "--resume") == 0
    assert "its semantics are not those of the run" in capsys.readouterr().err
    found = [(row["semantics"], row["origin"]) for row in results(out)]
    assert found == [("real", "decided"), ("float32", "taken over")]


def test_a_real_answer_to_a_float32_question_is_not_confirmed(tmp_path, capsys):
    """A forged row claims the float32 question's proof to be one in exact arithmetic."""
    path, out = write_pairs(tmp_path, SAME.replace("q.vnnlib", "float32.vnnlib")), tmp_path / "out"
    assert bench(path, out, "--certificates", "--check") == 0
    table = out / "results.csv"
    table.write_text(table.read_text().replace(",float32,", ",real,"))
    assert bench(path, out, "--certificates", "--check", "--resume") == 0
    assert "is not borne out" in capsys.readouterr().err
    assert [(row["semantics"], row["origin"]) for row in results(out)] == [("float32", "decided")]


def test_nnet_files_stand_in_pairs(tmp_path):
    """The network in `.nnet`, written without loss, and in ONNX."""
    path = write_pairs(tmp_path, SAME.replace("near.onnx", "f.nnet"))
    assert main(["convert", str(tmp_path / "f.onnx"), str(tmp_path / "f.nnet")]) == 0
    (tmp_path / "q.vnnlib").write_text(QUERY.format(element="real", eps="0.001"))
    assert bench(path, tmp_path / "out") == 0
    assert words(tmp_path / "out") == [("f.onnx+f.nnet", "unsat")]


# Resumed


def test_a_resumed_run_confirms_counterexamples_of_pairs(tmp_path, capsys):
    path, folder = write_pairs(tmp_path), tmp_path / "out"
    assert bench(path, folder) == 0
    before = [{**row, "origin": ""} for row in results(folder)]
    assert bench(path, folder, "--resume") == 0
    assert [row["origin"] for row in results(folder)] == ["taken over", "confirmed"]
    assert [{**row, "origin": ""} for row in results(folder)] == before
    with (folder / "results.csv").open() as file:
        kept = file.readlines()[:2]
    (folder / "results.csv").write_text("".join(kept))
    assert bench(path, folder, "--resume", "--verify-resumed") == 0
    assert [row["verdict"] for row in results(folder)] == ["unsat", "sat"]


@pytest.mark.parametrize(
    "change, expected",
    [
        (lambda text: text.replace("X_g", "X_h"), "its variables are not those of the question"),
        (lambda text: re.sub(r"(X_f real \[1,2\]\n)\S+", r"\g<1>-7.0", text), "does not violate"),
        (lambda text: re.sub(r"(Y_g real \[1,2\]\n)\S+", r"\g<1>9.0", text), "or its outputs are others"),
        (lambda text: text.replace("Y_f real [1,2]", "Y_f real [1,3]"), "variable 'Y_f' has not 3 values"),
        (lambda text: text + "Z real [2]\n1.0\n", "has not 2 values"),
        (lambda text: "((X_0 0.5)\n (Y_0 0.5))\n", "is no variable"),
        (lambda text: "", "this is no counterexample"),
    ],
)
def test_forged_counterexamples_of_pairs_are_found(change, expected, tmp_path, capsys):
    from hashlib import sha256

    path, folder = write_pairs(tmp_path, OTHER), tmp_path / "out"
    assert bench(path, folder) == 0
    (file,) = (folder / "counterexamples").iterdir()
    before = file.read_text()
    file.write_text(change(before))
    assert file.read_text() != before
    table = (folder / "results.csv").read_text()
    (folder / "results.csv").write_text(
        table.replace(sha256(before.encode()).hexdigest(), sha256(file.read_bytes()).hexdigest())
    )
    capsys.readouterr()
    assert bench(path, folder, "--resume") == 0
    err = capsys.readouterr().err
    assert "is not borne out" in err and expected in err
    assert file.read_text() == before and results(folder)[0]["origin"] == "decided"


def test_a_run_about_other_pairs_is_not_resumed(tmp_path, capsys):
    path, folder = write_pairs(tmp_path), tmp_path / "out"
    assert bench(path, folder) == 0
    path.write_text(path.read_text().replace("('g', 'near", "('h', 'near"))
    assert bench(path, folder, "--resume") == 2
    assert "1 name their networks otherwise" in capsys.readouterr().err
    write_pairs(tmp_path)
    (tmp_path / "near.onnx").write_bytes((tmp_path / "far.onnx").read_bytes())
    assert bench(path, folder, "--resume") == 2
    assert "input near.onnx: SHA-256" in capsys.readouterr().err


def test_manifests_of_single_networks_are_as_they_were(tmp_path):
    path = write_pairs(tmp_path, "f.onnx,p.vnnlib,7", SAME)
    (tmp_path / "p.vnnlib").write_text(PROP + "(assert (>= Y_0 100))")
    assert bench(path, tmp_path / "out") == 0
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["instances"] == [
        ["f.onnx", "p.vnnlib", 7],
        ["f.onnx+near.onnx", "q.vnnlib", 60, [["f", "f.onnx"], ["g", "near.onnx"]]],
    ]
    assert sorted(manifest["inputs"]) == ["f.onnx", "near.onnx", "p.vnnlib", "q.vnnlib"]
    assert all(manifest["inputs"].values())


def test_pairs_are_not_repaired(tmp_path):
    instances = read_instances(write_pairs(tmp_path, OTHER, "f.onnx,p.vnnlib"))
    rows = [Row(*instance.names, "sat") for instance in instances]
    assert [job.network for job in jobs(instances, rows, tmp_path)] == ["f.onnx"]


# Reports


def test_reports_list_pairs_in_a_table_of_their_own(tmp_path):
    path, folder = write_pairs(tmp_path, SAME, OTHER, "f.onnx,p.vnnlib"), tmp_path / "out"
    (tmp_path / "p.vnnlib").write_text(PROP + "(assert (>= Y_0 100))")
    assert bench(path, folder, "--report") == 0
    page, text = (folder / "report.html").read_text(), (folder / "report.md").read_text()
    before, _, table = text.partition("### Questions about several networks")
    table = table[: table.index("## Times")]
    assert re.search(r"\| f = f, g = far \| q \| violated \| [0-9.]+ \| 1 \|", table)
    assert re.search(r"\| f = f, g = near \| q \| holds \| [0-9.]+ \| [0-9,]+ \|", table)
    matrix = before[before.index("### Networks") :]
    assert "| f | H |" in matrix and "far" not in matrix
    assert "X_g" in page and "<h3>Questions about several networks</h3>" in page
    found = {row["network"]: row for row in json.loads((folder / "results.json").read_text())["instances"]}
    assert found["f.onnx+far.onnx"]["networks"] == {"f": "f.onnx", "g": "far.onnx"}
    assert found["f.onnx+far.onnx"]["counterexample"]["tensors"][0]["name"] == "X_f"
    assert "networks" not in found["f.onnx"]


def test_reports_without_pairs_have_no_such_table(tmp_path):
    path = write_pairs(tmp_path, "f.onnx,p.vnnlib")
    (tmp_path / "p.vnnlib").write_text(PROP + "(assert (>= Y_0 100))")
    assert bench(path, tmp_path / "out", "--report") == 0
    assert "several networks" not in (tmp_path / "out" / "report.html").read_text()


def test_damaged_assignments_are_said(tmp_path):
    for text in (
        "",
        "X real [1]\n",
        "X real [1]\nabc\n",
        "X real [1]\nnan\n",
        "X real [99999999,99999999]\n1\n",
        "X [1]\n1\n",
    ):
        (tmp_path / "a.txt").write_text(text)
        with pytest.raises(InputError, match="run the instance again"):
            read_counterexample(tmp_path / "a.txt")
    (tmp_path / "a.txt").write_text("X real []\n1e999\n")
    assert read_assignment(tmp_path / "a.txt").tensors[0].shape == ()


# Certificates


@certified
def test_certificates_of_pairs_are_written_checked_and_checked_again(tmp_path):
    path, folder = write_pairs(tmp_path), tmp_path / "out"
    assert bench(path, folder, "--check") == 0
    rows = results(folder)
    assert [row["check"] for row in rows] == ["accepted", "accepted"], rows
    assert len(list((folder / "certificates").iterdir())) == 2
    assert bench(path, folder, "--check", "--resume") == 0
    assert [row["origin"] for row in results(folder)] == ["confirmed", "confirmed"]


@certified
def test_a_certificate_about_other_networks_is_rejected(tmp_path, capsys):
    """The proofs of two pairs that differ in a remark in one file, each in place of the other."""
    path, folder = write_pairs(tmp_path, SAME, SAME.replace("near", "twin")), tmp_path / "out"
    model = onnx.load(tmp_path / "near.onnx")
    model.doc_string = "another file"
    onnx.save(model, tmp_path / "twin.onnx")
    assert bench(path, folder, "--check") == 0
    one, other = sorted((folder / "certificates").iterdir())
    data, table = (one.read_bytes(), other.read_bytes()), (folder / "results.csv").read_text()
    one.write_bytes(data[1])
    other.write_bytes(data[0])
    first, second = (row["certificate_sha256"] for row in results(folder))
    parts = {first: second, second: first}
    (folder / "results.csv").write_text(re.sub(f"{first}|{second}", lambda found: parts[found[0]], table))
    capsys.readouterr()
    assert bench(path, folder, "--check", "--resume") == 0
    assert {row["origin"] for row in results(folder)} == {"decided"}
    assert capsys.readouterr().err.count("is not borne out") == 2
