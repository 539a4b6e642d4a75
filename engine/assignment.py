"""The point that answers a question of VNN-LIB 2.0: the values of all its variables, in order of declaration."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Context, Decimal
from fractions import Fraction
from itertools import islice
from typing import TypeVar

import numpy as np

from engine.exact import nearest_floats, number_text
from engine.joining import Question
from engine.joint import Joint
from engine.property import Property, Vector
from engine.query import Query, Variable
from engine.verdict import Counterexample
from engine.vnnlib.networks.tensors import Tensor, shown

DIGITS = tuple(20 * 2**k for k in range(9))  # significant digits, tried one after the other
ROUNDED = 40  # digits of an input that no decimal is equal to
MAX_NAMED = 3  # of such inputs in a line
T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class Assigned:
    """A variable with its elements in row-major order: as decimals, and as floating-point numbers of its shape.

    numbers: of the variable's type; of a real variable, the nearest float64 numbers.
    """

    variable: Variable
    decimals: tuple[str, ...]
    numbers: np.ndarray

    @property
    def text(self) -> str:
        """Its lines in the standard's format: name, type and shape, then one value a line."""
        head = f"{self.variable.name} {self.variable.element} {shown(self.variable.shape)}"
        return "\n".join([head, *self.decimals])


@dataclass(frozen=True, slots=True, eq=False)
class Assignment:
    """The values of all variables; `rounding` says in words which decimals are not the exact values."""

    tensors: tuple[Assigned, ...]
    rounding: str = ""

    @property
    def text(self) -> str:
        """All variables in the standard's format."""
        return "\n".join(tensor.text for tensor in self.tensors)


def assignment(question: Question, found: Counterexample) -> Assignment:
    """The values of all variables at a counterexample to the question's property.

    Of type real: inputs are exact where they are decimals at all, and outputs have as many digits as all asserts need
    to hold at the decimals themselves; those of a Softmax, before which the exact ones are, are as executed. Of type
    float32: those of `executed`.
    """
    query = question.query
    if "real" not in query.elements:
        return Assignment(executed(question, found))
    inputs = tuple(tie.value(found.point) for tie in query.ties)
    decimals = [_exact(value) or _rounded(value, ROUNDED) for value in inputs]
    outputs, digits = _outputs(query.property, found)
    rounds = tuple(map(Fraction, outputs)) != found.exact_outputs
    places = _ended(question.joint)
    for place in places:
        outputs[place] = Decimal(found.outputs[place])
    parts = zip(_parts(query, decimals, outputs), _variables(query))
    tensors = [
        Assigned(variable, tuple(map(_text, part)), _shaped(tuple(map(Fraction, part)), np.float64, variable))
        for part, variable in parts
    ]
    words = _inexact(query, inputs, decimals)
    if rounds and len(places) < len(outputs):
        words.append(f"outputs are rounded to {digits} digits" + ("" if words else ", at which all asserts hold"))
    if places:
        words.append("outputs of a Softmax are onnxruntime's")
    if question.joint.rounded:
        words.append("outputs are those of the float64 numbers nearest to the networks' own")
    return Assignment(tuple(tensors), "; ".join(words))


def executed(question: Question, found: Counterexample) -> tuple[Assigned, ...]:
    """The values of all variables as executed: the numbers nearest to the inputs, and what onnxruntime gives there."""
    query, number = question.query, question.joint.number
    given = nearest_floats([tie.value(found.point) for tie in query.ties], number)
    parts = zip(_parts(query, given, np.array(found.outputs, number)), _variables(query))
    return tuple(
        Assigned(variable, tuple(map(_positional, part)), np.array(part, number).reshape(variable.shape))
        for part, variable in parts
    )


def _variables(query: Query) -> tuple[Variable, ...]:
    return tuple(variable for network in query.networks for variable in network.variables)


def _parts(query: Query, inputs: Iterable[T], outputs: Iterable[T]) -> Iterator[list[T]]:
    """The elements of each variable, from those of all inputs and from those of all hidden tensors and outputs."""
    from_inputs, from_outputs = iter(inputs), iter(outputs)
    for variable in _variables(query):
        yield list(islice(from_inputs if variable.kind == "input" else from_outputs, variable.size))


def _shaped(values: Vector, number: type[np.floating], variable: Variable) -> np.ndarray:
    return nearest_floats(values, number).reshape(variable.shape)


def _outputs(property: Property, found: Counterexample) -> tuple[list[Decimal], int]:
    """The exact outputs to the fewest digits at which the asserts hold; to ROUNDED where they hold at none."""
    for digits in DIGITS:
        decimals = [_rounded(value, digits) for value in found.exact_outputs]
        outputs = tuple(map(Fraction, decimals))
        if any(case.violated_at(found.point, outputs) for case in property.cases):
            return decimals, digits
    return [_rounded(value, ROUNDED) for value in found.exact_outputs], ROUNDED


def _ended(joint: Joint) -> list[int]:
    """The outputs of blocks that end in a Softmax or LogSoftmax."""
    sizes = [block.network.n_outputs for block in joint.blocks]
    starts = [sum(sizes[:i]) for i in range(len(sizes))]
    blocks = zip(joint.blocks, starts, sizes)
    return [place for block, start, size in blocks if block.own.ending for place in range(start, start + size)]


def _inexact(query: Query, inputs: Vector, decimals: Sequence[Decimal]) -> list[str]:
    """Words on the inputs that no decimal is equal to; none where there are none."""
    labels = (
        Tensor(variable, 0, 0).label(k)
        for variable in _variables(query)
        if variable.kind == "input"
        for k in range(variable.size)
    )
    names = [f"{name} = {number_text(v)}" for name, v, d in zip(labels, inputs, decimals) if Fraction(d) != v]
    if not names:
        return []
    more = f", and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
    return [f"rounded to {ROUNDED} digits, as no decimals, are {', '.join(names[:MAX_NAMED])}{more}"]


def _exact(value: Fraction) -> Decimal | None:
    """The decimal that is this number; None where there is none, or it is too long."""
    if 10 ** value.denominator.bit_length() % value.denominator:
        return None
    decimals = (_rounded(value, digits) for digits in DIGITS)
    return next((decimal for decimal in decimals if Fraction(decimal) == value), None)


def _rounded(value: Fraction, digits: int) -> Decimal:
    return Context(prec=digits).divide(Decimal(value.numerator), Decimal(value.denominator))


def _text(value: Decimal) -> str:
    """The decimal without exponent, and without zeros at its end but for one."""
    text = f"{value:f}"
    whole, _, places = text.partition(".")
    return f"{whole}.{places.rstrip('0') or '0'}"


def _positional(value: np.floating) -> str:
    """The shortest decimal, without exponent, that reads back to the number."""
    return np.format_float_positional(value, trim="0")
