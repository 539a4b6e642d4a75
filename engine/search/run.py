"""One run of the search: open boxes of many problems, bounded together."""

import time
from collections import Counter, deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch

from ..attack import descend, sample
from ..bounds.crown import Boxes, tighten
from ..bounds.roots import Roots, make_roots
from ..bounds.stack import Stack
from ..exact import unheld_text
from ..proof import Proof
from ..verdict import Counterexample, Standing, Statistics, Unknown, Verdict, Verified, Violated
from .branching import split_input, split_sign, splits
from .confirm import Judge, better
from .deepest import deepest_points
from .exclude import WARM_NONE, Remaining, Shown, exclude
from .finish import signs_to_split
from .pool import Nodes, Pool
from .problem import OnVerdict, Options, Problem, Progress, Search
from .recorder import Recorder

FIRST_SAMPLES, FIRST_STARTS = 128, 8  # points of the first attack on each root
JUDGED = 4  # points of a problem that one attack may have checked exactly, milliseconds each
NEARLY = 2.0**12  # times a row's error: how far from unsafe points are judged, as rounding may have moved them
NOISE = 8.0  # times that of the last layer, which is less than what a bound gives up in all: what is called a tie
TIES = 2_000  # ties of a problem that are split: along a face there would be no end of them
SEEK, SOUGHT = 4_096, 64  # boxes of a problem that cannot be proved, and points judged, in search of a counterexample


@dataclass(frozen=True, slots=True)
class Left:
    """The boxes of a part of a batch where an unsafe polytope may be reached.

    plane: [n, inputs + 1], the worst polytope's; neuron: [n], whose sign to split, or -1; value: [n], how
    far the worst corner is from unsafe; bound: [n], how far from unsafe all of it is known to be; tied: [n], whether
    nothing but rounding is between the two, and zero; suspects: (root, x, value) of the points nearest to unsafe;
    shown: how polytopes were excluded on all boxes of the part.
    """

    nodes: Nodes
    plane: torch.Tensor
    neuron: torch.Tensor
    value: torch.Tensor
    bound: torch.Tensor
    tied: torch.Tensor
    suspects: tuple[torch.Tensor, torch.Tensor, torch.Tensor]
    shown: Shown


