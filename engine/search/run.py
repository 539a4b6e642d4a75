"""One run of the search: open boxes of many problems, bounded together."""

import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from math import inf

import numpy as np
import torch

from engine.attack import descend
from engine.bounds.crown import Boxes, tighten
from engine.bounds.roots import Roots, extent
from engine.bounds.stack import Stack
from engine.deadline import Deadline, OutOfTime
from engine.memory import size_text
from engine.proof import Proof
from engine.search.branching import split_input, split_sign, splits
from engine.search.deepest import deepest_points
from engine.search.exclude import Shown, exclude
from engine.search.finish import signs_to_split
from engine.search.frontier import Frontier, node_bytes
from engine.search.outcome import reason, standing
from engine.search.plan import make_plan
from engine.search.pool import Nodes
from engine.search.problem import OnVerdict, Options, Problem, Progress, Search
from engine.search.recorder import Recorder
from engine.search.suspects import Suspects, by_network, corner_attack, first_attack, joined
from engine.search.ties import MOST as MOST_TIES
from engine.search.ties import tied
from engine.search.trial import judge_suspects
from engine.verdict import Statistics, Unknown, Verdict, Verified, Violated

SEEK, SOUGHT = 4_096, 64  # boxes of a problem that cannot be proved, and points judged, in search of a counterexample

Known = tuple[float, float]  # of an open box: how far from unsafe its worst corner is, and the bound that holds


@dataclass(frozen=True, slots=True)
class Left:
    """The boxes of a part of a batch where an unsafe polytope may be reached.

    plane: [n, inputs + 1], the worst polytope's; neuron: [n], whose sign to split, or -1; value: [n], how
    far the worst corner is from unsafe; bound: [n], how far from unsafe all of it is known to be; tied: [n], whether
    nothing but rounding is between the two, and zero; suspects: the points nearest to unsafe; shown: how polytopes were
    excluded on all boxes of the part.
    """

    nodes: Nodes
    plane: torch.Tensor
    neuron: torch.Tensor
    value: torch.Tensor
    bound: torch.Tensor
    tied: torch.Tensor
    suspects: Suspects
    shown: Shown


@dataclass(frozen=True, slots=True)
class Share:
    """What a batch has of one problem: `size` boxes, some of them open (slot: Known), others of cases that wait."""

    search: Search
    size: int
    open: dict[int, Known]

    @property
    def cases(self) -> range:
        """The numbers of these cases."""
        return range(self.search.begun, self.search.begun + self.size - len(self.open))


