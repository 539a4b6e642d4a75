"""Where networks are executed and trained."""

import torch

from engine.errors import InputError


def chosen_device(name: str = "auto") -> torch.device:
    """auto: CUDA where there is one, else the CPU. InputError for cuda where there is none."""
    there = torch.cuda.is_available()
    if name == "cuda" and not there:
        raise InputError("there is no CUDA device", where="--device cuda", advice="use --device cpu")
    return torch.device("cuda" if name == "cuda" or (name == "auto" and there) else "cpu")
