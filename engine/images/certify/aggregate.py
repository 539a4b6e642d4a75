"""The certificate of many images in one file (docs/certificate-format.md, sections 13 and 15): written, and read back.

It holds what is proved, and nothing else: its trees are those of the single proofs, joined into one forest.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from engine import __version__
from engine.audit.archive import MAX_BYTES, read_members
from engine.audit.certificate import MAX_NODES
from engine.audit.failures import Malformed, Rejected
from engine.audit.images.certificate import parse_claim
from engine.certificate.encoding import FORMAT, Json, array_entries, certificate_file, proof_arrays
from engine.certificate.writer import recorded
from engine.errors import InputError
from engine.images.certify.questions import Key, Questions
from engine.images.formats.contents import content
from engine.images.imageset import Origin
from engine.proof import ARRAYS, Proof, joined
from engine.search.problem import Options

KIND = "images"
Part = tuple[list[Key], Proof]  # of one certificate
PLAIN = b"0123456789,\r\n"
INFORMATIVE = ("engine", "images", "cases", "arrays")  # keys in which certificates of one question differ


@dataclass(frozen=True, slots=True, eq=False)
class DataFiles:
    """What a certificate says of its data: the set's name, and the SHA-256 of both files, decompressed."""

    name: str
    images: str
    labels: str


def data_files(origin: Origin | None, name: str) -> DataFiles:
    """The entry for images that stand in a file of IDX or CSV. InputError where no certificate can name them."""
    if origin is None:
        raise InputError(
            "no certificate can name these images: they come from no single file of IDX or CSV",
            where=f"--data {name}",
            advice="give such a file, or --out instead of --certificates",
        )
    images = content(origin.images)
    if origin.labels == origin.images:
        _demand_plain(images, origin.images)
    digests = [hashlib.sha256(data).hexdigest() for data in (images, content(origin.labels))]
    return DataFiles(name, *digests)


def _demand_plain(data: bytes, path: Path) -> None:
    """InputError for a CSV file with more than digits in it, which other readers might understand otherwise."""
    text = data.replace(b"\r", b"")
    if data.translate(None, PLAIN) or b"\n\n" in text or text.startswith(b"\n"):
        raise InputError(
            "no certificate can name this file: it has more in it than digits, commas and ends of lines",
            where=str(path),
            advice="write it with whole numbers and without empty lines",
        )


def certificate_bytes(
    questions: Questions,
    data: DataFiles,
    images: Sequence[int],
    proofs: Mapping[Key, Proof],
    options: Options,
) -> bytes:
    """The certificate of these proofs, at least one, each of a case of the questions.

    images: those that it is about, in order, with those of which nothing is proved. InputError where it would be
    larger than a certificate may be.
    """
    keys = sorted(proofs)
    proof = joined([proofs[key] for key in keys], n_inputs=questions.n_inputs)
    return _bytes(questions, data, images, keys, proof, options)


def merged_bytes(
    questions: Questions,
    data: DataFiles,
    images: Sequence[int],
    parts: Sequence[Part],
    options: Options,
) -> bytes:
    """The same of the proofs of several certificates; of a case that is in two, the first counts."""
    places: dict[Key, int] = {}
    place = 0
    for keys, _ in parts:
        for key in keys:
            places.setdefault(key, place)
            place += 1
    keys = sorted(places)
    order = [places[key] for key in keys]
    proof = joined([proof for _, proof in parts], n_inputs=questions.n_inputs, order=order)
    return _bytes(questions, data, images, keys, proof, options)


def _bytes(
    questions: Questions, data: DataFiles, images: Sequence[int], keys: list[Key], proof: Proof, options: Options
) -> bytes:
    if len(proof.split) > MAX_NODES:
        raise InputError(f"a certificate has at most {MAX_NODES:,} nodes", where=questions.network.name)
    arrays = proof_arrays(proof)
    place = {image: i for i, image in enumerate(images)}
    manifest: dict[str, Json] = {
        **_question(questions, data),
        "engine": {"name": "acasxu-engine", "version": __version__, "options": recorded(options)},
        "images": [questions.number(image) for image in images],
        "cases": [questions.case(place[image], position) for image, position in keys],
        "arrays": array_entries(arrays),
    }
    return certificate_file(manifest, arrays, parse=parse_claim, where=questions.network.name)


def _question(questions: Questions, data: DataFiles) -> dict[str, Json]:
    """The manifest's entries that are the same for all certificates of one question."""
    family = questions.certified()
    return {
        "format": FORMAT,
        "version": family.pop("version"),
        "kind": KIND,
        "semantics": "real",
        "network": {"name": questions.network.name, "sha256": questions.network.sha256},
        "data": {"name": data.name, "images": data.images, "labels": data.labels},
        "claim": "label" if questions.target is None else {"not": questions.target},
        "input": {"layout": questions.classifier.layout, "scaling": questions.classifier.scaling.value},
        **family,
    }


# Reading back what this module has written


def read_part(path: Path, questions: Questions, data: DataFiles) -> Part | None:
    """The cases and the proof in a certificate of the same question; None where it is none, or is damaged.

    Nothing is proved by this: the checker does that.
    """
    try:
        manifest, proof = read_members(path, _content)
        if {name: value for name, value in manifest.items() if name not in INFORMATIVE} != _question(questions, data):
            return None
        places = {questions.number(image): image for image in range(len(questions.images))}
        positions = len(questions.patch.positions)
        cases = [(case, 0) if isinstance(case, int) else case for case in manifest["cases"]]  # sections 15 and 13
        keys = [(places[manifest["images"][i]], j) for i, j in cases if 0 <= j < positions]
        return (keys, proof) if len(keys) == len(manifest["cases"]) else None
    except (Malformed, Rejected, KeyError, IndexError, TypeError, ValueError):
        return None


def _content(members: dict[str, bytes], _: str) -> tuple[dict[str, Any], Proof]:
    arrays = {}
    for name in ARRAYS:
        kind = "f64" if name in ("cut", "multiplier_value") else "i32"
        arrays[name] = np.frombuffer(members[f"{name}.{kind}"], "<f8" if kind == "f64" else "<i4")
    return json.loads(members["manifest.json"]), Proof(**arrays, of_cone=True, parts=())


def size_of(proof: Proof) -> int:
    """The bytes of its arrays; MAX_BYTES is the most that a certificate holds."""
    return sum(getattr(proof, name).nbytes for name in ARRAYS)


def fits(sizes: Sequence[int]) -> bool:
    """Whether proofs of these sizes fit into one certificate, beside its manifest."""
    return sum(sizes) <= MAX_BYTES * 7 // 8
