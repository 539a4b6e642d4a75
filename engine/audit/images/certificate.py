"""Certificate file -> Claim and Tree: what sections 13 and 15 of the format say of the file."""

from fractions import Fraction
from typing import Any, NamedTuple

from engine.audit.archive import read_members
from engine.audit.certificate import CONES, read_tree
from engine.audit.data import FilePath, Tree
from engine.audit.failures import need
from engine.audit.images.mixture import Mixture, read_mixture
from engine.audit.manifest import SHA256, Json, fields, number, read_hashes, read_manifest

KEYS = {
    "format": str,
    "version": int,
    "kind": str,
    "semantics": str,
    "network": dict,
    "engine": dict,
    "data": dict,
    "input": dict,
    "patch": dict,
    "contents": dict,
    "images": list,
    "cases": list,
    "arrays": dict,
}
HEAD = ["acasxu-certificate", "images", "real"]
#: sections 13, 14 and 15
VERSIONS = {
    4: KEYS,
    5: KEYS | CONES,
    6: {key: kind for key, kind in KEYS.items() if key != "patch"},
}
LAYOUTS = "NCHW", "NHWC", "NHW", "flat"  # of one channel, they are all the same
SCALINGS = "0..1", "0..255", "-1..1"
LARGEST_INTEGER = 2**31 - 1
MOST = 2**20  # images, and positions


class Patch(NamedTuple):
    """Pixels of any content: so many, with the first one at one of these positions (row, column).

    Each lies between low and high, and within `around` of its value in the image, if that is there.
    """

    height: int
    width: int
    positions: list[tuple[int, int]]
    low: Fraction
    high: Fraction
    around: Fraction | None


class Claim(NamedTuple):
    """A certificate of kind "images": its content, but for the arrays.

    target: the class that is not given; None where the class is the label.
    images: numbers in the file.
    cases: of each, indices into images and positions.
    """

    network_sha256: str
    images_sha256: str
    labels_sha256: str
    target: int | None
    scaling: str
    family: Patch | Mixture
    images: list[int]
    cases: list[tuple[int, int]]
    manifest: dict[str, Any]
    sha256: str

    @property
    def version(self) -> int:
        """4, 5 where the network has curves, or 6 of contents in a few numbers."""
        return int(self.manifest["version"])

    @property
    def patch(self) -> Patch:
        """The family, in a certificate of section 13."""
        assert isinstance(self.family, Patch)
        return self.family

    @property
    def positions(self) -> int:
        """How many cases an image must have to be safe."""
        return len(self.family.positions) if isinstance(self.family, Patch) else 1


def read_claim(path: FilePath) -> tuple[Claim, Tree]:
    """The certificate in a file, and its arrays as they are; Malformed where there is none."""
    return read_members(path, parse_claim)


def parse_claim(members: dict[str, bytes], digest: str) -> tuple[Claim, Tree]:
    """The certificate that a file with these members is; digest: SHA-256 of the file."""
    manifest = read_manifest(members)
    about = manifest if isinstance(manifest, dict) else {}
    version = about.get("version")
    keys = VERSIONS.get(version, KEYS) if type(version) is int else KEYS
    types = keys | {"claim": str if type(about.get("claim")) is str else dict}
    found = dict(zip(types, fields(manifest, types), strict=True))
    head = [found[key] for key in ("format", "kind", "semantics")]
    known = head == HEAD and found["version"] in VERSIONS and found.get("cones", True)
    need(known, "it is of another format, version, kind or semantics, or without cones")
    (network_sha256,) = read_hashes(found["engine"], found["network"])
    images_sha256, labels_sha256 = _read_data(found["data"])
    images = found["images"]
    need(_are_integers(images) and _ascend(images), "its images are no numbers that ascend")
    family, cases = _read_family(found, len(images))
    claim = Claim(
        network_sha256=network_sha256,
        images_sha256=images_sha256,
        labels_sha256=labels_sha256,
        target=_read_target(found["claim"]),
        scaling=_read_scaling(found["input"]),
        family=family,
        images=images,
        cases=cases,
        manifest=manifest,
        sha256=digest,
    )
    return claim, read_tree(members, found["arrays"])


def _read_data(data: Json) -> list[str]:
    """The hashes of both files."""
    _, *hashes = fields(data, {"name": str, "images": str, "labels": str})
    need(all(map(SHA256.fullmatch, hashes)), "a hash is not one of SHA-256")
    return hashes


def _read_target(claim: Json) -> int | None:
    """The class T of {"not": T}; None of "label"."""
    if type(claim) is str:
        need(claim == "label", 'its claim is neither "label" nor that the class is not some other')
        return None
    (target,) = fields(claim, {"not": int})
    need(_are_integers([target]), "its claim's class is no number of an output")
    return int(target)


def _read_scaling(form: Json) -> str:
    layout, scaling = fields(form, {"layout": str, "scaling": str})
    known = layout in LAYOUTS and scaling in SCALINGS
    need(known, "its input is of no layout and scaling of the format")
    return str(scaling)


def _read_family(
    found: dict[str, Json], images: int
) -> tuple[Patch | Mixture, list[tuple[int, int]]]:
    """The family, and its cases: pairs of an image and a position, both by their index."""
    if "patch" in found:
        patch = _read_patch(found["patch"], found["contents"])
        return patch, _read_cases(found["cases"], images, len(patch.positions))
    mixture, cases = read_mixture(found["contents"]), found["cases"]
    need(_are_integers(cases) and _ascend(cases), "its cases are no integers that ascend")
    need(cases[-1] < images, "a case is about an image that is not there")
    return mixture, [(i, 0) for i in cases]


def _read_patch(patch: Json, contents: Json) -> Patch:
    height, width, places = fields(patch, {"height": int, "width": int, "positions": list})
    need(_are_integers([height, width]) and height and width, "its patch has no size")
    positions = _pairs(places, "a position")
    need(positions and len(positions) <= MOST, f"its positions are not 1 to {MOST:,}")
    need(len(set(positions)) == len(positions), "a position is there twice")
    low, high, around = _read_contents(contents)
    return Patch(height, width, positions, low, high, around)


def _read_contents(contents: Json) -> tuple[Fraction, Fraction, Fraction | None]:
    about = contents if isinstance(contents, dict) else {}
    width = type(None) if about.get("around", "") is None else str
    texts = fields(contents, {"low": str, "high": str, "around": width})
    low, high, around = (None if text is None else number(text) for text in texts)
    assert low is not None and high is not None
    need(low < high, "its contents have no low < high")
    need(around is None or around > 0, "its contents are not around an image by more than 0")
    return low, high, around


def _read_cases(cases: Json, images: int, positions: int) -> list[tuple[int, int]]:
    """Pairs of an image and a position, both by their index."""
    pairs = _pairs(cases, "a case")
    need(pairs and _ascend(pairs), "its cases do not ascend")
    there = all(i < images and j < positions for i, j in pairs)
    need(there, "a case is about an image or a position that is not there")
    return pairs


def _pairs(values: Json, what: str) -> list[tuple[int, int]]:
    good = all(type(pair) is list and len(pair) == 2 and _are_integers(pair) for pair in values)
    need(good, f"{what} is not two integers")
    return [(first, second) for first, second in values]


def _are_integers(values: list[Json]) -> bool:
    """True iff they are integers as section 13 wants them, at least one and not too many."""
    good = all(type(value) is int and 0 <= value <= LARGEST_INTEGER for value in values)
    return good and 0 < len(values) <= MOST


def _ascend(values: list[Any]) -> bool:
    return all(first < second for first, second in zip(values, values[1:]))
