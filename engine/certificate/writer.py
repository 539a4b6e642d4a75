"""Verdicts to certificate files."""

import hashlib
import io
import json
import zipfile
from dataclasses import asdict
from decimal import Decimal
from fractions import Fraction

import numpy as np

from engine import __version__
from engine.audit.archive import MAX_BYTES
from engine.audit.certificate import MAX_DIGITS, MAX_MANIFEST, MAX_WITNESS_DIGITS, parse_certificate
from engine.audit.data import Malformed, Rejected
from engine.errors import InputError
from engine.network import Network
from engine.proof import Proof
from engine.property import Case, Property, Row, Vector
from engine.search.problem import Options
from engine.verdict import Unknown, Verdict, Verified, Violated

FORMAT, VERSION = "acasxu-certificate", 1
KINDS = {Verified: "proof", Violated: "witness"}
# options that say how long or where to search, but not how
_UNTOLD = "timeout", "device", "proofs", "open_boxes"


def certificate_name(stem: str, verdict: Verified | Violated) -> str:
    """The file's name for an instance: what is in it can be told from it."""
    return f"{stem}.{KINDS[type(verdict)]}.zip"


def certificate_bytes(network: Network, property: Property, verdict: Verdict, options: Options) -> bytes | None:
    """The certificate of a verdict, None where nothing was decided. The same verdict gives the same bytes.

    A proof must have been asked for (`Options.proofs`).
    """
    if isinstance(verdict, Unknown):
        return None
    manifest = {
        "format": FORMAT,
        "version": VERSION,
        "kind": KINDS[type(verdict)],
        "semantics": verdict.semantics if isinstance(verdict, Verified) else "real",
        "network": {"name": network.name, "sha256": network.sha256},
        "property": {"name": property.name, "sha256": property.sha256},
        "engine": {"name": "acasxu-engine", "version": __version__, "options": _told(options)},
    }
    if isinstance(verdict, Verified):
        arrays = proof_arrays(verdict.proof)
        manifest["cases"] = _claim(property)
        manifest["arrays"] = {
            name: {"count": count, "sha256": hashlib.sha256(data).hexdigest()}
            for name, (_, count, data) in arrays.items()
        }
    else:
        arrays = {}
        manifest |= _witness(property, verdict)
    return zipped(manifest, arrays)


def unprovable(property: Property) -> str:
    """Why no proof about this property can be written, whatever is found; empty where none is known."""
    try:
        _json(_claim(property))
    except InputError as error:
        return str(error)
    return ""


def _json(content) -> bytes:
    text = json.dumps(content, indent=1).encode()
    if len(text) > MAX_MANIFEST:
        raise InputError(
            f"its claim has {len(text) / 2**20:,.0f} MiB, more than the {MAX_MANIFEST // 2**20} MiB that "
            f"a certificate holds of it",
            advice="split the property into several",
        )
    return text


def _told(options: Options) -> dict:
    return {name: value for name, value in asdict(options).items() if name not in _UNTOLD}


def proof_arrays(proof: Proof) -> dict[str, tuple[str, int, bytes]]:
    """Name -> (file, entries, bytes)."""
    arrays = {}
    for name in Proof.__slots__:
        array = getattr(proof, name)
        whole = np.issubdtype(array.dtype, np.integer)
        data = array.astype("<i4" if whole else "<f8", casting="safe").tobytes()
        arrays[name] = (f"{name}.{'i32' if whole else 'f64'}", len(array), data)
    return arrays


def _claim(property: Property) -> list[dict]:
    """Its cases; where it has none, one that claims nothing: a file whose asserts exclude each other is covered so."""
    nowhere = (Fraction(0),) * property.n_inputs
    return [case_json(case) for case in property.cases or (Case(nowhere, nowhere, ()),)]


def case_json(case: Case) -> dict:
    return {
        "lower": _rationals(case.lower),
        "upper": _rationals(case.upper),
        "unsafe": [[_row(row) for row in polytope.rows] for polytope in case.unsafe],
    }


def _row(row: Row) -> dict:
    return {
        "inputs": _coefficients(row.inputs),
        "outputs": _coefficients(row.outputs),
        "constant": rational_text(row.constant),
        "strict": row.strict,
    }


def _coefficients(vector: Vector) -> dict[str, str]:
    return {str(i): rational_text(value) for i, value in enumerate(vector) if value}


def _rationals(vector: Vector, limit: int = MAX_DIGITS) -> list[str]:
    return [rational_text(value, limit) for value in vector]


def rational_text(value: Fraction, limit: int = MAX_DIGITS) -> str:
    parts = value.as_integer_ratio()
    if max(map(int.bit_length, parts)) > 4 * limit:  # so many bits are more digits than that
        raise _too_long(limit)
    numerator, denominator = (f"{Decimal(part):f}" for part in parts)  # str(int) takes at most 4300 digits
    text = numerator if denominator == "1" else f"{numerator}/{denominator}"
    if len(text) > limit:
        raise _too_long(limit)
    return text


def _too_long(limit: int) -> InputError:
    advice = {MAX_DIGITS: "use shorter numbers in the property"}.get(limit, "leave out the certificate")
    return InputError(f"a number has more than {limit:,} digits, and a certificate cannot hold it", advice=advice)


def _witness(property: Property, verdict: Violated) -> dict:
    """The point with the polytope that it lies in, and how far inside, exactly."""
    x = verdict.counterexample.point
    y = verdict.counterexample.exact_outputs
    case, polytope = next(
        (case, polytope)
        for case in property.cases
        for polytope in case.unsafe
        if Case(case.lower, case.upper, (polytope,)).violated_at(x, y)
    )
    return {
        "case": case_json(Case(case.lower, case.upper, (polytope,))),
        "point": _rationals(x, MAX_WITNESS_DIGITS),
        "outputs": _rationals(y, MAX_WITNESS_DIGITS),
        "margins": _rationals(tuple(row.value(x, y) for row in polytope.rows), MAX_WITNESS_DIGITS),
    }


def zipped(manifest: dict, arrays: dict[str, tuple[str, int, bytes]], parse=parse_certificate) -> bytes:
    """The file. InputError where it exceeds what a certificate may hold, by the word of the checker's own reader."""
    members = {"manifest.json": _json(manifest)}
    members |= {file: data for file, _, data in arrays.values()}
    try:
        if sum(map(len, members.values())) > MAX_BYTES:
            raise Malformed(f"it would hold more than {MAX_BYTES // 2**20} MiB")
        parse(dict(members), "")
    except Malformed as error:
        raise InputError(
            f"no certificate can be written of what was found: {error}",
            where=manifest["network"]["name"],
            advice="split the property into several, or search with fewer boxes",
        ) from None
    except Rejected:  # no matter of size: whoever checks the file will say what is wrong
        pass
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, data in members.items():
            # a name alone gives the date 1980-01-01 and the same attributes on every system
            info = zipfile.ZipInfo(name)
            info.compress_type, info.create_system = zipfile.ZIP_DEFLATED, 3
            archive.writestr(info, data, compresslevel=9)
    return out.getvalue()
