"""Work divided among processes that an interrupt ends at once."""

import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import active_children

from engine.errors import InputError


def parallel(function: Callable, items: list, jobs: int) -> Iterator[tuple]:
    """(item, function(item)) for each item, as they are done, by `jobs` processes."""
    others = set(active_children())
    # Ctrl-C reaches all processes of a terminal; these have nothing to tidy up
    pool = ProcessPoolExecutor(jobs, initializer=signal.signal, initargs=(signal.SIGINT, signal.SIG_DFL))
    try:
        waiting = {pool.submit(function, item): item for item in items}
        for done in as_completed(waiting):
            yield waiting[done], done.result()
    except BrokenProcessPool:
        raise InputError(
            "a process was ended before it was done, perhaps for lack of memory", advice="use fewer jobs"
        ) from None
    except BaseException:
        for process in set(active_children()) - others:
            process.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)
