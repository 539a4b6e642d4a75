"""Repairs of small networks by least squares in all their weights (whole.py): where searches start, and when they end.

They start from what linear programs with prices find on few samples (milp/prices/), where a neuron that never fires
mends what is unsafe, which no small step would wake; and from the network as it is. Each gets a first turn, up to one
that changes little enough; then the one that changes least goes on.
"""

from collections.abc import Iterator

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

SMALL = 5_000  # weights and biases
AROUND = 30_000, 4_000  # references around the boxes: many, or few, so that what changes far away counts more
FIRST, TURN, TURNS = 20, 20, 7  # rounds of the first turn and of others; other turns
STILL = 0.97  # of the best before: a search that gains less in two turns has come to its end, or is heated again
ENOUGH = 0.5  # of the changes that are allowed: a turn ends there
BETTER = 0.5  # of what was offered: what is offered next changes no more
LEAST_AGREEMENT = 0.98  # of what is offered in the end, where nothing better was found


def is_small(network: Network) -> bool:
    """True iff all weights may be tuned at once, and the file can hold others."""
    size = sum(layer.weight.size + layer.bias.size for layer in network.layers)
    layers = range(len(network.layers))
    return size <= SMALL and len(layers) > 1 and all(free_weight(network, k) and free_bias(network, k) for k in layers)


def whole(task: Task, evidence: Evidence, say: Say, *, agreement: float) -> Iterator[Candidate]:
    """Yields networks that samples find safe, with this agreement; in the end the best, if none had it."""
    facts = Facts(task, 0)
    say("linear programs with prices, on few samples")
    searches = []
    for number, (start, around) in enumerate(_starts(task), 1):
        say(f"least squares in all weights, start {number}")
        searches.append(WholeSearch(facts, start, around=around))
        if searches[-1].is_hopeless:
            return
        searches[-1].rounds(FIRST, until=ENOUGH * (1 - agreement))
        if searches[-1].changed <= 1 - agreement:
            break
    search = min(searches, key=lambda each: each.changed)
    offered, history = 1.0, [1.0, search.changed]
    for _ in range(TURNS):
        say(f"least squares in all weights, {search}")
        if search.changed <= min(1 - agreement, BETTER * offered):
            known = len(evidence.counterexamples)
            yield _candidate(search)
            if len(evidence.counterexamples) > known:
                search.learn(facts.counterexamples(evidence))
            elif evidence.boxes:
                search.ask_for_more()
            else:
                offered = search.changed
        search.rounds(TURN, until=ENOUGH * (1 - agreement) if offered == 1 else 0.0)
        history.append(search.changed)
        if history[-1] > STILL * history[-3]:
            if offered < 1:
                return
            search.reheat()
            history += [1.0, 1.0]
    if offered == 1 and search.changed <= 1 - LEAST_AGREEMENT:
        yield _candidate(search)


def _starts(task: Task) -> list[tuple[Network, int]]:
    """Networks, and how many references around the boxes their search has."""
    solver = PlanSolver(task, norm="l1", backend="auto")
    one, several = directions(solver.regions)
    found = cheapest(solver, [*one, *several[: settings.MAX_JOINT_DIRECTIONS]], margins_of(task)[0])[:1]
    return [(network, around) for network in found for around in AROUND] + [(task.network, AROUND[0])]


def _candidate(search: WholeSearch) -> Candidate:
    return Candidate(search.network(), f"all neurons: {search}")
