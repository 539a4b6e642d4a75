"""Names and places of files at random: an answer or one line, never a crash, a hang or a file left behind."""

import os
import random
import shutil

import onnx
import pytest
import second_checker_network
from cases import case, prop, row
from fuzzing import seeds
from onnx_graphs import f32, model, node

from engine.audit.failures import Malformed
from engine.audit.onnx_reader import read_network
from engine.cli import main
from engine.errors import InputError
from engine.onnx_file import load_network
from engine.vnnlib.writer import property_text

PROTO = model([node("Gemm", "x W b", "y")], {"W": f32([1, 2], [3, 4], [5, 6]), "b": f32(0, 1)})
TEXT = property_text(prop(case([0, 0, 0], [1, 1, 1], [row([1, 0], 10)]), n_outputs=2))
PIECES = [
    "a",
    "A",
    ".",
    "..",
    " ",
    "  ",
    "-",
    "--",
    "'",
    '"',
    "\\",
    ";",
    "%",
    "{}",
    "$x$",
    "\t",
    "\n",
    "\r",
    "\x1b[2J",
    "\x07",
    "\x7f",
    "é",
    "名",
    "\u202e",
    ".gz",
    ".onnx",
    ".vnnlib",
    ".zip",
    "*",
    "?",
    "[",
    "~",
    ",",
    "\udcff",
]
ENDINGS = ["", ".onnx", ".onnx.gz", ".vnnlib", ".proof.zip", ".txt", ".png", ".html"]


def a_name(random: random.Random) -> str:
    """That a file can have, or nearly."""
    name = "".join(random.choices(PIECES, k=random.randint(1, 6))) + random.choice(ENDINGS)
    if random.random() < 0.3:
        name = "n" * random.choice([100, 150, 200, 240, 250, 255, 256, 300]) + name
    return name


def listed(folder) -> set[str]:
    return set(os.listdir(folder))


def test_names_of_files(tmp_path, capsys, monkeypatch):
    """Given to commands as inputs and as outputs."""
    monkeypatch.chdir(tmp_path)
    for seed in seeds():
        choose = random.Random(seed)
        folder = tmp_path / "here"
        folder.mkdir()
        names = {kind: a_name(choose) for kind in ("network", "property", "output")}
        paths = {kind: os.path.join(folder, name) for kind, name in names.items()}
        try:
            with open(paths["network"], "xb") as file:
                file.write(PROTO.SerializeToString())
            with open(paths["property"], "x") as file:
                file.write(TEXT)
        except OSError:  # not a name, or twice the same
            pass
        before = listed(folder)
        commands = [
            ["info", paths["network"]],
            [
                "verify",
                paths["network"],
                paths["property"],
                choose.choice(["--results", "--certificate"]),
                paths["output"],
            ],
            ["check", paths["output"], "--network", paths["network"], "--property", paths["property"]],
            [
                "repair",
                paths["network"],
                paths["property"],
                "--out",
                paths["output"],
                "--samples",
                "10",
                "--grid",
                "1",
                "--method",
                "milp",
            ],
        ]
        command = choose.choice(commands)
        code = main(command)
        out, err = capsys.readouterr()
        assert code in (0, 1, 2, 3) and "internal error" not in err, (seed, command, err)
        left = listed(folder) - before
        assert not [name for name in left if name.startswith(".") and name.endswith(".part")], (seed, left)
        assert code < 2 or not left, (seed, command, left)
        shutil.rmtree(folder)


LOCATIONS = [
    "w.data",
    "./w.data",
    "sub/w.data",
    "sub//w.data",
    "sub/./w.data",
    "../w.data",
    "sub/../w.data",
    "/etc/passwd",
    "",
    ".",
    "..",
    "link",
    "out/w.data",
    "pipe",
    "w.data\n",
    "w.data\0",
    "W.data",
    "sub",
    "net.onnx",
    "é.data",
]
COUNTS = ["0", "4", "8", "24", "32", "00", "-1", "", "1e1", "٣", " 8", "+8", "9" * 15, "9" * 16, "0x8", "16"]


@pytest.fixture
def place(tmp_path):
    folder = tmp_path / "net"
    (folder / "sub").mkdir(parents=True)
    (tmp_path / "w.data").write_bytes(bytes(range(32)))
    for name in ("w.data", "sub/w.data", "é.data"):
        (folder / name).write_bytes(bytes(range(32)))
    (folder / "link").symlink_to("sub/w.data")
    (folder / "out").symlink_to(tmp_path)
    os.mkfifo(folder / "pipe")
    return folder


def test_external_data_at_random(place):
    """Three readers that share no code agree on what is one, and on its name."""
    taken = 0
    for seed in seeds():
        choose = random.Random(seed)
        proto = onnx.ModelProto()
        proto.CopyFrom(PROTO)
        for tensor in choose.sample(list(proto.graph.initializer), choose.randint(1, 2)):
            size = len(tensor.raw_data)
            if choose.random() < 0.95:
                tensor.ClearField("raw_data")
            tensor.data_location = tensor.EXTERNAL
            location = choose.choice(LOCATIONS[:3] if choose.random() < 0.7 else LOCATIONS)
            offset, length = (
                ("0", str(size)) if choose.random() < 0.6 else (choose.choice(COUNTS), choose.choice(COUNTS))
            )
            for key, value in (("location", location), ("offset", offset), ("length", length), ("checksum", "?")):
                if choose.random() < 0.9:
                    tensor.external_data.add(key=key, value=value)
            if choose.random() < 0.03:
                tensor.dims[0] = choose.choice([0, -1, 1, 2**40, 7])
        (place / "net.onnx").write_bytes(proto.SerializeToString())
        found = [read(load, place / "net.onnx") for load in (load_network, read_network)]
        assert found[0] == found[1], (seed, found)
        try:
            second = second_checker_network.read_model(place / "net.onnx")[1]
        except (ValueError, LookupError, TypeError, OSError):
            second = None
        assert found[0] is None or second == found[0], (seed, found, second)
        taken += found[0] is not None
    assert taken


def read(load, path) -> str | None:
    try:
        return load(path).sha256
    except (InputError, Malformed) as error:
        assert len(str(error).splitlines()) == 1 and str(error).isprintable()
        return None
