"""What the tests of batch runs share: lists, results, and workers that are no processes."""

import csv
from multiprocessing import Pipe
from pathlib import Path

from cases import executable
from conftest import random_network

from engine.acasxu.files import property_path
from engine.bench.workers import Event, WorkerTask, function_of
from engine.cli import main

SOME = [("standin_tau_0", 10), ("standin_tau_80", 3), ("standin_tau_80", 2), ("standin_tau_20_left", 10)]
#: decided in no time, so that kills meet starting, writing and ending rather than the search
QUICK = [
    (name, number) for name in ("standin_tau_0", "standin_tau_80", "standin_tau_20_left") for number in (1, 4, 5, 9, 10)
]


def write_list(path: Path, standins: dict[str, Path], pairs, *, seconds="60") -> Path:
    """A list of stand-ins and properties by their numbers."""
    path.write_text("".join(f"{standins[name]},{property_path(number)},{seconds}\n" for name, number in pairs))
    return path


def results(folder: Path) -> list[dict]:
    with (folder / "results.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def verdicts(folder: Path) -> list[tuple]:
    """What does not depend on time, in the table's order."""
    return [
        tuple(row[name] for name in ("network", "property", "verdict", "semantics", "check", "error"))
        for row in results(folder)
    ]


def bench(instances: Path, folder: Path, *options) -> int:
    return main(["bench", str(instances), "--out", str(folder), *map(str, options)])


def tiny_instances(folder: Path, networks: int, properties: int) -> Path:
    """A list of networks x properties, each decided within a few boxes; the file is named instances.csv."""
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(networks):
        (folder / f"n{i}.onnx").write_bytes(executable(random_network((2, 6, 2), seed=i)).onnx_bytes)
    declared = "".join(f"(declare-const {name} Real)" for name in ("X_0", "X_1", "Y_0", "Y_1"))
    box = "".join(f"(assert (>= X_{i} -1))(assert (<= X_{i} 1))" for i in range(2))
    for j in range(properties):
        (folder / f"p{j}.vnnlib").write_text(f"{declared}{box}(assert (>= Y_0 {j}e-1))")
    path = folder / "instances.csv"
    path.write_text("".join(f"n{i}.onnx,p{j}.vnnlib,60\n" for i in range(networks) for j in range(properties)))
    return path


def tiny_list(folder: Path, *, networks: int = 2) -> Path:
    """A list of networks x two properties, of which p0 is violated and p1 holds; all within a few boxes."""
    tiny_instances(folder, networks, 1)
    text = (folder / "p0.vnnlib").read_text().replace("(>= Y_0 0e-1)", "(>= Y_0 -5)")
    (folder / "p0.vnnlib").write_text(text)
    (folder / "p1.vnnlib").write_text(text.replace("-5", "9"))
    path = folder / "instances.csv"
    path.write_text("".join(f"n{i}.onnx,p{j}.vnnlib,60\n" for i in range(networks) for j in range(2)))
    return path


class Here:
    """Workers' tasks done in this process, one message after the other."""

    def __init__(self, count: int, environment=None):
        self.count, self._waiting, self._events = count, [], []
        self._read, self._write = Pipe(duplex=False)
        self._write.send("always ready")

    def submit(self, task: WorkerTask) -> None:
        self._waiting.append(task)

    def room(self) -> int:
        return self.count - self.tasks()

    def tasks(self) -> int:
        return len(self._waiting) + any(self._events)

    def handles(self) -> list:
        return [self._read]

    def events(self) -> list[Event]:
        if not self._events and self._waiting:
            self._run(self._waiting.pop(0))
        return [self._events.pop(0)] if self._events else []

    def _run(self, task: WorkerTask) -> None:
        messages = []
        try:
            function_of(task.function)(*task.arguments, messages.append)
            end = Event("done", task)
        except Exception as error:
            end = Event("failed", task, repr(error))
        self._events = [*(Event("message", task, message) for message in messages), end]

    def close(self) -> None:
        self._waiting.clear()
        self._events.clear()

    def __enter__(self) -> "Here":
        return self

    def __exit__(self, *exception) -> None:
        self.close()
