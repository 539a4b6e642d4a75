"""Certificate file -> Certificate: what docs/certificate-format.md says of the file and its arrays alone."""

import json
import re
from decimal import Decimal
from fractions import Fraction
from hashlib import sha256
from math import lcm

import numpy as np

from engine.audit.archive import read_members
from engine.audit.data import Case, Certificate, Malformed, Row, Tree, Witness, need

MAX_MANIFEST, MAX_MARKS, MAX_DEPTH = (
    16 << 20,
    1 << 20,
    100,
)  # bytes; of these so many that begin a value; options
MAX_NODES, MAX_DIGITS, MAX_WITNESS_DIGITS = 1 << 22, 1_000, 10_000  # digits: characters of a number
MAX_DENOMINATOR = (
    1 << 15
)  # bits, of the common denominator of a polytope's numbers, or of a point's
ARRAYS = {name: "f64" if name in ("cut", "multiplier_value") else "i32" for name in Tree._fields}
HEAD = {
    "format": str,
    "version": int,
    "kind": str,
    "semantics": str,
    "network": dict,
    "property": dict,
    "engine": dict,
}
PROOF, WITNESS = (
    {"cases": list, "arrays": dict},
    {"case": dict, "point": list, "outputs": list, "margins": list},
)


def read_certificate(path) -> Certificate:
    """The certificate in a file. Malformed where there is none; Rejected where its arrays break a rule of section 4."""
    return read_members(path, parse_certificate)


def parse_certificate(members: dict[str, bytes], digest: str) -> Certificate:
    """The certificate that a file with these members is; digest: of the file."""
    manifest = read_manifest(members)
    proof = isinstance(manifest, dict) and manifest.get("kind") == "proof"
    name, version, kind, semantics, net, spec, engine, *body = fields(
        manifest, HEAD | (PROOF if proof else WITNESS)
    )
    need((name, version) == ("acasxu-certificate", 1), "it is of another format or version")
    known = (("proof", "real"), ("proof", "float32"), ("witness", "real"))
    need((kind, semantics) in known, "it is neither a proof nor a witness, or of unknown semantics")
    hashes = read_hashes(engine, net, spec)
    cases, tree, witness = read_proof(members, *body) if proof else _witness(members, *body)
    outputs = named_outputs(body[0] if proof else [body[0]])
    return Certificate(kind, semantics, *hashes, cases, outputs, tree, witness, manifest, digest)


def read_manifest(members: dict[str, bytes]):
    """The manifest as JSON has it. How much memory that takes is bounded before it is read."""
    text = members.pop("manifest.json", b"")
    need(len(text) <= MAX_MANIFEST, f"its manifest has more than {MAX_MANIFEST:,} bytes")
    marks = sum(map(text.count, b"{[,:"))
    need(
        marks <= MAX_MARKS,
        f"its manifest has more than {MAX_MARKS:,} commas, colons, brackets and braces",
    )
    return json.loads(
        text.decode(),
        object_pairs_hook=_object,
        parse_constant=_constant,
        parse_int=lambda number: int(_short(number)),
        parse_float=lambda number: float(_short(number)),
    )


def _object(pairs: list) -> dict:
    need(len(dict(pairs)) == len(pairs), "its manifest has a key twice")
    return dict(pairs)


def _constant(name: str):
    raise Malformed(f"its manifest is not JSON, which has no {name}")


def _short(number: str) -> str:
    need(
        len(number) <= MAX_DIGITS,
        f"a number of its manifest has more than {MAX_DIGITS:,} characters",
    )
    return number


def read_hashes(engine: dict, *files: dict) -> list[str]:
    """The SHA-256 values of the files that a certificate is about. What it says of its engine is well formed."""
    level = [fields(engine, {"name": str, "version": str, "options": dict})[2]]
    for _ in range(MAX_DEPTH):
        parts = (
            part.values() if type(part) is dict else part
            for part in level
            if type(part) in (dict, list)
        )
        level = [value for part in parts for value in part]
    need(not level, f"the engine's options are nested more than {MAX_DEPTH} deep")
    hashes = [fields(file, {"name": str, "sha256": str})[1] for file in files]
    need(
        all(re.fullmatch("[0-9a-f]{64}", value) for value in hashes), "a hash is not one of SHA-256"
    )
    return hashes


