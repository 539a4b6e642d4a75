"""Decides a few instances, in a worker. Here torch is loaded, and whatever may fail."""

import gc
import time
from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any, TypeVar

from engine.bench.chunk import Answer, Chunk, OpenBoxCount, pieces
from engine.bench.instances import Instance
from engine.bench.workers import Send
from engine.certificate import certificate_bytes
from engine.errors import EngineError, InputError
from engine.network import Network
from engine.onnx_file import Whole, load_network, network_of
from engine.property import Property
from engine.results.row import Row, error_row
from engine.results.words import one_line
from engine.search.problem import OnVerdict, Options, Problem, Progress
from engine.search.verify import choose_device, verify_all
from engine.verdict import Unknown, Verdict, Violated
from engine.vnncomp import counterexample_text
from engine.vnnlib import load_property, property_of

PIECES = 8  # into which instances are divided when one of them is at fault
PROGRESS_EVERY = 0.5  # seconds
File = TypeVar("File", Network, Property)


def survey(device: str, send: Send) -> None:
    """Sends the name of the graphics processor that `device` uses, None for the CPU, or an InputError."""
    import torch

    try:
        send(torch.cuda.get_device_name() if choose_device(device).type == "cuda" else None)
    except InputError as error:
        send(error)


def decide(chunk: Chunk, settings: Mapping[str, Any], send: Send) -> None:
    """Sends an Answer for each instance as soon as there is one, and an OpenBoxCount now and then.

    `settings` are the search's Options by name. An error becomes the row of the instance that is at fault.
    """
    options = Options(**settings)
    problems = list(_loaded(chunk, options, send))
    _search(problems, options, send)


def reason_of(error: BaseException) -> str:
    """Says in a line why an instance has no verdict."""
    if isinstance(error, EngineError):
        return str(error)
    if isinstance(error, MemoryError) or "can't allocate memory" in str(error) or "out of memory" in str(error):
        return "out of memory"
    return f"internal error: {type(error).__name__}: {error}"


def _loaded(chunk: Chunk, options: Options, send: Send) -> Iterator[tuple[Instance, Problem]]:
    """The problems of those that can be read; the others are answered. Each file is read once."""
    network_of_path = cache(partial(_load, chunk, read=_network))
    property_of_path = cache(partial(_load, chunk, read=_property))
    for instance in chunk.instances:
        if instance.fault:
            send(Answer(error_row(instance.names, instance.fault, options.semantics)))
            continue
        network = network_of_path(instance.names[0], instance.network)
        prop = property_of_path(instance.names[1], instance.property)
        problem = _problem(network, prop, instance.limit, options.semantics)
        if isinstance(problem, str):
            send(Answer(error_row(instance.names, problem, options.semantics)))
        else:
            yield instance, problem


def _load(chunk: Chunk, name: str, path: Path, *, read: Callable[[Path, Mapping[Path, Whole]], File]) -> File | str:
    """The network or property in the file, or why it is of no use."""
    try:
        found = read(path, chunk.files)
    except Exception as error:
        return reason_of(error)
    same = found.sha256 == chunk.hashes.get(name, found.sha256)
    return found if same else f"{path}: it has changed since the run began"


def _problem(network: Network | str, prop: Property | str, limit: float | None, semantics: str) -> Problem | str:
    """The problem, or why there is none: the first reason of these."""
    if isinstance(network, str):
        return network
    if isinstance(prop, str):
        return prop
    try:
        problem = Problem(network, prop, limit)
        problem.demand_inputs(semantics)
        return problem
    except InputError as error:
        return str(error)


def _network(path: Path, files: Mapping[Path, Whole]) -> Network:
    return network_of(files[path], path) if path in files else load_network(path)


def _property(path: Path, files: Mapping[Path, Whole]) -> Property:
    if path not in files:
        return load_property(path)
    return property_of(files[path].data, path)


def _search(problems: list[tuple[Instance, Problem]], options: Options, send: Send) -> None:
    """Decides all. Where that fails, decides those without an answer in smaller pieces, down to the one at fault."""
    answered: set[int] = set()

    def keep(index: int, verdict: Verdict) -> None:
        answer = _answer(*problems[index], verdict, options)
        answered.add(index)
        send(answer)

    reason = _attempt(problems, options, keep, send)
    rest = [problem for i, problem in enumerate(problems) if i not in answered]
    if len(rest) == 1:
        send(Answer(error_row(rest[0][0].names, reason, options.semantics)))
        return
    for piece in pieces(rest, PIECES):
        gc.collect()  # it may have been memory that was lacking
        _search(piece, options, send)


def _attempt(problems: list[tuple[Instance, Problem]], options: Options, keep: OnVerdict, send: Send) -> str:
    """Says what ended the search of these; empty at its proper end. (An exception's frames would hold their memory.)"""
    told = time.monotonic()

    def on_progress(progress: Progress) -> None:
        nonlocal told
        if time.monotonic() - told > PROGRESS_EVERY:
            told = time.monotonic()
            send(OpenBoxCount(progress.open))

    try:
        verify_all([problem for _, problem in problems], options, on_verdict=keep, on_progress=on_progress)
    except Exception as error:
        return reason_of(error)
    return ""


def _answer(instance: Instance, problem: Problem, verdict: Verdict, options: Options) -> Answer:
    """The verdict as it is kept; an error where it was to be certified and cannot be."""
    cost = verdict.statistics
    certificate = None
    if options.proofs and not isinstance(verdict, Unknown):
        try:
            certificate = certificate_bytes(problem.network, problem.property, verdict, options)
        except Exception as error:
            return Answer(error_row(instance.names, reason_of(error), verdict.semantics))
    row = Row(
        *instance.names,
        verdict.word,
        verdict.semantics,
        cost.seconds,
        cost.boxes,
        cost.device,
        None if certificate is None else len(certificate),
        warning=one_line(problem.property.warning),
    )
    point = counterexample_text(verdict.counterexample) if isinstance(verdict, Violated) else None
    return Answer(row, point, certificate)
