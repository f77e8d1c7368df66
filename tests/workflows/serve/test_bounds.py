"""What strangers may cost a server: disk, memory and time are bounded, and names are shown as text."""

import asyncio
import json
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from PIL import Image

from interfuse.workflows.serve import guard, uploads
from interfuse.workflows.serve.guard import Guard, Names
from interfuse.workflows.serve.page import _lay_out
from interfuse.workflows.serve.responder import PREVIEW, Answer, Limits, Responder
from interfuse.workflows.serve.uploads import Client, RefusedError, Uploads, private_folder

API = "/gradio_api"
ME = Client(None, "1.2.3.4", None)
EVIL = "![x](http://evil.example/a.png)<img src=http://evil.example/b.png>"


def ask(app, held, path, receive, *headers):
    """Ask a guard once; return the status and what it says."""
    scope = {"type": "http", "method": "POST", "path": path, "query_string": b"", "client": ("1.2.3.4", 5)}
    scope["headers"] = [(b"host", b"127.0.0.1:7"), *headers]
    sent = []

    async def send(message):
        sent.append(message)

    asyncio.run(Guard(app, held, Names("127.0.0.1", 7), 1000, lambda _: None)(scope, receive, send))
    return sent[0]["status"], json.loads(sent[1]["body"])


@pytest.mark.parametrize("path", [f"{API}/queue/join", "/login", f"{API}/upload"])
def test_a_body_that_does_not_come_is_not_waited_for(tmp_path, monkeypatch, path):
    monkeypatch.setattr(guard, "BODY_SECONDS", 0.15)
    pieces = iter([b'{"da', b"ta", b'": '])

    async def drip():
        await asyncio.sleep(0.1)
        return {"type": "http.request", "body": next(pieces), "more_body": True}

    async def app(_, receive, send):
        try:
            while True:
                await receive()
        except RefusedError:  # as a framework does that makes an answer of any error
            await send({"type": "http.response.start", "status": 500, "headers": []})

    status, words = ask(app, Uploads(tmp_path), path, drip, (b"content-length", b"9"))
    assert (status, words["error"]) == (408, guard.SLOW)


def test_what_an_upload_leaves_behind_that_is_given_up_is_removed(tmp_path):
    held = Uploads(tmp_path)
    (tmp_path / "whole").mkdir()
    (tmp_path / "whole" / "photo.png").write_bytes(b"x")

    async def receive():
        return {"type": "http.disconnect"}

    async def app(_, receive, send):
        (tmp_path / "tmpabc").write_bytes(b"x" * 1000)
        await receive()
        await send({"type": "http.response.start", "status": 400, "headers": []})
        await send({"type": "http.response.body", "body": b"broken"})

    status, _ = ask(app, held, f"{API}/upload", receive, (b"content-length", b"9"))
    assert status == 400
    assert sorted(path.name for path in tmp_path.iterdir()) == ["whole"]


def test_uploads_on_their_way_are_bounded_together(tmp_path, monkeypatch):
    monkeypatch.setattr(uploads, "MAX_HELD_BYTES", 10)
    held = Uploads(tmp_path)
    (tmp_path / "tmpold").write_bytes(b"x")
    with held.expecting(6):
        with pytest.raises(RefusedError, match="too many uploads are on their way") as caught, held.expecting(5):
            pass
        with held.expecting(4):
            pass
        assert (tmp_path / "tmpold").exists()  # it may be the other's
    assert caught.value.status == 503
    assert not (tmp_path / "tmpold").exists()
    with held.expecting(11):  # alone, a large one is taken
        pass


def test_the_oldest_uploads_go_where_too_much_is_held(tmp_path, monkeypatch):
    monkeypatch.setattr(uploads, "MAX_HELD_BYTES", 10)
    held, names = Uploads(tmp_path), []
    Image.new("RGB", (64, 64)).save(tmp_path / "own.png")
    example = held.lend(tmp_path / "own.png", 10_000)
    for letter in "abca":
        file = tmp_path / letter / "photo.png"
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(b"12345")
        names.append(held.add(str(file), ME))
    assert [held.find(name, ME) is not None for name in names] == [False, False, True, True]
    assert [(tmp_path / letter).exists() for letter in "abc"] == [True, False, True]
    assert held.find(example, ME) == example
    assert Path(example).exists()


def test_what_a_killed_server_left_is_removed_by_the_next_and_a_running_ones_stays(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    left = tmp_path / "interfuse-serve-left"
    left.mkdir()
    for name in (".lock", "photo.png"):
        (left / name).write_bytes(b"")
    foreign = tmp_path / "interfuse-serve-foreign"
    foreign.mkdir()
    with private_folder() as running:
        for folder in (left, foreign, running):
            os.utime(folder, (time.time() - 3600,) * 2)
        with private_folder():
            assert (left.exists(), foreign.exists(), running.exists()) == (False, True, True)
    assert not running.exists()


def test_whole_pictures_are_held_one_at_a_time_and_answers_keep_small_ones(tmp_path):
    Image.new("RGB", (2 * PREVIEW, PREVIEW)).save(tmp_path / "large.png")
    at_once, most, sizes, gate = 0, 0, [], threading.Lock()

    def open_picture(file):
        nonlocal at_once, most
        with gate:
            at_once += 1
            most = max(most, at_once)
        time.sleep(0.02)
        with Image.open(file) as picture:
            return picture.convert("RGB")

    def prepare(picture):
        nonlocal at_once
        with gate:
            at_once -= 1
            sizes.append(picture.size)
        return torch.zeros(3, 1, 1)

    responder = Responder.__new__(Responder)  # without encoders
    responder.limits, responder._decoding = Limits(), threading.Lock()
    responder.image = SimpleNamespace(open_picture=open_picture, encoder=SimpleNamespace(prepare=prepare))
    with ThreadPoolExecutor(4) as pool:
        questions = list(pool.map(lambda _: responder._read(tmp_path / "large.png", "red"), range(8)))
    assert most == 1
    assert set(sizes) == {(2 * PREVIEW, PREVIEW)}  # the encoder saw the whole picture
    assert {one.picture.size for one in questions} == {(PREVIEW, PREVIEW // 2)}


def test_the_name_of_a_class_is_text_and_fetches_nothing():
    answer = Answer(probs={EVIL: 1.0}, label=EVIL, decided="image", notes=(EVIL,))
    status, _, verdict, _, _ = _lay_out(answer, "multiclass")
    refused = _lay_out(Answer(error=EVIL), "multiclass")[0]
    assert all("<img" not in shown and "&lt;img" in shown for shown in (status, verdict, refused))


def test_no_answer_is_read_as_markdown_which_would_fetch_a_picture_that_a_class_is_named_by(served):
    status, body = served.ask("GET", "/config")
    assert status == 200
    kinds = {one["props"].get("elem_id"): one["type"] for one in json.loads(body)["components"]}
    assert (kinds["status"], kinds["decided"], kinds["looked"]) == ("html", "html", "html")
