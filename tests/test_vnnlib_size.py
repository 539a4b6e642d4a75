"""Large VNN-LIB files: read by both readers with effort linear in their size, or refused by name."""

import sys

import pytest
from cases import executable
from conftest import random_network
from test_audit_claim import audit_cases

from engine.audit import vnnlib_terms
from engine.audit.claim import check_claim
from engine.audit.failures import Malformed, Rejected
from engine.audit.vnnlib_reader import read_property
from engine.certificate import encoding
from engine.cli import main
from engine.errors import InputError
from engine.vnnlib import cases, expressions, formulas, load_property, parse_property


def declared(inputs: int, outputs: int) -> str:
    return "".join(
        f"(declare-const {letter}_{i} Real)\n"
        for letter, count in (("X", inputs), ("Y", outputs))
        for i in range(count)
    )


def unit(inputs: int) -> str:
    return "".join(f"(assert (>= X_{i} 0.{i % 1000:03}))\n(assert (<= X_{i} 1.{i % 1000:03}))\n" for i in range(inputs))


def boxes(n: int) -> str:
    parts = (f"(and (>= X_0 {i}) (<= X_0 {i + 1}) (>= X_1 0) (<= X_1 1) (<= Y_0 {i}))\n" for i in range(n))
    return f"{declared(2, 1)}(assert (or {''.join(parts)}))"


def alternatives(n: int) -> str:
    return f"{declared(2, 1)}{unit(2)}(assert (or {' '.join(f'(<= Y_0 {i}.5)' for i in range(n))}))"


def rows(n: int) -> str:
    return declared(2, 2) + unit(2) + "".join(f"(assert (<= (+ Y_0 (* {i}.5 Y_1)) {i}))\n" for i in range(n))


def polytope(n: int) -> str:
    return (
        f"{declared(2, 2)}{unit(2)}(assert (or (and "
        + "".join(f"(<= (+ Y_0 (* {i}.5 X_1)) {i})\n" for i in range(n))
        + ")))"
    )


def terms(n: int) -> str:
    return f"{declared(2, 2)}{unit(2)}(assert (<= (+ {' '.join(f'(* 0.{i % 97 + 1} Y_{i % 2})' for i in range(n))}) 1))"


def wide_row(n: int) -> str:
    return f"{declared(n, 1)}{unit(n)}(assert (<= (+ {' '.join(f'X_{i}' for i in range(n))}) {n}))(assert (<= Y_0 0))"


def image(n: int) -> str:
    return declared(n, 2) + unit(n) + "(assert (or (<= Y_0 Y_1) (<= Y_1 3)))"


def image_classes(n: int) -> str:
    """As many alternatives as inputs."""
    return f"{declared(n, 1)}{unit(n)}(assert (or {' '.join(f'(<= Y_0 {i}.5)' for i in range(n))}))"


def row_beside_boxes(n: int) -> str:
    """Every alternative contradicts itself."""
    parts = (f"(and (>= X_0 {i}) (<= X_0 {i + 1}))" for i in range(n))
    return f"{declared(2, 1)}(assert (= X_1 0)) (assert (<= (+ X_0 X_1) -1)) (assert (or {' '.join(parts)}))"


def nested(n: int) -> str:
    return (
        f"{declared(2, 1)}{unit(2)}(assert {'(or (<= Y_0 -1) ' * 50}(or "
        f"{' '.join(f'(<= Y_0 {i}.5)' for i in range(n))}){')' * 50})"
    )


KINDS = [boxes, alternatives, rows, polytope, terms, wide_row, image, image_classes, row_beside_boxes, nested]


def calls(function, *arguments) -> int:
    """How many functions are called meanwhile, those in C too."""
    count = 0

    def seen(frame, event, argument):
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(seen)
    try:
        function(*arguments)
    finally:
        sys.setprofile(None)
    return count


def write(folder, text: str):
    path = folder / "p.vnnlib"
    path.write_text(text)
    return path


@pytest.mark.parametrize("kind", KINDS)
def test_four_times_the_size_is_at_most_four_times_the_effort(tmp_path, kind):
    """Of each reader, and of comparing what they have read."""
    effort = []
    for n in (60, 240):
        path = write(tmp_path, kind(n))
        found = audit_cases(load_property(path)), read_property(path)
        effort.append([calls(load_property, path), calls(read_property, path), calls(check_claim, *found)])
    assert all(large <= 4.4 * small for small, large in zip(*effort)), effort


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind, n",
    [(boxes, 100_000), (alternatives, 120_000), (rows, 100_000), (polytope, 16_000), (row_beside_boxes, 100_000)],
)
def test_large_files_are_read_and_compared(tmp_path, kind, n):
    path = write(tmp_path, kind(n))
    prop = load_property(path)
    assert check_claim(audit_cases(prop), read_property(path)) == bool(prop.cases)


def message(text: str) -> str:
    with pytest.raises(InputError) as caught:
        parse_property(text)
    assert caught.value.advice == "split the property into several files"
    return caught.value.what


