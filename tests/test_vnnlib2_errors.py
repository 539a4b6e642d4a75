"""Each way a VNN-LIB 2.0 text can be wrong: one line that says where, what and what to do."""

import pytest

from engine.errors import InputError
from engine.vnnlib import load_property, load_query, parse_property, parse_query
from engine.vnnlib.networks import ties

VERSION = "(vnnlib-version <2.0>)\n"
# Three lines; what a test adds begins in line 4.
HEAD = """(vnnlib-version <2.0>)
(declare-network f (declare-input X real [2]) (declare-hidden H real [1,2] "relu") (declare-output Y real []))
(assert (and (>= X[0] 0.0) (<= X[0] 1.0) (>= X[1] 0.0) (<= X[1] 1.0)))
"""
BOUND = "(assert (and (>= X[0] 0.0) (<= X[0] 1.0) (<= Y[0] 0.0)))"


def message(text: str) -> str:
    with pytest.raises(InputError) as caught:
        parse_query(text, where="q.vnnlib")
    line = str(caught.value)
    assert caught.value.exit_code == 2 and "\n" not in line and len(line) < 400
    assert caught.value.advice
    return line


ASSERTS = [
    # Variables and indices
    ("(<= Z[0] 0.0)", "'Z' is not declared; declare it as input, hidden or output of a network"),
    ("(<= f 0.0)", "'f' is not declared"),
    ("(<= X[2] 0.0)", "index 2 of X is out of range, shape [2]; give one from 0 to 1"),
    ("(<= H[0,2] 0.0)", "index 2 of H is out of range, shape [1,2]"),
    ("(<= H[1,0] 0.0)", "index 1 of H is out of range, shape [1,2]; give one from 0 to 0"),
    ("(<= X[-1] 0.0)", "index -1 of X is out of range"),
    ("(<= X[0,0] 0.0)", "X has shape [2] and 1 indices, not 2; write X[0] for its first element"),
    ("(<= H[0] 0.0)", "H has shape [1,2] and 2 indices, not 1; write H[0,0]"),
    ("(<= X 0.0)", "X has shape [2] and 1 indices, not 0"),
    ("(<= X[] 0.0)", "'X[]' has no indices"),
    ("(<= X[0.5] 0.0)", "'X[0.5]' has no indices; give whole numbers"),
    ("(<= X[0,] 0.0)", "'X[0,]' has no indices"),
    ("(<= X[0 1] 0.0)", "'X[0 1]' has no indices"),
    ("(<= X[9999999999] 0.0)", "'9999999999' has more than 9 digits"),
    ("(<= Y[0] 0.0)", "Y is a scalar, shape [], and has indices; write Y"),
    ("(<= X_0 0.0)", "'X_0' is not declared"),
    ("(<= X[0 0.0)", "X has shape [2] and 1 indices, not 0"),
    # Numbers
    ("(<= Y 1e-3)", "'1e-3' is not a number of VNN-LIB 2.0, which has digits around a point and no exponent; write 0."),
    ("(<= Y 1.5E2)", "'1.5E2' is not a number of VNN-LIB 2.0"),
    ("(<= Y .5)", "'.5' is not a number of VNN-LIB 2.0, which has digits around a point and no exponent; write 0.5"),
    ("(<= Y 5.)", "'5.' is not a number of VNN-LIB 2.0"),
    ("(<= Y 1e999999)", "a number has more than 1,000 digits or an exponent beyond 999"),
    ("(<= Y nan)", "'nan' is not declared"),
    ("(<= Y -inf)", "'-' is neither a number nor a declared variable"),
    ("(<= Y 1_0)", "'1_0' is neither a number nor a declared variable"),
    ("(<= Y 0x10)", "'0x10' is neither a number"),
    ("(<= Y \u0661)", "'\\u0661' is neither a number"),
    # Operators
    ("(X[0] <= 1.0)", "unknown operator 'X[0]'; operators come first, as in (<= X[0] 1.0)"),
    ("(1.0 <= X[0])", "unknown operator '1.0'; operators come first"),
    ("(= X[0] 1.0)", "unknown operator '='; write =="),
    ("(not (<= X[0] 1.0))", "unknown operator 'not'; VNN-LIB 2.0 has and or <= >= < > == != + - *"),
    ("(=> (<= X[0] 1.0) (<= Y 1.0))", "unknown operator '='"),
    ("(<= (/ X[0] 2.0) 1.0)", "unknown operator '/'"),
    ("(<= (^ X[0] 2) 1.0)", "unknown operator '^'"),
    ("(<= (* X[0] X[1]) 1.0)", "a product of variables, X[0] and X[1], is not linear"),
    ("(<= (* 2.0 Y (+ H[0,1] 1.0)) 1.0)", "a product of variables, Y and H[0,1], is not linear"),
    ("(<= (* X[1] X[1]) 1.0)", "a product of variables, X[1] and X[1], is not linear"),
    ("(<= X[0])", "'<=' takes 2 arguments, not 1"),
    ("(!= 0.0 X[0] 1.0)", "'!=' takes 2 arguments, not 3"),
    ("(and)", "'and' has no arguments"),
    ("(or)", "'or' has no arguments"),
    ("(<= (+) 1.0)", "'+' has too few arguments, 0"),
    ("(and (<= X[0] 1.0) X[1])", "'and' takes formulas, not 'X[1]'; compare two terms, as in (<= Y[0] Y[1])"),
    ("(and (+ X[0] 1.0) (<= X[0] 1.0))", "'and' takes formulas, not a term"),
    ("(<= (<= X[0] 1.0) 1.0)", "'<=' takes terms, not a formula"),
    ("true", "'assert' takes formulas, not 'true'"),
    ("X[0]", "'assert' takes formulas, not 'X[0]'"),
    ("(<= X[0] ())", "an empty parenthesis"),
    ("(<= X[0] \"relu\")", "'\"relu\"' is neither a number"),
]  # fmt: skip


