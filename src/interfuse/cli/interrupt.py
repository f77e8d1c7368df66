"""Ctrl-C: one sentence on stderr and exit code 130, whatever the command was about to do."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

RESUMED = ("compare", "demo", "encode", "predict", "train")
"""Commands that keep what is done, so that the same command goes on."""


@contextmanager
def one_sentence(command: str) -> Iterator[None]:
    """Let the first Ctrl-C end the command with one sentence, and a second one end it at once.

    An interrupt inside an import may come out as any other error, so the signal is remembered.

    Args:
        command: that is run.

    Raises:
        SystemExit: with 130, after Ctrl-C.
    """
    signals: list[int] = []

    def hear(number: int, _: Any) -> None:
        if signals:
            os._exit(128 + number)
        signals.append(number)
        raise KeyboardInterrupt

    ours = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGINT, hear) if ours else None
    try:
        yield
    except BaseException as error:
        done = isinstance(error, SystemExit) and not error.code  # as `serve`, which Ctrl-C ends as it should
        if done or not (signals or isinstance(error, KeyboardInterrupt)):
            raise
        more = " The same command goes on where it stopped." if command in RESUMED else ""
        print(f"{chr(10) if sys.stderr.isatty() else ''}Stopped.{more}", file=sys.stderr)  # noqa: T201
        raise SystemExit(130) from None
    finally:
        if ours:
            signal.signal(signal.SIGINT, before)