class Run:
    """The search of one group of problems."""

    def __init__(self, problems: list[tuple[int, Problem]], options: Options, device: torch.device,
                 workers: ThreadPoolExecutor, parts: int, report: OnVerdict):
        self._options, self._report = options, report
        networks = list({id(p.network): p.network for _, p in problems}.values())
        place = {id(network): i for i, network in enumerate(networks)}
        self._stack = Stack(networks, device=device, semantics=options.semantics)
        self._waiting = deque(
            Search(i, p, [Judge(p.network, case) for case in p.property.cases]) for i, p in problems
        )
        # roots in the order of their networks, so that batches in root order are sorted by network
        pairs = [(search, judge) for search in self._waiting for judge in search.judges]
        pairs.sort(key=lambda pair: place[id(pair[0].problem.network)])
        self._owner = [search for search, _ in pairs]
        self._judge = [judge for _, judge in pairs]
        networks_of_roots = [place[id(search.problem.network)] for search in self._owner]
        self._roots = make_roots(self._stack, networks_of_roots, [judge.case for judge in self._judge])
        self._nearly = NEARLY * self._roots.error.amax(1)
        self._active: list[Search] = []
        self._generator = torch.Generator().manual_seed(options.seed)
        self._workers, self._parts = workers, parts
        self._recorder = Recorder(len(pairs), self._stack.n_inputs) if options.proofs else None
        self._pool = Pool(root_nodes(self._roots, torch.arange(1, device=device)))
        self.boxes = 0

    @torch.no_grad()
    def step(self) -> bool:
        """Bounds one batch of boxes; False when every problem has its verdict."""
        start = time.perf_counter()
        admitted = self._admit()
        nodes, shares = self._take()
        if len(nodes):
            self._bound(nodes)
        self._charge(admitted, shares, start)
        for search in self._active:
            self._settle(search)
        self._active = [search for search in self._active if search.verdict is None]
        return bool(self._active or self._waiting)

    def progress(self, problems: int, decided: int, boxes: int, seconds: float) -> Progress:
        done = decided + sum(search.proved for search in self._active)
        open_boxes = sum(len(search.open) for search in self._active)
        return Progress(problems, decided, boxes + self.boxes, open_boxes, done / problems, seconds)

    def _admit(self) -> list[Search]:
        """Fills the window; new problems are first attacked, and what stands becomes open boxes."""
        admitted = []
        while self._waiting and len(self._active) + len(admitted) < self._options.window:
            admitted.append(self._waiting.popleft())
        if admitted:
            chosen = {id(search) for search in admitted}
            roots = [i for i, search in enumerate(self._owner) if id(search) in chosen]
            root = torch.tensor(roots, device=self._stack.device)
            self._try(root.repeat_interleave(FIRST_STARTS), *self._first_attack(root))
            for i, slot in zip(roots, self._pool.put(root_nodes(self._roots, root))):
                self._owner[i].open[slot] = 0.0, -torch.inf
            self._active += admitted
        return admitted

    def _first_attack(self, root: torch.Tensor):
        """Gradient descent from the best of a few samples of each root's box."""
        every = root.repeat_interleave(FIRST_SAMPLES)
        x = sample(self._roots, every, self._generator)
        _, value = descend(self._stack, self._roots, every, x, torch.zeros_like(x), steps=0)
        best = value.view(len(root), -1).topk(FIRST_STARTS, largest=False, dim=1).indices
        x = x.view(len(root), FIRST_SAMPLES, -1).take_along_dim(best.unsqueeze(2), 1).flatten(0, 1)
        every = root.repeat_interleave(FIRST_STARTS)
        width = self._roots.upper[every] - self._roots.lower[every]
        return descend(self._stack, self._roots, every, x, width * 0.1, steps=20)

    def _take(self) -> tuple[Nodes, list[tuple[Search, int]]]:
        """The deepest open boxes, an equal share of the batch for each active problem."""
        slots, shares, room = [], [], self._options.batch
        for i, search in enumerate(sorted(self._active, key=lambda s: len(s.open))):
            n = min(len(search.open), -(-room // (len(self._active) - i)))
            slots += search.take(n)
            shares.append((search, n))
            room -= n
        nodes = self._pool.take(slots)
        return nodes.select(nodes.root.argsort(stable=True)), shares

    def _bound(self, nodes: Nodes) -> None:
        """Bounds the boxes, drops what is proved, looks for counterexamples in the rest and splits it."""
        parts = torch.arange(len(nodes), device=nodes.root.device).chunk(self._parts)
        seeds = torch.randint(2**62, (len(parts),), generator=self._generator).tolist()
        found = list(self._workers.map(self._remaining, [nodes.select(part) for part in parts], seeds))
        self._tally(nodes, +1)
        for left in found:
            self._tally(left.nodes, -1)
            if self._recorder:
                self._recorder.show(left.shown)
            self._try(*left.suspects)
        for left in found:
            self._split(left)

    def _remaining(self, nodes: Nodes, seed: int) -> Left:
        """Bounds one part of a batch, in a thread of its own, and attacks what is left of it."""
        torch.set_grad_enabled(False)  # a setting of each thread
        stack, roots = self._stack, self._roots
        boxes = Boxes(roots.network[nodes.root], nodes.lower, nodes.upper, nodes.l, nodes.u)
        lines = tighten(stack, boxes)
        left, shown = exclude(stack, roots, nodes, boxes, lines, steps=self._options.steps)
        neuron = signs_to_split(stack, roots, nodes, boxes, lines, left, stalled=self._options.stalled)
        polytopes = lambda root: self._judge[root].case.unsafe
        affine = ~((boxes.l < 0) & (boxes.u > 0)).any(1)[left.open]
        place, points = deepest_points(stack.networks, roots, polytopes, nodes, boxes, left)
        nodes = nodes.select(left.open)
        value, suspects = self._attack(nodes, left.plane, torch.Generator().manual_seed(seed))
        tied = self._tied(nodes.root, left, affine, lines[-1].rounding[left.open], value)
        if len(place):
            root = nodes.root[place]
            met = descend(stack, roots, root, points, torch.zeros_like(points), steps=0)
            suspects = tuple(map(torch.cat, zip(suspects, (root, *met))))
        return Left(nodes, left.plane, neuron, value, left.bound, tied, suspects, shown)

    def _tied(self, root: torch.Tensor, left: Remaining, affine: torch.Tensor, rounding: torch.Tensor,
              value: torch.Tensor) -> torch.Tensor:
        """Whether nothing but rounding is between the bound and the worst corner's value, and zero between them: always
        where the network is affine on the box and the bound is that of one row alone.

        rounding: [left, outputs], what it can change of these.
        """
        alone = (~self._roots.absent[root, left.polytope]).sum(1) == 1
        rows = self._roots.rows[root, left.polytope][..., :-1].abs()
        noise = (rows @ rounding.unsqueeze(2)).amax((1, 2))
        return (value >= 0) & (affine & alone | (value - left.bound <= NOISE * noise))

    def _tally(self, nodes: Nodes, sign: int) -> None:
        """Adds the boxes' shares of their cases' volume to what is proved, or takes them off."""
        shares = torch.ldexp(torch.ones(len(nodes)), -nodes.depth.cpu()).tolist()
        for root, share in zip(nodes.root.tolist(), shares):
            self._owner[root].proved += sign * share / len(self._owner[root].judges)

    def _attack(self, nodes: Nodes, plane: torch.Tensor, generator: torch.Generator):
        """How far each box's worst corner is from unsafe, and the most suspicious points after descent.

        They start from the corners and from as many new samples of the roots.
        """
        low = (plane[:, :-1] > 0).double()
        corner = nodes.upper + low * (nodes.lower - nodes.upper)
        root = torch.cat([nodes.root, nodes.root])
        x = torch.cat([corner, sample(self._roots, nodes.root, generator)])
        _, value = descend(self._stack, self._roots, root, x, torch.zeros_like(x), steps=0)
        width = nodes.upper - nodes.lower
        width = torch.cat([width * 0.5, (self._roots.upper - self._roots.lower)[nodes.root] * 0.05])
        count = min(len(nodes), max(16, self._options.batch // (32 * self._parts)))
        top = [half.topk(count, largest=False).indices + i * len(nodes) for i, half in enumerate(value.chunk(2))]
        top = torch.cat(top) if len(nodes) else root
        top = top[root[top].argsort(stable=True)]
        suspects = descend(self._stack, self._roots, root[top], x[top], width[top], steps=8)
        return value[: len(nodes)], (root[top], *suspects)

    def _try(self, root: torch.Tensor, x: torch.Tensor, value: torch.Tensor) -> None:
        """Has the points judged that look unsafe, at least but for rounding, or that may be brought onto equations: the
        most promising first, a few for each problem."""
        judged = Counter()
        values, roots, nearly = value.tolist(), root.tolist(), self._nearly[root].tolist()
        for i in sorted(range(len(values)), key=values.__getitem__):
            owner, judge = self._owner[roots[i]], self._judge[roots[i]]
            owner.nearest = min(owner.nearest, values[i])
            if owner.counterexample or judged[owner.index] == JUDGED:
                continue
            if values[i] <= nearly[i] or judge.has_equations:
                judged[owner.index] += 1
                owner.judged += 1
                found = judge.counterexample(x[i].cpu().numpy())
                if found:
                    self._hear(owner, judge, found)

    def _hear(self, owner: Search, judge: Judge, found: Counterexample) -> None:
        """Takes the point as a counterexample, or as one in case there is no better.

        In real semantics one that the network cannot be given counts where it can be given none of the set.
        """
        if found.stands or (self._options.semantics == "real" and not found.executable and judge.gap(found)):
            owner.counterexample = found
            return
        owner.near_miss = better(owner.near_miss, found)
        if found.exact:
            owner.give_up_proof()

    def _split(self, left: Left) -> None:
        """Opens the children of each box, by sign where a neuron is given, else by input where possible."""
        wanted = [self._owner[root].counterexample is None for root in left.nodes.root.tolist()]
        wanted = torch.tensor(wanted, dtype=torch.bool, device=left.neuron.device)
        by_sign = wanted & (left.neuron >= 0)
        by_input = wanted & (left.neuron < 0) & splits(left.nodes).any(1)
        kept = self._leave(left, wanted, wanted & ~by_sign & ~by_input)
        by_sign, by_input = by_sign & kept, by_input & kept
        parents, neuron = left.nodes.select(by_sign), left.neuron[by_sign]
        self._open(parents, split_sign(parents, neuron), left.value[by_sign], left.bound[by_sign], neuron)
        parents = left.nodes.select(by_input)
        pair = split_input(parents, left.plane[by_input])
        self._open(parents, pair, left.value[by_input], left.bound[by_input])

    def _leave(self, left: Left, wanted: torch.Tensor, stuck: torch.Tensor) -> torch.Tensor:
        """Leaves for good what can be split no further, and ties beyond TIES. Says what is kept."""
        kept = wanted.clone()
        for place in (wanted & (left.tied | stuck)).nonzero()[:, 0].tolist():
            owner, tied = self._owner[int(left.nodes.root[place])], bool(left.tied[place])
            owner.ties += tied
            if stuck[place] or owner.ties > TIES:
                owner.tie |= tied
                owner.stuck |= not tied
                owner.bound = min(owner.bound, float(left.bound[place]))
                kept[place] = False
            if owner.ties > TIES:
                owner.give_up_proof()
        return kept

    def _open(self, parents: Nodes, pair: tuple[Nodes, Nodes], value: torch.Tensor, bound: torch.Tensor,
              neuron=None) -> None:
        if self._recorder:
            self._recorder.split(parents, *pair, neuron)
        known = list(zip(value.tolist(), bound.tolist()))
        for children in pair:
            for root, slot, of_parent in zip(children.root.tolist(), self._pool.put(children), known):
                self._owner[root].open[slot] = of_parent

    def _charge(self, admitted: list[Search], shares: list[tuple[Search, int]], start: float) -> None:
        """Shares the time since `start` among the batch's problems by boxes, or among the admitted."""
        shares = shares or [(search, 1) for search in admitted]
        total = sum(n for _, n in shares)
        seconds = time.perf_counter() - start
        for search, n in shares:
            search.boxes += n
            search.seconds += seconds * n / max(total, 1)
        self.boxes += total

    def _settle(self, search: Search) -> None:
        """Gives the search its verdict if there is one, and frees its boxes."""
        search.verdict = self._verdict(search)
        if search.verdict:
            self._pool.release(list(search.open))
            search.open.clear()
            self._report(search.index, search.verdict)

    def _verdict(self, search: Search) -> Verdict | None:
        """What can be said now, None where it is to be searched on.

        In real semantics a point that the network cannot be given decides too, once none was found that it can.
        """
        options, near = self._options, search.near_miss
        statistics = Statistics(search.boxes, search.seconds, str(self._stack.device.type))
        limit = search.problem.timeout or options.timeout
        late = limit is not None and search.seconds > limit
        crowded = self._pool.used > options.max_open and len(search.open) == max(len(s.open) for s in self._active)
        boxes, judged = search.since
        if search.counterexample:
            return Violated(search.counterexample, options.semantics, statistics)
        if not (search.open or search.tie or search.stuck or search.refuted):
            return Verified(options.semantics, statistics, near, self._proof(search))
        if search.open and not (late or crowded or boxes >= SEEK or judged >= SOUGHT):
            return None
        if search.refuted and not near.executable and options.semantics == "real":
            return Violated(near, options.semantics, statistics)
        reason, standing = self._reason(search, late, crowded), self._standing(search)
        return Unknown(reason, late, max(0.0, search.proved), options.semantics, statistics, near,
                       self._open_boxes(search), standing)

    def _open_boxes(self, search: Search) -> np.ndarray | None:
        """Ends of the most suspicious of its open boxes, which are taken from it."""
        if not self._options.open_boxes:
            return None
        worst = sorted(search.open, key=search.open.__getitem__)[: self._options.open_boxes]
        for slot in worst:
            del search.open[slot]
        nodes = self._pool.take(worst)
        return torch.stack([nodes.lower, nodes.upper], 1).cpu().numpy()

    def _standing(self, search: Search) -> Standing:
        bound = min([search.bound, *(bound for _, bound in search.open.values())])
        deepest, width = 0, 0.0
        if search.open:
            root, lower, upper, depth = self._pool.look(list(search.open), "root", "lower", "upper", "depth")
            whole = (self._roots.upper - self._roots.lower)[root]
            shares = torch.where(whole > 0, (upper - lower) / whole, 0.0)
            deepest, width = int(depth.max()), float(shares.amax(1).median())
        known = lambda value: value if abs(value) < torch.inf else None
        return Standing(len(search.open), deepest, width, known(bound), known(search.nearest), search.ties)

    def _proof(self, search: Search) -> Proof | None:
        """Its roots stand in the order of its property's cases."""
        if self._recorder is None:
            return None
        return self._recorder.proof([i for i, owner in enumerate(self._owner) if owner is search])

    def _reason(self, search: Search, late: bool, crowded: bool) -> str:
        near = search.near_miss
        if late:
            reason = f"out of time after {search.seconds:.1f} s with {len(search.open):,} boxes open"
        elif crowded:
            reason = f"more than {self._options.max_open:,} boxes open (max_open)"
        elif search.refuted:
            reason = "no proof can exist, and no point was found that is unsafe both exactly and as executed"
        elif search.tie:
            reason = "on boxes that were left the margin is zero, or less than rounding can change"
        else:
            reason = "boxes were left that can be split no further, and their bounds do not exclude what is unsafe"
        if near and not near.executable:
            number = search.problem.network.number.__name__
            reason += f"; exact arithmetic violates it at a point that {number} cannot hold "
            reason += f"({unheld_text(near.point, near.inputs)})"
        elif near:
            where = "exact arithmetic" if near.exact else "onnxruntime"
            reason += f"; a point was found that is unsafe in {where} alone"
        return reason


def root_nodes(roots: Roots, root: torch.Tensor) -> Nodes:
    """The whole boxes of the given roots, nothing assumed and nothing shown."""
    hidden = (len(root), roots.l.shape[1])
    zero = torch.zeros(hidden, dtype=torch.int8, device=root.device)
    none = torch.full(hidden, WARM_NONE, dtype=torch.uint8, device=root.device)
    start = torch.zeros(hidden, dtype=torch.bfloat16, device=root.device)
    return Nodes(root, roots.lower[root], roots.upper[root], roots.l[root], roots.u[root],
                 roots.missing[root], zero, none, start, root.clone(), torch.zeros_like(root))
