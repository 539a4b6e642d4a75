"""Confirms certificates that were just written, by the independent checker."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from engine.cli.output import note
from engine.errors import EngineError
from engine.foreign import plain

if TYPE_CHECKING:
    from engine.audit.check import Result


def confirm_written(certificate: Path, check: Callable[[], "Result"], *, lost: str) -> None:
    """Notes that check() accepts the file, or cannot read it; EngineError, with what is `lost`, if it rejects it."""
    from engine.audit.failures import Malformed

    if not certificate.is_file():  # a device, or nothing was decided
        return
    try:
        result = check()
    except Malformed as error:  # its readers know fewer forms of networks and properties than the engine's
        note(f"{plain(certificate)} is not checked: the checker cannot read one of the files ({error})")
        return
    if not result.accepted:
        raise EngineError(
            f"the independent checker rejects the certificate: {result.reason}", where=str(certificate), advice=lost
        )
    note(f"{plain(certificate)} is accepted by the independent checker ({result.seconds:.2f} s)")
