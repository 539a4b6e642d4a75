"""Names, files and folders that others chose: names stay names, text stays text, nothing is followed or waited for."""

import csv
import json
import os
import re
import socket
import sys
from pathlib import Path

import pytest
from bench_runs import Here, bench, results, tiny_list
from command_line import one_line
from markdown_it import MarkdownIt

from engine.bench.durable import DurableTable, write_durably
from engine.bench.instances import instance_stem, network_stem, read_instances
from engine.cli import main
from engine.errors import InputError
from engine.report.rendering import markdown
from engine.results.row import Row

LONGEST = 255  # bytes of a file's name


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """No worker processes, no plots."""
    monkeypatch.setattr("engine.bench.session.Workers", Here)
    monkeypatch.setitem(sys.modules, "matplotlib", None)


# Names


@pytest.mark.parametrize(
    "names, expected",
    [
        (("ACASXU_run2a_1_1_batch_2000.onnx", "prop_1.vnnlib"), "ACASXU_run2a_1_1_batch_2000_prop_1"),
        (("net.onnx", "p3.vnnlib"), "net_p3"),
    ],
)
def test_plain_names_are_kept(names, expected):
    assert instance_stem(names) == expected and network_stem(names[0]) == names[0].removesuffix(".onnx")


ODD = [
    "n.onnx",
    "n.onnx.gz",
    "N.onnx",
    "n",
    "n.ONNX",
    "a/n.onnx",
    "a__n.onnx",
    "../n.onnx",
    "..",
    ".",
    "-n.onnx",
    " n.onnx",
    "n\n.onnx",
    "n;rm.onnx",
    "acasxu_run2a_1_1_batch_2000.onnx",
    "ACASXU_run2a_1_1_batch_2000.onnx",
    "ACASXU_RUN2A_1_1_BATCH_2000.onnx",
    "网" * 80 + ".onnx",
    "网" * 80 + "络.onnx",
    "x" * 250 + ".onnx",
    "x" * 249 + "y.onnx",
    "a_prop.onnx",
    "a.onnx",
    "é.onnx",
    "e\u0301.onnx",
    "\udcff.onnx",
    "con.onnx",
    ".onnx",
]
PROPERTIES = [
    "p.vnnlib",
    "1.vnnlib",
    "prop_1.vnnlib",
    "b_p.vnnlib",
    "P.vnnlib",
    "p.vnnlib.gz",
    "p",
    "../../p.vnnlib",
    "x" * 240 + ".vnnlib",
    ".vnnlib",
    "p-1.vnnlib",
]


def test_file_names_are_names_whatever_instances_are_called():
    stems = {instance_stem((network, prop)).casefold() for network in ODD for prop in PROPERTIES}
    assert len(stems) == len(ODD) * len(PROPERTIES)
    assert len({network_stem(name).casefold() for name in ODD}) == len(ODD)
    for stem in stems | {network_stem(name) for name in ODD}:
        assert len(os.fsencode(f"{stem}.witness.zip")) <= LONGEST and stem.isascii()
        assert os.path.basename(stem) == stem and not stem.startswith((".", "-")) and stem.isprintable()


@pytest.mark.parametrize(
    "pair",
    [
        (("a_b.onnx", "c.vnnlib"), ("a.onnx", "b_c.vnnlib")),
        (("a_prop.onnx", "1.vnnlib"), ("a.onnx", "prop_1.vnnlib")),
        (("a.onnx", "p.vnnlib"), ("A.onnx", "p.vnnlib")),
        (("a/b.onnx", "p.vnnlib"), ("a__b.onnx", "p.vnnlib")),
    ],
)
def test_two_instances_never_share_a_name(pair):
    one, other = map(instance_stem, pair)
    assert one.casefold() != other.casefold()


def test_a_run_of_long_and_odd_names_ends_and_is_resumed(tmp_path, capsys):
    """All of 150 characters and more: together they were too long for any file."""
    folder = tmp_path / "in"
    tiny_list(folder, networks=1)
    names = ["n" * 200 + ".onnx", "[bold]`|$[red].onnx", "-x.onnx", "网" * 70 + ".onnx"]
    for name in names:
        (folder / name).write_bytes((folder / "n0.onnx").read_bytes())
    prop = "p" * 200 + ".vnnlib"
    (folder / prop).write_bytes((folder / "p0.vnnlib").read_bytes())
    path = folder / "instances.csv"
    path.write_text("".join(f"{name},{prop}\n" for name in names))
    assert bench(path, tmp_path / "out", "--check", "--report") == 0
    assert bench(path, tmp_path / "out", "--check", "--report", "--resume") == 0
    assert [(row["network"], row["verdict"], row["origin"]) for row in results(tmp_path / "out")] == [
        (name, "sat", "confirmed") for name in names
    ]
    assert not any(path.name.endswith(".part") for path in (tmp_path / "out").rglob("*"))
    assert len(json.loads((tmp_path / "out" / "results.json").read_text())["instances"]) == len(names)


