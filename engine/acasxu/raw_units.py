"""Refusals of what is written in ACAS Xu's normalized units, where networks are read in raw ones."""

from engine.acasxu.identity import known_properties
from engine.errors import InputError
from engine.property import Property


def demand_raw(prop: Property, units: str | None) -> None:
    """InputError where the property is one of ACAS Xu's ten, whose numbers are normalized, and the units are raw."""
    spec = known_properties().get(prop.sha256) if units == "raw" else None
    if spec:
        raise InputError(
            f"this is ACAS Xu's property {spec.number}, whose numbers are in normalized units",
            where=prop.name,
            advice="leave out --units raw, or state it in the .nnet file's raw units",
        )
