"""What strangers may ask of a served run: their own pictures, under the server's own name, and nothing else."""

import asyncio
import inspect
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from PIL import Image

from interfuse.core.errors import ConfigError
from interfuse.workflows.serve.guard import COOKIE, FOREIGN, MAX_BODY_BYTES, REFUSAL, Guard, Names
from interfuse.workflows.serve.page import answer_known, guard_page
from interfuse.workflows.serve.responder import Answer, Limits, Responder
from interfuse.workflows.serve.uploads import Client, RefusedError, Uploads, private_folder
from tests.workflows.serve.serving import serving

API = "/gradio_api"
META = {"_type": "gradio.FileData"}
REFUSED = (403, json.dumps({"detail": REFUSAL, "error": REFUSAL}).encode())
STRANGER = (403, json.dumps({"detail": FOREIGN, "error": FOREIGN}).encode())


@pytest.fixture(params=["open", "behind a login"])
def server(request, served, locked):
    """A client without cookies, logged in where there is a login."""
    if request.param == "open":
        return replace(served, cookies={})
    client = replace(locked, cookies={})
    client.log_in()
    return client


@pytest.fixture
def secrets(tmp_path, shop):
    """What is on the server's disk and none of a client's business, by kind."""
    folder = tmp_path / "secret"
    folder.mkdir()
    Image.new("RGB", (64, 48), "red").save(folder / "private.png")
    (folder / "link.png").symlink_to(folder / "private.png")
    os.mkfifo(folder / "pipe")
    return {
        "a picture": str(folder / "private.png"),
        "a row of the run's data": str(shop / "0.png"),
        "a link to a picture": str(folder / "link.png"),
        "a folder": str(folder),
        "a pipe": str(folder / "pipe"),
        "nothing": str(folder / "absent.png"),
        "a process": "/proc/self/environ",
        "a descriptor": "/proc/self/fd/0",
        "a device": "/dev/zero",
        "a terminal": "/dev/tty",
    }


def shapes(path: str) -> list:
    """Every way to write a file that some version of Gradio or its clients knows."""
    file = {"path": path, "meta": META}
    return [
        *(file, {"path": path}, {"path": path, "meta": None}, {**file, "is_stream": True}, {**file, "url": path}),
        *({"url": path}, {"url": f"file://{path}", "meta": META}, {"path": f"file://{path}", "meta": META}),
        *({"path": f"http://127.0.0.1:9{path}", "meta": META}, {"url": f"http://127.0.0.1:9{path}", "meta": META}),
        *({"path": path.encode().hex()}, {"path": [path]}, {"image": file}, {"value": file}, [file], [path], path),
    ]


def questions(given: object) -> list[tuple[str, dict]]:
    """Every endpoint that takes inputs, with something in the picture's place or the text's."""
    plain, session = [given, "red"], {"session_hash": "stranger"}
    return [
        ("queue/join", {"data": plain, "fn_index": 0, **session}),
        ("queue/join", {"data": [given], "fn_index": 1, **session}),
        ("queue/join", {"data": [None, [given]], "fn_index": 0, **session}),
        ("call/answer", {"data": plain}),
        ("call/load_example", {"data": [given]}),
        ("call/v2/answer", {"pictures": given, "texts": "red"}),
        ("call/v2/answer", {"pictures": None, "texts": [given]}),
        *(
            (f"{door}/{name}", {"data": plain, "fn_index": 0})
            for door in ("run", "api")
            for name in ("answer", "predict")
        ),
        ("run/predict", {"data": [[given], ["red"]], "fn_index": 0, "batched": True}),
        ("run/load_example", {"data": [given], "fn_index": 1}),
        ("component_server", {"data": given, "component_id": 1, "fn_name": "read", **session}),
        ("stream/event", {"data": plain}),
        *([] if isinstance(given, str) else [("call/answer", {"data": [None, given]})]),  # a string is a text there
    ]


def addresses(path: str) -> list[str]:
    """Every address that could give a file."""
    bare = path.lstrip("/")
    return [
        *(f"{API}/{door}{path}" for door in ("file=", "file=file://", "file/", "proxy=", "proxy=http://x.hf.space")),
        *(f"{API}/file={prefix}{path}" for prefix in ("/", "http://127.0.0.1:9", "%2e%2e/..", "%2f")),
        *(
            f"/{door}/{dots}{bare}"
            for door in ("static", "assets", "svelte")
            for dots in ("../" * 12, "%2e%2e/" * 12, "/")
        ),
        f"{API}/custom_component/x/client/..%2f/{bare}",
        f"{API}/run-history/records/{bare}",
        f"{API}/stream/a/b/1/playlist-file?path={path}",
        f"{API}/vibe-code?path={path}",
        f"/monitoring/{bare}",
    ]


