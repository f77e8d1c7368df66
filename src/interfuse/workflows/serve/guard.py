"""The outermost layer of a served run: it lets in known routes, under known names, with files that the client uploaded.

What it lets through is written anew (path, query, headers, body), so that nothing of a request that we do not know
reaches Gradio: its own checks look at some fields of a file and its code follows others.
"""

import asyncio
import ipaddress
import json
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import parse_qsl, urlencode

from interfuse.core.errors import ConfigError
from interfuse.workflows.serve.uploads import Client, RefusedError, Uploads

REFUSAL = (
    "Refused: only a picture that you uploaded to this server, or one of its examples, is opened, "
    "and only what the page and its API need is served."
)
"""The one answer to whatever names something else, so that it tells nothing of what is there."""
FOREIGN = (
    "Refused: the request is for another name than this server's, or comes from another site's page. "
    "Behind a proxy or a tunnel: start the server with its name among the allowed hosts."
)
LARGE = "Refused: the request is larger than this server reads."
SLOW = "Refused: the request was not sent whole in time."
UNMEASURED = "Refused: an upload must say its length (Content-Length)."
COOKIE = "interfuse-client"
MAX_BODY_BYTES = 1_000_000
"""Largest request that brings no file."""
BODY_SECONDS = 60.0
"""What a client has to send a request's body, all of it."""
MAX_FRAME_BYTES = 65_536
"""What a form may add to the file that it brings."""
PICTURE_PLACE, TEXT_PLACE = (0, "pictures"), (1, "texts")
"""Where among the inputs a file may stand, and where a string, which elsewhere could be taken for a file."""
LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")

Message = Any  # a mutable mapping with string keys, as ASGI has it
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

_API = "/gradio_api"
_WORD = r"[A-Za-z0-9_-]{1,64}"
_PIECE = r"(?!\.)[A-Za-z0-9_.@+-]{1,120}"
_HEADERS = (
    *("accept", "accept-encoding", "content-length", "content-type", "cookie", "host", "origin", "user-agent"),
    *("range", "if-range", "if-match", "if-none-match", "if-modified-since", "if-unmodified-since"),
    "x-forwarded-proto",
)
"""What Gradio may see; others of its own (`x-gradio-…`, `x-forwarded-host`) move its addresses and its history."""


@dataclass(frozen=True)
class Names:
    """Where the server listens and what it may be called."""

    host: str
    port: int
    allowed: tuple[str, ...] = ()
    """Further names as the Host header has them, for a proxy or a tunnel."""

    def __post_init__(self) -> None:
        """Refuse what no Host header can be."""
        for name in self.allowed:
            if not re.fullmatch(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]+)?", name):
                raise ConfigError(f"allowed_host=… is NAME or NAME:PORT, got {name!r}.")

    def known(self) -> frozenset[str] | None:
        """Return every Host header that is answered; None: any is, since all addresses are listened on."""
        plain = self.host.strip("[]").lower()
        allowed = {name.lower() for name in self.allowed}
        if plain in ("0.0.0.0", "::", ""):
            if not allowed:
                return None
            names = set(LOOPBACK_NAMES)
        else:
            names = {f"[{plain}]" if ":" in plain else plain}
            if plain == "localhost" or (_is_address(plain) and ipaddress.ip_address(plain).is_loopback):
                names.update(LOOPBACK_NAMES)
        bare = names if self.port == 80 else set()
        return frozenset({f"{name}:{self.port}" for name in names} | bare | allowed)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


@dataclass(frozen=True)
class _Route:
    """What the page or its API ask for."""

    path: str
    methods: tuple[str, ...] = ("GET", "HEAD")
    query: tuple[str, ...] = ()
    """Parameters that are passed on."""
    body: Literal["none", "form", "inputs", "named inputs", "upload"] = "none"
    greets: bool = False
    """Whether a browser gets its cookie here."""


_POST = ("POST",)
_ROUTES = tuple(
    (re.compile(route.path), route)
    for route in (
        _Route(r"/|/config/?|/theme\.css", greets=True),
        _Route(r"/(?:robots\.txt|favicon\.ico|manifest\.json|logout)"),
        _Route(rf"/(?:assets|static|svelte)(?:/{_PIECE}){{1,8}}"),
        _Route(rf"{_API}/(?:theme\.css|app_id|user|login_check|openapi\.json|queue/status)/?"),
        _Route(rf"{_API}/info/?", query=("all_endpoints",)),
        _Route(rf"{_API}/heartbeat/{_WORD}"),
        _Route(rf"{_API}/queue/data", query=("session_hash",)),
        _Route(rf"{_API}/upload_progress", query=("upload_id",)),
        _Route(rf"{_API}/call/(?:v2/)?answer/{_WORD}"),
        _Route(rf"{_API}/file=(?P<file>.+)"),
        _Route(r"/login/?", _POST, body="form"),
        _Route(rf"{_API}/upload", _POST, query=("upload_id",), body="upload"),
        _Route(rf"{_API}/(?:queue/join|call/answer/?)", _POST, body="inputs"),
        _Route(rf"{_API}/run/(?:predict|load_example)/?", _POST, body="inputs"),  # a click on an example
        _Route(rf"{_API}/call/v2/answer/?", _POST, body="named inputs"),
        _Route(rf"{_API}/(?:cancel|reset)/?", _POST, body="inputs"),
    )
)


