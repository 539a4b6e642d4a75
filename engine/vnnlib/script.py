"""VNN-LIB 1.0 commands: what a text declares and asserts."""

import re

from engine.vnnlib import terms
from engine.vnnlib.cases import Variables
from engine.vnnlib.commands import Commands, Parenthesis
from engine.vnnlib.expressions import Expressions, Item
from engine.vnnlib.formulas import Formula
from engine.vnnlib.source import Source, Token, quoted

# These say nothing about which points are unsafe.
_IGNORED = ("set-logic", "set-info", "set-option", "check-sat", "get-model")
COMMANDS = ("declare-const", "declare-fun", "assert", *_IGNORED)
_VERSION = "vnnlib-version"
_ONLY_IN_VERSION_2 = ("declare-network", "declare-input", "declare-output", "declare-hidden")
_VERSION_1 = re.compile(r"\s*<?1\b")


class Script(Commands):
    """The declarations and asserts of a VNN-LIB 1.0 text, once `read` has returned."""

    def __init__(self, source: Source) -> None:
        super().__init__(Expressions(source))
        self._declared: dict[str, int] = {}  # with the offset of the declaration

    def formula(self) -> Formula:
        if not self._declared and not self._asserts:
            end = len(self.source.text)
            raise self.source.error("the file declares and asserts nothing", end, advice="give a VNN-LIB 1.0 property")
        return super().formula()

    def variables(self) -> Variables:
        """Returns inputs and outputs by index. InputError where one of them is missing."""
        return Variables(inputs=self._contiguous("X"), outputs=self._contiguous("Y"))

    def _check_head(self, name: str, at: int, opened: list[Parenthesis]) -> None:
        if name == _VERSION and _VERSION_1.match(self.source.text, at + len(name)):
            return
        if name == _VERSION:
            raise self.source.error(
                f"VNN-LIB 2.0 ('{name}'), where a property in VNN-LIB 1.0 is read",
                at,
                advice="give it as a question with named networks, or write it in VNN-LIB 1.0",
            )
        if name in _ONLY_IN_VERSION_2:
            raise self.source.error(
                f"'{name}' belongs to VNN-LIB 2.0", at, advice="begin the file with (vnnlib-version <2.0>)"
            )
        known, kind = (self._language.operators, "operator") if len(opened) > 1 else (COMMANDS, "command")
        if name in known:
            return
        if name in COMMANDS:
            line = self.source.line(opened[0].at)
            raise self.source.error(f"'{name}' inside the command of line {line}", at, advice="close that one first")
        raise self.source.error(f"unknown {kind} {quoted(name)}", at, advice=f"VNN-LIB 1.0 has {' '.join(known)}")

    def _value(self, closed: Parenthesis, end: int) -> Item:
        if closed.head is None:
            return None
        return self._expressions.evaluate(closed.head, closed.arguments, start=closed.at, end=end)

    def _command(self, closed: Parenthesis, head: Token) -> None:
        if head.text not in (*_IGNORED, _VERSION):
            self._declare(head, closed.arguments)

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
