"""Certificates of what is proved of two networks (docs/certificate-format.md, sections 9 and 16)."""

from engine import __version__
from engine.audit.comparison.certificate import parse_change
from engine.audit.comparison.structure_check import parse_structure
from engine.certificate.encoding import (
    FORMAT,
    STRUCTURE_VERSION,
    VERSION,
    Json,
    array_entries,
    case_entry,
    certificate_file,
    proof_arrays,
    rational_text,
)
from engine.comparison.preservation import Preservation
from engine.comparison.structure import Structure
from engine.network import Network


def change_certificate_bytes(original: Network, changed: Network, found: Preservation) -> bytes:
    """The certificate of how much of its box a change may concern. The same result gives the same bytes."""
    arrays = proof_arrays(found.proof)
    manifest = {
        **_head(VERSION, "change", original, changed),
        "open": rational_text(found.open),
        "unequal": rational_text(found.unequal),
        "cases": [case_entry(found.case)],
        "arrays": array_entries(arrays),
    }
    return certificate_file(manifest, arrays, parse=parse_change, where=original.name)


def structure_certificate_bytes(original: Network, changed: Network, found: Structure) -> bytes:
    """The certificate of what the weights say of each output. The same networks give the same bytes."""
    manifest = {
        **_head(STRUCTURE_VERSION, "structure", original, changed),
        "outputs": [claim.value for claim in found.outputs],
    }
    return certificate_file(manifest, {}, parse=parse_structure, where=original.name)


def _head(version: int, kind: str, original: Network, changed: Network) -> dict[str, Json]:
    """The first keys of the manifest of a certificate about two networks."""
    return {
        "format": FORMAT,
        "version": version,
        "kind": kind,
        "semantics": "real",
        "network": {"name": original.name, "sha256": original.sha256},
        "changed": {"name": changed.name, "sha256": changed.sha256},
        "engine": {"name": "acasxu-engine", "version": __version__, "options": {}},
    }
