"""Certificate file -> Change: section 9 of docs/certificate-format.md, as far as it speaks of the file alone."""

import json
import re
from collections import namedtuple
from hashlib import sha256

from ..certificate import MAX_BYTES, MAX_MANIFEST, _fields, _members, _number, _object, _proof
from ..data import Malformed, Rejected, need, read_bytes

KEYS = {"format": str, "version": int, "kind": str, "semantics": str, "network": dict, "changed": dict, "engine": dict,
        "open": str, "unequal": str, "cases": list, "arrays": dict}


class Change(namedtuple("Change", "network_sha256 changed_sha256 open unequal cases tree manifest sha256")):
    """The content: hashes of both networks; the claimed shares, Fractions; one case, with the pair's polytopes."""


def read_change(path) -> Change:
    """The certificate in a file. Malformed where there is none; Rejected where its arrays break a rule of section 4."""
    data = read_bytes(path, MAX_BYTES + MAX_MANIFEST)
    try:
        return _change(_members(data), sha256(data).hexdigest())
    except (Malformed, Rejected) as error:
        raise type(error)(f"{path}: {error}") from None
    except Exception as error:  # what zipfile, json and Fraction raise on damaged files
        raise Malformed(f"{path}: this cannot be read as a certificate ({type(error).__name__})") from None


def _change(members: dict[str, bytes], digest: str) -> Change:
    text = members.pop("manifest.json", b"")
    need(len(text) <= MAX_MANIFEST, f"its manifest has more than {MAX_MANIFEST:,} bytes")
    manifest = json.loads(text.decode(), object_pairs_hook=_object)
    *head, original, changed, engine, some, unequal, cases, arrays = _fields(manifest, KEYS)
    need(head == ["acasxu-certificate", 1, "change", "real"], "it is of another format, version, kind or semantics")
    _fields(engine, {"name": str, "version": str, "options": dict})
    hashes = [_fields(file, {"name": str, "sha256": str})[1] for file in (original, changed)]
    need(all(re.fullmatch("[0-9a-f]{64}", value) for value in hashes), "a hash is not one of SHA-256")
    need(len(cases) == 1, "it has not just one case")
    cases, tree, _ = _proof(members, cases, arrays)
    return Change(*hashes, _number(some), _number(unequal), cases, tree, manifest, digest)
