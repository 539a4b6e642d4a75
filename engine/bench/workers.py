"""Worker processes that may die: what they were at is told, and another takes the place."""

import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection, wait

from engine.errors import EngineError

MESSAGES = 64  # taken from a worker at once: they may be large
ENDING = 1.0  # seconds that a process whose connection ended may take to end too


@dataclass(frozen=True, slots=True)
class Task:
    """function(*arguments, send) is called in a worker; what it passes to `send` are messages. `about` stays here.

    function: module:name, so that what it needs is loaded in the worker alone.
    """

    function: str
    arguments: tuple
    about: object = None


@dataclass(frozen=True, slots=True)
class Event:
    """message: one of a task's; done: its end; failed: its end by an error, or with the process, as `value` says."""

    kind: str
    task: Task
    value: object = None


class Gone(BaseException):
    """Nobody reads what a worker sends: no error of its task, so not to be handled by it."""


class _Worker:
    """A process with one task at most."""

    def __init__(self, environment: dict[str, str]):
        context = get_context("spawn")  # a fork would copy threads' locks
        self.connection, there = context.Pipe()
        self.process = context.Process(target=_serve, args=(there, environment), daemon=True)
        with _deaf_to_interrupts():
            self.process.start()
        there.close()
        self.task: Task | None = None

    def give(self, task: Task) -> None:
        self.task = task
        try:
            self.connection.send((task.function, task.arguments))
        except OSError:  # it has died, which is met where it is listened to
            pass


class Workers:
    """`count` processes, started when there is work; tasks beyond that wait. A context manager."""

    def __init__(self, count: int, environment: dict[str, str] | None = None):
        """environment: variables that the processes set before they import anything heavy."""
        self._count, self._environment = count, environment or {}
        self._workers: list[_Worker] = []
        self._waiting: deque[Task] = deque()

    @property
    def count(self) -> int:
        return self._count

    def submit(self, task: Task) -> None:
        self._waiting.append(task)
        self._assign()

    def room(self) -> int:
        """How many tasks could be begun at once."""
        return self._count - self.tasks()

    def tasks(self) -> int:
        """How many are not at their end."""
        return len(self._waiting) + sum(worker.task is not None for worker in self._workers)

    def handles(self) -> list:
        """What `multiprocessing.connection.wait` can wait for."""
        return [worker.connection for worker in self._workers if worker.task]

    def events(self) -> list[Event]:
        """What has happened until now, or some of it; it does not wait."""
        found = []
        for worker in list(self._workers):
            most = len(found) + MESSAGES
            while worker.task and len(found) < most and worker.connection.poll():
                found.append(self._receive(worker))
        self._assign()
        return found

    def close(self) -> None:
        """Ends all processes at once."""
        self._waiting.clear()
        for worker in self._workers:
            worker.process.kill()
            worker.process.join()
            worker.connection.close()
        self._workers.clear()

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, *exception) -> None:
        self.close()

    def _receive(self, worker: _Worker) -> Event:
        task = worker.task
        try:
            kind, value = worker.connection.recv()
        except Exception:  # cut off: a message may have been begun
            kind, value = "failed", self._bury(worker)
        if kind != "message":
            worker.task = None
        return Event(kind, task, value)

    def _bury(self, worker: _Worker) -> str:
        """How the process ended; one that goes on is ended here, which is not taken for its own end."""
        worker.process.join(ENDING)
        alive = worker.process.exitcode is None
        worker.process.kill()
        worker.process.join()
        worker.connection.close()
        self._workers.remove(worker)
        if alive:
            return "what the worker process sent could not be read; it was ended"
        code = worker.process.exitcode
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


def wait_for(pools: list, seconds: float) -> None:
    """Until something happens in one of them, but not longer."""
    wait([handle for pool in pools for handle in pool.handles()], seconds)


@contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Processes started here get no Ctrl-C, from their first moment on: it reaches all of a terminal's, one answers."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def function_of(name: str) -> Callable:
    """The function that a Task names."""
    module, name = name.split(":")
    return getattr(import_module(module), name)


# In the process


def _serve(connection: Connection, environment: dict[str, str]) -> None:
    """Does one task after the other, until there is nobody to do them for."""
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
    """Even where the parent had no time to say good-bye."""
    parent_process().join()
    os._exit(1)
