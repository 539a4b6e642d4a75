"""The committed certificates: the checker says of each what the index says. tests/make_certificates.py makes them."""

import csv
import io
import tracemalloc
import zipfile

import pytest
from make_certificates import CORPUS, ROOT, Draft, Node, derived, made, networks, properties, searched

from engine.audit.check import Result, check
from engine.audit.failures import Malformed
from engine.vnnlib.writer import property_text

with (CORPUS / "index.csv").open(newline="") as _file:
    INDEX = list(csv.DictReader(_file))
SMALL = [entry for entry in INDEX if "standin" not in entry["network"]]
RECIPES = made() + derived()
BY_HASH = {"tampered/network_given.zip", "tampered/property_given.zip"}


def entries(some: list[dict]):
    return pytest.mark.parametrize("entry", some, ids=lambda entry: entry["file"].removesuffix(".zip"))


def checked(entry: dict, **options) -> Result:
    """Of an entry of the index."""
    return check(CORPUS / entry["file"], ROOT / entry["network"], ROOT / entry["property"], **options)


def said(entry: dict, **options) -> str:
    """In the index's words."""
    try:
        return "accepted" if checked(entry, **options).accepted else "rejected"
    except Malformed as error:
        assert entry["file"] in str(error) and len(str(error).splitlines()) == 1
        return "malformed"


@entries(INDEX)
def test_in_floating_point(entry):
    assert said(entry) == {"exact": "rejected"}.get(entry["expected"], entry["expected"])


@entries(SMALL)
def test_in_exact_arithmetic(entry):
    assert said(entry, arithmetic="exact") == {"exact": "accepted"}.get(entry["expected"], entry["expected"])


@entries([entry for entry in INDEX if entry["file"].startswith("valid/standin")])
def test_a_leaf_of_a_stand_in_in_exact_arithmetic(entry):
    assert said(entry, arithmetic="exact", sample=1) == "accepted"


@entries([entry for entry in INDEX if entry["expected"] == "rejected"])
def test_no_tampered_file_is_rejected_for_its_hashes_alone(entry):
    assert ("SHA-256" in checked(entry).reason) == (entry["file"] in BY_HASH)


class TestCorpus:
    def test_the_index_is_complete(self):
        names = {recipe.file: dict(zip(recipe._fields[:-1], recipe)) for recipe in RECIPES}
        assert {entry["file"]: entry for entry in INDEX} == names and len(INDEX) == len(RECIPES)
        listed = {CORPUS / "index.csv"} | {CORPUS / entry["file"] for entry in INDEX}
        listed |= {ROOT / entry[of] for entry in INDEX for of in ("network", "property")}
        assert {path for path in CORPUS.rglob("*") if path.is_file()} <= listed

    def test_there_is_enough_of_each(self):
        words = [entry["expected"] for entry in INDEX]
        assert words.count("accepted") >= 10 and words.count("rejected") >= 25 and words.count("malformed") >= 25

    def test_it_is_small(self):
        sizes = [path.stat().st_size for path in CORPUS.rglob("*.*")]
        assert sum(sizes) < 700 * 2**10 and max(sizes) < 200 * 2**10

    def test_its_networks_and_properties_are_the_scripts(self):
        assert {path.stem: path.read_bytes() for path in CORPUS.glob("networks/*")} == networks()
        texts = {name: property_text(question) for name, question in properties().items()}
        assert {path.stem: path.read_text() for path in CORPUS.glob("properties/*")} == texts

    @pytest.mark.parametrize(
        "recipe",
        [recipe for recipe in RECIPES if recipe.make.func is not searched],
        ids=lambda recipe: recipe.file.removesuffix(".zip"),
    )
    def test_the_script_makes_the_same_files(self, recipe):
        """Or, as not every machine compresses as another, files that hold the same."""
        old, new = (CORPUS / recipe.file).read_bytes(), recipe.make()
        assert old == new or content(old) == content(new)


def content(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


SIZE = 300 * 2**20


@pytest.fixture(scope="module")
def bomb() -> bytes:
    """300 MiB of zeros in 300 KiB, too large for the corpus."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        with archive.open("manifest.json", "w") as member:
            for _ in range(SIZE >> 20):
                member.write(bytes(2**20))
    return out.getvalue()


@pytest.mark.parametrize("says", [SIZE, 0, 4, 2**20])
def test_a_bomb_is_not_unpacked(bomb, says, tmp_path):
    """Whatever size it says it has."""
    path, (entry, *_) = tmp_path / "bomb.zip", INDEX
    path.write_bytes(bomb.replace(*(size.to_bytes(4, "little") for size in (SIZE, says))))
    tracemalloc.start()
    try:
        with pytest.raises(Malformed):
            check(path, ROOT / entry["network"], ROOT / entry["property"])
        assert tracemalloc.get_traced_memory()[1] < 8 * 2**20
    finally:
        tracemalloc.stop()


def test_many_polytopes_need_little_memory(tmp_path):
    """A hundred thousand claimed, on 511 nodes: 50 MB of marks, if all were held at once."""
    network, question = CORPUS / "networks/absolute.onnx", CORPUS / "properties/absolute_close.vnnlib"
    draft = Draft.read((CORPUS / "valid/absolute.zip").read_bytes())
    draft.cases[0]["unsafe"] += [[]] * 100_000
    draft.roots = [bisected(8, -1.0, 1.0)]
    (tmp_path / "many.zip").write_bytes(draft.about(network.read_bytes(), question.read_bytes()).bytes())
    tracemalloc.start()
    try:
        assert not check(tmp_path / "many.zip", network, question).accepted
        assert tracemalloc.get_traced_memory()[1] < 150 * 2**20
    finally:
        tracemalloc.stop()


def bisected(depth: int, low: float, high: float) -> Node:
    node = Node()
    if depth:
        node.split, node.cut = 0, (low + high) / 2
        node.children = [bisected(depth - 1, low, node.cut), bisected(depth - 1, node.cut, high)]
    return node
