"""The sections of docs/results.md about repairs, and about what they change (results_page.py)."""

from collections.abc import Iterable
from pathlib import Path

from methods import METHODS, NONE, PUBLISHED, comparison, load, markdown, middle, numbers, percent, read
from results_tables import place_of, table_of

BAND = "network", "gap", "boxes", "advisory may differ on at most", "outside the band", "change possible"
SHARES = "0.5", "0.1", "0.02"  # of the domain, in band-depths.json
LEAST_AGREEMENT, MOST_SECONDS = 0.999, 60.0  # of good repairs, as in repair_generated.py
COMPARED = "work", "repaired", "time a task", "agreement or accuracy over the domain", "proved by"


def repaired(results: Path) -> str:
    kinds = {
        "classic": "the 36 violations of the literature",
        "other": "the other 11, one property each",
        "joint": "networks that violate several, all at once",
    }
    tasks = {kind: read(results / f"repair-{kind}-auto.csv") or [] for kind in kinds}
    summaries = {kind: load(results / f"repair-{kind}-auto.json") for kind in kinds}
    lines = [[words, *repair_cells(tasks[kind], summaries[kind])] for kind, words in kinds.items()]
    names = (
        "",
        "repaired",
        "no sampled advisory changed",
        "least agreement outside the boxes",
        "safe points in the boxes that changed, most",
        "weights changed: median, most",
        "repair with proofs: median, longest, all",
        "whole command: median",
        "peak memory",
        "commit",
    )
    return f"""\
## Repairs

`python benchmarks/repair.py --tasks classic` (or `other`, or `joint --only 1,7 1,8 1,9 2,9`), method `auto`, one
process each, {summaries["classic"]["machine"]["processor"]}. Repaired means: all properties asked for and all kept
ones are proved from scratch, and a second run of the checker accepts all certificates. Agreement is measured on 10^6
random points outside the properties' boxes, and on safe points inside.

{markdown(["", *kinds.values()], transposed(names[1:], lines))}

The largest change of the scores outside the boxes is at most {largest(tasks["classic"], 31)} on 31 of the 36, and
{largest(tasks["classic"], 36)} on the last.
"""


def repair_cells(rows: list[dict], summary: dict) -> list[str]:
    good = [row for row in rows if row["exit"] == "0"]
    weights, times = sorted(numbers(good, "weights")), sorted(numbers(good, "repair_seconds"))
    harm = sum(float(row["outside_changed"]) == float(row["safe_changed"]) == 0 for row in good)
    return [
        f"{len(good)} of {len(rows)}",
        f"{harm} of {len(good)}",
        percent(min(numbers(good, "outside_agreement"))),
        f"{max(numbers(good, 'safe_changed')):.0f}",
        f"{middle(weights)}, {max(weights):.0f}",
        f"{middle(times)} s, {max(times):.0f} s, {sum(times):.0f} s",
        f"{summary['median_seconds']:.1f} s",
        f"{summary['peak_mib']:,} MiB",
        summary["machine"]["commit"],
    ]


def transposed(names: Iterable[str], columns: list[list[str]]) -> list[list[str]]:
    return [[name, *(column[k] for column in columns)] for k, name in enumerate(names, 1)]


def largest(rows: list[dict], count: int) -> str:
    return f"{sorted(numbers(rows, 'largest_score_change'))[count - 1]:,.1f}"


def generated(results: Path) -> str:
    if not (results / "repair-generated.csv").exists():
        return ""
    rows = table_of(results / "repair-generated.csv")
    found = load(results / "repair-generated.json")
    subjects = list(dict.fromkeys(row["question"].split("-")[0] for row in rows))
    lines = [generated_cells(name, [r for r in rows if r["question"].startswith(f"{name}-")]) for name in subjects]
    missed = [row for row in rows if row["good"] != "True"]
    heads = "network of", "inputs", "good", "repaired and proved", "least agreement", "processor time: median, most"
    return f"""\
## Repairs of networks unlike ACAS Xu

`{found["command"]}`, {place_of(found["machine"])}: questions about networks that scripts train
([what they are](how-to/other-networks.md#a-second-domain-made-by-a-script)). Good is what is repaired, proved and
checked, with an agreement of at least 99.9% outside the question's boxes, in at most 60 s of processor time, start-up
and measuring included. Agreement is about the decision, or about outputs within 1% of their range where there is none.
**{found["good"]} of {found["questions"]} are good**, {found["repaired_and_proved"]} repaired and proved.

{markdown(heads, lines)}

Not good:

{markdown(("question", "what it asks", "agreement", "processor time", "why"), [missed_cells(row) for row in missed])}
"""