class Run:
    """The search of one group of problems."""

    def __init__(
        self,
        problems: list[tuple[int, Problem]],
        options: Options,
        device: torch.device,
        workers: ThreadPoolExecutor,
        parts: int,
        report: OnVerdict,
    ):
        """OutOfTime where all problems' time together does not suffice to begin."""
        start = time.monotonic()
        self._options, self._report = options, report
        networks = list({id(p.network): p.network for _, p in problems}.values())
        limits = [p.timeout or options.timeout or inf for _, p in problems]
        deadline = Deadline(start + max(limits) * len(problems))
        self._stack = Stack(networks, device=device, semantics=options.semantics, deadline=deadline)
        padded = extent(case for _, p in problems for case in p.property.cases)
        size = node_bytes(self._stack, padded[0])
        self._plan = make_plan(self._stack, padded, size, options, parts)
        self._recorder = Recorder(self._stack.n_inputs) if options.proofs else None
        self._frontier = Frontier(networks, self._stack, padded, most=self._plan.open, recorder=self._recorder)
        self._waiting = deque(Search(i, p, limit) for (i, p), limit in zip(problems, limits))
        self._active: list[Search] = []
        self._generator = torch.Generator().manual_seed(options.seed)
        self._workers, self._parts = workers, parts
        self.boxes = 0
        for search in self._waiting:
            search.seconds = (time.monotonic() - start) / len(problems)

    @torch.no_grad()
    def step(self) -> bool:
        """Bounds one batch of boxes; False when every problem has its verdict."""
        start = time.monotonic()
        while self._waiting and len(self._active) < self._options.window:
            self._active.append(self._waiting.popleft())
        shares = self._shares()
        deadline = self._deadline(shares, start)
        boxes = {slot: value for share in shares for slot, value in share.open.items()}
        self._bound(boxes | self._begin(shares, deadline), deadline)
        self._charge(shares, time.monotonic() - start)
        for search in self._active:
            self._settle(search)
        self._active = [search for search in self._active if search.verdict is None]
        return bool(self._active or self._waiting)

    def progress(self, problems: int, decided: int, boxes: int, seconds: float) -> Progress:
        done = decided + sum(search.proved for search in self._active)
        open_boxes = sum(len(search.open) for search in self._active)
        return Progress(problems, decided, boxes + self.boxes, open_boxes, done / problems, seconds)

    def _shares(self) -> list[Share]:
        """The next batch, an equal share for each active problem: of open boxes, and of cases that wait.

        Where many boxes are open, cases wait until nothing else is left to do.
        """
        shares, room = [], self._plan.batch
        roomy = self._frontier.open < self._plan.open / 2
        size = lambda search: len(search.open) + search.waiting
        for i, search in enumerate(sorted(self._active, key=size)):
            n = min(size(search), -(-room // (len(self._active) - i)))
            cases = min(search.waiting, max(n - len(search.open), n - n // 2 if roomy else 0))
            if n:
                shares.append(Share(search, n, search.take(n - cases)))
            room -= n
        return shares

    @staticmethod
    def _deadline(shares: list[Share], start: float) -> Deadline:
        """When all problems of the batch are out of time, as far as their shares of it go."""
        total = sum(share.size for share in shares)
        left = [(share.search.limit - share.search.seconds) * total / share.size for share in shares]
        return Deadline(start + max(left, default=inf))

    def _begin(self, shares: list[Share], deadline: Deadline) -> dict[int, Known]:
        """Opens the boxes of cases that wait, which are to be bounded, and returns them.

        They are attacked first where that costs less than to bound them.
        """
        fresh = [(share.search, number) for share in shares for number in share.cases]
        fresh.sort(key=lambda pair: self._frontier.place(pair[0]))
        try:
            slots, roots = self._frontier.begin(fresh, deadline) if fresh else ([], [])
        except OutOfTime:  # these cases go on waiting
            return {}
        if fresh and self._plan.attack_first:
            self._attack_first(torch.tensor(roots, device=self._stack.device), deadline)
        return dict.fromkeys(slots, (0.0, -inf))

    def _attack_first(self, root: torch.Tensor, deadline: Deadline) -> None:
        roots = self._frontier.roots
        root = root[by_network(roots, root)]
        try:
            suspects = first_attack(self._stack, roots, root, self._generator, deadline)
        except OutOfTime:
            return
        judge_suspects(self._frontier, suspects, self._options.semantics, deadline)

    def _bound(self, boxes: dict[int, Known], deadline: Deadline) -> None:
        """Bounds the boxes (slot: Known), drops what is proved, looks for counterexamples in the rest and splits it.

        Parts of them that are not done by the deadline stay open as they were.
        """
        frontier, slots = self._frontier, self._undecided(boxes)
        if not slots:
            self._stay_open(boxes)
            return
        nodes = frontier.read(slots)
        parts = by_network(frontier.roots, nodes.root).chunk(self._parts)
        given = [nodes.select(part) for part in parts]
        seeds = torch.randint(2**62, (len(parts),), generator=self._generator).tolist()
        remaining = partial(self._remaining, roots=frontier.roots, deadline=deadline)
        found = list(self._workers.map(remaining, given, seeds))
        done = [(part, before, left) for part, before, left in zip(parts, given, found) if left]
        closed = {slots[i] for part, _, _ in done for i in part.tolist()}
        self._stay_open({slot: value for slot, value in boxes.items() if slot not in closed})
        for _, before, left in done:
            self._tally(before, left.nodes)
            if self._recorder:
                self._recorder.show(left.shown)
            judge_suspects(self._frontier, left.suspects, self._options.semantics, deadline)
        roots = [root for _, before, _ in done for root in before.root.tolist()]
        frontier.close(list(closed), roots)
        for _, _, left in done:
            self._split(left)
        frontier.prune(roots)

    def _undecided(self, boxes: dict[int, Known]) -> list[int]:
        """The slots of boxes of problems without a counterexample, of which the first attack may find some."""
        if not boxes:
            return []
        return [slot for slot, owner in zip(boxes, self._frontier.owners(list(boxes))) if not owner.counterexample]

    def _stay_open(self, boxes: dict[int, Known]) -> None:
        if boxes:
            for (slot, value), owner in zip(boxes.items(), self._frontier.owners(list(boxes))):
                owner.open[slot] = value

    def _remaining(self, nodes: Nodes, seed: int, *, roots: Roots, deadline: Deadline) -> Left | None:
        """Bounds one part of a batch, in a thread of its own, and attacks what is left of it; None if out of time."""
        torch.set_grad_enabled(False)  # a setting of each thread
        try:
            return self._left(nodes, torch.Generator().manual_seed(seed), roots, deadline)
        except OutOfTime:
            return None

    def _left(self, nodes: Nodes, generator: torch.Generator, roots: Roots, deadline: Deadline) -> Left:
        stack, options = self._stack, self._options
        boxes = Boxes(roots.network[nodes.root], nodes.lower, nodes.upper, nodes.l, nodes.u, deadline)
        lines = tighten(stack, boxes)
        left, shown = exclude(stack, roots, nodes, boxes, lines, steps=options.steps, targets=self._plan.targets)
        neuron = signs_to_split(stack, roots, nodes, boxes, lines, left, stalled=options.stalled)
        polytopes = lambda root: self._frontier.judge(root).case.unsafe
        affine = ~((boxes.l < 0) & (boxes.u > 0)).any(1)[left.open]
        place, points = deepest_points(stack.networks, roots, polytopes, nodes, boxes, left)
        nodes = nodes.select(left.open)
        count = max(16, self._plan.batch // (32 * self._parts))
        value, suspects = corner_attack(stack, roots, nodes, left.plane, generator, count=count, deadline=deadline)
        ties = tied(roots, nodes.root, left, affine, lines[-1].rounding[left.open], value)
        whole = nodes.root[nodes.depth == 0]
        if len(whole) and not self._plan.attack_first:
            suspects = joined([suspects, first_attack(stack, roots, whole, generator, deadline)])
        if len(place):
            root = nodes.root[place]
            met = descend(stack, roots, root, points, torch.zeros_like(points), steps=0, deadline=deadline)
            suspects = joined([suspects, (root, *met)])
        return Left(nodes, left.plane, neuron, value, left.bound, ties, suspects, shown)

    def _tally(self, bounded: Nodes, left: Nodes) -> None:
        """Counts the boxes, and adds the shares of their cases' volume that are proved to what is."""
        for nodes, sign in ((bounded, 1), (left, -1)):
            shares = torch.ldexp(torch.ones(len(nodes)), -nodes.depth.cpu()).tolist()
            for root, share in zip(nodes.root.tolist(), shares):
                search = self._frontier.owner(root)
                search.boxes += sign > 0
                search.proved += sign * share / len(search.problem.property.cases)
        self.boxes += len(bounded)

    def _split(self, left: Left) -> None:
        """Opens the children of each box, by sign where a neuron is given, else by input where possible."""
        owners = [self._frontier.owner(root) for root in left.nodes.root.tolist()]
        wanted = torch.tensor(
            [owner.counterexample is None for owner in owners], dtype=torch.bool, device=left.neuron.device
        )
        by_sign = wanted & (left.neuron >= 0)
        by_input = wanted & (left.neuron < 0) & splits(left.nodes).any(1)
        kept = self._leave(left, owners, wanted, wanted & ~by_sign & ~by_input)
        by_sign, by_input = by_sign & kept, by_input & kept
        parents, neuron = left.nodes.select(by_sign), left.neuron[by_sign]
        self._open(parents, split_sign(parents, neuron), left.value[by_sign], left.bound[by_sign], neuron)
        parents = left.nodes.select(by_input)
        reach = self._frontier.roots.reach[parents.root]
        pair = split_input(parents, left.plane[by_input], reach)
        self._open(parents, pair, left.value[by_input], left.bound[by_input])

    @staticmethod
    def _leave(left: Left, owners: list[Search], wanted: torch.Tensor, stuck: torch.Tensor) -> torch.Tensor:
        """Leaves for good what can be split no further, and ties beyond the most. Says what is kept."""
        kept = wanted.clone()
        for i in (wanted & (left.tied | stuck)).nonzero()[:, 0].tolist():
            owner, is_tie = owners[i], bool(left.tied[i])
            owner.ties += is_tie
            if stuck[i] or owner.ties > MOST_TIES:
                owner.tie |= is_tie
                owner.stuck |= not is_tie
                owner.bound = min(owner.bound, float(left.bound[i]))
                kept[i] = False
            if owner.ties > MOST_TIES:
                owner.give_up_proof()
        return kept

    def _open(
        self, parents: Nodes, pair: tuple[Nodes, Nodes], value: torch.Tensor, bound: torch.Tensor, neuron=None
    ) -> None:
        if self._recorder:
            self._recorder.split(parents, *pair, neuron)
        known = list(zip(value.tolist(), bound.tolist()))
        for children in pair:
            for root, slot, of_parent in zip(children.root.tolist(), self._frontier.put(children), known):
                self._frontier.owner(root).open[slot] = of_parent

    @staticmethod
    def _charge(shares: list[Share], seconds: float) -> None:
        """Shares the seconds among the batch's problems, by boxes."""
        total = sum(share.size for share in shares)
        for share in shares:
            share.search.seconds += seconds * share.size / total

    def _settle(self, search: Search) -> None:
        """Gives the search its verdict if there is one, and frees its boxes."""
        search.verdict = self._verdict(search)
        if search.verdict:
            self._frontier.drop(search)
            self._report(search.index, search.verdict)

    def _verdict(self, search: Search) -> Verdict | None:
        """What can be said now, None where it is to be searched on.

        In real semantics a point that the network cannot be given decides too, once none was found that it can.
        """
        semantics, near, (boxes, judged) = self._options.semantics, search.near_miss, search.since
        statistics = Statistics(search.boxes, search.seconds, str(self._stack.device.type))
        done = not search.open and not search.waiting
        crowded = self._crowded() and len(search.open) == max(len(s.open) for s in self._active)
        if search.counterexample:
            return Violated(search.counterexample, semantics, statistics)
        if done and not (search.tie or search.stuck or search.refuted):
            return Verified(semantics, statistics, near, self._proof(search))
        if not (done or search.late or crowded or boxes >= SEEK or judged >= SOUGHT):
            return None
        if search.refuted and not near.executable and semantics == "real":
            return Violated(near, semantics, statistics)
        return Unknown(
            reason(search, self._full() if crowded else ""),
            search.late,
            max(0.0, search.proved),
            semantics,
            statistics,
            near,
            self._open_boxes(search),
            standing(search, self._frontier),
        )

    def _crowded(self) -> str:
        """What of the memory is full, if anything."""
        taken = self._frontier.root_bytes + (3 * self._recorder.nbytes if self._recorder else 0)
        if self._frontier.open > self._plan.open:
            return f"more than {self._plan.open:,} boxes are open"
        return "the proof so far, and the cases in work, are too large" if taken > self._plan.rest else ""

    def _full(self) -> str:
        """The same, with the limit."""
        limit = f"max_open {self._options.max_open}" if self._options.max_open else "--memory"
        return f"{self._crowded()} ({limit}, {size_text(self._options.memory)})"

    def _open_boxes(self, search: Search) -> np.ndarray | None:
        """Ends of the most suspicious of its open boxes."""
        if not self._options.open_boxes:
            return None
        worst = sorted(search.open, key=search.open.__getitem__)[: self._options.open_boxes]
        nodes = self._frontier.read(worst)
        return torch.stack([nodes.lower, nodes.upper], 1).cpu().numpy()

    def _proof(self, search: Search) -> Proof | None:
        return self._recorder.proof(search.trees) if self._recorder else None
