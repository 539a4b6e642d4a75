"""Questions about several networks at once, as exact data (VNN-LIB 2.0)."""

import builtins
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
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

    @property
    def names(self) -> tuple[str, ...]:
        """Its elements in row-major order, as the question writes them: X[0,1], or X of a scalar."""
        if not self.shape:
            return (self.name,)
        return tuple(f"{self.name}[{','.join(map(str, place))}]" for place in product(*map(range, self.shape)))


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
    def input_names(self) -> tuple[str, ...]:
        """The free inputs, as the question writes them."""
        names = self._names("input")
        return tuple(names[place] for place in self.free)

    @builtins.property
    def output_names(self) -> tuple[str, ...]:
        """The elements of hidden tensors and outputs, as the question writes them."""
        return self._names("hidden", "output")

    def _names(self, *kinds: str) -> tuple[str, ...]:
        variables = (variable for network in self.networks for variable in network.of_kind(*kinds))
        return tuple(name for variable in variables for name in variable.names)

    @builtins.property
    def elements(self) -> frozenset[str]:
        """The element types of all variables."""
        return frozenset(variable.element for network in self.networks for variable in network.variables)
