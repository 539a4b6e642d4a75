"""ONNX files whose numbers stand in files beside them: all readers read them alike, certificates bind them."""

import gzip
import json
import os
import socket
from hashlib import sha256

import numpy as np
import onnx
import pytest
import second_checker
import second_checker_network
from bench_runs import Here
from cases import case, prop, row
from command_line import one_line
from onnx_graphs import f32, model, node

from engine.audit.check import check
from engine.audit.failures import Malformed
from engine.audit.onnx_data import network_hash
from engine.audit.onnx_reader import read_network
from engine.bench.inputs import input_hashes
from engine.cli import main
from engine.errors import InputError
from engine.onnx_file import describe, load_network, parse_network, save_network
from engine.replay import replay
from engine.vnnlib.writer import property_text

W, B, V = f32([1, 2], [3, 4], [5, 6]), f32(7, 8), f32([1], [-1])
NODES = [node("MatMul", "x W", "a"), node("Add", "a B", "b"), node("Relu", "b", "c"), node("MatMul", "c V", "y")]


def inside():
    return model(NODES, {"W": W, "B": B, "V": V})


@pytest.fixture
def path(tmp_path):
    """As the default torch export writes it: one file of data beside the network."""
    onnx.save(inside(), tmp_path / "net.onnx", save_as_external_data=True, location="net.onnx.data", size_threshold=0)
    return tmp_path / "net.onnx"


def changed(path, change) -> None:
    proto = onnx.ModelProto.FromString(path.read_bytes())
    change({tensor.name: tensor for tensor in proto.graph.initializer})
    path.write_bytes(proto.SerializeToString())


def entry(tensor, key: str, value: str | None) -> None:
    """Sets an entry of a tensor's external data, or takes it away."""
    left = [(e.key, e.value) for e in tensor.external_data if e.key != key] + [(key, value)] * (value is not None)
    del tensor.external_data[:]
    for key, value in left:
        tensor.external_data.add(key=key, value=value)


def layers(network) -> list:
    return [(a.weight.tolist(), a.bias.tolist(), a.relu) for a in network.layers]


def identity(path) -> str:
    """By hand, from the format's section 1."""
    lines = [f"{sha256(path.read_bytes()).hexdigest()}  \n"]
    for name in sorted(p.name for p in path.parent.iterdir() if p.name != path.name):
        lines.append(f"{sha256((path.parent / name).read_bytes()).hexdigest()}  {name}\n")
    return sha256("".join(lines).encode()).hexdigest()


def test_all_readers_read_the_same(path):
    network = load_network(path)
    assert layers(network) == layers(read_network(path)) == layers(parse_network(inside().SerializeToString()))
    assert network.sha256 == read_network(path).sha256 == second_checker_network.read_model(path)[1] == identity(path)
    assert input_hashes([], {"net.onnx": path}) == {"net.onnx": identity(path)}
    assert replay(network, f32([1, 0, 0])).tolist() == [[-2]]


def test_a_file_for_each_tensor(tmp_path):
    onnx.save(
        inside(), tmp_path / "net.onnx", save_as_external_data=True, all_tensors_to_one_file=False, size_threshold=0
    )
    path = tmp_path / "net.onnx"
    assert sorted(os.listdir(tmp_path)) == ["B", "V", "W", "net.onnx"]
    assert (
        load_network(path).sha256 == network_hash(path) == second_checker_network.read_model(path)[1] == identity(path)
    )
    assert describe(path).data_files == ("B", "V", "W")


def test_constant_nodes_and_the_rest_of_a_file(tmp_path):
    """Without offset and length it is the whole file."""
    tensor = onnx.TensorProto(dims=[3, 2], data_type=1, data_location=1)
    entry(tensor, "location", "sub/W.bin")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "W.bin").write_bytes(W.tobytes())
    path = tmp_path / "net.onnx"
    path.write_bytes(model([node("Constant", "", "W", value=tensor), *NODES], {"B": B, "V": V}).SerializeToString())
    assert (
        layers(load_network(path)) == layers(read_network(path)) == layers(parse_network(inside().SerializeToString()))
    )
    assert load_network(path).sha256 == read_network(path).sha256 == second_checker_network.read_model(path)[1]


def test_whatever_changes_it_is_another_network(path):
    before = load_network(path).sha256
    data = path.with_name("net.onnx.data")
    data.write_bytes(data.read_bytes() + b"unused")  # no number changes, but the file does
    assert before != load_network(path).sha256 == read_network(path).sha256
    data.write_bytes(data.read_bytes()[:-6])
    assert load_network(path).sha256 == before
    changed(path, lambda tensors: setattr(tensors["W"], "doc_string", "other"))
    assert load_network(path).sha256 == read_network(path).sha256 != before


