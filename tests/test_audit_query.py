"""The checker's reader of VNN-LIB 2.0 and its ties: against other readers, and against a solver of this file."""

import os
from fractions import Fraction
from pathlib import Path
from random import Random

import pytest
from joint_questions import HEAD

from engine.audit.data import Row, Specification, Tie
from engine.audit.failures import Malformed
from engine.audit.ties import solve_ties
from engine.audit.vnnlib2_declarations import Relation
from engine.audit.vnnlib2_reader import read_query

FIFTY = Path(os.environ.get("ACASXU_TWO_NETWORKS", "")) / "vnnlib"
NET = "(declare-network f (declare-input X real [2]) (declare-output Y real [2]))\n"


def read(folder, text):
    path = folder / "query.vnnlib"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_query(path)


def rows_of(folder, *asserts, head=HEAD + NET):
    """Base and disjuncts of asserts about one network."""
    specification = read(folder, head + "".join(f"(assert {text})\n" for text in asserts)).specification
    return specification.base, specification.disjuncts


def row(inputs, outputs, constant=0, strict=False):
    terms = lambda values: {i: Fraction(c) for i, c in values.items()}
    return Row(terms(inputs), terms(outputs), Fraction(constant), strict)


# --- what is read ---------------------------------------------------------------------------------


def test_declarations(tmp_path):
    query = read(
        tmp_path,
        """(vnnlib-version <2.0>) ; a comment (
        (declare-network f (declare-input X float32 [1, 3, 2] "in") (declare-hidden H real [] "a \\"b\\" \u00e9\\\\")
          (declare-output Y real [2]))
        (declare-network g(isomorphic-to f)(declare-input X2 real[2])(declare-output Y2 real[1,1]))
        (assert (<= (+ X[0,2,1] X2[1] H) (* 2.50 Y2 [0 , 0] Y_is_not)))""".replace(" Y_is_not", ""),
    )
    f, g = query.networks
    assert [(v.kind, v.element, v.shape, v.node) for v in f.variables] == [
        ("input", "float32", (1, 3, 2), "in"),
        ("hidden", "real", (), 'a "b" \u00e9\\'),
        ("output", "real", (2,), ""),
    ]
    assert g.relation == Relation("isomorphic-to", "f") and f.relation is None and query.is_float32
    assert (query.specification.n_inputs, query.specification.n_outputs) == (8, 4)
    assert query.specification.base == (row({5: 1, 7: 1}, {0: 1, 3: "-5/2"}),)


def test_formulas(tmp_path):
    assert rows_of(tmp_path, "(< (- X[0]) -0.10)") == ((row({0: -1}, {}, "1/10", True),), ((),))
    assert rows_of(tmp_path, "(> (- 1 Y[0] 2) (* 2 3 X[1]))")[0] == (row({1: 6}, {0: 1}, 1, True),)
    assert rows_of(tmp_path, "(== X[0] Y[1])")[0] == (row({0: 1}, {1: -1}), row({0: -1}, {1: 1}))
    assert rows_of(tmp_path, "(!= X[0] 1)") == ((), ((row({0: 1}, {}, -1, True),), (row({0: -1}, {}, 1, True),)))
    a, b, c, d = (f"(<= Y[0] {i})" for i in range(4))
    rows = [row({}, {0: 1}, -i) for i in range(4)]
    base, disjuncts = rows_of(tmp_path, f"(and {a} (or {b} (and {c} (or {d}))))")
    assert base == (rows[0],) and disjuncts == ((rows[1],), (rows[2], rows[3]))
    base, disjuncts = rows_of(tmp_path, f"(or {a} {b})", f"(or {c} {d})")
    assert base == () and len(disjuncts) == 4 and disjuncts[2] == (rows[1], rows[2])
    assert rows_of(tmp_path, "(<= (- Y[0] Y[0]) 0)")[0] == (row({}, {}, 0),)


