"""Networks as executed: onnxruntime on one CPU thread, one point at a time."""

from fractions import Fraction
from functools import cache

import numpy as np
import onnxruntime
from onnx import IR_VERSION, TensorProto, helper
from onnx.defs import onnx_opset_version

from engine.errors import InputError
from engine.exact import nearest_floats
from engine.joint import Joint, Model, blocks_of
from engine.network import Network
from engine.onnx_file import lowered, versions
from engine.tied import Tied

_TYPES = {"tensor(float)": np.float32, "tensor(double)": np.float64}


class Replay:
    """Runs a network's own ONNX bytes, not the layers that were read from them.

    Where they are newer than onnxruntime, a copy with older version numbers runs (onnx_file/lowered.py). The session
    lives as long as the object. The same point gives the same bits whatever other points come with it. InputError where
    onnxruntime cannot run the file.
    """

    def __init__(self, network: Network):
        self.network = network
        try:
            self._session = _session(network.onnx_bytes)
        except Exception as error:  # onnxruntime's exceptions share no base of their own
            self._session = self._of_a_copy(error)
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
        flat: np.ndarray = output.ravel()
        return flat

    def _of_a_copy(self, error: Exception) -> onnxruntime.InferenceSession:
        """A session of a copy with older version numbers. error: the reason why the original cannot be run."""
        ir_version, opset = newest()
        try:
            found = versions(self.network.onnx_bytes)
        except Exception:  # it is no ONNX file
            raise self._error(error) from error
        if found[0] <= ir_version and found[1] <= opset:
            raise self._error(error) from error
        try:
            return _session(lowered(self.network.onnx_bytes, ir_version=ir_version, opset=opset))
        except Exception as reason:
            raise InputError(
                f"it has IR version {found[0]} and opset {found[1]}, and onnxruntime {onnxruntime.__version__}, "
                f"as installed, runs up to {ir_version} and {opset}",
                where=self.network.name or "network",
                advice=f"save it with ir_version={ir_version} and opset {opset}, or install a newer onnxruntime",
            ) from reason

    def _error(self, error: Exception) -> InputError:
        what = f"onnxruntime cannot run it ({ascii(str(error))[1:-1]})"
        return InputError(what, where=self.network.name or "network", advice="check the ONNX file")


class JointReplay:
    """Runs the networks of a joint, each on what it is given."""

    def __init__(self, joint: Joint):
        self._replays = [Replay(block.own) for block in joint.blocks]
        ends = np.cumsum([0, *(block.own.n_inputs for block in joint.blocks)]).tolist()
        self._parts = [slice(*pair) for pair in zip(ends, ends[1:])]

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Outputs [n, n_outputs] of what is given to the networks [n, the inputs of all] (Joint.given)."""
        outputs = [run(points[:, part]) for run, part in zip(self._replays, self._parts)]
        return np.concatenate(outputs, 1)


class TiedReplay:
    """Runs a tied network's own one on what free inputs give, rounded to the nearest of its numbers."""

    def __init__(self, tied: Tied):
        self._tied, self._replay = tied, Replay(tied.own)

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Outputs [n, n_outputs] of points [n, free inputs]."""
        exact = [self._tied.given(tuple(map(Fraction, map(float, point)))) for point in points]
        return self._replay(np.stack([nearest_floats(x, self._tied.own.number) for x in exact]))


AnyReplay = Replay | JointReplay | TiedReplay


def replay_of(model: Model) -> AnyReplay:
    """The replay of a network or a joint. InputError where onnxruntime cannot run a file."""
    if isinstance(model, Tied):
        return TiedReplay(model)
    return JointReplay(model) if isinstance(model, Joint) else Replay(model)


def replay(network: Network, points: np.ndarray) -> np.ndarray:
    """The outputs of Replay(network) at points, for one use."""
    return Replay(network)(points)


def demand_executable(model: Model) -> None:
    """Raises InputError where onnxruntime does not take a network: that is to be known before a search."""
    for block in blocks_of(model):
        if block.own.onnx_bytes:
            Replay(block.own)


@cache
def newest() -> tuple[int, int]:
    """The newest IR version and opset that the installed onnxruntime takes, of those that onnx knows; by trial."""
    ir_version = next(v for v in range(IR_VERSION, 0, -1) if _takes(v, 13) or v == 1)
    return ir_version, next(v for v in range(onnx_opset_version(), 0, -1) if _takes(ir_version, v) or v == 1)


def _takes(ir_version: int, opset: int) -> bool:
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "trial", ends[:1], ends[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=ir_version)
    try:
        _session(model.SerializeToString())
    except Exception:
        return False
    return True


def _session(data: bytes) -> onnxruntime.InferenceSession:
    """A session of a model, without optimization where it cannot be had with it: fused nodes may be none that run."""
    try:
        return _opened(data, onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL)
    except Exception:  # a Pad, say, that is made part of a pool with a smaller window
        return _opened(data, onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL)


def _opened(data: bytes, level: onnxruntime.GraphOptimizationLevel) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = level
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.use_deterministic_compute = True
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
