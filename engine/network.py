"""Feed-forward ReLU networks as exact data."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True, eq=False)
class Affine:
    """z = weight @ h + bias, followed by h' = max(z, 0) where `relu`, else h' = z.

    weight: float64 [out, in]; bias: float64 [out]. The numbers are the network's own, exactly
    (float32 weights are float64 values too); nothing is fused unless the result is exact.
    """

    weight: np.ndarray
    bias: np.ndarray
    relu: bool


@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """A chain of affine layers. Real semantics: these weights, real arithmetic.

    `onnx_bytes`: an ONNX file of it, which onnxruntime replays. `sha256` is that of the (decompressed) file that was
    read: of these bytes, or where others hold its data, of them all (onnx_file/external.py).
    """

    layers: tuple[Affine, ...]
    name: str = ""
    sha256: str = ""
    onnx_bytes: bytes = b""

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

    def evaluate(self, points: np.ndarray) -> np.ndarray:
        """Outputs in float64 (not rigorous), points [..., n_inputs] -> [..., n_outputs]."""
        h = np.asarray(points, dtype=np.float64)
        for layer in self.layers:
            h = h @ layer.weight.T + layer.bias
            h = np.maximum(h, 0.0) if layer.relu else h
        return h
