"""manifest.json: JSON within limits, objects of just the keys they must have, rational numbers.

This is section 1 of the format, as far as it speaks of the manifest.
"""

import json
import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from fractions import Fraction
from math import lcm
from typing import Any, Never, TypeAlias

from engine.audit.failures import Malformed, need

Json: TypeAlias = Any  # whatever JSON can say; `fields` finds out

MAX_MANIFEST = 16 << 20  # bytes
MAX_MARKS = 1 << 20  # bytes among these that begin a value or a key
MARKS = b"{[,:"
MAX_DEPTH = 100  # objects and lists within each other, in the engine's options
MAX_DIGITS, MAX_WITNESS_DIGITS = 1_000, 10_000  # characters of a number
MAX_DENOMINATOR = 1 << 15  # bits of a common denominator

RATIONAL = re.compile(r"-?[0-9]+(/0*[1-9][0-9]*|\.[0-9]+)?")
SHA256 = re.compile("[0-9a-f]{64}")


def read_manifest(members: dict[str, bytes]) -> Json:
    """Takes manifest.json out of the members, and reads it (section 1, "Limits").

    How much memory that takes is bounded before it is read.
    """
    text = members.pop("manifest.json", b"")
    need(len(text) <= MAX_MANIFEST, f"its manifest has more than {MAX_MANIFEST:,} bytes")
    marks = sum(map(text.count, MARKS))
    need(
        marks <= MAX_MARKS,
        f"its manifest has more than {MAX_MARKS:,} commas, colons, brackets and braces",
    )
    return json.loads(
        text.decode(),
        object_pairs_hook=_object,
        parse_constant=_no_constant,
        parse_int=_integer,
        parse_float=_float,
    )


def _object(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    """An object of JSON, which has each key once."""
    found = dict(pairs)
    need(len(found) == len(pairs), "its manifest has a key twice")
    return found


def _no_constant(name: str) -> Never:
    """NaN and Infinity, which Python would read, are not JSON."""
    raise Malformed(f"its manifest is not JSON, which has no {name}")


def _integer(number: str) -> int:
    return int(_short(number))


def _float(number: str) -> float:
    return float(_short(number))


def _short(number: str) -> str:
    """The text of a JSON number, which is not too long."""
    need(
        len(number) <= MAX_DIGITS,
        f"a number of its manifest has more than {MAX_DIGITS:,} characters",
    )
    return number


def fields(value: Json, types: Mapping[str, type]) -> list[Json]:
    """The values of an object that has just these keys, and values of just these types.

    True is no int, and 1.0 is none either.
    """
    good = type(value) is dict and {key: type(entry) for key, entry in value.items()} == types
    keys = ", ".join(types)
    need(good, f"its manifest should have, and has not, an object of just {keys}, each of its type")
    return [value[key] for key in types]


def read_hashes(engine: Json, *files: Json) -> list[str]:
    """The SHA-256 of each file that a certificate is about; `engine` is well formed.

    Section 1, the table's rows `network`, `property` and `engine` (and `changed` of section 9).
    """
    _, _, options = fields(engine, {"name": str, "version": str, "options": dict})
    _check_depth(options)
    hashes = [fields(file, {"name": str, "sha256": str})[1] for file in files]
    need(all(map(SHA256.fullmatch, hashes)), "a hash is not one of SHA-256")
    return hashes


def _check_depth(options: dict[str, Json]) -> None:
    """Section 1: options are not nested too deep. Level by level, so that nothing recurses."""
    level: list[Json] = [options]
    for _ in range(MAX_DEPTH):
        inner: list[Json] = []
        for part in level:
            if type(part) is dict:
                inner += part.values()
            elif type(part) is list:
                inner += part
        level = inner
    need(not level, f"the engine's options are nested more than {MAX_DEPTH} deep")


def number(text: Json, limit: int = MAX_DIGITS) -> Fraction:
    """The rational number that a text of at most `limit` characters stands for (section 1)."""
    good = type(text) is str and len(text) <= limit and RATIONAL.fullmatch(text)
    need(good, "a number is not written as the format wants it")
    above, _, below = text.partition("/")
    whole, _, decimals = above.partition(".")
    # Decimal first: int() of a text takes at most 4300 digits
    numerator, denominator = int(Decimal(whole + decimals)), int(Decimal(below or "1"))
    return Fraction(numerator, denominator * 10 ** len(decimals))


def check_common_denominator(numbers: Iterable[Fraction]) -> None:
    """Section 1, "Limits": exact sums of these numbers need no huge denominator."""
    common = 1
    for value in numbers:
        common = lcm(common, value.denominator)
        need(
            common.bit_length() <= MAX_DENOMINATOR,
            f"numbers have no common denominator of {MAX_DENOMINATOR:,} bits",
        )
