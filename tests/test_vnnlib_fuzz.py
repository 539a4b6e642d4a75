"""Whatever the bytes, the VNN-LIB reader gives a property or one line of `InputError`, as the checkers' readers do."""

import gzip
import random
import re
from fractions import Fraction
from itertools import product

import second_checker
import second_checker_file
from fuzzing import examples, mutations, seeds
from hypothesis import given, settings
from hypothesis import strategies as st
from test_audit_claim import audit_cases, holds
from test_vnnlib import GRID, OPERATORS, VARIABLES, gap, render
from tree_values import evaluate

from engine.audit.claim import check_claim
from engine.audit.failures import Malformed
from engine.audit.vnnlib_reader import read_property
from engine.errors import InputError
from engine.property import Property
from engine.vnnlib import load_property, parse_property

VALID = """; a property
(declare-const X_0 Real)
(declare-fun X_1 () Real)
(declare-const Y_0 Real)
(declare-const Y_1 Real)
(assert (or (and (<= X_0 1) (>= X_0 -0.5) (<= X_1 2e-1) (> X_1 (- 1)))
            (and (= X_0 0.25) (= X_1 0))))
(assert (or (and (<= Y_0 Y_1)) (< (+ (* 2 Y_0) X_0 (/ Y_1 3)) 1.5)))
(check-sat)
"""
WORDS = [
    "(",
    ")",
    "()",
    "(assert",
    "(or",
    "(and",
    "(<=",
    "(>=",
    "(<",
    "(=",
    "(+",
    "(-",
    "(*",
    "(/",
    "X_0",
    "X_1",
    "Y_0",
    "Y_7",
    "0",
    "-1.5",
    "1e10000",
    "1e-9999",
    "1e300",
    "nan",
    "true",
    "false",
    '"',
    "|",
    ";",
    "\n",
    "\ufeff",
    "\u0663",
    "(set-info",
    "(check-sat)",
    "(declare-const",
    "Real)",
    "(declare-const X_0 Real)",
    "(declare-const Y_0 Real)",
    "(assert (<= X_0 1))",
    "(assert (>= X_0 0))",
    "(assert (or (<= Y_0 0) (<= X_0 0)))",
]
# How the second checker, which is short, stumbles over what is malformed.
STUMBLES = LookupError, TypeError, AttributeError, ArithmeticError
FUZZ = settings(max_examples=examples(300), deadline=None)


def parses_or_refuses(read) -> None:
    try:
        assert isinstance(read(), Property)
    except InputError as error:
        assert error.where and error.what and error.advice
        assert len(str(error).splitlines()) == 1


@FUZZ
@given(st.text())
def test_any_text(text):
    parses_or_refuses(lambda: parse_property(text))


@FUZZ
@given(st.lists(st.sampled_from(WORDS), max_size=40))
def test_any_words(words):
    parses_or_refuses(lambda: parse_property(" ".join(words)))


@FUZZ
@given(mutations(VALID, WORDS))
def test_mutated_text(text):
    parses_or_refuses(lambda: parse_property(text))