@pytest.mark.parametrize(("formula", "expected"), ASSERTS)
def test_asserts(formula, expected):
    assert message(f"{HEAD}\n\n(assert\n{formula})").startswith(("q.vnnlib:6: ", "q.vnnlib:7: "))  # 6: of the assert
    assert f": {expected}" in message(f"{HEAD}(assert {formula})")
    assert message(f"{HEAD}(assert {formula})").startswith("q.vnnlib:4: ")


TEXTS = [
    # The version, and the other language
    ("", "1: the file has no command; begin with (vnnlib-version <2.0>)"),
    ("; empty", "1: the file has no command"),
    ("(declare-network f)", "1: 'declare-network' stands above the version line"),
    ("\n(declare-const X_0 Real)", "2: 'declare-const' stands above the version line"),
    ("(vnnlib-version <3.0>)", "1: the version is not 2.0; write (vnnlib-version <2.0>)"),
    ("(vnnlib-version 2.0)", "1: the version is not 2.0"),
    ("(vnnlib-version <2>)", "1: the version is not 2.0"),
    ("(vnnlib-version)", "1: the version is not 2.0"),
    (f"{VERSION}(vnnlib-version <2.0>)", "2: a second version line"),
    (f"{VERSION}(declare-const X_0 Real)", "2: 'declare-const' belongs to VNN-LIB 1.0; remove (vnnlib-version <2.0>)"),
    (f"{VERSION}(check-sat)", "2: 'check-sat' belongs to VNN-LIB 1.0"),
    (f"{VERSION}(declare-fun X_0 () Real)", "2: 'declare-fun' belongs to VNN-LIB 1.0"),
    # Order
    (VERSION, "2: no network is declared"),
    (f"{VERSION}(assert (<= 1.0 2.0))", "2: no network is declared"),
    (f"{HEAD}(declare-network g (declare-input U real [1]) (declare-output V real [1]))", "4: a network is declared b"),
    (f"{VERSION}(declare-input X real [1])", "2: 'declare-input' outside a network"),
    (f"{VERSION}(<= 1.0 2.0)", "2: unknown command '<='; VNN-LIB 2.0 has vnnlib-version declare-network assert"),
    (f"{VERSION}(declare-network f (assert (<= 1.0 2.0)))", "2: 'assert' inside the command of line 2"),
    (f"{VERSION}(assert\n(declare-network f))", "3: 'declare-network' inside the command of line 2"),
    (f"{VERSION}(declare-network f (<= 1.0 2.0))", "2: unknown declaration '<='; VNN-LIB 2.0 has equal-to isomorphic"),
    # Parentheses
    (f"{VERSION}(declare-network f", "2: this parenthesis is never closed"),
    (f"{HEAD})", "4: a parenthesis closes nothing"),
    (f"{HEAD}[0]", "4: stray '[0]'"),
    (f"{VERSION}()", "2: an empty command"),
    (f"{VERSION}(declare-network f ())", "2: an empty parenthesis"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), TEXTS)
