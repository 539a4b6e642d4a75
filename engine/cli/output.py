"""Exit codes and output: answers go to stdout, the rest to stderr."""

import os
import sys
from io import StringIO
from typing import TYPE_CHECKING, Any, TextIO

from engine.foreign import plain

if TYPE_CHECKING:
    from rich.text import Text

HOLDS, DONE = 0, 0
VIOLATED, MISMATCH = 1, 1
BAD_INPUT = 2
UNDECIDED = 3
INTERNAL_ERROR = 70
INTERRUPTED = 130
BROKEN_PIPE = 141

WIDTH = 100  # columns where no terminal says how many


def answer(text: str) -> None:
    """Lines to stdout, at once: a pipe that is closed or full fails here and not when Python ends.

    No escape sequence gets through. Ends of lines do: foreign text that is part of a line must be `plain`.
    """
    _print("\n".join(plain(line, longest=sys.maxsize) for line in text.rstrip("\n").split("\n")), sys.stdout)


def note(text: str) -> None:
    """Lines to stderr."""
    _print("\n".join(map(plain, text.split("\n"))), sys.stderr)


def complain(text: str) -> None:
    """One line to stderr, which may be gone too."""
    try:
        note(f"acasxu: {' '.join(text.split())}")
    except OSError:
        pass


def _print(text: str, stream: TextIO | None) -> None:
    """Prints the text; characters that the stream's encoding lacks are escaped, too."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    print(text.encode(encoding, "backslashreplace").decode(encoding), file=stream, flush=True)


def show(*renderables: object) -> None:
    """Tables and other things of rich, to stdout; plain text where that is no terminal.

    Not printed by rich itself, which ends with exit code 1 when a pipe closes. Escape sequences are rich's own: those
    of foreign text are written out.
    """
    from rich.console import Console

    class Plain(Console):
        """Shows strings as they are: no markup, no escape sequences, no ends of lines in a cell."""

        def render_str(self, text: str, **options: Any) -> "Text":
            return super().render_str(plain(text), **options | {"markup": False})

    terminal = sys.stdout is not None and sys.stdout.isatty()
    width = None if terminal else WIDTH
    text = StringIO()
    console = Plain(file=text, width=width, force_terminal=terminal, highlight=False, emoji=False)
    for renderable in renderables:
        console.print(renderable)
    lines = text.getvalue().splitlines()
    _print("\n".join(line.rstrip() for line in lines), sys.stdout)


def drop_stdout() -> None:
    """Discards what is still buffered, so that Python does not fail again when it ends."""
    try:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)
    except (AttributeError, OSError, ValueError):  # no stdout, or one that is no file
        pass
