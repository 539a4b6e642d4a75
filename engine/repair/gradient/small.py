"""Repairs of small networks by least squares in their last layers (whole.py): where searches start, and when they end.

They start from what linear programs with prices find on few samples (milp/prices/), where a neuron that never fires
mends what is unsafe, which no small step would wake, one part of the target after the other; and from the network as it
is. Each gets a first turn, up to one that changes little enough; the best of them a second one; then the one that
changes least goes on.
"""

from collections.abc import Iterator
from dataclasses import replace
from math import inf

from engine.network import Network
from engine.repair.edit import free_bias, free_weight
from engine.repair.gradient.guides import Facts
from engine.repair.gradient.whole import WholeSearch
from engine.repair.milp import settings
from engine.repair.milp.limits import directions
from engine.repair.milp.method import margins_of
from engine.repair.milp.prices.method import cheapest
from engine.repair.milp.solver import PlanSolver
from engine.repair.task import Candidate, Evidence, Say, Task
from engine.repair.views.parts import parts

SMALL = 5_000  # weights and biases of a network
TUNED = 1_100  # of the last layers, up to which more than two of them are tuned: a round costs their square
AROUND = 30_000, 4_000  # references around the boxes: many, or few, so that what changes far away counts more
PLANS = 8  # linear programs that searches may start from
STARTS = 2  # of their solutions, the best of them with few references around the boxes, too
FIRST, TURN, TURNS = 8, 20, 7  # rounds of the first turns and of others; other turns
STRIDE = 4  # rounds between two looks at the clock
SECOND = 2  # searches that get a second turn
REFUTATIONS = 20  # counterexamples that cost no turn
STILL = 0.97  # of the best before: a search that gains less in two turns has come to its end, or is heated again
ENOUGH = 0.7  # of the changes that are allowed: a turn ends there
BETTER = 0.5  # of what was offered: what is offered next changes no more
LEAST_AGREEMENT = 0.98  # of what is offered where nothing better was found
NEARLY = 0.9  # of what was offered so, as long as nothing better is: the next changes no more


def is_small(network: Network) -> bool:
    """True iff all weights of its last layers may be tuned at once, and the file can hold others."""
    size = sum(layer.weight.size + layer.bias.size for layer in network.layers)
    layers = range(len(network.layers))
    return size <= SMALL and len(layers) > 1 and all(free_weight(network, k) and free_bias(network, k) for k in layers)


def first_tuned(network: Network) -> int:
    """The layer from which on all weights are tuned: one of the last two, or one before up to which they are few."""
    sizes = [layer.weight.size + layer.bias.size for layer in network.layers]
    few = (k for k in range(len(sizes)) if sum(sizes[k:]) <= TUNED)
    return min(*few, len(sizes) - 2, len(sizes) - 1)


def whole(task: Task, evidence: Evidence, say: Say, *, agreement: float) -> Iterator[Candidate]:
    """Yields networks that samples find safe, with this agreement; in the end the best, if none had it."""
    facts = Facts(task, first_tuned(task.network))
    searches: list[WholeSearch] = []
    enough = ENOUGH * (1 - agreement)
    for number, search in enumerate(_searches(task, facts), 1):
        if search.is_hopeless:
            return
        _turn(search, FIRST, f"start {number}", say, until=enough)
        searches.append(search)
        if search.changed <= 1 - agreement:
            break
    searches.sort(key=lambda each: each.rank)
    for search in searches[:SECOND] if searches[0].changed > 1 - agreement else ():
        _turn(search, 2 * FIRST, "again", say, until=enough)
    best = min(searches, key=lambda each: each.rank)
    yield from _offers(best, facts, evidence, say, agreement=agreement)


def _offers(
    search: WholeSearch, facts: Facts, evidence: Evidence, say: Say, *, agreement: float
) -> Iterator[Candidate]:
    """Yields what the search finds, each with half of the changes of the one before that was proved.

    As long as none has the agreement, what has nearly it is provisional: the turn may end before there is a better one.
    """
    offered, spare, history, turns, refuted = 1.0, 1 - LEAST_AGREEMENT, [1.0, search.changed], 0, 0
    while turns < TURNS:
        turns += 1
        is_good = search.changed <= min(1 - agreement, BETTER * offered)
        if is_good or (offered == 1 and search.changed <= spare):
            known = len(evidence.counterexamples)
            yield replace(_candidate(search), provisional=not is_good)
            if len(evidence.counterexamples) > known:
                search.learn(facts.counterexamples(evidence))
                refuted += 1
                turns -= refuted <= REFUTATIONS
                history += [1.0, 1.0]
            elif not is_good:
                spare = NEARLY * search.changed
            elif evidence.boxes:
                search.ask_for_more()
            else:
                offered = search.changed
        _turn(search, TURN, "", say, until=ENOUGH * (1 - agreement) if offered == 1 else 0.0)
        history.append(search.changed)
        if history[-1] > STILL * history[-3]:
            if offered < 1:
                return
            search.reheat()
            history += [1.0, 1.0]
    if offered == 1 and search.changed <= 1 - LEAST_AGREEMENT:
        yield _candidate(search)


def _turn(search: WholeSearch, rounds: int, which: str, say: Say, *, until: float) -> None:
    """So many rounds, or up to what changes little enough."""
    for _ in range(rounds // STRIDE):
        if search.changed <= until:
            return
        say(f"least squares, {which + ', ' if which else ''}{search}")
        search.rounds(STRIDE, until=until)


def _searches(task: Task, facts: Facts) -> Iterator[WholeSearch]:
    """From the network as it is, first where decisions are to stay, and from solutions of linear programs."""
    by_decision = task.tolerance == inf
    if by_decision:
        yield WholeSearch(facts, task.network, around=AROUND[0])
    found = _starts(task)
    yield from (WholeSearch(facts, network, around=AROUND[0]) for network in found)
    yield from (WholeSearch(facts, network, around=AROUND[1]) for network in found[:1])
    yield from (WholeSearch(facts, network, around=AROUND[0], bold=True) for network in found[:1])
    if not by_decision:
        yield WholeSearch(facts, task.network, around=AROUND[0], bold=True)


def _starts(task: Task) -> list[Network]:
    """What linear programs with prices find on few samples: the best, each mending one part of the target after the
    other."""
    first, *others = parts(task.targets[0])
    found = _priced(replace(task, targets=(first,)))[:STARTS]
    for part in others:
        found = [each for network in found for each in _priced(replace(task, network=network, targets=(part,)))[:1]]
    return found


def _priced(task: Task) -> list[Network]:
    solver = PlanSolver(task, norm="l1", backend="auto")
    one, several = directions(solver.regions)
    some = [*one, *several[: settings.MAX_JOINT_DIRECTIONS]]
    return cheapest(solver, some, margins_of(task)[0], most=PLANS)


def _candidate(search: WholeSearch) -> Candidate:
    return Candidate(search.network(), f"least squares in all weights: {search}")
