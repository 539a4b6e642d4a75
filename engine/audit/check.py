"""Is a certificate to be accepted? The verdict on a file."""

import time
from dataclasses import dataclass

import numpy as np

from engine.audit.arithmetic import Floating
from engine.audit.certificate import read_certificate
from engine.audit.claim import check_claim
from engine.audit.data import Certificate, Network, Rejected, Specification, Tree, demand
from engine.audit.exact import Exact, evaluate, radii
from engine.audit.onnx_reader import read_network
from engine.audit.vnnlib_reader import read_property
from engine.audit.walk import Nodes, Proof, Tally, merge

ARITHMETIC = {"float64": Floating, "exact": Exact}


@dataclass(frozen=True)
class Result:
    """A verdict. nodes: of the whole proof; checked, leaves, exclusions: how many nodes, and of these how many leaves,
    and how many exclusions were checked; margin: the least bound that showed one; empty: nothing satisfies the
    property's asserts, so that what is accepted says nothing about the network.
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
    certificate: Certificate | None
    empty: bool = False


def check(
    certificate_path,
    network_path,
    property_path,
    *,
    arithmetic="float64",
    sample=None,
    seed=0,
    semantics=None,
    share=(0, 1),
    on_progress=None,
) -> Result:
    """The verdict on a certificate of this property of this network; Malformed where a file is not what it should be.

    semantics: to be proved, where not the certificate's own; sample: how many leaves, chosen at random, are to
    be checked with their ancestors, instead of all; share (i, n): check the i-th of n parts, which together are the
    whole; on_progress(nodes checked, nodes to be checked).
    """
    start, certificate, tally, reason, empty = time.perf_counter(), None, Tally(), "", False
    try:
        certificate = read_certificate(certificate_path)
        semantics = semantics or certificate.semantics
        network, specification = read_network(network_path), read_property(property_path)
        _belongs(certificate, network, specification, semantics)
        if certificate.kind == "witness":
            _check_witness(certificate, network, specification)
        else:
            empty = not check_claim(certificate.cases, specification)
            wanted, bounds = (
                _wanted(certificate.tree, sample, seed),
                ARITHMETIC[arithmetic](network, semantics),
            )
            report = lambda nodes: on_progress and on_progress(nodes, int(wanted.sum()))
            tally = _walk(Proof(certificate, network, bounds, wanted), share, report)
            if tally.nodes < len(wanted):
                reason = f"only {tally.nodes:,} of {len(wanted):,} nodes were checked, as asked for"
        accepted = True
    except Rejected as error:
        accepted, reason = False, str(error)
    kind, tree = (certificate.kind, certificate.tree) if certificate else ("", None)
    return Result(
        accepted,
        reason,
        kind,
        semantics or "",
        arithmetic,
        len(tree.split) if tree else 0,
        *tally,
        time.perf_counter() - start,
        certificate,
        empty,
    )


def _belongs(
    certificate: Certificate, network: Network, specification: Specification, semantics: str
) -> None:
    """Rejected unless the certificate is about these files, and they fit together and the semantics."""
    for name, claimed, found in (
        ("network", certificate.network_sha256, network.sha256),
        ("property", certificate.property_sha256, specification.sha256),
    ):
        demand(
            claimed == found,
            f"it is about a {name} with SHA-256 {claimed[:12]}..., this one has {found[:12]}...",
        )
    sizes = network.layers[0].weight.shape[1], len(network.layers[-1].bias)
    fits = len(certificate.cases[0].lower) == sizes[0] and certificate.outputs <= sizes[1]
    fits = fits and sizes == (specification.n_inputs, specification.n_outputs)
    demand(fits, "network, property and certificate do not have the same inputs and outputs")
    if semantics == "float32":
        demand(certificate.kind == "proof", "a witness says nothing about float32 semantics")
        demand(not network.obstacle, f"the network has no float32 semantics: {network.obstacle}")


def _check_witness(
    certificate: Certificate, network: Network, specification: Specification
) -> None:
    """Section 7: outputs and margins are exact, and the point is in the unsafe set, with all within `radii` of y."""
    x, y = certificate.witness.point, evaluate(network, certificate.witness.point)
    demand(
        tuple(y) == certificate.witness.outputs, "the outputs are not the network's at the point"
    )
    dot = lambda coefficients, values: sum(c * values[i] for i, c in coefficients.items())
    value = lambda row: dot(row.inputs, x) + dot(row.outputs, y) + row.constant
    margins = tuple(map(value, certificate.cases[0].unsafe[0]))
    demand(
        margins == certificate.witness.margins, "the margins are not those of the polytope's rows"
    )
    r = radii(network, certificate.witness.point)
    most = lambda row: value(row) + sum(abs(c) * r[j] for j, c in row.outputs.items())
    holds = lambda row: most(row) < 0 or (most(row) == 0 and not row.strict)
    unsafe = all(map(holds, specification.base)) and any(
        all(map(holds, rows)) for rows in specification.disjuncts
    )
    demand(unsafe, "the point is not in the property's unsafe set")


def _wanted(tree: Tree, sample: int | None, seed: int) -> np.ndarray:
    """Which nodes to visit: all, or some leaves and their ancestors."""
    split, leaves = np.flatnonzero(tree.split >= 0), np.flatnonzero(tree.split < 0)
    if sample is None or sample >= len(leaves):
        return np.ones(len(tree.split), bool)
    wanted = np.isin(
        np.arange(len(tree.split)),
        np.random.default_rng(seed).choice(leaves, sample, replace=False),
    )
    for node, child in zip(
        split[::-1], range(len(wanted) - 2, 0, -2)
    ):  # children have larger numbers
        wanted[node] = wanted[child] | wanted[child + 1]
    return wanted


def _walk(proof: Proof, share: tuple[int, int], report) -> Tally:
    """Checks all wanted nodes, or a share: of the nodes where the walk stands when there are enough of them, every
    n-th with all below it; those before them count for the first share.
    """
    (mine, shares), tally = share, Tally()
    for roots in proof.roots():
        done, pending = tally.nodes, [roots]
        top = proof.walk(
            pending, lambda nodes: report(done + nodes), 8 * shares if shares > 1 else 0
        )
        tally = merge(tally, top if mine == 0 else Tally())
        if pending:
            pending = [Nodes(*map(np.concatenate, zip(*pending))).take(slice(mine, None, shares))]
        done = tally.nodes
        tally = merge(tally, proof.walk(pending, lambda nodes: report(done + nodes)))
    return tally
