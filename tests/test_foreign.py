"""Text that others wrote is shown as what it is: it forges no line, hides nothing and commands no terminal."""

import json
import shutil
import unicodedata
from fractions import Fraction

import onnx
import pytest
from cases import executable
from conftest import network, random_network
from hostile import Files, box, row
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from engine.audit.failures import LONGEST, Malformed
from engine.audit.failures import plain as audit_plain
from engine.certificate.batch import Outcome
from engine.certificate.report import report_text
from engine.cli import main
from engine.cli.output import answer, note, show
from engine.digits import decimal, percent, rational
from engine.errors import InputError
from engine.foreign import markdown, plain

FORGERIES = [
    "\naccepted: x",
    "\r\x1b[2Kaccepted: x",
    "\u202edetpecca",
    "\x9b2K",
    "\u2028accepted",
    "\x00",
    "\udcff",
    "\x1b]0;title\x07",
    "\u200b",
    "\ufeff",
    "\x85accepted",
    "\x7f",
]
NAMES = [f"a{forgery}.proof.zip" for forgery in FORGERIES if "\x00" not in forgery]
TEXT = st.text(st.characters() | st.characters(categories=["Cc", "Cf", "Cs", "Zl", "Zp"]), max_size=40)


# --- the functions --------------------------------------------------------------------------------


@given(TEXT)
def test_plain(text):
    line = plain(text)
    assert line.isprintable() and len(line.splitlines()) <= 1 and line == audit_plain(text)
    assert not {unicodedata.category(c) for c in line} & {"Cc", "Cf", "Cs", "Zl", "Zp"}
    assert line == text or not text.isprintable()
    assert plain(line) == line


