"""The command `serve` in a process of its own, whose every opened file is written down, and a client for it."""

import http.client
import importlib.util
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from PIL import Image

COLOURS = ("red", "blue", "green")
PATIENCE = 120  # seconds: the machine may be busy; who waits for a pipe waits for ever
AUDITED = """
import os, sys

log = os.open(sys.argv.pop(1), os.O_WRONLY | os.O_APPEND | os.O_CREAT)
heard = ("open", "os.listdir", "os.scandir", "os.rename", "os.remove", "socket.connect", "socket.getaddrinfo")


def hear(event, given):
    if event in heard:
        what = given[1] if event == "socket.connect" else given[0]
        name = os.fsdecode(what) if isinstance(what, (str, bytes, os.PathLike)) else str(what)
        os.write(log, f"{event} {name}\\n".encode(errors="replace"))


sys.addaudithook(hear)
from interfuse.cli.main import run

run()
"""


def draw_cup(number: int) -> tuple[Image.Image, str, str]:
    """Return a row of the shop: a cup in one of three colours."""
    colour = COLOURS[number % 3]
    picture = Image.new("RGB", (64, 48), colour)
    x, y = 7 * number % 48, 5 * number % 32  # where no other cup has it: near-copies would be one group
    picture.paste((255, 255, 255), (x, y, x + 16, y + 16))
    return picture, f"a cup number {number} in {colour}", colour


@dataclass
class Served:
    """A server and one client of it."""

    port: int
    log: Path
    temporary: Path
    """Where the server makes its folder."""
    process: subprocess.Popen
    cookies: dict[str, str] = field(default_factory=dict)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def heard(self) -> list[str]:
        """What the server opened, listed, renamed and connected to so far."""
        return self.log.read_text(encoding="utf-8", errors="replace").splitlines()

    def ask(self, method: str, path: str, body: Any = None, **headers: str | None) -> tuple[int, bytes]:
        """Ask once; the path goes out as it is. A header that is None is left out."""
        sent = {"Host": f"127.0.0.1:{self.port}", "Cookie": "; ".join(f"{k}={v}" for k, v in self.cookies.items())}
        if body is not None and not isinstance(body, bytes):
            body, sent["Content-Type"] = json.dumps(body).encode(), "application/json"
        if body is not None:
            sent["Content-Length"] = str(len(body))
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in sent.items():
                if value:
                    connection.putheader(name, value)
            connection.endheaders(body)
            answer = connection.getresponse()
            for cookie in answer.headers.get_all("set-cookie") or []:
                name, _, value = cookie.partition(";")[0].partition("=")
                self.cookies[name] = value
            return answer.status, answer.read()
        finally:
            connection.close()

    def log_in(self) -> None:
        form = urlencode({"username": "me", "password": "secret"}).encode()
        assert self.ask("POST", "/login", form, Content_Type="application/x-www-form-urlencoded")[0] == 200

    def upload(self, picture: Path) -> str:
        """Upload a picture; give its name at the server."""
        form = b'--cut\r\nContent-Disposition: form-data; name="files"; filename="photo.png"\r\n\r\n'
        form += picture.read_bytes() + b"\r\n--cut--\r\n"
        status, body = self.ask("POST", "/gradio_api/upload", form, Content_Type="multipart/form-data; boundary=cut")
        assert status == 200, body
        return json.loads(body)[0]

    def answer(self, picture: Any, text: str | None) -> dict[str, Any]:
        """Ask the model and give its answer as JSON."""
        status, body = self.ask("POST", "/gradio_api/call/answer", {"data": [picture, text]})
        assert status == 200, body
        status, body = self.ask("GET", f"/gradio_api/call/answer/{json.loads(body)['event_id']}")
        assert (status, body.splitlines()[0]) == (200, b"event: complete"), body
        return json.loads(body.splitlines()[1].removeprefix(b"data: "))[-1]


@contextmanager
def serving(run: Path, data: str, folder: Path, *options: str) -> Iterator[Served]:
    """Start the command and wait until it answers; end it behind.

    The server leaves sockets to the garbage collector, so that it may not run in the process of the tests.
    """
    if importlib.util.find_spec("gradio") is None:
        pytest.skip("the extra serve is not installed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    temporary = folder / "temporary"
    temporary.mkdir()
    command = [sys.executable, "-c", AUDITED, str(folder / "opened"), "serve", str(run), "--examples", data]
    environment = os.environ | {"TMPDIR": str(temporary)}
    with subprocess.Popen([*command, "--port", str(port), *options], env=environment) as process:
        server = Served(port, folder / "opened", temporary, process)
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and process.poll() is None:
            try:
                server.ask("GET", "/")
                break
            except OSError:
                time.sleep(0.5)
        try:
            yield server
        finally:
            process.terminate()
