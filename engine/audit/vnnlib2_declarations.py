"""What a VNN-LIB 2.0 file declares: networks, and the tensors that they take and give (section 10).

Elements of tensors are numbered through, in order of declaration, those in a tensor in row-major
order: inputs of all networks are X_0, X_1, .., the elements of hidden tensors and outputs Y_0, ...
"""

import re
from fractions import Fraction
from math import prod
from typing import NamedTuple

from engine.audit.failures import need
from engine.audit.vnnlib_terms import Term

KINDS = {"declare-input": "input", "declare-hidden": "hidden", "declare-output": "output"}
TYPES = {"real": "real", "Real": "real", "float32": "float32"}
NAME = re.compile("[A-Za-z][A-Za-z0-9_]*")
MAX_ELEMENTS = 1 << 20  # of all tensors together
ESCAPED = re.compile(r"\\(.)", re.DOTALL)
ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", '"': '"', "\\": "\\"}


class Variable(NamedTuple):
    """A tensor. kind: input, hidden or output; element: real or float32.

    node: its name in the ONNX file, "" where the query gives none.
    """

    name: str
    kind: str
    element: str
    shape: tuple[int, ...]
    node: str

    @property
    def size(self) -> int:
        """The number of its elements."""
        return prod(self.shape)


class Relation(NamedTuple):
    """(equal-to other) or (isomorphic-to other)."""

    word: str
    other: str


class Declaration(NamedTuple):
    """A network: inputs, then hidden tensors, then outputs. relation: to one declared before."""

    name: str
    relation: Relation | None
    variables: tuple[Variable, ...]

    def of_kind(self, *kinds: str) -> list[Variable]:
        """Its tensors of these kinds, in order."""
        return [variable for variable in self.variables if variable.kind in kinds]


def variable(word: str, name: str, element: str, shape: list[int], *nodes: str) -> Variable:
    """The tensor that a group (word name element shape "node") declares."""
    need(NAME.fullmatch(name), f"{name[:40]!a} is not the name of a variable")
    need(element in TYPES, f"elements of type {element[:40]!a} are not supported")
    need(all(shape), "a dimension is 0")
    kind = KINDS[word]
    need(len(nodes) < 2 and (nodes or kind != "hidden"), f"{word} takes other arguments")
    return Variable(name, kind, TYPES[element], tuple(shape), _unquoted(*nodes) if nodes else "")


def _unquoted(text: str) -> str:
    """The name in a string."""
    quoted = len(text) > 2 and text[0] == '"' == text[-1]
    escapes = ESCAPED.findall(text[1:-1])
    need(quoted and all(c in ESCAPES for c in escapes), "a node's name is not a string")
    return ESCAPED.sub(_unescaped, text[1:-1])


def _unescaped(found: re.Match[str]) -> str:
    return ESCAPES[found.group(1)]


class Scope:
    """The networks declared so far, and the place of each tensor's elements.

    n_inputs, n_outputs: how many X_i and Y_j there are.
    """

    def __init__(self) -> None:
        self.networks: list[Declaration] = []
        self.n_inputs = self.n_outputs = 0
        self._tensors: dict[str, tuple[Variable, int]] = {}  # and the number of the first element

    def declare(self, name: str, relations: list[Relation], variables: list[Variable]) -> None:
        """Adds a network."""
        earlier = [network.name for network in self.networks]
        new = NAME.fullmatch(name) and name not in earlier
        need(new, f"{name[:40]!a} is not the name of a network, or declared twice")
        need(len(relations) < 2, "a network is equal-to or isomorphic-to one other at most")
        for word, other in relations:
            need(other in earlier, f"{word} {other[:40]!a}: no such network is declared before")
        kinds = [variable.kind for variable in variables]
        ordered = kinds == sorted(kinds, key=list(KINDS.values()).index)
        complete = ordered and {"input", "output"} <= set(kinds)
        need(complete, "a network has inputs, then hidden tensors, then outputs")
        for each in variables:
            self._add(each)
        relation = relations[0] if relations else None
        self.networks.append(Declaration(name, relation, tuple(variables)))

    def _add(self, variable: Variable) -> None:
        """Numbers a tensor's elements."""
        need(variable.name not in self._tensors, f"{variable.name[:40]!a} is declared twice")
        is_input = variable.kind == "input"
        self._tensors[variable.name] = variable, self.n_inputs if is_input else self.n_outputs
        self.n_inputs += variable.size * is_input
        self.n_outputs += variable.size * (not is_input)
        few = self.n_inputs + self.n_outputs <= MAX_ELEMENTS
        need(few, f"there are more than {MAX_ELEMENTS:,} elements")

    def element(self, name: str, indices: list[int]) -> Term:
        """The term of an element of a tensor: X_i or Y_j."""
        need(name in self._tensors, f"{name[:40]!a} is neither declared nor a number")
        variable, number = self._tensors[name]
        fits = len(indices) == len(variable.shape)
        need(fits, f"{name} has {len(variable.shape)} dimensions, not {len(indices)}")
        within = all(i < size for i, size in zip(indices, variable.shape, strict=True))
        need(within, f"{name}{indices} is outside of its shape {list(variable.shape)}")
        place = 0
        for i, size in zip(indices, variable.shape, strict=True):
            place = place * size + i
        letter = "X" if variable.kind == "input" else "Y"
        return {f"{letter}_{number + place}": Fraction(1)}
