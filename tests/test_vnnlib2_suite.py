"""The conformance suite of VNN-LIB 2.0 and the standard's own parser: both readers accept and mean the same.

Where they differ, the two lists below say why.
"""

import itertools
import random
import re
from fractions import Fraction
from math import prod

import pytest
from fuzzing import seeds
from test_vnnlib2_meaning import contains
from tree_values import COMPARE

from engine.errors import InputError
from engine.query import Query
from engine.vnnlib import is_query, parse_query

vnnlib = pytest.importorskip("vnnlib")
registry = pytest.importorskip("vnntest.core.registry")

# What this reader refuses and the parser does not. The first two are the standard's, but nothing here decides them; the
# others are mistakes by the standard's text that the parser does not look for.
STRICTER = [
    r"a product of variables, .* is not linear",  # theory POLY
    r".* has no (lower|upper) bound",
    r"'\w*' is not an element type",
    r"\w+ is \w+ and \w+ is \w+",  # real beside other types
    r"network '\w+' is declared twice",
    r"'[\w-]+' is the second relation of this network",
    r"index -\d+ of \w+ is out of range",
    r"'\w+\[.*\d\.\d.*\]' has no indices",
    r"'\[.*\d\.\d.*\]' is not a shape",
    # Two words without space between them, which the standard asks for
    r"unknown (declaration|command) 'declare-(input|hidden|output|network)\w+'",
    r"'-?\d[\d.]*[A-Z]\w*' is neither a number nor a declared variable",
]
# What the parser refuses and this reader does not.
LOOSER = [
    r"found a \w+IntConstant constant",  # integers are real numbers, and floats
    r"found a FloatConstant constant '[-\d.]+'",  # a bound 2.0 of integers is no doubt 2
    r"Type mismatch for variable number",  # isomorphic networks may have other types
]


def suite() -> list[tuple[str, str]]:
    cases = [(case.id, case.build_vnnlib_spec()) for case in registry.get_cases()]
    return [(name, text) for name, spec in cases for text in ([spec] if isinstance(spec, str) else spec)]


@pytest.fixture(scope="module")
def texts() -> list[tuple[str, str]]:
    found = suite()
    assert len(found) >= 178
    return found


def outcome(read, text: str) -> str:
    """Empty if the text is accepted, else the first line of the reason."""
    try:
        read(text)
    except InputError as error:
        return error.what
    except vnnlib.VNNLibException as error:
        return re.sub(r"\s+", " ", str(error)) or "?"
    return ""


def test_the_suite_is_read(texts):
    """All but the four of theory POLY and one whose inputs have no bounds."""
    refused = {name: reason for name, text in texts if (reason := outcome(parse_query, text))}
    assert all(is_query(text) for _, text in texts)
    assert sorted(refused) == [
        "arithmetic_poly01",
        "arithmetic_poly02",
        "arithmetic_poly03",
        "arithmetic_poly04",
        "maxpool03",
    ]
    assert all("product of variables" in reason for name, reason in refused.items() if "poly" in name)
    assert refused["maxpool03"] == "X[0,0,0,0] has no lower bound"


def disagreement(text: str) -> str:
    """Empty if both readers accept the text, both refuse it, or differ as the lists above say."""
    ours, theirs = outcome(parse_query, text), outcome(vnnlib.parse_query_string, text)
    if bool(ours) == bool(theirs):
        return ""
    listed = any(re.match(reason, ours) for reason in STRICTER) or any(re.search(reason, theirs) for reason in LOOSER)
    return "" if listed else f"ours: {ours!r}, theirs: {theirs!r}"


def test_the_parser_accepts_the_same(texts):
    assert [(name, why) for name, text in texts if (why := disagreement(text))] == []


PIECES = """( ) [ ] [0] [1] [0,0] [2,0] , 0 1.0 -1.0 -1 1e3 .5 <= >= < > == != = + - * / and or not assert X[0] Y[0] X Y
    N N1 real float32 int64 foo "h" (assert (declare-input (declare-hidden (declare-output (equal-to (isomorphic-to
    (declare-network (vnnlib-version <2.0> <2.1> <1.0>""".split()
TOKEN = re.compile(r';[^\n]*|"[^"]*"|<\d.\d>|\(declare-\w+|\(assert|[\w.-]+|[<>=!]+|\s+|.')


