"""VNN-LIB files as text: from bytes to tokens that know their place."""

import codecs
import gzip
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from engine.errors import InputError
from engine.files import regular

MAX_BYTES = 1 << 26  # decompressed; a gzip bomb stops here, two million bounds fit

# Comments are tokens too (dropped below): so a quote or a parenthesis inside one is never seen.
TOKEN = re.compile(r';[^\r\n]*|[()]|"[^"]*"|\|[^|]*\||[^\s()";|]+|\S', re.ASCII)
_LINE_BREAK = re.compile(r"\r\n?|\n")


class Token(NamedTuple):
    """A word or quoted string and its offset."""

    text: str
    at: int


@dataclass(frozen=True, slots=True)
class Source:
    """A text and the name of its file, for errors."""

    text: str
    where: str

    def tokens(self, token: re.Pattern[str] = TOKEN) -> Iterator[tuple[str, int]]:
        """Yields parentheses, quoted strings and words with their offsets, without comments and white space."""
        for match in token.finditer(self.text):
            if (text := match.group())[0] != ";":
                yield text, match.start()

    def line(self, at: int) -> int:
        """Returns the 1-based line of an offset. It is counted only when an error asks for it."""
        return 1 + len(_LINE_BREAK.findall(self.text, 0, at))

    def excerpt(self, start: int, end: int) -> str:
        """Returns the tokens between two offsets on one line, shortened."""
        words = " ".join(text for text, _ in Source(self.text[start:end], "").tokens())
        words = words.replace("( ", "(").replace(" )", ")")
        return words if len(words) <= 60 else words[:57] + "..."

    def error(self, what: str, at: int, *, advice: str = "") -> InputError:
        return InputError(what, where=f"{self.where}:{self.line(at)}", advice=advice)

    def placed(self, error: InputError, at: int) -> InputError:
        """Returns the error with this offset as its place, or as it is if it has a place."""
        return error if error.where else self.error(error.what, at, advice=error.advice)


def quoted(text: str) -> str:
    """Returns a word of the file as errors show it: in quotes, plain ASCII, shortened."""
    return ascii(text if len(text) <= 40 else text[:37] + "...")


def decoded(data: bytes, *, where: str) -> str:
    """Returns the text of a file's bytes, without a byte order mark. InputError where they are not UTF-8."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or 0 in data[:4]:
        raise InputError("is UTF-16 text, or no text", where=where, advice="save it as UTF-8")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = 1 + data.count(b"\n", 0, error.start)
        raise InputError(
            "is not UTF-8 text", where=f"{where}:{line}", advice="give a VNN-LIB file, or its .gz"
        ) from None


def file_stem(path: Path) -> str:
    """Returns the name of a VNN-LIB file without its endings."""
    return path.name.removesuffix(".gz").removesuffix(".vnnlib")


def read_bytes(path: Path, *, max_bytes: int = MAX_BYTES) -> bytes:
    """Returns a file's content, that of a `.gz` decompressed. InputError where it has more than `max_bytes`."""
    try:
        with open(path, "rb", opener=regular) as raw:
            with gzip.open(raw) if path.name.endswith(".gz") else raw as file:
                data = file.read(max_bytes + 1)
    except FileNotFoundError:
        raise InputError("no such file", where=str(path), advice="check the path") from None
    except IsADirectoryError:
        raise InputError("is a directory", where=str(path), advice="give a .vnnlib file in it") from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(
            f"is not a complete gzip file ({error})", where=str(path), advice="fetch it again, or give it uncompressed"
        ) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(
            f"cannot be read ({reason})", where=str(path), advice="check the path and its rights"
        ) from None
    if len(data) > max_bytes:
        raise InputError(
            f"holds more than {max_bytes:,} bytes", where=str(path), advice="split the property into several files"
        )
    return data
