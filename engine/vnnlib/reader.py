"""Reads VNN-LIB 1.0: commands, declarations and expressions, evaluated as their parentheses close."""

import hashlib
import re
from dataclasses import dataclass, field, replace
from pathlib import Path

from engine.errors import InputError
from engine.property import Property
from engine.vnnlib import terms
from engine.vnnlib.cases import Variables, cases
from engine.vnnlib.contradiction import Contradiction
from engine.vnnlib.formulas import FALSE, TRUE, Formula, comparison, conjunction, disjunction
from engine.vnnlib.source import Source, Token, decoded, quoted, read_bytes
from engine.vnnlib.terms import Linear

MAX_DEPTH = 1_000  # nothing here recurses, but deep towers of `or` multiply out in cubic time
MAX_PARTS = 6_000_000  # comparisons, terms and numbers that are kept: what bounds the memory

_VARIABLE = re.compile(r"[XY]_(?:0|[1-9][0-9]{0,9})")
_NOT_FINITE = {"nan", "inf", "infinity"}

_ARITHMETIC = {"+": terms.add, "-": terms.subtract, "*": terms.multiply, "/": terms.divide}
_COMPARISONS = ("<=", ">=", "<", ">", "=")
_CONNECTIVES = {"and": conjunction, "or": disjunction}
_OPERATORS = (*_CONNECTIVES, *_COMPARISONS, *_ARITHMETIC)
_TAKE_TERMS = {*_COMPARISONS, *_ARITHMETIC}

# These say nothing about which points are unsafe.
_IGNORED = ("set-logic", "set-info", "set-option", "check-sat", "get-model")
_COMMANDS = ("declare-const", "declare-fun", "assert", *_IGNORED)
_VERSION = "vnnlib-version"
_SECOND = (_VERSION, "declare-network", "declare-input", "declare-output", "declare-hidden")  # of VNN-LIB 2.0
_VERSION_1 = re.compile(r"\s*<?1\b")

Item = Token | Linear | Formula | None  # None: the empty group ()


def load_property(path: str | Path) -> Property:
    """The exact property of a `.vnnlib` or `.vnnlib.gz` file; `InputError` where it is not one.

    `name` is the file's name without these endings, `sha256` that of the decompressed bytes.
    """
    path = Path(path)
    return property_of(read_bytes(path), path)


def property_of(data: bytes, path: Path) -> Property:
    """That of the decompressed content of a file."""
    name = path.name.removesuffix(".gz").removesuffix(".vnnlib")
    found = parse_property(decoded(data, where=str(path)), name=name, where=str(path))
    return replace(found, sha256=hashlib.sha256(data).hexdigest())


def parse_property(text: str, *, name: str = "", where: str = "<text>") -> Property:
    """The exact property of a VNN-LIB 1.0 text: unsafe is where all its asserts hold.

    Numbers are the rationals that the decimals denote, strict comparisons stay strict. Where nothing
    satisfies the asserts, the property has no cases. `where` names the text in errors, which give the line.
    """
    script = _Script(Source(text, where))
    script.run()
    formula, variables = script.formula(), script.variables()
    found, emptiness = (), script.falsehood
    try:
        found = () if emptiness else cases(formula, variables, script.source)
    except Contradiction as contradiction:
        emptiness = contradiction.told(script.source)
    return Property(found, len(variables.inputs), len(variables.outputs), name, emptiness=emptiness)


@dataclass(slots=True)
class _Group:
    """A parenthesis not yet closed: its offset and what it holds so far."""

    at: int
    items: list[Item] = field(default_factory=list)


