"""Is a certificate of kind "structure" to be accepted? The verdict on a file (section 16)."""

import time

from engine.audit.archive import read_members
from engine.audit.check import Result, check_version
from engine.audit.comparison.certificate import HEAD_KEYS
from engine.audit.comparison.structure import CLAIMS, Structure, compared, is_shown
from engine.audit.data import FilePath
from engine.audit.ending import check_has_none
from engine.audit.failures import Rejected, demand, need
from engine.audit.files import check_hash
from engine.audit.manifest import fields, read_hashes, read_manifest
from engine.audit.network_reader import read_network

KEYS = HEAD_KEYS | {"outputs": list}
HEAD = ["acasxu-certificate", 7, "structure", "real"]


def read_structure(path: FilePath) -> Structure:
    """The certificate in a file. Malformed where there is none."""
    return read_members(path, parse_structure)


def parse_structure(members: dict[str, bytes], digest: str) -> Structure:
    """The certificate that a file with these members is; digest: SHA-256 of the file."""
    manifest = read_manifest(members)
    *head, original, changed, engine, claims = fields(manifest, KEYS)
    need(head == HEAD, "it is of another format, version, kind or semantics")
    need(not members, "it has other members than its manifest")
    good = claims and all(type(claim) is str and claim in CLAIMS for claim in claims)
    need(good, f"its outputs are not a list of {', '.join(CLAIMS)}")
    network_sha256, changed_sha256 = read_hashes(engine, original, changed)
    return Structure(network_sha256, changed_sha256, tuple(claims), manifest, digest)


def check_structure(
    certificate_path: FilePath, original_path: FilePath, changed_path: FilePath
) -> Result:
    """The verdict on a certificate of these two networks. Malformed where a file is none."""
    start, reason = time.perf_counter(), ""
    certificate = read_structure(certificate_path)
    original, changed = read_network(original_path), read_network(changed_path)
    try:
        check_hash("an original", certificate.network_sha256, original.sha256)
        check_hash("a changed network", certificate.changed_sha256, changed.sha256)
        for network in (original, changed):
            check_version(7, network)
            check_has_none(*network.blocks)
        found = compared(original, changed)
        demand(len(certificate.claims) == original.n_outputs, "it is about other outputs")
        for j, claim in enumerate(certificate.claims):
            shown = is_shown(claim, bool(found.up[j]), bool(found.down[j]))
            demand(shown, f"output {j} is not {claim} by the weights alone")
    except Rejected as error:
        reason = str(error)
    return Result(
        accepted=not reason,
        reason=reason,
        kind="structure",
        semantics="real",
        arithmetic="exact",
        nodes=0,
        checked=0,
        leaves=0,
        exclusions=0,
        margin=0.0,
        seconds=time.perf_counter() - start,
        certificate=certificate,
    )
