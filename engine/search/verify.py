"""The loop: take open boxes of many problems, bound them together, split what remains."""

import time
from collections import deque

import torch

from ..attack import descend, sample
from ..bounds.crown import Boxes, tighten
from ..bounds.roots import make_roots
from ..bounds.stack import Stack
from ..errors import InputError
from ..network import Network
from ..property import Property
from ..verdict import Statistics, Unknown, Verdict, Verified, Violated
from .branching import split, split_sign
from .confirm import Judge
from .exclude import exclude
from .pool import Nodes, Pool
from .problem import OnProgress, OnVerdict, Options, Problem, Progress, Search

GROUP = 1024  # problems whose weights are held at once


def verify(network: Network, property: Property, *, on_progress: OnProgress | None = None, **options) -> Verdict:
    """Decides whether `property` holds for `network`: Verified, Violated or Unknown.

    Verified and Violated are certain (see the classes). Options are those of `Options`.
    """
    return verify_all([Problem(network, property)], Options(**options), on_progress=on_progress)[0]


def verify_all(problems: list[Problem], options: Options, *, on_verdict: OnVerdict | None = None,
               on_progress: OnProgress | None = None) -> list[Verdict]:
    """A verdict for each problem; `on_verdict(index, verdict)` is called as soon as each is known.

    Problems whose networks have the same shape share batches. A problem's seconds are its share
    of each batch's time, by boxes, since it was admitted to the window.
    """
    device = choose_device(options.device)
    verdicts: list[Verdict | None] = [None] * len(problems)
    start = time.perf_counter()

    def report(index: int, verdict: Verdict):
        verdicts[index] = verdict
        if on_verdict:
            on_verdict(index, verdict)

    for group in _groups(problems):
        run = Run([(i, problems[i]) for i in group], options, device, report)
        while run.step():
            if on_progress:
                decided = sum(verdict is not None for verdict in verdicts)
                on_progress(run.progress(len(problems), decided, time.perf_counter() - start))
    return verdicts


def choose_device(name: str) -> torch.device:
    """cuda where there is one and it is wanted, else cpu."""
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError("no CUDA device is available", where="--device cuda", advice="use --device auto or cpu")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def _groups(problems: list[Problem]) -> list[list[int]]:
    """Indices of problems that can share batches: same network shape and number of outputs."""
    shapes: dict[tuple, list[int]] = {}
    for i, problem in enumerate(problems):
        shapes.setdefault(problem.network.shape, []).append(i)
    return [indices[i : i + GROUP] for indices in shapes.values() for i in range(0, len(indices), GROUP)]


class Run:
    """The search of one group of problems."""

    def __init__(self, problems: list[tuple[int, Problem]], options: Options, device, report: OnVerdict):
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
        self._active: list[Search] = []
        self._generator = torch.Generator().manual_seed(options.seed)
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

    def progress(self, problems: int, decided: int, seconds: float) -> Progress:
        done = decided + sum(search.proved for search in self._active)
        open_boxes = sum(len(search.open) for search in self._active)
        return Progress(problems, decided, self.boxes, open_boxes, done / problems, seconds)

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
                self._owner[i].open.append(slot)
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
        for left, search in enumerate(sorted(self._active, key=lambda s: len(s.open))):
            n = min(len(search.open), -(-room // (len(self._active) - left)))
            slots += search.open[len(search.open) - n :]
            del search.open[len(search.open) - n :]
            shares.append((search, n))
            room -= n
        nodes = self._pool.take(slots)
        return nodes.select(nodes.root.argsort(stable=True)), shares

    def _bound(self, nodes: Nodes) -> None:
        """Bounds the boxes, drops what is proved, looks for counterexamples in the rest and splits it."""
        boxes = Boxes(self._roots.network[nodes.root], nodes.lower, nodes.upper, nodes.l, nodes.u)
        lines = tighten(self._stack, boxes)
        remaining = exclude(self._stack, self._roots, nodes, boxes, lines, steps=self._options.steps)
        closed = torch.ones(len(nodes), dtype=torch.bool, device=nodes.root.device)
        closed[remaining.open] = False
        self._count_proved(nodes.select(closed.nonzero()[:, 0]))
        nodes = nodes.select(remaining.open)
        if len(nodes):
            self._attack(nodes, remaining.plane)
            self._split(nodes, remaining.plane)

    def _count_proved(self, nodes: Nodes) -> None:
        shares = torch.ldexp(torch.ones(len(nodes)), -nodes.depth.cpu()).tolist()
        for root, share in zip(nodes.root.tolist(), shares):
            self._owner[root].proved += share / len(self._owner[root].judges)

    def _attack(self, nodes: Nodes, plane: torch.Tensor) -> None:
        """Descends from the worst corners of the most suspicious boxes."""
        low = (plane[:, :-1] > 0).double()
        corner = nodes.upper + low * (nodes.lower - nodes.upper)
        zero = torch.zeros_like(corner)
        _, value = descend(self._stack, self._roots, nodes.root, corner, zero, steps=0)
        count = min(len(nodes), max(16, self._options.batch // 16))
        top = value.topk(count, largest=False).indices.sort().values
        width = (nodes.upper - nodes.lower)[top]
        root = nodes.root[top]
        self._try(root, *descend(self._stack, self._roots, root, corner[top], width * 0.5, steps=8))

    def _try(self, root: torch.Tensor, x: torch.Tensor, value: torch.Tensor) -> None:
        """Has the most promising point of each problem judged, if it looks unsafe."""
        for i in value.argsort().tolist():
            if value[i] > 0:
                break
            owner = self._owner[root[i]]
            if owner.counterexample is None:
                found = self._judge[root[i]].counterexample(x[i].cpu().numpy())
                if found and found.exact and found.replayed:
                    owner.counterexample = found
                elif found:
                    owner.near_miss = found

    def _split(self, nodes: Nodes, plane: torch.Tensor) -> None:
        keep = [self._owner[root].counterexample is None for root in nodes.root.tolist()]
        keep = torch.tensor(keep, device=nodes.root.device)
        low, high, stuck = split(nodes.select(keep), plane[keep])
        for root in nodes.root[keep][stuck].tolist():
            self._owner[root].tie = True
        for children in (low, high):
            for root, slot in zip(children.root.tolist(), self._pool.put(children)):
                self._owner[root].open.append(slot)
