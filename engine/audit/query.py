"""What a certificate of version 2 or 3 is about: the query, its networks, its ties (section 10)."""

from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path

import numpy as np

from engine.audit.blocks import Joint, joint
from engine.audit.data import Certificate, FilePath, Network, Specification, Tie
from engine.audit.failures import Malformed, demand, need
from engine.audit.files import check_hash
from engine.audit.network_reader import read_network
from engine.audit.ties import solve_ties
from engine.audit.vnnlib2_declarations import Declaration, Variable
from engine.audit.vnnlib2_reader import Query, read_query

Ties = tuple[tuple[Tie, ...], ...]  # of each network's inputs


def read_joint(
    certificate: Certificate,
    networks: Mapping[str, FilePath],
    property_path: FilePath,
    semantics: str,
) -> tuple[Joint, Specification]:
    """The networks as blocks over free inputs, and what the query asserts of them.

    networks: the file of each, by its name in the query; of one that is equal-to another it may be
    left out.

    Rejected where the certificate is about others, its ties are not those of the query, a file does
    not fit its declaration, or the query is about what is executed and it shows nothing of that.
    """
    query = read_query(property_path)
    check_hash("a property", certificate.property_sha256, query.specification.sha256)
    files = _files(query, networks, property_path)
    ties, specification = solve_ties(query.specification)
    parts = _parts(query, ties)
    _check_named(certificate, query, parts)
    read = {path: read_network(path) for path in files}
    whole = [read[path] for path in files]
    _check_files(certificate, query, whole)
    if query.is_float32:
        _check_executed(certificate, query, ties, semantics)
    blocks = []
    for declaration, path, network, own in zip(query.networks, files, whole, parts, strict=True):
        for tensor in declaration.of_kind("hidden"):
            hidden = read_network(path, tensor.node)
            check_hash(f"a network {declaration.name}", network.sha256, hidden.sha256)
            _check_fits(declaration, tensor, hidden, is_input=False)
            blocks.append((hidden, own))
        blocks.append((network, own))
    return joint(blocks, specification.n_inputs, certificate.pairs), specification


def _files(
    query: Query, networks: Mapping[str, FilePath], property_path: FilePath
) -> list[FilePath]:
    """The file of each network, in order."""
    found: dict[str, FilePath] = {}
    for name, relation, _ in query.networks:
        if name in networks:
            found[name] = Path(networks[name])
        elif relation and relation.word == "equal-to":
            found[name] = found[relation.other]
        else:
            raise Malformed(f"{property_path}: no file is given for its network {name}")
    for name in networks:
        need(name in found, f"{property_path}: it declares no network {name[:40]!a}")
    return list(found.values())


def _parts(query: Query, ties: tuple[Tie, ...]) -> Ties:
    """The ties of each network's own inputs."""
    found, rest = [], iter(ties)
    for network in query.networks:
        size = sum(tensor.size for tensor in network.of_kind("input"))
        found.append(tuple(next(rest) for _ in range(size)))
    return tuple(found)


def _check_named(certificate: Certificate, query: Query, ties: Ties) -> None:
    """The certificate names these networks in this order, and has these ties."""
    names = [network.name for network in certificate.networks]
    same = names == [network.name for network in query.networks]
    demand(same, "its networks are not those that the query declares, in order")
    demand(certificate.ties == ties, "its ties are not those of the query")


# --- the files ------------------------------------------------------------------------------------


def _check_files(certificate: Certificate, query: Query, networks: list[Network]) -> None:
    """Section 10, "The files": each is the one that is named, fits, and is as others are."""
    by_name: dict[str, Network] = {}
    for stated, declaration, network in zip(
        certificate.networks, query.networks, networks, strict=True
    ):
        by_name[declaration.name] = network
        check_hash(f"a network {stated.name}", stated.sha256, network.sha256)
        for kind in ("input", "output"):
            tensors = declaration.of_kind(kind)
            single = len(tensors) == 1
            demand(single, f"network {declaration.name} has more than one {kind}")
            _check_fits(declaration, tensors[0], network, is_input=kind == "input")
        if declaration.relation:
            word, other = declaration.relation
            demand(
                _are_related(word, network, by_name[other]),
                f"network {declaration.name} is not {word} {other}",
            )


def _check_fits(
    declaration: Declaration, tensor: Variable, network: Network, *, is_input: bool
) -> None:
    """The tensor has the name and the shape of this end of the network."""
    assert network.ends is not None
    end = network.ends[0 if is_input else 1]
    named = tensor.node in ("", end.name)
    demand(named, f"{tensor.name} of network {declaration.name}: {tensor.node!a} is not its name")
    fits = _long(tensor.shape) == _long(end.shape)
    shapes = f"{list(tensor.shape)}, not {list(end.shape)}"
    demand(fits, f"{tensor.name} of network {declaration.name} is declared as {shapes}")


def _long(shape: tuple[int, ...]) -> list[int]:
    return [size for size in shape if size != 1]


def _are_related(word: str, network: Network, other: Network) -> bool:
    """True iff a network is equal-to or isomorphic-to the other."""
    if word == "equal-to":
        return network.sha256 == other.sha256
    layers, others = (
        [(layer.weight.shape, layer.has_relu.tolist()) for layer in each.layers]
        for each in (network, other)
    )
    return layers == others or (network.graph is not None and network.graph == other.graph)


# --- queries about what is executed ---------------------------------------------------------------


def _check_executed(
    certificate: Certificate, query: Query, ties: tuple[Tie, ...], semantics: str
) -> None:
    """Section 10, at the end: a proof is of float32 semantics, a witness one of float32 inputs."""
    if certificate.witness is None:
        demand(semantics == "float32", "the query is about what is executed in float32")
        return
    point = certificate.witness.point
    tensors = (tensor for network in query.networks for tensor in network.of_kind("input"))
    types = [tensor.element for tensor in tensors for _ in range(tensor.size)]
    for element, value in zip(types, _values(ties, point), strict=True):
        demand(element != "float32" or _is_float32(value), "an input is no number of float32")


def _values(ties: tuple[Tie, ...], point: tuple[Fraction, ...]) -> Iterator[Fraction]:
    """The inputs of all networks at a point of the free ones."""
    for tie in ties:
        yield sum((c * point[i] for i, c in tie.inputs.items()), tie.constant)


def _is_float32(value: Fraction) -> bool:
    if abs(value) >= 2**128:
        return False
    return Fraction(float(np.float32(float(value)))) == value
