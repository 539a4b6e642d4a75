"""The words of results.csv, and what they mean to people."""

#: Verdicts: what each means.
WORDS = {"unsat": "holds", "sat": "violated", "unknown": "unknown", "timeout": "out of time", "error": "error"}
VERDICTS = tuple(WORDS)
DECISIONS = ("unsat", "sat")
#: What the independent checker says of a certificate; nothing where it was not asked, or could not read it.
CHECKS = ("", "accepted", "rejected")
#: How the last session came by a row: it decided it; it was decided earlier, and its evidence was gone through again;
#: it was decided earlier, and nobody has looked since.
DECIDED, CONFIRMED, TAKEN_OVER = ORIGINS = ("decided", "confirmed", "taken over")


def with_origin(text: str, origin: str) -> str:
    """The text of a result, marked where the last session does not vouch for it."""
    return f"{text} ({origin})" if origin == TAKEN_OVER else text


def one_line(text: str) -> str:
    """The text in one printable line of at most 500 characters."""
    line = "".join(c if c.isprintable() else "?" for c in " ".join(text.split()))
    return line if len(line) <= 500 else line[:497] + "..."
