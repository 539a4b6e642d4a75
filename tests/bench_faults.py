"""What workers do in the tests of their deaths; they import it by its name."""

import os
import signal
import time

from engine.bench.chunk import Answer
from engine.results.row import Row


def decide(chunk, options, send) -> None:
    """Instead of engine.bench.decide: networks say by their names what becomes of the worker."""
    for instance in chunk.instances:
        if instance.names[0].startswith("kill"):
            os.kill(os.getpid(), signal.SIGKILL)
        if instance.names[0].startswith("exit"):
            os._exit(7)
        if instance.names[0].startswith("raise"):
            raise RuntimeError("something\nwith lines")
        if instance.names[0].startswith("once") and not (mark := instance.network.with_suffix(".mark")).exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if instance.names[0].startswith("slow"):
            time.sleep(0.2)
        send(Answer(Row(*instance.names, "unsat", "real", 0.0, 1, "cpu")))


def echo(value, send) -> None:
    send(value)
    send((os.getpid(), os.environ.get("OMP_NUM_THREADS")))


class Unreadable:
    """Can be sent, and not be received."""

    def __reduce__(self):
        return int, ("no number",)


def unreadable(send) -> None:
    send(Unreadable())
    time.sleep(60)


def check(claim, send) -> None:
    """Instead of engine.bench.checks: the network says by its name."""
    name = claim.row.network
    if name.startswith("die"):
        os.kill(os.getpid(), signal.SIGKILL)
    send(("rejected", 0.5, "rejected: a reason") if name.startswith("bad") else ("accepted", 0.5, ""))
