"""Certificates of two networks, whichever of the two kinds they are: change, or structure."""

from engine.audit.archive import read_members
from engine.audit.check import OnProgress, Result
from engine.audit.comparison.certificate import parse_change
from engine.audit.comparison.check import check_change
from engine.audit.comparison.structure import Structure
from engine.audit.comparison.structure_check import check_structure, parse_structure
from engine.audit.data import Change, FilePath
from engine.audit.manifest import read_manifest


def read_comparison(path: FilePath) -> Change | Structure:
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

    arithmetic, on_progress: of kind "change"; the other is exact, and done at once.
    """
    if read_members(certificate_path, _is_structure):
        return check_structure(certificate_path, original_path, changed_path)
    return check_change(
        certificate_path,
        original_path,
        changed_path,
        arithmetic=arithmetic,
        on_progress=on_progress,
    )


def _parse(members: dict[str, bytes], digest: str) -> Change | Structure:
    parse = parse_structure if _is_structure(members, digest) else parse_change
    return parse(members, digest)


def _is_structure(members: dict[str, bytes], digest: str) -> bool:
    """Whether the manifest says that it is one; the members stay as they are."""
    manifest = read_manifest(dict(members))
    return isinstance(manifest, dict) and manifest.get("kind") == "structure"
