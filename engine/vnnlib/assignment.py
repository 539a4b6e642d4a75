"""Satisfying assignments as VNN-LIB 2.0 has solvers print them (the standard's chapter on command lines)."""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import islice
from typing import TYPE_CHECKING

from engine.query import Variable
from engine.verdict import Counterexample

if TYPE_CHECKING:  # it loads onnx
    from engine.joining import Question

MOST_DIGITS = 1100  # after the point: every float64 number has fewer


def assignment_text(question: "Question", found: Counterexample) -> str:
    """Each variable in order of declaration as `name type [shape]`, then its elements in row-major order, one a line.

    Inputs of type `real` are exact decimals where they have any; every other number reads back to the nearest float64,
    which is the number itself where the networks can be given the point. Outputs are onnxruntime's there, else the
    exact ones.
    """
    lines = []
    for variable, values in assignment(question, found):
        shape = ",".join(map(str, variable.shape))
        lines.append(f"{variable.name} {variable.element} [{shape}]")
        lines += [number_text(value, variable) for value in values]
    return "".join(f"{line}\n" for line in lines)


def assignment(question: "Question", found: Counterexample) -> Iterator[tuple[Variable, tuple[Fraction, ...]]]:
    """Yields each variable with its values; see assignment_text."""
    query, point = question.query, found.point
    inputs = iter([tie.value(point) for tie in query.ties])
    executed = map(Fraction, found.outputs) if found.executable else found.exact_outputs
    others = iter(executed)
    for network in query.networks:
        for variable in network.variables:
            yield variable, _taken(inputs if variable.kind == "input" else others, variable.size)


def number_text(value: Fraction, variable: Variable) -> str:
    """A value of a variable as text."""
    if variable.kind == "input" and variable.element == "real" and (text := decimal_text(value)):
        return text
    return repr(float(value))


def decimal_text(value: Fraction) -> str:
    """The number as a decimal without exponent; "" where no such decimal of at most MOST_DIGITS digits is exact."""
    rest, places = value.denominator, 0
    for prime in (2, 5):
        count = 0
        while rest % prime == 0:
            rest, count = rest // prime, count + 1
        places = max(places, count)
    if rest != 1 or places > MOST_DIGITS:
        return ""
    digits = str(abs(value.numerator) * 10**places // value.denominator).rjust(places + 1, "0")
    whole, after = digits[: len(digits) - places], digits[len(digits) - places :]
    return ("-" if value < 0 else "") + (f"{whole}.{after}" if places else f"{whole}.0")


def _taken(values: Iterable[Fraction], count: int) -> tuple[Fraction, ...]:
    return tuple(islice(values, count))
