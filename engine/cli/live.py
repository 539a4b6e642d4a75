"""The progress line: on stderr while it is a terminal, nothing otherwise."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.search.problem import Progress


@contextmanager
def live_line(first: str) -> Iterator[Callable[[str], None] | None]:
    """A function that replaces the line's text, or None where stderr is no terminal. The line is gone at the end."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console

    with Console(stderr=True).status(first) as status:
        yield status.update


def search_text(progress: "Progress") -> str:
    """The progress of a search in words."""
    rate = progress.boxes / max(progress.seconds, 1e-9)
    return (
        f"{progress.boxes:,} boxes done, {progress.open:,} open, {rate:,.0f} a second, "
        f"{progress.proved:.2%} of the volume proved, {progress.seconds:.0f} s"
    )
