"""Networks as executed: onnxruntime on one CPU thread, one point at a time."""

import numpy as np
import onnxruntime

from engine.errors import InputError
from engine.network import Network

_TYPES = {"tensor(float)": np.float32, "tensor(double)": np.float64}


class Replay:
    """Runs a network's own ONNX bytes, not what was read from them.

    The session lives as long as the object. The same point gives the same bits whatever comes with it.
    """

    def __init__(self, network: Network):
        self.network = network
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.use_deterministic_compute = True
        options.log_severity_level = 4
        try:
            self._session = onnxruntime.InferenceSession(
                network.onnx_bytes, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime's exceptions share no base of their own
            raise self._error(error) from error
        (self._input,) = self._session.get_inputs()
        self._shape = [d if isinstance(d, int) and d > 0 else 1 for d in self._input.shape]

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Outputs [n, n_outputs] of points [n, n_inputs], both in the network's number type.

        InputError where a point is no number of that type: another point would be executed.
        """
        given = np.asarray(points)
        kind = _TYPES.get(self._input.type, np.float32)
        with np.errstate(over="ignore"):
            rows = given.astype(kind)
        if rows.ndim != 2 or rows.shape[1] != self.network.n_inputs:
            what = f"points of shape {list(rows.shape)} do not fit {self.network.n_inputs} inputs"
            raise InputError(what, advice="give one row for each point")
        if not (np.isfinite(rows).all() and np.array_equal(rows, given)):
            raise InputError(f"points are not finite {kind.__name__} numbers", advice="round them first")
        outputs = [self._run(row) for row in rows]
        return np.stack(outputs) if outputs else np.empty((0, self.network.n_outputs), kind)

    def _run(self, row: np.ndarray) -> np.ndarray:
        try:
            (output,) = self._session.run(None, {self._input.name: row.reshape(self._shape)})
        except Exception as error:
            raise self._error(error) from error
        return output.ravel()

    def _error(self, error: Exception) -> InputError:
        what = f"onnxruntime cannot run it ({error})"
        return InputError(what, where=self.network.name or "network", advice="check the ONNX file")


def replay(network: Network, points: np.ndarray) -> np.ndarray:
    """Replay(network)(points), for one use."""
    return Replay(network)(points)
