"""Certificates on the command line: written by verify and bench, judged by check."""

import json
import os
import shutil
import signal
import time
import zipfile
from dataclasses import replace

import pytest
from bench_runs import Here
from command_line import finish, one_line, start

from engine.acasxu.files import property_path, standins
from engine.audit import vnnlib_tokens
from engine.audit.__main__ import main as alone
from engine.certificate.batch import _Checker, _joined
from engine.cli import main


@pytest.fixture(scope="module")
def made(tmp_path_factory, standin_paths):
    """A folder with a proof, a witness and the files that they are about."""
    folder = tmp_path_factory.mktemp("certificates")
    for name, number in (("standin_tau_0", 10), ("standin_tau_80", 3)):
        shutil.copy(standin_paths[name], folder)
        shutil.copy(property_path(number), folder)
    assert (
        main(
            [
                "verify",
                str(folder / "standin_tau_0.onnx"),
                str(folder / "prop_10.vnnlib"),
                "--certificate",
                str(folder / "holds.proof.zip"),
            ]
        )
        == 0
    )
    assert (
        main(
            [
                "verify",
                str(folder / "standin_tau_80.onnx"),
                str(folder / "prop_3.vnnlib"),
                "--certificate",
                str(folder / "violated.witness.zip"),
            ]
        )
        == 1
    )
    return folder


def check(*arguments) -> int:
    return main(["check", *map(str, arguments)])


def pair(made) -> list:
    """The options for the proof."""
    return ["--network", made / "standin_tau_0.onnx", "--property", made / "prop_10.vnnlib"]


def test_a_proof_is_accepted(made, capsys):
    assert check(made / "holds.proof.zip", *pair(made)) == 0
    out = capsys.readouterr().out
    assert out.startswith("accepted: holds.proof.zip: prop_10.vnnlib and standin_tau_0.onnx: the property holds")
    assert "semantics real, float64 arithmetic" in out


def test_folders_are_searched_by_hash(made, capsys):
    assert check(made, "--network", made, "--property", made, "--jobs", 2) == 0
    captured = capsys.readouterr()
    assert captured.out.count("accepted: ") == 2 and "2 accepted, 0 rejected" in captured.err
    assert "violated at the point, exactly" in captured.out


def test_a_sample_says_that_it_is_one(made, capsys):
    assert check(made / "holds.proof.zip", *pair(made), "--arithmetic", "exact", "--sample", 1) == 0
    out = capsys.readouterr().out
    nodes = zipfile.ZipFile(made / "holds.proof.zip").getinfo("split.i32").file_size // 4
    assert nodes > 1 and out.startswith("sampled: ") and "no error found, but only" in out and "exact arithmetic" in out


def test_the_wrong_network_is_rejected(made, capsys):
    code = check(
        made / "holds.proof.zip", "--network", made / "standin_tau_80.onnx", "--property", made / "prop_10.vnnlib"
    )
    assert code == 1 and "rejected: " in (out := capsys.readouterr().out) and "SHA-256" in out


@pytest.mark.parametrize("content", [b"", b"PK", b"{}" * 100])
def test_what_is_no_certificate_is_unreadable(made, tmp_path, capsys, content):
    (tmp_path / "bad.proof.zip").write_bytes(content)
    assert check(tmp_path, "--network", made, "--property", made) == 2
    out = capsys.readouterr().out
    assert out.startswith("unreadable: bad.proof.zip") and len(out.splitlines()) == 1


def test_unreadable_files_are_named(made, tmp_path, capsys):
    broken = tmp_path / "n.onnx"
    broken.write_bytes(b"no network")
    assert check(made / "holds.proof.zip", "--network", broken, "--property", made / "prop_10.vnnlib") == 2
    assert f"{broken}: " in capsys.readouterr().out
    assert check(tmp_path / "none.zip", *pair(made)) == 2
    assert "none.zip" in capsys.readouterr().out


@pytest.mark.parametrize(
    "change, what",
    [
        (["--network", "nowhere"], "--network nowhere"),
        (["--report", "report.pdf"], ".html or .md"),
        (["--report", "nowhere/report.md"], "--report"),
        (["--jobs", "0"], "--jobs"),
        (["--sample", "x"], "--sample"),
    ],
)
def test_bad_options_are_one_line(made, capsys, change, what):
    assert check(made / "holds.proof.zip", *pair(made), *change) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and what in one_line(captured.err)


def test_a_folder_without_certificates(made, tmp_path, capsys):
    assert check(tmp_path, *pair(made)) == 2
    assert "there are no certificates" in one_line(capsys.readouterr().err)


