"""Pictures on servers: fetched only when asked for, from public addresses, whole and in time or not at all."""

import io
import socket
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import polars as pl
import pytest
from PIL import Image

from interfuse.core.errors import ConfigError, DataError
from interfuse.data import SourceSettings, load_for_run, open_picture
from interfuse.data.pictures import RemoteCache, Unpacked, identify, web
from interfuse.data.pictures.files import resolve
from interfuse.data.pictures.remote import fetch


def drawn(number: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(number).integers(0, 256, (12, 10, 3), np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def cache(tmp_path):
    return RemoteCache(Unpacked(tmp_path / "unpacked"), private=True)


@pytest.fixture(scope="module")
def server():
    """A web server with one picture, one that it gives away elsewhere, and a count of what it was asked."""

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self):
            self.answer(body=False)

        def do_GET(self):
            self.answer(body=True)

        def answer(self, body):
            asked.append((self.command, self.path))
            content = drawn(1)
            self.send_response({"/a.png": 200, "/elsewhere.png": 302, "/short.png": 200}.get(self.path, 404))
            self.send_header("ETag", "one")
            self.send_header("Location", "/a.png")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if body:
                self.wfile.write(content[: 10 if self.path == "/short.png" else None])

        def log_message(self, *_):
            pass

    asked: list[tuple[str, str]] = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.asked = asked
        running.address = f"http://127.0.0.1:{running.server_address[1]}"
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running
        running.shutdown()


@contextmanager
def dripping(beginning: bytes):
    """A server that sends a beginning and then a byte now and then, without an end."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        over = threading.Event()

        def drip():
            line, _ = listening.accept()
            with line:
                line.sendall(beginning)
                while not over.wait(0.05):
                    try:
                        line.sendall(b"x")
                    except OSError:
                        return

        thread = threading.Thread(target=drip, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/a.png"
        over.set()
        thread.join()


def test_rows_fetch_nothing_unless_asked(server, tmp_path):
    url, before = f"{server.address}/a.png", len(server.asked)
    frame = pl.DataFrame({"photo": [url, "memory://bucket/a.png"], "title": ["a", "b"]})
    settings = SourceSettings(image="photo", text="title", unpack_to=tmp_path)
    examples = load_for_run(frame, settings, "multiclass", (), labelled=False)
    assert ["fetch=public fetches it" in trouble.reason for trouble in examples.troubles] == [True, True]
    for path in (url, "memory://bucket/a.png"):
        assert "fetch nothing" in resolve(tmp_path, path, False)[1]
        assert "fetch nothing" in identify(path).reason
        with pytest.raises(DataError, match="the file does not exist"):
            open_picture(path)
    assert len(server.asked) == before
    with pytest.raises(ConfigError, match="Unknown value of fetch: 'yes'"):
        SourceSettings(fetch="yes")


def test_an_http_picture_is_fetched_once_when_asked_and_never_from_a_private_address_by_public(server, tmp_path):
    frame = pl.DataFrame({"photo": [f"{server.address}/a.png"], "title": ["a"]})

    def load(fetches):
        settings = SourceSettings(image="photo", text="title", unpack_to=tmp_path, fetch=fetches)
        return load_for_run(frame, settings, "multiclass", (), labelled=False)

    before = len(server.asked)
    (trouble,) = load("public").troubles
    assert "leads to the private address 127.0.0.1; fetch=any fetches" in trouble.reason
    assert len(server.asked) == before
    (path,) = load("any").pictures().values()
    assert open_picture(path).size == (10, 12)
    assert "0 fetched, 1 unchanged" in " ".join(load("any").notes)
    assert [method for method, _ in server.asked[before:]] == ["HEAD", "GET", "HEAD"]


@pytest.mark.parametrize(
    ("name", "reason"),
    [("elsewhere", "sends elsewhere \\(302\\), and redirects are not"), ("none", "does not exist"), ("short", "")],
)
def test_what_a_server_does_instead_of_giving_the_file_is_a_reason(server, name, reason):
    with pytest.raises(DataError, match=reason or "breaks off|cannot be fetched"):
        fetch(f"{server.address}/{name}.png", private=True)


@pytest.mark.parametrize(
    "beginning", [b"", b"HTTP/1.1 200 OK\r\nX-A: ", b"HTTP/1.1 200 OK\r\n\r\n"], ids=["nothing", "headers", "body"]
)
def test_a_server_without_an_end_is_given_up(monkeypatch, beginning):
    monkeypatch.setattr(web, "DEADLINE_S", 0.3)
    with dripping(beginning) as url, pytest.raises(DataError, match="took longer than 0 seconds"):
        fetch(url, private=True)


def test_a_handshake_without_an_end_is_given_up(monkeypatch):
    monkeypatch.setattr(web, "DEADLINE_S", 0.3)
    record = b"\x16\x03\x03\x40\x00"  # of TLS, of 16,384 bytes
    with dripping(record) as url, pytest.raises(DataError, match="took longer than 0 seconds"):
        fetch(url.replace("http://", "https://"), private=True)


def test_an_object_store_without_an_end_is_given_up(monkeypatch):
    fsspec = pytest.importorskip("fsspec")
    over = threading.Event()
    monkeypatch.setattr(web, "DEADLINE_S", 0.1)
    monkeypatch.setattr(fsspec, "open", lambda *_: over.wait(30))
    start = time.monotonic()
    with pytest.raises(DataError, match="took longer than"):
        fetch("memory://bucket/a.png")
    over.set()
    assert time.monotonic() - start < 30


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.1.2.3", "192.168.0.9", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1", "::1", "::"),
        *("fe80::1%1", "fd00::1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::"),
    ],
)
def test_a_private_address_is_told_in_every_spelling(address):
    with pytest.raises(DataError, match="private address"):
        web.check_public(address)


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946"])
def test_a_public_address_is_none_of_those(address):
    web.check_public(address)


def test_every_answer_of_the_name_server_must_be_public_and_one_of_them_is_connected_to(monkeypatch):
    asked = []

    def lookup(host, port, **_):
        asked.append(host)
        return [(2, 1, 6, "", ("93.184.216.34", port)), (2, 1, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    with pytest.raises(DataError, match=r"private address 127\.0\.0\.1"):
        fetch("https://rebound.example/a.png")
    assert asked == ["rebound.example"]


def test_a_remote_picture_is_told_apart_and_opened_as_a_file_is(tmp_path, cache):
    fsspec = pytest.importorskip("fsspec")
    (tmp_path / "a.png").write_bytes(drawn(3))
    for name, content in (("a.png", drawn(3)), ("empty.png", b""), ("words.png", b"words")):
        with fsspec.open(f"memory://bucket/{name}", "wb") as handle:
            handle.write(content)
    assert resolve(tmp_path, "memory://bucket/a.png", True, fetches=True) == ("memory://bucket/a.png", None)
    remote = identify("memory://bucket/a.png", cache)
    assert remote.key == identify(tmp_path / "a.png").key
    assert open_picture(remote.file).tobytes() == open_picture(tmp_path / "a.png").tobytes()
    assert identify("memory://bucket/none.png", cache).reason == "the remote file does not exist"
    assert identify("memory://bucket/empty.png", cache).reason == "the file is empty"
    assert "not a picture" in identify("memory://bucket/words.png", cache).reason


def test_a_remote_picture_is_fetched_once_and_again_only_when_it_has_changed(tmp_path, monkeypatch):
    fsspec = pytest.importorskip("fsspec")
    names = [f"memory://bucket/once{n}.png" for n in range(4)]
    for number, name in enumerate(names):
        with fsspec.open(name, "wb") as handle:
            handle.write(drawn(number))
    fetched: list[str] = []
    monkeypatch.setattr("interfuse.data.pictures.remote.fetch", lambda url, _: fetched.append(url) or fetch(url))
    frame = pl.DataFrame({"photo": names, "title": list("abcd")})
    settings = SourceSettings(image="photo", text="title", unpack_to=tmp_path, fetch="public")

    def load():
        examples = load_for_run(frame, settings, "multiclass", (), labelled=False)
        for number, path in enumerate(examples.pictures().values()):
            assert open_picture(path).tobytes() == Image.open(io.BytesIO(drawn(number))).tobytes()
        return examples

    assert "Remote pictures: 4 fetched, 0 unchanged since" in " ".join(load().notes)
    assert sorted(fetched) == names
    assert "Remote pictures: 0 fetched, 4 unchanged since" in " ".join(load().notes)
    with fsspec.open(names[2], "wb") as handle:  # the same content at another time
        handle.write(drawn(2))
    assert "1 fetched, 3 unchanged" in " ".join(load().notes)
    assert len(fetched) == 5


def test_a_remote_file_over_the_limit_and_a_client_that_fails_are_reasons(monkeypatch, cache, server):
    fsspec = pytest.importorskip("fsspec")
    with fsspec.open("memory://bucket/long.png", "wb") as handle:
        handle.write(bytes(100))
    monkeypatch.setattr("interfuse.data.pictures.remote.MAX_BYTES", 99)
    for url in ("memory://bucket/long.png", f"{server.address}/a.png"):
        assert "larger than the limit of 99 bytes" in identify(url, cache).reason
    monkeypatch.setattr(fsspec, "open", lambda *_: (_ for _ in ()).throw(TimeoutError("no answer")))
    assert identify("gs://a/b.png", cache).reason == "the remote file cannot be fetched: no answer"
    monkeypatch.setattr(fsspec, "open", lambda *_: (_ for _ in ()).throw(ImportError("Install s3fs.")))
    assert (
        "s3:// needs a package: Install s3fs. pip install 'interfuse[remote]'" in identify("s3://a/b.png", cache).reason
    )
