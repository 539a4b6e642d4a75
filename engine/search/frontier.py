"""The open boxes of all problems of a run, and the roots that have any: a case gets a root when its turn comes, and
gives it up with its last open box."""

from collections import Counter
from collections.abc import Callable
from functools import cache, partial

import torch

from engine.bounds.blocks import AnyStack
from engine.bounds.roots import Roots, make_roots
from engine.deadline import Deadline
from engine.joint import Model
from engine.property import Case
from engine.replay import AnyReplay, replay_of
from engine.search.confirm import Confirmer
from engine.search.exclude import WARM_NONE
from engine.search.pool import Nodes, Pool
from engine.search.problem import Problem
from engine.search.recorder import Recorder
from engine.search.state import ProblemState


class Frontier:
    """Open boxes by slots; their problems by the slots of their roots."""

    def __init__(
        self,
        networks: list[Model],
        stack: AnyStack,
        padded: tuple[int, int],
        *,
        max_open: int,
        recorder: Recorder | None,
    ):
        """padded: (polytopes, rows of each), to which roots are padded; max_open: boxes that fit the memory."""
        #: of each network, by its id: its place in the stack
        self._place = {id(network): i for i, network in enumerate(networks)}
        #: of each network as a whole, by its id: its session of onnxruntime, opened at first use
        self._replay: dict[int, Callable[[], AnyReplay]] = {}
        self._stack, self._padded, self._recorder = stack, padded, recorder
        self._nodes: Pool[Nodes] = Pool(max_slots=max_open)
        self._roots: Pool[Roots] = Pool(max_slots=max_open)
        #: by the root's slot: its problem, the confirmer of its case, and the number of its boxes
        self._owner: dict[int, ProblemState] = {}
        self._confirmer: dict[int, Confirmer] = {}
        self._count: Counter[int] = Counter()

    @property
    def open(self) -> int:
        """The number of open boxes."""
        return self._nodes.used

    @property
    def roots_used(self) -> int:
        """The number of roots that have open boxes."""
        return len(self._owner)

    @property
    def root_bytes(self) -> int:
        return self._roots.nbytes

    @property
    def roots(self) -> Roots:
        """All roots, to be indexed by their slots."""
        return self._roots.all()

    def owners(self, slots: list[int]) -> list[ProblemState]:
        """The problems of the boxes in these slots."""
        roots = self._nodes.all().root[torch.tensor(slots, dtype=torch.long, device=self._stack.device)]
        return [self._owner[root] for root in roots.tolist()]

    def owner(self, root: int) -> ProblemState:
        return self._owner[root]

    def confirmer(self, root: int) -> Confirmer:
        return self._confirmer[root]

    def begin(self, fresh: list[tuple[ProblemState, int]], deadline: Deadline) -> tuple[list[int], list[int]]:
        """Opens the whole boxes of the next cases of these problems, given by number, ordered by network.

        Returns the slots of the boxes and of their roots. OutOfTime leaves everything as it was.
        """
        cases = [state.problem.property.cases[number] for state, number in fresh]
        networks = [state.problem.network for state, _ in fresh]
        places = [self._place[id(network)] for network in networks]
        new = make_roots(self._stack, places, cases, padded=self._padded, deadline=deadline)
        confirmers = [self._new_confirmer(state.problem, case) for (state, _), case in zip(fresh, cases)]
        roots = self._roots.put(new)
        nodes = root_nodes(self.roots, torch.tensor(roots, device=self._stack.device), n_hidden=self._stack.n_hidden)
        if self._recorder:
            nodes.id.copy_(torch.tensor(self._recorder.new_roots(len(fresh))))
        trees = nodes.id.tolist()
        for (state, _), confirmer, root, tree in zip(fresh, confirmers, roots, trees):
            self._owner[root], self._confirmer[root], self._count[root] = state, confirmer, 1
            state.begin(root, tree)
        return self._nodes.put(nodes), roots

    def _new_confirmer(self, problem: Problem, case: Case) -> Confirmer:
        whole = problem.cone.reach.network if problem.cone else problem.network
        replay = self._replay.setdefault(id(whole), cache(partial(replay_of, whole)))
        return Confirmer(problem.network, case, replay, cone=problem.cone)

    def place(self, state: ProblemState) -> int:
        """The place of its network in the stack."""
        return self._place[id(state.problem.network)]

    def read(self, slots: list[int]) -> Nodes:
        """The boxes in these slots; they stay there."""
        return self._nodes.read(slots)

    def read_columns(self, slots: list[int], *names: str) -> list[torch.Tensor]:
        """The named columns of the boxes in these slots."""
        return self._nodes.read_columns(slots, *names)

    def put(self, nodes: Nodes) -> list[int]:
        """Opens boxes, and returns their slots."""
        self._count.update(nodes.root.tolist())
        return self._nodes.put(nodes)

    def close(self, slots: list[int], roots: list[int]) -> None:
        """Closes these boxes, of these roots; their children may be put before or after, or not at all."""
        self._nodes.release(slots)
        self._count.subtract(roots)

    def prune(self, roots: list[int]) -> None:
        """Gives up those of these roots that have no open box."""
        for root in dict.fromkeys(roots):
            if root in self._owner and not self._count[root]:
                self._give_up(root)

    def drop(self, state: ProblemState) -> None:
        """Frees all boxes and roots of a problem."""
        self._nodes.release(list(state.open))
        state.open.clear()
        for root in list(state.roots):
            self._give_up(root)

    def _give_up(self, root: int) -> None:
        state = self._owner.pop(root)
        state.roots.discard(root)
        state.apart.pop(root, None)
        del self._confirmer[root], self._count[root]
        self._roots.release([root])


def root_nodes(roots: Roots, root: torch.Tensor, *, n_hidden: int | None = None) -> Nodes:
    """The whole boxes of the given roots: no sign is assumed, nothing is excluded but what is missing.

    n_hidden: the number of hidden neurons; None where no differences are bounded beside them.
    """
    hidden = (len(root), roots.l.shape[1] if n_hidden is None else n_hidden)
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
        torch.full_like(root, -1),
        torch.zeros_like(root),
    )


def root_bytes(stack: AnyStack, extent: tuple[int, int]) -> int:
    """The bytes that one root takes, of at most `extent` = (polytopes, rows of each)."""
    polytopes, rows = extent
    row = 8 * (stack.n_outputs + stack.n_inputs + 1) + 1
    return polytopes * (rows * row + 9) + 24 * stack.n_inputs + 8 * (stack.n_hidden + stack.n_differences) + 8


def node_bytes(stack: AnyStack, polytopes: int) -> int:
    """The bytes that one open box takes (pool.py)."""
    return 32 + 16 * stack.n_inputs + 12 * stack.n_hidden + 8 * stack.n_differences + polytopes
