"""The options of nnrepair."""

from collections.abc import Mapping
from dataclasses import dataclass, fields

from engine.errors import InputError

LAYERS = ("last", "intermediate")
NORMS = ("l1", "linf")
COMBINATIONS = ("merged", "naive", "confidence", "votes")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """layer: whose weights are solved for, the last or the one before it. combine: how the experts of the classes
    become one network. f1_filter: experts whose F1 on validation images is not better are left out.

    norm: of a change, which the linear program makes small.

    published: as in the paper, z3 for `samples` failing and as many passing images and `weights` edges of each expert.
    Otherwise a linear program for all images and all edges, which leaves unmet what costs too much.
    """

    layer: str = "last"
    combine: str = "merged"
    f1_filter: bool = True
    norm: str = "l1"
    published: bool = False
    samples: int = 5
    weights: int = 5

    def __post_init__(self) -> None:
        for name, value, known in (
            ("layer", self.layer, LAYERS),
            ("combine", self.combine, COMBINATIONS),
            ("norm", self.norm, NORMS),
        ):
            if value not in known:
                raise InputError(f"unknown {name} {value!r}", where="nnrepair", advice=f"use {', '.join(known)}")
        for name, number in (("samples", self.samples), ("weights", self.weights)):
            if number < 1:
                raise InputError(f"{name} is {number}", where="nnrepair", advice="use 1 or more")


def options_of(given: Mapping[str, object]) -> Options:
    """The options with these values; those None or absent keep their default. InputError for an unknown name.

    `exact` is another name of `published`: the one that all methods share.
    """
    named = {"published" if name == "exact" else name: value for name, value in given.items() if value is not None}
    unknown = named.keys() - {field.name for field in fields(Options)}
    if unknown:
        raise InputError(f"unknown option {sorted(unknown)[0]!r}", where="nnrepair")
    return Options(**named)  # type: ignore[arg-type]
