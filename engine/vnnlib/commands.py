"""The commands of a VNN-LIB text, read as their parentheses close: what both versions have in common."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field

from engine.errors import InputError
from engine.vnnlib.expressions import Expressions, Item
from engine.vnnlib.formulas import Formula, conjunction
from engine.vnnlib.source import Token, quoted

MAX_DEPTH = 1_000  # nothing here recurses, but deep towers of `or` multiply out in cubic time


@dataclass(slots=True)
class Parenthesis:
    """A parenthesis not yet closed: its offset, the word that it opens with, and the values read after that."""

    at: int
    head: Token | None = None
    arguments: list[Item] = field(default_factory=list)


class Commands(ABC):
    """The asserts of a text, once `read` has returned. A version of the language adds its declarations.

    There is no syntax tree and no recursion: a parenthesis becomes a value when it closes, so an error is
    met where it stands.

    falsehood: says which assert is the first that is false at every point; empty if there is none.
    """

    def __init__(self, expressions: Expressions) -> None:
        self.source = expressions.source
        self.falsehood = ""
        self._expressions = expressions
        self._language = expressions.language
        self._asserts: list[Formula] = []

    @abstractmethod
    def _check_head(self, name: str, at: int, opened: list[Parenthesis]) -> None:
        """Raises InputError for a name that is not known here, before anything inside its parenthesis is read."""

    @abstractmethod
    def _value(self, closed: Parenthesis, end: int) -> Item:
        """Returns the value of a parenthesis inside a command."""

    @abstractmethod
    def _command(self, closed: Parenthesis, head: Token) -> None:
        """Takes a command other than `assert`."""

    def read(self) -> None:
        """Reads the whole text. InputError for the first thing that the language has not."""
        opened: list[Parenthesis] = []
        for text, at in self.source.tokens(self._language.token):
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
                self._close(opened.pop())
        if opened:
            raise self.source.error("this parenthesis is never closed", opened[-1].at, advice="close it")

    def formula(self) -> Formula:
        """Returns all asserts together. InputError where there are none."""
        end = len(self.source.text)
        if not self._asserts:
            raise self.source.error(
                "the file asserts nothing", end, advice="assert bounds for the inputs and what is unsafe"
            )
        try:
            return conjunction(self._asserts)
        except InputError as error:
            raise self.source.placed(error, end) from None

    def _opened(self, at: int, opened: list[Parenthesis]) -> Parenthesis:
        if opened and opened[-1].head is None:
            raise self.source.error("a parenthesis stands where a name should", at, advice="remove one of the two")
        if len(opened) == MAX_DEPTH:
            raise self.source.error(f"more than {MAX_DEPTH:,} parentheses are open", at, advice="nest less deeply")
        return Parenthesis(at)

    def _add_word(self, text: str, at: int, opened: list[Parenthesis]) -> None:
        innermost = opened[-1]
        if innermost.head is None:
            self._check_head(text, at, opened)
            innermost.head = Token(text, at)
        else:
            innermost.arguments.append(self._expressions.word(text, at, innermost.head))

    def _close(self, closed: Parenthesis) -> None:
        if closed.head is None:
            raise self.source.error("an empty command", closed.at, advice="remove it")
        if closed.head.text == "assert":
            self._assert(closed.head, closed.arguments)
        else:
            self._command(closed, closed.head)

    def _assert(self, head: Token, arguments: list[Item]) -> None:
        if len(arguments) != 1:
            raise self.source.error(
                f"'assert' takes 1 argument, not {len(arguments)}", head.at, advice="give one formula"
            )
        formula = self._expressions.as_formula(arguments[0], head)
        if not formula.branches:
            self.falsehood = self.falsehood or f"the assert of line {self.source.line(head.at)} is false at every point"
        self._asserts.append(formula)
