"""Files given to commands: what is none is refused at once; names as long as they may be."""

import gzip
import os
import shutil
import socket
import threading

import pytest
from bench_runs import Here
from cases import case, prop, row
from command_line import one_line
from onnx_graphs import f32, model, node

from engine.certificate import lookup
from engine.certificate.lookup import _by_hash
from engine.cli import main
from engine.errors import InputError
from engine.files import MAX_NAME, fitting, prepare, unwritable, write_bytes
from engine.vnnlib.writer import property_text

HOLDS = prop(case([0, 0, 0], [1, 1, 1], [row([1, 0], 10)]), n_outputs=2)  # unsafe: y0 <= -10
HERE = {
    "pipe": "it is a pipe",
    "device": "it is a device",
    "folder": "directory",
    "socket": "No such device or address",
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A network, a property and a certificate."""
    folder = tmp_path_factory.mktemp("made")
    proto = model([node("Gemm", "x W b", "y")], {"W": f32([1, 2], [3, 4], [5, 6]), "b": f32(0, 1)})
    (folder / "net.onnx").write_bytes(proto.SerializeToString())
    (folder / "p.vnnlib").write_text(property_text(HOLDS))
    paths = [str(folder / name) for name in ("net.onnx", "p.vnnlib", "c.proof.zip")]
    assert main(["verify", *paths[:2], "--certificate", paths[2]]) == 0
    return folder


@pytest.fixture
def folder(made, tmp_path, monkeypatch):
    """The same, and things that are no files."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "device").symlink_to("/dev/zero")
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path)  # names of sockets are short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
        yield tmp_path


COMMANDS = {
    "verify network": "verify {} p.vnnlib",
    "verify property": "verify net.onnx {}",
    "info": "info {}",
    "repair network": "repair {} p.vnnlib --out r.onnx",
    "repair property": "repair net.onnx {} --out r.onnx",
    "repair --keep": "repair net.onnx p.vnnlib --keep {} --out r.onnx",
    "repair --points": "repair net.onnx --points {} --decision lowest --out r.onnx",
    "repair --held-out": "repair net.onnx --points pts.csv --decision lowest --held-out {} --out r.onnx",
    "compare": "compare net.onnx {}",
    "compare property": "compare net.onnx net.onnx {}",
    "check": "check {} --network net.onnx --property p.vnnlib",
    "check network": "check c.proof.zip --network {} --property p.vnnlib",
    "check property": "check c.proof.zip --network net.onnx --property {}",
    "bench": "bench {} --out run",
    "bench --expected": "bench list.csv --out run --expected {}",
    "report": "report {}",
}


@pytest.mark.parametrize("kind", HERE)
@pytest.mark.parametrize("name", COMMANDS)
def test_what_is_no_file_is_refused_at_once(folder, name, kind, capsys):
    (folder / "pts.csv").write_text("x0,x1,x2,wanted\n0,0,0,1\n")
    (folder / "list.csv").write_text("net.onnx,p.vnnlib\n")
    code = []
    thread = threading.Thread(target=lambda: code.append(main(COMMANDS[name].format(kind).split())), daemon=True)
    thread.start()
    thread.join(60)
    assert not thread.is_alive(), "it hangs"
    out, err = capsys.readouterr()
    assert code == [2] and "Traceback" not in err and "internal error" not in err
    assert len((out + err).strip().splitlines()) <= 2 and kind in out + err


@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_the_line_says_what_it_is(folder, kind, capsys):
    for arguments in (
        ["info", kind],
        ["verify", "net.onnx", kind],
        ["repair", "net.onnx", "--points", kind, "--decision", "lowest", "--out", "r"],
    ):
        assert main(arguments) == 2
        assert HERE[kind] in one_line(capsys.readouterr().err)


def test_in_a_list_it_is_a_row_with_an_error(folder, monkeypatch, capsys):
    """The others are decided."""
    monkeypatch.setattr("engine.bench.session.Workers", Here)
    (folder / "list.csv").write_text("net.onnx,p.vnnlib\npipe,p.vnnlib\nnet.onnx,device\nfolder,p.vnnlib\n")
    assert main(["bench", "list.csv", "--out", "run", "--jobs", "1"]) == 2
    rows = (folder / "run" / "results.csv").read_text()
    assert "unsat" in rows and "it is a pipe" in rows and "it is a device" in rows and "directory" in rows


def test_a_pipe_as_output_is_refused_before_the_work(folder, capsys):
    for option in ("--results", "--certificate"):
        assert main(["verify", "net.onnx", "p.vnnlib", option, "pipe"]) == 2
        assert f"{option} pipe: this is a pipe; name a file" in one_line(capsys.readouterr().err)


# Names


def of_length(length: int, ending: str) -> str:
    return "n" * (length - len(ending)) + ending


@pytest.mark.parametrize("length", [150, 240, 255])
def test_long_names_are_names(folder, length):
    results, certificate = of_length(length, ".txt"), of_length(length, ".proof.zip")
    network, spec = of_length(length, ".onnx"), of_length(length, ".vnnlib")
    os.rename("net.onnx", network)
    os.rename("p.vnnlib", spec)
    assert main(["verify", network, spec, "--results", results, "--certificate", certificate]) == 0
    assert (folder / results).read_text() == "unsat\n"
    report = of_length(length, ".html")
    assert main(["check", certificate, "--network", network, "--property", spec, "--report", report]) == 0
    assert (folder / report).stat().st_size > 0
    out, few = of_length(length, "r.onnx"), ["--samples", "100", "--grid", "2", "--method", "milp"]
    assert main(["repair", network, spec, "--out", out, *few]) == 0
    (certificates,) = (path for path in folder.iterdir() if path.is_dir() and path.name not in ("folder",))
    (name,) = os.listdir(certificates)
    assert main(["check", str(certificates / name), "--network", out, "--property", spec]) == 0
    assert not [path for path in os.listdir() if path.startswith(".")]


