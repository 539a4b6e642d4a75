"""Storage for open boxes and their roots: one row each in a few large tensors, so that batches are single gathers."""

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
    """Rows of a dataclass of columns (Nodes, Roots) in slots; freed slots are used again.

    Capacity doubles when slots run out, but does not pass `most` while that suffices.
    """

    def __init__(self, *, most: int):
        self._most, self._free = most, []
        self._type, self._names, self._columns = None, (), []  # known at first use

    @property
    def used(self) -> int:
        """How many slots hold something."""
        return self._capacity - len(self._free)

    @property
    def _capacity(self) -> int:
        return len(self._columns[0]) if self._columns else 0

    @property
    def nbytes(self) -> int:
        return sum(column.nbytes for column in self._columns)

    def all(self):
        """All slots, whatever is in those that are free: to be indexed by slots."""
        return self._type(*self._columns)

    def put(self, rows) -> list[int]:
        """Stores rows and returns their slots."""
        if not self._columns:
            self._type, self._names = type(rows), rows.__slots__
            self._columns = [getattr(rows, name)[:0] for name in self._names]
        columns = [getattr(rows, name) for name in self._names]
        self._grow(len(columns[0]) - len(self._free))
        slots = [self._free.pop() for _ in range(len(columns[0]))]
        index = torch.tensor(slots, dtype=torch.long, device=columns[0].device)
        for column, new in zip(self._columns, columns):
            column[index] = new
        return slots

    def read(self, slots: list[int]):
        """The rows in these slots, in this order."""
        index = torch.tensor(slots, dtype=torch.long, device=self._columns[0].device)
        return self._type(*(column[index] for column in self._columns))

    def look(self, slots: list[int], *names: str) -> list[torch.Tensor]:
        """The named columns of the rows in these slots, which stay."""
        index = torch.tensor(slots, dtype=torch.long, device=self._columns[0].device)
        return [self._columns[self._names.index(name)][index] for name in names]

    def release(self, slots: list[int]) -> None:
        """Frees the slots of what needs no more work."""
        self._free.extend(slots)

    def take(self, slots: list[int]):
        """Removes and returns the rows in these slots, in this order."""
        self.release(slots)
        return self.read(slots)

    def _grow(self, lacking: int) -> None:
        """Makes room for so many more than there are slots free."""
        if lacking <= 0:
            return
        size = self._capacity
        larger = max(size + lacking, min(2 * size, self._most))
        for i, column in enumerate(self._columns):  # one after the other, for the memory that both copies take
            self._columns[i] = column.new_empty(larger, *column.shape[1:])
            self._columns[i][:size] = column
        self._free.extend(range(larger - 1, size - 1, -1))
