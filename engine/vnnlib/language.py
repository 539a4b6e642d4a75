"""The two versions of VNN-LIB: how a text is split, and which operators it has."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from engine.vnnlib import terms
from engine.vnnlib.formulas import FALSE, TRUE, Formula
from engine.vnnlib.source import TOKEN
from engine.vnnlib.terms import Linear

CONNECTIVES = ("and", "or")


@dataclass(frozen=True, slots=True)
class Language:
    """What a version of VNN-LIB calls things.

    literals: the words that are formulas. fewest: how many arguments `and` and `or` take at least. example: a
    comparison, for advice.
    """

    name: str
    token: re.Pattern[str]
    arithmetic: Mapping[str, Callable[[Sequence[Linear]], Linear]]
    comparisons: tuple[str, ...]
    literals: Mapping[str, Formula]
    fewest: int
    example: str

    @property
    def operators(self) -> tuple[str, ...]:
        return (*CONNECTIVES, *self.comparisons, *self.arithmetic)


VERSION_1 = Language(
    name="VNN-LIB 1.0",
    token=TOKEN,
    arithmetic={"+": terms.add, "-": terms.subtract, "*": terms.multiply, "/": terms.divide},
    comparisons=("<=", ">=", "<", ">", "="),
    literals={"true": TRUE, "false": FALSE},
    fewest=0,
    example="(<= Y_0 Y_1)",
)

# A name and the brackets behind it are one token: a variable with its indices, or a type with its shape. Nothing is
# opened twice inside brackets, so that a text of opening brackets is still read in linear time.
_BRACKETS = r'\[[^\[\]()";]*\]'
_TOKEN_2 = re.compile(
    rf"""
      ;[^\r\n]*                                         # a comment
    | [()] | "[^"\r\n]*"
    | <[0-9.]+>                                         # a version
    | [<>=!]=? | [+*/] | -(?![0-9.])
    | [A-Za-z][^\s()";\[\],<>=!+*/]* (?:\s*{_BRACKETS})?
    | {_BRACKETS}
    | [^\s()";\[\],<>=!+*/]+                            # a number
    | \S
    """,
    re.ASCII | re.VERBOSE,
)

VERSION_2 = Language(
    name="VNN-LIB 2.0",
    token=_TOKEN_2,
    arithmetic={"+": terms.add, "-": terms.subtract, "*": terms.multiply},
    comparisons=("<=", ">=", "<", ">", "==", "!="),
    literals={},
    fewest=1,
    example="(<= Y[0] Y[1])",
)
