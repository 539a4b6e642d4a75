"""Where a figure was measured."""

import platform
import subprocess

import torch

from calibration import calibrate


def machine(*, calibrated: bool = True) -> dict[str, str | float]:
    """Processor, threads, versions and commit, for the head of every result file; and, if `calibrated`, the seconds
    of the calibration kernel, by which other machines' figures are compared with those of the file.
    """
    try:
        with open("/proc/cpuinfo") as file:
            processor = next(line.split(":")[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        processor = platform.processor()
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "none"
    measured = {"calibration_seconds": round(calibrate(), 4)} if calibrated else {}
    return {
        "processor": f"{processor}, {torch.get_num_threads()} threads", "gpu": gpu,
        "python": platform.python_version(), "torch": torch.__version__, "commit": commit or "unknown",
        **measured,
    }
