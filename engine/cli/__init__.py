"""The command line `acasxu`: a parser, and one module for each command.

parser.py     the commands, and the options of the small ones (imports nothing heavy: `acasxu --help` is instant)
options.py    options that several commands have, and from these to the options of the search
verify_options.py  bench_options.py ...   the options of one command each
output.py     exit codes, what goes to stdout and to stderr
interrupt.py  Ctrl-C
live.py       the progress line on a terminal
labels.py     what a network is called, and what its points mean
confirm.py    the independent checker's word on a certificate just written
verify.py  bench.py  report.py  check.py  repair.py  compare.py  convert.py ...   a `run(arguments)` each
"""

import errno
import os
import sys
import traceback
from argparse import Namespace
from collections.abc import Callable, Sequence
from importlib import import_module

from engine.cli.interrupt import interrupts
from engine.cli.output import BAD_INPUT, BROKEN_PIPE, INTERNAL_ERROR, INTERRUPTED, complain, drop_stdout
from engine.cli.parser import make_parser
from engine.errors import EngineError
from engine.foreign import plain

_FULL = errno.ENOSPC, errno.EDQUOT


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code; whatever goes wrong is one line on stderr."""
    with interrupts() as pressed:
        try:
            arguments = make_parser().parse_args(argv)
            run: Callable[[Namespace], int] = import_module(f"engine.cli.{arguments.command}").run
            return run(arguments)
        except SystemExit as end:  # argparse, after --help
            return end.code if isinstance(end.code, int) else BAD_INPUT
        except BaseException as error:
            if isinstance(error, OSError) and error.errno in (errno.EPIPE, *_FULL):
                drop_stdout()
            if pressed.any or isinstance(error, KeyboardInterrupt):
                complain("interrupted")
                return INTERRUPTED
            return _failed(error)


def _failed(error: BaseException) -> int:
    """Reports an exception that ends the command. None may look like a verdict: no exit code 0, 1 or 3."""
    if os.environ.get("ACASXU_DEBUG"):
        traceback.print_exception(error, file=sys.stderr)
    if isinstance(error, BrokenPipeError):
        return BROKEN_PIPE
    if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
        complain(f"{plain(error.filename or 'a file')}: no file can have so long a name; use a shorter one")
        return BAD_INPUT
    if isinstance(error, OSError) and error.errno in _FULL:
        complain(f"{error.filename or 'output'}: no space left on the device; free some and run again")
        return BAD_INPUT
    if isinstance(error, OSError) and error.filename is not None:  # a path that nobody tried before, a name too long
        complain(f"{plain(error.filename)}: {error.strerror}; check the path")
        return BAD_INPUT
    if isinstance(error, MemoryError):
        complain("out of memory: nothing was decided by this; free some, or ask for less at once")
        return BAD_INPUT
    if isinstance(error, EngineError):
        complain(str(error))
        return error.exit_code
    what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    complain(f"internal error: {what}; this is no verdict, ACASXU_DEBUG=1 shows where it happened")
    return INTERNAL_ERROR
