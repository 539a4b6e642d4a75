"""Options of VERE, under their published names, and what was added to it."""

from collections.abc import Mapping
from dataclasses import dataclass, fields

from engine.errors import InputError

LOCALIZE = ("vere", "nnrepair", "none")
EDIT = ("optimize", "published", "finetune")


@dataclass(frozen=True, slots=True, kw_only=True)
class VereOptions:
    """interval: sub-intervals of each neuron's range; n, n_clean: faults and clean images to learn from.

    layer_round: rounds of localization and editing for a layer. localize: vere, nnrepair (its score of edges, the
    largest of a neuron's), or none (all neurons). edit: optimize, published (the paper's loss alone, one neuron a
    round), or finetune (cross-entropy alone).

    layers: hidden ones, from the last on. neurons: edited in the first round, four times as many in each further one.
    inputs: the share of their incoming weights that may change. steps, rate: of Adam in a round. stay, pull: weights
    of losses (optimize.py). localized: faults for which significance is computed. screened: neurons of a layer for
    which it is computed, those with the largest gradients.
    """

    interval: int = 4
    n: int = 2000
    n_clean: int = 2000
    layer_round: int = 3
    layers: int = 1
    localize: str = "vere"
    edit: str = "optimize"
    neurons: int = 32
    inputs: float = 0.25
    steps: int = 300
    rate: float = 3e-3
    stay: float = 5.0
    pull: float = 0.1
    localized: int = 128
    screened: int = 256


def vere_options(given: Mapping[str, object]) -> VereOptions:
    """InputError where an option is unknown, or its value is of another type or out of range."""
    defaults = VereOptions()
    for name, value in given.items():
        if name not in {field.name for field in fields(defaults)}:
            known = ", ".join(field.name for field in fields(defaults))
            raise InputError(f"vere has no option {name!r}", advice=f"use {known}")
        default = getattr(defaults, name)
        choices = {"localize": LOCALIZE, "edit": EDIT}.get(name)
        if choices and value not in choices:
            raise InputError(f"{name} is {value!r}", where="vere", advice=f"use {', '.join(choices)}")
        number = isinstance(value, int) or (isinstance(value, float) and isinstance(default, float))
        if not choices and (isinstance(value, bool) or not number or not _in_range(name, value)):
            raise InputError(f"{name} is {value!r}", where="vere", advice=f"give a number above 0, such as {default}")
    return VereOptions(**given)  # type: ignore[arg-type]


def _in_range(name: str, value: object) -> bool:
    assert isinstance(value, (int, float))
    least = 0 if name in ("stay", "pull") else 1e-12
    return least <= value <= (1 if name == "inputs" else float("inf"))
