"""The 45 networks of ACAS Xu by index and by the names of their published files.

They were published with Katz et al., "Reluplex: An Efficient SMT Solver for Verifying Deep Neural Networks" (CAV 2017).
"""

import re
from typing import NamedTuple

from engine.acasxu.quantities import ADVISORIES
from engine.errors import InputError

TAU_SECONDS = (0, 1, 5, 10, 20, 40, 60, 80, 100)


class NetworkIndex(NamedTuple):
    """N(a, t): the network for previous advisory a (1..5) and time step t (1..9)."""

    a: int
    t: int

    @property
    def previous_advisory(self) -> str:
        return ADVISORIES[self.a - 1]

    @property
    def tau(self) -> int:
        """Seconds until the two aircraft lose vertical separation."""
        return TAU_SECONDS[self.t - 1]

    @property
    def file_name(self) -> str:
        return file_name(self.a, self.t)

    def __str__(self) -> str:
        return f"N({self.a},{self.t})"


NETWORKS = tuple(NetworkIndex(a, t) for a in range(1, 6) for t in range(1, 10))


def file_name(a: int, t: int) -> str:
    """The name under which N(a, t) is published."""
    return f"ACASXU_run2a_{a}_{t}_batch_2000.onnx"


def network_index(text: str) -> NetworkIndex:
    """N(a, t) from "3,3", "3_3" or "N(3,3)"."""
    match = re.fullmatch(r"\s*(?:N\s*\(\s*(\d+)\s*,\s*(\d+)\s*\)|(\d+)\s*[,_]\s*(\d+))\s*", text, re.I | re.A)
    index = NetworkIndex(*(int(g) for g in match.groups() if g)) if match else None
    if index not in NETWORKS:
        raise InputError(f"no ACAS Xu network {text!r}", advice="write A,T with A in 1..5 and T in 1..9")
    return index


def recognize(path: object) -> NetworkIndex | None:
    """The one of the 45 that a file is by its name, whatever its folder and with or without .gz; else None.

    A name proves nothing about the content: use it to label, never to decide.
    """
    match = re.search(r"(?:^|[/\\])ACASXU_run2a_([1-5])_([1-9])_batch_2000\.onnx(\.gz)?$", str(path))
    return NetworkIndex(int(match[1]), int(match[2])) if match else None
