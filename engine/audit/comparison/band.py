"""Is a certificate of kind "band" to be accepted? The verdict on a file (section 18)."""

import time
from collections.abc import Sequence

import numpy as np

from engine.audit.archive import read_members
from engine.audit.certificate import named_outputs, read_proof
from engine.audit.check import ARITHMETIC, STEEP, OnProgress, Result, check_version, report_of
from engine.audit.comparison.certificate import HEAD_KEYS
from engine.audit.comparison.check import check_case, check_share
from engine.audit.comparison.joined import Joined, outside, possible
from engine.audit.comparison.volume import Share, volumes
from engine.audit.data import Band, FilePath, Network
from engine.audit.ending import check_has_none
from engine.audit.failures import Rejected, demand, need
from engine.audit.files import check_hash
from engine.audit.manifest import fields, number, read_hashes, read_manifest
from engine.audit.network_reader import read_network
from engine.audit.nodes import Nodes
from engine.audit.walk import Proof, Tally

KEYS = HEAD_KEYS | {"gap": str, "open": str, "cases": list, "arrays": dict}
HEAD = ["acasxu-certificate", 9, "band", "real"]


# --- the file -------------------------------------------------------------------------------------


def read_band(path: FilePath) -> Band:
    """The certificate in a file.

    Malformed where there is none; Rejected where its arrays break a rule of section 4.
    """
    return read_members(path, parse_band)


def parse_band(members: dict[str, bytes], digest: str) -> Band:
    """The certificate that a file with these members is; digest: SHA-256 of the file."""
    manifest = read_manifest(members)
    *head, original, changed, engine, gap, some_open, cases, arrays = fields(manifest, KEYS)
    need(head == HEAD, "it is of another format, version, kind or semantics")
    network_sha256, changed_sha256 = read_hashes(engine, original, changed)
    band, share = number(gap), number(some_open)
    need(band >= 0, "its gap is below 0")
    need(len(cases) == 1, "it has not just one case")
    read_cases, tree = read_proof(members, cases, arrays)
    return Band(
        network_sha256=network_sha256,
        changed_sha256=changed_sha256,
        gap=band,
        open=share,
        cases=read_cases,
        outputs=named_outputs(cases),
        tree=tree,
        manifest=manifest,
        sha256=digest,
    )


# --- the walk -------------------------------------------------------------------------------------


class Walk(Proof):
    """The walk through the tree, which adds up the volume of leaves that are open."""

    def __init__(
        self,
        certificate: Band,
        networks: Joined,
        pairs: Sequence[tuple[int, int]],
        arithmetic: str,
    ) -> None:
        everything, network = np.ones(len(certificate.tree.split), bool), networks.network
        bounds = ARITHMETIC[arithmetic](network, "real", STEEP)
        super().__init__(certificate.tree, certificate.cases, network, bounds, everything)
        self.networks, self.before, self.after = networks, *np.array(pairs, int).reshape(-1, 2).T
        (case,) = certificate.cases
        self.open = Share.nothing(case)

    def _step(self, nodes: Nodes) -> tuple[Nodes, Tally]:
        """Checks these nodes; their children, after the volumes of open leaves are added up."""
        exclusions, margin = self._check_exclusions(nodes)
        split = self.tree.split[nodes.number]
        leaves = nodes.take(split < 0)
        volume, bits = volumes(leaves)
        differ = self.networks.unequal(leaves.u)
        reached = ~leaves.excluded & (differ[:, self.before] | differ[:, self.after])
        is_open = reached.any(1)
        self.open = self.open.more(int(volume[is_open].sum()), bits)
        tally = Tally(len(split), len(leaves.number), exclusions, margin)
        return self._children(nodes.take(split >= 0)), tally


# --- the verdict ----------------------------------------------------------------------------------


def check_band(
    certificate_path: FilePath,
    original_path: FilePath,
    changed_path: FilePath,
    *,
    arithmetic: str = "float64",
    on_progress: OnProgress | None = None,
) -> Result:
    """The verdict on a certificate of kind "band" of these two networks.

    Malformed where a file is not what it should be; MemoryError where there is not enough of it.
    """
    start, tally, reason = time.perf_counter(), Tally(), ""
    certificate: Band | None = None
    try:
        certificate = read_band(certificate_path)
        original, changed = read_network(original_path), read_network(changed_path)
        pairs = _check_belongs(certificate, original, changed)
        walk = Walk(certificate, Joined(original, changed), pairs, arithmetic)
        tally = walk.walk([*walk.roots()], report_of(on_progress, len(certificate.tree.split)))
        check_share("outside the band, which output is lowest", walk.open, certificate.open)
    except Rejected as error:
        reason = str(error)
    return Result(
        accepted=not reason,
        reason=reason,
        kind="band",
        semantics="real",
        arithmetic=arithmetic,
        nodes=len(certificate.tree.split) if certificate else 0,
        checked=tally.nodes,
        leaves=tally.leaves,
        exclusions=tally.exclusions,
        margin=tally.margin,
        seconds=time.perf_counter() - start,
        certificate=certificate,
    )


def _check_belongs(certificate: Band, original: Network, changed: Network) -> list[tuple[int, int]]:
    """Section 18, at the beginning, and "Polytopes": the possible pairs, one for each polytope.

    Rejected unless the certificate is about these networks, and its case about their outputs.
    """
    check_hash("an original", certificate.network_sha256, original.sha256)
    check_hash("a changed network", certificate.changed_sha256, changed.sha256)
    for network in (original, changed):
        check_version(9, network)
        check_has_none(*network.blocks)
    (case,) = certificate.cases
    pairs = possible(original, changed)
    ours = case.unsafe == outside(pairs, certificate.gap, original.n_outputs)
    demand(ours, "its polytopes are not those of the networks and the gap")
    check_case(case, certificate.outputs, original)
    return pairs
