"""Many instances in one run: lists, results, comparison, interruption."""

import errno
import json
import os
import signal
import sys
import time
from importlib.machinery import ModuleSpec
from types import ModuleType

import pytest
from bench_runs import SOME, Here, bench, results, write_list
from command_line import ROOT, environment, finish, one_line, start

from engine.bench.instances import acasxu_instances, distinct, read_instances
from engine.errors import InputError
from engine.network_file import load_network
from engine.results.expected import agreement
from engine.results.row import Row
from engine.search.verify import verify_all

EXPECTED = ROOT / "networks" / "standin" / "expected.csv"


@pytest.fixture
def listing(standin_paths, tmp_path):
    """Writes a list of instances and returns its path."""
    return lambda pairs, **options: write_list(tmp_path / "instances.csv", standin_paths, pairs, **options)


@pytest.fixture
def here(monkeypatch):
    """No worker processes: quicker, and within reach of monkeypatch."""
    monkeypatch.setattr("engine.bench.session.Workers", Here)


# Lists


def test_lists_as_the_competition_writes_them(tmp_path, standin_paths):
    (tmp_path / "onnx").mkdir()
    for name in ("with space.onnx", "b.onnx.gz", "p.vnnlib"):
        (tmp_path / "onnx" / name).touch()
    path = tmp_path / "instances.csv"
    path.write_bytes(
        b"\xef\xbb\xbf# network,property,seconds\r\n\r\n"
        b"onnx/with space.onnx, onnx/p.vnnlib, 116\r\n"
        b'./onnx/b.onnx,"onnx/p.vnnlib"\r\n  ,\r\n# the end'
    )
    first, second = read_instances(path)
    assert first.names == ("with space.onnx", "p.vnnlib") and first.limit == 116
    assert first.where == f"{path}:3"
    assert second.names == ("b.onnx", "p.vnnlib") and second.limit is None
    assert second.network == tmp_path / "onnx" / "b.onnx.gz"


def test_each_instance_has_the_limit_of_its_row_unless_one_is_given(listing, tmp_path, here):
    path = listing(SOME[:1], seconds=7)
    path.write_text(path.read_text() + path.read_text().replace(",7", "").replace("prop_10", "prop_1"))
    for options, limits in (((), [7, None]), (("--timeout", 3), [3, 3])):
        assert bench(path, tmp_path / "out", "--force", *options) == 0
        manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
        assert [limit for *_, limit in manifest["instances"]] == limits


def test_an_instance_that_is_listed_twice_is_one_with_the_longest_limit(tmp_path):
    path = tmp_path / "instances.csv"
    path.write_text("n.onnx,p.vnnlib,3\nm.onnx,p.vnnlib,3\n./n.onnx,p.vnnlib,7\nm.onnx,p.vnnlib\nn.onnx,p.vnnlib,1\n")
    assert [(i.names[0], i.limit) for i in distinct(read_instances(path))] == [("n.onnx", 7), ("m.onnx", None)]


