"""What a file says of its nodes: names and shapes, which queries are about (section 10)."""

from typing import NamedTuple


class Tensor(NamedTuple):
    """The input of a file, or what a node gives: its name there, and its shape at batch size 1."""

    name: str
    shape: tuple[int, ...]


class Outline(NamedTuple):
    """A file's input, and the operator and result of each node that has made something of it."""

    input: Tensor
    nodes: tuple[tuple[str, Tensor], ...]

    @property
    def output(self) -> Tensor:
        """The result of the last node."""
        return self.nodes[-1][1]

    @property
    def structure(self) -> list[tuple[str, tuple[int, ...]]]:
        """What isomorphic networks have in common: operators and shapes."""
        return [(operator, tensor.shape) for operator, tensor in self.nodes]
