"""VNN-LIB 1.0 commands: what a text declares and asserts."""

import re
from dataclasses import dataclass, field

from engine.errors import InputError
from engine.vnnlib import terms
from engine.vnnlib.cases import Variables
from engine.vnnlib.expressions import OPERATORS, Expressions, Item
from engine.vnnlib.formulas import Formula, conjunction
from engine.vnnlib.source import Source, Token, quoted

MAX_DEPTH = 1_000  # nothing here recurses, but deep towers of `or` multiply out in cubic time

# These say nothing about which points are unsafe.
_IGNORED = ("set-logic", "set-info", "set-option", "check-sat", "get-model")
_COMMANDS = ("declare-const", "declare-fun", "assert", *_IGNORED)
_VERSION = "vnnlib-version"
_ONLY_IN_VERSION_2 = (_VERSION, "declare-network", "declare-input", "declare-output", "declare-hidden")
_VERSION_1 = re.compile(r"\s*<?1\b")


@dataclass(slots=True)
class _Parenthesis:
    """A parenthesis not yet closed: its offset, the word that it opens with, and the values read after that."""

    at: int
    head: Token | None = None
    arguments: list[Item] = field(default_factory=list)


class Script:
    """The declarations and asserts of a text, once `read` has returned.

    There is no syntax tree and no recursion: a parenthesis becomes a value when it closes, so an error is
    met where it stands.

    falsehood: says which assert is the first that is false at every point; empty if there is none.
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self.falsehood = ""
        self._declared: dict[str, int] = {}  # with the offset of the declaration
        self._expressions = Expressions(source)
        self._asserts: list[Formula] = []

    def read(self) -> None:
        """Reads the whole text. InputError for the first thing that is not VNN-LIB 1.0."""
        opened: list[_Parenthesis] = []
        for text, at in self.source.tokens():
            if text == "(":
                opened.append(self._opened(at, opened))
            elif not opened:
                what = "a parenthesis closes nothing" if text == ")" else f"stray {quoted(text)}"
                raise self.source.error(what, at, advice="remove it, or open a parenthesis before it")
            elif text != ")":
                self._add_word(text, at, opened)
            elif len(opened) > 1:
                closed = opened.pop()
                opened[-1].arguments.append(self._value(closed, at + 1))
            else:
                self._command(opened.pop())
        if opened:
            raise self.source.error("this parenthesis is never closed", opened[-1].at, advice="close it")

    def formula(self) -> Formula:
        """Returns all asserts together. InputError where there are none."""
        end = len(self.source.text)
        if not self._declared and not self._asserts:
            raise self.source.error("the file declares and asserts nothing", end, advice="give a VNN-LIB 1.0 property")
        if not self._asserts:
            raise self.source.error(
                "the file asserts nothing", end, advice="assert bounds for the inputs and what is unsafe"
            )
        try:
            return conjunction(self._asserts)
        except InputError as error:
            raise self.source.placed(error, end) from None

    def variables(self) -> Variables:
        """Returns inputs and outputs by index. InputError where one of them is missing."""
        return Variables(inputs=self._contiguous("X"), outputs=self._contiguous("Y"))

    def _opened(self, at: int, opened: list[_Parenthesis]) -> _Parenthesis:
        if opened and opened[-1].head is None:
            raise self.source.error("a parenthesis stands where a name should", at, advice="remove one of the two")
        if len(opened) == MAX_DEPTH:
            raise self.source.error(f"more than {MAX_DEPTH:,} parentheses are open", at, advice="nest less deeply")
        return _Parenthesis(at)

    def _add_word(self, text: str, at: int, opened: list[_Parenthesis]) -> None:
        innermost = opened[-1]
        if innermost.head is None:
            self._check_head(text, at, opened)
            innermost.head = Token(text, at)
        else:
            innermost.arguments.append(self._expressions.word(text, at, innermost.head))

    def _check_head(self, name: str, at: int, opened: list[_Parenthesis]) -> None:
        """Raises InputError for a name that is not known here, before anything inside its parenthesis is read."""
        if name == _VERSION and _VERSION_1.match(self.source.text, at + len(name)):
            return
        if name in _ONLY_IN_VERSION_2:
            raise self.source.error(
                f"VNN-LIB 2.0 is not supported yet ('{name}')",
                at,
                advice="write it in VNN-LIB 1.0, with X_0, X_1, ... and Y_0, Y_1, ... of type Real",
            )
        known, kind = (OPERATORS, "operator") if len(opened) > 1 else (_COMMANDS, "command")
        if name in known:
            return
        if name in _COMMANDS:
            line = self.source.line(opened[0].at)
            raise self.source.error(f"'{name}' inside the command of line {line}", at, advice="close that one first")
        raise self.source.error(f"unknown {kind} {quoted(name)}", at, advice=f"VNN-LIB 1.0 has {' '.join(known)}")

    def _value(self, closed: _Parenthesis, end: int) -> Item:
        if closed.head is None:
            return None
        return self._expressions.evaluate(closed.head, closed.arguments, start=closed.at, end=end)

    def _command(self, closed: _Parenthesis) -> None:
        head, arguments = closed.head, closed.arguments
        if head is None:
            raise self.source.error("an empty command", closed.at, advice="remove it")
        if head.text == "assert":
            self._assert(head, arguments)
        elif head.text not in (*_IGNORED, _VERSION):
            self._declare(head, arguments)

    def _declare(self, head: Token, arguments: list[Item]) -> None:
        """Reads `declare-const X_0 Real` or `declare-fun X_0 () Real`."""
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
        if not terms.VARIABLE.fullmatch(name):
            raise self.source.error(
                f"{quoted(name)} is not a variable of VNN-LIB 1.0",
                at,
                advice="name inputs X_0, X_1, ... and outputs Y_0, Y_1, ...",
            )
        if kind.text != "Real":
            raise self.source.error(f"{name} has type {quoted(kind.text)}", kind.at, advice="declare it Real")
        if name in self._declared:
            first = self.source.line(self._declared[name])
            raise self.source.error(
                f"{name} is declared again, first in line {first}", at, advice="remove one declaration"
            )
        self._declared[name] = at
        self._expressions.add_variable(name)

    def _assert(self, head: Token, arguments: list[Item]) -> None:
        if len(arguments) != 1:
            raise self.source.error(
                f"'assert' takes 1 argument, not {len(arguments)}", head.at, advice="give one formula"
            )
        formula = self._expressions.as_formula(arguments[0], head)
        if not formula.branches:
            self.falsehood = self.falsehood or f"the assert of line {self.source.line(head.at)} is false at every point"
        self._asserts.append(formula)

    def _contiguous(self, letter: str) -> dict[str, int]:
        """Returns the declared variables of this letter by index. InputError where there is a gap, or none at all."""
        names = sorted((n for n in self._declared if n[0] == letter), key=lambda n: int(n[2:]))
        for index, name in enumerate(names):
            if name != f"{letter}_{index}":
                raise self.source.error(
                    f"{name} is declared but {letter}_{index} is not",
                    self._declared[name],
                    advice="number the variables from 0 without gaps",
                )
        if not names:
            kind = "input" if letter == "X" else "output"
            raise self.source.error(
                f"no {kind} is declared", len(self.source.text), advice=f"declare {letter}_0, {letter}_1, ..."
            )
        return {name: self._declared[name] for name in names}
