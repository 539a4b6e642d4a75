"""The repair methods by name; each is imported when it is used."""

from collections.abc import Callable
from importlib import import_module

from engine.errors import InputError
from engine.repair.task import Method


def _method(name: str) -> Callable[[], Method]:
    return lambda: getattr(import_module(f"engine.repair.{name}.method"), name)


#: In the order in which `auto` tries them: what changes few weights and is fast comes first.
METHODS = {name: _method(name) for name in ("milp", "gradient", "idle", "smt")}

#: Options of methods that differ where `auto` chooses them.
IN_AUTO = {"milp": {"wide": False}}


def order(name: str) -> tuple[str, ...]:
    """The methods that are meant."""
    if name == "auto":
        return tuple(METHODS)
    if name not in METHODS:
        raise InputError(f"unknown method {name!r}", advice=f"use auto, {', '.join(METHODS)}")
    return (name,)