def test_names_that_are_not_unique_are_paths(tmp_path):
    for name in ("a/n.onnx", "b/n.onnx", "p.vnnlib"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    path = tmp_path / "instances.csv"
    path.write_text("a/n.onnx,p.vnnlib\nb/n.onnx,p.vnnlib\n./b/n.onnx,p.vnnlib\n")
    assert [i.names[0] for i in read_instances(path)] == ["a/n.onnx", "b/n.onnx", "b/n.onnx"]


@pytest.mark.parametrize(
    "text, expected",
    [
        ("", "no instance is listed"),
        ("# nothing\n", "no instance is listed"),
        ("n.onnx\n", ":1: this is no instance"),
        ("\nn.onnx,\n", ":2: this is no instance"),
        ("n.onnx,p.vnnlib,1,2\n", ":1: this is no instance"),
        ("n.onnx,p.vnnlib,soon\n", ":1: 'soon' is no number"),
        ("n.onnx,p.vnnlib,nan\n", "is no number"),
        ("n.onnx,p.vnnlib,-1\n", "is no number"),
        ("n.onnx,p.vnnlib,inf\n", "is no number"),
        ("network,property\n", "no instance is listed"),
        ("n.onnx,p.vnnlib\nnetwork,property,time\n", "'time' is no number"),
        ("[('f', 'n.onnx')\n", ":1: this is no instance"),
        ("[(],p.vnnlib\n", ":1: this is no instance"),
        ('n.onnx,"p.vnnlib\n', "no list of instances"),
        ("n\0.onnx,p.vnnlib\n", ":1"),
        ('"n\n.onnx",p.vnnlib\n', ":2"),
        ("\udcff", "no list of instances"),
    ],
)
def test_bad_lists(text, expected, tmp_path, capsys):
    (tmp_path / "n.onnx").touch()
    (tmp_path / "p.vnnlib").touch()
    path = tmp_path / "instances.csv"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    assert bench(path, tmp_path / "out") == 2
    out, err = capsys.readouterr()
    assert out == "" and expected in one_line(err)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("path", ["none.csv", "."])
def test_lists_that_cannot_be_read(path, tmp_path, capsys):
    assert bench(tmp_path / path, tmp_path / "out") == 2
    assert str(tmp_path) in one_line(capsys.readouterr().err)


def test_the_benchmark_and_all_pairs(acasxu_networks, acasxu_data):
    ours = acasxu_instances(all_pairs=False, data=acasxu_networks)
    theirs = read_instances(acasxu_data / "instances.csv")
    assert [i.names for i in ours] == [i.names for i in theirs]
    assert len({i.names for i in acasxu_instances(all_pairs=True, data=acasxu_networks)}) == 450


def test_each_file_is_loaded_once(listing, tmp_path, monkeypatch, here):
    loaded = []
    monkeypatch.setattr(
        "engine.bench.reading.load_network", lambda path, **more: loaded.append(path) or load_network(path, **more)
    )
    assert bench(listing(SOME), tmp_path / "out") == 0
    assert len(loaded) == len(set(loaded)) == 3


# Results


def test_results_summary_and_comparison(listing, tmp_path, capsys):
    folder = tmp_path / "out"
    assert bench(listing(SOME), folder, "--expected", EXPECTED, "--device", "cpu") == 0
    out, err = capsys.readouterr()
    rows = results(folder)
    assert list(rows[0]) == (
        "network,property,verdict,semantics,seconds,boxes,device,certificate_bytes,"
        "certificate_sha256,point_sha256,check,check_seconds,origin,warning,error"
    ).split(",")
    words = {(row["network"], row["property"]): row["verdict"] for row in rows}
    assert words == {
        ("standin_tau_0.onnx", "prop_10.vnnlib"): "unsat",
        ("standin_tau_80.onnx", "prop_3.vnnlib"): "sat",
        ("standin_tau_80.onnx", "prop_2.vnnlib"): "unsat",
        ("standin_tau_20_left.onnx", "prop_10.vnnlib"): "unsat",
    }
    assert all(row["device"] == "cpu" and row["semantics"] == "real" for row in rows)
    assert all(float(row["seconds"]) >= 0 and int(row["boxes"]) >= 1 for row in rows)
    assert [p.name for p in (folder / "counterexamples").iterdir()] == ["standin_tau_80_prop_3.txt"]
    assert (folder / "counterexamples" / "standin_tau_80_prop_3.txt").read_text().startswith("((X_0 ")
    for words in ("holds (unsat)", "violated (sat)", "hardest", "wall time", "4 as expected, 0 mismatches"):
        assert words in out
    assert err == "" and "\x1b" not in out and max(map(len, out.splitlines())) <= 130


def test_seconds_are_shares_of_the_wall_time(listing, tmp_path, capsys, here):
    start = time.perf_counter()
    assert bench(listing(SOME * 3), tmp_path / "out") == 0
    wall = time.perf_counter() - start
    rows = results(tmp_path / "out")
    assert len(rows) == 4 and 0 < sum(float(row["seconds"]) for row in rows) <= wall
    assert "8 lines repeat an instance" in one_line(capsys.readouterr().err)


def test_a_mismatch(listing, tmp_path, capsys, here):
    wrong = tmp_path / "expected.csv"
    wrong.write_text(
        EXPECTED.read_text().replace("standin_tau_80.onnx,prop_3.vnnlib,sat", "standin_tau_80.onnx,prop_3.vnnlib,unsat")
    )
    assert bench(listing(SOME), tmp_path / "out", "--expected", wrong) == 1
    out = capsys.readouterr().out
    assert "3 as expected, 1 mismatches" in out
    assert "standin_tau_80.onnx" in out[out.index("\nmismatches") :]


def test_undecided_instances(listing, tmp_path, capsys, here):
    pairs = [("standin_tau_80", 3), ("standin_tau_20_left", 6)]
    assert bench(listing(pairs), tmp_path / "out", "--expected", EXPECTED, "--timeout", 1e-6) == 3
    out = capsys.readouterr().out
    assert "0 as expected, 0 mismatches, 2 undecided" in out and "out of time" in out
    assert bench(listing(pairs, seconds="1e-6"), tmp_path / "again") == 3
    assert sorted(row["verdict"] for row in results(tmp_path / "again")) == ["timeout", "timeout"]


def test_comparison_in_detail(tmp_path):
    path = tmp_path / "expected.csv"
    path.write_text(
        "network,property,verdict\na.onnx,p.vnnlib,unsat\nb.onnx,p.vnnlib.gz,sat\n"
        "c.onnx,p.vnnlib,unknown\nd.onnx,p.vnnlib,unknown\ne.onnx,p.vnnlib,sat\n"
    )
    words = {
        "a.onnx.gz": "unsat",
        "b.onnx": "unsat",
        "c.onnx": "unsat",
        "d.onnx": "timeout",
        "e.onnx": "error",
        "f.onnx": "unsat",
    }
    found = agreement([Row(name, "p.vnnlib", word) for name, word in words.items()], path)
    assert [row.network for row, _ in found.mismatches] == ["b.onnx"]
    assert [row.network for row, _ in found.undecided] == ["e.onnx"]
    assert (found.agree, found.unlisted, found.taken_over) == (3, 1, 0)  # a; c, which nobody had decided; d
    rows = [Row("a.onnx", "p.vnnlib", "unsat", origin="taken over"), Row("b.onnx", "p.vnnlib", "sat")]
    assert str(agreement(rows, path)) == "2 as expected (1 of them taken over, not checked), 0 mismatches"


@pytest.mark.parametrize(
    "text, expected",
    [
        ("network,property\na,b\n", "no column"),
        ("network,property,verdict\na,b,maybe\n", ":2: 'maybe'"),
        ("network,property,verdict\na\n", ":2:"),
        ("\udcff", "no csv"),
    ],
)
def test_expected_verdicts_that_cannot_be_read(text, expected, tmp_path):
    path = tmp_path / "expected.csv"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(InputError, match=expected):
        agreement([], path)


def test_expected_verdicts_are_read_after_the_last(listing, tmp_path, monkeypatch, here):
    """They are missing: said at once. They are there: not opened before all is decided."""
    path, folder = listing(SOME[1:2]), tmp_path / "out"
    assert bench(path, folder, "--expected", tmp_path / "none.csv") == 2
    assert not folder.exists()
    late = tmp_path / "late.csv"
    late.write_text("")

    def search_and_fill(problems, options, **others):
        verify_all(problems, options, **others)
        late.write_text(EXPECTED.read_text())

    monkeypatch.setattr("engine.bench.decide.verify_all", search_and_fill)
    assert bench(path, folder, "--expected", late) == 0


def test_results_are_not_overwritten(listing, tmp_path, capsys, here):
    folder = tmp_path / "out"
    assert bench(listing(SOME[1:2]), folder) == 0
    before = (folder / "results.csv").read_bytes()
    capsys.readouterr()
    assert bench(listing(SOME[:1]), folder) == 2
    assert "--force" in one_line(capsys.readouterr().err)
    assert (folder / "results.csv").read_bytes() == before
    assert bench(listing(SOME[:1]), folder, "--force") == 0
    assert len(results(folder)) == 1 and not list((folder / "counterexamples").iterdir())


def test_a_folder_that_cannot_be_made(listing, tmp_path, capsys, here):
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "out"):
        assert bench(listing(SOME[:1]), folder) == 2
        assert "cannot be written" in one_line(capsys.readouterr().err)


