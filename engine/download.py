"""One file over HTTP, whatever the server does: bounded in size and in time, and never from another place.

Servers choose their status lines, headers and redirects: nothing of these is trusted, nor printed as it came.
"""

import http.client
import socket
import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import IO, ParamSpec
from urllib.parse import urlsplit

from engine.foreign import plain

STALL = 30.0  # seconds without an answer or a byte
WHOLE = 300.0  # seconds for one file
CHUNK = 1 << 16
SHOWN = 200  # characters of what a server said

Share = Callable[[float], None]  # the part of one file
P = ParamSpec("P")


class Missing(Exception):
    """The server does not hold the file."""


class BrokenOff(Exception):
    """The download ended too early; `received` had arrived by then."""

    def __init__(self, why: str, received: bytes = b""):
        super().__init__(why)
        self.received = received


def download(url: str, *, limit: int, held: bytes = b"", report: Share = lambda share: None) -> bytes:
    """The file's bytes, on after those `held` where the server can; at most one more than `limit`, whatever it sends.

    Missing or BrokenOff where it does not come whole.
    """
    received = bytearray()
    try:
        if held:
            with suppress(_NoSuchRange), _opened(url, after=len(held)) as response:
                received += held if _goes_on(response, len(held)) else b""
                return _receive(response, received, limit, report)
        with _opened(url) as response:
            return _receive(response, received, limit, report)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code in (404, 410):
            raise Missing from error
        raise BrokenOff(f"HTTP status {error.code} {plain(error.reason, longest=SHOWN)}") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        why = getattr(error, "reason", None) or error or type(error).__name__
        raise BrokenOff(plain(why, longest=SHOWN), bytes(received)) from error


def answers(url: str, *, timeout: float) -> bool:
    """True iff the file is there. OSError or HTTPException where nobody says so in time."""
    try:
        with _opened(url, stall=timeout, whole=timeout):
            return True
    except urllib.error.HTTPError as error:
        error.close()
        return False


class _NoSuchRange(Exception):
    """The bytes held are no beginning of the file, or the server cannot go on after them."""


def _receive(response: http.client.HTTPResponse, received: bytearray, limit: int, report: Share) -> bytes:
    announced = None if response.length is None else len(received) + response.length
    while len(received) <= limit and (chunk := response.read1(min(CHUNK, limit + 1 - len(received)))):
        received += chunk
        report(min(1.0, len(received) / announced) if announced else 0.0)
    if announced is not None and len(received) < min(announced, limit + 1):
        raise OSError(f"the connection ended after {len(received)} of {announced} bytes")
    return bytes(received)


def _goes_on(response: http.client.HTTPResponse, start: int) -> bool:
    return response.status == 206 and response.headers.get("Content-Range", "").startswith(f"bytes {start}-")


@contextmanager
def _opened(
    url: str, *, after: int = 0, stall: float | None = None, whole: float | None = None
) -> Iterator[http.client.HTTPResponse]:
    """The answer to a request, of the rest `after` so many bytes if any. OSError where it is not done in time.

    _NoSuchRange where there is no such rest, or another part is sent.
    """
    request = urllib.request.Request(url, headers={"Range": f"bytes={after}-"} if after else {})
    whole = WHOLE if whole is None else whole
    with _Deadline(whole) as deadline:
        try:
            with _opener(deadline).open(request, timeout=STALL if stall is None else stall) as response:
                if response.status == 206 and not _goes_on(response, after):
                    raise _NoSuchRange
                yield response
        except urllib.error.HTTPError as error:
            if after and error.code == 416:
                error.close()
                raise _NoSuchRange from error
            raise
        finally:
            if deadline.over:
                raise TimeoutError(f"it was not done within {whole:g} s")


class _Deadline:
    """After so many seconds whatever waits on a connection made here goes on, with nothing more to read."""

    def __init__(self, seconds: float):
        self.over = False
        self._copies: list[socket.socket] = []
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True

    def connect(
        self, address: tuple[str, int], timeout: float | None, source_address: tuple[str, int] | None
    ) -> socket.socket:
        """socket.create_connection; a copy is kept, as TLS takes the socket over."""
        connection = socket.create_connection(address, timeout, source_address)
        self._copies.append(connection.dup())
        if self.over:
            self._end()
        return connection

    def _end(self) -> None:
        self.over = True
        for copy in self._copies:
            with suppress(OSError):
                copy.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> "_Deadline":
        self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        for copy in self._copies:
            copy.close()


def _opener(deadline: _Deadline) -> urllib.request.OpenerDirector:
    """Opens http and https alone: no files, no ftp."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        _Http(deadline),
        _Https(deadline),
        _Redirects(),
        urllib.request.UnknownHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
    ):
        opener.add_handler(handler)
    return opener


class _Http(urllib.request.HTTPHandler):
    def __init__(self, deadline: _Deadline):
        super().__init__()
        self._deadline = deadline

    def http_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_connections(http.client.HTTPConnection, self._deadline), request)


class _Https(urllib.request.HTTPSHandler):
    def __init__(self, deadline: _Deadline):
        super().__init__()
        self._deadline = deadline

    def https_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        make = _connections(http.client.HTTPSConnection, self._deadline)
        return self.do_open(make, request, context=ssl.create_default_context())


def _connections(
    kind: Callable[P, http.client.HTTPConnection], deadline: _Deadline
) -> Callable[P, http.client.HTTPConnection]:
    def make(*arguments: P.args, **options: P.kwargs) -> http.client.HTTPConnection:
        connection = kind(*arguments, **options)
        # Before TLS and proxies speak, which may drip too. Typeshed lacks the attribute.
        connection._create_connection = deadline.connect  # type: ignore[attr-defined]
        return connection

    return make


class _Redirects(urllib.request.HTTPRedirectHandler):
    """To other http(s) addresses, from https to https alone."""

    def redirect_request(
        self,
        request: urllib.request.Request,
        answer: IO[bytes],
        code: int,
        message: str,
        headers: http.client.HTTPMessage,
        address: str,
    ) -> urllib.request.Request | None:
        answer.close()  # else its body, however long, would be read
        allowed = ("https",) if request.type == "https" else ("http", "https")
        if urlsplit(address).scheme not in allowed:
            raise urllib.error.URLError(f"it redirects to {address}, which is no {' or '.join(allowed)} address")
        return super().redirect_request(request, answer, code, message, headers, address)
