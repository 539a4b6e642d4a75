"""The tokens of a VNN-LIB file, in order. What is wrong with one of them is told with its line."""

import re
from collections.abc import Callable
from hashlib import sha256
from typing import TypeVar

from engine.audit.data import FilePath
from engine.audit.failures import Malformed, need
from engine.audit.files import read_bytes

Content = TypeVar("Content")

MAX_BYTES = 16 << 20
MAX_DEPTH = 1_000  # open parentheses


def read_script(
    path: FilePath,
    encoding: str,
    token: re.Pattern[str],
    read: Callable[[str], None],
    content: Callable[[str], Content],
) -> Content:
    """content(SHA-256 of the decompressed file), after `read` has taken all tokens.

    Malformed, with the file and the line of the last token that was read, where one of them says
    so, and where the file is no text.
    """
    data = read_bytes(path, MAX_BYTES)
    utf16 = data.startswith((b"\xff\xfe", b"\xfe\xff")) or 0 in data[:4]
    need(not utf16, f"{path}: is UTF-16 text, or no text; it should be UTF-8")
    try:
        text = data.removeprefix(b"\xef\xbb\xbf").decode(encoding)
    except UnicodeDecodeError:
        raise Malformed(f"{path}: is not UTF-8 text") from None
    at = 0
    try:
        for match in token.finditer(text):
            at = match.start()
            read(match.group())
        return content(sha256(data).hexdigest())
    except Malformed as error:
        line = 1 + len(re.findall(r"\r\n?|\n", text[:at]))
        raise Malformed(f"{path}:{line}: {error}") from None
