"""The command line where all goes well."""

import json
import os
import pty
import sys
from fractions import Fraction

import numpy as np
import pytest
from command_line import environment, finish, start

from engine.acasxu.files import property_path
from engine.acasxu.properties import PROPERTIES
from engine.cli import main
from engine.exact import evaluate
from engine.onnx_file import load_network
from engine.replay import replay
from engine.verdict import Counterexample, Statistics, Unknown, Verified
from engine.vnnlib import load_property


@pytest.fixture
def answers(monkeypatch):
    """Lets the search answer what the test says."""

    def set_answer(verdict):
        monkeypatch.setattr("engine.search.verify.verify_all", lambda *args, **options: [verdict])

    return set_answer


def parse_point(text: str) -> tuple[list[float], list[float]]:
    """Inputs and outputs as a competition's checker reads them."""
    text = text.strip()
    assert text[0] == "(" and text[-1] == ")"
    pairs = [part.strip()[1:].split() for part in text[1:-1].split(")") if part.strip()]
    values = {name: float(value) for name, value in pairs}
    return tuple([v for name, v in values.items() if name[0] == letter] for letter in "XY")


# verify


def test_a_property_that_holds(standin_paths, capsys):
    assert main(["verify", str(standin_paths["standin_tau_0"]), str(property_path(10)), "--device", "cpu"]) == 0
    out, err = capsys.readouterr()
    assert out == "unsat\n"
    assert "NOT an ACAS Xu network" in err and "semantics real" in err and "boxes" in err and "cpu" in err


def test_a_counterexample_replays_from_what_is_printed(standin_paths, capsys):
    path, prop = standin_paths["standin_tau_80"], load_property(property_path(3))
    assert main(["verify", str(path), str(property_path(3)), "--device", "cpu"]) == 1
    out, err = capsys.readouterr()
    first, rest = out.split("\n", 1)
    assert first == "sat" and rest.startswith("((X_0 ")
    inputs, outputs = parse_point(rest)
    network = load_network(path)
    assert np.array_equal(replay(network, np.array([inputs]))[0], np.array(outputs, np.float32))
    x = tuple(map(Fraction, inputs))
    assert any(case.violated_at(x, evaluate(network, x)) for case in prop.cases)
    for words in ("ft away", "degrees", "ft/s", "advisory (lowest score): COC"):
        assert words in err


def test_the_results_file_says_the_same(standin_paths, tmp_path, capsys):
    results = tmp_path / "results.txt"
    results.write_text("of an earlier run")
    files = [str(standin_paths["standin_tau_80"]), str(property_path(3))]
    assert main(["verify", *files, "--results", str(results)]) == 1
    assert results.read_text() == capsys.readouterr().out
    assert os.listdir(tmp_path) == ["results.txt"]


def test_results_may_go_to_a_device(standin_paths, capsys):
    files = [str(standin_paths["standin_tau_80"]), str(property_path(3))]
    assert main(["verify", *files, "--results", os.devnull]) == 1
    assert not os.path.isfile(os.devnull)


def test_json_holds_everything(standin_paths, capsys):
    path = standin_paths["standin_tau_80"]
    assert main(["verify", str(path), str(property_path(3)), "--json", "--semantics", "float32"]) == 1
    content = json.loads(capsys.readouterr().out)
    assert (content["verdict"], content["semantics"]) == ("sat", "float32")
    network, point = load_network(path), content["counterexample"]
    exact = evaluate(network, tuple(map(Fraction, point["inputs"])))
    assert tuple(map(Fraction, point["exact_outputs"])) == exact
    assert point["unsafe_in"] == ["exact arithmetic", "onnxruntime"]
    assert content["network"]["sha256"] == network.sha256
    assert content["property"]["sha256"] == load_property(property_path(3)).sha256
    assert "NOT an ACAS Xu" in content["label"] and content["statistics"]["device"]
    assert point["encounter"]["advisory"] == "COC"


@pytest.mark.parametrize("timed_out, word", [(False, "unknown"), (True, "timeout")])
def test_undecided(timed_out, word, answers, standin_paths, tmp_path, capsys):
    results = tmp_path / "results.txt"
    answers(Unknown("a reason", timed_out, 0.25, "real", Statistics(1234, 1.5, "cpu")))
    files = [str(standin_paths["standin_tau_0"]), str(property_path(1))]
    assert main(["verify", *files, "--results", str(results)]) == 3
    out, err = capsys.readouterr()
    assert out == results.read_text() == f"{word}\n"
    assert "a reason" in err and "25.0000%" in err and "1,234 boxes" in err


