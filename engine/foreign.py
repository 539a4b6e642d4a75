"""Text that others wrote, made fit to be shown: file names, names in files, messages of servers and other processes."""

import re

MAX_CHARACTERS = 2_000  # characters of a line

#: What Markdown takes for markup within a line: its own characters, tags and entities.
_MARKUP = re.compile(r"[\\`*\[\]|~$#]|(?<![^\W_])_|_(?![^\W_])|<(?=[a-zA-Z/!?])|&(?=[\w#])")


def plain(text: object, *, longest: int = MAX_CHARACTERS) -> str:
    """str(text) as one line that hides and forges nothing; its middle is left out where it is longer than `longest`.

    Characters that are not printable are written as Python escapes them: ends of lines, escape sequences, marks that
    turn the direction of text, halves of surrogate pairs.
    """
    text = str(text)
    if len(text) > longest:
        text = f"{text[: longest // 2]}...{text[-(longest // 2) :]}"
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def markdown(text: object) -> str:
    """plain(text) for Markdown: nothing in it is markup, where something else begins the line."""
    return _MARKUP.sub(r"\\\g<0>", plain(text))
