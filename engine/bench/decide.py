"""Decides a few instances, in a worker. Here torch is loaded, and whatever may fail."""

import gc
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from engine.bench.chunk import Answer, Chunk, OpenBoxCount, pieces
from engine.bench.instances import Instance
from engine.bench.questions import Asked
from engine.bench.reading import Reader, reason_of
from engine.bench.workers import Send
from engine.errors import InputError
from engine.joining import FLOAT32
from engine.results.row import Row, error_row
from engine.results.words import one_line
from engine.search.problem import OnVerdict, Options, Problem, Progress
from engine.search.verify import choose_device, verify_all
from engine.verdict import Unknown, Verdict, Violated

PIECES = 8  # into which instances are divided when one of them is at fault
PROGRESS_EVERY = 0.5  # seconds


def survey(device: str, send: Send) -> None:
    """Sends the name of the graphics processor that `device` uses, None for the CPU, or an InputError."""
    import torch

    try:
        send(torch.cuda.get_device_name() if choose_device(device).type == "cuda" else None)
    except InputError as error:
        send(error)


def decide(chunk: Chunk, settings: Mapping[str, Any], send: Send) -> None:
    """Sends an Answer for each instance as soon as there is one, and an OpenBoxCount now and then.

    `settings` are the search's Options by name; questions whose types demand it are answered in float32 semantics. An
    error becomes the row of the instance that is at fault.
    """
    options = Options(**settings)
    loaded = list(_loaded(chunk, options, send))
    for semantics in dict.fromkeys((options.semantics, FLOAT32)):
        together = [(instance, asked) for instance, asked in loaded if asked.semantics(options.semantics) == semantics]
        if together:
            _search(together, replace(options, semantics=semantics), send)


def _loaded(chunk: Chunk, options: Options, send: Send) -> Iterator[tuple[Instance, Asked]]:
    """What those that can be read ask; the others are answered."""
    reader = Reader(chunk)
    for instance in chunk.instances:
        try:
            asked = reader.asked(instance)
            asked.problem(instance.limit).demand_inputs(asked.semantics(options.semantics))
        except Exception as error:
            send(Answer(error_row(instance.names, reason_of(error), options.semantics)))
        else:
            yield instance, asked


def _search(instances: list[tuple[Instance, Asked]], options: Options, send: Send) -> None:
    """Decides all. Where that fails, decides those without an answer in smaller pieces, down to the one at fault."""
    answered: set[int] = set()

    def keep(index: int, verdict: Verdict) -> None:
        answer = _answer(*instances[index], verdict, options)
        answered.add(index)
        send(answer)

    problems = [asked.problem(instance.limit) for instance, asked in instances]
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