def test_whatever_else_a_client_names_is_refused_in_the_same_words_and_is_not_opened(server, secrets, shop):
    before = len(server.heard())
    answers = {}
    for kind, path in secrets.items():
        for given in shapes(path):
            for door, body in questions(given):
                answers[kind, door, json.dumps(body)] = server.ask("POST", f"{API}/{door}", body)
        for address in addresses(path):
            for method in ("GET", "HEAD", "POST"):
                status, body = server.ask(method, address)
                answers[kind, method, address] = status, (REFUSED[1] if method == "HEAD" and not body else body)
    assert {asked: answer for asked, answer in answers.items() if answer != REFUSED} == {}
    assert server.answer(None, "red")["probs"]  # the worker waits for nothing
    heard = server.heard()[before:]
    names = [*(path for path in secrets.values()), str(Path(secrets["nothing"]).parent)]
    assert [line for line in heard if line.split(" ", 1)[1] in names or line.startswith("socket.")] == []


def test_while_strangers_ask_nothing_is_opened_but_the_page_and_the_servers_folder(server, secrets, shop):
    server.answer({"path": server.upload(shop / "0.png")}, "red")  # what is loaded at first use is loaded
    server.ask("GET", "/")
    before = len(server.heard())
    server.answer({"path": server.upload(shop / "3.png")}, "red")
    for path in secrets.values():
        server.ask("POST", f"{API}/call/answer", {"data": [{"path": path}, "red"]})
        server.ask("GET", f"{API}/file={path}")
    opened = [line.split(" ", 1)[1] for line in server.heard()[before:]]
    own = (str(server.temporary / "interfuse-serve-"),)
    assert [name for name in opened if not name.startswith(own) and not name.isdigit()] == []
    assert any(name.startswith(own) for name in opened)  # the log sees


def test_an_upload_is_answered_whatever_else_is_said_of_it(server, shop):
    name = server.upload(shop / "0.png")
    for more in ({}, {"meta": META}, {"url": "http://127.0.0.1:9/a.png", "is_stream": True, "orig_name": "../x"}):
        assert [one["word"] for one in server.answer({"path": name, **more}, "red")["attention"]] == ["red"]
    assert server.ask("GET", f"{API}/file={name}") == (200, (shop / "0.png").read_bytes())
    body = {"pictures": {"path": name, "meta": META}, "texts": "red"}
    assert "event_id" in json.loads(server.ask("POST", f"{API}/call/v2/answer", body)[1])


def test_the_path_of_an_upload_is_no_name_for_it(server, shop):
    server.upload(shop / "0.png")
    stored = list(server.temporary.glob("interfuse-serve-*/*/photo.png"))
    assert stored
    for path in stored:
        assert server.ask("POST", f"{API}/call/answer", {"data": [{"path": str(path)}, "red"]}) == REFUSED
        assert server.ask("GET", f"{API}/file={path}") == REFUSED


def test_another_client_may_not_use_an_upload(server, shop):
    server.ask("GET", "/")
    assert COOKIE in server.cookies
    name = server.upload(shop / "0.png")
    other, without = {**server.cookies, COOKIE: "other"}, {**server.cookies}
    del without[COOKIE]
    for client in (replace(server, cookies=other), replace(server, cookies=without)):
        assert client.ask("POST", f"{API}/call/answer", {"data": [{"path": name}, "red"]}) == REFUSED
        assert client.ask("GET", f"{API}/file={name}") == REFUSED
    assert server.answer({"path": name}, "red")["probs"]


def test_who_has_not_logged_in_is_told_nothing_of_an_upload(locked, shop):
    client = replace(locked, cookies={})
    client.log_in()
    name = client.upload(shop / "0.png")
    out = replace(locked, cookies={})
    assert out.ask("POST", f"{API}/call/answer", {"data": [{"path": name}, "red"]}) == REFUSED
    assert out.ask("GET", f"{API}/file={name}") == REFUSED
    assert out.ask("POST", f"{API}/call/answer", {"data": [None, "red"]})[0] == 401
    assert out.ask("POST", f"{API}/upload", b"x", Content_Type="multipart/form-data; boundary=cut")[0] == 401


