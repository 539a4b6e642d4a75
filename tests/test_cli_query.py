"""`acasxu verify` for queries in VNN-LIB 2.0: the answer in the standard's form, and what goes wrong in one line."""

import itertools
import json
import re
import signal
import time
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import onnx
import pytest
from command_line import finish, one_line, start
from onnx import TensorProto, numpy_helper
from onnx_graphs import f32, model, node

import engine.certificate
from engine.assignment import assignment
from engine.cli import main
from engine.exact import evaluate
from engine.joining import load_question
from engine.network_file import load_network
from engine.replay import replay
from engine.verdict import Counterexample, Statistics, Unknown
from engine.vnnlib import load_query

HEAD = "(vnnlib-version <2.0>)\n"
BOX = "(assert (<= 0.0 X_f[0,0]))(assert (<= X_f[0,0] 1.0))(assert (<= -1.0 X_f[0,1]))(assert (<= X_f[0,1] 1.0))\n"
SAME = "(assert (== X_f[0,0] X_g[0,0]))(assert (== X_f[0,1] X_g[0,1]))\n"


def declared(name: str, *, element="real", relation="", shape="[1,2]", hidden="", output="[1,2]") -> str:
    return (
        f"(declare-network {name} {relation} (declare-input X_{name} {element} {shape}) {hidden} "
        f"(declare-output Y_{name} {element} {output}))\n"
    )


F, G = declared("f"), declared("g")
PAIR = HEAD + F + G + BOX + SAME


def chain(shift: float = 0.0, *, kind=TensorProto.FLOAT, operator="Relu", width=2) -> onnx.ModelProto:
    """x -> relu(W x + b) V of two inputs and outputs, with b moved by `shift`."""
    number = {TensorProto.FLOAT: np.float32, TensorProto.DOUBLE: np.float64}[kind]
    weight, bias = np.array([[1, -2], [0.5, 1]]), np.array([[0.25 + shift, 0.1]])
    last = np.eye(2, width)
    constants = {"w": weight.astype(number), "b": bias.astype(number), "v": last.astype(number)}
    nodes = [node("MatMul", "x w", "m"), node("Add", "m b", "s"), node(operator, "s", "h"), node("MatMul", "h v", "y")]
    return model(nodes, constants, shape=(1, 2), kind=kind)


@pytest.fixture
def files(tmp_path) -> dict[str, Path]:
    made = {
        "f": chain(),
        "g": chain(0.125),
        "double": chain(kind=TensorProto.DOUBLE),
        "wide": chain(width=3),
        "other": model([node("MatMul", "x w", "y")], {"w": np.eye(2, dtype=np.float32)}, shape=(1, 2)),
        "scaled": model([node("Gemm", "x w", "y", alpha=2.0)], {"w": np.eye(2, dtype=np.float32)}, shape=(1, 2)),
    }
    for name, proto in made.items():
        onnx.save(proto, tmp_path / f"{name}.onnx")
    return {name: tmp_path / f"{name}.onnx" for name in made}


def asked(folder: Path, text: str) -> Path:
    path = folder / "query.vnnlib"
    path.write_text(text)
    return path


def run(capsys, path, *options, **networks) -> tuple[int, str, str]:
    named = [f"--network={name}={file}" for name, file in networks.items()]
    code = main(["verify", str(path), *named, "--device", "cpu", *map(str, options)])
    return code, *capsys.readouterr()


def values(out: str) -> dict[str, list[str]]:
    """The lines below each variable, after the verdict's line."""
    found: dict[str, list[str]] = {}
    for line in out.splitlines()[1:]:
        if " " in line:
            name = line
            found[name] = []
        else:
            found[name].append(line)
    return found


# Answers


def test_a_pair_that_is_alike(files, tmp_path, capsys):
    text = PAIR + "(assert (or (> (- Y_f[0,0] Y_g[0,0]) 0.126) (< (- Y_f[0,0] Y_g[0,0]) -0.126)))"
    code, out, err = run(capsys, asked(tmp_path, text), f=files["f"], g=files["g"])
    assert (code, out) == (0, "unsat\n")
    assert "no inputs satisfy all asserts; semantics real" in err


