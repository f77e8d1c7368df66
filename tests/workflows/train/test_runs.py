"""Workers that train: started from a server whose environment may be older than the study."""

import os
import queue
import threading
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest

from interfuse.core.errors import OutOfFilesError, WorkerError
from interfuse.workflows.train import runs
from tests.shape_checks import unchecked


class Messages(queue.Queue):
    """What workers say, in this process."""

    ends_at_once = False

    def cancel_join_thread(self):
        self.ends_at_once = True


def test_a_worker_has_the_environment_of_its_study_and_not_of_the_server(monkeypatch):
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", "when the server was started")
    monkeypatch.setattr(runs, "_shared", {})
    nothing: Any = None
    with unchecked():
        runs._start(nothing, nothing, Messages(), {"CUBLAS_WORKSPACE_CONFIG": ":4096:8"})
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"


def test_a_worker_that_ends_does_not_wait_until_it_is_heard(monkeypatch):
    monkeypatch.setattr(runs, "_shared", {})
    nothing: Any = None
    messages = Messages()
    with unchecked():
        runs._start(nothing, nothing, messages, {})
    assert messages.ends_at_once


def test_what_cannot_be_read_or_shown_is_dropped_and_the_rest_is_heard():
    messages, stop, heard = Messages(), threading.Event(), []
    get = messages.get

    def on_step(steps, note):
        if note == "broken":
            raise OSError(24, "Too many open files")
        heard.append(note)
        stop.set()

    def broken_once(timeout):
        messages.get = get
        raise OSError(24, "Too many open files")

    messages.get = broken_once
    for message in ((1, "broken"), ("too", "much", "of it"), (1, "sound")):
        messages.put(message)
    runs._listen(messages, stop, on_step)
    assert heard == ["sound"]


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (BrokenProcessPool("ended"), WorkerError, "ended by itself.*ulimit -n 4096.*jobs=1"),
        (RuntimeError("unable to open: Too many open files (24)"), OutOfFilesError, "ulimit -n 4096"),
    ],
)
def test_a_worker_that_breaks_is_a_sentence(monkeypatch, error, kind, words):
    class Pool:
        def __init__(self, *_, **__):
            pass

        def submit(self, *_):
            future = Future()
            future.set_exception(error)
            return future

        def shutdown(self, **_):
            pass

    monkeypatch.setattr(runs, "ProcessPoolExecutor", Pool)
    monkeypatch.setattr(runs, "_process_context", lambda: SimpleNamespace(Queue=Messages))
    monkeypatch.setattr(runs, "without_interrupts", nullcontext)
    nothing: Any = None
    trial: Any = SimpleNamespace()
    with unchecked(), pytest.raises(kind, match=words):
        list(runs.run_trials(nothing, nothing, [trial], 2, nothing))
