"""Repairs: what was done, what changed."""

from engine.report.listing import Cell, Listing, listing
from engine.report.names import network_label, property_label
from engine.report.repairs import Repair
from engine.report.run import Run
from engine.report.text import count, figure, seconds, share

_GOOD = {"repaired": "unsat", "held": "unsat", "failed": "unknown", "error": "error"}


def repairs(run: Run) -> Listing:
    """A line for each repair."""
    heads = ("network|properties|outcome|method|weights|neurons|layers|agreement outside|changed outside|"
             "agreement, safe inside|largest score change|seconds|of these proofs|certificates|origin")
    return listing(heads, map(_line, run.repairs), numeric="|".join(heads.split("|")[4:-1]), caption=(
        "Agreement: the share of random points at which the repaired network gives the same advisory (lowest score), "
        "in the domain outside the properties' boxes, and inside them where the original was safe. It is measured; "
        "the properties are proved."))


def fidelity(repair: Repair) -> Listing:
    """A line for each region on which original and repaired network were compared."""
    return listing("where|points|advisory changed|agreement|mean score change|largest", (
        (region.where, *map(_whole, (region.points, region.changed)), share(region.agreement),
         *map(figure, (region.mean, region.largest) if region.points else (None, None)))
        for region in repair.regions), numeric="points|advisory changed|agreement|mean score change|largest")


def title(repair: Repair) -> str:
    return f"{network_label(repair.network)} / {properties(repair)}"


def properties(repair: Repair) -> str:
    return ", ".join(property_label(name if name.endswith((".vnnlib", ".gz")) else f"{name}.vnnlib",
                                    network=repair.network) for name in repair.properties)


def _line(repair: Repair) -> tuple:
    get = repair.values.get
    certificates = get("certificates", repair.certificates)
    return (Cell(network_label(repair.network), target=f"r{repair.number}"), properties(repair),
            Cell(repair.outcome, word=_GOOD[repair.outcome]), repair.method,
            *(_whole(get(name)) for name in ("weights", "neurons", "layers")), share(get("agreement_outside")),
            _whole(get("changed_outside")), share(get("agreement_safe")), figure(get("max_score_change")),
            seconds(get("seconds")), seconds(get("proof_seconds")), _whole(certificates), repair.origin)


def _whole(value: float | None) -> str:
    return count(None if value is None else round(value))