def test_real_values_are_exact_decimals_that_satisfy_all_asserts(files, tmp_path, capsys):
    """The pin is no float32 number; its decimal is printed, and everything holds for what is printed."""
    pinned = PAIR.replace("(assert (<= 0.0 X_f[0,0]))", "(assert (== X_f[0,0] 0.227272727))")
    code, out, err = run(capsys, asked(tmp_path, pinned + "(assert (> Y_g[0,0] Y_f[0,0]))"), f=files["f"], g=files["g"])
    assert code == 1 and out.startswith("sat\n")
    found = values(out)
    assert list(found) == ["X_f real [1,2]", "Y_f real [1,2]", "X_g real [1,2]", "Y_g real [1,2]"]
    x_f, y_f, x_g, y_g = ([Fraction(Decimal(text)) for text in texts] for texts in found.values())
    assert x_f[0] == Fraction("0.227272727") and x_g == x_f and -1 <= x_f[1] <= 1
    assert y_g[0] > y_f[0]
    for name, y in (("f", y_f), ("g", y_g)):
        exact = evaluate(load_network(files[name]), x_f)
        assert all(abs(a - b) <= abs(b) / 10**19 for a, b in zip(y, exact))
    nearest = np.array([x_f], np.float32)
    assert "nearest float32 point" in err and "X_f [1,2]: 0.22727273 " in err
    (line,) = re.findall(r"Y_f \[1,2\]: (.*)", err)
    assert np.array_equal(f32(*map(float, line.split())), replay(load_network(files["f"]), nearest)[0])


def test_outputs_have_as_many_digits_as_the_asserts_need(files, tmp_path):
    """Rounded to 20 digits this one would be 1, which is not below 1."""
    query = load_query(asked(tmp_path, HEAD + F + BOX + "(assert (< Y_f[0,0] 1.0))"))
    near = 1 - Fraction(1, 10**30)
    for exact, printed in [(near, "0." + "9" * 30), (Fraction(1, 3), "0." + "3" * 20), (Fraction(-1, 4), "-0.25")]:
        found = Counterexample((0.5, 0.5), (1.0, 0.0), (exact, Fraction(0)), True, True)
        told = assignment(load_question(query, {"f": files["f"]}), found)
        assert told.tensors[1].decimals == (printed, "0.0")
        is_rounded = exact == Fraction(1, 3)
        assert told.rounding == ("outputs are rounded to 20 digits, at which all asserts hold" if is_rounded else "")


def test_inputs_that_are_no_decimals_are_named(files, tmp_path, capsys):
    text = HEAD + F + BOX + "(assert (== (* 3.0 X_f[0,0]) 1.0))(assert (>= Y_f[0,0] 0.0))"
    code, out, err = run(capsys, asked(tmp_path, text), f=files["f"])
    assert code == 1 and values(out)["X_f real [1,2]"][0] == "0." + "3" * 40
    assert "rounded to 40 digits, as no decimals, are X_f[0,0] = 1/3" in err


def test_float32_values_are_those_of_onnxruntime(files, tmp_path, capsys):
    text = HEAD + declared("f", element="float32") + BOX + "(assert (>= Y_f[0,0] 0.5))"
    code, out, err = run(capsys, asked(tmp_path, text), f=files["f"])
    assert code == 1 and "semantics float32" in err
    found = values(out)
    x, y = (f32(*map(float, texts)) for texts in found.values())
    assert list(found) == ["X_f float32 [1,2]", "Y_f float32 [1,2]"]
    assert np.array_equal(replay(load_network(files["f"]), x[None])[0], y) and y[0] >= 0.5


def test_hidden_tensors_are_among_the_values(files, tmp_path, capsys):
    hidden = '(declare-hidden H_f real [1,2] "s")'
    text = HEAD + declared("f", hidden=hidden) + BOX + "(assert (<= H_f[0,1] -1.0))"
    code, out, _ = run(capsys, asked(tmp_path, text), f=files["f"])
    found = values(out)
    assert code == 1 and list(found) == ["X_f real [1,2]", "H_f real [1,2]", "Y_f real [1,2]"]
    assert float(found["H_f real [1,2]"][1]) <= -1.0 and found["Y_f real [1,2]"][1] == "0.0"


