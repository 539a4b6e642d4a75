"""The repair methods by name, and tasks as they see them. Each is imported when it is used."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from importlib import import_module
from math import inf
from typing import Protocol, cast

from engine.comparison.decision import Decision
from engine.comparison.mirror import mirrored, mirrored_property, unmirrored
from engine.network import Network
from engine.repair.task import AUTO, METHOD_NAMES, STRUCTURAL, Candidate, Evidence, RepairOptions, Say, Task
from engine.repair.views.scale import scaled, unit_of, unscaled


class Method(Protocol):
    """Offers candidates for a task. `say` is told in a few words what the method is at."""

    def __call__(self, task: Task, evidence: Evidence, say: Say, /, **options: object) -> Iterator[Candidate]: ...


def _method(name: str) -> Callable[[], Method]:
    return lambda: cast(Method, getattr(import_module(f"engine.repair.{name}.method"), name))


METHODS: dict[str, Callable[[], Method]] = {name: _method(name) for name in METHOD_NAMES}

#: Options of methods that differ where `auto` chooses them.
_IN_AUTO: dict[str, dict[str, object]] = {"milp": {"wide": False, "patient": False}}
#: Shares of the time left; that of milp where least squares follow, which are quick.
TURNS = {"milp": 0.6, "gradient": 0.9, "idle": 0.7}
WITH_LEAST_SQUARES = {"milp": 0.4, "gradient": 0.75, "idle": 0.7}
#: However much time is left: programs that took so long seldom came to anything.
MOST_SECONDS = {"milp": 150.0}
#: Those that order what they try by a localization.
_LOCALIZED = ("gradient", "smt")


def passes(options: RepairOptions, network: Network) -> Iterator[tuple[str, RepairOptions]]:
    """The methods in their order; where all are tried, milp once more with programs that give a theorem.

    These change scores less. They are asked first where that is limited, else where what was found changes much and the
    property is local; not where outputs are to stay, as the programs with a theorem keep advisories. Where least
    squares can be used, milp solves programs with prices first; those that keep all samples, which may take long and
    come to nothing, follow.
    """
    all_tried = options.method == AUTO and not options.guarantee
    theorem = replace(options, guarantee=STRUCTURAL)
    local = replace(theorem, by_method={**options.by_method, "milp": {**_of_milp(options), **_IN_AUTO["milp"]}})
    first, later = ([theorem], []) if options.max_score_change else ([], [local])
    if not all_tried or options.keep_outputs:
        first, later = [], []
    for name in options.methods:
        if name == "milp":
            now, rest = _by_programs(options) if least_squares_follow(network, options) else ([options, *later], [])
            yield from ((name, each) for each in (*first, *now))
        else:
            yield name, options
        if name == "gradient" and least_squares_follow(network, options):
            yield from (("milp", each) for each in (*rest, *later))


def _by_programs(options: RepairOptions) -> tuple[list[RepairOptions], list[RepairOptions]]:
    """For milp's programs with prices, and for its others; for all at once where the user chose some."""
    chosen = _of_milp(options)
    if "strategies" in chosen:
        return [options], []
    strategies = tuple(import_module("engine.repair.milp.feature").STRATEGIES)
    prices, others = (
        replace(options, by_method={**options.by_method, "milp": {**chosen, "strategies": each}})
        for each in (("priced",), strategies)
    )
    return [prices], [others]


def turns(options: RepairOptions, network: Network, unused: set[str]) -> Iterator[tuple[str, RepairOptions]]:
    """The passes in their order. Those of a method that is found in `unused` meanwhile, as it could not be used at once
    or at all, come after the next method; milp is patient then."""
    later: list[tuple[str, RepairOptions]] = []
    for name, each in passes(options, network):
        if name not in unused:
            yield name, each
            yield from later
            later = []
        if name in unused:
            later.append((name, _patiently(each)))
    yield from later


def _patiently(options: RepairOptions) -> RepairOptions:
    return replace(options, by_method={**options.by_method, "milp": {**_of_milp(options), "patient": True}})


def _of_milp(options: RepairOptions) -> Mapping[str, object]:
    return options.by_method.get("milp", {})


def turn(name: str, network: Network, left: float) -> float:
    """The seconds, of those left, that a method gets before it makes room for the next."""
    share = (WITH_LEAST_SQUARES if _is_small(network) else TURNS).get(name, 1.0)
    return min(share * left, MOST_SECONDS.get(name, inf))


def least_squares_follow(network: Network, options: RepairOptions) -> bool:
    """True iff least squares are tried, of all methods."""
    return options.method == AUTO and "gradient" in options.methods and _is_small(network)


def _is_small(network: Network) -> bool:
    return bool(import_module("engine.repair.gradient.small").is_small(network))


def candidates(name: str, task: Task, evidence: Evidence, say: Say, options: RepairOptions) -> Iterator[Candidate]:
    """Yields what the method of this name offers for the task, whatever its decision and the size of its scores."""
    lowest = as_lowest(task)
    unit = unit_of(lowest)
    seen = lowest if unit == 1 else scaled(lowest, unit)
    for candidate in METHODS[name]()(seen, evidence, say, **_options(name, options)):
        candidate = candidate if unit == 1 else unscaled(candidate, lowest.network, unit)
        yield candidate if lowest is task else _unmirrored(candidate, task)


def _options(name: str, options: RepairOptions) -> dict[str, object]:
    localized = {"localization": options.localization} if name in _LOCALIZED else {}
    in_auto = _IN_AUTO.get(name, {}) if options.method == AUTO and not options.guarantee else {}
    guaranteed = {"structural": True} if name == "milp" and options.guarantee else {}
    return {**in_auto, **localized, **options.by_method.get(name, {}), **guaranteed}


def as_lowest(task: Task) -> Task:
    """The task as methods see it, for whom the lowest output is the decision.

    Where the decision is the highest output, it is the same question about the negated outputs: their lowest is to
    stay where the highest was to.
    """
    if task.decision is not Decision.HIGHEST:
        return task
    targets, keep = (tuple(map(mirrored_property, props)) for props in (task.targets, task.keep))
    return replace(task, network=mirrored(task.network), targets=targets, keep=keep, decision=Decision.LOWEST)


def _unmirrored(candidate: Candidate, task: Task) -> Candidate:
    note = f"{candidate.note} (of the negated outputs)"
    return replace(candidate, network=unmirrored(candidate.network, task.network), note=note)