def test_commands(text, expected):
    assert message(text).startswith(f"q.vnnlib:{expected}")


INPUT, OUTPUT = "(declare-input X real [1])", "(declare-output Y real [1])"
NETWORKS = [
    ("(declare-network)", "'declare-network' has not the arguments it takes"),
    (f"(declare-network {INPUT} {OUTPUT})", "'declare-network' has not the arguments it takes"),
    (f"(declare-network f g {INPUT} {OUTPUT})", "'declare-network' has not the arguments it takes"),
    (f"(declare-network f-copy {INPUT} {OUTPUT})", "'f-copy' is not a name; use letters, digits and _, a letter first"),
    (f"(declare-network _f {INPUT} {OUTPUT})", "'_f' is not a name"),
    (f"(declare-network and {INPUT} {OUTPUT})", "'and' is not a name"),
    (f"(declare-network {'f' * 201} {INPUT} {OUTPUT})", f"'{'f' * 37}...' has more than 200 letters"),
    (f"(declare-network f {OUTPUT} {INPUT})", "input 'X' stands below output tensors; declare inputs, then hidden"),
    (f'(declare-network f {INPUT} {OUTPUT} (declare-hidden H real [1] "h"))', "hidden 'H' stands below output tensors"),
    (f"(declare-network f {INPUT})", "network 'f' declares no output"),
    (f"(declare-network f {OUTPUT})", "network 'f' declares no input"),
    (f"(declare-network f {INPUT} (declare-output X real [1]))", "'X' is declared again, first in line 2"),
    (f"(declare-network f {INPUT} (declare-hidden H real [1]) {OUTPUT})", "a hidden tensor has no ONNX name"),
    (f'(declare-network f {INPUT} (declare-hidden H real [1] "") {OUTPUT})', "what follows the shape is not one ONNX "),
    (f'(declare-network f {INPUT} (declare-hidden H real [1] "a" "b") {OUTPUT})', "what follows the shape is not one"),
    (f"(declare-network f {INPUT} (declare-hidden H real [1] h) {OUTPUT})", "what follows the shape is not one ONNX n"),
    (f'(declare-network f (declare-input X real [1] "x") {OUTPUT})', "the input has an ONNX name, which VNN-LIB 2.0 g"),
    (f"(declare-network f (declare-input X real) {OUTPUT})", "'declare-input' has not the arguments it takes; write"),
    (f"(declare-network f (declare-input X [1]) {OUTPUT})", "'declare-input' has not the arguments it takes"),
    (f"(declare-network f (declare-input) {OUTPUT})", "'declare-input' has not the arguments it takes"),
    (f"(declare-network f (declare-input X Real [1]) {OUTPUT})", "'Real' is not an element type; write real"),
    (f"(declare-network f (declare-input X double [1]) {OUTPUT})", "'double' is not an element type; write real, fl"),
    (f"(declare-network f (declare-input X float32 [1]) {OUTPUT})", "Y is real and X is float32; a query is over real"),
    (f"(declare-network f (declare-input X real [0]) {OUTPUT})", "[0] is not a shape; sizes are 1 at least"),
    (f"(declare-network f (declare-input X real [2,-1]) {OUTPUT})", "[2,-1] is not a shape"),
    (f"(declare-network f (declare-input X real [2 3]) {OUTPUT})", "'[2 3]' is not a shape; give sizes between commas"),
    (f"(declare-network f (declare-input X real [N]) {OUTPUT})", "'[N]' is not a shape"),
    (f"(declare-network f (declare-input X real [1,]) {OUTPUT})", "'[1,]' is not a shape"),
    (f"(declare-network f (declare-input X real [{'1,' * 64}1]) {OUTPUT})", "a shape has more than 64 dimensions"),
    (f"(declare-network f (declare-input X real [9999,9999]) {OUTPUT})", "shape [9999,9999] has more than 500,000 e"),
    ("(declare-network f (declare-input X real [499999]) (declare-output Y real [2]))", "the tensors have more than"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), NETWORKS)
