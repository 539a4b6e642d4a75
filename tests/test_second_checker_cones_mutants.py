"""Random changes of certificates of version 4 and about images, signed again: both checkers say the same of them.

And the engine's certificates, by the command line: the bounds of all exclusions are the same, to the last bit.
"""

import copy
from collections import Counter
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import second_checker_file
import second_checker_images
from cone_certificate_changes import PictureDraft
from make_cone_certificates import CORPUS, DEFAULTS, SIDE, VALID, Files, classifier, question_about, signed
from onnx import helper
from test_certificate_mutations import MUTATORS, Mutant, Skip, asked
from test_second_checker_cones import agree, ours, theirs  # noqa: F401 (theirs is a fixture)

from engine.cli import main as acasxu
from engine.onnx_file import parse_network

# --- what is changed ------------------------------------------------------------------------------

BASES = ["patch", "quarters", "averaged", "not_class", "bytes", "csv"]
NUMBERS = ["0", "1", "1/2", "1/7", "0.15", "-1", "2"]


def manifest_of_images(m: Mutant) -> None:
    """One of the claim's parts is another, of the right form."""
    manifest = m.draft.manifest
    patch, contents = manifest["patch"], manifest["contents"]
    changes = [
        (manifest, "claim", m.pick([{"not": m.number(0, 4)}, "label"])),
        (manifest["input"], "scaling", m.pick(["0..1", "0..255", "-1..1"])),
        (manifest["input"], "layout", m.pick(["NCHW", "NHWC", "NHW", "flat"])),
        (patch, m.pick(["height", "width"]), m.number(0, 5)),
        (patch["positions"], 0, [m.number(0, 7), m.number(0, 7)]),
        (contents, m.pick(["low", "high", "around"]), m.pick(NUMBERS)),
        (contents, "around", str(Fraction(3, 20) + m.step() / 8)),
        (manifest["images"], m.number(0, len(manifest["images"])), m.number(0, 8)),
        (manifest["cases"], m.number(0, len(manifest["cases"])), [m.number(0, 4), m.number(0, 3)]),
    ]
    container, place, value = m.pick(changes)
    container[place] = value


TREES = [change for kind, change in MUTATORS.values() if kind in ("tree", "arrays")]
CLAIMS = [change for kind, change in MUTATORS.values() if kind == "claim"]


def mutant(number: int, folder: Path) -> tuple[Path, Files, PictureDraft]:
    """A changed certificate, signed for its files."""
    random = np.random.default_rng(number)
    valid = VALID[BASES[number % len(BASES)]]
    draft = PictureDraft.read((CORPUS / "valid" / f"{BASES[number % len(BASES)]}.zip").read_bytes())
    files = Files.of(valid.network, valid.about)
    changes = [*TREES, *([manifest_of_images] * 20 if files.is_images else CLAIMS)]
    while True:
        text = "" if files.is_images else files.about.read_text()
        made = Mutant(copy.deepcopy(draft), files.network.read_bytes(), text, 3, random)
        try:
            for change in random.choice(changes, random.integers(1, 3)):
                change(made)
            if made.follow:
                text = asked(made.cases, 3)
        except (Skip, TypeError):  # not of such a certificate
            continue
        about = files.about
        if not files.is_images:
            about = folder / "mutant.vnnlib"
            about.write_text(text)
        files = Files(files.network, about)
        (folder / "mutant.zip").write_bytes(signed(made.draft, files).bytes())
        return folder / "mutant.zip", files, made.draft


def check_sampled(files: Files, draft: PictureDraft) -> None:
    """No point of many is clearly in what an accepted certificate excludes."""
    network, random = parse_network(files.network.read_bytes()), np.random.default_rng(0)
    if files.is_images:
        labels = files.about if files.about.suffix == ".csv" else files.labels
        pictures = second_checker_images.read_pictures(files.about.read_bytes(), labels.read_bytes())
        cases = [second_checker_images.make_case(draft.manifest, pictures, 3, i, j) for i, j in draft.cases]
    else:
        cases = [second_checker_file.read_case(case) for case in draft.cases]
    for case in cases:
        low, high = (np.array(list(map(float, ends))) for ends in case[:2])
        places = random.random((300, SIDE**2))
        places[::2] = places[::2].round()
        points = low + places * (high - low)
        values = np.hstack([points, network.evaluate(points)])
        names = second_checker_file.names("X", SIDE**2) + second_checker_file.names("Y", 3)
        for polytope in case.unsafe:
            rows = np.array([[float(row.form.get(name, 0)) for name in names] for row in polytope])
            sides = values @ rows.reshape(-1, len(names)).T + [float(row.constant) for row in polytope]
            assert (sides.max(1, initial=-np.inf) > -1e-9).all()


