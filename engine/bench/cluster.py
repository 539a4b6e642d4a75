"""A pool of workers on a Dask cluster, which somebody else has started. Needs the extra `dask`."""

from collections import deque
from collections.abc import Callable
from contextlib import nullcontext, suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Protocol, Self, cast

from engine import __version__
from engine.bench.chunk import OpenBoxCount
from engine.bench.workers import Event, WorkerTask, function_of
from engine.errors import InputError

WAIT = 20  # seconds for the scheduler to answer


class Future(Protocol):
    """A task on the cluster: what is used of `distributed.Future`, most of which has no types."""

    status: str

    def result(self, timeout: float | None = None) -> object: ...
    def exception(self) -> BaseException: ...
    def add_done_callback(self, function: Callable[["Future"], None]) -> None: ...
    def release(self) -> None: ...


class Client(Protocol):
    """A connection to the cluster: what is used of `distributed.Client`, likewise."""

    status: str

    def ncores(self) -> dict[str, int]: ...
    def submit(self, function: Callable[..., object], *arguments: object, **options: object) -> Future: ...
    def cancel(self, futures: list[Future], *, force: bool) -> None: ...
    def close(self, timeout: float) -> None: ...


class Cluster:
    """A Dask cluster as a Pool. The messages of a task come together, at its end. A context manager."""

    def __init__(self, address: str):
        """InputError where no cluster answers there, or its workers have another version of the engine."""
        client_class = _client_class()
        try:
            self._client = client_class(address, timeout=WAIT, set_as_default=False)
        except (OSError, ValueError, TimeoutError) as error:
            raise InputError(
                f"no Dask scheduler answers ({_first_line(error)})",
                where=f"--dask {address}",
                advice="check the address, for example tcp://host:8786",
            ) from None
        self._address = address
        self._futures: dict[Future, WorkerTask] = {}
        self._done: deque[Future] = deque()
        self._here, self._there = Pipe()
        self._demand_same_engine()

    @property
    def count(self) -> int:
        """The number of cores there."""
        return max(1, sum(self._client.ncores().values()))

    def submit(self, task: WorkerTask) -> None:
        future = self._client.submit(collect, task.function, task.arguments, pure=False, retries=0)
        self._futures[future] = task
        future.add_done_callback(self._note)

    def room(self) -> int:
        """The number of tasks to send now: one waits beside those that run, so that no worker waits for the network."""
        return self.count + 1 - self.tasks()

    def tasks(self) -> int:
        return len(self._futures)

    def handles(self) -> list[Connection]:
        return [self._here]

    def events(self) -> list[Event]:
        """The events until now; it does not wait."""
        while self._here.poll():
            self._here.recv_bytes()
        found: list[Event] = []
        while self._done:
            future = self._done.popleft()
            task = self._futures.pop(future, None)
            if task is not None:
                found += self._events_of(future, task)
                future.release()
        return found

    def close(self) -> None:
        """Takes back what is not done. Does nothing where it is closed already."""
        if self._client.status == "closed":
            return
        self._client.cancel(list(self._futures), force=True)
        self._futures.clear()
        self._client.close(timeout=WAIT)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        with suppress(Exception) if any(exception) else nullcontext():  # what ended the run is what is to be said
            self.close()

    def _note(self, future: Future) -> None:
        """Notes that a future is done; the client calls this in a thread of its own."""
        self._done.append(future)
        try:
            self._there.send_bytes(b"!")
        except OSError:
            pass

    def _events_of(self, future: Future, task: WorkerTask) -> list[Event]:
        if future.status in ("cancelled", "lost"):
            raise InputError(
                "the scheduler was lost",
                where=f"--dask {self._address}",
                advice="what is decided is kept; start it again, and continue with --resume",
            )
        if future.status != "finished":
            return [Event("failed", task, f"the cluster gave it up ({_first_line(future.exception())})")]
        messages = future.result()
        assert isinstance(messages, list)  # as `collect` returns
        return [*(Event("message", task, message) for message in messages), Event("done", task)]

    def _demand_same_engine(self) -> None:
        advice = "install the same version of this package on all workers"
        try:
            found = self._client.submit(engine_version, pure=False).result(timeout=WAIT)
        except Exception as error:
            self.close()
            raise InputError(
                f"its workers do not run the engine ({_first_line(error)})",
                where=f"--dask {self._address}",
                advice=advice,
            ) from None
        if found != __version__:
            self.close()
            raise InputError(
                f"its workers have version {found} of the engine, this is {__version__}",
                where=f"--dask {self._address}",
                advice=advice,
            )


def collect(function: str, arguments: tuple[object, ...]) -> list[object]:
    """On the cluster: does a task, and returns its messages."""
    messages: list[object] = []

    def send(value: object) -> None:
        if not isinstance(value, OpenBoxCount):
            messages.append(value)

    function_of(function)(*arguments, send)
    return messages


def engine_version() -> str:
    """On the cluster: the version of the engine there."""
    return __version__


def _client_class() -> Callable[..., Client]:
    try:
        from distributed import Client as DaskClient
    except ImportError:
        raise InputError(
            "this needs the package distributed, which is not installed",
            where="--dask",
            advice="install it, or the extra `dask` of this package",
        ) from None
    return cast("Callable[..., Client]", DaskClient)


def _first_line(error: BaseException) -> str:
    lines = str(error).splitlines()
    return f"{type(error).__name__}: {lines[0]}"[:200] if lines else type(error).__name__
