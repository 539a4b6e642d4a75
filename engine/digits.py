"""Short texts of exact numbers. Every number has one, also those beyond the range of floating point."""

from decimal import Context, Decimal
from fractions import Fraction
from math import ceil, floor


def rational(value: Fraction) -> str:
    """The number, exactly where that fits into 20 characters, else rounded, and marked so."""
    short = max(value.numerator.bit_length(), value.denominator.bit_length()) <= 64
    text = str(value) if short else ""  # Python refuses to write thousands of digits
    return text if 0 < len(text) < 20 else f"{decimal(value)} (rounded)"


def decimal(value: Fraction, *, digits: int | None = None) -> str:
    """The nearest floating-point number, with at most `digits` digits; beyond their range a decimal of six digits."""
    try:
        number = float(value)
    except OverflowError:
        number = 0.0
    if number or not value:
        return f"{number:.{digits}g}" if digits else repr(number)
    return f"{(Decimal(value.numerator) / Decimal(value.denominator)).normalize(Context(prec=6)):.6g}"


def percent(share: Fraction, *, up: bool) -> str:
    """A share from 0 to 1 in percent with six digits behind the point, rounded up or down."""
    millionths = min(max(share, Fraction(0)), Fraction(1)) * 10**8
    number = ceil(millionths) if up else floor(millionths)
    return f"{number // 10**6}.{number % 10**6:06d}".rstrip("0").rstrip(".") + "%"