class Guard:
    """An ASGI app around another: what is not known is refused before the other sees it."""

    def __init__(
        self, app: App, uploads: Uploads, names: Names, max_file_bytes: int, login: Callable[[Mapping[str, str]], Any]
    ) -> None:
        """Stand before an app.

        Args:
            app: what is guarded.
            uploads: what clients may name.
            names: what the server may be called.
            max_file_bytes: largest upload.
            login: returns who logged in by the cookies, or None.
        """
        self.app, self.uploads, self.max_file_bytes, self.login = app, uploads, max_file_bytes, login
        self._names = names.known()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
        elif scope["type"] == "http":
            try:
                await self._admit(scope, receive, send)
            except RefusedError as refusal:
                await _say(send, refusal.status, {"detail": str(refusal), "error": str(refusal)})
        else:  # the page needs no web socket
            await send({"type": "websocket.close", "code": 1008})

    async def _admit(self, scope: Message, receive: Receive, send: Send) -> None:
        headers = _read_headers(scope)
        self._check_origin(headers)
        match, route = _find_route(scope["method"], scope["path"])
        cookies = _read_cookies(headers)
        client = Client(self.login(cookies), (scope.get("client") or (None,))[0], cookies.get(COOKIE))
        path = scope["path"]
        if "file" in match.groupdict():
            path = f"{_API}/file={self._file_of(match['file'], client)}"
        fields = {name: values[0] for name, values in headers.items() if name in _HEADERS}
        if route.body == "upload":
            if "transfer-encoding" in headers:  # it would overrule the length
                raise RefusedError(UNMEASURED, 411)
            fields.pop("accept-encoding", None)  # the answer is read here
            await self._take_upload(_rewrite_scope(scope, path, route, fields), fields, client, receive, send)
            return
        if route.body != "none":
            body = await _read_body(_Timed(receive, BODY_SECONDS))
            if route.body != "form":
                body = json.dumps(self._rebuild(body, route.body == "named inputs", client)).encode()
                fields["content-type"] = "application/json"
            fields["content-length"] = str(len(body))
            receive = _replay(body, receive)
        if route.greets and client.browser is None and headers.get("sec-fetch-site") != ["cross-site"]:
            send = _greeting(send, secure=scope.get("scheme") == "https")
        await self.app(_rewrite_scope(scope, path, route, fields), receive, send)

    def _check_origin(self, headers: Mapping[str, list[str]]) -> None:
        """Refuse another name than ours (a name that was made to point here), and another site's page."""
        hosts, origins = headers.get("host", []), headers.get("origin", [])
        if len(hosts) != 1 or len(origins) > 1:
            raise RefusedError(FOREIGN)
        host = hosts[0].lower()
        own = {f"http://{host}", f"https://{host}"}
        if (self._names is not None and host not in self._names) or not {one.lower() for one in origins} <= own:
            raise RefusedError(FOREIGN)

    def _file_of(self, name: object, client: Client) -> str:
        file = self.uploads.find(name, client)
        if file is None:
            raise RefusedError(REFUSAL)
        return file

    def _rebuild(self, body: bytes, by_name: bool, client: Client) -> dict[str, Any]:
        """Write a request's JSON anew: plain values, and files by path alone."""
        try:
            content = json.loads(body)
        except (ValueError, RecursionError):
            raise RefusedError(REFUSAL) from None
        if not isinstance(content, dict):
            raise RefusedError(REFUSAL)
        if by_name:
            return {name: self._input(value, name, client) for name, value in content.items()}
        names = ("session_hash", "fn_index", "trigger_id", "event_id")
        request = {name: content[name] for name in names if isinstance(content.get(name), str | int)}
        if "data" in content:
            if not isinstance(content["data"], list):
                raise RefusedError(REFUSAL)
            request["data"] = [self._input(value, place, client) for place, value in enumerate(content["data"])]
        return request

    def _input(self, value: Any, place: int | str, client: Client) -> Any:
        if isinstance(value, dict) and place in PICTURE_PLACE:
            return {"path": self._file_of(value.get("path"), client), "meta": {"_type": "gradio.FileData"}}
        if isinstance(value, dict | list) or (isinstance(value, str) and place not in TEXT_PLACE):
            raise RefusedError(REFUSAL)
        return value

    async def _take_upload(
        self, scope: Message, headers: dict[str, str], client: Client, receive: Receive, send: Send
    ) -> None:
        """Let the app store the files, and send the client names that stand for them."""
        length = headers.get("content-length", "")
        if not (length.isascii() and length.isdigit()):
            raise RefusedError(UNMEASURED, 411)
        if len(length) > 18 or int(length) > self.max_file_bytes + MAX_FRAME_BYTES:
            raise RefusedError(LARGE, 413)
        messages: list[Message] = []

        async def keep(message: Message) -> None:
            messages.append(message)

        with self.uploads.expecting(int(length)):
            timed = _Timed(receive, BODY_SECONDS)
            try:
                await self.app(scope, timed, keep)
            except Exception:
                if not timed.over:
                    raise
            if timed.over:  # the app may have made other words of it
                raise RefusedError(SLOW, 408)
        status = messages[0]["status"] if messages else 500
        body = b"".join(message.get("body", b"") for message in messages[1:])
        if status != 200:
            await _say(send, status, {"detail": f"The upload was not taken: {body.decode(errors='replace')[:300]}"})
            return
        files = json.loads(body)
        if not isinstance(files, list) or not all(isinstance(file, str) for file in files):
            raise RefusedError("Refused: this version of gradio stores uploads in a way that is not known.", 500)
        await _say(send, 200, [self.uploads.add(file, client) for file in files])


