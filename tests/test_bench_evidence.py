"""What an earlier session left is no verdict of this one: forged rows, swapped files, repairs that are none."""

import csv
import json
import shutil
import sys
import zipfile
from hashlib import sha256
from pathlib import Path

import pytest
from bench_runs import Here, bench, results, tiny_list
from command_line import one_line
from test_bench_repairs import FEW, repairs
from test_cli_repair import PROPERTIES, SMALL

from engine.bench.durable import DurableTable
from engine.bench.instances import instance_stem
from engine.bench.repair_folder import COLUMNS as REPAIR_COLUMNS
from engine.bench.repair_folder import files_digest
from engine.cli import main
from engine.repair.milp import settings as linear
from engine.results.row import COLUMNS
from engine.vnnlib.writer import property_text

HOLDS, VIOLATED = ("n0.onnx", "p1.vnnlib"), ("n0.onnx", "p0.vnnlib")  # as the fixture makes sure


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A list, what is expected of it, and its finished run with certificates that were checked."""
    folder = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("engine.bench.session.Workers", Here)
        assert bench(tiny_list(folder), folder / "out", "--check") == 0
    rows = results(folder / "out")
    assert {(row["network"], row["property"]): row["verdict"] for row in rows}[HOLDS] == "unsat"
    assert {(row["network"], row["property"]): row["verdict"] for row in rows}[VIOLATED] == "sat"
    (folder / "expected.csv").write_text(
        "network,property,verdict\n" + "".join(f"{row['network']},{row['property']},{row['verdict']}\n" for row in rows)
    )
    return folder


@pytest.fixture
def run(made, tmp_path, monkeypatch):
    """A copy of it that may be forged; without plots, reports are quickly written."""
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setattr("engine.bench.session.Workers", Here)
    shutil.copytree(made, tmp_path / "copy")
    return tmp_path / "copy"


def edit(folder: Path, names: tuple[str, str], **cells) -> None:
    """Writes these cells of a row."""
    rows = results(folder)
    for row in rows:
        if (row["network"], row["property"]) == names:
            row.update({name: str(value) for name, value in cells.items()})
    with (folder / "results.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def place(path: Path, data: bytes, kind: str) -> dict:
    """Puts a file there; what a row says of it."""
    path.write_bytes(data)
    digest = sha256(data).hexdigest()
    return (
        {"point_sha256": digest} if kind == "point" else {"certificate_sha256": digest, "certificate_bytes": len(data)}
    )


def certificate(folder: Path, names: tuple[str, str], kind: str) -> Path:
    return folder / "certificates" / f"{instance_stem(names)}.{kind}.zip"


def point(folder: Path, names: tuple[str, str]) -> Path:
    return folder / "counterexamples" / f"{instance_stem(names)}.txt"


# Forgeries, each with all that the folder says made to agree


def invented_point(folder):
    said = place(point(folder, HOLDS), b"((X_0 0.5)\n (X_1 0.5)\n (Y_0 9.0)\n (Y_1 0.0))\n", "point")
    witness = certificate(folder, VIOLATED, "witness").read_bytes()
    said |= place(certificate(folder, HOLDS, "witness"), witness, "certificate")
    edit(folder, HOLDS, verdict="sat", **said)


def no_certificate(folder):
    edit(folder, VIOLATED, verdict="unsat", point_sha256="", certificate_sha256="", certificate_bytes="")


def another_ones_certificate(folder):
    proof = certificate(folder, HOLDS, "proof").read_bytes()
    said = place(certificate(folder, VIOLATED, "proof"), proof, "certificate")
    edit(folder, VIOLATED, verdict="unsat", point_sha256="", **said)


def a_witness_called_a_proof(folder):
    """Accepted by the checker, and about just these files: but it says the contrary."""
    witness = certificate(folder, VIOLATED, "witness").read_bytes()
    said = place(certificate(folder, VIOLATED, "proof"), witness, "certificate")
    edit(folder, VIOLATED, verdict="unsat", point_sha256="", **said)


def no_certificate_at_all(folder):
    said = place(certificate(folder, VIOLATED, "proof"), b"PK, says somebody", "certificate")
    edit(folder, VIOLATED, verdict="unsat", point_sha256="", **said)


def a_certificate_of_nothing(folder):
    """The proof of a question in which nothing is unsafe."""
    path = certificate(folder, HOLDS, "proof")
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    manifest = json.loads(members["manifest.json"])
    for each in manifest["cases"]:
        each["unsafe"] = []
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, json.dumps(manifest) if name == "manifest.json" else data)
    edit(folder, HOLDS, **place(path, path.read_bytes(), "certificate"))


def other_semantics(folder):
    edit(folder, HOLDS, semantics="float32")


def a_check_that_was_none(folder):
    path = certificate(folder, HOLDS, "proof")
    edit(folder, HOLDS, check="accepted", **place(path, path.read_bytes()[:-30], "certificate"))


def other_outputs(folder):
    text = point(folder, VIOLATED).read_text().replace("(Y_1 ", "(Y_1 1")
    edit(folder, VIOLATED, **place(point(folder, VIOLATED), text.encode(), "point"))


def a_point_outside(folder):
    text = point(folder, VIOLATED).read_text().splitlines()
    text[0] = "((X_0 7.0)"
    edit(folder, VIOLATED, **place(point(folder, VIOLATED), "\n".join(text).encode(), "point"))


def too_few_inputs(folder):
    edit(folder, VIOLATED, **place(point(folder, VIOLATED), b"((X_0 0.5)\n (Y_0 9.0))\n", "point"))


def a_file_changed(folder):
    point(folder, VIOLATED).write_text("((X_0 0)(X_1 0)(Y_0 0)(Y_1 0))")


def a_file_gone(folder):
    certificate(folder, HOLDS, "proof").unlink()


@pytest.mark.parametrize(
    "forge",
    [
        invented_point,
        no_certificate,
        another_ones_certificate,
        a_witness_called_a_proof,
        no_certificate_at_all,
        a_certificate_of_nothing,
        other_semantics,
        a_check_that_was_none,
        other_outputs,
        a_point_outside,
        too_few_inputs,
        a_file_changed,
        a_file_gone,
    ],
    ids=lambda forge: forge.__name__,
)
def test_a_forged_row_is_decided_again(forge, run, capsys):
    folder = run / "out"
    truth = {(row["network"], row["property"]): row["verdict"] for row in results(folder)}
    forge(folder)
    capsys.readouterr()
    assert (
        bench(run / "instances.csv", folder, "--resume", "--check", "--report", "--expected", run / "expected.csv") == 0
    )
    out, err = capsys.readouterr()
    rows = results(folder)
    assert {(row["network"], row["property"]): row["verdict"] for row in rows} == truth
    assert {row["check"] for row in rows} == {"accepted"} and "0 mismatches" in out and "taken over" not in out + err
    forged = [(row["network"], row["property"]) for row in rows if row["origin"] == "decided"]
    assert len(forged) == 1 and forged[0] in (HOLDS, VIOLATED)
    assert "is not borne out, and was done again" in err or "lacked their files: done again" in err
    content = json.loads((folder / "results.json").read_text())
    assert {
        each["verdict"] for each in content["instances"] if each["network"] == HOLDS[0] and each["property"] == HOLDS[1]
    } == {"unsat"}


def test_all_that_is_borne_out_is_confirmed(run, capsys):
    before = results(run / "out")
    assert bench(run / "instances.csv", run / "out", "--resume", "--check") == 0
    out, err = capsys.readouterr()
    assert "nothing is left; of the earlier ones 4 confirmed" in one_line(err)
    assert "confirmed again from their evidence" in out
    ignored = ("origin", "check_seconds")
    assert [{name: cell for name, cell in row.items() if name not in ignored} for row in results(run / "out")] == [
        {name: cell for name, cell in row.items() if name not in ignored} for row in before
    ]


def test_without_certificates_what_holds_is_taken_over_and_said_to_be(run, tmp_path, capsys):
    path, folder, expected = run / "instances.csv", tmp_path / "plain", tmp_path / "expected.csv"
    assert bench(path, folder) == 0
    edit(folder, VIOLATED, verdict="unsat", point_sha256="")  # forged
    words = (run / "expected.csv").read_text().splitlines()
    expected.write_text(
        "\n".join(line.replace("sat", "unsat") if line.startswith(",".join(VIOLATED)) else line for line in words)
        + "\n"
    )  # as the forger wants it
    capsys.readouterr()
    assert bench(path, folder, "--resume", "--report", "--expected", expected) == 0
    out, err = capsys.readouterr()
    assert "(3 of them taken over, not checked)" in out and "unsat (taken over)" in out
    assert "1 confirmed, 3 taken over: --verify-resumed decides these again" in one_line(err)
    for name in ("report.html", "report.md"):
        assert (
            "holds (taken over)" in (folder / name).read_text()
            and "1 confirmed, 3 taken over" in (folder / name).read_text()
        )
    origins = {
        (each["network"], each["property"]): each["origin"]
        for each in json.loads((folder / "results.json").read_text())["instances"]
    }
    assert origins[VIOLATED] == "taken over"
    assert bench(path, folder, "--resume", "--verify-resumed", "--expected", run / "expected.csv") == 0
    assert "as expected, 0 mismatches" in capsys.readouterr().out
    assert sorted(row["origin"] for row in results(folder)) == ["confirmed"] + ["decided"] * 3


def test_verify_resumed_goes_with_resume(run, capsys):
    assert bench(run / "instances.csv", run / "other", "--verify-resumed") == 2
    assert "without --resume" in one_line(capsys.readouterr().err)


def test_undecided_rows_are_taken_over_or_tried_again(run, capsys):
    edit(run / "out", HOLDS, verdict="timeout", certificate_sha256="", certificate_bytes="", check="", check_seconds="")
    arguments = (run / "instances.csv", run / "out", "--resume", "--check")
    assert bench(*arguments) == 3
    assert "3 confirmed, 1 taken over" in capsys.readouterr().err
    assert bench(*arguments, "--verify-resumed") == 0


@pytest.mark.parametrize(
    "column, text",
    [
        ("seconds", "-1"),
        ("boxes", "-5"),
        ("seconds", "nan"),
        ("boxes", "9" * 99),
        ("certificate_bytes", "-1"),
        ("check_seconds", "1e300"),
    ],
)
def test_impossible_numbers_are_one_line(column, text, run, capsys):
    edit(run / "out", VIOLATED, **{column: text})
    before = (run / "out" / "results.csv").read_bytes()
    capsys.readouterr()
    assert bench(run / "instances.csv", run / "out", "--resume", "--check") == 2
    line = one_line(capsys.readouterr().err)
    assert "results.csv:2: " in line and f"{column} is " in line
    assert (run / "out" / "results.csv").read_bytes() == before
    assert main(["report", str(run / "out")]) == 2
    assert f"{column} is " in one_line(capsys.readouterr().err)


def test_a_report_says_what_it_relies_on_and_which_files_are_others(run, capsys):
    folder = run / "out"
    (folder / "certificates" / certificate(folder, HOLDS, "proof").name).write_bytes(b"another")
    point(folder, VIOLATED).write_text("((X_0 1)(X_1 1)(Y_0 7)(Y_1 7))")
    assert main(["report", str(folder)]) == 0
    text = (folder / "report.md").read_text()
    assert "Nothing was decided or checked for this page" in text and "4 decided" in text
    assert text.count("this is not the file that the row in results") == 2 and "Y_0 7" not in text


# Repairs


@pytest.fixture(scope="module")
def mended(tmp_path_factory):
    """A list with one network, and the folder of its run: repaired and certified."""
    folder = tmp_path_factory.mktemp("mended")
    (folder / "a.onnx").write_bytes(SMALL.onnx_bytes)
    for name in ("left", "held"):
        (folder / f"{name}.vnnlib").write_text(property_text(PROPERTIES[name]))
    (folder / "list.csv").write_text("a.onnx,left.vnnlib\na.onnx,held.vnnlib\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("engine.bench.session.Workers", Here)
        for name, number in {"DOMAIN": 1000, "TARGET": 500, "KEEP": 300, "FRESH": 1000, "MARGINS": (0.03,)}.items():
            patch.setattr(linear, name, number)
        assert bench(folder / "list.csv", folder / "out", "--check", *FEW) == 0
    assert repairs(folder / "out")["a.onnx"]["outcome"] == "repaired"
    return folder


@pytest.fixture
def repaired(mended, tmp_path, monkeypatch):
    """A copy of it that may be forged."""
    monkeypatch.setattr("engine.bench.session.Workers", Here)
    shutil.copytree(mended, tmp_path / "mended")
    return tmp_path / "mended"


def forge_repair(folder: Path, **cells) -> None:
    """Has the row agree with the files."""
    row = repairs(folder)["a.onnx"] | {"files_sha256": files_digest(folder / "repairs", "a")} | cells
    table = DurableTable(folder / "repairs.csv", REPAIR_COLUMNS, fresh=True)
    table.append([[row[name] for name in REPAIR_COLUMNS]])
    table.close()


def the_original_again(out):
    shutil.copy(out.parent / "a.onnx", out / "repairs" / "a.onnx")
    forge_repair(out)


def a_certificate_less(out):
    (out / "repairs" / "a" / "left.proof.zip").unlink()
    forge_repair(out, certificates="1")


def what_held_forgotten(out):
    (out / "repairs" / "a" / "held.proof.zip").unlink()
    forge_repair(out, certificates="1")


def a_file_of_it_changed(out):
    (out / "repairs" / "a.json").write_text("{}")


def said_to_hold(out):
    forge_repair(out, outcome="held", files_sha256="")


@pytest.mark.parametrize(
    "forge",
    [the_original_again, a_certificate_less, what_held_forgotten, a_file_of_it_changed, said_to_hold],
    ids=lambda forge: forge.__name__,
)
def test_a_forged_repair_is_made_again(forge, repaired, monkeypatch, capsys):
    done = []

    def repair_one(job, options, send):
        done.append(job.network)
        send({"outcome": "failed"})

    monkeypatch.setattr("engine.bench.repair_one.repair_one", repair_one)
    forge(repaired / "out")
    assert bench(repaired / "list.csv", repaired / "out", "--check", *FEW, "--resume") == 3
    assert done == ["a.onnx"]


def test_a_repair_is_confirmed_by_its_certificates_or_taken_over(repaired, tmp_path, capsys):
    arguments = (repaired / "list.csv", repaired / "out", *FEW, "--resume")
    assert bench(*arguments, "--check") == 0
    assert repairs(repaired / "out")["a.onnx"]["origin"] == "confirmed"
    shutil.copytree(repaired / "out", tmp_path / "plain")
    manifest = json.loads((tmp_path / "plain" / "manifest.json").read_text())
    manifest["options"] |= {"check": False, "certificates": False}
    (tmp_path / "plain" / "manifest.json").write_text(json.dumps(manifest))
    capsys.readouterr()
    assert bench(repaired / "list.csv", tmp_path / "plain", *FEW, "--resume") == 0
    assert "repaired (taken over)" in capsys.readouterr().out.replace("\n", " ")
    assert repairs(tmp_path / "plain")["a.onnx"]["origin"] == "taken over"


def test_impossible_numbers_of_repairs_are_one_line(repaired, capsys):
    forge_repair(repaired / "out", agreement_outside="1.5")
    capsys.readouterr()
    assert bench(repaired / "list.csv", repaired / "out", "--check", *FEW, "--resume") == 2
    assert "repairs.csv:2: agreement_outside is '1.5'" in capsys.readouterr().err
