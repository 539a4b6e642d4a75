"""The checker's two ways to fail, and how both are said: in one plain line.

A file that cannot be read is Malformed; a certificate that does not prove its claim is Rejected.
The opening of docs/certificate-format.md says which is which.
"""

LONGEST = 2_000  # characters of a line


class _OneLine(Exception):
    """An error whose str() is one plain line, whatever names and numbers of files are in it."""

    def __str__(self) -> str:
        return plain(super().__str__())


class Malformed(_OneLine):
    """A file cannot be read as what it should be: one line that says which, where and why."""


class Rejected(_OneLine):
    """All files are well formed, but the certificate does not prove its claim: one line why."""


def need(holds: object, what: str) -> None:
    """Raises Malformed(what), unless it holds."""
    if not holds:
        raise Malformed(what)


def demand(holds: object, what: str) -> None:
    """Raises Rejected(what), unless it holds."""
    if not holds:
        raise Rejected(what)


def plain(text: str) -> str:
    """The text as one line that forges nothing: as Python escapes it; of a long one both ends."""
    if len(text) > LONGEST:
        text = f"{text[: LONGEST // 2]}...{text[-(LONGEST // 2) :]}"
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
