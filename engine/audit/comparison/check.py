"""Is a certificate of kind "change" to be accepted? The verdict on a file (section 9)."""

import time
from decimal import Decimal
from fractions import Fraction

from engine.audit.check import OnProgress, Result, check_version, report_of
from engine.audit.comparison.certificate import read_change
from engine.audit.comparison.pair import Pair, lowest
from engine.audit.comparison.volume import Share
from engine.audit.comparison.walk import Walk
from engine.audit.data import Case, Change, FilePath, Network
from engine.audit.ending import check_has_none
from engine.audit.failures import Rejected, demand
from engine.audit.files import check_hash
from engine.audit.network_reader import read_network
from engine.audit.walk import Tally


def check_change(
    certificate_path: FilePath,
    original_path: FilePath,
    changed_path: FilePath,
    *,
    arithmetic: str = "float64",
    on_progress: OnProgress | None = None,
) -> Result:
    """The verdict on a certificate of kind "change" of these two networks.

    Malformed where a file is not what it should be; MemoryError where there is not enough of it.
    """
    start, tally, reason = time.perf_counter(), Tally(), ""
    certificate: Change | None = None
    try:
        certificate = read_change(certificate_path)
        original, changed = read_network(original_path), read_network(changed_path)
        _check_belongs(certificate, original, changed)
        walk = Walk(certificate, Pair(original, changed), arithmetic)
        tally = walk.walk([*walk.roots()], report_of(on_progress, len(certificate.tree.split)))
        check_share("which output is lowest", walk.open, certificate.open)
        check_share("outputs", walk.unequal, certificate.unequal)
    except Rejected as error:
        reason = str(error)
    return Result(
        accepted=not reason,
        reason=reason,
        kind="change",
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


def _check_belongs(certificate: Change, original: Network, changed: Network) -> None:
    """Section 9, at the beginning, and "Polytopes".

    Rejected unless the certificate is about these networks, and its case about all of their
    outputs.
    """
    check_hash("an original", certificate.network_sha256, original.sha256)
    check_hash("a changed network", certificate.changed_sha256, changed.sha256)
    for network in (original, changed):
        check_version(1, network)
        check_has_none(*network.blocks)
    (case,) = certificate.cases
    about_outputs = case.unsafe == lowest(original.n_outputs)
    demand(about_outputs, "its polytopes are not those of the networks' outputs")
    check_case(case, certificate.outputs, original)


def check_case(case: Case, outputs: int, network: Network) -> None:
    """Section 9: Rejected unless it is a box with a volume, of inputs that both networks have.

    outputs: as many as the rows of its file name.
    """
    demand(len(case.lower) == network.n_inputs, "networks and certificate have different inputs")
    there = outputs <= 2 * network.n_outputs
    demand(there, "its rows name outputs that do not exist")
    has_volume = all(low < high for low, high in zip(case.lower, case.upper, strict=True))
    demand(has_volume, "its box has no volume")


def check_share(what: str, found: Share, claimed: Fraction) -> None:
    """Rejected unless what was found is at most what is claimed."""
    percent = 100 * Decimal(claimed.numerator) / Decimal(claimed.denominator)
    demand(
        found.at_most(claimed),
        f"{what} may differ on {found.percent}, not at most {percent:.9g}%",
    )
