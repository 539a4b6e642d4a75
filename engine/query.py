"""Questions about several networks at once, as exact data (VNN-LIB 2.0)."""

import builtins
from dataclasses import dataclass
from fractions import Fraction
from math import prod

from engine.property import Property, Vector


@dataclass(frozen=True, slots=True)
class Variable:
    """A tensor of a network that a question names.

    kind: "input", "hidden" or "output"; element: its type as the question has it ("real", "float32", ..); node: the
    name of that tensor in the ONNX file, "" where the question gives none.
    """

    name: str
    kind: str
    element: str
    shape: tuple[int, ...]
    node: str = ""

    @property
    def size(self) -> int:
        return prod(self.shape)


@dataclass(frozen=True, slots=True)
class Declaration:
    """A network that a question is about: its inputs, then its hidden tensors, then its outputs.

    equal_to, isomorphic_to: the name of the network declared before that it is, or is shaped like; "" where none is.
    """

    name: str
    variables: tuple[Variable, ...]
    equal_to: str = ""
    isomorphic_to: str = ""

    def of_kind(self, *kinds: str) -> tuple[Variable, ...]:
        return tuple(variable for variable in self.variables if variable.kind in kinds)


@dataclass(frozen=True, slots=True)
class Tie:
    """The value of one input: sum of coefficient * free input, plus a constant. A free input is tied to itself."""

    coefficients: tuple[tuple[int, Fraction], ...]
    constant: Fraction = Fraction(0)

    def value(self, free: Vector) -> Fraction:
        return sum((c * free[i] for i, c in self.coefficients), self.constant)


@dataclass(frozen=True, slots=True)
class Query:
    """A question about networks: is there a point where all asserts hold?

    ties: one for each input element of all networks, in order of declaration, which equalities of inputs that hold in
    all disjuncts have been solved for; free inputs are numbered in the same order. property: its inputs are the free
    ones; its outputs are the elements of all hidden tensors and outputs of all networks, in order of declaration.
    free: the place of each free input among all inputs.
    """

    networks: tuple[Declaration, ...]
    ties: tuple[Tie, ...]
    free: tuple[int, ...]
    property: Property

    @builtins.property  # `property` is the field above
    def elements(self) -> frozenset[str]:
        """The element types of all variables."""
        return frozenset(variable.element for network in self.networks for variable in network.variables)
