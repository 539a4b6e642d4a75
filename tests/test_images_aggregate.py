"""The certificate of many images: what it says is read again from the format's text alone, and its trees are checked.

Until the checker has section 13, the claims are written out as cases of a VNN-LIB file, and a certificate of version 1
with the same trees is checked by it.
"""

import hashlib
import json
import zipfile
from dataclasses import replace
from decimal import Decimal, localcontext
from fractions import Fraction

import numpy as np
import pytest
from test_images_data import csv_text, idx

from engine.certificate import check_certificate, write_certificate
from engine.errors import InputError
from engine.images.architectures import Builder
from engine.images.certify import aggregate, folder, service
from engine.images.certify.aggregate import data_files
from engine.images.certify.family import read_contents, read_patch
from engine.images.certify.questions import Questions
from engine.images.certify.service import Output, certify
from engine.images.classifier import classifier_of, load_classifier
from engine.images.datasets import load_dataset
from engine.images.imageset import ImageSet, Scaling
from engine.images.readers import read_images
from engine.images.training import TrainingOptions, fit
from engine.onnx_file import load_network
from engine.proof import ARRAYS, Proof, joined
from engine.property import Case, Polytope, Row
from engine.search.problem import Options
from engine.verdict import Statistics, Verified
from engine.vnnlib import load_property

