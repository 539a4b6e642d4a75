"""How long fuzzers run: a few seconds by default, longer where the environment says so."""

import os
import time
from collections.abc import Iterator
from itertools import count


def seeds(default: float = 2.0) -> Iterator[int]:
    """Numbers from $ACASXU_FUZZ_SEED (0) on, for $ACASXU_FUZZ_SECONDS (`default`) seconds; at least one."""
    end = time.monotonic() + float(os.environ.get("ACASXU_FUZZ_SECONDS", default))
    for seed in count(int(os.environ.get("ACASXU_FUZZ_SEED", 0))):
        yield seed
        if time.monotonic() > end:
            return