def test_a_full_disk(listing, tmp_path, capsys, here, monkeypatch):
    def full(file):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    folder = tmp_path / "out"
    folder.mkdir()
    for options in ((), ("--force",)):
        assert bench(listing(SOME[:1]), folder, *options) == 2
        assert "No space left" in one_line(capsys.readouterr().err)
        assert [path.name for path in folder.rglob("*") if path.is_file()] == []


def test_ctrl_c_keeps_what_is_decided(listing, tmp_path):
    path, folder = listing([("standin_tau_80", 3), ("standin_tau_80", 7)]), tmp_path / "out"
    process = start("bench", path, "--out", folder, "--batch", 1, "--window", 1, start_new_session=True)
    for _ in range(600):
        if (folder / "results.csv").exists() and len(results(folder)) == 1:
            break
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does it: to workers too
    code, out, err = finish(process)
    assert (code, out) == (130, "") and "1 of 2 instances are decided and kept" in one_line(err)
    assert "go on with --resume" in err
    (row,) = results(folder)
    assert (row["property"], row["verdict"]) == ("prop_3.vnnlib", "sat")


def test_a_closed_pipe_is_no_result(listing, tmp_path):
    read, write = os.pipe()
    os.close(read)
    process = start("bench", listing(SOME[1:2]), "--out", tmp_path / "out", stdout=write, env=environment())
    os.close(write)
    code, _, err = finish(process)
    assert (code, err) == (141, "") and len(results(tmp_path / "out")) == 1


