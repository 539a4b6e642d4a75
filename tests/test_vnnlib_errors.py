"""Each way a VNN-LIB file can be wrong: one line that says where, what and what to do."""

import gzip
import os

import pytest

from engine.audit.failures import Malformed
from engine.audit.vnnlib_reader import read_property
from engine.errors import InputError
from engine.vnnlib import load_property, parse_property
from engine.vnnlib.source import read_bytes

# Three lines; what a test adds begins in line 4.
HEAD = """(declare-const X_0 Real) (declare-const Y_0 Real)
(declare-const Y_1 Real)
(assert (>= X_0 0)) (assert (<= X_0 1))
"""


def message(text: str) -> str:
    with pytest.raises(InputError) as caught:
        parse_property(text, where="p.vnnlib")
    line = str(caught.value)
    assert caught.value.exit_code == 2 and "\n" not in line
    assert caught.value.advice
    return line


TEXTS = [
    # Parentheses and words
    ("(assert (<= Y_0 0)", "4: this parenthesis is never closed"),
    ("(assert (<= Y_0 0)\n(assert (<= Y_1 0))", "5: 'assert' inside the command of line 4"),
    ("(assert (<= Y_0 0)))", "4: a parenthesis closes nothing"),
    ("\n) (assert", "5: a parenthesis closes nothing"),
    ("((assert (<= Y_0 0)))", "4: a parenthesis stands where a name should"),
    ("()", "4: an empty command"),
    ("assert (<= Y_0 0)", "4: stray 'assert'"),
    ("\x00", "4: stray '\\x00'"),
    ('; fine\n\n"open', "6: stray '\"'"),
    ("(assert (<= Y_0 \u00a00))", "4: '\\xa00' is neither a number nor a declared variable"),
    # Commands and operators
    ("(define-fun f () Real 1)", "4: unknown command 'define-fun'"),
    ("(vnnlib-version <2.0>)", "4: VNN-LIB 2.0 ('vnnlib-version'), where a property in VNN-LIB 1.0 is read"),
    ("\n(declare-network f (declare-input X Real [2]))", "5: 'declare-network' belongs to VNN-LIB 2.0; begin the"),
    ("(declare-input X float32 [1, 5])", "4: 'declare-input' belongs to VNN-LIB 2.0"),
    ("(push 1)", "4: unknown command 'push'"),
    ("(<= Y_0 0)", "4: unknown command '<='"),
    ("(assert\n(not (<= Y_0 0)))", "5: unknown operator 'not'"),
    ("(assert (=> (<= Y_0 0) (<= Y_1 0)))", "4: unknown operator '=>'"),
    ("(assert (<= (^ Y_0 2) 0))", "4: unknown operator '^'"),
    ("(assert (!= Y_0 0))", "4: unknown operator '!='"),
    ("(assert (Y_0 0))", "4: unknown operator 'Y_0'"),
    (f"({'z' * 99})", f"4: unknown command '{'z' * 37}...'"),
    # Arity and kinds
    ("(assert)", "4: 'assert' takes 1 argument, not 0"),
    ("(assert (<= Y_0 0) (<= Y_1 0))", "4: 'assert' takes 1 argument, not 2"),
    ("(assert\n\n(<= Y_0))", "6: '<=' takes 2 arguments, not 1"),
    ("(assert (<= 0 Y_0 1))", "4: '<=' takes 2 arguments, not 3"),
    ("(assert (<=))", "4: '<=' takes 2 arguments, not 0"),
    ("(assert (<= (+) 0))", "4: '+' has too few arguments, 0"),
    ("(assert (<= (-) 0))", "4: '-' has too few arguments, 0"),
    ("(assert (<= (*) 0))", "4: '*' has too few arguments, 0"),
    ("(assert (<= (/ Y_0) 0))", "4: '/' has too few arguments, 1; give at least 2"),
    ("(assert Y_0)", "4: 'assert' takes formulas, not 'Y_0'"),
    ("(assert (+ Y_0 1))", "4: 'assert' takes formulas, not a term"),
    ("(assert ())", "4: 'assert' takes formulas, not ()"),
    ("(assert (and\nY_0))", "5: 'and' takes formulas, not 'Y_0'"),
    ("(assert (<= (<= Y_0 0) 0))", "4: '<=' takes terms, not a formula"),
    ("(assert (<= (and) 0))", "4: '<=' takes terms, not a formula"),
    ("(assert (<= Y_0 ()))", "4: '<=' takes terms, not ()"),
    # Terms that are not linear
    ("(assert (<= (* X_0 Y_0) 0))", "4: a product of variables is not linear"),
    ("(assert (<= 0\n(* 2 (+ X_0 1) X_0)))", "5: a product of variables is not linear"),
    ("(assert (<= (/ 1 X_0) 0))", "4: division by a variable is not linear"),
    ("(assert (<= (/ X_0 (- 1 1)) 0))", "4: division by zero"),
    # Numbers
    ("(assert (<= Y_0\nnan))", "5: 'nan' is not a finite number"),
    ("(assert (<= Y_0 -NaN))", "4: '-NaN' is not a finite number"),
    ("(assert (<= Y_0 inf))", "4: 'inf' is not a finite number"),
    ("(assert (<= Y_0 +Infinity))", "4: '+Infinity' is not a finite number"),
    ("(assert (<= Y_0 1/3))", "4: '1/3' is neither a number nor a declared variable"),
    ("(assert (<= Y_0 1_000))", "4: '1_000' is neither a number"),
    ("(assert (<= Y_0 0x10))", "4: '0x10' is neither a number"),
    ("(assert (<= Y_0 1.2.3))", "4: '1.2.3' is neither a number"),
    ("(assert (<= Y_0 .))", "4: '.' is neither a number"),
    ("(assert (<= Y_0 1e))", "4: '1e' is neither a number"),
    ("(assert (<= Y_0 --1))", "4: '--1' is neither a number"),
    ("(assert (<= Y_0 \u0661))", "4: '\\u0661' is neither a number"),
    ("(assert (<= Y_0 \uff11.5))", "4: '\\uff11.5' is neither a number"),
    ("(assert (<= Y_0 1e\u0662))", "4: '1e\\u0662' is neither a number"),
    ("(assert (<= Y_0 1e999999999))", "4: a number has more than 1,000 digits or an exponent beyond 999"),
    ("(assert (<= Y_0 1e-1000))", "4: a number has more than 1,000 digits or an exponent beyond 999"),
    (f"(assert (<= Y_0 1{'0' * 5000}))", "4: a number has more than 1,000 digits"),
    (f"(assert (<= Y_0 1e{'9' * 5000}))", "4: a number has more than 1,000 digits"),
    ("(assert (<= Y_0 1e308))", "4: a number is larger than 2^1022"),
    ("(assert (<= Y_0 (* 1e300 1e300)))", "4: a number is larger than 2^1022"),
    ("(assert (<= (* 1e-9 Y_0) 1e300))", "4: a number is larger than 2^1022"),
    (f"(assert (<= Y_0 (* {'1e-999 ' * 4})))", "4: a number grows beyond 10,000 bits"),
    # Variables
    ("(assert (<=\nY_2 0))", "5: Y_2 is not declared"),
    ("(assert (<= Y_2 0)) (declare-const Y_2 Real)", "4: Y_2 is not declared"),
    ("(assert (<= Z 0))", "4: 'Z' is neither a number nor a declared variable"),
    ("(assert (<= |Y_0| 0))", "4: '|Y_0|' is neither a number nor a declared variable"),
    ("(declare-const Y_0 Real)", "4: Y_0 is declared again, first in line 1"),
    ("(declare-fun Y_1 () Real)", "4: Y_1 is declared again, first in line 2"),
    ("(declare-const Y_2 Int)", "4: Y_2 has type 'Int'"),
    ("(declare-const Z Real)", "4: 'Z' is not a variable of VNN-LIB 1.0"),
    ("(declare-const X_01 Real)", "4: 'X_01' is not a variable"),
    ("(declare-const X_\u0661 Real)", "4: 'X_\\u0661' is not a variable"),
    ("(declare-const Y_2)", "4: 'declare-const' has not the arguments it takes"),
    ("(declare-const Y_2 () Real)", "4: 'declare-const' has not the arguments it takes"),
    ("(declare-fun Y_2 Real)", "4: 'declare-fun' has not the arguments it takes"),
    ("(declare-fun Y_2 (+ 1) Real)", "4: 'declare-fun' has not the arguments it takes"),
    ("(declare-const X_2 Real)", "4: X_2 is declared but X_1 is not"),
    ("(declare-const Y_9999999999 Real)", "4: Y_9999999999 is declared but Y_2 is not"),
    ("\n(declare-const X_1 Real)", "5: X_1 has no lower bound; add (assert (>= X_1 ...))"),
    ("(declare-const X_1 Real)\n(assert (>= X_1 0))", "4: X_1 has no upper bound; add (assert (<= X_1 ...))"),
    (
        "(declare-const X_1 Real) (assert (>= X_1 0))\n(assert (or (<= X_1 1) (<= Y_0 0)))",
        "4: X_1 has no upper bound in input box 2 of 2",
    ),
    # Size
    (
        "(assert (or (<= Y_0 0) (<= Y_1 0)))\n" * 18,
        "22: multiplied out, the disjunctions have 262,144 alternatives, more than 250,000",
    ),
    ("(assert (or (<= Y_0 0) (<= Y_1 0)))" * 999, "4: multiplied out, the disjunctions have over 10^15 alternatives"),
    (
        f"(assert (or (<= Y_1 0) (and {'(<= Y_0 0)' * 999})))\n(assert (or {'(<= Y_0 0)' * 9999}))",
        "5: multiplied out, the disjunctions have 10,019,000 comparisons, more than 5,000,000",
    ),
    ("(assert " + "(and " * 1000, "4: more than 1,000 parentheses are open"),
]