def _find_route(method: str, path: str) -> tuple[re.Match[str], _Route]:
    for pattern, route in _ROUTES:
        match = pattern.fullmatch(path)
        if match and method in route.methods:
            return match, route
    raise RefusedError(REFUSAL)


def _read_headers(scope: Message) -> dict[str, list[str]]:
    headers: dict[str, list[str]] = {}
    for name, value in scope["headers"]:
        headers.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
    return headers


def _read_cookies(headers: Mapping[str, list[str]]) -> dict[str, str]:
    cookies: dict[str, str] = {}
    for part in headers.get("cookie", [""])[0].split(";"):  # the first header, as the app behind reads them
        name, _, value = part.partition("=")
        cookies[name.strip()] = value.strip().strip('"')
    return cookies


def _rewrite_scope(scope: Message, path: str, route: _Route, headers: Mapping[str, str]) -> Message:
    """Write a scope anew with what is known of it."""
    try:
        parameters = parse_qsl(scope.get("query_string", b"").decode("latin-1"), max_num_fields=16)
    except ValueError:
        raise RefusedError(REFUSAL) from None
    query = urlencode([(name, value) for name, value in parameters if name in route.query and len(value) <= 128])
    raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    return {**scope, "path": path, "raw_path": path.encode(), "query_string": query.encode(), "headers": raw}


class _Timed:
    """The messages of a body, until its time is over."""

    def __init__(self, receive: Receive, seconds: float) -> None:
        self.receive, self.end = receive, time.monotonic() + seconds
        self.whole = self.over = False

    async def __call__(self) -> Message:
        """Return the next message; behind the whole body there may be any wait for the client to leave.

        Raises:
            RefusedError: the time is over.
        """
        if self.whole:
            return await self.receive()
        try:
            message = await asyncio.wait_for(self.receive(), max(0.0, self.end - time.monotonic()))
        except TimeoutError:
            self.over = True
            raise RefusedError(SLOW, 408) from None
        self.whole = not message.get("more_body")
        return message


async def _read_body(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise RefusedError(REFUSAL)  # nobody hears it
        body += message.get("body", b"")
        if len(body) > MAX_BODY_BYTES:
            raise RefusedError(LARGE, 413)
        if not message.get("more_body"):
            return bytes(body)


def _replay(body: bytes, receive: Receive) -> Receive:
    left = [{"type": "http.request", "body": body, "more_body": False}]

    async def replayed() -> Message:
        return left.pop() if left else await receive()

    return replayed


def _greeting(send: Send, secure: bool) -> Send:
    cookie = f"{COOKIE}={secrets.token_urlsafe(24)}; Path=/; HttpOnly; SameSite=Strict{'; Secure' if secure else ''}"

    async def greet(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", []), (b"set-cookie", cookie.encode())]}
        await send(message)

    return greet


async def _say(send: Send, status: int, content: Any) -> None:
    body = json.dumps(content).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
