"""One certificate checked by the independent checker, `engine.audit`, with one error for bad input."""

from collections.abc import Callable, Mapping
from os import PathLike
from pathlib import Path

from engine.audit.check import ARITHMETIC, Result
from engine.audit.check import check as check_property
from engine.audit.comparison.kinds import check_comparison
from engine.audit.failures import Malformed
from engine.errors import InputError

OnNodes = Callable[[int, int], None]


def check_certificate(
    certificate: str | PathLike[str],
    network: str | PathLike[str] | Mapping[str, str | PathLike[str]],
    property: str | PathLike[str] | None = None,
    *,
    changed: str | PathLike[str] | None = None,
    arithmetic: str = "float64",
    sample: int | None = None,
    seed: int = 0,
    semantics: str | None = None,
    on_progress: OnNodes | None = None,
) -> Result:
    """Decides, from the files alone and with none of the engine's own code, whether a certificate is to be accepted.

    `accepted` of the result says so, and `reason` why not. An accepted certificate of kind "proof" shows that the
    property holds for the network, of kind "witness" that it is violated, of kind "change" how much of a box the
    changed network may concern. If `reason` is not empty although it is accepted, only a sample was checked.

    certificate, network, property, changed: files; network also: files by their names in a query about several. A
    certificate about a property needs `property`, one of kind "change" needs `changed`, the other network.
    arithmetic: float64, rounded outwards, or exact rationals.
    For proofs of properties alone: sample: how many leaves, chosen at random by `seed`, are checked with their
    ancestors, instead of all; semantics: real or float32, to be shown instead of the certificate's own.
    on_progress(nodes checked, nodes to be checked) is called now and then.

    InputError where a file cannot be read as what it should be, and where the arguments do not fit together.
    """
    if (property is None) == (changed is None):
        raise InputError(
            "a certificate is checked against a property or a changed network",
            where=str(certificate),
            advice="give one of the two",
        )
    if arithmetic not in ARITHMETIC:
        raise InputError(f"unknown arithmetic {arithmetic!r}", advice=f"use {' or '.join(ARITHMETIC)}")
    file = Path(certificate)
    try:
        if changed is None:
            assert property is not None
            return check_property(
                file,
                network,
                Path(property),
                arithmetic=arithmetic,
                sample=sample,
                seed=seed,
                semantics=semantics,
                on_progress=on_progress,
            )
        if sample is not None or semantics is not None or isinstance(network, Mapping):
            raise InputError(
                "sample, semantics and networks by name are for proofs of properties",
                where=str(file),
                advice="leave them out",
            )
        return check_comparison(file, Path(network), Path(changed), arithmetic=arithmetic, on_progress=on_progress)
    except Malformed as error:
        raise InputError(str(error), advice="check which files were given") from None
