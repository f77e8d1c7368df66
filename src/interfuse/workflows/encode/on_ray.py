"""Encoding on many workers: the plan's batches in portions, one a worker, by Ray; the store joins what they write."""

import socket

from interfuse.core.errors import ConfigError
from interfuse.core.progress import Progress, Silent
from interfuse.settings import Portion
from interfuse.workflows.encode.fill_store import Filled, encode_source
from interfuse.workflows.ray_cluster import run_on_ray
from interfuse.workflows.source import Source, with_absolute_paths


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
        raise ConfigError(f"Unknown launcher {launcher!r}. Known: ray. Without a launcher one process encodes.")
    if not source.is_known:
        source = with_absolute_paths(source)
        portions = [Portion(number, workers) for number in range(1, workers + 1)]
        progress.start("encode portions", workers, "portions")
        run_on_ray(
            _encode_portion, [(source, portion) for portion in portions], lambda: progress.advance("encode portions")
        )
        progress.finish("encode portions")
    return encode_source(source, progress)


def _encode_portion(source: Source, portion: Portion) -> str:
    """Encode one portion, on whatever machine this is."""
    encode_source(source, Silent(), portion)
    return socket.gethostname()
