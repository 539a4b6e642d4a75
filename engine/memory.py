"""Memory: kept in the process when it is freed, and said in words."""

import ctypes
import sys

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD = -1, -2, -3  # malloc.h


def keep_freed_memory() -> None:
    """Tells glibc's malloc not to hand freed memory back after every tensor operation.

    The search allocates and frees the same few megabytes thousands of times a second; fetching
    fresh pages from the system each time took a sixth of its time, more on a busy machine. No effect elsewhere.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt:
        mallopt(M_MMAP_THRESHOLD, 32 << 20)
        mallopt(M_TRIM_THRESHOLD, 1 << 30)
        mallopt(M_TOP_PAD, 16 << 20)


def size_text(size: int) -> str:
    """A number of bytes in the largest unit that gives at least 1."""
    value, units = float(size), ["bytes", "KiB", "MiB", "GiB", "TiB"]
    while value >= 1024 and len(units) > 1:
        value /= 1024
        units.pop(0)
    return f"{value:.4g} {units[0]}"
