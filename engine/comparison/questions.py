"""Questions about two networks, or about one at two inputs, as VNN-LIB 2.0 texts.

A text asks for a point that refutes a statement: unsat means that the statement holds, and each class says which one.
So the statements have no meaning but that of the standard. f is the first network, g the second one, or f again;
both read all points of a union of boxes, ends included. All numbers are exact decimals.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from math import prod

from engine.comparison.decision import Decision
from engine.errors import InputError
from engine.property import Vector
from engine.vnnlib.writer import decimal_text

Box = tuple[Vector, Vector]
Shape = tuple[int, ...]
ONE, OTHER = "f", "g"  # the networks' names in the texts


@dataclass(frozen=True, slots=True)
class Equivalent:
    """unsat: for each x of the boxes and each output j, |g(x)[j] - f(x)[j]| <= eps."""

    eps: Fraction


@dataclass(frozen=True, slots=True)
class SameDecision:
    """unsat: for each x of the boxes where f's decision is clear, g(x) has the same decision as f(x).

    The decision is the output that is `decision`, LOWEST or HIGHEST; of equals the first. It is clear where f's two
    lowest (or highest) outputs differ by more than `gap`, so with a gap of 0 wherever no other output equals it.
    """

    decision: Decision
    gap: Fraction = Fraction(0)


@dataclass(frozen=True, slots=True)
class Monotone:
    """unsat: for all x and x' of one box with x'[input] >= x[input], equal in all other inputs, and each output j of
    `outputs`: f(x')[j] >= f(x)[j] - tolerance where it is `rising`, else f(x')[j] <= f(x)[j] + tolerance.
    """

    input: int
    rising: bool
    outputs: tuple[int, ...]
    tolerance: Fraction = Fraction(0)


Statement = Equivalent | SameDecision | Monotone


@dataclass(frozen=True, slots=True)
class Shapes:
    """The shapes of a network's input and output."""

    input: Shape
    output: Shape


def question_text(
    statement: Statement, boxes: Sequence[Box], shapes: tuple[Shapes, Shapes], *, element: str = "real"
) -> str:
    """The VNN-LIB 2.0 text whose unsat is the statement on the boxes, of which there is at least one.

    shapes: of f and of g, which is f itself in a Monotone statement; element: real, or float32 for an answer that
    holds as executed. InputError where an end of a box is no finite decimal.
    """
    one, other = shapes
    xs, us = elements("X", one.input), elements("U", other.input)
    ys, vs = elements("Y", one.output), elements("V", other.output)
    bounded, same = [(x, i) for i, x in enumerate(xs)], ""
    if isinstance(statement, Monotone):
        bounded.append((us[statement.input], statement.input))
        same = f" (equal-to {ONE})"
    asserts = [*_boxes(boxes, bounded), *_related(statement, xs, us), _either(_refutations(statement, ys, vs))]
    return "\n".join(
        [
            "(vnnlib-version <2.0>)",
            f"; unsat: {_sentence(statement)}",
            _declaration(ONE, "", "X", "Y", one, element),
            _declaration(OTHER, same, "U", "V", other, element),
            *(f"(assert {formula})" for formula in asserts),
            "",
        ]
    )


def elements(name: str, shape: Shape) -> list[str]:
    """The names of a tensor's elements in row-major order; of a scalar its own."""
    if not shape:
        return [name]
    return [f"{name}[{','.join(map(str, indices))}]" for indices in product(*map(range, shape))]


def demand_comparable(one: Shapes, other: Shapes) -> None:
    """Raises InputError where two networks have other numbers of inputs or of outputs."""
    for kind in ("input", "output"):
        sizes = [prod(getattr(shapes, kind)) for shapes in (one, other)]
        if sizes[0] != sizes[1]:
            raise InputError(
                f"the networks have {sizes[0]} and {sizes[1]} {kind}s", advice="compare networks of the same inputs"
            )


