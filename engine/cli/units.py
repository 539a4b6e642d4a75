"""Refusals of what cannot go with --units raw, each in one line."""

from pathlib import Path

from engine.errors import InputError


def demand_certifiable(certificate: Path | None, units: str | None, *, option: str = "--certificate") -> None:
    """InputError where no certificate can be about networks in these units."""
    if certificate and units == "raw":
        raise InputError(
            "certificates are about networks in normalized units",
            where=option,
            advice="make an ONNX file by `acasxu convert --units raw`, whose normalization is layers, and name that",
        )


def demand_repairable(units: str | None, *, option: str = "--units raw") -> None:
    """InputError where a repair would have to change layers that are a file's normalization."""
    if units == "raw":
        raise InputError(
            "in raw units a .nnet file's normalization is layers, which a repair must not change",
            where=option,
            advice="leave it out, and state properties in normalized units: (x - mean) / range",
        )


def demand_known_domain(domain: str | None, units: str | None) -> None:
    """InputError where the domain is ACAS Xu's, which is in normalized units, and networks are in raw ones."""
    if domain == "acasxu" and units == "raw":
        raise InputError(
            "ACAS Xu's domain is in normalized units",
            where="--domain acasxu",
            advice="leave out --units raw, or name a VNN-LIB file with the domain in the .nnet file's raw units",
        )
