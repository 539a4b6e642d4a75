"""Feed-forward networks of affine layers with ReLUs, Sigmoids or Tanhs, as exact data."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from engine.curves import MaybeCurve, derivative, value
from engine.errors import InputError

if TYPE_CHECKING:  # a network of dense layers needs no scipy
    from scipy.sparse import csr_array

MAX_DENSE = 1 << 27  # numbers of a sparse layer that is written out with its zeros: 1 GiB

#: weights of a layer [out, in] in float64; sparse ones hold numbers other than 0 alone
Matrix: TypeAlias = "np.ndarray | csr_array"
#: True or False for all neurons of a layer, or a bool array [out] that has both: whether they are bent
Relus: TypeAlias = bool | np.ndarray


@dataclass(frozen=True, eq=False)
class Affine:
    """z = matrix @ h + bias, followed by h' = f(z) where `relu`, else h' = z.

    f(z) is max(z, 0), a ReLU, where `curve` is empty, else that curve. What is said of ReLUs as neurons (which layers
    have any, and where) is meant of curves, too, if nothing else is said.

    matrix: float64 [out, in], dense or sparse; bias: float64 [out]. The numbers are the network's own, exactly
    (float32 weights are float64 values too); nothing is fused unless the result is exact. The numbers of a `rounded`
    layer are the nearest to the network's own, off by at most 2^-53 of themselves: no float64 holds those.
    relu: of an array of one value only it becomes that value.
    radius: [out], the true bias lies within so much of `bias` (engine/cone/); None where it is `bias`.
    """

    matrix: Matrix
    bias: np.ndarray
    relu: Relus
    rounded: bool = False
    radius: np.ndarray | None = None
    curve: MaybeCurve = ""

    def __post_init__(self) -> None:
        if isinstance(self.relu, np.ndarray):
            if self.relu.shape != self.bias.shape:
                what = f"ReLUs are told of {len(self.relu)} neurons, and the layer has {len(self.bias)}"
                raise InputError(what, advice="say of each neuron if it has one")
            if self.relu.all() or not self.relu.any():
                object.__setattr__(self, "relu", bool(self.relu.any()))
        if self.relu is False:
            object.__setattr__(self, "curve", "")  # that of no neuron

    @property
    def is_sparse(self) -> bool:
        return not isinstance(self.matrix, np.ndarray)

    @cached_property
    def weight(self) -> np.ndarray:
        """The matrix with all its zeros, kept. InputError where it is too large for that."""
        if isinstance(self.matrix, np.ndarray):
            return self.matrix
        out, inputs = self.shape
        if out * inputs > MAX_DENSE:
            raise InputError(
                f"with its zeros, a layer of {out:,} x {inputs:,} has more than {MAX_DENSE:,} numbers",
                advice="use a smaller network: this is done with dense layers only",
            )
        written: np.ndarray = self.matrix.toarray()
        return written

    @property
    def shape(self) -> tuple[int, int]:
        """(outputs, inputs)."""
        out, inputs = self.matrix.shape
        return int(out), int(inputs)

    @property
    def count(self) -> int:
        """How many numbers its matrix holds."""
        return int(self.matrix.size)

    @property
    def terms(self) -> int:
        """The largest number of weights other than 0 in a row."""
        if isinstance(self.matrix, np.ndarray):
            return int(np.count_nonzero(self.matrix, axis=1).max())
        return int(np.diff(self.matrix.indptr).max())

    @property
    def is_mixed(self) -> bool:
        """True where some of its neurons have a ReLU, and some have none."""
        return isinstance(self.relu, np.ndarray)

    @property
    def relus(self) -> np.ndarray:
        """Its neurons with a ReLU, ascending: [hidden]. Among a network's hidden neurons they are in this order."""
        return np.flatnonzero(self._has_relu)

    @property
    def form(self) -> tuple[int, bool | bytes] | tuple[int, bool | bytes, str]:
        """Its width, its ReLUs, and its curve if it has one: layers of one form can be stacked."""
        relus = self.relu.tobytes() if isinstance(self.relu, np.ndarray) else self.relu
        return (len(self.bias), relus, self.curve) if self.curve else (len(self.bias), relus)

    def products(self, h: np.ndarray) -> np.ndarray:
        """matrix @ h for each of the vectors h [..., in], in float64: [..., out]."""
        if isinstance(self.matrix, np.ndarray):
            products: np.ndarray = h @ self.matrix.T
            return products
        rows = h.reshape(-1, h.shape[-1])
        found: np.ndarray = (self.matrix @ rows.T).T
        return np.ascontiguousarray(found).reshape(*h.shape[:-1], len(self.bias))

    def outputs(self, z: np.ndarray) -> np.ndarray:
        """What it makes of values z [..., out]: exactly, whatever numbers they are, but with a curve in float64."""
        if self.relu is False:
            return z
        bent = value(self.curve, z) if self.curve else np.maximum(z, 0)
        return np.where(self.relu, bent, z) if isinstance(self.relu, np.ndarray) else bent

    def passes(self, z: np.ndarray) -> np.ndarray:
        """The derivative of `outputs`: True where values z [..., out] pass on as they are, else False, at 0, too; with
        a curve a number."""
        if self.curve:
            return np.where(self._has_relu, derivative(self.curve, z), 1.0)
        passing: np.ndarray = (z > 0) | ~self._has_relu
        return passing

    @property
    def _has_relu(self) -> np.ndarray:
        """True for neurons with a ReLU: [out]."""
        return np.broadcast_to(self.relu, self.bias.shape)