def _sentence(statement: Statement) -> str:
    """What unsat says, for who reads the text."""
    match statement:
        case Equivalent(eps):
            return f"at each point of the boxes, each output of g is within {_number(eps)} of the same output of f"
        case SameDecision(decision, gap):
            best = decision.value
            return (
                f"at each point of the boxes where the two {best} outputs of f differ by more than {_number(gap)}, "
                f"f and g have the same {best} output, the first of equals"
            )
        case Monotone(i, rising, outputs, tolerance):
            change = "lowers" if rising else "raises"
            which = ", ".join(map(str, outputs))
            return (
                f"raising input {i} of f, all others equal and within one box, never {change} an output "
                f"(of these: {which}) by more than {_number(tolerance)}"
            )


def _declaration(name: str, relation: str, given: str, output: str, shapes: Shapes, element: str) -> str:
    tensors = [("input", given, shapes.input), ("output", output, shapes.output)]
    words = [f"(declare-{kind} {tensor} {element} {_shape(shape)})" for kind, tensor, shape in tensors]
    return f"(declare-network {name}{relation} {' '.join(words)})"


def _shape(shape: Shape) -> str:
    return f"[{','.join(map(str, shape))}]"


def _boxes(boxes: Sequence[Box], bounded: Sequence[tuple[str, int]]) -> Iterator[str]:
    """The bounds of inputs, each with its number: of one box an assert for each, of several one disjunction."""
    found = [[_between(x, lower[i], upper[i]) for x, i in bounded] for lower, upper in boxes]
    yield from found[0] if len(found) == 1 else [_either(map(_all, found))]


def _between(x: str, low: Fraction, high: Fraction) -> str:
    return f"(and (>= {x} {_number(low)}) (<= {x} {_number(high)}))"


def _related(statement: Statement, xs: Sequence[str], us: Sequence[str]) -> Iterator[str]:
    """What relates g's inputs to f's."""
    ordered = statement.input if isinstance(statement, Monotone) else None
    for i, (x, u) in enumerate(zip(xs, us, strict=True)):
        yield f"({'>=' if i == ordered else '=='} {u} {x})"


def _refutations(statement: Statement, ys: Sequence[str], vs: Sequence[str]) -> Iterator[str]:
    """The ways in which outputs refute the statement."""
    match statement:
        case Equivalent(eps):
            for y, v in zip(ys, vs, strict=True):
                yield f"(> {v} (+ {y} {_number(eps)}))"
                yield f"(< {v} (- {y} {_number(eps)}))"
        case Monotone(_, rising, outputs, tolerance):
            for j in outputs:
                yield _less(vs[j], ys[j], tolerance) if rising else _less(ys[j], vs[j], tolerance)
        case SameDecision():
            yield from _other_decisions(statement, ys, vs)


def _other_decisions(statement: SameDecision, ys: Sequence[str], vs: Sequence[str]) -> Iterator[str]:
    """f's decision is clearly i, and g prefers j: where j is before i, also where both are equal."""
    lowest = statement.decision is Decision.LOWEST
    for i, y in enumerate(ys):
        others = [other for other in ys if other != y]
        clear = [_less(y, other, statement.gap) if lowest else _less(other, y, statement.gap) for other in others]
        for j, v in enumerate(vs):
            if j != i:
                relation = ("<" if lowest else ">") + "=" * (j < i)
                yield _all([*clear, f"({relation} {v} {vs[i]})"])


def _less(low: str, high: str, by: Fraction) -> str:
    """low < high - by."""
    return f"(< {low} (- {high} {_number(by)}))" if by else f"(< {low} {high})"


def _all(parts: Iterable[str]) -> str:
    return f"(and {' '.join(parts)})"


def _either(parts: Iterable[str]) -> str:
    return f"(or {' '.join(parts)})"


def _number(value: Fraction) -> str:
    """The number as a decimal with a point: the standard takes others for whole numbers."""
    try:
        text = decimal_text(value)
        return text if "." in text else f"{text}.0"
    except ValueError:
        raise InputError(
            f"an end of a box is {value}, which is no finite decimal", advice="round it outward in the file"
        ) from None
