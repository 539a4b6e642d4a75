"""Verdicts to certificate files."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from fractions import Fraction
from os import PathLike
from pathlib import Path

from engine import __version__
from engine.audit.certificate import parse_certificate
from engine.audit.manifest import MAX_WITNESS_DIGITS
from engine.certificate.encoding import (
    CONE_VERSION,
    CURVE_VERSION,
    FORMAT,
    STEEP_VERSION,
    VERSION,
    Json,
    array_entries,
    case_entry,
    certificate_file,
    manifest_text,
    proof_arrays,
    rational_texts,
)
from engine.errors import InputError
from engine.files import write_bytes
from engine.network import Network
from engine.proof import CasePart
from engine.property import Case, Property
from engine.search.problem import Options
from engine.verdict import Unknown, Verdict, Verified, Violated

_KINDS = {Verified: "proof", Violated: "witness"}
# options that say how long or where to search, but not how
_OMITTED = "timeout", "device", "proofs", "open_boxes"


def write_certificate(
    path: str | PathLike[str],
    network: Network,
    property: Property,
    verdict: Verdict,
    options: Options = Options(),
    *,
    force: bool = False,
) -> None:
    """Writes the certificate of a verdict, from which `check_certificate` decides again without this engine.

    network, property: as read from files, whose SHA-256s the certificate names; options: those of the search, with
    `proofs=True` for a verdict that the property holds. The file appears whole or not at all. One that exists is
    replaced only if `force`. The same verdict gives the same bytes.

    InputError where nothing was decided, where network or property come from no file, where the proof was not asked
    for, where what was found is beyond the limits of a certificate, and where the file cannot be written.
    """
    path = Path(path)
    for given in (network, property):
        if not given.sha256:
            raise InputError(
                "no certificate can name it: it was not read from a file",
                where=given.name or type(given).__name__.lower(),
                advice="write it to a file and load that",
            )
    write_new(path, certificate_bytes(network, property, verdict, options), force=force)


def write_new(path: Path, data: bytes | None, *, force: bool) -> None:
    """Writes a certificate, whole or not at all. InputError where there is none, or a file that may not be replaced."""
    if data is None:
        raise InputError("nothing was decided", where=str(path), advice="search longer, and certify that verdict")
    if path.exists() and not force:
        raise InputError("this file exists", where=str(path), advice="choose another name or force it")
    try:
        write_bytes(path, data)
    except OSError as error:
        what = f"it cannot be written ({error.strerror})"
        raise InputError(what, where=str(path), advice="check the folder") from None


def certificate_name(stem: str, verdict: Verified | Violated) -> str:
    """Returns the usual file name for an instance: STEM.proof.zip or STEM.witness.zip."""
    return f"{stem}.{_KINDS[type(verdict)]}.zip"


def certificate_bytes(network: Network, property: Property, verdict: Verdict, options: Options) -> bytes | None:
    """Returns the certificate of a verdict, None if nothing was decided. The same verdict gives the same bytes.

    InputError where the verdict needs a proof that was not asked for (`Options.proofs`), or is beyond the limits.
    """
    about: dict[str, Json] = {"network": {"name": network.name, "sha256": network.sha256}}
    of_cone = isinstance(verdict, Verified) and verdict.proof is not None and verdict.proof.of_cone
    version = CONE_VERSION if of_cone else STEEP_VERSION if isinstance(verdict, Verified) else VERSION
    if network.has_curves:
        version, about = CURVE_VERSION, about | {"cones": of_cone}
    return decided_bytes(version, about, property, verdict, options, where=network.name)


def decided_bytes(
    version: int, about: dict[str, Json], property: Property, verdict: Verdict, options: Options, *, where: str
) -> bytes | None:
    """Returns the certificate of a verdict on what `about` names, in a version of the format; None if undecided."""
    if isinstance(verdict, Unknown):
        return None
    manifest: dict[str, Json] = {
        "format": FORMAT,
        "version": version,
        "kind": _KINDS[type(verdict)],
        "semantics": verdict.semantics if isinstance(verdict, Verified) else "real",
        **about,
        "property": {"name": property.name, "sha256": property.sha256},
        "engine": {"name": "acasxu-engine", "version": __version__, "options": recorded(options)},
    }
    arrays = {}
    if isinstance(verdict, Violated):
        manifest |= _witness(property, verdict)
    elif verdict.proof is None:
        raise InputError("the verdict has no proof", where=where, advice="verify with Options(proofs=True)")
    else:
        arrays = proof_arrays(verdict.proof)
        manifest["cases"] = _claim(property, verdict.proof.parts)
        manifest["arrays"] = array_entries(arrays)
    return certificate_file(manifest, arrays, parse=parse_certificate, where=where)


def unprovable(property: Property) -> str:
    """Returns why no proof about this property can be written, whatever is found; empty if no reason is known."""
    try:
        manifest_text(_claim(property))
    except InputError as error:
        return str(error)
    return ""


def recorded(options: Options) -> dict[str, Json]:
    """Returns the options that a certificate names."""
    return {name: value for name, value in asdict(options).items() if name not in _OMITTED}


def _claim(property: Property, parts: Sequence[CasePart] = ()) -> list[Json]:
    """Returns the property's cases, or these parts of them if there are any.

    Of a property without cases it is one that claims nothing: it covers a file whose asserts exclude each other.
    """
    nowhere = (Fraction(0),) * property.n_inputs
    cases = property.cases or (Case(nowhere, nowhere, ()),)
    return [case_entry(case) for case in [_part(cases, part) for part in parts] or cases]


def _part(cases: Sequence[Case], part: CasePart) -> Case:
    case = cases[part.case]
    if part.polytopes is None:
        return case
    return replace(case, unsafe=tuple(case.unsafe[p] for p in part.polytopes))


def _witness(property: Property, verdict: Violated) -> dict[str, Json]:
    """Returns the point with the polytope that it lies in, and how far inside it is, exactly."""
    x = verdict.counterexample.point
    y = verdict.counterexample.exact_outputs
    case, polytope = next(
        (case, polytope)
        for case in property.cases
        for polytope in case.unsafe
        if Case(case.lower, case.upper, (polytope,)).violated_at(x, y)
    )
    return {
        "case": case_entry(Case(case.lower, case.upper, (polytope,))),
        "point": rational_texts(x, MAX_WITNESS_DIGITS),
        "outputs": rational_texts(y, MAX_WITNESS_DIGITS),
        "margins": rational_texts(tuple(row.value(x, y) for row in polytope.rows), MAX_WITNESS_DIGITS),
    }
