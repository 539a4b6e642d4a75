"""Options of the repair by proxy boxes."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from math import isfinite

from engine.errors import InputError


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Options of by_method["prorepair"].

    split: the tensor that the head reads; by default the last layer's input. radius: of the L-infinity ball around each
    faulty image, in pixels' values, that is to get the image's label, too; 0 for the image alone. splits: how often
    undecided balls are halved. margin: that h* gets, in median margins of the clean images. rounds: of new boxes, each
    with `steps` of descent that begin at `rate`. wider: whether validation faults are repaired too; then they say
    nothing of other images, and the choice is made without them.
    """

    split: str | None = None
    radius: float = 0.0
    splits: int = 2
    margin: float = 0.25
    rounds: int = 6
    steps: int = 100
    rate: float = 1e-3
    wider: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.split, str | None):
            raise InputError(f"split is {self.split!r}", where="prorepair", advice="name a tensor of the file")
        for name in ("radius", "margin", "rate"):
            _demand(name, getattr(self, name), 0 if name == "radius" else 1e-9, "a number above 0")
        for name, least in (("splits", 0), ("rounds", 1), ("steps", 1)):
            if not isinstance(getattr(self, name), int):
                raise InputError(f"{name} is {getattr(self, name)!r}", where="prorepair", advice="use a whole number")
            _demand(name, getattr(self, name), least, f"a whole number from {least}")


def _demand(name: str, value: object, least: float, advice: str) -> None:
    if not isinstance(value, (int, float)) or not isfinite(value) or value < least:
        raise InputError(f"{name} is {value!r}", where="prorepair", advice=f"use {advice}")


def settings_of(given: Mapping[str, object]) -> Settings:
    """The settings with these values; InputError for a name that is not one of them."""
    known = {field.name for field in fields(Settings)}
    for name in given:
        if name not in known:
            raise InputError(f"unknown option {name!r}", where="prorepair", advice=f"use {', '.join(sorted(known))}")
    return Settings(**given)  # type: ignore[arg-type]  # __post_init__ checks the values
