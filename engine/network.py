"""Feed-forward ReLU networks as exact data."""

from dataclasses import dataclass

import numpy as np

from engine.errors import InputError


@dataclass(frozen=True, slots=True, eq=False)
class Affine:
    """z = weight @ h + bias, followed by h' = max(z, 0) where `relu`, else h' = z.

    weight: float64 [out, in]; bias: float64 [out]. The numbers are the network's own, exactly
    (float32 weights are float64 values too); nothing is fused unless the result is exact. The numbers of a `rounded`
    layer are the nearest to the network's own, off by at most 2^-53 of themselves: no float64 holds those.
    radius: [out], the true bias lies within so much of `bias` (engine/cone/); None where it is `bias`.
    """

    weight: np.ndarray
    bias: np.ndarray
    relu: bool
    rounded: bool = False
    radius: np.ndarray | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """A chain of affine layers. Real semantics: these weights, real arithmetic.

    onnx_bytes: an ONNX file of it, which onnxruntime replays
    sha256: of the (decompressed) file that was read: of these bytes, or where others hold its data, of them all
        (onnx_file/external.py)
    float32_obstacle: the first node of that file whose execution the analysis of float32 semantics does not cover, and
        why; empty where there is none
    number: the type of its inputs in that file, numpy's float32 or float64
    """

    layers: tuple[Affine, ...]
    name: str = ""
    sha256: str = ""
    onnx_bytes: bytes = b""
    float32_obstacle: str = ""
    number: type[np.floating] = np.float32

    @property
    def n_inputs(self) -> int:
        return int(self.layers[0].weight.shape[1])

    @property
    def n_outputs(self) -> int:
        return int(self.layers[-1].weight.shape[0])

    @property
    def shape(self) -> tuple[int | tuple[int, bool], ...]:
        """Its widths, with True for layers with a ReLU: networks of one shape can be stacked."""
        return (self.n_inputs, *((len(a.bias), a.relu) for a in self.layers))

    @property
    def rounded(self) -> bool:
        """True where the numbers of some layer are not the network's own, but the nearest."""
        return any(layer.rounded for layer in self.layers)

    def demand_own_numbers(self, what: str) -> None:
        """Raises InputError unless all numbers are the network's own: `what` can only be said of those."""
        if self.rounded:
            raise InputError(
                f"{what} is not possible: float64 does not hold some factors of its divisions or normalizations, or "
                "decimals of its .nnet file",
                where=self.name or "network",
                advice="fold factors into the weights when exporting it, or `acasxu convert` the .nnet file to ONNX",
            )

    def evaluate(self, points: np.ndarray) -> np.ndarray:
        """Outputs [..., n_outputs] in float64 (not rigorous) at points [..., n_inputs]."""
        h = np.asarray(points, dtype=np.float64)
        for layer in self.layers:
            h = h @ layer.weight.T + layer.bias
            h = np.maximum(h, 0.0) if layer.relu else h
        return h