def read_proof(
    members: dict[str, bytes], cases: list, entries: dict
) -> tuple[tuple[Case, ...], Tree, None]:
    """Cases and tree of a proof, whose arrays have passed Tree.check."""
    cases, arrays = tuple(map(_case, cases)), {}
    need(
        len({len(case.lower) for case in cases}) == 1,
        "it has no cases, or of different numbers of inputs",
    )
    need(
        members.keys() == {f"{name}.{kind}" for name, kind in ARRAYS.items()},
        "its members are not those of a proof",
    )
    for (name, kind), entry in zip(ARRAYS.items(), fields(entries, dict.fromkeys(ARRAYS, dict))):
        data, (count, digest) = (
            members[f"{name}.{kind}"],
            fields(entry, {"count": int, "sha256": str}),
        )
        arrays[name] = np.frombuffer(data, "<i4" if kind == "i32" else "<f8")
        need(
            (len(arrays[name]), sha256(data).hexdigest()) == (count, digest),
            f"{name} is not what the manifest says",
        )
    need(len(arrays["split"]) <= MAX_NODES, f"it has more than {MAX_NODES:,} nodes")
    tree = Tree(**arrays)
    tree.check(cases)
    return cases, tree, None


def _witness(members: dict[str, bytes], case: dict, *vectors: list) -> tuple:
    numbers = (tuple(number(n, MAX_WITNESS_DIGITS) for n in vector) for vector in vectors)
    case, (point, outputs, margins) = _case(case), numbers
    need(not members and len(case.unsafe) == 1, "a witness has no arrays, and one polytope")
    need(
        len(point) == len(case.lower) and len(margins) == len(case.unsafe[0]),
        "the witness has other lengths",
    )
    _common(point)
    return (case,), None, Witness(point, outputs, margins)


def fields(value, types: dict[str, type]) -> list:
    """The values of an object that has just these keys, and values of just these types (where True is no int)."""
    good = type(value) is dict and {key: type(entry) for key, entry in value.items()} == types
    need(
        good,
        f"its manifest should have, and has not, an object of just {', '.join(types)}, each of its type",
    )
    return [value[key] for key in types]


def named_outputs(cases: list[dict]) -> int:
    """One more than the largest output that a row of these well-formed cases names, be it with a coefficient of 0."""
    rows = (row for case in cases for polytope in case["unsafe"] for row in polytope)
    return 1 + max((int(j) for row in rows for j in row["outputs"]), default=-1)


def _case(value) -> Case:
    lower, upper, unsafe = fields(value, {"lower": list, "upper": list, "unsafe": list})
    lower, upper = tuple(map(number, lower)), tuple(map(number, upper))
    need(
        len(lower) == len(upper) >= 1 and all(a <= b for a, b in zip(lower, upper)),
        "a case is not a box",
    )
    need(all(type(polytope) is list for polytope in unsafe), "a polytope is no list")
    return Case(lower, upper, tuple(_polytope(rows, len(lower)) for rows in unsafe))


def _polytope(rows: list, n_inputs: int) -> tuple[Row, ...]:
    rows = tuple(_row(row, n_inputs) for row in rows)
    _common(
        value
        for row in rows
        for value in (*row.inputs.values(), *row.outputs.values(), row.constant)
    )
    return rows


def _row(value, n_inputs: int) -> Row:
    types = {"inputs": dict, "outputs": dict, "constant": str, "strict": bool}
    inputs, outputs, constant, strict = fields(value, types)
    need(
        all(re.fullmatch("0|[1-9][0-9]{0,8}", i) for i in (*inputs, *outputs)),
        "an index is not a plain number",
    )
    need(all(int(i) < n_inputs for i in inputs), "a row reads an input that does not exist")
    inputs, outputs = (
        {int(i): c for i, n in of.items() if (c := number(n))} for of in (inputs, outputs)
    )
    return Row(inputs, outputs, number(constant), strict)


def _common(numbers) -> None:
    """Malformed where exact sums of these numbers would need a huge denominator."""
    common = 1
    for value in numbers:
        common = lcm(common, value.denominator)
        need(
            common.bit_length() <= MAX_DENOMINATOR,
            f"numbers have no common denominator of {MAX_DENOMINATOR:,} bits",
        )


def number(text, limit=MAX_DIGITS) -> Fraction:
    """The rational number that a text of at most `limit` characters stands for."""
    good = (
        type(text) is str
        and len(text) <= limit
        and re.fullmatch(r"-?[0-9]+(/0*[1-9][0-9]*|\.[0-9]+)?", text)
    )
    need(good, "a number is not written as the format wants it")
    above, _, below = text.partition("/")
    whole, _, part = above.partition(".")
    n, d = (
        int(Decimal(digits)) for digits in (whole + part, below or "1")
    )  # int() takes at most 4300 digits
    return Fraction(n, d * 10 ** len(part))
