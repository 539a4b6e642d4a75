"""Certificate file -> its members: a ZIP archive within the limits of section 1 of the format.

The end record is read first, because a directory of 60 MB may name millions of members.
"""

import io
import struct
import zipfile
from collections.abc import Callable
from hashlib import sha256
from typing import TypeVar

from engine.audit.data import FilePath
from engine.audit.failures import Malformed, Rejected, need
from engine.audit.files import read_bytes

Content = TypeVar("Content")

MAX_MEMBERS = 14  # the manifest and thirteen arrays
MAX_DIRECTORY = 1 << 16  # bytes of the archive's directory
MAX_BYTES = 128 << 20  # of all members together, uncompressed
MAX_FILE = MAX_BYTES + (16 << 20)  # bytes of the file itself

#: The end record: signature, number of this disk and of the directory's, members on this disk and
#: in all, the directory's size and place, the comment's length.
END = struct.Struct("<4s4H2LH")
END_SIGNATURE = b"PK\5\6"
ZIP64_SIGNATURE, ZIP64_SIZE = b"PK\6\7", 20  # of the record that stands before END in ZIP64


def read_members(path: FilePath, content: Callable[[dict[str, bytes], str], Content]) -> Content:
    """content(members by name, SHA-256 of the file).

    Whatever is wrong is Malformed or Rejected, in one line that names the file. MemoryError passes:
    it says nothing about the file.
    """
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
        why = type(error).__name__
        raise Malformed(f"{path}: this cannot be read as a certificate ({why})") from None


def _members(data: bytes) -> dict[str, bytes]:
    """Section 1: all members by name, none oddly packed, and together within the limit.

    No more is unpacked than their headers say, whatever the compressed data hold.
    """
    count = _count(data)
    plain_forms = {(zipfile.ZIP_STORED, 0), (zipfile.ZIP_DEFLATED, 0)}
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        infos = {info.orig_filename: info for info in archive.infolist()}
        forms = {(info.compress_type, info.flag_bits & 1) for info in infos.values()}
        total = sum(info.file_size for info in infos.values())
        need(len(archive.infolist()) == count, "it does not hold as many members as its end says")
        need(len(infos) == count, "a member is there twice")
        need(forms <= plain_forms, "a member is encrypted or oddly compressed")
        need(total <= MAX_BYTES, f"it holds more than {MAX_BYTES:,} bytes")
        members = {}
        for name, info in infos.items():
            with archive.open(info) as member:  # its CRC-32 is compared when its end is reached
                members[name] = member.read(info.file_size + 1)
        whole = all(len(members[name]) == infos[name].file_size for name in infos)
        need(whole, "a member is not as long as it says")
        return members


def _count(data: bytes) -> int:
    """Returns the number of members that the archive's end record states.

    Section 1: the record ends the file, the archive is of one part and not in ZIP64, and its
    directory is small.
    """
    need(len(data) >= END.size, "it is too short for a certificate")
    signature, *disks, count, directory, _, comment = END.unpack(data[-END.size :])
    is_end = (signature, comment) == (END_SIGNATURE, 0)
    need(is_end, "it does not end as a ZIP archive without comment does")
    before = -END.size - ZIP64_SIZE
    signature = data[before : before + len(ZIP64_SIGNATURE)]
    need(signature != ZIP64_SIGNATURE, "it is a ZIP64 archive")
    whole = disks == [0, 0, count] and count <= MAX_MEMBERS
    need(whole, f"it is in parts, or has more than {MAX_MEMBERS} members")
    need(directory <= MAX_DIRECTORY, f"its directory has more than {MAX_DIRECTORY:,} bytes")
    return int(count)