@dataclass(slots=True)
class _Script:
    """What has been declared and asserted so far.

    There is no syntax tree and no recursion: a group becomes a value when it closes, so an error is
    met where it stands.
    """

    source: Source
    declared: dict[str, int] = field(default_factory=dict)
    known: dict[str, Linear] = field(default_factory=dict)
    asserts: list[Formula] = field(default_factory=list)
    falsehood: str = ""  # which assert is false at every point, if one is
    parts: int = 0

    def run(self) -> None:
        """Reads the whole text."""
        groups: list[_Group] = []
        for text, at in self.source.tokens():
            if text == "(":
                groups.append(self.opened(at, groups))
            elif not groups:
                what = "a parenthesis closes nothing" if text == ")" else f"stray {quoted(text)}"
                raise self.source.error(what, at, advice="remove it, or open a parenthesis before it")
            elif text != ")":
                if not groups[-1].items:
                    self.check_head(text, at, groups)
                groups[-1].items.append(self.item(text, at, groups[-1]))
            elif len(groups) > 1:
                group = groups.pop()
                groups[-1].items.append(self.evaluate(group, at + 1) if group.items else None)
            else:
                self.command(groups.pop())
        if groups:
            raise self.source.error("this parenthesis is never closed", groups[-1].at, advice="close it")

    def opened(self, at: int, groups: list[_Group]) -> _Group:
        if groups and not groups[-1].items:
            raise self.source.error("a parenthesis stands where a name should", at, advice="remove one of the two")
        if len(groups) == MAX_DEPTH:
            raise self.source.error(f"more than {MAX_DEPTH:,} parentheses are open", at, advice="nest less deeply")
        return _Group(at)

    def item(self, text: str, at: int, group: _Group) -> Item:
        """A word; where a term is due and its value is known, that: it is shared, a word is not."""
        if group.items and group.items[0].text in _TAKE_TERMS:
            return self.known.get(text) or Token(text, at)
        return Token(text, at)

    def check_head(self, name: str, at: int, groups: list[_Group]) -> None:
        """Refuses by name what is not known here, before anything inside it is read."""
        if name == _VERSION and _VERSION_1.match(self.source.text, at + len(name)):
            return
        if name in _SECOND:
            raise self.source.error(
                f"VNN-LIB 2.0 is not supported yet ('{name}')",
                at,
                advice="write it in VNN-LIB 1.0, with X_0, X_1, ... and Y_0, Y_1, ... of type Real",
            )
        known, kind = (_OPERATORS, "operator") if len(groups) > 1 else (_COMMANDS, "command")
        if name in known:
            return
        if name in _COMMANDS:
            line = self.source.line(groups[0].at)
            raise self.source.error(f"'{name}' inside the command of line {line}", at, advice="close that one first")
        raise self.source.error(f"unknown {kind} {quoted(name)}", at, advice=f"VNN-LIB 1.0 has {' '.join(known)}")

    def command(self, group: _Group) -> None:
        if not group.items:
            raise self.source.error("an empty command", group.at, advice="remove it")
        head, *arguments = group.items
        if head.text == "assert":
            self.add_assert(head, arguments)
        elif head.text not in (*_IGNORED, _VERSION):
            self.declare(head, arguments)

    def declare(self, head: Token, arguments: list[Item]) -> None:
        """`declare-const X_0 Real` or `declare-fun X_0 () Real`."""
        match head.text, arguments:
            case ("declare-const", [Token(name, at), Token() as kind]):
                pass
            case ("declare-fun", [Token(name, at), None, Token() as kind]):
                pass
            case _:
                form = "X_0 () Real" if head.text == "declare-fun" else "X_0 Real"
                raise self.source.error(
                    f"'{head.text}' has not the arguments it takes", head.at, advice=f"write ({head.text} {form})"
                )
        if not _VARIABLE.fullmatch(name):
            raise self.source.error(
                f"{quoted(name)} is not a variable of VNN-LIB 1.0",
                at,
                advice="name inputs X_0, X_1, ... and outputs Y_0, Y_1, ...",
            )
        if kind.text != "Real":
            raise self.source.error(f"{name} has type {quoted(kind.text)}", kind.at, advice="declare it Real")
        if name in self.declared:
            first = self.source.line(self.declared[name])
            raise self.source.error(
                f"{name} is declared again, first in line {first}", at, advice="remove one declaration"
            )
        self.declared[name] = at
        self.known[name] = terms.variable(name)

    def add_assert(self, head: Token, arguments: list[Item]) -> None:
        if len(arguments) != 1:
            raise self.source.error(
                f"'assert' takes 1 argument, not {len(arguments)}", head.at, advice="give one formula"
            )
        formula = self.as_formula(arguments[0], head)
        if not formula.branches:
            self.falsehood = self.falsehood or f"the assert of line {self.source.line(head.at)} is false at every point"
        self.asserts.append(formula)

    def evaluate(self, group: _Group, end: int) -> Linear | Formula:
        """The value of an expression whose head is known, from the values of its arguments."""
        head, *arguments = group.items
        self.count_part(group.at)
        try:
            if head.text in _CONNECTIVES:
                return _CONNECTIVES[head.text]([self.as_formula(item, head) for item in arguments])
            values = [self.as_term(item, head) for item in arguments]
            if head.text in _ARITHMETIC:
                return _ARITHMETIC[head.text](values)
            return comparison(head.text, values, start=group.at, end=end)
        except InputError as error:
            raise self.placed(error, head.at) from None

    def count_part(self, at: int) -> None:
        self.parts += 1
        if self.parts > MAX_PARTS:
            raise self.source.error(
                f"the file has more than {MAX_PARTS:,} comparisons, terms and different numbers",
                at,
                advice="split the property into several files",
            )

    def as_formula(self, item: Item, head: Token) -> Formula:
        if isinstance(item, Formula):
            return item
        if isinstance(item, Token) and item.text in ("true", "false"):
            return TRUE if item.text == "true" else FALSE
        at = item.at if isinstance(item, Token) else head.at
        raise self.source.error(
            f"'{head.text}' takes formulas, not {_kind(item)}", at, advice="compare two terms, as in (<= Y_0 Y_1)"
        )

    def as_term(self, item: Item, head: Token) -> Linear:
        if isinstance(item, Linear):
            return item
        if isinstance(item, Token):
            return self.known.get(item.text) or self.number(item)
        raise self.source.error(
            f"'{head.text}' takes terms, not {_kind(item)}", head.at, advice="give numbers, variables and sums of them"
        )

    def number(self, token: Token) -> Linear:
        """A number met for the first time; refuses by name what is none."""
        text, at = token
        try:
            value = terms.number(text)
        except InputError as error:
            raise self.placed(error, at) from None
        if value is not None:
            self.count_part(at)
            self.known[text] = terms.constant(value)
            return self.known[text]
        if _VARIABLE.fullmatch(text):
            raise self.source.error(
                f"{text} is not declared", at, advice=f"put (declare-const {text} Real) above this line"
            )
        if text.lstrip("+-").lower() in _NOT_FINITE:
            raise self.source.error(f"{quoted(text)} is not a finite number", at, advice="write a decimal")
        raise self.source.error(
            f"{quoted(text)} is neither a number nor a declared variable", at, advice="write a decimal, X_i or Y_j"
        )

    def formula(self) -> Formula:
        """All asserts together."""
        end = len(self.source.text)
        if not self.declared and not self.asserts:
            raise self.source.error("the file declares and asserts nothing", end, advice="give a VNN-LIB 1.0 property")
        if not self.asserts:
            raise self.source.error(
                "the file asserts nothing", end, advice="assert bounds for the inputs and what is unsafe"
            )
        try:
            return conjunction(self.asserts)
        except InputError as error:
            raise self.placed(error, end) from None

    def variables(self) -> Variables:
        """Inputs and outputs by index; both are there, without gaps."""
        groups = {letter: self.contiguous(letter) for letter in "XY"}
        return Variables(inputs=groups["X"], outputs=groups["Y"])

    def contiguous(self, letter: str) -> dict[str, int]:
        names = sorted((n for n in self.declared if n[0] == letter), key=lambda n: int(n[2:]))
        for index, name in enumerate(names):
            if name != f"{letter}_{index}":
                raise self.source.error(
                    f"{name} is declared but {letter}_{index} is not",
                    self.declared[name],
                    advice="number the variables from 0 without gaps",
                )
        if not names:
            kind = "input" if letter == "X" else "output"
            raise self.source.error(
                f"no {kind} is declared", len(self.source.text), advice=f"declare {letter}_0, {letter}_1, ..."
            )
        return {name: self.declared[name] for name in names}

    def placed(self, error: InputError, at: int) -> InputError:
        """The error with its place, where it has none yet."""
        return error if error.where else self.source.error(error.what, at, advice=error.advice)


def _kind(item: Item) -> str:
    if isinstance(item, Token):
        return quoted(item.text)
    return {Linear: "a term", Formula: "a formula"}.get(type(item), "()")
