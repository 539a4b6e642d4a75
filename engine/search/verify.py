"""Verdicts for one problem or for many."""

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import torch

from engine.bounds.roots import extent
from engine.deadline import OutOfTime
from engine.errors import InputError
from engine.joint import Model
from engine.memory import keep_freed_memory, size_text
from engine.proof import Proof
from engine.property import Property
from engine.replay import demand_executable
from engine.search.branch_and_bound import BranchAndBound
from engine.search.cones import Cones
from engine.search.plan import stack_bytes
from engine.search.problem import DEFAULTS, OnProgress, OnVerdict, Options, Problem
from engine.verdict import Statistics, Unknown, Verdict, Verified

MAX_GROUP = 1024  # problems whose weights are held at once
SMALL_CASE = 64  # polytopes or rows: smaller cases are padded to the same size, larger ones to that of their like


def verify(
    network: Model, property: Property, options: Options = DEFAULTS, *, on_progress: OnProgress | None = None
) -> Verdict:
    """Decides whether `property` holds for `network`: Verified, Violated or Unknown.

    Verified and Violated are certain (see the classes). InputError where network and property do not fit each other, or
    the network cannot be executed.
    """
    return verify_all([Problem(network, property)], options, on_progress=on_progress)[0]


def verify_all(
    problems: Sequence[Problem],
    options: Options = DEFAULTS,
    *,
    on_verdict: OnVerdict | None = None,
    on_progress: OnProgress | None = None,
    always_cones: bool = False,
) -> list[Verdict]:
    """A verdict for each problem, in their order; `on_verdict(index, verdict)` is called as soon as each is known.

    A problem with one case that fixes most inputs is searched in the part of its network that the others reach
    (engine/cone/), in real semantics. always_cones: also where they are not most, as certificates about images demand,
    if each layer is reached; then proofs have the properties' cases as they are, too. Problems whose networks have the
    same shape share batches. A problem's seconds are its share of each batch's time, by boxes, since it was admitted to
    the window. InputError, before anything is searched, where a network cannot be executed: no counterexample to it
    could be confirmed.
    """
    for problem in problems:
        problem.demand_inputs(options.semantics)
    device = choose_device(options.device)
    for network in {id(problem.network): problem.network for problem in problems}.values():
        demand_executable(network)
    cones = Cones(problems, options, always=always_cones)
    verdicts: dict[int, Verdict] = {}
    start, boxes = time.monotonic(), 0

    def report(index: int, verdict: Verdict) -> None:
        verdict = cones.verdict(index, verdict)
        verdicts[index] = verdict
        if on_verdict:
            on_verdict(index, verdict)

    for i, problem in enumerate(problems):
        if not problem.property.cases:
            report(i, _holds_of_every_network(problem.property, options, device))
    keep_freed_memory()
    with _workers(options, device) as (workers, parts):
        for group in _groups(problems, cones, options):
            began = time.monotonic()
            some = cones.searched(group)
            if reason := _refused(some[0][1], options):
                _give_up(some, options, device, report, reason=reason)
                continue
            try:
                search = BranchAndBound(some, options, device, workers, parts, report, apart=not always_cones)
            except OutOfTime:
                _give_up(some, options, device, report, seconds=time.monotonic() - began)
                continue
            while search.step():
                if on_progress:
                    seconds = time.monotonic() - start
                    on_progress(search.progress(len(problems), len(verdicts), boxes, seconds))
            boxes += search.boxes
    return [verdicts[i] for i in range(len(problems))]


def _holds_of_every_network(property: Property, options: Options, device: torch.device) -> Verified:
    """The verdict on a property without cases: there is nothing to search."""
    proof = Proof.of_nothing() if options.proofs else None
    return Verified(options.semantics, Statistics(0, 0.0, device.type), proof=proof, warning=property.warning)


@contextmanager
def _workers(options: Options, device: torch.device) -> Iterator[tuple[ThreadPoolExecutor, int]]:
    """Threads for the parts of a batch, and the number of parts to make.

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


def _groups(problems: Sequence[Problem], cones: Cones, options: Options) -> list[list[int]]:
    """Indices of problems that share batches: of the same network shape and about as many rows, as many as fit the
    memory with their networks."""
    alike: dict[tuple[object, tuple[int, ...]], list[int]] = {}
    for i, problem in enumerate(problems):
        if not problem.property.cases:
            continue
        size = tuple(max(0, count // SMALL_CASE).bit_length() for count in extent(problem.property.cases))
        alike.setdefault((cones.shape(i), size), []).append(i)
    found = []
    for indices in alike.values():
        most = options.memory // 4 // cones.stack_bytes(indices[0])
        most = max(1, min(MAX_GROUP, most))
        found += [indices[i : i + most] for i in range(0, len(indices), most)]
    return found


def _refused(problem: Problem, options: Options) -> str:
    """The reason why a network is not searched at all: its weights alone fill the memory; empty where they do not."""
    needed = stack_bytes(problem.network)
    if needed <= options.memory * 3 // 4:
        return ""
    return (
        f"out of memory: bounds of network {problem.network.name} take {size_text(needed)} before any box is "
        f"open (--memory, {size_text(options.memory)})"
    )


def _give_up(
    problems: list[tuple[int, Problem]],
    options: Options,
    device: torch.device,
    report: OnVerdict,
    *,
    reason: str = "",
    seconds: float = 0.0,
) -> None:
    """Reports of all that they are unknown: for this reason, or because these seconds were not enough to begin."""
    timed_out = not reason
    reason = reason or f"out of time after {seconds:.1f} s, before any box was bounded"
    statistics = Statistics(0, seconds / len(problems), str(device.type))
    for index, problem in problems:
        boxes = np.empty((0, 2, problem.network.n_inputs)) if options.open_boxes else None
        report(index, Unknown(reason, timed_out, 0.0, options.semantics, statistics, boxes=boxes))
