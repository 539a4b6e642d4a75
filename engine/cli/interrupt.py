"""Handles Ctrl-C, at any moment of a command."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Interrupt(KeyboardInterrupt):
    """Ctrl-C.

    A class of its own because Python, once a plain KeyboardInterrupt has left an `exec`, as it may
    while modules are imported, kills the process at its end, even where the exception was handled.
    """


class Interrupts:
    """A handler of Ctrl-C. `any`: it was pressed; C code may turn the exception into another one."""

    def __init__(self) -> None:
        self.any = False

    def __call__(self, *_: object) -> None:
        self.any = True
        raise Interrupt


@contextmanager
def interrupts() -> Iterator[Interrupts]:
    """Raises Interrupt at Ctrl-C, and afterwards ends at once, without a trace, at another one."""
    found = Interrupts()
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or before is not signal.default_int_handler:
        yield found  # somebody else has decided what Ctrl-C does
        return
    signal.signal(signal.SIGINT, found)
    try:
        yield found
    finally:
        signal.signal(signal.SIGINT, signal.SIG_DFL if found.any else before)