def generated_cells(name: str, rows: list[dict]) -> list[str]:
    repaired = [row for row in rows if row["exit"] == "0"]
    seconds = numbers(rows, "processor_seconds")
    return [
        name,
        rows[0]["inputs"],
        f"{sum(row['good'] == 'True' for row in rows)} of {len(rows)}",
        f"{len(repaired)} of {len(rows)}",
        percent(min(numbers(repaired, "agreement_outside"))) if repaired else NONE,
        f"{middle(seconds)} s, {max(seconds):.0f} s",
    ]


def missed_cells(row: dict) -> list[str]:
    """A question that was not repaired well enough, and what is wrong with its repair."""
    agreement = percent(float(row["agreement_outside"])) if row["agreement_outside"] else NONE
    late = float(row["processor_seconds"]) > MOST_SECONDS
    faults = ["too few samples agree"] * (agreement != NONE and float(row["agreement_outside"]) < LEAST_AGREEMENT)
    why = row["reason"] or " and ".join([*faults, *["it took too long"] * late])
    return [row["question"], row["words"], agreement, f"{float(row['processor_seconds']):.0f} s", why]


def by_method(results: Path) -> str:
    notes = []
    for method in METHODS:
        found = load(results / f"repair-classic-{method}.json")
        notes.append(f"- {method}: {place_of(found['machine'])}; {found.get('note', 'one after the other')}")
    table = comparison({method: read(results / f"repair-classic-{method}.csv") for method in METHODS})
    return f"""\
## Each repair method alone

On the 36 classic violations; shares are of the tasks that a method repaired. {NONE} was not measured.

{table}

{chr(10).join(notes)}

Published work on the same violations, each as its paper reports it:

{markdown(COMPARED, PUBLISHED)}
"""


def preserved(results: Path) -> str:
    auto = load(results / "preserve-classic-auto.json")
    idle = numbers(read(results / "repair-classic-idle.csv") or [], "may_differ")
    small = sum(share <= 0.001 for share in idle)
    return f"""\
## Proved preservation

The share of the domain's volume on which the advisory may differ, as proved by `acasxu compare --prove`:

- repairs by `auto`, 60 s of proof each: {percent(auto["least"])} to {percent(auto["most"])}, median
  {percent(auto["median"])} (`{auto["command"]}`, {place_of(auto["machine"])});
- repairs by `idle`, 40 s each: {percent(min(idle))} to {percent(max(idle))}; at most 0.1% on {small} of {len(idle)}
  ({place_of(load(results / "repair-classic-idle.json")["machine"])}).
{outside_band(results)}"""


def outside_band(results: Path) -> str:
    """How many boxes such a proof outside a band around ties would take."""
    found = load(results / "band-depths.json")
    columns = ["network", "gap", "depth of half of the points", *(f"boxes until {share} is open" for share in SHARES)]
    lines = [
        [row["network"], row["gap"], f"{row['quartiles'][1]:.0f}", *(boxes(row[f"boxes_until_{n}"]) for n in SHARES)]
        for row in found["rows"]
    ]
    return f"""
Outside a band around ties (`--gap`, in the tables' scores), estimated: the boxes that a proof bounds until so much of
the domain is open, from the paths to {found["points"]} random points (`{found["command"]}`,
{place_of(found["machine"])}):

{markdown(columns, lines)}

Proved, with certificates that were checked (`benchmarks/preserve_band.py`); measured are the share of the domain
outside the band, and the share outside it where the weights alone leave a change possible:

{markdown(BAND, band_rows(results))}
"""


def band_rows(results: Path) -> list[list[str]]:
    """Of each network and gap that was measured."""
    names = "classic-auto", "classic-structural"
    return [
        [
            f"N({row['network']}) by {name.removeprefix('classic-')}",
            row["gap"],
            f"{int(row['boxes']):,}",
            percent(float(row["may_differ"])),
            percent(float(row["clear"])),
            percent(float(row["possible"])),
        ]
        for name in names
        for row in read(results / f"preserve-band-{name}.csv") or []
    ]


def boxes(number: int | None) -> str:
    return f"{number:.1e}" if number else "more than 2^45"