@FUZZ
@given(data=st.binary() | mutations(VALID, WORDS).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_bytes(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "any.vnnlib"
    path.write_bytes(data)
    parses_or_refuses(lambda: load_property(path))


@FUZZ
@given(at=st.integers(0, 10**6), new=st.binary(max_size=3), cut=st.integers(0, 3))
def test_damaged_gzip(tmp_path_factory, at, new, cut):
    path = tmp_path_factory.getbasetemp() / "any.vnnlib.gz"
    data = gzip.compress(VALID.encode(), mtime=0)
    at %= len(data)
    path.write_bytes(data[:at] + new + data[at + cut :])
    parses_or_refuses(lambda: load_property(path))


def test_the_valid_text_is_valid():
    assert len(parse_property(VALID).cases) == 2


# Three readers of one text: they see the same set, or all refuse it


def random_term(rng: random.Random, depth: int) -> tuple:
    """Linear, in the form of `evaluate` and `render`."""
    number = ("number", rng.choice(GRID))
    if depth == 0 or rng.random() < 0.4:
        return ("variable", rng.choice(VARIABLES)) if rng.random() < 0.7 else number
    inner = [random_term(rng, depth - 1) for _ in range(rng.randint(1, 3))]
    match rng.choice("+-*/"):
        case "*":
            return "*", *rng.sample([inner[0], number, ("number", rng.choice(GRID))], 3)
        case "/":
            return "/", inner[0], ("number", rng.choice([n for n in GRID if n]))
        case head:
            return head, *inner


def random_formula(rng: random.Random, depth: int) -> tuple:
    if depth == 0 or rng.random() < 0.3:
        left = random_term(rng, 2) if rng.random() < 0.5 else ("variable", rng.choice(VARIABLES))
        return rng.choice(sorted(OPERATORS)), left, random_term(rng, 1)
    return rng.choice(["and", "or"]), *(random_formula(rng, depth - 1) for _ in range(rng.randint(0, 3)))


def random_asserts(rng: random.Random) -> list[tuple]:
    """Bounds of the inputs, open or closed, in every alternative or in some, and formulas."""
    box = [
        (rng.choice(ops), ("variable", x), ("number", Fraction(end)))
        for x in VARIABLES[:2]
        for ops, end in ((("<", "<="), 1), ((">", ">="), -1))
    ]
    asserts = box + [random_formula(rng, 3) for _ in range(rng.randint(0, 3))]
    if rng.random() < 0.3:
        other = [("=", ("variable", x), ("number", rng.choice(GRID))) for x in VARIABLES[:2]]
        asserts = [("or", ("and", *box), ("and", *other, random_formula(rng, 2))), *asserts[4:]]
    rng.shuffle(asserts)
    return asserts


def damaged(rng: random.Random, text: str) -> str:
    """With a token or two that are missing, doubled, or others."""
    tokens = re.findall(r"[()]|[^\s()]+", re.sub(";.*", "", text))
    for _ in range(rng.randint(1, 2)):
        at = rng.randrange(len(tokens))
        tokens[at : at + 1] = rng.choice([[], tokens[at : at + 1] * 2, [rng.choice(["(", ")", "or", "X_1", "0", "<"])]])
    return " ".join(tokens)


def readings(path) -> tuple:
    """What the engine, the checker and the second checker read, None where one refuses the file.

    And whether the engine does so only because an input has no bound.
    """
    found, unverifiable = [], False
    for read, refusal in (
        (load_property, InputError),
        (read_property, Malformed),
        (lambda path: second_checker.read_property(path.read_text()), (ValueError, *STUMBLES)),
    ):
        try:
            found.append(read(path))
        except refusal as error:
            found.append(None)
            unverifiable |= "bound" in str(error) and "add (assert" in str(error)
    return *found, unverifiable


def unsafe_at(point, prop: Property | None, spec, second) -> list[bool]:
    """By each of the three."""
    by_name = dict(zip(VARIABLES, point))
    value = lambda row: row.constant + sum(a * by_name[name] for name, a in row.form.items())
    literally = any(all(value(row) < 0 or (value(row) == 0 and not row.strict) for row in rows) for rows in second[0])
    audited = any(all(holds(row, point) for row in (*spec.base, *rows)) for rows in spec.disjuncts)
    verified = [any(case.violated_at(point[:2], point[2:]) for case in prop.cases)] if prop else []
    return [literally, audited, *verified]


def check_coverage(prop: Property, spec, second) -> None:
    """The engine's claim covers what both checkers read; where it is none, both say that nothing is asked."""
    cases = audit_cases(prop)
    assert check_claim(cases, spec) == bool(cases) != bool(prop.warning)
    form = lambda row: {f"X_{i}": a for i, a in row.inputs.items()} | {f"Y_{j}": a for j, a in row.outputs.items()}
    literal = [
        second_checker_file.Case(
            case.lower,
            case.upper,
            [[second_checker_file.Row(form(row), row.constant, row.strict) for row in rows] for rows in case.unsafe],
        )
        for case in cases
    ]
    assert all(second_checker.is_covered(disjunct, literal) for disjunct in second[0])


def test_three_readers_agree(tmp_path):
    path = tmp_path / "p.vnnlib"
    for seed in seeds():
        rng = random.Random(seed)
        asserts, whole = random_asserts(rng), rng.random() < 0.7
        text = "".join(f"(declare-const {name} Real)" for name in VARIABLES)
        text += "".join(f"{gap(rng)}(assert {render(tree, rng)})" for tree in asserts)
        path.write_text(text if whole else damaged(rng, text))
        prop, spec, second, unverifiable = readings(path)
        assert (prop is not None or unverifiable) == (spec is not None), (seed, path.read_text())
        if spec is None:
            continue
        assert second is not None  # which is lenient with declarations, so it may read more
        for point in rng.sample([*product(GRID, repeat=4)], 30):
            expected = {all(evaluate(tree, dict(zip(VARIABLES, point))) for tree in asserts)} if whole else set()
            assert len(expected | set(unsafe_at(point, prop, spec, second))) == 1, (seed, point)
        if prop:
            check_coverage(prop, spec, second)
