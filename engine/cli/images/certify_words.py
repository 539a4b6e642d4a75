"""The outcome of `acasxu images certify` in words."""

from collections import Counter
from fractions import Fraction
from math import ceil, floor
from typing import TYPE_CHECKING

from engine.images.certify.ledger import OPEN, PROVED, REFUTED, TARGET, WRONG
from engine.images.certify.mixture import UNCLIPPED
from engine.images.certify.mixture_questions import MixtureQuestions
from engine.images.certify.record import CertifyRecord

if TYPE_CHECKING:
    from rich.table import Table

SHOWN = 10  # positions in the table, and reasons in a line, at most


def lines(record: CertifyRecord) -> list[str]:
    """What was asked, how many images are of each state, and the bound."""
    q, n = record.questions, record.counts
    claim = "each gets its label" if q.target is None else f"none gets class {q.target}"
    found = [
        f"{q.network.name}, {len(record.states):,} images of {record.data}: {q.text}: {claim}",
        f"proved   {n[PROVED]:,}",
        f"refuted  {n[REFUTED]:,}{_confirmed(record)}",
        f"open     {n[OPEN]:,}" + _reasons(record),
    ]
    if q.target is None:
        found.append(f"wrong    {n[WRONG]:,}, as they are")
    else:
        found.append(f"wrong    {n[WRONG]:,}, which get {q.target} as they are, and need no trigger")
        found.append(f"apart    {n[TARGET]:,}, labelled {q.target}: they do not count")
    if record.misclassified:
        found.append(f"Of those that count, {record.misclassified:,} have another wrong class as they are.")
    if isinstance(q, MixtureQuestions):
        found.append(UNCLIPPED)
    taken = sum(finding.taken_over for finding in record.ledger.findings.values())
    if taken:
        found.append(
            f"{taken:,} of the proofs are those of an earlier run, which kept none (--certificates keeps them)."
        )
    return [*found, *_bound(record), f"({record.seconds:.1f} s)"]


def _bound(record: CertifyRecord) -> list[str]:
    n, of = record.counts, f"{record.counted:,} images"
    known, more = n[REFUTED] + n[WRONG], record.counted - n[PROVED]
    if record.questions.target is None:
        accuracy = f"Certified accuracy: {n[PROVED]:,} of {of}, {percent(1 - record.bound)}"
        return [f"{accuracy}, and at most {percent(1 - record.floor, up=True)}." if n[OPEN] else f"{accuracy}."]
    found = [
        f"No trigger of this family succeeds on more than {percent(record.bound, up=True)} of {of} "
        f"({more:,}); with one chosen for each image, {known:,} are known to give way."
    ]
    rest = record.counted - n[WRONG]
    if n[WRONG] and rest:
        most = n[REFUTED] + n[OPEN]
        share = percent(Fraction(most, rest), up=True)
        found.append(f"Of the {rest:,} that need a trigger, on no more than {share} ({most:,}).")
    return found


def percent(share: Fraction, *, up: bool = False) -> str:
    """With two digits behind the point, rounded up or down, as what is claimed allows."""
    return f"{(ceil if up else floor)(share * 10**4) / 100:.2f}%"


def _confirmed(record: CertifyRecord) -> str:
    """How the triggers were confirmed: in onnxruntime, but for those that are no floating-point numbers."""
    found = [finding.replayed for finding in record.ledger.findings.values() if finding.word == REFUTED]
    if not found:
        return ""
    exact = found.count(False)
    return ", each by a trigger that onnxruntime confirms" + (
        f", but {exact:,} in exact arithmetic alone" if exact else ""
    )


def _reasons(record: CertifyRecord) -> str:
    """Why images are open, in brackets; empty where none is."""
    open_images = {image for image, state in enumerate(record.states) if state == OPEN}
    reasons = Counter(
        finding.reason.split(" (")[0].split(" after ")[0]
        for (image, _), finding in record.ledger.findings.items()
        if finding.word == OPEN and image in open_images
    )
    said = ", ".join(f"{reason}: {count:,}" for reason, count in reasons.most_common(SHOWN))
    return f" ({said})" if said else ""


def positions_table(record: CertifyRecord) -> "Table | None":
    """The positions at which most images are refuted or open; None where there is one only."""
    positions = record.questions.patch.positions
    if len(positions) == 1:
        return None
    from rich.table import Table

    by = record.by_position()
    worst = sorted(range(len(positions)), key=lambda j: (-by[j][REFUTED], -by[j][OPEN]))[:SHOWN]
    table = Table("row, column", "proved", "refuted", "open", "not asked", box=None)
    for column in table.columns[1:]:
        column.justify = "right"
    asked = record.counted - record.counts[WRONG]
    for j in worst:
        numbers = [by[j][PROVED], by[j][REFUTED], by[j][OPEN], asked - by[j].total()]
        table.add_row("{}, {}".format(*positions[j]), *(f"{number:,}" for number in numbers))
    return table
