"""Constants of an ONNX graph: their exact values, and the place of each number in the file."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
import numpy.typing as npt
from onnx import TensorProto, numpy_helper

from engine.errors import InputError

FLOATS = (TensorProto.FLOAT, TensorProto.DOUBLE)  # no half precision: its execution rounds too much
INTEGERS = (TensorProto.INT64, TensorProto.INT32, TensorProto.BOOL)  # of shapes, places and switches
LITERAL = -1  # an index: this entry stands nowhere in the file
MAX_FOLD = 10**6  # rational operations in one folded node: a second or so
_EXPORT = "export the network again"

Operation = Callable[..., np.ndarray]  # of numpy, entry by entry or on matrices
_fractions = np.frompyfunc(Fraction, 1, 1)


@dataclass(frozen=True, slots=True, eq=False)
class Constant:
    """values == scale * home[index], entry by entry and exactly, where `home` is the tensor names[0].

    `values` is float64 or int64 in the graph's shape; `kind`, a TensorProto type, is the number type of the
    file. `index` counts in the home's row-major order, and is LITERAL where an entry stands in no tensor. It is
    None where the entries have no common home: for literals, which have no `names`, and for what was folded from
    the tensors in `names`.
    """

    values: np.ndarray
    kind: int
    names: tuple[str, ...] = ()
    index: np.ndarray | None = None
    scale: float = 1.0

    @property
    def shape(self) -> tuple[int, ...]:
        return self.values.shape

    def moved(self, move: Callable[[np.ndarray], np.ndarray]) -> "Constant":
        """Returns the same numbers at other places: `move` reshapes, transposes or repeats."""
        index = None if self.index is None else move(self.index)
        return replace(self, values=move(self.values), index=index)

    def scaled(self, factor: float) -> "Constant":
        """Returns factor * self, exactly. InputError where float64 does not hold it."""
        if abs(factor) == 1.0:
            values = self.values * factor + 0.0  # no -0.0
        else:
            values = exactly(np.multiply, self.values, np.float64(factor))
        return replace(self, values=values, scale=self.scale * factor)


def fold(operation: Operation, *constants: Constant) -> Constant:
    """Returns operation(*constants), exactly, without a home. InputError where float64 does not hold it."""
    values = exactly(operation, *(constant.values for constant in constants))
    if constants[0].kind in INTEGERS:
        if np.abs(values).max() >= 2.0**31:  # no shape or place is so large
            raise InputError("its integers grow too large", advice=_EXPORT)
        values = values.astype(np.int64)
    return Constant(values, constants[0].kind, names_of(constants))


def names_of(constants: Iterable[Constant]) -> tuple[str, ...]:
    """Returns the names of the tensors that the constants come from."""
    return tuple(name for constant in constants for name in constant.names)


def exactly(operation: Operation, *arrays: npt.ArrayLike) -> np.ndarray:
    """Returns operation(*arrays) in float64. InputError where an entry of it needs rounding.

    A constant computed in the file's number type would be another number than the graph says, and
    every other reader could round it differently.
    """
    try:
        exact = np.asarray(operation(*(np.asarray(_fractions(a), object) for a in arrays)), object)
        values = exact.astype(np.float64)
    except OverflowError:
        raise _inexact() from None
    if not np.all(_fractions(values) == exact):
        raise _inexact()
    return values


def _inexact() -> InputError:
    return InputError(
        "its constants cannot be combined without rounding",
        advice="fold constants before exporting the network",
    )


def read_tensor(tensor: TensorProto, name: str) -> Constant:
    """Returns the constant that a tensor holds. InputError unless that is plain, finite numbers in this file."""
    label = f"tensor {name!r}"
    if tensor.data_location == TensorProto.EXTERNAL or tensor.external_data:
        raise InputError(f"{label} keeps its data outside the file", advice="save it with the data inside")
    if tensor.data_type not in FLOATS + INTEGERS:
        raise InputError(
            f"{label} has type {type_name(tensor.data_type)}, which is not supported",
            advice="export the network with float32 weights",
        )
    try:
        array = numpy_helper.to_array(tensor)
    except (ValueError, TypeError) as error:
        raise InputError(f"{label} is damaged ({error})", advice=_EXPORT) from None
    if array.size == 0 or array.shape != tuple(tensor.dims):
        raise InputError(f"{label} has shape {list(tensor.dims)}, which holds no numbers", advice=_EXPORT)
    with np.errstate(invalid="ignore"):  # signalling NaNs, refused below
        values = array.astype(np.int64 if tensor.data_type in INTEGERS else np.float64)
    if not np.isfinite(values).all():
        raise InputError(f"{label} has NaN or infinite values", advice="train or export the network again")
    return Constant(values, tensor.data_type, (name,), np.arange(array.size).reshape(array.shape))


def write_tensor(tensor: TensorProto, array: np.ndarray) -> None:
    """Replaces the values of a tensor, in the field where it keeps them."""
    if tensor.HasField("raw_data"):
        tensor.raw_data = numpy_helper.from_array(array).raw_data
    elif tensor.data_type == TensorProto.FLOAT:
        tensor.float_data[:] = array.ravel()
    elif tensor.data_type == TensorProto.DOUBLE:
        tensor.double_data[:] = array.ravel()
    else:  # 16-bit floats stand as bit patterns
        tensor.int32_data[:] = array.ravel().view(np.uint16)


def type_name(kind: int) -> str:
    """Returns the name of a tensor type, such as `float32`."""
    if kind not in TensorProto.DataType.values():
        return f"number {kind}"
    name: str = TensorProto.DataType.Name(kind).lower()
    return {"float": "float32", "double": "float64"}.get(name, name)
