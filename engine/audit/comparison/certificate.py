"""Certificate file -> Change: section 9 of the format, as far as it speaks of the file alone."""

from engine.audit.archive import read_members
from engine.audit.certificate import named_outputs, read_proof
from engine.audit.data import Change, FilePath
from engine.audit.failures import need
from engine.audit.manifest import fields, number, read_hashes, read_manifest

#: of both kinds of certificates about two networks
HEAD_KEYS = {
    "format": str,
    "version": int,
    "kind": str,
    "semantics": str,
    "network": dict,
    "changed": dict,
    "engine": dict,
}
KEYS = HEAD_KEYS | {"open": str, "unequal": str, "cases": list, "arrays": dict}
HEAD = ["acasxu-certificate", 1, "change", "real"]


def read_change(path: FilePath) -> Change:
    """The certificate in a file.

    Malformed where there is none; Rejected where its arrays break a rule of section 4.
    """
    return read_members(path, parse_change)


def parse_change(members: dict[str, bytes], digest: str) -> Change:
    """The certificate that a file with these members is; digest: SHA-256 of the file."""
    manifest = read_manifest(members)
    *head, original, changed, engine, some_open, unequal, cases, arrays = fields(manifest, KEYS)
    need(head == HEAD, "it is of another format, version, kind or semantics")
    network_sha256, changed_sha256 = read_hashes(engine, original, changed)
    shares = number(some_open), number(unequal)
    need(len(cases) == 1, "it has not just one case")
    read_cases, tree = read_proof(members, cases, arrays)
    return Change(
        network_sha256=network_sha256,
        changed_sha256=changed_sha256,
        open=shares[0],
        unequal=shares[1],
        cases=read_cases,
        outputs=named_outputs(cases),
        tree=tree,
        manifest=manifest,
        sha256=digest,
    )
