"""Repair with idle neurons: outside a thin collar around the property's box, nothing changes at all.

Neurons that never fire on the whole domain are rewritten at no cost. Those of layer 1 measure how far a point lies
outside the faces of the box. Those of the next layers read what they like, minus so large a multiple of these
distances that they never fire outside the collar: every other neuron has its old value there, and the outputs are the
original's, exactly. Inside the box the distances are exactly 0, and what the rewritten neurons read and pass on is
trained: no unsafe output, the same advisory.

The method is this project's own; there is no paper.
"""

from collections.abc import Iterator

from engine.property import Case
from engine.repair.edit import idle_depth
from engine.repair.idle.collar import distances
from engine.repair.idle.graft import Graft
from engine.repair.idle.neurons import idle_neurons
from engine.repair.idle.trainer import Trainer
from engine.repair.samples import points
from engine.repair.task import Candidate, Evidence, Say, Task

MAX_NEURONS = 8  # idle neurons taken of a layer


def idle(
    task: Task,
    evidence: Evidence,
    say: Say,
    *,
    depth: int = 3,
    most: int = MAX_NEURONS,
    seconds: float = 3.0,
    margin: float = 0.01,
    urgency: float = 0.5,
    steps: int = 600,
    rounds: int = 8,
    samples: int = 200_000,
) -> Iterator[Candidate]:
    """Yields candidates that compute exactly what the original computes outside the collar, one each round.

    depth: the first layers in which idle neurons are looked for; most: neurons taken of a layer; seconds: for the
    proof that one is idle; margin: by which the target is to hold at samples, in scores, half as much again where the
    proof stays open; urgency: what a point missed counts beside an advisory changed, doubled each round; steps: of
    training, in each round; samples: points drawn in the box, many at its faces, and three times as many in a box
    around the collar.
    """
    graft = _graft(task, say, depth, most, seconds)
    if graft is None:
        return
    trainer = Trainer(task, graft, samples=samples)
    counts = "+".join(str(len(taken)) for taken in graft.chain)
    note = f"{counts} idle neurons rewritten, exactly the original outside a collar"
    known = 0
    for number in range(rounds):
        say(f"idle neurons: training, round {number + 1}, margin {margin:g}")
        fresh = [c for c in evidence.counterexamples[known:] if c.property == 0]
        known = len(evidence.counterexamples)
        network = trainer.train(
            points(fresh, len(task.lower)),
            margin=margin,
            urgency=urgency,
            steps=steps,
            rate=0.01 if number else 0.05,  # later rounds only mend
        )
        yield Candidate(network, note)
        margin *= 1.5 if evidence.boxes else 1
        urgency *= 2
        steps = min(steps, 300)


def _graft(task: Task, say: Say, depth: int, most: int, seconds: float) -> Graft | None:
    """The network with its idle neurons to be rewritten; None where it has too few, and says why."""
    case = _only_case(task)
    if case is None:
        say("idle neurons: they can switch on in one box, and the targets have several")
        return None
    say("idle neurons: looking for them")
    depth = min(depth, idle_depth(task.network))
    chain = idle_neurons(task.network, task.lower, task.upper, depth=depth, most=most, seconds=seconds, seed=task.seed)
    if len(chain) < 2:
        say("idle neurons: none proved in layer 1" if not chain else "idle neurons: none proved in layer 2")
        return None
    measured = distances((case.lower, case.upper), task.lower, task.upper, len(chain[0]))
    if measured is None:
        say("idle neurons: the target's box has no face far enough inside the domain")
        return None
    chain[0] = chain[0][: len(measured.bias)]
    return Graft(task.network, chain, measured)


def _only_case(task: Task) -> Case | None:
    """The targets' only case; None where they have several."""
    cases = [case for prop in task.targets for case in prop.cases]
    return cases[0] if len(cases) == 1 else None