def test_no_file_with_the_hash(made, tmp_path, capsys):
    (tmp_path / "other").mkdir()
    assert check(made / "holds.proof.zip", "--network", tmp_path / "other", "--property", made) == 2
    assert "no file in it has the SHA-256" in capsys.readouterr().out


def test_json(made, capsys):
    assert (
        check(made / "holds.proof.zip", made / "violated.witness.zip", "--network", made, "--property", made, "--json")
        == 0
    )
    proof, witness = json.loads(capsys.readouterr().out)
    assert (proof["result"], proof["kind"], proof["checked"]) == ("accepted", "proof", proof["nodes"])
    assert (witness["result"], witness["kind"]) == ("accepted", "witness")
    assert all(len(value) == 64 for value in proof["sha256"].values())


@pytest.mark.parametrize("suffix", [".html", ".md"])
def test_report(made, tmp_path, capsys, suffix):
    path = tmp_path / f"report{suffix}"
    assert check(made, "--network", made, "--property", made, "--report", path) == 0
    text = path.read_text()
    for part in (
        "2 certificates accepted",
        "holds.proof.zip",
        "standin_tau_0.onnx",
        "semantics",
        "float64",
        "numpy",
        "x0",
        "The point:",
    ):
        assert part in text, part


def test_a_report_cannot_be_led_astray_by_names(made, tmp_path, capsys):
    """What stands in file names is text, not HTML."""
    odd = tmp_path / "<script>.proof.zip"
    shutil.copy(made / "holds.proof.zip", odd)
    assert check(odd, *pair(made), "--report", tmp_path / "r.html") == 0
    assert "<script>" not in (tmp_path / "r.html").read_text()