@pytest.mark.parametrize("added, expected", TEXTS, ids=[expected for _, expected in TEXTS])
def test_text(added, expected):
    assert message(HEAD + added).startswith(f"p.vnnlib:{expected}")


@pytest.mark.parametrize(
    "text, expected",
    [
        ("", "1: the file declares and asserts nothing"),
        (" \n; only a comment", "2: the file declares and asserts nothing"),
        ("(check-sat)", "1: the file declares and asserts nothing"),
        ("(declare-const X_0 Real)\n(declare-const Y_0 Real)\n", "3: the file asserts nothing"),
        ("(declare-const X_0 Real)\n(assert (= X_0 0))", "2: no output is declared"),
        ("(declare-const Y_0 Real)\n(assert (<= Y_0 0))", "2: no input is declared"),
        ("(assert (and))", "1: no input is declared"),
        ("(declare-const X_1 Real)\n(assert (= X_1 0))", "1: X_1 is declared but X_0 is not"),
    ],
)
def test_incomplete_text(text, expected):
    assert message(text).startswith(f"p.vnnlib:{expected}")


def file_message(path) -> str:
    with pytest.raises(InputError) as caught:
        load_property(path)
    assert caught.value.advice and "\n" not in str(caught.value)
    return str(caught.value).removeprefix(str(path))


