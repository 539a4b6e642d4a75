"""VNN-LIB 1.0 expressions, evaluated as their parentheses close: to terms and formulas."""

from dataclasses import dataclass, field

from engine.errors import InputError
from engine.vnnlib import terms
from engine.vnnlib.formulas import FALSE, TRUE, Formula, comparison, conjunction, disjunction
from engine.vnnlib.source import Source, Token, quoted
from engine.vnnlib.terms import Linear

MAX_PARTS = 6_000_000  # comparisons, terms and numbers that are kept: what bounds the memory

_NOT_FINITE = {"nan", "inf", "infinity"}

_ARITHMETIC = {"+": terms.add, "-": terms.subtract, "*": terms.multiply, "/": terms.divide}
_COMPARISONS = ("<=", ">=", "<", ">", "=")
_CONNECTIVES = {"and": conjunction, "or": disjunction}
OPERATORS = (*_CONNECTIVES, *_COMPARISONS, *_ARITHMETIC)
_TAKE_TERMS = {*_COMPARISONS, *_ARITHMETIC}

Item = Token | Linear | Formula | None  # None: the empty parenthesis ()


@dataclass(slots=True)
class Expressions:
    """The values of words and of closed parentheses.

    known: the variables declared so far and the numbers met so far, each once.
    """

    source: Source
    known: dict[str, Linear] = field(default_factory=dict)
    parts: int = 0

    def add_variable(self, name: str) -> None:
        self.known[name] = terms.variable(name)

    def word(self, text: str, at: int, head: Token) -> Token | Linear:
        """Returns the known value of a word if `head` takes terms, as such values are shared; else the word."""
        if head.text in _TAKE_TERMS:
            return self.known.get(text) or Token(text, at)
        return Token(text, at)

    def evaluate(self, head: Token, arguments: list[Item], *, start: int, end: int) -> Linear | Formula:
        """Returns the value of a known operator, from the values of its arguments. It stands from `start` to `end`."""
        self._count_part(start)
        try:
            if head.text in _CONNECTIVES:
                return _CONNECTIVES[head.text]([self.as_formula(item, head) for item in arguments])
            values = [self._as_term(item, head) for item in arguments]
            if head.text in _ARITHMETIC:
                return _ARITHMETIC[head.text](values)
            return comparison(head.text, values, start=start, end=end)
        except InputError as error:
            raise self.source.placed(error, head.at) from None

    def as_formula(self, item: Item, head: Token) -> Formula:
        """Returns the formula that an argument of `head` is. InputError where it is none."""
        if isinstance(item, Formula):
            return item
        if isinstance(item, Token) and item.text in ("true", "false"):
            return TRUE if item.text == "true" else FALSE
        at = item.at if isinstance(item, Token) else head.at
        raise self.source.error(
            f"'{head.text}' takes formulas, not {_kind(item)}", at, advice="compare two terms, as in (<= Y_0 Y_1)"
        )

    def _as_term(self, item: Item, head: Token) -> Linear:
        if isinstance(item, Linear):
            return item
        if isinstance(item, Token):
            return self.known.get(item.text) or self._number(item)
        raise self.source.error(
            f"'{head.text}' takes terms, not {_kind(item)}", head.at, advice="give numbers, variables and sums of them"
        )

    def _number(self, token: Token) -> Linear:
        """Returns the value of a number met for the first time. InputError where the word is no number."""
        text, at = token
        try:
            value = terms.number(text)
        except InputError as error:
            raise self.source.placed(error, at) from None
        if value is not None:
            self._count_part(at)
            self.known[text] = terms.constant(value)
            return self.known[text]
        if terms.VARIABLE.fullmatch(text):
            raise self.source.error(
                f"{text} is not declared", at, advice=f"put (declare-const {text} Real) above this line"
            )
        if text.lstrip("+-").lower() in _NOT_FINITE:
            raise self.source.error(f"{quoted(text)} is not a finite number", at, advice="write a decimal")
        raise self.source.error(
            f"{quoted(text)} is neither a number nor a declared variable", at, advice="write a decimal, X_i or Y_j"
        )

    def _count_part(self, at: int) -> None:
        self.parts += 1
        if self.parts > MAX_PARTS:
            raise self.source.error(
                f"the file has more than {MAX_PARTS:,} comparisons, terms and different numbers",
                at,
                advice="split the property into several files",
            )


def _kind(item: Item) -> str:
    if isinstance(item, Token):
        return quoted(item.text)
    return {Linear: "a term", Formula: "a formula"}.get(type(item), "()")