def mutated(text: str, rng: random.Random) -> str:
    """The text without comments, with one or two tokens dropped, doubled, exchanged or replaced.

    Nothing stands between a parenthesis and its first word, as the parser takes some of these for one word.
    """
    tokens = TOKEN.findall(re.sub(r";.*", "", text))
    for _ in range(rng.randint(1, 2)):
        i, j = rng.randrange(len(tokens)), rng.randrange(len(tokens))
        match rng.randrange(4):
            case 0:
                tokens[i] = " "
            case 1:
                tokens[i] = f"{tokens[i]} {tokens[i]}"
            case 2:
                tokens[i], tokens[j] = tokens[j], tokens[i]
            case 3:
                tokens[i] = f" {rng.choice(PIECES)} "
    return re.sub(r"\(\s+", "(", "".join(tokens))


def test_the_parser_agrees_on_mutated_texts(texts):
    accepted, found = [], []
    for seed in seeds():
        rng = random.Random(seed)
        for _ in range(250):
            name, text = rng.choice(texts)
            text = mutated(text, rng)
            accepted.append(not outcome(parse_query, text))
            if why := disagreement(text):
                found.append((seed, name, why, text))
    assert found == []
    assert 0.04 < sum(accepted) / len(accepted) < 0.9


def evaluated(node, point: dict[tuple[str, int], Fraction]):
    """The value of the parser's tree at a point; numbers are read from their text."""
    kind = type(node).__name__
    if kind == "Var":
        place = 0
        for index, size in zip(node.indices, node.shape, strict=True):
            place = place * size + index
        return point[node.name, place]
    if kind in ("Float", "IntExpr", "Int", "Literal"):
        return Fraction(node.lexeme)
    if kind == "Negate":
        return -evaluated(node.expr, point)
    if kind == "Minus":
        return evaluated(node.head, point) - sum(evaluated(part, point) for part in node.rest)
    if kind in ("Plus", "Multiply"):
        return (sum if kind == "Plus" else prod)(evaluated(part, point) for part in node.args)
    if kind in ("And", "Or"):
        return (all if kind == "And" else any)(evaluated(part, point) for part in node.args)
    sign = {
        "LessEqual": "<=",
        "GreaterEqual": ">=",
        "LessThan": "<",
        "GreaterThan": ">",
        "Equal": "==",
        "NotEqual": "!=",
    }[kind]
    return COMPARE[sign](evaluated(node.lhs, point), evaluated(node.rhs, point))


def some_points(query: Query, rng: random.Random):
    """Points of boxes, at their ends and beside them, with outputs at small numbers."""
    for case, _ in itertools.product(query.property.cases[:3], range(12)):
        free = [
            rng.choice([low, low, high, high, (low + high) / 2, low - 1]) for low, high in zip(case.lower, case.upper)
        ]
        y = tuple(Fraction(rng.randint(-8, 12), 2) for _ in range(query.property.n_outputs))
        yield tuple(tie.value(tuple(free)) for tie in query.ties), y


def test_the_parser_means_the_same(texts):
    """Its trees, evaluated exactly at points, are true where the question's ties and cases contain the point."""
    rng = random.Random(5)
    seen = {True: 0, False: 0}
    for name, text in texts:
        if outcome(parse_query, text) or outcome(vnnlib.parse_query_string, text):
            continue
        query, tree = parse_query(text), vnnlib.parse_query_string(text)
        variables = [variable for network in query.networks for variable in network.variables]
        inputs = [(v.name, k) for v in variables if v.kind == "input" for k in range(v.size)]
        outputs = [(v.name, k) for v in variables if v.kind != "input" for k in range(v.size)]
        for x, y in some_points(query, rng):
            point = dict(zip(inputs + outputs, x + y, strict=True))
            holds = all(evaluated(part.expr, point) for part in tree.assertions)
            assert contains(query, x, y) == holds, name
            seen[holds] += 1
    assert min(seen.values()) > 100, seen


def test_declarations_are_the_parsers(texts):
    for _, text in texts:
        if outcome(parse_query, text) or outcome(vnnlib.parse_query_string, text):
            continue
        ours, theirs = parse_query(text).networks, vnnlib.parse_query_string(text).networks
        for mine, other in zip(ours, theirs, strict=True):
            assert (mine.name, mine.equal_to, mine.isomorphic_to) == (other.name, other.equal_to, other.isometric_to)
            tensors = [*other.inputs, *other.hidden, *other.outputs]
            assert [(v.name, list(v.shape)) for v in mine.variables] == [(t.name, list(t.shape)) for t in tensors]
            assert [v.node for v in mine.of_kind("hidden")] == [t.onnx_name.strip('"') for t in other.hidden]