def test_declarations(text, expected):
    assert message(f"{VERSION}{text}{BOUND}").startswith(f"q.vnnlib:2: {expected}")


X, H, Y = "(declare-input X float32 [2])", '(declare-hidden H float32 [3] "h")', "(declare-output Y float32 [1])"
F = f"(declare-network f {X} {H} {Y})\n"
RELATED = [
    ("(equal-to h)", "U float32 [2]", "V float32 [1]", "'equal-to' names 'h', and no network above has that name"),
    ("(equal-to g)", "U float32 [2]", "V float32 [1]", "'equal-to' names 'g', and no network above has that name"),
    ("(isomorphic-to X)", "U float32 [2]", "V float32 [1]", "'isomorphic-to' names 'X', and no network above has that"),
    ("(equal-to)", "U float32 [2]", "V float32 [1]", "'equal-to' takes the name of a network; write (equal-to NAME)"),
    ("(equal-to f f)", "U float32 [2]", "V float32 [1]", "'equal-to' takes the name of a network"),
    ("(equal-to f) (isomorphic-to f)", "U float32 [2]", "V float32 [1]", "'isomorphic-to' is the second relation of t"),
    ("(equal-to f)", "U float32 [3]", "V float32 [1]", "g is declared equal-to f, but U is float32 [3] and X is float"),
    ("(isomorphic-to f)", "U float32 [2]", "V float32 [1,1]", "g is declared isomorphic-to f, but V is float32 [1,1] "),
    ("(equal-to f)", "U float16 [2]", "V float16 [1]", "g is declared equal-to f, but U is float16 [2] and X is float"),
    ("(equal-to f)", "U float32 [2]) (declare-input W float32 [1]", "V float32 [1]", "g is declared equal-to f and ha"),
    ("(isomorphic-to f)", 'U float32 [2]) (declare-hidden K float32 [4] "h"', "V float32 [1]", "g is declared isomorp"),
]  # fmt: skip


@pytest.mark.parametrize(("relation", "first", "last", "expected"), RELATED)
def test_relations(relation, first, last, expected):
    network = f"(declare-network g {relation} (declare-input {first}) (declare-output {last}))"
    assert message(f"{VERSION}{F}{network}{BOUND}").startswith(f"q.vnnlib:3: {expected}")


def test_relations_that_fit_are_kept():
    """Isomorphic networks may have other element types, and both kinds of relatives other hidden tensors."""
    text = f"""{VERSION}{F}
        (declare-network g (isomorphic-to f) (declare-input U float16 [2])
            (declare-hidden K float16 [3] "h") (declare-hidden L float16 [9] "other") (declare-output V float16 [1]))
        (declare-network h (equal-to f) (declare-input P float32 [2]) (declare-output Q float32 [1]))
        (assert (and (>= X[0] 0.0) (<= X[0] 1.0) (== X[1] X[0]) (== U[0] 0.5) (== U[1] 0.5) (== P[0] X[0])
                     (== P[1] X[0]) (< Y[0] Q[0])))"""
    query = parse_query(text)
    assert [(n.name, n.equal_to, n.isomorphic_to) for n in query.networks] == [
        ("f", "", ""),
        ("g", "", "f"),
        ("h", "f", ""),
    ]
    assert query.elements == {"float32", "float16"} and query.free == (0, 2, 3)


def test_more_relations():
    chain = f"{F}(declare-network g (equal-to f) (declare-input U float32 [2]) (declare-output V float32 [1]))\n"
    third = "(declare-network h (equal-to g) (declare-input P float32 [2]) (declare-output Q float32 [1]))"
    assert message(f"{VERSION}{chain}{third}").startswith(
        "q.vnnlib:4: 'equal-to' names g, which is itself related to f"
    )
    late = "(declare-network g (declare-input U float32 [2]) (equal-to f) (declare-output V float32 [1]))"
    assert message(f"{VERSION}{F}{late}").startswith("q.vnnlib:3: 'equal-to' stands below tensors; put it right after")
    twice = "(declare-network f (declare-input U float32 [2]) (declare-output V float32 [1]))"
    assert message(f"{VERSION}{F}{twice}").startswith("q.vnnlib:3: network 'f' is declared twice")