GOOD = "(assert (<= X[0] 1))"


@pytest.mark.parametrize(
    "text, line, what",
    [
        (NET + GOOD, 1, "its version must come first"),
        ("(vnnlib-version <2.1>)" + NET, 1, "VNN-LIB '<2.1>' is not supported"),
        ("(vnnlib-version <1.0>)" + NET, 1, "VNN-LIB '<1.0>' is not supported"),
        (HEAD + "(declare-const X_0 Real)", 2, "this command is unknown or out of order"),
        (HEAD + HEAD, 2, "this command is unknown or out of order"),
        (HEAD + GOOD, 2, "'X' is neither declared nor a number"),
        (HEAD + NET + GOOD + NET.replace("f", "g"), 3, "this command is unknown or out of order"),
        (HEAD + NET + NET, 3, "'f' is not the name of a network, or declared twice"),
        (HEAD + NET + NET.replace("network f", "network g"), 3, "'X' is declared twice"),
        (HEAD + NET.replace("f (", "f (equal-to f) ("), 2, "equal-to 'f': no such network is declared before"),
        (HEAD + NET + NET.replace("f (", "g (equal-to f) (equal-to f) (").replace("X", "A"), 3, "one other at most"),
        (HEAD + NET.replace("(declare-output Y real [2])", ""), 2, "a network has inputs, then hidden tensors"),
        (HEAD + NET.replace("f (", "f (declare-output Z real [1]) ("), 2, "a network has inputs, then hidden tensors"),
        (HEAD + NET.replace("f (", "f (<= 1 2) ("), 2, "'f': its parts are not in order"),
        (HEAD + NET.replace("X real [2]", "X real [0]"), 2, "a dimension is 0"),
        (HEAD + NET.replace("X real [2]", "X real [2.5]"), 2, "'[2.5]' is no list of whole numbers"),
        (HEAD + NET.replace("X real [2]", "X real [-2]"), 2, "'[-2]' is no list of whole numbers"),
        (HEAD + NET.replace("X real [2]", "X real [1000,2000]"), 2, "there are more than 1,048,576 elements"),
        (HEAD + NET.replace("X real [2]", "X real"), 2, "'declare-input' is not known here"),
        (HEAD + NET.replace("X real [2]", "X float16 [2]"), 2, "elements of type 'float16' are not supported"),
        (HEAD + NET.replace("X real [2]", "1X real [2]"), 2, "'1X' is not the name of a variable"),
        (HEAD + NET.replace("X real [2]", "X real [2] name"), 2, "a node's name is not a string"),
        (HEAD + NET.replace("[2])", "[2])(declare-hidden H real [1])", 1), 2, "declare-hidden takes other arguments"),
        (HEAD + NET + "(assert (<= X[2] 1))", 3, "X[2] is outside of its shape [2]"),
        (HEAD + NET + "(assert (<= X[0,0] 1))", 3, "X has 1 dimensions, not 2"),
        (HEAD + NET + "(assert (<= X 1))", 3, "X has 1 dimensions, not 0"),
        (HEAD + NET + "(assert (<= X[] 1))", 3, "follows no variable, or holds no indices"),
        (HEAD + NET + "(assert ([0] 1))", 3, "follows no variable, or holds no indices"),
        (HEAD + NET + "(assert (<= 1 [0]))", 3, "'1' is neither declared nor a number"),
        (HEAD + NET + "(assert (<= f 1))", 3, "'f' is neither declared nor a number"),
        (HEAD + NET + "(assert (<= X[0] 1e3))", 3, "'1e3' is neither declared nor a number"),
        (HEAD + NET + "(assert (<= X[0] +1))", 3, "'+1' is neither declared nor a number"),
        (HEAD + NET + "(assert (<= X[0] .5))", 3, "'.5' is neither declared nor a number"),
        (HEAD + NET + "(assert (X[0] <= 1))", 3, "'()' is not known here"),
        (HEAD + NET + "(assert (= X[0] 1))", 3, "'=' is not known here"),
        (HEAD + NET + "(assert (not (<= X[0] 1)))", 3, "'not' is not known here"),
        (HEAD + NET + "(assert (/ X[0] 2))", 3, "'/' is not known here"),
        (HEAD + NET + "(assert (<= X[0] 1 2))", 3, "<= takes other arguments"),
        (HEAD + NET + "(assert (+ X[0] 1))", 3, "something else stands where a formula should"),
        (HEAD + NET + "(assert (<= (<= X[0] 1) 1))", 3, "something else stands where a term should"),
        (HEAD + NET + "(assert\n(<= (* X[0] X[1]) 1))", 4, "a product of variables is not linear"),
        (HEAD + NET + "(assert (and))", 3, "and takes at least one formula"),
        (HEAD + NET + "(assert true)", 3, "something else stands where a formula should"),
        (HEAD + NET + GOOD + ")", 3, "stands outside all parentheses"),
        (HEAD + NET + GOOD + "(", 3, "a parenthesis is open"),
        (HEAD + NET, 2, "the file has asserted nothing"),
        (HEAD + "(assert (<= 1 2))", 2, "it declares no network"),
        (HEAD + "(" * 1001, 2, "more than 1000 parentheses are open"),
        (HEAD + NET + "(assert (and " + "(or (<= X[0] 1) (<= Y[1] 1))" * 25 + "))", 3, "have more than 5,000,000"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_line(tmp_path, text, line, what):
    with pytest.raises(Malformed) as caught:
        read(tmp_path, text)
    message = str(caught.value)
    assert f"query.vnnlib:{line}: " in message and what in message and "\n" not in message


def test_what_is_no_text(tmp_path):
    for data, what in ((b"\xff\xfe(", "UTF-16"), (HEAD.encode() + b'"\xff"', "is not UTF-8 text")):
        with pytest.raises(Malformed, match=what):
            read(tmp_path, data)


def test_the_same_as_the_standards_parser(tmp_path):
    """Its shapes, names and kinds, of the conformance suite's texts and of the fifty questions."""
    vnnlib = pytest.importorskip("vnnlib")
    vnntest = pytest.importorskip("vnntest")
    sources = sorted((Path(vnntest.__file__).parent / "core" / "tests").glob("*/*.py"))
    texts = [path.read_text() for path in FIFTY.glob("*.vnnlib")]
    for source in sources:
        parts = source.read_text().split('return """(vnnlib-version')
        texts += ["(vnnlib-version" + part.split('"""')[0] for part in parts[1:2]]
    compared = 0
    for text in texts:
        try:
            ours = read(tmp_path, text)
        except Malformed as error:
            assert any(what in str(error) for what in ("is not linear", "are not supported"))
            continue
        theirs = vnnlib.parse_query_string(text)
        compared += 1
        for one, other in zip(ours.networks, theirs.networks, strict=True):
            tensors = [*other.inputs, *other.hidden, *other.outputs]
            assert one.name == other.name
            assert [(v.name, list(v.shape)) for v in one.variables] == [(t.name, list(t.shape)) for t in tensors]
    assert compared > 100


# --- ties -----------------------------------------------------------------------------------------


def reduced(rows, size):
    """Echelon form by Gauss and Jordan, of the columns in reverse order: pivot -> row. None if it has no solution."""
    rows, found = [list(row) for row in rows], {}
    for column in reversed(range(size)):
        pivot = next((row for row in rows if row[column]), None)
        if pivot is None:
            continue
        rows.remove(pivot)
        pivot = [value / pivot[column] for value in pivot]
        clear = lambda row, pivot=pivot, column=column: [a - row[column] * b for a, b in zip(row, pivot, strict=True)]
        rows = [clear(row) for row in rows]
        found = {other: clear(row) for other, row in found.items()} | {column: pivot}
    return None if any(row[size] for row in rows) else found


def test_ties_are_the_reduced_echelon_form():
    random, unsolved = Random(1), 0
    for _ in range(300):
        size = random.randint(2, 6)
        equations = []
        for _ in range(random.randint(1, 4)):
            terms = [Fraction(random.choice([0, 0, 1, -1, 2, 3]), random.choice([1, 1, 2])) for _ in range(size)]
            equations.append([*terms, Fraction(random.randint(-2, 2))])
        equations = [row for row in equations if sum(map(bool, row[:size])) > 1]
        base = []
        for *terms, constant in equations:  # as two rows, scaled differently
            for factor in (Fraction(1), Fraction(-random.randint(1, 3))):
                inputs = {i: c * factor for i, c in enumerate(terms) if c}
                base.append(Row(inputs, {}, constant * factor, False))
        base.append(Row({0: Fraction(1), 1: Fraction(1)}, {}, Fraction(100), False))  # one side alone
        random.shuffle(base)
        last = Row({size - 1: Fraction(1)}, {0: Fraction(1)}, Fraction(0), True)
        ties, left = solve_ties(Specification(size, 1, tuple(base), ((last,),), ""))
        found = reduced(equations, size)
        if found is None:
            unsolved += 1
            assert ties == tuple(Tie({i: Fraction(1)}, Fraction(0)) for i in range(size))
            assert left.base[-1] == Row({}, {}, Fraction(1), False)
            continue
        free = [i for i in range(size) if i not in found]
        assert left.n_inputs == len(free)
        for i, tie in enumerate(ties):
            wanted = {u: -found[i][k] for u, k in enumerate(free) if found[i][k]} if i in found else {free.index(i): 1}
            assert tie == Tie(wanted, -found[i][size] if i in found else Fraction(0))
        point = [Fraction(random.randint(-5, 5)) for _ in free]
        whole = [sum((c * point[u] for u, c in tie.inputs.items()), tie.constant) for tie in ties]
        value = lambda row, at: sum((c * at[i] for i, c in row.inputs.items()), row.constant)
        assert [value(row, point) for row in left.base] == [value(row, whole) for row in base]
        assert value(left.disjuncts[0][0], point) == whole[-1] and left.disjuncts[0][0].outputs == {0: 1}
    assert 10 < unsolved < 250


@pytest.mark.parametrize(
    "asserts, free",
    [
        (["(== X[0] X[1])"], 1),
        (["(<= X[0] X[1])", "(>= (* 2 X[0]) (* 2 X[1]))"], 1),
        (["(or (== X[0] X[1]))"], 1),
        (["(and (<= X[0] X[1]) (or (<= Y[0] 1) (>= Y[0] 2)))", "(<= X[1] X[0])"], 1),
        (["(or (== X[0] X[1]) (<= 2 1))"], 1),
        (["(or (== X[0] X[1]) (!= 1 1) (or (< 1 1)))"], 1),
        (["(or (== X[0] X[1]) (<= 1 1))"], 2),
        (["(== X[0] 1)"], 2),
        (["(== (+ X[0] X[1]) (+ X[1] 1))"], 2),
        (["(== X[0] (+ X[1] Y[0]))"], 2),
        (["(<= X[0] X[1])", "(> X[0] X[1])"], 2),
        (["(<= X[0] X[1])", "(>= X[0] (+ X[1] 1))"], 2),
        (["(or (== X[0] X[1]) (<= Y[0] 0))"], 2),
        (["(or (and (== X[0] X[1]) (<= Y[0] 0)) (and (== X[0] X[1]) (>= Y[0] 1)))"], 2),
    ],
)
def test_what_a_tie_is(tmp_path, asserts, free):
    base, disjuncts = rows_of(tmp_path, *asserts)
    assert solve_ties(Specification(2, 2, base, disjuncts, ""))[1].n_inputs == free