def test_serialised_assignments(files, tmp_path, capsys):
    folder = tmp_path / "new" / "folder"
    path = asked(tmp_path, HEAD + declared("f", element="float32") + BOX + "(assert (>= Y_f[0,0] 0.5))")
    code, out, _ = run(capsys, path, "--serialise-assignments", folder, f=files["f"])
    assert (code, out) == (1, "sat\n")
    assert sorted(file.name for file in folder.iterdir()) == ["X_f.pb", "Y_f.pb"]
    x, y = (
        numpy_helper.to_array(TensorProto.FromString((folder / f"{name}.pb").read_bytes())) for name in ("X_f", "Y_f")
    )
    assert x.shape == y.shape == (1, 2) and x.dtype == y.dtype == np.float32
    assert np.array_equal(replay(load_network(files["f"]), x)[0], y[0])
    path = asked(tmp_path, HEAD + declared("f", element="float32") + BOX + "(assert (>= Y_f[0,0] 50.0))")
    code, out, _ = run(capsys, path, "--serialise-assignments", folder, f=files["f"])
    assert (code, out) == (0, "unsat\n") and not list(folder.iterdir())  # nothing of the earlier run is left


def test_real_values_are_serialised_as_float64(files, tmp_path, capsys):
    path = asked(tmp_path, HEAD + F + BOX + "(assert (== X_f[0,0] 0.227272727))(assert (>= Y_f[0,1] 0.1))")
    assert run(capsys, path, "--serialise-assignments", tmp_path / "o", f=files["f"])[:2] == (1, "sat\n")
    x = numpy_helper.to_array(TensorProto.FromString((tmp_path / "o" / "X_f.pb").read_bytes()))
    assert x.dtype == np.float64 and x.shape == (1, 2) and x[0, 0] == 0.227272727


def test_a_pair_of_two_formats(files, tmp_path, capsys):
    """The .nnet file has the numbers of f, but 0.1 as a decimal."""
    text = "2,2,2,2,\n2,2,2,\n0,\n-9,-9,\n9,9,\n0,0,0,\n1,1,1,\n1,0.5,\n-2,1,\n0.25,\n0.1,\n1,0,\n0,1,\n0,\n0,\n"
    (tmp_path / "g.nnet").write_text(text)
    path = asked(tmp_path, PAIR + "(assert (>= (- Y_f[0,1] Y_g[0,1]) 0.05))")
    code, out, _ = run(capsys, path, "--timeout", 20, f=files["f"], g=tmp_path / "g.nnet")
    assert (code, out) == (0, "unsat\n")


@pytest.mark.parametrize("timed_out, word", [(True, "timed-out"), (False, "unknown")])
def test_undecided(timed_out, word, files, tmp_path, monkeypatch, capsys):
    verdict = Unknown("a reason", timed_out, 0.25, "float32", Statistics(7, 1.0, "cpu"))
    monkeypatch.setattr("engine.search.verify.verify", lambda *_, **__: verdict)
    path = asked(tmp_path, HEAD + declared("f", element="float32") + BOX + "(assert (>= Y_f[0,0] 0.5))")
    code, out, err = run(capsys, path, "--results", tmp_path / "r", f=files["f"])
    assert (code, out) == (3, f"{word}\n") and (tmp_path / "r").read_text() == out
    assert "a reason" in err and "--semantics real" not in err  # which would be refused


def test_nothing_satisfies_the_asserts(files, tmp_path, capsys):
    path = asked(tmp_path, HEAD + F + BOX + "(assert (> X_f[0,0] 2.0))")
    code, out, err = run(capsys, path, f=files["f"])
    assert (code, out) == (0, "unsat\n") and "warning: nothing satisfies the asserts" in err


def test_json(files, tmp_path, capsys):
    path = asked(tmp_path, PAIR + "(assert (> Y_g[0,0] Y_f[0,0]))")
    code, out, _ = run(capsys, path, "--json", f=files["f"], g=files["g"])
    content = json.loads(out)
    assert code == 1 and (content["verdict"], content["semantics"]) == ("sat", "real")
    assert [entry["declared"] for entry in content["networks"]] == ["f", "g"]
    assert content["networks"][1]["sha256"] == load_network(files["g"]).sha256
    assert [(e["name"], e["kind"], e["shape"]) for e in content["assignment"]][1] == ("Y_f", "output", [1, 2])
    assert content["assignment"][0]["values"] == content["assignment"][2]["values"]


# Networks and options


