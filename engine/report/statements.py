"""The page of a statement about two networks that was proved or refuted (`acasxu compare --report`)."""

from collections.abc import Mapping
from fractions import Fraction

import jinja2

from engine.digits import decimal
from engine.foreign import markdown, plain


def statement_page(content: Mapping[str, object], *, suffix: str) -> str:
    """The page, HTML (suffix .html) or Markdown (.md), of what `acasxu compare --json` prints.

    That is an answer, or the two of `--largest` with the steps that led to them.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("engine.report"),
        autoescape=suffix == ".html",
        finalize=plain if suffix == ".html" else markdown,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["short"] = _short
    answers = [content] if "statement" in content else [content[end] for end in ("proved", "refuted") if content[end]]
    return environment.get_template(f"statement{suffix}.j2").render(
        answers=answers, narrowed=content if "steps" in content else None
    )


def _short(value: str | float) -> str:
    """A number, given exactly as n/d or as executed, to six digits."""
    if isinstance(value, float):
        return f"{value:.6g}"
    numerator, _, denominator = value.partition("/")
    return decimal(Fraction(int(numerator, 0), int(denominator or "1", 0)), digits=6)