@pytest.mark.parametrize("length", [256, 300, 5000])
def test_longer_ones_are_one_line(folder, length, capsys):
    usual = ["net.onnx", "p.vnnlib"]
    commands = [
        ["verify", *usual, option, of_length(length, ending)]
        for option, ending in (("--results", ".txt"), ("--certificate", ".zip"), ("--picture", ".png"))
    ]
    commands += [
        ["repair", *usual, "--out", of_length(length, ".onnx")],
        ["repair", *usual, "--out", "r.onnx", "--certificates", of_length(length, "c")],
        ["repair", *usual, "--out", "r.onnx", "--state", of_length(length, "s")],
        ["repair", "net.onnx", "--points", of_length(length, ".csv"), "--decision", "lowest", "--out", "r.onnx"],
        ["compare", "net.onnx", of_length(length, ".onnx")],
        ["check", of_length(length, ".zip"), "--network", "net.onnx", "--property", "p.vnnlib"],
        ["check", "c.zip", "--network", of_length(length, ".onnx"), "--property", "p.vnnlib"],
        ["check", "c.zip", "--network", "net.onnx", "--property", "p.vnnlib", "--report", of_length(length, ".html")],
        ["info", of_length(length, ".onnx")],
        ["verify", "net.onnx", of_length(length, ".vnnlib")],
        ["fetch", "--from", of_length(length, "x"), "--to", "to"],
        ["fetch", "--to", of_length(length, "x")],
        ["verify", "--network", "1,1", "--property", "1", "--data", of_length(length, "d")],
    ]
    before = sorted(os.listdir())
    for command in commands:
        assert main(command) == 2, command
        assert "long" in one_line(capsys.readouterr().err), command
    assert sorted(os.listdir()) == before


def test_shortened_names():
    assert fitting("prop_1", ".zip") == "prop_1.zip"
    long = ["a" * 300, "a" * 299 + "b", "é" * 200, "é" * 201, "a" * 252, "\udcff" * 300]
    short = [fitting(name, ".zip") for name in long]
    assert len(set(short)) == len(long)
    assert all(len(os.fsencode(name)) <= MAX_NAME and name.endswith(".zip") for name in short)


def test_the_first_error_is_what_is_told(tmp_path, monkeypatch):
    """That nothing can be cleaned up hides nothing."""

    def fails(*_, **__):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("pathlib.Path.unlink", fails)
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OSError, match="No space left") as caught:
        write_bytes(tmp_path / "x", b"data")
    assert "No space left" in str(unwritable(caught.value, tmp_path))
    with pytest.raises(InputError, match="Read-only"):
        prepare(tmp_path / "x", option="--out")


# Folders in which networks and properties are looked up


def looked_up(folder, **places) -> tuple[int, str]:
    arguments = [part for name, place in places.items() for part in (f"--{name}", str(place))]
    _by_hash.cache_clear()
    return main(["check", str(folder / "c.proof.zip"), *arguments])


def test_subfolders_are_searched(folder):
    """With copies, links out and links in a circle beside."""
    deep = folder / "deep" / "er"
    deep.mkdir(parents=True)
    os.rename("net.onnx", deep / "other.onnx")
    os.rename("p.vnnlib", deep / "p.vnnlib")
    (folder / "deep" / "wrong.onnx").write_bytes(b"no network")
    (folder / "deep" / "pipe.onnx").symlink_to(folder / "pipe")
    (deep / "circle").symlink_to(folder / "deep")
    assert looked_up(folder, network=folder, property=folder) == 0
    assert looked_up(folder, network=folder / "deep", property=deep) == 0
    assert looked_up(folder, network=folder / "deep", property=folder / "folder") == 2


def test_links_to_folders_are_not_followed(folder, tmp_path_factory, capsys):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    os.rename("net.onnx", elsewhere / "net.onnx")
    (folder / "folder" / "link").symlink_to(elsewhere)
    assert looked_up(folder, network=folder / "folder", property=folder) == 2
    assert "no file in it has the SHA-256" in capsys.readouterr().out
    assert looked_up(folder, network=elsewhere, property=folder) == 0


def test_the_search_is_bounded(folder, monkeypatch, capsys):
    monkeypatch.setattr(lookup, "MAX_ENTRIES", 20)
    for number in range(30):
        (folder / "folder" / f"{number}.txt").touch()
    assert looked_up(folder, network=folder, property=folder) == 2
    assert "it holds more than 20 files and folders; name the file itself" in capsys.readouterr().out
    deep = folder
    for _ in range(40):
        deep /= "d"
    deep.mkdir(parents=True)
    monkeypatch.setattr(lookup, "MAX_ENTRIES", 1000)
    os.rename("net.onnx", deep / "net.onnx")
    assert looked_up(folder, network=folder, property=folder) == 2
    assert looked_up(folder, network=deep.parents[5], property=folder) == 0


def test_a_file_called_gz_alone_is_compressed(folder):
    """As the format says of all whose names end so; the checker reads it like the engine."""
    for name, ending in (("net.onnx", ".onnx"), ("p.vnnlib", ".vnnlib")):
        (folder / ending).mkdir()
        (folder / ending / ".gz").write_bytes(gzip.compress((folder / name).read_bytes()))
    files = [str(folder / ".onnx" / ".gz"), str(folder / ".vnnlib" / ".gz")]
    assert main(["verify", *files]) == main(["verify", "net.onnx", "p.vnnlib"]) in (0, 1)
