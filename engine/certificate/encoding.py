"""The parts that all kinds of certificates are made of: numbers, cases, arrays, and the file around them.

docs/certificate-format.md is the format.
"""

import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple, TypeAlias

import numpy as np

from engine.audit.archive import MAX_BYTES
from engine.audit.failures import Malformed, Rejected
from engine.audit.manifest import MAX_DIGITS, MAX_MANIFEST
from engine.errors import InputError
from engine.proof import ARRAYS, Proof
from engine.property import Case, Row, Vector

FORMAT, VERSION = "acasxu-certificate", 1
CONE_VERSION = 4  # of proofs that need section 12
CURVE_VERSION = 5  # about networks with a Sigmoid or a Tanh, section 14
MIXTURE_VERSION = 6  # about contents of images in a few numbers, section 15
STRUCTURE_VERSION = 7  # of section 16
STEEP_VERSION = 8  # of proofs with the lower slopes of section 17
BAND_VERSION = 9  # of section 18

Json: TypeAlias = "str | int | bool | float | None | Sequence[Json] | Mapping[str, Json]"


class ArrayFile(NamedTuple):
    """An array of a proof: the name of its file, how many numbers it has, and their bytes."""

    name: str
    length: int
    data: bytes


def proof_arrays(proof: Proof) -> dict[str, ArrayFile]:
    """Returns the arrays of a proof by name."""
    arrays = {}
    for name in ARRAYS:
        array = getattr(proof, name)
        whole = np.issubdtype(array.dtype, np.integer)
        data = array.astype("<i4" if whole else "<f8", casting="safe").tobytes()
        arrays[name] = ArrayFile(f"{name}.{'i32' if whole else 'f64'}", len(array), data)
    return arrays


def array_entries(arrays: Mapping[str, ArrayFile]) -> Json:
    """Returns the manifest's entry for these arrays."""
    return {
        name: {"count": array.length, "sha256": hashlib.sha256(array.data).hexdigest()}
        for name, array in arrays.items()
    }


def case_entry(case: Case) -> Json:
    """Returns the manifest's entry for a case. InputError where a number has too many digits."""
    return {
        "lower": rational_texts(case.lower),
        "upper": rational_texts(case.upper),
        "unsafe": [[_row_entry(row) for row in polytope.rows] for polytope in case.unsafe],
    }


def _row_entry(row: Row) -> Json:
    return {
        "inputs": _coefficients(row.inputs),
        "outputs": _coefficients(row.outputs),
        "constant": rational_text(row.constant),
        "strict": row.strict,
    }


def _coefficients(vector: Vector) -> dict[str, str]:
    return {str(i): rational_text(value) for i, value in enumerate(vector) if value}


def rational_texts(vector: Vector, limit: int = MAX_DIGITS) -> list[str]:
    return [rational_text(value, limit) for value in vector]


def rational_text(value: Fraction, limit: int = MAX_DIGITS) -> str:
    """Returns a number as `numerator/denominator`, or `numerator` alone. InputError beyond `limit` digits."""
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


def manifest_text(content: Json) -> bytes:
    """Returns a manifest, or a part of one, as it stands in the file. InputError where it is too long."""
    text = json.dumps(content, indent=1).encode()
    if len(text) > MAX_MANIFEST:
        raise InputError(
            f"its claim has {len(text) / 2**20:,.0f} MiB, more than the {MAX_MANIFEST // 2**20} MiB that "
            f"a certificate holds of it",
            advice="split the property into several",
        )
    return text


def certificate_file(
    manifest: Json,
    arrays: Mapping[str, ArrayFile],
    *,
    parse: Callable[[dict[str, bytes], str], object],
    where: str,
) -> bytes:
    """Returns the bytes of the certificate. InputError, at `where`, beyond the limits that the checker has.

    parse: the checker's own reader of this kind of certificate.
    """
    members = {"manifest.json": manifest_text(manifest)}
    members |= {array.name: array.data for array in arrays.values()}
    try:
        if sum(map(len, members.values())) > MAX_BYTES:
            raise Malformed(f"it would hold more than {MAX_BYTES // 2**20} MiB")
        parse(dict(members), "")
    except Malformed as error:
        raise InputError(
            f"no certificate can be written of what was found: {error}",
            where=where,
            advice="split the property into several, or search with fewer boxes",
        ) from None
    except Rejected:  # not a matter of size: a check of the file will say what is wrong
        pass
    return _archive(members)


def _archive(members: Mapping[str, bytes]) -> bytes:
    """Returns a zip file, the same bytes for the same members."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, data in members.items():
            # a name alone gives the date 1980-01-01 and the same attributes on every system
            info = zipfile.ZipInfo(name)
            info.compress_type, info.create_system = zipfile.ZIP_DEFLATED, 3
            archive.writestr(info, data, compresslevel=9)
    return out.getvalue()
