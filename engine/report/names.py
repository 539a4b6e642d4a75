"""The names of a run's networks and properties on the page; those of ACAS Xu's are recognized.

They are known by the SHA-256 that the run's manifest gives for what was read: a file's name proves nothing, and stands
for itself alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from engine.acasxu.identity import METADATA, Identity, known_networks, known_properties, nnet_networks
from engine.acasxu.networks import NetworkIndex
from engine.acasxu.properties import Specification
from engine.nnet import RAW, is_nnet
from engine.report.manifest import Manifest, Pairs


@dataclass(frozen=True, slots=True)
class Names:
    """By the names that results use: the networks that are known, and ACAS Xu's own properties.

    parts: (name in the question, file) of each of the networks that results call so together.
    """

    networks: Mapping[str, Identity] = field(default_factory=dict)
    properties: Mapping[str, Specification] = field(default_factory=dict)
    parts: Mapping[str, Pairs] = field(default_factory=dict)

    def identity(self, network: str) -> Identity | None:
        """The identity of a network whose inputs and outputs are ACAS Xu's; None for others."""
        return self.networks.get(network)

    def index(self, network: str) -> NetworkIndex | None:
        """The one of the 45 published ONNX files that it is, if any."""
        identity = self.identity(network)
        return identity.index if identity and identity.is_published and not is_nnet(network) else None

    def network_label(self, network: str) -> str:
        files = [name for _, name in self.parts.get(network, ())] or [network]
        return " + ".join(map(self.file_label, files))

    def file_label(self, network: str) -> str:
        """The label of one network, N(3,3) for one of the published files."""
        return str(self.index(network) or network.removesuffix(".gz").removesuffix(".onnx"))

    def specification(self, network: str, prop: str) -> Specification | None:
        """ACAS Xu's property of this name, where the network has ACAS Xu's inputs and outputs."""
        return self.properties.get(prop) if self.identity(network) else None

    def property_label(self, prop: str, *, network: str) -> str:
        """P1 to P10 where it is one of them, else the file's name."""
        spec = self.specification(network, prop)
        return f"P{spec.number}" if spec else plain_property(prop)


def names_of(manifest: Manifest) -> Names:
    """The names known by the hashes in a manifest; none where it has no hashes.

    `.nnet` files that the run read in raw units are none of ACAS Xu's networks, whose units are normalized.
    """
    networks, properties = known_networks(), known_properties()
    nnets = {} if ("units", RAW) in manifest.options else nnet_networks()
    known = networks | nnets
    found = {name: known[sha256] for name, sha256 in manifest.inputs if sha256 in known}
    made = {
        name: replace(networks[sha256], source=METADATA) for name, sha256 in manifest.made_from if sha256 in networks
    }
    named = {name: properties[sha256] for name, sha256 in manifest.inputs if sha256 in properties}
    return Names(made | found, named, dict(manifest.several))


def plain_property(name: str) -> str:
    return name.removesuffix(".gz").removesuffix(".vnnlib")