@pytest.mark.parametrize("exact, only", [(True, "exact arithmetic only"), (False, "onnxruntime only")])
def test_a_near_miss_says_in_which_arithmetic(exact, only, answers, standin_paths, capsys):
    near = Counterexample((0.5,) * 5, (0.0,) * 4 + (float("inf"),), (Fraction(1, 3),) * 5, exact, not exact)
    answers(Verified("real", Statistics(1, 0.1, "cpu"), near))
    files = [str(standin_paths["standin_tau_0"]), str(property_path(1))]
    assert main(["verify", *files]) == 0
    out, err = capsys.readouterr()
    assert out == "unsat\n" and only in err
    assert main(["verify", *files, "--json"]) == 0
    near = json.loads(capsys.readouterr().out)["near_miss"]
    assert near["outputs"][4] == "inf" and near["exact_outputs"][0] == "1/3"


def test_options_reach_the_search(standin_paths, monkeypatch, capsys):
    seen = []

    def verify_all(problems, options, **_):
        seen.append(options)
        return [Verified("real", Statistics(1, 0.1, "cpu"))]

    monkeypatch.setattr("engine.search.verify.verify_all", verify_all)
    files = [str(standin_paths["standin_tau_0"]), str(property_path(1))]
    options = "--timeout 7.5 --device cpu --semantics float32 --threads 1 --batch 64".split()
    assert main(["verify", *files, *options]) == 0
    (found,) = seen
    assert (found.timeout, found.device, found.semantics, found.threads, found.batch) == (7.5, "cpu", "float32", 1, 64)


def test_networks_and_properties_by_name(acasxu_networks, standin_paths, capsys):
    data = ["--data", str(acasxu_networks)]
    assert main(["verify", "--network", "1,9", "--property", "3", *data]) == 1
    assert "N(1,9)" in capsys.readouterr().err
    assert main(["verify", "--network", "N(2,1)", str(property_path(4)), *data]) == 0
    assert main(["verify", str(standin_paths["standin_tau_80"]), "--property", "3"]) == 1


def test_both_boxes_of_property_6_count(acasxu_networks, standin_paths, capsys):
    """The stand-in violates P6, an `or` of two input boxes."""
    assert main(["verify", str(standin_paths["standin_tau_0"]), "--property", "6"]) == 1
    inputs, _ = parse_point(capsys.readouterr().out.split("\n", 1)[1])
    (case_a, case_b) = load_property(property_path(6)).cases
    x = tuple(map(Fraction, inputs))
    assert sum(all(lo <= v <= hi for lo, v, hi in zip(c.lower, x, c.upper)) for c in (case_a, case_b)) == 1


def test_the_progress_line_is_for_terminals(standin_paths):
    master, slave = pty.openpty()
    files = standin_paths["standin_tau_20_left"], property_path(6)
    process = start("verify", *files, stderr=slave, env=environment(TERM="xterm", COLUMNS="120"))
    os.close(slave)
    seen = b""
    try:
        while chunk := os.read(master, 4096):
            seen += chunk
    except OSError:  # how Linux says that nobody writes any more
        pass
    code, out, _ = finish(process)
    os.close(master)
    assert (code, out) == (0, "unsat\n")
    assert b"boxes done" in seen and b"of the volume proved" in seen


def test_no_progress_line_elsewhere(standin_paths, capsys):
    assert main(["verify", str(standin_paths["standin_tau_20_left"]), str(property_path(6))]) == 0
    out, err = capsys.readouterr()
    assert out == "unsat\n" and len(err.splitlines()) == 2 and "\x1b" not in err


# The others


def test_help_is_instant_and_complete(capsys):
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    for name in ("verify", "bench", "properties", "info", "fetch", "demo", "exit codes", "130"):
        assert name in out
    for name in ("verify", "bench", "properties", "info", "fetch", "demo"):
        assert main([name, "--help"]) == 0
        assert "exit codes" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["--help"], ["verify", "--help"], ["properties"]])
