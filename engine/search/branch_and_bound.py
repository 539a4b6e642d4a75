"""Branch and bound over many problems: their open boxes are bounded together."""

import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from math import inf

import torch

from engine.bounds.blocks import make_stack
from engine.bounds.roots import Roots, extent
from engine.deadline import Deadline, OutOfTime
from engine.property import Polytope
from engine.search.apart import set_apart, to_set_apart
from engine.search.batch import bounded
from engine.search.branching import split_input, split_sign, splits
from engine.search.conjunctions import conjunction_attack
from engine.search.frontier import Frontier, node_bytes, root_bytes
from engine.search.open_boxes import OpenBoxes, RootFacts, open_boxes
from engine.search.outcome import Outcome
from engine.search.plan import make_plan
from engine.search.pool import Nodes
from engine.search.problem import OnVerdict, Options, Problem, Progress
from engine.search.recorder import Recorder
from engine.search.restarts import due, restart
from engine.search.shares import Share, charge, common_deadline, make_shares
from engine.search.state import Known, ProblemState
from engine.search.suspects import Suspects, by_network, first_attack
from engine.search.ties import MAX_SPLIT_TIES
from engine.search.trial import confirm_suspects
from engine.search.ways import FIRST_TURN, make_state, next_turn

UNBOUNDED = Known(0.0, -inf)
LEVELS = 64  # of the tree, for which room is left when boxes are bounded depth first
MAX_ATTACKED_FIRST = 16  # cases of a problem