# Lists


@pytest.mark.parametrize(
    "head", ["network,property,timeout", "onnx,vnnlib,timeout", "Model File,Spec", "onnx_path,vnnlib_path,t"]
)
def test_a_header_is_no_instance(head, tmp_path):
    path = tmp_path / "list.csv"
    path.write_text(f"# a list\n{head}\nn.onnx,p.vnnlib,3\n")
    assert [instance.names for instance in read_instances(path)] == [("n.onnx", "p.vnnlib")]


def test_only_the_first_row_can_be_a_header(tmp_path):
    path = tmp_path / "list.csv"
    path.write_text("n.onnx,p.vnnlib\nnetwork,property\n")
    assert [instance.names[0] for instance in read_instances(path)] == ["n.onnx", "network"]


def test_rows_with_too_many_networks_are_one_row_each(tmp_path, capsys):
    path = tiny_list(tmp_path, networks=1)
    path.write_text(
        "\"[('f', 'n0.onnx'), ('g', 'onnx/m.onnx')]\",p0.vnnlib,100\n"
        "[('f', 'n0.onnx'), ('g', 'k.onnx')],p0.vnnlib,100\n"
        "n0.onnx,l.onnx,p0.vnnlib,100\n"
        "\"[('f', 'n0.onnx')]\",p0.vnnlib\n"
        "n0.onnx,p1.vnnlib\n"
    )
    assert bench(path, tmp_path / "out") == 2
    rows = results(tmp_path / "out")
    assert [(row["network"], row["verdict"]) for row in rows] == [
        ("n0.onnx+m.onnx", "error"),
        ("n0.onnx+k.onnx", "error"),
        ("n0.onnx+l.onnx", "error"),
        ("n0.onnx", "sat"),
        ("n0.onnx", "unsat"),
    ]
    for number, row in enumerate(rows[:2], 1):
        assert row["error"].startswith(
            f"{path}:{number}: p0: a VNN-LIB 1.0 text is about one network, and the row names 2"
        )
    assert rows[2]["error"].startswith(f"{path}:3: its networks have no names; write ")
    assert bench(path, tmp_path / "out", "--resume", "--verify-resumed") == 2


def test_a_warning_of_a_question_is_in_its_row_and_said(tmp_path, capsys, monkeypatch):
    path = tiny_list(tmp_path, networks=1)
    monkeypatch.setattr("engine.property.Property.warning", property(lambda self: "nothing satisfies the asserts"))
    assert bench(path, tmp_path / "out", "--report") == 0
    assert {row["warning"] for row in results(tmp_path / "out")} == {"nothing satisfies the asserts"}
    assert capsys.readouterr().out.count("nothing satisfies") == 2
    assert (tmp_path / "out" / "report.md").read_text().count("nothing satisfies") == 2


# Pipes, devices, sockets and folders


def special(kind: str, path: Path) -> Path:
    """Something that is no file, and that reading or writing may wait for."""
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        return Path("/dev/zero")
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as made:
            here = os.getcwd()
            os.chdir(path.parent)  # names of sockets are short
            made.bind(path.name)
            os.chdir(here)
    else:
        path.mkdir()
    return path


KINDS = ["pipe", "device", "socket", "folder"]


@pytest.mark.parametrize("kind", KINDS)
def test_inputs_that_are_no_files_are_one_row_at_once(kind, tmp_path, capsys):
    path = tiny_list(tmp_path, networks=1)
    odd = special(kind, tmp_path / "odd")
    path.write_text(f"{odd},p0.vnnlib\nn0.onnx,{odd}\nn0.onnx,p1.vnnlib\n")
    assert bench(path, tmp_path / "out") == 2
    assert [row["verdict"] for row in results(tmp_path / "out")] == ["error", "error", "unsat"]


@pytest.mark.parametrize("kind", KINDS)
def test_lists_and_expectations_that_are_no_files_are_one_line_at_once(kind, tmp_path, capsys):
    path = tiny_list(tmp_path, networks=1)
    odd = special(kind, tmp_path / "odd")
    assert bench(odd, tmp_path / "out") == 2
    assert str(odd) in one_line(capsys.readouterr().err)
    assert bench(path, tmp_path / "out", "--expected", odd) == 2
    assert str(odd) in one_line(capsys.readouterr().err)


FOLDERS = ["counterexamples", "certificates", "repairs"]
FILES = ["results.csv", "manifest.json", "repairs.csv", "report.html", "report.md", "results.json"]


