"""What an operator is given: a node's attributes, and its inputs as the ONNX standard orders them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor


class Unsupported(Exception):
    """This use of an operator is not implemented; the message says which."""


@dataclass(frozen=True, slots=True)
class Attributes:
    """A node's attributes by name, with the standard's default where one is absent.

    opset: of the model. varying: whether the node's output depends on the images, and so begins with the batch's axis.
    """

    values: Mapping[str, object]
    opset: int = 17
    varying: bool = True

    def integer(self, name: str, default: int) -> int:
        value = self.values.get(name, default)
        assert isinstance(value, int)
        return value

    def number(self, name: str, default: float) -> float:
        value = self.values.get(name, default)
        assert isinstance(value, (int, float))
        return float(value)

    def integers(self, name: str, default: Sequence[int] = ()) -> tuple[int, ...]:
        value = self.values.get(name, default)
        assert isinstance(value, (list, tuple))
        return tuple(value)

    def word(self, name: str, default: str) -> str:
        value = self.values.get(name, default)
        return value.decode() if isinstance(value, bytes) else str(value)


Inputs = Sequence[Tensor | None]
Operator = Callable[[Attributes, Inputs], Tensor]


def given(inputs: Inputs, place: int) -> Tensor:
    """The input in this place, which the standard demands."""
    value = inputs[place] if place < len(inputs) else None
    if value is None:
        raise Unsupported(f"input {place} is missing")
    return value


def optional(inputs: Inputs, place: int) -> Tensor | None:
    return inputs[place] if place < len(inputs) else None