def test_a_report_is_written_at_the_end(listing, tmp_path, monkeypatch, here, capsys):
    report = ModuleType("engine.report")
    report.__spec__ = ModuleSpec("engine.report", None)
    report.write_report = lambda folder: f"{len(results(folder))} rows in {folder}"
    monkeypatch.setitem(sys.modules, "engine.report", report)
    assert bench(listing(SOME[1:2]), tmp_path / "out", "--report") == 0
    assert f"report: 1 rows in {tmp_path / 'out'}" in capsys.readouterr().out


@pytest.mark.slow
def test_all_stand_ins(listing, standin_paths, tmp_path, capsys):
    pairs = [(name, number) for name in standin_paths for number in range(1, 11)]
    assert bench(listing(pairs), tmp_path / "out", "--expected", EXPECTED) == 0
    assert "30 as expected" in capsys.readouterr().out


def test_published_instances(acasxu_data, tmp_path, capsys, here):
    lines = (acasxu_data / "instances.csv").read_text().splitlines()
    chosen = [
        line
        for line in lines
        if any(
            words in line
            for words in (
                "_1_7_batch_2000.onnx,vnnlib/prop_3",
                "prop_5",
                "prop_8",
                "prop_9",
                "_3_1_batch_2000.onnx,vnnlib/prop_2",
            )
        )
    ]
    path = tmp_path / "instances.csv"
    path.write_text("".join(f"{acasxu_data}/{line.replace(',', f',{acasxu_data}/', 1)}\n" for line in chosen))
    assert bench(path, tmp_path / "out", "--expected", acasxu_data / "expected.csv") == 0
    assert f"{len(chosen)} as expected, 0 mismatches" in capsys.readouterr().out
