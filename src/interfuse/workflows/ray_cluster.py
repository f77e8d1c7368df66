"""Calls on a Ray cluster, one a worker; a call whose worker dies is run again."""

import os
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from interfuse.core.errors import EncoderError, require

R = TypeVar("R")
RETRIES = 3
"""How often a portion is run again when its worker dies; what it has written by then is not encoded again."""


def run_on_ray(
    function: Callable[..., R],
    calls: Sequence[tuple[Any, ...]],
    on_done: Callable[[], object],
    shared: Any = None,
    workers: int | None = None,
) -> list[R]:
    """Run the calls on a Ray cluster: the one that $RAY_ADDRESS names, else one started here and stopped in the end.

    A call whose worker dies is run again, up to `RETRIES` times.

    Args:
        function: of module level, so that a worker can import it.
        calls: arguments of each call.
        on_done: called when a call is done.
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
        futures = [remote.remote(*first, *call) for call in calls]
        pending = list(futures)
        while pending:
            done, pending = ray.wait(pending, num_returns=1)
            ray.get(done)
            on_done()
        results: list[R] = ray.get(futures)
        return results
    except ray.exceptions.RayError as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise EncoderError(
            f"A worker failed: {lines[-1]}. What was written is kept; the same command again goes on from there."
        ) from error
    finally:
        if ours:
            ray.shutdown()
