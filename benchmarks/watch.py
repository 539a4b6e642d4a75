"""Runs the main benchmarks and prints their ratio to the last committed figures: has anything become slower?

    python benchmarks/watch.py [FIGURE ...] [--all] [--save] [--list]

Without names the short set (about two minutes on 2 quiet cores), with --all every figure (about an hour). Machines
differ, and so does one machine from hour to hour: every figure is divided by the seconds of a calibration kernel
(calibration.py), measured just before and after it, and

    ratio = (seconds now / calibration now) / (seconds committed / calibration committed).

--save puts the new figures into benchmarks/results/watch.csv, to be committed: only on a machine that is otherwise
idle. Exit code 1 where a benchmark itself fails; never because of its time. Needs the networks.
"""

import argparse
import csv
import shutil
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from calibration import calibrate
from machine import machine

from engine.acasxu.files import find_networks

COMMITTED = Path("benchmarks/results/watch.csv")
FOLDER = Path("build/watch")
SPECS = Path("specs")
UNDECIDED = 3  # exit code of `bench` where some instance is open


@dataclass(frozen=True, slots=True)
class Figure:
    """A command line of `acasxu`, or of a script, timed as a whole process.

    after: the figure whose output it reads; codes: those exit codes with which it has done its work.
    """

    name: str
    arguments: tuple[str, ...]
    short: bool = False
    after: str | None = None
    script: str | None = None
    codes: tuple[int, ...] = (0,)

    @property
    def command(self) -> tuple[str, ...]:
        """What is run by Python, with places that are not filled in."""
        program = ("-m", "engine") if self.script is None else (self.script,)
        return (*program, *self.arguments)


@dataclass(frozen=True, slots=True)
class Measured:
    """Seconds of a figure; calibration: of the kernel beside it, None where it was not measured then."""

    figure: str
    seconds: float
    calibration: float | None
    commit: str
    processor: str

    @property
    def relative(self) -> float | None:
        """Seconds in units of the kernel's."""
        return self.seconds / self.calibration if self.calibration else None


def figures() -> list[Figure]:
    bench = ("bench", "--benchmark", "--out", "{out}")
    found = [
        Figure("verify 186", bench, short=True),
        Figure("verify 186, float32", (*bench, "--semantics", "float32", "--timeout", "60")),
        Figure("certify 186", (*bench, "--certificates", "{out}/certificates"), short=True),
        Figure(
            "check 186",
            ("check", "{before}/certificates", "--network", "{networks}", "--property", str(SPECS), "--jobs", "2"),
            short=True,
            after="certify 186",
        ),
        Figure(
            "certify 450",
            ("bench", "--all-pairs", "--timeout", "120", "--out", "{out}", "--certificates", "--check"),
            codes=(0, UNDECIDED),
        ),
        Figure("thin conjunctions", ("--seeds", "3", "--out", "{out}/table.csv"), script="benchmarks/conjunctions.py"),
        Figure("ways to split", ("--limit", "5", "--out", "{out}/table.csv"), script="benchmarks/splitting.py"),
    ]
    found += [
        Figure(f"verify N({network})/P{prop}", ("verify", "--network", network, "--property", prop), short=short)
        for network, prop, short in (("3,3", "2", True), ("4,2", "2", False), ("1,1", "6", False))
    ]
    found += [
        Figure(
            f"repair N({network})/P{prop}",
            ("repair", "--network", network, "--property", prop, "--out", "{out}/repaired.onnx"),
            short=short,
        )
        for network, prop, short in (
            ("2,1", "2", True),
            ("5,3", "2", True),
            ("3,1", "2", False),
            ("4,8", "2", False),
            ("5,6", "2", False),
            ("1,9", "7", False),
            ("2,9", "8", False),
            ("2,2", "2", False),
            ("3,9", "2", False),
            ("4,9", "2", False),
        )
    ]
    return found


def ratio(now: Measured, committed: Measured | None) -> float | None:
    """The factor by which the code is slower than it was: 1 where nothing changed. None without calibrations."""
    if committed is None or now.relative is None or committed.relative is None:
        return None
    return now.relative / committed.relative


def line(now: Measured, committed: Measured | None) -> str:
    """One figure, for people."""
    text = f"{now.figure:24} {now.seconds:8.2f} s"
    found = ratio(now, committed)
    if found is not None:
        return f"{text}   ratio {found:.2f} to {committed.commit}"
    if committed is None:
        return f"{text}   no committed figure"
    return (
        f"{text}   {committed.seconds:.2f} s in {committed.commit}, without calibration: no ratio; measure "
        f"again with --save"
    )


def read_committed(path: Path) -> dict[str, Measured]:
    if not path.exists():
        return {}
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return {
        row["figure"]: Measured(
            row["figure"],
            float(row["seconds"]),
            float(row["calibration"] or 0) or None,
            row["commit"],
            row["processor"],
        )
        for row in rows
    }


def write_committed(path: Path, measured: dict[str, Measured]) -> None:
    with path.open("w", newline="") as file:
        table = csv.DictWriter(file, [field.name for field in fields(Measured)], lineterminator="\n")
        table.writeheader()
        table.writerows(asdict(one) for one in measured.values())


def measure(figure: Figure, before: float) -> tuple[Measured | None, float]:
    """The figure, or None where its command fails, and the calibration after it. `before`: that before it."""
    out = _folder(figure.name)
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    places = {"out": out, "before": figure.after and _folder(figure.after), "networks": find_networks()}
    command = [text.format(**places) for text in figure.command]
    start = time.perf_counter()
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True)
    seconds = time.perf_counter() - start
    after = calibrate()
    if done.returncode not in figure.codes:
        print(f"{figure.name}: exit code {done.returncode}\n{done.stderr}", file=sys.stderr)
        return None, after
    here = machine(calibrated=False)
    beside = round((before + after) / 2, 4)
    return Measured(figure.name, round(seconds, 3), beside, here["commit"], here["processor"]), after


def _folder(name: str) -> Path:
    return FOLDER / "".join(c if c.isalnum() else "-" for c in name)


def chosen(names: list[str], *, everything: bool) -> list[Figure]:
    """The figures asked for, each after the one whose output it reads."""
    known = {figure.name: figure for figure in figures()}
    if unknown := [name for name in names if name not in known]:
        sys.exit(f"watch: no figure is called {unknown[0]!r}; see --list")
    wanted = set(names) or {f.name for f in known.values() if everything or f.short}
    wanted |= {known[name].after for name in wanted if known[name].after}
    return [figure for figure in known.values() if figure.name in wanted]


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("figures", nargs="*", metavar="FIGURE")
    parser.add_argument("--all", action="store_true", help="every figure, not the short set")
    parser.add_argument("--save", action="store_true", help=f"put the new figures into {COMMITTED}")
    parser.add_argument("--list", action="store_true", help="only list the figures")
    arguments = parser.parse_args(argv)
    wanted = chosen(arguments.figures, everything=arguments.all)
    if arguments.list:
        print("\n".join(f"{figure.name:24} {' '.join(figure.command)}" for figure in wanted))
        return 0
    if find_networks() is None:
        sys.exit("watch: the networks are missing: run `acasxu fetch`, or name their folder with ACASXU_DATA")
    committed = read_committed(COMMITTED)
    new, failed, calibration = {}, 0, calibrate()
    print(f"calibration {calibration:.3f} s")
    for figure in wanted:
        now, calibration = measure(figure, calibration)
        failed += now is None
        if now:
            new[figure.name] = now
            print(line(now, committed.get(figure.name)), flush=True)
    if arguments.save:
        write_committed(COMMITTED, committed | new)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
