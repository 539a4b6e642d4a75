"""Decides a few instances, in a worker. Here torch is loaded, and whatever may fail."""

import gc
import time
from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any, TypeVar

from engine.bench.chunk import Answer, Chunk, OpenBoxCount, pieces
from engine.bench.instances import Instance
from engine.bench.questions import Asked, ask, demand_one, load_specification, sha256_of, specification_of
from engine.bench.workers import Send
from engine.errors import EngineError, InputError
from engine.network import Network
from engine.network_file import load_network, network_of
from engine.onnx_file import Whole
from engine.property import Property
from engine.query import Query
from engine.results.row import Row, error_row
from engine.results.words import one_line
from engine.search.problem import OnVerdict, Options, Problem, Progress
from engine.search.verify import choose_device, verify_all
from engine.verdict import Unknown, Verdict, Violated

PIECES = 8  # into which instances are divided when one of them is at fault
PROGRESS_EVERY = 0.5  # seconds
File = TypeVar("File", Network, Property | Query)


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
    _search(list(_loaded(chunk, options, send)), options, send)


def reason_of(error: BaseException) -> str:
    """Says in a line why an instance has no verdict."""
    if isinstance(error, EngineError):
        return str(error)
    if isinstance(error, MemoryError) or "can't allocate memory" in str(error) or "out of memory" in str(error):
        return "out of memory"
    return f"internal error: {type(error).__name__}: {error}"


def _loaded(chunk: Chunk, options: Options, send: Send) -> Iterator[tuple[Instance, Asked]]:
    """What those that can be read ask; the others are answered. Each file is read once."""
    network_of_path = cache(partial(_load, chunk, read=_network))
    specification_of_path = cache(partial(_load, chunk, read=_specification))
    for instance in chunk.instances:
        try:
            if instance.fault:
                raise InputError(instance.fault)
            specification = specification_of_path(instance.names[1], instance.property)
            if isinstance(specification, Property):
                demand_one(instance, specification)
            networks = [network_of_path(each.name, each.path) for each in instance.networks]
            asked = ask(instance, [_good(network) for network in networks], _good(specification))
            asked.demand_semantics(options.semantics)
            _problem(instance, asked).demand_inputs(options.semantics)
        except InputError as error:
            several = len(instance.networks) > 1 or instance.is_named
            reason = f"{instance.where}: {error}" if several and instance.where else str(error)
            send(Answer(error_row(instance.names, reason, options.semantics)))
        else:
            yield instance, asked


def _load(
    chunk: Chunk, name: str, path: Path, *, read: Callable[[Path, Mapping[Path, Whole]], File]
) -> File | InputError:
    """The network or specification in the file, or why it is of no use."""
    try:
        found = read(path, chunk.files)
    except Exception as error:
        return error if isinstance(error, InputError) else InputError(reason_of(error))
    sha256 = found.sha256 if isinstance(found, Network) else sha256_of(found)
    same = sha256 == chunk.hashes.get(name, sha256)
    return found if same else InputError("it has changed since the run began", where=str(path))


def _good(found: File | InputError) -> File:
    """What was read; raises what was found instead."""
    if isinstance(found, InputError):
        raise found
    return found


def _problem(instance: Instance, asked: Asked) -> Problem:
    """The problem for the search. InputError where network and property do not fit each other."""
    return Problem(asked.model, asked.property, instance.limit)


def _network(path: Path, files: Mapping[Path, Whole]) -> Network:
    return network_of(files[path], path) if path in files else load_network(path)


def _specification(path: Path, files: Mapping[Path, Whole]) -> Property | Query:
    return specification_of(files[path].data, path) if path in files else load_specification(path)


def _search(instances: list[tuple[Instance, Asked]], options: Options, send: Send) -> None:
    """Decides all. Where that fails, decides those without an answer in smaller pieces, down to the one at fault."""
    answered: set[int] = set()

    def keep(index: int, verdict: Verdict) -> None:
        answer = _answer(*instances[index], verdict, options)
        answered.add(index)
        send(answer)

    problems = [_problem(instance, asked) for instance, asked in instances]
    reason = _attempt(problems, options, keep, send)
    rest = [each for i, each in enumerate(instances) if i not in answered]
    if len(rest) == 1:
        send(Answer(error_row(rest[0][0].names, reason, options.semantics)))
        return
    for piece in pieces(rest, PIECES):
        gc.collect()  # it may have been memory that was lacking
        _search(piece, options, send)


def _attempt(problems: list[Problem], options: Options, keep: OnVerdict, send: Send) -> str:
    """Says what ended the search of these; empty at its proper end. (An exception's frames would hold their memory.)"""
    told = time.monotonic()

    def on_progress(progress: Progress) -> None:
        nonlocal told
        if time.monotonic() - told > PROGRESS_EVERY:
            told = time.monotonic()
            send(OpenBoxCount(progress.open))

    try:
        verify_all(problems, options, on_verdict=keep, on_progress=on_progress)
    except Exception as error:
        return reason_of(error)
    return ""


def _answer(instance: Instance, asked: Asked, verdict: Verdict, options: Options) -> Answer:
    """The verdict as it is kept; an error where it was to be certified and cannot be."""
    cost = verdict.statistics
    certificate = None
    if options.proofs and not isinstance(verdict, Unknown):
        try:
            certificate = asked.certificate(verdict, options)
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
        warning=one_line(asked.property.warning),
    )
    point = asked.text_of(verdict.counterexample) if isinstance(verdict, Violated) else None
    return Answer(row, point, certificate)
