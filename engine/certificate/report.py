"""Writes the audit report: the claims, their files and units, and how they were checked."""

import platform
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from functools import partial
from hashlib import sha256
from pathlib import Path

import jinja2
import numpy
import onnx

import engine.audit
from engine.acasxu.identity import Identity, identify_bytes, known_networks
from engine.acasxu.quantities import ADVISORIES, INPUTS
from engine.audit.comparison.structure import Structure
from engine.audit.data import Case, Certificate, Row
from engine.certificate.batch import Outcome
from engine.digits import decimal, rational
from engine.errors import InputError
from engine.foreign import markdown, plain
from engine.onnx_file import read_bytes
from engine.vnnlib import load_query

MAX_POLYTOPES, MAX_INPUTS = 100, 10_000  # listed: of a case, and of all cases of a certificate


@dataclass(frozen=True, slots=True)
class Interval:
    """One input of a claim's box: its name, its ends, and in physical units where these are known."""

    name: str
    lower: str
    upper: str
    physical: str


@dataclass(frozen=True, slots=True)
class Names:
    """What inputs and outputs are called in a query; x0, y0, and so on where there is none."""

    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()

    def input(self, i: int) -> str:
        return self.inputs[i] if i < len(self.inputs) else f"x{i}"

    def output(self, j: int) -> str:
        return self.outputs[j] if j < len(self.outputs) else f"y{j}"


@dataclass(frozen=True, slots=True)
class Claim:
    """A case in words. unsafe: the polytopes, each by its inequalities; more: how many others are not listed."""

    inputs: list[Interval]
    unsafe: list[str]
    more: int


def report_text(outcomes: list[Outcome], *, suffix: str) -> str:
    """Returns the report as an HTML page (suffix .html) or as Markdown (.md)."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("engine.certificate"),
        autoescape=suffix == ".html",
        finalize=plain if suffix == ".html" else markdown,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["decimal"] = decimal
    counts = {
        word: sum(outcome.word == word for outcome in outcomes)
        for word in ("accepted", "sampled", "rejected", "unreadable")
    }
    found = [(outcome, _identity(outcome)) for outcome in outcomes]
    return environment.get_template(f"report{suffix}.j2").render(
        outcomes=[(outcome, identity and identity.label, _claims(outcome, identity)) for outcome, identity in found],
        counts=counts,
        advisories=ADVISORIES if any(identity for _, identity in found) else (),
        checker=_checker(),
        date=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    )


def _checker() -> dict[str, str]:
    """Returns what the verdicts rest on, with one SHA-256 over the checker's own sources in order of their names."""
    folder = Path(engine.audit.__file__).parent
    sources = sorted(folder.rglob("*.py"), key=lambda path: path.relative_to(folder).as_posix())
    return {
        "engine.audit": f"version {engine.__version__}, SHA-256 of its sources "
        + sha256(b"".join(path.read_bytes() for path in sources)).hexdigest(),
        "Python": platform.python_version(),
        "numpy": numpy.__version__,
        "onnx": onnx.__version__,
        "machine": f"{platform.machine()}, {sys.platform}",
    }


def _identity(outcome: Outcome) -> Identity | None:
    """Returns which known network the certificate is about, by its hash or by that file's own metadata."""
    if outcome.result is None or outcome.result.certificate is None:
        return None
    claimed = outcome.result.certificate.network_sha256
    known = known_networks().get(claimed)
    if known or outcome.network is None:
        return known
    try:
        data = read_bytes(outcome.network)
    except InputError:
        return None
    return identify_bytes(data) if sha256(data).hexdigest() == claimed else None


def _claims(outcome: Outcome, identity: Identity | None) -> list[Claim]:
    certificate = outcome.result.certificate if outcome.result else None
    if certificate is None or isinstance(certificate, Structure):  # that one is about every input
        return []
    cases, names = certificate.cases, _names(outcome)
    some = cases[: max(1, MAX_INPUTS // len(cases[0].lower))]
    return [_claim(case, names, known=identity is not None) for case in some]


def _names(outcome: Outcome) -> Names:
    """Returns what inputs and outputs are called: x0, y0, and so on, or as the query writes them."""
    certificate = outcome.result and outcome.result.certificate
    if isinstance(certificate, Certificate) and certificate.version > 1 and outcome.property:
        try:
            query = load_query(outcome.property)
        except InputError:
            return Names()
        if query.property.sha256 == certificate.property_sha256:
            return Names(query.input_names, query.output_names)
    return Names()


def _claim(case: Case, names: Names, *, known: bool) -> Claim:
    known = known and len(case.lower) == len(INPUTS)
    inputs = []
    for i, (lower, upper) in enumerate(zip(case.lower, case.upper)):
        physical, name = "", names.input(i)
        if known:
            unit = INPUTS[i]
            name = f"{name} ({unit.symbol})"
            ends = (decimal(unit.raw(end), digits=6) for end in (lower, upper))
            physical = f"{' to '.join(ends)} {unit.unit}"
        inputs.append(Interval(name, decimal(lower), decimal(upper), physical))
    said = partial(_inequality, names)
    unsafe = [" and ".join(map(said, polytope)) or "no condition" for polytope in case.unsafe[:MAX_POLYTOPES]]
    return Claim(inputs, unsafe, max(0, len(case.unsafe) - MAX_POLYTOPES))


def _inequality(names: Names, row: Row) -> str:
    terms = [(c, names.input(i)) for i, c in row.inputs.items()]
    terms += [(c, names.output(j)) for j, c in row.outputs.items()]
    left = " + ".join(_term(c, name) for c, name in terms if c > 0) or "0"
    right = " + ".join(_term(-c, name) for c, name in terms if c < 0)
    constant = -row.constant
    if constant or not right:
        right = f"{right} {'-' if constant < 0 else '+'} {rational(abs(constant))}" if right else rational(constant)
    return f"{left} {'<' if row.strict else '<='} {right}"


def _term(coefficient: Fraction, name: str) -> str:
    return name if coefficient == 1 else f"{rational(coefficient)} {name}"