def test_an_example_of_the_page_is_answered(server):
    body = {"data": [0], "fn_index": 1, "session_hash": "example"}
    status, loaded = server.ask("POST", f"{API}/run/predict", body)
    assert status == 200
    picture = json.loads(loaded)["data"][0]["value"]
    assert server.ask("GET", f"{API}/file={picture['path']}")[0] == 200
    assert server.answer(picture, "red")["probs"]
    other = str(Path(picture["path"]).parent)
    assert server.ask("GET", f"{API}/file={other}") == REFUSED


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "evil.example:{port}"},
        {"Host": "127.0.0.1"},
        {"Host": "127.0.0.1:1"},
        {"Host": None},
        {"Origin": "http://evil.example"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "http://localhost:{port}"},
        {"Origin": "null"},
        {"Host": "evil.example", "Origin": "http://evil.example"},
    ],
    ids=str,
)
def test_a_foreign_host_or_origin_is_refused(served, headers):
    given = {name: value and value.format(port=served.port) for name, value in headers.items()}
    client, told = replace(served, cookies={}), STRANGER
    asked = {"data": [None, "red"], "fn_index": 0, "session_hash": "foreign"}
    if given.get("Host", "") is None:
        told, asked = (400, b"Invalid HTTP request received."), None  # it hangs up on a body that it never reads
    preflight = {"Access_Control_Request_Method": "POST", "Access_Control_Request_Headers": "content-type"}
    assert client.ask("GET", "/", **given) == told
    assert client.ask("POST", f"{API}/queue/join", asked, **given) == told
    assert client.ask("OPTIONS", f"{API}/queue/join", **preflight, **given) == told
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec_WebSocket_Version": "13"}
    assert client.ask("GET", f"{API}/queue/join", **upgrade, Sec_WebSocket_Key="YQ==", **given)[0] == told[0]
    assert client.cookies == {}


def test_the_servers_own_names_and_origin_are_answered(served):
    for host in (f"127.0.0.1:{served.port}", f"localhost:{served.port}", f"[::1]:{served.port}"):
        client = replace(served, cookies={})
        assert client.ask("GET", "/", Host=host, Origin=f"http://{host}")[0] == 200


def test_the_python_client_is_answered_with_and_without_a_login(served, locked, shop):
    pytest.importorskip("gradio_client")
    code = (
        "import sys, json; from gradio_client import Client, handle_file\n"
        "login = ('me', 'secret') if sys.argv[2] == 'login' else None\n"
        "client = Client(sys.argv[1], verbose=False, auth=login)\n"
        "*_, both = client.predict(handle_file(sys.argv[3]), 'red', api_name='/answer')\n"
        "*_, text = client.predict(None, 'red', api_name='/answer')\n"
        "print(json.dumps([sorted(both), text['decided']]))"
    )
    for server, login in ((served, "none"), (locked, "login")):
        command = [sys.executable, "-c", code, server.address, login, str(shop / "0.png")]
        told = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout
        assert json.loads(told.splitlines()[-1])[0] == ["attention", "decided", "label", "notes", "probs", "shapley"]


def test_the_folder_of_uploads_is_private_and_gone_when_the_server_is_told_to_end(run, source, shop, tmp_path):
    with serving(run.folder, source.data, tmp_path) as server:
        server.upload(shop / "0.png")
        (folder,) = server.temporary.glob("interfuse-serve-*")
        assert folder.stat().st_mode & 0o777 == 0o700
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(120) == -signal.SIGTERM
    assert list(server.temporary.glob("interfuse-serve-*")) == []
    assert not (server.temporary / "gradio").exists()


def test_the_folder_is_private_and_removed_behind_errors_too():
    before, handler = os.environ.get("GRADIO_TEMP_DIR"), signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyError), private_folder() as folder:
        assert os.environ["GRADIO_TEMP_DIR"] == str(folder)
        raise KeyError
    assert not folder.exists()
    assert os.environ.get("GRADIO_TEMP_DIR") == before
    assert signal.getsignal(signal.SIGTERM) is handler


