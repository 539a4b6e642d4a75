"""Certificates of what is proved of two networks (docs/certificate-format.md, sections 9, 16 and 18)."""

from engine import __version__
from engine.audit.comparison.band import parse_band
from engine.audit.comparison.certificate import parse_change
from engine.audit.comparison.structure_check import parse_structure
from engine.certificate.encoding import (
    BAND_VERSION,
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
from engine.comparison.band import OutsideBand
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


def band_certificate_bytes(original: Network, changed: Network, found: OutsideBand) -> bytes:
    """The certificate of how much of its box another decision may concern outside a band. The same result gives the
    same bytes."""
    arrays = proof_arrays(found.proof)
    manifest = {
        **_head(BAND_VERSION, "band", original, changed),
        "gap": rational_text(found.gap),
        "open": rational_text(found.open),
        "cases": [case_entry(found.case)],
        "arrays": array_entries(arrays),
    }
    return certificate_file(manifest, arrays, parse=parse_band, where=original.name)


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
