"""Kernel launches and synchronizations of a step of branch and bound, counted without a GPU.

    python benchmarks/launches.py [--steps 4] [--out benchmarks/results/launches.csv]

The first steps on all 186 instances run on the CPU, in one thread, with the limits that a GPU has. A launch is an
operation of torch that makes or changes numbers: views and allocations are none. A synchronization is whatever hands
a number to Python, or the size of a result: item, tolist, nonzero, masks as indices. An upload hands numbers over.
Needs the networks.
"""

import argparse
import csv
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from unittest.mock import patch

import torch
from machine import machine
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from engine import Options, Problem, load_network, load_property
from engine.acasxu.files import network_path, property_path
from engine.acasxu.properties import benchmark_instances
from engine.bounds import crown, descent, products
from engine.search import batch, branch_and_bound, frontier, open_boxes, plan
from engine.search.branch_and_bound import BranchAndBound

SYNCHRONIZING = {"item", "tolist", "cpu", "numpy", "nonzero", "unique_consecutive", "__bool__", "__int__", "__float__"}
UPLOADS = {"tensor", "new_tensor", "from_numpy"}
VIEWS, ALLOCATIONS = {"_unsafe_view", "detach", "lift_fresh"}, {"empty", "empty_like", "new_empty", "empty_strided"}
REST = "rest"
PARTS = {
    "bounds": [(batch, "tighten")],
    "exclusions": [(open_boxes, "exclude")],
    "attack": [
        (open_boxes, "corner_attack"),
        (open_boxes, "first_attack"),
        (branch_and_bound, "first_attack"),
        (branch_and_bound, "confirm_suspects"),
        (branch_and_bound, "conjunction_attack"),
        (open_boxes, "deepest_points"),
    ],
    "choice": [(open_boxes, "signs_to_split"), (BranchAndBound, "_split")],
    "gather": [(frontier.Frontier, name) for name in ("read", "put", "close", "prune", "owners", "begin")],
}


class Counts:
    """Launches, synchronizations and uploads, by the part of a step that is running."""

    def __init__(self) -> None:
        self.by_part: Counter[tuple[str, str]] = Counter()
        self._part = REST

    def add(self, kind: str) -> None:
        self.by_part[self._part, kind] += 1

    def of(self, part: str, function: Callable) -> Callable:
        """The function, what it does being counted for this part."""

        def counted(*arguments, **options):
            before, self._part = self._part, part
            try:
                return function(*arguments, **options)
            finally:
                self._part = before

        return counted


class Launches(TorchDispatchMode):
    def __init__(self, counts: Counts):
        super().__init__()
        self._counts = counts

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if not func.is_view and func.overloadpacket.__name__ not in VIEWS | ALLOCATIONS:
            self._counts.add("launches")
        return func(*args, **(kwargs or {}))


class Synchronizations(TorchFunctionMode):
    def __init__(self, counts: Counts):
        super().__init__()
        self._counts = counts

    def __torch_function__(self, func, types, args=(), kwargs=None):
        name = getattr(func, "__name__", "")
        masks = name in ("__getitem__", "__setitem__") and any(map(_is_mask, _parts_of(args[1])))
        if name in SYNCHRONIZING or masks:
            self._counts.add("synchronizations")
        if name in UPLOADS:
            self._counts.add("uploads")
        return func(*args, **(kwargs or {}))


def _parts_of(index: object) -> Sequence[object]:
    return index if isinstance(index, tuple) else (index,)


def _is_mask(index: object) -> bool:
    return isinstance(index, torch.Tensor) and index.dtype == torch.bool


class Inline:
    """Stands for the threads of a search: modes of torch are those of one thread."""

    def map(self, function: Callable, *given: Sequence) -> Iterator:
        return map(function, *given)


@contextmanager
def as_on_a_gpu() -> Iterator[None]:
    """The limits of what is computed at once, as on a GPU."""
    limits = [(module, name) for module in (crown, plan) for name in vars(module) if name.endswith("_ON_CUDA")]
    with ExitStack() as changed:
        for module, name in limits:
            changed.enter_context(patch.object(module, name.removesuffix("_ON_CUDA"), getattr(module, name)))
        changed.enter_context(patch.object(descent, "MAX_COPIED", 0))
        changed.enter_context(patch.object(products, "FILLED_ON", ("cpu",)))
        yield


@contextmanager
def counted() -> Iterator[Counts]:
    counts = Counts()
    with ExitStack() as entered:
        for part, places in PARTS.items():
            for owner, name in places:
                entered.enter_context(patch.object(owner, name, counts.of(part, getattr(owner, name))))
        entered.enter_context(Launches(counts))
        entered.enter_context(Synchronizations(counts))
        yield counts


def problems() -> list[tuple[int, Problem]]:
    """The 186, each network loaded once."""
    networks = {net: load_network(network_path(*net)) for net in {net for _, net in benchmark_instances()}}
    properties = {n: load_property(property_path(n)) for n in {spec.number for spec, _ in benchmark_instances()}}
    return [(i, Problem(networks[net], properties[spec.number])) for i, (spec, net) in enumerate(benchmark_instances())]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/launches.csv"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    table = [("part", "launches_a_step", "synchronizations_a_step", "uploads_a_step")]
    with as_on_a_gpu():
        search = BranchAndBound(
            problems(), Options(device="cpu"), torch.device("cpu"), Inline(), 1, lambda index, verdict: None
        )
        with counted() as counts:
            steps = next((i + 1 for i in range(arguments.steps) if not search.step()), arguments.steps)
    kinds = ("launches", "synchronizations", "uploads")
    for part in [*PARTS, REST]:
        table.append((part, *(f"{counts.by_part[part, kind] / steps:.0f}" for kind in kinds)))
    total = {kind: sum(n for (_, of), n in counts.by_part.items() if of == kind) for kind in kinds}
    table.append(("all", *(f"{total[kind] / steps:.0f}" for kind in kinds)))
    lines = [f"# {machine(calibrated=False)}", f"# the first {steps} steps on the 186, {search.boxes} boxes"]
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    with arguments.out.open("w", newline="") as file:
        file.writelines(f"{line}\n" for line in lines)
        csv.writer(file, lineterminator="\n").writerows(table)
    for row in table:
        print(*row, sep="\t")


if __name__ == "__main__":
    main()