OPTIONS = Options(timeout=10, threads=1, device="cpu")
SHAPE, CLASSES = (1, 6, 6), 3
CLAIMS = [(1, "any", Scaling.UNIT), (None, "box:3/20", Scaling.SIGNED), (2, "box:0.4", Scaling.BYTE)]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A small trained network for each scaling; the label of an image is the third of its columns that is brightest."""
    root = tmp_path_factory.mktemp("images")
    random = np.random.default_rng(0)
    labels = random.integers(0, CLASSES, 400)
    pixels = random.integers(0, 180, (400, *SHAPE[1:]))
    for image, label in zip(pixels, labels, strict=True):
        image[:, 2 * label : 2 * label + 2] += random.integers(30, 75)
    for kind, array in (("images-idx3", pixels), ("labels-idx1", labels)):
        (root / f"a-{kind}-ubyte").write_bytes(idx(array.astype(np.uint8)))
    images = read_images(root / "a-images-idx3-ubyte")
    b = Builder(SHAPE, activation="relu", seed=3)
    scores = b.dense(b.act(b.dense(b.act(b.dense(b.flatten("image"), 12)), 8)), CLASSES)
    classifier = classifier_of(b.model(scores, "small"), name="small.onnx", scaling=Scaling.UNIT)
    graph = classifier.graph()
    fit(classifier, graph, images.select(slice(100, None)), TrainingOptions(epochs=25, rate=1e-2))
    weight, bias = (graph.weights[f"dense1.{name}"].detach().clone() for name in ("weight", "bias"))
    for scaling in Scaling:
        low, high = scaling.ends
        first = weight / (high - low)  # so that all three networks are about the same function of an image
        changed = {**graph.weights, "dense1.weight": first, "dense1.bias": bias - low * first.sum(1)}
        model = classifier.with_weights(changed).model()
        (root / f"{scaling.name}.onnx").write_bytes(classifier_of(model, name="small.onnx", scaling=scaling).data)
    return root


def asked(files, target, contents, scaling, *, count=12) -> Questions:
    network = load_network(files / f"{scaling.name}.onnx")
    images = read_images(files / "a-images-idx3-ubyte").select(slice(5, 5 + count))
    classifier = load_classifier(files / f"{scaling.name}.onnx")
    patch = replace(read_patch("3x2@all", SHAPE), positions=((0, 1), (2, 4)))
    return Questions(classifier, network, images, patch, read_contents(contents, scaling), target)


def run(questions, out):
    return certify(questions, OPTIONS, data="made", output=Output(folder=out, certificates=True))


def members(path) -> tuple[dict, dict[str, bytes]]:
    with zipfile.ZipFile(path) as archive:
        held = {name: archive.read(name) for name in archive.namelist()}
    return json.loads(held.pop("manifest.json")), held


# --- section 13, read from its text ---------------------------------------------------------------


RULES = {
    "0..1": lambda v: v,
    "0..255": lambda v: np.float32(255) * v,
    "-1..1": lambda v: np.float32(2) * v - np.float32(1),
}


def cases_of(manifest: dict, images: bytes, labels: bytes, outputs: int) -> list[Case]:
    """The cases that a manifest claims, of the bytes of IDX files."""
    assert images[:4] == bytes((0, 0, 8, 3)) and labels[:4] == bytes((0, 0, 8, 1))
    size = int.from_bytes(images[8:12], "big") * int.from_bytes(images[12:16], "big")
    found = []
    for i, j in manifest["cases"]:
        number = manifest["images"][i]
        pixels, label = images[16 + number * size : 16 + (number + 1) * size], labels[8 + number]
        ends = [ends_of(manifest, j, place, byte) for place, byte in enumerate(pixels)]
        if manifest["claim"] == "label":
            unsafe = [[(label, c)] for c in range(outputs) if c != label]
        else:
            wanted = manifest["claim"]["not"]
            unsafe = [[(c, wanted) for c in range(outputs) if c != wanted]]
        polytopes = [Polytope(tuple(difference(plus, minus, size, outputs) for plus, minus in rows)) for rows in unsafe]
        found.append(Case(tuple(low for low, _ in ends), tuple(high for _, high in ends), tuple(polytopes)))
    return found


def ends_of(manifest: dict, j: int, place: int, byte: int) -> tuple[Fraction, Fraction]:
    x = Fraction(float(RULES[manifest["input"]["scaling"]](np.float32(byte) / np.float32(255))))
    row, column = divmod(place, SHAPE[2])
    patch, (top, left) = manifest["patch"], manifest["patch"]["positions"][j]
    if not (top <= row < top + patch["height"] and left <= column < left + patch["width"]):
        return x, x
    low, high = (Fraction(manifest["contents"][end]) for end in ("low", "high"))
    if (around := manifest["contents"]["around"]) is None:
        return low, high
    return max(low, x - Fraction(around)), min(high, x + Fraction(around))


def difference(plus: int, minus: int, inputs: int, outputs: int) -> Row:
    """y_plus - y_minus <= 0."""
    coefficients = [Fraction((c == plus) - (c == minus)) for c in range(outputs)]
    return Row((Fraction(0),) * inputs, tuple(coefficients), Fraction(0))


def vnnlib(cases, outputs) -> str:
    lines = [f"(declare-const X_{i} Real)" for i in range(len(cases[0].lower))]
    lines += [f"(declare-const Y_{j} Real)" for j in range(outputs)]
    parts = []
    for each in cases:
        ends = enumerate(zip(each.lower, each.upper, strict=True))
        bounds = [f"(>= X_{i} {decimal(low)}) (<= X_{i} {decimal(high)})" for i, (low, high) in ends]
        for polytope in each.unsafe:
            rows = [f"(<= Y_{row.outputs.index(1)} Y_{row.outputs.index(-1)})" for row in polytope.rows]
            parts.append(f"(and {' '.join([*bounds, *rows])})")
    return "\n".join([*lines, f"(assert (or {' '.join(parts)}))"])


def decimal(value: Fraction) -> str:
    """A number whose denominator is of twos and fives, in all its digits."""
    with localcontext(prec=200):
        found = f"{Decimal(value.numerator) / Decimal(value.denominator):f}"
    assert Fraction(found) == value
    return found


@pytest.mark.parametrize(("target", "contents", "scaling"), CLAIMS)
def test_what_a_certificate_says_is_proved(files, tmp_path, target, contents, scaling):
    made = asked(files, target, contents, scaling)
    record = run(made, tmp_path / "out")
    assert record.files == ("images.proof.zip",) and record.counts["proved"] > 0 and record.counts["refuted"] > 0
    manifest, arrays = members(tmp_path / "out" / "images.proof.zip")
    images, labels = (files / f"a-{kind}-ubyte" for kind in ("images-idx3", "labels-idx1"))
    assert manifest["data"] == {
        "name": "made",
        "images": hashlib.sha256(images.read_bytes()).hexdigest(),
        "labels": hashlib.sha256(labels.read_bytes()).hexdigest(),
    }
    proved = [key for key, found in sorted(record.ledger.findings.items()) if found.word == "proved"]
    assert manifest["images"] == list(range(5, 17)) and list(map(tuple, manifest["cases"])) == proved
    cases = cases_of(manifest, images.read_bytes(), labels.read_bytes(), CLASSES)
    assert [made.property(*key).cases[0] for key in proved] == cases
    proof = proof_in(tmp_path / "out" / "images.proof.zip")
    assert (proof.split >= 0).any() or contents != "any"
    refuted = next(key for key, found in record.ledger.findings.items() if found.word == "refuted")
    wrong = [made.property(*refuted).cases[0], *cases[1:]]
    network = load_network(files / f"{scaling.name}.onnx")
    for name, claimed in (("good", cases), ("bad", wrong)):
        (tmp_path / "p.vnnlib").write_text(vnnlib(claimed, CLASSES))
        property = replace(load_property(tmp_path / "p.vnnlib"), cases=tuple(claimed))
        verdict = Verified("real", Statistics(1, 0.0, "cpu"), proof=proof)
        path = tmp_path / f"{name}.proof.zip"
        write_certificate(path, network, property, verdict, OPTIONS)
        result = check_certificate(path, files / f"{scaling.name}.onnx", tmp_path / "p.vnnlib")
        assert result.accepted is (name == "good"), result.reason


def test_the_manifest_has_these_keys(files, tmp_path):
    run(asked(files, 1, "box:0.4", Scaling.SIGNED), tmp_path)
    manifest, arrays = members(tmp_path / "images.proof.zip")
    assert list(manifest) == [
        *("format", "version", "kind", "semantics", "network", "data", "claim", "input", "patch", "contents"),
        *("engine", "images", "cases", "arrays"),
    ]  # fmt: skip
    assert (manifest["format"], manifest["version"], manifest["kind"]) == ("acasxu-certificate", 4, "images")
    assert manifest["semantics"] == "real" and manifest["claim"] == {"not": 1}
    assert manifest["input"] == {"layout": "NCHW", "scaling": "-1..1"}
    assert manifest["patch"] == {"height": 3, "width": 2, "positions": [[0, 1], [2, 4]]}
    assert manifest["contents"] == {"low": "-1", "high": "1", "around": "4/5"}
    for name, data in arrays.items():
        held = manifest["arrays"][name.split(".")[0]]
        assert held["sha256"] == hashlib.sha256(data).hexdigest()
        assert held["count"] * (8 if name.endswith("f64") else 4) == len(data)
    assert len(arrays) == 13


# --- runs that are broken off, and what does not fit ----------------------------------------------


def proof_in(path) -> Proof:
    _, arrays = members(path)
    kinds = {name.split(".")[0]: "<f8" if name.endswith("f64") else "<i4" for name in arrays}
    return Proof(
        **{name.split(".")[0]: np.frombuffer(data, kinds[name.split(".")[0]]) for name, data in arrays.items()}
    )


def same(one: Proof, other: Proof) -> bool:
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in ARRAYS)


def test_a_run_in_parts_ends_with_the_same_certificate(files, tmp_path, monkeypatch):
    """Broken off after the second chunk, gone on with, and merged; the parts alone are certificates, too."""
    made = asked(files, 1, "box:0.3", Scaling.UNIT)
    whole = run(made, tmp_path / "whole")
    monkeypatch.setattr(service, "CASES", 8)
    monkeypatch.setattr(service, "IMAGES", 4)
    real, chunks = service.decide, []

    def decide(questions, order, *args, **options):
        chunks.append(len(order))
        real(questions, order, *args, **options)
        if len(chunks) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(service, "decide", decide)
    with pytest.raises(KeyboardInterrupt):
        run(made, tmp_path / "parts")
    parts = sorted(path.name for path in (tmp_path / "parts").glob("*.zip"))
    assert parts == ["images-0001.proof.zip", "images-0002.proof.zip"]
    manifests = [members(tmp_path / "parts" / name)[0] for name in parts]
    held = [proof_in(tmp_path / "parts" / name) for name in parts]
    assert all(len(manifest["images"]) == 4 for manifest in manifests)
    again, merged = run(made, tmp_path / "parts"), tmp_path / "parts" / "images.proof.zip"
    assert again.states == whole.states and again.files == ("images.proof.zip",)
    assert [path.name for path in (tmp_path / "parts").glob("*.zip")] == ["images.proof.zip"]
    assert members(merged)[0]["cases"] == members(tmp_path / "whole" / "images.proof.zip")[0]["cases"]
    trees = proof_in(merged)
    cases = sum(len(manifest["cases"]) for manifest in manifests)
    some = joined([trees], n_inputs=36, order=range(cases))  # those of the first two chunks, which came first
    assert same(some, joined(held, n_inputs=36))
    run(made, tmp_path / "parts")  # nothing is left to do
    assert same(proof_in(merged), trees)


def test_without_its_certificate_a_proof_is_searched_again(files, tmp_path):
    made = asked(files, 1, "box:0.3", Scaling.UNIT)
    whole = run(made, tmp_path)
    before = members(tmp_path / "images.proof.zip")[0]["cases"]
    (tmp_path / "images.proof.zip").unlink()
    assert run(made, tmp_path).states == whole.states
    assert members(tmp_path / "images.proof.zip")[0]["cases"] == before


def test_a_damaged_certificate_is_refused(files, tmp_path):
    made = asked(files, 1, "box:0.3", Scaling.UNIT)
    run(made, tmp_path)
    path = tmp_path / "images.proof.zip"
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match="damaged"):
        run(made, tmp_path)


def test_what_does_not_fit_into_one_file_stays_in_parts(files, tmp_path, monkeypatch):
    made = asked(files, 1, "box:0.3", Scaling.UNIT)
    whole = run(made, tmp_path / "whole")
    real, most = aggregate.certificate_file, 2

    def certificate_file(manifest, arrays, **options):
        if len({i for i, _ in manifest["cases"]}) > most:
            raise InputError("too large")
        return real(manifest, arrays, **options)

    monkeypatch.setattr(aggregate, "certificate_file", certificate_file)
    parts = run(made, tmp_path / "parts")
    assert parts.states == whole.states and len(parts.files) >= 2
    held = [tuple(case) for name in parts.files for case in shifted(tmp_path / "parts" / name)]
    assert sorted(held) == sorted(shifted(tmp_path / "whole" / "images.proof.zip"))
    most = 0
    alone = run(made, tmp_path / "none")
    assert alone.files == () and alone.counts["proved"] == 0
    assert {found.reason for found in alone.ledger.findings.values()} == {"", folder.TOO_LARGE}


def shifted(path) -> list[tuple[int, int]]:
    manifest, _ = members(path)
    return [(manifest["images"][i], j) for i, j in manifest["cases"]]


def test_nothing_is_written_where_nothing_is_proved(files, tmp_path):
    made = asked(files, 1, "box:0.3", Scaling.UNIT)
    states = run(made, tmp_path / "all").states
    made = replace(made, images=made.images.select(np.array([state == "refuted" for state in states])))
    made = replace(made, patch=replace(made.patch, height=6, width=6, positions=((0, 0),)))
    assert run(made, tmp_path / "none").counts["proved"] == 0
    assert list((tmp_path / "none").glob("*.zip")) == []


# --- the data -------------------------------------------------------------------------------------


def test_data_that_a_certificate_cannot_name(tmp_path):
    pixels, labels = np.arange(3 * 16, dtype=np.uint8).reshape(3, 4, 4), np.arange(3)
    with pytest.raises(InputError, match="no single file"):
        data_files(None, "digits")
    path = tmp_path / "a.csv"
    text = csv_text(pixels, labels)
    for plain in (text, text.replace("\n", "\r\n"), text[:-1]):
        path.write_bytes(plain.encode())
        found = data_files(read_images(path).origin, "a")
        assert found.images == found.labels == hashlib.sha256(plain.encode()).hexdigest()
    for odd in (text + "\n", "\n" + text, text.replace(",1,", ", 1,"), text.replace(",1,", ",1.0,")):
        path.write_bytes(odd.encode())
        assert len(read_images(path)) == 3
        with pytest.raises(InputError, match="no certificate can name"):
            data_files(read_images(path).origin, "a")


def test_a_set_in_one_file_keeps_its_numbers(files, tmp_path):
    """Of the images held out by class, the certificate names the numbers in the file."""
    held_out = load_dataset(str(files / "a-images-idx3-ubyte")).held_out
    made = asked(files, 1, "box:0.3", Scaling.UNIT)
    made = replace(made, images=ImageSet(held_out.images, held_out.labels, CLASSES, origin=held_out.origin))
    run(made, tmp_path)
    manifest, _ = members(tmp_path / "images.proof.zip")
    assert manifest["images"] == held_out.origin.numbers.tolist() != list(range(len(held_out)))