HOSTILE = {
    "absolute": lambda t: entry(t["W"], "location", "/etc/passwd"),
    "upwards": lambda t: entry(t["W"], "location", "../net.onnx.data"),
    "upwards inside": lambda t: entry(t["W"], "location", "sub/../net.onnx.data"),
    "nowhere": lambda t: entry(t["W"], "location", "none.data"),
    "no location": lambda t: entry(t["W"], "location", None),
    "empty location": lambda t: entry(t["W"], "location", ""),
    "the folder": lambda t: entry(t["W"], "location", "."),
    "a subfolder": lambda t: entry(t["W"], "location", "folder"),
    "a link out": lambda t: entry(t["W"], "location", "link.data"),
    "a folder that is a link out": lambda t: entry(t["W"], "location", "out/secret.data"),
    "a pipe": lambda t: entry(t["W"], "location", "pipe.data"),
    "a socket": lambda t: entry(t["W"], "location", "socket.data"),
    "two lines": lambda t: entry(t["W"], "location", "net.onnx.data\nx"),
    "null": lambda t: entry(t["W"], "location", "net\0.data"),
    "negative offset": lambda t: entry(t["W"], "offset", "-4"),
    "offset behind the end": lambda t: entry(t["W"], "offset", "1000000"),
    "huge offset": lambda t: entry(t["W"], "offset", str(2**63)),
    "offset no number": lambda t: entry(t["W"], "offset", "0x0"),
    "other digits": lambda t: entry(t["W"], "offset", "٣"),
    "short": lambda t: entry(t["W"], "length", "20"),
    "long": lambda t: entry(t["W"], "length", "28"),
    "no length, not to the end": lambda t: entry(t["W"], "length", None),
    "unknown key": lambda t: entry(t["W"], "basepath", "sub"),
    "twice": lambda t: t["W"].external_data.add(key="location", value="net.onnx.data"),
    "inside too": lambda t: setattr(t["W"], "raw_data", W.tobytes()),
    "huge shape": lambda t: t["W"].dims.__setitem__(0, 2**40),
    "negative shape": lambda t: t["W"].dims.__setitem__(0, -3),
    "empty shape": lambda t: t["W"].dims.__setitem__(0, 0),
    "half precision": lambda t: setattr(t["W"], "data_type", 10),
    "strings": lambda t: setattr(t["W"], "data_type", 8),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_places(path, name, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "secret.data").write_bytes(bytes(24))
    folder = path.parent
    (folder / "folder").mkdir()
    (folder / "link.data").symlink_to(elsewhere / "secret.data")
    (folder / "out").symlink_to(elsewhere)
    os.mkfifo(folder / "pipe.data")
    with socket.socket(socket.AF_UNIX) as server:
        here = os.getcwd()
        os.chdir(folder)  # names of sockets are short
        server.bind("socket.data")
        os.chdir(here)
        changed(path, HOSTILE[name])
        with pytest.raises(InputError) as caught:
            load_network(path)
        with pytest.raises(Malformed) as rejected:
            read_network(path)
        with pytest.raises((ValueError, KeyError, TypeError)):
            second_checker_network.read_model(path)
    for error in (caught, rejected):
        assert str(error.value).startswith(f"{path}: ") and len(str(error.value).splitlines()) == 1
    assert ";" in str(caught.value)  # what to do
    assert input_hashes([], {"net": path}) == {"net": None}


def test_links_that_stay_are_followed(path):
    data = path.with_name("net.onnx.data")
    data.rename(path.with_name("real.data"))
    data.symlink_to("real.data")
    assert layers(load_network(path)) == layers(read_network(path))


def test_parts_named_again_and_again_are_counted(path, monkeypatch):
    """They would fill the memory many times over."""
    monkeypatch.setattr("engine.onnx_file.reader.MAX_BYTES", path.stat().st_size + 30)
    monkeypatch.setattr("engine.audit.onnx_data.MAX_BYTES", path.stat().st_size + 30)
    with pytest.raises(InputError, match="hold more than .* bytes"):
        load_network(path)
    with pytest.raises(Malformed, match="hold more than"):
        read_network(path)


def test_a_data_file_that_is_too_large_is_not_read(path, monkeypatch):
    limit = path.stat().st_size + 100
    with path.with_name("net.onnx.data").open("r+b") as file:
        file.truncate(2**40)  # without taking room
    monkeypatch.setattr("engine.onnx_file.reader.MAX_BYTES", limit)
    monkeypatch.setattr("engine.audit.onnx_data.MAX_BYTES", limit)
    with pytest.raises(InputError, match="too large"):
        load_network(path)
    with pytest.raises(Malformed, match="holds more than"):
        read_network(path)


def test_compressed_networks_have_all_inside(path):
    packed = path.with_name("net.onnx.gz")
    packed.write_bytes(gzip.compress(path.read_bytes()))
    with pytest.raises(InputError, match="compressed"):
        load_network(packed)
    with pytest.raises(Malformed, match="compressed"):
        read_network(packed)


def test_bytes_alone_lack_their_data(path):
    with pytest.raises(InputError, match="keeps its data outside the file"):
        parse_network(path.read_bytes())


# What is done with them


HOLDS = prop(case([0, 0, 0], [1, 1, 1], [row([1], 10)]), n_outputs=1)  # unsafe: y <= -10; y is -1 - x0 - x1 - x2


@pytest.fixture
def question(path):
    (path.parent / "holds.vnnlib").write_text(property_text(HOLDS))
    return path, path.with_name("holds.vnnlib")


def test_certificates_bind_both_files(question, tmp_path_factory, capsys):
    network, spec = question
    certificate = tmp_path_factory.mktemp("certificates") / "c.proof.zip"
    assert main(["verify", str(network), str(spec), "--certificate", str(certificate)]) == 0
    assert check(certificate, network, spec).accepted and check(certificate, network, spec, arithmetic="exact").accepted
    assert second_checker.accepts(certificate, network, spec)
    folder = str(network.parent)
    assert main(["check", str(certificate), "--network", folder, "--property", folder]) == 0
    assert str(network.name)[:3] in capsys.readouterr().out
    data = network.with_name("net.onnx.data")
    other = np.frombuffer(data.read_bytes(), np.float32).copy()
    other[0] += 1
    before = data.read_bytes()
    data.write_bytes(other.tobytes())
    assert not check(certificate, network, spec).accepted and not second_checker.accepts(certificate, network, spec)
    assert main(["check", str(certificate), "--network", str(network), "--property", str(spec)]) == 1
    data.write_bytes(before)
    path = network.with_name("inside.onnx")
    path.write_bytes(inside().SerializeToString())  # the same function, but not the same files
    assert not check(certificate, path, spec).accepted
    data.unlink()
    assert main(["check", str(certificate), "--network", str(network), "--property", str(spec)]) == 2
    assert "net.onnx.data" in capsys.readouterr().out
    assert main(["verify", str(network), str(spec)]) == 2
    assert "data file 'net.onnx.data': it is missing; put it beside the network" in one_line(capsys.readouterr().err)


def test_info_names_the_data_file(path, capsys):
    assert main(["info", str(path)]) == 0
    out = capsys.readouterr().out
    assert "data       net.onnx.data\n" in out and identity(path) in out
    assert main(["info", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["data_files"] == ["net.onnx.data"]


def test_written_networks_have_all_inside(path):
    """Their name is that of the one file that was written, even where no number changed."""
    saved = save_network(load_network(path), path.with_name("copy.onnx"))
    assert saved.sha256 == sha256(path.with_name("copy.onnx").read_bytes()).hexdigest()
    path.with_name("net.onnx.data").unlink()
    copy = load_network(path.with_name("copy.onnx"))
    assert copy.sha256 == saved.sha256 and layers(copy) == layers(parse_network(inside().SerializeToString()))


def test_repair_of_what_holds_writes_one_file(question, tmp_path_factory):
    network, spec = question
    out = tmp_path_factory.mktemp("out") / "r.onnx"
    assert (
        main(
            [
                "repair",
                str(network),
                str(spec),
                "--out",
                str(out),
                "--method",
                "milp",
                "--samples",
                "100",
                "--grid",
                "2",
            ]
        )
        == 0
    )
    certificates = out.with_name("r.certificates")
    assert check(certificates / "holds.proof.zip", out, spec).accepted


def test_a_batch_notices_changed_data(question, tmp_path_factory, monkeypatch, capsys):
    monkeypatch.setattr("engine.bench.session.Workers", Here)
    network, spec = question
    (network.parent / "list.csv").write_text("net.onnx,holds.vnnlib,10\n")
    out = tmp_path_factory.mktemp("run") / "run"
    command = ["bench", str(network.parent / "list.csv"), "--out", str(out), "--jobs", "1"]
    assert main(command) == 0
    data = network.with_name("net.onnx.data")
    data.write_bytes(data.read_bytes() + b"\0")
    capsys.readouterr()
    assert main([*command, "--resume"]) == 2
    assert "net.onnx" in capsys.readouterr().err
