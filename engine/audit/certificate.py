"""Certificate file -> Certificate: what docs/certificate-format.md says of the file and its arrays alone."""

import io
import json
import re
import zipfile
from decimal import Decimal
from fractions import Fraction
from hashlib import sha256

import numpy as np

from .data import Case, Certificate, Malformed, Rejected, Row, Tree, Witness, need, read_bytes

MAX_BYTES, MAX_MANIFEST = 160 << 20, 16 << 20
ARRAYS = {name: "f64" if name in ("cut", "multiplier_value") else "i32" for name in Tree._fields}
HEAD = {"format": str, "version": int, "kind": str, "semantics": str, "network": dict, "property": dict, "engine": dict}
PROOF, WITNESS = {"cases": list, "arrays": dict}, {"case": dict, "point": list, "outputs": list, "margins": list}


def read_certificate(path) -> Certificate:
    """The certificate in a file. Malformed where there is none; Rejected where its arrays break a rule of section 4."""
    data = read_bytes(path, MAX_BYTES + MAX_MANIFEST)
    try:
        return _certificate(_members(data), sha256(data).hexdigest())
    except (Malformed, Rejected) as error:
        raise type(error)(f"{path}: {error}") from None
    except Exception as error:  # what zipfile, json and Fraction raise on damaged files
        raise Malformed(f"{path}: this cannot be read as a certificate ({type(error).__name__})") from None


def _members(data: bytes) -> dict[str, bytes]:
    """All members by name. No more is unpacked than their headers say, whatever the compressed data hold."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        infos = {info.orig_filename: info for info in archive.infolist()}
        forms = {(info.compress_type, info.flag_bits & 1) for info in infos.values()}
        need(len(infos) == len(archive.infolist()), "a member is there twice")
        need(forms <= {(zipfile.ZIP_STORED, 0), (zipfile.ZIP_DEFLATED, 0)}, "a member is encrypted or oddly compressed")
        need(sum(info.file_size for info in infos.values()) <= MAX_BYTES, f"it holds more than {MAX_BYTES:,} bytes")
        members = {name: archive.open(info).read(info.file_size + 1) for name, info in infos.items()}
        need(all(len(members[name]) == infos[name].file_size for name in infos), "a member is not as long as it says")
        return members


def _certificate(members: dict[str, bytes], digest: str) -> Certificate:
    text = members.pop("manifest.json", b"")
    need(len(text) <= MAX_MANIFEST, f"its manifest has more than {MAX_MANIFEST:,} bytes")
    manifest = json.loads(text.decode(), object_pairs_hook=_object)
    proof = isinstance(manifest, dict) and manifest.get("kind") == "proof"
    name, version, kind, semantics, net, spec, engine, *body = _fields(manifest, HEAD | (PROOF if proof else WITNESS))
    need((name, version) == ("acasxu-certificate", 1), "it is of another format or version")
    known = (("proof", "real"), ("proof", "float32"), ("witness", "real"))
    need((kind, semantics) in known, "it is neither a proof nor a witness, or of unknown semantics")
    _fields(engine, {"name": str, "version": str, "options": dict})
    hashes = [_fields(file, {"name": str, "sha256": str})[1] for file in (net, spec)]
    need(all(re.fullmatch("[0-9a-f]{64}", value) for value in hashes), "a hash is not one of SHA-256")
    cases, tree, witness = _proof(members, *body) if proof else _witness(members, *body)
    return Certificate(kind, semantics, *hashes, cases, tree, witness, manifest, digest)


def _proof(members: dict[str, bytes], cases: list, entries: dict) -> tuple:
    cases, arrays = tuple(map(_case, cases)), {}
    need(len({len(case.lower) for case in cases}) == 1, "it has no cases, or of different numbers of inputs")
    need(members.keys() == {f"{name}.{kind}" for name, kind in ARRAYS.items()}, "its members are not those of a proof")
    for (name, kind), entry in zip(ARRAYS.items(), _fields(entries, dict.fromkeys(ARRAYS, dict))):
        data, (count, digest) = members[f"{name}.{kind}"], _fields(entry, {"count": int, "sha256": str})
        array = np.frombuffer(data, "<i4" if kind == "i32" else "<f8")
        need((len(array), sha256(data).hexdigest()) == (count, digest), f"{name} is not what the manifest says")
        arrays[name] = array.astype(np.int64 if kind == "i32" else np.float64)
    tree = Tree(**arrays)
    tree.check(cases)
    return cases, tree, None


def _witness(members: dict[str, bytes], case: dict, *vectors: list) -> tuple:
    case, (point, outputs, margins) = _case(case), (tuple(_number(n, 10_000) for n in vector) for vector in vectors)
    need(not members and len(case.unsafe) == 1, "a witness has no arrays, and one polytope")
    need(len(point) == len(case.lower) and len(margins) == len(case.unsafe[0]), "the witness has other lengths")
    return (case,), None, Witness(point, outputs, margins)


def _object(pairs: list) -> dict:
    need(len(dict(pairs)) == len(pairs), "its manifest has a key twice")
    return dict(pairs)


def _fields(value, types: dict[str, type]) -> list:
    """The values of an object that has just these keys, and values of just these types (where True is no int)."""
    good = type(value) is dict and {key: type(entry) for key, entry in value.items()} == types
    need(good, f"its manifest should have, and has not, an object of just {', '.join(types)}, each of its type")
    return [value[key] for key in types]


def _case(value) -> Case:
    lower, upper, unsafe = _fields(value, {"lower": list, "upper": list, "unsafe": list})
    lower, upper = tuple(map(_number, lower)), tuple(map(_number, upper))
    need(len(lower) == len(upper) >= 1 and all(a <= b for a, b in zip(lower, upper)), "a case is not a box")
    need(all(type(polytope) is list for polytope in unsafe), "a polytope is no list")
    return Case(lower, upper, tuple(tuple(_row(row, len(lower)) for row in polytope) for polytope in unsafe))


def _row(value, n_inputs: int) -> Row:
    types = {"inputs": dict, "outputs": dict, "constant": str, "strict": bool}
    inputs, outputs, constant, strict = _fields(value, types)
    need(all(re.fullmatch("0|[1-9][0-9]{0,8}", i) for i in (*inputs, *outputs)), "an index is not a plain number")
    need(all(int(i) < n_inputs for i in inputs), "a row reads an input that does not exist")
    inputs, outputs = ({int(i): c for i, n in of.items() if (c := _number(n))} for of in (inputs, outputs))
    return Row(inputs, outputs, _number(constant), strict)


def _number(text, limit=1_000) -> Fraction:
    good = type(text) is str and len(text) <= limit and re.fullmatch(r"-?[0-9]+(/0*[1-9][0-9]*|\.[0-9]+)?", text)
    need(good, "a number is not written as the format wants it")
    above, _, below = text.partition("/")
    return Fraction(Decimal(above)) / Fraction(Decimal(below or 1))  # int() takes at most 4300 digits
