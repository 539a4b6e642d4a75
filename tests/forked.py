"""`acasxu` in processes of its own that start at once: forks of one in which all that is heavy is imported.

That process (multiprocessing's fork server) has run nothing: no command sees what another left in memory.
"""

import os
import sys
from multiprocessing import get_context
from pathlib import Path

HEAVY = ("torch", "onnx", "onnxruntime", "scipy.optimize", "sklearn.datasets", "z3", "gurobipy", "engine.cli")
SECONDS = 300


def acasxu(arguments: list[str], folder: Path, environment: dict[str, str]) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of the command, run in this folder."""
    context = get_context("forkserver")
    context.set_forkserver_preload(list(HEAVY))  # in effect when the first command starts the server
    streams = [folder.parent / name for name in ("stdout", "stderr")]
    process = context.Process(target=_command, args=(arguments, folder, environment, streams))
    process.start()
    process.join(SECONDS)
    if process.exitcode is None:
        process.kill()
        raise TimeoutError(f"acasxu {' '.join(arguments)} runs for more than {SECONDS} s")
    out, err = (path.read_text() for path in streams)
    return process.exitcode, out, err


def _command(arguments: list[str], folder: Path, environment: dict[str, str], streams: list[Path]) -> None:
    for number, path in enumerate(streams, start=1):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644), number)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    from engine.cli import main

    sys.exit(main(arguments))
