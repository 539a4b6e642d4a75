"""Products of many rows with the weights of one layer of some networks, each row with those of its network.

Sums are taken in any order, as rounding.py allows.
"""

import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
import torch

from engine.deadline import NEVER, Deadline

if TYPE_CHECKING:
    from scipy.sparse import csr_array

MAX_COPIED = 1 << 22  # weights that are copied at a time
#: On these devices rows of several networks are multiplied at once, each network's filled up to as many, where they are
#: few even so, or no more than so many times as many. On a CPU products of one network after the other are as fast.
FILLED_ON = ("cuda",)
FEW_ROWS, MAX_FILLED = 1 << 14, 4


class Segments(list[tuple[int, int, int]]):
    """(network, start, stop) of runs of rows that use one network, in order."""

    def __init__(self, runs: Iterable[tuple[int, int, int]] = (), *, device: torch.device | str = "cpu"):
        super().__init__(runs)
        self._device = torch.device(device)

    @cached_property
    def filled(self) -> "Filled | None":
        """The runs filled up to one length, where that pays."""
        rows, longest = self[-1][2] if self else 0, max((stop - start for _, start, stop in self), default=0)
        most = max(FEW_ROWS, MAX_FILLED * rows)
        if self._device.type not in FILLED_ON or len(self) < 2 or longest * len(self) > most:
            return None
        table = torch.tensor(self, device=self._device).T
        network, start, count = table[0], table[1], table[2] - table[1]
        given = start.unsqueeze(1) + torch.arange(longest, device=self._device).minimum(count.unsqueeze(1) - 1)
        first = torch.arange(len(self), device=self._device) * longest - start
        places = torch.arange(rows, device=self._device) + first.repeat_interleave(count, output_size=rows)
        return Filled(network, given.flatten(), places)


class Filled(NamedTuple):
    """Runs of one length: their networks [runs], the rows [runs * length] that they consist of, and the place of each
    row [n] among these."""

    networks: torch.Tensor
    rows: torch.Tensor
    places: torch.Tensor


class Products(Protocol):
    """What layers are multiplied by. runs: of the rows; network: [n], that of each row."""

    @property
    def shape(self) -> tuple[int, int]:
        """(outputs, inputs)."""
        ...

    @property
    def count(self) -> int:
        """How many multiplications one row takes."""
        ...

    @property
    def weight(self) -> torch.Tensor:
        """All weights [networks, out, in]."""
        ...

    def forward(self, h: torch.Tensor, runs: Segments) -> torch.Tensor:
        """W h for values h [n, in]: [n, out]."""
        ...

    def evaluate(self, h: torch.Tensor, network: torch.Tensor, runs: Segments) -> torch.Tensor:
        """W h + b: [n, out]."""
        ...

    def sizes(self, h: torch.Tensor, runs: Segments, deadline: Deadline = NEVER) -> torch.Tensor:
        """|W| h: [n, out]."""
        ...

    def before(self, rows: torch.Tensor, network: torch.Tensor, runs: Segments) -> torch.Tensor:
        """Rows (a, c) [..., n, out + 1] over outputs as rows (a W, a . b + c) [..., n, in + 1] over inputs."""
        ...

    def gradients(self, rows: torch.Tensor, runs: Segments) -> torch.Tensor:
        """a W for rows a [n, out]: [n, in]."""
        ...

    def rows(self, network: torch.Tensor, neuron: torch.Tensor) -> torch.Tensor:
        """(W, b) of these neurons [n] of these networks: [n, in + 1]."""
        ...


