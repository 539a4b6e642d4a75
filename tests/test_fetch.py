"""Downloads from a local HTTP server that can be told to misbehave."""

import errno
import gzip
import hashlib
import io
import os
import re
import socket
import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from engine import download as downloading
from engine.acasxu.fetch import SOURCES, fetch, progress_bar
from engine.acasxu.manifest import manifest
from engine.acasxu.networks import NETWORKS
from engine.errors import InputError
from engine.fetching import Entry

CONTENT = {"a.onnx": bytes(range(256)) * 400, "b.onnx": b"second" * 5000}
ENTRIES = tuple(Entry(name, hashlib.sha256(data).hexdigest(), len(data)) for name, data in CONTENT.items())
GZIPPED = {f"{name}.gz": gzip.compress(data, compresslevel=0) for name, data in CONTENT.items()}


@dataclass
class Site:
    """What the server offers, how it answers, and what it was asked."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    ranges: bool = True
    wrong_range: bool = False
    status: int = 0
    stop_after: int | None = None
    announce_length: bool = True
    asked: list[tuple[str, str | None]] = field(default_factory=list)


@pytest.fixture
def site():
    offered = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            name, wanted = self.path.rsplit("/", 1)[-1], self.headers.get("Range")
            offered.asked.append((name, wanted))
            data = offered.files.get(name)
            if offered.status or data is None:
                return self.send_error(offered.status or 404)
            start = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1]) if wanted and offered.ranges else 0
            if wanted and start >= len(data):
                return self.send_error(416)
            self.send_response(206 if start else 200)
            if start:
                start -= 1 if offered.wrong_range else 0
                self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
            if offered.announce_length:
                self.send_header("Content-Length", str(len(data) - start))
            self.end_headers()
            self.wfile.write(data[start:][: offered.stop_after])

        def log_message(self, *args):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.handle_error = lambda *_: None  # who asked may be gone, as having had enough
        offered.url = f"http://127.0.0.1:{server.server_port}/onnx"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield offered
        server.shutdown()
        thread.join()


@pytest.fixture
def get(site, tmp_path):
    """fetch from the site into tmp_path / "to"."""
    usual = {"source": site.url, "target": tmp_path / "to", "entries": ENTRIES}
    return lambda **options: fetch(**usual | options)


def held(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()} if folder.exists() else {}


@pytest.mark.parametrize("files", [CONTENT, GZIPPED], ids=["plain", "gzipped"])
def test_everything_arrives(site, get, tmp_path, files):
    site.files = files
    assert get() == tmp_path / "to"
    assert held(tmp_path / "to") == CONTENT


def test_a_trailing_slash_does_no_harm(site, get, tmp_path):
    site.files = CONTENT
    get(source=site.url + "/")
    assert held(tmp_path / "to") == CONTENT


def test_what_is_right_already_is_not_fetched_again(site, get, tmp_path):
    site.files = CONTENT
    get()
    site.asked.clear()
    get()
    assert site.asked == []
    (tmp_path / "to" / "b.onnx").write_bytes(b"damaged")
    get()
    assert {name for name, _ in site.asked} == {"b.onnx", "b.onnx.gz"}
    assert held(tmp_path / "to") == CONTENT


def test_the_form_that_was_there_is_asked_for_first(site, get):
    site.files = CONTENT
    get()
    assert [name for name, _ in site.asked] == ["a.onnx.gz", "a.onnx", "b.onnx"]


@pytest.mark.parametrize("files", [CONTENT, GZIPPED], ids=["plain", "gzipped"])
def test_a_broken_download_is_resumed(site, get, tmp_path, files):
    site.files, site.stop_after = files, 1000
    with pytest.raises(InputError, match="ended after 1000 of .* run `acasxu fetch` again"):
        get()
    name = next(iter(files))
    assert held(tmp_path / "to") == {f"{name}.part": files[name][:1000]}
    site.stop_after = None
    site.asked.clear()
    get()
    assert (name, "bytes=1000-") in site.asked
    assert held(tmp_path / "to") == CONTENT


@pytest.mark.parametrize("refusal", [{"ranges": False}, {"wrong_range": True}], ids=["none", "another"])
def test_without_the_range_it_starts_again(site, get, tmp_path, refusal):
    site.files = CONTENT
    vars(site).update(refusal)
    part(tmp_path, CONTENT["a.onnx"][:700])
    get()
    assert held(tmp_path / "to") == CONTENT


@pytest.mark.parametrize(
    "left",
    [b"of another version" * 9, CONTENT["a.onnx"], CONTENT["a.onnx"] + b"more", b""],
    ids=["other", "complete", "too long", "empty"],
)
def test_whatever_part_was_left_it_ends_well(site, get, tmp_path, left):
    site.files = CONTENT
    part(tmp_path, left)
    get()
    assert held(tmp_path / "to") == CONTENT


def part(tmp_path, content):
    (tmp_path / "to").mkdir()
    (tmp_path / "to" / "a.onnx.part").write_bytes(content)


@pytest.mark.parametrize(
    "files",
    [
        {"a.onnx": b"wrong"},
        {"a.onnx": CONTENT["a.onnx"] + b"!"},
        {"a.onnx.gz": gzip.compress(b"wrong")},
        {"a.onnx.gz": gzip.compress(CONTENT["a.onnx"] + b"!")},
        {"a.onnx.gz": b"not gzip"},
        {"a.onnx.gz": b""},
    ],
    ids=["wrong", "longer", "gzipped", "gzipped longer", "not gzip", "empty"],
)
@pytest.mark.parametrize(
    "before",
    [{}, {"a.onnx.part": b"wr", "a.onnx.gz.part": b"no"}, {"a.onnx": b"damaged"}],
    ids=["nothing before", "parts before", "a damaged file before"],
)
def test_a_wrong_checksum_leaves_nothing(site, get, tmp_path, files, before):
    site.files = files
    (tmp_path / "to").mkdir()
    for name, data in before.items():
        (tmp_path / "to" / name).write_bytes(data)
    with pytest.raises(InputError, match="SHA-256 is not the manifest's; nothing was kept"):
        get()
    assert held(tmp_path / "to") == {}


def test_a_gzip_bomb_does_not_unfold(site, get, tmp_path):
    site.files = {"a.onnx.gz": gzip.compress(bytes(200_000_000), compresslevel=1)}
    with pytest.raises(InputError, match="SHA-256"):
        get()


def test_an_unannounced_length_is_checked_by_the_checksum(site, get, tmp_path):
    site.files, site.announce_length, site.stop_after = CONTENT, False, 500
    with pytest.raises(InputError, match="SHA-256"):
        get()
    site.stop_after = None
    get()
    assert held(tmp_path / "to") == CONTENT


def test_a_missing_file_is_named_with_its_source(site, get, tmp_path):
    with pytest.raises(InputError, match=f"{site.url}: neither a.onnx nor a.onnx.gz is there; .*--from"):
        get()
    assert held(tmp_path / "to") == {}


def test_other_statuses_are_errors_in_one_line(site, get):
    site.status = 503
    with pytest.raises(InputError, match="HTTP status 503") as caught:
        get()
    assert "\n" not in str(caught.value) and caught.value.exit_code == 2


def test_nobody_answers(get):
    with pytest.raises(InputError, match="download failed: .*refused"):
        get(source="http://127.0.0.1:1/onnx")


def test_an_address_that_is_none(get):
    with pytest.raises(InputError, match="download failed"):
        get(source="http://[nonsense/onnx")


def test_silence_is_not_waited_for_forever(site, get, monkeypatch):
    monkeypatch.setattr(downloading, "STALL", 0.05)
    gate = threading.Event()
    monkeypatch.setattr(Site, "status", property(lambda self: gate.wait(5) and 503, lambda self, value: None))
    with pytest.raises(InputError, match="timed out"):
        get()
    gate.set()


def test_ctrl_c_leaves_nothing(site, get, tmp_path):
    site.files = CONTENT
    part(tmp_path, CONTENT["a.onnx"][:700])  # of a connection that broke off before

    def interrupt(done, total):
        if done > 0:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        get(progress=interrupt)
    assert held(tmp_path / "to") == {}
    get()
    assert held(tmp_path / "to") == CONTENT


@pytest.mark.parametrize("files", [CONTENT, GZIPPED], ids=["plain", "gzipped"])
def test_a_full_disk_leaves_nothing(site, get, tmp_path, monkeypatch, files):
    site.files = files

    def full(self, data):
        with self.open("wb") as file:
            file.write(data[:10])
        raise OSError(errno.ENOSPC, "No space left on device", str(self))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(InputError, match="cannot be written: No space left on device") as caught:
        get()
    assert caught.value.exit_code == 2 and held(tmp_path / "to") == {}
    site.stop_after = 1000
    with pytest.raises(InputError, match="ended after 1000 of"):  # no room for what could be resumed
        get()
    assert held(tmp_path / "to") == {}


# Hostile servers


@pytest.fixture
def raw(tmp_path):
    """A server that answers each request with the bytes that a function makes, one piece after the other."""
    servers, stop = [], threading.Event()

    def serve(pieces):
        sent = []
        server = socket.create_server(("127.0.0.1", 0))
        servers.append(server)

        def run():
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(4096)
                    try:
                        for piece in pieces():
                            connection.sendall(piece)
                            sent.append(len(piece))
                            if stop.is_set():
                                return
                    except OSError:
                        pass

        threading.Thread(target=run, daemon=True).start()
        return f"http://127.0.0.1:{server.getsockname()[1]}/onnx", sent

    yield serve
    stop.set()
    for server in servers:
        server.close()


def endless(*pieces):
    """These pieces, and then the last one again and again."""
    yield from pieces
    while True:
        yield pieces[-1]


def drips(*pieces):
    yield pieces[0]
    for piece in endless(*pieces[1:]):
        time.sleep(0.02)
        yield piece


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"Content-Length: 10\r\n",
        b"Content-Length: 99999999999999\r\n",
        b"Content-Length: -5\r\n",
        b"Content-Encoding: gzip\r\n",
    ],
)
def test_no_more_is_taken_than_the_manifest_says(raw, get, tmp_path, head):
    """Whatever the server announces."""
    url, sent = raw(lambda: endless(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n", b"x" * 10_000))
    with pytest.raises(InputError):
        get(source=url)
    assert sum(sent) < 40 * 2**20  # what buffers of sockets hold, beside a hundred KB
    assert held(tmp_path / "to") == {}


@pytest.mark.parametrize(
    "pieces",
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", b"x"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b"x"),
        (b"HTTP/1.1 200 OK\r\nX: ", b"x"),
        (b"H", b"x"),
        (b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\n\r\n", b"x"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n", b"0"),
    ],
    ids=["body", "body of a length", "header", "status", "redirect", "chunks"],
)
def test_a_dripping_server_is_left(raw, get, tmp_path, pieces, monkeypatch):
    """Each byte comes soon enough; the whole never."""
    monkeypatch.setattr(downloading, "WHOLE", 0.4)
    url, _ = raw(lambda: drips(*pieces))
    start = time.monotonic()
    with pytest.raises(InputError, match="download failed: ") as caught:
        get(source=url)
    assert time.monotonic() - start < 5 and caught.value.exit_code == 2
    assert not [name for name in held(tmp_path / "to") if not name.endswith(".part")]


HOSTILE = "\x1b[2J\x07\x9b31m\u202e"


def test_what_a_server_says_is_printed_as_plain_text(raw, get):
    url, _ = raw(lambda: [f"HTTP/1.1 503 No {HOSTILE[:-1]}\r\n\r\n".encode("latin-1")])
    with pytest.raises(InputError, match="HTTP status 503 No ") as caught:
        get(source=url)
    assert str(caught.value).isprintable() and str(caught.value).isascii() and "\\x1b[2J" in str(caught.value)


@pytest.mark.parametrize(
    "address",
    [
        "ftp://127.0.0.1/a",
        "file:///etc/passwd",
        "data:,x",
        "gopher://a",
        "//[bad",
        f"ftp://a/{HOSTILE[:-1]}",
        "http://127.0.0.1:99999/",
        "javascript:x",
    ],
)
def test_redirects_lead_to_web_pages_alone(raw, get, tmp_path, address):
    url, _ = raw(lambda: endless(f"HTTP/1.1 302 Found\r\nLocation: {address}\r\n\r\n".encode("latin-1"), b"x" * 999))
    with pytest.raises(InputError, match="download failed: ") as caught:
        get(source=url)
    assert str(caught.value).isprintable() and str(caught.value).isascii()
    assert held(tmp_path / "to") == {}


def test_redirects_to_web_pages_are_followed(site, raw):
    site.files = {"moved": CONTENT["a.onnx"]}
    url, _ = raw(lambda: [f"HTTP/1.1 301 Moved\r\nLocation: {site.url}/moved\r\nContent-Length: 0\r\n\r\n".encode()])
    assert downloading.download(f"{url}/a.onnx", limit=10**6) == CONTENT["a.onnx"]


def test_redirects_in_a_circle_end(raw, get):
    url, _ = raw(lambda: [b"HTTP/1.1 302 Found\r\nLocation: /onnx/a.onnx\r\nContent-Length: 0\r\n\r\n"])
    with pytest.raises(InputError, match="HTTP status 302"):
        get(source=url)


def test_no_redirect_from_https_to_http():
    request = urllib.request.Request("https://a/b")
    with pytest.raises(urllib.error.URLError, match="redirects to http://a/b, which is no https address"):
        downloading._Redirects().redirect_request(request, io.BytesIO(), 302, "Found", {}, "http://a/b")


def test_a_pipe_in_the_source_folder(get, tmp_path):
    (tmp_path / "from").mkdir()
    os.mkfifo(tmp_path / "from" / "a.onnx")
    with pytest.raises(InputError, match="it is a pipe, not a regular file"):
        get(source=tmp_path / "from")


def test_progress_goes_from_none_to_all(site, get):
    site.files = GZIPPED
    seen = []
    get(progress=lambda done, total: seen.append((done, total)))
    assert seen == sorted(seen) and seen[0] == (0, 2) and seen[-1] == (2, 2) and len(seen) > 4


def test_progress_bar_is_silent_in_a_pipe(site, get, capfd):
    site.files = CONTENT
    with progress_bar() as progress:
        get(progress=progress)
    assert capfd.readouterr() == ("", "")


# Folders


@pytest.mark.parametrize("files", [CONTENT, GZIPPED], ids=["plain", "gzipped"])
@pytest.mark.parametrize("inner", [".", "onnx"])
def test_from_a_folder(get, tmp_path, files, inner):
    source = tmp_path / "from" / inner
    source.mkdir(parents=True)
    for name, data in files.items():
        (source / name).write_bytes(data)
    get(source=tmp_path / "from")
    assert held(tmp_path / "to") == CONTENT


def test_from_a_folder_checks_too(get, tmp_path):
    (tmp_path / "from").mkdir()
    (tmp_path / "from" / "a.onnx").write_bytes(b"wrong")
    with pytest.raises(InputError, match="SHA-256"):
        get(source=tmp_path / "from")
    assert held(tmp_path / "to") == {}


def test_from_nowhere(get, tmp_path):
    with pytest.raises(InputError, match="^--from .*neither a folder nor"):
        get(source=tmp_path / "from")


def test_a_target_that_cannot_be_made(site, get, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        get(target=tmp_path / "file" / "to")


# What is built in


def test_the_manifest_lists_the_45():
    entries = manifest()
    assert [entry.name for entry in entries] == [index.file_name for index in NETWORKS]
    assert all(re.fullmatch("[0-9a-f]{64}", entry.sha256) and entry.size > 50_000 for entry in entries)
    assert len({entry.sha256 for entry in entries}) == 45


def test_the_published_files_match_the_manifest(acasxu_networks, tmp_path):
    folder = fetch(source=acasxu_networks, target=tmp_path)
    assert len(held(folder)) == 45


def test_sources_are_the_public_repository():
    assert all(source.startswith("https://") and "vnncomp" in source for source in SOURCES)