@pytest.mark.parametrize("kind", ["pipe", "socket", "link", "dangling", "file", "folder"])
def test_what_lies_in_the_folder_is_not_followed_and_not_waited_for(kind, tmp_path, capsys):
    """Whatever the name under which it was planted, one line says so, and nothing elsewhere is touched."""
    path = tiny_list(tmp_path / "in", networks=1)
    elsewhere = tmp_path / "elsewhere"
    for name in FOLDERS + FILES:
        if kind == ("folder" if name in FOLDERS else "file"):
            continue
        out = tmp_path / f"{kind}-{name}"
        out.mkdir()
        elsewhere.mkdir() if name in FOLDERS else elsewhere.write_text("precious")
        if kind == "file":
            (out / name).touch()
        elif kind in ("link", "dangling"):
            (out / name).symlink_to(elsewhere if kind == "link" else tmp_path / "nowhere")
        else:
            special(kind, out / name)
        for options in (("--force",), ("--resume",), ()):
            assert bench(path, out, "--check", *options) == 2, (name, options)
            assert str(out) in one_line(capsys.readouterr().err)
        assert not (tmp_path / "nowhere").exists()
        if elsewhere.is_dir():
            elsewhere.rmdir()  # it is empty
        else:
            assert elsewhere.read_text() == "precious"
            elsewhere.unlink()


@pytest.mark.parametrize("name", ["results.csv", "manifest.json", "repairs.csv", *FOLDERS])
@pytest.mark.parametrize("kind", ["pipe", "link"])
def test_reports_read_no_more_than_the_folder(kind, name, tmp_path, capsys):
    out, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    out.mkdir()
    (out / "results.csv").write_text("network,property,verdict\nn.onnx,p.vnnlib,sat\n")
    elsewhere.write_text("network,property,verdict\nsecret.onnx,p.vnnlib,unsat\n")
    (out / "repairs.csv").write_text("network,properties,outcome\nn.onnx,p.vnnlib,repaired\n")
    (out / name).unlink(missing_ok=True)
    special("pipe", out / name) if kind == "pipe" else (out / name).symlink_to(elsewhere)
    code = main(["report", str(out)])
    assert code == 2 and str(out) in one_line(capsys.readouterr().err) or name == "manifest.json" and code == 0
    assert not any("secret" in path.read_text() for path in out.glob("r*") if path.is_file() and not path.is_symlink())


def test_what_is_added_goes_to_a_file_of_our_own(tmp_path):
    """A second name of somebody else's file is no way to have it changed."""
    (tmp_path / "precious").write_text("a,b\n1,2\n")
    os.link(tmp_path / "precious", tmp_path / "t.csv")
    table = DurableTable(tmp_path / "t.csv", ("a", "b"), fresh=False)
    table.append([["3", "4"]])
    assert (tmp_path / "t.csv").read_text() == "a,b\n1,2\n3,4\n"
    assert (tmp_path / "precious").read_text() == "a,b\n1,2\n"


def test_the_name_under_which_something_is_written_is_not_foreseen(tmp_path, monkeypatch):
    """Even one who foresees it gains nothing: a link there is not written through."""
    monkeypatch.setattr("secrets.token_hex", lambda size: "foreseen")
    (tmp_path / ".foreseen.part").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="a.txt: cannot be written"):
        write_durably(tmp_path / "a.txt", b"data")
    assert not (tmp_path / "elsewhere").exists()


def test_what_failed_is_said_and_not_what_cleaning_up_met(tmp_path, monkeypatch):
    def fail(*arguments, **options):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "replace", lambda *paths: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    monkeypatch.setattr(Path, "unlink", fail)
    with pytest.raises(InputError, match="No space left"):
        write_durably(tmp_path / "n", b"data")
    monkeypatch.undo()
    with pytest.raises(InputError, match="too long"):
        write_durably(tmp_path / ("n" * 300), b"data")


# Memory


def test_memory_that_is_short_in_this_process_is_one_line(tmp_path, monkeypatch, capsys):
    def fail(*arguments):
        raise MemoryError

    monkeypatch.setattr("engine.bench.session.input_hashes", fail)
    assert bench(tiny_list(tmp_path, networks=1), tmp_path / "out") == 2
    assert "out of memory" in one_line(capsys.readouterr().err)


@pytest.mark.parametrize(
    "where", ["engine.bench.decide.verify_all", "engine.bench.checks.check", "engine.bench.questions.certificate_bytes"]
)
def test_memory_that_is_short_in_a_worker_is_a_row(where, tmp_path, monkeypatch, capsys):
    def fail(*arguments, **options):
        raise MemoryError

    path = tiny_list(tmp_path, networks=1)
    monkeypatch.setattr(where, fail)
    code = bench(path, tmp_path / "out", "--check")
    assert code == (0 if "checks" in where else 2)
    assert all("out of memory" in row["error"] and row["check"] == "" for row in results(tmp_path / "out"))
    monkeypatch.undo()
    monkeypatch.setattr("engine.bench.session.Workers", Here)
    assert bench(path, tmp_path / "out", "--check", "--resume", "--verify-resumed") == 0
    assert {row["check"] for row in results(tmp_path / "out")} == {"accepted"}


