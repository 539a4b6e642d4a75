"""VNN-LIB file -> Specification: the asserts in disjunctive normal form, all numbers exact.

Section 2 of the format says what the file stands for. Here a formula is a list of disjuncts, tuples
of rows.
"""

import re
from collections.abc import Iterable, Sequence
from fractions import Fraction
from itertools import chain, product
from typing import TypeAlias

from engine.audit.data import FilePath, Polytope, Specification
from engine.audit.failures import Malformed, need
from engine.audit.vnnlib_terms import (
    SIGNS,
    Parts,
    Term,
    arithmetic,
    check_size,
    comparison,
    sum_of,
)
from engine.audit.vnnlib_tokens import MAX_DEPTH, read_script

Formula: TypeAlias = list[Polytope]
Item: TypeAlias = "str | Term | Formula | tuple[()]"  # in a group: a word, or the value of a group

TOKEN = re.compile(r';[^\r\n]*|"[^"]*"|\|[^|]*\||[()]|[^\s()";|]+|\S', re.ASCII)
NUMBER = re.compile(r"[+-]?(?=\.?[0-9])[0-9]{0,1000}\.?[0-9]{0,1000}(?:[eE][+-]?[0-9]{1,3})?")
VARIABLE = re.compile(r"[XY]_(?:0|[1-9][0-9]{0,6})")
OPERATORS = ("<=", "<", ">=", ">", "=", *"+-*/")
IGNORED = ("set-logic", "set-info", "set-option", "check-sat", "get-model")
SECOND = ("declare-network", "declare-input", "declare-output", "declare-hidden")  # VNN-LIB 2.0


def read_property(path: FilePath) -> Specification:
    """The unsafe set that a `.vnnlib` or `.vnnlib.gz` file asserts.

    Malformed, with the line, where it asserts none.
    """
    script = _Script()
    # all that counts is ASCII
    return read_script(path, "latin-1", TOKEN, script.read, script.specification)


class _Script:
    """The part of a script that has been read so far.

    variables, asserts; groups: the items in each open parenthesis; parts: of all that was built.
    """

    def __init__(self) -> None:
        self.variables: set[str] = set()
        self.asserts: list[Formula] = []
        self.groups: list[list[Item]] = []
        self.parts = Parts()

    def read(self, token: str) -> None:
        """Takes the next token. A group becomes a value when it closes, so nothing recurses."""
        if token == "(":
            need(len(self.groups) < MAX_DEPTH, f"more than {MAX_DEPTH} parentheses are open")
            self.groups.append([])
        elif token.startswith(";"):
            pass
        else:
            need(self.groups, f"{token[:40]!a} stands outside all parentheses")
            if token == ")":
                self._close()
            else:
                allowed = self.groups[-1] or token not in SECOND
                need(allowed, f"VNN-LIB 2.0 is not supported ({token})")
                self.groups[-1].append(token)

    def _close(self) -> None:
        """Makes a command, or the value of an item, of the group that ends here."""
        items = self.groups.pop()
        if self.groups:
            self.groups[-1].append(self._value(*items) if items else ())
        else:
            self._command(items)

    def _command(self, items: list[Item]) -> None:
        match items:
            case ["declare-const", str(name), "Real"] | ["declare-fun", str(name), (), "Real"]:
                new = VARIABLE.fullmatch(name) and name not in self.variables
                need(new, f"{name[:40]!a} is not of the form X_0 or Y_0, or declared twice")
                self.variables.add(name)
            case ["assert", formula]:
                self.asserts.append(self._joined("and", [formula]))
            case ["vnnlib-version", str(version)]:
                supported = re.match(r"<?1\b", version)
                need(supported, f"VNN-LIB {version[:10]!a} is not supported")
            case _:
                known = items and items[0] in IGNORED
                need(known, "this command is unknown, or its arguments are wrong")

    # --- values of groups -------------------------------------------------------------------------

    def _value(self, head: Item, *arguments: Item) -> Term | Formula:
        """The formula or term that a group is."""
        if head == "and" or head == "or":
            return self._joined(head, arguments)
        if not isinstance(head, str) or head not in OPERATORS:
            operator = head if isinstance(head, str) else "()"
            raise Malformed(f"{operator!a:.40} is not an operator")
        terms = [self._term(argument) for argument in arguments]
        return [comparison(head, terms)] if head in SIGNS else arithmetic(head, terms)

    def _term(self, item: Item) -> Term:
        """The term itself, or that of a variable or number."""
        if isinstance(item, dict):
            return item
        if not isinstance(item, str):
            raise Malformed("a formula stands where a term should")
        if item in self.variables:
            return {item: Fraction(1)}
        is_number = NUMBER.fullmatch(item)
        need(
            is_number,
            f"{item[:40]!a} is neither a declared variable nor a number, or too long a number",
        )
        return sum_of([{"": Fraction(item)}], [1])  # without a zero

    def _joined(self, head: str, items: Sequence[Item]) -> Formula:
        """The disjunction of formulas, or their conjunction, multiplied out."""
        formulas = [_formula(item) for item in items]
        if len(formulas) == 1:
            return formulas[0]
        picks: Iterable[tuple[Polytope, ...]] = (
            zip(chain(*formulas)) if head == "or" else product(*formulas)
        )
        multiplied = head == "and" and sum(len(formula) > 1 for formula in formulas) > 1
        disjuncts: Formula = []
        for pick in picks:
            disjuncts.append(tuple(chain(*pick)))
            self.parts.add(1 + len(pick) + len(disjuncts[-1]), multiplied=multiplied)
        return disjuncts

    # --- the whole --------------------------------------------------------------------------------

    def specification(self, digest: str) -> Specification:
        """The conjunction of all asserts, when the file has ended."""
        complete = self.asserts and not self.groups
        need(complete, "at its end the file has asserted nothing, or a parenthesis is open")
        n_inputs, n_outputs = (sum(name[0] == letter for name in self.variables) for letter in "XY")
        wanted = {f"X_{i}" for i in range(n_inputs)} | {f"Y_{j}" for j in range(n_outputs)}
        declared = n_inputs and n_outputs and self.variables == wanted
        need(declared, "not all of X_0, X_1, ... and Y_0, ... are declared")
        base = tuple(chain(*(formula[0] for formula in self.asserts if len(formula) == 1)))
        several = [formula for formula in self.asserts if len(formula) != 1]
        disjuncts = tuple(self._joined("and", several))
        check_size(base, disjuncts)
        return Specification(n_inputs, n_outputs, base, disjuncts, digest)


def _formula(item: Item) -> Formula:
    """The formula itself, or that of `true` or `false`."""
    if item == "true":
        return [()]
    if item == "false":
        return []
    if not isinstance(item, list):
        raise Malformed("something else stands where a formula should")
    return item