def is_broken_twice(one, other, files: Files) -> bool:
    """Malformed by its arrays' lengths, and rejected for what does not fit the images: checkers find either first."""
    return files.is_images and {one[0], other[0]} == {"malformed", "rejected"}


def words(first: int, count: int, said) -> Counter:
    """How so many mutants end, by both checkers alike."""
    found = Counter()
    with TemporaryDirectory() as folder:
        for number in range(first, first + count):
            certificate, files, draft = mutant(number, Path(folder))
            one, other = ours(certificate, files), said(certificate, files)
            assert agree(one, other) or is_broken_twice(one, other, files), (number, one, other)
            if one[0] == "accepted":
                check_sampled(files, draft)
            found[one[0]] += 1
    return found


def test_mutants(theirs):  # noqa: F811
    found = words(0, 18, theirs)
    assert found["accepted"] >= 3 and found["rejected"] >= 5


@pytest.mark.slow
@pytest.mark.parametrize("first", range(1000, 1300, 50))
def test_many_mutants(first, theirs):  # noqa: F811
    found = words(first, 50, theirs)
    assert found["accepted"] and found["rejected"]


# --- the engine's certificates --------------------------------------------------------------------

COMMON = ["--device", "cpu", "--threads", "1"]


def verified(folder: Path, seed: int) -> tuple[Path, Files]:
    """A question about a random network with a MaxPool, most inputs of which are fixed, and its proof."""
    random = np.random.default_rng(seed)
    network, about, proof = folder / "n.onnx", folder / "q.vnnlib", folder / "c.zip"
    pool = helper.make_node("MaxPool", ["r"], ["p"], kernel_shape=[3, 3], strides=[1, 3], pads=[1, 0, 0, 0])
    network.write_bytes(classifier(seed, pool, 20))
    image = [Fraction(int(v), 100) for v in random.integers(0, 101, SIDE**2)]
    start = int(random.integers(0, 28))
    free = {i: (Fraction(1, 4), Fraction(3, 4)) for i in (start, start + 1, start + 6)}
    about.write_text(question_about(network.read_bytes(), [(image, free)]))
    code = acasxu(["verify", str(network), str(about), "--certificate", str(proof), "--timeout", "20", *COMMON])
    assert code == 0
    return proof, Files(network, about)


def verify_agrees(folder: Path, seed: int, said) -> None:
    certificate, files = verified(folder, seed)
    assert PictureDraft.read(certificate.read_bytes()).manifest["version"] == 4
    found = ours(certificate, files)
    assert found[0] == "accepted" and found[1] and agree(found, said(certificate, files))


@pytest.mark.parametrize("seed", range(2))
def test_proofs_by_verify(tmp_path, seed, theirs):  # noqa: F811
    verify_agrees(tmp_path, seed, theirs)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 115))
def test_many_proofs_by_verify(tmp_path, seed, theirs):  # noqa: F811
    verify_agrees(tmp_path, seed, theirs)


@pytest.mark.slow
@pytest.mark.parametrize("patch", ["1x1@all", "3x3@1,2", "2x6@all"])
@pytest.mark.parametrize("target", [[], ["--target", "0"], ["--target", "2"]])
def test_proofs_about_images(tmp_path, patch, target, theirs):  # noqa: F811
    files = Files.of("pooled", "drawn-images-idx3-ubyte")
    asked_of = ["--data", str(files.about), "--part", "all", *DEFAULTS, "--patch", patch, *target]
    acasxu(["images", "certify", str(files.network), *asked_of, "--certificates", str(tmp_path / "out"), *COMMON])
    certificate = tmp_path / "out" / "images.proof.zip"
    found = ours(certificate, files)
    assert found[0] == "accepted" and found[1] and agree(found, theirs(certificate, files))


def test_digits_have_no_file_to_be_certified(tmp_path, capsys):
    (tmp_path / "n.onnx").write_bytes(eight_by_eight())
    asked_of = ["--data", "digits", "--scaling", "0..1", "--patch", "2x2@0,0"]
    out = tmp_path / "out"
    code = acasxu(["images", "certify", str(tmp_path / "n.onnx"), *asked_of, "--certificates", str(out), *COMMON])
    assert code == 2 and "Traceback" not in capsys.readouterr().err and not list(tmp_path.rglob("*.zip"))


def eight_by_eight() -> bytes:
    """Scores are sums of ten pixels."""
    weights = helper.make_tensor("W", 1, [64, 10], np.eye(64, 10, dtype=np.float32).ravel())
    nodes = [helper.make_node("Flatten", ["x"], ["f"]), helper.make_node("MatMul", ["f", "W"], ["y"])]
    ends = [helper.make_tensor_value_info(*of) for of in (("x", 1, [1, 1, 8, 8]), ("y", 1, [1, 10]))]
    graph = helper.make_graph(nodes, "linear", ends[:1], ends[1:], [weights])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()
