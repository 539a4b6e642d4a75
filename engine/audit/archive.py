"""Certificate file -> its members: a ZIP archive within the limits of section 1 of the format.

The end record is read first, because a directory of 60 MB may name millions of members.
"""

import io
import struct
import zipfile
from hashlib import sha256

from engine.audit.data import Malformed, Rejected, need, read_bytes

MAX_MEMBERS, MAX_DIRECTORY, MAX_BYTES = (
    14,
    1 << 16,
    128 << 20,
)  # MAX_BYTES: of all members together, unpacked
MAX_FILE = MAX_BYTES + (16 << 20)  # compressed
#: The end record: signature, two disks, members here and in all, the directory's size and place, the comment's length.
END = struct.Struct("<4s4H2LH")


def read_members(path, content):
    """content(members, SHA-256 of the file). Whatever is wrong is Malformed or Rejected, and says so in one line."""
    data = read_bytes(path, MAX_FILE)
    try:
        digest, members = sha256(data).hexdigest(), _members(data)
        del data  # content() has its own use for the memory
        return content(members, digest)
    except (Malformed, Rejected) as error:
        raise type(error)(f"{path}: {error}") from None
    except MemoryError:
        raise
    except Exception as error:  # what zipfile, json and Fraction raise on damaged files
        raise Malformed(
            f"{path}: this cannot be read as a certificate ({type(error).__name__})"
        ) from None


def _members(data: bytes) -> dict[str, bytes]:
    """All members by name. No more is unpacked than their headers say, whatever the compressed data hold."""
    count = _count(data)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        infos = {info.orig_filename: info for info in archive.infolist()}
        forms = {(info.compress_type, info.flag_bits & 1) for info in infos.values()}
        need(len(archive.infolist()) == count, "it does not hold as many members as its end says")
        need(len(infos) == count, "a member is there twice")
        need(
            forms <= {(zipfile.ZIP_STORED, 0), (zipfile.ZIP_DEFLATED, 0)},
            "a member is encrypted or oddly compressed",
        )
        need(
            sum(info.file_size for info in infos.values()) <= MAX_BYTES,
            f"it holds more than {MAX_BYTES:,} bytes",
        )
        members = {
            name: archive.open(info).read(info.file_size + 1) for name, info in infos.items()
        }
        need(
            all(len(members[name]) == infos[name].file_size for name in infos),
            "a member is not as long as it says",
        )
        return members


def _count(data: bytes) -> int:
    """How many members the archive's end says that there are, once it and the directory are small and plain."""
    need(len(data) >= END.size, "it is too short for a certificate")
    signature, *disks, count, size, _, comment = END.unpack(data[-END.size :])
    need(
        (signature, comment) == (b"PK\5\6", 0),
        "it does not end as a ZIP archive without comment does",
    )
    need(data[-END.size - 20 : -END.size - 16] != b"PK\6\7", "it is a ZIP64 archive")
    need(
        disks == [0, 0, count] and count <= MAX_MEMBERS,
        f"it is in parts, or has more than {MAX_MEMBERS} members",
    )
    need(size <= MAX_DIRECTORY, f"its directory has more than {MAX_DIRECTORY:,} bytes")
    return count
