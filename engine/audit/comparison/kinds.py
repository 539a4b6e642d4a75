"""Certificates of two networks, whichever of the kinds they are: change, structure or band."""

from collections.abc import Callable

from engine.audit.archive import read_members
from engine.audit.check import OnProgress, Result
from engine.audit.comparison.band import check_band, parse_band
from engine.audit.comparison.certificate import parse_change
from engine.audit.comparison.check import check_change
from engine.audit.comparison.structure import Structure
from engine.audit.comparison.structure_check import check_structure, parse_structure
from engine.audit.data import Band, Change, FilePath
from engine.audit.manifest import read_manifest

KINDS = ("change", "structure", "band")
PARSE: dict[str, Callable[[dict[str, bytes], str], Change | Structure | Band]] = {
    "structure": parse_structure,
    "band": parse_band,
}


def read_comparison(path: FilePath) -> Change | Structure | Band:
    """The certificate in a file.

    Malformed where there is none; Rejected where its arrays break a rule of section 4.
    """
    return read_members(path, _parse)


def check_comparison(
    certificate_path: FilePath,
    original_path: FilePath,
    changed_path: FilePath,
    *,
    arithmetic: str = "float64",
    on_progress: OnProgress | None = None,
) -> Result:
    """The verdict on a certificate of these two networks, by its kind.

    arithmetic, on_progress: of trees; kind "structure" is exact, and done at once.
    """
    kind = read_members(certificate_path, _kind)
    if kind == "structure":
        return check_structure(certificate_path, original_path, changed_path)
    check = check_band if kind == "band" else check_change
    return check(
        certificate_path,
        original_path,
        changed_path,
        arithmetic=arithmetic,
        on_progress=on_progress,
    )


def _parse(members: dict[str, bytes], digest: str) -> Change | Structure | Band:
    parse = PARSE.get(_kind(members, digest), parse_change)
    return parse(members, digest)


def _kind(members: dict[str, bytes], digest: str) -> str:
    """The kind that the manifest says, or "change"; the members stay as they are."""
    manifest = read_manifest(dict(members))
    kind = manifest.get("kind") if isinstance(manifest, dict) else None
    return kind if kind in PARSE else "change"