class TestTypes:
    MIXED = f"""{VERSION}(declare-network f (declare-input X float32 [1]) (declare-output Y int64 [1]))
(declare-network g (declare-input U float16 [1]) (declare-output V float32 [1]))
(assert (and (== X[0] 0.5) (== U[0] 0.5)))"""

    def test_types_of_one_comparison_are_the_same(self):
        line = message(f"{self.MIXED}\n(assert (<= X[0] U[0]))")
        assert line.startswith(
            "q.vnnlib:5: '<=' takes X[0], which is float32, and U[0], which is float16; VNN-LIB conv"
        )
        line = message(f"{self.MIXED}\n(assert (<= (+ V[0] Y[0] 1.0) 2.0))")
        assert line.startswith("q.vnnlib:5: '+' takes V[0], which is float32, and Y[0], which is int64")

    def test_comparisons_of_one_type_may_stand_side_by_side(self):
        query = parse_query(f"{self.MIXED}(assert (or (<= V[0] (+ X[0] 1.0)) (>= Y[0] 3)))")
        assert query.elements == {"float32", "float16", "int64"}


class TestBounds:
    PAIR = f"""{VERSION}(declare-network f (declare-input X real [1,2]) (declare-output Y real [1]))
(declare-network g
    (declare-input U real [2]) (declare-output V real [1]))
(assert (and (>= X[0,0] 0.0) (<= X[0,0] 1.0) (== X[0,1] X[0,0])))
"""

    def test_a_free_input_without_bound_is_named_as_the_text_has_it(self):
        line = message(f"{self.PAIR}(assert (and (== U[0] X[0,0]) (> U[1] 0.0)))(assert (<= Y[0] V[0]))")
        assert line == "q.vnnlib:4: U[1] has no upper bound; add (assert (<= U[1] ...))"

    def test_a_network_that_no_assert_reads_has_inputs_without_bounds(self):
        assert message(f"{self.PAIR}(assert (<= Y[0] 0.0))").startswith("q.vnnlib:4: U[0] has no lower bound")

    def test_in_some_alternative(self):
        line = message(f"{self.PAIR}(assert (or (== U[0] 1.0) (== U[1] 1.0)))(assert (== U[1] 1.0))")
        assert line.startswith("q.vnnlib:4: U[0] has no lower bound in input box 2 of 2")


class TestLimits:
    def test_alternatives(self):
        line = message(HEAD + "".join(f"(assert (!= Y {i}.0))" for i in range(18)))
        assert "multiplied out, the disjunctions have 262,144 alternatives, more than 250,000" in line

    def test_elimination(self, monkeypatch):
        text = f"{VERSION}(declare-network f (declare-input X real [9]) (declare-output Y real []))"
        text += "".join(f"(assert (>= X[{i}] 0.0))(assert (<= X[{i}] 1.0))" for i in range(9))
        text += "".join(f"(assert (== X[{i + 1}] (- 1.0 X[{i}])))" for i in reversed(range(8))) + "(assert (<= Y 0.0))"
        assert parse_query(text).free == (0,)
        monkeypatch.setattr(ties._Effort, "__init__", lambda self: setattr(self, "left", 12))
        assert "eliminating tied inputs forms more than" in message(text)

    def test_bits(self):
        text = f"{VERSION}(declare-network f (declare-input X real [40]) (declare-output Y real []))"
        text += "".join(f"(assert (== (* {'9' * 300}.{'7' * 300} X[{i + 1}]) (+ X[{i}] 1.0)))" for i in range(39))
        assert "a number grows beyond 10,000 bits" in message(f"{text}(assert (<= X[0] 1.0))(assert (>= X[0] 0.0))")


def test_one_language_given_where_the_other_is_expected(tmp_path):
    (tmp_path / "1.vnnlib").write_text("(declare-const X_0 Real)")
    (tmp_path / "2.vnnlib").write_text(HEAD)
    with pytest.raises(InputError, match=r"2.vnnlib:1: VNN-LIB 2.0 \('vnnlib-version'\), where a property in"):
        load_property(tmp_path / "2.vnnlib")
    with pytest.raises(InputError, match=r"1.vnnlib:1: 'declare-const' stands above the version line; begin with"):
        load_query(tmp_path / "1.vnnlib")
    with pytest.raises(InputError, match=r"<text>:1: 'declare-network' belongs to VNN-LIB 2.0; begin the file with"):
        parse_property("(declare-network f)")
