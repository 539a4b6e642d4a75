"""The settings of a batch run."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.bench.chunk import LEAST
from engine.bench.machine import cores, memory
from engine.bench.repair_jobs import RepairSettings
from engine.nnet import RAW

WINDOW, MEMORY = 256, 2 << 30  # those of the search's options


@dataclass(frozen=True, slots=True)
class RunSettings:
    """The settings of a batch run.

    `search`: options of the search, by name, those that are given. `certificates`: their folder, None for none.
    `dask`: a cluster's address. With `verify_resumed`, what an earlier session left without evidence is decided again.
    `jobs`: processes, None for as many as are likely to pay.
    `repair`: how to repair, None where nothing is to be repaired. `raw`: `.nnet` files are read in raw units.
    """

    out: Path
    search: Mapping[str, Any]
    certificates: Path | None = None
    check: bool = False
    jobs: int | None = None
    dask: str | None = None
    resume: bool = False
    verify_resumed: bool = False
    force: bool = False
    repair: RepairSettings | None = None
    raw: bool = False

    def options(self) -> dict[str, object]:
        """The settings as the manifest has them."""
        repair = {f"repair_{name}": value for name, value in self.repair.by_name().items()} if self.repair else {}
        search = {name: value for name, value in self.search.items() if name != "proofs"}
        return {
            **search,
            "window": self.window,
            "jobs": self.jobs,
            "dask": self.dask,
            "certificates": self.certificates is not None,
            "check": self.check,
            "repair": self.repair is not None,
            **repair,
            **({"units": RAW} if self.raw else {}),
        }

    @property
    def window(self) -> int:
        """The number of instances that a worker searches at once."""
        return self.search.get("window") or WINDOW

    def likely_jobs(self, instances: int) -> int:
        """The processes for so many instances on CPUs: one for each core, as threads wait for each other; fewer where
        memory or the list is short, one where the number of threads is given."""
        if self.jobs or "threads" in self.search:
            return self.jobs or 1
        fit = (memory() or MEMORY) // (2 * self.search.get("memory", MEMORY))
        return max(1, min(cores(), -(-instances // LEAST), int(fit)))

    def search_in_workers(self, jobs: int) -> dict[str, Any]:
        """The search's options for each of so many workers.

        The processor's cores are shared by the workers of this machine; on a cluster a task has one thread.
        """
        threads = 1 if self.dask else max(1, cores() // jobs) if jobs > 1 else 0
        return {"threads": threads} | dict(self.search)
