"""The machine on which a figure is measured."""

import platform
import sys
from pathlib import PurePath

import torch
from calibration import calibrate

from engine.bench.machine import commit
from engine.bench.machine import machine as computer


def command() -> str:
    """The command of this process, for the head of a result file: of absolute paths, which are this machine's, the last
    parts alone."""
    return " ".join(["python", *(PurePath(word).name if PurePath(word).is_absolute() else word for word in sys.argv)])


def machine(*, calibrated: bool = True) -> dict[str, str | float]:
    """Processor, threads, versions and commit, for the head of every result file; and, if `calibrated`, the seconds
    of the calibration kernel, by which other machines' figures are compared with those of the file.
    """
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "none"
    measured = {"calibration_seconds": round(calibrate(), 4)} if calibrated else {}
    return {
        "processor": f"{computer(gpu)['cpu']}, {torch.get_num_threads()} threads",
        "gpu": gpu,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "commit": (commit() or "unknown")[:7],
        **measured,
    }