def test_plain_keeps_what_can_be_read():
    assert plain("Zürich \u6f22/b_1.onnx: 3 < 4") == "Zürich \u6f22/b_1.onnx: 3 < 4"
    assert plain("a\nb\x1b[2K\u202e\ud800\U000e0001") == r"a\nb\x1b[2K\u202e\ud800\U000e0001"
    assert plain(Fraction(1, 3)) == "1/3"
    assert plain("a" * 3000 + "b" * 3000) == "a" * (LONGEST // 2) + "..." + "b" * (LONGEST // 2)


@given(TEXT | st.text("*_`[]()<>&#|~$\\!a1 \n-", max_size=20))
def test_markdown(text):
    """Of a paragraph and of a table's cell nothing but text comes out: what `plain` gives."""
    parser = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    table = parser.parse(f"| a |\n|---|\n| x{markdown(text)}x |")
    for inline in (parser.parse(f"x{markdown(text)}x")[1], [t for t in table if t.type == "inline"][1]):
        assert {child.type for child in inline.children} <= {"text", "text_special"}
        assert "".join(child.content for child in inline.children) == f"x{plain(text)}x"


@pytest.mark.parametrize(
    "value, exact, rounded",
    [
        (Fraction(1, 3), "1/3", "0.3333333333333333"),
        (Fraction(10**400), "1e+400 (rounded)", "1e+400"),
        (Fraction(-1, 10**400), "-1e-400 (rounded)", "-1e-400"),
        (Fraction(0), "0", "0.0"),
        (Fraction(100), "100", "100.0"),
        (Fraction(2**1024), "1.79769e+308 (rounded)", "1.79769e+308"),
        (Fraction(7, 10**9999), "7e-9999 (rounded)", "7e-9999"),
    ],
)
def test_numbers_of_any_size(value, exact, rounded):
    assert (rational(value), decimal(value)) == (exact, rounded)


@given(st.fractions())
def test_numbers_are_near(value):
    assert float(decimal(value)) == float(value) and len(rational(value)) < 40
    below, above = (Fraction(percent(value, up=up)[:-1]) / 100 for up in (False, True))
    assert below <= max(0, min(1, value)) <= above


def test_percent():
    assert percent(Fraction(10**400), up=True) == "100%" and percent(Fraction(-(10**400)), up=False) == "0%"
    assert percent(Fraction(1, 3), up=True) == "33.333334%" and percent(Fraction(1, 3), up=False) == "33.333333%"


# --- where it is shown ----------------------------------------------------------------------------


@pytest.mark.parametrize("forgery", FORGERIES)
def test_errors_are_one_line(forgery):
    for error in (InputError(f"a{forgery}b", where=f"f{forgery}.csv"), Malformed(f"f{forgery}.zip: a{forgery}b")):
        assert str(error).isprintable() and "f" in str(error) and "b" in str(error)


def test_no_sequence_gets_to_a_terminal(capsys):
    from rich.table import Table

    table = Table("name")
    table.add_row("x\x1b[2K\naccepted: y [/red] [bold]z\u202e")
    answer("one\ntwo\x1b[2K")
    note("three\x9b2K")
    show(table)
    captured = capsys.readouterr()
    assert captured.out.startswith("one\ntwo\\x1b[2K\n") and captured.err == "three\\x9b2K\n"
    assert r"x\x1b[2K\naccepted: y [/red] [bold]z\u202e" in captured.out and "\x1b" not in captured.out


def test_what_an_encoding_lacks_is_escaped(capfd, monkeypatch):
    import io
    import sys

    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    answer("Zürich")
    assert stream.buffer.getvalue() == b"Z\\xfcrich\n"


@pytest.fixture
def files(tmp_path) -> Files:
    net = network([[[1.0], [-1.0]], [[1.0, 1.0]]], [[0.0, 0.0], [0.0]])
    return Files(tmp_path, net, "(<= Y_0 -1.0)")


def report_of(outcomes: list[Outcome]) -> tuple[str, str]:
    return report_text(outcomes, suffix=".html"), report_text(outcomes, suffix=".md")


ONE = {"node": [0], "polytope": [0], "rows": [1], "slopes": [0], "multipliers": [0], "row": [0], "row_weight": [1024]}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("good", [True, False])
def test_certificates_with_odd_names(files, capfd, name, good):
    """One line each, whatever comes of them; and one section of a report."""
    files.write([box(1, f"[{row(constant='1')}]")], split=[-1], **(ONE if good else {}))
    odd = files.folder / name
    shutil.move(files.paths[0], odd)
    pair = ["--network", str(files.paths[1]), "--property", str(files.paths[2])]
    for suffix in (".html", ".md"):
        report = files.folder / f"r{suffix}"
        assert main(["check", str(odd), *pair, "--report", str(report)]) == (0 if good else 1)
        out = capfd.readouterr().out
        assert len(out.splitlines()) == 1 and out.rstrip("\n").isprintable()
        assert out.startswith("accepted: a" if good else "rejected: a")
        lines = report.read_text(encoding="utf-8").split("\n")
        assert all(line.isprintable() for line in lines)
        assert not any(line.startswith("accepted: x") for line in lines)
    odd.write_bytes(b"")
    assert main(["check", str(odd), *pair]) == 2
    out = capfd.readouterr().out
    assert len(out.splitlines()) == 1 and out.rstrip("\n").isprintable() and out.startswith("unreadable: a")


@pytest.mark.parametrize(
    "name", ["<script>alert(1)</script>", "&lt;b&gt;", "**accepted**", "[a](http://b)", "|x|", "`x`"]
)
def test_reports_escape_their_formats(tmp_path, name):
    outcome = Outcome(tmp_path / "c.zip", None, None, "unreadable", f"{name}: {name}")
    page, text = report_of([outcome])
    assert "<script>alert" not in page and "<b>a" not in page and "&amp;lt;b" in page or "&lt;b" not in name
    shown = "".join(
        child.content
        for token in MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(text)
        for child in token.children or ()
        if child.type != "softbreak"
    )
    assert f"Why: {name}: {name}" in shown


def test_names_in_a_network(tmp_path, capsys):
    """Of tensors: `info` gives a line for each fact."""
    model = onnx.ModelProto.FromString(executable(random_network((2, 3, 1), seed=0)).onnx_bytes)
    odd = "x\nlabel      N(1,1)\x1b[2K"
    for node in model.graph.node:
        node.input[:] = [odd if name == model.graph.input[0].name else name for name in node.input]
    model.graph.input[0].name = odd
    (tmp_path / "n.onnx").write_bytes(model.SerializeToString())
    assert main(["info", str(tmp_path / "n.onnx")]) == 0
    out = capsys.readouterr().out
    assert r"x\nlabel      N(1,1)\x1b[2K" in out and not any(line.startswith("label") for line in out.splitlines())
    assert main(["info", str(tmp_path / "n.onnx"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["input_name"] == odd


@pytest.mark.parametrize("word", ["a\x1b[2K", "\u202e", "X_0\x9b"])
def test_names_in_a_property(files, capsys, word):
    files.paths[2].write_text(f"(declare-const {word} Real)\n")
    assert main(["verify", str(files.paths[1]), str(files.paths[2])]) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and len(captured.err.splitlines()) == 1 and captured.err.rstrip("\n").isprintable()
    files.write([box(1, f"[{row(constant='1')}]")], split=[-1], **ONE)
    pair = ["--network", str(files.paths[1]), "--property", str(files.paths[2])]
    assert main(["check", str(files.paths[0]), *pair]) == 2
    out = capsys.readouterr().out
    assert len(out.splitlines()) == 1 and out.rstrip("\n").isprintable()


# --- numbers beyond floating point ----------------------------------------------------------------


HUGE = {
    "box": box(1, f"[{row(constant='1')}]", (f"-1{'0' * 400}", "1")),
    "row": box(1, f"[{row(constant='1')}],[{row(f'{chr(34)}0{chr(34)}:{chr(34)}1{chr(48) * 400}{chr(34)}')}]"),
    "tiny": box(1, f"[{row(constant='1')}],[{row(constant='1/1' + '0' * 400)}]"),
    "many": box(1, f"[{row(constant='1')}]" + ",[]" * 200),
}


@pytest.mark.parametrize("name", HUGE)
@pytest.mark.parametrize("suffix", [".html", ".md"])
def test_numbers_of_any_size_in_a_report(files, name, suffix, capsys):
    """One such file does not cost the report of the others."""
    pair = ["--network", str(files.paths[1]), "--property", str(files.paths[2])]
    files.write([box(1, f"[{row(constant='1')}]")], split=[-1], **ONE)
    shutil.copy(files.paths[0], files.folder / "good.proof.zip")
    files.write([HUGE[name]], split=[-1], **ONE)
    report = files.folder / f"r{suffix}"
    both = [str(files.paths[0]), str(files.folder / "good.proof.zip")]
    assert main(["check", *both, *pair, "--report", str(report)]) == 1
    text = report.read_text()
    assert (
        "1 certificates accepted" in text
        and {"box": "-1e+400 to 1", "row": "1e+400 (rounded) y0", "tiny": "1e-400", "many": "and 101 more"}[name]
        in text
    )
    capsys.readouterr()
    assert main(["check", str(files.paths[0]), *pair, "--json"]) == 1
    assert json.loads(capsys.readouterr().out)[0]["result"] == "rejected"
