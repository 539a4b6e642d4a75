"""The ten properties as VNN-LIB files. `python -m engine.acasxu.specs` rewrites `specs/` from the table."""

import textwrap
from collections.abc import Iterable, Iterator
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

from engine.acasxu.properties import PROPERTIES, Comparison, Interval, Specification, specification
from engine.acasxu.quantities import ADVISORIES, INPUTS, Input, normalize_score


def render(number: int) -> str:
    """The VNN-LIB text of property `number`; its inputs are normalized and rounded to 9 decimals."""
    spec = specification(number)
    parts = _header(spec), _declarations(), _inputs(spec), _outputs(spec)
    return "\n\n".join("\n".join(part) for part in parts) + "\n"


def write(folder: Path) -> list[Path]:
    """Writes all ten files into `folder` and returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{spec.name}.vnnlib" for spec in PROPERTIES]
    for path, spec in zip(paths, PROPERTIES):
        path.write_text(render(spec.number), encoding="ascii", newline="\n")
    return paths


def _header(spec: Specification) -> Iterator[str]:
    yield from _comment(f"ACAS Xu property {spec.number}: {spec.words}")
    yield from _comment(f"Meant for {spec.meant_for_words}. Satisfiable when the property is violated.")
    # it names the modules as they were called when the files were published: certificates go by the files' hashes
    yield from _comment("Written by engine/specs.py from the table in engine/acasxu.py: edit that, not this.")


def _comment(text: str) -> list[str]:
    return textwrap.wrap(text, 100, initial_indent="; ", subsequent_indent=";   ")


def _declarations() -> Iterator[str]:
    for i, quantity in enumerate(INPUTS):
        yield from _comment(f"X_{i}: {quantity.symbol} ({quantity.unit}), {quantity.words}")
        yield f"(declare-const X_{i} Real)"
    yield from _comment(f"Y_0 .. Y_4: scores of {', '.join(ADVISORIES)}")
    yield from (f"(declare-const Y_{i} Real)" for i in range(len(ADVISORIES)))


def _inputs(spec: Specification) -> Iterator[str]:
    """Plain asserts for one box, a disjunction of conjunctions for more: all that most readers accept."""
    normalized = spec.normalized_boxes
    if len(spec.boxes) == 1:
        for i, (quantity, raw, ends) in enumerate(zip(INPUTS, spec.boxes[0], normalized[0])):
            yield from _comment(_interval(quantity, raw))
            yield from (f"(assert {atom})" for atom in _bounds(i, ends))
        return
    for raw_box in spec.boxes:
        yield from _comment(", ".join(map(_interval, INPUTS, raw_box)))
    boxes = ((" ".join(_bounds(i, ends)) for i, ends in enumerate(box)) for box in normalized)
    yield from _disjunction(boxes, separator="\n       ")


def _outputs(spec: Specification) -> Iterator[str]:
    yield from _comment(f"unsafe: {spec.unsafe_words}")
    conjunctions = [map(_atom, conjunction) for conjunction in spec.unsafe]
    if len(conjunctions) == 1:
        yield from (f"(assert {atom})" for atom in conjunctions[0])
    else:
        yield from _disjunction(conjunctions)


def _disjunction(conjunctions: Iterable[Iterable[str]], *, separator: str = " ") -> Iterator[str]:
    yield "(assert (or"
    yield from (f"  (and {separator.join(atoms)})" for atoms in conjunctions)
    yield "))"


def _interval(quantity: Input, interval: Interval) -> str:
    low, high = interval
    return f"{quantity.symbol} {low} .. {high} {quantity.unit}"


def _bounds(i: int, ends: tuple[Fraction, Fraction]) -> tuple[str, str]:
    low, high = ends
    return f"(>= X_{i} {_decimal(low)})", f"(<= X_{i} {_decimal(high)})"


def _atom(comparison: Comparison) -> str:
    if isinstance(comparison.low, Decimal):
        # The published threshold has 15 decimals.
        return f"(>= Y_{comparison.high} {_decimal(round(normalize_score(Fraction(comparison.low)), 15))})"
    return f"(<= Y_{comparison.low} Y_{comparison.high})"


def _decimal(value: Fraction) -> str:
    """Exactly `value`, which has a short decimal expansion, with at least one decimal."""
    text = format((Decimal(value.numerator) / Decimal(value.denominator)).normalize(), "f")
    assert Fraction(text) == value
    return text if "." in text else f"{text}.0"


if __name__ == "__main__":
    write(Path(__file__).resolve().parents[2] / "specs")
