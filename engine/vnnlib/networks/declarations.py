"""The networks that a text declares. Names are checked as they are met, relations between networks as each closes."""

from bisect import bisect
from collections.abc import Iterator
from itertools import chain

from engine.errors import InputError
from engine.query import Declaration, Variable
from engine.vnnlib.networks.tensors import MAX_ELEMENTS, Tensor, shown
from engine.vnnlib.source import Source, quoted

KINDS = ("input", "hidden", "output")  # in the order in which a network declares them
RELATIONS = ("equal-to", "isomorphic-to")

REAL = "real"
_FLOATS = "float16 float32 float64 bfloat16 float8e4m3fn float8e4m3fnuz float8e5m2 float8e5m2fnuz float8e8m0 float4e2m1"
_INTEGERS = "int2 int4 int8 int16 int32 int64 uint2 uint4 uint8 uint16 uint32 uint64"
ELEMENTS = (REAL, *_FLOATS.split(), *_INTEGERS.split(), "complex64", "complex128", "bool", "string")


class Declarations:
    """The networks declared so far, and their tensors by name.

    columns: the offset of the declaration of each column, X_i of an input element or Y_j of a hidden or output one.
    """

    def __init__(self, source: Source) -> None:
        self.networks: list[Declaration] = []
        self.tensors: dict[str, Tensor] = {}
        self.columns: dict[str, dict[str, int]] = {"X": {}, "Y": {}}
        self._source = source
        self._open: list[Tensor] = []  # of the network that is not closed yet
        self._relation: tuple[str, str] = ("", "")

    def add_tensor(self, variable: Variable, at: int) -> None:
        """Takes a tensor of the network that is not closed yet. InputErrors without place."""
        name, kind = variable.name, variable.kind
        if name in self.tensors:
            first = self._source.line(self.tensors[name].at)
            raise InputError(f"{quoted(name)} is declared again, first in line {first}", advice="choose another name")
        if self._open and KINDS.index(self._open[-1].variable.kind) > KINDS.index(kind):
            raise InputError(
                f"{kind} {quoted(name)} stands below {self._open[-1].variable.kind} tensors",
                advice="declare inputs, then hidden tensors, then outputs",
            )
        self._check_element(variable)
        columns = self.columns["X" if kind == "input" else "Y"]
        tensor = Tensor(variable, len(columns), at)
        if sum(map(len, self.columns.values())) + variable.size > MAX_ELEMENTS:
            raise InputError(f"the tensors have more than {MAX_ELEMENTS:,} elements", advice="declare smaller ones")
        columns |= {f"{tensor.letter}_{len(columns) + k}": at for k in range(variable.size)}
        self.tensors[name] = tensor
        self._open.append(tensor)

    def relate(self, relation: str, name: str) -> None:
        """Takes a relation of the network that is not closed yet to an earlier one. InputErrors without place."""
        if self._relation[0]:
            raise InputError(f"'{relation}' is the second relation of this network", advice="keep one")
        if self._open:
            raise InputError(f"'{relation}' stands below tensors", advice="put it right after the network's name")
        other = next((network for network in self.networks if network.name == name), None)
        if other is None:
            raise InputError(
                f"'{relation}' names {quoted(name)}, and no network above has that name",
                advice="name a network that is declared above",
            )
        if first := other.equal_to or other.isomorphic_to:
            raise InputError(
                f"'{relation}' names {name}, which is itself related to {first}", advice=f"name {first} instead"
            )
        self._relation = relation, name

    def add_network(self, name: str) -> None:
        """Closes a network. InputErrors without place."""
        if any(network.name == name for network in self.networks):
            raise InputError(f"network {quoted(name)} is declared twice", advice="choose another name")
        variables = tuple(tensor.variable for tensor in self._open)
        kinds = {variable.kind for variable in variables}
        if missing := [kind for kind in ("input", "output") if kind not in kinds]:
            raise InputError(
                f"network {quoted(name)} declares no {missing[0]}", advice=f"add (declare-{missing[0]} NAME TYPE SHAPE)"
            )
        relation, other = self._relation
        network = Declaration(
            name,
            variables,
            equal_to=other if relation == "equal-to" else "",
            isomorphic_to=other if relation == "isomorphic-to" else "",
        )
        if relation:
            _check_alike(network, next(n for n in self.networks if n.name == other), relation)
        self.networks.append(network)
        self._open, self._relation = [], ("", "")

    def label(self, letter: str, number: int) -> str:
        """Returns column `number` of inputs, "X", or outputs, "Y", as the text writes it."""
        tensors = [tensor for tensor in self.tensors.values() if tensor.letter == letter]
        return tensors[bisect([tensor.first for tensor in tensors], number) - 1].label(number)

    def _check_element(self, variable: Variable) -> None:
        element = variable.element
        if element not in ELEMENTS:
            advice = "write real" if element.lower() == REAL else "write real, float32 or another of ONNX's types"
            raise InputError(f"{quoted(element)} is not an element type", advice=advice)
        first = next(iter(self.tensors.values()), None)
        if first and (first.variable.element == REAL) != (element == REAL):
            raise InputError(
                f"{variable.name} is {element} and {first.variable.name} is {first.variable.element}",
                advice="a query is over real alone, or over ONNX's types alone",
            )


def _check_alike(network: Declaration, other: Declaration, relation: str) -> None:
    """Raises InputError where declarations differ in more than names, and for isomorphic networks element types."""
    types = relation == "equal-to"
    mine, theirs = network.of_kind("input", "output"), other.of_kind("input", "output")
    if [v.kind for v in mine] != [v.kind for v in theirs]:
        raise InputError(
            f"{network.name} is declared {relation} {other.name} and has another number of inputs or outputs",
            advice="declare as many",
        )
    for a, b in chain(zip(mine, theirs), _same_node(network, other)):
        if a.shape != b.shape or (types and a.element != b.element):
            raise InputError(
                f"{network.name} is declared {relation} {other.name}, but {a.name} is {_type(a)} and {b.name} "
                f"is {_type(b)}",
                advice=f"declare the same {'types and ' if types else ''}shapes",
            )


def _same_node(network: Declaration, other: Declaration) -> Iterator[tuple[Variable, Variable]]:
    """Yields the hidden tensors of both networks that have one name in the ONNX file."""
    known = {variable.node: variable for variable in other.of_kind("hidden")}
    return ((a, known[a.node]) for a in network.of_kind("hidden") if a.node in known)


def _type(variable: Variable) -> str:
    return f"{variable.element} {shown(variable.shape)}"
