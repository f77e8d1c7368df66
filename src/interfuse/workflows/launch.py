"""Encoding on many workers: the plan's batches in portions, one a worker, by Ray; the store joins what they write."""

import os
import socket
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from interfuse.core.errors import ConfigError, EncoderError, require
from interfuse.core.progress import Progress, Silent
from interfuse.data.opening import COLLECTIONS
from interfuse.workflows.encode import Portion
from interfuse.workflows.prepare import Filled, encode_source
from interfuse.workflows.source import Source

R = TypeVar("R")
RETRIES = 3
"""How often a portion is run again when its worker dies; what it has written by then is not encoded again."""


def encode_on_workers(source: Source, progress: Progress, launcher: str, workers: int) -> Filled | None:
    """Encode on several workers, then look here whether anything is left.

    Args:
        source: the rows; every worker must reach the pictures and the store.
        progress: told how far it is.
        launcher: `ray`.
        workers: portions, each run by one worker.

    Raises:
        ConfigError: the launcher is not known.
        ExtraMissingError: Ray is not installed.
        EncoderError: a portion failed.
    """
    if launcher != "ray":
        raise ConfigError(f"Unknown launcher {launcher!r}. Known: ray. Without --launcher one process encodes.")
    if not source.is_known:
        source = with_absolute_paths(source)
        portions = [Portion(number, workers) for number in range(1, workers + 1)]
        progress.start("encode portions", workers, "portions")
        run_on_ray(
            _encode_portion, [(source, portion) for portion in portions], lambda: progress.advance("encode portions")
        )
        progress.finish("encode portions")
    return encode_source(source, progress)


def with_absolute_paths(source: Source) -> Source:
    """Write every path from the root: a worker of a cluster that was started elsewhere stands in another folder."""
    read, encode = source.read, source.encode
    data = source.data
    if isinstance(data, str | Path):
        prefix, colon, rest = str(data).partition(":")
        kind = f"{prefix}:" if colon and prefix in COLLECTIONS else ""
        name = rest if kind else str(data)
        # a pattern of shards is a path with stars in it; a dataset's name or a built-in is no path
        data = f"{kind}{os.path.abspath(name)}" if kind == "wds:" or os.path.exists(name) else data
    files = {
        what: os.path.abspath(path)
        for what in ("image_folder", "unpack_to", "validation", "test")
        if (path := getattr(read, what)) is not None
    }
    if read.join and ":" in read.join:
        name, _, keys = read.join.rpartition(":")
        files["join"] = f"{os.path.abspath(name)}:{keys}"
    towers = {
        what: os.path.abspath(name)
        for what in ("image_encoder", "text_encoder")
        if os.path.isdir(name := getattr(encode, what))
    }
    encode = replace(encode, store=Path(encode.store).absolute(), **towers)
    return Source(data, replace(read, **files), encode)


def run_on_ray(
    function: Callable[..., R],
    calls: Sequence[tuple[Any, ...]],
    tell: Callable[[], object],
    shared: Any = None,
    workers: int | None = None,
) -> list[R]:
    """Run the calls on a Ray cluster: the one that $RAY_ADDRESS names, else one started here and stopped in the end.

    A call whose worker dies is run again, up to `RETRIES` times.

    Args:
        function: of module level, so that a worker can import it.
        calls: arguments of each call.
        tell: called when a call is done.
        shared: given to every call before its own arguments, and sent to each machine once; None: nothing.
        workers: calls at once on a cluster that is started here; none: all.

    Raises:
        ExtraMissingError: Ray is not installed.
        EncoderError: a call raised, or its worker died too often.
    """
    ray = require("ray", "ray")
    ours = not ray.is_initialized()
    if ours:
        settings = {"include_dashboard": False, "log_to_driver": False, "configure_logging": False}
        local = {} if os.environ.get("RAY_ADDRESS") else {"num_cpus": workers or len(calls), **settings}
        ray.init(ignore_reinit_error=True, **local)
    try:
        remote = ray.remote(num_cpus=1, max_retries=RETRIES)(function)
        first = () if shared is None else (ray.put(shared),)
        waiting = [remote.remote(*first, *call) for call in calls]
        left = list(waiting)
        while left:
            done, left = ray.wait(left, num_returns=1)
            ray.get(done)
            tell()
        results: list[R] = ray.get(waiting)
        return results
    except ray.exceptions.RayError as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise EncoderError(
            f"A worker failed: {lines[-1]}. What was written is kept; the same command again goes on from there."
        ) from error
    finally:
        if ours:
            ray.shutdown()


def _encode_portion(source: Source, portion: Portion) -> str:
    """Encode one portion, on whatever machine this is."""
    encode_source(source, Silent(), portion)
    return socket.gethostname()
