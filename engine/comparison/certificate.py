"""Certificates of proved preservation (docs/certificate-format.md, section 9)."""

import hashlib

from engine import __version__
from engine.audit.comparison.certificate import parse_change
from engine.certificate.writer import FORMAT, VERSION, case_json, proof_arrays, rational_text, zipped
from engine.comparison.preservation import Preservation
from engine.network import Network


def change_certificate_bytes(original: Network, changed: Network, found: Preservation) -> bytes:
    """The certificate of how much of its box a change may concern. The same result gives the same bytes."""
    arrays = proof_arrays(found.proof)
    manifest = {
        "format": FORMAT,
        "version": VERSION,
        "kind": "change",
        "semantics": "real",
        "network": {"name": original.name, "sha256": original.sha256},
        "changed": {"name": changed.name, "sha256": changed.sha256},
        "engine": {"name": "acasxu-engine", "version": __version__, "options": {}},
        "open": rational_text(found.open),
        "unequal": rational_text(found.unequal),
        "cases": [case_json(found.case)],
        "arrays": {
            name: {"count": count, "sha256": hashlib.sha256(data).hexdigest()}
            for name, (_, count, data) in arrays.items()
        },
    }
    return zipped(manifest, arrays, parse_change)
