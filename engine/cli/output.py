"""Exit codes, and what is written where: answers to stdout, the rest to stderr."""

import os
import sys
from io import StringIO

HOLDS, DONE = 0, 0
VIOLATED, MISMATCH = 1, 1
BAD_INPUT = 2
UNDECIDED = 3
INTERNAL_ERROR = 70
INTERRUPTED = 130
BROKEN_PIPE = 141

WIDTH = 100  # columns where no terminal says how many


def answer(text: str) -> None:
    """To stdout, at once: a pipe that is closed or full fails here and not when Python ends."""
    print(text.rstrip("\n"), flush=True)


def note(text: str) -> None:
    """To stderr."""
    print(text, file=sys.stderr, flush=True)


def complain(text: str) -> None:
    """One line to stderr, which may be gone too."""
    try:
        note(f"acasxu: {' '.join(text.split())}")
    except OSError:
        pass


def show(*renderables: object) -> None:
    """Tables and other things of rich, to stdout; plain text where that is no terminal.

    Not printed by rich itself, which ends with exit code 1 when a pipe closes.
    """
    from rich.console import Console

    terminal = sys.stdout is not None and sys.stdout.isatty()
    width = None if terminal else WIDTH
    console = Console(file=StringIO(), width=width, force_terminal=terminal, highlight=False, emoji=False)
    for renderable in renderables:
        console.print(renderable)
    lines = console.file.getvalue().splitlines()
    answer("\n".join(line.rstrip() for line in lines))


def drop_stdout() -> None:
    """Sends what is still buffered nowhere, so that Python does not fail again when it ends."""
    try:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)
    except (AttributeError, OSError, ValueError):  # no stdout, or one that is no file
        pass