@pytest.mark.parametrize(
    ("names", "known"),
    [
        (Names("127.0.0.1", 7), {"127.0.0.1:7", "localhost:7", "[::1]:7"}),
        (Names("::1", 7), {"127.0.0.1:7", "localhost:7", "[::1]:7"}),
        (
            Names("localhost", 80),
            {f"{name}{port}" for name in ("127.0.0.1", "localhost", "[::1]") for port in ("", ":80")},
        ),
        (Names("Box.lan", 7), {"box.lan:7"}),
        (Names("10.0.0.2", 7, ("Shop.example",)), {"10.0.0.2:7", "shop.example"}),
        (Names("0.0.0.0", 7), None),
        (Names("::", 7), None),
        (Names("0.0.0.0", 7, ("a:9",)), {"127.0.0.1:7", "localhost:7", "[::1]:7", "a:9"}),
    ],
    ids=lambda value: value.host if isinstance(value, Names) else "",
)
def test_the_names_that_are_answered_follow_from_the_address(names, known):
    assert names.known() == known


def test_an_allowed_host_that_is_no_host_is_refused():
    with pytest.raises(ConfigError, match="NAME or NAME:PORT, got 'https://shop.example'"):
        Names("127.0.0.1", 7, ("https://shop.example",))


def client_of(app, uploads, **given):
    """Ask a guard around an app, without a server; give the status and the body."""
    guard = Guard(app, uploads, Names("127.0.0.1", 7), 1000, lambda cookies: cookies.get("login"))
    scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "client": ("1.2.3.4", 5), **given}
    scope["headers"] = [(b"host", b"127.0.0.1:7"), *given.get("headers", [])]
    sent = []

    async def receive():
        return {"type": "http.request", "body": given.get("body", b""), "more_body": False}

    async def send(message):
        sent.append(message)

    asyncio.run(guard(scope, receive, send))
    return sent[0].get("status"), b"".join(message.get("body", b"") for message in sent)


def echoing(seen, stored=None):
    """An app that keeps what reaches it."""

    async def app(scope, receive, send):
        message = await receive()
        seen.append((scope, message["body"]))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": json.dumps(stored).encode()})

    return app


def test_only_what_is_known_of_a_request_reaches_the_app(tmp_path):
    seen, uploads = [], Uploads(tmp_path)
    name = uploads.add(f"{tmp_path}/a/photo.png", Client(None, "1.2.3.4", None))
    headers = [(b"x-forwarded-host", b"evil"), (b"X-Gradio-Server", b"evil"), (b"range", b"bytes=0-1")]
    client_of(echoing(seen), uploads, query_string=b"deep_link=x&page=y", headers=headers)
    body = {
        "data": [{"path": name, "url": "u", "is_stream": True}, "red"],
        "batched": True,
        "event_data": {"path": "x"},
    }
    join = {"method": "POST", "path": f"{API}/queue/join", "body": json.dumps(body).encode()}
    client_of(echoing(seen), uploads, **join)
    upload = {"method": "POST", "path": f"{API}/upload"}
    headers = [(b"content-length", b"1"), (b"accept-encoding", b"br")]
    client_of(echoing(seen, []), uploads, **upload, headers=headers)
    (page, _), (_, joined), (uploaded, _) = seen
    assert [header for header, _ in uploaded["headers"]] == [b"host", b"content-length"]
    assert page["query_string"] == b""
    assert [header for header, _ in page["headers"]] == [b"host", b"range"]
    assert json.loads(joined) == {"data": [{"path": f"{tmp_path}/a/photo.png", "meta": META}, "red"]}


def test_a_request_that_is_too_large_is_refused_before_it_is_kept(tmp_path):
    seen, uploads = [], Uploads(tmp_path)
    join = {"method": "POST", "path": f"{API}/queue/join", "body": b" " * (MAX_BODY_BYTES + 1)}
    assert client_of(echoing(seen), uploads, **join)[0] == 413
    upload = {"method": "POST", "path": f"{API}/upload"}
    for length, status in ((None, 411), (b"x", 411), (b"9" * 5000, 413), (b"100000", 413)):
        headers = [] if length is None else [(b"content-length", length)]
        assert client_of(echoing(seen), uploads, **upload, headers=headers)[0] == status
    headers = [(b"content-length", b"1"), (b"transfer-encoding", b"chunked")]  # the second overrules the first
    assert client_of(echoing(seen), uploads, **upload, headers=headers)[0] == 411
    assert seen == []


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"[" * 100_000, b"1" * 5000, b'{"data": {}}', b'"\xff"'], ids=repr)
def test_what_is_no_json_of_ours_is_refused(tmp_path, body):
    join = {"method": "POST", "path": f"{API}/queue/join", "body": body}
    assert client_of(echoing([]), Uploads(tmp_path), **join) == REFUSED


