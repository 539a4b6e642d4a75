"""Worker processes that may die: the task of one that died is reported, and another takes its place."""

import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection, wait
from typing import Protocol, Self

from engine.errors import EngineError

MAX_MESSAGES = 64  # taken from a worker at once: they may be large
END_SECONDS = 1.0  # that a process whose connection ended may take to end too

Send = Callable[[object], None]


@dataclass(frozen=True, slots=True)
class WorkerTask:
    """A call function(*arguments, send) in a worker; what it passes to `send` are messages. `about` stays here.

    `function` is module:name, so that what it needs is loaded in the worker alone.
    """

    function: str
    arguments: tuple[object, ...]
    about: object = None


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a task.

    `kind` is message: it sent `value`; done: it ended; or failed: it ended by an error, or with the process, as
    `value` says.
    """

    kind: str
    task: WorkerTask
    value: object = None


class Pool(Protocol):
    """Workers that do tasks: Workers of this machine, or a Cluster."""

    @property
    def count(self) -> int:
        """The number of tasks that can run at once."""

    def submit(self, task: WorkerTask) -> None:
        """Begins the task, at once or when there is a worker for it."""

    def room(self) -> int:
        """The number of tasks that could be begun at once."""

    def tasks(self) -> int:
        """The number of tasks that have not ended."""

    def handles(self) -> list[Connection]:
        """The connections that `multiprocessing.connection.wait` can wait for."""

    def events(self) -> list[Event]:
        """The events until now, or some of them; it does not wait."""

    def close(self) -> None:
        """Ends all that runs, at once."""


class Gone(BaseException):
    """Nobody reads what a worker sends. It is no error of the task, so the task must not handle it."""


class _Worker:
    """A process with one task at most."""

    def __init__(self, environment: dict[str, str]):
        context = get_context("spawn")  # a fork would copy threads' locks
        self.connection, there = context.Pipe()
        self.process = context.Process(target=_serve, args=(there, environment), daemon=True)
        with _without_interrupts():
            self.process.start()
        there.close()
        self.task: WorkerTask | None = None

    def give(self, task: WorkerTask) -> None:
        self.task = task
        try:
            self.connection.send((task.function, task.arguments))
        except OSError:  # it has died, which `events` will see
            pass

    def end(self) -> None:
        """Ends the process at once."""
        self.process.kill()
        self.process.join()
        self.connection.close()


class Workers:
    """`count` processes, started when there is work; tasks beyond that wait. A context manager."""

    def __init__(self, count: int, environment: dict[str, str] | None = None):
        """environment: variables that the processes set before they import anything heavy."""
        self._count, self._environment = count, environment or {}
        self._workers: list[_Worker] = []
        self._waiting: deque[WorkerTask] = deque()

    @property
    def count(self) -> int:
        return self._count

    def shrink(self, count: int) -> None:
        """Ends all but so many of the processes, which must be idle."""
        self._count = count
        for worker in self._workers[count:]:
            worker.end()
        del self._workers[count:]

    def submit(self, task: WorkerTask) -> None:
        self._waiting.append(task)
        self._assign()

    def room(self) -> int:
        """The number of tasks that could be begun at once."""
        return self._count - self.tasks()

    def tasks(self) -> int:
        """The number of tasks that have not ended."""
        return len(self._waiting) + sum(worker.task is not None for worker in self._workers)

    def handles(self) -> list[Connection]:
        """The connections that `multiprocessing.connection.wait` can wait for."""
        return [worker.connection for worker in self._workers if worker.task]

    def events(self) -> list[Event]:
        """The events until now, or some of them; it does not wait."""
        found: list[Event] = []
        for worker in list(self._workers):
            most = len(found) + MAX_MESSAGES
            while worker.task and len(found) < most and worker.connection.poll():
                found.append(self._receive(worker, worker.task))
        self._assign()
        return found

    def close(self) -> None:
        """Ends all processes at once."""
        self._waiting.clear()
        for worker in self._workers:
            worker.end()
        self._workers.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _receive(self, worker: _Worker, task: WorkerTask) -> Event:
        try:
            kind, value = worker.connection.recv()
        except Exception:  # cut off: a message may have been begun
            kind, value = "failed", self._bury(worker)
        if kind != "message":
            worker.task = None
        return Event(kind, task, value)

    def _bury(self, worker: _Worker) -> str:
        """Says how the process ended. One that goes on is ended here, which is not taken for its own end."""
        worker.process.join(END_SECONDS)
        code = worker.process.exitcode
        worker.process.kill()
        worker.process.join()
        worker.connection.close()
        self._workers.remove(worker)
        if code is None:
            return "what the worker process sent could not be read; it was ended"
        how = f"by signal {-code}" if code < 0 else f"with exit code {code}"
        hint = ", as it is where memory is short" if code == -signal.SIGKILL else ""
        return f"the worker process was ended {how}{hint}"

    def _assign(self) -> None:
        while self._waiting:
            idle = next((worker for worker in self._workers if worker.task is None), None)
            if idle is None:
                if len(self._workers) == self._count:
                    return
                idle = _Worker(self._environment)
                self._workers.append(idle)
            idle.give(self._waiting.popleft())


def wait_for(pools: Sequence[Pool], seconds: float) -> None:
    """Waits until something happens in one of the pools, but not longer."""
    wait([handle for pool in pools for handle in pool.handles()], seconds)


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """Processes started within get no Ctrl-C, from their first moment on.

    It reaches all processes of a terminal, and one of them answers it.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def function_of(task_function: str) -> Callable[..., None]:
    """The function that a WorkerTask names."""
    module, name = task_function.split(":")
    function: Callable[..., None] = getattr(import_module(module), name)
    return function


# In the process


def _serve(connection: Connection, environment: dict[str, str]) -> None:
    """Does one task after the other, until the parent process is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ.update(environment)
    threading.Thread(target=_end_with_parent, daemon=True).start()

    def say(kind: str, value: object = None) -> None:
        try:
            connection.send((kind, value))
        except OSError:
            raise Gone from None

    try:
        while True:
            function, arguments = connection.recv()
            try:
                function_of(function)(*arguments, lambda value: say("message", value))
                say("done")
            except Exception as error:
                say("failed", _reason(error))
    except (Gone, EOFError, OSError):
        return


def _reason(error: Exception) -> str:
    if isinstance(error, MemoryError):
        return "out of memory"
    return str(error) if isinstance(error, EngineError) else f"{type(error).__name__}: {error}"


def _end_with_parent() -> None:
    """Ends this process when its parent does, even where that had no time to close the connection."""
    parent = parent_process()
    assert parent is not None  # this runs in processes that Workers started
    parent.join()
    os._exit(1)
