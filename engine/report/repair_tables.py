"""Repairs: what was done, what changed."""

from engine.report.listing import Cell, Listing, listing
from engine.report.repairs import Repair
from engine.report.run_folder import RunFolder
from engine.report.text import count, figure, seconds, share

_GOOD = {"repaired": "unsat", "held": "unsat", "failed": "unknown", "error": "error"}


def repairs(run: RunFolder) -> Listing:
    """A line for each repair."""
    heads = (
        "network|properties|outcome|method|weights|neurons|layers|agreement outside|changed outside|"
        "agreement, safe inside|largest output change|seconds|of these proofs|certificates|origin"
    )
    lowest = all(run.names.identity(repair.network) for repair in run.repairs)
    same = "gives the same advisory (lowest score)" if lowest else "decides the same, where its decision is known"
    lines = [_line(run, repair) for repair in run.repairs]
    return listing(
        heads,
        lines,
        numeric="|".join(heads.split("|")[4:-1]),
        caption=(
            f"Agreement: the share of random points at which the repaired network {same}, in the domain outside the "
            "properties' boxes, and inside them where the original was safe. It is measured; the properties are proved."
        ),
    )


def fidelity(repair: Repair) -> Listing:
    """A line for each region on which original and repaired network were compared."""
    return listing(
        "where|points|decision changed|agreement|order kept|mean output change|largest",
        (
            (
                region.where,
                *map(_whole, (region.points, region.changed)),
                share(region.agreement),
                share(region.order_kept),
                *map(figure, (region.mean, region.largest) if region.points else (None, None)),
            )
            for region in repair.regions
        ),
        numeric="points|decision changed|agreement|order kept|mean output change|largest",
    )


def title(run: RunFolder, repair: Repair) -> str:
    return f"{run.names.network_label(repair.network)} / {properties(run, repair)}"


def properties(run: RunFolder, repair: Repair) -> str:
    names = (name if name.endswith((".vnnlib", ".gz")) else f"{name}.vnnlib" for name in repair.properties)
    return ", ".join(run.names.property_label(name, network=repair.network) for name in names)


def _line(run: RunFolder, repair: Repair) -> tuple[Cell | str, ...]:
    get = repair.values.get
    certificates = get("certificates", repair.certificates)
    return (
        Cell(run.names.network_label(repair.network), target=f"r{repair.number}"),
        properties(run, repair),
        Cell(repair.outcome, word=_GOOD[repair.outcome]),
        repair.method,
        *(_whole(get(name)) for name in ("weights", "neurons", "layers")),
        share(get("agreement_outside")),
        _whole(get("changed_outside")),
        share(get("agreement_safe")),
        figure(get("max_output_change")),
        seconds(get("seconds")),
        seconds(get("proof_seconds")),
        _whole(certificates),
        repair.origin,
    )


def _whole(value: float | None) -> str:
    return count(None if value is None else round(value))
