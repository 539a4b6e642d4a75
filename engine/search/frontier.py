"""The open boxes of all problems of a run, and the roots that have any: cases get a root when their turn comes, and
give it up with their last open box."""

from collections import Counter
from functools import cache, partial

import torch

from engine.bounds.roots import Roots, make_roots
from engine.bounds.stack import Stack
from engine.deadline import Deadline
from engine.network import Network
from engine.replay import Replay
from engine.search.confirm import Judge
from engine.search.exclude import WARM_NONE
from engine.search.pool import Nodes, Pool
from engine.search.problem import Search
from engine.search.recorder import Recorder


class Frontier:
    """Open boxes by slots; whose they are by the slots of their roots."""

    def __init__(
        self, networks: list[Network], stack: Stack, padded: tuple[int, int], *, most: int, recorder: Recorder | None
    ):
        """padded: (polytopes, rows of each), to which roots are padded; most: boxes that fit the memory."""
        #: of each network, by its id: its place in the stack, and its session of onnxruntime, opened at first use
        self._place = {id(network): i for i, network in enumerate(networks)}
        self._replay = {id(network): cache(partial(Replay, network)) for network in networks}
        self._stack, self._padded, self._recorder = stack, padded, recorder
        self._nodes, self._roots = Pool(most=most), Pool(most=most)
        #: by the root's slot: whose it is, the judge of its case, and how many boxes of it there are
        self._owner: dict[int, Search] = {}
        self._judge: dict[int, Judge] = {}
        self._count: Counter[int] = Counter()

    @property
    def open(self) -> int:
        """How many boxes are open."""
        return self._nodes.used

    @property
    def root_bytes(self) -> int:
        return self._roots.nbytes

    @property
    def roots(self) -> Roots:
        """All roots, to be indexed by their slots."""
        return self._roots.all()

    def owners(self, slots: list[int]) -> list[Search]:
        """Whose the boxes in these slots are."""
        roots = self._nodes.all().root[torch.tensor(slots, dtype=torch.long, device=self._stack.device)]
        return [self._owner[root] for root in roots.tolist()]

    def owner(self, root: int) -> Search:
        return self._owner[root]

    def judge(self, root: int) -> Judge:
        return self._judge[root]

    def begin(self, fresh: list[tuple[Search, int]], deadline: Deadline) -> tuple[list[int], list[int]]:
        """Opens the whole boxes of the next cases of these searches, given by number, ordered by network.

        Returns the slots of the boxes and of their roots. OutOfTime leaves everything as it was.
        """
        cases = [search.problem.property.cases[number] for search, number in fresh]
        networks = [search.problem.network for search, _ in fresh]
        places = [self._place[id(network)] for network in networks]
        new = make_roots(self._stack, places, cases, padded=self._padded, deadline=deadline)
        judges = [Judge(network, case, self._replay[id(network)]) for network, case in zip(networks, cases)]
        roots = self._roots.put(new)
        nodes = root_nodes(self.roots, torch.tensor(roots, device=self._stack.device))
        if self._recorder:
            nodes.id.copy_(torch.tensor(self._recorder.plant(len(fresh))))
        trees = nodes.id.tolist()
        for (search, _), judge, root, tree in zip(fresh, judges, roots, trees):
            self._owner[root], self._judge[root], self._count[root] = search, judge, 1
            search.begin(root, tree)
        return self._nodes.put(nodes), roots

    def place(self, search: Search) -> int:
        """That of its network in the stack."""
        return self._place[id(search.problem.network)]

    def read(self, slots: list[int]) -> Nodes:
        """The boxes in these slots; they stay there."""
        return self._nodes.read(slots)

    def look(self, slots: list[int], *names: str) -> list[torch.Tensor]:
        """The named columns of the boxes in these slots."""
        return self._nodes.look(slots, *names)

    def put(self, nodes: Nodes) -> list[int]:
        """Opens boxes, and returns their slots."""
        self._count.update(nodes.root.tolist())
        return self._nodes.put(nodes)

    def close(self, slots: list[int], roots: list[int]) -> None:
        """These boxes, of these roots, are open no longer; their children may be put first, or not at all."""
        self._nodes.release(slots)
        self._count.subtract(roots)

    def prune(self, roots: list[int]) -> None:
        """Gives up those of these roots that have no open box."""
        for root in dict.fromkeys(roots):
            if root in self._owner and not self._count[root]:
                self._give_up(root)

    def drop(self, search: Search) -> None:
        """Forgets what is left of a search."""
        self._nodes.release(list(search.open))
        search.open.clear()
        for root in list(search.roots):
            self._give_up(root)

    def _give_up(self, root: int) -> None:
        self._owner.pop(root).roots.discard(root)
        del self._judge[root], self._count[root]
        self._roots.release([root])


def root_nodes(roots: Roots, root: torch.Tensor) -> Nodes:
    """The whole boxes of the given roots, nothing assumed and nothing shown."""
    hidden = (len(root), roots.l.shape[1])
    zero = torch.zeros(hidden, dtype=torch.int8, device=root.device)
    none = torch.full(hidden, WARM_NONE, dtype=torch.uint8, device=root.device)
    start = torch.zeros(hidden, dtype=torch.bfloat16, device=root.device)
    return Nodes(
        root,
        roots.lower[root],
        roots.upper[root],
        roots.l[root],
        roots.u[root],
        roots.missing[root],
        zero,
        none,
        start,
        root.clone(),
        torch.zeros_like(root),
    )


def node_bytes(stack: Stack, polytopes: int) -> int:
    """What one open box takes (pool.py)."""
    return 24 + 16 * stack.n_inputs + 12 * stack.n_hidden + polytopes