def test_missing_file(tmp_path):
    assert file_message(tmp_path / "none.vnnlib") == ": no such file; check the path"


def test_missing_compressed_file(tmp_path):
    assert file_message(tmp_path / "none.vnnlib.gz") == ": no such file; check the path"


@pytest.mark.parametrize("name", ["folder.vnnlib", "folder.vnnlib.gz"])
def test_directory(tmp_path, name):
    (tmp_path / name).mkdir()
    assert file_message(tmp_path / name).startswith(": is a directory")


def test_file_as_folder(tmp_path):
    (tmp_path / "file").write_text("")
    assert file_message(tmp_path / "file" / "p.vnnlib").startswith(": cannot be read (Not a directory)")


def test_impossible_path():
    with pytest.raises(InputError, match=r"^a\\x00b: cannot be read \(embedded null byte\)"):
        load_property("a\0b")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads everything")
def test_unreadable_file(tmp_path):
    path = tmp_path / "p.vnnlib"
    path.write_text(HEAD)
    path.chmod(0)
    assert file_message(path).startswith(": cannot be read (Permission denied)")


def test_unreadable_file_by_error(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", refuse)
    assert file_message(tmp_path / "p.vnnlib").startswith(": cannot be read (Permission denied)")


def test_binary_file(tmp_path):
    path = tmp_path / "p.vnnlib"
    path.write_bytes(b"; text\n; and then\n\xff\xfe\x00")
    assert file_message(path).startswith(":3: is not UTF-8 text")


@pytest.mark.parametrize("codec", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf16(tmp_path, codec):
    """What some editors save, with a byte order mark or without."""
    path = tmp_path / "p.vnnlib"
    path.write_bytes(HEAD.encode(codec))
    assert file_message(path) == ": is UTF-16 text, or no text; save it as UTF-8"
    with pytest.raises(Malformed, match="is UTF-16 text, or no text; it should be UTF-8"):
        read_property(path)


@pytest.mark.parametrize("version, accepted", [("<1.0>", True), ("1.0", True), ("<2.0>", False)])
def test_versions(tmp_path, version, accepted):
    """Both readers; a file of version 1 may say so."""
    path = tmp_path / "p.vnnlib"
    path.write_text(f"(vnnlib-version {version})\n{HEAD}(assert (<= Y_0 0))")
    if accepted:
        assert len(load_property(path).cases) == len(read_property(path).disjuncts) == 1
        return
    assert file_message(path).startswith(":1: VNN-LIB 2.0 ('vnnlib-version'), where a property in VNN-LIB 1.0 is read")
    with pytest.raises(Malformed, match="VNN-LIB '<.*>' is not supported"):
        read_property(path)


def test_not_gzip(tmp_path):
    path = tmp_path / "p.vnnlib.gz"
    path.write_text(HEAD)
    assert file_message(path).startswith(": is not a complete gzip file (Not a gzipped file")


@pytest.mark.parametrize(
    "damage",
    [
        lambda b: b[:-1],
        lambda b: b[:20],
        lambda b: b[:5],
        lambda b: b[:15] + b"\xff\xff" + b[17:],
        lambda b: b + b"rest",
    ],
)
def test_damaged_gzip(tmp_path, damage):
    path = tmp_path / "p.vnnlib.gz"
    path.write_bytes(damage(gzip.compress(HEAD.encode())))
    assert file_message(path).startswith(": is not a complete gzip file")


def test_empty_files(tmp_path):
    for name, data in ("p.vnnlib", b""), ("p.vnnlib.gz", gzip.compress(b"")):
        (tmp_path / name).write_bytes(data)
        assert file_message(tmp_path / name).startswith(":1: the file declares and asserts nothing")


@pytest.mark.parametrize("name", ["p.vnnlib", "p.vnnlib.gz"])
def test_large_file(tmp_path, name):
    """A gzip bomb is not unpacked further than the limit."""
    data = b" " * 1_000_000
    (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith("gz") else data)
    with pytest.raises(InputError, match="holds more than 999,999 bytes"):
        read_bytes(tmp_path / name, max_bytes=999_999)
    assert len(read_bytes(tmp_path / name, max_bytes=1_000_000)) == 1_000_000


def test_place_in_a_file(tmp_path):
    path = tmp_path / "p.vnnlib"
    path.write_text(HEAD + "(assert (<= Y_9 0))")
    assert file_message(path).startswith(":4: Y_9 is not declared")
