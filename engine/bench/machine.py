"""The computer and the versions that a run is made with. Nothing heavy is imported here."""

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import engine

PACKAGES = {
    "torch": "torch",
    "numpy": "numpy",
    "scipy": "scipy",
    "onnx": "onnx",
    "onnxruntime": "onnxruntime",
    "gurobipy": "gurobipy",
    "z3": "z3-solver",
}


def versions() -> dict[str, str | None]:
    """The versions of Python and of the packages that decide and repair; None for one that is not installed."""
    return {"python": platform.python_version()} | {name: _version(package) for name, package in PACKAGES.items()}


def machine(gpu: str | None) -> dict[str, str | int | None]:
    """This computer. `gpu`: the name of its graphics processor, which only torch can tell."""
    return {"cpu": _processor(), "cores": cores(), "memory_bytes": memory(), "gpu": gpu, "system": platform.platform()}


def cores() -> int:
    """The number of cores that this process may use."""
    usable = getattr(os, "sched_getaffinity", None)
    return len(usable(0)) if usable else os.cpu_count() or 1


def commit() -> str | None:
    """The commit of the checkout that the engine lies in, if it is one."""
    root = Path(engine.__file__).resolve().parent.parent
    if not (root / ".git").exists():
        return None
    try:
        done = subprocess.run(["git", "-C", str(root), "rev-parse", "HEAD"], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _processor() -> str:
    try:
        with open("/proc/cpuinfo") as file:
            return next(line.split(":", 1)[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def memory() -> int | None:
    """The bytes of memory of this machine; None where it does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return None