@dataclass(frozen=True, slots=True)
class Dense:
    """Products with weights of each network's own [networks, out, in], biases [networks, out].

    `backward` [networks, out + 1, in + 1] acts on coefficient rows with their constant last:
    (a, c) @ [[weight, bias], [0, 1]] = (a weight, a . bias + c).
    """

    weight: torch.Tensor
    bias: torch.Tensor
    backward: torch.Tensor

    @property
    def shape(self) -> tuple[int, int]:
        return self.weight.shape[1], self.weight.shape[2]

    @property
    def count(self) -> int:
        return self.weight[0].numel()

    def forward(self, h: torch.Tensor, runs: Segments) -> torch.Tensor:
        return matmul(h, self.weight.mT, runs)

    def evaluate(self, h: torch.Tensor, network: torch.Tensor, runs: Segments) -> torch.Tensor:
        if runs.filled:
            return self.forward(h, runs).add_(self.bias[network])
        z = h.new_empty(len(h), self.bias.shape[1])
        for net, i, j in runs:
            torch.addmm(self.bias[net], h[i:j], self.weight[net].T, out=z[i:j])
        return z

    def sizes(self, h: torch.Tensor, runs: Segments, deadline: Deadline = NEVER) -> torch.Tensor:
        """Few absolute values are held at a time."""
        step = max(1, MAX_COPIED // (self.weight.shape[0] * self.weight.shape[2]))
        parts = []
        for some in torch.split(self.weight, step, dim=1):
            deadline.check()
            parts.append(matmul(h, some.abs().mT, runs))
        return torch.cat(parts, 1) if len(parts) > 1 else parts[0]

    def before(self, rows: torch.Tensor, network: torch.Tensor, runs: Segments) -> torch.Tensor:
        return matmul(rows, self.backward, runs)

    def gradients(self, rows: torch.Tensor, runs: Segments) -> torch.Tensor:
        return matmul(rows, self.weight, runs)

    def rows(self, network: torch.Tensor, neuron: torch.Tensor) -> torch.Tensor:
        return self.backward[network, neuron]


@dataclass(frozen=True, slots=True)
class Shared:
    """Products with one matrix [out, in] of all networks, whose rows are multiplied together: biases [networks, out].

    matrix, transposed, sizes_of: W, its transpose and |W|; all three are sparse (CSR) or all are dense.
    """

    matrix: torch.Tensor
    transposed: torch.Tensor
    sizes_of: torch.Tensor
    bias: torch.Tensor

    @property
    def shape(self) -> tuple[int, int]:
        return self.matrix.shape[0], self.matrix.shape[1]

    @property
    def count(self) -> int:
        return len(self.matrix.values()) if self.matrix.is_sparse_csr else self.matrix.numel()

    @property
    def weight(self) -> torch.Tensor:
        return self.matrix.to_dense().expand(len(self.bias), -1, -1)

    def forward(self, h: torch.Tensor, runs: Segments) -> torch.Tensor:
        return _times(self.matrix, h)

    def evaluate(self, h: torch.Tensor, network: torch.Tensor, runs: Segments) -> torch.Tensor:
        return _times(self.matrix, h).add_(self.bias[network])

    def sizes(self, h: torch.Tensor, runs: Segments, deadline: Deadline = NEVER) -> torch.Tensor:
        return _times(self.sizes_of, h)

    def before(self, rows: torch.Tensor, network: torch.Tensor, runs: Segments) -> torch.Tensor:
        found = rows.new_empty(*rows.shape[:-1], self.shape[1] + 1)
        flat, into = rows.reshape(-1, rows.shape[-1]), found.view(-1, found.shape[-1])
        _multiply(self.transposed, flat[:, :-1], into[:, :-1])
        if len(runs) == 1:
            into[:, -1] = flat[:, :-1] @ self.bias[runs[0][0]] + flat[:, -1]
        else:
            found[..., -1] = (rows[..., :-1] * self.bias[network]).sum(-1) + rows[..., -1]
        return found

    def gradients(self, rows: torch.Tensor, runs: Segments) -> torch.Tensor:
        return _times(self.transposed, rows)

    def rows(self, network: torch.Tensor, neuron: torch.Tensor) -> torch.Tensor:
        weights = _rows(self.matrix, neuron) if self.matrix.is_sparse_csr else self.matrix[neuron]
        return torch.cat([weights, self.bias[network, neuron].unsqueeze(1)], 1)


def shared(matrix: "np.ndarray | csr_array", bias: torch.Tensor, device: torch.device) -> Shared:
    """Products with a matrix that all networks have."""
    if isinstance(matrix, np.ndarray):
        weight = torch.from_numpy(np.require(matrix, np.float64, "W")).to(device)
        return Shared(weight, weight.T, weight.abs(), bias)
    forward, back, sizes = (_csr(each).to(device) for each in (matrix, matrix.T.tocsr(), abs(matrix)))
    return Shared(forward, back, sizes, bias)


def _csr(matrix: "csr_array") -> torch.Tensor:
    """A sparse matrix as torch has it."""
    starts, columns = (torch.from_numpy(part.astype(np.int64)) for part in (matrix.indptr, matrix.indices))
    with warnings.catch_warnings():  # once, that its kind is new
        warnings.simplefilter("ignore", UserWarning)
        return torch.sparse_csr_tensor(starts, columns, torch.from_numpy(matrix.data.copy()), matrix.shape)


def _rows(matrix: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
    """These rows [n] of a sparse matrix, with their zeros."""
    starts, values = matrix.crow_indices(), matrix.values()
    counts = starts[chosen + 1] - starts[chosen]
    row = torch.arange(len(chosen), device=chosen.device).repeat_interleave(counts)
    first = (starts[chosen] - counts.cumsum(0) + counts).repeat_interleave(counts)
    place = first + torch.arange(len(row), device=chosen.device)
    found = values.new_zeros(len(chosen), matrix.shape[1])
    found[row, matrix.col_indices()[place]] = values[place]
    return found


def _times(matrix: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    """matrix [a, b] times each of the rows [n, b]: [n, a]."""
    found = rows.new_empty(len(rows), matrix.shape[0])
    _multiply(matrix, rows, found)
    return found


def _multiply(matrix: torch.Tensor, rows: torch.Tensor, found: torch.Tensor) -> None:
    """The same into `found` [n, a]."""
    if matrix.is_sparse_csr:
        found.copy_((matrix @ rows.T).T)
    else:
        torch.mm(rows, matrix.T, out=found)


def matmul(rows: torch.Tensor, matrices: torch.Tensor, runs: Segments) -> torch.Tensor:
    """Rows [n, a] or [sides, n, a] times matrices[network of the row] [a, b]: [..., n, b]."""
    if len(runs) == 1:
        return rows @ matrices[runs[0][0]]
    if runs.filled and len(runs) * matrices[0].numel() <= MAX_COPIED:
        networks, given, places = runs.filled
        filled = rows.index_select(-2, given).view(*rows.shape[:-2], len(runs), -1, rows.shape[-1])
        chosen = matrices if len(runs) == len(matrices) else matrices.index_select(0, networks)
        result = filled @ chosen
        return result.flatten(-3, -2).index_select(-2, places)
    result = rows.new_empty(*rows.shape[:-1], matrices.shape[2])
    for side, into in [(rows, result)] if rows.dim() == 2 else zip(rows, result):
        for net, i, j in runs:
            torch.mm(side[i:j], matrices[net], out=into[i:j])
    return result
