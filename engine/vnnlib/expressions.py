"""VNN-LIB expressions, evaluated as their parentheses close: to terms and formulas."""

from dataclasses import dataclass, field

from engine.errors import InputError
from engine.vnnlib import terms
from engine.vnnlib.formulas import Formula, comparison, conjunction, disjunction
from engine.vnnlib.language import CONNECTIVES, VERSION_1, Language
from engine.vnnlib.source import Source, Token, quoted
from engine.vnnlib.terms import Linear

MAX_PARTS = 6_000_000  # comparisons, terms and numbers that are kept: what bounds the memory

_NOT_FINITE = {"nan", "inf", "infinity"}

Item = Token | Linear | Formula | None  # None: the empty parenthesis (), or a declaration


@dataclass(slots=True)
class Expressions:
    """The values of words and of closed parentheses.

    known: the variables and the numbers met so far, each once.
    """

    source: Source
    language: Language = VERSION_1
    known: dict[str, Linear] = field(default_factory=dict)
    parts: int = 0
    _take_terms: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        self._take_terms = frozenset((*self.language.comparisons, *self.language.arithmetic))

    def add_variable(self, name: str) -> None:
        self.known[name] = terms.variable(name)

    def word(self, text: str, at: int, head: Token) -> Token | Linear:
        """Returns the known value of a word if `head` takes terms, as such values are shared; else the word."""
        if head.text in self._take_terms:
            return self.known.get(text) or Token(text, at)
        return Token(text, at)

    def evaluate(self, head: Token, arguments: list[Item], *, start: int, end: int) -> Linear | Formula:
        """Returns the value of a known operator, from the values of its arguments. It stands from `start` to `end`."""
        self._count_part(start)
        try:
            if head.text in CONNECTIVES:
                return self._connected(head, arguments)
            values = self._terms(head, arguments)
            if head.text in self.language.arithmetic:
                return self.language.arithmetic[head.text](values)
            return comparison(head.text, values, start=start, end=end)
        except InputError as error:
            raise self.source.placed(error, head.at) from None

    def as_formula(self, item: Item, head: Token) -> Formula:
        """Returns the formula that an argument of `head` is. InputError where it is none."""
        if isinstance(item, Formula):
            return item
        if isinstance(item, Token) and item.text in self.language.literals:
            return self.language.literals[item.text]
        at = item.at if isinstance(item, Token) else head.at
        example = self.language.example
        raise self.source.error(
            f"'{head.text}' takes formulas, not {_kind(item)}", at, advice=f"compare two terms, as in {example}"
        )

    def _connected(self, head: Token, arguments: list[Item]) -> Formula:
        if len(arguments) < self.language.fewest:
            raise InputError(f"'{head.text}' has no arguments", advice="give formulas, or remove it")
        parts = [self.as_formula(item, head) for item in arguments]
        return conjunction(parts) if head.text == "and" else disjunction(parts)

    def _terms(self, head: Token, arguments: list[Item]) -> list[Linear]:
        """Returns the terms that the arguments of an operator are. InputError where one is none."""
        return [self._as_term(item, head) for item in arguments]

    def _as_term(self, item: Item, head: Token) -> Linear:
        if isinstance(item, Linear):
            return item
        if isinstance(item, Token):
            return self.known.get(item.text) or self._first_met(item)
        raise self.source.error(
            f"'{head.text}' takes terms, not {_kind(item)}", head.at, advice="give numbers, variables and sums of them"
        )

    def _first_met(self, token: Token) -> Linear:
        """Returns the value of a word met for the first time, and keeps it. InputError where it has none."""
        try:
            value = self._value(token.text)
        except InputError as error:
            raise self.source.placed(error, token.at) from None
        self._count_part(token.at)
        self.known[token.text] = value
        return value

    def _value(self, text: str) -> Linear:
        """Returns the number that a word denotes. An InputError without place where it is no number."""
        value = terms.number(text)
        if value is not None:
            return terms.constant(value)
        if terms.VARIABLE.fullmatch(text):
            raise InputError(f"{text} is not declared", advice=f"put (declare-const {text} Real) above this line")
        raise no_number(text, advice="write a decimal, X_i or Y_j")

    def _count_part(self, at: int) -> None:
        self.parts += 1
        if self.parts > MAX_PARTS:
            raise self.source.error(
                f"the file has more than {MAX_PARTS:,} comparisons, terms and different numbers",
                at,
                advice="split the property into several files",
            )


def no_number(text: str, *, advice: str) -> InputError:
    """Returns the error for a word that is neither a number nor a declared variable."""
    if text.lstrip("+-").lower() in _NOT_FINITE:
        return InputError(f"{quoted(text)} is not a finite number", advice="write a decimal")
    return InputError(f"{quoted(text)} is neither a number nor a declared variable", advice=advice)


def _kind(item: Item) -> str:
    if isinstance(item, Token):
        return quoted(item.text)
    return {Linear: "a term", Formula: "a formula"}.get(type(item), "()")
