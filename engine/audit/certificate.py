"""Certificate file -> Certificate: what the format says of the file alone.

manifest.json is an object of section 1, with the cases of section 2; a proof's arrays are those of
section 4, a witness's point, outputs and margins those of section 7.
"""

import re
from fractions import Fraction
from hashlib import sha256

import numpy as np

from engine.audit.archive import read_members
from engine.audit.data import Case, Certificate, FilePath, Polytope, Row, Tree, Witness, need
from engine.audit.manifest import (
    MAX_WITNESS_DIGITS,
    Json,
    check_common_denominator,
    fields,
    number,
    read_hashes,
    read_manifest,
)
from engine.audit.tree import check_tree

MAX_NODES = 1 << 22
INDEX = re.compile("0|[1-9][0-9]{0,8}")

#: Section 4: the type of each array. Its file is NAME.i32 or NAME.f64.
ARRAYS = {name: "f64" if name in ("cut", "multiplier_value") else "i32" for name in Tree._fields}
DTYPES = {"i32": "<i4", "f64": "<f8"}

#: Section 1: the keys of the manifest, and the types of their values.
HEAD = {
    "format": str,
    "version": int,
    "kind": str,
    "semantics": str,
    "network": dict,
    "property": dict,
    "engine": dict,
}
PROOF = {"cases": list, "arrays": dict}
WITNESS = {"case": dict, "point": list, "outputs": list, "margins": list}
KNOWN = {("proof", "real"), ("proof", "float32"), ("witness", "real")}  # kinds and semantics


def read_certificate(path: FilePath) -> Certificate:
    """The certificate in a file.

    Malformed where there is none; Rejected where its arrays break a rule of section 4.
    """
    return read_members(path, parse_certificate)


def parse_certificate(members: dict[str, bytes], digest: str) -> Certificate:
    """The certificate that a file with these members is; digest: SHA-256 of the file."""
    manifest = read_manifest(members)
    is_proof = isinstance(manifest, dict) and manifest.get("kind") == "proof"
    name, version, kind, semantics, network, prop, engine, *body = fields(
        manifest, HEAD | (PROOF if is_proof else WITNESS)
    )
    need((name, version) == ("acasxu-certificate", 1), "it is of another format or version")
    known = (kind, semantics) in KNOWN
    need(known, "it is neither a proof nor a witness, or of unknown semantics")
    network_sha256, property_sha256 = read_hashes(engine, network, prop)
    cases: tuple[Case, ...]
    tree, witness = None, None
    if is_proof:
        cases, tree = read_proof(members, *body)
    else:
        cases, witness = _read_witness(members, *body)
    return Certificate(
        kind=kind,
        semantics=semantics,
        network_sha256=network_sha256,
        property_sha256=property_sha256,
        cases=cases,
        outputs=named_outputs(body[0] if is_proof else [body[0]]),
        tree=tree,
        witness=witness,
        manifest=manifest,
        sha256=digest,
    )


# --- proofs ---------------------------------------------------------------------------------------


def read_proof(
    members: dict[str, bytes], cases: list[Json], entries: dict[str, Json]
) -> tuple[tuple[Case, ...], Tree]:
    """Cases and tree of a proof; the tree's arrays have passed check_tree."""
    read_cases = tuple(map(_read_case, cases))
    sizes = {len(case.lower) for case in read_cases}
    need(len(sizes) == 1, "it has no cases, or of different numbers of inputs")
    names = {f"{name}.{kind}" for name, kind in ARRAYS.items()}
    need(members.keys() == names, "its members are not those of a proof")
    tree = _read_tree(members, entries)
    need(len(tree.split) <= MAX_NODES, f"it has more than {MAX_NODES:,} nodes")
    check_tree(tree, read_cases)
    return read_cases, tree


def _read_tree(members: dict[str, bytes], entries: dict[str, Json]) -> Tree:
    """Section 4's arrays, each of the length and SHA-256 that the manifest states (section 1)."""
    arrays = {}
    stated = fields(entries, dict.fromkeys(ARRAYS, dict))
    for (name, kind), entry in zip(ARRAYS.items(), stated, strict=True):
        data = members[f"{name}.{kind}"]
        count, digest = fields(entry, {"count": int, "sha256": str})
        arrays[name] = np.frombuffer(data, DTYPES[kind])
        found = len(arrays[name]), sha256(data).hexdigest()
        need(found == (count, digest), f"{name} is not what the manifest says")
    return Tree(**arrays)


# --- witnesses ------------------------------------------------------------------------------------


def _read_witness(
    members: dict[str, bytes], case: Json, *vectors: list[Json]
) -> tuple[tuple[Case], Witness]:
    """Section 7: the only case, and the point, outputs and margins."""
    read_case = _read_case(case)
    point, outputs, margins = (
        tuple(number(text, MAX_WITNESS_DIGITS) for text in vector) for vector in vectors
    )
    alone = not members and len(read_case.unsafe) == 1
    need(alone, "a witness has no arrays, and one polytope")
    fits = len(point) == len(read_case.lower) and len(margins) == len(read_case.unsafe[0])
    need(fits, "the witness has other lengths")
    check_common_denominator(point)
    return (read_case,), Witness(point, outputs, margins)


# --- cases (section 2) ----------------------------------------------------------------------------


def _read_case(value: Json) -> Case:
    """A closed box and its polytopes."""
    ends_below, ends_above, unsafe = fields(value, {"lower": list, "upper": list, "unsafe": list})
    lower, upper = tuple(map(number, ends_below)), tuple(map(number, ends_above))
    is_box = len(lower) == len(upper) >= 1 and all(a <= b for a, b in zip(lower, upper))
    need(is_box, "a case is not a box")
    need(all(type(polytope) is list for polytope in unsafe), "a polytope is no list")
    return Case(lower, upper, tuple(_read_polytope(rows, len(lower)) for rows in unsafe))


def _read_polytope(values: list[Json], n_inputs: int) -> Polytope:
    rows = tuple(_read_row(value, n_inputs) for value in values)
    check_common_denominator(
        value
        for row in rows
        for value in (*row.inputs.values(), *row.outputs.values(), row.constant)
    )
    return rows


def _read_row(value: Json, n_inputs: int) -> Row:
    """A row. Coefficients that are 0 are left out of it."""
    types = {"inputs": dict, "outputs": dict, "constant": str, "strict": bool}
    inputs, outputs, constant, strict = fields(value, types)
    need(all(map(INDEX.fullmatch, (*inputs, *outputs))), "an index is not a plain number")
    need(all(int(i) < n_inputs for i in inputs), "a row reads an input that does not exist")
    return Row(_coefficients(inputs), _coefficients(outputs), number(constant), strict)


def _coefficients(texts: dict[str, Json]) -> dict[int, Fraction]:
    return {int(index): value for index, text in texts.items() if (value := number(text))}


def named_outputs(cases: list[Json]) -> int:
    """One more than the largest output that a row of these well-formed cases names.

    Section 1: also with a coefficient of 0 it must exist.
    """
    rows = (row for case in cases for polytope in case["unsafe"] for row in polytope)
    return 1 + max((int(j) for row in rows for j in row["outputs"]), default=-1)
