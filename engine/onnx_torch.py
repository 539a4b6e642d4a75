"""ONNX networks of any architecture as torch modules: the one place that imports onnx2torch.

onnx2torch imports torchvision for two detection operators, and the torchvision of PyPI does not load
beside a CPU-only torch. So that import is offered an empty stand-in, which asks for the real
torchvision only when one of the two operators is executed.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.machinery import ModuleSpec
from os import PathLike
from types import ModuleType

import torch
from onnx import ModelProto, load_model_from_string, version_converter

from engine.errors import EngineError, InputError
from engine.network import Network
from engine.onnx_file import read_whole

KNOWN_OPSET = 14  # of which onnx2torch has every operator that engine.onnx_file reads

Convert = Callable[[ModelProto], torch.nn.Module]


def load_module(source: Network | str | PathLike[str]) -> torch.nn.Module:
    """A module that computes what the ONNX file says, for execution and gradients, in evaluation mode.

    It takes and gives tensors of the graph's own shapes and number type, and its rounding is torch's:
    nothing here is exact.
    """
    if isinstance(source, Network):
        data, where = source.onnx_bytes, source.name or "network"
    else:
        data, where = read_whole(source).data, str(source)
    return module_of(lambda: load_model_from_string(data), where=where)


def module_of(model: Callable[[], ModelProto], *, where: str) -> torch.nn.Module:
    """The same for a model in memory."""
    convert = _onnx2torch_convert()
    try:
        return _converted(convert, model()).eval()
    except Exception as error:  # onnx2torch raises whatever comes up, from KeyError to AssertionError
        what = f"onnx2torch cannot convert it ({type(error).__name__}: {error})"
        raise InputError(what, where=where, advice="check that this is an ONNX network") from error


def _converted(convert: Convert, model: ModelProto) -> torch.nn.Module:
    """The model, or where its opset is older or newer than onnx2torch knows, the same in one it does."""
    try:
        return convert(model)
    except NotImplementedError as error:
        try:
            translated = version_converter.convert_version(model, KNOWN_OPSET)
        except Exception:
            raise error from None
        return convert(translated)


def _onnx2torch_convert() -> Convert:
    """onnx2torch.convert, with or without a torchvision that loads."""
    try:
        with _torchvision_or_stand_in():
            convert: Convert = import_module("onnx2torch").convert
            return convert
    except ModuleNotFoundError as error:
        if error.name != "onnx2torch":
            raise
        raise EngineError("onnx2torch is not installed", advice="pip install onnx2torch") from None


@contextmanager
def _torchvision_or_stand_in() -> Iterator[None]:
    """Inside, `import torchvision` works. Afterwards sys.modules knows only what was whole before."""
    if "torchvision" in sys.modules or "onnx2torch" in sys.modules:
        yield
        return
    _forget_torchvision()
    whole, operators = _StandIn("torchvision"), _StandIn("torchvision.ops")
    whole.ops = operators
    sys.modules.update({"torchvision": whole, "torchvision.ops": operators})
    try:
        yield
    finally:
        _forget_torchvision()


def _forget_torchvision() -> None:
    """Removes the stand-in, or the remains of an import that failed."""
    for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        del sys.modules[name]


class _StandIn(ModuleType):
    """A module whose functions call those of the real module of the same name."""

    ops: ModuleType

    def __init__(self, name: str):
        super().__init__(name)
        self.__spec__ = ModuleSpec(name, loader=None)
        self.__path__: list[str] = []

    def __getattr__(self, function: str) -> Callable[..., object]:
        if function.startswith("_"):
            raise AttributeError(function)
        return lambda *args, **kwargs: _call_real(self.__name__, function, *args, **kwargs)


def _call_real(module: str, function: str, *args: object, **kwargs: object) -> object:
    try:
        real = import_module(module)
    except Exception as error:
        _forget_torchvision()
        what = f"operator {function} needs torchvision, which does not load ({error})"
        raise EngineError(what, advice="install the torchvision that matches this torch") from error
    return getattr(real, function)(*args, **kwargs)
