"""Certificate file -> Certificate: what the format says of the file alone.

manifest.json is an object of section 1, with the cases of section 2; a proof's arrays are those of
section 4, a witness's point, outputs and margins those of section 7, networks and ties of version 2
those of section 10, pairs of version 3 those of section 11. One of version 4 is as of version 1, as
is one of version 5 but for the key `cones`, and one of version 8.
"""

import re
from fractions import Fraction
from hashlib import sha256

import numpy as np

from engine.audit.archive import read_members
from engine.audit.data import (
    Case,
    Certificate,
    Declared,
    FilePath,
    Polytope,
    Row,
    Tie,
    Tree,
    Witness,
)
from engine.audit.failures import need
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
    "property": dict,
    "engine": dict,
}
SINGLE: dict[str, type] = {"network": dict}
JOINT: dict[str, type] = {"networks": list, "ties": list}
CONES: dict[str, type] = {"cones": bool}
#: Sections 1, 10, 11, 12, 14 and 17.
VERSIONS = {
    1: SINGLE,
    2: JOINT,
    3: JOINT | {"pairs": list},
    4: SINGLE,
    5: SINGLE | CONES,
    8: SINGLE,
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
    about = manifest if isinstance(manifest, dict) else {}
    is_proof, version = about.get("kind") == "proof", about.get("version")
    body = PROOF if is_proof else WITNESS
    types = HEAD | (VERSIONS.get(version, SINGLE) if type(version) is int else SINGLE) | body
    found = dict(zip(types, fields(manifest, types), strict=True))
    known = found["format"] == "acasxu-certificate" and found["version"] in VERSIONS
    need(known, "it is of another format or version")
    known = (found["kind"], found["semantics"]) in KNOWN
    need(known, "it is neither a proof nor a witness, or of unknown semantics")
    known = version != 4 or (found["kind"], found["semantics"]) == ("proof", "real")
    need(known, "its version is 4, and it is no proof of real semantics")
    known = version != 5 or (found["semantics"] == "real" and (is_proof or not found["cones"]))
    need(known, "its version is 5, and it is of float32 semantics, or a witness with cones")
    need(version != 8 or is_proof, "its version is 8, and it is no proof")
    (property_sha256,) = read_hashes(found["engine"], found["property"])
    cases: tuple[Case, ...]
    tree, witness = None, None
    if is_proof:
        cases, tree = read_proof(members, *(found[key] for key in body))
    else:
        cases, witness = _read_witness(members, *(found[key] for key in body))
    return Certificate(
        kind=found["kind"],
        semantics=found["semantics"],
        networks=_read_networks(found),
        ties=_read_ties(found.get("ties", []), len(cases[0].lower)),
        pairs=_read_pairs(found.get("pairs", [])),
        property_sha256=property_sha256,
        cases=cases,
        outputs=named_outputs(found["cases"] if is_proof else [found["case"]]),
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
    tree = read_tree(members, entries)
    check_tree(tree, read_cases)
    return read_cases, tree


def read_tree(members: dict[str, bytes], entries: dict[str, Json]) -> Tree:
    """Section 4's arrays, each of the length and SHA-256 that the manifest states (section 1)."""
    names = {f"{name}.{kind}" for name, kind in ARRAYS.items()}
    need(members.keys() == names, "its members are not those of a proof")
    arrays = {}
    stated = fields(entries, dict.fromkeys(ARRAYS, dict))
    for (name, kind), entry in zip(ARRAYS.items(), stated, strict=True):
        data = members[f"{name}.{kind}"]
        count, digest = fields(entry, {"count": int, "sha256": str})
        arrays[name] = np.frombuffer(data, DTYPES[kind])
        found = len(arrays[name]), sha256(data).hexdigest()
        need(found == (count, digest), f"{name} is not what the manifest says")
    nodes = len(arrays["split"])
    need(nodes <= MAX_NODES, f"it has more than {MAX_NODES:,} nodes")
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


# --- networks, ties and pairs (sections 10 and 11) ------------------------------------------------


def _read_networks(manifest: dict[str, Json]) -> tuple[Declared, ...]:
    """The network of version 1, or all those of a query."""
    engine = manifest["engine"]
    if "network" in manifest:
        return (Declared("", *read_hashes(engine, manifest["network"])),)
    types = {"declared": str, "name": str, "sha256": str}
    entries = [fields(entry, types) for entry in manifest["networks"]]
    need(entries, "it is about no network")
    hashes = read_hashes(engine, *({"name": name, "sha256": sha} for _, name, sha in entries))
    return tuple(Declared(entry[0], sha) for entry, sha in zip(entries, hashes, strict=True))


def _read_ties(values: list[Json], n_inputs: int) -> tuple[tuple[Tie, ...], ...]:
    """The ties of each network's inputs, of so many free inputs."""
    need(all(type(ties) is list for ties in values), "the ties of a network are no list")
    return tuple(tuple(_read_tie(tie, n_inputs) for tie in ties) for ties in values)


def _read_tie(value: Json, n_inputs: int) -> Tie:
    inputs, constant = fields(value, {"inputs": dict, "constant": str})
    good = all(INDEX.fullmatch(i) and int(i) < n_inputs for i in inputs)
    need(good, "a tie's index is not a plain number, or that of no input")
    return Tie(_coefficients(inputs), number(constant))


def _read_pairs(values: list[Json]) -> tuple[tuple[int, int], ...]:
    """Section 11: pairs of blocks, by their numbers."""
    are_pairs = all(type(pair) is list and list(map(type, pair)) == [int, int] for pair in values)
    need(are_pairs and all(0 <= f < g for f, g in values), "a pair is not two blocks in order")
    named = [number for pair in values for number in pair]
    need(len(set(named)) == len(named), "a block is in two pairs")
    return tuple((f, g) for f, g in values)
