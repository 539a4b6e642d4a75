"""The identity of a network: one of ACAS Xu's 45, a stand-in for them, or something made from one of these.

Everything that this program says of units, advisories and domains of ACAS Xu it says only of such networks. They are
known by the SHA-256 of their content, by what their own metadata say they were made from, or by the user's word;
never by the name of a file, nor by how many inputs and outputs there are.
"""

import hashlib
from dataclasses import dataclass, replace
from os import PathLike

from engine.acasxu.files import property_hashes, standins
from engine.acasxu.manifest import manifest, nnet_manifest
from engine.acasxu.networks import NetworkIndex, recognize
from engine.acasxu.properties import PROPERTIES, Specification
from engine.acasxu.quantities import ADVISORIES, INPUTS
from engine.errors import InputError
from engine.network import Network
from engine.onnx_file import made_from, parse_network, read_bytes

#: Of all 45 and of the stand-ins: inputs, then each layer's width and whether it has a ReLU.
SHAPE = (len(INPUTS), *((50, True),) * 6, (len(ADVISORIES), False))
CONTENT, METADATA, OPTION = "content", "metadata", "option"
_STANDIN = "stand-in network made by this project, NOT an ACAS Xu network"


@dataclass(frozen=True, slots=True)
class Identity:
    """A network with inputs and outputs that mean what ACAS Xu's mean.

    name: of the network, N(a,t) or a stand-in's; index: which of the 45 it is, or was made from, None for a stand-in;
    source: how that is known: by its CONTENT, by its METADATA, or by the user's OPTION.
    """

    name: str
    index: NetworkIndex | None = None
    source: str = CONTENT

    @property
    def is_standin(self) -> bool:
        return self.index is None and self.source != OPTION

    @property
    def is_published(self) -> bool:
        """True iff it is one of the 45 networks itself, as published in either format."""
        return self.index is not None and self.source == CONTENT

    def __str__(self) -> str:
        return f"changed {self.name}" if self.source == METADATA else self.name

    @property
    def label(self) -> str:
        """One line with what it is and, unless its content tells, how that is known."""
        words = f": previous advisory {self.index.previous_advisory}, tau {self.index.tau} s" if self.index else ""
        words = f": {_STANDIN}" if self.is_standin else words
        how = {CONTENT: "", METADATA: "made from ", OPTION: "taken as "}[self.source]
        by = {CONTENT: "", METADATA: " by its own metadata", OPTION: " by your option, not by its content"}[self.source]
        return f"{how}{self.name}{by}{words}"


def identify(network: Network) -> Identity | None:
    """The identity by a network's content, or by what its metadata say it was made from; else None."""
    known = known_networks() | nnet_networks()
    if network.sha256 in known:
        return known[network.sha256]
    original = known.get(made_from(network.onnx_bytes) or "")
    return replace(original, source=METADATA) if original and network.shape == SHAPE else None


def identify_bytes(data: bytes) -> Identity | None:
    """The same of the bytes of a network's file, whatever they hold."""
    known = known_networks() | nnet_networks()
    exact, original = known.get(hashlib.sha256(data).hexdigest()), made_from(data)
    if exact or original not in known:
        return exact
    try:
        return identify(parse_network(data))
    except InputError:
        return None


def identify_file(path: str | PathLike[str]) -> Identity | None:
    """The same of a file; None where it cannot be read."""
    try:
        return identify_bytes(read_bytes(path))
    except InputError:
        return None


def as_told(network: Network, index: NetworkIndex | None = None) -> Identity:
    """The identity that the user gives it, N(a, t) or a network of that kind, unless its content says what it is.

    InputError where it has other inputs or outputs than ACAS Xu's networks.
    """
    if (network.n_inputs, network.n_outputs) != (len(INPUTS), len(ADVISORIES)):
        raise InputError(
            f"it has {network.n_inputs} inputs and {network.n_outputs} outputs, ACAS Xu's networks have "
            f"{len(INPUTS)} and {len(ADVISORIES)}",
            where=network.name or "the network",
            advice="name its domain's file, or none",
        )
    known = identify(network)
    if known and (known.source == CONTENT or index in (None, known.index)):
        return known
    return Identity(str(index) if index else "one of ACAS Xu's kind", index, OPTION)


def known_networks() -> dict[str, Identity]:
    """The 45 published ONNX files and the stand-ins, by SHA-256."""
    published = {entry.sha256: recognize(entry.name) for entry in manifest()}
    known = {sha256: Identity(str(index), index) for sha256, index in published.items()}
    return known | {hashlib.sha256(path.read_bytes()).hexdigest(): Identity(path.stem) for path in standins()}


def nnet_networks() -> dict[str, Identity]:
    """The 45 published `.nnet` files, by SHA-256. Read in raw units they are other networks, with another one."""
    published = {entry.sha256: recognize(entry.name.replace(".nnet", ".onnx")) for entry in nnet_manifest()}
    return {sha256: Identity(str(index), index) for sha256, index in published.items()}


def known_properties() -> dict[str, Specification]:
    """ACAS Xu's ten properties by the SHA-256 of their files: those of this project, and those of VNN-COMP."""
    return {sha256: PROPERTIES[number - 1] for sha256, number in property_hashes()}