def test_bench_writes_one_for_each_decided_instance(standin_paths, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("engine.bench.session.Workers", Here)
    rows = [("standin_tau_0", 10), ("standin_tau_80", 3)]
    (tmp_path / "list.csv").write_text("".join(f"{standin_paths[n]},{property_path(p)},60\n" for n, p in rows))
    command = ["bench", str(tmp_path / "list.csv"), "--out", str(tmp_path / "o"), "--certificates", str(tmp_path / "c")]
    assert main(command) == 0
    names = sorted(path.name for path in (tmp_path / "c").iterdir())
    assert names == ["standin_tau_0_prop_10.proof.zip", "standin_tau_80_prop_3.witness.zip"]
    before = [(tmp_path / "c" / name).read_bytes() for name in names]
    shutil.rmtree(tmp_path / "o")
    assert main(command) == 2 and "certificates already" in capsys.readouterr().err
    assert main([*command, "--force"]) == 0
    assert before == [(tmp_path / "c" / name).read_bytes() for name in names]
    folders = ["--network", str(standin_paths["standin_tau_0"].parent), "--property", str(property_path(3).parent)]
    assert main(["check", str(tmp_path / "c"), *folders]) == 0


def test_nothing_decided_no_certificate(standin_paths, tmp_path, capsys, monkeypatch):
    from engine.verdict import Statistics, Unknown

    late = Unknown("out of time", True, 0.5, "real", Statistics(1, 1.0, "cpu"))
    monkeypatch.setattr("engine.search.verify.verify_all", lambda *args, **options: [late])
    path = tmp_path / "c.zip"
    path.write_text("of an earlier run")
    assert main(["verify", str(standin_paths["standin_tau_0"]), str(property_path(1)), "--certificate", str(path)]) == 3
    assert not path.exists() and "is not written" in capsys.readouterr().err


def test_a_rejected_certificate_is_no_verdict(standin_paths, tmp_path, capsys, monkeypatch):
    """Should the engine ever write one: no answer on stdout, no results file, and an exit code of its own."""
    from engine.certificate import writer

    arrays = writer.proof_arrays
    spoil = lambda proof: replace(proof, row_weight=proof.row_weight * 0 + 2000)
    monkeypatch.setattr(writer, "proof_arrays", lambda proof: arrays(spoil(proof)))
    command = ["verify", str(standin_paths["standin_tau_0"]), str(property_path(10)), "--results", str(tmp_path / "r")]
    assert main([*command, "--certificate", str(tmp_path / "c.zip")]) == 70
    captured = capsys.readouterr()
    assert captured.out == "" and "the independent checker rejects" in one_line(captured.err)
    assert not (tmp_path / "r").exists()


def test_a_file_that_only_the_engine_reads(tmp_path, capsys):
    """More bytes than the checker's reader takes: the verdict stands, and it is said that nobody checked it."""
    shutil.copy(property_path(10), tmp_path / "p.vnnlib")
    text = (tmp_path / "p.vnnlib").read_text()
    (tmp_path / "p.vnnlib").write_text(text + ";" + " " * vnnlib_tokens.MAX_BYTES + "\n")
    network = standins()[0]
    code = main(["verify", str(network), str(tmp_path / "p.vnnlib"), "--certificate", str(tmp_path / "c.zip")])
    captured = capsys.readouterr()
    assert code in (0, 1) and captured.out and "is not checked" in captured.err


def test_the_checker_by_itself(made, capsys, monkeypatch):
    files = [str(made / name) for name in ("holds.proof.zip", "standin_tau_0.onnx", "prop_10.vnnlib")]
    witness = [str(made / name) for name in ("violated.witness.zip", "standin_tau_80.onnx", "prop_3.vnnlib")]
    assert alone(files) == 0 and alone([*witness, "exact"]) == 0
    assert alone([files[0], str(made / "standin_tau_80.onnx"), files[2]]) == 1
    assert alone([files[1], *files[1:]]) == 2 and alone(files[:2]) == 2 and alone([*files, "float32"]) == 2
    monkeypatch.setattr("engine.audit.__main__.check", lambda *files, **how: 1 / 0)
    assert alone(files) == 70 and "internal error: ZeroDivisionError" in capsys.readouterr().out


def test_a_certificate_that_changes_meanwhile_is_not_accepted(made):
    first, second = (_Checker(made, made).outcome(made / "holds.proof.zip", share=(i, 2)) for i in (0, 1))
    assert _joined([first, second]).word == "accepted"
    other = replace(second.result, certificate=second.result.certificate._replace(sha256="0" * 64))
    assert _joined([first, replace(second, result=other)]).word == "unreadable"


def test_a_path_that_cannot_be_written_is_found_before_the_search(standin_paths, tmp_path, capsys):
    where = tmp_path / "nowhere" / "c.zip"
    assert (
        main(["verify", str(standin_paths["standin_tau_0"]), str(property_path(1)), "--certificate", str(where)]) == 2
    )
    assert "--certificate" in one_line(capsys.readouterr().err)


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_interrupt_is_one_line(made, jobs):
    several = [made / "holds.proof.zip"] * 50
    process = start(
        "check",
        *several,
        "--network",
        made,
        "--property",
        made,
        "--arithmetic",
        "exact",
        "--jobs",
        jobs,
        start_new_session=True,
    )
    time.sleep(1.5)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does, to all its processes
    code, out, err = finish(process)
    assert code == 130 and one_line(err) == "acasxu: interrupted", (code, out, err)


LONG = "a" * 300


@pytest.mark.parametrize(
    "change", [[f"{LONG}.zip"], ["--network", LONG], ["--property", f"{LONG}/{LONG}"], ["--report", f"{LONG}.md"]]
)
def test_names_that_are_too_long_are_one_line(made, tmp_path, capsys, monkeypatch, change):
    monkeypatch.chdir(tmp_path)
    assert check(made / "holds.proof.zip", *pair(made), *change) == 2
    assert "aaa" in one_line(capsys.readouterr().err)


def test_memory_that_ends_is_a_line(made, capsys, monkeypatch):
    """For one certificate; the others are checked."""
    from engine.certificate import batch

    def greedy(file, *rest, **how):
        if file.name == "holds.proof.zip":
            raise MemoryError
        return judge(file, *rest, **how)

    judge = batch.check
    monkeypatch.setattr(batch, "check", greedy)
    assert check(made, "--network", made, "--property", made) == 2
    out = capsys.readouterr().out
    assert "unreadable: holds.proof.zip: " in out and "more memory than there is" in out and "accepted: violated" in out
    monkeypatch.setattr(batch, "check_all", lambda *files, **how: bytearray(2**62))
    assert check(made, "--network", made, "--property", made) == 2
    assert "out of memory" in one_line(capsys.readouterr().err)


def test_a_process_that_is_killed_is_a_line():
    from engine.certificate.parallel import parallel
    from engine.errors import InputError

    with pytest.raises(InputError, match="perhaps for lack of memory"):
        list(parallel(killed, [0, 1, 2], 2))


def killed(item: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_certificate_beyond_the_limits_is_not_written(standin_paths, tmp_path, capsys, monkeypatch):
    """One line that says which limit, exit code 2, and no file."""
    from engine.audit import certificate

    monkeypatch.setattr(certificate, "MAX_NODES", 3)
    assert (
        main(
            [
                "verify",
                str(standin_paths["standin_tau_0"]),
                str(property_path(10)),
                "--certificate",
                str(tmp_path / "c.zip"),
            ]
        )
        == 2
    )
    assert "it has more than 3 nodes" in one_line(capsys.readouterr().err) and not (tmp_path / "c.zip").exists()
