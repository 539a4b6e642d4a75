"""VNN-LIB file -> Specification: the asserts in disjunctive normal form, all numbers exact.

Here a term is a dict, variable -> coefficient and "" -> constant, without zeros, and a formula a list of disjuncts.
"""

import re
from fractions import Fraction
from functools import reduce
from hashlib import sha256
from itertools import chain, product

from .data import Malformed, Row, Specification, need, read_bytes

MAX_BYTES, MAX_DEPTH = 16 << 20, 100
MAX_DISJUNCTS, MAX_ROWS = 100_000, 10_000_000  # rows: in all disjuncts that are ever built
MAX_LENGTH, MAX_EXPONENT, MAX_BITS = 1_000, 4_000, 100_000  # of a number; bits of a numerator or denominator

TOKEN = re.compile(r';[^\r\n]*|"[^"]*"|\|[^|]*\||[()]|[^\s()";|]+|\S', re.ASCII)
NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE]([+-]?[0-9]+))?")
VARIABLE = re.compile(r"[XY]_(?:0|[1-9][0-9]{0,6})")
SIGNS = {"<=": (1,), "<": (1,), ">=": (-1,), ">": (-1,), "=": (1, -1)}  # of left - right, in each row
IGNORED = ("set-logic", "set-info", "set-option", "check-sat", "get-model")


def read_property(path) -> Specification:
    """The unsafe set that a `.vnnlib` or `.vnnlib.gz` file asserts; Malformed, with the line, where it is none."""
    data = read_bytes(path, MAX_BYTES)
    text, script, at = data.removeprefix(b"\xef\xbb\xbf").decode("latin-1"), _Script(), 0  # all that counts is ASCII
    try:
        for match in TOKEN.finditer(text):
            at = match.start()
            script.read(match.group())
        return script.specification(sha256(data).hexdigest())
    except Malformed as error:
        raise Malformed(f"{path}:{1 + text.count(chr(10), 0, at)}: {error}") from None