@pytest.mark.parametrize("stored", [{"path": "x"}, [1], ["/etc/passwd"], "FOLDER/../x", None], ids=str)
def test_an_upload_that_was_stored_in_a_way_that_is_not_known_gets_no_name(tmp_path, stored):
    stored = [stored.replace("FOLDER", str(tmp_path))] if isinstance(stored, str) else stored
    upload = {"method": "POST", "path": f"{API}/upload", "headers": [(b"content-length", b"1")]}
    status, body = client_of(echoing([], stored), Uploads(tmp_path), **upload)
    assert (status, "Refused" in json.loads(body)["error"]) == (500, True)


def test_a_file_that_came_past_the_guard_is_not_opened_and_spoils_no_other(tmp_path):
    uploads, asked = Uploads(tmp_path), []
    uploads.add(f"{tmp_path}/a/photo.png", Client(None, None, None))

    def answer(rows):
        asked.extend(rows)
        return [Answer(label=str(path)) for path, _ in rows]

    paths = [f"{tmp_path}/a/photo.png", "/etc/passwd", f"{tmp_path}/b/photo.png"]
    pictures = [*({"path": path} for path in paths), None]
    responder = Responder.__new__(Responder)  # without encoders
    responder.answer = answer
    found = answer_known(responder, uploads, pictures, ["a", "b", None, 7])
    assert asked == [(paths[0], "a"), (None, "7")]
    assert [one.error for one in found] == [None, REFUSAL, REFUSAL, None]


def test_a_web_socket_is_closed(tmp_path):
    assert client_of(echoing(seen := []), Uploads(tmp_path), type="websocket") == (None, b"")
    assert seen == []


def test_an_upload_belongs_to_its_login_address_and_browser(tmp_path):
    uploads, mine = Uploads(tmp_path), Client("me", "1.2.3.4", "cookie")
    file = f"{tmp_path}/a/photo.png"
    name, loose = uploads.add(file, mine), uploads.add(file, replace(mine, browser=None))
    assert uploads.find(name, mine) == uploads.find(loose, mine) == file
    for other in (replace(mine, login="you"), replace(mine, login=None), replace(mine, address="1.2.3.5")):
        assert uploads.find(name, other) is uploads.find(loose, other) is None
    assert uploads.find(name, replace(mine, browser=None)) is uploads.find(name, replace(mine, browser="x")) is None
    assert uploads.find(file, mine) is uploads.find(None, mine) is uploads.find([name], mine) is None
    assert [uploads.holds(one) for one in (file, name, f"{file}.png", None)] == [True, False, False, False]
    with pytest.raises(RefusedError, match="not stored in this server's folder"):
        uploads.add(f"{tmp_path}-other/photo.png", mine)


@pytest.mark.parametrize("lacking", ["auth", "the folder of uploads", "the record of logins", "nothing"])
def test_a_gradio_that_cannot_be_guarded_is_not_served(monkeypatch, tmp_path, lacking):
    inner = SimpleNamespace(uploaded_file_dir=str(tmp_path), tokens={}, cookie_id="x")
    if lacking == "the folder of uploads":
        inner.uploaded_file_dir = "/tmp/gradio"
    if lacking == "the record of logins":
        del inner.tokens

    async def outer(scope, receive, send):
        raise AssertionError

    def mount(app, blocks, path, auth, show_error, max_file_size, ssr_mode, enable_monitoring, mcp_server, **more):
        outer.routes = [SimpleNamespace(app=inner)]
        return outer

    names = [*inspect.signature(mount).parameters, "footer_links", "theme", "css"]
    if lacking == "auth":
        names.remove("auth")
    kinds = inspect.Parameter
    mount.__signature__ = inspect.Signature([kinds(name, kinds.KEYWORD_ONLY) for name in names])
    gradio, fastapi = ModuleType("gradio"), ModuleType("fastapi")
    gradio.__version__, gradio.mount_gradio_app = "6.0", mount
    gradio.themes, fastapi.FastAPI = SimpleNamespace(Default=lambda **fonts: None), lambda **given: None
    monkeypatch.setitem(sys.modules, "gradio", gradio)
    monkeypatch.setitem(sys.modules, "fastapi", fastapi)
    blocks = SimpleNamespace(queue=lambda max_size: None)
    given = blocks, Uploads(tmp_path), Limits(), Names("127.0.0.1", 7), None
    if lacking == "nothing":
        assert isinstance(guard_page(*given), Guard)
        assert blocks.has_launched  # Gradio's own check is on too
        return
    with pytest.raises(ConfigError, match=rf"gradio 6\.0 cannot be served safely: it lacks {lacking}\. Fix: pip"):
        guard_page(*given)
