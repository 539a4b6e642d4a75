"""The progress bar of long commands: on stderr while that is a terminal, nothing otherwise."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def share_bar(title: str) -> Iterator[Callable[[float, str], None]]:
    """A function of the share done, 0 to 1, and of what to say beside it."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task(title, total=1.0)

        def say(share: float, text: str) -> None:
            bar.update(task, completed=share, description=f"{title}{text and ', '}{text}")

        yield say
