"""A question about several networks and their files, joined to one function and a property of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from engine.errors import InputError
from engine.joint import Joint, make_joint
from engine.network import Network
from engine.network_file import load_network
from engine.onnx_file import parse_network
from engine.onnx_file.ends import ends_of
from engine.onnx_file.isomorphic import isomorphic
from engine.onnx_file.truncated import up_to
from engine.query import Declaration, Query, Variable

REAL, FLOAT32 = "real", "float32"
ANSWERED = (REAL, FLOAT32)  # element types


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """A query with the networks that it is about.

    networks: of each declaration, in order; joint: what `query.property` is a property of; semantics: those in which
    the types of the query demand an answer.
    """

    query: Query
    networks: tuple[Network, ...]
    joint: Joint
    semantics: str


def load_question(query: Query, files: Mapping[str, Path]) -> Question:
    """The question of a query about the networks in these files, by their names in the query.

    A network that is `equal-to` another one needs no file. InputError where a network has none, where a file belongs to
    none, and where they do not fit what the query declares.
    """
    return join(query, {name: load_network(path) for name, path in resolved(query, files).items()})


def resolved(query: Query, files: Mapping[str, Path]) -> dict[str, Path]:
    """The file of each declared network, in order."""
    where, names = query.property.name or "query", [declared.name for declared in query.networks]
    for name in files:
        if name not in names:
            known = ", ".join(names)
            raise InputError(f"no network {name!r} is declared", where=where, advice=f"it declares {known}")
    found: dict[str, Path] = {}
    for declared in query.networks:
        path = files.get(declared.name) or found.get(declared.equal_to)
        if path is None:
            advice = f"add --network {declared.name}=FILE"
            raise InputError(f"network {declared.name!r} has no file", where=where, advice=advice)
        found[declared.name] = path
    return found


def join(query: Query, networks: Mapping[str, Network]) -> Question:
    """The question of a query about these networks, by their names in the query."""
    semantics, own = _semantics(query), []
    blocks, start = [], 0
    for declared in query.networks:
        network = networks[declared.name]
        _demand_alike(query, declared, network, networks)
        (given,) = _only(query, declared, "input")
        ties = query.ties[start : start + given.size]
        start += given.size
        hidden = [_hidden(network, tensor) for tensor in declared.of_kind("hidden")]
        _demand_tensors(query, declared, network, hidden)
        blocks += [(part, ties) for part in (*hidden, network)]
        own.append(network)
    name = "+".join(network.name for network in own)
    joint = make_joint(blocks, n_inputs=len(query.free), name=name)
    return Question(query, tuple(own), joint, semantics)


def _semantics(query: Query) -> str:
    """float32 where a tensor is of that type; InputError for types in which no answer can be given."""
    for element in sorted(query.elements):
        if element not in ANSWERED:
            raise InputError(
                f"no answer that holds as executed can be given for type {element}",
                where=query.property.name,
                advice="declare the tensors real, for an answer about real arithmetic, or float32",
            )
    return FLOAT32 if FLOAT32 in query.elements else REAL


def _only(query: Query, declared: Declaration, kind: str) -> tuple[Variable, ...]:
    found = declared.of_kind(kind)
    if len(found) != 1:
        what = f"network {declared.name!r} has {len(found)} {kind}s"
        raise InputError(what, where=query.property.name, advice="networks of one input and one output are supported")
    return found


def _hidden(network: Network, tensor: Variable) -> Network:
    """The network that ends at a hidden tensor."""
    if not network.onnx_bytes:
        raise InputError("it has no nodes with names", where=network.name, advice="use the ONNX file")
    data = up_to(network.onnx_bytes, tensor.node, where=network.name)
    return parse_network(data, name=f"{network.name}:{tensor.name}", where=f"{network.name}, up to {tensor.node!r}")


def _demand_tensors(query: Query, declared: Declaration, network: Network, hidden: list[Network]) -> None:
    """Raises InputError unless the declared tensors have the network's own types and shapes (ones do not count)."""
    (given,), (output,) = (_only(query, declared, kind) for kind in ("input", "output"))
    ends = ends_of(network)
    own = [(given, ends[0]), (output, ends[1])]
    own += [(tensor, ends_of(part)[1]) for tensor, part in zip(declared.of_kind("hidden"), hidden)]
    for tensor, (element, shape) in own:
        what = ""
        if _without_ones(tensor.shape) != _without_ones(shape):
            what = f"{tensor.name} has shape {list(tensor.shape)}, but that {tensor.kind} of {network.name} has "
            what += str(list(shape))
        elif element not in (tensor.element, "") and tensor.element != REAL:
            what = f"{tensor.name} is {tensor.element}, but that {tensor.kind} of {network.name} is {element}"
        if what:
            raise InputError(what, where=query.property.name, advice="declare it as the network has it")


def _without_ones(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(size for size in shape if size != 1)


def _demand_alike(query: Query, declared: Declaration, network: Network, networks: Mapping[str, Network]) -> None:
    """Raises InputError where a network is not equal, or not isomorphic, to the one that it is declared to be."""
    if other := declared.equal_to:
        if networks[other].sha256 != network.sha256:
            what = f"network {declared.name!r} is declared equal to {other!r}, but their files differ"
            raise InputError(what, where=query.property.name, advice="give one file for both")
    if other := declared.isomorphic_to:
        if not _isomorphic(networks[other], network):
            what = f"network {declared.name!r} is declared isomorphic to {other!r}, but has another graph"
            raise InputError(what, where=query.property.name, advice="leave out isomorphic-to")


def _isomorphic(one: Network, other: Network) -> bool:
    """True where both have the same layers, or the same graph."""
    files = one.onnx_bytes, other.onnx_bytes
    return one.shape == other.shape or (all(files) and isomorphic(*files))
