"""Storage for open boxes and their roots: one row each in a few large tensors, so that batches are single gathers."""

from dataclasses import dataclass
from typing import Generic

import torch

from engine.bounds.columns import Columns, Table


@dataclass(frozen=True, slots=True)
class Nodes(Columns):
    """Boxes of the search tree.

    root: [n]; lower, upper: [n, inputs] float64; l, u: [n, hidden] float32; excluded: [n, polytopes], True for those
    excluded here or on an ancestor; phases: [n, hidden] int8, signs assumed of hidden neurons; slopes:
    [n, hidden] uint8, lower slopes found for the parent in steps of 1/128; multipliers: [n, hidden]
    bfloat16, those of assumed signs found for the parent; id: [n], for the recorder; split: [n], the hidden neuron
    whose sign was split last, -1 where it was an input; depth: [n].
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
    split: torch.Tensor
    depth: torch.Tensor

    def __len__(self) -> int:
        return len(self.root)

    def copy(self, *, split: torch.Tensor, depth: torch.Tensor) -> "Nodes":
        """The same boxes after another split and at another depth, to be changed in place."""
        return self.with_columns([*(column.clone() for column in self.columns()[:-2]), split, depth])


class Pool(Generic[Table]):
    """Rows of a table (Nodes, Roots) in slots; freed slots are used again.

    Capacity doubles when slots run out, but does not pass `max_slots` while that suffices.
    """

    def __init__(self, *, max_slots: int):
        self._max_slots = max_slots
        self._free: list[int] = []
        # known at first use
        self._kind: Table | None = None
        self._columns: list[torch.Tensor] = []

    @property
    def used(self) -> int:
        """The number of slots that hold a row."""
        return self._capacity - len(self._free)

    @property
    def _capacity(self) -> int:
        return len(self._columns[0]) if self._columns else 0

    @property
    def nbytes(self) -> int:
        return sum(column.nbytes for column in self._columns)

    def all(self) -> Table:
        """All slots as a table to be indexed by slots; free ones hold anything."""
        return self._table(self._columns)

    def put(self, rows: Table) -> list[int]:
        """Stores rows and returns their slots."""
        columns = rows.columns()
        if self._kind is None:
            self._columns = [column[:0] for column in columns]
            self._kind = rows.with_columns(self._columns)
        self._grow(len(columns[0]) - len(self._free))
        slots = [self._free.pop() for _ in range(len(columns[0]))]
        index = torch.tensor(slots, dtype=torch.long, device=columns[0].device)
        for column, new in zip(self._columns, columns):
            column[index] = new
        return slots

    def read(self, slots: list[int]) -> Table:
        """The rows in these slots, in this order."""
        index = torch.tensor(slots, dtype=torch.long, device=self._columns[0].device)
        return self._table([column[index] for column in self._columns])

    def read_columns(self, slots: list[int], *names: str) -> list[torch.Tensor]:
        """The named columns of the rows in these slots."""
        index = torch.tensor(slots, dtype=torch.long, device=self._columns[0].device)
        return [getattr(self.all(), name)[index] for name in names]

    def release(self, slots: list[int]) -> None:
        """Frees slots whose rows need no more work."""
        self._free.extend(slots)

    def take(self, slots: list[int]) -> Table:
        """Removes and returns the rows in these slots, in this order."""
        self.release(slots)
        return self.read(slots)

    def _table(self, columns: list[torch.Tensor]) -> Table:
        assert self._kind is not None, "rows are put before any is read"
        return self._kind.with_columns(columns)

    def _grow(self, lacking: int) -> None:
        """Makes room for so many rows more than there are free slots."""
        if lacking <= 0:
            return
        size = self._capacity
        larger = max(size + lacking, min(2 * size, self._max_slots))
        for i, column in enumerate(self._columns):  # one after the other, for the memory that both copies take
            self._columns[i] = column.new_empty(larger, *column.shape[1:])
            self._columns[i][:size] = column
        self._free.extend(range(larger - 1, size - 1, -1))
