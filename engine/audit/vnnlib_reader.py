"""VNN-LIB file -> Specification: the asserts in disjunctive normal form, all numbers exact.

Here a term is a dict, variable -> coefficient and "" -> constant, without zeros, and a formula a list of disjuncts.
"""

import re
from fractions import Fraction
from functools import reduce
from hashlib import sha256
from itertools import chain, product

from engine.audit.data import Malformed, Row, Specification, need, read_bytes

MAX_BYTES, MAX_DEPTH, MAX_BITS = 16 << 20, 1_000, 10_000  # bits: of a numerator or denominator
MAX_PARTS = 5_000_000  # of all disjuncts that are ever built: themselves, the disjuncts they are made of, their rows

TOKEN = re.compile(r';[^\r\n]*|"[^"]*"|\|[^|]*\||[()]|[^\s()";|]+|\S', re.ASCII)
NUMBER = re.compile(r"[+-]?(?=\.?[0-9])[0-9]{0,1000}\.?[0-9]{0,1000}(?:[eE][+-]?[0-9]{1,3})?")
VARIABLE = re.compile(r"[XY]_(?:0|[1-9][0-9]{0,6})")
SIGNS = {
    "<=": (1,),
    "<": (1,),
    ">=": (-1,),
    ">": (-1,),
    "=": (1, -1),
}  # of left - right, in each row
IGNORED = ("set-logic", "set-info", "set-option", "check-sat", "get-model")
SECOND = ("declare-network", "declare-input", "declare-output", "declare-hidden")  # of VNN-LIB 2.0


def read_property(path) -> Specification:
    """The unsafe set that a `.vnnlib` or `.vnnlib.gz` file asserts; Malformed, with the line, where it is none."""
    data = read_bytes(path, MAX_BYTES)
    utf16 = data.startswith((b"\xff\xfe", b"\xfe\xff")) or 0 in data[:4]
    need(not utf16, f"{path}: is UTF-16 text, or no text; it should be UTF-8")
    text, script, at = (
        data.removeprefix(b"\xef\xbb\xbf").decode("latin-1"),
        _Script(),
        0,
    )  # all that counts is ASCII
    try:
        for match in TOKEN.finditer(text):
            at = match.start()
            script.read(match.group())
        return script.specification(sha256(data).hexdigest())
    except Malformed as error:
        line = 1 + len(re.findall(r"\r\n?|\n", text[:at]))
        raise Malformed(f"{path}:{line}: {error}") from None