class _Script:
    """What has been read: variables, asserts, the values in each open group, and how many rows have been built."""

    def __init__(self):
        self.variables, self.asserts, self.groups, self.rows = set(), [], [], 0

    def read(self, token: str) -> None:
        """A group becomes a value when it closes, so nothing recurses."""
        if token == "(":
            need(len(self.groups) < MAX_DEPTH, f"more than {MAX_DEPTH} parentheses are open")
            self.groups.append([])
        elif not token.startswith(";"):
            need(self.groups, f"{token[:40]!a} stands outside all parentheses")
            if token != ")":
                self.groups[-1].append(token)
            elif len(self.groups) == 1:
                self.command(*self.groups.pop())
            else:
                items = self.groups.pop()
                self.groups[-1].append(self.value(*items) if items else ())

    def command(self, *items) -> None:
        match items:
            case ("declare-const", str(name), "Real") | ("declare-fun", str(name), (), "Real"):
                need(VARIABLE.fullmatch(name), f"{name[:40]!a} is not of the form X_0 or Y_0")
                need(name not in self.variables, f"{name} is declared twice")
                self.variables.add(name)
            case ("assert", formula):
                self.asserts.append(self.joined("and", [formula]))
            case _:
                need(items and items[0] in IGNORED, "this command is unknown, or its arguments are wrong")

    def value(self, head, *arguments) -> dict | list:
        """The formula or term that a group is."""
        known = isinstance(head, str) and head in (*SIGNS, "and", "or", "+", "-", "*", "/")
        need(known, f"{head if isinstance(head, str) else '()'!a:.40} is not an operator")
        if head in ("and", "or"):
            return self.joined(head, arguments)
        terms = [self.term(argument) for argument in arguments]
        match head, *terms:
            case (_, _, _) if head in SIGNS:
                return [tuple(_row(_sum(terms, (sign, -sign)), head in ("<", ">")) for sign in SIGNS[head])]
            case ("+" | "-", _, *rest):
                sign = 1 if head == "+" else -1
                return _sum(terms, [1 if rest else sign] + [sign] * len(rest))
            case ("*", _, *_):
                return _product(terms)
            case ("/", term, *divisors) if divisors:
                need(all(d.keys() == {""} for d in divisors), "it divides by zero or by a variable")
                return _product([term, *({"": 1 / d[""]} for d in divisors)])
        raise Malformed(f"{head} takes another number of arguments")

    def term(self, item) -> dict:
        """The term itself, or that of a variable or number."""
        if isinstance(item, dict):
            return item
        need(isinstance(item, str), "a formula stands where a term should")
        if item in self.variables:
            return {item: Fraction(1)}
        number = NUMBER.fullmatch(item) if len(item) <= MAX_LENGTH else None
        what = f"{item[:40]!a} is neither a declared variable nor a number, or too long a number"
        need(number and abs(int(number[1] or 0)) <= MAX_EXPONENT, what)
        return _sum([{"": Fraction(item)}], [1])  # without a zero

    def joined(self, head: str, items) -> list:
        """The disjunction of formulas, or their conjunction, multiplied out."""
        formulas = [{"true": [()], "false": []}.get(item) if isinstance(item, str) else item for item in items]
        need(all(isinstance(formula, list) for formula in formulas), "something else stands where a formula should")
        if head == "or":
            picks = [(disjunct,) for formula in formulas for disjunct in formula]
            count, rows = len(picks), sum(len(disjunct) for (disjunct,) in picks)
        else:
            picks = product(*formulas)
            count = reduce(lambda n, formula: min(n * len(formula), MAX_DISJUNCTS + 1), formulas, 1)
            rows = sum(count // len(formula) * sum(map(len, formula)) for formula in formulas if formula)
        self.rows += count + rows
        need(count <= MAX_DISJUNCTS, f"multiplied out, there are more than {MAX_DISJUNCTS:,} disjuncts")
        need(self.rows <= MAX_ROWS, f"multiplied out, there are more than {MAX_ROWS:,} rows")
        return [tuple(chain(*pick)) for pick in picks]

    def specification(self, digest: str) -> Specification:
        need(self.asserts and not self.groups, "at its end the file has asserted nothing, or a parenthesis is open")
        n_inputs, n_outputs = (sum(name[0] == letter for name in self.variables) for letter in "XY")
        wanted = {f"X_{i}" for i in range(n_inputs)} | {f"Y_{j}" for j in range(n_outputs)}
        need(n_inputs and n_outputs and self.variables == wanted, "not all of X_0, X_1, ... and Y_0, ... are declared")
        return Specification(n_inputs, n_outputs, tuple(self.joined("and", self.asserts)), digest)


def _row(term: dict, strict: bool) -> Row:
    """term <= 0, or < 0."""
    inputs, outputs = ({int(name[2:]): c for name, c in term.items() if name[:1] == letter} for letter in "XY")
    return Row(inputs, outputs, term.get("", Fraction(0)), strict)


def _sum(terms: list[dict], factors) -> dict:  # of each term times its factor
    total = {}
    for term, factor in zip(terms, factors):
        for name, value in term.items():
            total[name] = _bounded(total.get(name, 0) + factor * value)
    return {name: value for name, value in total.items() if value}


def _product(terms: list[dict]) -> dict:
    linear = [term for term in terms if term.keys() - {""}]
    need(len(linear) <= 1, "a product of variables is not linear")
    constants = [term.get("", Fraction(0)) for term in terms if not term.keys() - {""}]
    factor = reduce(lambda a, b: _bounded(a * b), constants, Fraction(1))
    return _sum(linear or [{"": Fraction(1)}], [factor])


def _bounded(value: Fraction) -> Fraction:
    need(max(map(int.bit_length, value.as_integer_ratio())) <= MAX_BITS, f"a number grows beyond {MAX_BITS:,} bits")
    return value
