"""`acasxu supports`: what queries may hold, in the words of VNN-LIB's standard.

Nothing is listed by hand. Operators and versions are those of the readers' own tables; a theory or a type is supported
iff a small query that needs it is read and joined.
"""

from argparse import Namespace
from collections.abc import Callable, Iterable

from engine.cli.output import DONE, answer

#: What no reader tells: `or` becomes a disjunctive normal form; proofs are certificates, in a format of this project.
_FACTS = {"optimised-disjunctive-reasoning": False, "serialise-assignments": True, "unsat-proofs": False}


def run(arguments: Namespace) -> int:
    """Prints one capability."""
    answer("\n".join(capability(arguments.capability)))
    return DONE


def capability(name: str) -> Iterable[str]:
    """The lines on a capability."""
    from engine.cli.theories import THEORIES, supported, supported_elements

    if name in THEORIES:
        return supported(name)
    if name in _FACTS:
        return [str(_FACTS[name]).lower()]
    tables: dict[str, Callable[[], Iterable[str]]] = {
        "onnx-opset-versions": _opsets,
        "onnx-element-types": supported_elements,
        "onnx-operators": _operators,
        "vnnlib-versions": _versions,
    }
    return tables[name]()


def _opsets() -> Iterable[str]:
    from engine.onnx_file.declared import opsets

    return map(str, opsets())


def _operators() -> Iterable[str]:
    """Each operator, with `real` behind it where no runtime executes it as float32 semantics has it."""
    from engine.onnx_file.execution import NOT_AS_EXECUTED
    from engine.onnx_file.nodes import SUPPORTED

    return (f"{name} real" if name in NOT_AS_EXECUTED else name for name in SUPPORTED)


def _versions() -> Iterable[str]:
    from engine.vnnlib.language import VERSION_1, VERSION_2

    return (language.name.split()[-1] for language in (VERSION_1, VERSION_2))
