"""A verdict as an exit code and in files."""

from pathlib import Path

from engine.cli.output import HOLDS, UNDECIDED, VIOLATED, note
from engine.errors import InputError
from engine.files import write_bytes
from engine.foreign import plain
from engine.property import Property
from engine.verdict import Unknown, Verdict, Verified, Violated

EXIT_CODES: dict[type[Verdict], int] = {Verified: HOLDS, Violated: VIOLATED, Unknown: UNDECIDED}


def write_verdict(path: Path, data: bytes, verdict: Verdict) -> None:
    """Writes what tells the verdict; where that fails, the InputError tells it."""
    write_result(path, data, f"the verdict is {verdict.word}, but")


def write_result(path: Path, data: bytes, what: str) -> None:
    """Writes a result; where that fails, the InputError says that `what` cannot be written there."""
    try:
        write_bytes(path, data)
    except OSError as error:
        raise InputError(
            f"{what} cannot be written there ({error.strerror})",
            where=str(path),
            advice="check the disk, and run again",
        ) from None


def warn_of_limits(path: Path, prop: Property) -> None:
    """Says before the search that no proof can be written, where that is so."""
    from engine.certificate.writer import unprovable

    if reason := unprovable(prop):
        note(f"acasxu: {plain(path)} will not be written if the property holds: {reason}")
