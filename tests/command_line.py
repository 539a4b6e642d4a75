"""What the tests of the command line share."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def command(*arguments) -> list[str]:
    return [sys.executable, "-m", "engine", *map(str, arguments)]


def environment(**changes) -> dict[str, str]:
    """This one with one thread, and without a folder of networks unless `changes` names one."""
    kept = {name: value for name, value in os.environ.items() if name not in ("ACASXU_DATA", "ACASXU_DEBUG")}
    return kept | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"} | changes


def start(*arguments, **options) -> subprocess.Popen:
    """The command in a process of its own; stdout and stderr are pipes unless `options` say otherwise."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "env": environment()}
    return subprocess.Popen(command(*arguments), **(pipes | options))


def finish(process: subprocess.Popen) -> tuple[int, str, str]:
    """Exit code, stdout, stderr."""
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err


def one_line(err: str) -> str:
    """The only line on stderr."""
    lines = err.splitlines()
    assert len(lines) == 1, err
    return lines[0]
