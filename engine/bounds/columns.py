"""Tables whose columns are tensors: boxes, polytopes and bounds by the thousand."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Self, TypeVar

import torch

Table = TypeVar("Table", bound="Columns")


@dataclass(frozen=True, slots=True)
class Columns:
    """Base of dataclasses all of whose fields are tensors with one entry for each row of the table."""

    def columns(self) -> list[torch.Tensor]:
        """The fields, in order."""
        return [getattr(self, field.name) for field in fields(self)]

    def with_columns(self, columns: Sequence[torch.Tensor]) -> Self:
        """A table of the same kind."""
        make: Callable[..., Self] = type(self)
        return make(*columns)

    def select(self, index: torch.Tensor | slice) -> Self:
        """The rows that an index or a mask names."""
        return self.with_columns([column[index] for column in self.columns()])


def joined(tables: Sequence[Table]) -> Table:
    """The rows of some tables, at least one, as one table."""
    return tables[0].with_columns([torch.cat(columns) for columns in zip(*(table.columns() for table in tables))])