def test_one_network_needs_no_name(files, tmp_path, capsys):
    for text in (HEAD + F, HEAD + F + declared("g", relation="(equal-to f)") + SAME):
        path = asked(tmp_path, text + BOX + "(assert (>= Y_f[0,0] 50.0))")
        assert main(["verify", str(files["f"]), str(path)]) == 0
        assert capsys.readouterr().out == "unsat\n"


def test_one_of_the_45_needs_no_name(acasxu_networks, tmp_path, capsys):
    box = "".join(f"(assert (<= 0.0 X_f[0,{k}]))(assert (<= X_f[0,{k}] 0.01))" for k in range(5))
    text = HEAD + declared("f", shape="[1,5]", output="[1,5]") + box + "(assert (<= Y_f[0,0] 100.0))"
    path = asked(tmp_path, text)
    assert main(["verify", "--network", "1,1", str(path), "--data", str(acasxu_networks)]) == 1
    out, err = capsys.readouterr()
    assert out.startswith("sat\nX_f real [1,5]\n") and "f: N(1,1)" in err and "ft away" in err


def test_float32_semantics_may_be_asked_of_real_tensors(files, tmp_path, capsys):
    path = asked(tmp_path, HEAD + F + BOX + "(assert (>= Y_f[0,0] 50.0))")
    code, out, err = run(capsys, path, "--semantics", "float32", f=files["f"])
    assert (code, out) == (0, "unsat\n") and "semantics float32" in err


@pytest.mark.skipif(
    not hasattr(engine.certificate, "write_question_certificate"), reason="certificates of queries are to come"
)
@pytest.mark.parametrize("row, word", [("(> Y_g[0,0] Y_f[0,0])", "sat"), ("(> Y_g[0,0] (+ Y_f[0,0] 0.126))", "unsat")])
def test_certificates(row, word, files, tmp_path, capsys):
    path, certificate = asked(tmp_path, f"{PAIR}(assert {row})"), tmp_path / "c.zip"
    _, out, err = run(capsys, path, "--certificate", certificate, f=files["f"], g=files["g"])
    assert out.startswith(word) and certificate.is_file() and "is accepted by the independent checker" in err


# Bad input