class BranchAndBound:
    """The search of one group of problems."""

    def __init__(
        self,
        problems: list[tuple[int, Problem]],
        options: Options,
        device: torch.device,
        workers: ThreadPoolExecutor,
        parts: int,
        report: OnVerdict,
        *,
        apart: bool = True,
    ):
        """apart: polytopes may have trees of their own (apart.py).

        Raises OutOfTime where all problems' time together does not suffice to begin.
        """
        start = time.monotonic()
        self._options, self._report, self._apart = options, report, apart
        networks = list({id(p.network): p.network for _, p in problems}.values())
        limits = [p.timeout or options.timeout or inf for _, p in problems]
        deadline = Deadline(start + max(limits) * len(problems))
        self._stack = make_stack(networks, device=device, semantics=options.semantics, deadline=deadline)
        padded = extent(case for _, p in problems for case in p.property.cases)
        sizes = node_bytes(self._stack, padded[0]), root_bytes(self._stack, padded)
        self._plan = make_plan(self._stack, padded, *sizes, options, parts)
        self._recorder = Recorder(self._stack.n_inputs) if options.proofs else None
        self._frontier = Frontier(networks, self._stack, padded, max_open=self._plan.open, recorder=self._recorder)
        self._outcome = Outcome(self._frontier, self._recorder, self._plan, options, str(device.type))
        self._waiting = deque(make_state(i, p, limit) for (i, p), limit in zip(problems, limits))
        self._active: list[ProblemState] = []
        self._generator = torch.Generator().manual_seed(options.seed)
        self._workers, self._parts = workers, parts
        self.boxes = 0
        for state in self._waiting:
            state.seconds = (time.monotonic() - start) / len(problems)

    @torch.no_grad()
    def step(self) -> bool:
        """Bounds one batch of boxes; False when every problem has its verdict."""
        start = time.monotonic()
        while self._waiting and len(self._active) < self._options.window:
            self._active.append(self._waiting.popleft())
        roomy, roots = self._frontier.open < self._plan.open / 2, self._plan.roots - self._frontier.roots_used
        shares = make_shares(self._active, self._batch(roomy), roomy=roomy, roots=max(0, roots))
        deadline = common_deadline(shares, start)
        boxes = {slot: known for share in shares for slot, known in share.open.items()}
        self._bound(boxes | self._begin(shares, deadline), deadline)
        self._restart([share.state for share in shares], deadline)
        charge(shares, time.monotonic() - start)
        for state in self._active:
            self._settle(state)
        self._active = [self._next_turn(state) for state in self._active if state.verdict is None]
        return bool(self._active or self._waiting)

    def _batch(self, roomy: bool) -> int:
        """The boxes of the next batch. Each may leave one more open: as the room is used up there are fewer, so that
        depth first it lasts for many levels."""
        room = max(self._plan.open - self._frontier.open, LEVELS)
        return self._plan.batch if roomy else min(self._plan.batch, room // LEVELS)

    def progress(self, problems: int, decided: int, boxes: int, seconds: float) -> Progress:
        """The state of the whole run, of which so many problems and boxes are done elsewhere."""
        done = decided + sum(state.proved for state in self._active)
        open_boxes = sum(len(state.open) for state in self._active)
        return Progress(problems, decided, boxes + self.boxes, open_boxes, done / problems, seconds)

    def _begin(self, shares: list[Share], deadline: Deadline) -> dict[int, Known]:
        """Opens the boxes of cases that wait, which are to be bounded, and returns them.

        Those of problems with few cases are attacked first where that costs less than to bound them; of a problem with
        many cases most are closed by one bound, and only what is left is attacked.
        """
        fresh = [(share.state, number) for share in shares for number in share.cases]
        fresh.sort(key=lambda pair: self._frontier.place(pair[0]))
        try:
            slots, roots = self._frontier.begin(fresh, deadline) if fresh else ([], [])
        except OutOfTime:  # these cases go on waiting
            return {}
        at_once = [root for root in roots if self._attacked_first(root)]
        if at_once:
            self._attack_first(torch.tensor(at_once, device=self._stack.device), deadline)
        return dict.fromkeys(slots, UNBOUNDED)

    def _attacked_first(self, root: int) -> bool:
        cases = self._frontier.owner(root).problem.property.cases
        return self._plan.attack_first and len(cases) <= MAX_ATTACKED_FIRST

    def _attack_first(self, root: torch.Tensor, deadline: Deadline) -> None:
        roots = self._frontier.roots
        root = root[by_network(roots, root)]
        try:
            suspects = first_attack(self._stack, roots, root, self._generator, deadline)
        except OutOfTime:
            return
        self._confirm(suspects, deadline)

    def _confirm(self, suspects: Suspects, deadline: Deadline) -> None:
        """Looks exactly at points that may be counterexamples, and at those that attacks on conjunctions reach."""
        semantics = self._options.semantics
        confirm_suspects(self._frontier, suspects, semantics, deadline)
        try:
            others = conjunction_attack(self._stack, self._frontier, suspects, deadline)
        except OutOfTime:
            return
        if others:
            confirm_suspects(self._frontier, others, semantics, deadline)

    def _bound(self, boxes: dict[int, Known], deadline: Deadline) -> None:
        """Bounds the boxes, closes those that are proved, looks for counterexamples in the others and splits them.

        Parts of them that are not done by the deadline stay open as they were.
        """
        frontier, slots = self._frontier, self._undecided(boxes)
        if not slots:
            self._stay_open(boxes)
            return
        nodes = frontier.read(slots)
        parts = by_network(frontier.roots, nodes.root).chunk(self._plan.parts(len(nodes), self._parts))
        given = [nodes.select(part) for part in parts]
        seeds = torch.randint(2**62, (len(parts),), generator=self._generator).tolist()
        find = partial(self._open_boxes, roots=frontier.roots, deadline=deadline)
        found = list(self._workers.map(find, given, seeds))
        done = [(part, before, after) for part, before, after in zip(parts, given, found) if after]
        closed = {slots[i] for part, _, _ in done for i in part.tolist()}
        self._stay_open({slot: known for slot, known in boxes.items() if slot not in closed})
        for _, before, after in done:
            self._tally(before, after.nodes)
            if self._recorder:
                self._recorder.exclude(after.exclusions)
            self._confirm(after.suspects, deadline)
        bounded_roots = [root for _, before, _ in done for root in before.root.tolist()]
        frontier.close(list(closed), bounded_roots)
        for _, _, after in done:
            self._split(after)
        frontier.prune(bounded_roots)

    def _restart(self, states: list[ProblemState], deadline: Deadline) -> None:
        """Attacks long searches from many new starts."""
        for state in filter(due, states):
            try:
                suspects = restart(self._stack, self._frontier, state, deadline)
            except OutOfTime:
                return
            self._confirm(suspects, deadline)

    def _undecided(self, boxes: dict[int, Known]) -> list[int]:
        """The slots of boxes of problems without a counterexample, of which the first attack may find some."""
        if not boxes:
            return []
        return [slot for slot, owner in zip(boxes, self._frontier.owners(list(boxes))) if not owner.counterexample]

    def _stay_open(self, boxes: dict[int, Known]) -> None:
        if boxes:
            for (slot, known), owner in zip(boxes.items(), self._frontier.owners(list(boxes))):
                owner.open[slot] = known

    def _open_boxes(self, nodes: Nodes, seed: int, *, roots: Roots, deadline: Deadline) -> OpenBoxes | None:
        """The open boxes of one part of a batch, bounded in a thread of its own; None if out of time."""
        torch.set_grad_enabled(False)  # a setting of each thread
        generator = torch.Generator().manual_seed(seed)
        try:
            batch = bounded(self._stack, roots, nodes, deadline)
            known = RootFacts(self._polytopes, self._attacked_first, self._frontier.owner)
            return open_boxes(batch, known, generator, self._options, self._plan)
        except OutOfTime:
            return None

    def _polytopes(self, root: int) -> tuple[Polytope, ...]:
        return self._frontier.confirmer(root).case.unsafe

    def _tally(self, before: Nodes, after: Nodes) -> None:
        """Counts the boxes, and adds to the problems' proved volume what is open before and not after."""
        for nodes, sign in ((before, 1), (after, -1)):
            shares = torch.ldexp(torch.ones(len(nodes)), -nodes.depth.cpu()).tolist()
            for root, share in zip(nodes.root.tolist(), shares):
                state = self._frontier.owner(root)
                state.boxes += sign > 0
                trees = state.apart.get(root, 1)  # a root that is set apart is at depth 0, and its trees at depth 1
                share *= 2 / trees if trees > 1 else 1
                state.proved += sign * share / len(state.problem.property.cases)
        self.boxes += len(before)

    def _split(self, boxes: OpenBoxes) -> None:
        """Opens the children of each box, by sign where a neuron is given, else by input where possible."""
        owners = [self._frontier.owner(root) for root in boxes.nodes.root.tolist()]
        wanted = torch.tensor(
            [owner.counterexample is None for owner in owners], dtype=torch.bool, device=boxes.neuron.device
        )
        if self._apart:
            apart = wanted & (boxes.neuron >= 0) & to_set_apart(boxes.nodes)
            for i in apart.nonzero()[:, 0].tolist():
                known = Known(float(boxes.value[i]), float(boxes.bound[i]))
                set_apart(self._frontier, self._recorder, boxes.nodes.select(slice(i, i + 1)), known)
            wanted &= ~apart
        by_sign = wanted & (boxes.neuron >= 0)
        by_input = wanted & (boxes.neuron < 0) & splits(boxes.nodes).any(1)
        kept = _leave(boxes, owners, wanted, wanted & ~by_sign & ~by_input)
        by_sign, by_input = by_sign & kept, by_input & kept
        parents, neuron = boxes.nodes.select(by_sign), boxes.neuron[by_sign]
        self._open(parents, split_sign(parents, neuron), boxes.value[by_sign], boxes.bound[by_sign], neuron)
        parents = boxes.nodes.select(by_input)
        pair = split_input(parents, boxes.plane[by_input], self._frontier.roots.reach[parents.root])
        self._open(parents, pair, boxes.value[by_input], boxes.bound[by_input])

    def _open(
        self,
        parents: Nodes,
        pair: tuple[Nodes, Nodes],
        value: torch.Tensor,
        bound: torch.Tensor,
        neuron: torch.Tensor | None = None,
    ) -> None:
        if self._recorder:
            self._recorder.split(parents, *pair, neuron)
        known = list(map(Known, value.tolist(), bound.tolist()))
        for children in pair:
            for root, slot, of_parent in zip(children.root.tolist(), self._frontier.put(children), known):
                self._frontier.owner(root).open[slot] = of_parent

    def _settle(self, state: ProblemState) -> None:
        """Gives the problem its verdict if there is one, and frees its boxes."""
        state.verdict = self._outcome.verdict(state, self._active)
        if state.verdict:
            self._frontier.drop(state)
            self._drop_rival(state)
            self._report(state.index, state.verdict)

    def _next_turn(self, state: ProblemState) -> ProblemState:
        """The problem as it is to be searched next. Where boxes become many, the way that is given up frees its own."""
        following = next_turn(state)
        if following.rival and self._frontier.open > self._plan.open / 4 and following.turn > FIRST_TURN:
            self._drop_rival(following)
        return following

    def _drop_rival(self, state: ProblemState) -> None:
        if state.rival:
            self._frontier.drop(state.rival)
            state.seconds, state.boxes, state.rival = state.spent, state.all_boxes, None


def _leave(boxes: OpenBoxes, owners: list[ProblemState], wanted: torch.Tensor, stuck: torch.Tensor) -> torch.Tensor:
    """Leaves for good the boxes that can be split no further, and ties beyond the limit: True for those kept."""
    kept = wanted.clone()
    for i in (wanted & (boxes.tied | stuck)).nonzero()[:, 0].tolist():
        owner, is_tie = owners[i], bool(boxes.tied[i])
        owner.ties += is_tie
        if stuck[i] or owner.ties > MAX_SPLIT_TIES:
            owner.tie |= is_tie
            owner.stuck |= not is_tie
            owner.bound = min(owner.bound, float(boxes.bound[i]))
            kept[i] = False
        if owner.ties > MAX_SPLIT_TIES:
            owner.give_up_proof()
    return kept
