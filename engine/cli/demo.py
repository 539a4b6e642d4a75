"""`acasxu demo`: a first look, with the real networks or with stand-ins."""

import time
from argparse import Namespace
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from engine.acasxu.files import find_networks, network_path, property_path, standins
from engine.acasxu.identity import Identity, identify_file
from engine.acasxu.networks import NetworkIndex
from engine.acasxu.properties import specification
from engine.cli.labels import explain
from engine.cli.live import live_line, search_text
from engine.cli.output import DONE, UNDECIDED, answer, note, show
from engine.errors import InputError
from engine.verdict import Verdict, Violated

if TYPE_CHECKING:
    from rich.table import Table

REAL = (((1, 1), 3), ((3, 3), 9), ((4, 5), 10), ((4, 9), 1), ((5, 3), 2), ((2, 9), 8), ((1, 9), 3))
STANDINS = (
    ("standin_tau_0", 3),
    ("standin_tau_0", 10),
    ("standin_tau_20_left", 6),
    ("standin_tau_80", 2),
    ("standin_tau_80", 3),
    ("standin_tau_0", 2),
)
TIMEOUT = 60.0  # seconds for each


@dataclass(frozen=True, slots=True)
class _Instance:
    """A network's file, and the number of a property."""

    network: Path
    number: int
    identity: Identity

    @property
    def name(self) -> str:
        return str(self.identity)


def run(arguments: Namespace) -> int:
    """Decides a few instances and explains one counterexample."""
    folder = find_networks(arguments.data) or _fetched()
    chosen = _real(folder) if folder else _stand_ins()
    answer(f"Deciding {len(chosen)} instances, with {_origin(folder)}.")
    start = time.perf_counter()
    verdicts = _decide(chosen)
    seconds = time.perf_counter() - start
    show(_table(chosen, verdicts, folder))
    answer(_explained(chosen, verdicts, seconds) + _next(folder))
    return DONE if all(verdict.word in ("sat", "unsat") for verdict in verdicts) else UNDECIDED


def _fetched() -> Path | None:
    """The networks, downloaded now; None where that cannot be done within seconds."""
    from engine.acasxu.fetch import fetch, progress_bar, reachable

    note("The ACAS Xu networks are not here; trying to download them.")
    if not reachable(timeout=5.0):
        note("Their public repository was not reached within seconds.")
        return None
    try:
        with progress_bar() as progress:
            return fetch(progress=progress)
    except InputError as error:
        note(f"That did not work: {error}")
        return None


def _real(folder: Path) -> list[_Instance]:
    return [_identified(network_path(*NetworkIndex(*index), data=folder), number) for index, number in REAL]


def _stand_ins() -> list[_Instance]:
    files = {path.stem: path for path in standins()}
    return [_identified(files[name], number) for name, number in STANDINS]


def _identified(path: Path, number: int) -> _Instance:
    """The instance; InputError where the file's content is not known."""
    identity = identify_file(path)
    if identity is None:
        raise InputError(
            "its content is not that of the published network",
            where=str(path),
            advice="run `acasxu fetch`, or name another folder with --data",
        )
    return _Instance(path, number, identity)


def _origin(folder: Path | None) -> str:
    if folder:
        return f"the ACAS Xu networks in {folder}"
    return "STAND-INS: networks made by this project, NOT ACAS Xu networks"


def _decide(chosen: list[_Instance]) -> list[Verdict]:
    with live_line("loading torch") as update:
        from engine.onnx_file import load_network
        from engine.search.problem import Options, Problem
        from engine.search.verify import verify_all
        from engine.vnnlib import load_property

        networks = {path: load_network(path) for path in {instance.network for instance in chosen}}
        problems = [Problem(networks[s.network], load_property(property_path(s.number))) for s in chosen]
        return verify_all(
            problems,
            Options(timeout=TIMEOUT),
            on_progress=update and (lambda progress: update(search_text(progress))),
        )


def _table(chosen: list[_Instance], verdicts: list[Verdict], folder: Path | None) -> "Table":
    from rich import box
    from rich.table import Table

    words = {"unsat": "holds", "sat": "VIOLATED", "unknown": "unknown", "timeout": "out of time"}
    table = Table("network" if folder else "STAND-IN", "property", "", "verdict", box=box.SIMPLE)
    for name in ("boxes", "seconds"):
        table.add_column(name, justify="right")
    for instance, verdict in zip(chosen, verdicts):
        cost = verdict.statistics
        table.add_row(
            instance.name,
            f"P{instance.number}",
            specification(instance.number).words,
            words[verdict.word],
            f"{cost.boxes:,}",
            f"{cost.seconds:.2f}",
        )
    return table


def _explained(chosen: list[_Instance], verdicts: list[Verdict], seconds: float) -> str:
    """The wall time, and the first counterexample in words."""
    proved = "What holds is proved for every input of the box, with rigorous rounding."
    lines = [f"{seconds:.1f} s in all. {proved}"]
    for instance, verdict in zip(chosen, verdicts):
        if isinstance(verdict, Violated):
            kind = " (a stand-in)" if instance.identity.is_standin else ""
            lines += [
                "",
                f"Where {instance.name}{kind} violates P{instance.number}, exactly and in onnxruntime:",
                explain(instance.identity, verdict.counterexample),
            ]
            break
    return "\n".join(lines)


def _next(folder: Path | None) -> str:
    if folder:
        commands = "acasxu verify --network 4,2 --property 2", "acasxu bench --benchmark --out build/bench"
    else:
        commands = (
            f"acasxu verify {standins()[0]} {property_path(7)}",
            "acasxu fetch --from DIR_OR_URL   (for the real networks)",
        )
    return "\n  ".join(("\n\nNext:", *commands))