def refused(capsys, arguments) -> str:
    assert main(["verify", *map(str, arguments)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    return one_line(err)


def boxes(text: str) -> str:
    """Asserts that each element of each input lies between 0 and 1."""
    found = ""
    for name, sizes in re.findall(r"declare-input (\w+) \w+ \[([\d,]+)\]", text):
        for index in itertools.product(*(range(int(size)) for size in sizes.split(","))):
            element = f"{name}[{','.join(map(str, index))}]"
            found += f"(assert (<= 0.0 {element}))(assert (<= {element} 1.0))\n"
    return found


FLOAT32 = declared("f", element="float32")
BAD = {
    "undeclared network": (F, "f=f h=g", "query: no network 'h' is declared; it declares f"),
    "network without file": (F + G, "f=f", "query: network 'g' has no file; add --network g=FILE"),
    "network given twice": (F, "f=f f=g", "network 'f' is given twice"),
    "file of an equal network": (F + declared("g", relation="(equal-to f)"), "f=f g=f", "leave out --network g="),
    "no name": (F, "=f", "write NAME=FILE"),
    "no file": (F, "f=", "write NAME=FILE"),
    "a name and an index": (F + G, "f=f 3,3", "each network of a query as NAME=FILE"),
    "two indices": (F + G, "1,1 3,3", "1,1 and 3,3 are given"),
    "missing file": (F, "f=none", "none.onnx: there is no such file"),
    "input of another size": (declared("f", shape="[1,3]"), "f=f", "X_f has shape [1, 3]"),
    "input of another shape": (declared("f", shape="[2,2]"), "f=f", "that input of f has [1, 2]"),
    "output of another size": (F, "f=wide", "Y_f has shape [1, 2], but that output of wide has [1, 3]"),
    "type of the file": (FLOAT32, "f=double", "X_f is float32, but that input of double is float64"),
    "type without answer": (declared("f", element="float16"), "f=f", "type float16; declare the tensors real"),
    "not as executed": (FLOAT32, "f=scaled", "(in VNN-LIB 2.0: type real)"),
    "not isomorphic": (F + declared("g", relation="(isomorphic-to f)"), "f=f g=other", "has another graph"),
    "hidden tensor": (declared("f", hidden='(declare-hidden H real [1,2] "t")'), "f=f", "no node gives a tensor 't'"),
    "two inputs": (F.replace("(declare-output", "(declare-input Z real [1,1])(declare-output"), "f=f", "2 inputs"),
    "index out of range": (F + "(assert (<= X_f[0,2] 1.0))", "f=f", "query.vnnlib:3: index 2 of X_f is out of range"),
    "infix": (F + "(assert (X_f[0,0] <= 1.0))", "f=f", "query.vnnlib:3: "),
    "exponent": (F + "(assert (<= X_f[0,0] 1e-3))", "f=f", "query.vnnlib:3: '1e-3' is not a number"),
    "product": (F + "(assert (<= (* X_f[0,0] Y_f[0,0]) 1.0))", "f=f", "query.vnnlib:3: a product of variables"),
    "network declared twice": (F + F, "f=f", "query.vnnlib:3: 'X_f' is declared again"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_queries(name, files, tmp_path, capsys):
    text, networks, expected = BAD[name]
    path = asked(tmp_path, HEAD + text + boxes(text) + "(assert (>= Y_f[0,0] 50.0))")
    options = [
        part
        for value in networks.split()
        for named, _, file in [value.partition("=")]
        for part in ("--network", f"{named}={tmp_path / f'{file}.onnx'}" if file else value)
    ]
    assert expected in refused(capsys, [path, *options])


def test_bad_usage(files, tmp_path, capsys):
    query = asked(tmp_path, PAIR + "(assert (>= Y_f[0,0] 50.0))")
    old = tmp_path / "old.vnnlib"
    old.write_text(
        "(declare-const X_0 Real)(declare-const Y_0 Real)(assert (<= 0 X_0))(assert (<= X_0 1))(assert (<= Y_0 0))"
    )
    pair = [f"--network=f={files['f']}", f"--network=g={files['g']}"]
    for arguments, expected in [
        ([old, *pair], "old.vnnlib: a property in VNN-LIB 1.0 names no networks"),
        ([*pair, "--property", "1"], "names no networks"),
        (pair, "names no networks"),
        ([tmp_path / "none.vnnlib", *pair], "none.vnnlib: no such file"),
        ([files["f"], query, *pair], "files given: 2, needed: 1"),
        ([files["f"], query], "it declares 2 networks, and one is given without a name; give each as --network"),
        ([query], "network 'f' has no file; add --network f=FILE"),
        ([query, *pair, "--semantics", "real", "--units", "raw"], "only a .nnet file has two kinds of units"),
        ([query, *pair, "--picture", tmp_path / "p.png"], "pictures are drawn of one network"),
        ([files["f"], old, "--serialise-assignments", tmp_path], "has no assignments"),
        ([query, *pair, "--serialise-assignments", query], "--serialise-assignments"),
    ]:
        assert expected in refused(capsys, arguments)


def test_real_semantics_of_float32_tensors_are_refused(files, tmp_path, capsys):
    path = asked(tmp_path, HEAD + FLOAT32 + BOX + "(assert (>= Y_f[0,0] 50.0))")
    line = refused(capsys, [path, f"--network=f={files['f']}", "--semantics", "real"])
    assert "--semantics real: the query is about float32 tensors" in line


@pytest.mark.slow
def test_ctrl_c(acasxu_networks, tmp_path):
    """While boxes are searched: nothing is said, and nothing is left."""
    box = "".join(f"(assert (<= -0.3 X_f[0,{k}]))(assert (<= X_f[0,{k}] 0.3))" for k in range(5))
    text = HEAD + "".join(declared(name, shape="[1,5]", output="[1,5]") for name in "fg") + box
    text += "".join(f"(assert (== X_f[0,{k}] X_g[0,{k}]))" for k in range(5)) + "(assert (> Y_f[0,0] (+ Y_g[0,0] 3.0)))"
    path, onnx_file = asked(tmp_path, text), acasxu_networks / "ACASXU_run2a_{}_batch_2000.onnx"
    named = [f"--network={name}={str(onnx_file).format(index)}" for name, index in (("f", "1_1"), ("g", "2_2"))]
    process = start("verify", path, *named, "--results", tmp_path / "r")
    time.sleep(6)
    process.send_signal(signal.SIGINT)
    code, out, err = finish(process)
    assert (code, out) == (130, "") and "interrupted" in one_line(err) and not (tmp_path / "r").exists()