def test_torch_is_not_loaded_without_need(arguments):
    import subprocess

    program = (
        "import sys; from engine.cli import main; code = main(sys.argv[1:]);"
        "heavy = {'torch', 'numpy', 'onnx', 'rich'} & set(sys.modules);"
        "sys.exit(f'loaded {heavy}' if heavy else code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, env=environment()
    )
    assert done.returncode == 0, done.stderr


def test_properties_say_all_in_100_columns(capsys):
    assert main(["properties"]) == 0
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 100
    flat = " ".join(out.split())
    for spec in PROPERTIES:
        assert spec.words in flat and spec.unsafe_words in flat and spec.meant_for_words in flat
    assert "rho in [12000, 62000]" in flat and "psi = 0" in flat


def test_info(standin_paths, capsys):
    path = standin_paths["standin_tau_0"]
    assert main(["info", str(path)]) == 0
    out = capsys.readouterr().out
    for words in (
        "5 - 50 - 50 - 50 - 50 - 50 - 50 - 5",
        "13,305",
        load_network(path).sha256,
        "6 Relu",
        "NOT an ACAS Xu network",
    ):
        assert words in out
    assert main(["info", str(path), "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["parameters"] == 13305 and content["operators"]["Relu"] == 6
    assert content["published"] is None


def test_info_knows_the_published_files(acasxu_networks, capsys):
    path = next(acasxu_networks.glob("ACASXU_run2a_2_3_*"))
    assert main(["info", str(path)]) == 0
    out = capsys.readouterr().out
    assert "yes, ACASXU_run2a_2_3_batch_2000.onnx" in out and "N(2,3)" in out


def test_fetch_from_a_folder(acasxu_networks, tmp_path, capsys):
    assert main(["fetch", "--from", str(acasxu_networks), "--to", str(tmp_path / "here")]) == 0
    assert len(list((tmp_path / "here").iterdir())) == 45
    assert "45 networks" in capsys.readouterr().out


def test_whether_a_source_answers(monkeypatch):
    from http.server import BaseHTTPRequestHandler, HTTPServer
    from threading import Thread

    from engine.acasxu.fetch import reachable

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(404 if self.path.endswith(".gz") else 200)
            self.end_headers()

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        monkeypatch.setattr("engine.acasxu.fetch.SOURCES", (f"http://127.0.0.1:{server.server_port}",))
        Thread(target=server.serve_forever, daemon=True).start()
        assert reachable(timeout=5.0)
        server.shutdown()
    assert not reachable(timeout=5.0)


# demo


@pytest.fixture
def nothing_at_hand(monkeypatch, tmp_path):
    monkeypatch.delenv("ACASXU_DATA", raising=False)
    monkeypatch.setattr("engine.acasxu.files.download_folder", lambda: tmp_path / "none")


def test_demo_with_stand_ins_says_so(nothing_at_hand, monkeypatch, capsys):
    monkeypatch.setattr("engine.acasxu.fetch.reachable", lambda timeout: False)
    assert main(["demo"]) == 0
    out, err = capsys.readouterr()
    assert "not here" in err and "was not reached within seconds" in err
    assert "NOT ACAS Xu networks" in out and "(a stand-in)" in out and "N(" not in out
    assert "holds" in out and "VIOLATED" in out and "ft/s" in out and "acasxu fetch" in out


def test_demo_after_a_failed_download(nothing_at_hand, monkeypatch, capsys):
    def fails(**_):
        from engine.errors import InputError

        raise InputError("download failed: reset", where="http://x")

    monkeypatch.setattr("engine.acasxu.fetch.reachable", lambda timeout: True)
    monkeypatch.setattr("engine.acasxu.fetch.fetch", fails)
    assert main(["demo"]) == 0
    assert "That did not work: http://x: download failed" in capsys.readouterr().err


@pytest.mark.slow  # the same command with the stand-ins is above
def test_demo_with_the_real_networks(acasxu_networks, capsys):
    assert main(["demo", "--data", str(acasxu_networks)]) == 0
    out = capsys.readouterr().out
    assert out.count(" holds ") >= 3 and out.count(" VIOLATED ") >= 2 and "stand-in" not in out.lower()
    assert max(map(len, out.splitlines())) <= 130
