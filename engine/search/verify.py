"""Verdicts for one problem or for many."""

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import torch

from ..errors import InputError
from ..memory import keep_freed_memory
from ..network import Network
from ..proof import Proof
from ..property import Property
from ..replay import demand_executable
from ..verdict import Statistics, Verdict, Verified
from .problem import OnProgress, OnVerdict, Options, Problem
from .run import Run

GROUP = 1024  # problems whose weights are held at once


def verify(network: Network, property: Property, *, on_progress: OnProgress | None = None, **options) -> Verdict:
    """Decides whether `property` holds for `network`: Verified, Violated or Unknown.

    Verified and Violated are certain (see the classes). Options are those of `Options`.
    """
    return verify_all([Problem(network, property)], Options(**options), on_progress=on_progress)[0]


def verify_all(problems: list[Problem], options: Options, *, on_verdict: OnVerdict | None = None,
               on_progress: OnProgress | None = None) -> list[Verdict]:
    """A verdict for each problem; `on_verdict(index, verdict)` is called as soon as each is known.

    Problems whose networks have the same shape share batches. A problem's seconds are its share
    of each batch's time, by boxes, since it was admitted to the window. InputError, before anything is searched,
    where a network cannot be executed: no counterexample to it could be confirmed.
    """
    for problem in problems:
        problem.demand_inputs(options.semantics)
    device = choose_device(options.device)
    for network in {id(problem.network): problem.network for problem in problems}.values():
        demand_executable(network)
    verdicts: list[Verdict | None] = [None] * len(problems)
    start, boxes = time.perf_counter(), 0

    def report(index: int, verdict: Verdict):
        verdicts[index] = verdict
        if on_verdict:
            on_verdict(index, verdict)

    for i, problem in enumerate(problems):
        if not problem.property.cases:
            report(i, _holds_of_every_network(problem.property, options, device))
    keep_freed_memory()
    with _workers(options, device) as (workers, parts):
        for group in _groups(problems):
            run = Run([(i, problems[i]) for i in group], options, device, workers, parts, report)
            while run.step():
                if on_progress:
                    decided = sum(verdict is not None for verdict in verdicts)
                    seconds = time.perf_counter() - start
                    on_progress(run.progress(len(problems), decided, boxes, seconds))
            boxes += run.boxes
    return verdicts


def _holds_of_every_network(property: Property, options: Options, device: torch.device) -> Verified:
    """The verdict on a property without cases: there is nothing to search."""
    proof = Proof.of_nothing() if options.proofs else None
    return Verified(options.semantics, Statistics(0, 0.0, device.type), proof=proof, warning=property.warning)


@contextmanager
def _workers(options: Options, device: torch.device):
    """Threads for the parts of a batch, and how many parts to make.

    Meanwhile a tensor operation uses one thread: dividing batches is faster than dividing operations,
    and several processes on one machine do not wait for each other.
    """
    before = torch.get_num_threads()
    threads = 1 if device.type == "cuda" else options.threads or before
    torch.set_num_threads(1)
    try:
        with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as workers:
            yield workers, threads
    finally:
        torch.set_num_threads(before)


def choose_device(name: str) -> torch.device:
    """cuda where there is one and it is wanted, else cpu."""
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError("no CUDA device is available", where="--device cuda", advice="use --device auto or cpu")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def _groups(problems: list[Problem]) -> list[list[int]]:
    """Indices of problems to be searched that can share batches: same network shape and number of outputs."""
    shapes: dict[tuple, list[int]] = {}
    for i, problem in enumerate(problems):
        if problem.property.cases:
            shapes.setdefault(problem.network.shape, []).append(i)
    return [indices[i : i + GROUP] for indices in shapes.values() for i in range(0, len(indices), GROUP)]
