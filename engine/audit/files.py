"""Reading files, of which nobody knows how large they are or whether they end."""

import errno
import gzip
import os
import stat
import zlib
from functools import partial
from itertools import islice

from engine.audit.data import FilePath
from engine.audit.failures import Malformed, demand, need

CHUNK = 1 << 20  # bytes


def read_bytes(path: FilePath, limit: int, *, packed: bool | None = None) -> bytes:
    """A file's content, decompressed where `packed`; by default, where its name ends in `.gz`.

    Never more than about `limit` bytes are held. Malformed where there are more, or the file cannot
    be read.
    """
    packed = str(path).endswith(".gz") if packed is None else packed
    chunks = (limit // CHUNK) + 1
    try:
        with open(path, "rb", opener=_open_regular) as raw:
            with gzip.open(raw) if packed else raw as file:
                data = b"".join(islice(iter(partial(file.read, CHUNK), b""), chunks))
    except (OSError, EOFError, ValueError, zlib.error) as error:
        why = getattr(error, "strerror", None) or error
        raise Malformed(f"{path}: cannot be read ({why})") from None
    need(len(data) <= limit, f"{path}: holds more than {limit:,} bytes")
    return data


def check_hash(what: str, claimed: str, found: str) -> None:
    """Rejected unless the file is the one that the certificate is about."""
    demand(
        claimed == found,
        f"it is about {what} with SHA-256 {claimed[:12]}..., this one has {found[:12]}...",
    )


def _open_regular(path: str, flags: int) -> int:
    """Opens a regular file; OSError for a pipe or a device, which may wait or never end."""
    file = os.open(path, flags | os.O_NONBLOCK)
    mode = os.fstat(file).st_mode
    if stat.S_ISREG(mode):
        return file
    os.close(file)
    is_folder = stat.S_ISDIR(mode)
    why = os.strerror(errno.EISDIR) if is_folder else "it is not a regular file"
    raise OSError(errno.EINVAL, why)