def same_numbers(a: Matrix, b: Matrix) -> bool:
    """True where two matrices, each dense or sparse, have the same numbers."""
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return np.array_equal(a, b)
    return a is b or (a.shape == b.shape and not bool((a != b).sum()))


@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """A chain of affine layers. Real semantics: these weights, real arithmetic, the curves themselves.

    onnx_bytes: an ONNX file of it, which onnxruntime replays
    sha256: of the (decompressed) file that was read: of these bytes, or where others hold its data, of them all
        (onnx_file/external.py)
    float32_obstacle: the first node of that file whose execution the analysis of float32 semantics does not cover, and
        why; empty where there is none
    number: the type of its inputs in that file, numpy's float32 or float64
    ending: "Softmax" or "LogSoftmax" where that is what the file makes of the outputs of `layers`, at its end; these
        outputs are the scores that all questions are about (engine/ending.py)
    """

    layers: tuple[Affine, ...]
    name: str = ""
    sha256: str = ""
    onnx_bytes: bytes = b""
    float32_obstacle: str = ""
    number: type[np.floating] = np.float32
    ending: str = ""

    @property
    def n_inputs(self) -> int:
        return self.layers[0].shape[1]

    @property
    def n_outputs(self) -> int:
        return self.layers[-1].shape[0]

    @property
    def shape(self) -> tuple[object, ...]:
        """Its widths, and where it has ReLUs: networks of one shape can be stacked."""
        return (self.n_inputs, *(layer.form for layer in self.layers))

    @property
    def rounded(self) -> bool:
        """True where the numbers of some layer are not the network's own, but the nearest."""
        return any(layer.rounded for layer in self.layers)

    @property
    def has_curves(self) -> bool:
        """True where some layer has a Sigmoid or a Tanh."""
        return any(layer.curve for layer in self.layers)

    def demand_relus(self, what: str) -> None:
        """Raises InputError where a layer has a Sigmoid or a Tanh: `what` is about ReLUs alone."""
        found = {layer.curve.capitalize() for layer in self.layers if layer.curve}
        if found:
            raise InputError(
                f"{what} is not possible: it has {' and '.join(sorted(found))} layers",
                where=self.name or "network",
                advice="use a network with ReLUs",
            )

    def demand_own_numbers(self, what: str) -> None:
        """Raises InputError unless all numbers are the network's own: `what` can only be said of those."""
        if self.rounded:
            raise InputError(
                f"{what} is not possible: float64 does not hold some factors of its divisions or normalizations, or "
                "decimals of its .nnet file",
                where=self.name or "network",
                advice="fold factors into the weights when exporting it, or `acasxu convert` the .nnet file to ONNX",
            )

    def demand_whole_layers(self, what: str) -> None:
        """Raises InputError where a layer has its ReLU on some neurons only: `what` is not about those."""
        if any(layer.is_mixed for layer in self.layers):
            raise InputError(
                f"{what} is not possible: it has a MaxPool, or another layer with its ReLU on some neurons only",
                where=self.name or "network",
                advice="export it without MaxPool, as with strided convolutions or averages in its place",
            )

    def evaluate(self, points: np.ndarray) -> np.ndarray:
        """Outputs [..., n_outputs] in float64 (not rigorous) at points [..., n_inputs]."""
        h = np.asarray(points, dtype=np.float64)
        for layer in self.layers:
            h = layer.outputs(layer.products(h) + layer.bias)
        return h
