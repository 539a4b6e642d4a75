"""Feed-forward ReLU networks as exact data."""

from dataclasses import dataclass

import numpy as np

from engine.errors import InputError


@dataclass(frozen=True, slots=True, eq=False)
class Affine:
    """z = weight @ h + bias, followed by h' = max(z, 0) where `relu`, else h' = z.

    weight: float64 [out, in]; bias: float64 [out]. The numbers are the network's own, exactly
    (float32 weights are float64 values too); nothing is fused unless the result is exact. Where `rounded`,
    no float64 holds the network's own numbers: each one here is the nearest, off by at most 2^-53 of itself.
    """

    weight: np.ndarray
    bias: np.ndarray
    relu: bool
    rounded: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """A chain of affine layers. Real semantics: these weights, real arithmetic.

    `onnx_bytes`: an ONNX file of it, which onnxruntime replays. `sha256` is that of the (decompressed) file that was
    read: of these bytes, or where others hold its data, of them all (onnx_file/external.py). `number`, numpy's
    float32 or float64, is what its inputs are there. `float32_obstacle` names the first node of that file whose
    execution is not what is analysed in float32 semantics, and why; it is empty where there is none.
    """

    layers: tuple[Affine, ...]
    name: str = ""
    sha256: str = ""
    onnx_bytes: bytes = b""
    float32_obstacle: str = ""
    number: type[np.floating] = np.float32

    @property
    def n_inputs(self) -> int:
        return self.layers[0].weight.shape[1]

    @property
    def n_outputs(self) -> int:
        return self.layers[-1].weight.shape[0]

    @property
    def shape(self) -> tuple:
        """What two networks must share to be stacked: widths and which layers have a ReLU."""
        return (self.n_inputs, *((len(a.bias), a.relu) for a in self.layers))

    @property
    def rounded(self) -> bool:
        """Whether the numbers of some layer are not the network's own, but the nearest."""
        return any(layer.rounded for layer in self.layers)

    def demand_own_numbers(self, what: str) -> None:
        """InputError unless all numbers are the network's own: `what` can only be said of those."""
        if self.rounded:
            raise InputError(
                f"{what} is not possible: float64 does not hold some factors of its divisions or normalizations",
                where=self.name or "network",
                advice="fold them into the weights when exporting the network",
            )

    def evaluate(self, points: np.ndarray) -> np.ndarray:
        """Outputs in float64 (not rigorous), points [..., n_inputs] -> [..., n_outputs]."""
        h = np.asarray(points, dtype=np.float64)
        for layer in self.layers:
            h = h @ layer.weight.T + layer.bias
            h = np.maximum(h, 0.0) if layer.relu else h
        return h
