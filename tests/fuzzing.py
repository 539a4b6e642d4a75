"""How long fuzzers run, a second by default, longer where the environment says so; how many examples hypothesis draws;
and texts that both try."""

import os
import time
from collections.abc import Iterator
from itertools import count

from hypothesis import settings
from hypothesis import strategies as st


def seeds(default: float = 1.0) -> Iterator[int]:
    """Numbers from $ACASXU_FUZZ_SEED (0) on, for $ACASXU_FUZZ_SECONDS (`default`) seconds; at least one."""
    end = time.monotonic() + float(os.environ.get("ACASXU_FUZZ_SECONDS", default))
    for seed in count(int(os.environ.get("ACASXU_FUZZ_SEED", 0))):
        yield seed
        if time.monotonic() > end:
            return


def examples(count: int) -> int:
    """How many hypothesis is to draw: `count` with `make test-all`, half of them in the default suite (conftest.py)."""
    return count * settings.default.max_examples // settings.get_profile("default").max_examples


@st.composite
def mutations(draw, valid: str, words: list[str]) -> str:
    """The valid text with a few pieces cut, moved or replaced by words."""
    text = valid
    for _ in range(draw(st.integers(1, 4))):
        start, end = sorted(draw(st.tuples(*[st.integers(0, len(text))] * 2)))
        end = min(end, start + 30)
        middle = draw(st.sampled_from(["", text[start:end] * 2, *words]) | st.text(max_size=3))
        text = text[:start] + middle + text[end:]
    return text