def test_a_flat_disjunction_is_not_multiplied_out(monkeypatch):
    monkeypatch.setattr(formulas, "MAX_BRANCHES", 100)
    assert len(parse_property(alternatives(100)).cases[0].unsafe) == 100
    assert message(alternatives(101)) == "this disjunction has 101 alternatives, more than 100"
    assert message(nested(60)) == "this disjunction has 101 alternatives, more than 100"
    pairs = "(assert (or (<= Y_0 0) (<= Y_0 1)))"
    assert message(f"{declared(2, 1)}{unit(2)}{pairs * 40}") == (
        "multiplied out, the disjunctions have 1,099,511,627,776 alternatives, more than 100"
    )
    monkeypatch.setattr(formulas, "MAX_ATOMS", 50)
    assert message(alternatives(51)) == "this disjunction has 51 comparisons, more than 50"
    assert message(rows(60)) == "this conjunction has 64 comparisons, more than 50"
    many = "".join(f"(assert (<= (+ Y_0 X_0) {i}))(assert (<= (+ Y_0 (* {i} X_0)) 0))" for i in range(2, 7))
    assert message(f"{declared(1, 1)}{unit(1)}{many}(assert (or {'(<= Y_0 3)' * 10}))") == (
        "multiplied out, the asserts have 70 comparisons, more than 50"
    )


def test_what_is_read_is_bounded(monkeypatch):
    monkeypatch.setattr(expressions, "MAX_PARTS", 1000)
    numbers = " ".join(map(str, range(2000)))
    for text in (alternatives(600), terms(1000), f"{declared(1, 1)}(assert (<= Y_0 (+ {numbers})))"):
        assert message(text) == "the file has more than 1,000 comparisons, terms and different numbers"


def test_vectors_are_bounded(monkeypatch):
    monkeypatch.setattr(cases, "MAX_NUMBERS", 10_000)
    assert parse_property(image_classes(100)).n_inputs == 100  # rows that read no inputs share a vector
    rows = "".join(f"(assert (<= (+ Y_0 (* {i} X_1)) 0))" for i in range(1, 101))
    assert message(f"{declared(100, 1)}{unit(100)}{rows}") == (
        "1 boxes and 100 rows over 100 inputs and 1 outputs have 10,300 numbers, more than 10,000"
    )
    halves = "".join(f"(and (<= X_1 0.9{i:02}) (<= Y_0 1))" for i in range(60))
    assert message(f"{declared(100, 1)}{unit(100)}(assert (or {halves}))").startswith("60 boxes and 1 rows over 100")


def test_the_checker_says_what_is_multiplied(tmp_path, monkeypatch):
    monkeypatch.setattr(vnnlib_terms, "MAX_PARTS", 1000)
    for text, what in [
        (alternatives(400), ": its disjuncts have more than 1,000 parts"),
        (declared(1, 1) + "(assert (or (<= Y_0 0) (<= Y_0 1)))" * 20, ": multiplied out, its disjuncts"),
        (rows(600) + f"(assert (or {'(<= Y_0 3)' * 2}))", ": 600 rows times 2 disjuncts are too many"),
    ]:
        with pytest.raises(Malformed, match=what):
            read_property(write(tmp_path, text))


def test_the_checker_does_not_compare_for_ever(tmp_path, monkeypatch):
    path = write(tmp_path, boxes(100))
    larger = [case._replace(lower=(case.lower[0] - 1, case.lower[1])) for case in audit_cases(load_property(path))]
    check_claim(tuple(larger), read_property(path))
    monkeypatch.setattr("engine.audit.claim.MAX_COMPARED", 2000)
    with pytest.raises(Rejected, match="disjunct 11 of the property .* takes more than 2,000 comparisons"):
        check_claim(tuple(larger), read_property(path))


@pytest.mark.parametrize(
    "number",
    [
        "1e400",
        "-1e400",
        "1e-999999",
        "1e999999",
        "1" * 5000,
        f"0.{'1' * 5000}",
        f"1e{'9' * 1000}",
        f"(/ 1 {'3' * 999})",
        f"(* {'1e-999 ' * 50})",
    ],
)
def test_numbers_are_read_at_once_or_refused(tmp_path, number):
    """Whatever the engine reads, the checker reads."""
    path = write(tmp_path, f"{declared(1, 1)}{unit(1)}(assert (<= Y_0 {number}))")
    try:
        prop = load_property(path)
    except InputError as error:
        assert error.where.endswith(":5") and "a number" in error.what
    else:
        check_claim(audit_cases(prop), read_property(path))


def test_a_claim_too_long_for_a_certificate_is_said_before_and_after_the_search(tmp_path, monkeypatch, capsys):
    """And the verdict is not lost."""
    network = tmp_path / "n.onnx"
    network.write_bytes(executable(random_network((2, 3, 1), seed=1)).onnx_bytes)
    low = " ".join(f"(<= Y_0 -{i}e6)" for i in range(1, 40))
    path = write(tmp_path, f"{declared(2, 1)}{unit(2)}(assert (or {low}))")
    monkeypatch.setattr(encoding, "MAX_MANIFEST", 4000)
    assert main(["verify", str(network), str(path), "--certificate", str(tmp_path / "c.zip"), "--device", "cpu"]) == 2
    first, last = capsys.readouterr().err.splitlines()
    assert "c.zip will not be written if the property holds: its claim has " in first
    assert "c.zip: the verdict is unsat, but its claim has " in last and last.endswith(
        "split the property into several"
    )
    assert not (tmp_path / "c.zip").exists()