class _Script:
    """What has been read: variables, asserts, the values in each open group, and how many parts have been built."""

    def __init__(self):
        self.variables, self.asserts, self.groups, self.parts = set(), [], [], 0

    def read(self, token: str) -> None:
        """A group becomes a value when it closes, so nothing recurses."""
        if token == "(":
            need(len(self.groups) < MAX_DEPTH, f"more than {MAX_DEPTH} parentheses are open")
            self.groups.append([])
        elif not token.startswith(";"):
            need(self.groups, f"{token[:40]!a} stands outside all parentheses")
            if token != ")":
                need(
                    self.groups[-1] or token not in SECOND,
                    f"VNN-LIB 2.0 is not supported ({token})",
                )
                self.groups[-1].append(token)
            elif len(self.groups) == 1:
                self.command(*self.groups.pop())
            else:
                items = self.groups.pop()
                self.groups[-1].append(self.value(*items) if items else ())

    def command(self, *items) -> None:
        match items:
            case ("declare-const", str(name), "Real") | ("declare-fun", str(name), (), "Real"):
                new = VARIABLE.fullmatch(name) and name not in self.variables
                need(new, f"{name[:40]!a} is not of the form X_0 or Y_0, or declared twice")
                self.variables.add(name)
            case ("assert", formula):
                self.asserts.append(self.joined("and", [formula]))
            case ("vnnlib-version", str(version)):
                need(re.match(r"<?1\b", version), f"VNN-LIB {version[:10]!a} is not supported")
            case _:
                need(
                    items and items[0] in IGNORED,
                    "this command is unknown, or its arguments are wrong",
                )

    def value(self, head, *arguments) -> dict | list:
        """The formula or term that a group is."""
        if head in ("and", "or"):
            return self.joined(head, arguments)
        need(
            head in (*SIGNS, *"+-*/"),
            f"{head if isinstance(head, str) else '()'!a:.40} is not an operator",
        )
        terms = [self.term(argument) for argument in arguments]
        match head, *terms:
            case (_, _, _) if head in SIGNS:
                return [
                    tuple(
                        _row(_sum(terms, (sign, -sign)), head in ("<", ">")) for sign in SIGNS[head]
                    )
                ]
            case ("+" | "-", _, *rest):
                sign = 1 if head == "+" else -1
                return _sum(terms, [1 if rest else sign] + [sign] * len(rest))
            case ("*", _, *_):
                return _product(terms)
            case ("/", term, *divisors) if divisors and all(d.keys() == {""} for d in divisors):
                return _product([term, *({"": 1 / d[""]} for d in divisors)])
        raise Malformed(f"{head} takes other arguments")

    def term(self, item) -> dict:
        """The term itself, or that of a variable or number."""
        if isinstance(item, dict):
            return item
        need(isinstance(item, str), "a formula stands where a term should")
        if item in self.variables:
            return {item: Fraction(1)}
        need(
            NUMBER.fullmatch(item),
            f"{item[:40]!a} is neither a declared variable nor a number, or too long a number",
        )
        return _sum([{"": Fraction(item)}], [1])  # without a zero

    def joined(self, head: str, items) -> list:
        """The disjunction of formulas, or their conjunction, multiplied out."""
        formulas = [
            {"true": [()], "false": []}.get(item) if isinstance(item, str) else item
            for item in items
        ]
        need(
            all(isinstance(formula, list) for formula in formulas),
            "something else stands where a formula should",
        )
        if len(formulas) == 1:
            return formulas[0]
        products = head == "and" and sum(len(formula) > 1 for formula in formulas) > 1
        disjuncts = []
        for pick in zip(chain(*formulas)) if head == "or" else product(*formulas):
            disjuncts.append(tuple(chain(*pick)))
            self.parts += 1 + len(pick) + len(disjuncts[-1])
            need(
                self.parts <= MAX_PARTS,
                f"{'multiplied out, ' * products}its disjuncts have more than {MAX_PARTS:,} parts",
            )
        return disjuncts

    def specification(self, digest: str) -> Specification:
        need(
            self.asserts and not self.groups,
            "at its end the file has asserted nothing, or a parenthesis is open",
        )
        n_inputs, n_outputs = (sum(name[0] == letter for name in self.variables) for letter in "XY")
        wanted = {f"X_{i}" for i in range(n_inputs)} | {f"Y_{j}" for j in range(n_outputs)}
        need(
            n_inputs and n_outputs and self.variables == wanted,
            "not all of X_0, X_1, ... and Y_0, ... are declared",
        )
        base = tuple(chain(*(formula[0] for formula in self.asserts if len(formula) == 1)))
        disjuncts = tuple(
            self.joined("and", [formula for formula in self.asserts if len(formula) != 1])
        )
        rows = sum(
            len(row.inputs) + len(row.outputs) != 1 or row.strict for row in base
        )  # not just ends of a box
        need(
            rows * len(disjuncts) <= MAX_PARTS,
            f"{rows:,} rows times {len(disjuncts):,} disjuncts are too many",
        )
        return Specification(n_inputs, n_outputs, base, disjuncts, digest)


def _row(term: dict, strict: bool) -> Row:
    """term <= 0, or < 0."""
    inputs, outputs = (
        {int(name[2:]): c for name, c in term.items() if name[:1] == letter} for letter in "XY"
    )
    return Row(inputs, outputs, term.get("", Fraction(0)), strict)


def _sum(terms: list[dict], factors) -> dict:  # of each term times its factor
    total = {}
    for term, factor in zip(terms, factors):
        for name, value in term.items():
            total[name] = n = total.get(name, 0) + factor * value
            need(
                max(map(int.bit_length, n.as_integer_ratio())) <= MAX_BITS,
                f"a number grows beyond {MAX_BITS:,} bits",
            )
    return {name: value for name, value in total.items() if value}


def _product(terms: list[dict]) -> dict:
    *constants, last = sorted(
        terms, key=lambda term: not term.keys() <= {""}
    )  # the last may be linear
    need(all(term.keys() <= {""} for term in constants), "a product of variables is not linear")
    factor = reduce(
        lambda total, term: _sum([total], [term.get("", 0)]), constants, {"": Fraction(1)}
    )
    return _sum([last], [factor.get("", 0)])
