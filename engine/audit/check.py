"""Is a certificate to be accepted? The verdict on a file.

A proof is accepted if it covers the property (section 2) and its tree shows the claim (sections 4
to 6), a witness if its point is unsafe (section 7).
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from engine.audit.arithmetic import Floating
from engine.audit.certificate import read_certificate
from engine.audit.claim import check_claim
from engine.audit.comparison.structure import Structure
from engine.audit.cone_walk import ConeProof
from engine.audit.data import (
    Band,
    Blocks,
    Certificate,
    Change,
    FilePath,
    Network,
    Specification,
    Truths,
)
from engine.audit.ending import check_claimed, of_scores
from engine.audit.exact import Exact
from engine.audit.failures import Malformed, Rejected, demand
from engine.audit.files import check_hash
from engine.audit.network_reader import read_network
from engine.audit.places import curves_of
from engine.audit.query import read_joint
from engine.audit.sample import chosen_nodes, share_of_cases, walk_share
from engine.audit.vnnlib_reader import read_property
from engine.audit.walk import OnNodes, Proof, Tally
from engine.audit.witness import check_witness

STEEP = 1.5  # section 17
ARITHMETIC: dict[str, type[Floating] | type[Exact]] = {"float64": Floating, "exact": Exact}

#: The file of the network, or of each by its name in a query of VNN-LIB 2.0.
Networks: TypeAlias = "FilePath | Mapping[str, FilePath]"
OnProgress = Callable[[int, int], object]  # (nodes checked, nodes to be checked)


@dataclass(frozen=True)
class Result:
    """A verdict.

    reason: why it is rejected, or why not all of it was checked.
    nodes: of the whole proof.
    checked, leaves, exclusions: how many nodes were checked, how many of these are leaves, and how
        many exclusions were checked.
    margin: the least bound that showed an exclusion.
    certificate: the content, None where that could not be read.
    empty: True iff nothing satisfies the property's asserts: what is accepted then says nothing
        about the network.
    """

    accepted: bool
    reason: str
    kind: str
    semantics: str
    arithmetic: str
    nodes: int
    checked: int
    leaves: int
    exclusions: int
    margin: float
    seconds: float
    certificate: Certificate | Change | Structure | Band | None
    empty: bool = False


@dataclass
class _Findings:
    """The state of one check: claims of the certificate, and what was found of it so far."""

    semantics: str
    certificate: Certificate | None = None
    accepted: bool = False
    reason: str = ""
    tally: Tally = Tally()
    empty: bool = False

    def result(self, arithmetic: str, seconds: float) -> Result:
        tree = self.certificate.tree if self.certificate else None
        return Result(
            accepted=self.accepted,
            reason=self.reason,
            kind=self.certificate.kind if self.certificate else "",
            semantics=self.semantics,
            arithmetic=arithmetic,
            nodes=len(tree.split) if tree else 0,
            checked=self.tally.nodes,
            leaves=self.tally.leaves,
            exclusions=self.tally.exclusions,
            margin=self.tally.margin,
            seconds=seconds,
            certificate=self.certificate,
            empty=self.empty,
        )


def check(
    certificate_path: FilePath,
    networks: Networks,
    property_path: FilePath,
    *,
    arithmetic: str = "float64",
    sample: int | None = None,
    seed: int = 0,
    semantics: str | None = None,
    share: tuple[int, int] = (0, 1),
    on_progress: OnProgress | None = None,
) -> Result:
    """The verdict on a certificate of this property of this network, or of these networks.

    Malformed where a file is not what it should be; MemoryError where there is not enough of it.

    semantics: to be proved, where not the certificate's own.
    sample: how many leaves, chosen at random, are to be checked with their ancestors, not all.
    share (i, n): check the i-th of n parts, which together are the whole.
    """
    start, found = time.perf_counter(), _Findings(semantics or "")
    try:
        found.certificate = certificate = read_certificate(certificate_path)
        found.semantics = semantics or certificate.semantics
        network, specification = _read(certificate, networks, property_path, found.semantics)
        _check_fits(certificate, network, specification, found.semantics)
        if certificate.tree is None:
            check_witness(certificate, network, of_scores(specification, network))
        else:
            found.empty = not check_claim(certificate.cases, specification)
            wanted = chosen_nodes(certificate.tree, sample, seed)
            if certificate.has_cones:
                wanted, share = share_of_cases(certificate.tree, certificate.cases, wanted, share)
            proof = _proof(certificate, network, arithmetic, found.semantics, wanted)
            found.tally = walk_share(proof, share, report_of(on_progress, int(wanted.sum())))
            found.reason = what_is_missing(found.tally.nodes, len(wanted))
        found.accepted = True
    except Rejected as error:
        found.reason = str(error)
    return found.result(arithmetic, time.perf_counter() - start)


def _proof(
    certificate: Certificate, network: Blocks, arithmetic: str, semantics: str, wanted: Truths
) -> Proof:
    """The walk through its tree: with cones, of each case in its own (section 12)."""
    assert certificate.tree is not None
    if not certificate.has_cones:
        ratio = STEEP if certificate.version == 8 else 1
        bounds = ARITHMETIC[arithmetic](network, semantics, ratio)
        return Proof(certificate.tree, certificate.cases, network, bounds, wanted)
    assert isinstance(network, Network)
    return ConeProof(certificate.tree, certificate.cases, network, arithmetic, wanted)


def report_of(on_progress: OnProgress | None, nodes: int) -> OnNodes:
    """Returns a function that passes the number of nodes done on, if anyone wants it."""

    def report(done: int) -> None:
        if on_progress:
            on_progress(done, nodes)

    return report


def what_is_missing(checked: int, nodes: int) -> str:
    """Why what was checked is not all; "" where it is."""
    if checked == nodes:
        return ""
    return f"only {checked:,} of {nodes:,} nodes were checked, as asked for"


def _read(
    certificate: Certificate, networks: Networks, property_path: FilePath, semantics: str
) -> tuple[Blocks, Specification]:
    """The networks and the property, which are those that the certificate names."""
    if certificate.version in (2, 3):
        if not isinstance(networks, Mapping):
            networks = {certificate.networks[0].name: networks}  # the others are equal-to it
        return read_joint(certificate, networks, property_path, semantics)
    if isinstance(networks, Mapping):
        raise Malformed(f"{property_path}: its certificate is about one network, without a name")
    network, specification = read_network(networks), read_property(property_path)
    check_hash("a network", certificate.network_sha256, network.sha256)
    check_hash("a property", certificate.property_sha256, specification.sha256)
    return network, specification


def _check_fits(
    certificate: Certificate, network: Blocks, specification: Specification, semantics: str
) -> None:
    """Sections 1 and 3, each at the end: network, property and claim fit together.

    Rejected otherwise, and where the network has not the semantics.
    """
    check_version(certificate.version, network)
    fits = (
        len(certificate.cases[0].lower) == network.n_inputs == specification.n_inputs
        and certificate.outputs <= network.n_outputs == specification.n_outputs
    )
    demand(fits, "network, property and certificate do not have the same inputs and outputs")
    check_claimed(certificate.cases, network)
    if semantics == "float32":
        demand(certificate.kind == "proof", "a witness says nothing about float32 semantics")
        demand(
            certificate.version != 4, "a proof of version 4 says nothing about float32 semantics"
        )
        demand(not network.obstacle, f"the network has no float32 semantics: {network.obstacle}")


def check_version(version: int, network: Blocks) -> None:
    """Section 14: Rejected unless it is 5 where there is a Sigmoid or a Tanh, and else is not."""
    curved = bool(curves_of(network))
    demand(
        curved == (version == 5),
        f"its version is {version}, and the network has {'a' if curved else 'no'} Sigmoid or Tanh",
    )