# Text of others, as text


HOSTILE = ["[/x]", "[bold red]all hold[/bold red]", "\\[x]", "[link=http://e.org]x[/link]", "a\\"]


def test_names_are_no_markup_on_the_terminal(tmp_path, capsys):
    from engine.cli.output import show
    from engine.results.tables import differences, hardest, remarks, repairs, summary

    rows = [Row(name, name, "unsat", error=name, warning="\x1b[31mred\r\n") for name in HOSTILE]
    columns = "network", "properties", "method", "error", "seconds", "changed_outside", "weights", "origin"
    table = [dict.fromkeys(columns, name) | {"outcome": "repaired"} for name in HOSTILE]
    show(
        summary(rows, seconds=1.0),
        hardest(rows),
        remarks(rows),
        repairs(table),
        differences([(row, "sat") for row in rows], title="mismatches"),
    )
    out = capsys.readouterr().out
    assert "\x1b" not in out and out.count("[bold red]all hold[/bold red]") >= 2
    assert all(name in out for name in HOSTILE)


FOREIGN = [
    "<script>alert(1)</script>",
    "a|b",
    "`code`",
    "# heading",
    "- item",
    "1. item",
    "> quote",
    "***",
    "===",
    "_x_",
    "__x__",
    "*x*",
    "~~x~~",
    "[x](http://e.org)",
    "![x](y.png)",
    "http://e.org",
    "www.e.org",
    "<b>",
    "&lt;",
    "a\nb\n\n# c",
    "\x1b[31mred",
    "\x9b31m",
    "| | |\n|---|",
    "$x$",
    "    code",
    "\u202ereversed",
    "\\",
    "```\nx",
    "a\\|b",
]


@pytest.mark.parametrize("name", FOREIGN)
def test_names_are_text_in_markdown(name):
    """By a reader of Markdown: in a paragraph, a heading, a list and a table there is just this text."""
    reader = MarkdownIt("gfm-like", {"linkify": False})
    text = markdown(name)
    wanted = " ".join("".join("\ufffd" if c in "\x1b\x9b\u202e" else c for c in name).split())
    page = f"# {text}\n\nReason: {text}\n\n- By {text}\n\n| a | b |\n|---|---|\n| x {text} | {text} |\n"
    tokens = reader.parse(page)
    kinds = [token.type for token in tokens if token.type.endswith("_open")]
    assert kinds == [
        "heading_open",
        "paragraph_open",
        "bullet_list_open",
        "list_item_open",
        "paragraph_open",
        "table_open",
        "thead_open",
        "tr_open",
        "th_open",
        "th_open",
        "tbody_open",
        "tr_open",
        "td_open",
        "td_open",
    ]
    inline = [token for token in tokens if token.type == "inline"]
    shown = ["".join(child.content for child in token.children) for token in inline]
    assert {child.type for token in inline for child in token.children} <= {"text", "text_special"}
    assert shown == [wanted, f"Reason: {wanted}", f"By {wanted}", "a", "b", f"x {wanted}", wanted]
    assert not re.search(r"(?<!\\)://|www\.", text)  # of which GitHub makes links


def write_table(path: Path, head: list[str], rows) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([head, *rows])


def test_a_report_of_hostile_names_has_the_structure_of_any(tmp_path):
    """Of a folder whose every cell is foreign text, report.md has just as many tables, headings and cells."""
    structures = []
    for count, names in enumerate(([f"plain{i}" for i in range(len(FOREIGN))], FOREIGN)):
        out = tmp_path / str(count)
        out.mkdir()
        write_table(
            out / "results.csv",
            ["network", "property", "verdict", "error"],
            ([f"{i} {name}", f"{i} {name}", "error", name] for i, name in enumerate(names)),
        )
        write_table(
            out / "repairs.csv",
            ["network", "properties", "outcome", "method", "error"],
            ([f"{i} {name}", name.replace(";", ""), "error", name, name] for i, name in enumerate(names)),
        )
        (out / "manifest.json").write_text(
            json.dumps(
                {
                    "engine": names[-1],
                    "machine": dict(zip(names, names)),
                    "inputs": dict(zip(names, names)),
                    "command": names[3],
                }
            )
        )
        assert main(["report", str(out)]) == 0
        text = (out / "report.md").read_text(encoding="utf-8")
        assert "\x1b" not in text and "\x9b" not in text and "<script" not in text
        structures.append([token.type for token in MarkdownIt("gfm-like", {"linkify": False}).parse(text)])
    assert structures[0] == structures[1]
