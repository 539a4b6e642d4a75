"""VNN-LIB 2.0 file -> Query: which networks it declares, and what it asserts of them (section 10).

The grammar is that of the standard's version 2.0; products of variables are refused.
"""

import re
from fractions import Fraction
from typing import NamedTuple, TypeAlias

from engine.audit.data import FilePath, Specification
from engine.audit.failures import Malformed, need
from engine.audit.vnnlib2_declarations import (
    KINDS,
    Declaration,
    Relation,
    Scope,
    Variable,
    variable,
)
from engine.audit.vnnlib2_formulas import Formula, Joiner
from engine.audit.vnnlib_terms import Term, arithmetic, check_size, comparison, sum_of
from engine.audit.vnnlib_tokens import MAX_DEPTH, read_script

#: In a group: a word or string, a shape, or the value of a group.
Item: TypeAlias = "str | list[int] | Term | Formula | Variable | Relation"

VERSION = "<2.0>"
TOKEN = re.compile(
    r';[^\r\n]*|"(?:[^"\\]|\\.)*"|\[[^\]]*\]|[()]|[^\s()\[\]";]+|\S', re.ASCII | re.S
)
NUMBER = re.compile(r"-?[0-9]{1,1000}(?:\.[0-9]{1,1000})?")
INDICES = re.compile(r"\[\s*(?:[0-9]{1,9}\s*(?:,\s*[0-9]{1,9}\s*)*)?\]", re.ASCII)
COMPARISONS = ("<=", "<", ">=", ">", "==")
RELATIONS = ("equal-to", "isomorphic-to")


class Query(NamedTuple):
    """The networks in order, and the unsafe set over the inputs and outputs of all of them."""

    networks: tuple[Declaration, ...]
    specification: Specification

    @property
    def is_float32(self) -> bool:
        """True iff it is about what is executed: a tensor has elements of type float32."""
        tensors = (tensor for network in self.networks for tensor in network.variables)
        return any(tensor.element == "float32" for tensor in tensors)


def read_query(path: FilePath) -> Query:
    """The query in a `.vnnlib` or `.vnnlib.gz` file of VNN-LIB 2.0.

    Malformed, with the line, where there is none.
    """
    script = _Script()
    return read_script(path, "utf-8", TOKEN, script.read, script.query)


class _Script:
    """The part of a script that has been read so far.

    groups: the items in each open parenthesis.
    """

    def __init__(self) -> None:
        self.scope, self.joiner = Scope(), Joiner()
        self.asserts: list[Formula] = []
        self.groups: list[list[Item]] = []
        self.has_version = False

    def read(self, token: str) -> None:
        """Takes the next token. A group becomes a value when it closes, so nothing recurses."""
        if token == "(":
            need(len(self.groups) < MAX_DEPTH, f"more than {MAX_DEPTH} parentheses are open")
            self.groups.append([])
        elif not token.startswith(";"):
            need(self.groups, f"{token[:40]!a} stands outside all parentheses")
            if token == ")":
                self._close()
            elif token.startswith("["):
                self._bracket(token)
            else:
                self.groups[-1].append(token)

    def _bracket(self, token: str) -> None:
        """A shape in a declaration; elsewhere indices of the variable before it."""
        need(INDICES.fullmatch(token), f"{token[:40]!a} is no list of whole numbers")
        numbers, group = [int(text) for text in re.findall("[0-9]+", token)], self.groups[-1]
        if group and group[0] in KINDS:
            group.append(numbers)
            return
        name = group.pop() if group else ""
        if not isinstance(name, str) or not name or not numbers:
            raise Malformed(f"{token[:40]} follows no variable, or holds no indices")
        group.append(self.scope.element(name, numbers))

    def _close(self) -> None:
        """Makes a command, or the value of an item, of the group that ends here."""
        items = self.groups.pop()
        if self.groups:
            self.groups[-1].append(self._value(items))
        else:
            self._command(items)

    def _command(self, items: list[Item]) -> None:
        """Version, then networks, then asserts."""
        need(self.has_version or items[:1] == ["vnnlib-version"], "its version must come first")
        match items:
            case ["vnnlib-version", str(version)] if not self.has_version:
                need(version == VERSION, f"VNN-LIB {version[:10]!a} is not supported")
                self.has_version = True
            case ["declare-network", str(name), *parts] if not self.asserts:
                relations = [part for part in parts if isinstance(part, Relation)]
                variables = [part for part in parts if isinstance(part, Variable)]
                need(
                    [*relations, *variables] == parts, f"{name[:40]!a}: its parts are not in order"
                )
                self.scope.declare(name, relations, variables)
            case ["assert", formula]:
                self.asserts.append(_formula(formula))
            case _:
                raise Malformed(
                    "this command is unknown or out of order, or its arguments are wrong"
                )

    # --- values of groups -------------------------------------------------------------------------

    def _value(self, items: list[Item]) -> Item:
        """The part of a declaration, formula or term that a group is."""
        match items:
            case [str(word), str(name), str(element), list(shape), *nodes] if word in KINDS:
                strings = [node for node in nodes if isinstance(node, str)]
                need(len(strings) == len(nodes), f"{word} takes other arguments")
                return variable(word, name, element, shape, *strings)
            case [str(word), str(other)] if word in RELATIONS:
                return Relation(word, other)
            case ["and" | "or" as word, *formulas]:
                return self.joiner.joined(word, [_formula(each) for each in formulas])
            case [str(operator), *arguments] if operator in (*COMPARISONS, "!=", *"+-*"):
                return self._operation(operator, [self._term(each) for each in arguments])
        word = items[0] if items and isinstance(items[0], str) else "()"
        raise Malformed(f"{word[:40]!a} is not known here, or takes other arguments")

    def _operation(self, operator: str, terms: list[Term]) -> Formula | Term:
        """A comparison or a term."""
        if operator == "!=":  # less, or greater
            sides = [Formula(comparison(side, terms)) for side in "<>"]
            return self.joiner.joined("or", sides)
        if operator in COMPARISONS:
            return Formula(comparison(operator, terms))
        return arithmetic(operator, terms)

    def _term(self, item: Item) -> Term:
        """The term itself, or that of a scalar or a number."""
        if isinstance(item, dict):
            return item
        if not isinstance(item, str):
            raise Malformed("something else stands where a term should")
        if NUMBER.fullmatch(item):
            return sum_of([{"": Fraction(item)}], [1])  # without a zero
        return self.scope.element(item, [])

    # --- the whole --------------------------------------------------------------------------------

    def query(self, digest: str) -> Query:
        """The conjunction of all asserts, when the file has ended."""
        complete = self.asserts and not self.groups
        need(complete, "at its end the file has asserted nothing, or a parenthesis is open")
        need(self.scope.networks, "it declares no network")
        base, disjuncts = self.joiner.joined("and", self.asserts)
        check_size(base, disjuncts)
        sizes = self.scope.n_inputs, self.scope.n_outputs
        specification = Specification(*sizes, base, disjuncts, digest)
        return Query(tuple(self.scope.networks), specification)


def _formula(item: Item) -> Formula:
    if not isinstance(item, Formula):
        raise Malformed("something else stands where a formula should")
    return item
