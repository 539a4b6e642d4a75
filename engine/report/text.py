"""Numbers as people read them; "" for what is not known."""


def count(value: int | None) -> str:
    return "" if value is None else f"{value:,}"


def seconds(value: float | None) -> str:
    """With three significant digits, to the millisecond."""
    if value is None:
        return ""
    digits = 3 if value < 1 else 2 if value < 10 else 1 if value < 100 else 0
    return f"{value:,.{digits}f}"


def size(value: int | None) -> str:
    """In bytes, KB or MB of 1,000."""
    if value is None:
        return ""
    if value < 10_000:
        return f"{value:,} B"
    return f"{value / 1e3:,.1f} KB" if value < 1e6 else f"{value / 1e6:,.2f} MB"


def share(value: float | None) -> str:
    """In percent with six digits; never 100% of what is less."""
    return "" if value is None else f"{min(value, 0.99999999) if value < 1 else value:.6%}"


def figure(value: float | None) -> str:
    """With three significant digits."""
    return "" if value is None else f"{value:.3g}"
