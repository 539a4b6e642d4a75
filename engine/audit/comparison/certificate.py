"""Certificate file -> Change: section 9 of docs/certificate-format.md, as far as it speaks of the file alone."""

from collections import namedtuple

from engine.audit.archive import read_members
from engine.audit.certificate import (
    fields,
    named_outputs,
    number,
    read_hashes,
    read_manifest,
    read_proof,
)
from engine.audit.data import need

KEYS = {
    "format": str,
    "version": int,
    "kind": str,
    "semantics": str,
    "network": dict,
    "changed": dict,
    "engine": dict,
    "open": str,
    "unequal": str,
    "cases": list,
    "arrays": dict,
}


class Change(
    namedtuple(
        "Change", "network_sha256 changed_sha256 open unequal cases outputs tree manifest sha256"
    )
):
    """The content: hashes of both networks; the claimed shares, Fractions; one case, with the pair's polytopes."""


def read_change(path) -> Change:
    """The certificate in a file. Malformed where there is none; Rejected where its arrays break a rule of section 4."""
    return read_members(path, parse_change)


def parse_change(members: dict[str, bytes], digest: str) -> Change:
    """The certificate that a file with these members is; digest: of the file."""
    manifest = read_manifest(members)
    *head, original, changed, engine, some, unequal, cases, arrays = fields(manifest, KEYS)
    need(
        head == ["acasxu-certificate", 1, "change", "real"],
        "it is of another format, version, kind or semantics",
    )
    hashes, shares = read_hashes(engine, original, changed), (number(some), number(unequal))
    need(len(cases) == 1, "it has not just one case")
    read, tree, _ = read_proof(members, cases, arrays)
    return Change(*hashes, *shares, read, named_outputs(cases), tree, manifest, digest)
