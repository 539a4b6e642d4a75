"""Decides a list of instances in one run."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache

from engine.bench.certificates import CertificatesFolder
from engine.bench.folder import ResultsFolder
from engine.bench.instances import Instance
from engine.errors import InputError
from engine.onnx_file import load_network
from engine.search.problem import OnProgress, Options, Problem
from engine.search.verify import verify_all
from engine.verdict import Verdict, Verified
from engine.vnnlib import load_property


@dataclass(frozen=True, slots=True)
class Outcome:
    """An instance, by its names, and its verdict."""

    network: str
    property: str
    verdict: Verdict


def load(instances: list[Instance], *, limit: float | None = None) -> list[Problem]:
    """The problems, with `limit` or the list's own time limits; each file is read once.

    InputError names the instance and the file at fault.
    """
    network, prop = cache(load_network), cache(load_property)
    problems = []
    for instance in instances:
        try:
            of_network, of_property = network(instance.network), prop(instance.property)
            problems.append(Problem(of_network, of_property, limit or instance.limit))
        except InputError as error:
            raise InputError(str(error), where=instance.where) from None
    return problems


def decide(instances: list[Instance], problems: list[Problem], options: Options, *, folder: ResultsFolder,
           certificates: CertificatesFolder | None = None, on_outcome: Callable[[Outcome], None],
           on_progress: OnProgress | None = None) -> None:
    """Decides all. Each verdict is first certified and kept in the folders, then given to `on_outcome`."""

    def keep(index: int, verdict: Verdict) -> None:
        if certificates:
            certificates.add(instances[index].names, problems[index], verdict, options)
            verdict = replace(verdict, proof=None) if isinstance(verdict, Verified) else verdict
        folder.add(instances[index].names, verdict)
        on_outcome(Outcome(*instances[index].names, verdict))

    verify_all(problems, options, on_verdict=keep, on_progress=on_progress)
