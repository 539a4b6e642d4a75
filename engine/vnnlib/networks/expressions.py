"""Words of VNN-LIB 2.0: elements of declared tensors and decimals."""

import re
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction

from engine.errors import InputError
from engine.vnnlib import terms
from engine.vnnlib.expressions import Expressions, Item, no_number
from engine.vnnlib.networks.declarations import Declarations
from engine.vnnlib.networks.tensors import split
from engine.vnnlib.source import Token, quoted
from engine.vnnlib.terms import Linear

_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?", re.ASCII)


@dataclass(slots=True)
class TensorExpressions(Expressions):
    """The values of words and of closed parentheses, over the elements of declared tensors."""

    declarations: Declarations = field(kw_only=True)
    _elements: dict[str, tuple[str, str]] = field(default_factory=dict)  # column: its type, and how it was written

    def _terms(self, head: Token, arguments: list[Item]) -> list[Linear]:
        """Returns the terms of an operator. InputError where their types differ or variables are multiplied."""
        values = super(TensorExpressions, self)._terms(head, arguments)
        columns = [next(iter(value.coefficients)) for value in values if value.coefficients]
        for column in columns[1:]:
            (element, name), (first, other) = self._elements[column], self._elements[columns[0]]
            if head.text == "*":
                raise InputError(
                    f"a product of variables, {other} and {name}, is not linear", advice="multiply by constants only"
                )
            if element != first:
                raise InputError(
                    f"'{head.text}' takes {other}, which is {first}, and {name}, which is {element}",
                    advice="VNN-LIB converts no types: declare the same",
                )
        return values

    def _value(self, text: str) -> Linear:
        named = split(text)
        if named is None:
            return terms.constant(_number(text))
        name, inside = named
        tensor = self.declarations.tensors.get(name)
        if tensor is None:
            raise InputError(
                f"{quoted(name)} is not declared", advice="declare it as input, hidden or output of a network"
            )
        column = tensor.column(inside)
        self._elements[column] = tensor.variable.element, text
        return terms.variable(column)


def _number(text: str) -> Fraction:
    value = terms.number(text)
    if value is None:
        raise no_number(text, advice="write a decimal, or an element as in X[0,0]")
    if not _NUMBER.fullmatch(text):
        plain = f"{Decimal(text):f}"
        raise InputError(
            f"{quoted(text)} is not a number of VNN-LIB 2.0, which has digits around a point and no exponent",
            advice=f"write {plain}" if len(plain) <= 40 else "write it without",
        )
    return value
