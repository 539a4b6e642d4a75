"""Storage for open boxes: one row a box in a few large tensors, so that batches are single gathers."""

from dataclasses import dataclass

import torch


@dataclass(frozen=True, slots=True)
class Nodes:
    """Boxes of the search tree, by columns.

    root: [n]; lower, upper: [n, inputs] float64; l, u: [n, hidden] float32; excluded: [n, polytopes],
    shown on an ancestor already; phases: [n, hidden] int8, signs assumed of hidden neurons; slopes:
    [n, hidden] uint8, lower slopes found for the parent in steps of 1/128; multipliers: [n, hidden]
    bfloat16, those of assumed signs found for the parent; id: [n], for the recorder; depth: [n].
    """

    root: torch.Tensor
    lower: torch.Tensor
    upper: torch.Tensor
    l: torch.Tensor
    u: torch.Tensor
    excluded: torch.Tensor
    phases: torch.Tensor
    slopes: torch.Tensor
    multipliers: torch.Tensor
    id: torch.Tensor
    depth: torch.Tensor

    def __len__(self) -> int:
        return len(self.root)

    def columns(self) -> list[torch.Tensor]:
        return [getattr(self, name) for name in self.__slots__]

    def select(self, index: torch.Tensor) -> "Nodes":
        return Nodes(*(column[index] for column in self.columns()))

    def copy(self, *, depth: torch.Tensor) -> "Nodes":
        """The same boxes at another depth, to be changed in place."""
        return Nodes(*(column.clone() for column in self.columns()[:-1]), depth)


class Pool:
    """Open boxes in slots; freed slots are used again, and capacity doubles when they run out."""

    def __init__(self, example: Nodes, capacity: int = 1024):
        self._columns = [c.new_zeros(capacity, *c.shape[1:]) for c in example.columns()]
        self._free = list(range(capacity - 1, -1, -1))

    @property
    def used(self) -> int:
        """How many slots hold open boxes."""
        return len(self._columns[0]) - len(self._free)

    def put(self, nodes: Nodes) -> list[int]:
        """Stores the nodes and returns their slots."""
        while len(self._free) < len(nodes):
            self._grow()
        slots = [self._free.pop() for _ in range(len(nodes))]
        index = torch.tensor(slots, dtype=torch.long, device=nodes.root.device)
        for column, new in zip(self._columns, nodes.columns()):
            column[index] = new
        return slots

    def take(self, slots: list[int]) -> Nodes:
        """Removes and returns the nodes in these slots, in this order."""
        index = self._index(slots)
        self._free.extend(slots)
        return Nodes(*(column[index] for column in self._columns))

    def look(self, slots: list[int], *names: str) -> list[torch.Tensor]:
        """The named columns of the nodes in these slots, which stay."""
        index = self._index(slots)
        return [self._columns[Nodes.__slots__.index(name)][index] for name in names]

    def _index(self, slots: list[int]) -> torch.Tensor:
        return torch.tensor(slots, dtype=torch.long, device=self._columns[0].device)

    def release(self, slots: list[int]) -> None:
        """Frees the slots of nodes that need no more work."""
        self._free.extend(slots)

    def _grow(self):
        size = len(self._columns[0])
        self._columns = [torch.cat([c, torch.zeros_like(c)]) for c in self._columns]
        self._free.extend(range(2 * size - 1, size - 1, -1))
